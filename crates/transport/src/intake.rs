//! What the links report on its way to the one who takes it: bounded, fair between links, and explicit about what is
//! left out when more comes than can be taken.
//!
//! Every link has a lane. While few events wait, everything passes in order. When many do (the intake is *crowded*),
//! measured values of one point replace each other, newest wins, and every replaced one is counted; indications,
//! counters, command answers, faults and states of links are never left out: when even those are too many, the link
//! that brings them waits, and with it the socket of its peer. Lanes are emptied in turn, so that one loud link does
//! not keep the others waiting.
//!
//! Order: of one link, everything but replaced values comes out in the order in which it went in. Values that replaced
//! others come out after what else waits of their link, except that a change of the link's state never overtakes them.
//! Of one point, nothing overtakes anything.
//!
//! INVARIANT: `samples in = samples out + coalesced + waiting`.

use crate::session::{LinkReport, LinkTag};
use signal::{PointId, Sample, SessionEvent, Value};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use timebase::Now;
use tokio::sync::Notify;

/// How much may wait, in events of about a hundred octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntakeLimits {
    /// Events of all links from which on measured values replace each other.
    pub crowded: usize,
    /// Events of all links at which those of a link that has more than `floor` waiting must wait outside. One link may
    /// take an eighth of it.
    pub full: usize,
    /// Events that every link may have waiting whatever the others do.
    pub floor: usize,
}

impl Default for IntakeLimits {
    /// About 50 MB at most, and 25 kB per link.
    fn default() -> Self {
        Self { crowded: 250_000, full: 500_000, floor: 256 }
    }
}

/// What an intake has done and holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IntakeCounts {
    /// Events that wait.
    pub waiting: usize,
    /// Samples left out because a newer one of their point was there.
    pub coalesced: u64,
    /// How often a link had to wait outside.
    pub stalls: u64,
}

/// Nobody takes reports any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("nobody takes reports any more")]
pub struct IntakeClosed;

/// What waits of one link.
#[derive(Default)]
struct Lane {
    reports: VecDeque<LinkReport>,
    /// Events within `reports`.
    events: usize,
    /// Values that came while the intake was crowded, in the order of their points' first.
    newest: Vec<Sample>,
    place: HashMap<PointId, usize>,
    gathered_at: Option<Now>,
    /// Stands in the list of lanes that have something.
    is_listed: bool,
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.newest.is_empty()
    }

    fn push(&mut self, report: LinkReport) {
        self.events += events_of(&report);
        self.reports.push_back(report);
    }

    /// Takes a value that may be replaced; true when it replaced one.
    fn gather(&mut self, sample: Sample, at: Now) -> bool {
        self.gathered_at = Some(at);
        if let Some(old) = self.place.get(&sample.point).and_then(|&place| self.newest.get_mut(place)) {
            *old = sample;
            return true;
        }
        self.place.insert(sample.point, self.newest.len());
        self.newest.push(sample);
        false
    }

    /// The gathered values as a report.
    fn release(&mut self) -> Option<LinkReport> {
        let at = self.gathered_at.take()?;
        self.place.clear();
        let events = std::mem::take(&mut self.newest).into_iter().map(SessionEvent::Sample).collect();
        Some(LinkReport::Events { at, events })
    }

    /// Takes events apart: values gather, the rest keeps its order. Returns how many were replaced.
    fn divide(&mut self, at: Now, events: Vec<SessionEvent>) -> u64 {
        let mut replaced = 0;
        let mut rest = Vec::new();
        for event in events {
            match event {
                SessionEvent::Sample(sample) if matches!(sample.value, Value::Analog(_)) => {
                    replaced += u64::from(self.gather(sample, at));
                }
                SessionEvent::Link(_) => {
                    // Values from before must not look like values from after.
                    if !rest.is_empty() {
                        self.push(LinkReport::Events { at, events: std::mem::take(&mut rest) });
                    }
                    if let Some(values) = self.release() {
                        self.push(values);
                    }
                    rest.push(event);
                }
                SessionEvent::Sample(_)
                | SessionEvent::Command(..)
                | SessionEvent::ClockSynchronised(_)
                | SessionEvent::Fault(_)
                | SessionEvent::Forbidden(..)
                | SessionEvent::RemoteCommand(_)
                | SessionEvent::Close(_) => rest.push(event),
            }
        }
        if !rest.is_empty() {
            self.push(LinkReport::Events { at, events: rest });
        }
        replaced
    }
}

fn events_of(report: &LinkReport) -> usize {
    match report {
        LinkReport::Events { events, .. } => events.len(),
        LinkReport::Refused { .. } | LinkReport::Panicked(_) => 1,
    }
}

struct State {
    lanes: Vec<Lane>,
    /// Lanes that have something, the one whose turn is next in front.
    listed: VecDeque<u32>,
    /// Events in `reports` and `newest` of all lanes.
    waiting: usize,
    coalesced: u64,
    stalls: u64,
    senders: usize,
    taker_gone: bool,
}

impl State {
    fn lane(&mut self, tag: LinkTag) -> &mut Lane {
        let place = usize::try_from(tag.0).unwrap_or(usize::MAX);
        if self.lanes.len() <= place {
            self.lanes.resize_with(place.saturating_add(1), Lane::default);
        }
        &mut self.lanes[place]
    }

    fn has_room(&mut self, tag: LinkTag, limits: IntakeLimits) -> bool {
        let crowd = self.waiting >= limits.full;
        let share = (limits.full / 8).max(limits.floor);
        let events = self.lane(tag).events;
        events < limits.floor || (!crowd && events < share)
    }

    fn put(&mut self, tag: LinkTag, report: LinkReport, limits: IntakeLimits) {
        let crowded = self.waiting >= limits.crowded;
        let lane = self.lane(tag);
        let before = lane.events + lane.newest.len();
        let mut replaced = 0;
        match report {
            // Once values have gathered, later ones must not overtake them.
            LinkReport::Events { at, events } if crowded || !lane.newest.is_empty() => {
                replaced = lane.divide(at, events);
            }
            LinkReport::Panicked(_) => {
                if let Some(values) = lane.release() {
                    lane.push(values);
                }
                lane.push(report);
            }
            LinkReport::Events { .. } | LinkReport::Refused { .. } => lane.push(report),
        }
        let after = lane.events + lane.newest.len();
        let newly = !lane.is_empty() && !std::mem::replace(&mut lane.is_listed, true);
        self.waiting = self.waiting + after - before;
        self.coalesced += replaced;
        if newly {
            self.listed.push_back(tag.0);
        }
    }

    /// One report of the lane whose turn it is.
    fn next(&mut self) -> Option<(LinkTag, LinkReport)> {
        let tag = LinkTag(self.listed.pop_front()?);
        let lane = self.lane(tag);
        let report = match lane.reports.pop_front() {
            Some(report) => {
                lane.events -= events_of(&report);
                Some(report)
            }
            None => lane.release(),
        };
        lane.is_listed = !lane.is_empty();
        if lane.is_listed {
            self.listed.push_back(tag.0);
        }
        let report = report?;
        self.waiting -= events_of(&report);
        Some((tag, report))
    }
}

struct Inner {
    state: Mutex<State>,
    limits: IntakeLimits,
    /// Something came, or the last sender left.
    filled: Notify,
    /// Something was taken, or the taker left.
    room: Notify,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock runs foreign code; a poisoned state is as whole as any other.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> IntakeCounts {
        let state = self.lock();
        IntakeCounts { waiting: state.waiting, coalesced: state.coalesced, stalls: state.stalls }
    }
}

/// The links' end.
pub struct IntakeSender(Arc<Inner>);

/// The taker's end.
pub struct Intake(Arc<Inner>);

/// A look at the counters.
#[derive(Clone)]
pub struct IntakeProbe(Arc<Inner>);

impl IntakeProbe {
    /// Counters and what waits, at this moment.
    pub fn counts(&self) -> IntakeCounts {
        self.0.counts()
    }
}

/// An intake with nothing in it. Lanes appear with their first report; tags should be small and dense.
pub fn intake(limits: IntakeLimits) -> (IntakeSender, Intake) {
    let state = State {
        lanes: Vec::new(),
        listed: VecDeque::new(),
        waiting: 0,
        coalesced: 0,
        stalls: 0,
        senders: 1,
        taker_gone: false,
    };
    let inner =
        Arc::new(Inner { state: Mutex::new(state), limits, filled: Notify::new(), room: Notify::new() });
    (IntakeSender(Arc::clone(&inner)), Intake(inner))
}

impl IntakeSender {
    /// Hands a report over; waits while the link has too much waiting. Dropping the future before it is done leaves
    /// the report out.
    pub async fn send(&self, tag: LinkTag, report: LinkReport) -> Result<(), IntakeClosed> {
        let mut report = Some(report);
        let mut stalled = false;
        loop {
            let room = self.0.room.notified();
            {
                let mut state = self.0.lock();
                if state.taker_gone {
                    return Err(IntakeClosed);
                }
                if state.has_room(tag, self.0.limits) {
                    if let Some(report) = report.take() {
                        state.put(tag, report, self.0.limits);
                    }
                    drop(state);
                    self.0.filled.notify_one();
                    return Ok(());
                }
                if !std::mem::replace(&mut stalled, true) {
                    state.stalls += 1;
                }
            }
            room.await;
        }
    }

    /// Counters and what waits.
    pub fn counts(&self) -> IntakeCounts {
        self.0.counts()
    }
}

impl Clone for IntakeSender {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for IntakeSender {
    fn drop(&mut self) {
        let last = {
            let mut state = self.0.lock();
            state.senders -= 1;
            state.senders == 0
        };
        if last {
            self.0.filled.notify_one();
        }
    }
}

impl Intake {
    /// Waits for something and moves it into `batch`, one report of each link in turn, until about `most` events are
    /// there. False when nothing waits and every sender has left. Dropping the future loses nothing.
    pub async fn take(&mut self, batch: &mut Vec<(LinkTag, LinkReport)>, most: usize) -> bool {
        loop {
            {
                let mut state = self.0.lock();
                let mut taken = 0;
                while taken < most
                    && let Some((tag, report)) = state.next()
                {
                    taken += events_of(&report);
                    batch.push((tag, report));
                }
                if taken > 0 {
                    drop(state);
                    self.0.room.notify_waiters();
                    return true;
                }
                if state.senders == 0 {
                    return false;
                }
            }
            self.0.filled.notified().await;
        }
    }

    /// Waits for one report; `None` as [`Intake::take`] is false.
    pub async fn next(&mut self) -> Option<(LinkTag, LinkReport)> {
        let mut batch = Vec::with_capacity(1);
        self.take(&mut batch, 1).await;
        batch.pop()
    }

    /// Counters and what waits.
    pub fn counts(&self) -> IntakeCounts {
        self.0.counts()
    }

    /// The counters for somebody else to look at.
    pub fn probe(&self) -> IntakeProbe {
        IntakeProbe(Arc::clone(&self.0))
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.0.lock().taker_gone = true;
        self.0.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
