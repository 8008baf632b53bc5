//! The study against PYPOWER: what the grid looks like after a breaker of the IEEE 14-bus case opens.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::gate_config::StudyConfig;
use model::ExpandOptions;
use timebase::{Mono, Utc};

/// Breaker that opens; voltages of S1 to S14 in p.u.; apparent power of L1-2, L2-4, L3-4 in MVA.
/// Made by `interop/study_cases.py`.
const PYPOWER: [(&str, [f64; 14], [f64; 3]); 3] = [
    (
        "S2/L2-3/CB",
        [
            1.060000000,
            1.045000000,
            0.963346552,
            1.000573493,
            1.006943847,
            1.070000000,
            1.053369249,
            1.090000000,
            1.047475454,
            1.043879494,
            1.053171143,
            1.054613986,
            1.049045661,
            1.030053967,
        ],
        [149.392231, 93.638209, 101.462561],
    ),
    (
        "S1/L1-5/CB",
        [
            1.060000000,
            1.036591522,
            1.010000000,
            1.006406171,
            1.004799164,
            1.070000000,
            1.056732080,
            1.090000000,
            1.051821087,
            1.047650038,
            1.055279990,
            1.054816696,
            1.049847060,
            1.032946700,
        ],
        [241.165738, 83.475792, 12.552086],
    ),
    (
        "S4/L4-5/CB",
        [
            1.060000000,
            1.043620422,
            1.010000000,
            1.013469543,
            1.019759477,
            1.070000000,
            1.056912837,
            1.090000000,
            1.047605590,
            1.043357941,
            1.052210741,
            1.054896469,
            1.048477484,
            1.029551789,
        ],
        [179.444036, 89.248485, 8.709781],
    ),
];

fn network() -> Arc<Network> {
    let text = include_bytes!("../../../../examples/ieee14.m");
    Arc::new(exchange::read_network(text, ExpandOptions::default()).unwrap().0)
}

/// The base of an exact estimate, with readings that are off: the balance must make them right.
fn base(network: &Arc<Network>, off: f64) -> StudyBase {
    let (topology, schedule) = (Topology::new(network), Schedule::of(network));
    let (grid, map) = topology.grid(network, &schedule);
    let truth = solve(&grid, &Options::default());
    let estimate = Estimate {
        voltages: truth.voltages.clone(),
        p_injection_pu: truth.p_injection_pu.clone(),
        q_injection_pu: truth.q_injection_pu.clone(),
        ..Estimate::default()
    };
    let known =
        Known { network, topology: &topology, schedule: &schedule, grid: (&grid, &map), estimate: &estimate };
    let now = Now { mono: Mono::ZERO, utc: Utc::default() };
    StudyBase::new(&known, now, |measurement| match network[measurement].role {
        MeasurementRole::LoadActive(load) => Some(network[load].p_mw * off),
        MeasurementRole::LoadReactive(load) => Some(network[load].q_mvar * off),
        MeasurementRole::MachineReactiveInjection(machine) => {
            let bus = map.machine[machine.at()]?;
            Some(truth.machine_q_pu(&grid, bus) * grid.base_mva)
        }
        _ => None,
    })
}

fn switch(network: &Network, name: &str) -> SwitchIdx {
    SwitchIdx::all(network.switches().len()).find(|index| network[*index].name == name).unwrap()
}

fn line(network: &Network, name: &str) -> Equipment {
    Equipment::Line(LineIdx::all(network.lines().len()).find(|index| network[*index].name == name).unwrap())
}

fn close(found: f64, wanted: f64, tolerance: f64, what: &str) {
    assert!((found - wanted).abs() <= tolerance, "{what}: {found} instead of {wanted}");
}

#[test]
fn the_grid_after_an_opening_is_that_of_pypower() {
    let network = network();
    for off in [1.0, 0.9] {
        let base = base(&network, off);
        for (breaker, voltages, flows) in PYPOWER {
            let mut topology = base.topology.clone();
            topology.set_switch(switch(&network, breaker), true);
            let after = base.state(&topology, &base.schedule);
            assert!(after.solution.converged());
            for (busbar, wanted) in network.busbars().iter().zip(voltages) {
                let found = after.vm(network.node_of(busbar.terminal)).unwrap();
                close(found, wanted, 1e-6, &format!("{breaker} {}", busbar.name));
            }
            for (name, mva) in ["L1-2", "L2-4", "L3-4"].into_iter().zip(flows) {
                let branch = after.map.branch(line(&network, name)).unwrap();
                let rate = after.grid.branches[branch.at()].rate_mva;
                let percent = after.loading(line(&network, name)).unwrap();
                close(percent, 100.0 * mva / rate, 1e-3, &format!("{breaker} {name}"));
            }
        }
    }
}

#[test]
fn what_is_new_or_worse_is_told() {
    let network = network();
    let base = base(&network, 1.0);
    let study = |breaker: &str| {
        let action = Action::Switch { switch: switch(&network, breaker), open: true };
        base.study(action, &StudyConfig::default())
    };
    let report = study("S2/L2-3/CB");
    let [worst] = &report.violations[..] else { panic!("{:?}", report.violations) };
    assert_eq!((worst.kind, worst.name.as_str(), worst.limit), ("loading", "L3-4", 100.0));
    close(worst.after, 100.0 * 101.462561 / 60.0, 1e-3, "L3-4");
    // Before, with the whole grid: 24.148255 MVA (PYPOWER, the case as it is).
    close(worst.before.unwrap(), 100.0 * 24.148255 / 60.0, 1e-3, "L3-4 before");
    assert_eq!(report.islands, (1, 1));
    assert_eq!(study("S4/L4-5/CB").objection(), None);
    // Both lines of S1: L1-2 stays and is at its limit of 240 MVA.
    assert_eq!(study("S1/L1-5/CB").violations[0].name, "L1-2");
}

#[test]
fn loads_that_lose_their_supply_are_named() {
    let network = network();
    let base = base(&network, 1.0);
    let action = Action::Switch { switch: switch(&network, "S14/Load/CB"), open: true };
    let report = base.study(action, &StudyConfig::default());
    assert_eq!(report.outcome, StudyOutcome::Solved);
    close(report.de_energised_mw, 14.9, 1e-6, "S14");
    assert_eq!(report.de_energised, ["S14/Load"]);
    assert!(report.objection().unwrap().contains("14.9 MW"));
}

#[test]
fn taps_and_machines_are_studied_too() {
    let network = network();
    let base = base(&network, 1.0);
    let before = base.state(&base.topology, &base.schedule);
    let voltage =
        |state: &State, at: usize| state.vm(network.node_of(network.busbars()[at].terminal)).unwrap();
    let tap = base.study(Action::Tap { changer: TapChangerIdx(0), by: 4 }, &StudyConfig::default());
    assert_eq!(tap.outcome, StudyOutcome::Solved);
    assert_ne!(tap.voltages.map(|(low, _)| low), Some(voltage(&before, 13)));
    // A machine that delivers more than there is load and line for has no power flow.
    let action = Action::Machine { machine: MachineIdx(1), p_mw: 5_000.0 };
    assert_eq!(base.study(action, &StudyConfig::default()).outcome, StudyOutcome::NotConverged);
}
