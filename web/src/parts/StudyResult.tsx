// What the grid would look like after a command, limit by limit.
import type { Study } from "../api";
import { fixed } from "../format";
import { S } from "../strings";
import { Chip } from "./marks";

const NAMED = 8;

export function StudyResult({ study }: { study: Study }) {
  const clean = study.outcome === "solved" && study.objection === null;
  return (
    <section className="study" aria-label={S.study.title} data-testid="ctl-study" data-outcome={study.outcome}>
      <h3>
        {S.study.title} <Chip tone={clean ? "done" : study.outcome === "solved" ? "pending" : "bad"}>{S.study.outcomes[study.outcome]}</Chip>
      </h3>
      {clean && <p>{S.study.clean}</p>}
      {study.outcome !== "solved" && study.objection !== null && <p className="problem">{study.objection}</p>}
      {study.de_energised.length > 0 && (
        <p className="problem">{S.study.deEnergised(fixed(study.de_energised_mw, 1), study.de_energised.slice(0, NAMED).join(", "))}</p>
      )}
      {study.islands_after !== study.islands_before && study.outcome !== "not_possible" && <p>{S.study.islands(study.islands_before, study.islands_after)}</p>}
      {study.violations.length > 0 && <Violations study={study} />}
      {study.outcome === "solved" && (
        <p className="muted">
          {study.heaviest !== null && S.study.heaviest(study.heaviest, fixed(study.heaviest_percent, 0))}{" "}
          {study.lowest_pu !== null && S.study.voltages(fixed(study.lowest_pu, 3), fixed(study.highest_pu, 3))}
        </p>
      )}
    </section>
  );
}

function Violations({ study }: { study: Study }) {
  const c = S.study.columns;
  return (
    <table className="table compact">
      <thead>
        <tr>
          {[c.what, c.before, c.after, c.limit].map((title, at) => (
            <th key={`${title}${at}`} scope="col" className={at === 0 ? undefined : "num"}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {study.violations.slice(0, NAMED).map((row) => {
          const decimals = row.unit === "%" ? 1 : 3;
          return (
            <tr key={`${row.kind}${row.name}`}>
              <th scope="row">
                {row.name} <span className="muted">{S.study.kinds[row.kind]}</span>
              </th>
              <td className="num">{fixed(row.before, decimals)}</td>
              <td className="num">{fixed(row.after, decimals)}</td>
              <td className="num">
                {fixed(row.limit, decimals)} {row.unit}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
