//! Switching orders.

use crate::CommandView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one step does; which fields count depends on `action`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchingActionView {
    /// `operate`, `verify`, `place_tag`, `remove_tags`, `issue`, `clear` or `instruct`.
    pub action: String,
    /// The point, for the first four.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<u32>,
    /// The wanted value of `operate` and `verify`: 0 open, 1 closed; +1 or -1 for taps; a set point in its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// `hold`, `caution` or `information`, for `place_tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The text of the tag, or what people have to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The safety document, from 1: for `issue` and `clear`, and for `place_tag` where the tag belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
}

/// A safety document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyDocumentRequest {
    /// `permit_to_work`, `sanction_for_test` or `limitation_of_access`.
    pub kind: String,
    /// Who holds it while it is issued.
    pub holder: String,
    /// What work, where.
    pub text: String,
}

/// A switching order as it is written.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchingOrderRequest {
    /// What it is called.
    pub title: String,
    /// `planned`, `emergency` or `template`.
    pub kind: String,
    /// Why it is done.
    pub reason: String,
    /// The steps, in their order.
    pub steps: Vec<SwitchingActionView>,
    /// The safety documents.
    #[serde(default)]
    pub documents: Vec<SafetyDocumentRequest>,
}

/// Why something is done with an order or a step.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchingReason {
    /// The reason.
    pub reason: String,
}

/// What a copy is for.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchingCopy {
    /// `planned`, `emergency` or `template`.
    pub kind: String,
}

/// A step with what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SwitchingStepView {
    /// What it does.
    #[serde(flatten)]
    pub action: SwitchingActionView,
    /// The same for people, e.g. `open S4/L4-5/CB`.
    pub wording: String,
    /// `open`, `running`, `done` or `skipped`.
    pub state: String,
    /// Its command while it is running.
    pub command: Option<u64>,
    /// Who did or skipped it.
    pub by: Option<String>,
    /// When.
    pub at: Option<String>,
    /// Why it was skipped, or why its last try failed.
    pub note: String,
}

/// A safety document with its state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SafetyDocumentView {
    /// What it permits, for whom, where.
    #[serde(flatten)]
    pub document: SafetyDocumentRequest,
    /// `prepared`, `issued` or `cleared`.
    pub state: String,
}

/// Something that the check found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SwitchingFindingView {
    /// The step, from 1.
    pub step: usize,
    /// A fault keeps the order from being approved; anything else is a hint.
    pub fault: bool,
    /// What.
    pub text: String,
}

/// The latest check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SwitchingCheckView {
    /// When.
    pub at: String,
    /// Who asked for it.
    pub by: String,
    /// What it found.
    pub findings: Vec<SwitchingFindingView>,
}

/// A switching order.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SwitchingOrderView {
    /// Its number.
    pub id: u64,
    /// What it is called.
    pub title: String,
    /// `planned`, `emergency` or `template`.
    pub kind: String,
    /// `draft`, `checked`, `approved`, `in_progress`, `completed` or `cancelled`.
    pub state: String,
    /// Why it is done.
    pub reason: String,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub created_at: String,
    /// Who approved it.
    pub approver: Option<String>,
    /// The steps.
    pub steps: Vec<SwitchingStepView>,
    /// The safety documents.
    pub documents: Vec<SafetyDocumentView>,
    /// The latest check of what it says now.
    pub check: Option<SwitchingCheckView>,
    /// The step that comes next, from 1.
    pub next: Option<usize>,
    /// Why it was cancelled.
    pub end_reason: Option<String>,
}

/// All orders, newest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SwitchingOrdersView {
    /// The orders.
    pub orders: Vec<SwitchingOrderView>,
}

/// What came of a step.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SwitchingStepDone {
    /// The order after it.
    pub order: SwitchingOrderView,
    /// The command of a step that operates: it is selected and has to be executed, or was refused.
    pub command: Option<CommandView>,
}
