//! Frames of the live WebSocket.

use crate::{AlarmView, CommandView, EstimateView, EventView, ProposalView, StatusView};
use serde::Serialize;
use utoipa::ToSchema;

/// One point in a frame, as an array to keep frames small:
/// `[id, value | null, text, validity 0 good 1 questionable 2 invalid, stale 0 | 1, time in ms since 1970 | null]`.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LivePoint(pub u32, pub Option<f64>, pub String, pub u8, pub u8, pub Option<i64>);

/// One frame. The first one of a connection is a snapshot; afterwards only what changed. A gap in `seq` means that
/// the client must connect again. Telemetry is coalesced newest-wins; transitions are never left out.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct LiveFrame {
    /// Number of the frame on this connection, from 1.
    pub seq: u64,
    /// When it was made.
    pub t: String,
    /// Whether it holds everything.
    pub snapshot: bool,
    /// Points.
    pub points: Vec<LivePoint>,
    /// Alarms whose state changed; cleared and acknowledged ones appear a last time.
    pub alarms: Vec<AlarmView>,
    /// Commands that went a step.
    pub commands: Vec<CommandView>,
    /// New events.
    pub events: Vec<EventView>,
    /// New or changed proposals.
    pub proposals: Vec<ProposalView>,
    /// The estimate, when there is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateView>,
    /// The status, once a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusView>,
}
