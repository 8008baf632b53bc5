import { describe, expect, it } from "vitest";
import type { Bucket, History } from "../api";
import { append, emptySeries, seriesOf, trim, valueAt } from "./series";

const iso = (s: number): string => new Date(s * 1000).toISOString();
const bucket = (t: number, end: number, value: number, rest: Partial<Bucket> = {}): Bucket => ({
  t: iso(t),
  t_end: iso(end),
  min: value - 1,
  max: value + 1,
  mean: value,
  last: value + 0.5,
  count: 4,
  quality: "good",
  ...rest,
});
const history = (decimated: boolean, buckets: Bucket[], before: History["before"] = null): History => ({
  point: 1,
  name: "p",
  unit: "MW",
  from: iso(1000),
  to: iso(2000),
  decimated,
  before,
  buckets,
});

describe("history", () => {
  it("decimated buckets stand at their middle with least and greatest", () => {
    expect(seriesOf(history(true, [bucket(1000, 1010, 5), bucket(1010, 1020, 7)]))).toEqual({
      t: [1005, 1015],
      mean: [5, 7],
      min: [4, 6],
      max: [6, 8],
    });
  });
  it("single values stand at their own time", () => {
    const s = seriesOf(history(false, [bucket(1003, 1003, 5, { count: 1 })]));
    expect([s.t, s.mean]).toEqual([[1003], [5.5]]);
  });
  it("the value of before enters at the left edge, unless it was invalid", () => {
    expect(seriesOf(history(false, [], { t: iso(900), value: 3, quality: "good" })).t).toEqual([1000]);
    expect(seriesOf(history(false, [], { t: iso(900), value: 3, quality: "invalid" })).t).toEqual([]);
  });
  it("what is invalid or empty breaks the line", () => {
    const s = seriesOf(history(true, [bucket(1000, 1010, 1, { quality: "invalid" }), bucket(1010, 1020, 1, { count: 0 })]));
    expect(s.mean).toEqual([null, null]);
  });
  it("time never goes back", () => {
    expect(seriesOf(history(false, [bucket(1005, 1005, 1), bucket(1004, 1004, 2), bucket(1006, 1006, 3)])).t).toEqual([1005, 1006]);
  });
});

describe("live", () => {
  const live = (value: number | null, stale = false, validity = 0) => ({ value, text: "", validity, stale, t: 0 });
  it("appends good values and ends the line once at the first doubtful one", () => {
    const s = emptySeries();
    append(s, live(1), true, 10);
    append(s, live(2), true, 11);
    append(s, live(3, true), true, 12);
    append(s, live(3, true), true, 13);
    append(s, live(4), false, 14);
    append(s, live(5), true, 15);
    append(s, undefined, true, 16);
    expect([s.t, s.mean]).toEqual([[10, 11, 12, 15], [1, 2, null, 5]]);
  });
  it("trims to the span but keeps the value that enters from the left", () => {
    const s = emptySeries();
    for (let i = 0; i < 10; i += 1) append(s, live(i), true, i);
    trim(s, 4.5);
    expect(s.t).toEqual([4, 5, 6, 7, 8, 9]);
    trim(s, 100);
    expect(s.t).toEqual([9]);
  });
  it("finds the value that stood at a time", () => {
    const s = emptySeries();
    for (let i = 0; i < 5; i += 1) append(s, live(i * 10), true, i);
    expect([valueAt(s, -1), valueAt(s, 0), valueAt(s, 2.7), valueAt(s, 99)]).toEqual([null, 0, 20, 40]);
  });
});
