//! What the real-time database hands to the store, and what the store hands back at start-up.

use anyhow::{Context as _, Result};
use scada::alarm::{Alarm, AlarmId, AlarmKind, Inhibit};
use scada::centre::{Changes, Restored};
use scada::event::{Event, Severity};
use scada::gate::{AuditDraft, AuditResult, CommandRecord};
use scada::tag::{Tag, TagKind, TagList};
use security::{AuditEntry, Outcome};
use serde::{Deserialize, Serialize};
use signal::PointList;
use store::{AlarmRecord, NewEvent, Record, Store, TagRecord};
use timebase::Utc;

/// An alarm as it lies in the store.
#[derive(Serialize, Deserialize)]
struct StoredAlarm {
    kind: String,
    source: String,
    point: Option<String>,
    priority: String,
    active: bool,
    text: String,
    value_text: String,
    raised_at_us: i64,
    cleared_at_us: Option<i64>,
    acknowledged_by: Option<(String, i64)>,
    count: u32,
    /// Without it `acknowledged_by` says it, as it did before there was anything that nobody needs to see.
    acknowledged: Option<bool>,
    #[serde(default)]
    group: String,
    #[serde(default)]
    latched: bool,
    #[serde(default)]
    below: bool,
    #[serde(default)]
    first_out: bool,
    shelved: Option<StoredInhibit>,
    suppressed_by: Option<String>,
    out_of_service: Option<StoredInhibit>,
}

/// Who keeps an alarm from being annunciated, as it lies in the store.
#[derive(Serialize, Deserialize)]
struct StoredInhibit {
    by: String,
    at_us: i64,
    until_us: i64,
    reason: String,
    one_shot: bool,
}

impl StoredInhibit {
    fn of(inhibit: &Inhibit) -> Self {
        let Inhibit { by, at, until, reason, one_shot } = inhibit.clone();
        Self { by, at_us: at.as_micros(), until_us: until.as_micros(), reason, one_shot }
    }

    fn revive(self) -> Inhibit {
        let Self { by, at_us, until_us, reason, one_shot } = self;
        Inhibit { by, at: Utc::from_micros(at_us), until: Utc::from_micros(until_us), reason, one_shot }
    }
}

/// The store's records for events and alarms of a batch of changes, in the order in which they happened.
pub(crate) fn records(changes: &Changes, points: &PointList) -> Result<Vec<Record>> {
    let mut records: Vec<Record> =
        changes.events.iter().map(|event| Record::Event(event_record(event, points))).collect();
    for (_, alarm) in &changes.alarms {
        records.push(if alarm.is_retained() {
            alarm_record(alarm, points)?
        } else {
            Record::DropAlarm(alarm.id.as_str().to_owned())
        });
    }
    Ok(records)
}

/// An audit draft with its time.
pub(crate) fn audit_record(draft: &AuditDraft, time: Utc) -> Record {
    Record::Audit(AuditEntry {
        time,
        actor: draft.actor.clone(),
        source: draft.session.clone(),
        action: draft.action.clone(),
        target: draft.target.clone(),
        old: Some(draft.old.clone()),
        new: Some(draft.new.clone()),
        outcome: match draft.result {
            AuditResult::Allowed => Outcome::Allowed,
            AuditResult::Refused => Outcome::Refused,
            AuditResult::Done => Outcome::Done,
            AuditResult::Failed => Outcome::Failed,
        },
        reason: draft.reason.clone(),
    })
}

/// An open command, so that a restart can say that its outcome is unknown; a closed one is forgotten.
pub(crate) fn command_record(command: &CommandRecord, points: &PointList, now: Utc) -> Record {
    if !command.state.is_open() {
        return Record::DropCommand(command.id.0);
    }
    Record::PutCommand(store::CommandRecord {
        id: command.id.0,
        point: points.get(command.point).map_or_else(String::new, |def| def.mrid.clone()),
        state: command.state.name().to_owned(),
        at: now,
        data: serde_json::json!({ "point": command.point_name, "value": command.value_text, "actor": command.actor }).to_string(),
    })
}

/// A tag as the store keeps it.
pub(crate) fn tag_record(tag: &Tag, points: &PointList) -> TagRecord {
    TagRecord {
        id: tag.id,
        point: points.get(tag.point).map_or_else(String::new, |def| def.mrid.clone()),
        kind: match tag.kind {
            TagKind::Hold => store::TagKind::Hold,
            TagKind::Caution => store::TagKind::Caution,
            TagKind::Information => store::TagKind::Information,
        },
        text: tag.text.clone(),
        by: tag.by.clone(),
        at: tag.at,
    }
}

/// What the store held, in the database's own types. Tags and alarms of points that are no longer configured stay in
/// the store but out of the list.
pub(crate) fn restore(store: &Store, points: &PointList) -> Result<Restored> {
    let mut alarms = Vec::new();
    for record in store.alarms()? {
        let stored: StoredAlarm =
            serde_json::from_str(&record.data).with_context(|| format!("stored alarm {}", record.key))?;
        alarms.extend(revive_alarm(record.key, stored, points));
    }
    let tags = store.tags()?.into_iter().filter_map(|record| revive_tag(record, points)).collect();
    Ok(Restored {
        last_event: store.last_event()?,
        last_command: store.next_command_id()?.saturating_sub(1),
        alarms,
        tags: TagList::restore(tags),
        modes: crate::modes::restore(store, points)?,
    })
}

fn event_record(event: &Event, points: &PointList) -> NewEvent {
    NewEvent {
        seq: Some(event.seq),
        time: event.time,
        kind: event.kind.name().to_owned(),
        severity: event.severity.name().to_owned(),
        point: event.point.and_then(|point| points.get(point)).map(|def| def.mrid.clone()),
        source: event.source.clone(),
        text: event.text.clone(),
        actor: event.actor.clone(),
        data: None,
    }
}

fn alarm_record(alarm: &Alarm, points: &PointList) -> Result<Record> {
    let stored = StoredAlarm {
        kind: alarm.kind.name().to_owned(),
        source: alarm.source.clone(),
        point: alarm.point.and_then(|point| points.get(point)).map(|def| def.mrid.clone()),
        priority: alarm.priority.name().to_owned(),
        active: alarm.active,
        text: alarm.text.clone(),
        value_text: alarm.value_text.clone(),
        raised_at_us: alarm.raised_at.as_micros(),
        cleared_at_us: alarm.cleared_at.map(Utc::as_micros),
        acknowledged_by: alarm.acknowledged_by.clone().map(|(by, at)| (by, at.as_micros())),
        count: alarm.count,
        acknowledged: Some(alarm.acknowledged),
        group: alarm.group.clone(),
        latched: alarm.latched,
        below: alarm.below,
        first_out: alarm.first_out,
        shelved: alarm.shelved.as_ref().map(StoredInhibit::of),
        suppressed_by: alarm.suppressed_by.clone(),
        out_of_service: alarm.out_of_service.as_ref().map(StoredInhibit::of),
    };
    let state = if alarm.active { "active" } else { "cleared" };
    let data = serde_json::to_string(&stored)?;
    Ok(Record::PutAlarm(AlarmRecord { key: alarm.id.as_str().to_owned(), state: state.to_owned(), data }))
}

fn revive_alarm(key: String, stored: StoredAlarm, points: &PointList) -> Option<Alarm> {
    let severities = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let point = match &stored.point {
        None => None,
        Some(mrid) => Some(points.by_mrid(mrid)?),
    };
    Some(Alarm {
        id: AlarmId::from(key),
        kind: AlarmKind::named(&stored.kind)?,
        source: stored.source,
        point,
        priority: severities.into_iter().find(|severity| severity.name() == stored.priority)?,
        active: stored.active,
        acknowledged: stored.acknowledged.unwrap_or(stored.acknowledged_by.is_some()),
        group: stored.group,
        latched: stored.latched,
        below: stored.below,
        text: stored.text,
        value_text: stored.value_text,
        raised_at: Utc::from_micros(stored.raised_at_us),
        cleared_at: stored.cleared_at_us.map(Utc::from_micros),
        acknowledged_by: stored.acknowledged_by.map(|(by, at)| (by, Utc::from_micros(at))),
        count: stored.count,
        first_out: stored.first_out,
        // Chatter is counted anew after a restart.
        chattering: false,
        shelved: stored.shelved.map(StoredInhibit::revive),
        suppressed_by: stored.suppressed_by,
        out_of_service: stored.out_of_service.map(StoredInhibit::revive),
    })
}

fn revive_tag(record: TagRecord, points: &PointList) -> Option<Tag> {
    let kind = match record.kind {
        store::TagKind::Hold => TagKind::Hold,
        store::TagKind::Caution => TagKind::Caution,
        store::TagKind::Information => TagKind::Information,
    };
    let point = points.by_mrid(&record.point)?;
    Some(Tag { id: record.id, point, kind, text: record.text, by: record.by, at: record.at })
}
