import { type KeyboardEvent, useCallback, useMemo, useRef, useState } from "react";
import { type Alarm, type AlarmPlace, api, type GridEvent, type Priority } from "../api";
import { count, stamp, type Zone } from "../format";
import { AlarmDialog } from "../parts/AlarmDialog";
import { Chip, Notice, PriorityMark } from "../parts/marks";
import { ShelveDialog } from "../parts/ShelveDialog";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { go, may, open, settings, store, useRoute, useTopic, useZone } from "../state";
import { S } from "../strings";
import { AlarmFigures } from "./AlarmFigures";
import { AlarmGroups } from "./AlarmGroups";
import { Approvals } from "./Approvals";

type Tab = "active" | "groups" | "shelved" | "suppressed" | "out" | "approvals" | "figures" | "events";
const TABS: readonly Tab[] = ["active", "groups", "shelved", "suppressed", "out", "approvals", "figures", "events"];

export function Alarms() {
  const wanted = useRoute()[1];
  const tab = TABS.find((known) => known === wanted) ?? "active";
  useTopic("status");
  const counts = store.status?.alarms;
  const numbers: Partial<Record<Tab, number | undefined>> = { shelved: counts?.shelved, suppressed: counts?.suppressed, out: counts?.out_of_service, approvals: counts?.approvals };
  return (
    <div className="page">
      <div className="toolbar">
        <h1>{S.alarms.title}</h1>
        <div className="segments" role="group" aria-label={S.alarms.title}>
          {TABS.map((each) => (
            <button key={each} type="button" aria-pressed={tab === each} onClick={() => go("alarms", each)} data-testid={`tab-${each}`}>
              {S.alarms.tabs[each]}
              {numbers[each] ? ` (${count(numbers[each])})` : ""}
            </button>
          ))}
        </div>
      </div>
      <Content tab={tab} />
    </div>
  );
}

function Content({ tab }: { tab: Tab }) {
  switch (tab) {
    case "active":
      return <AlarmList key={tab} place="shown" />;
    case "shelved":
      return <AlarmList key={tab} place="shelved" />;
    case "suppressed":
      return <AlarmList key={tab} place="suppressed" />;
    case "out":
      return <AlarmList key={tab} place="out_of_service" />;
    case "approvals":
      return <Approvals />;
    case "groups":
      return <AlarmGroups />;
    case "figures":
      return <AlarmFigures />;
    case "events":
      return <EventList />;
  }
}

const RANK: Record<Priority, number> = { critical: 0, high: 1, medium: 2, low: 3 };
export const PRIORITIES: readonly Priority[] = ["critical", "high", "medium", "low"];

/** Unacknowledged first, then by priority, then the newest. */
export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    Number(a.acknowledged) - Number(b.acknowledged) ||
    RANK[a.priority] - RANK[b.priority] ||
    Number(b.active) - Number(a.active) ||
    (a.raised_at < b.raised_at ? 1 : a.raised_at > b.raised_at ? -1 : a.id < b.id ? -1 : 1)
  );
}

/** The alarms of one place; without it those in front of the operator. */
export function useAlarms(place: AlarmPlace = "shown"): Alarm[] {
  const version = useTopic("alarms");
  return useMemo(() => [...store.alarms.values()].filter((alarm) => alarm.place === place).sort(byUrgency), [version, place]);
}

interface Acts {
  run: (ids: string[]) => void;
  act: (what: "unshelve" | "return-to-service" | "reset", ids: string[]) => void;
  problem: string | null;
}

function useAct(): Acts {
  const [problem, setProblem] = useState<string | null>(null);
  const follow = useCallback((work: Promise<unknown>) => {
    setProblem(null);
    work.catch((error: unknown) => setProblem(S.alarms.failed(error instanceof Error ? error.message : String(error))));
  }, []);
  const run = (ids: string[]) => {
    if (ids.length > 0) follow(api.acknowledge(ids));
  };
  const act = (what: "unshelve" | "return-to-service" | "reset", ids: string[]) => {
    if (ids.length > 0) follow(api.alarmAct(what, ids).then((result) => {
      const first = result.refused[0];
      if (first !== undefined) throw new Error(`${first.id}: ${first.reason}`);
    }));
  };
  return { run, act, problem };
}

/** Which dialog the list shows, and for which alarms. */
type Shown = { kind: "none" } | { kind: "detail"; alarm: Alarm } | { kind: "shelve" | "out_of_service"; ids: string[] };

function AlarmList({ place }: { place: AlarmPlace }) {
  const all = useAlarms(place);
  const [dialog, setDialog] = useState<Shown>({ kind: "none" });
  const zone = useZone();
  const [filter, setFilter] = useState<Priority | "all">("all");
  const [current, setCurrent] = useState<string | null>(null);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const visible = useRef<readonly Alarm[]>([]);
  const { run, act, problem } = useAct();
  const rows = filter === "all" ? all : all.filter((alarm) => alarm.priority === filter);
  const chosen = rows.filter((alarm) => marked.has(alarm.id));
  const allowed = may("acknowledge");

  const toggle = (id: string) => {
    const next = new Set(marked);
    if (!next.delete(id)) next.add(id);
    setMarked(next);
  };
  const acknowledge = (list: readonly Alarm[]) => {
    if (!allowed) return;
    run(list.filter((alarm) => !alarm.acknowledged).map((alarm) => alarm.id));
    setMarked(new Set());
  };
  const shelve = (kind: "shelve" | "out_of_service", list: readonly Alarm[]) => {
    if (list.length > 0) setDialog({ kind, ids: list.map((alarm) => alarm.id) });
  };
  const onKey = (event: KeyboardEvent, row: Alarm | null, shown: readonly Alarm[]) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && row !== null) toggle(row.id);
    else if (!settings.get().keys) return;
    else if (event.key === "s" && place === "shown") shelve("shelve", chosen.length > 0 ? chosen : row === null ? [] : [row]);
    else if (event.key === "A") acknowledge(shown);
    else if (event.key === "a") acknowledge(chosen.length > 0 ? chosen : row === null ? [] : [row]);
    else return;
    event.preventDefault();
  };
  const columns: Column<Alarm>[] = [
    {
      key: "select",
      title: <span className="sr">{S.alarms.columns.select}</span>,
      width: "2.2rem",
      className: "centre",
      render: (a) => (
        <input type="checkbox" checked={marked.has(a.id)} onChange={() => toggle(a.id)} aria-label={`${S.alarms.columns.select}: ${a.source}`} tabIndex={-1} />
      ),
    },
    {
      key: "mark",
      title: <span className="sr">{S.alarms.columns.mark}</span>,
      width: "2.6rem",
      className: "centre",
      render: (a) => <PriorityMark priority={a.priority} unacknowledged={!a.acknowledged} />,
    },
    { key: "raised", title: S.alarms.columns.raised, width: "12.2rem", className: "time", render: (a) => stamp(a.raised_at, zone) },
    { key: "source", title: S.alarms.columns.source, width: "17%", className: "ellipsis", render: (a) => <span title={a.source}>{a.source}</span> },
    { key: "text", title: S.alarms.columns.text, className: "ellipsis", render: (a) => <span title={a.text}>{a.text}</span> },
    { key: "value", title: S.alarms.columns.value, width: "8rem", className: "num", render: (a) => a.value_text },
    { key: "state", title: S.alarms.columns.state, width: "13rem", render: (a) => <StateCell alarm={a} /> },
    ...inhibitColumns(place, zone),
    { key: "count", title: S.alarms.columns.count, width: "4.2rem", className: "num", render: (a) => count(a.count) },
    {
      key: "ack",
      title: <span className="sr">{S.alarms.columns.ack}</span>,
      width: "4.6rem",
      className: "centre",
      render: (a) =>
        a.acknowledged ? null : (
          <button
            type="button"
            className="small"
            disabled={!allowed}
            aria-label={S.alarms.ackOf(a.source)}
            onClick={(event) => {
              event.stopPropagation();
              acknowledge([a]);
            }}
            data-testid={`alarm-ack-${a.id}`}
          >
            {S.alarms.ack}
          </button>
        ),
    },
  ];
  return (
    <>
      <div className="toolbar">
        <label className="inline">
          {S.alarms.columns.mark}
          <select value={filter} onChange={(event) => setFilter(event.target.value as Priority | "all")}>
            <option value="all">{S.all}</option>
            {PRIORITIES.map((p) => (
              <option key={p} value={p}>
                {S.priority[p]}
              </option>
            ))}
          </select>
        </label>
        <button type="button" disabled={!allowed || chosen.length === 0} onClick={() => acknowledge(chosen)}>
          {S.alarms.ackSelected(chosen.length)}
        </button>
        <button type="button" disabled={!allowed || rows.length === 0} onClick={() => acknowledge(visible.current)} data-testid="alarm-ack-visible">
          {S.alarms.ackVisible}
        </button>
        <InhibitButtons place={place} chosen={chosen} shelve={shelve} act={act} />
        <span className="muted">{allowed ? S.alarms.hint : S.alarms.noRight}</span>
        {problem !== null && (
          <span className="problem" role="alert">
            {problem}
          </span>
        )}
      </div>
      <VirtualTable
        label={S.alarms.tabs[TAB_OF[place]]}
        rows={rows}
        columns={columns}
        rowKey={(a) => a.id}
        current={current}
        onCurrent={setCurrent}
        onOpen={(alarm) => setDialog({ kind: "detail", alarm })}
        rowClass={(a) => (a.acknowledged ? "" : "unacknowledged")}
        rowTestId={(a) => `alarm-row-${a.id}`}
        onKey={onKey}
        onVisible={(shown) => {
          visible.current = shown;
        }}
        empty={<Notice>{all.length === 0 ? S.alarms.empty : S.alarms.emptyFilter}</Notice>}
      />
      {dialog.kind === "detail" && <AlarmDialog alarm={dialog.alarm} onClose={() => setDialog({ kind: "none" })} />}
      {(dialog.kind === "shelve" || dialog.kind === "out_of_service") && (
        <ShelveDialog ids={dialog.ids} mode={dialog.kind} onClose={() => setDialog({ kind: "none" })} />
      )}
    </>
  );
}

const TAB_OF: Record<AlarmPlace, "active" | "shelved" | "suppressed" | "out"> = {
  shown: "active",
  shelved: "shelved",
  suppressed: "suppressed",
  out_of_service: "out",
};

/** Who has put an alarm there, why and until when; or what hides it. */
function inhibitColumns(place: AlarmPlace, zone: Zone): Column<Alarm>[] {
  if (place === "shown") return [];
  if (place === "suppressed") {
    return [{ key: "by", title: S.alarms.hiddenBy, width: "14rem", className: "ellipsis", render: (a) => <span title={a.suppressed_by ?? ""}>{a.suppressed_by}</span> }];
  }
  const inhibit = (a: Alarm) => (place === "shelved" ? a.shelved : a.out_of_service);
  return [
    { key: "until", title: S.alarms.until, width: "12.2rem", className: "time", render: (a) => stamp(inhibit(a)?.until ?? null, zone) },
    {
      key: "reason",
      title: S.alarms.reason,
      width: "14rem",
      className: "ellipsis",
      render: (a) => <span title={inhibit(a)?.reason}>{`${inhibit(a)?.by ?? ""}: ${inhibit(a)?.reason ?? ""}`}</span>,
    },
  ];
}

interface ButtonsProps {
  place: AlarmPlace;
  chosen: readonly Alarm[];
  shelve: (kind: "shelve" | "out_of_service", list: readonly Alarm[]) => void;
  act: Acts["act"];
}

function InhibitButtons({ place, chosen, shelve, act }: ButtonsProps) {
  const ids = chosen.map((alarm) => alarm.id);
  const none = ids.length === 0;
  if (place === "shelved") {
    return (
      <button type="button" disabled={none || !may("acknowledge")} onClick={() => act("unshelve", ids)} data-testid="alarm-unshelve">
        {S.alarms.unshelve}
      </button>
    );
  }
  if (place === "out_of_service") {
    return (
      <button type="button" disabled={none || !may("configure")} onClick={() => act("return-to-service", ids)} data-testid="alarm-into-service">
        {S.alarms.intoService}
      </button>
    );
  }
  const latched = chosen.filter((alarm) => alarm.latched && !alarm.active && alarm.acknowledged).map((alarm) => alarm.id);
  return (
    <>
      <button type="button" disabled={none || !may("acknowledge")} onClick={() => shelve("shelve", chosen)} data-testid="alarm-shelve">
        {S.alarms.shelve(ids.length)}
      </button>
      <button type="button" disabled={none || !may("configure")} onClick={() => shelve("out_of_service", chosen)} data-testid="alarm-take-out">
        {S.alarms.takeOut(ids.length)}
      </button>
      {latched.length > 0 && (
        <button type="button" disabled={!may("acknowledge")} onClick={() => act("reset", latched)}>
          {S.alarms.reset}
        </button>
      )}
    </>
  );
}

function StateCell({ alarm }: { alarm: Alarm }) {
  return (
    <>
      <span className={alarm.active ? "" : "muted"}>{alarm.active ? S.alarms.active : S.alarms.cleared}</span>
      {alarm.first_out && <Chip tone="plain">{S.alarms.firstOut}</Chip>}
      {alarm.chattering && <Chip tone="plain">{S.alarms.chattering}</Chip>}
      {alarm.latched && <Chip tone="plain">{S.alarms.latched}</Chip>}
      <span className="muted">, {alarm.acknowledged ? S.alarms.acked(alarm.acknowledged_by ?? "") : S.alarms.unack}</span>
    </>
  );
}

const OLDER = 200;

function EventList() {
  const version = useTopic("events");
  const zone = useZone();
  const [current, setCurrent] = useState<string | null>(null);
  const [end, setEnd] = useState(false);
  const rows = useMemo(() => store.events.slice().reverse(), [version]);
  const first = store.events[0]?.seq;
  const last = store.events[store.events.length - 1]?.seq;
  const missing = first === undefined || last === undefined ? 0 : last - first + 1 - store.events.length;
  const older = () => {
    api.events(first === undefined ? { limit: OLDER } : { before: first, limit: OLDER }).then(
      (page) => {
        store.mergeEvents(page.events);
        setEnd(page.events.length === 0);
      },
      () => {},
    );
  };
  const columns: Column<GridEvent>[] = [
    { key: "seq", title: S.alarms.eventColumns.seq, width: "6rem", className: "num", render: (e) => String(e.seq) },
    { key: "time", title: S.alarms.eventColumns.time, width: "14.6rem", className: "time", render: (e) => stamp(e.time, zone, true) },
    {
      key: "severity",
      title: <span className="sr">{S.alarms.eventColumns.severity}</span>,
      width: "2.6rem",
      className: "centre",
      render: (e) => (e.severity === "info" ? null : <PriorityMark priority={e.severity} />),
    },
    { key: "kind", title: S.alarms.eventColumns.kind, width: "8.5rem", render: (e) => <Chip tone="plain">{e.kind}</Chip> },
    { key: "source", title: S.alarms.eventColumns.source, width: "18%", className: "ellipsis", render: (e) => <span title={e.source}>{e.source}</span> },
    { key: "text", title: S.alarms.eventColumns.text, className: "ellipsis", render: (e) => <span title={e.text}>{e.text}</span> },
    { key: "actor", title: S.alarms.eventColumns.actor, width: "9rem", className: "ellipsis", render: (e) => e.actor ?? "" },
  ];
  return (
    <>
      <div className="toolbar">
        <button type="button" onClick={older} disabled={end}>
          {end ? S.alarms.noOlder : S.alarms.older}
        </button>
        {first !== undefined && last !== undefined && <span className="muted">{S.alarms.gapFree(count(first), count(last), missing)}</span>}
      </div>
      <VirtualTable
        label={S.alarms.tabs.events}
        rows={rows}
        columns={columns}
        rowKey={(e) => String(e.seq)}
        current={current}
        onCurrent={setCurrent}
        onOpen={(e) => e.point !== null && open.set({ kind: "faceplate", point: e.point })}
        empty={<Notice>{S.alarms.eventsEmpty}</Notice>}
      />
    </>
  );
}
