//! Unbalanced power flow against OpenDSS: every node of our own feeder, of the IEEE feeders and, on the way through both
//! methods, of each other. `testdata/opendss/README.md` says how the results were made.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exchange::opendss::{self, DssStudy};
use model::distribution::{NodeIdx, Terminal};
use powerflow::phases::{
    ControlOutcome, Method, PhaseOptions, PhaseOutcome, PhaseReason, PhaseSolution, PhaseSolver, PhaseStart,
    element_flow, solve_controlled, source_power,
};
use sparse::complex::Complex;
use topology::phases::{ElementKind, GROUND, PhaseGrid, build};

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
        if solution.island[node].is_none() {
            // The peer has zero volts where no source feeds.
            assert!(v == Complex::ZERO && !solution.v[node].is_finite(), "{name}: {key:?} is not fed");
            continue;
        }
        let difference = (solution.v[node] - v).abs() / base_v;
        assert!(difference <= tolerance_pu, "{name}: {key:?} differs by {difference:e} p.u.");
        assert!((bus.base_v - base_v).abs() < 1e-9 * base_v, "{name}: {key:?} has a base of {}", bus.base_v);
    }
    assert!(reference.is_empty(), "{name}: without {:?}", reference.keys());
}

fn check(name: &str, script: &Path, tolerance_pu: f64) {
    let study = read(script).unwrap_or_else(|error| panic!("{error}"));
    let mut grid = build(&study.network).unwrap();
    grid.hour = study.hour.rem_euclid(24.0);
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
fn inverters_settle_where_those_of_opendss_do() {
    check("inverters", &root().join("testdata/opendss/inverters.dss"), TOLERANCE_PU);
    check("inverter-modes", &root().join("testdata/opendss/inverter-modes.dss"), TOLERANCE_PU);
}

#[test]
fn regulators_and_timed_banks_end_where_those_of_opendss_do() {
    check("regulators", &root().join("testdata/opendss/regulators.dss"), TOLERANCE_PU);
}

#[test]
fn what_is_open_at_one_end_stays_connected_at_the_other() {
    check("open-ends", &root().join("testdata/opendss/open-ends.dss"), TOLERANCE_PU);
}

#[test]
fn zigzags_of_single_phase_units_are_those_of_opendss() {
    check("zigzag", &root().join("testdata/opendss/zigzag.dss"), TOLERANCE_PU);
}

/// Whole zigzags with the data that `zigzag.dss` builds of units: the same voltages at all conductors outside.
#[test]
fn whole_zigzags_are_those_of_single_phase_units() {
    let units = std::fs::read_to_string(root().join("testdata/opendss/zigzag.dss")).unwrap();
    let rest = units.lines().filter(|line| !line.starts_with("New Transformer."));
    let whole = "new transformer.d kvas=[300 300] kvs=[10 0.4] xhl=6 %rs=[0.5 0.5] ppm_antifloat=0\n\
                 ~ buses=[grid d.1.2.3.4] conns=[delta zigzag]\n\
                 new transformer.w kvas=[300 300] kvs=[10 0.4] xhl=6 %rs=[0.5 0.5] ppm_antifloat=0\n\
                 ~ buses=[grid w.1.2.3.4] conns=[wye zigzag] taps=[1 1.025]\n";
    let text = format!("{}\n{whole}", rest.collect::<Vec<_>>().join("\n"));
    let (study, _) = opendss::read("x.dss", &mut |_| Ok(text.clone().into_bytes())).unwrap();
    let grid = build(&study.network).unwrap();
    let solution = PhaseSolver::new(&grid).solve(&grid, &PhaseOptions::default(), PhaseStart::NoLoad);
    assert!(solution.solved(), "{:?}", solution.outcomes);
    let reference = reference("zigzag-off");
    assert_eq!(grid.nodes.len(), 11);
    for (place, v) in grid.nodes.iter().zip(&solution.v) {
        let key = (grid.buses[place.bus as usize].name.to_ascii_lowercase(), place.conductor);
        let (expected, base_v) = reference[&key];
        let difference = (*v - expected).abs() / base_v;
        assert!(difference <= TOLERANCE_PU, "{key:?} differs by {difference:e} p.u.");
    }
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

/// The feeder with its nodes, lines and loads in another order.
fn renumbered(study: &DssStudy) -> DssStudy {
    let mut study = study.clone();
    let network = &mut study.network;
    let last = u32::try_from(network.nodes.len()).unwrap() - 1;
    network.nodes.reverse();
    let turn = |terminal: &mut Terminal| terminal.node = NodeIdx(last - terminal.node.0);
    network.sources.iter_mut().for_each(|e| [&mut e.terminal, &mut e.neutral].into_iter().for_each(turn));
    network.lines.iter_mut().for_each(|e| e.terminals.iter_mut().for_each(turn));
    network.transformers.iter_mut().for_each(|e| e.ends.iter_mut().for_each(|end| turn(&mut end.terminal)));
    network.capacitors.iter_mut().for_each(|e| [&mut e.terminal, &mut e.neutral].into_iter().for_each(turn));
    network.reactors.iter_mut().for_each(|e| e.terminals.iter_mut().for_each(turn));
    network.loads.iter_mut().for_each(|e| turn(&mut e.terminal));
    network.converters.iter_mut().for_each(|e| turn(&mut e.terminal));
    network.lines.reverse();
    network.loads.reverse();
    study
}

#[test]
fn order_of_the_input_does_not_matter() {
    let study = read(&root().join("testdata/opendss/feeder.dss")).unwrap();
    let options = PhaseOptions { tolerance_pu: 1e-9, ..PhaseOptions::default() };
    let solve = |study: &DssStudy| {
        let grid = build(&study.network).unwrap();
        let solution = PhaseSolver::new(&grid).solve(&grid, &options, PhaseStart::NoLoad);
        let named: BTreeMap<(String, u8), Complex> = grid
            .nodes
            .iter()
            .zip(&solution.v)
            .map(|(node, &v)| ((grid.buses[node.bus as usize].name.clone(), node.conductor), v))
            .collect();
        named
    };
    let (one, other) = (solve(&study), solve(&renumbered(&study)));
    for (key, v) in &one {
        assert!((other[key] - *v).abs() <= 1e-8 * v.abs().max(1.0), "{key:?}: {} instead of {v}", other[key]);
    }
}

/// What sources and converters deliver is what loads draw and what the elements lose.
#[test]
fn power_is_in_balance() {
    for script in ["feeder.dss", "inverters.dss", "inverter-modes.dss", "zigzag.dss", "regulators.dss"] {
        let study = read(&root().join("testdata/opendss").join(script)).unwrap();
        let grid = build(&study.network).unwrap();
        let options = PhaseOptions { tolerance_pu: 1e-9, ..PhaseOptions::default() };
        let v = PhaseSolver::new(&grid).solve(&grid, &options, PhaseStart::NoLoad).v;
        let sources: Complex = (0..grid.sources.len()).map(|at| source_power(&grid, at, &v)).sum();
        let elements: Complex = (0..grid.elements.len())
            .filter(|at| !matches!(grid.elements[*at].kind, ElementKind::Source(_)))
            .flat_map(|at| element_flow(&grid, at, &v))
            .map(|flow| flow.power_va)
            .sum();
        let at = |node: u32| if node == GROUND { Complex::ZERO } else { v[node as usize] };
        let loads: Complex = grid
            .branches
            .iter()
            .map(|branch| {
                let across = at(branch.from) - at(branch.to);
                across * branch.current(across).conj()
            })
            .sum();
        let missing = (sources - elements - loads).abs() / loads.abs();
        // The flow through a closed switch is a difference of currents far above its own.
        assert!(missing < 1e-6, "{script}: {missing:e} of {loads} is missing");
    }
}

#[test]
fn what_is_not_solved_is_nan_and_says_where() {
    let source = "new circuit.x basekv=0.4 bus1=a mvasc3=1 mvasc1=1\n\
                  new line.l bus1=a bus2=b r1=0.5 x1=0.3 r0=0.5 x0=0.3 c1=0 c0=0 length=1\n";
    let solve = |script: &str| {
        let text = format!("{source}{script}");
        let (study, _) = opendss::read("x.dss", &mut |_| Ok(text.clone().into_bytes())).unwrap();
        let grid = build(&study.network).unwrap();
        (PhaseSolver::new(&grid).solve(&grid, &PhaseOptions::default(), PhaseStart::NoLoad), grid)
    };
    // More than the line can carry at any voltage, and no way out into an impedance.
    let (solution, grid) = solve("new load.p bus1=b kv=0.4 kw=400 pf=1 vminpu=0 vlowpu=0");
    let node_of_b = |node: u32| grid.buses[grid.nodes[node as usize].bus as usize].name == "b";
    let stopped = matches!(
        solution.outcomes[..],
        [PhaseOutcome::Stopped { reason: PhaseReason::Iterations, worst, .. }] if node_of_b(worst)
    );
    assert!(stopped && solution.v.iter().all(|v| !v.is_finite()), "{:?}", solution.outcomes);

    // The delta side of a transformer that nothing ties to ground.
    let (solution, grid) = solve("new transformer.t buses=[b c] conns=[wye delta] kvs=[0.4 0.4] ppm=0");
    let node_of_c = |node: u32| grid.buses[grid.nodes[node as usize].bus as usize].name == "c";
    let floating = matches!(
        solution.outcomes[..],
        [PhaseOutcome::Stopped { reason: PhaseReason::Floating, worst, .. }] if node_of_c(worst)
    );
    assert!(floating && solution.v.iter().all(|v| !v.is_finite()), "{:?}", solution.outcomes);

    // Another island is solved all the same.
    let other =
        "new vsource.y basekv=0.4 bus1=f\nnew line.n bus1=f bus2=g length=0.1\nnew load.q bus1=g kv=0.4 kw=3";
    let (solution, grid) = solve(&format!("new load.p bus1=b kv=0.4 kw=400 pf=1 vminpu=0 vlowpu=0\n{other}"));
    for (node, v) in solution.v.iter().enumerate() {
        let good = ["f", "g"].contains(&grid.buses[grid.nodes[node].bus as usize].name.as_str());
        assert_eq!(v.is_finite(), good, "{:?}", solution.outcomes);
    }

    // What no source feeds has no voltage; the rest is solved.
    let (solution, grid) = solve("new load.p bus1=d kv=0.4 kw=4\nnew line.m bus1=d bus2=e length=0.1");
    assert!(solution.solved());
    for (node, v) in solution.v.iter().enumerate() {
        let fed = ["a", "b"].contains(&grid.buses[grid.nodes[node].bus as usize].name.as_str());
        assert_eq!((solution.island[node].is_some(), v.is_finite()), (fed, fed));
    }
}

#[test]
fn newton_solves_what_the_fixed_point_does_not() {
    // Near the largest power of the line: by hand, P = V²/(4R) for a resistive line and load at unity power factor.
    let text = "new circuit.x basekv=1 phases=1 bus1=a r1=0.5 x1=0\n\
                new line.l phases=1 bus1=a bus2=b r1=0.5 x1=0 c1=0 c0=0 length=1\n\
                new load.p phases=1 bus1=b kv=1 kw=249.9999 pf=1 vminpu=0 vlowpu=0";
    let (study, _) = opendss::read("x.dss", &mut |_| Ok(text.as_bytes().to_vec())).unwrap();
    let grid = build(&study.network).unwrap();
    let solve = |method| {
        let options = PhaseOptions { method, ..PhaseOptions::default() };
        PhaseSolver::new(&grid).solve(&grid, &options, PhaseStart::NoLoad)
    };
    assert!(!solve(Method::FixedPoint).solved());
    let solution = solve(Method::Automatic);
    assert!(solution.solved(), "{:?}", solution.outcomes);
    let expected = 500.0 + (250_000.0_f64 - 249_999.9).sqrt();
    let node = grid.node(1, 1).unwrap() as usize;
    assert!((solution.v[node].abs() - expected).abs() < 1e-4, "{}", solution.v[node]);
}

/// A series capacitor as large as the reactance of its line: the node between them has no admittance of its own. By
/// hand: the load sees the resistances alone, `V² - V + P·R = 0` per unit of 1 kV and 1 MW.
#[test]
fn resonance_of_a_series_capacitor_is_solved_with_pivots() {
    let text = "new circuit.x basekv=1 phases=1 bus1=a r1=0.1 x1=0\n\
                new line.l phases=1 bus1=a bus2=b r1=0 x1=1 c1=0 c0=0 length=1\n\
                new reactor.c phases=1 bus1=b bus2=c r=0 x=-1\n\
                new load.p phases=1 bus1=c kv=1 kw=500 pf=1 vminpu=0 vlowpu=0";
    let (study, _) = opendss::read("x.dss", &mut |_| Ok(text.as_bytes().to_vec())).unwrap();
    let grid = build(&study.network).unwrap();
    let solution = PhaseSolver::new(&grid).solve(&grid, &PhaseOptions::default(), PhaseStart::NoLoad);
    assert!(solution.solved(), "{:?}", solution.outcomes);
    let expected = 500.0 * (1.0 + (1.0_f64 - 4.0 * 0.1 * 0.5).sqrt());
    let node = grid.node(2, 1).unwrap() as usize;
    assert!((solution.v[node] - Complex::new(expected, 0.0)).abs() < 1e-5, "{}", solution.v[node]);
}
