//! The network and the state estimate.

use super::session::Signed;
use super::{ApiError, Shared};
use crate::views;
use api::{ErrorView, EstimateView, NetworkView};
use axum::Json;
use axum::extract::State;
use security::Right;

/// The network with the points of its elements.
#[utoipa::path(get, path = "/api/v1/network", tag = "grid",
    responses((status = 200, body = NetworkView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn network(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<NetworkView>, ApiError> {
    signed.require(Right::View)?;
    Ok(Json(NetworkView::clone(&shared.network())))
}

/// The latest state estimate.
#[utoipa::path(get, path = "/api/v1/estimate", tag = "grid",
    responses((status = 200, body = EstimateView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn estimate(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<EstimateView>, ApiError> {
    signed.require(Right::View)?;
    let view =
        shared.core.ask(|core, _| views::estimate(&core.estimate, core.centre.table().points())).await?;
    Ok(Json(view))
}
