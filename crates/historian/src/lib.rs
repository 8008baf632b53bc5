//! The embedded historian: every change of every point, durable by group commit, kept as Parquet.
//!
//! ```text
//! append ─▶ bounded queue ─▶ commit thread: WAL + fsync ─▶ memtable ─▶ flush thread: Parquet segment ─▶ day segments
//! ```
//!
//! - [`Historian`]: opens and recovers a folder; takes rows, answers ranges and decimated trends. A row is visible
//!   to queries when it is on the disk, not before.
//! - [`Row`], [`SeriesId`]: what is kept; a series is one point by its mRID, whatever its `PointId` is today.
//! - [`Archive`]: a moment of a folder, read without a lock beside its owner.
//! - [`Class`], [`Ledger`], [`Removal`]: how long rows are kept, and the record of what was removed.
//! - [`Integrator`], [`Filling`]: values between rows and integrals that know their gaps; pure.
//! - [`journal::Journal`]: what a gateway keeps until the centre has it.
//! - [`Decimator`]: min, max, time-weighted mean of the step function that the rows describe; pure.
//!
//! Files of the folder: `series.csv` (`id,check sum,mRID`), `wal-N.log` (rows since the last segment), `seg-N.parquet`
//! with `seg-N.idx` (check sums and key ranges of its row groups), `points.csv` (names and units), `notes.csv` (who corrected
//! and why, like `series.csv`),
//! `MANIFEST` (which segments count), `LOCK`. Segments are plain Parquet with the columns `point`, `t` (ms UTC), `t_us`
//! (µs beyond it), `lag_ms` (receive time minus `t`), `v`, `q` (bits of `signal::Quality`), `k` (kind), `note` (0, or who corrected and why), sorted
//! by point and time. Everything read back is checked against CRC-32C before it is served.
//!
//! Every row either becomes durable or is counted as shed by the call that refused it; no queue is unbounded.

mod archive;
mod between;
mod commit;
mod crc;
mod cut;
mod decimate;
mod describe;
pub mod disk;
mod error;
mod files;
mod flush;
mod frame;
pub mod journal;
mod manifest;
mod memtable;
mod open;
mod query;
mod retention;
mod row;
mod segment;
mod series;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod wal;

pub use archive::Archive;
pub use between::{Filling, Integral, Integrator, Method, Sample};
pub use commit::AppendError;
pub use cut::{Cut, CutFile, cut};
pub use decimate::{Bucket, Decimator};
pub use describe::Description;
pub use error::HistorianError;
pub use frame::Damage;
pub use open::{Historian, Options, Recovery, Stats};
pub use query::{Page, Reading, Trend};
pub use retention::{Class, DAMAGED, Ledger, OTHER, Removal};
pub use row::{NoteId, Row, SeriesId, Span, lag_ms, worst_quality};
pub use wal::WHOLE_BATCH;
