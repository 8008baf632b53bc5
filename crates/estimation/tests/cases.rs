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
}

fn load(name: &str) -> Problem {
    let case = read(name);
    let mut problem = Problem { case, measurements: vec![], zero: vec![], free: vec![], constrained: vec![] };
    for line in problem.case.rest.clone() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<f64>().unwrap();
        match words[0] {
            "m" => problem.measurements.push(measurement(&words, problem.measurements.len() as u32)),
            "zero" => problem.zero.push(BusIdx(words[1].parse().unwrap())),
            "estimate" => problem.free.push([number(1), number(2)]),
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
