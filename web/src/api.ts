// The HTTP contract as types, and the few calls the page makes. Times are ISO 8601 UTC strings.

export type Validity = "good" | "questionable" | "invalid";
export type Priority = "critical" | "high" | "medium" | "low";

export interface Problem {
  code: string;
  message: string;
  hint?: string;
}

export interface Session {
  user: string;
  roles: string[];
  areas: string[];
  rights: string[];
  expires_at: string;
  second_factor?: string;
  missing?: "password" | "second-factor";
  frozen?: string;
  enrolled?: { password: boolean; totp: boolean; recovery_codes: number; passkeys: number };
  server: { name: string; version: string; mode: "demo" | "run"; started_at: string };
}

export interface LinkSession {
  name: string;
  protocol: string;
  state: "down" | "connecting" | "synchronising" | "up";
  endpoint?: string;
  since?: string | null;
  rx_bytes?: number;
  tx_bytes?: number;
  faults?: number;
}

/** One record of the audit. */
export interface AuditRecord {
  seq: number;
  time: string;
  actor: string;
  source: string;
  action: string;
  target: string;
  old: string | null;
  new: string | null;
  outcome: "allowed" | "refused" | "done" | "failed";
  reason: string;
  hash: string;
}

export interface AuditPage {
  records: AuditRecord[];
  before: number | null;
}

export interface AuditState {
  state: "whole" | "broken" | "unknown";
  fault: string | null;
  seen_seq: number | null;
  seen_at: string | null;
  whole_at: string | null;
  key: string;
  checkpoint: { number: number; seq: number; time: string } | null;
  copy: { to: string; connected_at: string | null; taken_seq: number; behind_s: number; error: string | null } | null;
}

/** A certificate that the configuration names. */
export interface UsedCertificate {
  used_by: string;
  subject: string | null;
  issuer: string | null;
  serial: string | null;
  names: string[];
  from: string | null;
  until: string | null;
  days_left: number | null;
  error: string | null;
}

/** A certificate that the authority of the centre has issued. */
export interface IssuedCertificate {
  serial: string;
  name: string;
  until: string;
  revoked_at: string | null;
  reason: "unspecified" | "key_compromise" | "affiliation_changed" | "superseded" | "cessation_of_operation" | "privilege_withdrawn" | null;
}

export interface Certificates {
  used: UsedCertificate[];
  issued: IssuedCertificate[] | null;
}

export interface Enrolment {
  token: string;
  expires_at: string;
}

/** Parts of texts; an empty one takes all. */
export type AuditFilter = Partial<Record<"actor" | "action" | "target" | "outcome", string>>;

/** Backups that the centre makes by itself. */
export interface Backup {
  every_hours: number;
  last_good_at?: string | null;
  age_s?: number | null;
  overdue: boolean;
  file: string;
  bytes: number;
  proved: boolean;
  error?: string | null;
}

export interface Status {
  name: string;
  version: string;
  mode: string;
  started_at: string;
  now: string;
  points: { revision: number; total: number; good: number; stale: number; invalid: number };
  counters: {
    received: number;
    waiting: number;
    coalesced: number;
    processed: number;
    held: number;
    calculated: number;
    within_deadband: number;
    changed: number;
    stored: number;
    served: number;
    shed: number;
    changes_shed: number;
    states_shed: number;
  };
  sessions: LinkSession[];
  estimation: {
    state: EstimateState;
    iterations: number;
    objective: number;
    redundancy: number;
    bad_data: number;
    age_s: number | null;
  };
  alarms: AlarmCounts;
  clock: ClockView;
  backup?: Backup | null;
}

export interface Quality {
  validity: Validity;
  detail: string[];
  source: "process" | "substituted";
  test: boolean;
  blocked: boolean;
}

export interface Tag {
  id: number | string;
  kind: TagKind;
  text: string;
  by: string;
  at: string;
}
export type TagKind = "hold" | "caution" | "information";

export interface Control {
  mode: "direct" | "select";
  options: { value: number; label: string }[];
  numeric: null | { min: number | null; max: number | null; step?: number | null; unit: string };
}

export type PointKind = "analog" | "single" | "double" | "step" | "counter" | "bits";

export interface Limits {
  low_low: number | null;
  low: number | null;
  high: number | null;
  high_high: number | null;
}

export interface PointListDifference {
  revision: number;
  added: string[];
  added_count: number;
  removed: string[];
  removed_count: number;
  changed: { name: string; mrid: string; cells: { column: string; old: string; new: string }[] }[];
  changed_count: number;
  in_use: string[];
}

export interface PointMode {
  inhibited: boolean;
  test: boolean;
  replaced: boolean;
  by: string;
  at: string;
  reason: string;
}

export interface PointModeRequest {
  inhibited: boolean;
  test: boolean;
  value: number | null;
  reason: string;
}

export interface ClockView {
  state: "synchronised" | "unsynchronised" | "holdover" | "unknown";
  since: string;
  machine_ahead_s: number | null;
  max_error_ms: number | null;
}

export interface Point {
  id: number;
  name: string;
  mrid: string;
  equipment: string;
  substation: string;
  kind: PointKind;
  unit: string;
  link: string;
  address: string | number;
  value: number | null;
  text: string;
  quality: Quality;
  stale: boolean;
  age_s: number | null;
  source_time: string | null;
  receive_time: string | null;
  limits: Limits | null;
  control: Control | null;
  formula: string | null;
  mode: PointMode | null;
  tags: Tag[];
  alarm: Priority | null;
}

export interface Bucket {
  t: string;
  t_end: string;
  min: number | null;
  max: number | null;
  mean: number | null;
  last: number | null;
  count: number;
  quality: Validity;
}

export interface History {
  point: number;
  name: string;
  unit: string;
  from: string;
  to: string;
  decimated: boolean;
  before: { t: string; value: number | null; quality: Validity } | null;
  buckets: Bucket[];
}

export type AlarmKind = "limit" | "rate" | "state" | "uncommanded" | "link" | "estimator" | "command" | "system";

export type AlarmPlace = "shown" | "shelved" | "suppressed" | "out_of_service";

/** Who keeps an alarm from calling, why and until when. */
export interface Inhibit {
  by: string;
  at: string;
  until: string;
  reason: string;
  one_shot: boolean;
}

export interface AlarmCounts {
  active: number;
  unacknowledged: number;
  shelved: number;
  suppressed: number;
  out_of_service: number;
  rate: number;
  flood_since: string | null;
  flood_alarms: number | null;
  /** Requests that wait for a second person. */
  approvals: number;
}

/** A request to set much aside, which somebody else has to approve. */
export interface Approval {
  id: number;
  action: string;
  by: string;
  at: string;
  expires_at: string;
  count: number;
  targets: string;
  reason: string;
  /** The command that waits, where it is about one. */
  command: number | null;
}

export interface GroupLine {
  groups: string[];
  first_out: { id: string; source: string; text: string; priority: Priority; at: string } | null;
  worst: Priority | null;
  shown: number;
  active: number;
  unacknowledged: number;
  shelved: number;
  suppressed: number;
  out_of_service: number;
}

export interface AlarmRule {
  on_delay_s: number | null;
  off_delay_s: number | null;
  latching: boolean;
  cause: string;
  consequence: string;
  response: string;
}

export interface AlarmFigures {
  since: string;
  annunciated: number;
  by_priority: [number, number, number, number];
  rate: number;
  average: number;
  target_average: number;
  peak: number;
  target_peak: number;
  overloaded_percent: number;
  floods: number;
  flood_percent: number;
  target_flood_percent: number;
  flood_list: { began: string; ended: string | null; alarms: number; peak: number }[];
  top_since: string;
  top: { id: string; count: number }[];
  top_percent: number;
  target_top_percent: number;
  stale: string[];
  target_stale: number;
  chattering: string[];
  target_mix_percent: [number, number, number];
}

export interface AlarmsChanged {
  changed: number;
  refused: { id: string; reason: string }[];
}

export interface Alarm {
  id: string;
  point: number | null;
  source: string;
  substation: string;
  kind: AlarmKind;
  priority: Priority;
  active: boolean;
  acknowledged: boolean;
  text: string;
  value_text: string;
  raised_at: string;
  cleared_at: string | null;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  count: number;
  group: string;
  place: AlarmPlace;
  first_out: boolean;
  latched: boolean;
  chattering: boolean;
  shelved: Inhibit | null;
  suppressed_by: string | null;
  out_of_service: Inhibit | null;
}

export interface GridEvent {
  seq: number;
  time: string;
  kind: string;
  severity: "info" | Priority;
  source: string;
  text: string;
  actor: string | null;
  point: number | null;
}

export type CommandState =
  | "studying"
  | "waiting_approval"
  | "selecting"
  | "selected"
  | "executing"
  | "awaiting_return"
  | "confirmed"
  | "refused"
  | "failed"
  | "timed_out"
  | "cancelled"
  | "expired";

export interface Command {
  id: number;
  point: number;
  point_name: string;
  value: number | null;
  value_text: string;
  reason: string;
  actor: string;
  origin: "operator" | "application";
  state: CommandState;
  stages: { at: string; stage: string; text: string }[];
  refusal: string | null;
  refusal_code: string | null;
  class: string;
  warnings: string[];
  overridden: string[];
  override_reason: string;
  study: Study | null;
  two_persons: boolean;
  approved_by: string | null;
  created_at: string;
  expires_at: string | null;
}

/** What the grid would look like after a command. */
export interface Study {
  outcome: "solved" | "not_converged" | "not_possible";
  objection: string | null;
  violations: {
    kind: "voltage_low" | "voltage_high" | "loading";
    name: string;
    before: number | null;
    after: number;
    limit: number;
    unit: string;
  }[];
  de_energised_mw: number;
  de_energised: string[];
  islands_before: number;
  islands_after: number;
  buses: number;
  heaviest: string | null;
  heaviest_percent: number | null;
  lowest_pu: number | null;
  highest_pu: number | null;
}

/** What a command is made of: the wish, and the state that it was made for. */
export interface CommandWish {
  value: number;
  reason: string;
  seen: { value: number | null; at: string | null };
  override_reason?: string;
}

export interface FunctionCode {
  code: number;
  name: string;
}

/** Conduits with what may pass on their links, and what did not. */
export interface Conduits {
  zones: string[];
  conduits: {
    name: string;
    from: string;
    to: string;
    commands: boolean;
    classes: string[];
    per_minute: number | null;
    burst: number | null;
    links: {
      link: string;
      protocol: string;
      tls: boolean;
      to_field: FunctionCode[];
      from_field: FunctionCode[];
      listed: boolean;
      forbidden: { direction: "to_field" | "from_field"; function: FunctionCode; count: number; last_at: string }[];
    }[];
  }[];
}

export interface Switch {
  name: string;
  kind: "breaker" | "disconnector";
  point: number | null;
  equipment: string;
}

export interface Equipment {
  name: string;
  kind: "load" | "machine" | "shunt" | "busbar";
  p_point: number | null;
  q_point: number | null;
}

export interface Substation {
  id: string;
  name: string;
  x: number;
  y: number;
  base_kv: number;
  low_pu: number | null;
  high_pu: number | null;
  voltage_point: number | null;
  switches: Switch[];
  equipment: Equipment[];
}

export interface BranchEnd {
  p_point: number | null;
  q_point: number | null;
  breaker_point: number | null;
  disconnector_point: number | null;
}

export interface Branch {
  id: string;
  name: string;
  kind: "line" | "transformer";
  from: number;
  to: number;
  rate_mva: number | null;
  base_kv: number;
  from_end: BranchEnd;
  to_end: BranchEnd;
  tap_point: number | null;
}

export interface Network {
  name: string;
  base_mva: number;
  frequency_hz: number;
  substations: Substation[];
  branches: Branch[];
}

export type EstimateState = "converged" | "stopped" | "unobservable" | "waiting";

export interface BusResult {
  substation: number;
  name: string;
  vm_pu: number | null;
  va_degree: number | null;
  vm_kv: number | null;
  energised: boolean;
}

export interface BranchResult {
  branch: number;
  p_from_mw: number | null;
  q_from_mvar: number | null;
  p_to_mw: number | null;
  q_to_mvar: number | null;
  loading_percent: number | null;
}

export interface Estimate {
  state: EstimateState;
  time: string | null;
  iterations: number;
  objective: number;
  degrees_of_freedom: number;
  redundancy: number;
  chi2_threshold: number;
  bad_data: { point: number; name: string; normalised_residual: number }[];
  unobservable: string[];
  buses: BusResult[];
  branches: BranchResult[];
}

export interface Proposal {
  id: number | string;
  time: string;
  application: string;
  target: number;
  target_name: string;
  value_text: string;
  priority: string | number;
  reason: string;
  expected: string;
  state: "accepted" | "rejected" | "superseded" | "expired" | "done" | "failed";
  decision: string;
  command: number | null;
}

/** One live value: id, value, text, validity 0 good 1 questionable 2 invalid, stale 0 or 1, time in ms. */
export type PointRow = [number, number | null, string, number, number, number | null];

export interface Frame {
  seq: number;
  t: string;
  snapshot?: boolean;
  points?: PointRow[];
  alarms?: Alarm[];
  commands?: Command[];
  events?: GridEvent[];
  estimate?: Estimate | null;
  proposals?: Proposal[];
  status?: Status | null;
}

/** A call that the server answered with a problem, or could not be made at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;
  readonly body: unknown;
  constructor(status: number, problem: Problem, body: unknown) {
    super(problem.message);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
    this.body = body;
  }
}

/** What went wrong, with what to do about it. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  const { message, hint } = error.problem;
  return hint === undefined || hint === "" ? message : `${message} (${hint})`;
}

const BASE = "/api/v1";
let unauthorised: () => void = () => {};

/** Called whenever a call is refused because the session is gone. */
export function onUnauthorised(handler: () => void): void {
  unauthorised = handler;
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      method,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, { code: "unreachable", message: "the server does not answer" }, null);
  }
  const text = await response.text();
  let value: unknown = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    value = null;
  }
  if (response.ok) return value as T;
  if (response.status === 401 && path !== "/session") unauthorised();
  throw new ApiError(response.status, problemOf(response.status, value), value);
}

function problemOf(status: number, value: unknown): Problem {
  if (value !== null && typeof value === "object" && "error" in value) {
    const error = (value as { error: unknown }).error;
    if (error !== null && typeof error === "object" && "message" in error) return error as Problem;
    if (typeof error === "string") return { code: String(status), message: error };
  }
  return { code: String(status), message: `the server answered ${status}` };
}

function query(values: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** A refused select answers with the command itself; it is a result, not a failure of the call. */
async function command(path: string, body?: unknown): Promise<Command> {
  try {
    return await call<Command>("POST", path, body ?? {});
  } catch (error) {
    if (error instanceof ApiError) {
      const found = commandIn(error.body);
      if (found !== null) return found;
    }
    throw error;
  }
}

function commandIn(body: unknown): Command | null {
  if (body === null || typeof body !== "object") return null;
  if ("stages" in body && "state" in body) return body as Command;
  if ("command" in body) return commandIn((body as { command: unknown }).command);
  return null;
}

/** Where a file with the records of a filter comes from. */
export function auditExport(filter: AuditFilter, format: "csv" | "json" | "cef"): string {
  return `/api/v1/audit/export${query({ ...filter, format })}`;
}

export const api = {
  audit: (filter: AuditFilter, before?: number) => call<AuditPage>("GET", `/audit${query({ ...filter, before, limit: 100 })}`),
  certificates: () => call<Certificates>("GET", "/certificates"),
  revokeCertificate: (serial: string, reason: string) => call<IssuedCertificate>("POST", "/certificates/revoke", { serial, reason }),
  expectEnrolment: (name: string, usage: "server" | "client" | "both", days: number) =>
    call<Enrolment>("POST", "/certificates/enrolments", { name, usage, days }),
  auditState: () => call<AuditState>("GET", "/audit/state"),
  session: () => call<Session>("GET", "/session"),
  signIn: (token: string) => call<Session>("POST", "/session", { token }),
  signOut: () => call<unknown>("DELETE", "/session"),
  status: () => call<Status>("GET", "/status"),
  points: (filter: { search?: string; limit?: number; offset?: number }) =>
    call<{ total: number; points: Point[] }>("GET", `/points${query(filter)}`),
  point: (id: number) => call<Point>("GET", `/points/${id}`),
  history: (id: number, from: string, to: string, maxPoints: number) =>
    call<History>("GET", `/points/${id}/history${query({ from, to, max_points: maxPoints })}`),
  alarms: (state: "active" | "all") => call<{ alarms: Alarm[] }>("GET", `/alarms?state=${state}`),
  acknowledge: (ids: string[]) =>
    ids.length === 1
      ? call<unknown>("POST", `/alarms/${encodeURIComponent(ids[0] ?? "")}/acknowledge`, {})
      : call<unknown>("POST", "/alarms/acknowledge", { ids }),
  alarm: (id: string) => call<{ alarm: Alarm; rule: AlarmRule | null }>("GET", `/alarms/${encodeURIComponent(id)}`),
  alarmGroups: () => call<{ lines: GroupLine[]; counts: AlarmCounts }>("GET", "/alarms/groups"),
  acknowledgeGroups: (groups: string[]) => call<unknown>("POST", "/alarms/groups/acknowledge", { groups }),
  approvals: () => call<{ approvals: Approval[] }>("GET", "/approvals"),
  decide: (id: number, how: "approve" | "refuse") => call<Approval>("POST", `/approvals/${id}/${how}`, {}),
  alarmFigures: () => call<AlarmFigures>("GET", "/alarms/figures"),
  shelve: (ids: string[], reason: string, minutes: number, oneShot: boolean) =>
    call<AlarmsChanged | Approval>("POST", "/alarms/shelve", { ids, reason, minutes, one_shot: oneShot }),
  outOfService: (ids: string[], reason: string, hours: number) =>
    call<AlarmsChanged | Approval>("POST", "/alarms/out-of-service", { ids, reason, hours }),
  alarmAct: (act: "unshelve" | "return-to-service" | "reset", ids: string[]) =>
    call<AlarmsChanged>("POST", `/alarms/${act}`, { ids }),
  events: (filter: { after?: number; before?: number; limit?: number }) =>
    call<{ events: GridEvent[]; last_seq: number }>("GET", `/events${query(filter)}`),
  select: (point: number, wish: CommandWish) => command("/commands", { point, ...wish }),
  conduits: () => call<Conduits>("GET", "/conduits"),
  execute: (id: number) => command(`/commands/${id}/execute`),
  cancel: (id: number) => command(`/commands/${id}/cancel`),
  command: (id: number) => call<Command>("GET", `/commands/${id}`),
  commands: (limit: number) => call<{ commands: Command[] } | Command[]>("GET", `/commands?limit=${limit}`),
  comparePointList: (csv: string) => call<PointListDifference>("POST", "/point-list/compare", { csv }),
  applyPointList: (csv: string, revision: number, reason: string) =>
    call<PointListDifference>("POST", "/point-list/apply", { csv, revision, reason }),
  setMode: (point: number, mode: PointModeRequest) => call<Point | Approval>("PUT", `/points/${point}/mode`, mode),
  followClock: (reason: string) => call<ClockView>("POST", "/clock/follow", { reason }),
  placeTag: (point: number, kind: TagKind, text: string) =>
    call<unknown>("POST", `/points/${point}/tags`, { kind, text }),
  removeTag: (point: number, tag: number | string) =>
    call<unknown>("DELETE", `/points/${point}/tags/${encodeURIComponent(String(tag))}`),
  network: () => call<Network>("GET", "/network"),
  proposals: (limit: number) => call<{ proposals: Proposal[] }>("GET", `/proposals?limit=${limit}`),
};
