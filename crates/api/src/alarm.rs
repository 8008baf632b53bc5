//! Alarms and events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One listed alarm.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AlarmView {
    /// Identity of the condition, stable over restarts.
    pub id: String,
    /// The point, if it is about one.
    pub point: Option<u32>,
    /// What it happened to.
    pub source: String,
    /// Substation, empty for none.
    pub substation: String,
    /// `limit`, `rate`, `state`, `uncommanded`, `link`, `estimator`, `command` or `system`.
    pub kind: String,
    /// `critical`, `high`, `medium` or `low`.
    pub priority: String,
    /// The condition holds.
    pub active: bool,
    /// Somebody has seen it.
    pub acknowledged: bool,
    /// What is wrong.
    pub text: String,
    /// The value that raised it.
    pub value_text: String,
    /// When it was last raised.
    pub raised_at: String,
    /// When it cleared.
    pub cleared_at: Option<String>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<String>,
    /// By whom.
    pub acknowledged_by: Option<String>,
    /// How often it was raised since it was listed.
    pub count: u32,
    /// What it is listed together with, e.g. a substation.
    pub group: String,
    /// `shown`, `shelved`, `suppressed` or `out_of_service`.
    pub place: String,
    /// It was the first of its group in the present burst.
    pub first_out: bool,
    /// It ended, but stays until somebody resets it.
    pub latched: bool,
    /// It was raised three times within a minute.
    pub chattering: bool,
    /// An operator has put it aside.
    pub shelved: Option<InhibitView>,
    /// What hides it by design: another alarm, or `dead:GROUP`.
    pub suppressed_by: Option<String>,
    /// Somebody has taken it out of service.
    pub out_of_service: Option<InhibitView>,
}

/// Somebody keeps an alarm from being annunciated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct InhibitView {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: String,
    /// Until when.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Ends when the alarm clears, if that is earlier.
    pub one_shot: bool,
}

/// The listed alarms.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AlarmsView {
    /// Most urgent first.
    pub alarms: Vec<AlarmView>,
    /// How many are active.
    pub active: usize,
    /// How many wait for acknowledgement.
    pub unacknowledged: usize,
}

/// Alarms to acknowledge.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// Their identities.
    pub ids: Vec<String>,
}

/// Groups of alarms to acknowledge.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeGroupsRequest {
    /// Their names.
    pub groups: Vec<String>,
}

/// How many were acknowledged.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct Acknowledged {
    /// Alarms that this call acknowledged.
    pub acknowledged: usize,
}

/// One event.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Position in the gap-free log.
    pub seq: u64,
    /// When it happened.
    pub time: String,
    /// What it is about.
    pub kind: String,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// What it happened to.
    pub source: String,
    /// What happened.
    pub text: String,
    /// Who did it.
    pub actor: Option<String>,
    /// The point, if it is about one.
    pub point: Option<u32>,
}

/// A stretch of the event log.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EventsView {
    /// Oldest first.
    pub events: Vec<EventView>,
    /// Number of the last event of the log.
    pub last_seq: u64,
}
