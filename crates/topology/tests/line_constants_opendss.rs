//! Line constants against OpenDSS: `cases/line_constants_opendss.txt`, made by `interop/line_constants_cases.py`.
//!
//! OpenDSS rounds constants that are exact here. The test puts its figures in where the formula has a place for
//! them: its lengths in both formulas of Carson scale like the root of the earth's resistivity, its permittivity
//! scales the admittance. What is left is `μ = 12.56637e-7` (5e-8).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::f64::consts::PI;

use model::distribution::{
    CableInfo, ConcentricNeutralCableInfo, EarthReturn, TapeShieldCableInfo, WireInfo, WireKind, WirePosition,
};
use sparse::complex::Complex;
use topology::wires::{Conditions, InternalImpedance, line_constants, solid_gmr};

const CASES: &str = include_str!("cases/line_constants_opendss.txt");
/// Of the largest entry of the matrix.
const TOLERANCE: f64 = 1e-6;
const PERMITTIVITY: f64 = 8.854_187_812_8e-12;
const PERMEABILITY: f64 = 4e-7 * PI;

#[derive(Default)]
struct Rounded {
    permittivity: f64,
    modified_carson_length: f64,
    carson_factor: f64,
}

struct Case {
    name: String,
    phases: usize,
    conditions: Conditions,
    positions: Vec<WirePosition>,
    r: Vec<f64>,
    x: Vec<f64>,
}

fn numbers<'a>(fields: impl Iterator<Item = &'a str>) -> Vec<f64> {
    fields.map(|field| field.parse().expect(field)).collect()
}

fn wire(f: &[f64]) -> WireInfo {
    WireInfo { radius_m: f[0], gmr_m: f[1], r_ac_ohm_per_m: f[2], r_dc_ohm_per_m: f[3] }
}

fn cable(f: &[f64]) -> CableInfo {
    CableInfo {
        core: wire(f),
        diameter_over_insulation_m: f[4],
        insulation_thickness_m: f[5],
        relative_permittivity: f[6],
    }
}

fn position(kind: &str, figures: &[f64]) -> WirePosition {
    let f = &figures[2..];
    let kind = match kind {
        "wire" => WireKind::OverheadWire(wire(f)),
        "cn" => WireKind::ConcentricNeutralCable(ConcentricNeutralCableInfo {
            cable: cable(f),
            diameter_over_neutral_m: f[7],
            neutral_strand_count: f[8] as u32,
            neutral_strand_radius_m: f[9],
            neutral_strand_gmr_m: f[10],
            neutral_strand_r_dc_ohm_per_m: f[11],
        }),
        "ts" => WireKind::TapeShieldCable(TapeShieldCableInfo {
            cable: cable(f),
            diameter_over_screen_m: f[7],
            tape_thickness_m: f[8],
            tape_lap_percent: f[9],
            tape_resistivity_ohm_m: f[10],
        }),
        other => panic!("unknown kind {other}"),
    };
    WirePosition { x_m: figures[0], y_m: figures[1], kind }
}

/// Conditions as OpenDSS has them, with its lengths moved into the resistivity of the earth.
fn conditions(model: &str, frequency_hz: f64, resistivity: f64, rounded: &Rounded) -> Conditions {
    let exact_length =
        (2.0_f64.ln() + 0.5 - 0.577_215_664_901_532_9).exp() / (2.0 * PI * PERMEABILITY).sqrt();
    let exact_factor = (2.0 * PI * PERMEABILITY).sqrt();
    let (earth_return, internal, length) = match model {
        "modified_carson" => (
            EarthReturn::ModifiedCarson,
            InternalImpedance::Tabulated,
            rounded.modified_carson_length / exact_length,
        ),
        "carson" => (EarthReturn::Carson, InternalImpedance::Tabulated, exact_factor / rounded.carson_factor),
        // Up to 1 kHz OpenDSS has the resistance of a round wire and the GMR, above it all of the round wire.
        "deri" if frequency_hz < 1000.0 => (EarthReturn::Deri, InternalImpedance::RoundWireResistance, 1.0),
        "deri" => (EarthReturn::Deri, InternalImpedance::RoundWire, 1.0),
        other => panic!("unknown model {other}"),
    };
    Conditions {
        earth_resistivity_ohm_m: resistivity * length * length,
        earth_return,
        internal,
        ..Conditions::at(frequency_hz)
    }
}

fn largest_error(what: &str, got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
    got.iter().zip(want).fold(0.0_f64, |max, (g, w)| max.max((g - w).abs() / scale))
}

/// Compares one case and returns the largest deviation of its matrices.
fn check(case: &Case, c: &[f64], rounded: &Rounded) -> f64 {
    let found = line_constants(&case.positions, case.phases, &case.conditions).expect(&case.name);
    let entries = |pick: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..case.phases * case.phases).map(|at| pick(at / case.phases, at % case.phases)).collect()
    };
    let omega = 2.0 * PI * case.conditions.frequency_hz;
    let to_nf = 1e9 / omega * rounded.permittivity / PERMITTIVITY;
    let z = |i, j| -> Complex { found.z_ohm_per_m[(i, j)] };
    let y = |i, j| -> Complex { found.y_s_per_m[(i, j)] };
    let errors = [
        largest_error(&case.name, &entries(&|i, j| z(i, j).re), &case.r),
        largest_error(&case.name, &entries(&|i, j| z(i, j).im), &case.x),
        largest_error(&case.name, &entries(&|i, j| y(i, j).im * to_nf), c),
    ];
    for (what, error) in ["r", "x", "c"].iter().zip(errors) {
        assert!(error <= TOLERANCE, "{} {what}: {error:e}", case.name);
    }
    errors.iter().fold(0.0, |max, error| max.max(*error))
}

#[test]
fn opendss_finds_the_same_constants() {
    let mut rounded = Rounded::default();
    let mut case: Option<Case> = None;
    let (mut count, mut worst) = (0, 0.0_f64);
    for line in CASES.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split_whitespace();
        match fields.next().unwrap() {
            "permittivity" => rounded.permittivity = numbers(fields)[0],
            "modified_carson_length" => rounded.modified_carson_length = numbers(fields)[0],
            "carson_factor" => rounded.carson_factor = numbers(fields)[0],
            "case" => {
                let (_, model) = (fields.next(), fields.next().unwrap());
                let figures = numbers(fields);
                case = Some(Case {
                    name: line.to_owned(),
                    phases: figures[2] as usize,
                    conditions: conditions(model, figures[0], figures[1], &rounded),
                    positions: Vec::new(),
                    r: Vec::new(),
                    x: Vec::new(),
                });
            }
            "r" => case.as_mut().unwrap().r = numbers(fields),
            "x" => case.as_mut().unwrap().x = numbers(fields),
            "c" => {
                worst = worst.max(check(&case.take().unwrap(), &numbers(fields), &rounded));
                count += 1;
            }
            kind => {
                let case = case.as_mut().unwrap();
                let mut figures = numbers(fields);
                // From 1 kHz on OpenDSS takes the GMR of a solid wire in place of the one that it was given.
                if case.conditions.frequency_hz >= 1000.0 {
                    figures[3] = solid_gmr(figures[2]);
                }
                case.positions.push(position(kind, &figures));
            }
        }
    }
    assert_eq!(count, 81);
    println!("{count} cases, largest deviation {worst:e}");
}
