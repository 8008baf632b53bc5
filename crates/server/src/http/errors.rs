//! Errors as answers: a code for programs, a sentence and a hint for people.

use crate::core::Gone;
use api::{ErrorView, Problem};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use scada::gate::GateRefusal;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    problem: Problem,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self {
            status,
            problem: Problem { code: code.to_owned(), message: message.into(), hint: hint.to_owned() },
        }
    }

    /// The same with the thing concerned in front of the sentence.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.problem.message = format!("{what}: {}", self.problem.message);
        self
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"), "list them first")
    }

    pub(crate) fn bad_request(message: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, hint)
    }

    pub(crate) fn unauthenticated() -> Self {
        let hint = "POST a token to /api/v1/session, or send it as a bearer token";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "sign in first", hint)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message, "ask a security administrator for the role")
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, "see the log of the centre")
    }
}

impl From<Gone> for ApiError {
    fn from(gone: Gone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", gone.to_string(), "try again when it is back")
    }
}

impl From<GateRefusal> for ApiError {
    fn from(refusal: GateRefusal) -> Self {
        let status = match refusal.code {
            "role" | "area" | "select_owner" => StatusCode::FORBIDDEN,
            "unknown_command" | "unknown_point" => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.code, refusal.text, refusal.hint)
    }
}

impl From<store::StoreError> for ApiError {
    fn from(error: store::StoreError) -> Self {
        Self::internal(error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorView { error: self.problem })).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            // RFC 9110 10.2.3, in seconds.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
