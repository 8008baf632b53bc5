//! Sign-in, the present session, and the extractor that every other handler stands on.

use super::extract::Json;
use super::{ApiError, Shared};
use crate::identity::{Caller, SignInError};
use crate::views::stamp;
use api::{ErrorView, SessionView, SignIn};
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use security::Right;
use std::net::SocketAddr;

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "tieline_session";

/// A signed-in caller who meets the need that the route declares.
#[derive(Clone)]
pub(crate) struct Signed(pub(crate) Caller);

impl Signed {
    /// Refuses callers without a right.
    pub(crate) fn require(&self, right: Right) -> Result<(), ApiError> {
        if self.0.principal.has(right) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!("{} has no right to {}", self.0.principal.name, right.name())))
    }

    /// Refuses callers whose area does not cover a substation.
    pub(crate) fn require_in(&self, right: Right, area: &str) -> Result<(), ApiError> {
        self.0.principal.authorise(right, area).map_err(|denied| ApiError::forbidden(denied.to_string()))
    }
}

impl FromRequestParts<Shared> for Signed {
    type Rejection = ApiError;

    /// The caller that the guard has let through.
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, ApiError> {
        parts.extensions.remove::<Self>().ok_or_else(ApiError::unauthenticated)
    }
}

/// Who sends a request, if anybody that we know.
pub(crate) fn identify(parts: &Parts, shared: &Shared) -> Result<Option<Caller>, ApiError> {
    let now = shared.clock.now();
    let bearer = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match (bearer, cookie(&parts.headers)) {
        (Some(token), _) => Ok(shared.identity.by_bearer(token, now)),
        (None, Some(secret)) => {
            check_origin(&parts.method, &parts.headers)?;
            Ok(shared.identity.by_session(secret, now))
        }
        (None, None) => Ok(None),
    }
}

/// A request that changes something with a cookie must come from a page of ours (S-33).
fn check_origin(method: &axum::http::Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() { Ok(()) } else { same_origin(headers) }
}

/// Whether the `Origin` header, which browsers always send then, names the host that was asked.
pub(crate) fn same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    match text(header::ORIGIN) {
        Some(origin) if origin.split_once("://").is_some_and(|(_, from)| from == host) => Ok(()),
        Some(_) | None => {
            let hint = "scripts use a bearer token instead of the cookie";
            Err(ApiError::new(StatusCode::FORBIDDEN, "origin", "the request comes from another origin", hint))
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, secret)| secret)
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = SessionView), (status = 401, body = ErrorView)))]
pub(crate) async fn current(State(shared): State<Shared>, signed: Signed) -> Json<SessionView> {
    Json(view(&signed.0, &shared))
}

/// Exchanges a token for a session cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = SessionView), (status = 401, body = ErrorView), (status = 429, body = ErrorView)))]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<SignIn>,
) -> Result<impl IntoResponse, ApiError> {
    let identity = shared.identity.clone();
    let now = shared.clock.now();
    let result = tokio::task::spawn_blocking(move || {
        let secret = identity.sign_in(&body.token, from.ip(), now)?;
        let caller = identity.by_session(&secret, now).ok_or(SignInError::Store)?;
        Ok::<_, SignInError>((secret, caller))
    });
    let (secret, caller) =
        result.await.map_err(|error| ApiError::internal(error.to_string()))?.map_err(refusal)?;
    let cookie = format!("{COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(view(&caller, &shared))))
}

/// Ends the session.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    responses((status = 204), (status = 401, body = ErrorView)))]
pub(crate) async fn sign_out(
    State(shared): State<Shared>,
    _signed: Signed,
    headers: HeaderMap,
) -> StatusCode {
    if let Some(secret) = cookie(&headers).map(str::to_owned) {
        let identity = shared.identity.clone();
        // The answer does not depend on it: an ended session is refused at the next request.
        drop(tokio::task::spawn_blocking(move || identity.sign_out(&secret)).await);
    }
    StatusCode::NO_CONTENT
}

fn refusal(error: SignInError) -> ApiError {
    match error {
        SignInError::Refused => {
            let hint = "one-time tokens work once; make a new one with: tieline token create";
            ApiError::new(StatusCode::UNAUTHORIZED, "token", error.to_string(), hint)
        }
        SignInError::TooMany => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", error.to_string(), "wait a minute")
        }
        SignInError::Store => ApiError::internal(error.to_string()),
    }
}

fn view(caller: &Caller, shared: &Shared) -> SessionView {
    SessionView {
        user: caller.principal.name.clone(),
        roles: caller.principal.roles.iter().map(|role| role.name().to_owned()).collect(),
        areas: caller.principal.areas.to_names(),
        rights: caller.principal.rights().into_iter().map(|right| right.name().to_owned()).collect(),
        expires_at: stamp(caller.expires),
        second_factor: caller.assurance.latest().map(|(factor, _)| factor.name().to_owned()),
        server: shared.server.clone(),
    }
}
