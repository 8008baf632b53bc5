// Accounts, and what waits for a second administrator.
import { type FormEvent, useState } from "react";
import { stamp } from "../../format";
import { type Deed, identity, type User } from "../../identity";
import { Card } from "../../parts/Card";
import { Dialog } from "../../parts/Dialog";
import { Field, Problem, said } from "../../parts/Factors";
import { Secret } from "../../parts/Secret";
import { may, session, useCell, useZone } from "../../state";
import { S } from "../../strings";
import { Head, Loading, names, useLoaded } from "./loaded";

const t = S.identity.users;

type Open = { kind: "edit"; user: User | null } | { kind: "reset"; user: User } | null;

function stateOf(user: User): string {
  if (user.disabled) return t.states.disabled;
  if (user.sealed) return t.states.sealed;
  const now = new Date().toISOString();
  const outside = (user.valid_from ?? "") > now || (user.valid_until !== null && user.valid_until <= now);
  return outside ? t.states.outside : t.states.enabled;
}

export function Users() {
  const users = useLoaded(identity.users);
  const [open, setOpen] = useState<Open>(null);
  const [decided, setDecided] = useState(0);
  const manages = may("manage_users");
  const close = () => {
    setOpen(null);
    users.again();
    setDecided(decided + 1);
  };
  return (
    <div className="system-grid one">
      {manages && <Requests key={decided} onDecided={users.again} />}
      <Card title={t.title}>
        {manages && (
          <p>
            <button type="button" onClick={() => setOpen({ kind: "edit", user: null })} data-testid="new-user">
              {t.add}
            </button>
          </p>
        )}
        <Loading of={users}>
          <table className="table" data-testid="users">
            <Head titles={[t.name, t.kind, t.roles, t.areas, t.state, t.factors, t.sessions, ...(manages ? [t.acts] : [])]} />
            <tbody>
              {users.value?.users.map((user) => (
                <tr key={user.name}>
                  <th scope="row">{user.name}</th>
                  <td>{t.kinds[user.kind]}</td>
                  <td className="wrap">{user.roles.join(", ")}</td>
                  <td className="wrap">{user.areas.join(", ")}</td>
                  <td>{stateOf(user)}</td>
                  <td className="wrap">{t.factorsOf(user.enrolled.password, user.enrolled.totp)}</td>
                  <td className="num">{user.sessions}</td>
                  {manages && (
                    <td>
                      <button type="button" className="small" onClick={() => setOpen({ kind: "edit", user })} aria-label={t.editOf(user.name)}>
                        {t.edit}
                      </button>{" "}
                      {user.kind === "human" && (
                        <button type="button" className="small" onClick={() => setOpen({ kind: "reset", user })} aria-label={t.resetOf(user.name)}>
                          {t.reset}
                        </button>
                      )}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </Loading>
      </Card>
      {open?.kind === "edit" && <Edit user={open.user} onClose={close} />}
      {open?.kind === "reset" && <Reset user={open.user} onClose={close} />}
    </div>
  );
}

function Became({ deed, name }: { deed: Deed; name: string }) {
  if (deed.waits !== undefined) return <p role="status">{t.waits(deed.waits.id)}</p>;
  return deed.secret === undefined ? null : <Secret value={deed.secret} lead={t.secretOf(name)} />;
}

function Edit({ user, onClose }: { user: User | null; onClose: () => void }) {
  const roles = useLoaded(identity.roles);
  const [name, setName] = useState(user?.name ?? "");
  const [kind, setKind] = useState<string>(user?.kind ?? "human");
  const [held, setHeld] = useState<string[]>(user?.roles ?? []);
  const [areas, setAreas] = useState(user?.areas.join(", ") ?? "*");
  const [disabled, setDisabled] = useState(user?.disabled ?? false);
  const [until, setUntil] = useState(user?.valid_until?.slice(0, 10) ?? "");
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [deed, setDeed] = useState<Deed | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const valid_until = until === "" ? null : `${until}T00:00:00Z`;
    const account = { kind, roles: held, areas: names(areas), disabled, valid_from: user?.valid_from ?? null, valid_until, reason };
    try {
      const became = await identity.putUser(name.trim(), account);
      if (became.done && became.secret === undefined) onClose();
      else setDeed(became);
    } catch (error) {
      setProblem(said(error));
    }
  };
  const title = user === null ? t.add : t.editOf(user.name);
  if (deed !== null) return <Done title={title} deed={deed} name={name} onClose={onClose} />;
  const toggle = (role: string, on: boolean) => setHeld(on ? [...held, role] : held.filter((one) => one !== role));
  return (
    <Dialog title={title} onClose={onClose} testId="user-dialog">
      <form onSubmit={(event) => void submit(event)}>
        {user === null && (
          <>
            <Field label={t.name} value={name} onChange={setName} id="user-name" focus />
            <label className="field">
              <span>{t.kind}</span>
              <select value={kind} onChange={(event) => setKind(event.target.value)} data-testid="user-kind">
                <option value="human">{t.kinds.human}</option>
                <option value="service">{t.kinds.service}</option>
              </select>
            </label>
          </>
        )}
        <Loading of={roles}>
          <fieldset className="choices">
            <legend>{t.roles}</legend>
            {roles.value?.roles.map((role) => (
              <label key={role.name} className="check" title={role.rights.join(", ")}>
                <input type="checkbox" checked={held.includes(role.name)} onChange={(event) => toggle(role.name, event.target.checked)} data-testid={`role-${role.name}`} />
                {role.name}
              </label>
            ))}
          </fieldset>
        </Loading>
        <Field label={t.areasHint} value={areas} onChange={setAreas} id="user-areas" />
        <Field label={t.until} value={until} onChange={setUntil} type="date" id="user-until" />
        {user !== null && (
          <label className="check">
            <input type="checkbox" checked={disabled} onChange={(event) => setDisabled(event.target.checked)} data-testid="user-disabled" />
            {t.disabled}
          </label>
        )}
        <Field label={t.reason} value={reason} onChange={setReason} id="user-reason" />
        <Problem text={problem} />
        <footer>
          <button type="button" onClick={onClose}>
            {S.cancel}
          </button>
          <button type="submit" className="primary" disabled={reason.trim() === "" || name.trim() === ""} data-testid="user-save">
            {t.save}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Done({ title, deed, name, onClose }: { title: string; deed: Deed; name: string; onClose: () => void }) {
  return (
    <Dialog title={title} onClose={onClose} testId="deed-dialog">
      <Became deed={deed} name={name} />
      <footer>
        <button type="button" className="primary" onClick={onClose} data-testid="deed-close">
          {S.close}
        </button>
      </footer>
    </Dialog>
  );
}

function Reset({ user, onClose }: { user: User; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [deed, setDeed] = useState<Deed | null>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    identity.resetUser(user.name, reason).then(setDeed, (error: unknown) => setProblem(said(error)));
  };
  if (deed !== null) return <Done title={t.resetOf(user.name)} deed={deed} name={user.name} onClose={onClose} />;
  return (
    <Dialog title={t.resetOf(user.name)} onClose={onClose} testId="reset-dialog">
      <form onSubmit={submit}>
        <p>{t.resetLead}</p>
        <Field label={t.reason} value={reason} onChange={setReason} id="reset-reason" focus />
        <Problem text={problem} />
        <footer>
          <button type="button" onClick={onClose}>
            {S.cancel}
          </button>
          <button type="submit" className="primary" disabled={reason.trim() === ""} data-testid="reset-confirm">
            {t.reset}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Requests({ onDecided }: { onDecided: () => void }) {
  const requests = useLoaded(identity.requests);
  const who = useCell(session);
  const zone = useZone();
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<{ name: string; deed: Deed } | null>(null);
  const r = S.identity.requests;
  const decide = async (id: number, target: string, how: "approve" | "refuse") => {
    try {
      const deed = await identity.decide(id, how);
      if (deed?.secret !== undefined) setDone({ name: target, deed });
      setProblem(null);
    } catch (error) {
      setProblem(said(error));
    }
    requests.again();
    onDecided();
  };
  const rows = requests.value?.requests ?? [];
  if (rows.length === 0 && done === null && problem === null && requests.problem === null) return null;
  return (
    <Card title={r.title}>
      <Problem text={problem} />
      <Loading of={requests}>
        <table className="table" data-testid="user-requests">
          <Head titles={[r.action, r.target, r.wanted, r.by, r.until, r.reason, r.decide]} />
          <tbody>
            {rows.map((row) => {
              const own = row.by === who?.user;
              const verb = own ? r.withdraw : r.refuse;
              return (
                <tr key={row.id}>
                  <th scope="row">{row.action}</th>
                  <td>{row.target}</td>
                  <td className="wrap">{row.wanted === "" ? S.none : row.wanted}</td>
                  <td>{row.by}</td>
                  <td className="time">{stamp(row.expires_at, zone)}</td>
                  <td className="wrap">{row.reason}</td>
                  <td>
                    {!own && (
                      <button type="button" className="small" onClick={() => void decide(row.id, row.target, "approve")} aria-label={r.of(r.approve, row.id)}>
                        {r.approve}
                      </button>
                    )}{" "}
                    <button type="button" className="small" onClick={() => void decide(row.id, row.target, "refuse")} aria-label={r.of(verb, row.id)}>
                      {verb}
                    </button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Loading>
      {done !== null && <Became deed={done.deed} name={done.name} />}
    </Card>
  );
}
