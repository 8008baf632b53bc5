//! Agreement with foreign estimates, bad data, observability and islands.
//!
//! Foreign truth: pandapower 3.5.6 (see the head of each file in `cases`); true states are its power flows.
#![allow(clippy::unwrap_used)]

#[path = "../../powerflow/tests/case_file/mod.rs"]
mod case_file;

use case_file::{Case, read};
use estimation::{End, Estimate, Kind, Measurement, Options, Outcome, Solver, Start, Verdict};
use topology::calc::{BranchIdx, BusIdx, Grid, IslandIdx};

struct Problem {
    case: Case,
    measurements: Vec<Measurement>,
    zero: Vec<BusIdx>,
    free: Vec<[f64; 2]>,
    constrained: Vec<[f64; 2]>,
    normalised_residuals: Vec<f64>,
}

fn load(name: &str) -> Problem {
    let case = read(name);
    let mut problem = Problem {
        case,
        measurements: vec![],
        zero: vec![],
        free: vec![],
        constrained: vec![],
        normalised_residuals: vec![],
    };
    for line in problem.case.rest.clone() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<f64>().unwrap();
        match words[0] {
            "m" => problem.measurements.push(measurement(&words, problem.measurements.len() as u32)),
            "zero" => problem.zero.push(BusIdx(words[1].parse().unwrap())),
            "estimate" => problem.free.push([number(1), number(2)]),
            "rn" => problem.normalised_residuals.push(number(1)),
            "constrained" => problem.constrained.push([number(1), number(2)]),
            other => panic!("unknown word {other}"),
        }
    }
    problem
}

fn measurement(words: &[&str], id: u32) -> Measurement {
    let index = words[2].parse().unwrap();
    let end = if words[3] == "to" { End::To } else { End::From };
    let kind = match words[1] {
        "vm" => Kind::Vm(BusIdx(index)),
        "p_bus" => Kind::PInjection(BusIdx(index)),
        "q_bus" => Kind::QInjection(BusIdx(index)),
        "p_branch" => Kind::PFlow(BranchIdx(index), end),
        "q_branch" => Kind::QFlow(BranchIdx(index), end),
        other => panic!("unknown kind {other}"),
    };
    Measurement { kind, value: words[4].parse().unwrap(), sigma: words[5].parse().unwrap(), id }
}

/// What the true state of the case gives for a measurement.
fn truth(case: &Case, kind: Kind) -> f64 {
    let injection = |bus: BusIdx| {
        let (data, v2) = (&case.grid.buses[bus.at()], case.vm_pu[bus.at()].powi(2));
        let mut sum = [data.g_shunt_pu * v2, -data.b_shunt_pu * v2];
        for (branch, flow) in case.grid.branches.iter().zip(&case.flows) {
            for (end, p, q) in
                [(branch.from, flow.p_from_pu, flow.q_from_pu), (branch.to, flow.p_to_pu, flow.q_to_pu)]
            {
                if end == bus {
                    sum = [sum[0] + p, sum[1] + q];
                }
            }
        }
        sum
    };
    let flow = |branch: BranchIdx| case.flows[branch.at()];
    match kind {
        Kind::Vm(bus) => case.vm_pu[bus.at()],
        Kind::Va(bus) => case.va_rad[bus.at()],
        Kind::PInjection(bus) => injection(bus)[0],
        Kind::QInjection(bus) => injection(bus)[1],
        Kind::PFlow(branch, End::From) => flow(branch).p_from_pu,
        Kind::PFlow(branch, End::To) => flow(branch).p_to_pu,
        Kind::QFlow(branch, End::From) => flow(branch).q_from_pu,
        Kind::QFlow(branch, End::To) => flow(branch).q_to_pu,
    }
}

fn estimate(grid: &Grid, measurements: &[Measurement], zero: &[BusIdx]) -> Estimate {
    Solver::new().estimate(grid, measurements, zero, &Options::default())
}

fn assert_near(estimate: &Estimate, want: &[[f64; 2]], tolerance: f64, what: &str) {
    for (at, &[vm, va]) in want.iter().enumerate() {
        let got = estimate.voltages.at(BusIdx(at as u32));
        assert!((got[0] - vm).abs() <= tolerance, "{what} vm {at}: got {}, want {vm}", got[0]);
        assert!((got[1] - va).abs() <= tolerance, "{what} va {at}: got {}, want {va}", got[1]);
    }
}

/// Measurements of the listed kinds with the values of the true state.
fn exact(case: &Case, kinds: &[Kind]) -> Vec<Measurement> {
    let at = |(id, &kind)| Measurement { kind, value: truth(case, kind), sigma: 0.01, id };
    (0u32..).zip(kinds).map(at).collect()
}

#[test]
fn agrees_with_pandapower() {
    let check = |name: &str| {
        let problem = load(name);
        let grid = &problem.case.grid;
        let options = Options { residual_threshold: f64::INFINITY, ..Options::default() };
        let free = Solver::new().estimate(grid, &problem.measurements, &[], &options);
        assert!(matches!(free.islands[0], Outcome::Estimated { .. }), "{name}: {:?}", free.islands);
        assert_near(&free, &problem.free, 1e-6, name);
        for (checked, want) in free.measurements.iter().zip(&problem.normalised_residuals) {
            let got = checked.normalised_residual.unwrap_or(0.0);
            assert!(
                (got - want).abs() < 1e-5 * (1.0 + want),
                "{name} rN {}: got {got}, want {want}",
                checked.id
            );
        }
        let held = Solver::new().estimate(grid, &problem.measurements, &problem.zero, &options);
        assert_near(&held, &problem.constrained, 1e-6, name);
        assert!(held.unobservable.is_empty());
        for bus in &problem.zero {
            let rest = [held.p_injection_pu[bus.at()], held.q_injection_pu[bus.at()]];
            assert!(rest.iter().all(|x| x.abs() < 1e-9), "{name} zero injection {bus:?}: {rest:?}");
        }
    };
    check("case14.txt");
    check("case118.txt");
}

#[test]
fn exact_measurements_give_the_truth() {
    let check = |name: &str, sigmas: [f64; 2]| {
        let mut problem = load(name);
        for measurement in &mut problem.measurements {
            measurement.value = truth(&problem.case, measurement.kind);
            measurement.sigma = sigmas[(measurement.id / 2 % 2) as usize];
        }
        let result = estimate(&problem.case.grid, &problem.measurements, &problem.zero);
        let Outcome::Estimated { objective, .. } = result.islands[0] else { panic!("{:?}", result.islands) };
        assert!(objective < 1e-6, "{name} {sigmas:?}: J {objective}");
        let case = &problem.case;
        let want: Vec<_> = case.vm_pu.iter().zip(&case.va_rad).map(|(&vm, &va)| [vm, va]).collect();
        assert_near(&result, &want, 1e-7, name);
        for (got, want) in result.flows.iter().zip(&case.flows) {
            assert!((got.p_from_pu - want.p_from_pu).abs() < 1e-6);
            assert!((got.q_to_pu - want.q_to_pu).abs() < 1e-6);
        }
        for (at, measurement) in problem.measurements.iter().enumerate() {
            assert!((result.measurements[at].estimated - measurement.value).abs() < 1e-6);
        }
    };
    for name in ["case14.txt", "case118.txt"] {
        check(name, [0.01, 0.01]);
        // Weights twelve decades apart.
        check(name, [1e-6, 1.0]);
    }
}

#[test]
fn gross_errors_are_named_and_removed() {
    let check = |name: &str, wrong: &[(usize, f64)]| {
        let mut problem = load(name);
        let clean = estimate(&problem.case.grid, &problem.measurements, &problem.zero);
        assert!(clean.removed.is_empty(), "{name}: {:?}", clean.removed);
        assert_eq!(clean.islands[0].chi2_passes(), Some(true), "{name}: {:?}", clean.islands);
        for &(at, sigmas) in wrong {
            problem.measurements[at].value += sigmas * problem.measurements[at].sigma;
        }
        let result = estimate(&problem.case.grid, &problem.measurements, &problem.zero);
        let mut named: Vec<u32> = result.removed.iter().map(|removed| removed.id).collect();
        named.sort_unstable();
        let mut expected: Vec<u32> = wrong.iter().map(|&(at, _)| at as u32).collect();
        expected.sort_unstable();
        assert_eq!(named, expected, "{name} {wrong:?}");
        for (order, removed) in result.removed.iter().enumerate() {
            assert_eq!(result.measurements[removed.index].verdict, Verdict::Removed(order as u32));
            assert!(removed.normalised_residual > 5.0);
        }
        assert_eq!(result.islands[0].chi2_passes(), Some(true), "{name}: {:?}", result.islands);
        // What is left is what an estimate without these measurements gives.
        let kept: Vec<_> =
            problem.measurements.iter().filter(|m| !expected.contains(&m.id)).copied().collect();
        let without = estimate(&problem.case.grid, &kept, &problem.zero);
        for at in 0..problem.case.vm_pu.len() {
            let (a, b) = (result.voltages.at(BusIdx(at as u32)), without.voltages.at(BusIdx(at as u32)));
            assert!((a[0] - b[0]).abs() < 1e-7 && (a[1] - b[1]).abs() < 1e-7, "{name} bus {at}: {a:?} {b:?}");
        }
    };
    for at in [0, 1, 2, 3, 30, 31, 50, 70, 71, 101] {
        check("case14.txt", &[(at, 20.0)]);
    }
    check("case14.txt", &[(5, -20.0), (60, 30.0)]);
    check("case118.txt", &[(100, 20.0)]);
    check("case118.txt", &[(20, 25.0), (300, -40.0), (600, 20.0)]);
}

#[test]
fn a_bad_measurement_stays_when_the_number_of_removals_is_used_up() {
    let mut problem = load("case14.txt");
    for at in [5, 60] {
        problem.measurements[at].value += 30.0 * problem.measurements[at].sigma;
    }
    let options = Options { max_removals: 1, ..Options::default() };
    let grid = &problem.case.grid;
    let result = Solver::new().estimate(grid, &problem.measurements, &problem.zero, &options);
    assert_eq!(result.removed.len(), 1);
    assert_eq!(result.islands[0].chi2_passes(), Some(false));
}

/// Active and reactive kinds of a flow or an injection.
fn pq_flow(branch: u32) -> [Kind; 2] {
    [Kind::PFlow(BranchIdx(branch), End::From), Kind::QFlow(BranchIdx(branch), End::From)]
}

fn pq_bus(bus: u32) -> [Kind; 2] {
    [Kind::PInjection(BusIdx(bus)), Kind::QInjection(BusIdx(bus))]
}

/// A line of five buses, 0-1-2-3-4, fed at bus 0, with its true state from the power flow.
fn chain() -> Case {
    let case14 = read("case14.txt");
    let mut grid = Grid { base_mva: 100.0, islands: 1, ..Grid::default() };
    for at in 0..5 {
        let mut bus = case14.grid.buses[if at == 0 { 0 } else { 4 }].clone();
        (bus.p_pu, bus.q_pu) = if at == 2 { (0.0, 0.0) } else { (-0.1, -0.03) };
        (bus.b_shunt_pu, bus.g_shunt_pu) = (0.0, 0.0);
        grid.buses.push(bus);
        if at > 0 {
            let mut branch = case14.grid.branches[0].clone();
            (branch.from, branch.to) = (BusIdx(at - 1), BusIdx(at));
            grid.branches.push(branch);
        }
    }
    solved(grid)
}

fn solved(grid: Grid) -> Case {
    let solution = powerflow::solve(&grid, &powerflow::Options { tolerance_pu: 1e-12, ..Default::default() });
    assert!(solution.converged(), "{:?}", solution.islands);
    Case {
        grid,
        vm_pu: solution.voltages.vm_pu,
        va_rad: solution.voltages.va_rad,
        flows: solution.flows,
        slack_injection_pu: None,
        rest: vec![],
    }
}

#[test]
fn what_is_not_observable_is_named_and_left_out() {
    let check = |name: &str, kinds: &[&[Kind]], zero: &[u32], unobservable: &[u32]| {
        let case = chain();
        let measurements = exact(&case, &kinds.concat());
        let zero: Vec<BusIdx> = zero.iter().copied().map(BusIdx).collect();
        let result = estimate(&case.grid, &measurements, &zero);
        let expected: Vec<BusIdx> = unobservable.iter().copied().map(BusIdx).collect();
        assert_eq!(result.unobservable, expected, "{name}: {:?}", result.islands);
        let estimated = unobservable.len() < 5;
        assert_eq!(matches!(result.islands[0], Outcome::Estimated { .. }), estimated, "{name}");
        assert_eq!(result.islands[0] == Outcome::Unobservable, !estimated, "{name}");
        for bus in (0..5).map(BusIdx) {
            let (got, hidden) = (result.voltages.at(bus), expected.contains(&bus));
            assert_eq!(got[0].is_nan(), hidden, "{name} {bus:?}");
            assert_eq!(got[1].is_nan(), hidden, "{name} {bus:?}");
            if !hidden {
                assert!((got[0] - case.vm_pu[bus.at()]).abs() < 1e-7, "{name} {bus:?}: {got:?}");
            }
        }
        for (at, branch) in case.grid.branches.iter().enumerate() {
            let hidden = [branch.from, branch.to].iter().any(|bus| expected.contains(bus));
            assert_eq!(result.flows[at].p_from_pu.is_nan(), hidden, "{name} branch {at}");
        }
    };
    let vm = |bus: u32| [Kind::Vm(BusIdx(bus))];
    let all_flows = [pq_flow(0), pq_flow(1), pq_flow(2), pq_flow(3)].concat();
    check("flows everywhere", &[&vm(0), &all_flows], &[], &[]);
    check("no voltage", &[&all_flows], &[], &[0, 1, 2, 3, 4]);
    check("nothing", &[], &[], &[0, 1, 2, 3, 4]);
    check("end missing", &[&vm(0), &pq_flow(0), &pq_flow(1), &pq_flow(2)], &[], &[4]);
    check("end by injection", &[&vm(0), &pq_flow(0), &pq_flow(1), &pq_flow(2), &pq_bus(4)], &[], &[]);
    check("zero injection helps", &[&vm(0), &pq_flow(0), &pq_flow(1), &pq_flow(3)], &[2], &[]);
    check("hole", &[&vm(0), &pq_flow(0), &pq_flow(1), &vm(4), &pq_flow(3)], &[], &[3, 4]);
    check(
        "hole, voltage on the small side",
        &[&vm(4), &pq_flow(0), &pq_flow(1), &pq_flow(3)],
        &[],
        &[0, 1, 2],
    );
    check("injection into the dark", &[&vm(0), &pq_flow(0), &pq_bus(2)], &[], &[2, 3, 4]);
    check("one injection for two unknowns", &[&vm(0), &pq_flow(0), &pq_bus(1), &pq_bus(4)], &[], &[3, 4]);
    check("voltages alone", &[&vm(0), &vm(1), &vm(2), &vm(3), &vm(4)], &[], &[1, 2, 3, 4]);
    let clock = [Kind::Va(BusIdx(0)), Kind::Va(BusIdx(4))];
    check("phasor units join parts", &[&vm(0), &vm(4), &clock, &pq_flow(0), &pq_flow(3)], &[], &[2]);
    let active_only = [Kind::PFlow(BranchIdx(3), End::From)];
    check("active power alone", &[&vm(0), &pq_flow(0), &pq_flow(1), &pq_flow(2), &active_only], &[], &[4]);
}

#[test]
fn a_critical_measurement_is_never_removed() {
    let case = chain();
    let kinds =
        [&[Kind::Vm(BusIdx(0))][..], &pq_flow(0), &pq_flow(1), &pq_flow(2), &pq_flow(3), &pq_bus(1)].concat();
    let mut measurements = exact(&case, &kinds);
    // The flow to the last bus is seen by nothing else: wrong by 20 sigma, it cannot be judged.
    let last = measurements.iter().position(|m| m.kind == pq_flow(3)[0]).unwrap();
    measurements[last].value += 0.2;
    let result = estimate(&case.grid, &measurements, &[]);
    assert!(result.removed.is_empty(), "{:?}", result.removed);
    assert_eq!(result.measurements[last].normalised_residual, None);
    assert_eq!(result.measurements[last].verdict, Verdict::Used);
}

#[test]
fn islands_are_estimated_each_by_itself() {
    let problem = load("case14.txt");
    let n = problem.case.grid.buses.len() as u32;
    let mut grid = problem.case.grid.clone();
    // A second island like the first, and a third of one bus.
    let offset = |bus: BusIdx| BusIdx(bus.0 + n);
    grid.buses.extend(problem.case.grid.buses.iter().cloned().map(|mut bus| {
        bus.island = IslandIdx(1);
        bus
    }));
    let branches = grid.branches.len() as u32;
    grid.branches.extend(problem.case.grid.branches.iter().cloned().map(|mut branch| {
        (branch.from, branch.to) = (offset(branch.from), offset(branch.to));
        branch
    }));
    grid.buses.push(problem.case.grid.buses[3].clone());
    grid.buses[2 * n as usize].island = IslandIdx(2);
    grid.islands = 3;
    let moved = |kind: Kind| match kind {
        Kind::Vm(bus) => Kind::Vm(offset(bus)),
        Kind::Va(bus) => Kind::Va(offset(bus)),
        Kind::PInjection(bus) => Kind::PInjection(offset(bus)),
        Kind::QInjection(bus) => Kind::QInjection(offset(bus)),
        Kind::PFlow(branch, end) => Kind::PFlow(BranchIdx(branch.0 + branches), end),
        Kind::QFlow(branch, end) => Kind::QFlow(BranchIdx(branch.0 + branches), end),
    };
    let both = |factor: f64| -> Vec<Measurement> {
        let second = problem.measurements.iter().map(|m| Measurement {
            kind: moved(m.kind),
            value: m.value * factor,
            ..*m
        });
        problem.measurements.iter().copied().chain(second).collect()
    };
    let zero: Vec<BusIdx> = problem.zero.iter().flat_map(|&bus| [bus, offset(bus)]).collect();
    let check = |what: &str, measurements: &[Measurement], second: fn(&Outcome) -> bool, named: usize| {
        let result = estimate(&grid, measurements, &zero);
        assert!(matches!(result.islands[0], Outcome::Estimated { .. }), "{what}");
        assert!(second(&result.islands[1]), "{what}: {:?}", result.islands[1]);
        assert_eq!(result.islands[2], Outcome::Unobservable, "{what}");
        assert_eq!(result.unobservable.len(), named, "{what}");
        assert_near(&result, &problem.constrained, 1e-6, what);
        let live = matches!(result.islands[1], Outcome::Estimated { .. });
        for bus in n..2 * n {
            assert_eq!(result.voltages.vm_pu[bus as usize].is_nan(), !live, "{what} bus {bus}");
        }
    };
    check("alive", &both(1.0), |o| matches!(o, Outcome::Estimated { .. }), 1);
    check("dead", &both(0.0), |o| *o == Outcome::Dead, 1);
    check("silent", &problem.measurements, |o| *o == Outcome::Unobservable, 1 + n as usize);
}

#[test]
fn unusable_measurements_are_refused_one_by_one() {
    let problem = load("case14.txt");
    let want = estimate(&problem.case.grid, &problem.measurements, &problem.zero);
    let mut measurements = problem.measurements.clone();
    let good = measurements[0];
    for bad in [
        Measurement { value: f64::NAN, ..good },
        Measurement { sigma: 0.0, ..good },
        Measurement { sigma: f64::INFINITY, ..good },
        Measurement { kind: Kind::Vm(BusIdx(99)), ..good },
        Measurement { kind: Kind::PFlow(BranchIdx(99), End::To), ..good },
    ] {
        measurements.push(bad);
    }
    let got = estimate(&problem.case.grid, &measurements, &problem.zero);
    assert_eq!(got.voltages, want.voltages);
    for checked in &got.measurements[problem.measurements.len()..] {
        assert_eq!(checked.verdict, Verdict::Rejected);
        assert!(checked.estimated.is_nan());
    }
}

#[test]
fn a_kept_solver_gives_what_a_fresh_one_gives() {
    let mut problem = load("case118.txt");
    let mut solver = Solver::new();
    let options = Options { start: Start::Warm, ..Options::default() };
    let check = |solver: &mut Solver, problem: &Problem, most: u32| {
        let kept = solver.estimate(&problem.case.grid, &problem.measurements, &problem.zero, &options);
        let fresh = estimate(&problem.case.grid, &problem.measurements, &problem.zero);
        let Outcome::Estimated { iterations, .. } = kept.islands[0] else { panic!("{:?}", kept.islands) };
        assert!(iterations <= most, "{iterations} iterations");
        for bus in (0..problem.case.vm_pu.len() as u32).map(BusIdx) {
            let (a, b) = (kept.voltages.at(bus), fresh.voltages.at(bus));
            assert!((a[0] - b[0]).abs() < 1e-7 && (a[1] - b[1]).abs() < 1e-7, "{bus:?}: {a:?} {b:?}");
        }
    };
    check(&mut solver, &problem, 10);
    check(&mut solver, &problem, 2);
    for measurement in &mut problem.measurements {
        measurement.value *= 1.0 + 1e-4 * f64::from(measurement.id % 7);
    }
    check(&mut solver, &problem, 4);
    problem.measurements.remove(40);
    check(&mut solver, &problem, 4);
    problem.case.grid.branches[7].x_pu *= 1.05;
    check(&mut solver, &problem, 6);
}
