//! Tokens for scripts: list, make, revoke.

use super::extract::{Json, Path};
use super::identity::{Told, blocking, reason, tell};
use super::session::Signed;
use super::{ApiError, Shared};
use crate::identity::console::{MAX_TOKEN_DAYS, NewToken};
use crate::identity::{Caller, public_id};
use crate::views::stamp;
use api::{ErrorView, NewTokenView, TokenRequest, TokenView, TokensView};
use axum::extract::State;
use axum::http::StatusCode;
use scada::event::Severity;
use security::{PrincipalKind, Right};
use std::time::Duration;
use store::TokenRecord;

/// One's own tokens; all for administrators.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "identity", responses((status = 200, body = TokensView)))]
pub(crate) async fn list(State(shared): State<Shared>, signed: Signed) -> Result<Json<TokensView>, ApiError> {
    let seen = blocking(&shared, move |identity| identity.visible_tokens(&signed.0)).await??;
    Ok(Json(TokensView { tokens: seen.iter().map(view).collect() }))
}

fn view(token: &TokenRecord) -> TokenView {
    TokenView {
        id: public_id(&token.hash),
        user: token.user.clone(),
        label: token.label.clone(),
        rights: token.rights.clone(),
        areas: token.areas.clone(),
        created_at: stamp(token.created),
        expires_at: token.expires.map(stamp),
        last_used_at: token.last_used.map(stamp),
    }
}

/// Makes a token: for oneself, or for a service if one administers. The secret is told once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "identity", request_body = TokenRequest,
    responses((status = 200, body = NewTokenView), (status = 400, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn create(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<TokenRequest>,
) -> Result<Json<NewTokenView>, ApiError> {
    let wanted = wanted(&body)?;
    let user = owner(&shared, &signed.0, body.user).await?;
    if signed.0.own.is_none() {
        let text = "a token makes no tokens";
        return Err(ApiError::new(StatusCode::CONFLICT, "needs_session", text, "sign in with the page"));
    }
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let text = format!("token for {user}: {}", wanted.label);
    let made = blocking(&shared, move |identity| identity.new_token(&user, wanted, &signed.0, now));
    let (secret, record) = made.await??;
    tell(&shared, Told { severity: Severity::Medium, text, actor, alarm: None }).await?;
    Ok(Json(NewTokenView { secret, token: view(&record) }))
}

fn wanted(body: &TokenRequest) -> Result<NewToken, ApiError> {
    if !(1..=MAX_TOKEN_DAYS).contains(&body.days) {
        let text = format!("{} days are not between 1 and {MAX_TOKEN_DAYS}", body.days);
        return Err(ApiError::bad_request(text, "make a new one when it ends"));
    }
    if let Some(unknown) = body.rights.iter().flatten().find(|right| Right::named(right).is_none()) {
        return Err(ApiError::bad_request(format!("no right {unknown:?}"), "GET /api/v1/roles lists them"));
    }
    Ok(NewToken {
        one_time: false,
        life: Some(Duration::from_secs(u64::from(body.days) * 86_400)),
        label: reason(&body.label)?,
        rights: body.rights.clone(),
        areas: body.areas.clone(),
    })
}

/// Whose token it is to be. Nobody makes one that acts as another person.
async fn owner(shared: &Shared, by: &Caller, user: Option<String>) -> Result<String, ApiError> {
    let own = by.principal.name.clone();
    let Some(user) = user.filter(|user| *user != own) else { return Ok(own) };
    let store = shared.store.clone();
    let found = blocking(shared, move |_| store.user(&user)).await??;
    let found =
        found.filter(|_| by.principal.has(Right::ManageUsers)).ok_or_else(|| ApiError::not_found("user"))?;
    if found.principal.kind == PrincipalKind::Human {
        let text = "people make their tokens themselves";
        let hint = "make a user of the kind service for scripts";
        return Err(ApiError::new(StatusCode::CONFLICT, "another_person", text, hint));
    }
    Ok(found.principal.name)
}

/// Revokes a token at once: one's own, or any if one administers.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "identity", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorView)))]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let text = format!("token {id} revoked");
    blocking(&shared, move |identity| identity.revoke_token(&id, &signed.0, now)).await??;
    tell(&shared, Told { severity: Severity::Medium, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}
