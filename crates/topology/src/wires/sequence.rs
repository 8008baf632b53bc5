//! Symmetrical components of a line of three phases (Fortescue):
//!
//! ```text
//! Z012 = A⁻¹ Z A         A = [1 1 1; 1 a² a; 1 a a²]         a = e^(j 2π/3)
//! ```

use sparse::complex::Complex;

use super::PerLengthPhaseImpedance;
use super::matrix::Matrix;

/// Impedance and admittance of the sequences of a line that counts as transposed, per metre.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PerLengthSequenceImpedance {
    /// Positive sequence series resistance in ohm per metre.
    pub r_ohm_per_m: f64,
    /// Positive sequence series reactance in ohm per metre.
    pub x_ohm_per_m: f64,
    /// Zero sequence series resistance in ohm per metre.
    pub r0_ohm_per_m: f64,
    /// Zero sequence series reactance in ohm per metre.
    pub x0_ohm_per_m: f64,
    /// Positive sequence shunt susceptance in siemens per metre.
    pub bch_s_per_m: f64,
    /// Zero sequence shunt susceptance in siemens per metre.
    pub b0ch_s_per_m: f64,
}

impl PerLengthPhaseImpedance {
    /// Matrices of the sequences zero, positive, negative, in this order; `None` unless there are three phases.
    pub fn sequence_matrices(&self) -> Option<(Matrix, Matrix)> {
        let both_are_three = self.z_ohm_per_m.order() == 3 && self.y_s_per_m.order() == 3;
        both_are_three.then(|| (to_sequences(&self.z_ohm_per_m), to_sequences(&self.y_s_per_m)))
    }

    /// The diagonal of the sequence matrices; `None` unless there are three phases.
    pub fn sequences(&self) -> Option<PerLengthSequenceImpedance> {
        let (z, y) = self.sequence_matrices()?;
        Some(PerLengthSequenceImpedance {
            r_ohm_per_m: z[(1, 1)].re,
            x_ohm_per_m: z[(1, 1)].im,
            r0_ohm_per_m: z[(0, 0)].re,
            x0_ohm_per_m: z[(0, 0)].im,
            bch_s_per_m: y[(1, 1)].im,
            b0ch_s_per_m: y[(0, 0)].im,
        })
    }
}

fn to_sequences(matrix: &Matrix) -> Matrix {
    let turn = Complex::new(-0.5, 0.75_f64.sqrt());
    let back = Complex::new(-0.5, -0.75_f64.sqrt());
    let mut forward = Matrix::zeros(3);
    let mut inverse = Matrix::zeros(3);
    for k in 0..3 {
        forward[(0, k)] = Complex::ONE;
        forward[(k, 0)] = Complex::ONE;
    }
    (forward[(1, 1)], forward[(2, 2)]) = (back, back);
    (forward[(1, 2)], forward[(2, 1)]) = (turn, turn);
    for row in 0..3 {
        for col in 0..3 {
            // A is symmetric and three times unitary: its inverse is a third of its conjugate.
            inverse[(row, col)] = forward[(row, col)].conj() * (1.0 / 3.0);
        }
    }
    inverse.times(matrix).times(&forward)
}
