import { useMemo, useState } from "react";
import { matches, words } from "../live/catalogue";
import { catalogue, go, network, open, useCatalogue, useCell } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";
import { PAGES } from "./pages";

interface Found {
  key: string;
  kind: keyof typeof S.find.kinds;
  name: string;
  note: string;
  run: () => void;
}
const SHOWN = 12;

export function FindDialog({ onClose }: { onClose: () => void }) {
  useCatalogue();
  const grid = useCell(network).data;
  const [search, setSearch] = useState("");
  const [at, setAt] = useState(0);
  const found = useMemo((): Found[] => {
    const wanted = words(search);
    if (wanted.length === 0) return [];
    const fits = (text: string) => wanted.every((word) => text.toLowerCase().includes(word));
    const list: Found[] = [];
    for (const page of PAGES) if (fits(S.nav[page.name])) list.push({ key: page.name, kind: "page", name: S.nav[page.name], note: page.key, run: () => go(page.name) });
    grid?.substations.forEach((s, i) => {
      if (fits(s.name)) list.push({ key: `s${i}`, kind: "substation", name: s.name, note: "", run: () => go("network", "substation", i) });
    });
    grid?.branches.forEach((b, i) => {
      if (fits(b.name)) list.push({ key: `b${i}`, kind: "branch", name: b.name, note: "", run: () => go("network", "branch", i) });
    });
    for (const p of catalogue.points.values()) {
      if (list.length >= SHOWN) break;
      if (matches(p, wanted)) list.push({ key: `p${p.id}`, kind: "point", name: p.name, note: p.unit, run: () => open.set({ kind: "faceplate", point: p.id }) });
    }
    return list.slice(0, SHOWN);
  }, [search, grid]);
  const take = (item: Found | undefined) => {
    if (item === undefined) return;
    onClose();
    item.run();
  };
  return (
    <Dialog title={S.find.title} onClose={onClose} testId="find-dialog">
      <input
        type="search"
        data-autofocus
        value={search}
        placeholder={S.find.placeholder}
        aria-label={S.find.title}
        onChange={(event) => {
          setSearch(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(found.length - 1, at + 1));
          else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
          else if (event.key === "Enter") take(found[at]);
          else return;
          event.preventDefault();
        }}
        data-testid="find-input"
      />
      <ul className="find-list" aria-live="polite">
        {found.map((item, index) => (
          <li key={item.key}>
            <button type="button" className={index === at ? "chosen" : ""} onClick={() => take(item)}>
              <span className="muted">{S.find.kinds[item.kind]}</span> {item.name} <span className="muted">{item.note}</span>
            </button>
          </li>
        ))}
        {search.trim() !== "" && found.length === 0 && <li className="muted">{S.find.empty}</li>}
      </ul>
    </Dialog>
  );
}
