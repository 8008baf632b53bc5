//! Event buffer of a controlled station: kept across a lost connection, oldest dropped when full.

use super::database::Slot;
use crate::codec::{Asdu, Body, Cause, Cp56Time2a, Element, Header, Object};
use std::collections::VecDeque;

/// One change of one point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) slot: usize,
    pub(super) element: Element,
    pub(super) time: Cp56Time2a,
    pub(super) cause: Cause,
}

/// Events in the order of their occurrence. The first `in_flight` are sent and not yet acknowledged.
#[derive(Debug)]
pub(super) struct EventBuffer {
    events: VecDeque<Event>,
    in_flight: usize,
    capacity: usize,
    dropped: u64,
}

impl EventBuffer {
    pub(super) fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), in_flight: 0, capacity: capacity.max(1), dropped: 0 }
    }

    /// Appends an event. When the buffer is full, the oldest event that is not on its way is dropped; if all are on
    /// their way, this one is.
    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() >= self.capacity {
            self.dropped += 1;
            if self.events.remove(self.in_flight).is_none() {
                return;
            }
        }
        self.events.push_back(event);
    }

    /// Events dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The peer has acknowledged this many events.
    pub(super) fn delivered(&mut self, count: usize) {
        let count = count.min(self.in_flight);
        self.events.drain(..count);
        self.in_flight -= count;
    }

    /// What was on its way goes out again.
    pub(super) fn rewind(&mut self) {
        self.in_flight = 0;
    }

    /// Forgets everything (reset process, QRP 2).
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.in_flight = 0;
    }

    /// The next ASDU of events with how many it carries; they count as on their way.
    pub(super) fn next_asdu(&mut self, slots: &[Slot]) -> Option<(Asdu, usize)> {
        let first = self.events.get(self.in_flight)?;
        let home = slots.get(first.slot)?;
        let type_id = home.type_id.timed();
        let timed = type_id.layout().is_some_and(|(_, timed)| timed);
        let capacity = Asdu::capacity(type_id, false);
        let mut objects = Vec::with_capacity(capacity);
        for event in self.events.range(self.in_flight..).take(capacity) {
            let Some(slot) = slots.get(event.slot) else { break };
            let fits = slot.type_id.timed() == type_id
                && slot.common_address == home.common_address
                && event.cause == first.cause;
            if !fits {
                break;
            }
            let time = timed.then_some(event.time);
            objects.push(Object { address: slot.address, element: event.element, time });
        }
        let count = objects.len();
        let header = Header::new(first.cause, home.common_address);
        self.in_flight += count;
        Some((Asdu { type_id, header, sequence: false, body: Body::Objects(objects) }, count))
    }
}
