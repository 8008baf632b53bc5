//! Switching orders as clients see and write them.

use crate::http::ApiError;
use crate::http::wording::text;
use crate::views::{command_value, stamp};
use api::{
    SafetyDocumentRequest, SafetyDocumentView, SwitchingActionView, SwitchingCheckView, SwitchingFindingView,
    SwitchingOrderRequest, SwitchingOrderView, SwitchingStepView,
};
use scada::mode::value_of;
use scada::switching::{
    Action, Document, DocumentKind, DocumentState, OrderKind, OrderState, Step, StepState, SwitchingOrder,
};
use scada::tag::TagKind;
use scada::wording::{command_text, value_text};
use signal::{PointDef, PointId, PointKind, PointList, Value};
use timebase::Utc;

/// An order as clients see it.
pub(crate) fn order(order: &SwitchingOrder, points: &PointList) -> SwitchingOrderView {
    SwitchingOrderView {
        id: order.id,
        title: order.title.clone(),
        kind: order.kind.name().to_owned(),
        state: order.state.name().to_owned(),
        reason: order.reason.clone(),
        author: order.author.clone(),
        created_at: stamp(order.created),
        approver: order.approver.clone(),
        steps: order.steps.iter().map(|entry| step(entry, points)).collect(),
        documents: order.documents.iter().map(document).collect(),
        check: order.check.as_ref().map(|check| SwitchingCheckView {
            at: stamp(check.at),
            by: check.by.clone(),
            findings: check
                .findings
                .iter()
                .map(|found| SwitchingFindingView {
                    step: found.step + 1,
                    fault: found.is_fault,
                    text: found.text.clone(),
                })
                .collect(),
        }),
        next: order.next().map(|at| at + 1),
        end_reason: order.end_reason.clone(),
    }
}

fn document(document: &Document) -> SafetyDocumentView {
    SafetyDocumentView {
        document: SafetyDocumentRequest {
            kind: document.kind.name().to_owned(),
            holder: document.holder.clone(),
            text: document.text.clone(),
        },
        state: document.state.name().to_owned(),
    }
}

fn step(step: &Step, points: &PointList) -> SwitchingStepView {
    SwitchingStepView {
        action: action(&step.action),
        wording: wording(&step.action, points),
        state: step.state.name().to_owned(),
        command: match step.state {
            StepState::Running(command) => Some(command.0),
            StepState::Open | StepState::Done | StepState::Skipped => None,
        },
        by: step.by.clone(),
        at: step.at.map(stamp),
        note: step.note.clone(),
    }
}

fn action(action: &Action) -> SwitchingActionView {
    let of = |name: &str| SwitchingActionView { action: name.to_owned(), ..SwitchingActionView::default() };
    match action {
        Action::Operate { point, value } => {
            SwitchingActionView { point: Some(point.0), value: value.as_number(), ..of("operate") }
        }
        Action::Verify { point, value } => {
            SwitchingActionView { point: Some(point.0), value: value.as_number(), ..of("verify") }
        }
        Action::PlaceTag { point, kind, text, document } => SwitchingActionView {
            point: Some(point.0),
            tag: Some(kind.name().to_owned()),
            text: Some(text.clone()),
            document: document.map(|at| at + 1),
            ..of("place_tag")
        },
        Action::RemoveTags { point } => SwitchingActionView { point: Some(point.0), ..of("remove_tags") },
        Action::Issue { document } => SwitchingActionView { document: Some(document + 1), ..of("issue") },
        Action::Clear { document } => SwitchingActionView { document: Some(document + 1), ..of("clear") },
        Action::Instruct { text } => SwitchingActionView { text: Some(text.clone()), ..of("instruct") },
    }
}

/// A step for people.
pub(crate) fn wording(action: &Action, points: &PointList) -> String {
    let name = |point: PointId| points.get(point).map_or("?", |def| def.name.as_str());
    let about = |point: PointId, text: fn(&PointDef, Value) -> String, value: Value| {
        points.get(point).map_or_else(|| "?".to_owned(), |def| text(def, value))
    };
    match action {
        Action::Operate { point, value } => {
            format!("{} {}", about(*point, command_text, *value), name(*point))
        }
        Action::Verify { point, value } => {
            format!("verify that {} is {}", name(*point), about(*point, value_text, *value))
        }
        Action::PlaceTag { point, kind, text, .. } => {
            format!("hang a tag ({}) on {}: {text}", kind.name(), name(*point))
        }
        Action::RemoveTags { point } => format!("take the tags of this order off {}", name(*point)),
        Action::Issue { document } => format!("issue document {}", document + 1),
        Action::Clear { document } => format!("take document {} back", document + 1),
        Action::Instruct { text } => text.clone(),
    }
}

/// The order that a request writes, by `author`.
pub(crate) fn written(
    request: SwitchingOrderRequest,
    author: &str,
    points: &PointList,
    now: Utc,
) -> Result<SwitchingOrder, ApiError> {
    let SwitchingOrderRequest { title, kind, reason, steps, documents } = request;
    let title = text(&title, "the title")?;
    let reason = text(&reason, "the reason")?;
    let kind = kind_of(&kind)?;
    let documents: Vec<Document> = documents.into_iter().map(document_of).collect::<Result<_, _>>()?;
    let mut list = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        let action = action_of(step, points, documents.len());
        list.push(Step::new(action.map_err(|error| error.about(&format!("step {}", at + 1)))?));
    }
    Ok(SwitchingOrder {
        id: 0,
        title,
        kind,
        state: OrderState::Draft,
        reason,
        author: author.to_owned(),
        created: now,
        approver: None,
        steps: list,
        documents,
        check: None,
        end_reason: None,
    })
}

pub(crate) fn kind_of(name: &str) -> Result<OrderKind, ApiError> {
    let hint = "planned, emergency or template";
    OrderKind::named(name).ok_or_else(|| ApiError::bad_request(format!("no kind of order {name:?}"), hint))
}

fn document_of(request: SafetyDocumentRequest) -> Result<Document, ApiError> {
    let kind = DocumentKind::named(&request.kind).ok_or_else(|| {
        let hint = "permit_to_work, sanction_for_test or limitation_of_access";
        ApiError::bad_request(format!("no kind of document {:?}", request.kind), hint)
    })?;
    let holder = text(&request.holder, "the holder of a document")?;
    let text = text(&request.text, "the text of a document")?;
    Ok(Document { kind, holder, text, state: DocumentState::Prepared })
}

fn action_of(step: SwitchingActionView, points: &PointList, documents: usize) -> Result<Action, ApiError> {
    let missing = |what: &str| {
        ApiError::bad_request(format!("{what} is missing"), "see SwitchingActionView in the API's document")
    };
    let point = || -> Result<(PointId, &PointDef), ApiError> {
        let id = PointId(step.point.ok_or_else(|| missing("the point"))?);
        let def = points.get(id).filter(|def| !def.retired).ok_or_else(|| ApiError::not_found("point"))?;
        Ok((id, def))
    };
    let document = || match step.document.ok_or_else(|| missing("the document"))? {
        at if (1..=documents).contains(&at) => Ok(at - 1),
        at => {
            Err(ApiError::bad_request(format!("there is no document {at}"), "documents are counted from 1"))
        }
    };
    let number = || step.value.ok_or_else(|| missing("the value"));
    let wrong = |def: &PointDef| {
        ApiError::bad_request(
            format!("{} cannot take that value", def.name),
            "0 or 1 for switches, +1 or -1 for taps",
        )
    };
    Ok(match step.action.as_str() {
        "operate" => {
            let (point, def) = point()?;
            Action::Operate { point, value: command_value(def, number()?).ok_or_else(|| wrong(def))? }
        }
        "verify" => {
            let (point, def) = point()?;
            if def.kind == PointKind::Analog {
                return Err(ApiError::bad_request(
                    format!("{} is a measured value", def.name),
                    "verify positions",
                ));
            }
            Action::Verify { point, value: value_of(def.kind, number()?).ok_or_else(|| wrong(def))? }
        }
        "place_tag" => {
            let kind = TagKind::named(step.tag.as_deref().unwrap_or("hold"));
            let kind = kind.ok_or_else(|| {
                ApiError::bad_request("no such kind of tag", "hold, caution or information")
            })?;
            let text = text(step.text.as_deref().unwrap_or_default(), "the text of a tag")?;
            let document = step.document.is_some().then(&document).transpose()?;
            Action::PlaceTag { point: point()?.0, kind, text, document }
        }
        "remove_tags" => Action::RemoveTags { point: point()?.0 },
        "issue" => Action::Issue { document: document()? },
        "clear" => Action::Clear { document: document()? },
        "instruct" => {
            Action::Instruct { text: text(step.text.as_deref().unwrap_or_default(), "the instruction")? }
        }
        other => {
            return Err(ApiError::bad_request(
                format!("no action {other:?}"),
                "operate, verify, place_tag, remove_tags, issue, clear or instruct",
            ));
        }
    })
}
