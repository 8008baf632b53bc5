// How well the alarm system does: the figures of ISA-18.2 and EEMUA 191 beside their targets.
import { useEffect, useState } from "react";
import { type AlarmFigures as Figures, api } from "../api";
import { count, quantity, stamp } from "../format";
import { Notice } from "../parts/marks";
import { useZone } from "../state";
import { S } from "../strings";

const PERIOD_MS = 5000;

export function AlarmFigures() {
  const [figures, setFigures] = useState<Figures | null>(null);
  const zone = useZone();
  useEffect(() => {
    const ask = () => {
      api.alarmFigures().then(setFigures, () => {});
    };
    ask();
    const handle = setInterval(ask, PERIOD_MS);
    return () => clearInterval(handle);
  }, []);
  if (figures === null) return <Notice>{S.loading}</Notice>;
  const f = S.figures;
  const percent = (value: number) => `${quantity(value, "%")} %`;
  const rows: [string, string, string, boolean][] = [
    [f.rate, count(figures.rate), `≤ ${count(figures.target_peak)}`, figures.rate <= figures.target_peak],
    [f.average, quantity(figures.average, ""), `< ${quantity(figures.target_average, "")}`, figures.average < figures.target_average],
    [f.peak, count(figures.peak), `≤ ${count(figures.target_peak)}`, figures.peak <= figures.target_peak],
    [f.floods, count(figures.floods), "", true],
    [f.floodTime, percent(figures.flood_percent), `< ${percent(figures.target_flood_percent)}`, figures.flood_percent < figures.target_flood_percent],
    [f.top, percent(figures.top_percent), `≤ ${percent(figures.target_top_percent)}`, figures.top_percent <= figures.target_top_percent],
    [f.stale, count(figures.stale.length), `< ${count(figures.target_stale)}`, figures.stale.length < figures.target_stale],
    [f.chattering, count(figures.chattering.length), "0", figures.chattering.length === 0],
    [f.mix, mix(figures), figures.target_mix_percent.map((n) => `${n}`).join(" / "), true],
  ];
  return (
    <div className="figures" data-testid="alarm-figures" tabIndex={0} role="region" aria-label={S.alarms.tabs.figures}>
      <p className="muted">{f.since(stamp(figures.since, zone), count(figures.annunciated))}</p>
      <table>
        <thead>
          <tr>
            <th scope="col">{f.figure}</th>
            <th scope="col">{f.value}</th>
            <th scope="col">{f.target}</th>
            <th scope="col">{f.judged}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, value, target, met]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td className="num">{value}</td>
              <td className="num">{target}</td>
              <td>{target === "" ? "" : met ? f.met : f.missed}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>{f.topList(stamp(figures.top_since, zone))}</h2>
      <List items={figures.top.map((each) => `${each.id} (${count(each.count)})`)} />
      <h2>{f.chattering}</h2>
      <List items={figures.chattering} />
      <h2>{f.stale}</h2>
      <List items={figures.stale} />
      <h2>{f.floodList}</h2>
      <List
        items={figures.flood_list
          .slice(-10)
          .reverse()
          .map((each) => f.flood(stamp(each.began, zone), each.ended === null ? null : stamp(each.ended, zone), count(each.alarms), count(each.peak)))}
      />
    </div>
  );
}

function mix(figures: Figures): string {
  const [critical, high, medium, low] = figures.by_priority;
  const all = figures.annunciated;
  if (all === 0) return S.none;
  return [critical + high, medium, low].map((n) => String(Math.round((100 * n) / all))).join(" / ");
}

function List({ items }: { items: string[] }) {
  if (items.length === 0) return <p className="muted">{S.none}</p>;
  return (
    <ul>
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  );
}
