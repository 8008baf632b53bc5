//! The screen of a cable as one conductor; formulas in the module above.

use std::f64::consts::PI;

use model::distribution::{ConcentricNeutralCableInfo, TapeShieldCableInfo, WireKind};

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

impl Screen {
    /// The screen of a cable; `None` for a bare wire.
    pub(super) fn of(kind: &WireKind) -> Option<Self> {
        match kind {
            WireKind::OverheadWire(_) => None,
            WireKind::ConcentricNeutralCable(info) => Some(Self::of_strands(info)),
            WireKind::TapeShieldCable(info) => Some(Self::of_tape(info)),
        }
    }

    pub(super) fn of_strands(info: &ConcentricNeutralCableInfo) -> Self {
        let k = f64::from(info.neutral_strand_count);
        let radius_m = 0.5 * info.diameter_over_neutral_m - info.neutral_strand_radius_m;
        // Through logarithms: a power of 20 would lose small radii.
        let ln_gmr = ((info.neutral_strand_gmr_m * k).ln() + (k - 1.0) * radius_m.ln()) / k;
        Self {
            r_ohm_per_m: info.neutral_strand_r_dc_ohm_per_m / k,
            gmr_m: ln_gmr.exp(),
            radius_m,
            strands: Some(k),
        }
    }

    pub(super) fn of_tape(info: &TapeShieldCableInfo) -> Self {
        let diameter = info.diameter_over_screen_m + 2.0 * info.tape_thickness_m;
        let lap = ((100.0 - info.tape_lap_percent) / 50.0).sqrt();
        let radius_m = 0.5 * (diameter - info.tape_thickness_m);
        Self {
            r_ohm_per_m: lap * info.tape_resistivity_ohm_m / (PI * diameter * info.tape_thickness_m),
            gmr_m: radius_m,
            radius_m,
            strands: None,
        }
    }

    /// Mean distance of the metal to another conductor, whose distance from the axis is given.
    pub(super) fn distance(&self, from_axis_m: f64) -> f64 {
        match self.strands {
            Some(k) => from_axis_m * (1.0 - (self.radius_m / from_axis_m).powf(k)).powf(1.0 / k),
            None => from_axis_m,
        }
    }
}
