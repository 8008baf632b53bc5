// Who did what, whether the record of it still is what it was, and how far its copy elsewhere is.
import { useCallback, useEffect, useState } from "react";
import { api, type AuditFilter, auditExport, type AuditPage, type AuditRecord, type AuditState } from "../../api";
import { age, count, stamp } from "../../format";
import { Card, Facts } from "../../parts/Card";
import { Chip, Notice, type Tone } from "../../parts/marks";
import { useZone } from "../../state";
import { S } from "../../strings";
import { Head } from "./loaded";

const PERIOD_MS = 5000;
const OUTCOMES = ["allowed", "refused", "done", "failed"] as const;
const TONES: Record<AuditRecord["outcome"], Tone> = { allowed: "done", done: "done", refused: "bad", failed: "bad" };
const STATES: Record<AuditState["state"], Tone> = { whole: "done", broken: "bad", unknown: "pending" };
/** A copy that is older than this is an alarm of the centre, too. */
const LATE_S = 60;

export function Audit() {
  const [filter, setFilter] = useState<AuditFilter>({});
  const t = S.audit;
  const text = (key: "actor" | "action" | "target") => (
    <label className="inline">
      {t.columns[key]}
      <input
        type="search"
        value={filter[key] ?? ""}
        onChange={(event) => setFilter({ ...filter, [key]: event.target.value })}
        data-testid={`audit-${key}`}
      />
    </label>
  );
  return (
    <>
      <StateCards />
      <form className="toolbar" onSubmit={(event) => event.preventDefault()} aria-label={t.filter}>
        {text("actor")}
        {text("action")}
        {text("target")}
        <label className="inline">
          {t.columns.outcome}
          <select value={filter.outcome ?? ""} onChange={(event) => setFilter({ ...filter, outcome: event.target.value })}>
            <option value="">{t.any}</option>
            {OUTCOMES.map((outcome) => (
              <option key={outcome} value={outcome}>
                {t.outcomes[outcome]}
              </option>
            ))}
          </select>
        </label>
        <span className="grow" />
        <span className="inline">
          {t.export}
          {(["csv", "json", "cef"] as const).map((format) => (
            <a key={format} href={auditExport(filter, format)} download>
              {format.toUpperCase()}
            </a>
          ))}
        </span>
      </form>
      <Records filter={filter} />
    </>
  );
}

function StateCards() {
  const [state, setState] = useState<AuditState | null>(null);
  const [failed, setFailed] = useState("");
  const zone = useZone();
  useEffect(() => {
    const ask = () => {
      api.auditState().then(
        (found) => {
          setState(found);
          setFailed("");
        },
        (error: unknown) => setFailed(String(error instanceof Error ? error.message : error)),
      );
    };
    ask();
    const handle = setInterval(ask, PERIOD_MS);
    return () => clearInterval(handle);
  }, []);
  const t = S.audit;
  if (failed !== "") return <Notice>{S.failed(failed)}</Notice>;
  if (state === null) return <Notice>{S.loading}</Notice>;
  const signed = state.checkpoint;
  return (
    <div className="audit-cards">
      <Card title={t.chain}>
        <Facts
          rows={[
            [
              t.state,
              <Chip key="state" tone={STATES[state.state]}>
                {t.states[state.state]}
              </Chip>,
            ],
            [t.seen, state.seen_seq === null ? S.none : t.seenAt(count(state.seen_seq), stamp(state.seen_at, zone))],
            [t.whole, stamp(state.whole_at, zone)],
            [t.checkpoint, signed === null ? S.none : t.signed(count(signed.number), count(signed.seq), stamp(signed.time, zone))],
            [t.key, <code key="key">{state.key}</code>],
          ]}
        />
        {state.fault !== null && <p role="alert">{state.fault}</p>}
      </Card>
      <Card title={t.copy}>
        <Copy state={state} zone={zone} />
      </Card>
    </div>
  );
}

function Copy({ state, zone }: { state: AuditState; zone: ReturnType<typeof useZone> }) {
  const t = S.audit;
  const { copy } = state;
  if (copy === null) return <p className="muted">{t.noCopy}</p>;
  const late = copy.behind_s > LATE_S;
  const tone: Tone = late ? "bad" : copy.connected_at === null ? "pending" : "done";
  return (
    <>
      <Facts
        rows={[
          [
            t.state,
            <Chip key="state" tone={tone}>
              {late ? t.late : copy.connected_at === null ? t.connecting : t.connected}
            </Chip>,
          ],
          [t.to, copy.to],
          [t.since, stamp(copy.connected_at, zone)],
          [t.taken, count(copy.taken_seq)],
          [t.behind, copy.behind_s === 0 ? S.none : age(copy.behind_s)],
        ]}
      />
      {copy.error !== null && <p role="status">{copy.error}</p>}
    </>
  );
}

function Records({ filter }: { filter: AuditFilter }) {
  const [page, setPage] = useState<AuditPage | null>(null);
  const [failed, setFailed] = useState("");
  const zone = useZone();
  const load = useCallback(
    (before: number | undefined, soFar: readonly AuditRecord[]) =>
      api.audit(filter, before).then(
        (found) => {
          setPage({ records: [...soFar, ...found.records], before: found.before });
          setFailed("");
        },
        (error: unknown) => setFailed(String(error instanceof Error ? error.message : error)),
      ),
    [filter],
  );
  useEffect(() => {
    // Whoever types is not asked after each letter.
    const handle = setTimeout(() => void load(undefined, []), 200);
    return () => clearTimeout(handle);
  }, [load]);
  const t = S.audit;
  const c = t.columns;
  if (failed !== "") return <Notice>{S.failed(failed)}</Notice>;
  if (page === null) return <Notice>{S.loading}</Notice>;
  if (page.records.length === 0) return <Notice>{page.before === null ? t.nothing : t.notYet}</Notice>;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={t.records}>
      <table className="table" data-testid="audit-records">
        <Head titles={[[c.seq, "4.5rem"], [c.time, "13.5rem"], [c.actor, "10.5rem"], [c.source, "8rem"], [c.action, "11rem"], [c.target, "11%"], [c.change, "auto"], [c.outcome, "5.5rem"], [c.reason, "auto"]]} />
        <tbody>
          {page.records.map((record) => (
            <tr key={record.seq}>
              <td className="num">{record.seq}</td>
              <td className="time">{stamp(record.time, zone)}</td>
              <th scope="row" title={record.actor}>
                {record.actor}
              </th>
              <td title={record.source}>{record.source}</td>
              <td title={record.action}>{record.action}</td>
              <td title={record.target}>{record.target}</td>
              <td title={change(record)}>{change(record)}</td>
              <td>
                <Chip tone={TONES[record.outcome]}>{t.outcomes[record.outcome]}</Chip>
              </td>
              <td title={record.reason}>{record.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {page.before !== null && (
        <button type="button" onClick={() => void load(page.before ?? undefined, page.records)} data-testid="audit-more">
          {t.more}
        </button>
      )}
    </div>
  );
}

function change(record: AuditRecord): string {
  const short = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
  const [old, now] = [short(record.old ?? ""), short(record.new ?? "")];
  if (old === "" && now === "") return "";
  return old === "" ? now : `${old} → ${now}`;
}
