//! The cross-section of a line: wires, cables and where they are.

/// CIM `WireInfo`: a bare wire, or the core of a cable. Lengths in metres, resistances in ohm per metre.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WireInfo {
    /// CIM `radius`.
    pub radius_m: f64,
    /// CIM `gmr`.
    pub gmr_m: f64,
    /// CIM `rAC` at the temperature in question.
    pub r_ac_ohm_per_m: f64,
    /// CIM `rDC` at that temperature.
    pub r_dc_ohm_per_m: f64,
}

/// CIM `CableInfo`: what all screened cables have.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CableInfo {
    /// The core.
    pub core: WireInfo,
    /// CIM `diameterOverInsulation`.
    pub diameter_over_insulation_m: f64,
    /// CIM `insulationThickness`.
    pub insulation_thickness_m: f64,
    /// Relative permittivity of the insulation.
    pub relative_permittivity: f64,
}

/// What lies at a position.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum WireKind {
    /// CIM `OverheadWireInfo`.
    Overhead(WireInfo),
    /// CIM `ConcentricNeutralCableInfo`.
    ConcentricNeutral {
        /// Core and insulation.
        cable: CableInfo,
        /// CIM `diameterOverNeutral`.
        diameter_over_neutral_m: f64,
        /// CIM `neutralStrandCount`.
        strands: u32,
        /// CIM `neutralStrandRadius`.
        strand_radius_m: f64,
        /// CIM `neutralStrandGmr`.
        strand_gmr_m: f64,
        /// CIM `neutralStrandRDC20`, at the temperature in question.
        strand_r_ohm_per_m: f64,
    },
    /// CIM `TapeShieldCableInfo`.
    TapeShield {
        /// Core and insulation.
        cable: CableInfo,
        /// CIM `diameterOverScreen`.
        diameter_over_screen_m: f64,
        /// CIM `tapeThickness`.
        tape_thickness_m: f64,
        /// CIM `tapeLap`.
        tape_lap_percent: f64,
    },
}

/// CIM `WirePosition`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WirePosition {
    /// CIM `xCoord`.
    pub x_m: f64,
    /// CIM `yCoord`: height above the earth, negative in it.
    pub y_m: f64,
    /// What lies there.
    pub kind: WireKind,
}

/// Formula of the earth return.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EarthReturn {
    /// Carson with one term of resistance and two of reactance.
    ModifiedCarson,
    /// Carson's integral.
    Carson,
    /// Complex depth, with skin effect in the wires.
    #[default]
    Deri,
}

/// CIM `WireSpacingInfo` with its wires, for a length of line.
#[derive(Clone, PartialEq, Debug)]
pub struct LineGeometry {
    /// The wires and cables: first those that the terminals list, then the ones that are grounded all along.
    pub wires: Vec<WirePosition>,
    /// Length in metres.
    pub length_m: f64,
    /// Resistivity of the earth in ohm metres.
    pub earth_resistivity_ohm_m: f64,
    /// Formula of the earth return.
    pub earth_return: EarthReturn,
}
