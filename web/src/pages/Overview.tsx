import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Estimate, Network, Status, Substation } from "../api";
import { age, clock, count, fixed } from "../format";
import { loadingBand, usable, voltageBand } from "../network/scene";
import { Chip, PriorityMark, type Tone } from "../parts/marks";
import { go, network, read, store, useCell, useTopic, useZone } from "../state";
import { S } from "../strings";
import { PRIORITIES, useAlarms } from "./Alarms";
import { LinkTable } from "./system/State";
import { losses, type Ranked, type Sum, total, worstLoadings, worstVoltages } from "./totals";

const WORST = 6;
const LATEST = 12;

export function Overview() {
  useTopic("status");
  useTopic("estimate");
  useTopic("points");
  const grid = useCell(network).data;
  const estimate = store.link === "live" && usable(store.estimate) ? store.estimate : null;
  return (
    <div className="page overview">
      <h1 className="sr">{S.overview.title}</h1>
      <Tiles grid={grid} estimate={estimate} status={store.status} />
      <div className="overview-grid">
        <Card title={S.overview.voltages}>
          <RankList grid={grid} estimate={estimate} kind="voltage" />
        </Card>
        <Card title={S.overview.loadings}>
          <RankList grid={grid} estimate={estimate} kind="loading" />
        </Card>
        <Card title={S.overview.unacked}>
          <Unacknowledged />
        </Card>
        <Card title={S.overview.flow}>
          <Counters status={store.status} />
        </Card>
        <Card title={S.overview.linksTable} className="links-card">
          <LinkTable short />
        </Card>
        <Card title={S.overview.recent} className="wide-card">
          <Latest />
        </Card>
      </div>
    </div>
  );
}

function Card({ title, className = "", children }: { title: string; className?: string; children: ReactNode }) {
  return (
    <section className={`card ${className}`} aria-label={title} tabIndex={0}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

interface TileProps {
  title: string;
  value: string;
  unit?: string;
  note: ReactNode;
  mark?: ReactNode;
  onClick?: () => void;
  testId?: string;
}

function Tile({ title, value, unit = "", note, mark, onClick, testId }: TileProps) {
  const body = (
    <>
      <span className="tile-title">{title}</span>
      <span className="tile-value" data-testid={testId}>
        {mark}
        <span className="number">{value}</span>
        <span className="unit">{unit}</span>
      </span>
      <span className="tile-note">{note}</span>
    </>
  );
  return onClick === undefined ? (
    <div className="tile">{body}</div>
  ) : (
    <button type="button" className="tile" onClick={onClick}>
      {body}
    </button>
  );
}

function estimationTone(state: string): Tone {
  return state === "converged" ? "done" : state === "waiting" ? "pending" : "bad";
}

function Tiles({ grid, estimate, status }: { grid: Network | null; estimate: Estimate | null; status: Status | null }) {
  const generation = grid === null ? null : total(grid, "machine", read);
  const load = grid === null ? null : total(grid, "load", read);
  const voltage = grid === null || estimate === null ? undefined : worstVoltages(grid, estimate, 1)[0];
  const loading = grid === null || estimate === null ? undefined : worstLoadings(grid, estimate, 1)[0];
  const up = status?.sessions.filter((s) => s.state === "up").length;
  const state = status?.estimation.state ?? "waiting";
  return (
    <div className="tiles">
      <Tile
        title={S.overview.estimation}
        value={S.estimation[state]}
        testId="estimation-state"
        mark={<Chip tone={estimationTone(state)}>{state === "converged" ? "✓" : "!"}</Chip>}
        note={S.overview.iterations(count(status?.estimation.iterations), age(status?.estimation.age_s))}
      />
      <Tile title={S.overview.generation} value={fixed(generation?.value_mw, 1)} unit="MW" note={sumNote(generation)} />
      <Tile title={S.overview.load} value={fixed(load?.value_mw, 1)} unit="MW" note={sumNote(load)} />
      <Tile title={S.overview.losses} value={fixed(estimate === null ? null : losses(estimate), 2)} unit="MW" note={S.estimation[state]} />
      <Tile
        title={S.overview.worstVoltage}
        value={fixed(voltage?.value, 4)}
        unit="p.u."
        note={voltage?.name ?? S.none}
        mark={<BandMark band={voltageBand(voltage?.value ?? null, voltage === undefined ? undefined : grid?.substations[voltage.index])} />}
        {...(voltage === undefined ? {} : { onClick: () => go("network", "substation", voltage.index) })}
      />
      <Tile
        title={S.overview.worstLoading}
        value={fixed(loading?.value, 1)}
        unit="%"
        note={loading?.name ?? S.none}
        mark={<BandMark band={loadingBand(loading?.value ?? null)} />}
        {...(loading === undefined ? {} : { onClick: () => go("network", "branch", loading.index) })}
      />
      <Tile
        title={S.overview.alarms}
        value={count(status?.alarms.unacknowledged)}
        note={S.overview.alarmsNote(count(status?.alarms.active))}
        onClick={() => go("alarms")}
      />
      <Tile
        title={S.overview.links}
        value={status === null ? S.none : S.overview.of(count(up), count(status.sessions.length))}
        note={status === null ? S.none : `${S.overview.points} ${S.overview.of(count(status.points.good), count(status.points.total))}`}
        onClick={() => go("system")}
      />
    </div>
  );
}

function sumNote(sum: Sum | null): string {
  if (sum === null) return S.loading;
  return sum.missing === 0 ? `${count(sum.counted)} measured` : `${count(sum.missing)} of ${count(sum.counted + sum.missing)} not usable`;
}

function BandMark({ band }: { band: string }) {
  return band === "normal" || band === "unknown" ? null : <i className={`swatch swatch-${band}`} role="img" aria-label={band} />;
}

function RankList({ grid, estimate, kind }: { grid: Network | null; estimate: Estimate | null; kind: "voltage" | "loading" }) {
  if (grid === null) return <p className="muted">{S.loading}</p>;
  if (estimate === null) return <p className="muted">{S.overview.noEstimate}</p>;
  const rows = kind === "voltage" ? worstVoltages(grid, estimate, WORST) : worstLoadings(grid, estimate, WORST);
  if (rows.length === 0) return <p className="muted">{S.none}</p>;
  return (
    <ol className="ranks">
      {rows.map((row) => (
        <Rank key={`${row.index}-${row.name}`} row={row} kind={kind} limits={grid.substations[row.index]} />
      ))}
    </ol>
  );
}

/** Half of the bar is a deviation of 10 %; for loadings the whole bar is 100 %. */
function Rank({ row, kind, limits }: { row: Ranked; kind: "voltage" | "loading"; limits: Substation | undefined }) {
  const band = kind === "voltage" ? voltageBand(row.value, limits) : loadingBand(row.value);
  const share = kind === "voltage" ? Math.max(-1, Math.min(1, (row.value - 1) / 0.1)) : Math.min(1, row.value / 100);
  const bar = kind === "voltage" ? { left: `${share < 0 ? 50 + share * 50 : 50}%`, width: `${Math.abs(share) * 50}%` } : { left: "0", width: `${share * 100}%` };
  return (
    <li>
      <button type="button" className="link ellipsis" onClick={() => go("network", kind === "voltage" ? "substation" : "branch", row.index)}>
        {row.name}
      </button>
      <span className={`bar bar-${kind}`} aria-hidden="true">
        <i className={`bar-fill bar-${band}`} style={bar} />
      </span>
      <span className="number">{kind === "voltage" ? fixed(row.value, 4) : fixed(row.value, 1)}</span>
      <span className="unit">{kind === "voltage" ? "p.u." : "%"}</span>
    </li>
  );
}

function Unacknowledged() {
  const all = useAlarms();
  const open = all.filter((alarm) => !alarm.acknowledged);
  if (open.length === 0) return <p className="muted">{S.overview.noneUnacked}</p>;
  return (
    <>
      <p className="badges">
        {PRIORITIES.map((priority) => (
          <span key={priority}>
            <PriorityMark priority={priority} /> {count(open.filter((a) => a.priority === priority).length)}
          </span>
        ))}
      </p>
      <ul className="side-alarms">
        {open.slice(0, WORST).map((alarm) => (
          <li key={alarm.id}>
            <PriorityMark priority={alarm.priority} unacknowledged /> <b>{alarm.source}</b> {alarm.text}
          </li>
        ))}
      </ul>
    </>
  );
}

const COUNTERS = ["received", "processed", "changed", "stored", "served", "shed"] as const;

/** Changes per second between the two latest statuses. */
function useRates(status: Status | null): Record<(typeof COUNTERS)[number], number | null> {
  const before = useRef<Status | null>(null);
  const [rates, setRates] = useState<Record<string, number | null>>({});
  useEffect(() => {
    if (status === null) return;
    const known = before.current;
    const seconds = known === null ? 0 : (Date.parse(status.now) - Date.parse(known.now)) / 1000;
    if (known !== null && seconds > 0.5) {
      setRates(Object.fromEntries(COUNTERS.map((name) => [name, (status.counters[name] - known.counters[name]) / seconds])));
    }
    if (known === null || seconds > 0.5 || seconds < 0) before.current = status;
  }, [status]);
  return rates as Record<(typeof COUNTERS)[number], number | null>;
}

function Counters({ status }: { status: Status | null }) {
  const rates = useRates(status);
  if (status === null) return <p className="muted">{S.loading}</p>;
  return (
    <dl className="facts counters">
      {COUNTERS.map((name) => (
        <div key={name}>
          <dt>{S.overview.counters[name]}</dt>
          <dd>
            <span className="number" data-testid={`counter-${name}`}>
              {count(status.counters[name])}
            </span>
            <span className="unit">{S.overview.perSecond(fixed(rates[name], 0))}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Latest() {
  useTopic("events");
  const zone = useZone();
  const events = store.events.slice(-LATEST).reverse();
  if (events.length === 0) return <p className="muted">{S.alarms.eventsEmpty}</p>;
  return (
    <table className="table compact">
      <colgroup>
        <col style={{ width: "5.4rem" }} />
        <col style={{ width: "7.4rem" }} />
        <col style={{ width: "32%" }} />
        <col />
      </colgroup>
      <thead className="sr">
        <tr>
          <th scope="col">{S.alarms.eventColumns.time}</th>
          <th scope="col">{S.alarms.eventColumns.kind}</th>
          <th scope="col">{S.alarms.eventColumns.source}</th>
          <th scope="col">{S.alarms.eventColumns.text}</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr key={event.seq}>
            <td className="time">{clock(event.time, zone)}</td>
            <td className="muted">{event.kind}</td>
            <td className="ellipsis">{event.source}</td>
            <td className="ellipsis">{event.text}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
