// Places and removes tags. The list is read again from the server after every change.
import { type FormEvent, useEffect, useState } from "react";
import { api, type TagKind } from "../api";
import { stamp } from "../format";
import { catalogue, may, pointOf, useCatalogue, useZone } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";
import { TagMarks } from "./marks";

const KINDS: readonly TagKind[] = ["hold", "caution", "information"];

export function TagDialog({ point: id, onClose }: { point: number; onClose: () => void }) {
  useCatalogue();
  const zone = useZone();
  const point = pointOf(id);
  const [kind, setKind] = useState<TagKind>("hold");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => void catalogue.refresh(id), [id]);
  const run = async (work: Promise<unknown>) => {
    setProblem(null);
    try {
      await work;
      setText("");
    } catch (error) {
      setProblem(S.tags.failed(error instanceof Error ? error.message : String(error)));
    }
    await catalogue.refresh(id);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() !== "") void run(api.placeTag(id, kind, text.trim()));
  };
  const allowed = may("tag");
  return (
    <Dialog title={S.tags.title(point?.name ?? String(id))} onClose={onClose} testId="tag-dialog">
      {point === null || point.tags.length === 0 ? (
        <p className="muted">{S.tags.none}</p>
      ) : (
        <ul className="tag-list">
          {point.tags.map((tag) => (
            <li key={String(tag.id)}>
              <TagMarks tags={[tag]} />
              <span>{tag.text}</span>
              <span className="muted">{S.tags.by(tag.by, stamp(tag.at, zone))}</span>
              {allowed && (
                <button type="button" aria-label={S.tags.removeOf(tag.text)} onClick={() => void run(api.removeTag(id, tag.id))}>
                  {S.remove}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <form onSubmit={submit}>
        {!allowed && <p className="problem">{S.tags.noRight}</p>}
        <label className="field">
          <span>{S.tags.kind}</span>
          <select value={kind} disabled={!allowed} onChange={(event) => setKind(event.target.value as TagKind)} data-testid="tag-kind">
            {KINDS.map((k) => (
              <option key={k} value={k}>
                {S.tags.kinds[k]}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>{S.tags.text}</span>
          <input type="text" required maxLength={200} disabled={!allowed} value={text} onChange={(e) => setText(e.target.value)} data-testid="tag-text" />
        </label>
        <footer>
          <button type="button" onClick={onClose}>
            {S.close}
          </button>
          <button type="submit" className="primary" disabled={!allowed || text.trim() === ""} data-testid="tag-place">
            {S.tags.submit}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
