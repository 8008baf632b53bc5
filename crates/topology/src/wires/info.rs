//! Data of wires and cables, and the check that they can exist.

use super::earth::Place;
use super::fault::WireFault;
use super::{Conditions, MAX_WIRES};

/// Resistivity of a copper tape at 50 °C in ohm metres.
pub const COPPER_TAPE_OHM_M: f64 = 2.3718e-8;

/// A bare wire, or the core of a cable.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WireInfo {
    /// Outer radius in metres.
    pub radius_m: f64,
    /// Geometric mean radius in metres; [`solid_gmr`] where the maker does not state it.
    pub gmr_m: f64,
    /// Resistance to alternating current at the temperature in question, in ohm per metre.
    pub r_ac_ohm_per_m: f64,
    /// Resistance to direct current at that temperature, in ohm per metre.
    pub r_dc_ohm_per_m: f64,
}

/// What all screened cables have.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CableInfo {
    /// The core.
    pub core: WireInfo,
    /// Diameter over the insulation in metres.
    pub diameter_over_insulation_m: f64,
    /// Thickness of the insulation in metres.
    pub insulation_thickness_m: f64,
    /// Relative permittivity of the insulation.
    pub relative_permittivity: f64,
}

/// A cable with a screen of strands that is its neutral.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ConcentricNeutralCableInfo {
    /// Core and insulation.
    pub cable: CableInfo,
    /// Diameter over the strands in metres.
    pub diameter_over_neutral_m: f64,
    /// Number of strands.
    pub neutral_strand_count: u32,
    /// Radius of a strand in metres.
    pub neutral_strand_radius_m: f64,
    /// Geometric mean radius of a strand in metres.
    pub neutral_strand_gmr_m: f64,
    /// Resistance of one strand in ohm per metre.
    pub neutral_strand_r_dc_ohm_per_m: f64,
}

/// A cable with a screen of tape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TapeShieldCableInfo {
    /// Core and insulation.
    pub cable: CableInfo,
    /// Diameter over the screen of the insulation, which is the inner diameter of the tape, in metres.
    pub diameter_over_screen_m: f64,
    /// Thickness of the tape in metres.
    pub tape_thickness_m: f64,
    /// How much of its width the tape overlaps itself, in percent.
    pub tape_lap_percent: f64,
    /// Resistivity of the tape in ohm metres; [`COPPER_TAPE_OHM_M`] for copper.
    pub tape_resistivity_ohm_m: f64,
}

/// What lies at a position.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum WireKind {
    /// A bare wire, overhead or in the earth.
    OverheadWire(WireInfo),
    /// A cable whose screen is made of strands.
    ConcentricNeutralCable(ConcentricNeutralCableInfo),
    /// A cable whose screen is made of tape.
    TapeShieldCable(TapeShieldCableInfo),
}

/// A wire or cable and where it is in the cross-section of the line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WirePosition {
    /// Horizontal position in metres.
    pub x_m: f64,
    /// Height above the earth in metres; negative in the earth.
    pub y_m: f64,
    /// What lies there.
    pub kind: WireKind,
}

/// The screen of a cable as a conductor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) r_ohm_per_m: f64,
    pub(super) gmr_m: f64,
    /// From the axis to the metal.
    pub(super) radius_m: f64,
    /// Strands; `None` for a closed screen.
    pub(super) strands: Option<f64>,
}

/// Geometric mean radius of a solid round wire: `r e^(-1/4)`.
pub fn solid_gmr(radius_m: f64) -> f64 {
    radius_m * (-0.25_f64).exp()
}

impl ConcentricNeutralCableInfo {
    pub(super) fn screen(&self) -> Screen {
        let k = f64::from(self.neutral_strand_count);
        let radius_m = 0.5 * self.diameter_over_neutral_m - self.neutral_strand_radius_m;
        // Through logarithms: a power of 20 would lose small radii.
        let ln_gmr = ((self.neutral_strand_gmr_m * k).ln() + (k - 1.0) * radius_m.ln()) / k;
        Screen {
            r_ohm_per_m: self.neutral_strand_r_dc_ohm_per_m / k,
            gmr_m: ln_gmr.exp(),
            radius_m,
            strands: Some(k),
        }
    }
}

impl TapeShieldCableInfo {
    pub(super) fn screen(&self) -> Screen {
        let diameter = self.diameter_over_screen_m + 2.0 * self.tape_thickness_m;
        let lap = ((100.0 - self.tape_lap_percent) / 50.0).sqrt();
        let radius_m = 0.5 * (diameter - self.tape_thickness_m);
        Screen {
            r_ohm_per_m: lap * self.tape_resistivity_ohm_m
                / (std::f64::consts::PI * diameter * self.tape_thickness_m),
            gmr_m: radius_m,
            radius_m,
            strands: None,
        }
    }
}

impl Screen {
    /// Mean distance of the metal to another conductor, whose distance from the axis is given.
    pub(super) fn distance(&self, from_axis_m: f64) -> f64 {
        match self.strands {
            Some(k) => from_axis_m * (1.0 - (self.radius_m / from_axis_m).powf(k)).powf(1.0 / k),
            None => from_axis_m,
        }
    }
}

impl WireKind {
    pub(super) const fn core(&self) -> &WireInfo {
        match self {
            Self::OverheadWire(wire) => wire,
            Self::ConcentricNeutralCable(info) => &info.cable.core,
            Self::TapeShieldCable(info) => &info.cable.core,
        }
    }

    pub(super) const fn cable(&self) -> Option<&CableInfo> {
        match self {
            Self::OverheadWire(_) => None,
            Self::ConcentricNeutralCable(info) => Some(&info.cable),
            Self::TapeShieldCable(info) => Some(&info.cable),
        }
    }

    pub(super) fn screen(&self) -> Option<Screen> {
        match self {
            Self::OverheadWire(_) => None,
            Self::ConcentricNeutralCable(info) => Some(info.screen()),
            Self::TapeShieldCable(info) => Some(info.screen()),
        }
    }

    /// Radius of the whole.
    fn outer_radius(&self) -> f64 {
        match self {
            Self::OverheadWire(wire) => wire.radius_m,
            Self::ConcentricNeutralCable(info) => 0.5 * info.diameter_over_neutral_m,
            Self::TapeShieldCable(info) => 0.5 * info.diameter_over_screen_m + info.tape_thickness_m,
        }
    }

    /// The name and the value of the first figure that cannot be.
    fn bad_figure(&self) -> Option<(&'static str, f64)> {
        match self {
            Self::OverheadWire(wire) => wire.bad_figure(),
            Self::ConcentricNeutralCable(info) => info.cable.bad_figure().or_else(|| info.bad_screen()),
            Self::TapeShieldCable(info) => info.cable.bad_figure().or_else(|| info.bad_screen()),
        }
    }
}

impl WireInfo {
    fn bad_figure(&self) -> Option<(&'static str, f64)> {
        first_not_positive(&[
            ("radius", self.radius_m),
            ("GMR", self.gmr_m),
            ("resistance to alternating current", self.r_ac_ohm_per_m),
            ("resistance to direct current", self.r_dc_ohm_per_m),
        ])
    }
}

impl CableInfo {
    fn bad_figure(&self) -> Option<(&'static str, f64)> {
        let inside = 0.5 * self.diameter_over_insulation_m - self.insulation_thickness_m;
        self.core.bad_figure().or_else(|| {
            first_not_positive(&[
                ("diameter over the insulation", self.diameter_over_insulation_m),
                ("thickness of the insulation", self.insulation_thickness_m),
                ("radius below the insulation", inside),
                ("relative permittivity", self.relative_permittivity),
            ])
        })
    }
}

impl ConcentricNeutralCableInfo {
    fn bad_screen(&self) -> Option<(&'static str, f64)> {
        let gap = self.screen().radius_m - self.cable.core.radius_m;
        first_not_positive(&[
            ("diameter over the neutral", self.diameter_over_neutral_m),
            ("number of strands", f64::from(self.neutral_strand_count)),
            ("radius of a strand", self.neutral_strand_radius_m),
            ("GMR of a strand", self.neutral_strand_gmr_m),
            ("resistance of a strand", self.neutral_strand_r_dc_ohm_per_m),
            ("distance between core and strands", gap),
        ])
    }
}

impl TapeShieldCableInfo {
    fn bad_screen(&self) -> Option<(&'static str, f64)> {
        let gap = self.screen().radius_m - self.cable.core.radius_m;
        let lap_is_bad = !(0.0..100.0).contains(&self.tape_lap_percent);
        first_not_positive(&[
            ("diameter over the screen", self.diameter_over_screen_m),
            ("thickness of the tape", self.tape_thickness_m),
            ("resistivity of the tape", self.tape_resistivity_ohm_m),
        ])
        .or(lap_is_bad.then_some(("lap of the tape", self.tape_lap_percent)))
        .or_else(|| first_not_positive(&[("distance between core and tape", gap)]))
    }
}

impl WirePosition {
    pub(super) const fn place(&self) -> Place {
        Place { x_m: self.x_m, y_m: self.y_m }
    }

    /// Whether this is a wire in the air, whose field ends at the earth and at the others.
    pub(super) fn is_aerial(&self) -> bool {
        self.y_m > 0.0 && self.kind.cable().is_none()
    }
}

fn first_not_positive(figures: &[(&'static str, f64)]) -> Option<(&'static str, f64)> {
    figures.iter().copied().find(|(_, value)| !(value.is_finite() && *value > 0.0))
}

/// Checks a whole line.
pub(super) fn check(positions: &[WirePosition], conditions: &Conditions) -> Result<(), WireFault> {
    if positions.is_empty() || positions.len() > MAX_WIRES {
        return Err(WireFault::Count { got: positions.len() });
    }
    let figures = [
        ("frequency", conditions.frequency_hz),
        ("resistivity of the earth", conditions.earth_resistivity_ohm_m),
    ];
    if let Some((what, value)) = first_not_positive(&figures) {
        return Err(WireFault::Condition { what, value });
    }
    for (wire, position) in positions.iter().enumerate() {
        if let Some((what, value)) = position.kind.bad_figure() {
            return Err(WireFault::Figure { wire, what, value });
        }
        if !position.x_m.is_finite() {
            return Err(WireFault::Figure { wire, what: "horizontal position", value: position.x_m });
        }
        // A wire that hangs touches the earth below its radius.
        let radius = position.kind.outer_radius();
        if !position.y_m.is_finite() || position.y_m.abs() <= radius {
            return Err(WireFault::Figure { wire, what: "height", value: position.y_m });
        }
        for (before, other) in positions[..wire].iter().enumerate() {
            if position.place().distance(other.place()) < radius + other.kind.outer_radius() {
                return Err(WireFault::SamePlace { first: before, second: wire });
            }
        }
    }
    Ok(())
}
