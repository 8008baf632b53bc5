//! LU of a structurally symmetric matrix whose nodes come in small groups: the conductors of a bus.
//!
//! A node is a pair of unknowns (real and imaginary part of a voltage), a group has up to [`MOST_NODES`] of them, so a
//! three-phase bus is one dense block of 6×6. A four-wire bus is two groups side by side. With `T` the elimination tree
//! of the groups, `above(g)` the groups that `g` is coupled to after elimination, all of them ancestors in `T`:
//!
//! ```text
//! D(g)  = A'(g,g)       H(g,j) = D(g)⁻¹ A'(g,j)        j ∈ above(g)
//! A'(j,k) -= A'(j,g) H(g,k)                            j, k ∈ above(g)
//!
//! close g:   y(g) = D(g)⁻¹ b(g),    b(j) -= A'(j,g) y(g)
//! open g:    x(g) = y(g) - Σ H(g,j) x(j)
//! ```
//!
//! Groups are numbered as a walk through `T` opens them, a group before what hangs on it and a subtree in one piece.
//! That order makes two things possible: what an open or close touches is near what was touched before, and an open may
//! be followed at once by the close for the *next* right-hand side, so that an iteration whose right-hand side depends
//! on the solution reads the factors and the lanes once per step, not twice ([`GroupPattern::closed_after`]).
//!
//! Where a group hangs on one other and the block between them is that of a transposed line (one complex number on the
//! diagonal, one beside it), two complex numbers are kept instead of two blocks of 6×6.

mod lanes;
mod lu;
mod pattern;
#[cfg(test)]
mod tests;

pub use lanes::GroupFactor;
pub use lu::{GroupLu, GroupMatrix};
pub use pattern::{GroupPattern, MOST_NODES};
