import { type ReactNode, useEffect, useMemo, useState } from "react";
import { type Alarm, api, type Point, type PointKind } from "../api";
import { age, byName, count, stamp } from "../format";
import { CATALOGUE_MAX, matches, words } from "../live/catalogue";
import type { Trust } from "../live/reading";
import { Notice, PriorityMark, Quality, TagMarks, ValueText } from "../parts/marks";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { catalogue, open, read, store, useCatalogue, useTopic, useZone } from "../state";
import { S } from "../strings";

const KINDS: readonly PointKind[] = ["analog", "single", "double", "step", "counter", "bits"];
const TRUSTS: readonly Trust[] = ["good", "questionable", "invalid", "stale", "unknown"];
const SEARCH_LIMIT = 1000;
const SEARCH_DELAY_MS = 200;

/** Beyond what the page holds, the search is the server's. */
function useSearched(search: string): Point[] {
  const known = useCatalogue();
  const version = catalogue.version();
  const [found, setFound] = useState<Point[] | null>(null);
  const remote = !known.complete && known.total > CATALOGUE_MAX && search.trim() !== "";
  useEffect(() => {
    if (!remote) {
      setFound(null);
      return;
    }
    let wanted = true;
    const handle = setTimeout(() => {
      api.points({ search: search.trim(), limit: SEARCH_LIMIT }).then(
        (page) => wanted && setFound(page.points),
        () => {},
      );
    }, SEARCH_DELAY_MS);
    return () => {
      wanted = false;
      clearTimeout(handle);
    };
  }, [remote, search]);
  return useMemo(() => {
    if (remote && found !== null) return found;
    const wanted = words(search);
    return [...catalogue.points.values()].filter((point) => matches(point, wanted)).sort((a, b) => byName(a.name, b.name));
  }, [version, search, found, remote]);
}

export function Points() {
  const known = useCatalogue();
  const live = useTopic("points");
  const [search, setSearch] = useState("");
  const [kind, setKind] = useState<PointKind | "all">("all");
  const [trust, setTrust] = useState<Trust | "all">("all");
  const [substation, setSubstation] = useState("all");
  const [current, setCurrent] = useState<string | null>(null);
  const searched = useSearched(search);
  const substations = useMemo(
    () => [...new Set([...catalogue.points.values()].map((p) => p.substation))].sort(byName),
    [known.points.size],
  );
  const rows = useMemo(
    () =>
      searched.filter(
        (p) =>
          (kind === "all" || p.kind === kind) &&
          (substation === "all" || p.substation === substation) &&
          (trust === "all" || read(p.id).trust === trust),
      ),
    [searched, kind, substation, trust, trust === "all" ? 0 : live],
  );
  if (known.state === "failed") {
    return <Notice action={<button type="button" onClick={() => void catalogue.load()}>{S.retry}</button>}>{S.failed(known.error)}</Notice>;
  }
  return (
    <div className="page">
      <div className="toolbar">
        <h1>{S.points.title}</h1>
        <input
          type="search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          placeholder={S.points.placeholder}
          aria-label={S.search}
          data-testid="point-search"
        />
        <Filter label={S.points.kind} value={kind} onValue={(v) => setKind(v as PointKind | "all")} options={KINDS.map((k) => [k, S.points.kinds[k]])} />
        <Filter label={S.points.quality} value={trust} onValue={(v) => setTrust(v as Trust | "all")} options={TRUSTS.map((t) => [t, S.trust[t]])} />
        <Filter label={S.points.substation} value={substation} onValue={setSubstation} options={substations.map((s) => [s, s])} />
        <button type="button" onClick={() => open.set({ kind: "list" })} data-testid="list-open">
          {S.pointList.open}
        </button>
        <span className="muted">{S.points.shown(count(rows.length), count(known.total))}</span>
      </div>
      {known.total > CATALOGUE_MAX && <p className="muted">{S.points.partial(count(CATALOGUE_MAX))}</p>}
      <PointTable
        rows={rows}
        current={current}
        onCurrent={setCurrent}
        empty={<Notice>{known.state === "loading" ? S.loading : known.total === 0 ? S.points.emptyAll : S.points.empty}</Notice>}
      />
    </div>
  );
}

interface FilterProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  options: readonly (readonly [string, string])[];
}

function Filter({ label, value, onValue, options }: FilterProps) {
  return (
    <label className="inline">
      {label}
      <select value={value} onChange={(event) => onValue(event.target.value)}>
        <option value="all">{S.all}</option>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface TableProps {
  rows: readonly Point[];
  current: string | null;
  onCurrent: (key: string) => void;
  empty: ReactNode;
}

function PointTable({ rows, current, onCurrent, empty }: TableProps) {
  const zone = useZone();
  useTopic("alarms");
  const alarms = new Map(store.shownAlarms().filter((a) => a.active).map((a) => [a.point, a]));
  const columns: Column<Point>[] = [
    {
      key: "name",
      title: S.points.columns.name,
      className: "ellipsis",
      render: (p) => (
        <button type="button" className="link ellipsis" tabIndex={-1} title={p.name} onClick={() => open.set({ kind: "faceplate", point: p.id })}>
          {p.name}
        </button>
      ),
    },
    { key: "value", title: S.points.columns.value, width: "11rem", className: "num", render: (p) => <ValueText reading={read(p.id)} kind={p.kind} unit={p.unit} /> },
    { key: "quality", title: S.points.columns.quality, width: "9rem", render: (p) => <Quality trust={read(p.id).trust} /> },
    { key: "age", title: S.points.columns.age, width: "5.5rem", className: "num", render: (p) => age(read(p.id).age_s) },
    { key: "time", title: S.points.columns.time, width: "14.6rem", className: "time", render: (p) => stamp(read(p.id).t, zone, true) },
    { key: "substation", title: S.points.columns.substation, width: "7.5rem", className: "ellipsis", render: (p) => p.substation },
    { key: "link", title: S.points.columns.link, width: "6.5rem", className: "ellipsis", render: (p) => p.link },
    { key: "address", title: S.points.columns.address, width: "11.5rem", className: "ellipsis", render: (p) => p.address },
    {
      key: "marks",
      title: S.points.columns.marks,
      width: "8rem",
      render: (p) => (
        <>
          <AlarmMark alarm={alarms.get(p.id)} />
          {p.control !== null && <span className="tag">{S.network.control}</span>}
          <TagMarks tags={p.tags} />
        </>
      ),
    },
  ];
  return (
    <VirtualTable
      label={S.points.title}
      rows={rows}
      columns={columns}
      rowKey={(p) => String(p.id)}
      current={current}
      onCurrent={onCurrent}
      onOpen={(p) => open.set({ kind: "faceplate", point: p.id })}
      rowTestId={(p) => `point-row-${p.name}`}
      empty={empty}
    />
  );
}

function AlarmMark({ alarm }: { alarm: Alarm | undefined }) {
  return alarm === undefined ? null : <PriorityMark priority={alarm.priority} unacknowledged={!alarm.acknowledged} />;
}
