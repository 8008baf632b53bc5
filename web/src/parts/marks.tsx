// Small signs that carry meaning by shape and text, with colour only as the third code.
import type { CommandState, Priority, Tag } from "../api";
import { quantity } from "../format";
import { type Position, position, type Reading, type Trust } from "../live/reading";
import { LETTERS } from "../network/palette";
import { S } from "../strings";

const SHAPES: Record<Priority, React.ReactNode> = {
  critical: <rect x="3" y="3" width="18" height="18" />,
  high: <path d="M12 1.5 23 21.5H1Z" />,
  medium: <path d="M12 0.8 23.2 12 12 23.2 0.8 12Z" />,
  low: <circle cx="12" cy="12" r="10.2" />,
};

export function PriorityMark({ priority, unacknowledged = false }: { priority: Priority; unacknowledged?: boolean }) {
  return (
    <svg
      className={`mark mark-${priority}${unacknowledged ? " blink" : ""}`}
      viewBox="0 0 24 24"
      role="img"
      aria-label={S.priority[priority]}
    >
      {SHAPES[priority]}
      <text x="12" y={priority === "high" ? 18.6 : 16.4} textAnchor="middle">
        {LETTERS[priority]}
      </text>
    </svg>
  );
}

const TRUST_PATHS: Record<Trust, React.ReactNode> = {
  good: <circle cx="8" cy="8" r="4" className="full" />,
  questionable: (
    <>
      <circle cx="8" cy="8" r="5" />
      <path d="M8 3a5 5 0 0 1 0 10Z" className="full" />
    </>
  ),
  invalid: <path d="M3 3 13 13M13 3 3 13" />,
  stale: <circle cx="8" cy="8" r="5" strokeDasharray="3 2" />,
  unknown: <path d="M3 8H13" />,
};

export function TrustMark({ trust }: { trust: Trust }) {
  return (
    <svg className={`trust trust-${trust}`} viewBox="0 0 16 16" role="img" aria-label={S.trust[trust]}>
      {TRUST_PATHS[trust]}
    </svg>
  );
}

export function Quality({ trust }: { trust: Trust }) {
  return (
    <span className={`quality quality-${trust}`}>
      <TrustMark trust={trust} /> {S.trust[trust]}
    </span>
  );
}

/** A discrete point says its word, an analog one its number with the decimals of its unit. */
export function valueText(reading: Reading, kind: string, unit: string): string {
  if (reading.value === null) return reading.text === "" ? S.none : reading.text;
  if (kind === "analog") return quantity(reading.value, unit);
  return reading.text === "" ? String(reading.value) : reading.text;
}

export function ValueText({ reading, kind, unit }: { reading: Reading; kind: string; unit: string }) {
  return (
    <span className={`value value-${reading.trust}`}>
      {reading.trust !== "good" && <TrustMark trust={reading.trust} />}
      <span className="number">{valueText(reading, kind, unit)}</span>
      {unit !== "" && <span className="unit">{unit}</span>}
    </span>
  );
}

/** Symbol and word of a switch; the word is what tests and screen readers read. */
export function SwitchState({ reading, testId }: { reading: Reading; testId?: string | undefined }) {
  const state: Position = position(reading);
  // A double point under way or at fault says so itself ("intermediate").
  const word = state === "unknown" && reading.trust !== "invalid" && /[a-z]/i.test(reading.text) ? reading.text : S.position[state];
  return (
    <span className={`switch switch-${state} value-${reading.trust}`}>
      <SwitchGlyph state={state} stale={reading.trust === "stale"} />
      <span data-testid={testId} data-trust={reading.trust}>
        {word}
      </span>
      {reading.trust !== "good" && <TrustMark trust={reading.trust} />}
    </span>
  );
}

export function SwitchGlyph({ state, stale = false }: { state: Position; stale?: boolean }) {
  return (
    <svg className={`glyph glyph-${state}${stale ? " glyph-stale" : ""}`} viewBox="0 0 16 16" aria-hidden="true">
      <rect x="2.5" y="2.5" width="11" height="11" />
      {state === "unknown" && <path d="M2.5 2.5 13.5 13.5M13.5 2.5 2.5 13.5" />}
    </svg>
  );
}

export function TagMarks({ tags }: { tags: readonly Tag[] }) {
  return (
    <>
      {tags.map((tag) => (
        <span key={String(tag.id)} className={`tag tag-${tag.kind}`} title={`${tag.text} (${tag.by})`}>
          {S.tags.short[tag.kind]}
        </span>
      ))}
    </>
  );
}

export type Tone = "plain" | "pending" | "bad" | "done";

export function toneOf(state: CommandState): Tone {
  switch (state) {
    case "studying":
    case "waiting_approval":
    case "selecting":
    case "selected":
    case "executing":
    case "awaiting_return":
      return "pending";
    case "confirmed":
      return "done";
    case "refused":
    case "failed":
    case "timed_out":
      return "bad";
    case "cancelled":
    case "expired":
      return "plain";
  }
}

export function Chip({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  return <span className={`chip chip-${tone}`}>{children}</span>;
}

export function Notice({ children, action }: { children: React.ReactNode; action?: React.ReactNode }) {
  return (
    <div className="notice" role="status">
      <p>{children}</p>
      {action}
    </div>
  );
}
