// Which certificates there are and when they end; revocation and enrolment where the authority is on the centre's machine.
import { type FormEvent, useCallback, useEffect, useState } from "react";
import { api, type Certificates as All, type Enrolment, type IssuedCertificate, type UsedCertificate } from "../../api";
import { count, stamp } from "../../format";
import { Card } from "../../parts/Card";
import { Chip, Notice, type Tone } from "../../parts/marks";
import { useZone } from "../../state";
import { S } from "../../strings";
import { Head } from "./loaded";

const PERIOD_MS = 30_000;
const REASONS = ["unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation", "privilege_withdrawn"] as const;
/** Days before the end from which the centre has an alarm, and from which it is urgent. */
const SOON_DAYS = 30;
const URGENT_DAYS = 7;

const why = (error: unknown) => (error instanceof Error ? error.message : String(error));

export function Certificates() {
  const [all, setAll] = useState<All | null>(null);
  const [failed, setFailed] = useState("");
  const load = useCallback(() => {
    api.certificates().then(
      (found) => {
        setAll(found);
        setFailed("");
      },
      (error: unknown) => setFailed(why(error)),
    );
  }, []);
  useEffect(() => {
    load();
    const handle = setInterval(load, PERIOD_MS);
    return () => clearInterval(handle);
  }, [load]);
  const t = S.certificates;
  if (failed !== "") return <Notice>{S.failed(failed)}</Notice>;
  if (all === null) return <Notice>{S.loading}</Notice>;
  return (
    <div className="stack">
      <Card title={t.used}>
        <Used used={all.used} />
      </Card>
      <Card title={t.issued}>{all.issued === null ? <p className="muted">{t.noAuthority}</p> : <Issued issued={all.issued} onChange={load} />}</Card>
      {all.issued !== null && (
        <Card title={t.enrol}>
          <Enrol />
        </Card>
      )}
    </div>
  );
}

function Used({ used }: { used: UsedCertificate[] }) {
  const zone = useZone();
  const t = S.certificates;
  if (used.length === 0) return <p className="muted">{t.noneUsed}</p>;
  return (
    <table className="table" data-testid="certificates-used">
      <thead>
        <tr>
          {[t.usedBy, t.subject, t.names, t.issuer, t.until, t.left].map((name) => (
            <th scope="col" key={name}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {used.map((one) => (
          <tr key={one.used_by}>
            <th scope="row">{one.used_by}</th>
            <td>{one.error ?? one.subject}</td>
            <td>{one.names.join(", ")}</td>
            <td>{one.issuer ?? S.none}</td>
            <td className="time">{stamp(one.until, zone)}</td>
            <td>
              <Left days={one.days_left} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Left({ days }: { days: number | null }) {
  const t = S.certificates;
  const tone: Tone = days === null || days <= URGENT_DAYS ? "bad" : days <= SOON_DAYS ? "pending" : "done";
  const text = days === null ? t.unreadable : days === 0 ? t.over : t.days(count(Math.floor(days)));
  return <Chip tone={tone}>{text}</Chip>;
}

function Issued({ issued, onChange }: { issued: IssuedCertificate[]; onChange: () => void }) {
  const [asked, setAsked] = useState<IssuedCertificate | null>(null);
  const zone = useZone();
  const t = S.certificates;
  if (issued.length === 0) return <p className="muted">{t.noneIssued}</p>;
  return (
    <>
      <table className="table" data-testid="certificates-issued">
        <Head titles={[[t.name, "auto"], [t.serial, "23rem"], [t.until, "13.5rem"], [t.state, "auto"], [t.revoke, "6rem"]]} />
        <tbody>
          {[...issued].reverse().map((one) => (
            <tr key={one.serial}>
              <th scope="row">{one.name}</th>
              <td title={one.serial}>
                <code>{one.serial}</code>
              </td>
              <td className="time">{stamp(one.until, zone)}</td>
              <td>
                {one.revoked_at === null ? (
                  <Chip tone="done">{t.good}</Chip>
                ) : (
                  <>
                    <Chip tone="bad">{t.revoked}</Chip> {t.because(stamp(one.revoked_at, zone), t.reasons[one.reason ?? "unspecified"])}
                  </>
                )}
              </td>
              <td>
                {one.revoked_at === null && (
                  <button type="button" className="small" onClick={() => setAsked(one)} aria-label={t.revokeOne(one.name)}>
                    {t.revoke}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {asked !== null && (
        <Revoke
          certificate={asked}
          onDone={() => {
            setAsked(null);
            onChange();
          }}
        />
      )}
    </>
  );
}

function Revoke({ certificate, onDone }: { certificate: IssuedCertificate; onDone: () => void }) {
  const [reason, setReason] = useState<(typeof REASONS)[number]>("unspecified");
  const [failed, setFailed] = useState("");
  const t = S.certificates;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    api.revokeCertificate(certificate.serial, reason).then(onDone, (error: unknown) => setFailed(why(error)));
  };
  return (
    <form className="toolbar" onSubmit={submit} aria-label={t.revokeOne(certificate.name)}>
      <p>{t.sure(certificate.name)}</p>
      <label className="inline">
        {t.reason}
        <select value={reason} onChange={(event) => setReason(event.target.value as (typeof REASONS)[number])}>
          {REASONS.map((one) => (
            <option key={one} value={one}>
              {t.reasons[one]}
            </option>
          ))}
        </select>
      </label>
      <button type="submit">{t.revoke}</button>
      <button type="button" onClick={onDone}>
        {S.cancel}
      </button>
      {failed !== "" && <p role="alert">{failed}</p>}
    </form>
  );
}

function Enrol() {
  const [name, setName] = useState("");
  const [usage, setUsage] = useState<"server" | "client" | "both">("both");
  const [days, setDays] = useState("365");
  const [made, setMade] = useState<Enrolment | null>(null);
  const [failed, setFailed] = useState("");
  const zone = useZone();
  const t = S.certificates;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    api.expectEnrolment(name, usage, Number(days)).then(
      (token) => {
        setMade(token);
        setFailed("");
      },
      (error: unknown) => setFailed(why(error)),
    );
  };
  return (
    <form onSubmit={submit}>
      <p className="muted">{t.enrolText}</p>
      <div className="toolbar">
        <label className="inline">
          {t.name}
          <input required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="inline">
          {t.usage}
          <select value={usage} onChange={(event) => setUsage(event.target.value as typeof usage)}>
            {(["both", "client", "server"] as const).map((one) => (
              <option key={one} value={one}>
                {t.usages[one]}
              </option>
            ))}
          </select>
        </label>
        <label className="inline">
          {t.forDays}
          <input required type="number" min={1} max={7300} value={days} onChange={(event) => setDays(event.target.value)} />
        </label>
        <button type="submit">{t.makeToken}</button>
      </div>
      {failed !== "" && <p role="alert">{failed}</p>}
      {made !== null && (
        <p role="status">
          {t.token(stamp(made.expires_at, zone))} <code>{made.token}</code>
        </p>
      )}
    </form>
  );
}
