//! The event log: everything that happened, in one order, numbered without gaps.

use signal::PointId;
use std::collections::VecDeque;
use timebase::Utc;

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventKind {
    /// An indication changed.
    State,
    /// An alarm was raised, cleared or acknowledged.
    Alarm,
    /// A command went a step.
    Command,
    /// An application proposed, arbitration decided.
    Proposal,
    /// Somebody signed in or out, or failed to.
    Login,
    /// A link changed its state.
    Link,
    /// The state estimator changed its state.
    Estimator,
    /// The configuration, a tag or a user changed.
    Configuration,
    /// The platform itself.
    System,
}

impl EventKind {
    /// Every kind with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::State, "state"),
        (Self::Alarm, "alarm"),
        (Self::Command, "command"),
        (Self::Proposal, "proposal"),
        (Self::Login, "login"),
        (Self::Link, "link"),
        (Self::Estimator, "estimator"),
        (Self::Configuration, "configuration"),
        (Self::System, "system"),
    ];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("system", |(_, name)| name)
    }
}

/// How much it matters: information, or one of the four alarm priorities.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Needs no response.
    Info,
    /// Low priority.
    Low,
    /// Medium priority.
    Medium,
    /// High priority.
    High,
    /// Critical priority.
    Critical,
}

impl Severity {
    /// The name in the store and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Position in the log; the next event has the next number.
    pub seq: u64,
    /// When it happened, as well as that is known.
    pub time: Utc,
    /// What it is about.
    pub kind: EventKind,
    /// How much it matters.
    pub severity: Severity,
    /// What it happened to: a point, link or application name.
    pub source: String,
    /// The point, if it is about one.
    pub point: Option<PointId>,
    /// What happened, for people.
    pub text: String,
    /// Who did it, if somebody did.
    pub actor: Option<String>,
}

/// An event before it has its number.
#[derive(Clone, PartialEq, Debug)]
pub struct NewEvent {
    /// When it happened.
    pub time: Utc,
    /// What it is about.
    pub kind: EventKind,
    /// How much it matters.
    pub severity: Severity,
    /// What it happened to.
    pub source: String,
    /// The point, if it is about one.
    pub point: Option<PointId>,
    /// What happened, for people.
    pub text: String,
    /// Who did it, if somebody did.
    pub actor: Option<String>,
}

/// Numbers events and keeps the latest; the store keeps all.
#[derive(Clone, Debug)]
pub struct EventLog {
    next_seq: u64,
    recent: VecDeque<Event>,
    fresh: Vec<Event>,
    paused: bool,
    left_out: u64,
}

impl EventLog {
    /// Events kept in memory.
    pub const RECENT: usize = 2_000;

    /// A log that continues after the last event of the store.
    pub fn after(last_seq: u64) -> Self {
        Self {
            next_seq: last_seq + 1,
            recent: VecDeque::with_capacity(Self::RECENT),
            fresh: Vec::new(),
            paused: false,
            left_out: 0,
        }
    }

    /// Stops or resumes the log. While nothing can be stored for so long that memory would run out, events are counted
    /// instead of numbered, so that the numbers stay without gaps; the first event afterwards says how many.
    pub fn pause(&mut self, paused: bool, at: Utc) {
        self.paused = paused;
        if !paused && self.left_out > 0 {
            let text = format!("{} events were not recorded while the store was down", self.left_out);
            self.left_out = 0;
            let (kind, severity, source) = (EventKind::System, Severity::High, "event log".to_owned());
            self.push(NewEvent { time: at, kind, severity, source, point: None, text, actor: None });
        }
    }

    /// Appends an event.
    pub fn push(&mut self, new: NewEvent) {
        if self.paused {
            self.left_out += 1;
            return;
        }
        let NewEvent { time, kind, severity, source, point, text, actor } = new;
        let event = Event { seq: self.next_seq, time, kind, severity, source, point, text, actor };
        self.next_seq += 1;
        if self.recent.len() == Self::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        self.fresh.push(event);
    }

    /// The number of the last event, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// The latest events, oldest first.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.recent.iter()
    }

    /// Whether something waits for the next call of `take_fresh`.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Events since the last call, for the store and the screens.
    pub fn take_fresh(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.fresh)
    }
}
