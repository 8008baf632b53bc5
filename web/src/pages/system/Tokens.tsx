// Tokens for scripts: make, see, revoke.
import { type FormEvent, useState } from "react";
import { stamp } from "../../format";
import { identity } from "../../identity";
import { Card } from "../../parts/Card";
import { Dialog } from "../../parts/Dialog";
import { Field, Problem, said } from "../../parts/Factors";
import { Secret } from "../../parts/Secret";
import { may, session, useCell, useZone } from "../../state";
import { S } from "../../strings";
import { Head, Loading, names, useLoaded } from "./loaded";

const t = S.identity.tokens;

export function Tokens() {
  const tokens = useLoaded(identity.tokens);
  const zone = useZone();
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const revoke = (id: string) => {
    identity.revokeToken(id).then(tokens.again, (error: unknown) => setProblem(said(error)));
  };
  return (
    <div className="system-grid one">
      <Card title={t.title}>
        <p>
          <button type="button" onClick={() => setOpen(true)} data-testid="new-token">
            {t.add}
          </button>
        </p>
        <Problem text={problem} />
        <Loading of={tokens}>
          {tokens.value?.tokens.length === 0 ? (
            <p className="muted">{t.empty}</p>
          ) : (
            <table className="table" data-testid="tokens">
              <Head titles={[t.label, t.user, t.rights, t.areas, t.created, t.expires, t.used, t.acts]} />
              <tbody>
                {tokens.value?.tokens.map((token) => (
                  <tr key={token.id}>
                    <th scope="row">{token.label}</th>
                    <td>{token.user}</td>
                    <td className="wrap">{token.rights?.join(", ") ?? t.all}</td>
                    <td className="wrap">{token.areas?.join(", ") ?? t.all}</td>
                    <td className="time">{stamp(token.created_at, zone)}</td>
                    <td className="time">{stamp(token.expires_at, zone)}</td>
                    <td className="time">{token.last_used_at === null ? t.never : stamp(token.last_used_at, zone)}</td>
                    <td>
                      <button type="button" className="small" onClick={() => revoke(token.id)} aria-label={t.revokeOf(token.label)}>
                        {t.revoke}
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loading>
      </Card>
      {open && (
        <Make
          onClose={() => {
            setOpen(false);
            tokens.again();
          }}
        />
      )}
    </div>
  );
}

function Make({ onClose }: { onClose: () => void }) {
  const who = useCell(session);
  const [label, setLabel] = useState("");
  const [user, setUser] = useState("");
  const [held, setHeld] = useState<string[]>([]);
  const [areas, setAreas] = useState("");
  const [days, setDays] = useState("90");
  const [problem, setProblem] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const body = {
      label,
      days: Number(days),
      ...(user.trim() === "" ? {} : { user: user.trim() }),
      ...(held.length === 0 ? {} : { rights: held }),
      ...(names(areas).length === 0 ? {} : { areas: names(areas) }),
    };
    try {
      setSecret((await identity.makeToken(body)).secret);
    } catch (error) {
      setProblem(said(error));
    }
  };
  if (secret !== null) {
    return (
      <Dialog title={t.add} onClose={onClose} testId="token-dialog">
        <Secret value={secret} lead={t.secret} />
        <footer>
          <button type="button" className="primary" onClick={onClose} data-testid="token-close">
            {S.close}
          </button>
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title={t.add} onClose={onClose} testId="token-dialog">
      <form onSubmit={(event) => void submit(event)}>
        <Field label={t.label} value={label} onChange={setLabel} id="token-label" focus />
        {may("manage_users") && <Field label={t.forWhom} value={user} onChange={setUser} id="token-user" />}
        <fieldset className="choices">
          <legend>{t.rights}</legend>
          <p className="muted">{t.rightsHint}</p>
          {(who?.rights ?? []).map((right) => (
            <label key={right} className="check">
              <input
                type="checkbox"
                checked={held.includes(right)}
                onChange={(event) => setHeld(event.target.checked ? [...held, right] : held.filter((one) => one !== right))}
                data-testid={`token-right-${right}`}
              />
              {right}
            </label>
          ))}
        </fieldset>
        <Field label={t.areasHint} value={areas} onChange={setAreas} id="token-areas" />
        <Field label={t.days} value={days} onChange={setDays} type="number" id="token-days" />
        <Problem text={problem} />
        <footer>
          <button type="button" onClick={onClose}>
            {S.cancel}
          </button>
          <button type="submit" className="primary" disabled={label.trim() === ""} data-testid="token-make">
            {t.make}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
