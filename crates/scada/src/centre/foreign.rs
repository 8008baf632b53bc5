//! Movements that nobody here asked for: of one point an alarm, of several within seconds one incident more.
//!
//! A station says with the cause "return information caused by a remote command" (IEC 60870-5-101 7.2.3, 11) that somebody
//! commanded it. Where that was not us, it was another master.

use super::{Centre, point_raise};
use crate::alarm::AlarmKind;
use crate::event::Severity;
use crate::wording::value_text;
use signal::PointId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use timebase::{Now, Utc};

/// Different points that make a sweep.
const SWEEP_POINTS: usize = 5;
/// Span in which they move, by their own clocks.
const SWEEP_SPAN: Duration = Duration::from_secs(10);
/// Movements that are remembered.
const MAX_RECENT: usize = 1_000;
/// Names that the incident lists.
const NAMED: usize = 10;
/// Source of the incident.
const SWEEP: &str = "uncommanded movements";
/// How long after a remote command the movement that it caused may come.
const REMOTE_SPAN: Duration = Duration::from_secs(30);

/// What others moved lately.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    recent: VecDeque<(Utc, PointId)>,
    /// Points that a remote command of another master was reported for, and when.
    remote: VecDeque<(Now, PointId)>,
}

impl Foreign {
    /// Notes a movement; returns the points of the sweep when this one makes or widens it.
    fn moved(&mut self, point: PointId, at: Utc) -> Option<Vec<PointId>> {
        let old = |seen: &Utc| at.since(*seen) > SWEEP_SPAN;
        while self.recent.front().is_some_and(|(seen, _)| old(seen)) || self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        let is_new = self.recent.iter().all(|(_, known)| *known != point);
        self.recent.push_back((at, point));
        let mut points: Vec<PointId> = self.recent.iter().map(|(_, point)| *point).collect();
        points.sort_unstable();
        points.dedup();
        (is_new && points.len() >= SWEEP_POINTS).then_some(points)
    }
}

impl Centre {
    /// A station says that a remote command is why this point is about to change.
    pub fn remotely_commanded(&mut self, point: PointId, now: Now) {
        if self.gate.is_moving(point) {
            return;
        }
        let list = &mut self.foreign.remote;
        while list.front().is_some_and(|(seen, _)| now.mono.since(seen.mono) > REMOTE_SPAN)
            || list.len() >= MAX_RECENT
        {
            list.pop_front();
        }
        list.push_back((now, point));
    }

    /// A point that can be operated moved, and no command of ours did it.
    pub(super) fn moved_by_others(&mut self, point: PointId, text: &str, at: Utc) {
        let points = Arc::clone(self.table.points());
        let mut raise = point_raise(AlarmKind::Uncommanded, point, &points[point], Severity::High, text);
        if self.foreign.remote.iter().any(|(_, known)| *known == point) {
            raise.priority = Severity::Critical;
            raise.text = format!("moved to {text} by a remote command of another master");
        }
        self.alarms.raise(raise, at);
        let Some(sweep) = self.foreign.moved(point, at) else { return };
        let named: Vec<String> = sweep
            .iter()
            .take(NAMED)
            .map(|id| {
                let state = self.table.get(*id).and_then(|state| state.value);
                let value =
                    state.map_or_else(String::new, |value| format!(" {}", value_text(&points[*id], value)));
                format!("{}{value}", points[*id].name)
            })
            .collect();
        let more = sweep.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!(
            "{} points moved without a command within {} s: {}{more}",
            sweep.len(),
            SWEEP_SPAN.as_secs(),
            named.join(", ")
        );
        // It has no end of its own: it stays listed until somebody has seen it.
        self.raise_about(AlarmKind::Uncommanded, SWEEP, Severity::Critical, &text, at);
        self.clear_about(AlarmKind::Uncommanded, SWEEP, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Utc {
        Utc::from_micros(millis * 1_000)
    }

    #[test]
    fn five_points_within_ten_seconds_are_a_sweep() {
        let check = |moves: &[(i64, u32)], wanted: &[usize]| {
            let mut foreign = Foreign::default();
            let found: Vec<usize> = moves
                .iter()
                .filter_map(|(millis, point)| foreign.moved(PointId(*point), at(*millis)))
                .map(|points| points.len())
                .collect();
            assert_eq!(found, wanted, "{moves:?}");
        };
        check(&[(0, 1), (2_000, 2), (4_000, 3), (6_000, 4), (8_000, 5)], &[5]);
        check(&[(0, 1), (2_500, 2), (5_000, 3), (7_500, 4), (10_001, 5)], &[]);
        // One point that flutters is no sweep, and a sweep is told once per further point.
        check(&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)], &[]);
        check(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 5), (6, 6)], &[5, 6]);
    }
}
