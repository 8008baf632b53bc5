//! Roles and areas: those of IEC 62351-8, and those that are data of this centre.

use super::extract::{Json, Path};
use super::identity::{Told, blocking, tell};
use super::session::Signed;
use super::{ApiError, Shared};
use crate::views::stamp;
use api::{AreaRequest, AreaView, AreasView, ErrorView, RoleRequest, RoleView, RolesView};
use axum::extract::State;
use axum::http::StatusCode;
use scada::event::Severity;
use security::{Right, Role};

/// Roles with their rights.
#[utoipa::path(get, path = "/api/v1/roles", tag = "identity", responses((status = 200, body = RolesView)))]
pub(crate) async fn list(State(shared): State<Shared>, _signed: Signed) -> Result<Json<RolesView>, ApiError> {
    let name = |right: &Right| right.name().to_owned();
    let built_in = Role::ALL.iter().map(|(role, role_name)| RoleView {
        name: (*role_name).to_owned(),
        rights: role.rights().iter().map(name).collect(),
        built_in: true,
        by: None,
        changed_at: None,
    });
    let store = shared.store.clone();
    let custom = blocking(&shared, move |_| store.roles()).await??.into_iter().map(|role| RoleView {
        name: role.name,
        rights: role.members,
        built_in: false,
        by: Some(role.by),
        changed_at: Some(stamp(role.changed)),
    });
    let rights = Right::ALL.map(|(_, name)| name.to_owned()).to_vec();
    Ok(Json(RolesView { roles: built_in.chain(custom).collect(), rights }))
}

/// Makes or changes a custom role.
#[utoipa::path(put, path = "/api/v1/roles/{name}", tag = "identity", params(("name" = String, Path)),
    request_body = RoleRequest, responses((status = 204), (status = 400, body = ErrorView)))]
pub(crate) async fn put(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
    Json(body): Json<RoleRequest>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let text = format!("role {name}: {}", body.rights.join(" "));
    blocking(&shared, move |identity| identity.put_role(&name, &body.rights, &signed.0, now)).await??;
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a custom role that nobody has.
#[utoipa::path(delete, path = "/api/v1/roles/{name}", tag = "identity", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let text = format!("role {name} removed");
    blocking(&shared, move |identity| identity.drop_role(&name, &signed.0, now)).await??;
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Named areas of responsibility.
#[utoipa::path(get, path = "/api/v1/areas", tag = "identity", responses((status = 200, body = AreasView)))]
pub(crate) async fn areas(
    State(shared): State<Shared>,
    _signed: Signed,
) -> Result<Json<AreasView>, ApiError> {
    let store = shared.store.clone();
    let areas = blocking(&shared, move |_| store.areas()).await??.into_iter().map(|area| AreaView {
        name: area.name,
        substations: area.members,
        by: area.by,
        changed_at: stamp(area.changed),
    });
    Ok(Json(AreasView { areas: areas.collect() }))
}

/// Makes or changes a named area; whoever is responsible for it is so for these substations at once.
#[utoipa::path(put, path = "/api/v1/areas/{name}", tag = "identity", params(("name" = String, Path)),
    request_body = AreaRequest, responses((status = 204), (status = 400, body = ErrorView)))]
pub(crate) async fn put_area(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
    Json(body): Json<AreaRequest>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    check_substations(&shared, &name, &body.substations)?;
    let text = format!("area {name}: {}", body.substations.join(" "));
    blocking(&shared, move |identity| identity.put_area(&name, &body.substations, &signed.0, now)).await??;
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An area has another name than every substation, and only substations in it.
fn check_substations(shared: &Shared, name: &str, substations: &[String]) -> Result<(), ApiError> {
    let points = shared.points();
    let known: std::collections::HashSet<&str> =
        points.in_use().map(|(_, def)| def.substation.as_str()).collect();
    if known.contains(name) {
        let text = format!("{name} is a substation");
        return Err(ApiError::bad_request(text, "a substation stands for itself: choose another name"));
    }
    match substations.iter().find(|substation| !known.contains(substation.as_str())) {
        Some(unknown) => Err(ApiError::bad_request(
            format!("no substation {unknown:?}"),
            "see the substations of the points",
        )),
        None => Ok(()),
    }
}

/// Removes a named area that nobody is responsible for.
#[utoipa::path(delete, path = "/api/v1/areas/{name}", tag = "identity", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn remove_area(
    State(shared): State<Shared>,
    signed: Signed,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (now, actor) = (shared.clock.now(), signed.0.principal.name.clone());
    let text = format!("area {name} removed");
    blocking(&shared, move |identity| identity.drop_area(&name, &signed.0, now)).await??;
    tell(&shared, Told { severity: Severity::High, text, actor, alarm: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}
