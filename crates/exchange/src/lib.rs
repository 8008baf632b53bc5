//! File formats: bytes in, model and loss report out. Opening files is the caller's.
//!
//! - [`matpower`]: MATPOWER cases `.m`, read and written.
//! - [`mod@plan`]: the points that a network has by rule; [`points_csv`]: a point list as CSV.
//! - [`measurements_csv`]: measurements for an estimation study.
//! - [`layout`]: places for substations in a picture of the grid.

mod error;
pub mod layout;
pub mod matpower;
pub mod measurements_csv;
pub mod plan;
pub mod points_csv;
mod table;

pub use error::ReadError;
