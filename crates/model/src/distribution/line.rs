//! Lines and cables.

use super::Terminal;

/// A line or cable of one build, or a switch.
#[doc(alias = "ACLineSegment")]
#[derive(Clone, PartialEq, Debug)]
pub struct AcLineSegment {
    /// Unique name.
    pub name: String,
    /// Its ends: from, to. Both list the same number of conductors in the same order.
    pub terminals: [Terminal; 2],
    /// Series impedance and charging of the whole length.
    pub impedance: LineImpedance,
    /// Current that it carries for long; `None` without a figure.
    pub rated_a: Option<f64>,
    /// Whether it is a switch.
    pub switch: bool,
    /// Whether both ends are closed.
    pub in_service: bool,
}

/// Impedance of a line of `n` conductors, for its whole length.
#[derive(Clone, PartialEq, Debug)]
pub enum LineImpedance {
    /// CIM `PerLengthPhaseImpedance` times length: full `n × n` matrices, row by row.
    Phase {
        /// Series resistance.
        r_ohm: Vec<f64>,
        /// Series reactance.
        x_ohm: Vec<f64>,
        /// Shunt susceptance of the whole length, half of it at each end.
        b_s: Vec<f64>,
    },
    /// CIM `PerLengthSequenceImpedance` times length, for a line that is transposed.
    Sequence {
        /// Positive-sequence series impedance, resistance and reactance.
        z1_ohm: [f64; 2],
        /// Zero-sequence series impedance, resistance and reactance.
        z0_ohm: [f64; 2],
        /// Positive- and zero-sequence charging susceptance.
        b_s: [f64; 2],
    },
}

impl LineImpedance {
    /// Series resistance and reactance between two of the conductors.
    pub fn series_ohm(&self, row: usize, col: usize, conductors: usize) -> [f64; 2] {
        match self {
            Self::Phase { r_ohm, x_ohm, .. } => {
                [r_ohm[row * conductors + col], x_ohm[row * conductors + col]]
            }
            Self::Sequence { z1_ohm, z0_ohm, .. } => {
                let part = |k: usize| of_sequence(z1_ohm[k], z0_ohm[k], row == col);
                [part(0), part(1)]
            }
        }
    }

    /// Charging susceptance between two of the conductors (negative off the diagonal), for the whole length.
    pub fn charging_s(&self, row: usize, col: usize, conductors: usize) -> f64 {
        match self {
            Self::Phase { b_s, .. } => b_s[row * conductors + col],
            Self::Sequence { b_s, .. } => of_sequence(b_s[0], b_s[1], row == col),
        }
    }
}

/// Self or mutual part of a transposed line.
fn of_sequence(positive: f64, zero: f64, own: bool) -> f64 {
    if own { (2.0 * positive + zero) / 3.0 } else { (zero - positive) / 3.0 }
}
