//! The cross-section of a line: wires, cables and where they are.

/// Resistivity of a copper tape at 50 °C in ohm metres: what [`TapeShieldCableInfo`] has where nothing else is known.
pub const COPPER_TAPE_OHM_M: f64 = 2.3718e-8;

/// CIM `WireInfo`: a bare wire, or the core of a cable. Lengths in metres, resistances in ohm per metre.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WireInfo {
    /// CIM `radius`.
    #[doc(alias = "radius")]
    pub radius_m: f64,
    /// CIM `gmr`: geometric mean radius.
    #[doc(alias = "gmr")]
    pub gmr_m: f64,
    /// CIM `rAC`: resistance to alternating current, at the temperature in question.
    #[doc(alias = "rAC")]
    pub r_ac_ohm_per_m: f64,
    /// CIM `rDC`: resistance to direct current, at that temperature.
    #[doc(alias = "rDC")]
    pub r_dc_ohm_per_m: f64,
}

/// CIM `CableInfo`: what all screened cables have.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CableInfo {
    /// The core.
    pub core: WireInfo,
    /// CIM `diameterOverInsulation`.
    #[doc(alias = "diameterOverInsulation")]
    pub diameter_over_insulation_m: f64,
    /// CIM `insulationThickness`.
    #[doc(alias = "insulationThickness")]
    pub insulation_thickness_m: f64,
    /// Relative permittivity of the insulation.
    pub relative_permittivity: f64,
}

/// CIM `ConcentricNeutralCableInfo`: a cable with a screen of strands that is its neutral.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ConcentricNeutralCableInfo {
    /// Core and insulation.
    pub cable: CableInfo,
    /// CIM `diameterOverNeutral`: over the strands.
    #[doc(alias = "diameterOverNeutral")]
    pub diameter_over_neutral_m: f64,
    /// CIM `neutralStrandCount`.
    #[doc(alias = "neutralStrandCount")]
    pub neutral_strand_count: u32,
    /// CIM `neutralStrandRadius`.
    #[doc(alias = "neutralStrandRadius")]
    pub neutral_strand_radius_m: f64,
    /// CIM `neutralStrandGmr`.
    #[doc(alias = "neutralStrandGmr")]
    pub neutral_strand_gmr_m: f64,
    /// CIM `neutralStrandRDC20`, of one strand at the temperature in question.
    #[doc(alias = "neutralStrandRDC20")]
    pub neutral_strand_r_dc_ohm_per_m: f64,
}

/// CIM `TapeShieldCableInfo`: a cable with a screen of tape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TapeShieldCableInfo {
    /// Core and insulation.
    pub cable: CableInfo,
    /// CIM `diameterOverScreen`: over the screen of the insulation, which is the inner diameter of the tape.
    #[doc(alias = "diameterOverScreen")]
    pub diameter_over_screen_m: f64,
    /// CIM `tapeThickness`.
    #[doc(alias = "tapeThickness")]
    pub tape_thickness_m: f64,
    /// CIM `tapeLap`: how much of its width the tape overlaps itself, in percent.
    #[doc(alias = "tapeLap")]
    pub tape_lap_percent: f64,
    /// Resistivity of the tape in ohm metres; [`COPPER_TAPE_OHM_M`] for copper.
    pub tape_resistivity_ohm_m: f64,
}

/// What lies at a position.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum WireKind {
    /// CIM `OverheadWireInfo`: a bare wire, overhead or in the earth.
    OverheadWire(WireInfo),
    /// A cable whose screen is made of strands.
    ConcentricNeutralCable(ConcentricNeutralCableInfo),
    /// A cable whose screen is made of tape.
    TapeShieldCable(TapeShieldCableInfo),
}

/// CIM `WirePosition`: a wire or cable and where it is in the cross-section of the line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WirePosition {
    /// CIM `xCoord`.
    #[doc(alias = "xCoord")]
    pub x_m: f64,
    /// CIM `yCoord`: height above the earth, negative in it.
    #[doc(alias = "yCoord")]
    pub y_m: f64,
    /// What lies there.
    pub kind: WireKind,
}

/// How the earth carries current back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EarthReturn {
    /// Carson with one term of resistance and two of reactance, so that heights do not matter (Kersting).
    ModifiedCarson,
    /// Carson's integral.
    Carson,
    /// Complex depth, close to Carson at all frequencies.
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
    /// Formula of the earth return; [`EarthReturn::Deri`] goes with skin effect in the wires.
    pub earth_return: EarthReturn,
}

impl WireKind {
    /// The wire itself, or the core of the cable.
    pub const fn core(&self) -> &WireInfo {
        match self {
            Self::OverheadWire(wire) => wire,
            Self::ConcentricNeutralCable(info) => &info.cable.core,
            Self::TapeShieldCable(info) => &info.cable.core,
        }
    }

    /// Core and insulation of a cable.
    pub const fn cable(&self) -> Option<&CableInfo> {
        match self {
            Self::OverheadWire(_) => None,
            Self::ConcentricNeutralCable(info) => Some(&info.cable),
            Self::TapeShieldCable(info) => Some(&info.cable),
        }
    }

    /// Radius of the whole in metres.
    pub fn outer_radius_m(&self) -> f64 {
        match self {
            Self::OverheadWire(wire) => wire.radius_m,
            Self::ConcentricNeutralCable(info) => 0.5 * info.diameter_over_neutral_m,
            Self::TapeShieldCable(info) => 0.5 * info.diameter_over_screen_m + info.tape_thickness_m,
        }
    }
}
