//! Who may call what: declared where a route is registered, enforced before its handler runs (S-03, B-24).
//!
//! [`Routes::add`] is the only way to register a handler, and it wants a [`Need`]: a route without a declaration does not
//! compile. The declaration goes into the table that [`check`] asks and into the OpenAPI document (`x-permission`), from
//! which the test of the whole matrix is generated. What is not in the table is refused. Areas of responsibility depend on
//! what a request is about and stay with the handlers.

use super::limits::Limits;
use super::session::{Signed, identify};
use super::{ApiError, Shared};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use security::{AuditEntry, Outcome, Principal, Right};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use store::Record;
use timebase::Utc;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// What a caller must be to use a route or a live topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Anybody.
    Open,
    /// Anybody who has signed in.
    SignedIn,
    /// Somebody with this right.
    Right(Right),
    /// Somebody with one of these; the handler decides which one, by what the request is about.
    AnyRight(&'static [Right]),
}

impl Need {
    /// Whether somebody who has signed in is enough.
    pub(crate) fn is_met_by(self, who: &Principal) -> bool {
        match self {
            Self::Open | Self::SignedIn => true,
            Self::Right(right) => who.has(right),
            Self::AnyRight(rights) => rights.iter().any(|right| who.has(*right)),
        }
    }

    /// The declaration in the OpenAPI document: `open`, `signed_in`, or names of rights with `|` between them.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Open => "open".to_owned(),
            Self::SignedIn => "signed_in".to_owned(),
            Self::Right(right) => right.name().to_owned(),
            Self::AnyRight(rights) => rights.iter().map(|right| right.name()).collect::<Vec<_>>().join("|"),
        }
    }
}

/// A declaration in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    need: Need,
    /// The handler refuses by itself, because its refusal is an audit record that names the thing concerned.
    refuses_itself: bool,
}

/// Declarations by path template and method.
#[derive(Clone, Default, Debug)]
pub(crate) struct Table(HashMap<(String, Method), Declared>);

impl Table {
    fn get(&self, path: &str, method: &Method) -> Option<Declared> {
        // Axum answers HEAD by the handler of GET.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.0.get(&(path.to_owned(), method.clone())).copied()
    }

    /// Takes over the declarations of other routes.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The methods of a path, for the header `Allow`.
    fn methods(&self, path: &str) -> String {
        let mut methods: Vec<&str> =
            self.0.keys().filter(|(known, _)| known == path).map(|(_, method)| method.as_str()).collect();
        methods.sort_unstable();
        methods.join(", ")
    }
}

/// Handlers with their declarations.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) router: OpenApiRouter<Shared>,
    pub(crate) table: Table,
}

impl Routes {
    pub(crate) fn new(document: utoipa::openapi::OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), table: Table::default() }
    }

    /// Registers one handler: `.add(Need::Right(Right::View), routes!(points::list))`.
    pub(crate) fn add(self, need: Need, route: UtoipaMethodRouter<Shared>) -> Self {
        self.declare(Declared { need, refuses_itself: false }, route)
    }

    /// The same for a handler that refuses whoever does not meet the need by itself, with an audit record that names the
    /// thing concerned. The matrix test holds it to its declaration like any other.
    pub(crate) fn add_recorded(self, need: Need, route: UtoipaMethodRouter<Shared>) -> Self {
        self.declare(Declared { need, refuses_itself: true }, route)
    }

    fn declare(mut self, declared: Declared, mut route: UtoipaMethodRouter<Shared>) -> Self {
        for (path, item) in &mut route.1.paths {
            for (method, operation) in operations(item) {
                describe(operation, declared.need);
                self.table.0.insert((path.clone(), method), declared);
            }
        }
        self.router = self.router.routes(route);
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.table.merge(other.table);
        self.router = self.router.merge(other.router);
        self
    }
}

/// How one signs in, in the document.
pub(crate) struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let cookie = ApiKey::Cookie(ApiKeyValue::new(super::session::COOKIE));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
        (Method::HEAD, &mut item.head),
        (Method::OPTIONS, &mut item.options),
        (Method::TRACE, &mut item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// Writes the declaration and the answers that every route may give into the document.
fn describe(operation: &mut Operation, need: Need) {
    let extensions = operation.extensions.get_or_insert_default();
    extensions.insert("x-permission".to_owned(), need.name().into());
    let mut answers = vec![("429", "Too many requests from this caller"), ("503", "The centre is stopping")];
    if operation.parameters.is_some() || operation.request_body.is_some() {
        answers.push(("400", "The request is not as described here"));
    }
    if operation.request_body.is_some() {
        answers.push(("413", "The body is too large"));
    }
    if need != Need::Open {
        answers.push(("401", "Not signed in"));
        answers.push(("403", "Not permitted"));
        let scheme = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
        operation.security = Some(vec![scheme("bearer"), scheme("cookie")]);
    }
    for (status, text) in answers {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| problem(text));
    }
}

fn problem(text: &str) -> RefOr<utoipa::openapi::Response> {
    let schema = Ref::from_schema_name("ErrorView");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RefOr::T(ResponseBuilder::new().description(text).content("application/json", content).build())
}

/// What the guard looks at.
pub(crate) struct Guard {
    pub(crate) shared: Shared,
    pub(crate) table: Table,
    pub(crate) limits: Limits,
}

/// Lets a request through to its handler, or answers itself.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        // No route: a file of the page, or nothing.
        return next.run(request).await;
    };
    let Some(declared) = guard.table.get(path.as_str(), request.method()) else {
        return wrong_method(&guard.table.methods(path.as_str()));
    };
    match admit(&guard, declared, path.as_str(), request) {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn wrong_method(allowed: &str) -> Response {
    let hint = "see /api/v1/openapi.json";
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", "no such method here", hint);
    let mut response = error.into_response();
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

fn admit(guard: &Guard, declared: Declared, path: &str, request: Request) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    let from =
        parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0; 4]), |info| info.0.ip());
    if declared.need == Need::Open {
        guard.limits.of_address(from)?;
        return Ok(Request::from_parts(parts, body));
    }
    let Some(caller) = identify(&parts, &guard.shared)? else {
        guard.limits.of_address(from)?;
        return Err(ApiError::unauthenticated());
    };
    guard.limits.of_caller(&caller.principal.name)?;
    if !declared.refuses_itself && !declared.need.is_met_by(&caller.principal) {
        let reason = format!("{} has no right to {}", caller.principal.name, declared.need.name());
        if !parts.method.is_safe() && guard.limits.may_note_refusal(&caller.principal.name) {
            let action = format!("{} {path}", parts.method);
            let who = (caller.principal.name.as_str(), caller.session.as_str());
            note_refusal(guard, who, (action, parts.uri.path()), &reason);
        }
        return Err(ApiError::forbidden(reason));
    }
    parts.extensions.insert(Signed(caller));
    Ok(Request::from_parts(parts, body))
}

/// An attempt without the right is an audit record, like any other attempt (S-20).
fn note_refusal(guard: &Guard, (who, session): (&str, &str), (action, target): (String, &str), reason: &str) {
    let time: Utc = guard.shared.clock.now().utc;
    let entry = AuditEntry {
        time,
        actor: who.to_owned(),
        source: session.to_owned(),
        action,
        target: target.to_owned(),
        old: None,
        new: None,
        outcome: Outcome::Refused,
        reason: reason.to_owned(),
    };
    // Nothing was done, so nothing has to wait for it.
    if let Err(error) = guard.shared.store.append_async(vec![Record::Audit(entry)]) {
        tracing::error!(%error, who, "A refused attempt could not be written down");
    }
}
