//! The network and the state estimate.

use super::extract::Json;
use super::session::Signed;
use super::{ApiError, Shared};
use crate::territory::Territory;
use crate::views;
use api::{ErrorView, EstimateView, NetworkView};
use axum::extract::State;
use signal::PointId;

/// The network with the points of its elements.
#[utoipa::path(get, path = "/api/v1/network", tag = "grid",
    responses((status = 200, body = NetworkView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn network(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<NetworkView>, ApiError> {
    let network = shared.network();
    Ok(Json(match Territory::of(&signed.0.principal.areas, &shared.lists.borrow()) {
        None => NetworkView::clone(&network),
        Some(territory) => territory.network(&network),
    }))
}

/// The latest state estimate.
#[utoipa::path(get, path = "/api/v1/estimate", tag = "grid",
    responses((status = 200, body = EstimateView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn estimate(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<EstimateView>, ApiError> {
    let view =
        shared.core.ask(|core, _| views::estimate(&core.estimate, core.centre.table().points())).await?;
    let areas = &signed.0.principal.areas;
    let points = shared.points();
    let shows = |point: u32| points.get(PointId(point)).is_some_and(|def| areas.cover(&def.substation));
    Ok(Json(match Territory::of(areas, &shared.lists.borrow()) {
        None => view,
        Some(territory) => territory.estimate(&view, shows),
    }))
}
