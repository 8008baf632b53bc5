//! What may pass on the links, and what did not.

use super::extract::Json;
use super::session::Signed;
use super::{ApiError, Shared};
use crate::conduits;
use crate::config::{ConduitConfig, LinkConfig};
use crate::views::stamp;
use api::{ConduitLinkView, ConduitView, ConduitsView, ErrorView, ForbiddenView, FunctionView};
use axum::extract::State;
use gateway::Link;
use security::Areas;
use signal::{CodeSet, FunctionPolicy, PointList};

/// Zones and conduits with what they let pass. A link is shown to whoever is responsible for one of its points.
#[utoipa::path(get, path = "/api/v1/conduits", tag = "platform",
    responses((status = 200, body = ConduitsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<ConduitsView>, ApiError> {
    let links = shared.core.ask(|core, _| core.gateway.links().to_vec()).await?;
    let config = &shared.blueprint.config;
    let points = shared.points();
    let areas = &signed.0.principal.areas;
    let shown = |link: &&LinkConfig| {
        *areas == Areas::All
            || points.of_link(&link.name).iter().any(|point| areas.cover(&points[*point].substation))
    };
    let view = |link: &LinkConfig| link_view(link, &points, &links);
    let conduit = |conduit: &ConduitConfig| {
        let gate = conduits::one(conduit);
        let own = config.link.iter().filter(|link| gate.links.contains(&link.name)).filter(shown);
        ConduitView {
            name: gate.name.clone(),
            from: conduit.from.get_ref().clone(),
            to: conduit.to.get_ref().clone(),
            commands: gate.commands,
            classes: gate.classes.clone(),
            per_minute: gate.limit.map(|limit| limit.per_minute),
            burst: gate.limit.map(|limit| limit.burst),
            links: own.map(view).collect(),
        }
    };
    let mut list: Vec<ConduitView> = config.conduit.iter().map(conduit).collect();
    if list.is_empty() {
        list.push(unnamed(config.link.iter().filter(shown).map(view).collect()));
    }
    let zones = config.zone.iter().map(|zone| zone.name.get_ref().clone()).collect();
    Ok(Json(ConduitsView { zones, conduits: list }))
}

/// Where no conduit is configured, all links stand together under no name.
fn unnamed(links: Vec<ConduitLinkView>) -> ConduitView {
    ConduitView {
        name: String::new(),
        from: String::new(),
        to: String::new(),
        commands: true,
        classes: Vec::new(),
        per_minute: None,
        burst: None,
        links,
    }
}

fn link_view(link: &LinkConfig, points: &PointList, states: &[Link]) -> ConduitLinkView {
    let function = |code: u8| FunctionView { code, name: link.protocol.function_name(code).to_owned() };
    let functions = |set: CodeSet| set.iter().map(function).collect();
    let sets = link.protocol.allowed(&link.name, points, link.policy);
    let forbidden =
        states.iter().filter(|state| *state.name == *link.name).flat_map(|state| &state.forbidden);
    ConduitLinkView {
        link: link.name.clone(),
        protocol: link.protocol.name().to_owned(),
        tls: link.protocol.tls().is_some(),
        to_field: functions(sets.to_field),
        from_field: functions(sets.from_field),
        listed: link.policy != FunctionPolicy::default(),
        forbidden: forbidden
            .map(|((direction, code), (count, at))| ForbiddenView {
                direction: direction.name().to_owned(),
                function: FunctionView { code: code.code, name: code.name.to_owned() },
                count: *count,
                last_at: stamp(*at),
            })
            .collect(),
    }
}
