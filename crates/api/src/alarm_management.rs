//! Groups, inhibition and figures of alarms.

use crate::{AlarmCounts, AlarmView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What began a burst of alarms.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FirstOutView {
    /// Its identity.
    pub id: String,
    /// What it happened to.
    pub source: String,
    /// What was wrong.
    pub text: String,
    /// `critical`, `high`, `medium` or `low`.
    pub priority: String,
    /// When.
    pub at: String,
}

/// One line of the grouped list: a group, or in the last line all that are left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct GroupLineView {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// What came first.
    pub first_out: Option<FirstOutView>,
    /// The most urgent priority that waits for acknowledgement.
    pub worst: Option<String>,
    /// Alarms shown.
    pub shown: usize,
    /// Of those, how many hold.
    pub active: usize,
    /// Of those shown, how many wait for acknowledgement.
    pub unacknowledged: usize,
    /// Shelved.
    pub shelved: usize,
    /// Suppressed by design.
    pub suppressed: usize,
    /// Out of service.
    pub out_of_service: usize,
}

/// The grouped list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct GroupsView {
    /// At most ten lines, most urgent first; together they hold every listed alarm.
    pub lines: Vec<GroupLineView>,
    /// Alarms in short.
    pub counts: AlarmCounts,
}

/// Alarms to put aside.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShelveRequest {
    /// Their identities.
    pub ids: Vec<String>,
    /// Why.
    pub reason: String,
    /// For how long.
    pub minutes: f64,
    /// Until the alarm clears, if that is earlier.
    #[serde(default)]
    pub one_shot: bool,
}

/// Alarms to take out of service, listed or not.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutOfServiceRequest {
    /// Their identities, `KIND:SOURCE`.
    pub ids: Vec<String>,
    /// Why.
    pub reason: String,
    /// For how long.
    pub hours: f64,
}

/// Alarms to work on.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmIdsRequest {
    /// Their identities.
    pub ids: Vec<String>,
}

/// What came of an act on several alarms.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AlarmsChanged {
    /// How many it changed.
    pub changed: usize,
    /// Those that it did not change, and why.
    pub refused: Vec<AlarmRefusal>,
}

/// Why an act did not change an alarm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AlarmRefusal {
    /// Which.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What was decided of an alarm when it was configured.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct AlarmRuleView {
    /// Seconds for which it must hold.
    pub on_delay_s: Option<f64>,
    /// Seconds for which it must be gone.
    pub off_delay_s: Option<f64>,
    /// Whether it stays until somebody resets it.
    pub latching: bool,
    /// What it usually comes from.
    pub cause: String,
    /// What happens when nobody does anything.
    pub consequence: String,
    /// What to do.
    pub response: String,
}

/// One alarm with what is known of it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AlarmDetailView {
    /// The alarm.
    pub alarm: AlarmView,
    /// What was decided of it; absent without a rule.
    pub rule: Option<AlarmRuleView>,
}

/// A flood: more than ten alarms in ten minutes, until fewer than five.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FloodView {
    /// When it began.
    pub began: String,
    /// When it ended; absent while it lasts.
    pub ended: Option<String>,
    /// Alarms in it.
    pub alarms: u64,
    /// The most in ten minutes.
    pub peak: u64,
}

/// An alarm with how often it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FrequentView {
    /// Which.
    pub id: String,
    /// How often.
    pub count: u64,
}

/// How well the alarm system does, with the targets of ISA-18.2 and EEMUA 191 beside the figures.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AlarmFiguresView {
    /// Since when is counted.
    pub since: String,
    /// Annunciated alarms since then.
    pub annunciated: u64,
    /// Of those: critical, high, medium, low.
    pub by_priority: [u64; 4],
    /// Annunciated in the last ten minutes.
    pub rate: u64,
    /// Average per ten minutes over the last day.
    pub average: f64,
    /// Target of the average.
    pub target_average: f64,
    /// The most in ten minutes of the last day.
    pub peak: u64,
    /// Target of the peak.
    pub target_peak: u64,
    /// Ten-minute steps of the last day with more than ten alarms, in percent.
    pub overloaded_percent: f64,
    /// Floods since the start.
    pub floods: u64,
    /// Time in flood, in percent.
    pub flood_percent: f64,
    /// Target of the time in flood, in percent.
    pub target_flood_percent: f64,
    /// The latest floods, oldest first.
    pub flood_list: Vec<FloodView>,
    /// Since when the most frequent alarms are counted.
    pub top_since: String,
    /// The ten most frequent alarms.
    pub top: Vec<FrequentView>,
    /// Their share, in percent.
    pub top_percent: f64,
    /// Target of their share, in percent.
    pub target_top_percent: f64,
    /// Alarms that hold for longer than they should, oldest first.
    pub stale: Vec<String>,
    /// Target of their number.
    pub target_stale: usize,
    /// Alarms that come and go; none should.
    pub chattering: Vec<String>,
    /// Target shares of critical and high, of medium, of low priority, in percent.
    pub target_mix_percent: [f64; 3],
}
