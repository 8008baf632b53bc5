// Draws the scene on a canvas. Knows nothing of React, stores or the server.
import type { Network, Priority } from "../api";
import { fixed } from "../format";
import { centred, type Rect, type Vec } from "./geometry";
import {
  ARROW,
  BADGE,
  BLOCK_LINE,
  type BranchPlace,
  BREAKER,
  DISCONNECTOR,
  type EndPlace,
  type Hit,
  type Layout,
  NODE,
  type NodePlace,
  TAP_H,
  TAP_W,
} from "./layout";
import { LETTERS, type Palette, voltageClass } from "./palette";
import type { BranchScene, EndScene, Scene, Shown, SubstationScene, SwitchShown } from "./scene";

export type Overlay = "condition" | "voltage";

export interface Picture {
  network: Network;
  place: Layout;
  scene: Scene;
  palette: Palette;
  overlay: Overlay;
  selected: Hit;
  hover: Hit;
  /** Unacknowledged badges are hollow in the second half of each second, unless motion is unwanted. */
  blinkOff: boolean;
  focused: boolean;
}

const FONT = "B612, sans-serif";
const DASH = [6, 5];

type Context = CanvasRenderingContext2D;

export function draw(ctx: Context, picture: Picture): void {
  const { place, palette } = picture;
  ctx.fillStyle = palette.ground;
  ctx.fillRect(0, 0, place.size.w, place.size.h);
  place.branches.forEach((branch, index) => drawBranch(ctx, picture, branch, index));
  place.nodes.forEach((node, index) => drawNode(ctx, picture, node, index));
}

const is = (hit: Hit, kind: "substation" | "branch", index: number): boolean =>
  hit !== null && hit.kind === kind && hit.index === index;

function branchStyle(picture: Picture, scene: BranchScene, kv: number): { colour: string; width: number } {
  const { palette, overlay } = picture;
  const byVoltage = voltageClass(palette, kv);
  if (overlay === "voltage") return byVoltage;
  switch (scene.band) {
    case "red":
      return { colour: palette.red, width: 4 };
    case "amber":
      return { colour: palette.amber, width: 3 };
    case "normal":
    case "unknown":
      return { colour: palette.equipment, width: Math.min(3, Math.max(1.5, byVoltage.width)) };
  }
}

function drawBranch(ctx: Context, picture: Picture, place: BranchPlace, index: number): void {
  const branch = picture.network.branches[index];
  const scene = picture.scene.branches[index];
  if (branch === undefined || scene === undefined || outside(place, picture.place.size)) return;
  const { palette } = picture;
  const unit = picture.place.unit;
  const style = branchStyle(picture, scene, branch.base_kv);
  if (is(picture.selected, "branch", index)) strokeLine(ctx, place.run.a, place.run.b, palette.focus, (style.width + 5) * unit);
  else if (is(picture.hover, "branch", index)) strokeLine(ctx, place.run.a, place.run.b, palette.line, (style.width + 5) * unit);
  if (picture.overlay === "condition" && palette.edge !== null && (scene.band === "red" || scene.band === "amber")) {
    strokeLine(ctx, place.run.a, place.run.b, palette.edge, (style.width + 2) * unit);
  }
  if (scene.dead) ctx.setLineDash(DASH.map((d) => d * unit));
  strokeLine(ctx, place.run.a, place.run.b, scene.dead ? palette.muted : style.colour, (scene.dead ? 1.5 : style.width) * unit);
  ctx.setLineDash([]);
  if (!place.symbols) return;
  if (branch.kind === "transformer") drawTransformer(ctx, picture, place, scene);
  else if (scene.band === "amber" || scene.band === "red") drawLoading(ctx, picture, place, scene);
  drawEnd(ctx, picture, place.from, scene.from);
  drawEnd(ctx, picture, place.to, scene.to);
}

function outside(place: BranchPlace, size: { w: number; h: number }): boolean {
  const { a, b } = place.run;
  const pad = 30;
  return (
    Math.max(a.x, b.x) < -pad || Math.min(a.x, b.x) > size.w + pad || Math.max(a.y, b.y) < -pad || Math.min(a.y, b.y) > size.h + pad
  );
}

function strokeLine(ctx: Context, a: Vec, b: Vec, colour: string, width: number): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.moveTo(a.x, a.y);
  ctx.lineTo(b.x, b.y);
  ctx.stroke();
}

function drawLoading(ctx: Context, picture: Picture, place: BranchPlace, scene: BranchScene): void {
  const unit = picture.place.unit;
  const text = `${fixed(scene.loading, 0)} %`;
  const box = centred(place.middle, 42 * unit, 14 * unit);
  ctx.fillStyle = scene.band === "red" ? picture.palette.red : picture.palette.amber;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  if (picture.palette.edge !== null) outline(ctx, box, picture.palette.edge, 1.5 * unit);
  write(ctx, text, place.middle, `bold ${11 * unit}px ${FONT}`, "#000000", "center");
}

/** Two circles, the idiom of IEC 60617 for a two-winding transformer. */
function drawTransformer(ctx: Context, picture: Picture, place: BranchPlace, scene: BranchScene): void {
  const { palette } = picture;
  const unit = picture.place.unit;
  const { u } = place.run;
  const style = branchStyle(picture, scene, 0);
  for (const side of [-1, 1]) {
    const at = { x: place.middle.x + u.x * 4.5 * unit * side, y: place.middle.y + u.y * 4.5 * unit * side };
    ctx.beginPath();
    ctx.arc(at.x, at.y, 7.5 * unit, 0, Math.PI * 2);
    if (side === -1) {
      ctx.fillStyle = palette.ground;
      ctx.fill();
    }
    ctx.strokeStyle = scene.dead ? palette.muted : style.colour;
    ctx.lineWidth = 1.8 * unit;
    ctx.stroke();
  }
  if (scene.tap !== null) {
    halo(ctx, picture, centred(place.tap, TAP_W * unit, TAP_H * unit));
    write(ctx, `T${scene.tap}`, place.tap, `${11 * unit}px ${FONT}`, palette.muted, "center");
  }
}

function drawEnd(ctx: Context, picture: Picture, place: EndPlace, scene: EndScene): void {
  const unit = picture.place.unit;
  if (scene.disconnector !== null) drawSwitch(ctx, picture, place.disconnector, place.out, DISCONNECTOR * unit, scene.disconnector);
  if (scene.breaker !== null) drawSwitch(ctx, picture, place.breaker, place.out, BREAKER * unit, scene.breaker);
  if (scene.direction !== 0) drawArrow(ctx, picture, place, scene.direction);
  if (place.label !== null) drawPower(ctx, picture, place.label, scene.p);
}

/** Filled is closed, hollow is open, crossed is unknown; a dashed edge with a dot says the position is old. */
function drawSwitch(ctx: Context, picture: Picture, at: Vec, out: Vec, size: number, shown: SwitchShown): void {
  const { palette } = picture;
  const unit = picture.place.unit;
  const half = size / 2;
  ctx.save();
  ctx.translate(at.x, at.y);
  ctx.rotate(Math.atan2(out.y, out.x));
  const stale = shown.trust === "stale";
  ctx.fillStyle = shown.position === "closed" ? (stale ? palette.line : palette.text) : palette.ground;
  ctx.fillRect(-half, -half, size, size);
  ctx.strokeStyle = stale ? palette.muted : palette.text;
  ctx.lineWidth = 1.4 * unit;
  if (stale) ctx.setLineDash([2 * unit, 2 * unit]);
  ctx.strokeRect(-half, -half, size, size);
  ctx.setLineDash([]);
  if (shown.position === "unknown") {
    ctx.beginPath();
    ctx.moveTo(-half, -half);
    ctx.lineTo(half, half);
    ctx.moveTo(half, -half);
    ctx.lineTo(-half, half);
    ctx.stroke();
  }
  ctx.restore();
}

function drawArrow(ctx: Context, picture: Picture, place: EndPlace, direction: -1 | 1): void {
  const half = (ARROW / 2) * picture.place.unit;
  const { x, y } = place.arrow;
  const ux = place.out.x * direction;
  const uy = place.out.y * direction;
  ctx.fillStyle = picture.palette.text;
  ctx.beginPath();
  ctx.moveTo(x + ux * half, y + uy * half);
  ctx.lineTo(x - ux * half - uy * half, y - uy * half + ux * half);
  ctx.lineTo(x - ux * half + uy * half, y - uy * half - ux * half);
  ctx.closePath();
  ctx.fill();
}

/** Text with the mark of its quality: ○ old, ? doubtful, × not usable. */
export function marked(shown: Shown): string {
  switch (shown.trust) {
    case "good":
      return shown.text;
    case "questionable":
      return `?${shown.text}`;
    case "stale":
      return `○${shown.text}`;
    case "invalid":
      return `×${shown.text}`;
    case "unknown":
      return shown.text;
  }
}

function drawPower(ctx: Context, picture: Picture, rect: Rect, shown: Shown): void {
  const unit = picture.place.unit;
  const bare = shown.value === null ? shown : { ...shown, text: shown.text.replace(/[-−]/, "") };
  const text = marked(bare);
  ctx.font = `${11.5 * unit}px ${FONT}`;
  const width = Math.min(rect.w, ctx.measureText(text).width + 6 * unit);
  halo(ctx, picture, centred({ x: rect.x + rect.w / 2, y: rect.y + rect.h / 2 }, width, rect.h));
  const colour = shown.trust === "good" ? picture.palette.text : picture.palette.muted;
  write(ctx, text, { x: rect.x + rect.w / 2, y: rect.y + rect.h / 2 }, `${11.5 * unit}px ${FONT}`, colour, "center");
}

function halo(ctx: Context, picture: Picture, rect: Rect): void {
  ctx.fillStyle = picture.palette.ground;
  ctx.fillRect(rect.x, rect.y, rect.w, rect.h);
}

function outline(ctx: Context, rect: Rect, colour: string, width: number): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.strokeRect(rect.x, rect.y, rect.w, rect.h);
}

function write(ctx: Context, text: string, at: Vec, font: string, colour: string, align: CanvasTextAlign): void {
  ctx.font = font;
  ctx.fillStyle = colour;
  ctx.textAlign = align;
  ctx.textBaseline = "middle";
  ctx.fillText(text, at.x, at.y);
}

function nodeFill(picture: Picture, scene: SubstationScene, kv: number): string {
  const { palette } = picture;
  if (scene.dead) return palette.ground;
  if (picture.overlay === "voltage") return voltageClass(palette, kv).colour;
  switch (scene.band) {
    case "low":
      return palette.low;
    case "high":
      return palette.high;
    case "normal":
      return palette.equipment;
    case "unknown":
      return palette.ground;
  }
}

function drawNode(ctx: Context, picture: Picture, place: NodePlace, index: number): void {
  const scene = picture.scene.substations[index];
  const substation = picture.network.substations[index];
  if (scene === undefined || substation === undefined) return;
  const { palette } = picture;
  const unit = picture.place.unit;
  const size = NODE * unit;
  const box = centred(place.at, size, size);
  if (is(picture.selected, "substation", index)) outline(ctx, centred(place.at, size + 9 * unit, size + 9 * unit), palette.focus, 2.5 * unit);
  else if (is(picture.hover, "substation", index)) outline(ctx, centred(place.at, size + 9 * unit, size + 9 * unit), palette.muted, 1.5 * unit);
  ctx.fillStyle = nodeFill(picture, scene, substation.base_kv);
  ctx.fillRect(box.x, box.y, box.w, box.h);
  if (scene.dead) ctx.setLineDash([3 * unit, 2 * unit]);
  outline(ctx, box, scene.dead ? palette.muted : palette.text, 1.5 * unit);
  ctx.setLineDash([]);
  if (scene.band === "low" || scene.band === "high") drawBandMark(ctx, picture, place.at, scene.band);
  if (place.block !== null) drawBlock(ctx, picture, place.block, substation.name, scene);
  if (scene.alarm !== null) {
    drawBadge(ctx, picture, place.badge, scene.alarm, scene.unacknowledged);
  }
}

/** Up for high, down for low: the colour is never the only sign. */
function drawBandMark(ctx: Context, picture: Picture, at: Vec, band: "low" | "high"): void {
  const r = 3.6 * picture.place.unit;
  const tip = band === "high" ? -1 : 1;
  ctx.fillStyle = "#000000";
  ctx.beginPath();
  ctx.moveTo(at.x, at.y + r * tip);
  ctx.lineTo(at.x - r, at.y - r * tip);
  ctx.lineTo(at.x + r, at.y - r * tip);
  ctx.closePath();
  ctx.fill();
}

function drawBlock(ctx: Context, picture: Picture, rect: Rect, name: string, scene: SubstationScene): void {
  const { palette } = picture;
  const unit = picture.place.unit;
  halo(ctx, picture, rect);
  const line = BLOCK_LINE * unit;
  const left = rect.x + 2 * unit;
  const row = (i: number): Vec => ({ x: left, y: rect.y + line * (i + 0.5) });
  write(ctx, clip(ctx, name, rect.w - 2 * unit, `bold ${12 * unit}px ${FONT}`), row(0), `bold ${12 * unit}px ${FONT}`, palette.text, "left");
  const rows = Math.round(rect.h / line);
  if (rows < 2) return;
  if (scene.dead) pair(ctx, picture, row(1), "dead", "", palette.muted);
  else pair(ctx, picture, row(1), fixed(scene.pu, 4), " p.u.", scene.pu === null ? palette.muted : palette.text);
  if (rows < 3) return;
  pair(ctx, picture, row(2), marked(scene.kv), " kV", scene.kv.trust === "good" ? palette.text : palette.muted);
  scene.injections.slice(0, rows - 3).forEach((injection, i) => {
    const colour = injection.shown.trust === "good" ? palette.text : palette.muted;
    pair(ctx, picture, row(3 + i), `${injection.letter} ${marked(injection.shown)}`, ` ${injection.unit}`, colour);
  });
}

function pair(ctx: Context, picture: Picture, at: Vec, value: string, unitText: string, colour: string): void {
  const unit = picture.place.unit;
  const font = `${11 * unit}px ${FONT}`;
  write(ctx, value, at, font, colour, "left");
  const width = ctx.measureText(value).width;
  write(ctx, unitText, { x: at.x + width, y: at.y }, `${10 * unit}px ${FONT}`, picture.palette.muted, "left");
}

function clip(ctx: Context, text: string, width: number, font: string): string {
  ctx.font = font;
  if (ctx.measureText(text).width <= width) return text;
  let short = text;
  while (short.length > 1 && ctx.measureText(`${short}…`).width > width) short = short.slice(0, -1);
  return `${short}…`;
}

function badgePath(ctx: Context, at: Vec, r: number, priority: Priority): void {
  ctx.beginPath();
  switch (priority) {
    case "critical":
      ctx.rect(at.x - r * 0.85, at.y - r * 0.85, r * 1.7, r * 1.7);
      break;
    case "high":
      ctx.moveTo(at.x, at.y - r * 1.15);
      ctx.lineTo(at.x + r * 1.15, at.y + r * 0.85);
      ctx.lineTo(at.x - r * 1.15, at.y + r * 0.85);
      ctx.closePath();
      break;
    case "medium":
      ctx.moveTo(at.x, at.y - r * 1.15);
      ctx.lineTo(at.x + r * 1.15, at.y);
      ctx.lineTo(at.x, at.y + r * 1.15);
      ctx.lineTo(at.x - r * 1.15, at.y);
      ctx.closePath();
      break;
    case "low":
      ctx.arc(at.x, at.y, r, 0, Math.PI * 2);
      break;
  }
}

function drawBadge(ctx: Context, picture: Picture, at: Vec, priority: Priority, unacknowledged: boolean): void {
  const { palette } = picture;
  const unit = picture.place.unit;
  const hollow = unacknowledged && picture.blinkOff;
  badgePath(ctx, at, BADGE * unit, priority);
  ctx.fillStyle = hollow ? palette.ground : palette.alarm[priority];
  ctx.fill();
  ctx.strokeStyle = hollow ? palette.alarm[priority] : (palette.edge ?? palette.ground);
  ctx.lineWidth = (unacknowledged ? 2 : 1.2) * unit;
  ctx.stroke();
  const y = priority === "high" ? at.y + 2 * unit : at.y + 0.5 * unit;
  write(ctx, LETTERS[priority], { x: at.x, y }, `bold ${10 * unit}px ${FONT}`, hollow ? palette.text : "#000000", "center");
}
