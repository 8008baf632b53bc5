import { useEffect, useMemo, useState } from "react";
import { api, type Command, type Proposal } from "../api";
import { clock, stamp } from "../format";
import { Findings, Stages } from "../parts/ControlDialog";
import { Chip, Notice, type Tone, toneOf } from "../parts/marks";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { go, open, store, useRoute, useTopic, useZone } from "../state";
import { S } from "../strings";

const LIMIT = 200;

export function Commands() {
  const tab = useRoute()[1] === "proposals" ? "proposals" : "commands";
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const fail = (error: unknown) => setProblem(S.failed(error instanceof Error ? error.message : String(error)));
    api.commands(LIMIT).then((answer) => {
      for (const command of (Array.isArray(answer) ? answer : answer.commands).slice().sort((a, b) => a.id - b.id)) store.mergeCommand(command);
    }, fail);
    api.proposals(LIMIT).then((answer) => store.mergeProposals(answer.proposals.slice().sort((a, b) => (a.time < b.time ? -1 : 1))), fail);
  }, []);
  return (
    <div className="page">
      <div className="toolbar">
        <h1>{S.commands.title}</h1>
        <div className="segments" role="group" aria-label={S.commands.title}>
          <button type="button" aria-pressed={tab === "commands"} onClick={() => go("commands")}>
            {S.commands.tabCommands}
          </button>
          <button type="button" aria-pressed={tab === "proposals"} onClick={() => go("commands", "proposals")} data-testid="tab-proposals">
            {S.commands.tabProposals}
          </button>
        </div>
        {problem !== null && (
          <span className="problem" role="alert">
            {problem}
          </span>
        )}
      </div>
      {tab === "commands" ? <CommandLog /> : <ProposalLog />}
    </div>
  );
}

function CommandLog() {
  const version = useTopic("commands");
  const zone = useZone();
  const wanted = useRoute()[1] ?? null;
  const rows = useMemo(() => [...store.commands.values()].sort((a, b) => b.id - a.id), [version]);
  const [current, setCurrent] = useState<string | null>(wanted);
  const shown = rows.find((command) => String(command.id) === current) ?? rows[0] ?? null;
  const c = S.commands.columns;
  const columns: Column<Command>[] = [
    { key: "id", title: c.id, width: "4.5rem", className: "num", render: (row) => row.id },
    { key: "time", title: c.time, width: "12.2rem", className: "time", render: (row) => stamp(row.created_at, zone) },
    { key: "target", title: c.target, width: "24%", className: "ellipsis", render: (row) => <span title={row.point_name}>{row.point_name}</span> },
    { key: "value", title: c.value, width: "6.5rem", render: (row) => row.value_text },
    { key: "state", title: c.state, width: "9.5rem", render: (row) => <Chip tone={toneOf(row.state)}>{S.commands.states[row.state]}</Chip> },
    { key: "actor", title: c.actor, width: "9rem", className: "ellipsis", render: (row) => row.actor },
    { key: "reason", title: c.reason, className: "ellipsis", render: (row) => <span title={row.reason}>{row.reason}</span> },
  ];
  return (
    <div className="split">
      <VirtualTable
        label={S.commands.tabCommands}
        rows={rows}
        columns={columns}
        rowKey={(row) => String(row.id)}
        current={shown === null ? null : String(shown.id)}
        onCurrent={setCurrent}
        onOpen={(row) => open.set({ kind: "faceplate", point: row.point })}
        rowTestId={(row) => `command-row-${row.id}`}
        empty={<Notice>{S.commands.empty}</Notice>}
      />
      <aside className="side" aria-label={S.control.stages} tabIndex={0}>
        {shown === null ? <p className="muted">{S.commands.pick}</p> : <Details command={shown} />}
      </aside>
    </div>
  );
}

function Details({ command }: { command: Command }) {
  return (
    <>
      <header className="side-head">
        <h2>{S.commands.details(command.id)}</h2>
        <span className="muted">
          {command.point_name} → {command.value_text}
        </span>
      </header>
      <p>
        <Chip tone={toneOf(command.state)}>{S.commands.states[command.state]}</Chip> {S.commands.origins[command.origin]} {command.actor}
      </p>
      <dl className="facts">
        <dt>{S.commands.reason}</dt>
        <dd>{command.reason}</dd>
        {command.refusal !== null && (
          <>
            <dt>{S.commands.refusal}</dt>
            <dd>{command.refusal}</dd>
          </>
        )}
      </dl>
      <Findings command={command} />
      <Stages command={command} />
    </>
  );
}

const TONES: Record<Proposal["state"], Tone> = {
  accepted: "pending",
  rejected: "plain",
  superseded: "plain",
  expired: "plain",
  done: "done",
  failed: "bad",
};

function ProposalLog() {
  const version = useTopic("proposals");
  const zone = useZone();
  const [current, setCurrent] = useState<string | null>(null);
  const rows = useMemo(() => [...store.proposals.values()].sort((a, b) => (a.time < b.time ? 1 : -1)), [version]);
  const c = S.commands.proposalColumns;
  const text = (value: string) => <span title={value}>{value}</span>;
  const columns: Column<Proposal>[] = [
    { key: "time", title: c.time, width: "6.8rem", className: "time", render: (p) => clock(p.time, zone) },
    { key: "application", title: c.application, width: "8rem", className: "ellipsis", render: (p) => p.application },
    { key: "target", title: c.target, width: "16%", className: "ellipsis", render: (p) => text(p.target_name) },
    { key: "value", title: c.value, width: "6rem", render: (p) => p.value_text },
    { key: "reason", title: c.reason, className: "wrap", render: (p) => text(p.reason) },
    { key: "expected", title: c.expected, width: "14%", className: "wrap", render: (p) => text(p.expected) },
    { key: "state", title: c.state, width: "8.5rem", render: (p) => <Chip tone={TONES[p.state]}>{S.commands.proposalStates[p.state]}</Chip> },
    { key: "decision", title: c.decision, width: "18%", className: "wrap", render: (p) => text(p.decision) },
    {
      key: "command",
      title: c.command,
      width: "7rem",
      render: (p) =>
        p.command === null ? null : (
          <button type="button" className="link" tabIndex={-1} onClick={() => go("commands", String(p.command))}>
            {S.commands.details(p.command)}
          </button>
        ),
    },
  ];
  const shown = rows.find((p) => String(p.id) === current) ?? null;
  return (
    <>
      <VirtualTable
        label={S.commands.tabProposals}
        rows={rows}
        columns={columns}
        rowKey={(p) => String(p.id)}
        current={current}
        onCurrent={setCurrent}
        rowTestId={(p) => `proposal-row-${p.id}`}
        rowHeightRem={3.1}
        empty={<Notice>{S.commands.emptyProposals}</Notice>}
      />
      {shown !== null && (
        <dl className="facts detail-strip">
          <dt>{c.reason}</dt>
          <dd>{shown.reason}</dd>
          <dt>{c.expected}</dt>
          <dd>{shown.expected}</dd>
          <dt>{c.decision}</dt>
          <dd>{shown.decision}</dd>
        </dl>
      )}
    </>
  );
}
