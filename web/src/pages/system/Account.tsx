// One's own account: what one signs in with, and showing the second factor again.
import { useState } from "react";
import { stamp } from "../../format";
import { Card, Facts } from "../../parts/Card";
import { PasswordForm, StepUpForm, TotpForm } from "../../parts/Factors";
import { session, useCell, useZone } from "../../state";
import { S } from "../../strings";

export function Account() {
  const who = useCell(session);
  const zone = useZone();
  const [changed, setChanged] = useState(0);
  if (who === null) return <p className="muted">{S.loading}</p>;
  const t = S.identity.account;
  const own = who.enrolled ?? { password: false, totp: false, recovery_codes: 0 };
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
      {own.totp && (
        <Card title={S.identity.stepUp}>
          <StepUpForm onDone={done} />
        </Card>
      )}
    </div>
  );
}
