//! When a point becomes too old: points wait in the slot of their deadline and are looked at then, not at every beat.
//!
//! A point that was refreshed meanwhile moves on to its new deadline, so the work is one look per point and allowed age,
//! however often it is refreshed and however often somebody asks. A point waits in one slot at most; who asks for it
//! keeps that in its cell.

use signal::PointId;
use std::collections::BTreeMap;
use std::time::Duration;
use timebase::Mono;

/// Width of a slot. A point shows as old at most this long after its deadline.
const SLOT: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Ages {
    slots: BTreeMap<u64, Vec<PointId>>,
}

impl Ages {
    /// A point begins to wait; O(log slots).
    pub(super) fn wait(&mut self, point: PointId, deadline: Mono) {
        self.slots.entry(slot(deadline) + 1).or_default().push(point);
    }

    /// Takes the points of one slot whose time has come.
    pub(super) fn due(&mut self, now: Mono) -> Option<Vec<PointId>> {
        let entry = self.slots.first_entry().filter(|entry| *entry.key() <= slot(now))?;
        Some(entry.remove())
    }
}

const fn slot(at: Mono) -> u64 {
    at.as_nanos() / SLOT.as_nanos() as u64
}
