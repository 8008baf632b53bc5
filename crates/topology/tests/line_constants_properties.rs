//! What holds for every line, and what is refused.
#![allow(clippy::unwrap_used)]

use model::distribution::{
    COPPER_TAPE_OHM_M, CableInfo, EarthReturn, TapeShieldCableInfo, WireInfo, WireKind, WirePosition,
};
use proptest::prelude::*;
use sparse::complex::Complex;
use topology::wires::{
    Conditions, InternalImpedance, LengthUnit, MAX_WIRES, Matrix, PerLengthPhaseImpedance, WireFault,
    line_constants, primitive, solid_gmr,
};

fn wire(radius_m: f64) -> WireInfo {
    WireInfo { radius_m, gmr_m: solid_gmr(radius_m), r_ac_ohm_per_m: 2e-4, r_dc_ohm_per_m: 1.9e-4 }
}

fn bare(x_m: f64, y_m: f64) -> WirePosition {
    WirePosition { x_m, y_m, kind: WireKind::OverheadWire(wire(0.007)) }
}

fn tape() -> TapeShieldCableInfo {
    TapeShieldCableInfo {
        cable: CableInfo {
            core: wire(0.005),
            diameter_over_insulation_m: 0.021,
            insulation_thickness_m: 0.0055,
            relative_permittivity: 2.3,
        },
        diameter_over_screen_m: 0.022,
        tape_thickness_m: 1.3e-4,
        tape_lap_percent: 20.0,
        tape_resistivity_ohm_m: COPPER_TAPE_OHM_M,
    }
}

fn line() -> Vec<WirePosition> {
    vec![bare(-1.0, 9.0), bare(0.0, 9.0), bare(1.0, 9.0), bare(0.0, 7.0)]
}

fn off(a: &Matrix, b: &Matrix) -> f64 {
    let n = a.order();
    (0..n * n).map(|at| (a[(at / n, at % n)] - b[(at / n, at % n)]).abs()).fold(0.0, f64::max)
}

/// `x^H M x`.
fn form(matrix: &Matrix, x: &[Complex]) -> Complex {
    let mut sum = Complex::ZERO;
    for (row, left) in x.iter().enumerate() {
        for (col, right) in x.iter().enumerate() {
            sum += left.conj() * matrix[(row, col)] * *right;
        }
    }
    sum
}

fn wires() -> impl Strategy<Value = Vec<WirePosition>> {
    // One wire per cell of a grid, so that none are in one place.
    (1usize..7).prop_flat_map(|n| {
        proptest::collection::vec((-0.4f64..0.4, -0.4f64..0.4, 5.0f64..30.0), n).prop_map(|places| {
            let cells = places.iter().enumerate();
            cells.map(|(at, &(dx, dy, h))| bare(2.0 * at as f64 + dx, h + dy)).collect()
        })
    })
}

fn models() -> impl Strategy<Value = (EarthReturn, InternalImpedance)> {
    let earth =
        prop_oneof![Just(EarthReturn::ModifiedCarson), Just(EarthReturn::Carson), Just(EarthReturn::Deri)];
    let inside = prop_oneof![
        Just(InternalImpedance::Tabulated),
        Just(InternalImpedance::RoundWire),
        Just(InternalImpedance::RoundWireResistance)
    ];
    (earth, inside)
}

proptest! {
    /// Reciprocal, and no line makes energy out of currents or voltages.
    #[test]
    fn lines_are_reciprocal_and_passive(
        positions in wires(),
        (earth_return, internal) in models(),
        currents in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 6),
    ) {
        let conditions = Conditions { earth_return, internal, ..Conditions::at(50.0) };
        for phases in 1..=positions.len() {
            let found = line_constants(&positions, phases, &conditions).unwrap();
            for matrix in [&found.z_ohm_per_m, &found.y_s_per_m] {
                let scale = matrix[(0, 0)].abs();
                for row in 0..phases {
                    for col in 0..row {
                        prop_assert!((matrix[(row, col)] - matrix[(col, row)]).abs() <= 1e-12 * scale);
                    }
                }
                let x: Vec<Complex> = currents[..phases].iter().map(|&(re, im)| Complex::new(re, im)).collect();
                let power = form(matrix, &x);
                prop_assert!(power.re >= -1e-12 * scale && power.im >= -1e-12 * scale, "{power:?}");
            }
        }
    }

    /// Reduction is the impedance seen with the others at zero voltage: the inverse of the leading block of the
    /// inverse.
    #[test]
    fn reduction_is_the_inverse_of_a_block_of_the_inverse(positions in wires(), phases in 1usize..7) {
        let z = primitive(&positions, &Conditions::at(60.0)).unwrap().z_ohm_per_m;
        let phases = phases.min(positions.len());
        let other = z.inverse().unwrap().leading(phases).inverse().unwrap();
        prop_assert!(off(&z.kron(phases).unwrap(), &other) <= 1e-10 * z[(0, 0)].abs());
    }

    #[test]
    fn any_figures_give_numbers_or_a_fault(x in any::<f64>(), y in any::<f64>(), radius in any::<f64>(), gmr in any::<f64>(),
                        r in any::<f64>(), f in any::<f64>(), rho in any::<f64>()) {
        let info = WireInfo { radius_m: radius, gmr_m: gmr, r_ac_ohm_per_m: r, r_dc_ohm_per_m: r };
        let positions = [bare(0.0, 9.0), WirePosition { x_m: x, y_m: y, kind: WireKind::OverheadWire(info) }];
        for earth_return in [EarthReturn::ModifiedCarson, EarthReturn::Carson, EarthReturn::Deri] {
            let internal = InternalImpedance::RoundWire;
            let conditions = Conditions { earth_return, internal, earth_resistivity_ohm_m: rho, ..Conditions::at(f) };
            if let Ok(found) = line_constants(&positions, 1, &conditions) {
                prop_assert!(found.z_ohm_per_m.is_finite() && found.y_s_per_m.is_finite());
            }
        }
    }
}

#[test]
fn sequences_of_a_transposed_line() {
    let (own, mutual) = (Complex::new(3e-4, 9e-4), Complex::new(1e-4, 4e-4));
    let (own_y, mutual_y) = (Complex::new(0.0, 4e-9), Complex::new(0.0, -1e-9));
    let mut line = PerLengthPhaseImpedance { z_ohm_per_m: Matrix::zeros(3), y_s_per_m: Matrix::zeros(3) };
    for row in 0..3 {
        for col in 0..3 {
            line.z_ohm_per_m[(row, col)] = if row == col { own } else { mutual };
            line.y_s_per_m[(row, col)] = if row == col { own_y } else { mutual_y };
        }
    }
    let found = line.sequences().unwrap();
    let close =
        |got: f64, want: f64| assert!((got - want).abs() < 1e-12 * want.abs().max(1e-6), "{got} {want}");
    close(found.r_ohm_per_m, 2e-4);
    close(found.x_ohm_per_m, 5e-4);
    close(found.r0_ohm_per_m, 5e-4);
    close(found.x0_ohm_per_m, 17e-4);
    close(found.bch_s_per_m * 1e3, 5e-6);
    close(found.b0ch_s_per_m * 1e3, 2e-6);
    let (z, _) = line.sequence_matrices().unwrap();
    assert!(z[(0, 1)].abs() < 1e-18 && z[(1, 2)].abs() < 1e-18);
    let two = line_constants(&self::line(), 2, &Conditions::at(50.0)).unwrap();
    assert_eq!(two.sequences(), None);
}

#[test]
fn a_cable_beside_overhead_wires_takes_nothing_from_their_field() {
    let cable = WirePosition { x_m: 0.5, y_m: -0.9, kind: WireKind::TapeShieldCable(tape()) };
    let alone = primitive(&line(), &Conditions::at(50.0)).unwrap();
    let mut positions = line();
    positions.push(cable);
    let both = primitive(&positions, &Conditions::at(50.0)).unwrap();
    assert_eq!(both.z_ohm_per_m.order(), 6);
    assert!(off(&both.y_s_per_m.leading(4), &alone.y_s_per_m) < 1e-24);
    // Core and screen: what leaves the one arrives at the other.
    assert_eq!(both.y_s_per_m[(4, 4)], -both.y_s_per_m[(4, 5)]);
}

#[test]
fn units_of_length() {
    assert!((LengthUnit::Mile.metres() - 5280.0 * LengthUnit::Foot.metres()).abs() < 1e-9);
    assert!((LengthUnit::Foot.metres() - 12.0 * LengthUnit::Inch.metres()).abs() < 1e-12);
    assert!((LengthUnit::KiloFoot.metres() - 1000.0 * LengthUnit::Foot.metres()).abs() < 1e-9);
}

#[test]
fn what_cannot_be_is_refused_with_its_wire() {
    let refused = |positions: &[WirePosition], conditions: Conditions| {
        line_constants(positions, 1, &conditions).unwrap_err().to_string()
    };
    let with = |change: &dyn Fn(&mut WireInfo)| {
        let mut info = wire(0.007);
        change(&mut info);
        vec![bare(0.0, 9.0), WirePosition { x_m: 1.0, y_m: 9.0, kind: WireKind::OverheadWire(info) }]
    };
    let shielded = |change: &dyn Fn(&mut TapeShieldCableInfo)| {
        let mut info = tape();
        change(&mut info);
        vec![WirePosition { x_m: 1.0, y_m: -0.9, kind: WireKind::TapeShieldCable(info) }]
    };
    let at = Conditions::at(50.0);
    for (positions, message) in [
        (vec![], "0 wires where 1 to 12 can be"),
        (vec![bare(0.0, 0.0)], "wire 1: height is 0"),
        (vec![bare(f64::NAN, 9.0)], "wire 1: horizontal position is NaN"),
        (vec![bare(0.0, 9.0), bare(0.01, 9.0)], "wires 1 and 2 are in the same place"),
        (with(&|info| info.gmr_m = 0.0), "wire 2: GMR is 0"),
        (with(&|info| info.radius_m = -1.0), "wire 2: radius is -1"),
        (with(&|info| info.r_dc_ohm_per_m = f64::INFINITY), "wire 2: resistance to direct current is inf"),
        (shielded(&|info| info.tape_lap_percent = 100.0), "wire 1: lap of the tape is 100"),
        (
            shielded(&|info| info.cable.insulation_thickness_m = 0.0105),
            "wire 1: radius below the insulation is 0",
        ),
        (shielded(&|info| info.cable.core.radius_m = 0.012), "wire 1: distance between core and tape"),
    ] {
        let got = refused(&positions, at);
        assert!(got.starts_with(message), "{got}, not {message}");
    }
    assert_eq!(refused(&line(), Conditions::at(0.0)), "frequency is 0");
    assert_eq!(
        refused(&line(), Conditions { earth_resistivity_ohm_m: -5.0, ..at }),
        "resistivity of the earth is -5"
    );
    let many: Vec<WirePosition> = (0..=MAX_WIRES).map(|at| bare(at as f64, 9.0)).collect();
    assert_eq!(line_constants(&many, 1, &at), Err(WireFault::Count { got: 13 }));
    assert_eq!(line_constants(&line(), 5, &at), Err(WireFault::Phases { got: 5, most: 4 }));
    assert_eq!(line_constants(&line(), 0, &at), Err(WireFault::Phases { got: 0, most: 4 }));
}
