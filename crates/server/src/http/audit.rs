//! The audit: records by filter, files for other programs, and whether it still is what it was.

use super::extract::{Json, Query};
use super::{ApiError, Shared};
use crate::audit::export::Export;
use crate::audit::find::{Filter, before};
use crate::audit::keeper::Kept;
use api::{AuditCopyView, AuditPage, AuditStateView, AuditView, CheckpointView, ErrorView};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use security::{AuditRecord, Outcome, to_hex};
use serde::Deserialize;
use std::sync::Arc;
use store::Store;
use timebase::Utc;
use tokio::sync::mpsc;
use utoipa::IntoParams;

/// Records of a page at most.
const MAX_RECORDS: usize = 1_000;
/// Pieces of a file that wait for a slow reader.
const WAITING_PIECES: usize = 4;

/// Which records.
#[derive(Clone, Deserialize, IntoParams, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Part of the name of who did it.
    actor: Option<String>,
    /// Part of what was done.
    action: Option<String>,
    /// Part of what it was done to.
    target: Option<String>,
    /// `allowed`, `refused`, `done` or `failed`.
    outcome: Option<String>,
    /// Not before, ISO 8601.
    from: Option<String>,
    /// Before, ISO 8601.
    to: Option<String>,
    /// Records before this place.
    before: Option<u64>,
    /// How many, 1000 at most.
    limit: Option<usize>,
    /// `csv`, `json` or `cef`; for files only.
    format: Option<String>,
}

impl AuditQuery {
    fn filter(&self) -> Result<Filter, ApiError> {
        let time = |text: &Option<String>, name: &str| match text {
            None => Ok(None),
            Some(text) => Utc::parse_iso_8601(text).map(Some).ok_or_else(|| {
                ApiError::bad_request(
                    format!("{name}: {text:?} is no time"),
                    "ISO 8601, 2026-11-28T12:00:00Z",
                )
            }),
        };
        let outcome = match &self.outcome {
            None => None,
            Some(text) => Some(Outcome::named(text).ok_or_else(|| {
                let hint = "allowed, refused, done or failed";
                ApiError::bad_request(format!("outcome: {text:?} is none"), hint)
            })?),
        };
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Filter {
            actor: text(&self.actor),
            action: text(&self.action),
            target: text(&self.target),
            outcome,
            from: time(&self.from, "from")?,
            to: time(&self.to, "to")?,
        })
    }
}

/// Records of the audit, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = AuditPage), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let filter = query.filter()?;
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_RECORDS);
    let store = shared.store.clone();
    let read = tokio::task::spawn_blocking(move || before(&store, query.before, limit, &filter));
    let found = read.await.map_err(|error| ApiError::internal(error.to_string()))??;
    Ok(Json(AuditPage { records: found.records.iter().map(view).collect(), before: found.before }))
}

/// Records of the audit as a file, newest first.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit", params(AuditQuery),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn export(
    State(shared): State<Shared>,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    let filter = query.filter()?;
    let name = query.format.as_deref().unwrap_or("csv");
    let export = Export::named(name)
        .ok_or_else(|| ApiError::bad_request(format!("format: {name:?} is none"), "csv, json or cef"))?;
    let (pieces, queue) = mpsc::channel(WAITING_PIECES);
    let store = shared.store.clone();
    // Ends by itself when the reader has gone away.
    drop(tokio::task::spawn_blocking(move || write(&store, (export, &filter), query.before, &pieces)));
    let body = stream::unfold(queue, async |mut queue| queue.recv().await.map(|piece| (piece, queue)));
    let (name, media) = export.names();
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"audit.{name}\"")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

type Piece = Result<String, std::io::Error>;

/// Writes pages until the beginning of the chain; a fault of the store cuts the file off, so that nobody takes it for whole.
fn write(
    store: &Arc<Store>,
    (export, filter): (Export, &Filter),
    place: Option<u64>,
    to: &mpsc::Sender<Piece>,
) {
    let mut place = Some(place.unwrap_or(u64::MAX));
    let mut head = Some(export.head().to_owned());
    while place.is_some() {
        let piece = before(store, place, MAX_RECORDS, filter).map(|found| {
            place = found.before;
            let lines = found.records.iter().map(|record| export.line(record));
            head.take().into_iter().chain(lines).collect::<String>()
        });
        let failed = piece.is_err();
        if to.blocking_send(piece.map_err(std::io::Error::other)).is_err() || failed {
            return;
        }
    }
}

/// Whether the audit is what it was, and how far its copy is.
#[utoipa::path(get, path = "/api/v1/audit/state", tag = "audit",
    responses((status = 200, body = AuditStateView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn state(State(shared): State<Shared>) -> Json<AuditStateView> {
    let kept = shared.audit.kept.borrow().clone();
    Json(state_view(&kept, shared.audit.key.to_string(), shared.clock.now().utc))
}

fn state_view(kept: &Kept, key: String, now: Utc) -> AuditStateView {
    let stamp = |at: Utc| at.to_string();
    let state = match (&kept.fault, kept.seen) {
        (Some(_), _) => "broken",
        (None, Some(_)) => "whole",
        (None, None) => "unknown",
    };
    AuditStateView {
        state: state.to_owned(),
        fault: kept.fault.clone(),
        seen_seq: kept.seen.map(|(head, _)| head.seq),
        seen_at: kept.seen.map(|(_, at)| stamp(at)),
        whole_at: kept.whole_at.map(stamp),
        key,
        checkpoint: kept.checkpoint.map(|one| CheckpointView {
            number: one.number,
            seq: one.head.seq,
            time: stamp(one.time),
        }),
        copy: kept.copy.as_ref().map(|copy| AuditCopyView {
            to: copy.to.clone(),
            connected_at: copy.connected_at.map(stamp),
            taken_seq: copy.taken,
            behind_s: copy.waits_since.map_or(0.0, |since| now.since(since).as_secs_f64()),
            error: copy.error.clone(),
        }),
    }
}

fn view(record: &AuditRecord) -> AuditView {
    let entry = record.entry.clone();
    AuditView {
        seq: record.seq,
        time: entry.time.to_string(),
        actor: entry.actor,
        source: entry.source,
        action: entry.action,
        target: entry.target,
        old: entry.old,
        new: entry.new,
        outcome: entry.outcome.name().to_owned(),
        reason: entry.reason,
        hash: to_hex(&record.hash),
    }
}
