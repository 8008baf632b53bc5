// Something that is asked for once and after each change, with its loading and error states.
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { said } from "../../parts/Factors";
import { S } from "../../strings";

interface Loaded<T> {
  value: T | null;
  problem: string | null;
  again: () => void;
}

export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [asked, setAsked] = useState(0);
  const [state, setState] = useState<{ value: T | null; problem: string | null }>({ value: null, problem: null });
  // biome-ignore lint: the question is the same at every render, only the counter asks again.
  useEffect(() => {
    let current = true;
    load().then(
      (value) => current && setState({ value, problem: null }),
      (error: unknown) => current && setState((before) => ({ ...before, problem: said(error) })),
    );
    return () => {
      current = false;
    };
  }, [asked]);
  const again = useCallback(() => setAsked((count) => count + 1), []);
  return { ...state, again };
}

export function Loading({ of, children }: { of: { value: unknown; problem: string | null; again: () => void }; children: ReactNode }) {
  if (of.problem !== null) {
    return (
      <p className="problem" role="alert">
        {S.failed(of.problem)}{" "}
        <button type="button" className="small" onClick={of.again}>
          {S.retry}
        </button>
      </p>
    );
  }
  return of.value === null ? <p className="muted">{S.loading}</p> : <>{children}</>;
}

/** Titles of columns, with a width where the content does not say it. */
export function Head({ titles }: { titles: readonly (string | readonly [title: string, width: string])[] }) {
  return (
    <thead>
      <tr>
        {titles.map((column) => {
          const [title, width] = typeof column === "string" ? [column, undefined] : column;
          return (
            <th key={title} scope="col" style={{ width }}>
              {title}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** Names separated by commas. */
export function names(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
