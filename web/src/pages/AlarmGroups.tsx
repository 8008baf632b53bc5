// The listed alarms in at most ten lines, each with what came first: what an operator can take in during a flood.
import { type KeyboardEvent, useEffect, useState } from "react";
import { api, type GroupLine } from "../api";
import { count, stamp } from "../format";
import { Notice, PriorityMark } from "../parts/marks";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { may, settings, store, useTopic, useZone } from "../state";
import { S } from "../strings";

/** The lines are asked for again when alarms changed, once a second at most. */
const PAUSE_MS = 1000;

function useGroups(): { lines: GroupLine[] | null; again: () => void } {
  const version = useTopic("alarms");
  const [lines, setLines] = useState<GroupLine[] | null>(null);
  const [asked, setAsked] = useState({ at: 0, version: -1 });
  useEffect(() => {
    if (asked.version === version) return;
    const wait = Math.max(0, asked.at + PAUSE_MS - performance.now());
    const handle = setTimeout(() => {
      setAsked({ at: performance.now(), version: store.version("alarms") });
      api.alarmGroups().then(
        (view) => setLines(view.lines),
        () => {},
      );
    }, wait);
    return () => clearTimeout(handle);
  }, [version, asked]);
  return { lines, again: () => setAsked({ at: 0, version: -1 }) };
}

const nameOf = (line: GroupLine) => (line.groups.length === 1 ? (line.groups[0] ?? "") : S.alarms.otherGroups(line.groups.length));

export function AlarmGroups() {
  const { lines, again } = useGroups();
  const zone = useZone();
  const [current, setCurrent] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const allowed = may("acknowledge");
  const acknowledge = (line: GroupLine) => {
    if (!allowed || line.unacknowledged === 0) return;
    setProblem(null);
    api.acknowledgeGroups(line.groups).then(again, (error: unknown) =>
      setProblem(S.alarms.failed(error instanceof Error ? error.message : String(error))),
    );
  };
  const onKey = (event: KeyboardEvent, row: GroupLine | null) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !settings.get().keys || event.key !== "a" || row === null) return;
    acknowledge(row);
    event.preventDefault();
  };
  const columns: Column<GroupLine>[] = [
    {
      key: "mark",
      title: <span className="sr">{S.alarms.columns.mark}</span>,
      width: "2.6rem",
      className: "centre",
      render: (l) => (l.worst === null ? null : <PriorityMark priority={l.worst} unacknowledged />),
    },
    { key: "group", title: S.alarms.columns.group, width: "12rem", className: "ellipsis", render: (l) => <span title={l.groups.join(", ")}>{nameOf(l)}</span> },
    {
      key: "first",
      title: S.alarms.columns.first,
      className: "ellipsis",
      render: (l) =>
        l.first_out === null ? null : (
          <span data-testid="first-out" title={l.first_out.text}>
            <b>{l.first_out.source}</b> {l.first_out.text}
          </span>
        ),
    },
    { key: "at", title: S.alarms.columns.raised, width: "14.6rem", className: "time", render: (l) => (l.first_out === null ? "" : stamp(l.first_out.at, zone, true)) },
    { key: "unack", title: S.alarms.unackCount, width: "6rem", className: "num", render: (l) => count(l.unacknowledged) },
    { key: "active", title: S.alarms.active, width: "5rem", className: "num", render: (l) => count(l.active) },
    { key: "hidden", title: S.alarms.places.suppressed, width: "6rem", className: "num", render: (l) => count(l.suppressed) },
    {
      key: "ack",
      title: <span className="sr">{S.alarms.columns.ack}</span>,
      width: "7rem",
      className: "centre",
      render: (l) =>
        l.unacknowledged === 0 ? null : (
          <button
            type="button"
            className="small"
            disabled={!allowed}
            aria-label={S.alarms.ackGroupOf(nameOf(l))}
            onClick={(event) => {
              event.stopPropagation();
              acknowledge(l);
            }}
            data-testid={`group-ack-${l.groups[0] ?? ""}`}
          >
            {S.alarms.ackGroup}
          </button>
        ),
    },
  ];
  return (
    <>
      <div className="toolbar">
        <span className="muted">{S.alarms.groupHint}</span>
        {problem !== null && (
          <span className="problem" role="alert">
            {problem}
          </span>
        )}
      </div>
      <VirtualTable
        label={S.alarms.tabs.groups}
        rows={lines ?? []}
        columns={columns}
        rowKey={(l) => l.groups.join("\u0000")}
        current={current}
        onCurrent={setCurrent}
        rowTestId={(l) => `group-row-${l.groups[0] ?? ""}`}
        onKey={onKey}
        empty={<Notice>{lines === null ? S.loading : S.alarms.empty}</Notice>}
      />
    </>
  );
}
