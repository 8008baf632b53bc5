// One uPlot chart: line of the mean, band from least to greatest, one axis for one unit, 24-hour clock.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Point } from "../api";
import { clock, day, fixed, type Zone } from "../format";
import { PALETTES } from "../network/palette";
import { type Shade, shade, useCell, useZone } from "../state";
import { S } from "../strings";
import { emptySeries, type Series } from "./series";

export const TREND_MAX = 8;
const COLOURS: Record<Shade, readonly string[]> = {
  dark: ["#8CC8FF", "#F0C04B", "#A1F0E9", "#D6A5E6", "#FF9D7A", "#B5D98F", "#DDE0E3", "#7FA0FF"],
  light: ["#1F5FA8", "#8A5A00", "#0E6B60", "#6A2F7E", "#A8401A", "#3C6B12", "#1A1D20", "#3346A8"],
};
const DASHES: readonly number[][] = [[], [8, 3], [3, 3], [10, 3, 2, 3]];

export const colourOf = (index: number, value: Shade): string => COLOURS[value][index % TREND_MAX] ?? "#888888";
export const dashOf = (index: number): number[] => DASHES[Math.floor(index / 2) % DASHES.length] ?? [];

export interface Line {
  id: number;
  /** Place in the list of chosen points; decides colour and dash. */
  place: number;
  series: Series;
  stepped: boolean;
  /** Words for the values of a discrete point. */
  words?: ReadonlyMap<number, string>;
}

interface Props {
  lines: readonly Line[];
  unit: string;
  label: string;
  /** Changes when the series changed. */
  version: number;
  from: number;
  to: number;
  onCursor?: (t: number | null) => void;
  limits?: readonly number[];
}

export function Trend({ lines, unit, label, version, from, to, onCursor, limits }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const span = useRef({ from, to });
  span.current = { from, to };
  const cursor = useRef(onCursor);
  cursor.current = onCursor;
  const zone = useZone();
  const tone = useCell(shade);
  const key = lines.map((line) => `${line.id}:${line.place}`).join();

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const made = new uPlot(options(lines, unit, tone, zone, element, () => span.current, limits ?? []), columns(lines), element);
    made.hooks["setCursor"] = [
      (self: uPlot) => cursor.current?.(self.cursor.left === undefined || self.cursor.left < 0 ? null : self.posToVal(self.cursor.left, "x")),
    ];
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [key, unit, tone, zone]);

  useEffect(() => {
    chart.current?.setData(columns(lines), true);
  }, [version, from, to]);

  return <div className="trend" ref={host} role="img" aria-label={label} />;
}

const POSITIONS: ReadonlyMap<number, string> = new Map([
  [0, S.position.open],
  [1, S.position.closed],
]);
const NO_WORDS: ReadonlyMap<number, string> = new Map();

/** A double point reads as a position; what a single point means is not said by its value. */
export const wordsOf = (point: Point): ReadonlyMap<number, string> => (point.kind === "double" ? POSITIONS : NO_WORDS);

function columns(lines: readonly Line[]): uPlot.AlignedData {
  if (lines.length === 0) return [[]];
  const tables = lines.map(({ series }): uPlot.AlignedData => {
    const s = series.t.length === 0 ? emptySeries() : series;
    return [s.t, s.mean, s.min, s.max];
  });
  return uPlot.join(tables, tables.map((table) => table.map(() => 1)));
}

function options(
  lines: readonly Line[],
  unit: string,
  tone: Shade,
  zone: Zone,
  element: HTMLElement,
  range: () => { from: number; to: number },
  limits: readonly number[],
): uPlot.Options {
  const palette = PALETTES[tone];
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 13;
  const font = `${rem * 0.92}px "B612", sans-serif`;
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const line of lines) {
    const stroke = colourOf(line.place, tone);
    const paths = line.stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
    const shape = paths === undefined ? {} : { paths };
    series.push({ stroke, width: 1.6, dash: dashOf(line.place), points: { show: false }, ...shape });
    const hidden: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false }, ...shape };
    series.push(hidden, { ...hidden });
    if (!line.stepped) bands.push({ series: [series.length - 1, series.length - 2], fill: `${stroke}33` });
  }
  const discrete = lines.every((line) => line.stepped);
  const names = new Map(lines.flatMap((line) => [...(line.words ?? [])]));
  const grid = { stroke: palette.line, width: 1 };
  const axis = { stroke: palette.muted, font, grid, ticks: { ...grid, size: 4 } };
  return {
    width: Math.max(50, element.clientWidth),
    height: Math.max(50, element.clientHeight),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    tzDate: (ts) => (zone === "utc" ? uPlot.tzDate(new Date(ts * 1000), "Etc/UTC") : new Date(ts * 1000)),
    scales: {
      x: { time: true, range: () => [range().from, range().to] },
      y: { range: (_self, low, high) => (discrete ? whole(low, high) : spread(low, high, limits)) },
    },
    axes: [
      { ...axis, size: rem * 2.4, space: rem * 7, values: (_self, splits) => splits.map((t, i) => tick(t, splits[i - 1], zone)) },
      {
        ...axis,
        size: rem * (names.size > 0 ? 7 : 5.2),
        ...(discrete ? { incrs: [1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000] } : {}),
        values: (_self, splits, _axis, _space, step) => splits.map((v) => names.get(v) ?? label(v, unit, step)),
      },
    ],
    series,
    bands,
    hooks: { draw: [(self) => drawLimits(self, limits, palette.high)] },
  };
}

function label(value: number, unit: string, step: number): string {
  if (unit === "") return String(Number(value.toFixed(6)));
  const decimals = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
  return fixed(value, decimals);
}

function tick(t: number, before: number | undefined, zone: Zone): string {
  const today = day(t * 1000, zone);
  const time = clock(t * 1000, zone).slice(0, 5);
  const seconds = Math.round(t) % 60 === 0 ? time : clock(t * 1000, zone);
  return before === undefined || day(before * 1000, zone) === today ? seconds : `${seconds}\n${today.slice(5)}`;
}

function whole(low: number | null, high: number | null): [number, number] {
  return low === null || high === null ? [0, 1] : [Math.floor(low) - 0.5, Math.ceil(high) + 0.5];
}

const FLAT_SHARE = 0.002;
/** A nearly constant value is not blown up into a mountain range. */
function spread(low: number | null, high: number | null, limits: readonly number[]): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const near = limits.filter((l) => Math.abs(l - (low + high) / 2) < 4 * (high - low));
  const a = Math.min(low, ...near);
  const b = Math.max(high, ...near);
  const least = Math.max(Math.abs(a), Math.abs(b)) * FLAT_SHARE || 1;
  const pad = Math.max((b - a) * 0.08, (least - (b - a)) / 2);
  return [a - pad, b + pad];
}

function drawLimits(self: uPlot, limits: readonly number[], colour: string): void {
  const { ctx, bbox } = self;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash([4, 4]);
  for (const limit of limits) {
    const y = Math.round(self.valToPos(limit, "y", true));
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}
