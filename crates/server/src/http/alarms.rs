//! Alarms and events.

use super::alarm_acts::audit_acknowledged;
use super::extract::{Json, Path, Query};
use super::session::Signed;
use super::{ApiError, Shared};
use crate::views;
use api::{AcknowledgeRequest, Acknowledged, AlarmsView, ErrorView, EventsView};
use axum::extract::State;
use scada::alarm::{Alarm, AlarmId, Place};
use security::Areas;
use serde::Deserialize;
use signal::PointList;
use utoipa::IntoParams;

/// Alarms that one call may acknowledge.
const MAX_ACKNOWLEDGE: usize = 1_000;
/// Events of one answer at most.
const MAX_EVENTS: usize = 5_000;

/// Which alarms to list.
#[derive(Deserialize, IntoParams, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// `active` leaves out those that cleared but wait for acknowledgement; `all` is the default.
    state: Option<String>,
    /// Only those that stand there: `shown`, `shelved`, `suppressed` or `out_of_service`.
    place: Option<String>,
}

/// The listed alarms, most urgent first.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", params(ListQuery),
    responses((status = 200, body = AlarmsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
    Query(query): Query<ListQuery>,
) -> Result<Json<AlarmsView>, ApiError> {
    let areas = signed.0.principal.areas.clone();
    let place = query.place.as_deref().map(|name| {
        let hint = "shown, shelved, suppressed or out_of_service";
        Place::named(name).ok_or_else(|| ApiError::bad_request(format!("no place {name:?}"), hint))
    });
    let place = place.transpose()?;
    let only_active = query.state.as_deref() == Some("active");
    let view = shared.core.ask(move |core, _| {
        let points = core.centre.table().points();
        let mut alarms: Vec<&Alarm> = core
            .centre
            .alarms()
            .iter()
            .filter(|alarm| covered(alarm, &areas, points) && (alarm.active || !only_active))
            .filter(|alarm| place.is_none_or(|place| alarm.place() == place))
            .collect();
        alarms.sort_by_key(|alarm| {
            (alarm.acknowledged, std::cmp::Reverse(alarm.priority), std::cmp::Reverse(alarm.raised_at))
        });
        let tally = core.centre.alarms().tally();
        AlarmsView {
            alarms: alarms.iter().map(|alarm| views::alarm(alarm, points)).collect(),
            active: tally.active,
            unacknowledged: tally.unacknowledged(),
        }
    });
    Ok(Json(view.await?))
}

/// Acknowledges one alarm.
#[utoipa::path(post, path = "/api/v1/alarms/{id}/acknowledge", tag = "alarms", params(("id" = String, Path)),
    responses((status = 200, body = Acknowledged), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub(crate) async fn acknowledge(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
) -> Result<Json<Acknowledged>, ApiError> {
    let acknowledged = acknowledge_all(&shared, &signed, vec![id]).await?;
    if acknowledged.acknowledged == 0 {
        return Err(ApiError::not_found("alarm that waits for acknowledgement"));
    }
    Ok(Json(acknowledged))
}

/// Acknowledges several alarms.
#[utoipa::path(post, path = "/api/v1/alarms/acknowledge", tag = "alarms", request_body = AcknowledgeRequest,
    responses((status = 200, body = Acknowledged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn acknowledge_many(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<AcknowledgeRequest>,
) -> Result<Json<Acknowledged>, ApiError> {
    if body.ids.len() > MAX_ACKNOWLEDGE {
        return Err(ApiError::bad_request(
            format!("more than {MAX_ACKNOWLEDGE} alarms"),
            "acknowledge page by page",
        ));
    }
    Ok(Json(acknowledge_all(&shared, &signed, body.ids).await?))
}

async fn acknowledge_all(
    shared: &Shared,
    signed: &Signed,
    ids: Vec<String>,
) -> Result<Acknowledged, ApiError> {
    let (principal, session) = (signed.0.principal.clone(), signed.0.session.clone());
    let acknowledged = shared.core.ask(move |core, now| {
        let points = core.centre.table().points().clone();
        let mut acknowledged = 0;
        for id in ids.iter().cloned().map(AlarmId::from) {
            let may =
                core.centre.alarms().get(&id).is_some_and(|alarm| covered(alarm, &principal.areas, &points));
            acknowledged += usize::from(may && core.centre.acknowledge(&id, &principal.name, now.utc));
        }
        if !ids.is_empty() {
            audit_acknowledged(core, (&principal.name, &session), &ids, acknowledged, now.utc);
        }
        acknowledged
    });
    Ok(Acknowledged { acknowledged: acknowledged.await? })
}

/// Which events to list.
#[derive(Deserialize, IntoParams, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Events after this number, oldest first.
    after: Option<u64>,
    /// Events before this number.
    before: Option<u64>,
    /// How many, 5000 at most.
    limit: Option<usize>,
}

/// A stretch of the event log, oldest first; the latest without `after` and `before`.
#[utoipa::path(get, path = "/api/v1/events", tag = "alarms", params(EventsQuery),
    responses((status = 200, body = EventsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn events(
    State(shared): State<Shared>,
    signed: Signed,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventsView>, ApiError> {
    let limit = query.limit.unwrap_or(200).clamp(1, MAX_EVENTS);
    let (store, points) = (shared.store.clone(), shared.points());
    let areas = signed.0.principal.areas.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut records = match (query.after, query.before) {
            (Some(after), _) => store.events_after(after, limit)?,
            (None, Some(before)) => store.events_before(before, limit)?,
            (None, None) => store.events_latest(limit)?,
        };
        records.sort_by_key(|record| record.seq);
        let last_seq = store.last_event()?;
        let events = records.into_iter().map(|record| views::stored_event(record, &points));
        let shown = events.filter(|event| {
            let def = event.point.and_then(|point| points.get(signal::PointId(point)));
            def.is_none_or(|def| areas.cover(&def.substation))
        });
        Ok::<_, store::StoreError>(EventsView { events: shown.collect(), last_seq })
    });
    Ok(Json(read.await.map_err(|error| ApiError::internal(error.to_string()))??))
}

/// Alarms about a point belong to its area; the others concern everybody.
pub(super) fn covered(alarm: &Alarm, areas: &Areas, points: &PointList) -> bool {
    alarm.point.and_then(|point| points.get(point)).is_none_or(|def| areas.cover(&def.substation))
}
