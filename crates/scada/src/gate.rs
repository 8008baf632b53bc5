//! The command gate: the only way from a wish to the field.
//!
//! ```text
//! select ── checks ── refused
//!    │
//!    ▼ study, second person: gate/course.rs
//!    ▼        device confirms        execute ── checks        device accepts        measurement returns
//! selecting ───────────────▶ selected ───────────▶ executing ──────────────▶ awaiting return ──────▶ confirmed
//!    │ no answer: timed out      │ 30 s: expired        │ no answer: timed out       │ no change: timed out
//! ```
//!
//! Operators select and execute; an application's command executes as soon as its select stands. Checks run in the
//! order of `gate/check.rs`, before the select and again before the execute. Every attempt is one audit record,
//! which must be durable before the request behind it leaves ([`Outgoing`] keeps that order). A command is executed
//! at most once: no state leads back, and nothing is sent again after a lost link.

mod check;
mod course;
#[cfg(test)]
mod interleavings;
mod interlock;
mod policy;
mod rate;
mod record;
mod study;
#[cfg(test)]
mod tests;

pub use check::{GateRefusal, Inquiry};
pub use course::GateAlarm;
pub use interlock::{Bar, Interlock, NoInterlock};
pub use policy::{Conduit, GatePolicy, PointClass, StudyRule, TwoPersons};
pub use rate::RateLimit;
pub use record::{AuditDraft, AuditResult, CommandRecord, CommandState, Origin, Outgoing, Stage};
pub use study::{StudyOutcome, StudyReport, StudyViolation};

use self::rate::Rates;
use crate::event::Severity;
use crate::table::Table;
use crate::tag::TagList;
use crate::wording::command_text;
use security::Principal;
use signal::{Command, CommandId, CommandStage, ControlMode, PointId, Request, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Now, Utc};

/// Most commands between select and outcome; one more is refused.
const MAX_OPEN: usize = 4_096;
/// Closed commands kept for the screens; the audit keeps all.
const MAX_CLOSED: usize = 500;

/// The times of the gate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GateConfig {
    /// How long a select stays armed.
    pub select_window: Duration,
    /// How long a device may take to answer.
    pub answer_timeout: Duration,
    /// How long the returned measurement may take after the device accepted.
    pub return_timeout: Duration,
    /// How long a request may wait for its link before it is dropped (S-18); not above the answer's time.
    pub deadline: Duration,
    /// How long a study may take.
    pub study_timeout: Duration,
    /// How near a returned analogue value must come to the set point, in parts of it.
    pub set_point_tolerance: f64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            select_window: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(5),
            return_timeout: Duration::from_secs(15),
            deadline: Duration::from_secs(3),
            study_timeout: Duration::from_secs(5),
            set_point_tolerance: 0.01,
        }
    }
}

/// A wish: what to do, why, on whose behalf.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    /// The monitored point to operate.
    pub point: PointId,
    /// The wanted value; for a step position +1 raises and -1 lowers.
    pub value: Value,
    /// Why; never empty.
    pub reason: String,
    /// Whether a person or an application wants it.
    pub origin: Origin,
    /// The session it comes from; the execute must come from the same.
    pub session: String,
    /// The state that it was made for; a person names what the screen showed.
    pub seen: Option<Seen>,
    /// Why it may go against what stands against it; empty for "it may not".
    pub override_reason: String,
    /// Whether the caller's second factor is fresh.
    pub stepped_up: bool,
}

/// A state of a point as it was shown.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    /// The value as a number; `None` where none was known.
    pub value: Option<f64>,
    /// The time beside it.
    pub at: Option<Utc>,
}

impl Order {
    /// A wish of a person; of nothing that was seen, with no override.
    pub fn new(point: PointId, value: Value, reason: &str, session: &str) -> Self {
        Self {
            point,
            value,
            reason: reason.to_owned(),
            origin: Origin::Operator,
            session: session.to_owned(),
            seen: None,
            override_reason: String::new(),
            stepped_up: false,
        }
    }
}

/// Something that people should know about a command.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Note {
    pub(crate) point: PointId,
    pub(crate) actor: String,
    pub(crate) text: String,
    pub(crate) alarm: Option<Severity>,
}

/// The gate with all open and the latest closed commands.
#[derive(Clone, Debug)]
pub struct Gate {
    config: GateConfig,
    policy: GatePolicy,
    interlock: Arc<dyn Interlock>,
    rates: Rates,
    /// Movements of points that can be operated: how often, and when last.
    moves: HashMap<PointId, (u64, Utc)>,
    /// What points were last told, and when.
    executed: HashMap<PointId, (Mono, Value)>,
    /// Studies that are to be made.
    studies: Vec<CommandId>,
    alarms: Vec<GateAlarm>,
    last_id: u64,
    commands: BTreeMap<CommandId, CommandRecord>,
    open: HashMap<PointId, CommandId>,
    outgoing: Vec<Outgoing>,
    changed: Vec<CommandId>,
    notes: Vec<Note>,
}

impl Gate {
    /// A gate that numbers on after the last command of the store.
    pub fn new(config: GateConfig, last_id: u64) -> Self {
        Self {
            config,
            policy: GatePolicy::default(),
            interlock: Arc::new(NoInterlock),
            rates: Rates::default(),
            moves: HashMap::new(),
            executed: HashMap::new(),
            studies: Vec::new(),
            alarms: Vec::new(),
            last_id,
            commands: BTreeMap::new(),
            open: HashMap::new(),
            outgoing: Vec::new(),
            changed: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// One command.
    pub fn get(&self, id: CommandId) -> Option<&CommandRecord> {
        self.commands.get(&id)
    }

    /// All kept commands, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &CommandRecord> {
        self.commands.values()
    }

    /// The open command of a point.
    pub fn open_command(&self, point: PointId) -> Option<&CommandRecord> {
        self.open.get(&point).and_then(|id| self.commands.get(id))
    }

    /// Whether a command of ours is moving the point: executing, or waiting for its measurement.
    pub fn is_moving(&self, point: PointId) -> bool {
        self.open_command(point).is_some_and(|command| command.state.is_moving())
            || self
                .commands
                .values()
                .rev()
                .take(32)
                .any(|c| c.point == point && c.state == CommandState::Confirmed && c.fresh)
    }

    /// First step. Always makes a record; its state says whether the gate let it through.
    pub fn select(
        &mut self,
        now: Now,
        who: &Principal,
        order: Order,
        table: &Table,
        tags: &TagList,
    ) -> CommandId {
        self.last_id += 1;
        let id = CommandId(self.last_id);
        let full = self.open.len() >= MAX_OPEN;
        let verdict = if full {
            Err(GateRefusal::busy(MAX_OPEN))
        } else {
            self.examine(now, who, &order, (table, tags))
        };
        let mut record = CommandRecord::new(id, now, &who.name, order, table);
        let action = format!("select {}", command_text(&table.points()[record.point], record.value));
        match verdict {
            Err(refusal) => {
                self.audit(&record, table, action, AuditResult::Refused, &refusal.text);
                self.note_refusal(&record, &refusal);
                record.close(CommandState::Refused, now, refusal.text.clone());
                record.refusal = Some(refusal);
                self.note(&record, None);
                self.commands.insert(id, record);
            }
            Ok(()) => {
                self.grant(now, who, &mut record, table);
                self.replace_own_select(now, &record);
                self.audit(&record, table, action, AuditResult::Allowed, &record.reason.clone());
                for what in &record.overridden.clone() {
                    self.audit_override(&record, table, what);
                }
                self.open.insert(record.point, id);
                self.commands.insert(id, record);
                self.proceed(now, id, table);
                self.execute_direct(now, (id, who), table, tags);
            }
        }
        self.changed.push(id);
        self.forget_old();
        id
    }

    /// Second step of an operator's command.
    pub fn execute(
        &mut self,
        now: Now,
        who: &Principal,
        (id, session): (CommandId, &str),
        (table, tags): (&Table, &TagList),
    ) -> Result<(), GateRefusal> {
        let Some(record) = self.commands.get(&id) else { return Err(GateRefusal::unknown(id)) };
        let order = record.order();
        let verdict = check::may_execute(record, who, session, now.mono).and_then(|()| {
            check::run(&Inquiry { who, order: &order, table, tags, gate: self, now, executing: Some(record) })
        });
        let record = record.clone();
        let action = format!("execute {}", command_text(&table.points()[record.point], record.value));
        match verdict {
            Err(refusal) => {
                self.audit(&record, table, action, AuditResult::Refused, &refusal.text);
                self.note_refusal(&record, &refusal);
                Err(refusal)
            }
            Ok(()) => {
                self.audit(&record, table, action, AuditResult::Allowed, &record.reason);
                self.count(&record, &table.points()[record.point], now.mono);
                let expires = now.mono + self.config.answer_timeout;
                self.step(now, id, CommandState::Executing, "sent to the device", Some(expires));
                self.send(now, &record, Request::Execute);
                Ok(())
            }
        }
    }

    /// Gives a select back before it is executed.
    pub fn cancel(
        &mut self,
        now: Now,
        who: &Principal,
        id: CommandId,
        table: &Table,
    ) -> Result<(), GateRefusal> {
        let Some(record) = self.commands.get(&id).cloned() else { return Err(GateRefusal::unknown(id)) };
        if !record.state.is_armed() {
            return Err(GateRefusal::too_late(record.state));
        }
        self.audit(&record, table, "cancel".to_owned(), AuditResult::Done, &who.name);
        self.deselect(now, &record);
        self.finish(now, id, CommandState::Cancelled, format!("cancelled by {}", who.name), None);
        Ok(())
    }

    /// The device answered. `who` is the application's principal for commands that execute by themselves.
    pub fn device_answered(&mut self, now: Now, id: CommandId, stage: CommandStage, table: &Table) {
        let Some(record) = self.commands.get(&id).cloned() else { return };
        match (record.state, stage) {
            (CommandState::Selecting, CommandStage::Selected) => {
                let expires = now.mono + self.config.select_window;
                self.step(now, id, CommandState::Selected, "the device holds the select", Some(expires));
            }
            (CommandState::Executing, CommandStage::Accepted) => {
                let expires = now.mono + self.config.return_timeout;
                self.step(now, id, CommandState::AwaitingReturn, "the device accepted", Some(expires));
            }
            (
                CommandState::Selecting | CommandState::Executing | CommandState::AwaitingReturn,
                CommandStage::Refused(why),
            ) => {
                self.audit(&record, table, "device answer".to_owned(), AuditResult::Failed, &why);
                self.finish(
                    now,
                    id,
                    CommandState::Failed,
                    format!("the device refused: {why}"),
                    Some(Severity::Medium),
                );
            }
            (CommandState::Selecting | CommandState::Executing, CommandStage::TimedOut) => {
                self.time_out(now, &record, table, "the device did not answer");
            }
            (CommandState::AwaitingReturn, CommandStage::Terminated) => {
                let expires = record.expires;
                self.step(
                    now,
                    id,
                    CommandState::AwaitingReturn,
                    "the device reports the end of the operation",
                    expires,
                );
            }
            // A late or doubled answer changes nothing: the outcome stands, the returned measurement decides.
            (
                _,
                CommandStage::Selected
                | CommandStage::Accepted
                | CommandStage::Terminated
                | CommandStage::TimedOut,
            )
            | (_, CommandStage::Refused(_)) => {}
        }
    }

    /// The request did not leave; the text says why.
    pub fn not_sent(&mut self, now: Now, id: CommandId, why: &str, table: &Table) {
        let Some(record) = self.commands.get(&id).filter(|record| record.state.is_open()).cloned() else {
            return;
        };
        self.audit(&record, table, "send".to_owned(), AuditResult::Failed, why);
        self.finish(now, id, CommandState::Failed, format!("not sent: {why}"), Some(Severity::Medium));
    }

    /// A good measurement arrived. It confirms the open command of its point if it shows the wanted value.
    pub fn observe(&mut self, point: PointId, value: Value, now: Now) {
        let Some(record) = self.open_command(point).filter(|record| record.state.is_moving()) else { return };
        if !record.is_met_by(value, self.config.set_point_tolerance) {
            return;
        }
        let record = record.clone();
        self.outgoing.push(Outgoing::Audit(record.audit_done()));
        self.finish(
            now,
            record.id,
            CommandState::Confirmed,
            "confirmed by the returned measurement".to_owned(),
            None,
        );
        if let Some(record) = self.commands.get_mut(&record.id) {
            record.fresh = true;
        }
    }

    /// Applications whose select stands and who have not executed yet, with the session of the order.
    pub fn ready_applications(&self) -> Vec<(CommandId, String)> {
        let ready =
            |record: &&CommandRecord| record.state == CommandState::Selected && Self::is_application(record);
        self.open
            .values()
            .filter_map(|id| self.commands.get(id))
            .filter(ready)
            .map(|record| (record.id, record.session.clone()))
            .collect()
    }

    /// Ends what took too long.
    pub fn tick(&mut self, now: Now, table: &Table) {
        let late: Vec<CommandRecord> = self
            .open
            .values()
            .filter_map(|id| self.commands.get(id))
            .filter(|record| record.expires.is_some_and(|expires| expires <= now.mono))
            .cloned()
            .collect();
        for record in late {
            match record.state {
                CommandState::Selected => {
                    self.outgoing
                        .push(Outgoing::Audit(record.audit_end(AuditResult::Failed, "select expired")));
                    self.deselect(now, &record);
                    self.finish(now, record.id, CommandState::Expired, "the select expired".to_owned(), None);
                }
                CommandState::WaitingApproval => {
                    let text = "nobody approved in time";
                    self.outgoing.push(Outgoing::Audit(record.audit_end(AuditResult::Failed, text)));
                    self.finish(now, record.id, CommandState::Expired, text.to_owned(), None);
                }
                CommandState::Studying => {
                    let report = StudyReport::impossible("it did not end in time");
                    self.studied(now, record.id, report, table);
                }
                CommandState::AwaitingReturn => self.lapse(now, &record, "no returned measurement"),
                CommandState::Selecting | CommandState::Executing => {
                    self.lapse(now, &record, "the device did not answer");
                }
                CommandState::Confirmed
                | CommandState::Refused
                | CommandState::Failed
                | CommandState::TimedOut
                | CommandState::Cancelled
                | CommandState::Expired => {}
            }
        }
        for record in self.commands.values_mut().rev().take(32) {
            record.fresh = record.fresh && now.mono.since(record.changed) < Duration::from_secs(5);
        }
    }

    /// Whether a command went a step since the last look.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.changed.is_empty() || !self.outgoing.is_empty()
    }

    /// Commands that went a step since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<CommandId> {
        std::mem::take(&mut self.changed)
    }

    /// Audit records and requests since the last call, in the order in which they must happen.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn examine(
        &self,
        now: Now,
        who: &Principal,
        order: &Order,
        (table, tags): (&Table, &TagList),
    ) -> Result<(), GateRefusal> {
        check::run(&Inquiry { who, order, table, tags, gate: self, now, executing: None })
    }

    /// A second select of the same session replaces the first: the operator changed their mind, that is no fault.
    fn replace_own_select(&mut self, now: Now, record: &CommandRecord) {
        let Some(old) = self.open_command(record.point).cloned() else { return };
        self.outgoing.push(Outgoing::Audit(old.audit_end(AuditResult::Failed, "replaced by a new select")));
        self.deselect(now, &old);
        self.finish(now, old.id, CommandState::Cancelled, "replaced by a new select".to_owned(), None);
    }

    fn begin_select(&mut self, now: Now, id: CommandId) {
        let Some(record) = self.commands.get(&id).cloned() else { return };
        match record.mode {
            ControlMode::SelectBeforeOperate => {
                let expires = now.mono + self.config.answer_timeout;
                self.step(now, id, CommandState::Selecting, "select sent to the device", Some(expires));
                self.send(now, &record, Request::Select);
            }
            ControlMode::Direct => {
                let expires = now.mono + self.config.select_window;
                let text = "selected; the device needs no select of its own";
                self.step(now, id, CommandState::Selected, text, Some(expires));
            }
        }
    }

    /// An application's command whose device needs no select goes on at once.
    fn execute_direct(
        &mut self,
        now: Now,
        (id, who): (CommandId, &Principal),
        table: &Table,
        tags: &TagList,
    ) {
        let ready =
            |record: &&CommandRecord| record.state == CommandState::Selected && Self::is_application(record);
        let Some(session) = self.commands.get(&id).filter(ready).map(|record| record.session.clone()) else {
            return;
        };
        // A refusal is in the audit; the record then expires by itself.
        let _refused = self.execute(now, who, (id, &session), (table, tags));
    }

    /// The request is dropped where it stands when it has not left within its time.
    fn send(&mut self, now: Now, record: &CommandRecord, request: fn(Command) -> Request) {
        let deadline = Some(now.mono + self.config.deadline);
        let command = Command { id: record.id, point: record.point, value: record.value, deadline };
        self.outgoing.push(Outgoing::Send(request(command)));
    }

    fn deselect(&mut self, now: Now, record: &CommandRecord) {
        if record.mode == ControlMode::SelectBeforeOperate && record.state.is_with_device() {
            self.send(now, record, Request::Deselect);
        }
    }

    fn time_out(&mut self, now: Now, record: &CommandRecord, table: &Table, why: &str) {
        self.audit(record, table, "time-out".to_owned(), AuditResult::Failed, why);
        self.finish(now, record.id, CommandState::TimedOut, why.to_owned(), Some(Severity::High));
    }

    fn lapse(&mut self, now: Now, record: &CommandRecord, why: &str) {
        self.outgoing.push(Outgoing::Audit(record.audit_end(AuditResult::Failed, why)));
        self.finish(now, record.id, CommandState::TimedOut, why.to_owned(), Some(Severity::High));
    }

    fn step(&mut self, now: Now, id: CommandId, state: CommandState, text: &str, expires: Option<Mono>) {
        if let Some(record) = self.commands.get_mut(&id) {
            record.advance(state, now, text.to_owned(), expires);
            self.changed.push(id);
        }
    }

    fn finish(
        &mut self,
        now: Now,
        id: CommandId,
        state: CommandState,
        text: String,
        alarm: Option<Severity>,
    ) {
        let Some(record) = self.commands.get_mut(&id) else { return };
        record.close(state, now, text);
        let record = record.clone();
        if self.open.get(&record.point) == Some(&id) {
            self.open.remove(&record.point);
        }
        self.changed.push(id);
        self.note(&record, alarm);
    }

    fn note(&mut self, record: &CommandRecord, alarm: Option<Severity>) {
        let last = record.stages.last().map_or("", |stage| stage.text.as_str());
        let text = format!("command {}: {last}", record.id.0);
        self.notes.push(Note { point: record.point, actor: record.actor.clone(), text, alarm });
    }

    fn audit(
        &mut self,
        record: &CommandRecord,
        table: &Table,
        action: String,
        result: AuditResult,
        reason: &str,
    ) {
        self.outgoing.push(Outgoing::Audit(record.audit(table, action, result, reason)));
    }

    fn forget_old(&mut self) {
        while self.commands.len() > MAX_CLOSED + self.open.len() {
            let oldest =
                self.commands.values().find(|record| !record.state.is_open()).map(|record| record.id);
            match oldest {
                Some(id) => self.commands.remove(&id),
                None => return,
            };
        }
    }
}

/// The instant that `mono` will be on the civil clock, as far as one can say now.
pub(crate) fn civil(now: Now, mono: Mono) -> Utc {
    now.utc + mono.since(now.mono)
}
