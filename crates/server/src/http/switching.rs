//! Switching orders: write, check, approve, do step by step.

use super::extract::{Json, Path};
use super::mode::refused_by_audit;
use super::session::Signed;
use super::wording::text;
use super::{ApiError, Shared};
use crate::core::Core;
use crate::switching::view;
use crate::switching::{self, Act, Doer};
use crate::views;
use api::{
    ErrorView, SwitchingCopy, SwitchingOrderRequest, SwitchingOrderView, SwitchingOrdersView,
    SwitchingReason, SwitchingStepDone,
};
use axum::extract::State;
use axum::http::StatusCode;
use scada::switching::{Check, Present, SwitchingOrder, SwitchingRefusal, simulate};
use security::{Outcome, Principal, Right};
use timebase::Now;

/// The orders whose every point is in the caller's areas, newest first.
#[utoipa::path(get, path = "/api/v1/switching-orders", tag = "switching",
    responses((status = 200, body = SwitchingOrdersView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<SwitchingOrdersView>, ApiError> {
    let who = signed.0.principal;
    let orders = shared.core.ask(move |core, _| {
        let points = core.centre.table().points();
        let seen = core.switching.iter().rev().filter(|order| covers(core, &who, Right::View, order));
        seen.map(|order| view::order(order, points)).collect()
    });
    Ok(Json(SwitchingOrdersView { orders: orders.await? }))
}

/// One order.
#[utoipa::path(get, path = "/api/v1/switching-orders/{id}", tag = "switching", params(("id" = u64, Path)),
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView)))]
pub(crate) async fn one(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let who = signed.0.principal;
    let found = shared.core.ask(move |core, _| {
        let order = find(core, &who, Right::View, id)?;
        Ok::<_, ApiError>(view::order(order, core.centre.table().points()))
    });
    found.await?.map(Json)
}

/// Writes a new order.
#[utoipa::path(post, path = "/api/v1/switching-orders", tag = "switching", request_body = SwitchingOrderRequest,
    responses((status = 201, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn create(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<SwitchingOrderRequest>,
) -> Result<(StatusCode, Json<SwitchingOrderView>), ApiError> {
    let created = with_core(&shared, signed, move |core, doer, now| {
        let points = core.centre.table().points().clone();
        let order = view::written(body, &doer.who.name, &points, now.utc)?;
        add(core, order, doer, "write switching order", now)
    });
    Ok((StatusCode::CREATED, created.await?))
}

/// Replaces what an order says, while nobody has approved it.
#[utoipa::path(put, path = "/api/v1/switching-orders/{id}", tag = "switching", params(("id" = u64, Path)),
    request_body = SwitchingOrderRequest,
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn edit(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
    Json(body): Json<SwitchingOrderRequest>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let edited = with_core(&shared, signed, move |core, doer, now| {
        find(core, &doer.who, Right::Command, id)?;
        let points = core.centre.table().points().clone();
        let order = view::written(body, &doer.who.name, &points, now.utc)?;
        require_cover(core, &doer.who, &order)?;
        core.switching.edit(id, order)?;
        told(core, id, doer, Act::done("change switching order", ""), now)
    });
    edited.await
}

/// Plays the steps in study mode, on the network as it will be.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/check", tag = "switching", params(("id" = u64, Path)),
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn check(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let checked = with_core(&shared, signed, move |core, doer, now| {
        let order = find(core, &doer.who, Right::Command, id)?.clone();
        let (gate, table) = (core.centre.gate(), core.centre.table());
        let findings = simulate(
            &order,
            |point| present(core, point),
            |positions, point| gate.would_bar(point, positions, table),
        );
        let faults = findings.iter().filter(|finding| finding.is_fault).count();
        core.switching.checked(id, Check { at: now.utc, by: doer.who.name.clone(), findings })?;
        told(core, id, doer, Act::done("check switching order", format!("{faults} faults")), now)
    });
    checked.await
}

/// Takes an order as good; whoever wrote it cannot.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/approve", tag = "switching", params(("id" = u64, Path)),
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn approve(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let approved = with_core(&shared, signed, move |core, doer, now| {
        find(core, &doer.who, Right::Command, id)?;
        let done = core.switching.approve(id, &doer.who.name);
        finish(core, id, doer, ("approve switching order", String::new(), done), now)
    });
    approved.await
}

/// Lets the steps be done from now on.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/begin", tag = "switching", params(("id" = u64, Path)),
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn begin(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let begun = with_core(&shared, signed, move |core, doer, now| {
        find(core, &doer.who, Right::Command, id)?;
        let done = core.switching.begin(id);
        finish(core, id, doer, ("begin switching order", String::new(), done), now)
    });
    begun.await
}

/// Ends an order before its last step.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/cancel", tag = "switching", params(("id" = u64, Path)),
    request_body = SwitchingReason,
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn cancel(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
    Json(body): Json<SwitchingReason>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let reason = text(&body.reason, "the reason")?;
    let cancelled = with_core(&shared, signed, move |core, doer, now| {
        find(core, &doer.who, Right::Command, id)?;
        let done = core.switching.cancel(id, &reason);
        finish(core, id, doer, ("cancel switching order", reason, done), now)
    });
    cancelled.await
}

/// Copies an order, e.g. a template into a planned one.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/copy", tag = "switching", params(("id" = u64, Path)),
    request_body = SwitchingCopy,
    responses((status = 201, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn copy(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
    Json(body): Json<SwitchingCopy>,
) -> Result<(StatusCode, Json<SwitchingOrderView>), ApiError> {
    let kind = view::kind_of(&body.kind)?;
    let copied = with_core(&shared, signed, move |core, doer, now| {
        let order = find(core, &doer.who, Right::Command, id)?.copy(kind, &doer.who.name, now.utc);
        add(core, order, doer, "copy switching order", now)
    });
    Ok((StatusCode::CREATED, copied.await?))
}

/// Does the next step. One that operates is selected at the command gate: execute its command then.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/steps/{step}/do", tag = "switching",
    params(("id" = u64, Path), ("step" = usize, Path, description = "from 1")),
    responses((status = 200, body = SwitchingStepDone), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn do_step(
    State(shared): State<Shared>,
    signed: Signed,
    Path((id, step)): Path<(u64, usize)>,
) -> Result<Json<SwitchingStepDone>, ApiError> {
    let at = place(step)?;
    let done = with_core(&shared, signed, move |core, doer, now| {
        find(core, &doer.who, Right::Command, id)?;
        let command = match switching::act(core, (id, at), doer, now) {
            Ok(command) => command,
            Err(refusal) => {
                refused(core, id, doer, ("do step of switching order", &refusal), now);
                return Err(refusal.into());
            }
        };
        let command = command.and_then(|id| core.centre.gate().get(id)).map(views::command);
        Ok(Json(SwitchingStepDone { order: seen(core, id)?, command }))
    });
    done.await
}

/// Leaves the next step out.
#[utoipa::path(post, path = "/api/v1/switching-orders/{id}/steps/{step}/skip", tag = "switching",
    params(("id" = u64, Path), ("step" = usize, Path, description = "from 1")), request_body = SwitchingReason,
    responses((status = 200, body = SwitchingOrderView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn skip(
    State(shared): State<Shared>,
    signed: Signed,
    Path((id, step)): Path<(u64, usize)>,
    Json(body): Json<SwitchingReason>,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    let (at, reason) = (place(step)?, text(&body.reason, "the reason")?);
    let skipped = with_core(&shared, signed, move |core, doer, now| {
        find(core, &doer.who, Right::Command, id)?;
        let done = core.switching.skip((id, at), (&doer.who.name, &reason), now.utc);
        let said = format!("step {step}: {reason}");
        finish(core, id, doer, ("skip step of switching order", said, done), now)
    });
    skipped.await
}

/// Runs something on the core in the caller's name, unless it could not be written down.
async fn with_core<T: Send + 'static>(
    shared: &Shared,
    signed: Signed,
    work: impl FnOnce(&mut Core, &Doer, Now) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let doer = Doer { who: signed.0.principal, session: signed.0.session };
    let done =
        shared.core.ask(
            move |core, now| {
                if core.audit_broken { Err(refused_by_audit()) } else { work(core, &doer, now) }
            },
        );
    done.await?
}

fn place(step: usize) -> Result<usize, ApiError> {
    step.checked_sub(1).ok_or_else(|| ApiError::not_found("step"))
}

/// Whether somebody may do this with every point of an order.
fn covers(core: &Core, who: &Principal, right: Right, order: &SwitchingOrder) -> bool {
    let points = core.centre.table().points();
    order
        .points()
        .all(|point| points.get(point).is_some_and(|def| who.authorise(right, &def.substation).is_ok()))
}

fn require_cover(core: &Core, who: &Principal, order: &SwitchingOrder) -> Result<(), ApiError> {
    if covers(core, who, Right::Command, order) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!("a point of the order is outside the areas of {}", who.name)))
}

/// The order, for whom it is not a secret.
fn find<'a>(core: &'a Core, who: &Principal, right: Right, id: u64) -> Result<&'a SwitchingOrder, ApiError> {
    let order = core.switching.get(id).filter(|order| covers(core, who, right, order));
    order.ok_or_else(|| ApiError::not_found("switching order"))
}

fn present(core: &Core, point: signal::PointId) -> Present {
    let def = core.centre.table().points().get(point);
    let control = def.and_then(|def| def.binding.as_ref()).and_then(|binding| binding.control.as_ref());
    Present {
        controllable: control.is_some(),
        value: core.centre.table().get(point).and_then(|state| state.good()),
        held: core.centre.tags().hold(point).is_some(),
    }
}

fn add(
    core: &mut Core,
    order: SwitchingOrder,
    doer: &Doer,
    action: &'static str,
    now: Now,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    require_cover(core, &doer.who, &order)?;
    let reason = order.reason.clone();
    let (id, gone) = core.switching.add(order)?;
    if let Some(gone) = gone {
        switching::forget(core, gone);
    }
    told(core, id, doer, Act::done(action, reason), now)
}

/// Writes down what came of an act, refused or done.
fn finish(
    core: &mut Core,
    id: u64,
    doer: &Doer,
    (action, reason, done): (&'static str, String, Result<(), SwitchingRefusal>),
    now: Now,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    match done {
        Ok(()) => told(core, id, doer, Act::done(action, reason), now),
        Err(refusal) => {
            refused(core, id, doer, (action, &refusal), now);
            Err(refusal.into())
        }
    }
}

fn refused(
    core: &mut Core,
    id: u64,
    doer: &Doer,
    (action, refusal): (&'static str, &SwitchingRefusal),
    now: Now,
) {
    let act = Act { action, outcome: Outcome::Refused, reason: refusal.to_string() };
    switching::note(core, id, doer, act, now.utc);
}

fn told(
    core: &mut Core,
    id: u64,
    doer: &Doer,
    act: Act,
    now: Now,
) -> Result<Json<SwitchingOrderView>, ApiError> {
    switching::note(core, id, doer, act, now.utc);
    seen(core, id).map(Json)
}

fn seen(core: &Core, id: u64) -> Result<SwitchingOrderView, ApiError> {
    let order = core.switching.get(id).ok_or_else(|| ApiError::not_found("switching order"))?;
    Ok(view::order(order, core.centre.table().points()))
}

impl From<SwitchingRefusal> for ApiError {
    fn from(refusal: SwitchingRefusal) -> Self {
        let (status, code, hint) = match refusal {
            SwitchingRefusal::Unknown(_) => (StatusCode::NOT_FOUND, "not_found", "look at the order"),
            SwitchingRefusal::State(_) => (StatusCode::CONFLICT, "wrong_state", "look at the order"),
            SwitchingRefusal::SamePerson(_) => (StatusCode::CONFLICT, "same_person", "ask a colleague"),
            SwitchingRefusal::NotChecked => {
                (StatusCode::CONFLICT, "not_checked", "check it, and mend what the check finds")
            }
            SwitchingRefusal::NotNext(_) => (StatusCode::CONFLICT, "not_next", "do or skip that one first"),
            SwitchingRefusal::StepState(_) => (StatusCode::CONFLICT, "step_state", "look at the order"),
            SwitchingRefusal::Verify(_) => {
                (StatusCode::CONFLICT, "verify", "look at the device, then do the step again or skip it")
            }
            SwitchingRefusal::TagsMissing(_) => {
                (StatusCode::CONFLICT, "tags_missing", "a step that hangs one was skipped: write a new order")
            }
            SwitchingRefusal::Issued { .. } => {
                (StatusCode::CONFLICT, "document_issued", "take the document back first")
            }
            SwitchingRefusal::TooMany(_) => (StatusCode::CONFLICT, "too_many", "split it"),
            SwitchingRefusal::Missing(_) => (StatusCode::BAD_REQUEST, "bad_request", "write it"),
        };
        Self::new(status, code, refusal.to_string(), hint)
    }
}
