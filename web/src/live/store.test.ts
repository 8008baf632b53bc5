import { describe, expect, it } from "vitest";
import type { Alarm, Command, Frame, GridEvent, PointRow } from "../api";
import { EVENTS_KEPT, LiveStore } from "./store";

/** A store whose publications run only when the test says so. */
function harness() {
  const queue: (() => void)[] = [];
  const store = new LiveStore((publish) => queue.push(publish));
  return { store, flush: () => queue.splice(0).forEach((publish) => publish()), queue };
}

const T = "2026-11-23T12:00:00.000Z";
const row = (id: number, value: number, stale = 0): PointRow => [id, value, String(value), 0, stale, 1000];
const frame = (seq: number, rest: Partial<Frame> = {}): Frame => ({ seq, t: T, snapshot: false, ...rest });
const snapshot = (seq: number, rest: Partial<Frame> = {}): Frame => ({ ...frame(seq, rest), snapshot: true });
const alarm = (id: string, active: boolean, acknowledged: boolean): Alarm => ({
  id,
  point: 1,
  source: "S1.V",
  substation: "S1",
  kind: "limit",
  priority: "high",
  active,
  acknowledged,
  text: "voltage high",
  value_text: "1.07",
  raised_at: T,
  cleared_at: null,
  acknowledged_at: null,
  acknowledged_by: null,
  count: 1,
  group: "S1",
  place: "shown",
  first_out: false,
  latched: false,
  chattering: false,
  shelved: null,
  suppressed_by: null,
  out_of_service: null,
});
const event = (seq: number): GridEvent => ({
  seq,
  time: T,
  kind: "state",
  severity: "info",
  source: "x",
  text: "t",
  actor: null,
  point: null,
});
const command = (id: number, stages: number): Command => ({
  id,
  point: 1,
  point_name: "p",
  value: 0,
  value_text: "open",
  reason: "r",
  actor: "a",
  origin: "operator",
  state: "selecting",
  stages: Array.from({ length: stages }, () => ({ at: T, stage: "s", text: "" })),
  refusal: null,
  refusal_code: null,
  class: "",
  warnings: [],
  overridden: [],
  override_reason: "",
  study: null,
  two_persons: false,
  approved_by: null,
  created_at: T,
  expires_at: null,
});

describe("sequence", () => {
  const cases: [string, Frame[], string[]][] = [
    ["in order", [snapshot(5), frame(6), frame(7)], ["snapshot", "applied", "applied"]],
    ["nothing before the snapshot", [frame(1), frame(2)], ["ignored", "ignored"]],
    ["a jump is a gap", [snapshot(5), frame(7), frame(8)], ["snapshot", "gap", "ignored"]],
    ["a repetition is a gap", [snapshot(5), frame(5)], ["snapshot", "gap"]],
    ["a snapshot heals", [snapshot(5), frame(9), snapshot(40), frame(41)], ["snapshot", "gap", "snapshot", "applied"]],
  ];
  it.each(cases)("%s", (_name, frames, expected) => {
    const { store } = harness();
    expect(frames.map((f) => store.apply(f, 0))).toEqual(expected);
  });

  it("keeps the values of before a gap and takes nothing from the frame after it", () => {
    const { store } = harness();
    store.apply(snapshot(1, { points: [row(1, 10)] }), 0);
    expect(store.apply(frame(3, { points: [row(1, 99)] }), 0)).toBe("gap");
    expect(store.points.get(1)?.value).toBe(10);
    expect(store.gaps).toBe(1);
    store.apply(snapshot(9, { points: [row(1, 12)] }), 0);
    expect(store.points.get(1)?.value).toBe(12);
  });
});

describe("points", () => {
  it("last value wins within one publication", () => {
    const { store, flush, queue } = harness();
    let published = 0;
    store.subscribe("points", () => (published += 1));
    store.apply(snapshot(1, { points: [row(1, 1), row(2, 2)] }), 0);
    for (let i = 2; i < 50; i += 1) store.apply(frame(i, { points: [row(1, i)] }), 0);
    expect(queue.length).toBe(1);
    flush();
    expect(published).toBe(1);
    expect(store.points.get(1)?.value).toBe(49);
    expect(store.points.get(2)?.value).toBe(2);
  });

  it("a snapshot removes what it does not name", () => {
    const { store } = harness();
    store.apply(snapshot(1, { points: [row(1, 1), row(2, 2)] }), 0);
    store.apply(snapshot(2, { points: [row(2, 3)] }), 0);
    expect([...store.points.keys()]).toEqual([2]);
  });

  it("only the topics that changed are published", () => {
    const { store, flush } = harness();
    store.apply(snapshot(1), 0);
    flush();
    const before = store.version("alarms");
    store.apply(frame(2, { points: [row(1, 1)] }), 0);
    flush();
    expect(store.version("alarms")).toBe(before);
  });

  it("losing the link publishes the points, for all of them are old now", () => {
    const { store } = harness();
    store.apply(snapshot(1, { points: [row(1, 1)] }), 0);
    store.setLink("live");
    const before = store.version("points");
    store.setLink("lost");
    expect(store.version("points")).toBe(before + 1);
    store.setLink("lost");
    expect(store.version("points")).toBe(before + 1);
  });
});

describe("alarms", () => {
  // active, acknowledged -> still listed
  const cases: [boolean, boolean, boolean][] = [
    [true, false, true],
    [true, true, true],
    [false, false, true],
    [false, true, false],
  ];
  it.each(cases)("active %s acknowledged %s stays %s", (active, acknowledged, listed) => {
    const { store } = harness();
    store.apply(snapshot(1, { alarms: [alarm("a", true, false)] }), 0);
    store.apply(frame(2, { alarms: [alarm("a", active, acknowledged)] }), 0);
    expect(store.alarms.has("a")).toBe(listed);
  });

  it("counts every transition, also several of one alarm in one frame", () => {
    const { store } = harness();
    store.apply(snapshot(1), 0);
    let sent = 0;
    for (let i = 0; i < 300; i += 1) {
      const changes = [alarm(`a${i}`, true, false), alarm(`a${i}`, false, false), alarm(`a${i % 7}`, true, true)];
      sent += changes.length;
      store.apply(frame(2 + i, { alarms: changes }), 0);
    }
    expect(store.alarmTransitions).toBe(sent);
    expect(store.alarms.size).toBe(300);
    expect(store.alarms.get("a3")?.active).toBe(true);
    expect(store.alarms.get("a200")?.active).toBe(false);
  });
});

describe("events", () => {
  it("stay ordered, without doubles, bounded", () => {
    const { store } = harness();
    store.apply(snapshot(1, { events: [event(12), event(11), event(10)] }), 0);
    store.apply(frame(2, { events: [event(12), event(13)] }), 0);
    expect(store.events.map((e) => e.seq)).toEqual([10, 11, 12, 13]);
    store.mergeEvents([event(9), event(8), event(10)]);
    expect(store.events.map((e) => e.seq)).toEqual([8, 9, 10, 11, 12, 13]);
    store.apply(frame(3, { events: Array.from({ length: EVENTS_KEPT }, (_, i) => event(14 + i)) }), 0);
    expect(store.events.length).toBe(EVENTS_KEPT);
    expect(store.events[0]?.seq).toBe(14);
  });
});

describe("commands", () => {
  it("an answer that knows less than the live frames does not go back", () => {
    const { store } = harness();
    store.apply(snapshot(1, { commands: [command(1, 4)] }), 0);
    store.mergeCommand(command(1, 2));
    expect(store.commands.get(1)?.stages.length).toBe(4);
    store.mergeCommand(command(1, 5));
    expect(store.commands.get(1)?.stages.length).toBe(5);
  });
});
