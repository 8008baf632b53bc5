//! One command from wish to outcome, and what leaves the gate.

use super::{GateRefusal, Order, StudyReport, civil};
use crate::table::Table;
use crate::wording::{command_text, value_text};
use signal::{CommandId, ControlMode, PointId, Request, Value};
use timebase::{Mono, Now, Utc};

/// Who wants a command.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// A person, in two steps.
    Operator,
    /// An application through arbitration; executes as soon as the select stands.
    Application(String),
}

/// How far a command has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CommandState {
    /// The grid after the action is being calculated.
    Studying,
    /// A second person must approve.
    WaitingApproval,
    /// The device was asked to hold a select.
    Selecting,
    /// The select stands; waiting for the execute.
    Selected,
    /// The device was asked to execute.
    Executing,
    /// The device accepted; waiting for the measurement to show it.
    AwaitingReturn,
    /// The measurement shows the wanted value.
    Confirmed,
    /// The gate said no; nothing left the centre.
    Refused,
    /// The device or the link said no.
    Failed,
    /// An answer or the measurement did not come in time.
    TimedOut,
    /// Given back by the operator.
    Cancelled,
    /// Not executed in time.
    Expired,
}

impl CommandState {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Studying => "studying",
            Self::WaitingApproval => "waiting_approval",
            Self::Selecting => "selecting",
            Self::Selected => "selected",
            Self::Executing => "executing",
            Self::AwaitingReturn => "awaiting_return",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether the outcome is still to come.
    pub const fn is_open(self) -> bool {
        self.is_armed() || self.is_moving()
    }

    /// Whether it is on its way to the execute: it can still be given back, and nothing has moved.
    pub const fn is_armed(self) -> bool {
        matches!(self, Self::Studying | Self::WaitingApproval | Self::Selecting | Self::Selected)
    }

    /// Whether the device may hold a select because of it.
    pub const fn is_with_device(self) -> bool {
        matches!(self, Self::Selecting | Self::Selected)
    }

    /// Whether the device may be moving because of it.
    pub const fn is_moving(self) -> bool {
        matches!(self, Self::Executing | Self::AwaitingReturn)
    }
}

/// One step that a command went.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// When.
    pub at: Utc,
    /// The state it reached.
    pub state: CommandState,
    /// What happened, for people.
    pub text: String,
}

/// One command with its history.
#[derive(Clone, PartialEq, Debug)]
pub struct CommandRecord {
    /// Identity.
    pub id: CommandId,
    /// The point.
    pub point: PointId,
    /// Name of the point, for the audit.
    pub point_name: String,
    /// The wanted value.
    pub value: Value,
    /// The wanted value for people.
    pub value_text: String,
    /// The measured value when the command was made, for people.
    pub before_text: String,
    /// What the returned measurement must show.
    pub expected: Option<Value>,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// Session it is bound to.
    pub session: String,
    /// Person or application.
    pub origin: Origin,
    /// How the device is operated.
    pub mode: ControlMode,
    /// How far it has come.
    pub state: CommandState,
    /// The way there.
    pub stages: Vec<Stage>,
    /// Why the gate refused, if it did.
    pub refusal: Option<GateRefusal>,
    /// Class of its point, empty for none.
    pub class: String,
    /// What is said about it without standing against it.
    pub warnings: Vec<String>,
    /// What stood against it and was overridden.
    pub overridden: Vec<String>,
    /// Why it may go against what stands against it; empty for "it may not".
    pub override_reason: String,
    /// Whether they have the right to.
    pub(super) may_override: bool,
    /// What the grid would look like after it.
    pub study: Option<StudyReport>,
    /// Whether a second person must approve.
    pub two_persons: bool,
    /// Who approved.
    pub approved_by: Option<String>,
    /// Movements of the point before it was made: another one since, and the select is about a state that is over.
    pub(super) moves: u64,
    /// The measured number when it was made.
    pub(super) before: Option<f64>,
    /// When it was made.
    pub created: Utc,
    /// When the present state lapses.
    pub expires: Option<Mono>,
    /// The same for people.
    pub expires_utc: Option<Utc>,
    /// When it last changed.
    pub(crate) changed: Mono,
    /// Confirmed so recently that further movement still belongs to it.
    pub(crate) fresh: bool,
}

/// Whether an attempt was let through, and how a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AuditResult {
    /// The gate let it through.
    Allowed,
    /// The gate did not.
    Refused,
    /// It was done.
    Done,
    /// It was let through but did not succeed.
    Failed,
}

/// An audit record before it has its place in the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditDraft {
    /// Who.
    pub actor: String,
    /// From where: the session.
    pub session: String,
    /// What was attempted.
    pub action: String,
    /// On what.
    pub target: String,
    /// Measured value before.
    pub old: String,
    /// Wanted value.
    pub new: String,
    /// What came of it.
    pub result: AuditResult,
    /// Why: the operator's reason, or why it was refused or failed.
    pub reason: String,
}

/// What leaves the gate, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Outgoing {
    /// Must be durable before anything behind it happens.
    Audit(AuditDraft),
    /// Goes to the link of the command's point.
    Send(Request),
}

impl CommandRecord {
    pub(super) fn new(id: CommandId, now: Now, actor: &str, order: Order, table: &Table) -> Self {
        let Order { point, value, reason, origin, session, override_reason, .. } = order;
        let def = table.points().get(point);
        let present = table.get(point).and_then(|state| state.value);
        let mode = def
            .and_then(|def| def.binding.as_ref())
            .and_then(|binding| binding.control.as_ref())
            .map_or(ControlMode::Direct, |(_, mode)| *mode);
        let expected = match (value, present) {
            (Value::Step(delta), Some(Value::Step(step))) => Some(Value::Step(step.saturating_add(delta))),
            (Value::Step(_), _) => None,
            (
                Value::Analog(_) | Value::Single(_) | Value::Double(_) | Value::Counter(_) | Value::Bits(_),
                _,
            ) => Some(value),
        };
        Self {
            id,
            point,
            point_name: def.map_or_else(String::new, |def| def.name.clone()),
            value,
            value_text: def.map_or_else(String::new, |def| command_text(def, value)),
            before_text: def
                .zip(present)
                .map_or_else(|| "unknown".to_owned(), |(def, now)| value_text(def, now)),
            expected,
            reason,
            actor: actor.to_owned(),
            session,
            origin,
            mode,
            state: CommandState::Studying,
            stages: Vec::new(),
            refusal: None,
            class: String::new(),
            warnings: Vec::new(),
            overridden: Vec::new(),
            override_reason,
            may_override: false,
            study: None,
            two_persons: false,
            approved_by: None,
            moves: 0,
            before: present.and_then(Value::as_number),
            created: now.utc,
            expires: None,
            expires_utc: None,
            changed: now.mono,
            fresh: false,
        }
    }

    pub(super) fn order(&self) -> Order {
        Order {
            point: self.point,
            value: self.value,
            reason: self.reason.clone(),
            origin: self.origin.clone(),
            session: self.session.clone(),
            seen: None,
            override_reason: self.override_reason.clone(),
            stepped_up: true,
        }
    }

    pub(super) fn advance(&mut self, state: CommandState, now: Now, text: String, expires: Option<Mono>) {
        debug_assert!(self.state.is_open(), "a closed command does not move");
        self.state = state;
        self.changed = now.mono;
        self.expires = expires;
        self.expires_utc = expires.map(|expires| civil(now, expires));
        self.stages.push(Stage { at: now.utc, state, text });
    }

    pub(super) fn close(&mut self, state: CommandState, now: Now, text: String) {
        self.advance(state, now, text, None);
    }

    pub(super) fn is_met_by(&self, value: Value, tolerance: f64) -> bool {
        match (self.expected, value) {
            (Some(Value::Analog(wanted)), Value::Analog(seen)) => {
                (seen - wanted).abs() <= tolerance * wanted.abs().max(1.0)
            }
            (Some(expected), seen) => expected == seen,
            (None, _) => false,
        }
    }

    pub(super) fn audit(
        &self,
        table: &Table,
        action: String,
        result: AuditResult,
        reason: &str,
    ) -> AuditDraft {
        let old = table.points().get(self.point).zip(table.get(self.point).and_then(|state| state.value));
        let old = old.map_or_else(|| "unknown".to_owned(), |(def, value)| value_text(def, value));
        AuditDraft { old, action, ..self.audit_end(result, reason) }
    }

    pub(super) fn audit_end(&self, result: AuditResult, reason: &str) -> AuditDraft {
        AuditDraft {
            actor: self.actor.clone(),
            session: self.session.clone(),
            action: format!("command {}", self.id.0),
            target: self.point_name.clone(),
            old: self.before_text.clone(),
            new: self.value_text.clone(),
            result,
            reason: reason.to_owned(),
        }
    }

    pub(super) fn audit_done(&self) -> AuditDraft {
        self.audit_end(AuditResult::Done, "confirmed by the returned measurement")
    }
}
