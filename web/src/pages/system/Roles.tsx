// Roles and areas: those of IEC 62351-8, and those that are data of this centre.
import { type FormEvent, useState } from "react";
import { stamp } from "../../format";
import { identity } from "../../identity";
import { Card } from "../../parts/Card";
import { Dialog } from "../../parts/Dialog";
import { Field, Problem, said } from "../../parts/Factors";
import { may, useZone } from "../../state";
import { S } from "../../strings";
import { Head, Loading, names, useLoaded } from "./loaded";

const t = S.identity.roles;

type Open = { kind: "role" | "area"; name: string; members: string[]; fresh: boolean } | null;

export function Roles() {
  const roles = useLoaded(identity.roles);
  const areas = useLoaded(identity.areas);
  const zone = useZone();
  const [open, setOpen] = useState<Open>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const manages = may("manage_roles");
  const again = () => {
    roles.again();
    areas.again();
  };
  const remove = (what: Promise<unknown>) => {
    what.then(
      () => setProblem(null),
      (error: unknown) => setProblem(said(error)),
    ).finally(again);
  };
  const acts = (kind: "role" | "area", name: string, members: string[]) => (
    <>
      <button type="button" className="small" onClick={() => setOpen({ kind, name, members, fresh: false })} aria-label={t.editOf(name)}>
        {t.edit}
      </button>{" "}
      <button type="button" className="small" onClick={() => remove(kind === "role" ? identity.dropRole(name) : identity.dropArea(name))} aria-label={t.removeOf(name)}>
        {t.remove}
      </button>
    </>
  );
  return (
    <div className="system-grid one">
      <Problem text={problem} />
      <Card title={t.title}>
        {manages && (
          <p>
            <button type="button" onClick={() => setOpen({ kind: "role", name: "", members: [], fresh: true })} data-testid="new-role">
              {t.add}
            </button>
          </p>
        )}
        <Loading of={roles}>
          <table className="table" data-testid="roles">
            <Head titles={[t.name, t.rights, t.origin, ...(manages ? [t.edit] : [])]} />
            <tbody>
              {roles.value?.roles.map((role) => (
                <tr key={role.name}>
                  <th scope="row">{role.name}</th>
                  <td className="wrap">{role.rights.join(", ")}</td>
                  <td>{role.built_in ? t.builtIn : t.by(role.by ?? S.none, stamp(role.changed_at, zone))}</td>
                  {manages && <td>{!role.built_in && acts("role", role.name, role.rights)}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </Loading>
      </Card>
      <Card title={t.areas}>
        {manages && (
          <p>
            <button type="button" onClick={() => setOpen({ kind: "area", name: "", members: [], fresh: true })} data-testid="new-area">
              {t.addArea}
            </button>
          </p>
        )}
        <Loading of={areas}>
          {areas.value?.areas.length === 0 ? (
            <p className="muted">{t.noAreas}</p>
          ) : (
            <table className="table" data-testid="areas">
              <Head titles={[t.name, t.substations, t.origin, ...(manages ? [t.edit] : [])]} />
              <tbody>
                {areas.value?.areas.map((area) => (
                  <tr key={area.name}>
                    <th scope="row">{area.name}</th>
                    <td className="wrap">{area.substations.join(", ")}</td>
                    <td>{t.by(area.by, stamp(area.changed_at, zone))}</td>
                    {manages && <td>{acts("area", area.name, area.substations)}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loading>
      </Card>
      {open !== null && (
        <Edit
          what={open}
          rights={roles.value?.rights ?? []}
          onClose={() => {
            setOpen(null);
            again();
          }}
        />
      )}
    </div>
  );
}

function Edit({ what, rights, onClose }: { what: NonNullable<Open>; rights: string[]; onClose: () => void }) {
  const [name, setName] = useState(what.name);
  const [held, setHeld] = useState(what.members);
  const [typed, setTyped] = useState(what.members.join(", "));
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      if (what.kind === "role") await identity.putRole(name.trim(), held);
      else await identity.putArea(name.trim(), names(typed));
      onClose();
    } catch (error) {
      setProblem(said(error));
    }
  };
  const title = what.fresh ? (what.kind === "role" ? t.add : t.addArea) : t.editOf(what.name);
  return (
    <Dialog title={title} onClose={onClose} testId="role-dialog">
      <form onSubmit={(event) => void submit(event)}>
        {what.fresh && <Field label={t.name} value={name} onChange={setName} id="role-name" focus />}
        {what.kind === "role" ? (
          <fieldset className="choices">
            <legend>{t.rights}</legend>
            {rights.map((right) => (
              <label key={right} className="check">
                <input
                  type="checkbox"
                  checked={held.includes(right)}
                  onChange={(event) => setHeld(event.target.checked ? [...held, right] : held.filter((one) => one !== right))}
                  data-testid={`right-${right}`}
                />
                {right}
              </label>
            ))}
          </fieldset>
        ) : (
          <Field label={t.substationsHint} value={typed} onChange={setTyped} id="area-substations" />
        )}
        <Problem text={problem} />
        <footer>
          <button type="button" onClick={onClose}>
            {S.cancel}
          </button>
          <button type="submit" className="primary" disabled={name.trim() === ""} data-testid="role-save">
            {t.save}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
