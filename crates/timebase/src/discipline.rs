//! A clock that follows the machine's civil clock without ever jumping: small differences are worked off slowly, a
//! large one is not believed.
//!
//! The civil clock of a machine is set by others: by time servers, receivers, people, attackers. What a control centre
//! writes down must stay in order and what it has promised must neither end early nor late, so its own time runs on the
//! monotonic clock (holdover, IEC 62443-3-3 SR 2.11 RE 2) and only leans towards the civil one.

use crate::{Mono, Now, Utc};
use std::time::Duration;

/// Largest difference that is worked off: a leap second, and what a good time source corrects at once.
const WORKED_OFF_US: i64 = 2_000_000;
/// How fast: half a millisecond per second, the slew of the NTP reference implementation (RFC 5905, 11.3).
const SLEW_PPM: i64 = 500;
/// A machine that slept for less than this did not sleep.
const SLEPT: Duration = Duration::from_millis(100);

/// The clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Our own.
    pub own: Now,
    /// The machine's civil clock.
    pub system: Utc,
    /// How long the machine has slept since it was started: time that the monotonic clock did not see.
    pub slept: Duration,
}

/// What a look found that people should know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The civil clock jumped by so many microseconds; ours runs on.
    Jumped(i64),
    /// Both agree again, without our doing.
    AgreesAgain,
    /// The civil clock jumped soon after the start and was believed.
    Followed(i64),
    /// The machine slept; ours was set forward.
    Slept(Duration),
}

/// Keeps a clock beside the machine's.
#[derive(Clone, Debug)]
pub struct Discipline {
    /// Until when jumps are believed: a machine that was just started may not have heard from its time source yet.
    settled: Mono,
    last: Mono,
    slept: Option<Duration>,
    /// How far the civil clock is ahead of ours, while it is not believed; and since when.
    held: Option<(i64, Utc)>,
}

impl Discipline {
    /// Begins now; jumps are believed for the time `settle`.
    pub fn new(now: Mono, settle: Duration) -> Self {
        Self { settled: now + settle, last: now, slept: None, held: None }
    }

    /// Looks at the clocks. Returns the microseconds by which ours must be moved, and what is worth telling.
    pub fn look(&mut self, reading: Reading) -> (i64, Option<Finding>) {
        let Reading { own, system, slept } = reading;
        let elapsed = own.mono.since(std::mem::replace(&mut self.last, own.mono));
        let before = self.slept.replace(slept).unwrap_or(slept);
        let missed = slept.saturating_sub(before);
        if missed >= SLEPT {
            let shift = i64::try_from(missed.as_micros()).unwrap_or(i64::MAX);
            return (shift, Some(Finding::Slept(missed)));
        }
        let ahead = system.as_micros().saturating_sub(own.utc.as_micros());
        if (-WORKED_OFF_US..=WORKED_OFF_US).contains(&ahead) {
            let most =
                i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX).saturating_mul(SLEW_PPM) / 1_000_000;
            let was_held = self.held.take().is_some();
            return (ahead.clamp(-most, most), was_held.then_some(Finding::AgreesAgain));
        }
        if own.mono < self.settled {
            return (ahead, Some(Finding::Followed(ahead)));
        }
        match &mut self.held {
            Some((seen, _)) => {
                *seen = ahead;
                (0, None)
            }
            None => {
                self.held = Some((ahead, own.utc));
                (0, Some(Finding::Jumped(ahead)))
            }
        }
    }

    /// While the civil clock is not believed: by how many microseconds it is ahead, and since when.
    pub const fn held(&self) -> Option<(i64, Utc)> {
        self.held
    }

    /// Somebody says that the civil clock is right: the microseconds by which ours must be moved.
    pub fn believe(&mut self) -> Option<i64> {
        self.held.take().map(|(ahead, _)| ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;
    const BEAT: Duration = Duration::from_millis(50);

    /// A machine: true time passes, its civil clock is off by what somebody did to it.
    struct Machine {
        own: Now,
        system_off: i64,
        slept: Duration,
        truth: i64,
        discipline: Discipline,
    }

    impl Machine {
        fn new(settle: Duration) -> Self {
            let own = Now { mono: Mono::ZERO, utc: Utc::from_micros(0) };
            Self {
                own,
                system_off: 0,
                slept: Duration::ZERO,
                truth: 0,
                discipline: Discipline::new(own.mono, settle),
            }
        }

        fn beat(&mut self) -> Option<Finding> {
            self.own = self.own.advanced(BEAT);
            self.truth += 50_000;
            let system = Utc::from_micros(self.truth + self.system_off);
            let reading = Reading { own: self.own, system, slept: self.slept };
            let (shift, finding) = self.discipline.look(reading);
            self.own.utc = Utc::from_micros(self.own.utc.as_micros() + shift);
            finding
        }

        fn run(&mut self, seconds: u32) -> Vec<Finding> {
            (0..seconds * 20).filter_map(|_| self.beat()).collect()
        }

        fn error(&self) -> i64 {
            self.own.utc.as_micros() - self.truth
        }
    }

    #[test]
    fn jumps_of_hours_and_years_move_nothing_and_are_told_once() {
        for jump in [3_600, -3_600, 315_576_000, -315_576_000, 3] {
            let mut machine = Machine::new(Duration::ZERO);
            assert_eq!(machine.run(10), []);
            machine.system_off = jump * SECOND;
            assert_eq!(machine.run(60), [Finding::Jumped(jump * SECOND)]);
            assert_eq!(machine.error(), 0);
            assert_eq!(machine.discipline.held().map(|(ahead, _)| ahead), Some(jump * SECOND));
            machine.system_off = 0;
            assert_eq!(machine.run(10), [Finding::AgreesAgain]);
        }
    }

    #[test]
    fn a_leap_second_is_worked_off_within_an_hour_and_time_never_runs_back() {
        let mut machine = Machine::new(Duration::ZERO);
        machine.system_off = -SECOND;
        let mut last = machine.own.utc;
        for _ in 0..3_600 * 20 {
            assert_eq!(machine.beat(), None);
            assert!(machine.own.utc > last);
            last = machine.own.utc;
        }
        assert_eq!(machine.error(), -SECOND);
    }

    #[test]
    fn what_is_said_to_be_right_is_followed() {
        let mut machine = Machine::new(Duration::ZERO);
        machine.run(1);
        machine.system_off = 3_600 * SECOND;
        machine.run(1);
        let shift = machine.discipline.believe();
        assert_eq!(shift, Some(3_600 * SECOND));
        machine.own.utc = Utc::from_micros(machine.own.utc.as_micros() + shift.unwrap_or(0));
        assert_eq!((machine.run(10), machine.discipline.believe()), (vec![], None));
    }

    #[test]
    fn soon_after_the_start_the_time_source_is_believed() {
        let mut machine = Machine::new(Duration::from_secs(300));
        machine.run(1);
        machine.system_off = 7_200 * SECOND;
        assert_eq!(machine.run(10), [Finding::Followed(7_200 * SECOND)]);
        assert_eq!(machine.error(), 7_200 * SECOND);
    }

    #[test]
    fn sleep_is_no_jump() {
        let mut machine = Machine::new(Duration::ZERO);
        machine.run(5);
        machine.slept = Duration::from_secs(3_600);
        machine.truth += 3_600 * SECOND;
        assert_eq!(machine.run(10), [Finding::Slept(Duration::from_secs(3_600))]);
        assert_eq!(machine.error(), 0);
    }

    proptest! {
        /// Drift of 1,000 ppm against the monotonic clock and any jumps: our time runs forward at nearly its pace.
        #[test]
        fn time_runs_on_at_its_pace(jumps in prop::collection::vec((0u32..100, -10_i64..10, 0usize..4), 1..20)) {
            let mut machine = Machine::new(Duration::ZERO);
            for (beats, seconds, scale) in jumps {
                machine.system_off += seconds * SECOND * [1, 60, 3_600, 315_576_000][scale] / 7;
                for _ in 0..beats {
                    let before = machine.own.utc;
                    machine.system_off += 50;
                    machine.beat();
                    let passed = machine.own.utc.since(before);
                    prop_assert!(passed >= BEAT * 999 / 1_000 && passed <= BEAT * 1_001 / 1_000, "{passed:?}");
                }
            }
        }
    }
}
