import { describe, expect, it } from "vitest";
import type { Alarm, BranchEnd, Estimate, Network } from "../api";
import { setLocale } from "../format";
import type { Reading, Trust } from "../live/reading";
import { losses, total, worstLoadings, worstVoltages } from "../pages/totals";
import { loadingBand, nextAlarm, type Scene, scene, voltageBand } from "./scene";

setLocale("en-US");

const end = (p: number, breaker: number, disconnector: number): BranchEnd => ({
  p_point: p,
  q_point: null,
  breaker_point: breaker,
  disconnector_point: disconnector,
});

/** Two substations, one line: points 1 and 2 are its powers, 11 to 14 its switches, 20 and 21 a machine and a load. */
const GRID: Network = {
  name: "two",
  base_mva: 100,
  frequency_hz: 50,
  substations: [
    { id: "_a", name: "A", x: 0, y: 0, base_kv: 110, low_pu: null, high_pu: null, voltage_point: 30, switches: [], equipment: [{ name: "G1", kind: "machine", p_point: 20, q_point: null }] },
    { id: "_b", name: "B", x: 1, y: 0, base_kv: 110, low_pu: null, high_pu: null, voltage_point: null, switches: [], equipment: [{ name: "L1", kind: "load", p_point: 21, q_point: null }] },
  ],
  branches: [
    { id: "_l", name: "L", kind: "line", from: 0, to: 1, rate_mva: 100, base_kv: 110, from_end: end(1, 11, 12), to_end: end(2, 13, 14), tap_point: null },
  ],
};

const ESTIMATE: Estimate = {
  state: "converged",
  time: "2026-11-23T12:00:00.000Z",
  iterations: 3,
  objective: 1,
  degrees_of_freedom: 1,
  redundancy: 2,
  chi2_threshold: 4,
  bad_data: [],
  unobservable: [],
  buses: [
    { substation: 0, name: "A1", vm_pu: 1.02, va_degree: 0, vm_kv: 112, energised: true },
    { substation: 1, name: "B1", vm_pu: 0.94, va_degree: -2, vm_kv: 103, energised: true },
  ],
  branches: [{ branch: 0, p_from_mw: 50.4, q_from_mvar: 1, p_to_mw: -49.9, q_to_mvar: 0, loading_percent: 85 }],
};

type Points = Record<number, [number | null, string, Trust]>;
const CLOSED: [number, string, Trust] = [1, "closed", "good"];
const OPEN: [number, string, Trust] = [0, "open", "good"];
const ALL: Points = { 1: [50, "50", "good"], 2: [-49.5, "-49.5", "good"], 11: CLOSED, 12: CLOSED, 13: CLOSED, 14: CLOSED, 20: [-50, "-50", "good"], 21: [49, "49", "good"], 30: [112, "112", "good"] };

const reader =
  (points: Points) =>
  (id: number | null | undefined): Reading => {
    const found = id === null || id === undefined ? undefined : points[id];
    return found === undefined
      ? { value: null, text: "", trust: "unknown", age_s: null, t: null }
      : { value: found[0], text: found[1], trust: found[2], age_s: 1, t: 0 };
  };
const at = (points: Points, estimate: Estimate | null = ESTIMATE, alarms: Alarm[] = [], linked = true) =>
  scene(GRID, estimate, alarms, reader({ ...ALL, ...points }), linked);
const branch = (points: Points, estimate: Estimate | null = ESTIMATE, linked = true) => at(points, estimate, [], linked).branches[0];

describe("bands", () => {
  const voltages: [number | null, string][] = [[null, "unknown"], [0.9499, "low"], [0.95, "normal"], [1.05, "normal"], [1.0501, "high"]];
  it.each(voltages)("%s p.u. is %s", (pu, band) => expect(voltageBand(pu)).toBe(band));
  it("a substation's own limits go first", () => {
    expect(voltageBand(1.09, { low_pu: 0.94, high_pu: 1.1 })).toBe("normal");
    expect(voltageBand(1.01, { low_pu: 1.02, high_pu: null })).toBe("low");
    expect(voltageBand(1.06, { low_pu: 0.94, high_pu: null })).toBe("high");
  });
  const loadings: [number | null, string][] = [[null, "unknown"], [79.9, "normal"], [80, "amber"], [100, "amber"], [100.1, "red"]];
  it.each(loadings)("%s %% is %s", (percent, band) => expect(loadingBand(percent)).toBe(band));
});

describe("powers", () => {
  it("the measurement is shown, its sign is the direction at both ends", () => {
    const b = branch({});
    expect([b?.from.p.text, b?.from.direction, b?.to.p.text, b?.to.direction]).toEqual(["50.0", 1, "-49.5", -1]);
  });
  it("an unusable measurement gives way to the estimate, marked as such", () => {
    for (const trust of ["invalid", "stale", "unknown"] as const) {
      const b = branch({ 1: [3, "3", trust] });
      expect([b?.from.p.text, b?.from.p.estimated]).toEqual(["≈50.4", true]);
    }
  });
  it("without a converged estimate the last value stays, marked as old", () => {
    const b = branch({ 1: [3, "3", "stale"] }, { ...ESTIMATE, state: "stopped" });
    expect([b?.from.p.text, b?.from.p.trust, b?.loading]).toEqual(["3.0", "stale", null]);
  });
  it("a tiny flow has no direction", () => expect(branch({ 1: [0.01, "0", "good"] })?.from.direction).toBe(0));
});

describe("energisation", () => {
  const dead = (substation: number): Estimate => ({
    ...ESTIMATE,
    buses: ESTIMATE.buses.map((bus) => (bus.substation === substation ? { ...bus, energised: false, vm_pu: null } : bus)),
  });
  const cases: [string, Points, Estimate, boolean][] = [
    ["all closed", {}, ESTIMATE, false],
    ["open at one end is still alive", { 11: OPEN }, ESTIMATE, false],
    ["open at both ends is dead", { 11: OPEN, 14: OPEN }, ESTIMATE, true],
    ["open towards the living end is dead", { 11: OPEN }, dead(1), true],
    ["an unknown position is not taken for open", { 11: [null, "", "unknown"], 14: OPEN }, ESTIMATE, false],
  ];
  it.each(cases)("%s", (_name, points, estimate, expected) => expect(branch(points, estimate)?.dead).toBe(expected));
  it("a dead substation has no voltage band", () => {
    const now = at({}, dead(1)).substations[1];
    expect([now?.dead, now?.band, now?.pu]).toEqual([true, "unknown", null]);
  });
});

describe("doubt", () => {
  it("no estimate is shown as a result without a link or without convergence", () => {
    expect(at({}, ESTIMATE, [], false).substations.map((s) => s.pu)).toEqual([null, null]);
    expect(at({}, { ...ESTIMATE, state: "unobservable" }).substations.map((s) => s.pu)).toEqual([null, null]);
    expect(at({}).substations.map((s) => s.band)).toEqual(["normal", "low"]);
  });
  it("the most urgent alarm of a substation is its badge", () => {
    const alarm = (priority: Alarm["priority"], acknowledged: boolean) => ({ substation: "B", priority, acknowledged }) as Alarm;
    const [a, b] = at({}, ESTIMATE, [alarm("low", false), alarm("high", true), alarm("medium", true)]).substations;
    expect([a?.alarm, b?.alarm, b?.unacknowledged]).toEqual([null, "high", true]);
  });
});

describe("totals", () => {
  it("sums what is usable and says what is not", () => {
    expect(total(GRID, "machine", reader(ALL))).toEqual({ value_mw: 50, missing: 0, counted: 1 });
    expect(total(GRID, "load", reader({ ...ALL, 21: [49, "49", "stale"] }))).toEqual({ value_mw: null, missing: 1, counted: 0 });
  });
  it("losses are what goes in and does not come out", () => expect(losses(ESTIMATE)).toBeCloseTo(0.5));
  it("ranks by distance from nominal and by loading", () => {
    expect(worstVoltages(GRID, ESTIMATE, 1)).toEqual([{ index: 1, name: "B", value: 0.94 }]);
    expect(worstLoadings(GRID, ESTIMATE, 5)).toEqual([{ index: 0, name: "L", value: 85 }]);
  });
});

describe("stepping through alarms", () => {
  const alarmed = (...where: number[]): Scene => {
    const [one] = at({}).substations;
    if (one === undefined) throw new Error("the grid has substations");
    return { branches: [], substations: [0, 1, 2, 3, 4].map((n) => ({ ...one, alarm: where.includes(n) ? "high" : null })) };
  };
  const check = (where: number[], from: number | null, by: 1 | -1, wanted: number | null) => expect(nextAlarm(alarmed(...where), from, by)).toBe(wanted);
  it("goes round in both directions and stays where there is one only", () => {
    check([1, 3], null, 1, 1);
    check([1, 3], 1, 1, 3);
    check([1, 3], 3, 1, 1);
    check([1, 3], null, -1, 3);
    check([1, 3], 1, -1, 3);
    check([2], 2, 1, 2);
    check([], 2, 1, null);
  });
});
