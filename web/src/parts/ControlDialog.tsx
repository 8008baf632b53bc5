// One command, from the wish to the returned measurement. Nothing here assumes success: the state shown comes
// from the server, the position shown comes from the measurement.
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, type Command, type CommandWish, explain, type Point } from "../api";
import { fixed } from "../format";
import { catalogue, may, pointOf, read, store, useCatalogue, useTick, useTopic, useZone } from "../state";
import { clock } from "../format";
import { S } from "../strings";
import { Dialog } from "./Dialog";
import { StudyResult } from "./StudyResult";
import { Chip, Quality, TagMarks, toneOf, ValueText } from "./marks";
import { age } from "../format";

const POLL_MS = 1000;
const FINAL = new Set(["confirmed", "refused", "failed", "timed_out", "cancelled", "expired"]);
/** Nothing has moved yet: it can be given back. */
const ARMED = new Set(["studying", "waiting_approval", "selecting", "selected"]);
export const isFinal = (command: Command): boolean => FINAL.has(command.state);

export function ControlDialog({ point: id, onClose }: { point: number; onClose: () => void }) {
  useCatalogue();
  useTopic("points");
  useTopic("commands");
  const point = pointOf(id);
  const [commandId, setCommandId] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => void catalogue.refresh(id), [id]);
  const command = commandId === null ? null : (store.commands.get(commandId) ?? null);
  usePolling(command);

  const run = async (work: () => Promise<Command>) => {
    setBusy(true);
    setProblem(null);
    try {
      const answer = await work();
      store.mergeCommand(answer);
      setCommandId(answer.id);
    } catch (error) {
      setProblem(explain(error));
    } finally {
      setBusy(false);
    }
  };
  const close = () => {
    // Leaving a selection armed behind a closed dialog would let it be forgotten.
    if (command !== null && ARMED.has(command.state)) {
      void api.cancel(command.id).then((answer) => store.mergeCommand(answer), () => {});
    }
    onClose();
  };
  const name = point?.name ?? String(id);
  return (
    <Dialog title={S.control.title(name)} onClose={close} testId="ctl-dialog">
      {point !== null && <Measured point={point} />}
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {command === null ? (
        <Wish point={point} busy={busy} onSelect={(wish) => run(() => api.select(id, wish))} onCancel={close} />
      ) : (
        <Progress
          command={command}
          busy={busy}
          onConfirm={() => run(() => api.execute(command.id))}
          onCancel={() => run(() => api.cancel(command.id))}
          onAgain={() => {
            setCommandId(null);
            setProblem(null);
          }}
          onClose={close}
        />
      )}
    </Dialog>
  );
}

/** While the live link is down the command's state is asked for directly. */
function usePolling(command: Command | null): void {
  const id = command === null || isFinal(command) ? null : command.id;
  useEffect(() => {
    if (id === null) return;
    const handle = setInterval(() => {
      if (store.link === "live") return;
      void api.command(id).then((answer) => store.mergeCommand(answer), () => {});
    }, POLL_MS);
    return () => clearInterval(handle);
  }, [id]);
}

function Measured({ point }: { point: Point }) {
  const r = read(point.id);
  return (
    <dl className="facts">
      <dt>{S.control.measured}</dt>
      <dd data-testid="ctl-measured">
        <ValueText reading={r} kind={point.kind} unit={point.unit} />
        <Quality trust={r.trust} /> <span className="muted">{age(r.age_s)}</span>
      </dd>
      <dt>{S.faceplate.equipment}</dt>
      <dd>
        {point.equipment}, {point.substation}
      </dd>
      <dt>{S.control.tags}</dt>
      <dd>{point.tags.length === 0 ? <span className="muted">{S.control.noTags}</span> : <TagMarks tags={point.tags} />}</dd>
    </dl>
  );
}

interface WishProps {
  point: Point | null;
  busy: boolean;
  onSelect: (wish: CommandWish) => void;
  onCancel: () => void;
}

function Wish({ point, busy, onSelect, onCancel }: WishProps) {
  useTopic("link");
  const [value, setValue] = useState<number | null>(null);
  const [reason, setReason] = useState("");
  const [override, setOverride] = useState(false);
  const [why, setWhy] = useState("");
  const control = point?.control ?? null;
  const obstacle = !may("command")
    ? S.control.noRight
    : control === null
      ? S.control.notControllable
      : store.link !== "live"
        ? S.control.lostLink
        : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (value === null || obstacle !== null || point === null) return;
    // What the screen shows now is what the wish is made for: the centre refuses when it is not so any more.
    const shown = read(point.id);
    const seen = { value: shown.value, at: shown.t === null ? null : new Date(shown.t).toISOString() };
    onSelect({ value, reason: reason.trim(), seen, ...(override ? { override_reason: why.trim() } : {}) });
  };
  const ready = value !== null && reason.trim() !== "" && (!override || why.trim() !== "") && obstacle === null && !busy;
  return (
    <form onSubmit={submit}>
      {obstacle !== null && (
        <p className="problem" role="alert">
          {obstacle}
        </p>
      )}
      {point?.tags.some((tag) => tag.kind === "hold") && <p className="problem">{S.control.holdTag}</p>}
      {control !== null && point !== null && <Wanted point={point} value={value} onValue={setValue} />}
      <label className="field">
        <span>{S.control.reason}</span>
        <input
          type="text"
          required
          maxLength={200}
          value={reason}
          placeholder={S.control.reasonHint}
          onChange={(event) => setReason(event.target.value)}
          data-testid="ctl-reason"
          autoComplete="off"
        />
      </label>
      {may("override") && (
        <label className="check">
          <input type="checkbox" checked={override} onChange={(event) => setOverride(event.target.checked)} data-testid="ctl-override" />
          {S.control.override}
        </label>
      )}
      {override && (
        <label className="field">
          <span>{S.control.overrideReason}</span>
          <input type="text" required maxLength={200} value={why} onChange={(event) => setWhy(event.target.value)} data-testid="ctl-override-reason" autoComplete="off" />
        </label>
      )}
      <footer>
        <button type="button" onClick={onCancel} data-testid="ctl-cancel">
          {S.cancel}
        </button>
        <button type="submit" className="primary" disabled={!ready} data-testid="ctl-select">
          {S.control.select}
        </button>
      </footer>
    </form>
  );
}

function Wanted({ point, value, onValue }: { point: Point; value: number | null; onValue: (value: number | null) => void }) {
  const measured = read(point.id);
  const control = point.control;
  if (control === null) return null;
  if (control.options.length > 0) {
    return (
      <fieldset className="options">
        <legend>{S.control.wanted}</legend>
        {control.options.map((option) => (
          <label key={option.value} className={value === option.value ? "option chosen" : "option"}>
            <input
              type="radio"
              name="ctl-value"
              checked={value === option.value}
              onChange={() => onValue(option.value)}
              data-testid={`ctl-value-${option.value}`}
            />
            {option.label}
            {stands(measured.text, option.label) && <span className="muted"> ({S.control.now})</span>}
          </label>
        ))}
      </fieldset>
    );
  }
  if (control.numeric === null) return null;
  return <NumberWish numeric={control.numeric} measured={measured.value} value={value} onValue={onValue} />;
}

/** An option is a verb ("close"), the measured state its result ("closed"). */
const stands = (state: string, option: string): boolean => state.toLowerCase().startsWith(option.toLowerCase());

interface NumberProps {
  numeric: { min: number | null; max: number | null; step?: number | null; unit: string };
  measured: number | null;
  value: number | null;
  onValue: (value: number | null) => void;
}

function NumberWish({ numeric, measured, value, onValue }: NumberProps) {
  const { min, max, unit } = numeric;
  const step = numeric.step ?? null;
  const by = step ?? 1;
  const decimals = step === null ? 2 : Math.max(0, Math.min(6, -Math.floor(Math.log10(step))));
  const nudge = (change: number) => {
    const from = value ?? measured ?? 0;
    const wanted = Math.min(max ?? Number.POSITIVE_INFINITY, Math.max(min ?? Number.NEGATIVE_INFINITY, from + change));
    onValue(Number(wanted.toFixed(decimals)));
  };
  return (
    <div className="field">
      <label htmlFor="ctl-number">
        {S.control.wanted} <span className="muted">{S.control.range(fixed(min, decimals), fixed(max, decimals), unit)}</span>
      </label>
      <div className="nudge">
        <button type="button" onClick={() => nudge(-by)} data-testid="ctl-lower">
          {S.control.lower}
        </button>
        <input
          id="ctl-number"
          type="number"
          min={min ?? undefined}
          max={max ?? undefined}
          step={step ?? "any"}
          value={value ?? ""}
          onChange={(event) => onValue(Number.isFinite(event.target.valueAsNumber) ? event.target.valueAsNumber : null)}
          data-testid="ctl-number"
        />
        <button type="button" onClick={() => nudge(by)} data-testid="ctl-raise">
          {S.control.raise}
        </button>
      </div>
    </div>
  );
}

interface ProgressProps {
  command: Command;
  busy: boolean;
  onConfirm: () => void;
  onCancel: () => void;
  onAgain: () => void;
  onClose: () => void;
}

function Progress({ command, busy, onConfirm, onCancel, onAgain, onClose }: ProgressProps) {
  const selected = command.state === "selected";
  const cancellable = ARMED.has(command.state);
  const first = useRef<HTMLButtonElement>(null);
  // The safe button has the focus: Enter pressed twice never executes.
  useEffect(() => first.current?.focus(), [cancellable]);
  return (
    <div>
      <div className={`progress progress-${toneOf(command.state)}`} role="status" data-testid="ctl-state" data-state={command.state}>
        <Chip tone={toneOf(command.state)}>{S.commands.states[command.state]}</Chip>
        <StateText command={command} />
      </div>
      <Findings command={command} />
      <Stages command={command} />
      <footer>
        {cancellable ? (
          <>
            <button type="button" ref={first} onClick={onCancel} disabled={busy} data-testid="ctl-cancel">
              {S.cancel}
            </button>
            <button type="button" className="primary" onClick={onConfirm} disabled={!selected || busy} data-testid="ctl-confirm">
              {S.control.confirm}
            </button>
          </>
        ) : (
          <>
            {isFinal(command) && (
              <button type="button" onClick={onAgain} data-testid="ctl-again">
                {S.control.again}
              </button>
            )}
            <button type="button" ref={first} onClick={onClose} data-testid="ctl-cancel">
              {S.close}
            </button>
          </>
        )}
      </footer>
    </div>
  );
}

/** What was found out about a command on its way. */
export function Findings({ command }: { command: Command }) {
  return (
    <>
      {command.warnings.length > 0 && (
        <ul className="warnings" aria-label={S.control.warnings} data-testid="ctl-warnings">
          {command.warnings.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      {command.overridden.map((text) => (
        <p key={text} className="problem">
          {S.control.overridden(text)} ({command.override_reason})
        </p>
      ))}
      {command.approved_by !== null && <p className="muted">{S.control.approvedBy(command.approved_by)}</p>}
      {command.study !== null && <StudyResult study={command.study} />}
    </>
  );
}

function StateText({ command }: { command: Command }) {
  useTick(250, command.state === "selected");
  useTopic("link");
  if (command.state === "selected") {
    return <p>{S.control.armed(`${command.point_name} → ${command.value_text}`, fixed(remaining(command), 0))}</p>;
  }
  return (
    <p>
      {S.control.states[command.state]}
      {command.refusal !== null && command.refusal !== "" && ` ${command.refusal}`}
    </p>
  );
}

/** Seconds left of the arm window, by the server's clock. */
function remaining(command: Command): number | null {
  if (command.expires_at === null) return null;
  const since = store.lastHeard === null ? 0 : performance.now() - store.lastHeard;
  const now = store.serverTime === null ? Date.now() : Date.parse(store.serverTime) + since;
  return Math.max(0, Math.ceil((Date.parse(command.expires_at) - now) / 1000));
}

export function Stages({ command }: { command: Command }) {
  const zone = useZone();
  return (
    <ol className="stages" aria-label={S.control.stages}>
      {command.stages.map((stage, index) => (
        <li key={`${stage.at}-${index}`}>
          <span className="time">{clock(stage.at, zone, true)}</span>
          <b>{stage.stage.replaceAll("_", " ")}</b>
          <span>{stage.text}</span>
        </li>
      ))}
    </ol>
  );
}
