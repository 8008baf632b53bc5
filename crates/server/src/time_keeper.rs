//! Our time beside the machine's: follows small differences, holds over a jump, tells people, and says of every row
//! whether its stamp can be trusted (S-46, IEC 62443-3-3 SR 2.11).

use crate::config::TimeConfig;
use crate::views::stamp;
use api::ClockView;
use scada::alarm::AlarmKind;
use scada::centre::Centre;
use scada::event::{EventKind, Severity};
use std::time::Duration;
use timebase::{Discipline, Finding, Now, Utc};
use transport::{Clock, ClockSource};

/// What the alarm of a jump is about.
const CLOCK: &str = "clock";
/// What the alarm of a lost synchronisation is about.
const SOURCE: &str = "time source";

/// How far our time can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimeState {
    /// The machine's clock is kept by something, and ours goes with it.
    Synchronised,
    /// Nothing keeps the machine's clock, or not well enough.
    Unsynchronised,
    /// The machine's clock jumped and is not believed: ours runs on by itself.
    HoldOver,
    /// The system does not tell.
    Unknown,
}

impl TimeState {
    /// The name in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Synchronised => "synchronised",
            Self::Unsynchronised => "unsynchronised",
            Self::HoldOver => "holdover",
            Self::Unknown => "unknown",
        }
    }
}

/// Keeps our time.
#[derive(Clone, Debug)]
pub(crate) struct TimeKeeper {
    config: TimeConfig,
    discipline: Discipline,
    source: Option<ClockSource>,
    /// Our time when this state began.
    since: Utc,
    state: TimeState,
    /// Something kept the clock since the start: losing it is news.
    was_kept: bool,
}

impl TimeKeeper {
    pub(crate) fn new(config: TimeConfig, started: Now) -> Self {
        let settle = Duration::from_secs_f64(config.settle_s);
        Self {
            discipline: Discipline::new(started.mono, settle),
            config,
            source: None,
            since: started.utc,
            state: TimeState::Unknown,
            was_kept: false,
        }
    }

    /// Looks at the machine's civil clock; at every beat.
    pub(crate) fn look(&mut self, clock: &Clock, centre: &mut Centre) {
        let reading = clock.reading();
        let (shift, finding) = self.discipline.look(reading);
        clock.shift(shift);
        let at = clock.now().utc;
        if let Some(finding) = finding {
            tell(finding, centre, at);
        }
        self.judge(at);
    }

    /// Asks the system whether something keeps its clock; once a cycle.
    pub(crate) fn ask_source(&mut self, centre: &mut Centre, at: Utc) {
        self.take_source(ClockSource::read(), centre, at);
    }

    fn take_source(&mut self, source: Option<ClockSource>, centre: &mut Centre, at: Utc) {
        self.source = source;
        match self.kept() {
            Some(true) => {
                self.was_kept = true;
                centre.clear_about(AlarmKind::System, SOURCE, at);
            }
            Some(false) if self.was_kept || self.config.source_required => {
                let text = "nothing keeps the machine's clock synchronised: stamps are marked";
                centre.raise_about(AlarmKind::System, SOURCE, Severity::Medium, text, at);
            }
            Some(false) | None => {}
        }
        self.judge(at);
    }

    /// Whether something keeps the clock well enough.
    fn kept(&self) -> Option<bool> {
        let most = Duration::from_secs_f64(self.config.max_error_ms / 1e3);
        self.source.map(|source| source.synchronised && source.max_error <= most)
    }

    fn judge(&mut self, at: Utc) {
        let state = match (self.discipline.held(), self.kept()) {
            (Some(_), _) => TimeState::HoldOver,
            (None, Some(true)) => TimeState::Synchronised,
            (None, Some(false)) => TimeState::Unsynchronised,
            (None, None) => TimeState::Unknown,
        };
        if std::mem::replace(&mut self.state, state) != state {
            self.since = at;
        }
    }

    /// Whether stamps of our own may be compared with those of others.
    pub(crate) fn is_trusted(&self) -> bool {
        match self.state {
            TimeState::Synchronised | TimeState::Unknown => true,
            TimeState::Unsynchronised | TimeState::HoldOver => false,
        }
    }

    /// Somebody says that the machine's clock is right: ours goes there at once. The microseconds by which it went.
    pub(crate) fn believe(&mut self, clock: &Clock, centre: &mut Centre) -> Option<i64> {
        let shift = self.discipline.believe()?;
        clock.shift(shift);
        let at = clock.now().utc;
        centre.clear_about(AlarmKind::System, CLOCK, at);
        self.judge(at);
        Some(shift)
    }

    pub(crate) fn view(&self) -> ClockView {
        ClockView {
            state: self.state.name().to_owned(),
            since: stamp(self.since),
            machine_ahead_s: self.discipline.held().map(|(micros, _)| micros as f64 / 1e6),
            max_error_ms: self.source.map(|source| source.max_error.as_secs_f64() * 1e3),
        }
    }
}

fn tell(finding: Finding, centre: &mut Centre, at: Utc) {
    let event = |centre: &mut Centre, severity, text: String| {
        centre.record(at, EventKind::System, severity, CLOCK, text);
    };
    match finding {
        Finding::Jumped(micros) => {
            let text = format!(
                "the machine's clock jumped by {} and is not followed: time runs on by itself (see System)",
                seconds(micros)
            );
            centre.raise_about(AlarmKind::System, CLOCK, Severity::High, &text, at);
        }
        Finding::AgreesAgain => {
            event(centre, Severity::Info, "the machine's clock agrees again".to_owned());
            centre.clear_about(AlarmKind::System, CLOCK, at);
        }
        Finding::Followed(micros) => {
            let text =
                format!("soon after the start the machine's clock was set by {}: followed", seconds(micros));
            event(centre, Severity::Medium, text);
        }
        Finding::Slept(slept) => {
            event(centre, Severity::Medium, format!("the machine slept for {:.1} s", slept.as_secs_f64()));
        }
    }
}

/// A signed span for people.
pub(crate) fn seconds(micros: i64) -> String {
    format!("{:+.1} s", micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use scada::centre::Restored;
    use scada::gate::GateConfig;
    use signal::PointList;
    use std::sync::Arc;
    use timebase::Mono;

    fn centre() -> Centre {
        let points = Arc::new(PointList::new(Vec::new()).unwrap());
        Centre::new(points, GateConfig::default(), Restored::default())
    }

    fn source(synchronised: bool, max_error_ms: u64) -> Option<ClockSource> {
        Some(ClockSource { synchronised, max_error: Duration::from_millis(max_error_ms) })
    }

    #[test]
    fn a_lost_time_source_is_an_alarm_and_marks_stamps() {
        let (mut centre, at) = (centre(), Utc::default());
        let mut keeper = TimeKeeper::new(TimeConfig::default(), Now { mono: Mono::ZERO, utc: at });
        let mut check = |given, trusted: bool, alarms: usize| {
            keeper.take_source(given, &mut centre, at);
            let active = centre.alarms().iter().filter(|alarm| alarm.active).count();
            assert_eq!((keeper.is_trusted(), active), (trusted, alarms), "{given:?}");
        };
        check(None, true, 0);
        // Never kept: marked, no alarm unless the configuration wants a source.
        check(source(false, 1), false, 0);
        check(source(true, 1), true, 0);
        check(source(false, 1), false, 1);
        check(source(true, 1), true, 0);
        // Kept, but far off.
        check(source(true, 60_000), false, 1);
    }
}
