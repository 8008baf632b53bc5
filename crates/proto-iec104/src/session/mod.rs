//! One sans-I/O state machine per role. Both stand on one `Link` per transport connection, which does the APCI:
//! framing, N(S)/N(R), k, w, t1 to t3, STARTDT, STOPDT and TESTFR.

mod controlled;
mod controlling;
mod database;
mod events;
mod fault;
mod filter;
mod link;
mod scan;
mod selection;

pub use controlled::{
    ActivationAnswer, ActivationPhase, Controlled, ControlledEvent, ControlledSettings, StationControl,
};
pub use controlling::{
    CommandOutcome, CommandTarget, Controlling, ControllingEvent, ControllingSettings, Procedure, SendRefusal,
};
pub use database::StationPoint;
pub use fault::PeerFault;
pub use filter::TypeFilter;
pub use link::{LinkParameters, LinkPhase};

use timebase::Mono;

/// Bytes for one transport connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Number of the connection.
    pub channel: u8,
    /// What to send.
    pub bytes: Vec<u8>,
}

/// The earlier of two deadlines.
fn earlier(a: Option<Mono>, b: Option<Mono>) -> Option<Mono> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
