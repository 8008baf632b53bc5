//! The primitive matrices: one row per conductor, screens of cables last.

use std::f64::consts::PI;

use model::distribution::{WireKind, WirePosition};
use sparse::complex::Complex;

use super::check::check;
use super::earth::{Earth, Place};
use super::fault::WireFault;
use super::matrix::Matrix;
use super::screen::Screen;
use super::{CableCapacitance, Conditions, PerLengthPhaseImpedance};

/// Permittivity of free space in F/m (CODATA 2018).
pub(super) const EPSILON: f64 = 8.854_187_812_8e-12;

/// Constants of all conductors of a line: wires and cores as given, then the screens of the cables in that order.
#[derive(Clone, PartialEq, Debug)]
pub struct PrimitiveConstants {
    /// Series impedance in ohm per metre.
    pub z_ohm_per_m: Matrix,
    /// Shunt admittance in siemens per metre.
    pub y_s_per_m: Matrix,
    /// How many of the conductors are wires and cores.
    wires: usize,
}

/// One row of the matrices.
#[derive(Clone, Copy)]
struct Conductor {
    place: Place,
    /// Index of the position it belongs to.
    wire: usize,
    screen: Option<Screen>,
    internal: Complex,
    /// The radius that goes with `internal`.
    radius_m: f64,
}

/// Constants of all conductors.
///
/// # Errors
/// A figure that no wire can have, or conductors in one place.
pub fn primitive(
    positions: &[WirePosition],
    conditions: &Conditions,
) -> Result<PrimitiveConstants, WireFault> {
    check(positions, conditions)?;
    let earth = Earth {
        frequency_hz: conditions.frequency_hz,
        resistivity_ohm_m: conditions.earth_resistivity_ohm_m,
        model: conditions.earth_return,
    };
    let conductors = conductors(positions, conditions, &earth);
    let z_ohm_per_m = impedances(&conductors, &earth);
    let y_s_per_m = admittances(positions, &conductors, conditions)?;
    if z_ohm_per_m.is_finite() && y_s_per_m.is_finite() {
        Ok(PrimitiveConstants { z_ohm_per_m, y_s_per_m, wires: positions.len() })
    } else {
        Err(WireFault::Range)
    }
}

impl PrimitiveConstants {
    /// Constants of the first `phases` wires; all other conductors are grounded all along.
    ///
    /// # Errors
    /// [`WireFault::Phases`], or [`WireFault::Singular`] when a conductor that is reduced has no impedance.
    pub fn phases(&self, phases: usize) -> Result<PerLengthPhaseImpedance, WireFault> {
        if phases == 0 || phases > self.wires {
            return Err(WireFault::Phases { got: phases, most: self.wires });
        }
        let z = self.z_ohm_per_m.kron(phases).ok_or(WireFault::Singular { what: "impedances" })?;
        if !z.is_finite() {
            return Err(WireFault::Range);
        }
        Ok(PerLengthPhaseImpedance { z_ohm_per_m: z, y_s_per_m: self.y_s_per_m.leading(phases) })
    }
}

fn conductors(positions: &[WirePosition], conditions: &Conditions, earth: &Earth) -> Vec<Conductor> {
    let cores = positions.iter().enumerate().map(|(wire, position)| {
        let (internal, radius_m) = earth.internal(position.kind.core(), conditions.internal);
        Conductor { place: Place::of(position), wire, screen: None, internal, radius_m }
    });
    let screens = positions.iter().enumerate().filter_map(|(wire, position)| {
        let screen = Screen::of(&position.kind)?;
        let internal = Complex::from(screen.r_ohm_per_m);
        Some(Conductor {
            place: Place::of(position),
            wire,
            screen: Some(screen),
            internal,
            radius_m: screen.gmr_m,
        })
    });
    cores.chain(screens).collect()
}

fn impedances(conductors: &[Conductor], earth: &Earth) -> Matrix {
    let mut z = Matrix::zeros(conductors.len());
    let own_flux = |distance: f64| Complex::new(0.0, -earth.log_factor() * distance.ln());
    for (i, one) in conductors.iter().enumerate() {
        let of_earth = earth.impedance(one.place, one.place);
        z[(i, i)] = one.internal + own_flux(one.radius_m) + of_earth;
        for (j, other) in conductors[..i].iter().enumerate() {
            let mutual = own_flux(one.distance(other)) + earth.impedance(one.place, other.place);
            z[(i, j)] = mutual;
            z[(j, i)] = mutual;
        }
    }
    z
}

impl Conductor {
    fn distance(&self, other: &Self) -> f64 {
        let axes = self.place.distance(other.place);
        match (self.screen, other.screen) {
            // Between screens the distance of the axes is used (Kersting).
            (None, None) | (Some(_), Some(_)) => axes,
            (Some(screen), None) | (None, Some(screen)) => {
                if self.wire == other.wire {
                    screen.radius_m
                } else {
                    screen.distance(axes)
                }
            }
        }
    }
}

fn admittances(
    positions: &[WirePosition],
    conductors: &[Conductor],
    conditions: &Conditions,
) -> Result<Matrix, WireFault> {
    let omega = 2.0 * PI * conditions.frequency_hz;
    let mut y = Matrix::zeros(conductors.len());
    let aerial: Vec<usize> = (0..positions.len()).filter(|&wire| is_aerial(&positions[wire])).collect();
    let capacitances = potentials(positions, &aerial)
        .inverse()
        .ok_or(WireFault::Singular { what: "potential coefficients" })?;
    for (i, &row) in aerial.iter().enumerate() {
        for (j, &col) in aerial.iter().enumerate() {
            y[(row, col)] = Complex::new(0.0, omega * capacitances[(i, j)].re);
        }
    }
    for (at, screen) in conductors.iter().enumerate().filter(|(_, conductor)| conductor.screen.is_some()) {
        let capacitance = cable_capacitance(&positions[screen.wire].kind, conditions.cable_capacitance);
        let between = Complex::new(0.0, omega * capacitance);
        y[(screen.wire, screen.wire)] += between;
        y[(at, at)] += between;
        y[(screen.wire, at)] = -between;
        y[(at, screen.wire)] = -between;
    }
    Ok(y)
}

/// Whether this is a wire in the air, whose field ends at the earth and at the others.
fn is_aerial(position: &WirePosition) -> bool {
    position.y_m > 0.0 && position.kind.cable().is_none()
}

/// Potential coefficients of the wires in the air, in m/F.
fn potentials(positions: &[WirePosition], aerial: &[usize]) -> Matrix {
    let factor = 1.0 / (2.0 * PI * EPSILON);
    let mut p = Matrix::zeros(aerial.len());
    for (i, &one) in aerial.iter().enumerate() {
        let place = Place::of(&positions[one]);
        for (j, &other) in aerial.iter().enumerate() {
            let from = Place::of(&positions[other]);
            let distance =
                if one == other { positions[one].kind.core().radius_m } else { place.distance(from) };
            p[(i, j)] = Complex::from(factor * (place.image_distance(from) / distance).ln());
        }
    }
    p
}

/// Capacitance between core and screen in F/m; zero for a bare wire.
fn cable_capacitance(kind: &WireKind, how: CableCapacitance) -> f64 {
    let (Some(cable), Some(screen)) = (kind.cable(), Screen::of(kind)) else { return 0.0 };
    let span = match how {
        CableCapacitance::Insulation => {
            let outside = 0.5 * cable.diameter_over_insulation_m;
            (outside / (outside - cable.insulation_thickness_m)).ln()
        }
        CableCapacitance::Screen => (screen.radius_m / cable.core.radius_m).ln() - open_field(kind, &screen),
    };
    2.0 * PI * EPSILON * cable.relative_permittivity / span
}

/// How much less `ln` a screen of strands has than a closed one.
fn open_field(kind: &WireKind, screen: &Screen) -> f64 {
    match kind {
        WireKind::ConcentricNeutralCable(info) => {
            let k = f64::from(info.neutral_strand_count);
            (k * info.neutral_strand_radius_m / screen.radius_m).ln() / k
        }
        WireKind::OverheadWire(_) | WireKind::TapeShieldCable(_) => 0.0,
    }
}
