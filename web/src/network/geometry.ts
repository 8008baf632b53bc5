// Geometry of the network diagram: pure functions from substation positions to places on the screen.
// World coordinates are the server's x and y (0..1, y downwards), stretched to the shape of the canvas.

export interface Vec {
  x: number;
  y: number;
}

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** screen = world · scale + offset, per axis, so that a fit fills the canvas. */
export interface View {
  sx: number;
  sy: number;
  ox: number;
  oy: number;
}

export const ZOOM_MIN = 0.5;
export const ZOOM_MAX = 60;

export const project = (view: View, p: Vec): Vec => ({ x: p.x * view.sx + view.ox, y: p.y * view.sy + view.oy });
export const unproject = (view: View, p: Vec): Vec => ({
  x: (p.x - view.ox) / view.sx,
  y: (p.y - view.oy) / view.sy,
});

/** The view that shows every position inside the canvas with a margin. */
export function fit(positions: readonly Vec[], size: { w: number; h: number }, margin: { x: number; y: number }): View {
  if (positions.length === 0) return { sx: size.w, sy: size.h, ox: 0, oy: 0 };
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const p of positions) {
    left = Math.min(left, p.x);
    right = Math.max(right, p.x);
    top = Math.min(top, p.y);
    bottom = Math.max(bottom, p.y);
  }
  const w = Math.max(1, size.w - 2 * margin.x);
  const h = Math.max(1, size.h - 2 * margin.y);
  const sx = right > left ? w / (right - left) : w;
  const sy = bottom > top ? h / (bottom - top) : h;
  return {
    sx,
    sy,
    ox: size.w / 2 - (sx * (left + right)) / 2,
    oy: size.h / 2 - (sy * (top + bottom)) / 2,
  };
}

/** Zooms by a factor and keeps the world point under `at` where it is. `base` is the fitted view. */
export function zoomAt(view: View, base: View, at: Vec, factor: number): View {
  const now = view.sx / base.sx;
  const wanted = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, now * factor));
  const k = wanted / now;
  return {
    sx: view.sx * k,
    sy: view.sy * k,
    ox: at.x - (at.x - view.ox) * k,
    oy: at.y - (at.y - view.oy) * k,
  };
}

/** Several branches between the same two substations lie side by side: offsets in steps around zero. */
export function parallelOffsets(pairs: readonly { from: number; to: number }[]): number[] {
  const groups = new Map<string, number[]>();
  pairs.forEach((pair, index) => {
    const key = pair.from < pair.to ? `${pair.from}-${pair.to}` : `${pair.to}-${pair.from}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  });
  const offsets = new Array<number>(pairs.length).fill(0);
  for (const group of groups.values()) {
    group.forEach((index, place) => {
      const pair = pairs[index];
      const side = pair !== undefined && pair.from > pair.to ? -1 : 1;
      offsets[index] = side * (place - (group.length - 1) / 2);
    });
  }
  return offsets;
}

/** The straight run of a branch on the screen, shifted sideways for parallels. */
export interface Run {
  a: Vec;
  b: Vec;
  /** Unit vector from a to b. */
  u: Vec;
  length: number;
}

export function run(a: Vec, b: Vec, shift: number): Run {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = Math.hypot(dx, dy);
  const u = length > 0 ? { x: dx / length, y: dy / length } : { x: 1, y: 0 };
  const n = { x: -u.y * shift, y: u.x * shift };
  return { a: { x: a.x + n.x, y: a.y + n.y }, b: { x: b.x + n.x, y: b.y + n.y }, u, length };
}

export const along = (r: Run, distance: number): Vec => ({
  x: r.a.x + r.u.x * distance,
  y: r.a.y + r.u.y * distance,
});

export const overlaps = (p: Rect, q: Rect): boolean =>
  p.x < q.x + q.w && q.x < p.x + p.w && p.y < q.y + q.h && q.y < p.y + p.h;

export const centred = (at: Vec, w: number, h: number): Rect => ({ x: at.x - w / 2, y: at.y - h / 2, w, h });

/** How much of a line is hidden behind a horizontal text of w × h that is centred on it. */
export function extent(u: Vec, w: number, h: number): number {
  const ax = Math.abs(u.x);
  const ay = Math.abs(u.y);
  return Math.min(ax > 0 ? w / ax : Infinity, ay > 0 ? h / ay : Infinity);
}

/** Liang–Barsky: does the segment touch the rectangle? */
export function segmentHits(a: Vec, b: Vec, r: Rect): boolean {
  let [low, high] = [0, 1];
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const sides: [number, number][] = [
    [-dx, a.x - r.x],
    [dx, r.x + r.w - a.x],
    [-dy, a.y - r.y],
    [dy, r.y + r.h - a.y],
  ];
  for (const [p, q] of sides) {
    if (p === 0) {
      if (q < 0) return false;
    } else if (p < 0) low = Math.max(low, q / p);
    else high = Math.min(high, q / p);
  }
  return low <= high;
}

export function distanceToSegment(p: Vec, a: Vec, b: Vec): number {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const square = dx * dx + dy * dy;
  const t = square === 0 ? 0 : Math.min(1, Math.max(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / square));
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/** Where a block of text may stand beside a node: eight places, clockwise from the right. */
export function besides(at: Vec, gap: number, w: number, h: number): Rect[] {
  const right = at.x + gap;
  const left = at.x - gap - w;
  const below = at.y + gap;
  const above = at.y - gap - h;
  return [
    { x: right, y: at.y - h / 2, w, h },
    { x: right, y: below - gap / 2, w, h },
    { x: at.x - w / 2, y: below, w, h },
    { x: left, y: below - gap / 2, w, h },
    { x: left, y: at.y - h / 2, w, h },
    { x: left, y: above + gap / 2, w, h },
    { x: at.x - w / 2, y: above, w, h },
    { x: right, y: above + gap / 2, w, h },
  ];
}

/** Picks the place with the least harm: other texts and nodes weigh most, then lines, then the order of places. */
export function choose(places: readonly Rect[], taken: readonly Rect[], lines: readonly [Vec, Vec][], inside: Rect): Rect {
  let best = places[0] as Rect;
  let least = Infinity;
  places.forEach((place, order) => {
    let harm = order * 0.1;
    for (const rect of taken) if (overlaps(place, rect)) harm += 50;
    for (const [a, b] of lines) if (segmentHits(a, b, place)) harm += 5;
    const out = place.x < inside.x || place.y < inside.y || place.x + place.w > inside.x + inside.w || place.y + place.h > inside.y + inside.h;
    if (out) harm += 20;
    if (harm < least) {
      least = harm;
      best = place;
    }
  });
  return best;
}
