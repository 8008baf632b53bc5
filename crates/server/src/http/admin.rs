//! Status, health, metrics and the live socket.

use super::extract::Json;
use super::session::{Signed, same_origin};
use super::{ApiError, Shared};
use crate::live::Client;
use crate::territory::Territory;
use api::{ErrorView, StatusView};
use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;

/// Largest message that a client may send.
const MAX_CLIENT_MESSAGE: usize = 1_024;

/// State of the platform.
#[utoipa::path(get, path = "/api/v1/status", tag = "platform",
    responses((status = 200, body = StatusView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn status(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<StatusView>, ApiError> {
    let view = shared.core.ask(|core, now| crate::status::view(core, now)).await?;
    Ok(Json(match Territory::of(&signed.0.principal.areas, &shared.lists.borrow()) {
        None => view,
        Some(territory) => territory.status(view),
    }))
}

/// Whether the core answers.
#[utoipa::path(get, path = "/healthz", tag = "platform",
    responses((status = 200, body = String), (status = 503, body = ErrorView)))]
pub(crate) async fn healthz(State(shared): State<Shared>) -> Result<&'static str, ApiError> {
    shared.core.ask(|_, _| ()).await?;
    Ok("ok\n")
}

/// The platform's own figures in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "platform",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 401, body = ErrorView)))]
pub(crate) async fn metrics(State(shared): State<Shared>, _signed: Signed) -> Result<Response, ApiError> {
    let status = shared.core.ask(|core, now| crate::status::view(core, now)).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], exposition(&status)).into_response())
}

/// Live data over a WebSocket; see the schema `LiveFrame`.
#[utoipa::path(get, path = "/api/v1/live", tag = "platform",
    responses((status = 101, body = api::LiveFrame), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn live(
    State(shared): State<Shared>,
    signed: Signed,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    // A browser sends its cookie to any page's socket: the origin must be ours. Scripts come with a bearer token.
    if !headers.contains_key(header::AUTHORIZATION) {
        same_origin(&headers)?;
    }
    let client = client(&shared, &signed);
    Ok(upgrade.max_message_size(MAX_CLIENT_MESSAGE).on_upgrade(|socket| client.serve(socket)))
}

/// The same frames as server-sent events, for scripts: `curl -N -H "Authorization: Bearer …"`.
#[utoipa::path(get, path = "/api/v1/stream", tag = "platform",
    responses((status = 200, body = api::LiveFrame, content_type = "text/event-stream"), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn stream(State(shared): State<Shared>, signed: Signed) -> Result<Response, ApiError> {
    Ok(Sse::new(client(&shared, &signed).events()).keep_alive(KeepAlive::default()).into_response())
}

fn client(shared: &Shared, signed: &Signed) -> Client {
    Client {
        core: shared.core.clone(),
        hub: shared.hub.clone(),
        clock: shared.clock,
        who: signed.0.principal.clone(),
        lists: shared.lists.clone(),
        revoked: signed.0.revoked.clone(),
        expires: signed.0.expires,
    }
}

/// The text form of metrics that Prometheus reads.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn add(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        // Writing to a string cannot fail.
        let _written = writeln!(
            self.0,
            "# HELP tieline_{name} {help}\n# TYPE tieline_{name} {kind}\ntieline_{name} {value}"
        );
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.add(name, "gauge", help, value);
    }
}

// Exact up to 2^53, which counters of samples do not reach.
fn count(value: u64) -> f64 {
    value as f64
}

fn exposition(status: &StatusView) -> String {
    let mut text = Exposition::default();
    counters_to(&mut text, status);
    present_to(&mut text, status);
    text.0
}

fn counters_to(text: &mut Exposition, status: &StatusView) {
    let counters = &status.counters;
    for (name, kind, help, value) in [
        (
            "samples_received_total",
            "counter",
            "Samples that came out of the sessions at the sockets.",
            counters.received,
        ),
        ("samples_waiting", "gauge", "Samples on their way to the point table.", counters.waiting),
        (
            "samples_coalesced_total",
            "counter",
            "Measured values replaced by newer ones under overload.",
            counters.coalesced,
        ),
        ("samples_processed_total", "counter", "Samples applied to the point table.", counters.processed),
        ("samples_held_total", "counter", "Samples of points that people have set aside.", counters.held),
        ("points_calculated_total", "counter", "Results of formulas.", counters.calculated),
        ("samples_shed_total", "counter", "Samples dropped on purpose.", counters.shed),
        ("changes_recorded_total", "counter", "Changes handed to the historian.", counters.changed),
        ("changes_stored_total", "counter", "Changes durable in the historian.", counters.stored),
        ("changes_shed_total", "counter", "Changes that the historian did not take.", counters.changes_shed),
        ("states_shed_total", "counter", "The same of indications and counters.", counters.states_shed),
        ("values_served_total", "counter", "Point values handed to clients.", counters.served),
        ("cycle", "counter", "Process images frozen.", status.cycle),
    ] {
        text.add(name, kind, help, count(value));
    }
}

fn present_to(text: &mut Exposition, status: &StatusView) {
    let size = |value: usize| value as f64;
    let flag = |value: bool| f64::from(u8::from(value));
    text.gauge("points", "Configured points.", size(status.points.total));
    text.gauge("points_good", "Points that are good and fresh.", size(status.points.good));
    text.gauge("points_stale", "Points that are stale.", size(status.points.stale));
    text.gauge("alarms_active", "Active alarms.", size(status.alarms.active));
    text.gauge(
        "alarms_unacknowledged",
        "Alarms that wait for acknowledgement.",
        size(status.alarms.unacknowledged),
    );
    for (place, help, value) in [
        ("shelved", "Alarms put aside by operators.", status.alarms.shelved),
        ("suppressed", "Alarms hidden by design.", status.alarms.suppressed),
        ("out_of_service", "Alarms out of service.", status.alarms.out_of_service),
    ] {
        text.gauge(&format!("alarms_{place}"), help, size(value));
    }
    text.gauge("alarms_rate", "Alarms annunciated in the last ten minutes.", count(status.alarms.rate));
    let flood = flag(status.alarms.flood_since.is_some());
    text.gauge("alarms_flood", "Whether an alarm flood lasts.", flood);
    let up = status.sessions.iter().filter(|link| link.state == "up").count();
    text.gauge("links", "Configured links.", size(status.sessions.len()));
    text.gauge("links_up", "Links that are up.", size(up));
    let converged = flag(status.estimation.state == "converged");
    text.gauge("estimation_converged", "Whether the last state estimate converged.", converged);
    text.gauge(
        "estimation_age_seconds",
        "Age of the last state estimate.",
        status.estimation.age_s.unwrap_or(f64::NAN),
    );
    let clock = &status.clock;
    text.gauge(
        "clock_synchronised",
        "Whether something keeps the clock.",
        flag(clock.state == "synchronised"),
    );
    text.gauge(
        "clock_held_over_seconds",
        "How far the machine's clock is ahead while it is not followed.",
        clock.machine_ahead_s.unwrap_or(0.0),
    );
}
