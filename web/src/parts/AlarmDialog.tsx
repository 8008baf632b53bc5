// One alarm with what was decided of it: cause, consequence, response.
import { useEffect, useState } from "react";
import { type Alarm, type AlarmRule, api, type Inhibit } from "../api";
import { count, stamp } from "../format";
import { open, useZone } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";
import { PriorityMark } from "./marks";

export function AlarmDialog({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const zone = useZone();
  const [rule, setRule] = useState<AlarmRule | null | undefined>(undefined);
  useEffect(() => {
    api.alarm(alarm.id).then(
      (detail) => setRule(detail.rule),
      () => setRule(null),
    );
  }, [alarm.id]);
  const inhibit = (by: Inhibit) => S.alarms.inhibited(by.by, stamp(by.until, zone), by.reason);
  const facts: [string, React.ReactNode][] = [
    [S.alarms.columns.text, alarm.text],
    [S.alarms.columns.mark, <PriorityMark key="mark" priority={alarm.priority} />],
    [S.alarms.columns.raised, stamp(alarm.raised_at, zone)],
    [S.alarms.columns.group, alarm.group],
    [S.alarms.columns.count, count(alarm.count)],
  ];
  if (alarm.shelved !== null) facts.push([S.alarms.places.shelved, inhibit(alarm.shelved)]);
  if (alarm.out_of_service !== null) facts.push([S.alarms.places.out_of_service, inhibit(alarm.out_of_service)]);
  if (alarm.suppressed_by !== null) facts.push([S.alarms.hiddenBy, alarm.suppressed_by]);
  if (rule != null) facts.push([S.alarms.cause, rule.cause], [S.alarms.consequence, rule.consequence], [S.alarms.response, rule.response]);
  return (
    <Dialog title={alarm.source} onClose={onClose} testId="alarm-dialog">
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value === "" ? S.none : value}</dd>
          </div>
        ))}
      </dl>
      {rule === null && <p className="muted">{S.alarms.noRule}</p>}
      <footer>
        {alarm.point !== null && (
          <button type="button" onClick={() => open.set({ kind: "faceplate", point: alarm.point ?? 0 })}>
            {S.alarms.faceplate}
          </button>
        )}
        <button type="button" onClick={onClose} data-autofocus>
          {S.close}
        </button>
      </footer>
    </Dialog>
  );
}
