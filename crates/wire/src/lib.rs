//! What every codec and every sans-I/O session needs: cursors over bytes and a table of timers.
//!
//! - [`Reader`] takes typed values off a slice; it never panics and never allocates.
//! - [`Writer`] puts typed values behind one another.
//! - [`TimerTable`] holds the deadlines of a session; time is an argument.

mod cursor;
mod timers;

pub use cursor::{Leftover, Reader, Truncated, Writer};
pub use timers::TimerTable;
