//! Rows of history with both times, values between them, integrals, and corrections.

use super::extract::{Json, Path, Query};
use super::points::{parse_time, visible};
use super::session::Signed;
use super::wording::text_within;
use super::{ApiError, Shared};
use crate::views;
use api::{CorrectionRequest, ErrorView, IntegralView, RowView, RowsView, SampleView, SamplesView};
use axum::extract::State;
use axum::http::StatusCode;
use historian::{Filling, Historian, Method, Reading, Row, SeriesId, Span};
use security::{AuditEntry, Outcome, Right};
use serde::Deserialize;
use signal::{Detail, PointId, Quality};
use std::time::Duration;
use store::Record;
use timebase::Utc;
use utoipa::IntoParams;

/// Rows or values of one answer at most.
const MAX_ROWS: usize = 10_000;
/// Bytes of a reason at most: a note holds it beside the name.
const MAX_REASON: usize = 160;
const HOUR: Duration = Duration::from_secs(3_600);

/// Which stretch, and how to read it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StretchQuery {
    /// Begin, ISO 8601; one hour before the end by default.
    from: Option<String>,
    /// End, ISO 8601; now by default.
    to: Option<String>,
    /// `step` (a value holds until the next, the default) or `linear`.
    method: Option<String>,
    /// Seconds that a value holds at most; for ever by default.
    max_gap_s: Option<f64>,
    /// Seconds between two values (samples only); 60 by default.
    step_s: Option<f64>,
    /// Rows at most (rows only), 10000 at most.
    limit: Option<usize>,
    /// `corrected` (the default), `original` or `all` (rows only).
    read: Option<String>,
}

impl StretchQuery {
    fn span(&self, now: Utc) -> Result<Span, ApiError> {
        let to = self.to.as_deref().map_or(Ok(now), parse_time)?;
        let from = self.from.as_deref().map_or_else(|| Ok(to - HOUR), parse_time)?;
        if from >= to {
            return Err(ApiError::bad_request("from must be before to", "give both as ISO 8601 UTC"));
        }
        Ok(Span { from, to })
    }

    fn filling(&self) -> Result<Filling, ApiError> {
        let method = match self.method.as_deref() {
            None | Some("step") => Method::Step,
            Some("linear") => Method::Linear,
            Some(other) => {
                return Err(ApiError::bad_request(format!("no method {other:?}"), "step or linear"));
            }
        };
        Ok(Filling { method, max_gap: self.max_gap_s.map(|gap| seconds("max_gap_s", gap)).transpose()? })
    }

    fn reading(&self) -> Result<Reading, ApiError> {
        match self.read.as_deref() {
            None | Some("corrected") => Ok(Reading::Corrected),
            Some("original") => Ok(Reading::Original),
            Some("all") => Ok(Reading::All),
            Some(other) => {
                Err(ApiError::bad_request(format!("no reading {other:?}"), "corrected, original or all"))
            }
        }
    }
}

/// Up to 31 days, and not less than a millisecond.
fn seconds(name: &str, seconds: f64) -> Result<Duration, ApiError> {
    if (0.001..=2_678_400.0).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ApiError::bad_request(format!("{name} is {seconds}"), "0.001 to 2678400 seconds"))
}

/// Runs a read of a point's series on a thread that may wait for files.
async fn read<T: Send + 'static>(
    shared: &Shared,
    point: PointId,
    work: impl FnOnce(&Historian, SeriesId) -> Result<T, historian::HistorianError> + Send + 'static,
) -> Result<T, ApiError> {
    let historian = shared.historian.clone();
    let series = historian.series(&shared.points()[point].mrid);
    let series = series.ok_or_else(|| ApiError::not_found("history of this point"))?;
    let done = tokio::task::spawn_blocking(move || work(&historian, series)).await;
    let done = done.map_err(|error| ApiError::internal(error.to_string()))?;
    done.map_err(|error| ApiError::internal(error.to_string()))
}

fn validity(bits: u16) -> String {
    views::validity_name(Quality::from_bits(bits).validity).to_owned()
}

/// Every row of a point with both times; corrections say who and why.
#[utoipa::path(get, path = "/api/v1/points/{id}/rows", tag = "points", params(("id" = u32, Path), StretchQuery),
    responses((status = 200, body = RowsView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub(crate) async fn rows(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Query(query): Query<StretchQuery>,
) -> Result<Json<RowsView>, ApiError> {
    let point = visible(&shared, &signed, id, Right::View)?;
    let (span, reading) = (query.span(shared.clock.now().utc)?, query.reading()?);
    let limit = query.limit.unwrap_or(1_000).clamp(1, MAX_ROWS);
    let view = read(&shared, point, move |historian, series| {
        let page = historian.read(series, span, (reading, limit))?;
        let view = |row: &Row| RowView {
            t: views::stamp(row.time),
            received: views::stamp(row.received()),
            value: row.value.is_finite().then_some(row.value),
            quality: validity(row.quality),
            clock_synchronised: Quality::is_clock_synchronised(row.quality),
            correction: historian.note_text(row.note),
        };
        Ok(RowsView {
            rows: page.rows.iter().map(view).collect(),
            complete: page.complete,
            damaged: page.damaged,
        })
    });
    let view = view.await?;
    shared.hub.count_served(view.rows.len());
    Ok(Json(view))
}

/// Values at equal steps, from the begin up to but without the end.
#[utoipa::path(get, path = "/api/v1/points/{id}/samples", tag = "points", params(("id" = u32, Path), StretchQuery),
    responses((status = 200, body = SamplesView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub(crate) async fn samples(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Query(query): Query<StretchQuery>,
) -> Result<Json<SamplesView>, ApiError> {
    let point = visible(&shared, &signed, id, Right::View)?;
    let (span, filling) = (query.span(shared.clock.now().utc)?, query.filling()?);
    let step = seconds("step_s", query.step_s.unwrap_or(60.0))?;
    let mut instants = Vec::new();
    let mut at = span.from;
    while at < span.to {
        if instants.len() == MAX_ROWS {
            return Err(ApiError::bad_request("more than 10000 values", "a longer step or a shorter span"));
        }
        instants.push(at);
        at = at + step;
    }
    let found = read(&shared, point, move |historian, series| historian.sample(series, &instants, filling));
    let (found, damaged) = found.await?;
    shared.hub.count_served(found.len());
    let sample = |sample: &historian::Sample| SampleView {
        t: views::stamp(sample.time),
        value: sample.value.is_finite().then_some(sample.value),
        quality: validity(sample.quality),
    };
    Ok(Json(SamplesView { samples: found.iter().map(sample).collect(), damaged }))
}

/// Integral over time, of the part of the stretch in which a value held: MWh of a point in MW.
#[utoipa::path(get, path = "/api/v1/points/{id}/integral", tag = "points", params(("id" = u32, Path), StretchQuery),
    responses((status = 200, body = IntegralView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub(crate) async fn integral(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Query(query): Query<StretchQuery>,
) -> Result<Json<IntegralView>, ApiError> {
    let point = visible(&shared, &signed, id, Right::View)?;
    let (span, filling) = (query.span(shared.clock.now().utc)?, query.filling()?);
    let found = read(&shared, point, move |historian, series| historian.integral(series, span, filling));
    let (found, damaged) = found.await?;
    shared.hub.count_served(1);
    Ok(Json(IntegralView {
        from: views::stamp(span.from),
        to: views::stamp(span.to),
        unit_hours: found.value_seconds / 3_600.0,
        unit: shared.points()[point].unit.clone(),
        coverage: found.coverage(),
        gaps: found.gaps,
        rows: found.rows,
        quality: validity(found.quality),
        damaged,
    }))
}

/// Puts a value beside what the field sent at an instant. The original stays; reads say which is which.
#[utoipa::path(post, path = "/api/v1/points/{id}/corrections", tag = "points", params(("id" = u32, Path)),
    request_body = CorrectionRequest,
    responses((status = 201, body = RowView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 503, body = ErrorView)))]
pub(crate) async fn correct(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Json(body): Json<CorrectionRequest>,
) -> Result<(StatusCode, Json<RowView>), ApiError> {
    let point = visible(&shared, &signed, id, Right::Configure)?;
    let (time, now) = (parse_time(&body.t)?, shared.clock.now().utc);
    let reason = text_within(&body.reason, "the reason", MAX_REASON)?;
    if body.value.is_some_and(|value| !value.is_finite()) || time > now {
        return Err(ApiError::bad_request("value or time cannot be", "a finite number or null, in the past"));
    }
    audit(&shared, &signed, point, &body).await?;
    let note = format!("{}: {}", signed.0.principal.name, reason);
    let quality = body.value.map_or(Quality::invalid(Detail::NONE), |_| Quality::GOOD);
    let kind = crate::recorder::kind_number(shared.points()[point].kind);
    let row = read(&shared, point, move |historian, series| {
        let row = Row {
            series,
            time,
            lag_ms: historian::lag_ms(time, now),
            value: body.value.unwrap_or(f64::NAN),
            quality: quality.to_bits(),
            kind,
            note: historian.note(&note)?,
        };
        historian.append(&[row]).map_err(|_| historian::HistorianError::Closed)?;
        historian.flush()?;
        Ok(RowView {
            t: views::stamp(row.time),
            received: views::stamp(row.received()),
            value: body.value,
            quality: validity(row.quality),
            clock_synchronised: Quality::is_clock_synchronised(row.quality),
            correction: historian.note_text(row.note),
        })
    });
    Ok((StatusCode::CREATED, Json(row.await?)))
}

/// Without a durable audit nothing is corrected (S-21).
async fn audit(
    shared: &Shared,
    signed: &Signed,
    point: PointId,
    body: &CorrectionRequest,
) -> Result<(), ApiError> {
    let record = Record::Audit(AuditEntry {
        time: shared.clock.now().utc,
        actor: signed.0.principal.name.clone(),
        source: signed.0.session.clone(),
        action: "correct history".to_owned(),
        target: shared.points()[point].name.clone(),
        old: None,
        new: Some(format!("{} at {}", body.value.map_or("no value".to_owned(), |v| v.to_string()), body.t)),
        outcome: Outcome::Allowed,
        reason: body.reason.clone(),
    });
    let store = shared.store.clone();
    let broken = shared.core.ask(|core, _| core.audit_broken).await?;
    let write = || tokio::task::spawn_blocking(move || store.append(vec![record]));
    if broken || !matches!(write().await, Ok(Ok(_))) {
        let (code, hint) = ("not_audited", "repair or free the store first");
        let message = "the audit cannot be written: nothing was corrected";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message, hint));
    }
    Ok(())
}
