import { describe, expect, it } from "vitest";
import type { Alarm, Priority } from "../api";
import { Siren } from "./sound";

const alarm = (id: string, priority: Priority, more: Partial<Alarm> = {}): Alarm =>
  ({ id, priority, active: true, acknowledged: false, chattering: false, place: "shown", raised_at: "1", ...more }) as Alarm;

describe("sound by priority", () => {
  it("names the most urgent and repeats at its pace", () => {
    const siren = new Siren();
    const alarms = [alarm("a", "medium"), alarm("b", "critical")];
    expect(siren.due(alarms, 0)).toBe("critical");
    expect(siren.due(alarms, 1999)).toBe(null);
    expect(siren.due(alarms, 2000)).toBe("critical");
  });

  it("is heard once for low priority", () => {
    const siren = new Siren();
    expect(siren.due([alarm("a", "low")], 0)).toBe("low");
    expect(siren.due([alarm("a", "low")], 1e9)).toBe(null);
  });

  it("is silent for what is acknowledged, over, put aside, hidden or chattering", () => {
    const quiet: Partial<Alarm>[] = [
      { acknowledged: true },
      { active: false },
      { place: "shelved" },
      { place: "suppressed" },
      { place: "out_of_service" },
      { chattering: true },
    ];
    for (const state of quiet) expect(new Siren().due([alarm("a", "critical", state)], 0)).toBe(null);
  });

  it("stays silent until something new calls, or the same anew", () => {
    const siren = new Siren();
    const alarms = [alarm("a", "high")];
    siren.due(alarms, 0);
    siren.silence(alarms);
    expect(siren.isCalling(alarms)).toBe(false);
    expect(siren.due(alarms, 60_000)).toBe(null);
    expect(siren.due([...alarms, alarm("b", "medium")], 61_000)).toBe("medium");
    expect(siren.due([alarm("a", "high", { raised_at: "2" })], 120_000)).toBe("high");
  });

  it("makes one sound of a flood, and forgets no newcomer", () => {
    const siren = new Siren();
    let heard = 0;
    for (let n = 0; n < 100; n += 1) heard += siren.due(Array.from({ length: n + 1 }, (_, i) => alarm(`a${i}`, "low")), n * 10) === null ? 0 : 1;
    expect(heard).toBe(1);
    expect(siren.due(Array.from({ length: 100 }, (_, i) => alarm(`a${i}`, "low")), 1000)).toBe("low");
  });
});
