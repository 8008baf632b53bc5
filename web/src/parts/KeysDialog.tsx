import { change, settings, useCell } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const { keys } = useCell(settings);
  return (
    <Dialog title={S.keys.title} onClose={onClose} testId="keys-dialog">
      <dl className="facts">
        {S.keys.list.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label className="inline">
        <input type="checkbox" checked={keys} onChange={(event) => change({ keys: event.target.checked })} />
        {S.keys.toggle}
      </label>
      <footer>
        <button type="button" onClick={onClose}>
          {S.close}
        </button>
      </footer>
    </Dialog>
  );
}
