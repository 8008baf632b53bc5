//! The twin's own API. It has no login, therefore it listens on loopback only, answers only to a loopback `Host`
//! (a page of the Internet cannot reach it by renaming itself) and to no page at all (`Origin`).

use super::host::Ask;
use super::views::{FaultView, NewFault, StationView, TruthView};
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use sim::{FaultError, FaultId};
use std::net::IpAddr;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

/// A request is one small object.
const BODY_MAX_BYTES: usize = 16 * 1024;

type Asks = mpsc::Sender<Ask>;

/// Answers until the shutdown.
pub(super) async fn serve(listener: TcpListener, asks: Asks, mut shutdown: watch::Receiver<bool>) {
    let stop = async move {
        // A shutdown whose sender is gone is a shutdown, too.
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router(asks)).with_graceful_shutdown(stop).await {
        error!(%error, "The twin's API ended");
    }
}

fn router(asks: Asks) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/truth", get(truth))
        .route("/stations", get(stations))
        .route("/faults", get(faults).post(inject).delete(clear_all))
        .route("/faults/{id}", delete(clear))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(from_fn(local_only))
        .with_state(asks)
}

/// What went wrong, in the shape of the centre's API.
struct Problem(StatusCode, &'static str, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let body = serde_json::json!({ "error": { "code": code, "message": message } });
        (status, Json(body)).into_response()
    }
}

impl From<FaultError> for Problem {
    fn from(error: FaultError) -> Self {
        let (status, code) = match error {
            FaultError::Unknown { .. } => (StatusCode::NOT_FOUND, "unknown_target"),
            FaultError::Unsuited { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unsuited_target"),
            FaultError::OutOfRange { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "out_of_range"),
            FaultError::TooMany => (StatusCode::CONFLICT, "too_many"),
        };
        Self(status, code, error.to_string())
    }
}

async fn local_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if request.headers().contains_key(header::ORIGIN) || !host.is_some_and(is_loopback) {
        let text = "only programs on this machine are answered".to_owned();
        return Problem(StatusCode::FORBIDDEN, "not_local", text).into_response();
    }
    next.run(request).await
}

/// Whether `host[:port]` of a request means this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Asks the twin and waits for its answer.
async fn ask<T>(asks: &Asks, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Problem> {
    let stopped = || Problem(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the twin stops".to_owned());
    let (to, answer) = oneshot::channel();
    asks.send(make(to)).await.map_err(|_| stopped())?;
    answer.await.map_err(|_| stopped())
}

async fn truth(State(asks): State<Asks>) -> Result<Json<TruthView>, Problem> {
    ask(&asks, Ask::Truth).await.map(Json)
}

async fn stations(State(asks): State<Asks>) -> Result<Json<Vec<StationView>>, Problem> {
    ask(&asks, Ask::Stations).await.map(Json)
}

async fn faults(State(asks): State<Asks>) -> Result<Json<Vec<FaultView>>, Problem> {
    ask(&asks, Ask::Faults).await.map(Json)
}

async fn inject(
    State(asks): State<Asks>,
    body: Result<Json<NewFault>, JsonRejection>,
) -> Result<(StatusCode, Json<FaultView>), Problem> {
    let Json(wanted) = body.map_err(|error| Problem(error.status(), "bad_request", error.body_text()))?;
    let (fault, lasts) =
        wanted.parse().map_err(|reason| Problem(StatusCode::UNPROCESSABLE_ENTITY, "bad_request", reason))?;
    let view = ask(&asks, |to| Ask::Inject(fault, lasts, to)).await??;
    Ok((StatusCode::CREATED, Json(view)))
}

async fn clear(State(asks): State<Asks>, Path(id): Path<u64>) -> Result<Json<Vec<FaultView>>, Problem> {
    let cleared = ask(&asks, |to| Ask::Clear(Some(FaultId(id)), to)).await?;
    if cleared.is_empty() {
        return Err(Problem(StatusCode::NOT_FOUND, "unknown_fault", format!("no fault {id} is in force")));
    }
    Ok(Json(cleared))
}

async fn clear_all(State(asks): State<Asks>) -> Result<Json<Vec<FaultView>>, Problem> {
    ask(&asks, |to| Ask::Clear(None, to)).await.map(Json)
}
