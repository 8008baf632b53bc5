// The page's one store, one catalogue and its settings, with the hooks that read them.
import { useEffect, useState, useSyncExternalStore } from "react";
import { api, type Network, type Point, type Session } from "./api";
import { setLocale, type Zone } from "./format";
import { Catalogue } from "./live/catalogue";
import { type Reading, reading } from "./live/reading";
import { LiveStore, rateLimit, type Topic } from "./live/store";

export const store = new LiveStore(rateLimit());
export const catalogue = new Catalogue({ points: api.points, point: api.point });

setLocale(undefined);

/** Re-renders the caller when the topic is published, at most ten times a second. */
export function useTopic(topic: Topic): number {
  return useSyncExternalStore(
    (listener) => store.subscribe(topic, listener),
    () => store.version(topic),
  );
}

export function useCatalogue(): Catalogue {
  useSyncExternalStore(catalogue.subscribe, catalogue.version);
  return catalogue;
}

export const read = (id: number | null | undefined): Reading => reading(store, id, performance.now());

export function pointOf(id: number | null | undefined): Point | null {
  return id === null || id === undefined ? null : (catalogue.points.get(id) ?? null);
}

/** Something held outside React that changes rarely. */
class Cell<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();
  constructor(value: T) {
    this.#value = value;
  }
  get = (): T => this.#value;
  set(value: T): void {
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

export function useCell<T>(cell: Cell<T>): T {
  return useSyncExternalStore(cell.subscribe, cell.get);
}

export type Theme = "system" | "dark" | "light";
export interface Settings {
  theme: Theme;
  zone: Zone;
  /** Single-letter keys can be switched off (WCAG 2.1.4). */
  keys: boolean;
  /** Alarms are heard. */
  sound: boolean;
}

const SETTINGS_KEY = "tieline.settings";
const DEFAULTS: Settings = { theme: "system", zone: "local", keys: true, sound: true };

function stored(): Settings {
  try {
    const known = JSON.parse(localStorage.getItem(SETTINGS_KEY) ?? "{}") as Partial<Settings>;
    return {
      theme: known.theme === "dark" || known.theme === "light" ? known.theme : DEFAULTS.theme,
      zone: known.zone === "utc" ? "utc" : DEFAULTS.zone,
      keys: known.keys !== false,
      sound: known.sound !== false,
    };
  } catch {
    return DEFAULTS;
  }
}

export const settings = new Cell<Settings>(stored());

export function change(part: Partial<Settings>): void {
  settings.set({ ...settings.get(), ...part });
  try {
    localStorage.setItem(SETTINGS_KEY, JSON.stringify(settings.get()));
  } catch {
    // Without storage the settings last as long as the tab.
  }
}

const darkPreference = matchMedia("(prefers-color-scheme: dark)");
export type Shade = "dark" | "light";
export const shade = new Cell<Shade>("dark");

function applyTheme(): void {
  const { theme } = settings.get();
  const value: Shade = theme === "system" ? (darkPreference.matches ? "dark" : "light") : theme;
  document.documentElement.dataset["theme"] = value;
  if (shade.get() !== value) shade.set(value);
}
settings.subscribe(applyTheme);
darkPreference.addEventListener("change", applyTheme);
applyTheme();

export const session = new Cell<Session | null>(null);
export const network = new Cell<{ state: "loading" | "ready" | "failed"; data: Network | null; error: string }>({
  state: "loading",
  data: null,
  error: "",
});

export async function loadNetwork(): Promise<void> {
  try {
    network.set({ state: "ready", data: await api.network(), error: "" });
  } catch (error) {
    const known = network.get().data;
    network.set({
      state: known === null ? "failed" : "ready",
      data: known,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

export function may(right: string): boolean {
  return session.get()?.rights.includes(right) ?? false;
}

/** Times change their text with the zone. */
export function useZone(): Zone {
  return useCell(settings).zone;
}

/** A clock for count-downs and for ages while nothing is heard. */
export function useTick(ms: number, active = true): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!active) return;
    const handle = setInterval(() => setNow(performance.now()), ms);
    return () => clearInterval(handle);
  }, [ms, active]);
  return now;
}

/** Where the page is: `#/network/branch/3` is ["network", "branch", "3"]. */
const route = new Cell<string>(location.hash);
window.addEventListener("hashchange", () => route.set(location.hash));

export function useRoute(): string[] {
  return useCell(route).replace(/^#\/?/, "").split("/").filter((part) => part !== "").map(decodeURIComponent);
}

export function go(...parts: (string | number)[]): void {
  location.hash = `#/${parts.map((part) => encodeURIComponent(String(part))).join("/")}`;
}

/** The dialogs that any page may open. */
export type Open =
  | { kind: "none" }
  | { kind: "control"; point: number }
  | { kind: "tags"; point: number }
  | { kind: "mode"; point: number }
  | { kind: "clock" }
  | { kind: "list" }
  | { kind: "faceplate"; point: number }
  | { kind: "search" }
  | { kind: "keys" };
export const open = new Cell<Open>({ kind: "none" });
