//! One condition: what it is about, its states, what raises it.
//!
//! Names of the states in OPC 10000-9: `active` is ActiveState, `acknowledged` AckedState, `shelved` ShelvingState
//! (TimedShelved, or OneShotShelved when `one_shot`), `suppressed_by` SuppressedState, `out_of_service`
//! OutOfServiceState, `latched` LatchedState. There is no ConfirmedState: one acknowledgement is enough here.

use crate::event::Severity;
use signal::PointId;
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

    /// Whether the condition is about the platform itself: nobody may hide it.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::System)
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

    /// The kind and the source, if the text is an identity.
    pub fn parts(&self) -> Option<(AlarmKind, &str)> {
        let (kind, source) = self.0.split_once(':')?;
        (!source.is_empty()).then_some((AlarmKind::named(kind)?, source))
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

/// Somebody keeps a condition from being annunciated: who, why, until when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inhibit {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Utc,
    /// Until when; it ends by itself.
    pub until: Utc,
    /// Why.
    pub reason: String,
    /// Ends when the condition clears, if that is before `until` (OneShotShelved).
    pub one_shot: bool,
}

/// Where a listed condition stands. Each stands in exactly one place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// In front of the operator.
    Shown,
    /// Put aside for a while by an operator.
    Shelved,
    /// Hidden by a rule, because its cause is shown instead.
    Suppressed,
    /// Taken out of service, for work on it.
    OutOfService,
}

impl Place {
    /// Every place with its name in the API.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Shown, "shown"),
        (Self::Shelved, "shelved"),
        (Self::Suppressed, "suppressed"),
        (Self::OutOfService, "out_of_service"),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(place, _)| *place == self).map_or("shown", |(_, name)| name)
    }

    /// The place with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(place, _)| *place)
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
    /// What it is listed together with, e.g. a substation.
    pub group: String,
    /// How fast a response is wanted.
    pub priority: Severity,
    /// The condition holds.
    pub active: bool,
    /// Somebody has seen it.
    pub acknowledged: bool,
    /// It ended, but stays until somebody resets it.
    pub latched: bool,
    /// A value is below its limit, as it is where the voltage is gone.
    pub below: bool,
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
    /// It was the first of its group in the present burst.
    pub first_out: bool,
    /// It comes and goes too often to mean anything.
    pub chattering: bool,
    /// An operator has put it aside.
    pub shelved: Option<Inhibit>,
    /// What hides it by design: an identity, or `dead:GROUP`.
    pub suppressed_by: Option<String>,
    /// Somebody has taken it out of service.
    pub out_of_service: Option<Inhibit>,
}

impl Alarm {
    /// A condition that is known but does not hold.
    pub(super) fn normal(id: AlarmId, kind: AlarmKind, source: String, group: String, at: Utc) -> Self {
        Self {
            id,
            kind,
            source,
            point: None,
            group,
            priority: Severity::Low,
            active: false,
            acknowledged: true,
            latched: false,
            below: false,
            text: String::new(),
            value_text: String::new(),
            raised_at: at,
            cleared_at: None,
            acknowledged_by: None,
            count: 0,
            first_out: false,
            chattering: false,
            shelved: None,
            suppressed_by: None,
            out_of_service: None,
        }
    }

    /// Where it stands: out of service goes before shelved, shelved before suppressed.
    pub const fn place(&self) -> Place {
        if self.out_of_service.is_some() {
            Place::OutOfService
        } else if self.shelved.is_some() {
            Place::Shelved
        } else if self.suppressed_by.is_some() {
            Place::Suppressed
        } else {
            Place::Shown
        }
    }

    /// Whether it calls for somebody: it holds, nobody has seen it, and nothing hides it.
    pub const fn is_annunciated(&self) -> bool {
        self.active && !self.acknowledged && matches!(self.place(), Place::Shown)
    }

    /// Whether it stays listed (the Retain flag of OPC 10000-9, and what is inhibited).
    pub const fn is_retained(&self) -> bool {
        let inhibited = self.shelved.is_some() || self.out_of_service.is_some();
        self.active || !self.acknowledged || self.latched || inhibited
    }

    /// Whether it can hide others: it holds, and no person has hidden it.
    pub(super) const fn can_hide_others(&self) -> bool {
        self.active && self.shelved.is_none() && self.out_of_service.is_none()
    }
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
    /// A value is below its limit.
    pub below: bool,
    /// What is wrong, for people.
    pub text: String,
    /// The value that raised it, for people.
    pub value_text: String,
}

/// What happened to a condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transition {
    /// It began, began again, or became more urgent.
    Raised,
    /// It ended.
    Cleared,
    /// Somebody has seen it.
    Acknowledged,
    /// Somebody has reset it after it latched.
    Reset,
    /// An operator put it aside.
    Shelved,
    /// It came back from there.
    Unshelved,
    /// A rule hides it.
    Suppressed,
    /// No rule hides it any more.
    Unsuppressed,
    /// It was taken out of service.
    OutOfService,
    /// It is in service again.
    InService,
    /// Its text, its priority downwards or a mark changed. No event.
    Changed,
}
