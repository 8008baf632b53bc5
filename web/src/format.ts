// Numbers through Intl (de and fr users see their own decimal mark), times as ISO dates with a 24-hour clock.

export type Zone = "utc" | "local";

/** Decimals an operator reads for a unit; anything else gets two. */
const DECIMALS: Record<string, number> = {
  MW: 1,
  Mvar: 1,
  MVA: 1,
  MVAr: 1,
  kV: 2,
  "p.u.": 4,
  pu: 4,
  Hz: 3,
  "%": 1,
  "°": 2,
  deg: 2,
  A: 0,
  kW: 1,
  kWh: 0,
  MWh: 1,
};
const DEFAULT_DECIMALS = 2;

const formatters = new Map<string, Intl.NumberFormat>();
let locale: string | undefined;

/** Sets the locale for numbers; `undefined` follows the browser. */
export function setLocale(name: string | undefined): void {
  locale = name;
  formatters.clear();
}

function formatter(decimals: number): Intl.NumberFormat {
  const key = String(decimals);
  let found = formatters.get(key);
  if (found === undefined) {
    found = new Intl.NumberFormat(locale, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: "min2" as never,
    });
    formatters.set(key, found);
  }
  return found;
}

const NATURAL = new Intl.Collator("en", { numeric: true });

/** Order of names as people count: S2 before S10. */
export const byName = (a: string, b: string): number => NATURAL.compare(a, b);

export const NO_VALUE = "–";

/** A number with fixed decimals; a missing or not finite one is a dash, never zero. */
export function fixed(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NO_VALUE;
  const rounded = formatter(decimals).format(value);
  return /^[-−][0.,]+$/.test(rounded) ? rounded.slice(1) : rounded;
}

export function decimalsOf(unit: string): number {
  return DECIMALS[unit] ?? DEFAULT_DECIMALS;
}

export function quantity(value: number | null | undefined, unit: string): string {
  return fixed(value, decimalsOf(unit));
}

export function count(value: number | null | undefined): string {
  return fixed(value, 0);
}

const pad = (value: number, width = 2): string => String(value).padStart(width, "0");

function toDate(time: string | number | null | undefined): Date | null {
  if (time === null || time === undefined || time === "") return null;
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function clock(time: string | number | null | undefined, zone: Zone, millis = false): string {
  const d = toDate(time);
  if (d === null) return NO_VALUE;
  const text =
    zone === "utc"
      ? `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`
      : `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  return millis ? `${text}.${pad(d.getUTCMilliseconds(), 3)}` : text;
}

export function day(time: string | number | null | undefined, zone: Zone): string {
  const d = toDate(time);
  if (d === null) return NO_VALUE;
  return zone === "utc"
    ? `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`
    : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

export function stamp(time: string | number | null | undefined, zone: Zone, millis = false): string {
  if (toDate(time) === null) return NO_VALUE;
  return `${day(time, zone)} ${clock(time, zone, millis)}`;
}

/** "4.2 s", "3 min", "2 h 05", "3 d": short enough for a column, exact enough to judge a value by. */
export function age(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NO_VALUE;
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${fixed(s, 1)} s`;
  if (s < 120) return `${fixed(Math.floor(s), 0)} s`;
  if (s < 7200) return `${fixed(Math.floor(s / 60), 0)} min`;
  if (s < 172_800) return `${fixed(Math.floor(s / 3600), 0)} h ${pad(Math.floor((s % 3600) / 60))}`;
  return `${fixed(Math.floor(s / 86_400), 0)} d`;
}

const KILO = 1024;
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NO_VALUE;
  if (value < KILO) return `${fixed(value, 0)} B`;
  if (value < KILO * KILO) return `${fixed(value / KILO, 1)} KiB`;
  return `${fixed(value / KILO / KILO, 1)} MiB`;
}
