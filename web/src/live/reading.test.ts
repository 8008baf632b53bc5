import { describe, expect, it } from "vitest";
import type { Point, PointRow } from "../api";
import { Catalogue, matches, words } from "./catalogue";
import { position, reading, type Trust } from "./reading";
import { LiveStore } from "./store";

const T0 = Date.UTC(2026, 10, 23, 12, 0, 0);

function storeWith(row: PointRow): LiveStore {
  const store = new LiveStore((publish) => publish());
  store.apply({ seq: 1, t: new Date(T0).toISOString(), snapshot: true, points: [row] }, 1000);
  store.setLink("live");
  return store;
}

describe("reading", () => {
  const cases: [number | null, number, number, Trust][] = [
    [1, 0, 0, "good"],
    [1, 1, 0, "questionable"],
    [1, 2, 0, "invalid"],
    [1, 0, 1, "stale"],
    [1, 2, 1, "invalid"],
    [null, 0, 0, "unknown"],
  ];
  it.each(cases)("value %s validity %d stale %d is %s", (value, validity, stale, trust) => {
    const store = storeWith([7, value, "x", validity, stale, T0]);
    expect(reading(store, 7, 1000).trust).toBe(trust);
  });

  it("is never good without a link, and grows old meanwhile", () => {
    const store = storeWith([7, 1, "1", 0, 0, T0 - 500]);
    expect(reading(store, 7, 1000).age_s).toBeCloseTo(0.5);
    store.setLink("lost");
    const r = reading(store, 7, 11_000);
    expect(r.trust).toBe("stale");
    expect(r.age_s).toBeCloseTo(10.5);
  });

  it("knows nothing of points that it was never told", () => {
    const store = storeWith([7, 1, "1", 0, 0, T0]);
    expect(reading(store, 8, 0).trust).toBe("unknown");
    expect(reading(store, null, 0).trust).toBe("unknown");
  });
});

describe("switch position", () => {
  const cases: [string, number, number, string][] = [
    ["closed", 0, 0, "closed"],
    ["open", 0, 0, "open"],
    ["Closed", 0, 1, "closed"],
    ["intermediate", 0, 0, "unknown"],
    ["bad state", 0, 0, "unknown"],
    ["closed", 2, 0, "unknown"],
    ["", 0, 0, "unknown"],
  ];
  it.each(cases)("%s validity %d stale %d is %s", (text, validity, stale, expected) => {
    expect(position(reading(storeWith([1, 2, text, validity, stale, T0]), 1, 1000))).toBe(expected);
  });
});

describe("catalogue", () => {
  const point = (id: number, name: string) => ({ id, name, equipment: "Line 1-2", substation: "S1", unit: "MW", kind: "analog", link: "rtu-1", address: 4000 + id }) as unknown as Point;
  const all = Array.from({ length: 2500 }, (_, i) => point(i, `P${i}`));

  it("loads every page once", async () => {
    let calls = 0;
    const catalogue = new Catalogue({
      points: ({ limit, offset }) => {
        calls += 1;
        return Promise.resolve({ total: all.length, points: all.slice(offset, offset + limit) });
      },
      point: (id) => Promise.resolve(point(id, "new")),
    });
    await catalogue.load();
    expect([calls, catalogue.points.size, catalogue.complete]).toEqual([3, 2500, true]);
    await catalogue.refresh(3);
    expect(catalogue.points.get(3)?.name).toBe("new");
    expect(catalogue.byName("P2499")?.id).toBe(2499);
  });

  it("says why it failed", async () => {
    const catalogue = new Catalogue({
      points: () => Promise.reject(new Error("no rights")),
      point: () => Promise.reject(new Error("no")),
    });
    await catalogue.load();
    expect([catalogue.state, catalogue.error]).toEqual(["failed", "no rights"]);
    await catalogue.refresh(1);
  });

  const searches: [string, boolean][] = [
    ["", true],
    ["line 1-2", true],
    ["MW s1", true],
    ["4007", true],
    ["s1 nothing", false],
  ];
  it.each(searches)("search %j is %s", (search, found) => expect(matches(point(7, "P7"), words(search))).toBe(found));
});
