//! Switching orders as the store keeps them: points by mRID, so that they survive another point list.

use anyhow::{Context as _, Result};
use scada::switching::{
    Action, Check, Document, DocumentKind, DocumentState, Finding, OrderKind, OrderState, Step, StepState,
    Switching, SwitchingOrder,
};
use scada::tag::TagKind;
use serde::{Deserialize, Serialize};
use signal::{CommandId, DoublePoint, PointId, PointList, Value};
use store::{ConfigRecord, Record, Store};
use timebase::Utc;

/// Start of the keys in the store.
const KEY: &str = "switching-order/";

#[derive(Serialize, Deserialize)]
struct StoredOrder {
    id: u64,
    title: String,
    kind: String,
    state: String,
    reason: String,
    author: String,
    created_us: i64,
    approver: Option<String>,
    steps: Vec<StoredStep>,
    documents: Vec<StoredDocument>,
    check: Option<StoredCheck>,
    end_reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredStep {
    action: StoredAction,
    state: String,
    command: Option<u64>,
    by: Option<String>,
    at_us: Option<i64>,
    note: String,
    tag: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum StoredAction {
    Operate { point: String, value: StoredValue },
    Verify { point: String, value: StoredValue },
    PlaceTag { point: String, tag: String, text: String, document: Option<usize> },
    RemoveTags { point: String },
    Issue { document: usize },
    Clear { document: usize },
    Instruct { text: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredValue {
    Analog(f64),
    Single(bool),
    Double(bool),
    Step(i16),
    Counter(i64),
    Bits(u32),
}

#[derive(Serialize, Deserialize)]
struct StoredDocument {
    kind: String,
    holder: String,
    text: String,
    state: String,
}

#[derive(Serialize, Deserialize)]
struct StoredCheck {
    at_us: i64,
    by: String,
    findings: Vec<(usize, bool, String)>,
}

/// The orders that the store held. A step about a point that is no longer there becomes one that says so.
pub(crate) fn restore(store: &Store, points: &PointList) -> Result<Switching> {
    let mut orders = Vec::new();
    for record in store.configs()?.into_iter().filter(|record| record.key.starts_with(KEY)) {
        let stored: StoredOrder =
            serde_json::from_str(&record.json).with_context(|| format!("stored {}", record.key))?;
        orders.push(revive(stored, points));
    }
    Ok(Switching::restore(orders))
}

/// An order to be written down.
pub(super) fn record(order: &SwitchingOrder, points: &PointList) -> Result<Record> {
    let document = |document: &Document| StoredDocument {
        kind: document.kind.name().to_owned(),
        holder: document.holder.clone(),
        text: document.text.clone(),
        state: document.state.name().to_owned(),
    };
    let check = |check: &Check| StoredCheck {
        at_us: check.at.as_micros(),
        by: check.by.clone(),
        findings: check
            .findings
            .iter()
            .map(|found| (found.step, found.is_fault, found.text.clone()))
            .collect(),
    };
    let stored = StoredOrder {
        id: order.id,
        title: order.title.clone(),
        kind: order.kind.name().to_owned(),
        state: order.state.name().to_owned(),
        reason: order.reason.clone(),
        author: order.author.clone(),
        created_us: order.created.as_micros(),
        approver: order.approver.clone(),
        steps: order.steps.iter().map(|step| store_step(step, points)).collect(),
        documents: order.documents.iter().map(document).collect(),
        check: order.check.as_ref().map(check),
        end_reason: order.end_reason.clone(),
    };
    let json = serde_json::to_string(&stored)?;
    Ok(Record::PutConfig(ConfigRecord { key: key(order.id), json }))
}

/// An order to be forgotten.
pub(super) fn drop_record(id: u64) -> Record {
    Record::DropConfig(key(id))
}

fn key(id: u64) -> String {
    format!("{KEY}{id:012}")
}

fn store_step(step: &Step, points: &PointList) -> StoredStep {
    let mrid = |point: PointId| points.get(point).map_or_else(String::new, |def| def.mrid.clone());
    let action = match &step.action {
        Action::Operate { point, value } => {
            StoredAction::Operate { point: mrid(*point), value: store_value(*value) }
        }
        Action::Verify { point, value } => {
            StoredAction::Verify { point: mrid(*point), value: store_value(*value) }
        }
        Action::PlaceTag { point, kind, text, document } => StoredAction::PlaceTag {
            point: mrid(*point),
            tag: kind.name().to_owned(),
            text: text.clone(),
            document: *document,
        },
        Action::RemoveTags { point } => StoredAction::RemoveTags { point: mrid(*point) },
        Action::Issue { document } => StoredAction::Issue { document: *document },
        Action::Clear { document } => StoredAction::Clear { document: *document },
        Action::Instruct { text } => StoredAction::Instruct { text: text.clone() },
    };
    let command = match step.state {
        StepState::Running(command) => Some(command.0),
        StepState::Open | StepState::Done | StepState::Skipped => None,
    };
    StoredStep {
        action,
        state: step.state.name().to_owned(),
        command,
        by: step.by.clone(),
        at_us: step.at.map(Utc::as_micros),
        note: step.note.clone(),
        tag: step.tag,
    }
}

fn store_value(value: Value) -> StoredValue {
    match value {
        Value::Analog(number) => StoredValue::Analog(number),
        Value::Single(on) => StoredValue::Single(on),
        // Orders hold end positions only.
        Value::Double(position) => StoredValue::Double(position == DoublePoint::On),
        Value::Step(step) => StoredValue::Step(step),
        Value::Counter(count) => StoredValue::Counter(count),
        Value::Bits(bits) => StoredValue::Bits(bits),
    }
}

fn revive(stored: StoredOrder, points: &PointList) -> SwitchingOrder {
    let document = |document: StoredDocument| Document {
        kind: DocumentKind::named(&document.kind).unwrap_or(DocumentKind::PermitToWork),
        holder: document.holder,
        text: document.text,
        state: DocumentState::named(&document.state).unwrap_or(DocumentState::Prepared),
    };
    let check = |check: StoredCheck| Check {
        at: Utc::from_micros(check.at_us),
        by: check.by,
        findings: check
            .findings
            .into_iter()
            .map(|(step, is_fault, text)| Finding { step, is_fault, text })
            .collect(),
    };
    SwitchingOrder {
        id: stored.id,
        title: stored.title,
        kind: OrderKind::named(&stored.kind).unwrap_or(OrderKind::Planned),
        // An unknown state can only come from a newer program: nothing more is done with it.
        state: OrderState::named(&stored.state).unwrap_or(OrderState::Cancelled),
        reason: stored.reason,
        author: stored.author,
        created: Utc::from_micros(stored.created_us),
        approver: stored.approver,
        steps: stored.steps.into_iter().map(|step| revive_step(step, points)).collect(),
        documents: stored.documents.into_iter().map(document).collect(),
        check: stored.check.map(check),
        end_reason: stored.end_reason,
    }
}

fn revive_step(stored: StoredStep, points: &PointList) -> Step {
    let state = match (stored.state.as_str(), stored.command) {
        ("running", Some(command)) => StepState::Running(CommandId(command)),
        ("done", _) => StepState::Done,
        ("skipped", _) => StepState::Skipped,
        (_, _) => StepState::Open,
    };
    let action = revive_action(stored.action, points).unwrap_or_else(|mrid| Action::Instruct {
        text: format!("the point {mrid} of this step is no longer there"),
    });
    Step {
        action,
        state,
        by: stored.by,
        at: stored.at_us.map(Utc::from_micros),
        note: stored.note,
        tag: stored.tag,
    }
}

fn revive_action(stored: StoredAction, points: &PointList) -> Result<Action, String> {
    let find = |mrid: String| points.by_mrid(&mrid).ok_or(mrid);
    Ok(match stored {
        StoredAction::Operate { point, value } => {
            Action::Operate { point: find(point)?, value: revive_value(&value) }
        }
        StoredAction::Verify { point, value } => {
            Action::Verify { point: find(point)?, value: revive_value(&value) }
        }
        StoredAction::PlaceTag { point, tag, text, document } => Action::PlaceTag {
            point: find(point)?,
            kind: TagKind::named(&tag).unwrap_or(TagKind::Hold),
            text,
            document,
        },
        StoredAction::RemoveTags { point } => Action::RemoveTags { point: find(point)? },
        StoredAction::Issue { document } => Action::Issue { document },
        StoredAction::Clear { document } => Action::Clear { document },
        StoredAction::Instruct { text } => Action::Instruct { text },
    })
}

fn revive_value(stored: &StoredValue) -> Value {
    match *stored {
        StoredValue::Analog(number) => Value::Analog(number),
        StoredValue::Single(on) => Value::Single(on),
        StoredValue::Double(true) => Value::Double(DoublePoint::On),
        StoredValue::Double(false) => Value::Double(DoublePoint::Off),
        StoredValue::Step(step) => Value::Step(step),
        StoredValue::Counter(count) => Value::Counter(count),
        StoredValue::Bits(bits) => Value::Bits(bits),
    }
}
