//! Sign-in, the present session, and the extractor that every other handler stands on.

use super::extract::Json;
use super::identity::{Told, blocking, reason, tell};
use super::{ApiError, Shared, factors, users};
use crate::identity::{Caller, Secret, SignInError};
use crate::views::stamp;
use api::{BreakGlass, ErrorView, SessionView, SignIn};
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use scada::event::Severity;
use security::pace::Failure;
use security::{Password, Right};
use std::net::{IpAddr, SocketAddr};

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
    let caller = match (bearer, cookie(&parts.headers)) {
        (Some(token), _) => {
            let caller = shared.identity.by_bearer(token, now);
            if caller.is_none() {
                note_unknown_bearer(parts, shared);
            }
            caller
        }
        (None, Some(secret)) => {
            check_origin(&parts.method, &parts.headers)?;
            shared.identity.by_session(secret, now)
        }
        (None, None) => {
            let certificate = parts.extensions.get::<transport::PeerCertificate>();
            certificate.and_then(|certificate| shared.identity.by_certificate(certificate, now))
        }
    };
    caller.as_ref().map_or(Ok(()), |caller| check_session(parts, caller))?;
    Ok(caller)
}

/// Many unknown tokens from one source are an alarm: nobody guesses one, but somebody tries.
fn note_unknown_bearer(parts: &Parts, shared: &Shared) {
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let Some(from) = from.filter(|from| shared.identity.is_guessing(*from, shared.clock.now().mono)) else {
        return;
    };
    let (shared, text) = (shared.clone(), format!("many unknown tokens from {from}"));
    tokio::spawn(async move {
        let alarm = Some("sign-in".to_owned());
        // While the centre is ending nobody reads alarms.
        drop(
            tell(&shared, Told { severity: Severity::High, text, actor: "unknown".to_owned(), alarm }).await,
        );
    });
}

/// Whoever has to enrol does that first; whose session was frozen changes nothing.
fn check_session(parts: &Parts, caller: &Caller) -> Result<(), ApiError> {
    let path = parts.uri.path();
    let own = path == "/api/v1/session" || path.starts_with("/api/v1/session/");
    if let Some(missing) = caller.missing.filter(|_| !own) {
        let text = format!("{} has to be set up first", missing.name());
        let hint = "PUT /api/v1/session/password, then POST and PUT /api/v1/session/totp";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "enrol", text, hint));
    }
    let ends = own && parts.method == axum::http::Method::DELETE;
    match &caller.frozen {
        Some(why) if !parts.method.is_safe() && !ends => {
            let text = format!("the session is frozen ({why})");
            let hint = "a security administrator lets it go on; signing in anew begins another one";
            Err(ApiError::new(StatusCode::FORBIDDEN, "frozen", text, hint))
        }
        Some(_) | None => Ok(()),
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
    cookie_named(headers, COOKIE)
}

/// The value of a cookie.
pub(super) fn cookie_named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, secret)| secret)
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = SessionView), (status = 401, body = ErrorView)))]
pub(crate) async fn current(State(shared): State<Shared>, signed: Signed) -> Json<SessionView> {
    Json(view(&signed.0, &shared))
}

/// Exchanges a token, or name and password, for a session cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 429, body = ErrorView)))]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<SignIn>,
) -> Result<impl IntoResponse, ApiError> {
    let secret = offered(body)?;
    let (now, name) = (shared.clock.now(), secret.user());
    let _turn = match &secret {
        Secret::Password { .. } => Some(factors::turn(&shared).await?),
        Secret::Token(_) => None,
    };
    let from = from.ip();
    match blocking(&shared, move |identity| identity.sign_in(&secret, from, now)).await? {
        Ok(secret) => begin(&shared, secret).await,
        Err(error) => {
            tell_of_guessing(&shared, &error, (&name, from)).await?;
            Err(refusal(&error))
        }
    }
}

fn offered(body: SignIn) -> Result<Secret, ApiError> {
    match (body.token, body.user, body.password) {
        (Some(token), None, None) => Ok(Secret::Token(token.to_string())),
        (None, Some(user), Some(password)) => {
            Ok(Secret::Password { user, password: Password::new(password.as_str()), code: body.code })
        }
        _ => Err(ApiError::bad_request("neither a token nor a user with a password", "send one of the two")),
    }
}

/// A source that is slowed down or locked out is an alarm: somebody forgot his password, or somebody tries.
pub(super) async fn tell_of_guessing(
    shared: &Shared,
    error: &SignInError,
    (name, from): (&str, IpAddr),
) -> Result<(), ApiError> {
    let what = match error {
        SignInError::Refused(Failure::Slowed) => "slowed down",
        SignInError::Refused(Failure::Locked) => "locked for 15 min",
        SignInError::Refused(Failure::Noted)
        | SignInError::CodeNeeded
        | SignInError::PasskeyNeeded
        | SignInError::Wait(_)
        | SignInError::Store => return Ok(()),
    };
    let text = format!("failed sign-ins from {from}, {what}");
    tracing::warn!(%from, name, what, "Failed sign-ins");
    let (actor, alarm) = ("unknown".to_owned(), Some("sign-in".to_owned()));
    tell(shared, Told { severity: Severity::High, text, actor, alarm }).await
}

/// Opens a sealed account with the secrets of both custodians, for a limited time and with an alarm while it lasts.
#[utoipa::path(post, path = "/api/v1/session/break-glass", tag = "session", request_body = BreakGlass,
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 429, body = ErrorView)))]
pub(crate) async fn break_glass(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<BreakGlass>,
) -> Result<impl IntoResponse, ApiError> {
    let (now, from, why) = (shared.clock.now(), from.ip(), reason(&body.reason)?);
    let opened = blocking(&shared, move |identity| {
        identity.break_glass([body.first.as_str(), body.second.as_str()], &why, from, now)
    });
    match opened.await? {
        Ok((secret, _)) => begin(&shared, secret).await,
        Err(error) => {
            tell_of_guessing(&shared, &error, ("sealed account", from)).await?;
            Err(refusal(&error))
        }
    }
}

/// Hands a new session's secret out as a cookie.
pub(super) async fn begin(shared: &Shared, secret: String) -> Result<impl IntoResponse + use<>, ApiError> {
    let (now, text) = (shared.clock.now(), secret.clone());
    let caller = blocking(shared, move |identity| identity.by_session(&text, now)).await?;
    let caller = caller.ok_or_else(|| ApiError::internal("the session is not there"))?;
    let secure = if shared.secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/{secure}");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(view(&caller, shared))))
}

/// The caller as he is after a change of his own.
pub(super) async fn again(shared: &Shared, mut caller: Caller) -> Result<Caller, ApiError> {
    let Some(own) = caller.own else { return Ok(caller) };
    let now = shared.clock.now();
    if let Some(fresh) = blocking(shared, move |identity| identity.by_hash(own, now)).await? {
        caller = fresh;
    }
    Ok(caller)
}

/// Ends the session.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    responses((status = 204), (status = 401, body = ErrorView)))]
pub(crate) async fn sign_out(State(shared): State<Shared>, signed: Signed) -> Result<StatusCode, ApiError> {
    if let Some(own) = signed.0.own {
        blocking(&shared, move |identity| identity.sign_out(&own)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn refusal(error: &SignInError) -> ApiError {
    let text = error.to_string();
    match error {
        SignInError::Refused(_) => {
            let hint = "one-time tokens work once; a security administrator gives out a new one";
            ApiError::new(StatusCode::UNAUTHORIZED, "token", text, hint)
        }
        SignInError::CodeNeeded => {
            let hint = "send the six digits of the authenticator, or a recovery code, as code";
            ApiError::new(StatusCode::UNAUTHORIZED, "second_factor", text, hint)
        }
        SignInError::PasskeyNeeded => {
            ApiError::new(StatusCode::UNAUTHORIZED, "passkey", text, "POST /api/v1/session/passkey")
        }
        SignInError::Wait(_) => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", text, "wait as long as it says")
        }
        SignInError::Store => ApiError::internal(text),
    }
}

pub(super) fn view(caller: &Caller, shared: &Shared) -> SessionView {
    SessionView {
        user: caller.principal.name.clone(),
        roles: caller.principal.role_names(),
        areas: caller.principal.areas.to_names(),
        rights: caller.principal.rights().into_iter().map(|right| right.name().to_owned()).collect(),
        expires_at: stamp(caller.expires),
        second_factor: caller.assurance.latest().map(|(factor, _)| factor.name().to_owned()),
        missing: caller.missing.map(|missing| missing.name().to_owned()),
        frozen: caller.frozen.clone(),
        enrolled: users::enrolled_view(shared.identity.enrolled(&caller.principal.name)),
        server: shared.server.clone(),
    }
}
