// From the historian's buckets to the columns a chart draws, and the live values behind them.
import type { History } from "../api";
import type { LiveValue } from "../live/store";

/** Times in seconds, ascending. A null is a time without a usable value: the line breaks there. */
export interface Series {
  t: number[];
  mean: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
}

export const emptySeries = (): Series => ({ t: [], mean: [], min: [], max: [] });

function push(series: Series, t: number, mean: number | null, min: number | null, max: number | null): void {
  const last = series.t[series.t.length - 1];
  if (last !== undefined && t <= last) return;
  series.t.push(t);
  series.mean.push(mean);
  series.min.push(min);
  series.max.push(max);
}

export function seriesOf(history: History): Series {
  const series = emptySeries();
  const from = Date.parse(history.from) / 1000;
  const { before } = history;
  if (before !== null && before.quality !== "invalid") push(series, from, before.value, before.value, before.value);
  for (const bucket of history.buckets) {
    const start = Date.parse(bucket.t) / 1000;
    const end = Date.parse(bucket.t_end) / 1000;
    const at = history.decimated && end > start ? (start + end) / 2 : start;
    const usable = bucket.quality !== "invalid" && bucket.count > 0;
    if (!usable) push(series, at, null, null, null);
    else if (history.decimated) push(series, at, bucket.mean, bucket.min, bucket.max);
    else push(series, at, bucket.last, bucket.last, bucket.last);
  }
  return series;
}

/** Appends what came live since; a value that is old or not usable ends the line. */
export function append(series: Series, live: LiveValue | undefined, linked: boolean, now: number): void {
  if (live === undefined) return;
  const usable = linked && !live.stale && live.validity < 2 && live.value !== null;
  const value = usable ? live.value : null;
  if (!usable && series.mean[series.mean.length - 1] === null) return;
  push(series, now, value, value, value);
}

/** Drops what has left the span, but keeps one value before it so that the line enters from the left edge. */
export function trim(series: Series, from: number): void {
  let drop = 0;
  while (drop + 1 < series.t.length && (series.t[drop + 1] as number) <= from) drop += 1;
  if (drop === 0) return;
  for (const column of [series.t, series.mean, series.min, series.max]) column.splice(0, drop);
}

/** The value that stood at a time: the last at or before it. */
export function valueAt(series: Series, t: number): number | null {
  let [low, high] = [0, series.t.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((series.t[middle] as number) <= t) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : (series.mean[low - 1] ?? null);
}
