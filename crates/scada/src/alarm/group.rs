//! Groups of conditions with the one that came first, and at most ten lines of them for a flood.

use super::AlarmId;
use super::index::Tally;
use crate::event::Severity;
use timebase::Utc;

/// Lines that people can take in during a flood.
pub const MAX_LINES: usize = 10;

/// The condition that began a burst in its group (FirstInGroup of OPC 10000-9). It is named by its own time, not by
/// when it arrived: a station that was cut off sends what happened earlier later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstOut {
    /// Its identity.
    pub id: AlarmId,
    /// What it happened to.
    pub source: String,
    /// What was wrong.
    pub text: String,
    /// How fast a response was wanted.
    pub priority: Severity,
    /// When.
    pub at: Utc,
}

/// One group, or several in one line.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupLine {
    /// Names of the groups in this line; one, except in the last line.
    pub groups: Vec<String>,
    /// What came first.
    pub first_out: Option<FirstOut>,
    /// Numbers of its conditions.
    pub tally: Tally,
}

impl GroupLine {
    /// The most urgent priority that waits for acknowledgement.
    pub fn worst(&self) -> Option<Severity> {
        PRIORITIES.into_iter().find(|priority| self.tally.unacknowledged_of(*priority) > 0)
    }

    fn absorb(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.tally.join(&other.tally);
        self.first_out = match (self.first_out.take(), other.first_out) {
            (Some(one), Some(two)) => Some(if two.at < one.at { two } else { one }),
            (one, two) => one.or(two),
        };
    }
}

/// The alarm priorities, most urgent first.
pub const PRIORITIES: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

/// Most urgent group first; beyond `limit` lines the rest shares the last one, so that nothing is left out.
pub fn fold(mut lines: Vec<GroupLine>, limit: usize) -> Vec<GroupLine> {
    lines.sort_by(|a, b| {
        let urgency = |line: &GroupLine| {
            (PRIORITIES.map(|priority| line.tally.unacknowledged_of(priority)), line.tally.active)
        };
        urgency(b).cmp(&urgency(a)).then_with(|| a.groups.cmp(&b.groups))
    });
    let rest = lines.split_off(limit.saturating_sub(usize::from(lines.len() > limit)).min(lines.len()));
    let folded = rest.into_iter().reduce(|mut all, line| {
        all.absorb(line);
        all
    });
    lines.extend(folded);
    lines
}
