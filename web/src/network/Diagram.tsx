// The canvas: turns pointer and keys into views and selections, draws only when something changed.
import { type KeyboardEvent, type PointerEvent, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Network } from "../api";
import { settings, shade, useCell } from "../state";
import { S } from "../strings";
import { draw, type Overlay } from "./draw";
import { fit, project, type Vec, type View, zoomAt } from "./geometry";
import { Legend } from "./Legend";
import { hit, type Hit, layout } from "./layout";
import { PALETTES } from "./palette";
import { nextAlarm, type Scene } from "./scene";

interface Props {
  grid: Network;
  scene: Scene;
  overlay: Overlay;
  onOverlay: (overlay: Overlay) => void;
  selected: Hit;
  onSelect: (hit: Hit) => void;
}

const ZOOM_STEP = 1.25;
const PAN_STEP = 60;
const CLICK_SLOP = 4;
const BLINK_MS = 500;

export function Diagram({ grid, scene, overlay, onOverlay, selected, onSelect }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ w: 0, h: 0, unit: 1, ratio: 1 });
  const base = useMemo(
    () => fit(grid.substations, size, { x: 88 * size.unit, y: 84 * size.unit }),
    [grid, size],
  );
  const [moved, setMoved] = useState<View | null>(null);
  const view = moved ?? base;
  const [hover, setHover] = useState<Hit>(null);
  const place = useMemo(() => layout(grid, view, size, size.unit), [grid, view, size]);
  const tone = useCell(shade);

  useLayoutEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const measure = () => {
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 13;
      setSize({ w: element.clientWidth, h: element.clientHeight, unit: rem / 13, ratio: window.devicePixelRatio || 1 });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    // Text drawn before the typeface has come would stay in the fallback.
    void document.fonts.ready.then(measure);
    return () => observer.disconnect();
  }, []);

  const blinkOff = useBlink(scene.substations.some((s) => s.unacknowledged));
  useEffect(() => {
    const handle = requestAnimationFrame(() => {
      const element = canvas.current;
      const ctx = element?.getContext("2d", { alpha: false });
      if (element === null || ctx === null || ctx === undefined) return;
      const [w, h] = [Math.round(size.w * size.ratio), Math.round(size.h * size.ratio)];
      if (element.width !== w || element.height !== h) {
        element.width = w;
        element.height = h;
      }
      ctx.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
      draw(ctx, { network: grid, place, scene, palette: PALETTES[tone], overlay, selected, hover, blinkOff, focused: false });
    });
    return () => cancelAnimationFrame(handle);
  });

  const zoom = (factor: number, at: Vec = { x: size.w / 2, y: size.h / 2 }) =>
    setMoved((known) => zoomAt(known ?? base, base, at, factor));
  const pan = (dx: number, dy: number) =>
    setMoved((known) => {
      const v = known ?? base;
      return { ...v, ox: v.ox + dx, oy: v.oy + dy };
    });
  useWheel(canvas, zoom);
  const pointer = usePointer({ canvas, place, pan, onSelect, setHover });

  const step = (by: 1 | -1) => {
    const total = grid.substations.length + grid.branches.length;
    const at = selected === null ? (by === 1 ? -1 : 0) : selected.kind === "substation" ? selected.index : grid.substations.length + selected.index;
    const next = (at + by + total) % total;
    const found: Hit =
      next < grid.substations.length ? { kind: "substation", index: next } : { kind: "branch", index: next - grid.substations.length };
    onSelect(found);
    bringIntoView(found);
  };
  const stepAlarm = (by: 1 | -1) => {
    const index = nextAlarm(scene, selected?.kind === "substation" ? selected.index : null, by);
    if (index === null) return;
    const found: Hit = { kind: "substation", index };
    onSelect(found);
    bringIntoView(found);
  };
  const bringIntoView = (target: Hit) => {
    if (target === null) return;
    const branch = target.kind === "branch" ? place.branches[target.index] : undefined;
    const at = branch?.middle ?? project(view, grid.substations[target.index] ?? { x: 0, y: 0 });
    const inside = at.x > 0 && at.y > 0 && at.x < size.w && at.y < size.h;
    if (!inside) pan(size.w / 2 - at.x, size.h / 2 - at.y);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => pan(PAN_STEP, 0),
      ArrowRight: () => pan(-PAN_STEP, 0),
      ArrowUp: () => pan(0, PAN_STEP),
      ArrowDown: () => pan(0, -PAN_STEP),
      Escape: () => onSelect(null),
    };
    if (settings.get().keys) {
      Object.assign(actions, {
        "+": () => zoom(ZOOM_STEP),
        "=": () => zoom(ZOOM_STEP),
        "-": () => zoom(1 / ZOOM_STEP),
        f: () => setMoved(null),
        n: () => step(1),
        p: () => step(-1),
        "]": () => stepAlarm(1),
        "[": () => stepAlarm(-1),
        o: () => onOverlay(overlay === "condition" ? "voltage" : "condition"),
      });
    }
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };

  return (
    <div className="diagram">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="diagram"
        aria-label={S.network.canvas(grid.name, grid.substations.length, grid.branches.length)}
        data-testid="network-canvas"
        data-values={liveValues(scene)}
        onKeyDown={onKeyDown}
        {...pointer}
      />
      <div className="diagram-tools">
        <button type="button" onClick={() => zoom(ZOOM_STEP)} aria-label={S.network.zoomIn}>
          +
        </button>
        <button type="button" onClick={() => zoom(1 / ZOOM_STEP)} aria-label={S.network.zoomOut}>
          −
        </button>
        <button type="button" onClick={() => setMoved(null)}>
          {S.network.fit}
        </button>
      </div>
      <Legend />
    </div>
  );
}

/** How many measured values are drawn and good: what a test can ask of a canvas. */
function liveValues(scene: Scene): number {
  const ends = scene.branches.flatMap((branch) => [branch.from.p, branch.to.p]);
  return ends.filter((p) => p.trust === "good" && !p.estimated).length;
}

/** True in the second half of each second while something wants to blink and motion is welcome. */
function useBlink(active: boolean): boolean {
  const [off, setOff] = useState(false);
  useEffect(() => {
    if (!active || matchMedia("(prefers-reduced-motion: reduce)").matches) {
      setOff(false);
      return;
    }
    const handle = setInterval(() => setOff(Math.floor(Date.now() / BLINK_MS) % 2 === 1), BLINK_MS);
    return () => clearInterval(handle);
  }, [active]);
  return off;
}

/** React listens to wheels passively; zooming must keep the page from scrolling. */
function useWheel(canvas: React.RefObject<HTMLCanvasElement | null>, zoom: (factor: number, at: Vec) => void): void {
  const latest = useRef(zoom);
  latest.current = zoom;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      latest.current(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, { x: event.offsetX, y: event.offsetY });
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [canvas]);
}

interface PointerUse {
  canvas: React.RefObject<HTMLCanvasElement | null>;
  place: ReturnType<typeof layout>;
  pan: (dx: number, dy: number) => void;
  onSelect: (hit: Hit) => void;
  setHover: (hit: Hit) => void;
}

function usePointer({ canvas, place, pan, onSelect, setHover }: PointerUse) {
  const drag = useRef<{ from: Vec; last: Vec; far: boolean } | null>(null);
  const at = (event: PointerEvent): Vec => ({ x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY });
  return {
    onPointerDown: (event: PointerEvent) => {
      drag.current = { from: at(event), last: at(event), far: false };
      canvas.current?.setPointerCapture(event.pointerId);
    },
    onPointerMove: (event: PointerEvent) => {
      const p = at(event);
      const d = drag.current;
      if (d === null) {
        setHover(hit(place, p));
        return;
      }
      if (!d.far && Math.hypot(p.x - d.from.x, p.y - d.from.y) < CLICK_SLOP) return;
      d.far = true;
      pan(p.x - d.last.x, p.y - d.last.y);
      d.last = p;
    },
    onPointerUp: (event: PointerEvent) => {
      const d = drag.current;
      drag.current = null;
      if (d !== null && !d.far) onSelect(hit(place, at(event)));
    },
    onPointerLeave: () => setHover(null),
    onPointerCancel: () => {
      drag.current = null;
    },
  };
}
