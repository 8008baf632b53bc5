// The few figures that say how the grid is, from the estimate and the measurements.
import type { Estimate, Network } from "../api";
import type { Read } from "../network/scene";

export interface Sum {
  value_mw: number | null;
  /** Measurements that could not be counted; a sum with gaps must say so. */
  missing: number;
  counted: number;
}

/** Sum of the active power of all equipment of one kind. Size only: machines are measured with either sign in use. */
export function total(network: Network, kind: "load" | "machine", read: Read): Sum {
  let sum = 0;
  let missing = 0;
  let counted = 0;
  for (const substation of network.substations) {
    for (const equipment of substation.equipment) {
      if (equipment.kind !== kind || equipment.p_point === null) continue;
      const r = read(equipment.p_point);
      if (r.value === null || (r.trust !== "good" && r.trust !== "questionable")) missing += 1;
      else {
        sum += r.value;
        counted += 1;
      }
    }
  }
  return { value_mw: counted === 0 ? null : Math.abs(sum), missing, counted };
}

/** What flows into the branches and does not come out. */
export function losses(estimate: Estimate): number | null {
  let sum = 0;
  let counted = 0;
  for (const branch of estimate.branches) {
    if (branch.p_from_mw === null || branch.p_to_mw === null) continue;
    sum += branch.p_from_mw + branch.p_to_mw;
    counted += 1;
  }
  return counted === 0 ? null : sum;
}

export interface Ranked {
  index: number;
  name: string;
  value: number;
}

export function worstVoltages(network: Network, estimate: Estimate, count: number): Ranked[] {
  return estimate.buses
    .flatMap((bus) => (bus.energised && bus.vm_pu !== null ? [{ index: bus.substation, name: bus.name, value: bus.vm_pu }] : []))
    .map((bus) => ({ ...bus, name: network.substations[bus.index]?.name ?? bus.name }))
    .sort((a, b) => Math.abs(b.value - 1) - Math.abs(a.value - 1))
    .slice(0, count);
}

export function worstLoadings(network: Network, estimate: Estimate, count: number): Ranked[] {
  return estimate.branches
    .flatMap((branch) =>
      branch.loading_percent === null
        ? []
        : [{ index: branch.branch, name: network.branches[branch.branch]?.name ?? String(branch.branch), value: branch.loading_percent }],
    )
    .sort((a, b) => b.value - a.value)
    .slice(0, count);
}
