//! Unbalanced power flow against OpenDSS: every node of our own feeder, of the IEEE feeders and, on the way through both
//! methods, of each other. `testdata/opendss/README.md` says how the results were made.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exchange::opendss::{self, DssStudy};
use powerflow::phases::{
    ControlOutcome, Method, PhaseOptions, PhaseSolution, PhaseSolver, PhaseStart, solve_controlled,
};
use sparse::complex::Complex;
use topology::phases::{PhaseGrid, build};

/// Largest difference of a voltage, per unit.
const TOLERANCE_PU: f64 = 1e-6;
/// Lines whose constants follow from geometry: the peer takes 8.854e-12 F/m and 1.256637e-6 H/m for the constants of
/// nature.
const GEOMETRY_TOLERANCE_PU: f64 = 5e-6;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(script: &Path) -> Result<DssStudy, String> {
    let files = &mut |path: &str| found(Path::new(path)).map_err(|error| error.to_string());
    opendss::read(&script.to_string_lossy(), files).map(|(study, _)| study).map_err(|error| error.to_string())
}

/// A file whose name may differ in case.
fn found(path: &Path) -> std::io::Result<Vec<u8>> {
    let exact = std::fs::read(path);
    let wanted = path.file_name().unwrap_or_default().to_ascii_lowercase();
    if exact.is_ok() {
        return exact;
    }
    for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry.file_name().to_ascii_lowercase() == wanted {
            return std::fs::read(entry.path());
        }
    }
    exact
}

/// Voltage and nominal voltage by bus and conductor.
fn reference(name: &str) -> BTreeMap<(String, u8), (Complex, f64)> {
    let text = std::fs::read_to_string(root().join(format!("testdata/opendss/{name}.csv"))).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |at: usize| cells[at].parse::<f64>().unwrap();
            let key = (cells[0].to_owned(), cells[1].parse().unwrap());
            (key, (Complex::new(number(2), number(3)), number(4)))
        })
        .collect()
}

fn compare(name: &str, grid: &PhaseGrid, solution: &PhaseSolution, tolerance_pu: f64) {
    assert!(solution.solved(), "{name}: {:?}", solution.outcomes);
    let mut reference = reference(name);
    for (node, place) in grid.nodes.iter().enumerate() {
        let bus = &grid.buses[place.bus as usize];
        let key = (bus.name.to_ascii_lowercase(), place.conductor);
        let (v, base_v) = reference.remove(&key).unwrap_or_else(|| panic!("{name}: no {key:?}"));
        let difference = (solution.v[node] - v).abs() / base_v;
        assert!(difference <= tolerance_pu, "{name}: {key:?} differs by {difference:e} p.u.");
        assert!((bus.base_v - base_v).abs() < 1e-9 * base_v, "{name}: {key:?} has a base of {}", bus.base_v);
    }
    assert!(reference.is_empty(), "{name}: without {:?}", reference.keys());
}

fn check(name: &str, script: &Path, tolerance_pu: f64) {
    let study = read(script).unwrap_or_else(|error| panic!("{error}"));
    let mut grid = build(&study.network).unwrap();
    let options = PhaseOptions::default();
    for method in [Method::FixedPoint, Method::Newton, Method::Automatic] {
        let options = PhaseOptions { method, ..options };
        let solution = PhaseSolver::new(&grid).solve(&grid, &options, PhaseStart::NoLoad);
        compare(&format!("{name}-off"), &grid, &solution, tolerance_pu);
    }
    let mut solver = PhaseSolver::new(&grid);
    let (solution, outcome) = solve_controlled(&mut solver, &mut grid, &options, PhaseStart::NoLoad, 300);
    assert!(matches!(outcome, ControlOutcome::Settled { .. }), "{name}: {outcome:?}");
    check_positions(name, &study, &grid);
    compare(&format!("{name}-on"), &grid, &solution, tolerance_pu);
}

/// Taps and steps are the peer's.
fn check_positions(name: &str, study: &DssStudy, grid: &PhaseGrid) {
    let text = std::fs::read_to_string(root().join(format!("testdata/opendss/{name}-taps.csv"))).unwrap();
    let mut expected: BTreeMap<(String, usize), f64> = text
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            ((cells[0].to_owned(), cells[1].parse().unwrap()), cells[2].parse().unwrap())
        })
        .collect();
    for (transformer, windings) in study.network.transformers.iter().zip(&grid.transformers) {
        for (at, winding) in (1..).zip(&windings.windings) {
            let tap = expected.remove(&(transformer.name.to_ascii_lowercase(), at)).unwrap_or(1.0);
            let same = (winding.tap_pu - tap).abs() < 1e-9;
            assert!(same, "{name}: tap {at} of {} is {} instead of {tap}", transformer.name, winding.tap_pu);
        }
    }
    for (capacitor, steps) in study.network.capacitors.iter().zip(&grid.capacitors) {
        let on = expected.remove(&(capacitor.name.to_ascii_lowercase(), 0));
        assert_eq!(on, Some(f64::from(steps.steps_on)), "{name}: steps of {}", capacitor.name);
    }
    assert!(expected.is_empty(), "{name}: without {expected:?}");
}

#[test]
fn our_feeder_is_that_of_opendss() {
    check("feeder", &root().join("testdata/opendss/feeder.dss"), GEOMETRY_TOLERANCE_PU);
}

#[test]
fn ieee_feeders_are_those_of_opendss() {
    let folder = std::env::var_os("TIELINE_SHARED_DATA")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from)
        .join("opendss");
    if !folder.is_dir() {
        println!("skipped: the scripts of the IEEE feeders are not here");
        return;
    }
    let check = |name, script, tolerance_pu| check(name, &folder.join(script), tolerance_pu);
    check("4bus-yy", "4Bus-YY-Bal/4Bus-YY-Bal.DSS", GEOMETRY_TOLERANCE_PU);
    check("4bus-dy", "4Bus-DY-Bal/4Bus-DY-Bal.DSS", GEOMETRY_TOLERANCE_PU);
    check("4bus-yd", "4Bus-YD-Bal/4Bus-YD-Bal.DSS", GEOMETRY_TOLERANCE_PU);
    check("4bus-gyd", "4Bus-GrdYD-Bal/4Bus-GrdYD-Bal.DSS", GEOMETRY_TOLERANCE_PU);
    check("4bus-oyod", "4Bus-OYOD-UnBal/4bus-OYOD-UnBal.dss", TOLERANCE_PU);
    check("ieee13", "13Bus/IEEE13Nodeckt.dss", TOLERANCE_PU);
    check("ieee34-1", "34Bus/ieee34Mod1.dss", TOLERANCE_PU);
    check("ieee34-2", "34Bus/ieee34Mod2.dss", TOLERANCE_PU);
    check("ieee37", "37Bus/ieee37.dss", TOLERANCE_PU);
    check("ieee123", "123Bus/IEEE123Master.dss", TOLERANCE_PU);
}
