//! Series on the IEEE 14-bus example. `interop/test_study_series.py` holds them against PYPOWER.

use std::path::PathBuf;

use powerflow::Start;
use topology::calc::Voltages;

use super::*;

fn network() -> StudyNetwork {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/ieee14.m");
    StudyNetwork::read(&path, false).expect("the example is readable")
}

/// A profile in a file of its own.
fn profile(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.csv");
    std::fs::write(&path, text).expect("written");
    (folder, path)
}

/// All rows at once.
fn solve_all(network: &StudyNetwork, text: &str, threads: usize) -> anyhow::Result<Solutions> {
    let (_folder, path) = profile(text);
    let mut profile = open(&path, network)?;
    let targets = profile.targets.clone();
    let mut states = States::new(network, &targets, Options::default());
    let mut memories: Vec<Memory> = (0..threads).map(|_| Memory::default()).collect();
    let chunk = profile.next(1000)?;
    assert_eq!(profile.next(1000)?.rows, 0);
    solve::solve(&mut states, chunk, network.case.buses.len(), &mut memories)
}

#[test]
fn bad_profiles_name_file_line_column_reason_and_hint() {
    let network = network();
    let check = |text: &str, parts: &[&str]| {
        let Err(fault) = solve_all(&network, text, 1) else { panic!("{text:?} is taken") };
        let message = fault.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(message.contains("p.csv:"), "{message}");
    };
    check("bus,load:4:p_mw\n", &[":1: ", "\"bus\"", "`time` or `scenario`"]);
    check("time,load:4\na,1\n", &[":1: column 2", "load:BUS:p_mw"]);
    check("time,load:99:p_mw\na,1\n", &[":1: column 2", "no bus \"99\"", "number of a bus"]);
    check("time,zone:9:factor\na,1\n", &["no bus in \"9\""]);
    check("time,generator:0:p_mw\na,1\n", &["no generator \"0\"", "the first is 1"]);
    check("time,branch:1-9:in_service\na,1\n", &["no branch \"1-9\"", "FROM-TO#2"]);
    check("time,load:4:p_mw,load:4:p_mw\na,1,2\n", &["column 3", "also column 2"]);
    check("time,load:4:p_mw\na,1\nb,x\n", &[":3: column 2 \"load:4:p_mw\"", "\"x\" is no number"]);
    check("time,load:4:p_mw\na,inf\n", &[":2: ", "not finite"]);
    check("time,branch:1-2:in_service\na,2\n", &["neither 0 nor 1"]);
    check("time,branch:4-7:tap_ratio\na,0\n", &["not above 0"]);
    check("time,load:4:p_mw\na,1\nb\n", &[":3: 1 cells, the header has 2"]);
    check("scenario,load:4:p_mw\nx,1\n", &[":2: column 1", "no whole number"]);
}

#[test]
fn every_row_is_what_the_full_solver_finds() {
    let network = network();
    let text = "time,load:*:factor,load:4:factor,load:9:p_mw,load:9:q_mvar,generator:2:p_mw,branch:1-5:in_service,\
                branch:4-7:tap_ratio\n\
                a,1.1,0.9,31,17,50,1,\nb,,,,,,,\nc,0.8,,20,,,0,0.97\nd,1.2,1.1,,,30,,1.02\ne,1.05,,,,,false,0.97\n";
    let found = solve_all(&network, text, 1).expect("readable");
    assert!(found.solved.iter().all(|solved| *solved));
    // The same by hand, in the words of the case.
    let expected = |row: usize| -> Voltages {
        let mut case = network.case.clone();
        let all = [1.1, 1.0, 0.8, 1.2, 1.05][row];
        let four = [0.9, 1.0, 1.0, 1.1, 1.0][row];
        for bus in &mut case.buses {
            let factor = all * if bus.number.0 == 4 { four } else { 1.0 };
            (bus.pd_mw, bus.qd_mvar) = (bus.pd_mw * factor, bus.qd_mvar * factor);
        }
        let nine = case.buses.iter_mut().find(|bus| bus.number.0 == 9).expect("bus 9");
        nine.pd_mw = [31.0, 29.5, 20.0, nine.pd_mw, nine.pd_mw][row];
        nine.qd_mvar = [17.0, 16.6, nine.qd_mvar, nine.qd_mvar, nine.qd_mvar][row];
        case.generators[1].pg_mw = [50.0, 40.0, 40.0, 30.0, 40.0][row];
        let branch =
            |name: &str| network.branch_names.iter().position(|known| known == name).expect("a branch");
        case.branches[branch("1-5")].in_service = [true, true, false, true, false][row];
        if let Some(ratio) = [None, None, Some(0.97), Some(1.02), Some(0.97)][row] {
            case.branches[branch("4-7")].ratio = ratio;
        }
        let changed = StudyNetwork::of(case).expect("sound");
        let options = Options { tolerance_pu: 1e-11, start: Start::Flat, ..Options::default() };
        let solution = powerflow::solve(&changed.grid, &options);
        assert!(solution.converged());
        solution.voltages
    };
    for row in 0..found.rows {
        let Voltages { vm_pu, va_rad } = expected(row);
        for (bus, [e, f]) in found.voltages_pu(row).iter().enumerate() {
            let off = (e - vm_pu[bus] * va_rad[bus].cos()).hypot(f - vm_pu[bus] * va_rad[bus].sin());
            assert!(off < 1e-8, "row {row}, bus {bus}: off by {off:e}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let network = network();
    let mut text = "scenario,load:*:factor,branch:2-3:in_service\n".to_owned();
    for row in 0..101 {
        text +=
            &format!("{row},{},{}\n", 0.7 + 0.6 * (f64::from(row) * 0.618).fract(), u32::from(row % 3 != 0));
    }
    let bits = |threads: usize| -> Vec<u64> {
        let found = solve_all(&network, &text, threads).expect("readable");
        assert!(found.solved.iter().all(|solved| *solved));
        (0..found.rows)
            .flat_map(|row| found.voltages_pu(row).as_flattened())
            .map(|part| part.to_bits())
            .collect()
    };
    let alone = bits(1);
    for threads in [2, 3, 5] {
        assert!(bits(threads) == alone, "{threads} threads");
    }
}

#[test]
fn a_bus_that_is_cut_off_and_a_step_beyond_the_grid_have_no_result() {
    let network = network();
    // Bus 8 hangs on 7-8 alone; ten times the load has no solution.
    let text = "time,load:*:factor,branch:7-8:in_service\na,1,0\nb,10,1\nc,1,1\n";
    let found = solve_all(&network, text, 1).expect("readable");
    assert_eq!(found.solved, [true, false, true]);
    let bus = |number: u32| network.case.buses.iter().position(|bus| bus.number.0 == number).expect("a bus");
    // The condenser there delivers no active power and holds no island.
    assert!(found.voltages_pu(0)[bus(8)][0].is_nan());
    assert!(found.voltages_pu(0)[bus(7)][0].is_finite());
    assert!(found.voltages_pu(1).as_flattened().iter().all(|part| part.is_nan()));
    assert!(found.voltages_pu(2).as_flattened().iter().all(|part| part.is_finite()));
}
