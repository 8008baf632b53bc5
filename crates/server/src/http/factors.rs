//! One's own password and authenticator, and showing a second factor again.

use super::extract::Json;
use super::identity::blocking;
use super::session::{Signed, view};
use super::{ApiError, Shared};
use crate::identity::factors::FactorRefusal;
use api::{AuthenticatorView, Code, ErrorView, NewPassword, RecoveryCodes, SessionView};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use qrcode::{Color, QrCode};
use security::Password;
use std::net::SocketAddr;
use std::time::Duration;

/// How long somebody waits for others whose passwords are being hashed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a turn at hashing a password.
pub(super) async fn turn(shared: &Shared) -> Result<tokio::sync::SemaphorePermit<'_>, ApiError> {
    match tokio::time::timeout(PATIENCE, shared.identity.hashing.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => {
            let text = "too many sign-ins at the same time";
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text, "try again in some seconds"))
        }
    }
}

/// Sets one's own password; one's other sessions end.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "session", request_body = NewPassword,
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn password(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    signed: Signed,
    Json(body): Json<NewPassword>,
) -> Result<Json<SessionView>, ApiError> {
    let now = shared.clock.now();
    let _turn = turn(&shared).await?;
    let caller = signed.0.clone();
    let set = blocking(&shared, move |identity| {
        let present = body.present.map(|present| Password::new(present.as_str()));
        let new = Password::new(body.new.as_str());
        identity.set_password(&caller, present.as_ref(), &new, from.ip(), now)
    });
    set.await??;
    Ok(Json(view(&super::session::again(&shared, signed.0).await?, &shared)))
}

/// Begins to set up an authenticator.
#[utoipa::path(post, path = "/api/v1/session/totp", tag = "session",
    responses((status = 200, body = AuthenticatorView), (status = 409, body = ErrorView)))]
pub(crate) async fn begin_totp(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<AuthenticatorView>, ApiError> {
    let now = shared.clock.now();
    let set_up = blocking(&shared, move |identity| identity.begin_totp(&signed.0, now)).await??;
    let qr = QrCode::new(set_up.uri.as_bytes()).map_err(|error| ApiError::internal(error.to_string()))?;
    let dark = |color: &Color| if *color == Color::Dark { '1' } else { '0' };
    let rows = qr.to_colors().chunks(qr.width()).map(|row| row.iter().map(dark).collect()).collect();
    Ok(Json(AuthenticatorView { secret: set_up.secret, uri: set_up.uri, qr: rows }))
}

/// Finishes it with a code that the authenticator shows.
#[utoipa::path(put, path = "/api/v1/session/totp", tag = "session", request_body = Code,
    responses((status = 200, body = RecoveryCodes), (status = 409, body = ErrorView)))]
pub(crate) async fn finish_totp(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<Code>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let now = shared.clock.now();
    let codes = blocking(&shared, move |identity| identity.finish_totp(&signed.0, &body.code, now)).await??;
    Ok(Json(RecoveryCodes { codes }))
}

/// Shows the second factor again, for what needs a fresh one.
#[utoipa::path(post, path = "/api/v1/session/step-up", tag = "session", request_body = Code,
    responses((status = 200, body = SessionView), (status = 409, body = ErrorView), (status = 429, body = ErrorView)))]
pub(crate) async fn step_up(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    signed: Signed,
    Json(body): Json<Code>,
) -> Result<Json<SessionView>, ApiError> {
    let now = shared.clock.now();
    let caller = signed.0.clone();
    blocking(&shared, move |identity| identity.step_up(&caller, &body.code, from.ip(), now)).await??;
    Ok(Json(view(&super::session::again(&shared, signed.0).await?, &shared)))
}

impl From<FactorRefusal> for ApiError {
    fn from(refusal: FactorRefusal) -> Self {
        let text = refusal.to_string();
        let conflict = |code: &str, hint: &str| Self::new(StatusCode::CONFLICT, code, text.clone(), hint);
        match refusal {
            FactorRefusal::NeedsSession => {
                conflict("needs_session", "sign in with the page; tokens have no factors")
            }
            FactorRefusal::Unfit(_) => {
                Self::bad_request(text, "several words in a row are easy to keep in mind")
            }
            FactorRefusal::Wrong => {
                conflict("wrong_factor", "codes change every 30 s, and each is good once")
            }
            FactorRefusal::StepUpNeeded => conflict("step_up", "POST /api/v1/session/step-up with a code"),
            FactorRefusal::NotBegun => conflict("not_begun", "begin with POST /api/v1/session/totp"),
            FactorRefusal::NoFactor => conflict("no_factor", "set one up with POST /api/v1/session/totp"),
            FactorRefusal::Wait(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", text, "wait as long as it says")
            }
            FactorRefusal::Failed(_) => Self::internal(text),
        }
    }
}
