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
        let grew = coalesced > std::mem::replace(&mut self.seen, coalesced);
        self.quiet = if grew { 0 } else { self.quiet.saturating_add(1) };
        match self.before {
            None if grew => {
                self.before = Some(coalesced);
                let text = "more comes from the field than can be taken: newer values replace older ones, \
                            indications and command answers are kept";
                centre.raise_about(AlarmKind::System, SOURCE, Severity::High, text, at);
            }
            Some(before) if self.quiet >= QUIET_CYCLES => {
                self.before = None;
                // The first look counted what came before it as well; the number below is of the whole overload.
                let left_out = coalesced - before;
                let text = format!("overload is over; {left_out} older values left out since it was noticed");
                centre.record(at, EventKind::System, Severity::Info, SOURCE, text);
                centre.clear_about(AlarmKind::System, SOURCE, at);
            }
            None | Some(_) => {}
        }
    }
}
