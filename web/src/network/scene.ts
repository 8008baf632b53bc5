// What the diagram shows at this moment: values, directions, bands and switch positions, ready to draw.
import type { Alarm, Branch, BranchEnd, BranchResult, BusResult, Estimate, Network, Priority } from "../api";
import { fixed } from "../format";
import { type Position, position, type Reading, type Trust } from "../live/reading";

/** Band of a substation that has no operating limits of its own. */
export const VOLTAGE_LOW_PU = 0.95;
export const VOLTAGE_HIGH_PU = 1.05;
export const LOADING_AMBER = 80;
export const LOADING_RED = 100;
/** Powers below this have no direction worth an arrow. */
const FLOW_MIN_MW = 0.05;

export type Band = "low" | "normal" | "high" | "unknown";
export type LoadingBand = "normal" | "amber" | "red" | "unknown";

export interface Shown {
  text: string;
  value: number | null;
  trust: Trust;
  /** The measurement is missing or not to be used; this is the estimate. */
  estimated: boolean;
}

export interface SwitchShown {
  position: Position;
  trust: Trust;
}

export interface EndScene {
  p: Shown;
  q: Shown;
  /** +1 out of the substation, -1 into it, 0 none. */
  direction: -1 | 0 | 1;
  breaker: SwitchShown | null;
  disconnector: SwitchShown | null;
}

export interface BranchScene {
  from: EndScene;
  to: EndScene;
  loading: number | null;
  band: LoadingBand;
  dead: boolean;
  tap: string | null;
}

export interface InjectionShown {
  letter: string;
  name: string;
  shown: Shown;
  unit: string;
}

export interface SubstationScene {
  pu: number | null;
  pus: { name: string; vm_pu: number | null; energised: boolean }[];
  kv: Shown;
  band: Band;
  dead: boolean;
  alarm: Priority | null;
  unacknowledged: boolean;
  injections: InjectionShown[];
}

export interface Scene {
  substations: SubstationScene[];
  branches: BranchScene[];
}

export type Read = (id: number | null | undefined) => Reading;

export function voltageBand(pu: number | null, limits?: { low_pu: number | null; high_pu: number | null }): Band {
  if (pu === null) return "unknown";
  if (pu < (limits?.low_pu ?? VOLTAGE_LOW_PU)) return "low";
  return pu > (limits?.high_pu ?? VOLTAGE_HIGH_PU) ? "high" : "normal";
}

export function loadingBand(percent: number | null): LoadingBand {
  if (percent === null) return "unknown";
  if (percent > LOADING_RED) return "red";
  return percent >= LOADING_AMBER ? "amber" : "normal";
}

/** An estimate that did not converge is not a result and is not shown as one. */
export const usable = (estimate: Estimate | null): estimate is Estimate =>
  estimate !== null && estimate.state === "converged";

function shown(measured: Reading, estimate: number | null, decimals: number): Shown {
  const good = measured.trust === "good" || measured.trust === "questionable";
  if (good || (estimate === null && measured.value !== null)) {
    return { text: fixed(measured.value, decimals), value: measured.value, trust: measured.trust, estimated: false };
  }
  if (estimate !== null) {
    return { text: `≈${fixed(estimate, decimals)}`, value: estimate, trust: "good", estimated: true };
  }
  return { text: "–", value: null, trust: measured.trust, estimated: false };
}

function switchShown(id: number | null, read: Read): SwitchShown | null {
  if (id === null) return null;
  const r = read(id);
  return { position: position(r), trust: r.trust };
}

function endScene(end: BranchEnd, p: number | null, q: number | null, read: Read): EndScene {
  const power = shown(read(end.p_point), p, 1);
  const direction = power.value === null || Math.abs(power.value) < FLOW_MIN_MW ? 0 : power.value > 0 ? 1 : -1;
  return {
    p: power,
    q: shown(read(end.q_point), q, 1),
    direction,
    breaker: switchShown(end.breaker_point, read),
    disconnector: switchShown(end.disconnector_point, read),
  };
}

const isOpen = (end: EndScene): boolean =>
  end.breaker?.position === "open" || end.disconnector?.position === "open";

function branchScene(branch: Branch, result: BranchResult | undefined, dead: boolean[], live: boolean, read: Read): BranchScene {
  const from = endScene(branch.from_end, result?.p_from_mw ?? null, result?.q_from_mvar ?? null, read);
  const to = endScene(branch.to_end, result?.p_to_mw ?? null, result?.q_to_mvar ?? null, read);
  const loading = result?.loading_percent ?? null;
  const fed = (end: EndScene, at: number): boolean => !isOpen(end) && dead[at] !== true;
  const tap = branch.tap_point === null ? null : read(branch.tap_point);
  return {
    from,
    to,
    loading: live ? loading : null,
    band: live ? loadingBand(loading) : "unknown",
    dead: !fed(from, branch.from) && !fed(to, branch.to),
    tap: tap === null ? null : tap.value === null ? "?" : fixed(tap.value, 0),
  };
}

const RANK: Record<Priority, number> = { low: 1, medium: 2, high: 3, critical: 4 };

/** The most urgent alarm of every substation, by name. */
function alarmsBySubstation(alarms: Iterable<Alarm>): Map<string, { priority: Priority; unacknowledged: boolean }> {
  const worst = new Map<string, { priority: Priority; unacknowledged: boolean }>();
  for (const alarm of alarms) {
    const known = worst.get(alarm.substation);
    const unacknowledged = !alarm.acknowledged || known?.unacknowledged === true;
    const priority = known !== undefined && RANK[known.priority] >= RANK[alarm.priority] ? known.priority : alarm.priority;
    worst.set(alarm.substation, { priority, unacknowledged });
  }
  return worst;
}

const LETTER = { machine: "G", load: "L", shunt: "Q", busbar: "" } as const;

function injections(network: Network, index: number, read: Read): InjectionShown[] {
  const list: InjectionShown[] = [];
  for (const equipment of network.substations[index]?.equipment ?? []) {
    const reactive = equipment.kind === "shunt" && equipment.q_point !== null;
    const id = reactive ? equipment.q_point : equipment.p_point;
    if (id === null || equipment.kind === "busbar") continue;
    list.push({
      letter: LETTER[equipment.kind],
      name: equipment.name,
      shown: shown(read(id), null, 1),
      unit: reactive ? "Mvar" : "MW",
    });
  }
  return list;
}

/** The bus furthest from nominal stands for its substation. */
function worstBus(buses: BusResult[]): number | null {
  let worst: number | null = null;
  for (const bus of buses) {
    if (!bus.energised || bus.vm_pu === null) continue;
    if (worst === null || Math.abs(bus.vm_pu - 1) > Math.abs(worst - 1)) worst = bus.vm_pu;
  }
  return worst;
}

/** The next substation with an alarm behind (or before) one, round and round; null if there is none. */
export function nextAlarm(scene: Scene, from: number | null, by: 1 | -1): number | null {
  const total = scene.substations.length;
  const start = from ?? (by === 1 ? -1 : 0);
  for (let step = 1; step <= total; step++) {
    const at = (((start + by * step) % total) + total) % total;
    if (scene.substations[at]?.alarm != null) return at;
  }
  return null;
}

export function scene(network: Network, estimate: Estimate | null, alarms: Iterable<Alarm>, read: Read, linked: boolean): Scene {
  const live = usable(estimate) && linked;
  const results = new Map<number, BranchResult>();
  const buses = new Map<number, BusResult[]>();
  if (usable(estimate)) {
    for (const result of estimate.branches) results.set(result.branch, result);
    for (const bus of estimate.buses) buses.set(bus.substation, [...(buses.get(bus.substation) ?? []), bus]);
  }
  const dead = network.substations.map((_, index) => {
    const list = buses.get(index);
    return list !== undefined && list.length > 0 && list.every((bus) => !bus.energised);
  });
  const worst = alarmsBySubstation(alarms);
  const substations = network.substations.map((substation, index): SubstationScene => {
    const list = buses.get(index) ?? [];
    const pu = live ? worstBus(list) : null;
    const alarm = worst.get(substation.name) ?? worst.get(substation.id);
    return {
      pu,
      pus: list.map((bus) => ({ name: bus.name, vm_pu: live ? bus.vm_pu : null, energised: bus.energised })),
      kv: shown(read(substation.voltage_point), null, 1),
      band: dead[index] === true ? "unknown" : voltageBand(pu, substation),
      dead: dead[index] === true,
      alarm: alarm?.priority ?? null,
      unacknowledged: alarm?.unacknowledged ?? false,
      injections: injections(network, index, read),
    };
  });
  const branches = network.branches.map((branch, index) =>
    branchScene(branch, live ? results.get(index) : undefined, dead, live, read),
  );
  return { substations, branches };
}
