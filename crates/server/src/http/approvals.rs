//! Requests that wait for a second person: list, approve, refuse.

use super::extract::{Json, Path};
use super::session::Signed;
use super::{ApiError, Shared, alarm_acts, mode};
use crate::approvals::{Became, SetAside, What, must_wait, note, view};
use crate::core::Core;
use api::{ApprovalView, ApprovalsView, ErrorView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use scada::approval::{ApprovalRefusal, Request};
use security::Principal;
use serde::Serialize;
use timebase::Now;

/// What was asked for was done, or waits for a second person.
pub(crate) enum Answer<T> {
    Done(T),
    Waits(ApprovalView),
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Done(done) => Json(done).into_response(),
            Self::Waits(request) => (StatusCode::ACCEPTED, Json(request)).into_response(),
        }
    }
}

/// Files a request if one person may not do this alone; `None` if they may.
pub(crate) fn file(core: &mut Core, wanted: &SetAside, now: Now) -> Option<Result<ApprovalView, ApiError>> {
    if !must_wait(core, &wanted.what) {
        return None;
    }
    let asked = core.approvals.list.ask(&wanted.who.name, wanted.clone(), now);
    let request = asked.ok().and_then(|id| core.approvals.list.get(id, now).cloned());
    let Some(request) = request else { return Some(Err(refusal(ApprovalRefusal::Full))) };
    note(core, &request, None, Became::Waiting, now);
    Some(Ok(view(&request, core.centre.table().points())))
}

/// Requests that wait for a second person.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "alarms",
    responses((status = 200, body = ApprovalsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<ApprovalsView>, ApiError> {
    let who = signed.0.principal.clone();
    let listed = shared.core.ask(move |core, _| {
        let points = core.centre.table().points();
        let seen = core.approvals.list.iter().filter(|request| may_see(core, &who, request));
        seen.map(|request| view(request, points)).collect()
    });
    Ok(Json(ApprovalsView { approvals: listed.await? }))
}

/// Carries a request out; whoever asked cannot approve.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/approve", tag = "alarms", params(("id" = u64, Path)),
    responses((status = 200, body = ApprovalView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn approve(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<ApprovalView>, ApiError> {
    decide(&shared, &signed, id, Became::Approved).await
}

/// Lets a request go without carrying it out; whoever asked may do that too.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/refuse", tag = "alarms", params(("id" = u64, Path)),
    responses((status = 200, body = ApprovalView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn refuse(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<ApprovalView>, ApiError> {
    decide(&shared, &signed, id, Became::Refused).await
}

async fn decide(
    shared: &Shared,
    signed: &Signed,
    id: u64,
    became: Became,
) -> Result<Json<ApprovalView>, ApiError> {
    let (who, session) = (signed.0.principal.clone(), signed.0.session.clone());
    shared.core.ask(move |core, now| decide_in(core, (&who, &session), id, became, now)).await?.map(Json)
}

fn decide_in(
    core: &mut Core,
    (who, session): (&Principal, &str),
    id: u64,
    became: Became,
    now: Now,
) -> Result<ApprovalView, ApiError> {
    let unknown = || refusal(ApprovalRefusal::Unknown);
    let request = core.approvals.list.get(id, now).ok_or_else(unknown)?;
    if !may_see(core, who, request) {
        return Err(unknown());
    }
    let right = request.what.what.right();
    if !who.has(right) {
        return Err(ApiError::forbidden(format!("{} has no right to {}", who.name, right.name())));
    }
    if core.audit_broken {
        return Err(mode::refused_by_audit());
    }
    let request = match became {
        Became::Approved => core.approvals.list.approve(id, &who.name, now),
        Became::Waiting | Became::Refused | Became::Expired => core.approvals.list.refuse(id, now),
    }
    .map_err(refusal)?;
    note(core, &request, Some((&who.name, session)), became, now);
    if let (What::Command { id, .. }, false) = (&request.what.what, became == Became::Approved) {
        let id = *id;
        core.centre.with_gate(now.utc, |gate, table, _| gate.disapprove(now, who, id, table))?;
    }
    if became == Became::Approved {
        carry_out(core, &request, who, now)?;
    }
    Ok(view(&request, core.centre.table().points()))
}

fn carry_out(
    core: &mut Core,
    request: &Request<SetAside>,
    second: &Principal,
    now: Now,
) -> Result<(), ApiError> {
    let mut wanted = request.what.clone();
    wanted.reason = format!("{} (approved by {})", wanted.reason, second.name);
    match &wanted.what {
        What::Shelve { .. } | What::OutOfService { .. } => {
            let changed = alarm_acts::carry_out(core, &wanted, Some(second), now);
            match changed.refused.first() {
                Some(first) if changed.changed == 0 => {
                    let hint = "the state has changed since it was asked for";
                    Err(ApiError::new(StatusCode::CONFLICT, "nothing_done", first.reason.clone(), hint))
                }
                Some(_) | None => Ok(()),
            }
        }
        What::Mode { .. } => mode::carry_out(core, &wanted, now).map(drop),
        What::Command { id, .. } => {
            Ok(core.centre.with_gate(now.utc, |gate, table, _| gate.approve(now, second, *id, table))?)
        }
    }
}

/// Whether every point of a request is in the area of a person.
fn may_see(core: &Core, who: &Principal, request: &Request<SetAside>) -> bool {
    let points = core.centre.table().points();
    match &request.what.what {
        What::Mode { point, .. } | What::Command { point, .. } => {
            points.get(*point).is_some_and(|def| who.areas.cover(&def.substation))
        }
        What::Shelve { ids, .. } | What::OutOfService { ids, .. } => {
            request.by == who.name || ids.iter().all(|id| alarm_acts::is_covered(core, id, who))
        }
    }
}

fn refusal(refusal: ApprovalRefusal) -> ApiError {
    let (status, code, hint) = match refusal {
        ApprovalRefusal::Unknown => {
            (StatusCode::NOT_FOUND, "not_found", "list them: decided and expired ones are gone")
        }
        ApprovalRefusal::SamePerson => {
            (StatusCode::FORBIDDEN, "same_person", "ask somebody else with the same right")
        }
        ApprovalRefusal::Full => (StatusCode::SERVICE_UNAVAILABLE, "too_many", "decide some of them first"),
    };
    ApiError::new(status, code, refusal.to_string(), hint)
}
