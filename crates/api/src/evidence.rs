//! Evidence: who may do what, and who did.

use serde::Serialize;
use utoipa::ToSchema;

/// Somebody who has an account, or did something in the period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EvidencePersonView {
    /// Name.
    pub name: String,
    /// `human`, `service`, or `none` for a name that the audit knows and no account bears: applications, the console, former
    /// accounts.
    pub kind: String,
    /// Whether the account may be used at this moment.
    pub active: bool,
    /// Roles.
    pub roles: Vec<String>,
    /// Areas of responsibility.
    pub areas: Vec<String>,
    /// Rights that follow.
    pub rights: Vec<String>,
    /// Last act in the period.
    pub last_act_at: Option<String>,
}

/// Acts of one kind by one person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EvidenceActView {
    /// Who.
    pub actor: String,
    /// What, without its numbers: `command 7` and `command 8` are one kind.
    pub action: String,
    /// `allowed`, `refused`, `done` or `failed`.
    pub outcome: String,
    /// How often.
    pub count: u64,
    /// First time in the period.
    pub first_at: String,
    /// Last time in the period.
    pub last_at: String,
}

/// What the centre is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EvidenceBaselineView {
    /// Version of the program.
    pub version: String,
    /// SHA-256 of the configuration file in force, hexadecimal; of nothing where there is none.
    pub config_sha256: String,
    /// Revision of the point list in force.
    pub point_list_revision: u64,
    /// Addresses that are listened on.
    pub listens: Vec<String>,
}

/// Evidence for a period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// From when on.
    pub from: String,
    /// Until before when.
    pub to: String,
    /// Everybody with an account, then those who only acted.
    pub people: Vec<EvidencePersonView>,
    /// Acts by kind, most frequent first.
    pub acts: Vec<EvidenceActView>,
    /// Acts that found no place among the kinds.
    pub not_listed: u64,
    /// What the centre is at this moment.
    pub baseline: EvidenceBaselineView,
}
