// Puts alarms aside or out of service: with a reason and an end, as the centre asks for.
import { type FormEvent, useState } from "react";
import { api } from "../api";
import { may } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";

const MINUTES: readonly number[] = [15, 60, 240, 480];
const HOURS: readonly number[] = [8, 24, 168, 720];

interface Props {
  ids: string[];
  mode: "shelve" | "out_of_service";
  onClose: () => void;
}

export function ShelveDialog({ ids, mode, onClose }: Props) {
  const shelving = mode === "shelve";
  const [reason, setReason] = useState("");
  const [span, setSpan] = useState(shelving ? 60 : 24);
  const [oneShot, setOneShot] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [waits, setWaits] = useState<number | null>(null);
  const allowed = may(shelving ? "acknowledge" : "configure");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reason.trim() === "") return;
    const act = shelving ? api.shelve(ids, reason.trim(), span, oneShot) : api.outOfService(ids, reason.trim(), span);
    act.then(
      (result) => {
        if ("expires_at" in result) setWaits(result.id);
        else if (result.refused.length === 0) onClose();
        else setProblem(S.shelve.refused(result.changed, result.refused.length, result.refused[0]?.reason ?? ""));
      },
      (error: unknown) => setProblem(S.shelve.failed(error instanceof Error ? error.message : String(error))),
    );
  };
  return (
    <Dialog title={shelving ? S.shelve.title(ids.length) : S.shelve.outTitle(ids.length)} onClose={onClose} testId="shelve-dialog">
      <form onSubmit={submit}>
        <p className="muted">{ids.slice(0, 3).join(", ") + (ids.length > 3 ? " …" : "")}</p>
        {!allowed && <p className="problem">{S.shelve.noRight}</p>}
        <label className="field">
          <span>{S.shelve.reason}</span>
          <input type="text" required maxLength={200} value={reason} disabled={!allowed} onChange={(e) => setReason(e.target.value)} data-autofocus data-testid="shelve-reason" />
        </label>
        <label className="field">
          <span>{S.shelve.span}</span>
          <select value={span} disabled={!allowed} onChange={(e) => setSpan(Number(e.target.value))} data-testid="shelve-span">
            {(shelving ? MINUTES : HOURS).map((n) => (
              <option key={n} value={n}>
                {shelving ? S.shelve.minutes(n) : S.shelve.hours(n)}
              </option>
            ))}
          </select>
        </label>
        {shelving && (
          <label className="inline">
            <input type="checkbox" checked={oneShot} disabled={!allowed} onChange={(e) => setOneShot(e.target.checked)} />
            {S.shelve.oneShot}
          </label>
        )}
        {problem !== null && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {waits !== null && <p role="status">{S.shelve.waits(waits)}</p>}
        <footer>
          <button type="button" onClick={onClose}>
            {waits === null ? S.cancel : S.close}
          </button>
          {waits === null && (
            <button type="submit" className="primary" disabled={!allowed || reason.trim() === ""} data-testid="shelve-submit">
              {shelving ? S.shelve.submit : S.shelve.outSubmit}
            </button>
          )}
        </footer>
      </form>
    </Dialog>
  );
}
