//! Points, history and tags.

use super::extract::{Json, Path, Query};
use super::session::Signed;
use super::wording::text;
use super::{ApiError, Shared};
use crate::views;
use api::{BucketView, ErrorView, HistoryView, PointView, PointsView, SampleView, TagRequest, TagView};
use axum::extract::State;
use axum::http::StatusCode;
use scada::event::{EventKind, NewEvent, Severity};
use scada::tag::{Tag, TagKind};
use security::{AuditEntry, Outcome, Right};
use serde::Deserialize;
use signal::{PointDef, PointId};
use store::Record;
use timebase::Utc;
use utoipa::IntoParams;

/// Points on one page at most.
const MAX_PAGE: usize = 10_000;
/// Buckets of one history answer at most.
const MAX_BUCKETS: usize = 5_000;

/// Which points to list.
#[derive(Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Part of the name, without regard to case.
    search: Option<String>,
    /// Substation.
    substation: Option<String>,
    /// `analog`, `single`, `double`, `step`, `counter` or `bits`.
    kind: Option<String>,
    /// `good`, `stale` or `invalid`.
    quality: Option<String>,
    /// Points per page, 10000 at most.
    limit: usize,
    /// Points to skip.
    offset: usize,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { search: None, substation: None, kind: None, quality: None, limit: 1_000, offset: 0 }
    }
}

/// Points with their present state.
#[utoipa::path(get, path = "/api/v1/points", tag = "points", params(ListQuery),
    responses((status = 200, body = PointsView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
    Query(query): Query<ListQuery>,
) -> Result<Json<PointsView>, ApiError> {
    let areas = signed.0.principal.areas.clone();
    let search = query.search.unwrap_or_default().to_lowercase();
    let (points, states) = (shared.points(), shared.states());
    let wanted = |(id, def): &(PointId, &PointDef)| {
        let Some(state) = states.get(*id) else { return false };
        let quality = if state.stale {
            "stale"
        } else if state.quality.is_good() {
            "good"
        } else {
            "invalid"
        };
        areas.cover(&def.substation)
            && def.name.to_lowercase().contains(&search)
            && query.substation.as_ref().is_none_or(|wanted| *wanted == def.substation)
            && query.kind.as_ref().is_none_or(|wanted| wanted == def.kind.name())
            && query.quality.as_ref().is_none_or(|wanted| wanted == quality)
    };
    let matching: Vec<PointId> = points.in_use().filter(wanted).map(|(id, _)| id).collect();
    let total = matching.len();
    let page = matching.into_iter().skip(query.offset).take(query.limit.min(MAX_PAGE));
    let page: Vec<PointId> = page.collect();
    // Tags and alarms are the core's; a page of a million points must not make it wait.
    let points = shared.core.ask(move |core, now| {
        page.into_iter().filter_map(|id| views::point(id, &core.centre, now)).collect()
    });
    let view = PointsView { total, points: points.await? };
    shared.hub.count_served(view.points.len());
    Ok(Json(view))
}

/// One point with its present state.
#[utoipa::path(get, path = "/api/v1/points/{id}", tag = "points", params(("id" = u32, Path)),
    responses((status = 200, body = PointView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub(crate) async fn one(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
) -> Result<Json<PointView>, ApiError> {
    let id = visible(&shared, &signed, id, Right::View)?;
    let view = shared.core.ask(move |core, now| views::point(id, &core.centre, now)).await?;
    shared.hub.count_served(1);
    view.map(Json).ok_or_else(|| ApiError::not_found("point"))
}

/// Which stretch of history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    /// Begin, ISO 8601; one hour before the end by default.
    from: Option<String>,
    /// End, ISO 8601; now by default.
    to: Option<String>,
    /// Buckets at most; more changes than that are joined with min, max and mean.
    max_points: Option<usize>,
}

/// History of a point, decimated to what a screen can show.
#[utoipa::path(get, path = "/api/v1/points/{id}/history", tag = "points", params(("id" = u32, Path), HistoryQuery),
    responses((status = 200, body = HistoryView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub(crate) async fn history(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryView>, ApiError> {
    let id = visible(&shared, &signed, id, Right::View)?;
    let to = query.to.as_deref().map_or_else(|| Ok(shared.clock.now().utc), parse_time)?;
    let from =
        query.from.as_deref().map_or_else(|| Ok(to - std::time::Duration::from_secs(3_600)), parse_time)?;
    if from >= to {
        return Err(ApiError::bad_request("from must be before to", "give both as ISO 8601 UTC"));
    }
    let most = query.max_points.unwrap_or(1_000).clamp(1, MAX_BUCKETS);
    let historian = shared.historian.clone();
    let (name, unit, mrid) = {
        let def = &shared.points()[id];
        (def.name.clone(), def.unit.clone(), def.mrid.clone())
    };
    let read =
        tokio::task::spawn_blocking(move || crate::recorder::read(&historian, &mrid, (from, to), most));
    let stretch = read.await.map_err(|error| ApiError::internal(error.to_string()))?;
    let stretch = stretch.map_err(|error| ApiError::internal(error.to_string()))?;
    shared.hub.count_served(stretch.buckets.len());
    Ok(Json(HistoryView {
        point: id.0,
        name,
        unit,
        from: views::stamp(from),
        to: views::stamp(to),
        decimated: stretch.buckets.iter().any(|bucket: &BucketView| bucket.count > 1),
        before: stretch.before as Option<SampleView>,
        buckets: stretch.buckets,
    }))
}

/// Hangs a tag on a point.
#[utoipa::path(post, path = "/api/v1/points/{id}/tags", tag = "points", params(("id" = u32, Path)),
    request_body = TagRequest,
    responses((status = 201, body = TagView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn place_tag(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<u32>,
    Json(body): Json<TagRequest>,
) -> Result<(StatusCode, Json<TagView>), ApiError> {
    let point = visible(&shared, &signed, id, Right::Tag)?;
    let kind = TagKind::named(&body.kind).ok_or_else(|| {
        ApiError::bad_request(format!("no tag kind {:?}", body.kind), "hold, caution or information")
    })?;
    let text = text(&body.text, "the text of a tag")?;
    let who = Who::of(&signed);
    let by = who.name.clone();
    let placed = shared.core.ask(move |core, now| {
        let tag = core.centre.tags_mut().place(Tag { id: 0, point, kind, text, by, at: now.utc })?;
        note_tag(core, &tag, &who, "place tag", now.utc);
        Some(tag)
    });
    let tag = placed.await?.ok_or_else(|| {
        ApiError::new(StatusCode::CONFLICT, "too_many_tags", "the point carries too many tags", "remove one")
    })?;
    Ok((StatusCode::CREATED, Json(views::tag(&tag))))
}

/// Takes a tag off.
#[utoipa::path(delete, path = "/api/v1/points/{id}/tags/{tag}", tag = "points",
    params(("id" = u32, Path), ("tag" = u64, Path)),
    responses((status = 204), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn remove_tag(
    State(shared): State<Shared>,
    signed: Signed,
    Path((id, tag)): Path<(u32, u64)>,
) -> Result<StatusCode, ApiError> {
    let point = visible(&shared, &signed, id, Right::Tag)?;
    let who = Who::of(&signed);
    let removed = shared.core.ask(move |core, now| {
        core.centre
            .tags()
            .of(point)
            .find(|placed| placed.id == tag)
            .ok_or_else(|| ApiError::not_found("tag"))?;
        // A tag of a safety document that somebody holds stays where it is.
        core.switching.may_remove(tag)?;
        let tag = core.centre.tags_mut().remove(tag).ok_or_else(|| ApiError::not_found("tag"))?;
        note_tag(core, &tag, &who, "remove tag", now.utc);
        Ok::<_, ApiError>(())
    });
    removed.await??;
    Ok(StatusCode::NO_CONTENT)
}

/// The point, if it exists and the caller has the right for its area.
pub(crate) fn visible(shared: &Shared, signed: &Signed, id: u32, right: Right) -> Result<PointId, ApiError> {
    let id = PointId(id);
    let points = shared.points();
    let known = points.get(id).filter(|def| !def.retired);
    let def = known.ok_or_else(|| ApiError::not_found("point"))?;
    signed.require_in(right, &def.substation)?;
    Ok(id)
}

pub(crate) fn parse_time(text: &str) -> Result<Utc, ApiError> {
    Utc::parse_iso_8601(text).ok_or_else(|| {
        ApiError::bad_request(format!("{text:?} is no time"), "ISO 8601 UTC, e.g. 2026-11-23T04:05:06Z")
    })
}

/// Who changes something, and from where.
struct Who {
    name: String,
    session: String,
}

impl Who {
    fn of(signed: &Signed) -> Self {
        Self { name: signed.0.principal.name.clone(), session: signed.0.session.clone() }
    }
}

/// Event and records of a changed tag; they are durable when the caller gets its answer.
fn note_tag(core: &mut crate::core::Core, tag: &Tag, who: &Who, action: &str, at: Utc) {
    let points = core.centre.table().points().clone();
    let name = points[tag.point].name.clone();
    core.centre.record_by(NewEvent {
        time: at,
        kind: EventKind::Configuration,
        severity: Severity::Info,
        source: name.clone(),
        point: Some(tag.point),
        text: format!("{action} {}: {}", tag.kind.name(), tag.text),
        actor: Some(who.name.clone()),
    });
    let audit = Record::Audit(AuditEntry {
        time: at,
        actor: who.name.clone(),
        source: who.session.clone(),
        action: action.to_owned(),
        target: name,
        old: None,
        new: Some(tag.kind.name().to_owned()),
        outcome: Outcome::Done,
        reason: tag.text.clone(),
    });
    let placed = core.centre.tags().of(tag.point).any(|present| present.id == tag.id);
    let change = if placed {
        Record::PutTag(crate::persist::tag_record(tag, &points))
    } else {
        Record::DropTag(tag.id)
    };
    core.backlog.push_back(change);
    if !core.audit_broken {
        core.backlog.push_back(audit);
    }
}
