// The point list of the running centre: written out, compared with a file, exchanged.
import { type FormEvent, useState } from "react";
import { api, type PointListDifference } from "../api";
import { count } from "../format";
import { may } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";

const t = S.pointList;

export function PointListDialog({ onClose }: { onClose: () => void }) {
  const [csv, setCsv] = useState<string | null>(null);
  const [found, setFound] = useState<PointListDifference | null>(null);
  const [done, setDone] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const allowed = may("configure");
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  const choose = (file: File | undefined) => {
    if (file === undefined) return;
    setFound(null);
    setDone(false);
    void run(async () => {
      const text = await file.text();
      setCsv(text);
      setFound(await api.comparePointList(text));
    });
  };
  const apply = (reason: string) =>
    void run(async () => {
      if (csv === null || found === null) return;
      setFound(await api.applyPointList(csv, found.revision, reason));
      setDone(true);
    });
  return (
    <Dialog title={t.title} onClose={onClose} wide testId="list-dialog">
      <p>
        <a href="/api/v1/point-list" download="points.csv" data-testid="list-export">
          {t.export}
        </a>
      </p>
      {!allowed && <p className="problem">{t.noRight}</p>}
      <label className="field">
        <span>{t.file}</span>
        <input type="file" accept=".csv,text/csv" disabled={!allowed || busy} onChange={(e) => choose(e.target.files?.[0])} data-testid="list-file" />
      </label>
      {busy && (
        <p className="muted" role="status">
          {t.busy}
        </p>
      )}
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {found !== null && !busy && (done ? <p role="status">{t.done(summary(found))}</p> : <Found found={found} onApply={apply} />)}
      <footer>
        <button type="button" onClick={onClose}>
          {S.close}
        </button>
      </footer>
    </Dialog>
  );
}

function summary(found: PointListDifference): string {
  return t.summary(count(found.added_count), count(found.removed_count), count(found.changed_count));
}

function Found({ found, onApply }: { found: PointListDifference; onApply: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  const nothing = found.added_count + found.removed_count + found.changed_count === 0;
  const blocked = found.in_use.length > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onApply(reason.trim());
  };
  if (nothing) return <p role="status">{t.nothing}</p>;
  return (
    <form onSubmit={submit}>
      <p role="status">{summary(found)}</p>
      <div className="scroll-box" tabIndex={0} role="region" aria-label={t.differences}>
        <table className="table compact" data-testid="list-differences">
          <thead>
            <tr>
              <th scope="col">{t.point}</th>
              <th scope="col">{t.what}</th>
              <th scope="col">{t.old}</th>
              <th scope="col">{t.new}</th>
            </tr>
          </thead>
          <tbody>
            {found.removed.map((name) => (
              <Row key={`-${name}`} name={name} what={t.removed} />
            ))}
            {found.added.map((name) => (
              <Row key={`+${name}`} name={name} what={t.added} />
            ))}
            {found.changed.flatMap((change) =>
              change.cells.map((cell) => (
                <Row key={`${change.mrid} ${cell.column}`} name={change.name} what={cell.column} old={cell.old} new={cell.new} />
              )),
            )}
          </tbody>
        </table>
      </div>
      {blocked && <p className="problem">{t.inUse(found.in_use.join("; "))}</p>}
      <label className="field">
        <span>{t.reason}</span>
        <input type="text" required maxLength={500} value={reason} onChange={(e) => setReason(e.target.value)} data-testid="list-reason" />
      </label>
      <button type="submit" className="primary" disabled={reason.trim() === "" || blocked} data-testid="list-apply">
        {t.apply}
      </button>
    </form>
  );
}

function Row(props: { name: string; what: string; old?: string; new?: string }) {
  return (
    <tr>
      <th scope="row">{props.name}</th>
      <td>{props.what}</td>
      <td>{props.old === "" ? S.none : props.old}</td>
      <td>{props.new === "" ? S.none : props.new}</td>
    </tr>
  );
}
