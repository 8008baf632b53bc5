// A secret that is shown once, and the QR code of an authenticator.
import { S } from "../strings";

export function Secret({ value, lead }: { value: string; lead: string }) {
  return (
    <div className="secret" role="status" data-testid="secret">
      <p>{lead}</p>
      <code>{value}</code>
      <p className="muted">{S.identity.once}</p>
    </div>
  );
}

/** Dark modules as one path; always dark on white with the quiet zone of four modules, whatever the theme. */
export function Qr({ rows }: { rows: readonly string[] }) {
  const path = rows.flatMap((row, y) => [...row].map((module, x) => (module === "1" ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  const size = rows.length;
  return (
    <svg className="qr" viewBox={`-4 -4 ${size + 8} ${size + 8}`} role="img" aria-label={S.identity.qr}>
      <rect x={-4} y={-4} width={size + 8} height={size + 8} fill="#fff" />
      <path d={path} fill="#000" shapeRendering="crispEdges" />
    </svg>
  );
}
