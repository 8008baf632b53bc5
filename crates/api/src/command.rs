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
    /// The state of the point that the screen showed; refused as `stale_view` when it is not the state any more.
    pub seen: Option<SeenState>,
    /// Why it may go against interlocks and studies; needs the right to override.
    pub override_reason: Option<String>,
}

/// A state of a point as it was shown.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenState {
    /// The value as a number; none where none was known.
    pub value: Option<f64>,
    /// The time that was shown beside it.
    pub at: Option<String>,
}

/// One limit that a command breaks, or breaks further.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StudyViolationView {
    /// `voltage_low`, `voltage_high` or `loading`.
    pub kind: String,
    /// Substation or branch.
    pub name: String,
    /// Before the command, in `unit`.
    pub before: Option<f64>,
    /// After it.
    pub after: f64,
    /// The limit.
    pub limit: f64,
    /// `p.u.` or `%`.
    pub unit: String,
}

/// What the grid would look like after a command.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StudyView {
    /// `solved`, `not_converged` or `not_possible`.
    pub outcome: String,
    /// What speaks against the command, in one sentence.
    pub objection: Option<String>,
    /// New or worse violations, worst first.
    pub violations: Vec<StudyViolationView>,
    /// Load that loses its supply.
    pub de_energised_mw: f64,
    /// Loads and busbars that lose it.
    pub de_energised: Vec<String>,
    /// Energised islands before.
    pub islands_before: u32,
    /// Energised islands after.
    pub islands_after: u32,
    /// Buses after.
    pub buses: u32,
    /// Branch with the largest loading after.
    pub heaviest: Option<String>,
    /// That loading.
    pub heaviest_percent: Option<f64>,
    /// Lowest voltage after.
    pub lowest_pu: Option<f64>,
    /// Highest voltage after.
    pub highest_pu: Option<f64>,
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
    /// `studying`, `waiting_approval`, `selecting`, `selected`, `executing`, `awaiting_return`, `confirmed`, `refused`, `failed`, `timed_out`,
    /// `cancelled` or `expired`.
    pub state: String,
    /// The way there.
    pub stages: Vec<StageView>,
    /// Why the gate refused.
    pub refusal: Option<String>,
    /// Stable name of the check that refused, e.g. `stale_view`, `interlock`, `study`.
    pub refusal_code: Option<String>,
    /// Class of the point, empty for none.
    pub class: String,
    /// What is said about it without standing against it.
    pub warnings: Vec<String>,
    /// What stood against it and was overridden.
    pub overridden: Vec<String>,
    /// Why it was overridden, empty for not.
    pub override_reason: String,
    /// What the grid would look like after it; none where nothing can be calculated.
    pub study: Option<StudyView>,
    /// Whether a second person must approve.
    pub two_persons: bool,
    /// Who approved.
    pub approved_by: Option<String>,
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
