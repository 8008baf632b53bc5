// Writes a switching order: head, steps in their order, safety documents.
import { type FormEvent, useState } from "react";
import { explain, type TagKind } from "../../api";
import { Dialog } from "../../parts/Dialog";
import { catalogue, pointOf, useCatalogue } from "../../state";
import { S } from "../../strings";
import { type Action, type ActionName, type DocumentKind, type Order, type OrderKind, type OrderRequest, orders, requestOf, type SafetyDocument } from "../../switching";

const ACTIONS: readonly ActionName[] = ["operate", "verify", "place_tag", "remove_tags", "issue", "clear", "instruct"];
const ABOUT_POINT = new Set<ActionName>(["operate", "verify", "place_tag", "remove_tags"]);
const EMPTY: OrderRequest = { title: "", kind: "planned", reason: "", steps: [{ action: "operate" }], documents: [] };

interface Props {
  order: Order | null;
  onClose: () => void;
  onDone: (order: Order) => void;
}

export function OrderDialog({ order, onClose, onDone }: Props) {
  useCatalogue();
  const [wish, setWish] = useState<OrderRequest>(order === null ? EMPTY : requestOf(order));
  const [problem, setProblem] = useState<string | null>(null);
  const t = S.switching;
  const change = (part: Partial<OrderRequest>) => setWish({ ...wish, ...part });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setProblem(null);
    try {
      onDone(await (order === null ? orders.create(wish) : orders.edit(order.id, wish)));
    } catch (error) {
      setProblem(explain(error));
    }
  };
  return (
    <Dialog title={order === null ? t.write : t.editTitle(order.id)} onClose={onClose} wide testId="order-dialog">
      <form onSubmit={submit} className="order-form">
        <div className="order-head">
          <label className="field">
            <span>{t.columns.title}</span>
            <input type="text" required maxLength={200} data-autofocus value={wish.title} onChange={(e) => change({ title: e.target.value })} data-testid="order-title" />
          </label>
          <label className="field">
            <span>{t.kind}</span>
            <select value={wish.kind} onChange={(e) => change({ kind: e.target.value as OrderKind })} data-testid="order-kind">
              {(["planned", "emergency", "template"] as const).map((kind) => (
                <option key={kind} value={kind}>
                  {t.kinds[kind]}
                </option>
              ))}
            </select>
          </label>
          <label className="field">
            <span>{t.reason}</span>
            <input type="text" required maxLength={500} value={wish.reason} onChange={(e) => change({ reason: e.target.value })} data-testid="order-why" />
          </label>
        </div>
        <Steps steps={wish.steps} documents={wish.documents.length} onChange={(steps) => change({ steps })} />
        <Documents documents={wish.documents} onChange={(documents) => change({ documents })} />
        <PointNames />
        {problem !== null && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <button type="button" onClick={onClose}>
            {S.close}
          </button>
          <button type="submit" className="primary" data-testid="order-save">
            {t.save}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** Names of the points with a control, for the fields that want one. */
function PointNames() {
  return (
    <datalist id="switching-points">
      {[...catalogue.points.values()]
        .filter((point) => point.control !== null)
        .map((point) => (
          <option key={point.id} value={point.name} />
        ))}
    </datalist>
  );
}

function Steps({ steps, documents, onChange }: { steps: Action[]; documents: number; onChange: (steps: Action[]) => void }) {
  const t = S.switching;
  const replace = (at: number, step: Action) => onChange(steps.map((known, n) => (n === at ? step : known)));
  const move = (at: number, by: number) => {
    const next = steps.slice();
    const [step] = next.splice(at, 1);
    if (step !== undefined) next.splice(at + by, 0, step);
    onChange(next);
  };
  return (
    <fieldset className="order-steps">
      <legend>{t.steps}</legend>
      <ol>
        {steps.map((step, at) => (
          <li key={at}>
            <select aria-label={t.actionOf(at + 1)} value={step.action} onChange={(e) => replace(at, { action: e.target.value as ActionName })} data-testid={`step-action-${at + 1}`}>
              {ACTIONS.map((action) => (
                <option key={action} value={action}>
                  {t.actions[action]}
                </option>
              ))}
            </select>
            <StepFields step={step} number={at + 1} documents={documents} onChange={(changed) => replace(at, changed)} />
            <span className="step-moves">
              <button type="button" disabled={at === 0} onClick={() => move(at, -1)} aria-label={t.up(at + 1)}>
                ↑
              </button>
              <button type="button" disabled={at === steps.length - 1} onClick={() => move(at, 1)} aria-label={t.down(at + 1)}>
                ↓
              </button>
              <button type="button" onClick={() => onChange(steps.filter((_, n) => n !== at))} aria-label={t.removeStep(at + 1)}>
                {S.remove}
              </button>
            </span>
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => onChange([...steps, { action: "operate" }])} data-testid="step-add">
        {t.addStep}
      </button>
    </fieldset>
  );
}

interface FieldsProps {
  step: Action;
  number: number;
  documents: number;
  onChange: (step: Action) => void;
}

function StepFields({ step, number, documents, onChange }: FieldsProps) {
  const t = S.switching;
  const wantsDocument = step.action === "issue" || step.action === "clear" || step.action === "place_tag";
  return (
    <>
      {ABOUT_POINT.has(step.action) && <PointField step={step} number={number} onChange={onChange} />}
      {(step.action === "operate" || step.action === "verify") && <ValueField step={step} number={number} onChange={onChange} />}
      {step.action === "place_tag" && (
        <select aria-label={S.tags.kind} value={step.tag ?? "hold"} onChange={(e) => onChange({ ...step, tag: e.target.value as TagKind })}>
          {(["hold", "caution", "information"] as const).map((kind) => (
            <option key={kind} value={kind}>
              {S.tags.kinds[kind]}
            </option>
          ))}
        </select>
      )}
      {(step.action === "instruct" || step.action === "place_tag") && (
        <input
          type="text"
          className="grow"
          required
          maxLength={500}
          aria-label={t.textOf(number)}
          placeholder={step.action === "instruct" ? t.instruction : S.tags.text}
          value={step.text ?? ""}
          onChange={(e) => onChange({ ...step, text: e.target.value })}
        />
      )}
      {wantsDocument && (
        <select
          aria-label={t.documentOf(number)}
          required={step.action !== "place_tag"}
          value={step.document ?? ""}
          onChange={(e) => {
            const { document: _, ...rest } = step;
            onChange(e.target.value === "" ? rest : { ...step, document: Number(e.target.value) });
          }}
        >
          <option value="">{t.noDocument}</option>
          {Array.from({ length: documents }, (_, at) => (
            <option key={at} value={at + 1}>
              {t.document(at + 1)}
            </option>
          ))}
        </select>
      )}
    </>
  );
}

function PointField({ step, number, onChange }: Omit<FieldsProps, "documents">) {
  const [text, setText] = useState(pointOf(step.point)?.name ?? "");
  return (
    <input
      type="text"
      className="grow"
      required
      list="switching-points"
      aria-label={S.switching.pointOf(number)}
      placeholder={S.switching.point}
      value={text}
      onChange={(event) => {
        const name = event.target.value;
        setText(name);
        const found = [...catalogue.points.values()].find((point) => point.name === name);
        event.target.setCustomValidity(found === undefined ? S.switching.noPoint : "");
        const { point: _, ...rest } = step;
        onChange(found === undefined ? rest : { ...step, point: found.id });
      }}
      data-testid={`step-point-${number}`}
    />
  );
}

/** The positions of a switch by name, anything else as a number. */
function ValueField({ step, number, onChange }: Omit<FieldsProps, "documents">) {
  const options = pointOf(step.point)?.control?.options ?? [];
  const label = S.switching.valueOf(number);
  const set = (text: string) => {
    const { value: _, ...rest } = step;
    onChange(text === "" ? rest : { ...step, value: Number(text) });
  };
  return options.length > 0 ? (
    <select aria-label={label} required value={step.value ?? ""} onChange={(e) => set(e.target.value)} data-testid={`step-value-${number}`}>
      <option value="">{S.switching.value}</option>
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  ) : (
    <input type="number" step="any" required aria-label={label} placeholder={S.switching.value} value={step.value ?? ""} onChange={(e) => set(e.target.value)} />
  );
}

function Documents({ documents, onChange }: { documents: SafetyDocument[]; onChange: (documents: SafetyDocument[]) => void }) {
  const t = S.switching;
  const replace = (at: number, part: Partial<SafetyDocument>) => onChange(documents.map((known, n) => (n === at ? { ...known, ...part } : known)));
  return (
    <fieldset className="order-steps">
      <legend>{t.documents}</legend>
      <ol>
        {documents.map((document, at) => (
          <li key={at}>
            <select aria-label={t.document(at + 1)} value={document.kind} onChange={(e) => replace(at, { kind: e.target.value as DocumentKind })}>
              {(["permit_to_work", "sanction_for_test", "limitation_of_access"] as const).map((kind) => (
                <option key={kind} value={kind}>
                  {t.documentKinds[kind]}
                </option>
              ))}
            </select>
            <input type="text" required maxLength={200} placeholder={t.holderField} aria-label={t.holderField} value={document.holder} onChange={(e) => replace(at, { holder: e.target.value })} />
            <input type="text" className="grow" required maxLength={500} placeholder={t.work} aria-label={t.work} value={document.text} onChange={(e) => replace(at, { text: e.target.value })} />
            <button type="button" onClick={() => onChange(documents.filter((_, n) => n !== at))}>
              {S.remove}
            </button>
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => onChange([...documents, { kind: "permit_to_work", holder: "", text: "" }])} data-testid="document-add">
        {t.addDocument}
      </button>
    </fieldset>
  );
}
