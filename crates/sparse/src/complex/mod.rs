//! Complex numbers and the factorisation of complex symmetric matrices on a fixed pattern.
//!
//! The nodal admittance matrix of a reciprocal network is symmetric (`Y = Yᵀ`, not Hermitian), with phase-shifting
//! transformer connections too, because those only connect windings. So one triangle is kept and factorised:
//!
//! 1. [`SymmetricPattern`] collects positions; [`SymmetricPattern::fill_reducing`] orders them.
//! 2. [`SymmetricMatrix`] holds the values, [`Ldl::new`] finds the pattern of the factor once.
//! 3. [`Ldl::factor`] computes numbers on that pattern, [`Ldl::solve`] solves in place. Neither allocates.
//!
//! No pivots are searched. [`Ldl::factor`] checks growth and the backward error of a probe solve; who is told that
//! these do not hold takes [`crate::Lu`] on [`SymmetricMatrix::real_equivalent`].

mod ldl;
mod matrix;
mod number;

pub use ldl::{Ldl, Unusable};
pub use matrix::{SymmetricMatrix, SymmetricPattern};
pub use number::Complex;
