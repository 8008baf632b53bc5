import { describe, expect, it } from "vitest";
import { backoff, Connection, DEAD_MS, type Environment, SILENT_MS, type SocketLike } from "./connection";
import { LiveStore } from "./store";

class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  sent: string[] = [];
  closed = false;
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  say(value: unknown): void {
    this.onmessage?.({ data: JSON.stringify(value) });
  }
}

/** A page with its own clock: `run(ms)` lets virtual time pass. */
function harness() {
  let now = 0;
  let timers: { at: number; run: () => void }[] = [];
  const sockets: FakeSocket[] = [];
  const env: Environment = {
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    now: () => now,
    after: (ms, run) => {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((t) => t !== timer);
      };
    },
  };
  const run = (ms: number) => {
    const end = now + ms;
    for (;;) {
      const next = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      timers = timers.filter((t) => t !== next);
      now = Math.max(now, next.at);
      next.run();
    }
    now = end;
  };
  const store = new LiveStore((publish) => publish());
  let failures = 0;
  const connection = new Connection(store, () => (failures += 1), env);
  connection.start();
  return { store, sockets, run, connection, sleep: (ms: number) => (now += ms), failures: () => failures };
}

const T = "2026-11-23T12:00:00.000Z";
const last = (sockets: FakeSocket[]): FakeSocket => sockets[sockets.length - 1] as FakeSocket;

describe("connection", () => {
  it("is live after the snapshot, lost after silence, live again with the next frame", () => {
    const { store, sockets, run } = harness();
    expect(store.link).toBe("connecting");
    last(sockets).say({ seq: 1, t: T, snapshot: true, points: [] });
    expect(store.link).toBe("live");
    run(SILENT_MS - 300);
    expect(store.link).toBe("live");
    run(600);
    expect(store.link).toBe("lost");
    last(sockets).say({ seq: 2, t: T });
    expect(store.link).toBe("live");
    expect(sockets.length).toBe(1);
  });

  it("answers to pings keep a link without changes alive", () => {
    const { store, sockets, run } = harness();
    last(sockets).say({ seq: 1, t: T, snapshot: true });
    for (let i = 0; i < 10; i += 1) {
      run(1000);
      last(sockets).say({ pong: i });
    }
    expect(store.link).toBe("live");
    expect(last(sockets).sent.length).toBeGreaterThan(8);
    expect(sockets.length).toBe(1);
  });

  it("gives a dead socket up and takes only a snapshot from the next", () => {
    const { store, sockets, run } = harness();
    last(sockets).say({ seq: 1, t: T, snapshot: true, points: [[1, 5, "5", 0, 0, 0]] });
    run(DEAD_MS + 1000);
    expect(sockets.length).toBeGreaterThan(1);
    expect(sockets[0]?.closed).toBe(true);
    last(sockets).say({ seq: 2, t: T, points: [[1, 6, "6", 0, 0, 0]] });
    expect(store.points.get(1)?.value).toBe(5);
    expect(store.link).toBe("lost");
    last(sockets).say({ seq: 30, t: T, snapshot: true, points: [[1, 7, "7", 0, 0, 0]] });
    expect(store.points.get(1)?.value).toBe(7);
    expect(store.link).toBe("live");
  });

  it("reconnects at once for a snapshot after a gap", () => {
    const { store, sockets } = harness();
    last(sockets).say({ seq: 1, t: T, snapshot: true });
    last(sockets).say({ seq: 3, t: T });
    expect(sockets.length).toBe(2);
    expect(sockets[0]?.closed).toBe(true);
    last(sockets).say({ seq: 4, t: T, snapshot: true });
    expect(store.link).toBe("live");
    expect(store.gaps).toBe(1);
  });

  it("says lost at once when the server goes, and asks whether the session holds", () => {
    const { store, sockets, run, failures } = harness();
    last(sockets).say({ seq: 1, t: T, snapshot: true });
    last(sockets).onclose?.();
    expect(store.link).toBe("lost");
    expect(failures()).toBe(1);
    run(backoff(0) + 1);
    expect(sockets.length).toBe(2);
  });

  it("does not take its own sleep for the server's silence", () => {
    const { store, sockets, run, sleep } = harness();
    last(sockets).say({ seq: 1, t: T, snapshot: true });
    sleep(60_000);
    run(300);
    expect(store.link).toBe("live");
  });

  it("backs off up to a ceiling and stops when told", () => {
    expect([0, 1, 2, 3, 4, 5, 50].map(backoff)).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000]);
    const { sockets, run, connection } = harness();
    connection.stop();
    run(60_000);
    expect(sockets.length).toBe(1);
    expect(sockets[0]?.closed).toBe(true);
  });
});
