//! Fixed point on a constant admittance matrix; equations and sources in [`crate::current_injection`].

use crate::current_injection::{self, Matrix};
use crate::island::{Island, Run};

/// Steps from the present voltages, `limits`: tolerance and most steps.
pub(crate) fn run(island: &mut Island, limits: (f64, u32)) -> Run {
    current_injection::run(island, Matrix::Constant, limits)
}
