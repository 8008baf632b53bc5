// Sound by priority, and what silences it. The decision is free of the browser; only `play` makes a sound.
import type { Alarm, Priority } from "../api";

/** Frequency in Hz, number of beeps, pause between repetitions in ms. Low priority is heard once. */
export const TUNES: Record<Priority, { hertz: number; beeps: number; everyMs: number | null }> = {
  critical: { hertz: 988, beeps: 3, everyMs: 2000 },
  high: { hertz: 740, beeps: 2, everyMs: 5000 },
  medium: { hertz: 523, beeps: 1, everyMs: 15000 },
  low: { hertz: 392, beeps: 1, everyMs: null },
};
const RANK: readonly Priority[] = ["critical", "high", "medium", "low"];

/** One raise of an alarm: raising it again is news. */
const raiseOf = (alarm: Alarm) => `${alarm.id} ${alarm.raised_at}`;

/** Whether an alarm is heard: chatter means nothing, and what is put aside or hidden calls nobody. */
export const calls = (alarm: Alarm) => alarm.place === "shown" && alarm.active && !alarm.acknowledged && !alarm.chattering;

export class Siren {
  #silenced = new Set<string>();
  #heard = new Set<string>();
  #last = Number.NEGATIVE_INFINITY;

  /** Nothing that calls now is heard again, until it is raised anew. */
  silence(alarms: Iterable<Alarm>): void {
    this.#silenced = new Set([...alarms].filter(calls).map(raiseOf));
  }

  /** The most urgent priority that is to be heard now, `null` for silence. */
  due(alarms: Iterable<Alarm>, now: number): Priority | null {
    const calling = [...alarms].filter(calls).filter((alarm) => !this.#silenced.has(raiseOf(alarm)));
    const worst = RANK.find((priority) => calling.some((alarm) => alarm.priority === priority));
    const fresh = calling.some((alarm) => alarm.priority === worst && !this.#heard.has(raiseOf(alarm)));
    this.#heard = new Set(calling.map(raiseOf));
    if (worst === undefined) return null;
    const every = TUNES[worst].everyMs;
    // A flood is one sound, not a thousand: no faster than the pause of the priority, a second at least.
    const pause = fresh ? 1000 : every;
    if (pause === null || now - this.#last < pause) {
      if (fresh) for (const alarm of calling) this.#heard.delete(raiseOf(alarm));
      return null;
    }
    this.#last = now;
    return worst;
  }

  /** Whether anything calls that was not silenced. */
  isCalling(alarms: Iterable<Alarm>): boolean {
    for (const alarm of alarms) if (calls(alarm) && !this.#silenced.has(raiseOf(alarm))) return true;
    return false;
  }
}

const BEEP_S = 0.14;
let context: AudioContext | null = null;

/** Makes the sound; before the first click a browser allows none, and that is no fault. */
export function play(priority: Priority): void {
  const { hertz, beeps } = TUNES[priority];
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
  for (let n = 0; n < beeps; n += 1) {
    const from = context.currentTime + n * 2 * BEEP_S;
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, from);
    volume.gain.exponentialRampToValueAtTime(0.2, from + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, from + BEEP_S);
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + BEEP_S);
  }
}
