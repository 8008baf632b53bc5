//! Sign-in at an OpenID Connect provider: there and back by the browser.

use super::extract::{Json, Query};
use super::identity::blocking;
use super::session::{begin, tell_of_guessing};
use super::{ApiError, Shared};
use crate::identity::oidc::CALLBACK;
use api::{ErrorView, OidcBegun, OidcProvider};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Deserialize;
use std::net::SocketAddr;
use utoipa::IntoParams;

/// Cookie that binds an exchange to the browser that began it. Lax: it comes along when the provider sends the browser back.
const COOKIE: &str = "tieline_oidc";

/// The provider that one may sign in at, if there is one.
#[utoipa::path(get, path = "/api/v1/session/oidc", tag = "session", responses((status = 200, body = OidcProvider)))]
pub(crate) async fn provider(State(shared): State<Shared>) -> Json<OidcProvider> {
    Json(OidcProvider { name: shared.identity.oidc_name().map(str::to_owned) })
}

/// Begins a sign-in: the browser goes to the address given.
#[utoipa::path(post, path = "/api/v1/session/oidc", tag = "session",
    responses((status = 200, body = OidcBegun), (status = 404, body = ErrorView), (status = 503, body = ErrorView)))]
pub(crate) async fn start(State(shared): State<Shared>) -> Result<impl IntoResponse, ApiError> {
    let now = shared.clock.now();
    let begun = blocking(&shared, move |identity| identity.begin_oidc(now)).await?;
    let (address, browser) = begun.ok_or_else(|| ApiError::not_found("provider"))?.map_err(|error| {
        tracing::error!(%error, "The provider for sign-in cannot be asked");
        let hint = "sign in in another way; the log of the centre says why";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "provider", "the provider cannot be asked", hint)
    })?;
    let secure = if shared.secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={browser}; HttpOnly; SameSite=Lax; Path={CALLBACK}; Max-Age=600{secure}");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(OidcBegun { address: address.to_string() })))
}

/// What the provider gives the browser on its way back.
#[derive(Deserialize, IntoParams, Default)]
#[serde(default)]
pub(crate) struct Back {
    /// The code, if the provider agreed.
    code: Option<String>,
    /// The exchange.
    state: Option<String>,
}

/// The browser comes back from the provider; it goes on to the page, signed in or not.
#[utoipa::path(get, path = "/api/v1/session/oidc/callback", tag = "session", params(Back),
    responses((status = 303, description = "To the page"), (status = 404, body = ErrorView)))]
pub(crate) async fn callback(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if shared.identity.oidc_name().is_none() {
        return Err(ApiError::not_found("provider"));
    }
    let (now, from) = (shared.clock.now(), from.ip());
    let (code, state) = (back.code.unwrap_or_default(), back.state.unwrap_or_default());
    let browser = super::session::cookie_named(&headers, COOKIE).unwrap_or_default().to_owned();
    let finished =
        blocking(&shared, move |identity| identity.finish_oidc((&code, &state, &browser), from, now)).await?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let target = match finished {
        Ok(secret) => {
            let begun = begin(&shared, secret).await?.into_response();
            let cookies = begun.headers().get_all(header::SET_COOKIE).iter();
            let cookies = cookies.map(|cookie| (header::SET_COOKIE, cookie.clone()));
            response.headers_mut().extend(cookies);
            "/"
        }
        Err(error) => {
            tell_of_guessing(&shared, &error, ("", from)).await?;
            "/#sign-in-refused"
        }
    };
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(target));
    Ok(response)
}
