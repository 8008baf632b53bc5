//! The methods beside Newton's on powers: agreement with PYPOWER 5.1.21 (stored results, see the heads of the files in
//! `cases`), and what each of them says when it cannot.
#![allow(clippy::unwrap_used)]

mod case_file;

use case_file::read;
use powerflow::{Method, Options, Outcome, Reason, Solver, Start, Variant, solve};
use topology::calc::BranchIdx;

fn options(method: Method, most: u32) -> Options {
    Options { method, max_iterations: most, tolerance_pu: 1e-10, rescue: false, ..Options::default() }
}

#[test]
fn every_method_finds_the_same_state() {
    let check = |name: &str, method: Method, start: Start, most: u32| {
        let case = read(name);
        let solution = solve(&case.grid, &Options { start, ..options(method, most) });
        assert!(solution.converged(), "{name} {method:?} {start:?}: {:?}", solution.islands);
        case.assert_agrees(&format!("{name} {method:?} {start:?}"), &solution.voltages, &solution.flows);
    };
    for name in ["case9.txt", "case14.txt", "case30.txt", "case57.txt", "case118.txt", "case300.txt"] {
        check(name, Method::Decoupled(Variant::Xb), Start::FromGrid, 30);
        check(name, Method::Decoupled(Variant::Bx), Start::FromGrid, 30);
        check(name, Method::CurrentInjection, Start::FromGrid, 6);
        check(name, Method::Newton, Start::Dc, 6);
        check(name, Method::CurrentInjection, Start::Dc, 7);
    }
    // The fixed point keeps the matrix of its start and contracts only where that is near.
    for name in ["case9.txt", "case14.txt", "case30.txt", "case118.txt"] {
        check(name, Method::FixedPoint, Start::FromGrid, 60);
    }
}

#[test]
fn the_dc_power_flow_agrees() {
    for name in ["case9_dc.txt", "case118_dc.txt", "case300_dc.txt"] {
        let case = read(name);
        let solution = solve(&case.grid, &options(Method::Dc, 1));
        assert!(solution.converged(), "{name}: {:?}", solution.islands);
        case.assert_agrees(name, &solution.voltages, &solution.flows);
        let balance: f64 = solution.p_injection_pu.iter().sum();
        let shunts: f64 = case.grid.buses.iter().map(|bus| bus.g_shunt_pu).sum();
        assert!((balance - shunts).abs() < 1e-9, "{name}: {balance}");
    }
}

#[test]
fn reactive_limits_hold_for_every_method() {
    let case = read("case118_q_limits.txt");
    for (method, most) in [
        (Method::Newton, 20),
        (Method::Decoupled(Variant::Xb), 60),
        (Method::Decoupled(Variant::Bx), 60),
        (Method::CurrentInjection, 20),
        (Method::FixedPoint, 200),
    ] {
        let solution = solve(
            &case.grid,
            &Options { enforce_q_limits: true, start: Start::Flat, ..options(method, most) },
        );
        assert!(solution.converged(), "{method:?}: {:?}", solution.islands);
        case.assert_agrees(&format!("{method:?}"), &solution.voltages, &solution.flows);
        assert!(!solution.limited.is_empty());
    }
}

#[test]
fn a_method_that_stops_shows_no_number() {
    let mut case = read("case14.txt");
    case.grid.buses[4].p_pu = -30.0;
    for method in [
        Method::Newton,
        Method::Decoupled(Variant::Xb),
        Method::Decoupled(Variant::Bx),
        Method::CurrentInjection,
        Method::FixedPoint,
    ] {
        let solution = solve(&case.grid, &options(method, 40));
        assert!(matches!(solution.islands[0], Outcome::Stopped { .. }), "{method:?}: {:?}", solution.islands);
        assert!(solution.voltages.vm_pu.iter().all(|vm| vm.is_nan()), "{method:?}");
    }
}

#[test]
fn a_resistance_alone_is_no_branch_of_the_dc_power_flow() {
    let mut case = read("case9.txt");
    (case.grid.branches[2].r_pu, case.grid.branches[2].x_pu) = (0.01, 0.0);
    let solution = solve(&case.grid, &options(Method::Dc, 1));
    let reason = Reason::BadBranch(BranchIdx(2));
    assert_eq!(solution.islands[0], Outcome::NotSolvable { reason });
    assert!(solve(&case.grid, &options(Method::Newton, 20)).converged());
}

#[test]
fn several_slacks_hold_their_own_voltages() {
    // Bus 2 of case9 as a second slack at the voltage that the power flow gave it: nothing changes.
    let case = read("case9.txt");
    let mut grid = case.grid.clone();
    grid.buses[1].kind = topology::calc::BusKind::Slack;
    grid.buses[1].va_rad = case.va_rad[1];
    for method in [Method::Newton, Method::CurrentInjection, Method::Decoupled(Variant::Xb)] {
        let solution = solve(&grid, &options(method, 30));
        assert!(solution.converged(), "{method:?}: {:?}", solution.islands);
        case.assert_agrees(&format!("{method:?}"), &solution.voltages, &solution.flows);
    }
}

#[test]
fn a_solver_that_keeps_its_patterns_finds_the_same_again() {
    for method in [
        Method::Decoupled(Variant::Xb),
        Method::Decoupled(Variant::Bx),
        Method::CurrentInjection,
        Method::FixedPoint,
        Method::Dc,
    ] {
        let options = options(method, 60);
        let grid = read("case118.txt").grid;
        // Another case between the two, with other taps, shunts and a branch that is out in all but name.
        let mut other = grid.clone();
        other.branches[7].x_pu = 1e6;
        other.branches[20].ratio = 0.97;
        other.buses[3].b_shunt_pu += 0.2;
        let mut solver = Solver::new();
        for grid in [&grid, &other, &grid] {
            let (kept, fresh) = (solver.solve(grid, &options), solve(grid, &options));
            assert!(kept.converged(), "{method:?}: {:?}", kept.islands);
            assert_eq!(kept.voltages.vm_pu, fresh.voltages.vm_pu, "{method:?}");
            assert_eq!(kept.voltages.va_rad, fresh.voltages.va_rad, "{method:?}");
        }
    }
}
