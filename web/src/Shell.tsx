// The frame around every page: navigation, the alarm line, the state of the live link, dialogs, keys.
import { useEffect, useMemo, useState } from "react";
import { api } from "./api";
import { age, clock, count, day } from "./format";
import { Connection } from "./live/connection";
import { Alarms, PRIORITIES, useAlarms } from "./pages/Alarms";
import { Commands } from "./pages/Commands";
import { Network } from "./pages/Network";
import { Overview } from "./pages/Overview";
import { Points } from "./pages/Points";
import { Switching } from "./pages/Switching";
import { System } from "./pages/System";
import { Trends } from "./pages/Trends";
import { AlarmBanner, silence, useSiren } from "./parts/AlarmBanner";
import { ClockBanner, ClockDialog } from "./parts/ClockFacts";
import { ControlDialog } from "./parts/ControlDialog";
import { Faceplate } from "./parts/Faceplate";
import { FindDialog } from "./parts/FindDialog";
import { KeysDialog } from "./parts/KeysDialog";
import { PriorityMark } from "./parts/marks";
import { FIRST_PAGE, type PageName, PAGES } from "./parts/pages";
import { ModeDialog } from "./parts/ModeDialog";
import { PointListDialog } from "./parts/PointListDialog";
import { TagDialog } from "./parts/TagDialog";
import {
  catalogue,
  change,
  go,
  loadNetwork,
  may,
  open,
  session,
  settings,
  store,
  type Theme,
  useCell,
  useRoute,
  useTick,
  useTopic,
} from "./state";
import { S } from "./strings";

const EVENT_REFRESH = new Set(["command", "configuration", "alarm"]);

/** Keeps the store fed while the operator is signed in. */
function useLive(onSessionLost: () => void): void {
  useEffect(() => {
    const connection = new Connection(store, () => {
      // A refused WebSocket does not say why; the session does.
      api.session().catch((error: unknown) => {
        if (typeof error === "object" && error !== null && "status" in error && error.status === 401) onSessionLost();
      });
    });
    connection.start();
    // Points and network are for those who may see them; others have their sections of the system.
    const load = () => {
      if (!may("view")) return;
      void catalogue.load();
      void loadNetwork();
    };
    load();
    let link = store.link;
    let seen = 0;
    const offLink = store.subscribe("link", () => {
      if (store.link === "live" && link === "lost") load();
      link = store.link;
    });
    const offEvents = store.subscribe("events", () => {
      for (const event of store.events.slice(-50)) {
        if (event.seq > seen && event.point !== null && EVENT_REFRESH.has(event.kind)) void catalogue.refresh(event.point);
      }
      seen = store.events[store.events.length - 1]?.seq ?? seen;
    });
    let revision: number | undefined;
    const offStatus = store.subscribe("status", () => {
      const now = store.status?.points.revision;
      if (revision !== undefined && now !== revision) load();
      revision = now;
    });
    return () => {
      connection.stop();
      offStatus();
      offLink();
      offEvents();
    };
  }, [onSessionLost]);
}

/** The pages that the signed-in person may open. */
function pages(): (typeof PAGES)[number][] {
  return PAGES.filter((page) => page.needs === null || may(page.needs));
}

function useKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target instanceof HTMLElement ? event.target : null;
      const typing = target?.closest("input:not([type=checkbox]):not([type=radio]), select, textarea") != null;
      if ((event.ctrlKey || event.metaKey) && event.key === "k" && target?.closest("dialog") == null) {
        event.preventDefault();
        open.set({ kind: "search" });
        return;
      }
      if (typing || event.ctrlKey || event.metaKey || event.altKey || !settings.get().keys) return;
      if (document.querySelector("dialog[open]") !== null) return;
      const page = pages().find((p) => p.key === event.key);
      if (page !== undefined) go(page.name);
      else if (event.key === "/") open.set({ kind: "search" });
      else if (event.key === "?") open.set({ kind: "keys" });
      else if (event.key === " " && target?.closest("button, a, input, [role=grid], table, .table-scroll") == null) silence();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

export function Shell({ onSignOut, onSessionLost }: { onSignOut: () => void; onSessionLost: () => void }) {
  useLive(onSessionLost);
  useKeys();
  useSiren();
  const wanted = useRoute()[0];
  useCell(session);
  const known = pages();
  const page = known.find((p) => p.name === wanted)?.name ?? known.find((p) => p.name === FIRST_PAGE)?.name ?? "system";
  useEffect(() => {
    document.title = `${S.nav[page]} · ${S.product}`;
  }, [page]);
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={skip}>
        {S.skip}
      </a>
      <Header />
      <Navigation page={page} />
      <main id="main" tabIndex={-1}>
        <Banner />
        <ClockBanner />
        <AlarmBanner />
        <Page page={page} onSignOut={onSignOut} />
      </main>
      <Dialogs />
    </div>
  );
}

/** The hash is the router's, so the skip link moves the focus itself. */
function skip(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Page({ page, onSignOut }: { page: PageName; onSignOut: () => void }) {
  switch (page) {
    case "overview":
      return <Overview />;
    case "network":
      return <Network />;
    case "alarms":
      return <Alarms />;
    case "points":
      return <Points />;
    case "trends":
      return <Trends />;
    case "commands":
      return <Commands />;
    case "switching":
      return <Switching />;
    case "system":
      return <System onSignOut={onSignOut} />;
  }
}

function Navigation({ page }: { page: PageName }) {
  const { theme, zone, sound } = useCell(settings);
  const who = useCell(session);
  return (
    <nav className="nav" aria-label={S.nav.label}>
      <ul>
        {pages().map((p) => (
          <li key={p.name}>
            <a href={`#/${p.name}`} aria-current={p.name === page ? "page" : undefined} data-testid={`nav-${p.name}`}>
              <kbd>{p.key}</kbd>
              <span>{S.nav[p.name]}</span>
            </a>
          </li>
        ))}
      </ul>
      <div className="nav-foot">
        <button type="button" className="plain" onClick={() => open.set({ kind: "search" })}>
          {S.header.find}
        </button>
        <button type="button" className="plain" onClick={() => open.set({ kind: "keys" })}>
          {S.header.keys}
        </button>
        <label>
          {S.header.theme}
          <select value={theme} onChange={(event) => change({ theme: event.target.value as Theme })} data-testid="theme">
            {(["system", "dark", "light"] as const).map((t) => (
              <option key={t} value={t}>
                {S.header.themes[t]}
              </option>
            ))}
          </select>
        </label>
        <label>
          {S.header.zone}
          <select value={zone} onChange={(event) => change({ zone: event.target.value === "utc" ? "utc" : "local" })} data-testid="zone">
            {(["local", "utc"] as const).map((z) => (
              <option key={z} value={z}>
                {S.header.zones[z]}
              </option>
            ))}
          </select>
        </label>
        <label className="inline">
          <input type="checkbox" checked={sound} onChange={(event) => change({ sound: event.target.checked })} data-testid="sound" />
          {S.header.sound}
        </label>
        <span className="user" title={who?.roles.join(", ")}>
          {who?.user}
        </span>
      </div>
    </nav>
  );
}

function Header() {
  const who = useCell(session);
  return (
    <header className="head">
      <span className="brand">{S.product}</span>
      {who?.server.mode === "demo" && <span className="chip chip-plain">{S.header.demo}</span>}
      <AlarmLine />
      <button type="button" className="plain" onClick={silence} data-testid="silence">
        {S.alarms.silence}
      </button>
      <LinkState />
      <LiveClock />
    </header>
  );
}

/** The most urgent unacknowledged alarm stays in sight on every page. */
function AlarmLine() {
  const all = useAlarms();
  const open_ = useMemo(() => all.filter((alarm) => !alarm.acknowledged), [all]);
  const { zone } = useCell(settings);
  const first = open_[0];
  return (
    <button type="button" className="alarm-line" onClick={() => go("alarms")} data-testid="alarm-line">
      <span className="badges" role="group" aria-label={S.header.counts}>
        {PRIORITIES.map((priority) => {
          const n = open_.filter((alarm) => alarm.priority === priority).length;
          return (
            <span key={priority} className={n === 0 ? "badge none" : "badge"}>
              <PriorityMark priority={priority} unacknowledged={n > 0} /> {count(n)}
            </span>
          );
        })}
      </span>
      {first === undefined ? (
        <span className="muted">{S.header.noAlarm}</span>
      ) : (
        <span className="alarm-first">
          <span className="time">{clock(first.raised_at, zone)}</span> <b>{first.source}</b> {first.text}
        </span>
      )}
    </button>
  );
}

function LinkState() {
  useTopic("link");
  return (
    <span className={`link link-${store.link}`} data-testid="conn-state" data-state={store.link}>
      <i aria-hidden="true" /> {S.link[store.link]}
    </span>
  );
}

/** The time of the last frame by the server's clock: it stops when the data stops. */
function LiveClock() {
  useTopic("link");
  const { zone } = useCell(settings);
  return (
    <span className="clock">
      <span className="time muted">{day(store.serverTime, zone)}</span>{" "}
      <time className="time" data-testid="live-clock">
        {clock(store.serverTime, zone)}
      </time>{" "}
      <span className="muted">{S.header.zones[zone]}</span>
    </span>
  );
}

function Banner() {
  useTopic("link");
  const lost = store.link === "lost";
  useTick(1000, lost);
  const [connecting, setConnecting] = useState(false);
  const waiting = store.link === "connecting";
  useEffect(() => {
    if (!waiting) {
      setConnecting(false);
      return;
    }
    const handle = setTimeout(() => setConnecting(true), 1500);
    return () => clearTimeout(handle);
  }, [waiting]);
  if (lost) {
    const silent = store.lastHeard === null ? null : (performance.now() - store.lastHeard) / 1000;
    return (
      <div className="banner" role="alert" data-testid="conn-banner">
        {silent === null ? S.bannerNever : S.banner(age(Math.floor(silent)))}
      </div>
    );
  }
  return connecting ? (
    <div className="banner" role="alert">
      {S.bannerNever}
    </div>
  ) : null;
}

function Dialogs() {
  const now = useCell(open);
  const close = () => open.set({ kind: "none" });
  switch (now.kind) {
    case "none":
      return null;
    case "control":
      return <ControlDialog key={now.point} point={now.point} onClose={close} />;
    case "mode":
      return <ModeDialog key={now.point} point={now.point} onClose={close} />;
    case "list":
      return <PointListDialog onClose={close} />;
    case "clock":
      return <ClockDialog onClose={close} />;
    case "tags":
      return <TagDialog key={now.point} point={now.point} onClose={close} />;
    case "faceplate":
      return <Faceplate key={now.point} point={now.point} onClose={close} />;
    case "search":
      return <FindDialog onClose={close} />;
    case "keys":
      return <KeysDialog onClose={close} />;
  }
}
