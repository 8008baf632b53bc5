// What a point is (name, unit, address, limits, control, tags), fetched by pages from the HTTP API. The live
// frames carry only what changes every second.
import type { Point } from "../api";

const PAGE = 1000;
/** Above this the page searches on the server instead of holding every point. */
export const CATALOGUE_MAX = 20_000;

export interface PointSource {
  points: (filter: { limit: number; offset: number }) => Promise<{ total: number; points: Point[] }>;
  point: (id: number) => Promise<Point>;
}

export class Catalogue {
  readonly points = new Map<number, Point>();
  total = 0;
  state: "empty" | "loading" | "ready" | "failed" = "empty";
  error = "";
  #version = 0;
  readonly #listeners = new Set<() => void>();
  readonly #source: PointSource;
  readonly #pending = new Map<number, Promise<void>>();

  constructor(source: PointSource) {
    this.#source = source;
  }

  version = (): number => this.#version;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get complete(): boolean {
    return this.state === "ready" && this.points.size >= this.total;
  }

  async load(): Promise<void> {
    if (this.state === "loading") return;
    if (this.state !== "ready") this.state = "loading";
    this.#publish();
    try {
      const fresh = new Map<number, Point>();
      for (let offset = 0; offset < CATALOGUE_MAX; offset += PAGE) {
        const page = await this.#source.points({ limit: PAGE, offset });
        this.total = page.total;
        for (const point of page.points) fresh.set(point.id, point);
        if (page.points.length === 0 || fresh.size >= page.total) break;
      }
      this.points.clear();
      for (const [id, point] of fresh) this.points.set(id, point);
      this.state = "ready";
    } catch (error) {
      if (this.state !== "ready") this.state = "failed";
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.#publish();
  }

  /** Fetches one point anew, for its tags and the detail of its quality. Calls in flight are shared. */
  refresh(id: number): Promise<void> {
    const known = this.#pending.get(id);
    if (known !== undefined) return known;
    const request = this.#source
      .point(id)
      .then((point) => {
        this.points.set(id, point);
        this.#publish();
      })
      .catch(() => {
        // The live values go on; the detail stays as old as it was.
      })
      .finally(() => this.#pending.delete(id));
    this.#pending.set(id, request);
    return request;
  }

  byName(name: string): Point | null {
    for (const point of this.points.values()) if (point.name === name) return point;
    return null;
  }

  #publish(): void {
    this.#version += 1;
    for (const listener of this.#listeners) listener();
  }
}

/** Every word of the search must occur somewhere in name, equipment, substation, unit, link or address. */
export function matches(point: Point, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = `${point.name} ${point.equipment} ${point.substation} ${point.unit} ${point.kind} ${point.link} ${point.address}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export const words = (search: string): string[] => search.toLowerCase().split(/\s+/).filter((word) => word !== "");
