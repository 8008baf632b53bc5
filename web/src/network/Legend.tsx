import { SwitchGlyph } from "../parts/marks";
import { S } from "../strings";

const items = S.network.legendItems;

export function Legend() {
  return (
    <details className="legend">
      <summary>{S.network.legend}</summary>
      <ul>
        <li>
          <SwitchGlyph state="closed" /> {items.closed}
        </li>
        <li>
          <SwitchGlyph state="open" /> {items.open}
        </li>
        <li>
          <SwitchGlyph state="unknown" /> {items.unknown}
        </li>
        <li>
          <SwitchGlyph state="closed" stale /> {items.stale}
        </li>
        {(["low", "normal", "high", "amber", "red", "dead"] as const).map((name) => (
          <li key={name}>
            <i className={`swatch swatch-${name}`} /> {items[name]}
          </li>
        ))}
      </ul>
      <p>{S.network.marks}</p>
    </details>
  );
}
