// Colours of the canvas. The same values stand in css/tokens.css; a canvas cannot use variables of a style sheet.
import type { Priority } from "../api";
import type { Shade } from "../state";

export interface Palette {
  ground: string;
  panel: string;
  line: string;
  text: string;
  muted: string;
  focus: string;
  equipment: string;
  low: string;
  high: string;
  amber: string;
  red: string;
  edge: string | null;
  alarm: Record<Priority, string>;
  /** Voltage classes: at least this many kV, colour, line width. */
  classes: [number, string, number][];
}

const ALARM: Record<Priority, string> = { critical: "#FF5C5C", high: "#FFA62B", medium: "#FFE96B", low: "#6CB8FF" };

export const PALETTES: Record<Shade, Palette> = {
  dark: {
    ground: "#25282B",
    panel: "#2E3236",
    line: "#4B5157",
    text: "#DDE0E3",
    muted: "#A9B0B7",
    focus: "#FFFFFF",
    equipment: "#9AA1A8",
    low: "#4C9BE8",
    high: "#F0A04B",
    amber: "#FFA62B",
    red: "#FF5C5C",
    edge: null,
    alarm: ALARM,
    classes: [
      [300, "#C597D3", 4],
      [100, "#526FB2", 3],
      [30, "#A1F0E9", 2.5],
      [1, "#9CA19B", 2],
      [0, "#6A737A", 1],
    ],
  },
  light: {
    ground: "#D9DCDF",
    panel: "#E8EAEC",
    line: "#A9B0B7",
    text: "#1A1D20",
    muted: "#474E55",
    focus: "#0B57A4",
    equipment: "#5F676E",
    low: "#4C9BE8",
    high: "#F0A04B",
    amber: "#FFA62B",
    red: "#FF5C5C",
    edge: "#1A1D20",
    alarm: ALARM,
    classes: [
      [300, "#482157", 4],
      [100, "#4B6EB4", 3],
      [30, "#155A50", 2.5],
      [1, "#2F322F", 2],
      [0, "#737C82", 1],
    ],
  },
};

export const LETTERS: Record<Priority, string> = { critical: "C", high: "H", medium: "M", low: "L" };

/** Colour and width by nominal voltage; an unknown voltage is plain equipment. */
export function voltageClass(palette: Palette, kv: number): { colour: string; width: number } {
  if (!(kv > 0)) return { colour: palette.equipment, width: 2 };
  for (const [least, colour, width] of palette.classes) if (kv >= least) return { colour, width };
  return { colour: palette.equipment, width: 2 };
}
