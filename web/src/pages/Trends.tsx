import { useMemo, useState } from "react";
import type { Point } from "../api";
import { clock } from "../format";
import { matches, words } from "../live/catalogue";
import { Notice, valueText, ValueText } from "../parts/marks";
import { serverNow, useHistories } from "../parts/PointTrend";
import { valueAt } from "../parts/series";
import { colourOf, dashOf, type Line, Trend, TREND_MAX, wordsOf } from "../parts/Trend";
import { catalogue, go, pointOf, read, shade, useCatalogue, useCell, useRoute, useTopic, useZone } from "../state";
import { S } from "../strings";

const SPANS = [
  ["m15", 900],
  ["h1", 3600],
  ["h8", 28_800],
  ["h24", 86_400],
] as const;
const SUGGESTIONS = 8;

export function Trends() {
  useCatalogue();
  useTopic("points");
  const ids = useRoute().slice(1).map(Number).filter((id) => Number.isInteger(id)).slice(0, TREND_MAX);
  const points = ids.map(pointOf).filter((p): p is Point => p !== null);
  const [span, setSpan] = useState<number>(900);
  const [cursor, setCursor] = useState<number | null>(null);
  const { loaded, version, to } = useHistories(ids, span);
  const zone = useZone();
  const units = [...new Set(points.map((p) => p.unit))];
  const set = (next: number[]) => go("trends", ...next);
  const lines = (unit: string): Line[] =>
    points.flatMap((p) => {
      const series = loaded.get(p.id)?.series;
      if (p.unit !== unit || series === undefined) return [];
      return [{ id: p.id, place: ids.indexOf(p.id), series, stepped: p.kind !== "analog", words: wordsOf(p) }];
    });
  return (
    <div className="page trends">
      <div className="toolbar">
        <h1>{S.trends.title}</h1>
        <Chooser chosen={ids} onAdd={(id) => set([...ids, id])} />
        <span className="grow" />
        <div className="segments" role="group" aria-label={S.trends.span}>
          {SPANS.map(([key, seconds]) => (
            <button key={key} type="button" aria-pressed={span === seconds} onClick={() => setSpan(seconds)} data-testid={`span-${key}`}>
              {S.trends.spans[key]}
            </button>
          ))}
        </div>
      </div>
      {points.length === 0 ? (
        <Notice>{S.trends.empty}</Notice>
      ) : (
        <div className="trends-body">
          <div className="charts">
            {units.map((unit) => (
              <section key={unit} className="chart" aria-label={unit}>
                <h2 className="chart-unit">{unit === "" ? S.network.state : unit}</h2>
                <Trend lines={lines(unit)} unit={unit} label={S.trends.chart(points.filter((p) => p.unit === unit).map((p) => p.name).join(", "))} version={version} from={to - span} to={to} onCursor={setCursor} />
              </section>
            ))}
          </div>
          <aside className="side" aria-label={S.trends.add} tabIndex={0}>
            <p className="muted">{cursor === null ? S.trends.updated(clock(serverNow(), zone)) : `${S.trends.cursor}: ${clock(cursor * 1000, zone)}`}</p>
            <ul className="trend-list">
              {points.map((p) => (
                <LegendRow key={p.id} point={p} place={ids.indexOf(p.id)} at={cursor === null ? null : valueAt(loaded.get(p.id)?.series ?? { t: [], mean: [], min: [], max: [] }, cursor)} cursor={cursor} failed={loaded.get(p.id)?.state === "failed" ? (loaded.get(p.id)?.error ?? "") : null} onRemove={() => set(ids.filter((id) => id !== p.id))} />
              ))}
            </ul>
            <p className="muted">{S.trends.band}</p>
          </aside>
        </div>
      )}
    </div>
  );
}

interface LegendProps {
  point: Point;
  place: number;
  at: number | null;
  cursor: number | null;
  failed: string | null;
  onRemove: () => void;
}

function LegendRow({ point, place, at, cursor, failed, onRemove }: LegendProps) {
  const tone = useCell(shade);
  const r = read(point.id);
  return (
    <li>
      <svg className="line-sample" viewBox="0 0 28 8" aria-hidden="true">
        <path d="M0 4H28" stroke={colourOf(place, tone)} strokeWidth="2.5" strokeDasharray={dashOf(place).join(" ")} />
      </svg>
      <span className="trend-name" title={point.name}>
        {point.name}
      </span>
      <button type="button" className="plain" onClick={onRemove} aria-label={S.trends.removeOf(point.name)}>
        <svg viewBox="0 0 16 16" aria-hidden="true" className="cross">
          <path d="M3 3 13 13M13 3 3 13" />
        </svg>
      </button>
      <span className="trend-value">
        {cursor === null ? (
          <ValueText reading={r} kind={point.kind} unit={point.unit} />
        ) : (
          <span className="value">
            <span className="number">{at === null ? S.none : valueText({ ...r, value: at, text: wordsOf(point).get(at) ?? String(at) }, point.kind, point.unit)}</span>
            <span className="unit">{point.unit}</span>
          </span>
        )}
      </span>
      {failed !== null && <span className="problem">{S.failed(failed)}</span>}
    </li>
  );
}

function Chooser({ chosen, onAdd }: { chosen: readonly number[]; onAdd: (id: number) => void }) {
  const version = catalogue.version();
  const [search, setSearch] = useState("");
  const found = useMemo(() => {
    const wanted = words(search);
    if (wanted.length === 0) return [];
    const list: Point[] = [];
    for (const p of catalogue.points.values()) {
      if (!chosen.includes(p.id) && matches(p, wanted)) list.push(p);
      if (list.length >= SUGGESTIONS) break;
    }
    return list;
  }, [search, chosen.join(), version]);
  const full = chosen.length >= TREND_MAX;
  const add = (id: number) => {
    onAdd(id);
    setSearch("");
  };
  return (
    <div className="chooser">
      <input
        type="search"
        value={search}
        disabled={full}
        placeholder={full ? S.trends.full : S.trends.placeholder}
        aria-label={S.trends.add}
        onChange={(event) => setSearch(event.target.value)}
        onKeyDown={(event) => {
          const first = found[0];
          if (event.key === "Enter" && first !== undefined) add(first.id);
          if (event.key === "Escape") setSearch("");
        }}
        data-testid="trend-search"
      />
      {found.length > 0 && (
        <ul className="suggestions">
          {found.map((p) => (
            <li key={p.id}>
              <button type="button" onClick={() => add(p.id)} aria-label={S.trends.addOf(p.name)}>
                {p.name} <span className="muted">{p.unit}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
