//! Drivers between the sans-I/O sessions of the protocol crates and real sockets.
//!
//! - [`spawn_session`]: the centre's side of a link; connects to every endpoint, again and again.
//! - [`spawn_station`]: the field's side; listens.
//! - [`TlsFiles`], [`TlsClient`], [`TlsServer`]: IEC 62351-3.
//! - [`Clock`]: where `timebase::Now` comes from.
//! - [`pcap`]: TCP streams of a capture file, for decoding.
//!
//! One task owns a session; one task per connection moves bytes. Every queue is bounded: a slow reader of reports
//! slows down the sockets, it does not fill memory. A panic in a session ends that session only.

mod channel;
mod clock;
mod counters;
pub mod pcap;
mod session;
mod station;
mod tls;

pub use clock::Clock;
pub use counters::{LinkCounters, LinkTotals};
pub use session::{Endpoint, LinkReport, LinkTag, SessionLink, spawn_session};
pub use station::{StationInput, StationLink, StationReport, spawn_station};
pub use tls::{TlsClient, TlsError, TlsFiles, TlsServer};
