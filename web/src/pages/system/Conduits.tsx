// What may pass between the centre and the field, link by link, and what did not.
import { useEffect, useState } from "react";
import { api, type Conduits as View, type FunctionCode } from "../../api";
import { count, fixed, stamp } from "../../format";
import { Card } from "../../parts/Card";
import { Chip, Notice } from "../../parts/marks";
import { useTopic, useZone } from "../../state";
import { S } from "../../strings";

type Conduit = View["conduits"][number];

export function Conduits() {
  // Counters of what did not pass are asked for with each status.
  const version = useTopic("status");
  const [view, setView] = useState<View | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    api.conduits().then(
      (answer) => {
        setView(answer);
        setProblem(null);
      },
      (error: unknown) => setProblem(S.conduits.failed(error instanceof Error ? error.message : String(error))),
    );
  }, [version]);
  if (problem !== null) {
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  }
  if (view === null) return <p className="muted">{S.loading}</p>;
  return (
    <div className="conduits" data-testid="conduits">
      {view.conduits.map((conduit) => (
        <Card key={conduit.name} title={conduit.name === "" ? S.conduits.title : conduit.name}>
          <Passage conduit={conduit} />
          {conduit.links.length === 0 ? <Notice>{S.conduits.empty}</Notice> : <Links conduit={conduit} />}
        </Card>
      ))}
    </div>
  );
}

function Passage({ conduit }: { conduit: Conduit }) {
  if (conduit.name === "") return <p className="muted">{S.conduits.none}</p>;
  const rate = conduit.per_minute === null ? S.conduits.anyRate : S.conduits.rate(fixed(conduit.per_minute, 0), fixed(conduit.burst, 0));
  return (
    <p>
      {S.conduits.zones(conduit.from, conduit.to)} · {conduit.commands ? rate : S.conduits.monitor}
      {conduit.classes.length > 0 && ` · ${S.conduits.classes(conduit.classes.join(", "))}`}
    </p>
  );
}

const words = (codes: FunctionCode[]): string =>
  codes.length === 0 ? S.conduits.nothing : codes.map((code) => (code.name === "" ? String(code.code) : code.name)).join(", ");

function Links({ conduit }: { conduit: Conduit }) {
  const zone = useZone();
  const c = S.conduits.columns;
  return (
    <table className="table">
      <thead>
        <tr>
          {[c.link, c.to, c.from, c.forbidden].map((title) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {conduit.links.map((link) => (
          <tr key={link.link}>
            <th scope="row">
              {link.link} <Chip tone={link.tls ? "done" : "plain"}>{link.tls ? S.conduits.tls : S.conduits.plain}</Chip>{" "}
              <span className="muted">{link.listed ? S.conduits.listed : S.conduits.fromPoints}</span>
            </th>
            <td>{words(link.to_field)}</td>
            <td>{words(link.from_field)}</td>
            <td>
              {link.forbidden.length === 0 ? (
                <span className="muted">{S.conduits.nothing}</span>
              ) : (
                link.forbidden.map((row) => (
                  <div key={`${row.direction}${row.function.code}`} className="problem">
                    {S.conduits.times(`${S.conduits.directions[row.direction]} ${words([row.function])}`, count(row.count), stamp(row.last_at, zone))}
                  </div>
                ))
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
