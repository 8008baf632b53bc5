//! Store-and-forward between a gateway at a substation and the centre: the drivers of both ends of an uplink.
//!
//! ```text
//!  devices ⇄ transport ─reports─▶ Gateway ─▶ journal (disk)          Centre ─live──▶ core (real-time database)
//!                          ▲        ├─ live lane ───── uplink ──────▶  │
//!                          │        └─ record lane ─── receipts ◀────  └─records─▶ Archive (history) ─ durable
//!                          └────────── requests ◀─────────────────────── requests of the command gate
//! ```
//!
//! - [`Gateway`]: takes the reports of links, keeps them in a [`historian::journal::Journal`], forwards both lanes.
//! - [`CentreSide`]: one task per configured gateway; [`greet`] is what a listener does with a fresh connection.
//! - [`HistorianArchive`]: rows and the position behind them, durable together.
//!
//! Streams, clocks and the way to call what blocks are arguments: the same code runs on sockets and threads, and on a
//! simulated network in one thread.

mod archive;
mod blocking;
mod centre;
mod duplex;
mod gateway;
mod picture;

pub use archive::{Archive, ArchiveError, HistorianArchive, LateChange, Record, RecordBatch};
pub use blocking::{Blocking, Threads};
pub use centre::{Arrived, CentreLink, CentreSide, Inputs, Notice, greet};
pub use gateway::{Dial, Gateway, GatewayLink, GatewayOptions, Shown};
pub use transport::Clock;
