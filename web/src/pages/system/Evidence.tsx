// Evidence for a period: who may do what, who did, what the centre is.
import { useState } from "react";
import { call } from "../../api";
import { count, stamp } from "../../format";
import { Card, Facts } from "../../parts/Card";
import { Chip } from "../../parts/marks";
import { useZone } from "../../state";
import { S } from "../../strings";
import { Head, Loading, useLoaded } from "./loaded";

interface EvidenceOf {
  from: string;
  to: string;
  people: { name: string; kind: string; active: boolean; roles: string[]; areas: string[]; rights: string[]; last_act_at: string | null }[];
  acts: { actor: string; action: string; outcome: string; count: number; first_at: string; last_at: string }[];
  not_listed: number;
  baseline: { version: string; config_sha256: string; point_list_revision: number; listens: string[] };
}

const DAY_MS = 86_400_000;
const day = (at: number) => new Date(at).toISOString().slice(0, 10);

export function Evidence() {
  const [from, setFrom] = useState(day(Date.now() - 30 * DAY_MS));
  const [until, setUntil] = useState(day(Date.now() + DAY_MS));
  const t = S.evidence;
  return (
    <>
      <form className="toolbar" onSubmit={(event) => event.preventDefault()}>
        <label className="inline">
          {t.from}
          <input type="date" required value={from} max={until} onChange={(event) => setFrom(event.target.value)} data-testid="evidence-from" />
        </label>
        <label className="inline">
          {t.to}
          <input type="date" required value={until} min={from} onChange={(event) => setUntil(event.target.value)} data-testid="evidence-until" />
        </label>
        <a href={address(from, until)} download={`evidence-${from}-${until}.json`}>
          {t.file}
        </a>
      </form>
      {from !== "" && until !== "" && <Period key={`${from} ${until}`} from={from} until={until} />}
    </>
  );
}

const path = (from: string, until: string) => `/evidence?from=${from}T00:00:00Z&to=${until}T00:00:00Z`;
const address = (from: string, until: string) => `/api/v1${path(from, until)}`;

function Period({ from, until }: { from: string; until: string }) {
  const zone = useZone();
  const loaded = useLoaded(() => call<EvidenceOf>("GET", path(from, until)));
  const t = S.evidence;
  const evidence = loaded.value;
  const at = (time: string | null) => (time === null ? S.none : stamp(time, zone));
  return (
    <div className="system-grid one">
      <Loading of={loaded}>
        {evidence !== null && (
          <>
            <Card title={t.people}>
              <table className="table" data-testid="evidence-people">
                <Head titles={[t.name, t.kind, t.active, t.roles, t.areas, t.rights, t.lastAct]} />
                <tbody>
                  {evidence.people.map((person) => (
                    <tr key={person.name}>
                      <th scope="row">{person.name}</th>
                      <td>{t.kinds[person.kind] ?? person.kind}</td>
                      <td>{person.active ? t.yes : t.no}</td>
                      <td className="wrap">{person.roles.join(", ")}</td>
                      <td className="wrap">{person.areas.join(", ")}</td>
                      <td className="wrap">{person.rights.join(", ")}</td>
                      <td className="time">{at(person.last_act_at)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Card>
            <Card title={t.acts}>
              {evidence.acts.length === 0 && <p className="muted">{t.empty}</p>}
              {evidence.not_listed > 0 && <p className="problem">{t.notListed(evidence.not_listed)}</p>}
              <table className="table" data-testid="evidence-acts">
                <Head titles={[t.name, t.action, t.outcome, t.count, t.first, t.last]} />
                <tbody>
                  {evidence.acts.map((act) => (
                    <tr key={`${act.actor} ${act.action} ${act.outcome}`}>
                      <th scope="row">{act.actor}</th>
                      <td className="wrap">{act.action}</td>
                      <td>
                        <Chip tone={act.outcome === "refused" || act.outcome === "failed" ? "bad" : "done"}>{act.outcome}</Chip>
                      </td>
                      <td className="num">{count(act.count)}</td>
                      <td className="time">{at(act.first_at)}</td>
                      <td className="time">{at(act.last_at)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Card>
            <Card title={t.baseline}>
              <Facts
                rows={[
                  [t.version, evidence.baseline.version],
                  [t.config, evidence.baseline.config_sha256],
                  [t.list, count(evidence.baseline.point_list_revision)],
                  [t.listens, evidence.baseline.listens.join(", ")],
                ]}
              />
            </Card>
          </>
        )}
      </Loading>
    </div>
  );
}
