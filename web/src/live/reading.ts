// A point as the operator should read it: the live value, with everything that may make it doubtful.
import type { LiveStore } from "./store";

export type Trust = "good" | "questionable" | "invalid" | "stale" | "unknown";

export interface Reading {
  value: number | null;
  text: string;
  trust: Trust;
  /** Seconds since the source's time stamp, by the server's clock. */
  age_s: number | null;
  t: number | null;
}

const NOTHING: Reading = { value: null, text: "", trust: "unknown", age_s: null, t: null };

/** Without a live link every value is old, whatever its last flag said. */
export function reading(store: LiveStore, id: number | null | undefined, now: number): Reading {
  if (id === null || id === undefined) return NOTHING;
  const live = store.points.get(id);
  if (live === undefined) return NOTHING;
  const trust = trustOf(live.value, live.validity, live.stale || store.link !== "live");
  return { value: live.value, text: live.text, trust, age_s: ageOf(store, live.t, now), t: live.t };
}

function trustOf(value: number | null, validity: number, stale: boolean): Trust {
  if (validity >= 2) return "invalid";
  if (value === null) return "unknown";
  if (stale) return "stale";
  return validity === 0 ? "good" : "questionable";
}

function ageOf(store: LiveStore, t: number | null, now: number): number | null {
  if (t === null || store.serverTime === null || store.lastHeard === null) return null;
  const sinceHeard = Math.max(0, now - store.lastHeard);
  return Math.max(0, Date.parse(store.serverTime) + sinceHeard - t) / 1000;
}

/** Position of a switch as drawn: anything that is not plainly open or closed, or not to be trusted, is unknown. */
export type Position = "open" | "closed" | "unknown";

export function position(r: Reading): Position {
  if (r.trust === "invalid" || r.trust === "unknown") return "unknown";
  const text = r.text.toLowerCase();
  if (text === "closed" || text === "on") return "closed";
  if (text === "open" || text === "off") return "open";
  return "unknown";
}
