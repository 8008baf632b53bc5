//! Drivers between the sans-I/O sessions of the protocol crates and real sockets.
//!
//! - [`spawn_session`]: the centre's side of a link; connects to every endpoint, again and again.
//! - [`spawn_station`]: the field's side; listens.
//! - [`TlsFiles`], [`TlsClient`], [`TlsServer`]: IEC 62351-3.
//! - [`intake`]: the bounded way of reports from all links to the one who takes them.
//! - [`Clock`]: where `timebase::Now` comes from.
//! - [`pcap`]: TCP streams of a capture file, for decoding.
//!
//! One task owns a session; one task per connection moves bytes. Every queue is bounded: a slow reader of reports
//! gets newer values instead of all of them, and slows down the sockets; it does not fill memory. A panic in a session ends that session only.

mod channel;
mod clock;
mod counters;
mod intake;
pub mod pcap;
mod session;
mod station;
mod tls;

pub use channel::Stream;
pub use clock::{Clock, ClockSource};
pub use counters::{LinkCounters, LinkTotals};
pub use intake::{Intake, IntakeClosed, IntakeCounts, IntakeLimits, IntakeProbe, IntakeSender, intake};
pub use session::{Endpoint, LinkReport, LinkTag, MakeSession, SessionLink, spawn_session};
pub use station::{StationInput, StationLink, StationReport, accept, spawn_station};
pub use tls::{CertificateFacts, PeerCertificate, ServerFiles, TlsClient, TlsError, TlsFiles, TlsServer};
