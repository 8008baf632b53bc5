//! AC outages against PYPOWER's Newton power flow of the case without what fails (see `foreign`).
#![allow(clippy::unwrap_used)]

mod foreign;

use std::ops::ControlFlow;

use contingency::{
    AcSweep, Balance, Contingency, Finding, Monitor, Outage, Parts, Rating, Ratings, Rules, Split, Status,
    System, Violation,
};
use foreign::{assert_close, outages, system};
use powerflow::Options;
use sparse::pool::{Inline, Pool};
use topology::End;
use topology::calc::{BranchIdx, BusIdx, BusKind};

const OPTIONS: Options = Options {
    tolerance_pu: 1e-10,
    max_iterations: 20,
    enforce_q_limits: false,
    start: powerflow::Start::FromGrid,
    method: powerflow::Method::Newton,
    rescue: true,
};

fn sweep(system: &System) -> AcSweep {
    AcSweep::new(system, &OPTIONS, &Monitor::default(), Rules::default()).unwrap_or_else(|_| panic!("base"))
}

#[test]
fn voltages_after_outages_agree() {
    let check = |name: &str, at_least: usize| {
        let read = system(name);
        let sweep = sweep(&read.system);
        let mut solved = 0;
        for expected in outages(&format!("{name}_ac.txt")) {
            let state = sweep.state(&expected.outage);
            let what = format!("{name} {:?}", expected.outage);
            assert!(matches!(state.status(), Status::Solved { .. }), "{what} {:?}", state.status());
            let found = state.voltages();
            for (got, (word, want)) in [found.vm_pu, found.va_rad].iter().zip(&expected.figures) {
                // PYPOWER's rows that were taken out are written as zeros, ours are no numbers.
                let got: Vec<f64> = got.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect();
                assert_close(&got, want, 1e-8, &format!("{what} {word}"));
            }
            solved += 1;
        }
        assert!(solved >= at_least, "{solved}");
    };
    check("case14", 20);
    check("case118", 20);
    check("case300", 20);
}

/// The lanes, by the voltages of detailed findings.
#[test]
fn voltages_of_the_lanes_agree() {
    let check = |name: &str, machines_at_least: usize| {
        let read = system(name);
        let monitor = Monitor { detail: true, ..Monitor::default() };
        let sweep = AcSweep::new(&read.system, &OPTIONS, &monitor, Rules::default());
        let sweep = sweep.unwrap_or_else(|_| panic!("base"));
        let expected = outages(&format!("{name}_ac.txt"));
        let list: Vec<Contingency> = expected
            .iter()
            .map(|expected| Contingency { name: String::new(), outage: expected.outage.clone() })
            .collect();
        for (finding, expected) in run(&sweep, &list, &Inline).iter().zip(&expected) {
            let what = format!("{name} {:?}", expected.outage);
            let detail = finding.detail.as_ref().unwrap_or_else(|| panic!("{what}: {finding:?}"));
            let polar = |part: fn(&[f64; 2]) -> f64| -> Vec<f64> {
                let figure = |v: &[f64; 2]| if v[0].is_nan() { 0.0 } else { part(v) };
                detail.voltages_pu.iter().map(figure).collect()
            };
            for (got, (word, want)) in
                [polar(|v| v[0].hypot(v[1])), polar(|v| v[1].atan2(v[0]))].iter().zip(&expected.figures)
            {
                assert_close(got, want, 1e-8, &format!("{what} {word}"));
            }
        }
        let machines = expected.iter().filter(|expected| !expected.outage.machines.is_empty()).count();
        assert!(machines >= machines_at_least, "{name}: {machines}");
    };
    check("case14", 1);
    check("case118", 1);
    check("case300", 1);
}

fn all_single(system: &System) -> Vec<Contingency> {
    let branches = (0..system.grid.branches.len() as u32).map(|at| Outage::branch(BranchIdx(at)));
    let machines = (0..system.machines.len() as u32).map(Outage::machine);
    let named = |(at, outage): (usize, Outage)| Contingency { name: at.to_string(), outage };
    branches.chain(machines).enumerate().map(named).collect()
}

fn run(sweep: &AcSweep, list: &[Contingency], pool: &dyn Pool) -> Vec<Finding> {
    let mut found = Vec::new();
    sweep.run(list, pool, &mut |finding| {
        found.push(finding);
        ControlFlow::Continue(())
    });
    found
}

/// Two workers.
struct Two;

impl Pool for Two {
    fn workers(&self) -> usize {
        2
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize, usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 0..2 {
                scope.spawn(move || (worker..jobs).step_by(2).for_each(|index| job(worker, index)));
            }
        });
    }
}

/// Long-term ratings 5 % above the base flow of every branch.
fn rated(system: &mut System) {
    let base = system.grid.base_mva;
    let solution = sweep(system).base().clone();
    let apparent = |flow: &topology::calc::BranchFlow| {
        flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu))
    };
    system.ratings =
        solution.flows.iter().map(|flow| Ratings([1.05 * apparent(flow) * base, 0.0, 0.0])).collect();
}

#[test]
fn lanes_and_more_workers_find_the_same() {
    let mut read = system("case118");
    rated(&mut read.system);
    let (alone, with) = (sweep(&read.system).without_lanes(), sweep(&read.system));
    let list = all_single(&read.system);
    let one = run(&alone, &list, &Inline);
    assert_eq!(format!("{one:?}"), format!("{:?}", run(&alone, &list, &Two)));
    let in_lanes = run(&with, &list, &Inline);
    assert_eq!(format!("{in_lanes:?}"), format!("{:?}", run(&with, &list, &Two)));
    assert_eq!(one.len(), list.len());
    let mut overloads = 0;
    for (ours, theirs) in one.iter().zip(&in_lanes) {
        assert_eq!((ours.index, ours.violation_count), (theirs.index, theirs.violation_count));
        assert_eq!(
            ours.heaviest.map(|heaviest| heaviest.branch),
            theirs.heaviest.map(|heaviest| heaviest.branch)
        );
        let percent = |finding: &Finding| finding.heaviest.unwrap().percent;
        assert!((percent(ours) - percent(theirs)).abs() < 1e-6, "{ours:?} {theirs:?}");
        overloads += ours.violation_count;
    }
    assert!(overloads > 100, "{overloads}");
}

#[test]
fn violations_say_what_where_and_how_much() {
    let mut read = system("case14");
    let system = &mut read.system;
    system.bands[13].low_pu = 1.0355;
    system.ratings[0] = Ratings([100.0, 150.0, 0.0]);
    let monitor = Monitor { rating: Rating::C, voltage_change_pu: Some(0.01), ..Monitor::default() };
    let sweep = AcSweep::new(system, &OPTIONS, &monitor, Rules::default()).unwrap_or_else(|_| panic!("base"));
    // Branch 1-5 fails: all of generator 1 goes over 1-2. PYPOWER has that outage as the third of case14_ac.txt.
    let finding = sweep.judge(0, &sweep.state(&Outage::branch(BranchIdx(1))));
    let Violation::Overload { branch, rating, rating_mva, flow_mva, percent, before_percent } =
        finding.violations.iter().find(|found| matches!(found, Violation::Overload { .. })).copied().unwrap()
    else {
        panic!("{finding:?}")
    };
    // No emergency rating is given, so the short-term one counts.
    assert_eq!((branch, rating, rating_mva), (BranchIdx(0), Rating::B, 150.0));
    assert!(
        (percent - flow_mva / 1.5).abs() < 1e-9 && flow_mva > 230.0 && before_percent > 100.0,
        "{finding:?}"
    );
    let low = |found: &&Violation| matches!(found, Violation::Voltage { bus: BusIdx(13), .. });
    let Violation::Voltage { vm_pu, limit_pu, before_pu, .. } = finding.violations.iter().find(low).unwrap()
    else {
        panic!()
    };
    assert!(*limit_pu == 1.0355 && *vm_pu < 1.0355 && (before_pu - 1.0355).abs() < 1e-3, "{finding:?}");
    assert!(finding.severity > 0.5 && finding.heaviest.unwrap().branch == BranchIdx(0));
}

#[test]
fn lost_buses_are_named_and_counted() {
    let read = system("case14");
    let sweep = sweep(&read.system);
    // 7-8 carries the condenser at bus 8.
    let finding = sweep.judge(0, &sweep.state(&Outage::branch(BranchIdx(13))));
    assert_eq!(finding.lost_buses, (1, Some(BusIdx(7))));
    assert_eq!((finding.lost_load_mw, finding.lost_generation_mw), (0.0, 0.0));
    // Bus 3 with 94.2 MW of load and a condenser.
    let finding = sweep.judge(0, &sweep.state(&Outage::bus(BusIdx(2))));
    assert!((finding.lost_load_mw - 94.2).abs() < 1e-9 && finding.lost_buses == (1, Some(BusIdx(2))));
    // The reference bus: generator 2 takes over.
    let state = sweep.state(&Outage::bus(BusIdx(0)));
    let slack = state.left.grid.buses.iter().find(|bus| bus.kind == BusKind::Slack).unwrap();
    assert_eq!(slack.name, "2");
}

/// Two ends of a line that is open at one of them: the same as a bus without injection at that end.
#[test]
fn an_open_end_is_a_bus_without_injection() {
    let read = system("case118");
    let sweep = sweep(&read.system);
    for (branch, end) in [(BranchIdx(7), End::From), (BranchIdx(20), End::To), (BranchIdx(36), End::From)] {
        let data = &read.system.grid.branches[branch.at()];
        let bus = if end == End::From { data.from } else { data.to };
        let open = Outage { open_ends: vec![(branch, end)], ..Outage::default() };
        let split =
            Split { bus, branches: vec![(branch, end)], machines: vec![], loads: vec![], shunts: vec![] };
        let split = Outage { splits: vec![split], ..Outage::default() };
        let (open, split) = (sweep.state(&open), sweep.state(&split));
        assert_eq!(split.left.grid.buses.len(), 119);
        assert_close(&open.voltages().vm_pu, &split.voltages().vm_pu, 1e-9, "vm");
        assert_close(&open.voltages().va_rad, &split.voltages().va_rad, 1e-9, "va");
    }
}

#[test]
fn lost_power_is_shared_by_participation() {
    let read = system("case118");
    let rules = Rules { balance: Balance::Participation, parts: Parts::Dead };
    let sweep =
        AcSweep::new(&read.system, &OPTIONS, &Monitor::default(), rules).unwrap_or_else(|_| panic!("base"));
    let lost = 5_u32;
    assert!(read.system.machines[lost as usize].p_pu > 0.1);
    let state = sweep.state(&Outage::machine(lost));
    let system = sweep.system();
    let total: f64 =
        (0..).zip(&system.machines).filter(|(at, _)| *at != lost).map(|(_, m)| m.participation).sum();
    // What every machine gives beyond its schedule, per share, is one figure.
    let mut moved = Vec::new();
    for (at, machine) in (0_u32..).zip(&system.machines) {
        let alone = system.machines.iter().filter(|other| other.bus == machine.bus).count() == 1;
        if at != lost && alone && machine.participation > 0.0 {
            let p = state.solution.p_injection_pu[machine.bus.at()];
            moved.push((p - system.grid.buses[machine.bus.at()].p_pu) * total / machine.participation);
        }
    }
    assert!(moved.len() > 10 && moved.iter().all(|m| (m - moved[0]).abs() < 1e-6), "{moved:?}");
    // It is the lost power and the change of the losses.
    let injected: f64 = state.solution.p_injection_pu.iter().sum();
    let before: f64 = sweep.base().p_injection_pu.iter().sum();
    let power = system.machines[lost as usize].p_pu;
    assert!((moved[0] - power - (injected - before)).abs() < 1e-6, "{} {power}", moved[0]);
}

#[test]
fn what_has_no_solution_is_said_so() {
    let mut read = system("case14");
    // Twenty times the load of bus 14 is served in the base state by a strong branch that then fails.
    let at = read.system.grid.buses.iter().position(|bus| bus.name == "14").unwrap();
    read.system.grid.buses[at].p_pu -= 3.0;
    let mut strong = read.system.grid.branches[0].clone();
    (strong.from, strong.to) = (BusIdx(0), BusIdx(at as u32));
    read.system.grid.branches.push(strong);
    read.system.ratings.push(Ratings::default());
    let sweep = sweep(&read.system);
    let finding = sweep.judge(3, &sweep.state(&Outage::branch(BranchIdx(20))));
    assert!(
        matches!(finding.status, Status::NotConverged { mismatch_pu, .. } if mismatch_pu > 1e-3),
        "{finding:?}"
    );
    assert!(finding.severity.is_infinite() && finding.heaviest.is_none() && finding.lowest.is_none());
}
