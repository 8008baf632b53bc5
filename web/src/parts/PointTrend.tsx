// The trend of one point: history from the historian, continued with live values.
import { useEffect, useRef, useState } from "react";
import { api, type Point } from "../api";
import { store, useTick } from "../state";
import { S } from "../strings";
import { append, emptySeries, type Series, seriesOf, trim } from "./series";
import { Trend, wordsOf } from "./Trend";

const MAX_POINTS = 600;
const REFETCH_MS = 60_000;

/** The server's clock now, in ms; the page's own only before the first frame. */
export function serverNow(): number {
  if (store.serverTime === null || store.lastHeard === null) return Date.now();
  return Date.parse(store.serverTime) + (performance.now() - store.lastHeard);
}

export interface Loaded {
  series: Series;
  state: "loading" | "ready" | "failed";
  error: string;
}

/** History of several points over the last `span_s`, refreshed every minute and continued live in between. */
export function useHistories(ids: readonly number[], span_s: number): { loaded: Map<number, Loaded>; version: number; to: number } {
  const loaded = useRef(new Map<number, Loaded>());
  const [version, setVersion] = useState(0);
  const key = ids.join();
  useEffect(() => {
    let wanted = true;
    for (const id of loaded.current.keys()) if (!ids.includes(id)) loaded.current.delete(id);
    for (const id of ids) if (!loaded.current.has(id)) loaded.current.set(id, { series: emptySeries(), state: "loading", error: "" });
    const fetchAll = () => {
      const to = serverNow();
      for (const id of ids) {
        api.history(id, new Date(to - span_s * 1000).toISOString(), new Date(to).toISOString(), MAX_POINTS).then(
          (history) => put(id, { series: seriesOf(history), state: "ready", error: "" }),
          (error: unknown) => {
            if (loaded.current.get(id)?.state !== "ready") put(id, { series: emptySeries(), state: "failed", error: String(error) });
          },
        );
      }
    };
    const put = (id: number, value: Loaded) => {
      if (!wanted) return;
      loaded.current.set(id, value);
      setVersion((v) => v + 1);
    };
    fetchAll();
    const handle = setInterval(fetchAll, REFETCH_MS);
    return () => {
      wanted = false;
      clearInterval(handle);
    };
  }, [key, span_s]);
  const tick = useTick(1000);
  const to = serverNow() / 1000;
  useEffect(() => {
    for (const [id, { series, state }] of loaded.current) {
      if (state === "loading") continue;
      append(series, store.points.get(id), store.link === "live", serverNow() / 1000);
      trim(series, serverNow() / 1000 - span_s);
    }
    setVersion((v) => v + 1);
  }, [tick, span_s]);
  return { loaded: loaded.current, version, to };
}

export function PointTrend({ point, span_s }: { point: Point; span_s: number }) {
  const { loaded, version, to } = useHistories([point.id], span_s);
  const found = loaded.get(point.id);
  if (found === undefined || found.state === "loading") return <p className="muted">{S.loading}</p>;
  if (found.state === "failed") return <p className="problem">{S.failed(found.error)}</p>;
  const limits = Object.values(point.limits ?? {}).filter((l): l is number => typeof l === "number");
  return (
    <Trend
      lines={[{ id: point.id, place: 0, series: found.series, stepped: point.kind !== "analog", words: wordsOf(point) }]}
      unit={point.unit}
      label={S.trends.chart(point.name)}
      version={version}
      from={to - span_s}
      to={to}
      limits={limits}
    />
  );
}
