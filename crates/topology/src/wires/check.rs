//! The check that wires and cables can exist, and that no two are in one place.

use model::distribution::{
    CableInfo, ConcentricNeutralCableInfo, TapeShieldCableInfo, WireInfo, WireKind, WirePosition,
};

use super::earth::Place;
use super::fault::WireFault;
use super::screen::Screen;
use super::{Conditions, MAX_WIRES};

/// The name of a figure that cannot be, and its value.
type BadFigure = (&'static str, f64);

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
        if let Some((what, value)) = bad_figure(&position.kind) {
            return Err(WireFault::Figure { wire, what, value });
        }
        if !position.x_m.is_finite() {
            return Err(WireFault::Figure { wire, what: "horizontal position", value: position.x_m });
        }
        // A wire that hangs touches the earth below its radius.
        let radius = position.kind.outer_radius_m();
        if !position.y_m.is_finite() || position.y_m.abs() <= radius {
            return Err(WireFault::Figure { wire, what: "height", value: position.y_m });
        }
        for (before, other) in positions[..wire].iter().enumerate() {
            if Place::of(position).distance(Place::of(other)) < radius + other.kind.outer_radius_m() {
                return Err(WireFault::SamePlace { first: before, second: wire });
            }
        }
    }
    Ok(())
}

/// The first figure that cannot be.
fn bad_figure(kind: &WireKind) -> Option<BadFigure> {
    match kind {
        WireKind::OverheadWire(wire) => bad_wire(wire),
        WireKind::ConcentricNeutralCable(info) => bad_cable(&info.cable).or_else(|| bad_strands(info)),
        WireKind::TapeShieldCable(info) => bad_cable(&info.cable).or_else(|| bad_tape(info)),
    }
}

fn bad_wire(wire: &WireInfo) -> Option<BadFigure> {
    first_not_positive(&[
        ("radius", wire.radius_m),
        ("GMR", wire.gmr_m),
        ("resistance to alternating current", wire.r_ac_ohm_per_m),
        ("resistance to direct current", wire.r_dc_ohm_per_m),
    ])
}

fn bad_cable(info: &CableInfo) -> Option<BadFigure> {
    let inside = 0.5 * info.diameter_over_insulation_m - info.insulation_thickness_m;
    bad_wire(&info.core).or_else(|| {
        first_not_positive(&[
            ("diameter over the insulation", info.diameter_over_insulation_m),
            ("thickness of the insulation", info.insulation_thickness_m),
            ("radius below the insulation", inside),
            ("relative permittivity", info.relative_permittivity),
        ])
    })
}

fn bad_strands(info: &ConcentricNeutralCableInfo) -> Option<BadFigure> {
    let gap = Screen::of_strands(info).radius_m - info.cable.core.radius_m;
    first_not_positive(&[
        ("diameter over the neutral", info.diameter_over_neutral_m),
        ("number of strands", f64::from(info.neutral_strand_count)),
        ("radius of a strand", info.neutral_strand_radius_m),
        ("GMR of a strand", info.neutral_strand_gmr_m),
        ("resistance of a strand", info.neutral_strand_r_dc_ohm_per_m),
        ("distance between core and strands", gap),
    ])
}

fn bad_tape(info: &TapeShieldCableInfo) -> Option<BadFigure> {
    let gap = Screen::of_tape(info).radius_m - info.cable.core.radius_m;
    let lap_is_bad = !(0.0..100.0).contains(&info.tape_lap_percent);
    first_not_positive(&[
        ("diameter over the screen", info.diameter_over_screen_m),
        ("thickness of the tape", info.tape_thickness_m),
        ("resistivity of the tape", info.tape_resistivity_ohm_m),
    ])
    .or(lap_is_bad.then_some(("lap of the tape", info.tape_lap_percent)))
    .or_else(|| first_not_positive(&[("distance between core and tape", gap)]))
}

fn first_not_positive(figures: &[BadFigure]) -> Option<BadFigure> {
    figures.iter().copied().find(|(_, value)| !(value.is_finite() && *value > 0.0))
}
