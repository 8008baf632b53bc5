// Places every symbol and text of the diagram for one view. Depends on the network and the view, not on
// values, so it runs when the operator pans or zooms and not at every telegram.
import type { Network } from "../api";
import {
  along,
  besides,
  centred,
  choose,
  distanceToSegment,
  extent,
  overlaps,
  parallelOffsets,
  project,
  type Rect,
  type Run,
  run,
  type Vec,
  type View,
} from "./geometry";

/** Sizes in units of 1/13 of the root font, so that a 4K wall stays legible. */
export const NODE = 14;
export const BREAKER = 9;
export const DISCONNECTOR = 7;
export const ARROW = 8;
export const LABEL_W = 44;
export const LABEL_H = 14;
export const BLOCK_LINE = 14;
export const BLOCK_W = 78;
export const BADGE = 9.5;
export const TAP_W = 26;
export const TAP_H = 13;
const GAP = 4;
const PARALLEL_GAP = 26;
const TRANSFORMER = 24;
/** Above this many visible substations texts would only be noise. */
const TEXT_LIMIT = 160;

export interface EndPlace {
  disconnector: Vec;
  breaker: Vec;
  arrow: Vec;
  /** Unit vector away from the substation. */
  out: Vec;
  label: Rect | null;
}

export interface BranchPlace {
  run: Run;
  symbols: boolean;
  from: EndPlace;
  to: EndPlace;
  middle: Vec;
  /** Centre of the tap position's text, beside the symbol. */
  tap: Vec;
}

export interface NodePlace {
  at: Vec;
  block: Rect | null;
  /** Centre of an alarm badge: beside the node, off its text and off the switches. */
  badge: Vec;
}

export interface Layout {
  unit: number;
  nodes: NodePlace[];
  branches: BranchPlace[];
  size: { w: number; h: number };
}

/** Lines of text beside a substation: name, voltages, then one per load, machine or shunt with a measurement. */
export function blockLines(network: Network, index: number): number {
  const substation = network.substations[index];
  if (substation === undefined) return 0;
  return 3 + Math.min(3, substation.equipment.filter((e) => e.p_point !== null || (e.kind === "shunt" && e.q_point !== null)).length);
}

function end(r: Run, reverse: boolean, unit: number): EndPlace {
  const out = reverse ? { x: -r.u.x, y: -r.u.y } : r.u;
  const at = (distance: number): Vec => along(r, reverse ? r.length - distance : distance);
  const disconnector = (NODE / 2 + GAP + DISCONNECTOR / 2) * unit;
  const breaker = disconnector + (DISCONNECTOR / 2 + 3 + BREAKER / 2) * unit;
  const arrow = breaker + (BREAKER / 2 + GAP + ARROW / 2) * unit;
  return { disconnector: at(disconnector), breaker: at(breaker), arrow: at(arrow), out, label: null };
}

/** Distance from the substation's centre to the centre of the power text. */
function labelDistance(r: Run, unit: number): number {
  const fixed = NODE / 2 + GAP + DISCONNECTOR + 3 + BREAKER + GAP + ARROW + 3;
  return fixed * unit + extent(r.u, LABEL_W * unit, LABEL_H * unit) / 2;
}

/** To the right of the run, so that the text never lies on its own line. */
function beside(middle: Vec, u: Vec, unit: number): Vec {
  const side = -u.y >= 0 ? 1 : -1;
  return { x: middle.x + (Math.abs(u.y) * 18 + 5) * unit, y: middle.y + u.x * 18 * side * unit };
}

const grow = (rect: Rect, by: number): Rect => ({ x: rect.x - by, y: rect.y - by, w: rect.w + 2 * by, h: rect.h + 2 * by });

export function layout(network: Network, view: View, size: { w: number; h: number }, unit: number): Layout {
  const nodes: NodePlace[] = network.substations.map((s): NodePlace => {
    const at = project(view, s);
    return { at, block: null, badge: { x: at.x + (NODE / 2) * unit, y: at.y - (NODE / 2) * unit } };
  });
  const offsets = parallelOffsets(network.branches);
  const branches = network.branches.map((branch, index): BranchPlace => {
    const a = nodes[branch.from]?.at ?? { x: 0, y: 0 };
    const b = nodes[branch.to]?.at ?? { x: 0, y: 0 };
    const r = run(a, b, (offsets[index] ?? 0) * PARALLEL_GAP * unit);
    return {
      run: r,
      symbols: r.length > 78 * unit,
      from: end(r, false, unit),
      to: end(r, true, unit),
      middle: along(r, r.length / 2),
      tap: beside(along(r, r.length / 2), r.u, unit),
    };
  });
  const canvas: Rect = { x: 0, y: 0, w: size.w, h: size.h };
  const visible = nodes.flatMap((node, index) => (overlaps(centred(node.at, 1, 1), grow(canvas, 40)) ? [index] : []));
  if (visible.length <= TEXT_LIMIT) placeTexts(network, { unit, nodes, branches, size }, visible);
  return { unit, nodes, branches, size };
}

function placeTexts(network: Network, place: Layout, visible: number[]): void {
  const { unit, nodes, branches, size } = place;
  const taken: Rect[] = visible.map((i) => centred((nodes[i] as NodePlace).at, (NODE + 4) * unit, (NODE + 4) * unit));
  branches.forEach((branch, index) => {
    if (!branch.symbols) return;
    const half = network.branches[index]?.kind === "transformer" ? (TRANSFORMER / 2) * unit : 0;
    for (const reverse of [false, true]) {
      const near = labelDistance(branch.run, unit);
      const cover = extent(branch.run.u, LABEL_W * unit, LABEL_H * unit) / 2;
      const room = branch.run.length / 2 - half - cover;
      const distances = [near, near + 16 * unit, near + 32 * unit].filter((d) => d <= room);
      if (distances.length === 0 && !reverse && half === 0) distances.push(branch.run.length / 2);
      const spot = distances
        .map((d) => centred(along(branch.run, reverse ? branch.run.length - d : d), LABEL_W * unit, LABEL_H * unit))
        .find((rect) => !taken.some((other) => overlaps(rect, other)));
      if (spot === undefined) continue;
      taken.push(spot);
      (reverse ? branch.to : branch.from).label = spot;
    }
    if (half > 0) taken.push(centred(branch.middle, half * 2, half * 2));
    if (network.branches[index]?.tap_point != null) taken.push(centred(branch.tap, TAP_W * unit, TAP_H * unit));
    for (const end of [branch.from, branch.to]) {
      taken.push(centred(end.disconnector, DISCONNECTOR * unit, DISCONNECTOR * unit));
      taken.push(centred(end.breaker, BREAKER * unit, BREAKER * unit));
      taken.push(centred(end.arrow, ARROW * unit, ARROW * unit));
    }
  });
  const lines = branches.map((branch): [Vec, Vec] => [branch.run.a, branch.run.b]);
  for (const index of visible) {
    const node = nodes[index] as NodePlace;
    const near = (NODE / 2 + 5) * unit;
    // Where all lines do not fit, the name alone may; where that does not fit either, zooming in brings it.
    for (const count of [blockLines(network, index), 3, 2, 1]) {
      const h = count * BLOCK_LINE * unit;
      // The second ring clears the power text of a steep line, which is wider than the node.
      const places = [near, near * 2.1].flatMap((gap) => besides(node.at, gap, BLOCK_W * unit, h));
      const best = choose(places, taken, lines, { x: 0, y: 0, w: size.w, h: size.h });
      if (taken.some((other) => overlaps(best, other))) continue;
      node.block = best;
      taken.push(best);
      break;
    }
  }
  const side = BADGE * 2 * unit;
  const off = NODE / 2 + BADGE + 3;
  for (const index of visible) {
    const node = nodes[index] as NodePlace;
    const spots = CORNERS.map(([x, y]) => centred({ x: node.at.x + x * off * unit, y: node.at.y + y * off * unit }, side, side));
    const spot = choose(spots, taken, lines, { x: 0, y: 0, w: size.w, h: size.h });
    node.badge = { x: spot.x + side / 2, y: spot.y + side / 2 };
  }
}

/** Corners first: lines leave a node more often along the axes. */
const CORNERS: readonly [number, number][] = [
  [0.8, -0.8],
  [-0.8, -0.8],
  [-0.8, 0.8],
  [0.8, 0.8],
  [0, -1],
  [1, 0],
  [-1, 0],
  [0, 1],
];

export type Hit = { kind: "substation"; index: number } | { kind: "branch"; index: number } | null;

/** What lies under the pointer; substations win over branches. */
export function hit(place: Layout, at: Vec): Hit {
  let best: Hit = null;
  let least = (NODE / 2 + 6) * place.unit;
  place.nodes.forEach((node, index) => {
    const d = Math.hypot(node.at.x - at.x, node.at.y - at.y);
    if (d < least) {
      least = d;
      best = { kind: "substation", index };
    }
  });
  if (best !== null) return best;
  least = 9 * place.unit;
  place.branches.forEach((branch, index) => {
    const d = distanceToSegment(at, branch.run.a, branch.run.b);
    if (d < least) {
      least = d;
      best = { kind: "branch", index };
    }
  });
  if (best !== null) return best;
  place.nodes.forEach((node, index) => {
    if (node.block !== null && overlaps(centred(at, 1, 1), node.block)) best = { kind: "substation", index };
  });
  return best;
}
