// The live picture of the grid, kept in plain maps outside React. Frames mutate the maps, listeners hear
// about it at most ten times a second. Telemetry is last-value-wins; alarm transitions are all applied, in
// order; a gap in the sequence stops everything until a snapshot arrives.
import type { Alarm, Command, Estimate, Frame, GridEvent, Proposal, Status } from "../api";

export type Link = "connecting" | "live" | "lost";

export interface LiveValue {
  value: number | null;
  text: string;
  /** 0 good, 1 questionable, 2 invalid. */
  validity: number;
  stale: boolean;
  /** Source time in ms since 1970, null when the source gave none. */
  t: number | null;
}

export type Topic = "points" | "alarms" | "commands" | "events" | "estimate" | "proposals" | "status" | "link";
export const TOPICS: readonly Topic[] = [
  "points",
  "alarms",
  "commands",
  "events",
  "estimate",
  "proposals",
  "status",
  "link",
];

export const EVENTS_KEPT = 2000;
export const COMMANDS_KEPT = 500;
export const PROPOSALS_KEPT = 500;

/** Runs `publish` later, at most once per interval. Injected so that tests need no clock. */
export type Scheduler = (publish: () => void) => void;

export type Applied = "applied" | "snapshot" | "gap" | "ignored";

export class LiveStore {
  readonly points = new Map<number, LiveValue>();
  readonly alarms = new Map<string, Alarm>();
  readonly commands = new Map<number, Command>();
  readonly proposals = new Map<string, Proposal>();
  /** Ascending by `seq`, without gaps or doubles. */
  events: GridEvent[] = [];
  estimate: Estimate | null = null;
  status: Status | null = null;
  /** Time of the last frame by the server's clock. */
  serverTime: string | null = null;
  link: Link = "connecting";
  /** When the last frame was heard, in ms of the page's own clock; null before the first. */
  lastHeard: number | null = null;
  /** Alarm transitions applied since the page opened: with the server's figure it proves none was lost. */
  alarmTransitions = 0;
  gaps = 0;

  #seq: number | null = null;
  readonly #versions = new Map<Topic, number>(TOPICS.map((topic) => [topic, 0]));
  readonly #dirty = new Set<Topic>();
  readonly #listeners = new Map<Topic, Set<() => void>>(TOPICS.map((topic) => [topic, new Set()]));
  readonly #schedule: Scheduler;
  #scheduled = false;

  constructor(schedule: Scheduler) {
    this.#schedule = schedule;
  }

  get seq(): number | null {
    return this.#seq;
  }

  /** Counts publications of a topic; the snapshot that `useSyncExternalStore` compares. */
  version(topic: Topic): number {
    return this.#versions.get(topic) ?? 0;
  }

  subscribe(topic: Topic, listener: () => void): () => void {
    const set = this.#listeners.get(topic);
    set?.add(listener);
    return () => set?.delete(listener);
  }

  /** Forgets the sequence, so that only a snapshot is accepted next. The old picture stays, marked by `link`. */
  expectSnapshot(): void {
    this.#seq = null;
  }

  setLink(link: Link): void {
    if (this.link === link) return;
    this.link = link;
    this.#mark("link");
    // Every value shown depends on the link: without it all of them are old.
    this.#mark("points");
    this.#publish();
  }

  apply(frame: Frame, heardAt: number): Applied {
    const snapshot = frame.snapshot === true;
    if (!snapshot) {
      if (this.#seq === null) return "ignored";
      if (frame.seq !== this.#seq + 1) {
        this.gaps += 1;
        this.#seq = null;
        return "gap";
      }
    }
    this.#seq = frame.seq;
    this.lastHeard = heardAt;
    this.serverTime = frame.t;
    this.#mark("link");
    if (snapshot) this.#forget(frame);
    this.#applyPoints(frame);
    this.#applyLists(frame);
    this.#requestPublish();
    return snapshot ? "snapshot" : "applied";
  }

  /** Takes an answer of the HTTP API into the picture, unless the live frames already told more. */
  mergeCommand(command: Command): void {
    const known = this.commands.get(command.id);
    if (known !== undefined && known.stages.length > command.stages.length) return;
    this.#putCommand(command);
    this.#mark("commands");
    this.#publish();
  }

  mergeProposals(list: Proposal[]): void {
    for (const proposal of list) this.proposals.set(String(proposal.id), proposal);
    this.#mark("proposals");
    this.#publish();
  }

  /** Takes older events into the log, in front of what is known. */
  mergeEvents(list: GridEvent[]): void {
    const first = this.events[0]?.seq ?? Number.POSITIVE_INFINITY;
    const older = list.filter((event) => event.seq < first).sort((a, b) => a.seq - b.seq);
    if (older.length === 0) return;
    this.events = [...older, ...this.events];
    this.#mark("events");
    this.#publish();
  }

  /** The alarms in front of the operator: neither put aside nor hidden. */
  shownAlarms(): Alarm[] {
    return [...this.alarms.values()].filter((alarm) => alarm.place === "shown");
  }

  mergeAlarms(list: Alarm[]): void {
    for (const alarm of list) this.#putAlarm(alarm);
    this.#mark("alarms");
    this.#publish();
  }

  #forget(frame: Frame): void {
    this.points.clear();
    this.alarms.clear();
    if (frame.events !== undefined) this.events = [];
    for (const topic of TOPICS) this.#mark(topic);
  }

  #applyPoints(frame: Frame): void {
    if (frame.points === undefined || frame.points.length === 0) return;
    for (const [id, value, text, validity, stale, t] of frame.points) {
      const known = this.points.get(id);
      if (known === undefined) {
        this.points.set(id, { value, text, validity, stale: stale === 1, t });
      } else {
        known.value = value;
        known.text = text;
        known.validity = validity;
        known.stale = stale === 1;
        known.t = t;
      }
    }
    this.#mark("points");
  }

  #applyLists(frame: Frame): void {
    if (frame.alarms !== undefined && frame.alarms.length > 0) {
      for (const alarm of frame.alarms) this.#putAlarm(alarm);
      this.alarmTransitions += frame.alarms.length;
      this.#mark("alarms");
    }
    if (frame.commands !== undefined && frame.commands.length > 0) {
      for (const command of frame.commands) this.#putCommand(command);
      this.#mark("commands");
    }
    if (frame.proposals !== undefined && frame.proposals.length > 0) {
      for (const proposal of frame.proposals) this.proposals.set(String(proposal.id), proposal);
      trimMap(this.proposals, PROPOSALS_KEPT);
      this.#mark("proposals");
    }
    if (frame.events !== undefined && frame.events.length > 0) this.#putEvents(frame.events);
    if (frame.estimate !== undefined && frame.estimate !== null) {
      this.estimate = frame.estimate;
      this.#mark("estimate");
    }
    if (frame.status !== undefined && frame.status !== null) {
      this.status = frame.status;
      this.#mark("status");
    }
  }

  /** An alarm leaves the list only when it is cleared *and* acknowledged (ISA-18.2: back to normal) and nobody inhibits it. */
  #putAlarm(alarm: Alarm): void {
    const inhibited = alarm.shelved !== null || alarm.out_of_service !== null;
    if (alarm.active || !alarm.acknowledged || alarm.latched || inhibited) this.alarms.set(alarm.id, alarm);
    else this.alarms.delete(alarm.id);
  }

  #putCommand(command: Command): void {
    this.commands.set(command.id, command);
    trimMap(this.commands, COMMANDS_KEPT);
  }

  #putEvents(list: GridEvent[]): void {
    const last = this.events[this.events.length - 1]?.seq ?? -1;
    const fresh = list.filter((event) => event.seq > last).sort((a, b) => a.seq - b.seq);
    if (fresh.length === 0) return;
    const all = this.events.concat(fresh);
    this.events = all.length > EVENTS_KEPT ? all.slice(all.length - EVENTS_KEPT) : all;
    this.#mark("events");
  }

  #mark(topic: Topic): void {
    this.#dirty.add(topic);
  }

  #requestPublish(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      this.#publish();
    });
  }

  #publish(): void {
    const topics = [...this.#dirty];
    this.#dirty.clear();
    for (const topic of topics) this.#versions.set(topic, this.version(topic) + 1);
    for (const topic of topics) for (const listener of this.#listeners.get(topic) ?? []) listener();
  }
}

/** Keeps the newest entries; a map remembers the order in which its keys came. */
function trimMap<K, V>(map: Map<K, V>, kept: number): void {
  for (const key of map.keys()) {
    if (map.size <= kept) return;
    map.delete(key);
  }
}

const PUBLISH_INTERVAL_MS = 100;

/** Coalesces publications to ten a second: the first at once, the rest at the end of the interval. */
export function rateLimit(): Scheduler {
  let last = Number.NEGATIVE_INFINITY;
  return (publish) => {
    const wait = Math.max(0, last + PUBLISH_INTERVAL_MS - performance.now());
    setTimeout(() => {
      last = performance.now();
      publish();
    }, wait);
  };
}
