//! Accounts: list, make, change, reset; and the deeds that wait for a second administrator.

use super::extract::{Json, Path};
use super::identity::{Told, blocking, reason, tell};
use super::points::parse_time;
use super::session::Signed;
use super::{ApiError, Shared};
use crate::identity::Caller;
use crate::identity::accounts::{Account, Act, Became, Wanted};
use crate::identity::factors::Enrolled;
use crate::views::stamp;
use api::{
    AccountRequest, DeedView, EnrolledView, ErrorView, Reason, UserRequestView, UserRequestsView, UserView,
    UsersView,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use scada::approval::{LIFETIME, Request};
use scada::event::Severity;
use security::{Catalogue, PrincipalKind};
use store::UserRecord;

/// Accounts with their roles, areas and rights.
#[utoipa::path(get, path = "/api/v1/users", tag = "identity", responses((status = 200, body = UsersView)))]
pub(crate) async fn list(State(shared): State<Shared>, _signed: Signed) -> Result<Json<UsersView>, ApiError> {
    let (store, now) = (shared.store.clone(), shared.clock.now());
    let listed = blocking(&shared, move |identity| {
        let (catalogue, sessions) = (identity.catalogue()?, store.sessions()?);
        let view = |user: UserRecord| {
            let name = &user.principal.name;
            let alive = sessions.iter().filter(|session| session.user == *name && session.is_alive(now.utc));
            user_view(&user, &catalogue, identity.enrolled(name), alive.count())
        };
        Ok::<_, store::StoreError>(store.users()?.into_iter().map(view).collect())
    });
    Ok(Json(UsersView { users: listed.await?? }))
}

fn user_view(user: &UserRecord, catalogue: &Catalogue, enrolled: Enrolled, sessions: usize) -> UserView {
    let resolved = catalogue.resolve(user.principal.clone());
    UserView {
        name: user.principal.name.clone(),
        kind: user.principal.kind.name().to_owned(),
        roles: user.principal.role_names(),
        areas: user.principal.areas.to_names(),
        rights: resolved.rights().into_iter().map(|right| right.name().to_owned()).collect(),
        disabled: user.disabled,
        valid_from: user.valid_from.map(stamp),
        valid_until: user.valid_until.map(stamp),
        created_at: stamp(user.created),
        enrolled: enrolled_view(enrolled),
        sealed: user.sealed,
        sessions,
    }
}

pub(super) fn enrolled_view(enrolled: Enrolled) -> EnrolledView {
    let Enrolled { password, totp, recovery_codes, passkeys } = enrolled;
    EnrolledView { password, totp, recovery_codes, passkeys }
}

/// Makes or changes an account. What takes something from operators or administrators waits for a second administrator (202).
#[utoipa::path(put, path = "/api/v1/users/{name}", tag = "identity", params(("name" = String, Path)),
    request_body = AccountRequest,
    responses((status = 200, body = DeedView), (status = 202, body = DeedView), (status = 409, body = ErrorView)))]
pub(crate) async fn put(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
    Json(body): Json<AccountRequest>,
) -> Result<Response, ApiError> {
    let kind = PrincipalKind::named(&body.kind).filter(|kind| *kind != PrincipalKind::Application);
    let kind = kind.ok_or_else(|| ApiError::bad_request("no such kind of user", "human or service"))?;
    let account = Account {
        name,
        kind,
        roles: body.roles,
        areas: body.areas,
        disabled: body.disabled,
        valid_from: body.valid_from.as_deref().map(parse_time).transpose()?,
        valid_until: body.valid_until.as_deref().map(parse_time).transpose()?,
    };
    administer(&shared, signed.0, Act::Put(account), &body.reason).await
}

/// Replaces password and factors of an account by a one-time secret, and ends its sessions and tokens.
#[utoipa::path(post, path = "/api/v1/users/{name}/reset", tag = "identity", params(("name" = String, Path)),
    request_body = Reason, responses((status = 200, body = DeedView), (status = 202, body = DeedView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn reset(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
    Json(body): Json<Reason>,
) -> Result<Response, ApiError> {
    administer(&shared, signed.0, Act::Reset(name), &body.reason).await
}

/// Does a deed, or lets it wait, and tells people of it.
pub(super) async fn administer(
    shared: &Shared,
    by: Caller,
    act: Act,
    why: &str,
) -> Result<Response, ApiError> {
    let (now, actor) = (shared.clock.now(), by.principal.name.clone());
    let wanted = Wanted { act, reason: reason(why)?, session: by.session.clone() };
    let text = format!("{} {}: {}", wanted.act.name(), wanted.act.target(), wanted.reason);
    let became = blocking(shared, move |identity| identity.administer(wanted, &by, now)).await??;
    Ok(match became {
        Became::Done(secret) => {
            tell(shared, Told { severity: Severity::Medium, text, actor, alarm: None }).await?;
            Json(DeedView { done: true, secret, waits: None }).into_response()
        }
        Became::Waits(request) => {
            let text = format!("{text}; waits for a second administrator");
            tell(shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
            let view = DeedView { done: false, secret: None, waits: Some(request_view(&request)) };
            (StatusCode::ACCEPTED, Json(view)).into_response()
        }
    })
}

fn request_view(request: &Request<Wanted>) -> UserRequestView {
    let Wanted { act, reason, .. } = &request.what;
    let wanted = match act {
        Act::Put(account) => {
            let state = if account.disabled { "disabled" } else { "enabled" };
            format!("{state}, roles {}, areas {}", account.roles.join(" "), account.areas.join(" "))
        }
        Act::Reset(_) => String::new(),
        Act::Close { session, .. } => session.clone(),
    };
    UserRequestView {
        id: request.id,
        action: act.name().to_owned(),
        target: act.target().to_owned(),
        wanted,
        by: request.by.clone(),
        at: stamp(request.at.utc),
        expires_at: stamp(request.at.utc + LIFETIME),
        reason: reason.clone(),
    }
}

/// Deeds that wait for a second administrator.
#[utoipa::path(get, path = "/api/v1/user-requests", tag = "identity",
    responses((status = 200, body = UserRequestsView)))]
pub(crate) async fn requests(
    State(shared): State<Shared>,
    _signed: Signed,
) -> Result<Json<UserRequestsView>, ApiError> {
    let waiting = shared.identity.requests(shared.clock.now());
    Ok(Json(UserRequestsView { requests: waiting.iter().map(request_view).collect() }))
}

/// Carries a deed out; whoever asked cannot approve.
#[utoipa::path(post, path = "/api/v1/user-requests/{id}/approve", tag = "identity", params(("id" = u64, Path)),
    responses((status = 200, body = DeedView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn approve(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<Json<DeedView>, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let secret = blocking(&shared, move |identity| identity.approve(id, &signed.0, now)).await??;
    let text = format!("request {id} about a user approved");
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(Json(DeedView { done: true, secret, waits: None }))
}

/// Lets a deed go without doing it; whoever asked may do that too.
#[utoipa::path(post, path = "/api/v1/user-requests/{id}/refuse", tag = "identity", params(("id" = u64, Path)),
    responses((status = 204), (status = 404, body = ErrorView)))]
pub(crate) async fn refuse(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u64>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    blocking(&shared, move |identity| identity.refuse(id, &signed.0, now)).await??;
    let text = format!("request {id} about a user refused");
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}
