//! LU of a structurally symmetric matrix of 2×2 blocks on a fixed order: one block per pair of neighbouring buses.
//!
//! ```text
//! L(i,k) = A'(i,k) D(k)⁻¹      A'(i,j) = A(i,j) - Σ{k < min(i,j)} L(i,k) U(k,j)      D(k) = A'(k,k)
//! ```
//!
//! Blocks halve the index traffic of a scalar factorisation and pivot inside the block: a node's pair of equations is
//! eliminated together, so only `det D(k)` must not vanish, not each diagonal entry. There is no search for pivots
//! across nodes; [`BlockLu::factor`] therefore watches growth and says when the factors are not to be trusted, and the
//! caller then goes to [`crate::Lu`], which pivots.

mod lanes;
mod lu;
mod path;
mod pattern;
#[cfg(test)]
mod tests;

pub use lanes::{LaneBlock, LaneBlockLu, LanePair, SharedFactor};
pub use lu::{Block, BlockLu, Distrusted};
pub use path::{EndColumns, PathIndex, Paths, Seed, Wide};
pub use pattern::BlockPattern;
