import { useMemo, useState } from "react";
import type { Network as Grid } from "../api";
import { fixed } from "../format";
import type { Hit } from "../network/layout";
import type { Overlay } from "../network/draw";
import { Diagram } from "../network/Diagram";
import { type BranchScene, type Scene, scene, type Shown, type SubstationScene } from "../network/scene";
import { Notice, PriorityMark, SwitchState, TrustMark } from "../parts/marks";
import { go, loadNetwork, network, pointOf, read, store, useCell, useRoute, useTopic } from "../state";
import { S } from "../strings";
import { SidePanel } from "./SidePanel";

export function Network() {
  const grid = useCell(network);
  if (grid.data === null) {
    if (grid.state === "failed") {
      return (
        <Notice action={<button type="button" onClick={() => void loadNetwork()}>{S.retry}</button>}>{S.failed(grid.error)}</Notice>
      );
    }
    return <Notice>{S.loading}</Notice>;
  }
  if (grid.data.substations.length === 0) return <Notice>{S.network.empty}</Notice>;
  return <Shown grid={grid.data} />;
}

function hitOf(grid: Grid, route: string[]): Hit {
  const index = Number(route[2]);
  if (!Number.isInteger(index) || index < 0) return null;
  if (route[1] === "substation" && index < grid.substations.length) return { kind: "substation", index };
  if (route[1] === "branch" && index < grid.branches.length) return { kind: "branch", index };
  return null;
}

function Shown({ grid }: { grid: Grid }) {
  const points = useTopic("points");
  const estimate = useTopic("estimate");
  const alarms = useTopic("alarms");
  const [overlay, setOverlay] = useState<Overlay>("condition");
  const [view, setView] = useState<"diagram" | "table">("diagram");
  const route = useRoute();
  const selected = hitOf(grid, route);
  const now = useMemo(
    () => scene(grid, store.estimate, store.shownAlarms(), read, store.link === "live"),
    [grid, points, estimate, alarms],
  );
  const select = (hit: Hit) => (hit === null ? go("network") : go("network", hit.kind, hit.index));
  return (
    <div className="network">
      <div className="network-main">
        <div className="toolbar">
          <h1>{S.network.title}</h1>
          <span className="muted">{grid.name}</span>
          <span className="grow" />
          <div className="segments" role="group" aria-label={S.network.overlay}>
            {(["condition", "voltage"] as const).map((o) => (
              <button key={o} type="button" aria-pressed={overlay === o} onClick={() => setOverlay(o)}>
                {S.network.overlays[o]}
              </button>
            ))}
          </div>
          <div className="segments" role="group" aria-label={S.show}>
            {(["diagram", "table"] as const).map((v) => (
              <button key={v} type="button" aria-pressed={view === v} onClick={() => setView(v)} data-testid={`network-${v}`}>
                {S.network[v]}
              </button>
            ))}
          </div>
        </div>
        {view === "diagram" ? (
          <Diagram grid={grid} scene={now} overlay={overlay} onOverlay={setOverlay} selected={selected} onSelect={select} />
        ) : (
          <Twin grid={grid} scene={now} selected={selected} onSelect={select} />
        )}
      </div>
      <SidePanel grid={grid} scene={now} selected={selected} testIds={view === "diagram"} />
    </div>
  );
}

function ShownText({ shown, unit }: { shown: Shown; unit: string }) {
  return (
    <span className={`value value-${shown.trust}`}>
      {shown.trust !== "good" && <TrustMark trust={shown.trust} />}
      <span className="number">{shown.text}</span>
      <span className="unit">{unit}</span>
    </span>
  );
}

interface TwinProps {
  grid: Grid;
  scene: Scene;
  selected: Hit;
  onSelect: (hit: Hit) => void;
}

/** The same content as the diagram, for screen readers and for those who prefer tables. */
function Twin({ grid, scene: now, selected, onSelect }: TwinProps) {
  const is = (kind: "substation" | "branch", index: number) => selected?.kind === kind && selected.index === index;
  return (
    <div className="twin" tabIndex={0} role="region" aria-label={S.network.table}>
      <table className="table">
        <caption>{S.network.substations}</caption>
        <thead>
          <tr>
            <th scope="col">{S.network.substation}</th>
            <th scope="col" className="num">{S.network.estimated}</th>
            <th scope="col" className="num">{S.network.measured}</th>
            <th scope="col">{S.network.state}</th>
            <th scope="col">{S.network.measurements}</th>
          </tr>
        </thead>
        <tbody>
          {grid.substations.map((substation, index) => (
            <tr key={substation.id} className={is("substation", index) ? "current" : ""}>
              <th scope="row">
                <button type="button" className="link" onClick={() => onSelect({ kind: "substation", index })} aria-label={S.network.open(substation.name)}>
                  {substation.name}
                </button>
              </th>
              <SubstationCells now={now.substations[index]} />
            </tr>
          ))}
        </tbody>
      </table>
      <table className="table">
        <caption>{S.network.branches}</caption>
        <thead>
          <tr>
            <th scope="col">{S.network.branch}</th>
            <th scope="col">{S.network.from}</th>
            <th scope="col" className="num">P</th>
            <th scope="col">{S.network.breaker} · {S.network.disconnector}</th>
            <th scope="col">{S.network.to}</th>
            <th scope="col" className="num">P</th>
            <th scope="col">{S.network.breaker} · {S.network.disconnector}</th>
            <th scope="col" className="num">{S.network.loading}</th>
          </tr>
        </thead>
        <tbody>
          {grid.branches.map((branch, index) => (
            <tr key={branch.id} className={is("branch", index) ? "current" : ""}>
              <th scope="row">
                <button type="button" className="link" onClick={() => onSelect({ kind: "branch", index })} aria-label={S.network.open(branch.name)} data-testid={`branch-row-${branch.name}`}>
                  {branch.name}
                </button>
              </th>
              <BranchCells grid={grid} index={index} now={now.branches[index]} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SubstationCells({ now }: { now: SubstationScene | undefined }) {
  if (now === undefined) return null;
  return (
    <>
      <td className="num">{now.pu === null ? S.none : `${fixed(now.pu, 4)} p.u.`}</td>
      <td className="num">
        <ShownText shown={now.kv} unit="kV" />
      </td>
      <td>
        {now.alarm !== null && <PriorityMark priority={now.alarm} />} {now.dead ? S.network.dead : S.network.energised}
        {now.band !== "normal" && now.band !== "unknown" && `, ${S.network.legendItems[now.band]}`}
      </td>
      <td>
        {now.injections.map((injection) => (
          <span key={injection.name} className="injection">
            {injection.name} <ShownText shown={injection.shown} unit={injection.unit} />
          </span>
        ))}
      </td>
    </>
  );
}

function BranchCells({ grid, index, now }: { grid: Grid; index: number; now: BranchScene | undefined }) {
  const branch = grid.branches[index];
  if (branch === undefined || now === undefined) return null;
  const side = (which: "from" | "to") => {
    const end = which === "from" ? branch.from_end : branch.to_end;
    return (
      <>
        <td>{grid.substations[branch[which]]?.name}</td>
        <td className="num">
          <ShownText shown={now[which].p} unit="MW" />
        </td>
        <td>
          <TwinSwitch id={end.breaker_point} /> <TwinSwitch id={end.disconnector_point} />
        </td>
      </>
    );
  };
  return (
    <>
      {side("from")}
      {side("to")}
      <td className="num">
        {fixed(now.loading, 1)} {now.loading !== null && "%"} {now.dead && S.network.dead}
      </td>
    </>
  );
}

function TwinSwitch({ id }: { id: number | null }) {
  if (id === null) return <>{S.none}</>;
  return <SwitchState reading={read(id)} testId={`switch-state-${nameOf(id)}`} />;
}

const nameOf = (id: number): string => pointOf(id)?.name ?? String(id);
