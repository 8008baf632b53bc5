import { describe, expect, it } from "vitest";
import type { Branch, Network, Substation } from "../api";
import {
  along,
  centred,
  choose,
  distanceToSegment,
  extent,
  fit,
  overlaps,
  parallelOffsets,
  project,
  run,
  segmentHits,
  unproject,
  ZOOM_MAX,
  zoomAt,
} from "./geometry";
import { hit, layout } from "./layout";

const SIZE = { w: 900, h: 600 };

describe("view", () => {
  const positions = [
    { x: 0.1, y: 0.2 },
    { x: 0.9, y: 0.2 },
    { x: 0.5, y: 0.8 },
  ];
  it("a fit puts the outermost positions on the margin", () => {
    const view = fit(positions, SIZE, { x: 50, y: 40 });
    const [a, b, c] = positions.map((p) => project(view, p));
    expect(a?.x).toBeCloseTo(50);
    expect(b?.x).toBeCloseTo(850);
    expect(a?.y).toBeCloseTo(40);
    expect(c?.y).toBeCloseTo(560);
  });
  it("one substation, or none, still gives a finite view", () => {
    for (const list of [[], [{ x: 0.3, y: 0.3 }]]) {
      const view = fit(list, SIZE, { x: 50, y: 50 });
      for (const value of Object.values(view)) expect(Number.isFinite(value)).toBe(true);
    }
  });
  it("zooming keeps the point under the pointer and stops at the limit", () => {
    const base = fit(positions, SIZE, { x: 50, y: 40 });
    const at = { x: 300, y: 200 };
    const world = unproject(base, at);
    const near = zoomAt(base, base, at, 3);
    expect(project(near, world).x).toBeCloseTo(at.x);
    expect(project(near, world).y).toBeCloseTo(at.y);
    expect(near.sx / base.sx).toBeCloseTo(3);
    expect(zoomAt(base, base, at, 1e9).sx / base.sx).toBeCloseTo(ZOOM_MAX);
  });
});

describe("branches", () => {
  it("parallels lie on both sides of the direct line, whichever way they are named", () => {
    const offsets = parallelOffsets([
      { from: 0, to: 1 },
      { from: 1, to: 0 },
      { from: 1, to: 2 },
    ]);
    expect(offsets[2]).toBe(0);
    const a = { x: 0, y: 0 };
    const b = { x: 100, y: 0 };
    const first = run(a, b, offsets[0] ?? 0);
    const second = run(b, a, offsets[1] ?? 0);
    expect(first.a.y).toBeCloseTo(-second.a.y);
    expect(Math.abs(first.a.y)).toBeGreaterThan(0);
  });
  it("walks along a run", () => {
    expect(along(run({ x: 0, y: 0 }, { x: 30, y: 40 }, 0), 5)).toEqual({ x: 3, y: 4 });
  });
  it("a text covers more of a flat line than of a steep one", () => {
    expect(extent({ x: 1, y: 0 }, 44, 14)).toBe(44);
    expect(extent({ x: 0, y: 1 }, 44, 14)).toBe(14);
  });
  // ax ay bx by, hits the square 0..10
  const segments: [number, number, number, number, boolean][] = [
    [-5, 5, 15, 5, true],
    [-5, -5, 15, -5, false],
    [2, 2, 3, 3, true],
    [-5, 4, -1, 4, false],
    [11, 0, 0, 11.5, true],
    [21, 0, 0, 21.5, false],
    [5, -5, 5, 20, true],
  ];
  it.each(segments)("segment %d,%d %d,%d hits %s", (ax, ay, bx, by, hits) => {
    expect(segmentHits({ x: ax, y: ay }, { x: bx, y: by }, { x: 0, y: 0, w: 10, h: 10 })).toBe(hits);
  });
  it("distance to a segment ends at its ends", () => {
    const [a, b] = [{ x: 0, y: 0 }, { x: 10, y: 0 }];
    expect(distanceToSegment({ x: 5, y: 3 }, a, b)).toBe(3);
    expect(distanceToSegment({ x: 13, y: 4 }, a, b)).toBe(5);
    expect(distanceToSegment({ x: 3, y: 4 }, a, a)).toBe(5);
  });
});

const substation = (x: number, y: number): Substation => ({
  id: `${x}-${y}`,
  name: "S",
  x,
  y,
  base_kv: 132,
  low_pu: null,
  high_pu: null,
  voltage_point: null,
  switches: [],
  equipment: [],
});
const END = { p_point: null, q_point: null, breaker_point: null, disconnector_point: null };
const branch = (from: number, to: number, kind: Branch["kind"] = "line"): Branch => ({
  id: `${from}-${to}`,
  name: "B",
  kind,
  from,
  to,
  rate_mva: null,
  base_kv: 132,
  from_end: END,
  to_end: END,
  tap_point: null,
});
const RING: Network = {
  name: "ring",
  base_mva: 100,
  frequency_hz: 50,
  substations: [substation(0, 0), substation(1, 0), substation(1, 1), substation(0, 1)],
  branches: [branch(0, 1), branch(1, 2, "transformer"), branch(2, 3), branch(3, 0), branch(0, 2)],
};

describe("layout", () => {
  const view = fit(RING.substations, SIZE, { x: 120, y: 80 });
  const place = layout(RING, view, SIZE, 1);

  it("gives every substation a text and every branch two power texts when there is room", () => {
    expect(place.nodes.every((node) => node.block !== null)).toBe(true);
    expect(place.branches.every((b) => b.symbols && b.from.label !== null && b.to.label !== null)).toBe(true);
  });
  it("no two texts overlap", () => {
    const rects = [...place.nodes.map((n) => n.block), ...place.branches.flatMap((b) => [b.from.label, b.to.label])];
    rects.forEach((p, i) => {
      rects.slice(i + 1).forEach((q) => {
        if (p !== null && q !== null) expect(overlaps(p, q)).toBe(false);
      });
    });
  });
  it("symbols stand in order from the substation outwards, at both ends", () => {
    for (const b of place.branches) {
      for (const [origin, e] of [[b.run.a, b.from], [b.run.b, b.to]] as const) {
        const d = [e.disconnector, e.breaker, e.arrow].map((p) => Math.hypot(p.x - origin.x, p.y - origin.y));
        expect(d).toEqual([...d].sort((x, y) => x - y));
      }
    }
  });
  it("crowded, it drops symbols and texts but not lines", () => {
    const far = layout(RING, fit(RING.substations, { w: 60, h: 60 }, { x: 10, y: 10 }), { w: 60, h: 60 }, 1);
    expect(far.branches.some((b) => b.symbols)).toBe(false);
    expect(far.branches.length).toBe(5);
  });
  it("a text block avoids lines and taken places", () => {
    const free = { x: 20, y: 0, w: 10, h: 10 };
    const places = [centred({ x: 5, y: 5 }, 10, 10), free];
    expect(choose(places, [{ x: 0, y: 0, w: 9, h: 9 }], [], { x: 0, y: 0, w: 100, h: 100 })).toBe(free);
    expect(choose(places, [], [[{ x: -5, y: 5 }, { x: 15, y: 5 }]], { x: 0, y: 0, w: 100, h: 100 })).toBe(free);
  });
  it("hits the substation before the branch and nothing in the open", () => {
    const node = place.nodes[0]?.at ?? { x: 0, y: 0 };
    expect(hit(place, node)).toEqual({ kind: "substation", index: 0 });
    expect(hit(place, place.branches[4]?.middle ?? node)).toEqual({ kind: "branch", index: 4 });
    expect(hit(place, { x: 450, y: 590 })).toBeNull();
  });
});
