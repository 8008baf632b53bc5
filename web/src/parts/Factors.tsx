// Forms for one's own password and authenticator: at the first sign-in, and later on the page of the account.
import { type FormEvent, useState } from "react";
import { api, type Session } from "../api";
import { type Authenticator, identity } from "../identity";
import { S } from "../strings";
import { Qr } from "./Secret";

const t = S.identity;

export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function Field(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  type?: string;
  complete?: string;
  id: string;
  focus?: boolean;
}) {
  return (
    <label className="field">
      <span>{props.label}</span>
      <input
        type={props.type ?? "text"}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
        autoComplete={props.complete ?? "off"}
        data-testid={props.id}
        data-autofocus={props.focus ? "" : undefined}
      />
    </label>
  );
}

export function Problem({ text }: { text: string | null }) {
  return text === null ? null : (
    <p className="problem" role="alert">
      {text}
    </p>
  );
}

export function PasswordForm({ known, onDone }: { known: boolean; onDone: (session: Session) => void }) {
  const [present, setPresent] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (fresh !== again) {
      setProblem(t.different);
      return;
    }
    try {
      const session = await identity.password(present, fresh);
      setPresent("");
      setFresh("");
      setAgain("");
      setProblem(null);
      onDone(session);
    } catch (error) {
      setProblem(said(error));
    }
  };
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <p className="muted">{t.passwordLead}</p>
      {known && <Field label={t.present} value={present} onChange={setPresent} type="password" complete="current-password" id="present-password" />}
      <Field label={t.fresh} value={fresh} onChange={setFresh} type="password" complete="new-password" id="new-password" />
      <Field label={t.again} value={again} onChange={setAgain} type="password" complete="new-password" id="new-password-again" />
      <Problem text={problem} />
      <footer>
        <button type="submit" className="primary" disabled={fresh === "" || (known && present === "")} data-testid="set-password">
          {t.setPassword}
        </button>
      </footer>
    </form>
  );
}

export function TotpForm({ onDone }: { onDone: (session: Session) => void }) {
  const [setUp, setSetUp] = useState<Authenticator | null>(null);
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState<string[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const trying = async (work: () => Promise<void>) => {
    try {
      await work();
      setProblem(null);
    } catch (error) {
      setProblem(said(error));
    }
  };
  const begin = () => trying(async () => setSetUp(await identity.beginTotp()));
  const finish = (event: FormEvent) => {
    event.preventDefault();
    void trying(async () => setCodes((await identity.finishTotp(code)).codes));
  };
  if (codes !== null) {
    return (
      <div className="stack">
        <p>{t.recoveryLead}</p>
        <ul className="codes" data-testid="recovery-codes">
          {codes.map((one) => (
            <li key={one}>
              <code>{one}</code>
            </li>
          ))}
        </ul>
        <footer>
          <button type="button" className="primary" onClick={() => void api.session().then(onDone)} data-testid="codes-kept">
            {t.kept}
          </button>
        </footer>
      </div>
    );
  }
  if (setUp === null) {
    return (
      <div className="stack">
        <p className="muted">{t.totpLead}</p>
        <Problem text={problem} />
        <footer>
          <button type="button" className="primary" onClick={() => void begin()} data-testid="begin-totp">
            {t.beginTotp}
          </button>
        </footer>
      </div>
    );
  }
  return (
    <form className="stack" onSubmit={finish}>
      <p className="muted">{t.scan}</p>
      <Qr rows={setUp.qr} />
      <p>
        {t.typed} <code data-testid="totp-secret">{setUp.secret}</code>
      </p>
      <Field label={t.code} value={code} onChange={setCode} complete="one-time-code" id="totp-code" />
      <Problem text={problem} />
      <footer>
        <button type="submit" className="primary" disabled={code.trim() === ""} data-testid="finish-totp">
          {t.finishTotp}
        </button>
      </footer>
    </form>
  );
}

export function StepUpForm({ onDone }: { onDone: (session: Session) => void }) {
  const [code, setCode] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      onDone(await identity.stepUp(code));
      setCode("");
      setProblem(null);
    } catch (error) {
      setProblem(said(error));
    }
  };
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <p className="muted">{t.stepUpLead}</p>
      <Field label={t.code} value={code} onChange={setCode} complete="one-time-code" id="step-up-code" focus />
      <Problem text={problem} />
      <footer>
        <button type="submit" className="primary" disabled={code.trim() === ""} data-testid="step-up">
          {t.stepUp}
        </button>
      </footer>
    </form>
  );
}

export function PasskeyForm({ onDone }: { onDone: (session: Session) => void }) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      onDone(await identity.registerPasskey(name.trim()));
      setName("");
      setProblem(null);
    } catch (error) {
      setProblem(said(error));
    }
  };
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <p className="muted">{t.passkeyLead}</p>
      <Field label={t.passkeyName} value={name} onChange={setName} id="passkey-name" />
      <Problem text={problem} />
      <footer>
        <button type="submit" className="primary" disabled={name.trim() === ""} data-testid="register-passkey">
          {t.registerPasskey}
        </button>
      </footer>
    </form>
  );
}

export function PasskeyStepUp({ user, onDone }: { user: string; onDone: (session: Session) => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  const show = () => {
    identity.stepUpByPasskey(user).then(
      (session) => {
        setProblem(null);
        onDone(session);
      },
      (error: unknown) => setProblem(said(error)),
    );
  };
  return (
    <div className="stack">
      <Problem text={problem} />
      <footer>
        <button type="button" onClick={show} data-testid="step-up-passkey">
          {t.showPasskey}
        </button>
      </footer>
    </div>
  );
}
