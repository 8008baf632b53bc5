//! State of the platform.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Points by quality.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct PointCounts {
    /// Counts the point lists since the start: when it rises, ask for the points again.
    pub revision: u64,
    /// All.
    pub total: usize,
    /// Good and fresh.
    pub good: usize,
    /// Stale, whatever their quality was.
    pub stale: usize,
    /// Fresh but invalid or questionable.
    pub invalid: usize,
}

/// Samples by how far they came, each counted at its own place. `received = waiting + processed + held + shed`, and
/// `changed = stored + on their way to the disk + changes_shed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct Counters {
    /// Samples that came out of the sessions at the sockets.
    pub received: u64,
    /// Samples in the bounded queue between sockets and point table.
    pub waiting: u64,
    /// Measured values left out under overload because a newer one of their point was there.
    pub coalesced: u64,
    /// Samples applied to the point table.
    pub processed: u64,
    /// Samples of points that people have set aside, kept for their release.
    pub held: u64,
    /// Results of formulas of calculated points.
    pub calculated: u64,
    /// Changes within the archive deadband: shown, not stored.
    pub within_deadband: u64,
    /// Samples, results and staleness that changed a value or a quality beyond the archive deadband: what must be stored.
    pub changed: u64,
    /// Changes that are durable in the historian.
    pub stored: u64,
    /// Point values handed to clients.
    pub served: u64,
    /// Samples dropped before the point table: for no point, or for a point of another link.
    pub shed: u64,
    /// Changes of measured values dropped because the historian could not write for too long.
    pub changes_shed: u64,
    /// Changes of indications, steps and counters dropped for the same reason; measured values go first.
    pub states_shed: u64,
}

/// One link to the field.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Name.
    pub name: String,
    /// Protocol.
    pub protocol: String,
    /// `down`, `connecting`, `synchronising` or `up`.
    pub state: String,
    /// Where it connects to.
    pub endpoint: String,
    /// Since when it is in this state.
    pub since: String,
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Faults of the peer.
    pub faults: u64,
}

/// The estimator in short.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct EstimationView {
    /// `converged`, `stopped`, `unobservable` or `waiting`.
    pub state: String,
    /// Iterations of the slowest island.
    pub iterations: u32,
    /// Weighted sum of squared residuals.
    pub objective: f64,
    /// Measurements and constraints per state.
    pub redundancy: f64,
    /// Measurements removed as bad in the last cycle.
    pub bad_data: usize,
    /// Seconds since the last estimate.
    pub age_s: Option<f64>,
}

/// Our time beside the machine's.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct ClockView {
    /// `synchronised`, `unsynchronised` (nothing keeps the machine's clock, stamps are marked), `holdover` (the machine's
    /// clock jumped and is not followed) or `unknown` (the system does not tell).
    pub state: String,
    /// Since when.
    pub since: String,
    /// In holdover: how far the machine's clock is ahead of ours, in seconds.
    pub machine_ahead_s: Option<f64>,
    /// How far the machine's clock may be off at most, as whoever keeps it believes; `null` where nobody tells.
    pub max_error_ms: Option<f64>,
}

/// Says that the machine's clock is right after a jump.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockFollowRequest {
    /// With what it was compared.
    pub reason: String,
}

/// Alarms in short.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct AlarmCounts {
    /// Active and shown.
    pub active: usize,
    /// Shown and waiting for acknowledgement.
    pub unacknowledged: usize,
    /// Put aside by operators.
    pub shelved: usize,
    /// Hidden by design.
    pub suppressed: usize,
    /// Out of service.
    pub out_of_service: usize,
    /// Annunciated in the last ten minutes.
    pub rate: u64,
    /// Since when a flood lasts (more than ten in ten minutes; it ends below five).
    pub flood_since: Option<String>,
    /// Alarms of that flood so far.
    pub flood_alarms: Option<u64>,
    /// Requests that wait for a second person.
    pub approvals: usize,
}

/// Backups that the centre makes by itself.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BackupView {
    /// Hours between two.
    pub every_hours: f64,
    /// Instant up to which the last good one reaches; absent before the first.
    pub last_good_at: Option<String>,
    /// Seconds since then.
    pub age_s: Option<f64>,
    /// Whether that is longer ago than twice the interval.
    pub overdue: bool,
    /// Name of the last good archive.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it was restored for a test.
    pub proved: bool,
    /// Why the latest attempt failed; absent after a good one.
    pub error: Option<String>,
}

/// State of the platform.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StatusView {
    /// Name of the centre.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// `demo` or `run`.
    pub mode: String,
    /// When it started.
    pub started_at: String,
    /// When this was made.
    pub now: String,
    /// Number of the present cycle.
    pub cycle: u64,
    /// Points by quality.
    pub points: PointCounts,
    /// Samples by how far they came.
    pub counters: Counters,
    /// Links to the field.
    pub sessions: Vec<LinkView>,
    /// The estimator.
    pub estimation: EstimationView,
    /// Alarms.
    pub alarms: AlarmCounts,
    /// The clock.
    pub clock: ClockView,
    /// Backups; absent when none are configured.
    pub backup: Option<BackupView>,
}
