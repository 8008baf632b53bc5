//! Commands and proposals.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A command to select.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRequest {
    /// The monitored point to operate.
    pub point: u32,
    /// The wanted value, one of the control's options or a number of its range.
    pub value: f64,
    /// Why; never empty.
    pub reason: String,
}

/// One step of a command.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StageView {
    /// When.
    pub at: String,
    /// State it reached.
    pub stage: String,
    /// What happened.
    pub text: String,
}

/// A command.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CommandView {
    /// Identity.
    pub id: u64,
    /// The point.
    pub point: u32,
    /// Its name.
    pub point_name: String,
    /// The wanted value.
    pub value: Option<f64>,
    /// The wanted value as people say it.
    pub value_text: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// `operator` or `application`.
    pub origin: String,
    /// `selecting`, `selected`, `executing`, `awaiting_return`, `confirmed`, `refused`, `failed`, `timed_out`,
    /// `cancelled` or `expired`.
    pub state: String,
    /// The way there.
    pub stages: Vec<StageView>,
    /// Why the gate refused.
    pub refusal: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When the present state lapses.
    pub expires_at: Option<String>,
}

/// The latest commands.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CommandsView {
    /// Newest first.
    pub commands: Vec<CommandView>,
}

/// What an application proposed and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ProposalView {
    /// Identity.
    pub id: u64,
    /// When.
    pub time: String,
    /// Who proposed.
    pub application: String,
    /// The point to operate.
    pub target: u32,
    /// Its name.
    pub target_name: String,
    /// The wanted value as people say it.
    pub value_text: String,
    /// `protection`, `safety_limit`, `operator`, `contract` or `economics`.
    pub priority: String,
    /// Why, with the limit that binds.
    pub reason: String,
    /// What should be seen afterwards.
    pub expected: String,
    /// `accepted`, `rejected`, `expired`, `done` or `failed`.
    pub state: String,
    /// Why it was decided so.
    pub decision: String,
    /// The command that it became.
    pub command: Option<u64>,
}

/// The latest proposals.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ProposalsView {
    /// Newest first.
    pub proposals: Vec<ProposalView>,
}
