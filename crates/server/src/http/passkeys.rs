//! Passkeys: register, list, remove; sign in and step up with one.

use super::extract::{Json, Path};
use super::identity::{blocking, reason};
use super::session::{Signed, again, begin, refusal, tell_of_guessing, view};
use super::{ApiError, Shared};
use crate::identity::hex;
use crate::views::stamp;
use api::{
    ErrorView, PasskeyAnswer, PasskeyChallenge, PasskeyUser, PasskeyView, PasskeysView, RegisteredPasskey,
    SessionView,
};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;

fn challenge(id: String, options: &impl Serialize) -> Result<Json<PasskeyChallenge>, ApiError> {
    let options = serde_json::to_value(options).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Json(PasskeyChallenge { id, options }))
}

fn answer<T: DeserializeOwned>(credential: serde_json::Value) -> Result<T, ApiError> {
    serde_json::from_value(credential).map_err(|error| {
        ApiError::bad_request(
            format!("credential: {error}"),
            "send what toJSON() of the browser's credential gives",
        )
    })
}

/// One's own passkeys.
#[utoipa::path(get, path = "/api/v1/session/passkeys", tag = "session", responses((status = 200, body = PasskeysView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<PasskeysView>, ApiError> {
    let name = signed.0.principal.name.clone();
    let keys = blocking(&shared, move |identity| identity.passkeys_of(&name)).await??;
    let view = |key: store::PasskeyRecord| PasskeyView {
        id: hex(&key.id),
        name: key.name,
        created_at: stamp(key.created),
        last_used_at: key.last_used.map(stamp),
    };
    Ok(Json(PasskeysView { passkeys: keys.into_iter().map(view).collect() }))
}

/// Begins to register a passkey; the options go to `navigator.credentials.create`.
#[utoipa::path(post, path = "/api/v1/session/passkeys", tag = "session",
    responses((status = 200, body = PasskeyChallenge), (status = 409, body = ErrorView)))]
pub(crate) async fn begin_registration(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<PasskeyChallenge>, ApiError> {
    let now = shared.clock.now();
    let (id, options) = blocking(&shared, move |identity| identity.begin_passkey(&signed.0, now)).await??;
    challenge(id, &options)
}

/// Finishes it with what the browser gave.
#[utoipa::path(put, path = "/api/v1/session/passkeys", tag = "session", request_body = RegisteredPasskey,
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn finish_registration(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<RegisteredPasskey>,
) -> Result<Json<SessionView>, ApiError> {
    let (now, caller, label) = (shared.clock.now(), signed.0.clone(), reason(&body.name)?);
    let credential = answer(body.credential)?;
    let done = blocking(&shared, move |identity| {
        identity.finish_passkey(&caller, &body.id, (&label, &credential), now)
    });
    done.await??;
    Ok(Json(view(&again(&shared, signed.0).await?, &shared)))
}

/// Removes one's own passkey, after a fresh second factor.
#[utoipa::path(delete, path = "/api/v1/session/passkeys/{id}", tag = "session", params(("id" = String, Path)),
    responses((status = 204), (status = 409, body = ErrorView)))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let now = shared.clock.now();
    blocking(&shared, move |identity| identity.drop_passkey(&signed.0, &id, now)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a sign-in with a passkey; the options go to `navigator.credentials.get`.
#[utoipa::path(post, path = "/api/v1/session/passkey", tag = "session", request_body = PasskeyUser,
    responses((status = 200, body = PasskeyChallenge), (status = 401, body = ErrorView), (status = 429, body = ErrorView)))]
pub(crate) async fn begin_sign_in(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<PasskeyUser>,
) -> Result<Json<PasskeyChallenge>, ApiError> {
    let (now, from, name) = (shared.clock.now(), from.ip(), body.user.clone());
    match blocking(&shared, move |identity| identity.challenge(&body.user, from, now)).await? {
        Ok((id, options)) => challenge(id, &options),
        Err(error) => {
            tell_of_guessing(&shared, &error, (&name, from)).await?;
            Err(refusal(&error))
        }
    }
}

/// Finishes the sign-in with what the browser gave.
#[utoipa::path(post, path = "/api/v1/session/passkey/finish", tag = "session", request_body = PasskeyAnswer,
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 429, body = ErrorView)))]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<PasskeyAnswer>,
) -> Result<impl IntoResponse, ApiError> {
    let (now, from, credential) = (shared.clock.now(), from.ip(), answer(body.credential)?);
    let signed =
        blocking(&shared, move |identity| identity.sign_in_by_passkey(&body.id, &credential, from, now));
    match signed.await? {
        Ok(secret) => begin(&shared, secret).await,
        Err(error) => {
            tell_of_guessing(&shared, &error, ("", from)).await?;
            Err(refusal(&error))
        }
    }
}

/// Shows a passkey again, for what needs a fresh second factor; the challenge comes from `POST /api/v1/session/passkey`.
#[utoipa::path(post, path = "/api/v1/session/step-up/passkey", tag = "session", request_body = PasskeyAnswer,
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn step_up(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    signed: Signed,
    Json(body): Json<PasskeyAnswer>,
) -> Result<Json<SessionView>, ApiError> {
    let (now, caller, credential) = (shared.clock.now(), signed.0.clone(), answer(body.credential)?);
    let done = blocking(&shared, move |identity| {
        identity.step_up_by_passkey(&caller, (&body.id, &credential), from.ip(), now)
    });
    done.await??;
    Ok(Json(view(&again(&shared, signed.0).await?, &shared)))
}
