//! The HTTP interface: page, API, live data, health, metrics.
//!
//! Every route declares who may use it where it is registered below, and `guard` sees to it. Answers carry a strict content
//! security policy; everything comes from this origin.

mod admin;
mod alarm_acts;
mod alarm_figures;
mod alarms;
mod approvals;
mod audit;
mod certificates;
mod clock;
mod commands;
mod conduits;
mod errors;
mod evidence;
mod extract;
mod factors;
mod grid;
pub(crate) mod guard;
mod history;
mod identity;
mod limits;
mod mode;
mod oidc;
mod page;
mod passkeys;
mod point_list;
mod points;
mod roles;
mod session;
mod sessions;
pub(crate) mod slots;
mod switching;
mod tokens;
mod users;
pub(crate) mod wording;

use crate::audit::keeper::AuditSight;
use crate::core::CoreHandle;
use crate::identity::Identity;
use crate::lists::{Blueprint, Lists};
use crate::live::Hub;
use crate::trust::desk::Desk;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
pub(crate) use errors::ApiError;
use guard::{Guard, Need, Routes, Schemes};
use historian::Historian;
use limits::Limits;
use security::Right;
use signal::PointList;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use store::Store;
use tokio::sync::watch;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use transport::Clock;
use utoipa::OpenApi;
use utoipa_axum::routes;

/// Largest request body.
const MAX_BODY: usize = 64 * 1024;
/// Largest point list; a million points take about two hundred megabytes and come by the file.
const MAX_LIST: usize = 64 * 1024 * 1024;

/// Nothing of the browser's devices is ours to use.
const PERMISSIONS: &str = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()";

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
    /// Whether the page comes by TLS.
    pub(crate) secure: bool,
    pub(crate) server: api::ServerView,
    /// What is known about the audit.
    pub(crate) audit: AuditSight,
    /// Where certificates are asked for.
    pub(crate) certificates: Desk,
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
    components(schemas(api::ErrorView, api::LiveFrame, api::LivePoint)),
    modifiers(&Schemes)
)]
struct Document;

/// All routes, with the OpenAPI document made from the same registration.
pub(crate) fn router(shared: Shared, rate: NonZeroU32) -> Router {
    let (small, large) = (routes(), large_routes());
    let mut table = small.table;
    table.merge(large.table);
    let guard = Arc::new(Guard { shared: shared.clone(), table, limits: Limits::new(rate) });
    let (api, _) = small.router.split_for_parts();
    let (large, _) = large.router.split_for_parts();
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let secure = shared.secure;
    let router = api
        .fallback(page::serve)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .merge(large.layer(DefaultBodyLimit::disable()).layer(RequestBodyLimitLayer::new(MAX_LIST)))
        .layer(from_fn_with_state(guard, guard::check))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, web::CONTENT_SECURITY_POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(HeaderName::from_static("permissions-policy"), PERMISSIONS))
        .layer(fixed(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .layer(fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .with_state(shared);
    // A browser that has come by TLS once comes by nothing else (RFC 6797).
    let strict = fixed(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    if secure { router.layer(strict) } else { router }
}

/// The OpenAPI document as JSON.
pub fn openapi_json() -> String {
    let (_, document) = routes().merge(large_routes()).router.split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

/// The document that describes this interface; `x-permission` of each operation says who may use it.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "platform",
    responses((status = 200, body = Object, content_type = "application/json")))]
async fn document() -> impl IntoResponse {
    static JSON: OnceLock<String> = OnceLock::new();
    ([(header::CONTENT_TYPE, "application/json")], JSON.get_or_init(openapi_json).as_str())
}

/// Routes that take a whole point list.
fn large_routes() -> Routes {
    let configure = Need::Right(Right::Configure);
    Routes::default().add(configure, routes!(point_list::compare)).add(configure, routes!(point_list::apply))
}

fn routes() -> Routes {
    Routes::new(Document::openapi())
        .add(Need::Open, routes!(admin::healthz))
        .add(Need::Open, routes!(document))
        .merge(session_routes())
        .merge(identity_routes())
        .merge(view_routes())
        .merge(alarm_routes())
        .merge(command_routes())
        .merge(point_routes())
        .merge(switching_routes())
        .merge(audit_routes())
        .merge(certificate_routes())
}

fn session_routes() -> Routes {
    Routes::default()
        .add(Need::Open, routes!(session::sign_in))
        .add(Need::SignedIn, routes!(session::current))
        .add(Need::SignedIn, routes!(session::sign_out))
        .add(Need::Open, routes!(session::break_glass))
        .add(Need::SignedIn, routes!(factors::password))
        .add(Need::SignedIn, routes!(factors::begin_totp))
        .add(Need::SignedIn, routes!(factors::finish_totp))
        .add(Need::SignedIn, routes!(factors::step_up))
        .add(Need::Open, routes!(passkeys::begin_sign_in))
        .add(Need::Open, routes!(passkeys::sign_in))
        .add(Need::Open, routes!(oidc::provider))
        .add(Need::Open, routes!(oidc::start))
        .add(Need::Open, routes!(oidc::callback))
        .add(Need::SignedIn, routes!(passkeys::list))
        .add(Need::SignedIn, routes!(passkeys::begin_registration))
        .add(Need::SignedIn, routes!(passkeys::finish_registration))
        .add(Need::SignedIn, routes!(passkeys::remove))
        .add(Need::SignedIn, routes!(passkeys::step_up))
        // What a frame holds depends on the rights of the reader: each topic declares its own (`live::Topic`).
        .add(Need::SignedIn, routes!(admin::live))
        .add(Need::SignedIn, routes!(admin::stream))
}

/// Accounts, sessions, tokens, roles and areas. Everybody sees and ends what is theirs; the handlers show no more.
fn identity_routes() -> Routes {
    let (users, roles) = (Need::Right(Right::ManageUsers), Need::Right(Right::ManageRoles));
    let readers = Need::AnyRight(&[Right::ManageUsers, Right::ManageRoles, Right::ReadAudit]);
    Routes::default()
        .add(Need::AnyRight(&[Right::ManageUsers, Right::ReadAudit]), routes!(users::list))
        .add(users, routes!(users::put))
        .add(users, routes!(users::reset))
        .add(users, routes!(users::requests))
        .add(users, routes!(users::approve))
        .add(users, routes!(users::refuse))
        .add(readers, routes!(roles::list))
        .add(roles, routes!(roles::put))
        .add(roles, routes!(roles::remove))
        .add(readers, routes!(roles::areas))
        .add(roles, routes!(roles::put_area))
        .add(roles, routes!(roles::remove_area))
        .add(Need::SignedIn, routes!(sessions::list))
        .add(Need::SignedIn, routes!(sessions::end))
        .add(Need::Right(Right::Command), routes!(sessions::freeze))
        .add(users, routes!(sessions::unfreeze))
        .add(Need::SignedIn, routes!(tokens::list))
        .add(Need::SignedIn, routes!(tokens::create))
        .add(Need::SignedIn, routes!(tokens::revoke))
}

/// Certificates are the business of security administrators; enrolment comes with a token of theirs.
fn certificate_routes() -> Routes {
    let manage = Need::Right(Right::ManageUsers);
    Routes::default()
        .add(manage, routes!(certificates::list))
        .add(manage, routes!(certificates::revoke))
        .add(manage, routes!(certificates::expect))
        .add(Need::Open, routes!(certificates::enrol))
}

/// What auditors see.
fn audit_routes() -> Routes {
    let audit = Need::Right(Right::ReadAudit);
    Routes::default()
        .add(audit, routes!(audit::list))
        .add(audit, routes!(audit::export))
        .add(audit, routes!(audit::state))
        .add(audit, routes!(evidence::show))
}

/// What everybody sees who may see anything, each within their areas.
fn view_routes() -> Routes {
    let view = Need::Right(Right::View);
    Routes::default()
        .add(view, routes!(admin::status))
        .add(view, routes!(admin::metrics))
        .add(view, routes!(points::list))
        .add(view, routes!(points::one))
        .add(view, routes!(points::history))
        .add(view, routes!(point_list::export))
        .add(view, routes!(history::rows))
        .add(view, routes!(history::samples))
        .add(view, routes!(history::integral))
        .add(view, routes!(alarms::list))
        .add(view, routes!(alarms::events))
        .add(view, routes!(alarm_figures::groups))
        .add(view, routes!(alarm_figures::figures))
        .add(view, routes!(alarm_figures::one))
        .add(view, routes!(approvals::list))
        .add(view, routes!(commands::list))
        .add(view, routes!(commands::one))
        .add(view, routes!(commands::proposals))
        .add(view, routes!(conduits::list))
        .add(view, routes!(grid::network))
        .add(view, routes!(grid::estimate))
}

fn alarm_routes() -> Routes {
    let acknowledge = Need::Right(Right::Acknowledge);
    let configure = Need::Right(Right::Configure);
    // By what the request is about: shelving, out of service, modes of points.
    let second = Need::AnyRight(&[Right::Acknowledge, Right::Configure, Right::Command]);
    Routes::default()
        .add(acknowledge, routes!(alarms::acknowledge))
        .add(acknowledge, routes!(alarms::acknowledge_many))
        .add(acknowledge, routes!(alarm_figures::acknowledge_groups))
        .add_recorded(acknowledge, routes!(alarm_acts::shelve))
        .add_recorded(acknowledge, routes!(alarm_acts::unshelve))
        .add_recorded(configure, routes!(alarm_acts::out_of_service))
        .add_recorded(configure, routes!(alarm_acts::return_to_service))
        .add_recorded(acknowledge, routes!(alarm_acts::reset))
        .add(second, routes!(approvals::approve))
        .add(second, routes!(approvals::refuse))
}

fn command_routes() -> Routes {
    let command = Need::Right(Right::Command);
    Routes::default()
        .add_recorded(command, routes!(commands::select))
        .add(command, routes!(commands::execute))
        .add(command, routes!(commands::cancel))
        .add(command, routes!(mode::set))
}

fn switching_routes() -> Routes {
    let (view, command) = (Need::Right(Right::View), Need::Right(Right::Command));
    Routes::default()
        .add(view, routes!(switching::list))
        .add(view, routes!(switching::one))
        .add(command, routes!(switching::create))
        .add(command, routes!(switching::edit))
        .add(command, routes!(switching::check))
        .add(command, routes!(switching::approve))
        .add(command, routes!(switching::begin))
        .add(command, routes!(switching::cancel))
        .add(command, routes!(switching::copy))
        .add(command, routes!(switching::do_step))
        .add(command, routes!(switching::skip))
}

fn point_routes() -> Routes {
    let (tag, configure) = (Need::Right(Right::Tag), Need::Right(Right::Configure));
    Routes::default()
        .add(tag, routes!(points::place_tag))
        .add(tag, routes!(points::remove_tag))
        .add(configure, routes!(history::correct))
        .add(configure, routes!(clock::follow))
}
