// What must stay in sight on every page: a flood, and how many alarms are inhibited.
import { useEffect } from "react";
import { clock, count } from "../format";
import { play, Siren } from "../live/sound";
import { go, settings, store, useCell, useTopic, useZone } from "../state";
import { S } from "../strings";

const siren = new Siren();
const LOOK_MS = 500;

/** Nothing that calls now is heard again. */
export function silence(): void {
  siren.silence(store.alarms.values());
}

/** Looks twice a second whether something is to be heard. */
export function useSiren(): void {
  const { sound } = useCell(settings);
  useEffect(() => {
    if (!sound) return;
    const handle = setInterval(() => {
      const due = siren.due(store.alarms.values(), performance.now());
      if (due !== null) play(due);
    }, LOOK_MS);
    return () => clearInterval(handle);
  }, [sound]);
}

export function AlarmBanner() {
  useTopic("status");
  const zone = useZone();
  const counts = store.status?.alarms;
  if (counts === undefined) return null;
  const inhibited = counts.shelved + counts.out_of_service + counts.suppressed;
  return (
    <>
      {counts.flood_since !== null && (
        <div className="banner" role="alert" data-testid="flood-banner">
          {S.alarms.flood(clock(counts.flood_since, zone), count(counts.flood_alarms), count(counts.rate))}{" "}
          <button type="button" className="small" onClick={() => go("alarms", "groups")}>
            {S.alarms.toGroups}
          </button>
        </div>
      )}
      {counts.approvals > 0 && (
        <div className="banner-quiet" role="status" data-testid="approvals-banner">
          {S.approvals.banner(counts.approvals)}{" "}
          <button type="button" className="small" onClick={() => go("alarms", "approvals")}>
            {S.approvals.show}
          </button>
        </div>
      )}
      {inhibited > 0 && (
        <div className="banner-quiet" role="status" data-testid="inhibited-banner">
          {S.alarms.inhibitedBanner(count(counts.shelved), count(counts.out_of_service), count(counts.suppressed))}
        </div>
      )}
    </>
  );
}
