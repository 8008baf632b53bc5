//! Conduits: which messages may pass on a link, and which did not.

use serde::Serialize;
use utoipa::ToSchema;

/// A function code or type identification.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FunctionView {
    /// Its number in the protocol.
    pub code: u8,
    /// Its name, empty for none.
    pub name: String,
}

/// A message that was not allowed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ForbiddenView {
    /// `to_field` or `from_field`.
    pub direction: String,
    /// What it was.
    pub function: FunctionView,
    /// How many.
    pub count: u64,
    /// The last one.
    pub last_at: String,
}

/// A link with what may pass on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ConduitLinkView {
    /// The link.
    pub link: String,
    /// Its protocol.
    pub protocol: String,
    /// Whether TLS protects it.
    pub tls: bool,
    /// What may go from the centre to the field.
    pub to_field: Vec<FunctionView>,
    /// What may come from the field.
    pub from_field: Vec<FunctionView>,
    /// Whether the lists were configured; otherwise they follow from the points of the link.
    pub listed: bool,
    /// What did not pass.
    pub forbidden: Vec<ForbiddenView>,
}

/// A conduit between two zones.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ConduitView {
    /// Name; empty for links that are in none.
    pub name: String,
    /// Zone of the centre's end.
    pub from: String,
    /// Zone of the field's end.
    pub to: String,
    /// Whether commands may pass.
    pub commands: bool,
    /// Classes of points that may be commanded; all if empty.
    pub classes: Vec<String>,
    /// Commands per minute in the long run.
    pub per_minute: Option<f64>,
    /// Commands at once.
    pub burst: Option<f64>,
    /// Its links.
    pub links: Vec<ConduitLinkView>,
}

/// All conduits.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ConduitsView {
    /// The zones of the configuration.
    pub zones: Vec<String>,
    /// The conduits; one without a name where none is configured.
    pub conduits: Vec<ConduitView>,
}
