// Our time beside the machine's: what it is, a banner while it runs by itself, and the way to follow the machine's.
import { type FormEvent, useState } from "react";
import { api } from "../api";
import { fixed, stamp } from "../format";
import { go, may, open, store, useTopic, useZone } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";

export function ClockFacts() {
  useTopic("status");
  const zone = useZone();
  const view = store.status?.clock;
  const c = S.clock;
  if (view === undefined) return <p className="muted">{S.loading}</p>;
  return (
    <>
      <dl className="facts">
        <dt>{c.state}</dt>
        <dd data-testid="clock-state">{c.states[view.state]}</dd>
        <dt>{c.since}</dt>
        <dd className="time">{stamp(view.since, zone)}</dd>
        <dt>{c.maxError}</dt>
        <dd>{view.max_error_ms === null ? S.none : `${fixed(view.max_error_ms, 1)} ms`}</dd>
        {view.machine_ahead_s !== null && (
          <>
            <dt>{c.ahead}</dt>
            <dd>{fixed(view.machine_ahead_s, 1)} s</dd>
          </>
        )}
      </dl>
      {view.state === "holdover" && (
        <button type="button" disabled={!may("configure")} onClick={() => open.set({ kind: "clock" })} data-testid="clock-follow">
          {c.follow}
        </button>
      )}
    </>
  );
}

export function ClockBanner() {
  useTopic("status");
  const view = store.status?.clock;
  if (view?.state !== "holdover") return null;
  return (
    <div className="banner" role="alert" data-testid="clock-banner">
      {S.clock.banner(fixed(view.machine_ahead_s, 1))}{" "}
      <button type="button" className="small" onClick={() => go("system")}>
        {S.clock.toSystem}
      </button>
    </div>
  );
}

export function ClockDialog({ onClose }: { onClose: () => void }) {
  useTopic("status");
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const ahead = store.status?.clock.machine_ahead_s;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await api.followClock(reason.trim());
      onClose();
    } catch (error) {
      setProblem(S.clock.failed(error instanceof Error ? error.message : String(error)));
    }
  };
  return (
    <Dialog title={S.clock.title} onClose={onClose} testId="clock-dialog">
      <form onSubmit={(event) => void submit(event)}>
        <p>{S.clock.explain(ahead === null || ahead === undefined ? S.none : fixed(ahead, 1))}</p>
        <label className="field">
          <span>{S.clock.reason}</span>
          <input type="text" required maxLength={500} value={reason} onChange={(e) => setReason(e.target.value)} data-testid="clock-reason" />
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
          <button type="submit" className="primary" disabled={reason.trim() === ""} data-testid="clock-submit">
            {S.clock.follow}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
