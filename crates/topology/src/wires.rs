//! Line constants: from the geometry of a line and its wires to impedance and admittance per metre.
//!
//! The names are CIM's: each [`WirePosition`] of [`model::distribution`] in; and [`PerLengthPhaseImpedance`],
//! [`PerLengthSequenceImpedance`] out. All lengths are in metres; [`LengthUnit`] converts.
//!
//! ```text
//! Z(i,j) = jωμ/2π · ln(1/D(i,j)) + Ze(i,j)             i ≠ j
//! Z(i,i) = Zint(i) + jωμ/2π · ln(1/r(i)) + Ze(i,i)     r: GMR, or the radius where Zint has the flux inside
//! ```
//!
//! `Ze` and `Zint` are in `earth.rs`. A cable is two conductors, its core and its screen. The screens follow all
//! cores and bare wires in the order of the primitive matrices:
//!
//! ```text
//! k strands   r = rs/k     GMR = (gmr k R^(k-1))^(1/k)     D(core) = R     D(other) = (D^k - R^k)^(1/k)
//! tape        r = ρ/(π d T) · √((100 - lap)/50)            GMR = D(core) = (d - T)/2
//! ```
//!
//! with `R` radius of the circle of strands, `d` diameter over the tape, `T` its thickness (Kersting, "Distribution
//! System Modeling and Analysis", chapter 4; the lap as in ICEA P-45-482, which is 1 at half lap).
//!
//! Wires above the earth have Maxwell's potential coefficients `P(i,j) = ln(D'(i,j)/D(i,j)) / 2πε`, `D(i,i)` radius,
//! and `Y = jω P⁻¹`. The field of a cable ends at its screen: `Y = jω 2πε εr / ln(b/a)`, see [`CableCapacitance`].
//! A bare wire in the earth has none.
//!
//! Conductors after the phases are grounded all along: their voltage is zero, so `Z` is reduced (Kron) and their rows
//! and columns of `Y` are left out.

mod check;
mod earth;
mod fault;
mod length;
mod matrix;
mod primitive;
mod screen;
mod sequence;

use model::distribution::{EarthReturn, WirePosition};

pub use fault::WireFault;
pub use length::LengthUnit;
pub use matrix::Matrix;
pub use primitive::{PrimitiveConstants, primitive};
pub use sequence::PerLengthSequenceImpedance;

/// Wires and cables of one line; each cable has a screen besides.
pub const MAX_WIRES: usize = 12;

/// What a wire is inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InternalImpedance {
    /// Resistance to alternating current and GMR as the maker states them.
    #[default]
    Tabulated,
    /// A solid round wire with skin effect, from its resistance to direct current and its radius.
    RoundWire,
    /// Resistance as [`Self::RoundWire`], reactance by the GMR.
    RoundWireResistance,
}

/// Between which radii the field of a screened cable is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CableCapacitance {
    /// Inside and outside of the insulation; layers of semiconductor on both sides are at the potential of their metal.
    #[default]
    Insulation,
    /// Core and screen; a screen of strands lets some of the field out:
    /// `ln(R/a) - ln(k s/R)/k` instead of `ln(b/a)`, with radius `s` of a strand (Kersting, chapter 5).
    Screen,
}

/// Under which conditions the constants are wanted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conditions {
    /// Frequency in Hz.
    pub frequency_hz: f64,
    /// Resistivity of the earth in ohm metres.
    pub earth_resistivity_ohm_m: f64,
    /// Formula of the earth return.
    pub earth_return: EarthReturn,
    /// Formula of the inside of a wire.
    pub internal: InternalImpedance,
    /// Formula of the capacitance of cables.
    pub cable_capacitance: CableCapacitance,
}

/// Series impedance and shunt admittance of the phases of a line, per metre.
#[derive(Clone, PartialEq, Debug)]
pub struct PerLengthPhaseImpedance {
    /// Series impedance in ohm per metre.
    pub z_ohm_per_m: Matrix,
    /// Shunt admittance of the whole metre in siemens per metre.
    pub y_s_per_m: Matrix,
}

impl Conditions {
    /// Earth of 100 ohm metres and the default formulas at a frequency.
    pub fn at(frequency_hz: f64) -> Self {
        Self {
            frequency_hz,
            earth_resistivity_ohm_m: 100.0,
            earth_return: EarthReturn::default(),
            internal: InternalImpedance::default(),
            cable_capacitance: CableCapacitance::default(),
        }
    }
}

/// Constants of the first `phases` conductors, everything else being grounded.
///
/// # Errors
/// A figure that no wire can have, conductors in one place, or a number of phases that is not there.
pub fn line_constants(
    positions: &[WirePosition],
    phases: usize,
    conditions: &Conditions,
) -> Result<PerLengthPhaseImpedance, WireFault> {
    primitive(positions, conditions)?.phases(phases)
}

/// Geometric mean radius of a solid round wire, where the maker does not state it: `r e^(-1/4)`.
pub fn solid_gmr(radius_m: f64) -> f64 {
    radius_m * (-0.25_f64).exp()
}
