// What one person may not do alone: requests that wait for a second one.
import { useEffect, useState } from "react";
import { api, type Approval } from "../api";
import { count, stamp } from "../format";
import { Notice } from "../parts/marks";
import { go, session, store, useCell, useTopic, useZone } from "../state";
import { S } from "../strings";

export function Approvals() {
  useTopic("status");
  const zone = useZone();
  const who = useCell(session);
  const waiting = store.status?.alarms.approvals ?? 0;
  const [rows, setRows] = useState<Approval[]>([]);
  const [asked, setAsked] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    api.approvals().then(
      (view) => setRows(view.approvals),
      () => {},
    );
  }, [waiting, asked]);
  const decide = (id: number, how: "approve" | "refuse") => {
    setProblem(null);
    api.decide(id, how).then(
      () => setAsked(asked + 1),
      (error: unknown) => {
        setProblem(S.approvals.failed(error instanceof Error ? error.message : String(error)));
        setAsked(asked + 1);
      },
    );
  };
  const c = S.approvals.columns;
  return (
    <>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {rows.length === 0 ? (
        <Notice>{S.approvals.empty}</Notice>
      ) : (
        <table className="table" data-testid="approvals">
          <thead>
            <tr>
              {[c.what, c.by, c.at, c.until, c.count, c.targets, c.reason, c.decide].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const own = row.by === who?.user;
              return (
                <tr key={row.id}>
                  <th scope="row">{row.action}</th>
                  <td>{row.by}</td>
                  <td className="time">{stamp(row.at, zone)}</td>
                  <td className="time">{stamp(row.expires_at, zone)}</td>
                  <td className="num">{count(row.count)}</td>
                  <td>
                    {row.targets}{" "}
                    {row.command !== null && (
                      <button type="button" className="link" onClick={() => go("commands", String(row.command))}>
                        {S.commands.details(row.command)}
                      </button>
                    )}
                  </td>
                  <td>{row.reason}</td>
                  <td>
                    {!own && (
                      <button type="button" className="small" onClick={() => decide(row.id, "approve")} aria-label={S.approvals.of(S.approvals.approve, row.id)}>
                        {S.approvals.approve}
                      </button>
                    )}{" "}
                    <button type="button" className="small" onClick={() => decide(row.id, "refuse")} aria-label={S.approvals.of(own ? S.approvals.withdraw : S.approvals.refuse, row.id)}>
                      {own ? S.approvals.withdraw : S.approvals.refuse}
                    </button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </>
  );
}
