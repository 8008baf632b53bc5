//! Commands through the gate, and what applications proposed.

use super::extract::{Json, Path, Query};
use super::points::visible;
use super::session::Signed;
use super::wording::{MAX_TEXT, line};
use super::{ApiError, Shared};
use crate::views;
use api::{CommandRequest, CommandView, CommandsView, ErrorView, ProposalsView};
use axum::extract::State;
use axum::http::StatusCode;
use scada::gate::{GateRefusal, Order, Seen};
use security::Right;
use serde::Deserialize;
use signal::{CommandId, PointId};
use timebase::Utc;
use utoipa::IntoParams;

/// How many to list.
#[derive(Deserialize, IntoParams, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// How many, 500 at most.
    limit: Option<usize>,
}

/// The latest commands, newest first.
#[utoipa::path(get, path = "/api/v1/commands", tag = "commands", params(ListQuery),
    responses((status = 200, body = CommandsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
    Query(query): Query<ListQuery>,
) -> Result<Json<CommandsView>, ApiError> {
    let limit = query.limit.unwrap_or(100).min(500);
    let areas = signed.0.principal.areas.clone();
    let commands = shared.core.ask(move |core, _| {
        let points = core.centre.table().points();
        let shown = |point: PointId| points.get(point).is_some_and(|def| areas.cover(&def.substation));
        core.centre.gate().iter().rev().filter(|c| shown(c.point)).take(limit).map(views::command).collect()
    });
    Ok(Json(CommandsView { commands: commands.await? }))
}

/// One command.
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", params(("id" = u64, Path)),
    responses((status = 200, body = CommandView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub(crate) async fn one(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<CommandView>, ApiError> {
    let view = fetch(&shared, id).await?;
    visible(&shared, &signed, view.point, Right::View)?;
    Ok(Json(view))
}

/// First step: the gate checks the wish and the device holds a select, where it can. A refusal is an answer with the
/// state `refused` and its reason, and an audit record.
#[utoipa::path(post, path = "/api/v1/commands", tag = "commands", request_body = CommandRequest,
    responses((status = 201, body = CommandView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = CommandView), (status = 404, body = ErrorView), (status = 409, body = CommandView)))]
pub(crate) async fn select(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<CommandRequest>,
) -> Result<(StatusCode, Json<CommandView>), ApiError> {
    let point = PointId(body.point);
    let points = shared.points();
    let known = points.get(point).filter(|def| !def.retired);
    let def = known.ok_or_else(|| ApiError::not_found("point"))?;
    let value = views::command_value(def, body.value).ok_or_else(|| {
        ApiError::bad_request("the point cannot take that value", "see control in the point's view")
    })?;
    // An empty reason is the gate's to refuse, with an audit record; a long one would fill the audit.
    line(&body.reason, "the reason", MAX_TEXT)?;
    let (who, session) = (signed.0.principal.clone(), signed.0.session.clone());
    let seen = body.seen.map(seen).transpose()?;
    let override_reason = body.override_reason.unwrap_or_default();
    line(&override_reason, "the reason to override", MAX_TEXT)?;
    let (assurance, fresh) = (signed.0.assurance, shared.blueprint.config.gate.step_up());
    let order = Order { seen, override_reason, ..Order::new(point, value, &body.reason, &session) };
    let selected = shared.core.ask(move |core, now| {
        let order = Order { stepped_up: assurance.is_fresh(now.mono, fresh), ..order };
        let id =
            core.centre.with_gate(now.utc, |gate, table, tags| gate.select(now, &who, order, table, tags));
        core.centre.gate().get(id).map(|command| (views::command(command), command.refusal.clone()))
    });
    let (view, refusal) = selected.await?.ok_or_else(|| ApiError::not_found("command"))?;
    let status = match refusal.as_ref().map(|refusal| refusal.code) {
        None => StatusCode::CREATED,
        Some("role" | "area" | "override" | "step_up") => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::CONFLICT,
    };
    Ok((status, Json(view)))
}

/// Second step, by the same user in the same session while the select stands.
#[utoipa::path(post, path = "/api/v1/commands/{id}/execute", tag = "commands", params(("id" = u64, Path)),
    responses((status = 200, body = CommandView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn execute(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<CommandView>, ApiError> {
    let caller = signed.0;
    let executed = shared.core.ask(move |core, now| -> Result<(), GateRefusal> {
        let command = (CommandId(id), caller.session.as_str());
        core.centre.with_gate(now.utc, |gate, table, tags| {
            gate.execute(now, &caller.principal, command, (table, tags))
        })
    });
    executed.await??;
    Ok(Json(fetch(&shared, id).await?))
}

/// Gives a select back.
#[utoipa::path(post, path = "/api/v1/commands/{id}/cancel", tag = "commands", params(("id" = u64, Path)),
    responses((status = 200, body = CommandView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn cancel(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<CommandView>, ApiError> {
    visible(&shared, &signed, fetch(&shared, id).await?.point, Right::Command)?;
    let who = signed.0.principal;
    let cancelled = shared.core.ask(move |core, now| {
        core.centre.with_gate(now.utc, |gate, table, _| gate.cancel(now, &who, CommandId(id), table))
    });
    cancelled.await??;
    Ok(Json(fetch(&shared, id).await?))
}

/// What applications proposed lately, newest first.
#[utoipa::path(get, path = "/api/v1/proposals", tag = "commands", params(ListQuery),
    responses((status = 200, body = ProposalsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn proposals(
    State(shared): State<Shared>,
    signed: Signed,
    Query(query): Query<ListQuery>,
) -> Result<Json<ProposalsView>, ApiError> {
    let limit = query.limit.unwrap_or(100).min(500);
    let areas = signed.0.principal.areas.clone();
    let proposals = shared.core.ask(move |core, _| {
        let points = core.centre.table().points();
        let shown = |point: PointId| points.get(point).is_some_and(|def| areas.cover(&def.substation));
        let entries = core.proposals.latest().filter(|entry| shown(entry.proposal.target));
        entries.take(limit).map(|entry| views::proposal(entry, points)).collect()
    });
    Ok(Json(ProposalsView { proposals: proposals.await? }))
}

fn seen(state: api::SeenState) -> Result<Seen, ApiError> {
    let wrong =
        || ApiError::bad_request("seen.at is no time", "ISO 8601 with an offset or Z, as the point shows it");
    let at = state.at.map(|text| Utc::parse_iso_8601(&text).ok_or_else(wrong)).transpose()?;
    Ok(Seen { value: state.value, at })
}

async fn fetch(shared: &Shared, id: u64) -> Result<CommandView, ApiError> {
    let view =
        shared.core.ask(move |core, _| core.centre.gate().get(CommandId(id)).map(views::command)).await?;
    view.ok_or_else(|| ApiError::not_found("command"))
}
