//! The audit.

use serde::Serialize;
use utoipa::ToSchema;

/// One record of the audit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// Place in the chain, from 1.
    pub seq: u64,
    /// When, ISO 8601 UTC.
    pub time: String,
    /// Who.
    pub actor: String,
    /// From where: session, console, application.
    pub source: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// State before.
    pub old: Option<String>,
    /// State after, or wanted.
    pub new: Option<String>,
    /// `allowed`, `refused`, `done` or `failed`.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// Hash of the record, hexadecimal.
    pub hash: String,
}

/// A page of the audit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AuditPage {
    /// Newest first.
    pub records: Vec<AuditView>,
    /// Ask with `before` set to it for the page after this one; null at the beginning of the chain.
    pub before: Option<u64>,
}

/// Whether the audit is what it was.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AuditStateView {
    /// `whole`, `broken`, or `unknown` until it was first looked at.
    pub state: String,
    /// What is wrong; null when nothing is.
    pub fault: Option<String>,
    /// Last record found in its place, and when that was.
    pub seen_seq: Option<u64>,
    /// When the end of the chain was last looked at.
    pub seen_at: Option<String>,
    /// When a round over all records last came to its end.
    pub whole_at: Option<String>,
    /// Public key that signs checkpoints, hexadecimal.
    pub key: String,
    /// The last checkpoint.
    pub checkpoint: Option<CheckpointView>,
    /// The copy on another machine; null when none is configured.
    pub copy: Option<AuditCopyView>,
}

/// A signed statement where the chain ended.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CheckpointView {
    /// Place among the checkpoints, from 1.
    pub number: u64,
    /// Record that it is about.
    pub seq: u64,
    /// When it was signed.
    pub time: String,
}

/// How far the copy on another machine is.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AuditCopyView {
    /// Host and port of the collector.
    pub to: String,
    /// Since when there is a connection; null without one.
    pub connected_at: Option<String>,
    /// Last record that the collector has taken.
    pub taken_seq: u64,
    /// Age of the oldest record that it has not taken, in seconds; 0 when it has all.
    pub behind_s: f64,
    /// Why there is no connection.
    pub error: Option<String>,
}
