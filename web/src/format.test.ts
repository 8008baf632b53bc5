import { beforeEach, describe, expect, it } from "vitest";
import { age, byName, bytes, clock, count, day, fixed, NO_VALUE, quantity, setLocale, stamp } from "./format";

beforeEach(() => setLocale("en-US"));

describe("numbers", () => {
  const cases: [number | null | undefined, string, string][] = [
    [132.06, "MW", "132.1"],
    [-0.04, "MW", "0.0"],
    [-0.05001, "MW", "-0.1"],
    [1.04512, "p.u.", "1.0451"],
    [49.9876, "Hz", "49.988"],
    [null, "MW", NO_VALUE],
    [undefined, "MW", NO_VALUE],
    [Number.NaN, "MW", NO_VALUE],
    [Number.POSITIVE_INFINITY, "MW", NO_VALUE],
    [7, "furlong", "7.00"],
  ];
  it.each(cases)("%s %s is %s", (value, unit, text) => expect(quantity(value, unit)).toBe(text));

  it("follows the locale", () => {
    setLocale("de-DE");
    expect(fixed(12345.678, 2)).toBe("12.345,68");
    setLocale("en-US");
    expect(count(1234567)).toBe("1,234,567");
  });
});

describe("times", () => {
  it("shows UTC with a 24-hour clock and ISO dates", () => {
    expect(stamp("2026-11-23T15:04:05.678Z", "utc")).toBe("2026-11-23 15:04:05");
    expect(clock("2026-11-23T15:04:05.678Z", "utc", true)).toBe("15:04:05.678");
    expect(day(Date.UTC(2026, 0, 2), "utc")).toBe("2026-01-02");
  });
  it("shows a dash for what is no time", () => {
    for (const bad of [null, undefined, "", "yesterday"]) expect(stamp(bad, "utc")).toBe(NO_VALUE);
  });
  it("local time differs from UTC by the offset", () => {
    const t = Date.UTC(2026, 5, 1, 12, 0, 0);
    const shifted = t - new Date(t).getTimezoneOffset() * 60_000;
    expect(stamp(t, "local")).toBe(stamp(shifted, "utc"));
  });
});

describe("ages and sizes", () => {
  const ages: [number | null, string][] = [
    [0, "0.0 s"],
    [-3, "0.0 s"],
    [4.24, "4.2 s"],
    [9.96, "9 s"],
    [75.9, "75 s"],
    [150, "2 min"],
    [7500, "2 h 05"],
    [200_000, "2 d"],
    [null, NO_VALUE],
  ];
  it.each(ages)("%s s is %s", (seconds, text) => expect(age(seconds)).toBe(text));
  it("bytes", () => {
    expect(bytes(512)).toBe("512 B");
    expect(bytes(2048)).toBe("2.0 KiB");
    expect(bytes(5 * 1024 * 1024)).toBe("5.0 MiB");
    expect(bytes(null)).toBe(NO_VALUE);
  });
});

it("names are in the order in which people count", () => {
  expect(["S10/V", "S2/V", "S1/V", "S1/G1/P"].sort(byName)).toEqual(["S1/G1/P", "S1/V", "S2/V", "S10/V"]);
});
