//! Agreement with foreign power flows, and what must hold whatever the numbers.
//!
//! Foreign truth: PYPOWER 5.1.21 and pandapower 3.5.6 (see the head of each file in `cases`).
#![allow(clippy::unwrap_used)]

mod case_file;

use case_file::{close, read};
use powerflow::{Options, Outcome, QLimit, Reason, Solver, Start, solve};
use topology::calc::{BusIdx, BusKind, Grid, IslandIdx};

fn options(start: Start) -> Options {
    Options { tolerance_pu: 1e-10, start, ..Options::default() }
}

#[test]
fn agrees_with_pypower() {
    let check = |name: &str, start: Start, most_iterations: u32| {
        let case = read(name);
        let solution = solve(&case.grid, &options(start));
        let Outcome::Converged { iterations, mismatch_pu } = solution.islands[0] else {
            panic!("{name} {start:?}: {:?}", solution.islands)
        };
        assert!(iterations <= most_iterations, "{name} {start:?}: {iterations} iterations");
        assert!(mismatch_pu <= 1e-10);
        case.assert_agrees(name, &solution.voltages, &solution.flows);
        let slack = case.grid.buses.iter().position(|bus| bus.kind == BusKind::Slack).unwrap();
        let [p, q] = case.slack_injection_pu.unwrap();
        close(solution.p_injection_pu[slack], p, "slack p", slack);
        close(solution.q_injection_pu[slack], q, "slack q", slack);
    };
    for (name, from_grid, flat) in [
        ("case9.txt", 5, 5),
        ("case14.txt", 5, 5),
        ("case30.txt", 5, 5),
        ("case57.txt", 5, 6),
        ("case118.txt", 5, 6),
        ("case300.txt", 6, 20),
    ] {
        check(name, Start::FromGrid, from_grid);
        check(name, Start::Flat, flat);
    }
}

#[test]
fn reactive_limits_agree_with_pandapower() {
    let check = |name: &str| {
        let case = read(name);
        let free = solve(&case.grid, &options(Start::Flat));
        assert!(free.converged() && free.limited.is_empty());
        let solution = solve(&case.grid, &Options { enforce_q_limits: true, ..options(Start::Flat) });
        assert!(solution.converged(), "{name}: {:?}", solution.islands);
        case.assert_agrees(name, &solution.voltages, &solution.flows);
        assert!(!solution.limited.is_empty(), "{name}: the case shows nothing");
        for &(bus, limit) in &solution.limited {
            let data = &case.grid.buses[bus.at()];
            let want = match limit {
                QLimit::Lower => data.q_gen_min_pu,
                QLimit::Upper => data.q_gen_max_pu,
            };
            close(solution.machine_q_pu(&case.grid, bus), want, "limit", bus.at());
        }
    };
    check("case39_q_limits.txt");
    check("case118_q_limits.txt");
}

#[test]
fn power_balances_at_every_bus() {
    let case = read("case300.txt");
    let solution = solve(&case.grid, &options(Start::FromGrid));
    let mut left: Vec<[f64; 2]> = (0..case.grid.buses.len())
        .map(|at| {
            let (bus, v) = (&case.grid.buses[at], solution.voltages.vm_pu[at]);
            let shunt = [bus.g_shunt_pu * v * v, -bus.b_shunt_pu * v * v];
            [solution.p_injection_pu[at] - shunt[0], solution.q_injection_pu[at] - shunt[1]]
        })
        .collect();
    for (branch, flow) in case.grid.branches.iter().zip(&solution.flows) {
        for (end, p, q) in
            [(branch.from, flow.p_from_pu, flow.q_from_pu), (branch.to, flow.p_to_pu, flow.q_to_pu)]
        {
            left[end.at()][0] -= p;
            left[end.at()][1] -= q;
        }
    }
    for (at, rest) in left.iter().enumerate() {
        assert!(rest[0].abs() < 1e-9 && rest[1].abs() < 1e-9, "bus {at}: {rest:?}");
    }
}

#[test]
fn renumbering_changes_nothing() {
    let case = read("case57.txt");
    let n = case.grid.buses.len() as u32;
    let place = |bus: BusIdx| BusIdx((bus.0 * 11 + 5) % n);
    let mut grid = case.grid.clone();
    for at in 0..n {
        grid.buses[place(BusIdx(at)).at()] = case.grid.buses[at as usize].clone();
    }
    for branch in &mut grid.branches {
        (branch.from, branch.to) = (place(branch.from), place(branch.to));
    }
    let solution = solve(&grid, &options(Start::FromGrid));
    for at in 0..n {
        close(solution.voltages.vm_pu[place(BusIdx(at)).at()], case.vm_pu[at as usize], "vm", at as usize);
    }
}

/// Appends `other` as further islands.
fn append(grid: &mut Grid, other: &Grid) {
    let (buses, islands) = (grid.buses.len() as u32, grid.islands);
    grid.buses.extend(other.buses.iter().cloned().map(|mut bus| {
        bus.island = IslandIdx(bus.island.0 + islands);
        bus
    }));
    grid.branches.extend(other.branches.iter().cloned().map(|mut branch| {
        (branch.from, branch.to) = (BusIdx(branch.from.0 + buses), BusIdx(branch.to.0 + buses));
        branch
    }));
    grid.islands += other.islands;
}

#[test]
fn islands_stand_alone_and_a_failed_one_shows_no_number() {
    let (first, second) = (read("case14.txt"), read("case9.txt"));
    let healthy = second.grid.clone();
    let edit = |change: fn(&mut Grid)| {
        let mut grid = healthy.clone();
        change(&mut grid);
        grid
    };
    let check = |name: &str, broken: Grid, expected: fn(&Outcome) -> bool| {
        let mut grid = first.grid.clone();
        append(&mut grid, &broken);
        let solution = solve(&grid, &options(Start::FromGrid));
        assert!(matches!(solution.islands[0], Outcome::Converged { .. }), "{name}");
        assert!(expected(&solution.islands[1]), "{name}: {:?}", solution.islands[1]);
        let (buses, branches) = (first.grid.buses.len(), first.grid.branches.len());
        close(solution.voltages.vm_pu[5], first.vm_pu[5], "vm", 5);
        for at in buses..grid.buses.len() {
            assert!(solution.voltages.vm_pu[at].is_nan() && solution.voltages.va_rad[at].is_nan(), "{name}");
            assert!(solution.p_injection_pu[at].is_nan() && solution.q_injection_pu[at].is_nan(), "{name}");
        }
        assert!(
            solution.flows[branches..].iter().all(|f| f.p_from_pu.is_nan() && f.q_to_pu.is_nan()),
            "{name}"
        );
    };
    check("no slack", edit(|g| g.buses[0].kind = BusKind::Pv), |o| {
        *o == Outcome::NotSolvable { reason: Reason::NoSlack }
    });
    check(
        "load beyond the nose",
        edit(|g| g.buses[4].p_pu = -50.0),
        |o| matches!(o, Outcome::Stopped { mismatch_pu, .. } if *mismatch_pu > 0.1),
    );
    check("not a number", edit(|g| g.buses[4].q_pu = f64::NAN), |o| {
        *o == Outcome::NotSolvable { reason: Reason::BadBus(BusIdx(18)) }
    });
    check("no impedance", edit(|g| (g.branches[2].r_pu, g.branches[2].x_pu) = (0.0, 0.0)), |o| {
        matches!(o, Outcome::NotSolvable { reason: Reason::BadBranch(_) })
    });
    check("a bus without a branch", edit(|g| g.branches.truncate(1)), |o| {
        matches!(o, Outcome::NotSolvable { reason: Reason::Singular(_) })
    });
}

#[test]
fn a_kept_solver_follows_values_and_topology() {
    let case = read("case118.txt");
    let mut solver = Solver::new();
    let mut grid = case.grid.clone();
    let check = |solver: &mut Solver, grid: &Grid, start: Start, most: u32| {
        let kept = solver.solve(grid, &options(start));
        let fresh = solve(grid, &options(Start::FromGrid));
        let Outcome::Converged { iterations, .. } = kept.islands[0] else { panic!("{:?}", kept.islands) };
        assert!(iterations <= most, "{iterations} iterations");
        for at in 0..grid.buses.len() {
            close(kept.voltages.vm_pu[at], fresh.voltages.vm_pu[at], "vm", at);
            close(kept.voltages.va_rad[at], fresh.voltages.va_rad[at], "va", at);
        }
    };
    check(&mut solver, &grid, Start::Flat, 6);
    check(&mut solver, &grid, Start::Warm, 0);
    for bus in grid.buses.iter_mut().filter(|bus| bus.kind == BusKind::Pq) {
        (bus.p_pu, bus.q_pu) = (bus.p_pu * 1.02, bus.q_pu * 1.01);
    }
    check(&mut solver, &grid, Start::Warm, 3);
    grid.branches[20].ratio = 1.02;
    check(&mut solver, &grid, Start::Warm, 4);
    grid.branches.remove(3);
    check(&mut solver, &grid, Start::Warm, 5);
    append(&mut grid, &read("case9.txt").grid);
    check(&mut solver, &grid, Start::Warm, 5);
}
