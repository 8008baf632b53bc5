//! File formats: bytes in, model and loss report out. Opening files is the caller's.
//!
//! - [`matpower`]: MATPOWER cases `.m`, read and written.

mod error;
pub mod matpower;

pub use error::ReadError;
