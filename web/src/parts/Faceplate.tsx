// Everything about one point: state, quality, limits, tags, trend, and the way to control it.
import { useEffect } from "react";
import type { Point } from "../api";
import { age, quantity, stamp } from "../format";
import { catalogue, go, open, pointOf, read, useCatalogue, useTopic, useZone } from "../state";
import { S } from "../strings";
import { Dialog } from "./Dialog";
import { PriorityMark, Quality, TagMarks, ValueText } from "./marks";
import { PointTrend } from "./PointTrend";

const REFRESH_MS = 5000;
const SPAN_S = 3600;

export function Faceplate({ point: id, onClose }: { point: number; onClose: () => void }) {
  useCatalogue();
  useTopic("points");
  useEffect(() => {
    void catalogue.refresh(id);
    const handle = setInterval(() => void catalogue.refresh(id), REFRESH_MS);
    return () => clearInterval(handle);
  }, [id]);
  const point = pointOf(id);
  return (
    <Dialog title={S.faceplate.title(point?.name ?? String(id))} onClose={onClose} wide testId="faceplate">
      {point === null ? <p>{S.faceplate.missing}</p> : <Body point={point} />}
      <footer>
        {point?.control != null && (
          <button type="button" onClick={() => open.set({ kind: "control", point: id })} data-testid={`ctl-open-${point.name}`}>
            {S.faceplate.control}
          </button>
        )}
        <button type="button" onClick={() => open.set({ kind: "tags", point: id })} data-testid="tag-open">
          {S.faceplate.tag}
        </button>
        <button type="button" onClick={() => open.set({ kind: "mode", point: id })} data-testid="mode-open">
          {S.faceplate.mode}
        </button>
        <button
          type="button"
          onClick={() => {
            onClose();
            go("trends", id);
          }}
        >
          {S.faceplate.openTrend}
        </button>
        <button type="button" onClick={onClose}>
          {S.close}
        </button>
      </footer>
    </Dialog>
  );
}

function Body({ point }: { point: Point }) {
  const zone = useZone();
  const r = read(point.id);
  const doubts = [
    ...point.quality.detail,
    ...(point.quality.source === "substituted" ? [S.faceplate.substituted] : []),
    ...(point.quality.test ? [S.faceplate.test] : []),
    ...(point.quality.blocked ? [S.faceplate.blocked] : []),
  ];
  return (
    <div className="faceplate">
      <div className="faceplate-value">
        <ValueText reading={r} kind={point.kind} unit={point.unit} />
        <Quality trust={r.trust} />
        {point.alarm !== null && <PriorityMark priority={point.alarm} />}
        <TagMarks tags={point.tags} />
      </div>
      <dl className="facts two">
        <dt>{S.faceplate.equipment}</dt>
        <dd>{point.equipment}</dd>
        <dt>{S.faceplate.age}</dt>
        <dd>{age(r.age_s)}</dd>
        <dt>{S.faceplate.substation}</dt>
        <dd>{point.substation}</dd>
        <dt>{S.faceplate.sourceTime}</dt>
        <dd className="time">{stamp(r.t, zone, true)}</dd>
        <dt>{S.faceplate.link}</dt>
        <dd>
          {point.link} · {point.address}
        </dd>
        <dt>{S.faceplate.receiveTime}</dt>
        <dd className="time">{stamp(point.receive_time, zone, true)}</dd>
        <dt>{S.faceplate.mrid}</dt>
        <dd className="break">{point.mrid}</dd>
        <dt>{S.faceplate.detail}</dt>
        <dd>{doubts.length === 0 ? S.none : doubts.join(", ")}</dd>
        <dt>{S.faceplate.limits}</dt>
        <dd>{limitsText(point)}</dd>
      </dl>
      <div className="faceplate-trend">
        <PointTrend point={point} span_s={SPAN_S} />
      </div>
    </div>
  );
}

function limitsText(point: Point): string {
  const names = ["low_low", "low", "high", "high_high"] as const;
  const set = names.flatMap((name) => {
    const value = point.limits?.[name];
    return value === null || value === undefined ? [] : [`${S.faceplate[name]} ${quantity(value, point.unit)}`];
  });
  return set.length === 0 ? S.faceplate.noLimits : `${set.join(" · ")} ${point.unit}`;
}
