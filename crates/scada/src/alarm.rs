//! Alarms: conditions that want a response, with raise, acknowledge and clear (state model of OPC UA Part 9,
//! Active × Acked; vocabulary of ISA-18.2 / IEC 62682).
//!
//! A condition is listed from its first raise until it is both cleared and acknowledged. Raising it again while it
//! is listed counts up; raising it again after it cleared makes it unacknowledged again.

use crate::event::Severity;
use signal::PointId;
use std::collections::BTreeMap;
use timebase::Utc;

/// What an alarm is about; with the source it is the identity of the condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AlarmKind {
    /// A measured value is beyond a limit.
    Limit,
    /// A measured value changes faster than its limit.
    Rate,
    /// An indication is not in its normal state.
    State,
    /// A switch or tap moved without a command of ours.
    Uncommanded,
    /// A link is down.
    Link,
    /// The state estimator stopped or found bad data.
    Estimator,
    /// A command got no answer or no returned measurement.
    Command,
    /// The platform itself.
    System,
}

impl AlarmKind {
    /// Every kind with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Limit, "limit"),
        (Self::Rate, "rate"),
        (Self::State, "state"),
        (Self::Uncommanded, "uncommanded"),
        (Self::Link, "link"),
        (Self::Estimator, "estimator"),
        (Self::Command, "command"),
        (Self::System, "system"),
    ];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("system", |(_, name)| name)
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Whether the condition has no state of its own and stays until somebody has seen it.
    pub const fn latches(self) -> bool {
        matches!(self, Self::Uncommanded | Self::Command)
    }
}

/// Identity of a condition: `kind:source`, stable over restarts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AlarmId(String);

impl AlarmId {
    /// The identity of the condition `kind` at `source`.
    pub fn new(kind: AlarmKind, source: &str) -> Self {
        Self(format!("{}:{source}", kind.name()))
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for AlarmId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// One listed condition.
#[derive(Clone, PartialEq, Debug)]
pub struct Alarm {
    /// Identity.
    pub id: AlarmId,
    /// What it is about.
    pub kind: AlarmKind,
    /// What it happened to: a point, link or application name.
    pub source: String,
    /// The point, if it is about one.
    pub point: Option<PointId>,
    /// How fast a response is wanted.
    pub priority: Severity,
    /// The condition holds.
    pub active: bool,
    /// Somebody has seen it.
    pub acknowledged: bool,
    /// What is wrong, for people.
    pub text: String,
    /// The value at the last raise, for people.
    pub value_text: String,
    /// When it was last raised.
    pub raised_at: Utc,
    /// When it cleared.
    pub cleared_at: Option<Utc>,
    /// Who acknowledged it and when.
    pub acknowledged_by: Option<(String, Utc)>,
    /// How often it was raised since it was listed.
    pub count: u32,
}

/// A condition to raise.
#[derive(Clone, PartialEq, Debug)]
pub struct Raise {
    /// What it is about.
    pub kind: AlarmKind,
    /// What it happened to.
    pub source: String,
    /// The point, if it is about one.
    pub point: Option<PointId>,
    /// How fast a response is wanted.
    pub priority: Severity,
    /// What is wrong, for people.
    pub text: String,
    /// The value that raised it, for people.
    pub value_text: String,
}

/// What happened to a condition; each transition is one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// It began, or began again, or changed its priority.
    Raised,
    /// It ended.
    Cleared,
    /// Somebody has seen it.
    Acknowledged,
}

/// All listed conditions.
#[derive(Clone, Debug, Default)]
pub struct AlarmList {
    listed: BTreeMap<AlarmId, Alarm>,
    fresh: Vec<(Transition, Alarm)>,
}

impl AlarmList {
    /// A list that continues with what the store held.
    pub fn restore(alarms: Vec<Alarm>) -> Self {
        let listed = alarms.into_iter().map(|alarm| (alarm.id.clone(), alarm)).collect();
        Self { listed, fresh: Vec::new() }
    }

    /// The listed conditions by identity.
    pub fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.listed.values()
    }

    /// One listed condition.
    pub fn get(&self, id: &AlarmId) -> Option<&Alarm> {
        self.listed.get(id)
    }

    /// How many are active, and how many wait for acknowledgement.
    pub fn count(&self) -> (usize, usize) {
        let active = self.iter().filter(|alarm| alarm.active).count();
        let unacknowledged = self.iter().filter(|alarm| !alarm.acknowledged).count();
        (active, unacknowledged)
    }

    /// The most urgent active condition of a point.
    pub fn of_point(&self, point: PointId) -> Option<Severity> {
        self.iter()
            .filter(|alarm| alarm.active && alarm.point == Some(point))
            .map(|alarm| alarm.priority)
            .max()
    }

    /// Begins a condition. The same condition at the same priority while it is active changes nothing, unless it
    /// latches: then each raise counts.
    pub fn raise(&mut self, raise: Raise, at: Utc) {
        let id = AlarmId::new(raise.kind, &raise.source);
        let known = self.listed.get(&id);
        let unchanged = known.is_some_and(|alarm| alarm.active && alarm.priority == raise.priority);
        if unchanged && !raise.kind.latches() {
            return;
        }
        let count = known.map_or(1, |alarm| alarm.count.saturating_add(1));
        let alarm = Alarm {
            id: id.clone(),
            kind: raise.kind,
            source: raise.source,
            point: raise.point,
            priority: raise.priority,
            active: true,
            acknowledged: false,
            text: raise.text,
            value_text: raise.value_text,
            raised_at: at,
            cleared_at: None,
            acknowledged_by: None,
            count,
        };
        self.listed.insert(id, alarm.clone());
        self.fresh.push((Transition::Raised, alarm));
    }

    /// Ends a condition; nothing happens if it is not active.
    pub fn clear(&mut self, kind: AlarmKind, source: &str, at: Utc) {
        let id = AlarmId::new(kind, source);
        let Some(alarm) = self.listed.get_mut(&id).filter(|alarm| alarm.active) else { return };
        alarm.active = false;
        alarm.cleared_at = Some(at);
        let copy = alarm.clone();
        self.settle(Transition::Cleared, copy);
    }

    /// Notes that somebody has seen a condition; `false` if it is not listed or was acknowledged before.
    pub fn acknowledge(&mut self, id: &AlarmId, by: &str, at: Utc) -> bool {
        let Some(alarm) = self.listed.get_mut(id).filter(|alarm| !alarm.acknowledged) else { return false };
        alarm.acknowledged = true;
        alarm.acknowledged_by = Some((by.to_owned(), at));
        if alarm.kind.latches() {
            alarm.active = false;
            alarm.cleared_at = Some(at);
        }
        let copy = alarm.clone();
        self.settle(Transition::Acknowledged, copy);
        true
    }

    /// Whether something waits for the next call of `take_fresh`.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Transitions since the last call, for events, store and screens.
    pub fn take_fresh(&mut self) -> Vec<(Transition, Alarm)> {
        std::mem::take(&mut self.fresh)
    }

    fn settle(&mut self, transition: Transition, alarm: Alarm) {
        if !alarm.active && alarm.acknowledged {
            self.listed.remove(&alarm.id);
        }
        self.fresh.push((transition, alarm));
    }
}
