import type { Backup, LinkSession } from "../../api";
import { age, bytes, count, fixed, stamp } from "../../format";
import { usable } from "../../network/scene";
import { Card, Facts } from "../../parts/Card";
import { ClockFacts } from "../../parts/ClockFacts";
import { Chip, type Tone } from "../../parts/marks";
import { session, store, useCell, useTopic, useZone } from "../../state";
import { S } from "../../strings";

const COUNTERS = [
  "received",
  "waiting",
  "coalesced",
  "processed",
  "held",
  "calculated",
  "within_deadband",
  "changed",
  "stored",
  "served",
  "shed",
  "changes_shed",
  "states_shed",
] as const;

const TONES: Record<LinkSession["state"], Tone> = { up: "done", down: "bad", connecting: "pending", synchronising: "pending" };

export function LinkTable({ short = false }: { short?: boolean }) {
  useTopic("status");
  const zone = useZone();
  const links = store.status?.sessions;
  if (links === undefined) return <p className="muted">{S.loading}</p>;
  if (links.length === 0) return <p className="muted">{S.system.noLinks}</p>;
  const c = S.system.columns;
  return (
    <table className={short ? "table compact" : "table"}>
      <thead>
        <tr>
          <th scope="col">{c.name}</th>
          {!short && <th scope="col">{c.protocol}</th>}
          <th scope="col">{c.state}</th>
          {!short && <th scope="col">{c.endpoint}</th>}
          {!short && (
            <th scope="col" style={{ width: "13.5rem" }}>
              {c.since}
            </th>
          )}
          <th scope="col" className="num">{c.rx}</th>
          <th scope="col" className="num">{c.tx}</th>
          <th scope="col" className="num">{c.faults}</th>
        </tr>
      </thead>
      <tbody>
        {links.map((link) => (
          <tr key={link.name}>
            <th scope="row">{link.name}</th>
            {!short && <td>{link.protocol}</td>}
            <td>
              <Chip tone={TONES[link.state]}>{S.system.states[link.state]}</Chip>
            </td>
            {!short && <td className="time">{link.endpoint ?? S.none}</td>}
            {!short && <td className="time">{stamp(link.since, zone)}</td>}
            <td className="num">{bytes(link.rx_bytes)}</td>
            <td className="num">{bytes(link.tx_bytes)}</td>
            <td className="num">{count(link.faults)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The platform itself: links, counters, estimation, clock, backup, the own session. */
export function State() {
  useTopic("status");
  useTopic("estimate");
  const who = useCell(session);
  const zone = useZone();
  const status = store.status;
  const estimate = store.estimate;
  const good = usable(estimate);
  const t = S.system;
  const e = t.estimationRows;
  return (
      <div className="system-grid">
        <Card title={t.links} className="wide-card">
          <LinkTable />
        </Card>
        <Card title={t.counters} className="tall-card">
          <Facts
            rows={COUNTERS.map((name) => [S.overview.counters[name], count(status?.counters[name])])}
          />
          <h3>{t.points}</h3>
          <Facts rows={(["total", "good", "stale", "invalid"] as const).map((name) => [t.pointStates[name], count(status?.points[name])])} />
        </Card>
        <Card title={t.estimation}>
          <Facts
            rows={[
              [e.state, estimate === null ? S.none : S.estimation[estimate.state]],
              [e.age, age(status?.estimation.age_s)],
              [e.iterations, count(estimate?.iterations)],
              [e.objective, good ? fixed(estimate.objective, 1) : S.none],
              [e.threshold, good ? fixed(estimate.chi2_threshold, 1) : S.none],
              [e.degrees, count(estimate?.degrees_of_freedom)],
              [e.redundancy, fixed(estimate?.redundancy, 2)],
              [e.bad, badData()],
              [e.unobservable, estimate === null || estimate.unobservable.length === 0 ? S.none : estimate.unobservable.join(", ")],
            ]}
          />
        </Card>
        <Card title={S.clock.title}>
          <ClockFacts />
        </Card>
        <Card title={t.backup}>
          <BackupFacts backup={status?.backup ?? null} zone={zone} />
        </Card>
        <Card title={t.session}>
          <Facts
            rows={[
              [t.user, who?.user ?? S.none],
              [t.roles, who?.roles.join(", ") ?? S.none],
              [t.areas, who === null || who.areas.length === 0 ? S.none : who.areas.join(", ")],
              [t.rights, who?.rights.join(", ") ?? S.none],
              [t.expires, stamp(who?.expires_at, zone)],
            ]}
          />
        </Card>
        <Card title={t.about}>
          <Facts
            rows={[
              [t.server, `${who?.server.name ?? S.product} ${who?.server.version ?? ""}`],
              [t.mode, who === null ? S.none : t.modes[who.server.mode]],
              [t.started, stamp(who?.server.started_at, zone)],
              [t.transitions, count(store.alarmTransitions)],
              [t.gaps, count(store.gaps)],
            ]}
          />
          <p className="muted">{t.licencesText}</p>
          <p>
            <a href="/licences.txt" target="_blank" rel="noreferrer">
              {t.licencesLink}
            </a>{" "}
            ·{" "}
            <a href="/api/v1/openapi.json" target="_blank" rel="noreferrer">
              {t.api}
            </a>
          </p>
        </Card>
      </div>
  );
}

/** Result, age and name of the latest backup; a failure is said in words, never by colour alone. */
function BackupFacts({ backup, zone }: { backup: Backup | null; zone: ReturnType<typeof useZone> }) {
  const b = S.system.backupRows;
  if (backup === null) return <p className="muted">{b.none}</p>;
  const failed = backup.error !== undefined && backup.error !== null;
  const state = failed ? b.failed : backup.overdue ? b.overdue : backup.age_s == null ? b.waiting : b.good;
  const tone: Tone = failed || backup.overdue ? "bad" : backup.age_s == null ? "pending" : "done";
  return (
    <>
      <Facts
        rows={[
          [
            b.state,
            <Chip key="state" tone={tone}>
              {state}
            </Chip>,
          ],
          [b.last, stamp(backup.last_good_at, zone)],
          [b.age, age(backup.age_s)],
          [b.every, b.hours(backup.every_hours)],
          [b.tested, backup.age_s == null ? S.none : backup.proved ? b.yes : b.no],
          [b.size, backup.bytes === 0 ? S.none : bytes(backup.bytes)],
          [b.file, backup.file === "" ? S.none : backup.file],
        ]}
      />
      {failed && <p role="status">{backup.error}</p>}
    </>
  );
}

function badData(): string {
  const list = store.estimate?.bad_data ?? [];
  if (list.length === 0) return S.none;
  return list.map((bad) => `${bad.name} (${fixed(bad.normalised_residual, 1)} σ)`).join(", ");
}
