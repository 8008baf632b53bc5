// One switching order: what comes next, its steps, findings and safety documents.
import { useState } from "react";
import { api, type Command, explain } from "../../api";
import { clock, stamp } from "../../format";
import { isFinal } from "../../parts/ControlDialog";
import { Chip, type Tone, toneOf } from "../../parts/marks";
import { go, may, session, store, useTopic, useZone } from "../../state";
import { S } from "../../strings";
import { type Order, orders, type Step } from "../../switching";

interface Props {
  order: Order;
  tone: Tone;
  onChange: (order: Order) => void;
  onEdit: () => void;
}

const OVER = new Set(["completed", "cancelled"]);

export function OrderView({ order, tone, onChange, onEdit }: Props) {
  const zone = useZone();
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  /** What a reason is being asked for. */
  const [asking, setAsking] = useState<"cancel" | "skip" | null>(null);
  const run = async (work: () => Promise<Order>) => {
    setBusy(true);
    setProblem(null);
    try {
      onChange(await work());
      setAsking(null);
    } catch (error) {
      setProblem(explain(error));
    } finally {
      setBusy(false);
    }
  };
  const doStep = (step: number) =>
    run(async () => {
      const answer = await orders.doStep(order.id, step);
      if (answer.command !== null) store.mergeCommand(answer.command);
      return answer.order;
    });
  const t = S.switching;
  const next = order.next;
  return (
    <>
      <header className="side-head">
        <h2>{t.numbered(order.id, order.title)}</h2>
        <Chip tone={tone}>{t.states[order.state]}</Chip>
      </header>
      <dl className="facts">
        <dt>{t.kind}</dt>
        <dd>{t.kinds[order.kind]}</dd>
        <dt>{t.reason}</dt>
        <dd>{order.reason}</dd>
        <dt>{t.author}</dt>
        <dd>{t.by(order.author, stamp(order.created_at, zone))}</dd>
        {order.approver !== null && (
          <>
            <dt>{t.approver}</dt>
            <dd>{order.approver}</dd>
          </>
        )}
        {order.end_reason !== null && (
          <>
            <dt>{t.cancelled}</dt>
            <dd>{order.end_reason}</dd>
          </>
        )}
      </dl>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {may("command") && <Acts order={order} busy={busy} run={run} onEdit={onEdit} onCancel={() => setAsking("cancel")} />}
      {asking !== null && (
        <Reason
          label={asking === "cancel" ? t.whyCancel : t.whySkip(next ?? 0)}
          busy={busy}
          onClose={() => setAsking(null)}
          onReason={(reason) => run(() => (asking === "cancel" ? orders.cancel(order.id, reason) : orders.skip(order.id, next ?? 0, reason)))}
        />
      )}
      <h3>{t.steps}</h3>
      <ol className="steps">
        {order.steps.map((step, at) => (
          <li key={at} className={`step step-${step.state}`} aria-current={order.state === "in_progress" && next === at + 1 ? "step" : undefined}>
            <StepLine step={step} />
            <Findings order={order} step={at + 1} />
            {order.state === "in_progress" && next === at + 1 && may("command") && (
              <StepActs step={step} busy={busy} onDo={() => void doStep(at + 1)} onSkip={() => setAsking("skip")} />
            )}
          </li>
        ))}
      </ol>
      {order.check !== null && (
        <p className="muted">
          {order.check.findings.length === 0 ? t.checkedClean : t.checkedWith(order.check.findings.length)} {t.by(order.check.by, clock(order.check.at, zone))}
        </p>
      )}
      {order.documents.length > 0 && (
        <>
          <h3>{t.documents}</h3>
          <ol className="documents">
            {order.documents.map((document, at) => (
              <li key={at}>
                <Chip tone={document.state === "issued" ? "pending" : document.state === "cleared" ? "done" : "plain"}>{t.documentStates[document.state]}</Chip>{" "}
                {t.documentKinds[document.kind]}: {document.text} <span className="muted">{t.holder(document.holder)}</span>
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  );
}

interface ActsProps {
  order: Order;
  busy: boolean;
  run: (work: () => Promise<Order>) => Promise<void>;
  onEdit: () => void;
  onCancel: () => void;
}

/** What can be done with the order as a whole in its state. */
function Acts({ order, busy, run, onEdit, onCancel }: ActsProps) {
  const t = S.switching;
  const writable = order.state === "draft" || order.state === "checked";
  const emergency = order.kind === "emergency" && writable;
  const act = (how: "check" | "approve" | "begin") => void run(() => orders.act(order.id, how));
  const own = session.get()?.user === order.author;
  return (
    <p className="acts">
      {writable && (
        <button type="button" disabled={busy} onClick={onEdit} data-testid="order-edit">
          {t.edit}
        </button>
      )}
      {writable && (
        <button type="button" disabled={busy} onClick={() => act("check")} data-testid="order-check">
          {t.check}
        </button>
      )}
      {order.state === "checked" && order.kind !== "template" && (
        <button type="button" disabled={busy || own} title={own ? t.notOwn : undefined} onClick={() => act("approve")} data-testid="order-approve">
          {t.approve}
        </button>
      )}
      {(order.state === "approved" || emergency) && (
        <button type="button" className="primary" disabled={busy} onClick={() => act("begin")} data-testid="order-begin">
          {t.begin}
        </button>
      )}
      <button
        type="button"
        disabled={busy}
        onClick={() =>
          void run(async () => {
            const copy = await orders.copy(order.id, order.kind === "template" ? "planned" : order.kind);
            go("switching", String(copy.id));
            return copy;
          })
        }
      >
        {t.copy}
      </button>
      {!OVER.has(order.state) && (
        <button type="button" disabled={busy} onClick={onCancel} data-testid="order-cancel">
          {t.cancelOrder}
        </button>
      )}
    </p>
  );
}

function StepLine({ step }: { step: Step }) {
  const zone = useZone();
  const t = S.switching;
  return (
    <>
      <span className="step-text">{step.wording}</span>{" "}
      {step.state !== "open" && <Chip tone={step.state === "done" ? "done" : step.state === "running" ? "pending" : "plain"}>{t.stepStates[step.state]}</Chip>}
      {step.by !== null && step.at !== null && <span className="muted"> {t.by(step.by, clock(step.at, zone))}</span>}
      {step.note !== "" && <span className="problem"> {step.note}</span>}
    </>
  );
}

function Findings({ order, step }: { order: Order; step: number }) {
  const found = order.check?.findings.filter((finding) => finding.step === step) ?? [];
  return found.map((finding, at) => (
    <p key={at} className={finding.fault ? "problem" : "muted"}>
      {finding.fault ? S.switching.fault : S.switching.hint} {finding.text}
    </p>
  ));
}

interface StepActsProps {
  step: Step;
  busy: boolean;
  onDo: () => void;
  onSkip: () => void;
}

/** The next step: do it, or go on with its command. */
function StepActs({ step, busy, onDo, onSkip }: StepActsProps) {
  useTopic("commands");
  const t = S.switching;
  const [problem, setProblem] = useState<string | null>(null);
  const command = step.command === null ? undefined : store.commands.get(step.command);
  const send = (work: Promise<Command>) => {
    setProblem(null);
    work.then(
      (answer) => store.mergeCommand(answer),
      (error: unknown) => setProblem(explain(error)),
    );
  };
  return (
    <span className="acts">
      {step.state === "open" && (
        <>
          <button type="button" className="primary" disabled={busy} onClick={onDo} data-testid="step-do">
            {step.action === "operate" ? t.select : t.done}
          </button>
          <button type="button" disabled={busy} onClick={onSkip} data-testid="step-skip">
            {t.skip}
          </button>
        </>
      )}
      {command !== undefined && !isFinal(command) && (
        <>
          <Chip tone={toneOf(command.state)}>{S.commands.states[command.state]}</Chip>
          <button
            type="button"
            className="primary"
            disabled={command.state !== "selected"}
            onClick={() => send(api.execute(command.id))}
            data-testid="step-execute"
          >
            {t.execute}
          </button>
          <button type="button" disabled={command.state !== "selected" && command.state !== "selecting"} onClick={() => send(api.cancel(command.id))}>
            {t.giveBack}
          </button>
        </>
      )}
      {problem !== null && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
    </span>
  );
}

function Reason({ label, busy, onReason, onClose }: { label: string; busy: boolean; onReason: (reason: string) => void; onClose: () => void }) {
  const [text, setText] = useState("");
  return (
    <form
      className="acts"
      onSubmit={(event) => {
        event.preventDefault();
        onReason(text.trim());
      }}
    >
      <label className="field grow">
        <span>{label}</span>
        <input type="text" required maxLength={500} value={text} onChange={(event) => setText(event.target.value)} autoFocus data-testid="order-reason" />
      </label>
      <button type="submit" className="primary" disabled={busy || text.trim() === ""}>
        {S.switching.confirm}
      </button>
      <button type="button" onClick={onClose}>
        {S.close}
      </button>
    </form>
  );
}
