// Entry: who is it? A token in the fragment is spent once and wiped from the address; else an existing session; else ask.
import { useCallback, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, api, onUnauthorised, type Session } from "./api";
import "./css/fonts.css";
import "./css/tokens.css";
import "./css/base.css";
import "./css/pages.css";
import { Enrol, explainSignIn, SignIn } from "./pages/SignIn";
import { FIRST_PAGE } from "./parts/pages";
import { Shell } from "./Shell";
import { session, store } from "./state";
import { S } from "./strings";

/** Takes the token out of `#token=…`; it must not stay in the address bar or the history. */
export function takeToken(): string | null {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (found === null) return null;
  history.replaceState(null, "", `${location.pathname}${location.search}#/${FIRST_PAGE}`);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
  return decodeURIComponent(found[1] ?? "");
}

const token = takeToken();

/** A spent token is no reason to ask again where an earlier session still holds. */
async function begin(): Promise<Session> {
  if (token === null) return api.session();
  try {
    return await api.signIn(token);
  } catch (error) {
    try {
      return await api.session();
    } catch {
      throw error;
    }
  }
}

type State = { kind: "starting" } | { kind: "out"; problem: string | null } | { kind: "enrol"; session: Session } | { kind: "in" };

function App() {
  const [state, setState] = useState<State>({ kind: "starting" });
  const enter = useCallback((value: Session) => {
    session.set(value);
    setState(value.missing === undefined ? { kind: "in" } : { kind: "enrol", session: value });
  }, []);
  const leave = useCallback((problem: string | null) => {
    session.set(null);
    store.expectSnapshot();
    setState({ kind: "out", problem });
  }, []);
  const lost = useCallback(() => leave(S.signIn.ended), [leave]);
  useEffect(() => {
    onUnauthorised(lost);
    begin().then(enter, (error: unknown) => {
      const merelyOut = token === null && error instanceof ApiError && error.status === 401;
      leave(merelyOut ? null : explainSignIn(error));
    });
  }, [enter, leave, lost]);
  switch (state.kind) {
    case "starting":
      return <p className="starting">{S.loading}</p>;
    case "out":
      return <SignIn problem={state.problem} onSession={enter} />;
    case "enrol":
      return <Enrol session={state.session} onSession={enter} onSignOut={() => void api.signOut().finally(() => leave(null))} />;
    case "in":
      return <Shell onSignOut={() => void api.signOut().finally(() => leave(null))} onSessionLost={lost} />;
  }
}

const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<App />);
