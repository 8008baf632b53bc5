//! Requests that wait for a second person.

use serde::Serialize;
use utoipa::ToSchema;

/// A request to set much aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Its number.
    pub id: u64,
    /// What is to be done, e.g. `shelve alarm`.
    pub action: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: String,
    /// When it cannot be approved any more.
    pub expires_at: String,
    /// Conditions or points.
    pub count: u64,
    /// The first of them.
    pub targets: String,
    /// Why.
    pub reason: String,
    /// The command that waits, where it is about one.
    pub command: Option<u64>,
}

/// All that wait, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ApprovalsView {
    /// The requests.
    pub approvals: Vec<ApprovalView>,
}
