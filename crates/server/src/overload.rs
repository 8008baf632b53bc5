//! Overload of the way from the field as an alarm: it says how many values were left out, and ends by itself.

use scada::alarm::AlarmKind;
use scada::centre::Centre;
use scada::event::{EventKind, Severity};
use timebase::Utc;

/// What the alarm is about.
const SOURCE: &str = "intake";
/// Cycles without a value left out after which an overload is over.
const QUIET_CYCLES: u32 = 10;

/// Whether more comes than can be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Overload {
    /// Values left out at the last look.
    seen: u64,
    /// Values left out before the present overload began.
    before: Option<u64>,
    quiet: u32,
}

impl Overload {
    /// Looks once per cycle at the number of values left out so far.
    pub(crate) fn note(&mut self, centre: &mut Centre, coalesced: u64, at: Utc) {
        let seen = std::mem::replace(&mut self.seen, coalesced);
        let grew = coalesced > seen;
        self.quiet = if grew { 0 } else { self.quiet.saturating_add(1) };
        match self.before {
            None if grew => {
                self.before = Some(seen);
                let text = "more comes from the field than can be taken: newer values replace older ones, \
                            indications and command answers are kept";
                centre.raise_about(AlarmKind::System, SOURCE, Severity::High, text, at);
            }
            Some(before) if self.quiet >= QUIET_CYCLES => {
                self.before = None;
                let left_out = coalesced - before;
                let text = format!("overload is over; {left_out} older values left out");
                centre.record(at, EventKind::System, Severity::Info, SOURCE, text);
                centre.clear_about(AlarmKind::System, SOURCE, at);
            }
            None | Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use scada::centre::Restored;
    use scada::gate::GateConfig;
    use signal::PointList;
    use std::sync::Arc;

    #[test]
    fn the_end_tells_every_value_left_out_since_the_beginning() {
        let points = Arc::new(PointList::new(Vec::new()).unwrap());
        let mut centre = Centre::new(points, GateConfig::default(), Restored::default());
        let (mut overload, at) = (Overload::default(), Utc::default());
        let active = |centre: &Centre| centre.alarms().iter().any(|alarm| alarm.active);
        for coalesced in [0, 7, 7, 50] {
            overload.note(&mut centre, coalesced, at);
        }
        assert!(active(&centre));
        (0..QUIET_CYCLES).for_each(|_| overload.note(&mut centre, 50, at));
        let told: Vec<_> = centre.events().recent().map(|event| event.text.clone()).collect();
        assert!(!active(&centre) && told.iter().any(|text| text.contains("50 older values")), "{told:?}");
        // The next one counts from its own beginning.
        overload.note(&mut centre, 53, at);
        (0..QUIET_CYCLES).for_each(|_| overload.note(&mut centre, 53, at));
        assert!(centre.events().recent().any(|event| event.text.contains("over; 3 older values")));
    }
}
