//! Lines and cables.

use super::{LineGeometry, OpenConductor, Terminal};

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
    /// Conductors that are open.
    pub open: Vec<OpenConductor>,
    /// Whether it is connected.
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
    /// From the cross-section of the line.
    Geometry(LineGeometry),
}

impl LineImpedance {
    /// Series resistance and reactance, row by row, and charging susceptance (negative off the diagonal) of the whole
    /// length; `None` where they follow from geometry.
    pub fn matrices(&self, conductors: usize) -> Option<(Vec<[f64; 2]>, Vec<f64>)> {
        match self {
            Self::Phase { r_ohm, x_ohm, b_s } => {
                Some((r_ohm.iter().zip(x_ohm).map(|(&r, &x)| [r, x]).collect(), b_s.clone()))
            }
            Self::Sequence { z1_ohm, z0_ohm, b_s } => {
                let cells = (0..conductors * conductors).map(|at| at / conductors == at % conductors);
                let part = |k: usize, own: bool| of_sequence(z1_ohm[k], z0_ohm[k], own);
                Some((
                    cells.clone().map(|own| [part(0, own), part(1, own)]).collect(),
                    cells.map(|own| of_sequence(b_s[0], b_s[1], own)).collect(),
                ))
            }
            Self::Geometry(_) => None,
        }
    }
}

/// Self or mutual part of a transposed line.
fn of_sequence(positive: f64, zero: f64, own: bool) -> f64 {
    if own { (2.0 * positive + zero) / 3.0 } else { (zero - positive) / 3.0 }
}
