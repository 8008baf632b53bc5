//! Sparse matrices and the one factorisation kernel that all solvers share.
//!
//! The work is cut into three phases, so that a solver which runs every second pays only for the last:
//!
//! 1. **Pattern** - [`PatternBuilder`] collects positions once and returns a [`Csc`] plus a slot for every pushed
//!    entry; later assembly writes `values[slot] += x` and never searches.
//! 2. **Order** - [`fill_reducing`] keeps the fill low, once per pattern: approximate minimum degree, or nested dissection
//!    on large meshes.
//! 3. **Numbers** - [`Lu::factor`] pivots (Gilbert-Peierls, diagonal preferred) and records the pattern of the
//!    factors; [`Lu::update`] runs through that pattern without pivot search as long as growth and residual allow,
//!    and pivots anew when they do not.
//!
//! [`block`] and [`group`] have them for small dense blocks (2×2 for a bus, up to 6×6 for its three phases) and in SIMD
//! lanes, [`ldl`] for symmetric matrices, and [`complex`] for complex symmetric ones.
//!
//! No function here reads a clock, allocates after its first use on a pattern (except where stated), or panics on
//! finite or non-finite numbers. Index arguments out of range are the caller's fault and panic as slices do.

pub mod block;
pub mod complex;
pub mod group;
mod inverse;
pub mod lanes;
pub mod ldl;
mod lu;
mod matrix;
mod order;
pub mod pool;
#[cfg(test)]
mod tests;

pub use inverse::InverseDiagonal;
pub use lu::{Lu, LuError, Path, Singular};
pub use matrix::{Csc, PatternBuilder};
pub use order::{Fill, fill, fill_reducing, minimum_degree, nested_dissection};
