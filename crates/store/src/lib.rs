//! The embedded transactional store: one SQLite file with everything that must survive, except telemetry.
//!
//! - [`Store`]: opens and recovers the file; one thread owns the only writing connection and commits what has
//!   queued up in groups, each with one `fsync` (`journal_mode=WAL`, `synchronous=FULL`). A call that returned a
//!   [`Receipt`] is on the disk.
//! - [`Record`]: what can be written; the kinds are neutral, the server maps them to its own types.
//! - [`Recovery`]: what opening found. A broken audit chain does not stop the start: monitoring goes on, but
//!   nothing more is appended to the audit, so that commands stop (see [`StoreError::AuditBroken`]).
//!
//! **External head of the audit.** A chain cannot show that its end was cut off. Beside `NAME` lies `NAME.head` with place
//! and hash of the last audit record, rewritten and synced at most one second ([`HEAD_PERIOD`]) after the append.
//! Truncation is therefore found unless the records cut are all younger than that, and at once after a clean close.
//!
//! Times are passed in; the only clock read here paces the head file.

mod anchor;
mod audit;
mod error;
mod identity;
mod open;
mod read;
mod record;
mod schema;
mod snapshot;
mod sums;
mod watch;
mod write;
mod writer;

pub use anchor::HEAD_PERIOD;
pub use audit::{
    AuditFault, AuditState, Proof, Proved, prove_audit_file, verify_audit_file, visit_audit_file,
};
pub use error::StoreError;
pub use identity::{CredentialRecord, IdentityRecord, NamedSet, PasskeyRecord, UserRecord};
pub use open::{EventLog, Integrity, Options, Recovery, Store};
pub use record::{
    AlarmRecord, CommandRecord, ConfigRecord, EventRecord, NewEvent, Record, SessionRecord, TagKind,
    TagRecord, TokenRecord, TokenRefusal,
};
pub use schema::SCHEMA_VERSION;
pub use snapshot::{Snapshot, snapshot};
pub use watch::AuditWatch;
pub use writer::{Pending, Receipt};
