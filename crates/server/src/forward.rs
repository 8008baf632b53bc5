//! The copy of the audit on another machine (S-20, S-23): syslog messages of RFC 5424 over TLS (RFC 5425) or, on loopback, TCP.
//!
//! The chain itself is the queue: what the collector has taken is a place in it, kept in a file, and a collector that is away for
//! days gets everything from there on. Syslog has no receipts. A message counts as taken when its connection has lived for
//! [`sender::SETTLED`] after it; the socket gives up earlier on octets that nobody acknowledges. After a lost connection
//! everything that does not count is sent again, so a collector may see a record twice, by its place, but misses none.

pub(crate) mod format;
pub(crate) mod position;
pub(crate) mod sender;

use timebase::Utc;

/// How far the copy is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CopyState {
    /// Host and port of the collector.
    pub(crate) to: String,
    /// Since when there is a connection; `None` without one.
    pub(crate) connected_at: Option<Utc>,
    /// Last record that the collector has taken.
    pub(crate) taken: u64,
    /// Time of the oldest record or checkpoint that it has not taken.
    pub(crate) waits_since: Option<Utc>,
    /// Why the last connection ended or did not come about.
    pub(crate) error: Option<String>,
}
