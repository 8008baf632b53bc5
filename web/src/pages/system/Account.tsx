// One's own account: what one signs in with, and showing the second factor again.
import { useState } from "react";
import { stamp } from "../../format";
import { Card, Facts } from "../../parts/Card";
import { identity, passkeysWork } from "../../identity";
import { PasskeyForm, PasskeyStepUp, PasswordForm, Problem, said, StepUpForm, TotpForm } from "../../parts/Factors";
import { session, useCell, useZone } from "../../state";
import { S } from "../../strings";
import { Head, Loading, useLoaded } from "./loaded";

export function Account() {
  const who = useCell(session);
  const zone = useZone();
  const [changed, setChanged] = useState(0);
  if (who === null) return <p className="muted">{S.loading}</p>;
  const t = S.identity.account;
  const own = who.enrolled ?? { password: false, totp: false, recovery_codes: 0, passkeys: 0 };
  const done = (value: typeof who) => {
    session.set(value);
    setChanged(changed + 1);
  };
  return (
    <div className="system-grid account">
      <Card title={S.system.session}>
        <Facts
          rows={[
            [t.user, who.user],
            [t.roles, who.roles.join(", ")],
            [t.areas, who.areas.length === 0 ? S.none : who.areas.join(", ")],
            [t.rights, who.rights.length === 0 ? S.none : who.rights.join(", ")],
            [t.expires, stamp(who.expires_at, zone)],
          ]}
        />
        <h3>{t.factors}</h3>
        <Facts
          rows={[
            [t.password, own.password ? t.set : t.unset],
            [t.totp, own.totp ? t.set : t.unset],
            [t.codes, String(own.recovery_codes)],
            [t.passkeys, String(own.passkeys)],
            [t.second, who.second_factor ?? S.none],
          ]}
        />
        {changed > 0 && <p role="status">{t.changed}</p>}
      </Card>
      <Card title={t.password}>
        <PasswordForm known={own.password} onDone={done} />
      </Card>
      <Card title={t.totp}>
        <TotpForm key={changed} onDone={done} />
      </Card>
      <Card title={t.passkeys}>
        {passkeysWork() ? <PasskeyForm onDone={done} /> : <p className="muted">{S.identity.noPasskeys}</p>}
        <Passkeys key={changed} />
      </Card>
      {(own.totp || own.passkeys > 0) && (
        <Card title={S.identity.stepUp}>
          {own.totp && <StepUpForm onDone={done} />}
          {own.passkeys > 0 && passkeysWork() && <PasskeyStepUp user={who.user} onDone={done} />}
        </Card>
      )}
    </div>
  );
}

function Passkeys() {
  const keys = useLoaded(identity.passkeys);
  const zone = useZone();
  const [problem, setProblem] = useState<string | null>(null);
  const t = S.identity.account;
  const remove = (id: string) => {
    identity.dropPasskey(id).then(keys.again, (error: unknown) => setProblem(said(error)));
  };
  return (
    <Loading of={keys}>
      <Problem text={problem} />
      {(keys.value?.passkeys.length ?? 0) > 0 && (
        <table className="table" data-testid="passkeys">
          <Head titles={[t.keyName, t.keyUsed, S.remove]} />
          <tbody>
            {keys.value?.passkeys.map((key) => (
              <tr key={key.id}>
                <th scope="row">{key.name}</th>
                <td className="time">{stamp(key.last_used_at ?? key.created_at, zone)}</td>
                <td>
                  <button type="button" className="small" onClick={() => remove(key.id)} aria-label={t.removeKey(key.name)}>
                    {S.remove}
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Loading>
  );
}
