//! Switching orders in the running centre: what the store keeps of them, and how their steps are done.
//!
//! Every change is an event, an audit record and the order as it is now, in one write.

mod stored;
pub(crate) mod view;

pub(crate) use stored::restore;

use crate::core::Core;
use crate::persist;
use scada::centre::Changes;
use scada::event::{EventKind, NewEvent, Severity};
use scada::gate::{Order, Seen};
use scada::switching::{Effect, SwitchingRefusal};
use scada::tag::Tag;
use security::{AuditEntry, Outcome, Principal};
use signal::{CommandId, Value};
use store::Record;
use timebase::{Now, Utc};

/// Source of the events; the page listens for it.
pub(crate) const SOURCE: &str = "switching";

/// Who does something, from where.
#[derive(Clone, Debug)]
pub(crate) struct Doer {
    pub(crate) who: Principal,
    pub(crate) session: String,
}

/// What is written down about an act.
pub(crate) struct Act {
    pub(crate) action: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
}

impl Act {
    pub(crate) fn done(action: &'static str, reason: impl Into<String>) -> Self {
        Self { action, outcome: Outcome::Done, reason: reason.into() }
    }
}

/// Does the next step of an order; the number of its command if it operates.
pub(crate) fn act(
    core: &mut Core,
    (id, at): (u64, usize),
    doer: &Doer,
    now: Now,
) -> Result<Option<CommandId>, SwitchingRefusal> {
    let table = core.centre.table();
    let measured = |point| table.get(point).and_then(|state| state.good());
    let effect = core.switching.act((id, at), &doer.who.name, now.utc, measured)?;
    let step = format!("step {}", at + 1);
    let mut command = None;
    match effect {
        Effect::Operate { point, value, reason } => {
            // A step is done on the state that stands when it is done; the order was checked from there on.
            let state = core.centre.table().get(point);
            let seen =
                state.map(|state| Seen { value: state.value.and_then(Value::as_number), at: state.time() });
            let order = Order { seen, ..Order::new(point, value, &reason, &doer.session) };
            let selected = core
                .centre
                .with_gate(now.utc, |gate, table, tags| gate.select(now, &doer.who, order, table, tags));
            command = Some(selected);
            let refusal = core.centre.gate().get(selected).and_then(|record| record.refusal.clone());
            if refusal.is_none() {
                core.switching.attach((id, at), selected);
            }
        }
        Effect::PlaceTag { point, kind, text } => {
            let tag = Tag { id: 0, point, kind, text, by: doer.who.name.clone(), at: now.utc };
            let placed = core.centre.tags_mut().place(tag);
            let placed = placed.ok_or(SwitchingRefusal::TooMany(scada::tag::TagList::MAX_PER_POINT))?;
            core.switching.tagged((id, at), placed.id, &doer.who.name, now.utc);
            let points = core.centre.table().points();
            let record = persist::tag_record(&placed, points);
            core.backlog.push_back(Record::PutTag(record));
        }
        Effect::RemoveTags(tags) => {
            for tag in tags.into_iter().filter(|tag| core.centre.tags_mut().remove(*tag).is_some()) {
                core.backlog.push_back(Record::DropTag(tag));
            }
        }
        Effect::Done => {}
    }
    note(core, id, doer, Act::done("do step of switching order", step), now.utc);
    Ok(command)
}

/// Writes an order down with its event and audit record.
pub(crate) fn note(core: &mut Core, id: u64, doer: &Doer, act: Act, at: Utc) {
    let Some(order) = core.switching.get(id) else { return };
    let (title, state) = (order.title.clone(), order.state.name().replace('_', " "));
    keep(core, id);
    let who = doer.who.name.clone();
    core.centre.record_by(NewEvent {
        time: at,
        kind: EventKind::Configuration,
        severity: Severity::Info,
        source: SOURCE.to_owned(),
        point: None,
        text: format!("{}: order {id} ({title}), {state}; {}", act.action, act.reason),
        actor: Some(who.clone()),
    });
    if core.audit_broken {
        return;
    }
    core.backlog.push_back(Record::Audit(AuditEntry {
        time: at,
        actor: who,
        source: doer.session.clone(),
        action: act.action.to_owned(),
        target: format!("switching order {id}"),
        old: None,
        new: Some(state),
        outcome: act.outcome,
        reason: act.reason,
    }));
}

/// Puts the order as it is now into the next write.
fn keep(core: &mut Core, id: u64) {
    let points = core.centre.table().points();
    match core.switching.get(id).map(|order| stored::record(order, points)) {
        Some(Ok(record)) => core.backlog.push_back(record),
        Some(Err(error)) => tracing::error!(%error, order = id, "Switching order could not be written down"),
        None => core.backlog.push_back(stored::drop_record(id)),
    }
}

/// Forgets an order that made room for another one.
pub(crate) fn forget(core: &mut Core, id: u64) {
    keep(core, id);
}

/// Steps whose command has ended: done, or open again.
pub(crate) fn follow(core: &mut Core, changes: &Changes) {
    let now = core.clock.now().utc;
    for command in &changes.commands {
        let Some(record) = core.centre.gate().get(*command) else { continue };
        let text = format!("command {} {}", record.id.0, record.state.name().replace('_', " "));
        let actor = record.actor.clone();
        let Some(id) = core.switching.follow(record, now) else { continue };
        keep(core, id);
        core.centre.record_by(NewEvent {
            time: now,
            kind: EventKind::Configuration,
            severity: Severity::Info,
            source: SOURCE.to_owned(),
            point: None,
            text: format!("order {id}: {text}"),
            actor: Some(actor),
        });
    }
}
