//! Living sessions: list, end, freeze.

use super::extract::{Json, Path};
use super::identity::{Told, blocking, reason, tell};
use super::session::Signed;
use super::users::administer;
use super::{ApiError, Shared};
use crate::identity::accounts::Act;
use crate::identity::public_id;
use crate::identity::sessions::FreezeRefusal;
use crate::views::stamp;
use api::{DeedView, ErrorView, LivingSessionView, LivingSessionsView, Reason};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use scada::event::Severity;
use store::SessionRecord;

/// One's own sessions; all for administrators; those of people who may operate for people who may.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "identity",
    responses((status = 200, body = LivingSessionsView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<LivingSessionsView>, ApiError> {
    let now = shared.clock.now();
    let own = signed.0.own;
    let seen = blocking(&shared, move |identity| identity.visible_sessions(&signed.0, now)).await??;
    let view = |session: SessionRecord| LivingSessionView {
        id: public_id(&session.hash),
        own: own == Some(session.hash),
        user: session.user,
        source: session.source,
        began: session.began,
        created_at: stamp(session.created),
        expires_at: stamp(session.expires),
        last_used_at: stamp(session.last_used),
        frozen: session.frozen,
    };
    Ok(Json(LivingSessionsView { sessions: seen.into_iter().map(view).collect() }))
}

/// Ends a session: one's own at once; that of somebody else for administrators, with a second one if it is an operator's.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/end", tag = "identity", params(("id" = String, Path)),
    request_body = Reason, responses((status = 200, body = DeedView), (status = 202, body = DeedView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn end(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
    Json(body): Json<Reason>,
) -> Result<Response, ApiError> {
    let (now, caller, wanted) = (shared.clock.now(), signed.0.clone(), id.clone());
    if blocking(&shared, move |identity| identity.end_own(&wanted, &caller, now)).await?? {
        return Ok(Json(DeedView { done: true, secret: None, waits: None }).into_response());
    }
    let caller = signed.0.clone();
    let wanted = id.clone();
    let owner = blocking(&shared, move |identity| identity.owner_of(&wanted, &caller, now)).await?;
    // Operators see sessions of operators, to freeze them: ending them is for administrators.
    let may = signed.0.principal.has(security::Right::ManageUsers);
    let user = owner.filter(|_| may).ok_or_else(|| ApiError::not_found("session"))?;
    administer(&shared, signed.0, Act::Close { user, session: id }, &body.reason).await
}

/// Freezes somebody's session at once: it may look, and change nothing any more. For everybody who may operate.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/freeze", tag = "identity", params(("id" = String, Path)),
    request_body = Reason, responses((status = 204), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn freeze(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
    Json(body): Json<Reason>,
) -> Result<StatusCode, ApiError> {
    let (now, actor, why) = (shared.clock.now(), signed.0.principal.name.clone(), reason(&body.reason)?);
    let said = why.clone();
    let frozen = blocking(&shared, move |identity| identity.freeze(&id, Some(&said), &signed.0, now));
    let frozen = frozen.await?.map_err(refusal)?;
    let user = frozen.first().map_or("", |session| session.user.as_str());
    let text = format!("session of {user} frozen by {actor}: {why}");
    let alarm = Some(format!("session of {user}"));
    tell(&shared, Told { severity: Severity::Critical, text, actor, alarm }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a frozen session go on.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/unfreeze", tag = "identity", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorView)))]
pub(crate) async fn unfreeze(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let freed = blocking(&shared, move |identity| identity.freeze(&id, None, &signed.0, now));
    let freed = freed.await?.map_err(refusal)?;
    let user = freed.first().map_or("", |session| session.user.as_str());
    let text = format!("session of {user} goes on");
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(refusal: FreezeRefusal) -> ApiError {
    match refusal {
        FreezeRefusal::Unknown => ApiError::not_found("session"),
        FreezeRefusal::TooMany => {
            let hint = "ask another operator; an administrator may end sessions";
            ApiError::new(StatusCode::CONFLICT, "too_many", refusal.to_string(), hint)
        }
        FreezeRefusal::Store(error) => error.into(),
    }
}
