//! The point list of the running centre: written out, compared with another one, exchanged without a restart.

use super::extract::Json;
use super::session::Signed;
use super::wording::text;
use super::{ApiError, Shared};
use crate::lists::{self, By, ListRefusal, Prepared};
use api::{CellChange, ErrorView, PointChange, PointListApply, PointListCompare, PointListDifference};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use exchange::points_csv::{self, Difference};
use signal::PointList;

/// Points of one sort that an answer names.
const MAX_NAMED: usize = 1_000;

/// The list as CSV, one row per point.
#[utoipa::path(get, path = "/api/v1/point-list", tag = "points",
    responses((status = 200, body = String, content_type = "text/csv"), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn export(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<impl IntoResponse, ApiError> {
    let (points, areas) = (shared.points(), signed.0.principal.areas.clone());
    let text = blocking(move || {
        let covered = points.in_use().filter(|(_, def)| areas.cover(&def.substation));
        points_csv::write_some(covered.map(|(_, def)| def))
    });
    let name = "attachment; filename=\"points.csv\"";
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, name)],
        text.await?,
    ))
}

/// What another list would change. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/point-list/compare", tag = "points", request_body = PointListCompare,
    responses((status = 200, body = PointListDifference), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn compare(
    State(shared): State<Shared>,
    _signed: Signed,
    Json(body): Json<PointListCompare>,
) -> Result<Json<PointListDifference>, ApiError> {
    let (revision, next, prepared) = prepare(&shared, body.csv).await?;
    let in_use = shared.core.ask(move |core, _| lists::in_use(core, &next)).await?;
    Ok(Json(difference(revision, &prepared.differences, in_use)))
}

/// Puts another list into force: connections stay, no sample is lost, and the list is kept for the next start. Refused when
/// the list has changed since `revision`, or when somebody works with a point that would go.
#[utoipa::path(post, path = "/api/v1/point-list/apply", tag = "points", request_body = PointListApply,
    responses((status = 200, body = PointListDifference), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView), (status = 503, body = ErrorView)))]
pub(crate) async fn apply(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<PointListApply>,
) -> Result<Json<PointListDifference>, ApiError> {
    let reason = text(&body.reason, "the reason")?;
    let (found, next, prepared) = prepare(&shared, body.csv).await?;
    if found != body.revision {
        return Err(refused(ListRefusal::Overtaken(found)));
    }
    let differences = prepared.differences.clone();
    let by = By { name: signed.0.principal.name.clone(), session: signed.0.session.clone(), reason };
    let (seen, file) = (found, shared.blueprint.file());
    let done = shared.core.ask(move |core, now| {
        let before = core.centre.table().points().clone();
        // On the disk first: what is in force is what the next start finds.
        lists::keep(&file, &next).map_err(|error| ListRefusal::Broken(format!("{}: {error}", file.display())))?;
        lists::apply(core, prepared, seen, by, now).inspect_err(|_| {
            if let Err(error) = lists::keep(&file, &before) {
                tracing::error!(%error, file = %file.display(), "The old point list could not be written back");
            }
        })
    });
    let revision = done.await?.map_err(refused)?;
    Ok(Json(difference(revision, &differences, Vec::new())))
}

/// Reads a list, from the text or from its file, and builds what follows from it.
async fn prepare(shared: &Shared, csv: Option<String>) -> Result<(u64, PointList, Prepared), ApiError> {
    let (revision, present) = {
        let lists = shared.lists.borrow();
        (lists.revision, lists.points.clone())
    };
    let blueprint = shared.blueprint.clone();
    let built = blocking(move || {
        let bytes = match csv {
            Some(text) => text.into_bytes(),
            None => std::fs::read(blueprint.file())
                .map_err(|error| unreadable(format!("{}: {error}", blueprint.file().display())))?,
        };
        let next = points_csv::read(&bytes).map_err(|error| {
            let place = if error.line > 0 { format!("line {}: ", error.line) } else { String::new() };
            let hint =
                if error.hint.is_empty() { "see the reference of the point list" } else { &error.hint };
            ApiError::bad_request(format!("{place}{}", error.reason), hint)
        })?;
        let prepared = blueprint.prepare(&present, &next).map_err(refused)?;
        Ok::<_, ApiError>((next, prepared))
    });
    let (next, prepared) = built.await??;
    Ok((revision, next, prepared))
}

fn unreadable(reason: String) -> ApiError {
    ApiError::bad_request(reason, "give the list as csv, or write it where the centre reads it")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(error.to_string()))
}

fn refused(refusal: ListRefusal) -> ApiError {
    let text = refusal.to_string();
    match refusal {
        ListRefusal::Unfit(_) => ApiError::bad_request(text, "nothing was changed; correct the list"),
        ListRefusal::InUse(_) => ApiError::new(
            StatusCode::CONFLICT,
            "points_in_use",
            text,
            "nothing was changed; finish the commands, take the tags off, treat the points as usual",
        ),
        ListRefusal::TooMuch(_) => ApiError::new(
            StatusCode::CONFLICT,
            "second_person",
            text,
            "nothing was changed; change fewer points at once, or the file and a restart where somebody has the console",
        ),
        ListRefusal::Overtaken(_) => {
            ApiError::new(StatusCode::CONFLICT, "overtaken", text, "compare again and look what has changed")
        }
        ListRefusal::Broken(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_applied",
            text,
            "nothing was changed; see System",
        ),
    }
}

fn difference(revision: u64, found: &[Difference], in_use: Vec<String>) -> PointListDifference {
    let mut view = PointListDifference { revision, in_use, ..PointListDifference::default() };
    for difference in found {
        match difference {
            Difference::Added(name) => {
                view.added_count += 1;
                if view.added.len() < MAX_NAMED {
                    view.added.push(name.clone());
                }
            }
            Difference::Removed(name) => {
                view.removed_count += 1;
                if view.removed.len() < MAX_NAMED {
                    view.removed.push(name.clone());
                }
            }
            Difference::Changed { name, mrid, cells } => {
                view.changed_count += 1;
                if view.changed.len() < MAX_NAMED {
                    let cell = |(column, old, new): &(&'static str, String, String)| CellChange {
                        column: (*column).to_owned(),
                        old: old.clone(),
                        new: new.clone(),
                    };
                    let cells = cells.iter().map(cell).collect();
                    view.changed.push(PointChange { name: name.clone(), mrid: mrid.clone(), cells });
                }
            }
        }
    }
    view
}
