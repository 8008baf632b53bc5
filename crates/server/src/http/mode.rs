//! Points set aside by people: scan inhibit, test, entered values.

use super::approvals::{self, Answer};
use super::extract::{Json, Path};
use super::points::visible;
use super::session::Signed;
use super::wording::text;
use super::{ApiError, Shared};
use crate::approvals::{SetAside, What};
use crate::core::Core;
use crate::modes;
use api::{ApprovalView, ErrorView, PointModeRequest, PointView};
use axum::extract::State;
use axum::http::StatusCode;
use scada::event::{EventKind, NewEvent, Severity};
use scada::mode::{ModeError, PointMode, SetMode, value_of};
use security::{AuditEntry, Outcome, Right};
use signal::PointId;
use store::Record;
use timebase::Now;

/// Sets how a point is treated: what the link reports is held back (`inhibited`), marked as a test, or replaced by a
/// value. Without any of them the point is treated as usual again.
#[utoipa::path(put, path = "/api/v1/points/{id}/mode", tag = "points", params(("id" = u32, Path)),
    request_body = PointModeRequest,
    responses((status = 200, body = PointView), (status = 202, body = ApprovalView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 503, body = ErrorView)))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Json(body): Json<PointModeRequest>,
) -> Result<Answer<PointView>, ApiError> {
    let point = visible(&shared, &signed, id, Right::Command)?;
    let reason = text(&body.reason, "the reason")?;
    let kind = shared.points()[point].kind;
    let replaced = body.value.map(|value| value_of(kind, value));
    if replaced == Some(None) {
        return Err(ApiError::bad_request(
            format!("the value does not fit a point of kind {}", kind.name()),
            "0 or 1 for indications, whole numbers for steps and counters",
        ));
    }
    let mode = PointMode { inhibited: body.inhibited, test: body.test, replaced: replaced.flatten() };
    let what = What::Mode { point, mode };
    let (who, session, reason) = (signed.0.principal.clone(), signed.0.session.clone(), reason);
    let wanted = SetAside { what, reason, who, session };
    let done = shared.core.ask(move |core, now| {
        if core.audit_broken {
            return Err(refused_by_audit());
        }
        match approvals::file(core, &wanted, now) {
            Some(filed) => filed.map(Answer::Waits),
            None => carry_out(core, &wanted, now).map(Answer::Done),
        }
    });
    done.await?
}

/// Sets the mode that somebody asked for, alone or with a second person.
pub(crate) fn carry_out(core: &mut Core, wanted: &SetAside, now: Now) -> Result<PointView, ApiError> {
    let What::Mode { point, mode } = wanted.what else { return Err(ApiError::not_found("point")) };
    let by = wanted.who.name.clone();
    let set = SetMode { mode, by: by.clone(), at: now.utc, reason: wanted.reason.clone() };
    change(core, (point, set, &wanted.session), now)?;
    if wanted.what.count() > 0 {
        core.centre.alarms_mut().count_set_aside(&by, now.utc);
    }
    crate::views::point(point, &core.centre, now).ok_or_else(|| ApiError::not_found("point"))
}

pub(crate) fn refused_by_audit() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "audit_broken",
        "the audit chain is broken: nothing is changed that it could not tell of",
        "see System, or run tieline audit verify",
    )
}

/// Sets the mode, with event, audit record and what the store keeps; all are durable before the answer.
fn change(
    core: &mut Core,
    (point, set, session): (PointId, SetMode, &str),
    now: Now,
) -> Result<(), ApiError> {
    let before = core.centre.modes().get(&point).map(|set| set.mode).unwrap_or_default();
    let (after, by, reason) = (set.mode, set.by.clone(), set.reason.clone());
    core.centre.set_mode(point, set, now).map_err(|error| match error {
        ModeError::Unknown => ApiError::not_found("point"),
        ModeError::WrongValue | ModeError::Calculated => {
            ApiError::bad_request(error.to_string(), "see the kind and the formula of the point")
        }
    })?;
    let points = core.centre.table().points().clone();
    let record = modes::record(core.centre.modes(), &points)
        .map_err(|error| ApiError::internal(format!("modes of points: {error}")))?;
    core.centre.record_by(NewEvent {
        time: now.utc,
        kind: EventKind::Configuration,
        severity: Severity::Low,
        source: points[point].name.clone(),
        point: Some(point),
        text: format!("{}: {reason}", modes::wording(after)),
        actor: Some(by.clone()),
    });
    core.backlog.push_back(record);
    core.backlog.push_back(Record::Audit(AuditEntry {
        time: now.utc,
        actor: by,
        source: session.to_owned(),
        action: "set point mode".to_owned(),
        target: points[point].name.clone(),
        old: Some(modes::wording(before)),
        new: Some(modes::wording(after)),
        outcome: Outcome::Done,
        reason,
    }));
    Ok(())
}
