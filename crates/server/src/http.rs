//! The HTTP interface: page, API, live data, health, metrics.
//!
//! Every route but the page's files, sign-in and health needs a signed-in caller with the right that the handler
//! names. Answers carry a strict content security policy; everything comes from this origin.

mod admin;
mod alarm_acts;
mod alarm_figures;
mod alarms;
mod approvals;
mod clock;
mod commands;
mod errors;
mod grid;
mod history;
mod mode;
mod page;
mod point_list;
mod points;
mod session;
pub(crate) mod slots;

use crate::core::CoreHandle;
use crate::identity::Identity;
use crate::lists::{Blueprint, Lists};
use crate::live::Hub;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use errors::ApiError;
use historian::Historian;
use signal::PointList;
use std::sync::Arc;
use store::Store;
use tokio::sync::watch;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use transport::Clock;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Largest request body.
const MAX_BODY: usize = 64 * 1024;
/// Largest point list; a million points take about two hundred megabytes and come by the file.
const MAX_LIST: usize = 64 * 1024 * 1024;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) core: CoreHandle,
    pub(crate) identity: Arc<Identity>,
    pub(crate) store: Arc<Store>,
    pub(crate) historian: Arc<Historian>,
    /// The points as they are now.
    pub(crate) lists: watch::Receiver<Arc<Lists>>,
    pub(crate) blueprint: Arc<Blueprint>,
    pub(crate) hub: Hub,
    pub(crate) clock: Clock,
    pub(crate) server: api::ServerView,
}

impl Shared {
    /// The points as they are now; an id keeps its meaning in every later list.
    pub(crate) fn points(&self) -> Arc<PointList> {
        Arc::clone(&self.lists.borrow().points)
    }

    /// Present states, read without asking the core.
    pub(crate) fn states(&self) -> scada::table::Reader {
        self.lists.borrow().states.clone()
    }

    /// The network with the points of its elements.
    pub(crate) fn network(&self) -> Arc<api::NetworkView> {
        Arc::clone(&self.lists.borrow().network)
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tieline",
        description = "Control platform of the smart grid. Times are ISO 8601 UTC; units are in the names.",
        license(name = "MIT OR Apache-2.0"),
        contact()
    ),
    components(schemas(api::LiveFrame, api::LivePoint))
)]
struct Document;

/// All routes, with the OpenAPI document made from the same registration.
pub(crate) fn router(shared: Shared) -> Router {
    let (api, _) = routes().split_for_parts();
    let (large, _) = large_routes().split_for_parts();
    let json = Arc::new(openapi_json());
    let serve_document = move || {
        let json = Arc::clone(&json);
        async move { ([(header::CONTENT_TYPE, "application/json")], json.as_str().to_owned()) }
    };
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    api.route("/api/v1/openapi.json", axum::routing::get(serve_document))
        .fallback(page::serve)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .merge(large.layer(DefaultBodyLimit::disable()).layer(RequestBodyLimitLayer::new(MAX_LIST)))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, web::CONTENT_SECURITY_POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .with_state(shared)
}

/// The OpenAPI document as JSON.
pub fn openapi_json() -> String {
    let (_, document) = routes().merge(large_routes()).split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

/// Routes that take a whole point list.
fn large_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(point_list::compare)).routes(routes!(point_list::apply))
}

fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(session::current, session::sign_in, session::sign_out))
        .routes(routes!(admin::status))
        .routes(routes!(admin::healthz))
        .routes(routes!(admin::metrics))
        .routes(routes!(admin::live))
        .routes(routes!(admin::stream))
        .routes(routes!(points::list))
        .routes(routes!(points::one))
        .routes(routes!(points::history))
        .routes(routes!(point_list::export))
        .routes(routes!(history::rows))
        .routes(routes!(history::samples))
        .routes(routes!(history::integral))
        .routes(routes!(history::correct))
        .routes(routes!(points::place_tag))
        .routes(routes!(points::remove_tag))
        .routes(routes!(mode::set))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::acknowledge))
        .routes(routes!(alarms::acknowledge_many))
        .routes(routes!(alarms::events))
        .routes(routes!(alarm_acts::shelve))
        .routes(routes!(alarm_acts::unshelve))
        .routes(routes!(alarm_acts::out_of_service))
        .routes(routes!(alarm_acts::return_to_service))
        .routes(routes!(alarm_acts::reset))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::refuse))
        .routes(routes!(alarm_figures::groups))
        .routes(routes!(alarm_figures::acknowledge_groups))
        .routes(routes!(alarm_figures::figures))
        .routes(routes!(alarm_figures::one))
        .routes(routes!(commands::list, commands::select))
        .routes(routes!(commands::one))
        .routes(routes!(commands::execute))
        .routes(routes!(commands::cancel))
        .routes(routes!(commands::proposals))
        .routes(routes!(clock::follow))
        .routes(routes!(grid::network))
        .routes(routes!(grid::estimate))
}
