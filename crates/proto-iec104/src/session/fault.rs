//! What a peer can do wrong. Nothing here is our fault or our caller's.

use crate::codec::{ApciError, AsduError, Cause, CommonAddress, Ioa, TypeId};

/// A fault of the peer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PeerFault {
    /// Bytes without framing; the connection is closed.
    #[error("no APDU: {0}")]
    Apci(#[from] ApciError),
    /// A frame without a valid ASDU; the connection is closed.
    #[error("no ASDU: {0}")]
    Asdu(#[from] AsduError),
    /// N(S) is not the expected one: a frame was lost or repeated; the connection is closed.
    #[error("send sequence number is {got}, expected {expected}")]
    SequenceGap {
        /// V(R).
        expected: u16,
        /// N(S).
        got: u16,
    },
    /// N(R) acknowledges what was never sent; the connection is closed.
    #[error("receive sequence number {got} is outside {acknowledged}..={sent}")]
    FalseAcknowledgement {
        /// Lowest number allowed.
        acknowledged: u16,
        /// Highest number allowed.
        sent: u16,
        /// N(R).
        got: u16,
    },
    /// Data while data transfer is stopped; the connection is closed.
    #[error("information transfer while stopped")]
    NotStarted,
    /// STARTDT act or STOPDT act from a controlled station; the connection is closed.
    #[error("{0} from the controlled station")]
    WrongDirection(&'static str),
    /// No acknowledgement or confirmation within t1; the connection is closed.
    #[error("no {0} within t1")]
    NoAnswer(&'static str),
    /// Requests pile up unacknowledged; the connection is closed.
    #[error("{0} requests wait for an answer that the peer does not take")]
    Flooding(usize),
    /// A message that its receiver does not know; answered negatively where the standard says so.
    #[error("{cause} for {type_id}, common address {common_address}, IOA {address}")]
    Unknown {
        /// One of the causes 44 to 47.
        cause: Cause,
        /// Type of the message.
        type_id: TypeId,
        /// Its common address.
        common_address: CommonAddress,
        /// Its first object address.
        address: Ioa,
    },
    /// A procedure was answered negatively, or not at all.
    #[error("{procedure} of common address {common_address}: {problem}")]
    Procedure {
        /// Which procedure.
        procedure: &'static str,
        /// Of which station.
        common_address: CommonAddress,
        /// What went wrong.
        problem: &'static str,
    },
    /// A confirmation that nobody waits for.
    #[error("unexpected {cause} of {type_id}")]
    UnexpectedConfirmation {
        /// Its cause.
        cause: Cause,
        /// Its type.
        type_id: TypeId,
    },
    /// The controlling station did not fetch events in time; the oldest were dropped.
    #[error("event buffer full: {0} oldest events dropped")]
    EventsDropped(u64),
}
