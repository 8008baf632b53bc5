import { type FormEvent, useState } from "react";
import { ApiError, api, type Session } from "../api";
import { S } from "../strings";

export function explainSignIn(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 0) return S.signIn.unreachable;
  if (error.status === 401 || error.status === 403) return S.signIn.refused;
  return error.problem.message;
}

export function SignIn({ problem, onSession }: { problem: string | null; onSession: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(problem);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      onSession(await api.signIn(token.trim()));
    } catch (error) {
      setFailure(explainSignIn(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <h1>{S.product}</h1>
        <h2>{S.signIn.title}</h2>
        <p>{S.signIn.lead}</p>
        {failure !== null && (
          <p className="problem" role="alert" data-testid="sign-in-problem">
            {failure}
          </p>
        )}
        <label className="field">
          <span>{S.signIn.token}</span>
          <input type="password" value={token} onChange={(event) => setToken(event.target.value)} autoComplete="off" data-testid="sign-in-token" />
        </label>
        <footer>
          <button type="submit" className="primary" disabled={busy || token.trim() === ""} data-testid="sign-in-submit">
            {busy ? S.signIn.busy : S.signIn.submit}
          </button>
        </footer>
      </form>
    </main>
  );
}
