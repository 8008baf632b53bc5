// Living sessions: end one's own, freeze a colleague's that is not his any more.
import { type FormEvent, useState } from "react";
import { stamp } from "../../format";
import { identity, type LivingSession } from "../../identity";
import { Card } from "../../parts/Card";
import { Dialog } from "../../parts/Dialog";
import { Field, Problem, said } from "../../parts/Factors";
import { may, session, useCell, useZone } from "../../state";
import { S } from "../../strings";
import { Head, Loading, useLoaded } from "./loaded";

const t = S.identity.sessions;

export function Sessions() {
  const sessions = useLoaded(identity.sessions);
  const who = useCell(session);
  const zone = useZone();
  const [open, setOpen] = useState<{ act: "end" | "freeze"; row: LivingSession } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [operates, manages] = [may("command"), may("manage_users")];
  const unfreeze = (row: LivingSession) => {
    identity.unfreeze(row.id).then(sessions.again, (error: unknown) => setProblem(said(error)));
  };
  return (
    <div className="system-grid one">
      <Card title={t.title}>
        <p className="muted">{t.lead}</p>
        <Problem text={problem} />
        <Loading of={sessions}>
          <table className="table" data-testid="sessions">
            <Head titles={[t.user, t.source, t.began, t.created, t.used, t.state, t.acts]} />
            <tbody>
              {sessions.value?.sessions.map((row) => (
                <tr key={row.id}>
                  <th scope="row">{row.user}</th>
                  <td className="time">{row.source}</td>
                  <td>{t.begans[row.began] ?? row.began}</td>
                  <td className="time">{stamp(row.created_at, zone)}</td>
                  <td className="time">{stamp(row.last_used_at, zone)}</td>
                  <td className="wrap">{row.frozen !== undefined ? t.frozen(row.frozen) : row.own ? t.own : t.alive}</td>
                  <td>
                    {operates && !row.own && row.frozen === undefined && (
                      <button type="button" className="small" onClick={() => setOpen({ act: "freeze", row })} aria-label={t.of(t.freeze, row.user, row.id)}>
                        {t.freeze}
                      </button>
                    )}{" "}
                    {manages && row.frozen !== undefined && (
                      <button type="button" className="small" onClick={() => unfreeze(row)} aria-label={t.of(t.unfreeze, row.user, row.id)}>
                        {t.unfreeze}
                      </button>
                    )}{" "}
                    {(manages || row.user === who?.user) && (
                      <button type="button" className="small" onClick={() => setOpen({ act: "end", row })} aria-label={t.of(t.end, row.user, row.id)}>
                        {t.end}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Loading>
      </Card>
      {open !== null && (
        <Stop
          act={open.act}
          row={open.row}
          onClose={() => {
            setOpen(null);
            sessions.again();
          }}
        />
      )}
    </div>
  );
}

function Stop({ act, row, onClose }: { act: "end" | "freeze"; row: LivingSession; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [told, setTold] = useState<string | null>(null);
  const verb = act === "end" ? t.end : t.freeze;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      if (act === "freeze") await identity.freeze(row.id, reason);
      else {
        const deed = await identity.endSession(row.id, reason);
        if (deed.waits !== undefined) {
          setTold(S.identity.users.waits(deed.waits.id));
          return;
        }
      }
      onClose();
    } catch (error) {
      setTold(said(error));
    }
  };
  return (
    <Dialog title={t.of(verb, row.user, row.id)} onClose={onClose} testId="stop-dialog">
      <form onSubmit={(event) => void submit(event)}>
        <p>{act === "end" ? t.endLead : t.freezeLead}</p>
        <Field label={t.reason} value={reason} onChange={setReason} id="stop-reason" focus />
        <Problem text={told} />
        <footer>
          <button type="button" onClick={onClose}>
            {S.cancel}
          </button>
          <button type="submit" className="primary" disabled={reason.trim() === ""} data-testid="stop-confirm">
            {verb}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
