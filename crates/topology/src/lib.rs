//! Topology: node-breaker model → buses, islands, energisation, and the calculation model that solvers read.
//!
//! - [`calc`]: the calculation model itself.
//! - [`control`]: what regulates in it.
//! - [`Topology`]: buses and islands for the present positions of the switches, moved switch by switch.
//! - [`Topology::grid`]: the calculation model of a topology and a [`Schedule`], with its [`GridMap`].
//! - [`from_case`]: the calculation model of a bus-branch case.
//! - [`interlock`]: what a switch may not do in a topology.
//! - [`wires`]: impedance and admittance of lines from the geometry of their wires.
//! - [`phases`]: the calculation model of unbalanced studies, conductor by conductor.

pub mod calc;
mod case;
pub mod control;
mod dense;
mod grid;
pub mod interlock;
mod nodes;
pub mod phases;
mod schedule;
pub mod wires;

pub use case::{CaseGrid, CaseMap, from_case};
pub use grid::{End, GridMap, Injection, Target};
pub use nodes::{Change, Island, Topology};
pub use schedule::Schedule;

/// Array lengths here stay below 2^32: their sources are indexed by `u32`.
fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
