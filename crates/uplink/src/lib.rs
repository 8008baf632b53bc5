//! The uplink: how a gateway at a substation forwards what it has journalled, and what happens now, to the centre.
//!
//! - [`codec`]: octets ↔ [`Frame`], total and bounded; [`Entry`] is what a journal holds.
//! - [`EdgeSession`], [`CentreSession`]: one state machine per role, sans-I/O.
//!
//! Two lanes share one connection. The *live* lane carries what a device reports at once, without waiting for a disk, for the
//! real-time database; it keeps nothing. The *record* lane carries the journal in the order of its sequence numbers,
//! for the history; the centre acknowledges what is durable there. Requests go down the connection that is open, never another.

pub mod codec;
mod session;

pub use codec::{Entry, Frame, FrameError, Hello, Names, VERSION};
pub use session::centre::{CentreEvent, CentreSession};
pub use session::edge::{EdgeEvent, EdgeSession, Journalled};
pub use session::{SessionError, fingerprint};
