// One WebSocket per tab. Says within two seconds when nothing is heard any more, reconnects with back-off,
// and asks for a snapshot after every interruption and after every gap.
import type { Frame } from "../api";
import type { LiveStore } from "./store";

/** Silence after which the values are called old. The server answers pings, so a healthy link is never silent. */
export const SILENT_MS = 2000;
/** Silence after which the socket is given up and built anew. */
export const DEAD_MS = 5000;
const TICK_MS = 250;
const PING_EVERY_MS = 800;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 4000;

/** How long to wait before try number `attempt` (from 0): doubling up to a ceiling. */
export function backoff(attempt: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10));
}

export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  send(text: string): void;
  close(): void;
}

export interface Environment {
  open: () => SocketLike;
  now: () => number;
  after: (ms: number, run: () => void) => () => void;
}

export const browser: Environment = {
  open: () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(`${scheme}//${location.host}/api/v1/live`) as unknown as SocketLike;
  },
  now: () => performance.now(),
  after: (ms, run) => {
    const handle = setTimeout(run, ms);
    return () => clearTimeout(handle);
  },
};

export class Connection {
  readonly #store: LiveStore;
  readonly #env: Environment;
  /** Called when a connection could not be made, to find out whether the session is still valid. */
  readonly #onFailure: () => void;
  #socket: SocketLike | null = null;
  #attempt = 0;
  #heard = 0;
  #ticked = 0;
  #pinged = 0;
  #pings = 0;
  #cancels: (() => void)[] = [];
  #stopped = false;

  constructor(store: LiveStore, onFailure: () => void, env: Environment = browser) {
    this.#store = store;
    this.#onFailure = onFailure;
    this.#env = env;
  }

  start(): void {
    this.#ticked = this.#env.now();
    this.#connect();
    this.#tick();
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#drop();
  }

  #later(ms: number, run: () => void): void {
    const cancel = this.#env.after(ms, () => {
      this.#cancels = this.#cancels.filter((known) => known !== cancel);
      if (!this.#stopped) run();
    });
    this.#cancels.push(cancel);
  }

  #connect(): void {
    this.#store.expectSnapshot();
    this.#heard = this.#env.now();
    const socket = this.#env.open();
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onerror = () => {};
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#lose();
      this.#onFailure();
    };
  }

  #receive(socket: SocketLike, data: unknown): void {
    if (this.#socket !== socket || typeof data !== "string") return;
    this.#heard = this.#env.now();
    let frame: Frame;
    try {
      frame = JSON.parse(data) as Frame;
    } catch {
      this.#lose();
      return;
    }
    if (typeof frame.seq !== "number") {
      if (this.#store.link === "lost" && this.#store.seq !== null) this.#store.setLink("live");
      return;
    }
    switch (this.#store.apply(frame, this.#heard)) {
      case "snapshot":
      case "applied":
        this.#attempt = 0;
        this.#store.setLink("live");
        break;
      case "gap":
        // The old picture stays on the screen for the moment that a snapshot takes.
        this.#drop();
        this.#connect();
        break;
      case "ignored":
        break;
    }
  }

  #tick(): void {
    const now = this.#env.now();
    // A tab in the background wakes up rarely; its own sleep is not the server's silence.
    const slept = now - this.#ticked > DEAD_MS;
    this.#ticked = now;
    if (slept) this.#heard = now;
    const silent = now - this.#heard;
    if (this.#socket !== null) {
      if (silent > DEAD_MS) this.#lose();
      else if (silent > SILENT_MS && this.#store.link === "live") this.#store.setLink("lost");
    }
    if (this.#socket !== null && now - this.#pinged > PING_EVERY_MS && this.#store.seq !== null) {
      this.#pinged = now;
      this.#pings += 1;
      this.#socket.send(JSON.stringify({ ping: this.#pings }));
    }
    this.#later(TICK_MS, () => this.#tick());
  }

  #lose(): void {
    this.#drop();
    this.#store.setLink("lost");
    this.#later(backoff(this.#attempt), () => this.#connect());
    this.#attempt += 1;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}
