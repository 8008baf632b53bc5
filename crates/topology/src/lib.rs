//! Topology: node-breaker model → buses, islands, energisation, and the calculation model that solvers read.
//!
//! - [`calc`]: the calculation model itself.
//! - [`from_case`]: from a bus-branch case.

pub mod calc;
mod case;

pub use case::{CaseGrid, CaseMap, from_case};

/// Array lengths here stay below 2^32: their sources are indexed by `u32`.
fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
