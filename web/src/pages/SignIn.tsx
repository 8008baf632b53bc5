// The way in: name and password, a one-time token, or both secrets of a sealed account; and what has to be set up first.
import { type FormEvent, useEffect, useState } from "react";
import { ApiError, api, type Session } from "../api";
import { identity, passkeysWork } from "../identity";
import { Field, PasskeyForm, PasswordForm, TotpForm } from "../parts/Factors";
import { S } from "../strings";

const WAYS = ["password", "passkey", "token", "glass"] as const;
type Way = (typeof WAYS)[number];

/** Where the centre sends a browser back to that the provider did not vouch for. */
const REFUSED = "#sign-in-refused";

export function explainSignIn(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 0) return S.signIn.unreachable;
  if (error.problem.code === "second_factor") return S.signIn.codeNeeded;
  if (error.problem.code === "passkey") return S.signIn.passkeyNeeded;
  if (error.status === 401 || error.status === 403) return S.signIn.refused;
  return error.problem.message;
}

export function SignIn({ problem, onSession }: { problem: string | null; onSession: (session: Session) => void }) {
  const [way, setWay] = useState<Way>(problem === S.signIn.refused ? "token" : "password");
  const [values, setValues] = useState({ user: "", password: "", code: "", token: "", first: "", second: "", reason: "" });
  const [codeNeeded, setCodeNeeded] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(problem);
  const field = (name: keyof typeof values) => ({
    value: values[name],
    onChange: (value: string) => setValues({ ...values, [name]: value }),
    label: S.signIn.fields[name],
    id: `sign-in-${name}`,
  });
  const ready = {
    password: values.user.trim() !== "" && values.password !== "" && (!codeNeeded || values.code.trim() !== ""),
    passkey: values.user.trim() !== "" && passkeysWork(),
    token: values.token.trim() !== "",
    glass: [values.first, values.second, values.reason].every((value) => value.trim() !== ""),
  }[way];
  const enter = () => {
    if (way === "token") return api.signIn(values.token.trim());
    if (way === "passkey") return identity.signInByPasskey(values.user.trim());
    if (way === "glass") return identity.breakGlass(values.first.trim(), values.second.trim(), values.reason.trim());
    return identity.signIn(values.user.trim(), values.password, values.code.trim());
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      onSession(await enter());
    } catch (error) {
      if (error instanceof ApiError && error.problem.code === "second_factor") setCodeNeeded(true);
      setFailure(explainSignIn(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <h1>{S.product}</h1>
        <nav className="sections" aria-label={S.signIn.title}>
          {WAYS.map((name) => (
            <button key={name} type="button" aria-current={name === way ? "page" : undefined} onClick={() => setWay(name)} data-testid={`way-${name}`}>
              {S.signIn.ways[name]}
            </button>
          ))}
        </nav>
        <p>{S.signIn.leads[way]}</p>
        {failure !== null && (
          <p className="problem" role="alert" data-testid="sign-in-problem">
            {failure}
          </p>
        )}
        {way === "password" && (
          <>
            <Field {...field("user")} complete="username" />
            <Field {...field("password")} type="password" complete="current-password" />
            {codeNeeded && <Field {...field("code")} complete="one-time-code" />}
          </>
        )}
        {way === "passkey" && (passkeysWork() ? <Field {...field("user")} complete="username webauthn" /> : <p className="muted">{S.identity.noPasskeys}</p>)}
        {way === "token" && <Field {...field("token")} type="password" />}
        {way === "glass" && (
          <>
            <Field {...field("first")} type="password" />
            <Field {...field("second")} type="password" />
            <Field {...field("reason")} />
          </>
        )}
        <footer>
          <button type="submit" className="primary" disabled={busy || !ready} data-testid="sign-in-submit">
            {busy ? S.signIn.busy : S.signIn.submit}
          </button>
        </footer>
      </form>
      <Provider onFailure={setFailure} />
    </main>
  );
}

/** The button that leads to the provider, if there is one. */
function Provider({ onFailure }: { onFailure: (text: string) => void }) {
  const [name, setName] = useState<string | null>(null);
  useEffect(() => {
    if (location.hash === REFUSED) {
      history.replaceState(null, "", location.pathname);
      onFailure(S.signIn.providerRefused);
    }
    identity.provider().then(
      (provider) => setName(provider.name),
      // Without an answer there are the other ways, whose own failures say why.
      () => setName(null),
    );
  }, []);
  if (name === null) return null;
  const go = () => {
    identity.atProvider().then(
      ({ address }) => location.assign(address),
      (error: unknown) => onFailure(explainSignIn(error)),
    );
  };
  return (
    <p>
      <button type="button" onClick={go} data-testid="sign-in-provider">
        {name}
      </button>
    </p>
  );
}

/** What somebody has to set up before anything else is open. */
export function Enrol({ session, onSession, onSignOut }: { session: Session; onSession: (session: Session) => void; onSignOut: () => void }) {
  const t = S.identity;
  const password = session.missing === "password";
  return (
    <main className="sign-in">
      <div className="enrol" data-testid="enrol">
        <h1>{S.product}</h1>
        <h2>{password ? t.enrolPassword : t.enrolFactor}</h2>
        <p>{t.enrolLead(session.user)}</p>
        {password ? <PasswordForm known={false} onDone={onSession} /> : <TotpForm onDone={onSession} />}
        {passkeysWork() && (
          <>
            <h3>{t.orPasskey}</h3>
            <PasskeyForm onDone={onSession} />
          </>
        )}
        <p>
          <button type="button" className="small" onClick={onSignOut} data-testid="sign-out">
            {S.header.signOut}
          </button>
        </p>
      </div>
    </main>
  );
}
