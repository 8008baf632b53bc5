//! The way from a granted wish to the device: study, second person, select. And what the checks may ask of the gate.
//!
//! ```text
//! granted ── asked for? ──▶ studying ── objection under "refuse": refused
//!    └──────────────────────────┴── asked for? ──▶ waiting for approval ── refused, or nobody in time
//!                                       └──────────────┴──▶ selecting or selected
//! ```

use super::check::{self, Inquiry, refuse};
use super::{
    AuditResult, Bar, CommandRecord, CommandState, Gate, GatePolicy, GateRefusal, Interlock, Order, Origin,
    StudyOutcome, StudyReport, StudyRule,
};
use crate::event::Severity;
use crate::table::Table;
use crate::tag::TagList;
use crate::wording::command_text;
use security::{Principal, Right};
use signal::{CommandId, PointDef, PointId, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use timebase::{Mono, Now, Utc};

/// Something about commands that people must learn of, beside the command itself.
#[derive(Clone, PartialEq, Debug)]
pub struct GateAlarm {
    /// What it is about.
    pub source: String,
    /// How urgent.
    pub priority: Severity,
    /// What happened.
    pub text: String,
}

impl Gate {
    /// Sets what the gate asks for, and the rules of the network.
    pub fn configure(&mut self, policy: GatePolicy, interlock: Arc<dyn Interlock>) {
        (self.policy, self.interlock) = (policy, interlock);
    }

    /// What the gate asks for.
    pub const fn policy(&self) -> &GatePolicy {
        &self.policy
    }

    /// Whether a wish would be refused, and why; what would be said about it otherwise. Makes no command and no record.
    ///
    /// # Errors
    /// It would be refused.
    pub fn would_refuse(
        &self,
        now: Now,
        who: &Principal,
        order: &Order,
        (table, tags): (&Table, &TagList),
    ) -> Result<Vec<String>, GateRefusal> {
        check::run(&Inquiry { who, order, table, tags, gate: self, now, executing: None })?;
        Ok(self.bars(order, table).into_iter().map(|bar| bar.text).collect())
    }

    /// What the network would have against a step of an order, on the positions after it: faults as `Err`, hints as `Ok`.
    /// Makes no command and no record.
    ///
    /// # Errors
    /// What refuses the step.
    pub fn would_bar(
        &self,
        point: PointId,
        positions: &BTreeMap<PointId, Value>,
        table: &Table,
    ) -> Result<Vec<String>, Vec<String>> {
        let bars = self.interlock.bars_among(point, positions, table);
        let (faults, hints): (Vec<Bar>, Vec<Bar>) = bars.into_iter().partition(|bar| bar.refuses);
        let texts = |bars: Vec<Bar>| bars.into_iter().map(|bar| bar.text).collect();
        if faults.is_empty() { Ok(texts(hints)) } else { Err(texts(faults)) }
    }

    /// Commands whose study is to be made, since the last call.
    pub fn take_studies(&mut self) -> Vec<CommandId> {
        std::mem::take(&mut self.studies)
    }

    /// Commands that a second person is asked about.
    pub fn waiting_approval(&self) -> impl Iterator<Item = &CommandRecord> {
        let open = self.open.values().filter_map(|id| self.commands.get(id));
        open.filter(|record| record.state == CommandState::WaitingApproval)
    }

    /// Alarms since the last call.
    pub(crate) fn take_alarms(&mut self) -> Vec<GateAlarm> {
        std::mem::take(&mut self.alarms)
    }

    /// A point that can be operated changed or lost its quality.
    pub(crate) fn note_move(&mut self, point: PointId, at: Utc) {
        let (count, last) = self.moves.entry(point).or_insert((0, at));
        *count += 1;
        *last = at.max(*last);
    }

    /// How often a point has moved, and when it did so last by its own time.
    pub(super) fn moves(&self, point: PointId) -> (u64, Option<Utc>) {
        self.moves.get(&point).map_or((0, None), |(count, at)| (*count, Some(*at)))
    }

    /// When and to what a point was last told to go.
    pub(super) fn last_executed(&self, point: PointId) -> Option<(Mono, Value)> {
        self.executed.get(&point).copied()
    }

    /// What stands against an order in the network.
    pub(super) fn bars(&self, order: &Order, table: &Table) -> Vec<Bar> {
        self.interlock.bars(order.point, order.value, table)
    }

    /// The area or conduit that takes no more commands now.
    pub(super) fn exhausted(&self, def: &PointDef, now: Mono) -> Option<String> {
        if !self.rates.has_room(&area_key(def), self.policy.area, now) {
            return Some(format!("substation {}", def.substation));
        }
        let full = |conduit: &&super::Conduit| {
            conduit.carries(def)
                && conduit
                    .limit
                    .is_some_and(|limit| !self.rates.has_room(&conduit_key(&conduit.name), limit, now))
        };
        self.policy.conduits.iter().find(full).map(|conduit| format!("conduit {}", conduit.name))
    }

    /// Counts a command that leaves; one actor who moves much is an alarm, whether people or programs (A-05).
    pub(super) fn count(&mut self, record: &CommandRecord, def: &PointDef, now: Mono) {
        self.rates.take(&area_key(def), self.policy.area, now);
        for conduit in self.policy.conduits.iter().filter(|conduit| conduit.carries(def)) {
            if let Some(limit) = conduit.limit {
                self.rates.take(&conduit_key(&conduit.name), limit, now);
            }
        }
        self.executed.insert(record.point, (now, record.value));
        let moved = self.rates.moved(&record.actor, record.point, now);
        if self.policy.velocity > 0 && moved == self.policy.velocity {
            self.alarms.push(GateAlarm {
                source: format!("commands of {}", record.actor),
                priority: Severity::High,
                text: format!("{} commanded {moved} points within a minute", record.actor),
            });
        }
    }

    /// Somebody ran into a limit: others should look at what they do.
    pub(super) fn note_refusal(&mut self, record: &CommandRecord, refusal: &GateRefusal) {
        if refusal.code == "rate" {
            self.alarms.push(GateAlarm {
                source: format!("commands of {}", record.actor),
                priority: Severity::High,
                text: format!("refused to {}: {}", record.actor, refusal.text),
            });
        }
    }

    /// Prepares the record of a wish that was granted.
    pub(super) fn grant(&self, now: Now, who: &Principal, record: &mut CommandRecord, table: &Table) {
        let def = &table.points()[record.point];
        if let Some(class) = self.policy.class(def) {
            record.class.clone_from(&class.name);
            record.two_persons = class.two_persons.needed(now.utc);
        }
        record.moves = self.moves(record.point).0;
        record.may_override = !record.override_reason.trim().is_empty()
            && who.authorise(Right::Override, &def.substation).is_ok();
        for bar in self.bars(&record.order(), table) {
            if bar.refuses && record.may_override {
                record.overridden.push(bar.text);
            } else {
                record.warnings.push(bar.text);
            }
        }
    }

    /// Takes the next step towards the device that the policy asks for.
    pub(super) fn proceed(&mut self, now: Now, id: CommandId, table: &Table) {
        let Some(record) = self.commands.get(&id) else { return };
        let rule = self.policy.study(&table.points()[record.point]);
        if rule != StudyRule::Off
            && record.study.is_none()
            && self.interlock.has_effect(record.point, record.value, table)
        {
            let expires = now.mono + self.config.study_timeout;
            self.step(now, id, CommandState::Studying, "the grid after it is calculated", Some(expires));
            self.studies.push(id);
        } else if record.two_persons && record.approved_by.is_none() {
            let expires = now.mono + crate::approval::LIFETIME;
            let text = "waits for a second person";
            self.step(now, id, CommandState::WaitingApproval, text, Some(expires));
        } else {
            self.begin_select(now, id);
        }
    }

    /// The study of a command has ended.
    pub fn studied(&mut self, now: Now, id: CommandId, report: StudyReport, table: &Table) {
        let studying = |record: &&CommandRecord| record.state == CommandState::Studying;
        let Some(record) = self.commands.get(&id).filter(studying).cloned() else { return };
        let def = &table.points()[record.point];
        let rule = match report.outcome {
            StudyOutcome::Solved | StudyOutcome::NotConverged => self.policy.study(def),
            StudyOutcome::NotPossible => self.policy.unstudied,
        };
        let objection = report.objection();
        let stops = report.stops(rule);
        if let Some(kept) = self.commands.get_mut(&id) {
            kept.study = Some(report);
        }
        if let Some(why) = objection.filter(|_| stops) {
            if !record.may_override {
                return self.refuse_granted(now, id, ("study", why), table);
            }
            if let Some(kept) = self.commands.get_mut(&id) {
                kept.overridden.push(why.clone());
            }
            self.audit_override(&record, table, &why);
        }
        self.proceed(now, id, table);
    }

    /// A second person lets a command go on. It is the same command: point, value and session stay.
    ///
    /// # Errors
    /// Nobody is asked about it, it is the same person, or they have no right to it.
    pub fn approve(
        &mut self,
        now: Now,
        second: &Principal,
        id: CommandId,
        table: &Table,
    ) -> Result<(), GateRefusal> {
        let record = self.may_decide(second, id, table)?;
        if record.actor == second.name {
            return refuse(
                "same_person",
                "a second person has to approve, not the one who asked".to_owned(),
                "ask somebody else with the same right",
            );
        }
        let who = format!("approved by {}", second.name);
        self.audit_by(&second.name, &record, table, AuditResult::Allowed);
        if let Some(kept) = self.commands.get_mut(&id) {
            kept.approved_by = Some(second.name.clone());
        }
        self.step(now, id, CommandState::WaitingApproval, &who, record.expires);
        self.proceed(now, id, table);
        Ok(())
    }

    /// Somebody who was asked does not let a command go on.
    ///
    /// # Errors
    /// Nobody is asked about it, or they have no right to it.
    pub fn disapprove(
        &mut self,
        now: Now,
        second: &Principal,
        id: CommandId,
        table: &Table,
    ) -> Result<(), GateRefusal> {
        let record = self.may_decide(second, id, table)?;
        self.audit_by(&second.name, &record, table, AuditResult::Refused);
        let text = format!("not approved by {}", second.name);
        self.finish(now, id, CommandState::Cancelled, text, None);
        Ok(())
    }

    fn may_decide(
        &self,
        second: &Principal,
        id: CommandId,
        table: &Table,
    ) -> Result<CommandRecord, GateRefusal> {
        let record = self.commands.get(&id).ok_or_else(|| GateRefusal::unknown(id))?;
        if record.state != CommandState::WaitingApproval {
            return Err(GateRefusal::too_late(record.state));
        }
        let def = &table.points()[record.point];
        if second.authorise(Right::Command, &def.substation).is_err() {
            let text = format!("{} may not command {}", second.name, def.name);
            return refuse("role", text, "ask somebody who may").map(|()| record.clone());
        }
        Ok(record.clone())
    }

    /// Ends a wish that was granted, but not by what was found out since.
    fn refuse_granted(
        &mut self,
        now: Now,
        id: CommandId,
        (code, why): (&'static str, String),
        table: &Table,
    ) {
        let Some(record) = self.commands.get(&id).cloned() else { return };
        let hint = "choose another way, or override with a reason if you have the right";
        let refusal = GateRefusal { code, text: why, hint };
        self.audit(&record, table, wish(&record, table), AuditResult::Refused, &refusal.text);
        let text = refusal.text.clone();
        if let Some(kept) = self.commands.get_mut(&id) {
            kept.refusal = Some(refusal);
        }
        self.finish(now, id, CommandState::Refused, text, None);
    }

    pub(super) fn audit_override(&mut self, record: &CommandRecord, table: &Table, what: &str) {
        let action = format!("override {what}");
        self.audit(record, table, action, AuditResult::Allowed, &record.override_reason);
    }

    fn audit_by(&mut self, second: &str, record: &CommandRecord, table: &Table, result: AuditResult) {
        let verb = match result {
            AuditResult::Allowed | AuditResult::Done => "approve",
            AuditResult::Refused | AuditResult::Failed => "do not approve",
        };
        let action = format!("{verb} {} of {}", wish(record, table), record.actor);
        let mut draft = record.audit(table, action, result, &record.reason);
        second.clone_into(&mut draft.actor);
        self.outgoing.push(super::Outgoing::Audit(draft));
    }

    /// What an application's command still needs is nobody's to give: it goes on by itself when its select stands.
    pub(super) fn is_application(record: &CommandRecord) -> bool {
        matches!(record.origin, Origin::Application(_))
    }
}

fn wish(record: &CommandRecord, table: &Table) -> String {
    format!("select {}", command_text(&table.points()[record.point], record.value))
}

fn area_key(def: &PointDef) -> String {
    format!("a:{}", def.substation)
}

fn conduit_key(name: &str) -> String {
    format!("c:{name}")
}
