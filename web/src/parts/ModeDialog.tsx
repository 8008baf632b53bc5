// How a point is treated other than usual: held back, marked as a test, or replaced by a value.
import { type FormEvent, useEffect, useState } from "react";
import { api, type Point } from "../api";
import { stamp } from "../format";
import { catalogue, may, pointOf, useCatalogue, useZone } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";

export function ModeDialog({ point: id, onClose }: { point: number; onClose: () => void }) {
  useCatalogue();
  const point = pointOf(id);
  useEffect(() => void catalogue.refresh(id), [id]);
  return (
    <Dialog title={S.mode.title(point?.name ?? String(id))} onClose={onClose} testId="mode-dialog">
      {point === null ? <p>{S.faceplate.missing}</p> : <Body key={point.mode?.at ?? "usual"} point={point} onClose={onClose} />}
    </Dialog>
  );
}

function Body({ point, onClose }: { point: Point; onClose: () => void }) {
  const zone = useZone();
  const { mode } = point;
  const [inhibited, setInhibited] = useState(mode?.inhibited ?? false);
  const [test, setTest] = useState(mode?.test ?? false);
  const [replaced, setReplaced] = useState(mode?.replaced ?? false);
  const [value, setValue] = useState(point.value === null ? "" : String(point.value));
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const allowed = may("command");
  const indication = point.kind === "single" || point.kind === "double";
  const number = Number(value);
  const usable = !replaced || (value.trim() !== "" && Number.isFinite(number));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setProblem(null);
    try {
      const answer = await api.setMode(point.id, { inhibited, test, value: replaced ? number : null, reason: reason.trim() });
      if ("expires_at" in answer) {
        setProblem(S.shelve.waits(answer.id));
        return;
      }
      await catalogue.refresh(point.id);
      onClose();
    } catch (error) {
      setProblem(S.mode.failed(error instanceof Error ? error.message : String(error)));
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <p className="muted">{mode === null ? S.mode.usual : S.mode.since(mode.by, stamp(mode.at, zone), mode.reason)}</p>
      {!allowed && <p className="problem">{S.mode.noRight}</p>}
      <fieldset disabled={!allowed}>
        <legend>{S.mode.treat}</legend>
        <label className="check">
          <input type="checkbox" checked={inhibited} onChange={(e) => setInhibited(e.target.checked)} data-testid="mode-inhibited" />
          {S.mode.inhibited}
        </label>
        <label className="check">
          <input type="checkbox" checked={test} onChange={(e) => setTest(e.target.checked)} data-testid="mode-test" />
          {S.mode.test}
        </label>
        {point.formula === null && (
          <label className="check">
            <input type="checkbox" checked={replaced} onChange={(e) => setReplaced(e.target.checked)} data-testid="mode-replaced" />
            {S.mode.replaced}
          </label>
        )}
      </fieldset>
      {replaced && (
        <label className="field">
          <span>{S.mode.value(point.unit)}</span>
          {indication ? (
            <select value={value} onChange={(e) => setValue(e.target.value)} data-testid="mode-value">
              <option value="0">{S.mode.off}</option>
              <option value="1">{S.mode.on}</option>
            </select>
          ) : (
            <input type="text" inputMode="decimal" value={value} onChange={(e) => setValue(e.target.value)} data-testid="mode-value" />
          )}
        </label>
      )}
      <label className="field">
        <span>{S.mode.reason}</span>
        <input
          type="text"
          required
          maxLength={500}
          disabled={!allowed}
          value={reason}
          onChange={(e) => setReason(e.target.value)}
          data-testid="mode-reason"
        />
      </label>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <footer>
        <button type="button" onClick={onClose}>
          {S.close}
        </button>
        <button type="submit" className="primary" disabled={!allowed || reason.trim() === "" || !usable} data-testid="mode-set">
          {inhibited || test || replaced ? S.mode.submit : S.mode.release}
        </button>
      </footer>
    </form>
  );
}
