// The selected substation or branch as a one-line list: switches, measurements, quality, age, control, trend.
import type { BranchEnd, Network as Grid } from "../api";
import { age, fixed } from "../format";
import type { Hit } from "../network/layout";
import type { BranchScene, Scene, SubstationScene } from "../network/scene";
import { PriorityMark, Quality, SwitchState, TagMarks, ValueText } from "../parts/marks";
import { PointTrend } from "../parts/PointTrend";
import { go, open, pointOf, read, store, useCatalogue, useTopic } from "../state";
import { S } from "../strings";

interface Props {
  grid: Grid;
  scene: Scene;
  selected: Hit;
  testIds: boolean;
}

const SPAN_S = 3600;

export function SidePanel({ grid, scene, selected, testIds }: Props) {
  useCatalogue();
  useTopic("points");
  return (
    <aside className="side" aria-label={S.network.pane} tabIndex={0}>
      {selected === null ? (
        <p className="muted side-hint">{S.network.nothing}</p>
      ) : selected.kind === "substation" ? (
        <SubstationPanel grid={grid} index={selected.index} now={scene.substations[selected.index]} testIds={testIds} />
      ) : (
        <BranchPanel grid={grid} index={selected.index} now={scene.branches[selected.index]} testIds={testIds} />
      )}
    </aside>
  );
}

function Head({ kind, name, extra }: { kind: string; name: string; extra: string }) {
  return (
    <header className="side-head">
      <h2>{name}</h2>
      <span className="muted">
        {kind}
        {extra !== "" && ` · ${extra}`}
      </span>
    </header>
  );
}

const kv = (value: number): string => (value > 0 ? `${fixed(value, value % 1 === 0 ? 0 : 1)} kV` : "");

function SubstationPanel({ grid, index, now, testIds }: { grid: Grid; index: number; now: SubstationScene | undefined; testIds: boolean }) {
  const substation = grid.substations[index];
  if (substation === undefined || now === undefined) return null;
  const alarms = store.shownAlarms().filter((a) => a.substation === substation.name || a.substation === substation.id);
  const connected = grid.branches.flatMap((branch, i) => (branch.from === index || branch.to === index ? [{ branch, i }] : []));
  const measured = substation.equipment.flatMap((e) => power(e.p_point, e.q_point, within(e.name, substation.name)));
  return (
    <>
      <Head kind={S.network.substation} name={substation.name} extra={kv(substation.base_kv)} />
      <dl className="facts">
        {now.pus.map((bus) => (
          <BusFact key={bus.name} name={bus.name} pu={bus.vm_pu} energised={bus.energised} />
        ))}
        {substation.voltage_point !== null && (
          <>
            <dt>{S.network.measured}</dt>
            <dd>
              <Measurement id={substation.voltage_point} />
            </dd>
          </>
        )}
      </dl>
      {alarms.length > 0 && (
        <ul className="side-alarms">
          {alarms.slice(0, 4).map((alarm) => (
            <li key={alarm.id}>
              <PriorityMark priority={alarm.priority} unacknowledged={!alarm.acknowledged} /> {alarm.text}
            </li>
          ))}
        </ul>
      )}
      <Measurements list={measured} />
      <Switches
        title={S.network.switches}
        list={substation.switches.flatMap((s) => (s.point === null ? [] : [{ id: s.point, name: within(s.name, substation.name) }]))}
        testIds={testIds}
      />
      <h3>{S.network.branches}</h3>
      <ul className="plain-list">
        {connected.map(({ branch, i }) => (
          <li key={branch.id}>
            <button type="button" className="link" onClick={() => go("network", "branch", i)}>
              {branch.name}
            </button>{" "}
            <span className="muted">
              {S.network.to} {grid.substations[branch.from === index ? branch.to : branch.from]?.name}
            </span>
          </li>
        ))}
      </ul>
      <Sparkline id={substation.voltage_point} />
    </>
  );
}

function BusFact({ name, pu, energised }: { name: string; pu: number | null; energised: boolean }) {
  return (
    <>
      <dt>
        {S.network.estimated} {name}
      </dt>
      <dd>{energised ? <span className="number">{pu === null ? S.none : `${fixed(pu, 4)} p.u.`}</span> : S.network.dead}</dd>
    </>
  );
}

function BranchPanel({ grid, index, now, testIds }: { grid: Grid; index: number; now: BranchScene | undefined; testIds: boolean }) {
  const branch = grid.branches[index];
  if (branch === undefined || now === undefined) return null;
  const ends = [
    { key: "from", substation: branch.from, end: branch.from_end },
    { key: "to", substation: branch.to, end: branch.to_end },
  ];
  return (
    <>
      <Head kind={S.network.kinds[branch.kind]} name={branch.name} extra={kv(branch.base_kv)} />
      <dl className="facts">
        <dt>{S.network.loading}</dt>
        <dd className={`loading-${now.band}`}>{now.dead ? S.network.dead : now.loading === null ? S.none : `${fixed(now.loading, 1)} %`}</dd>
        {branch.rate_mva !== null && branch.rate_mva > 0 && (
          <>
            <dt>{S.network.rating}</dt>
            <dd>{fixed(branch.rate_mva, 0)} MVA</dd>
          </>
        )}
      </dl>
      {ends.map(({ key, substation, end }) => (
        <section key={key}>
          <h3>
            <button type="button" className="link" onClick={() => go("network", "substation", substation)}>
              {S.network.end(grid.substations[substation]?.name ?? "")}
            </button>
          </h3>
          <Measurements list={power(end.p_point, end.q_point, "")} />
          <Switches title="" list={endSwitches(end)} testIds={testIds} />
        </section>
      ))}
      {branch.tap_point !== null && (
        <section>
          <h3>{S.network.kinds.transformer}</h3>
          <Measurements list={[{ id: branch.tap_point, name: S.network.tap }]} />
        </section>
      )}
      <Sparkline id={branch.from_end.p_point} />
    </>
  );
}

function endSwitches(end: BranchEnd): Named[] {
  const list: Named[] = [];
  if (end.breaker_point !== null) list.push({ id: end.breaker_point, name: S.network.breaker });
  if (end.disconnector_point !== null) list.push({ id: end.disconnector_point, name: S.network.disconnector });
  return list;
}

function Measurement({ id }: { id: number }) {
  const point = pointOf(id);
  const r = read(id);
  return (
    <>
      <ValueText reading={r} kind={point?.kind ?? "analog"} unit={point?.unit ?? ""} />
      {r.trust !== "good" && <Quality trust={r.trust} />}
    </>
  );
}

interface Named {
  id: number;
  name: string;
}

/** Names of a substation's equipment often begin with its own; the heading says that already. */
const within = (name: string, place: string): string => (name.startsWith(`${place}/`) ? name.slice(place.length + 1) : name);

/** The full name of a point repeats its place; under the heading of that place the quantity is enough. */
function power(p: number | null, q: number | null, of: string): Named[] {
  const list: Named[] = [];
  if (p !== null) list.push({ id: p, name: of === "" ? S.network.p : S.network.pOf(of) });
  if (q !== null) list.push({ id: q, name: of === "" ? S.network.q : S.network.qOf(of) });
  return list;
}

function Measurements({ list }: { list: readonly Named[] }) {
  if (list.length === 0) return null;
  return (
    <table className="table compact">
        <Columns />
      <thead className="sr">
        <tr>
          <th scope="col">{S.points.columns.name}</th>
          <th scope="col">{S.points.columns.value}</th>
          <th scope="col">{S.points.columns.age}</th>
          <th scope="col">{S.network.control}</th>
        </tr>
      </thead>
      <tbody>
        {list.map(({ id, name }) => (
          <tr key={id}>
            <th scope="row">
              <NameButton id={id} name={name} />
            </th>
            <td className="num">
              <Measurement id={id} />
            </td>
            <td className="num muted age">{age(read(id).age_s)}</td>
            <td className="narrow">
              <ControlButton id={id} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Columns() {
  return (
    <colgroup>
      <col />
      <col style={{ width: "7.2rem" }} />
      <col style={{ width: "4.2rem" }} />
      <col style={{ width: "4.9rem" }} />
    </colgroup>
  );
}

function NameButton({ id, name }: Named) {
  return (
    <button type="button" className="link ellipsis" title={pointOf(id)?.name ?? name} onClick={() => open.set({ kind: "faceplate", point: id })}>
      {name}
    </button>
  );
}

function ControlButton({ id }: { id: number }) {
  const point = pointOf(id);
  if (point === null || point.control === null) return null;
  return (
    <button
      type="button"
      className="small"
      aria-label={S.network.controlOf(point.name)}
      onClick={() => open.set({ kind: "control", point: id })}
      data-testid={`ctl-open-${point.name}`}
    >
      {S.network.control}
    </button>
  );
}

interface SwitchesProps {
  title: string;
  list: readonly Named[];
  testIds: boolean;
}

function Switches({ title, list, testIds }: SwitchesProps) {
  if (list.length === 0) return null;
  return (
    <>
      {title !== "" && <h3>{title}</h3>}
      <table className="table compact">
        <Columns />
        <thead className="sr">
          <tr>
            <th scope="col">{S.points.columns.name}</th>
            <th scope="col">{S.network.state}</th>
            <th scope="col">{S.points.columns.age}</th>
            <th scope="col">{S.network.control}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((item) => {
            const point = pointOf(item.id);
            const r = read(item.id);
            return (
              <tr key={item.id}>
                <th scope="row">
                  <NameButton id={item.id} name={item.name} />
                  {point !== null && <TagMarks tags={point.tags} />}
                </th>
                <td>
                  <SwitchState reading={r} testId={testIds ? `switch-state-${point?.name ?? item.id}` : undefined} />
                </td>
                <td className="num muted age">{age(r.age_s)}</td>
                <td className="narrow">
                  <ControlButton id={item.id} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}

function Sparkline({ id }: { id: number | null }) {
  const point = pointOf(id);
  if (point === null) return null;
  return (
    <section>
      <h3>{S.network.trend(point.name)}</h3>
      <div className="side-trend" key={point.id}>
        <PointTrend point={point} span_s={SPAN_S} />
      </div>
    </section>
  );
}
