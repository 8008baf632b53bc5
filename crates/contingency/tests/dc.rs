//! Distribution factors and DC outages against PYPOWER's makePTDF, makeLODF and rundcpf (see `foreign`).
#![allow(clippy::unwrap_used)]

mod foreign;

use std::ops::ControlFlow;
use std::sync::LazyLock;

use contingency::{
    Balance, CaseSystem, Contingency, DcNetwork, DcSweep, Finding, Monitor, Outage, Parts, Ratings, Rules,
    System, remainder,
};
use foreign::{assert_close, outages, rows, system};
use proptest::prelude::*;
use sparse::pool::{Inline, Pool};
use topology::calc::{BranchIdx, BusIdx, Voltages};

fn shares(system: &System) -> Vec<f64> {
    remainder(system, &Outage::default(), &Voltages::default(), Parts::Dead).participation
}

#[test]
fn factors_agree() {
    let check = |name: &str| {
        let read = system(name);
        let grid = &read.system.grid;
        let alone = DcNetwork::new(grid, &[]).unwrap();
        let shared = DcNetwork::new(grid, &shares(&read.system)).unwrap();
        let (mut buses, mut branches) = (vec![0.0; grid.buses.len()], vec![0.0; grid.branches.len()]);
        let mut lodfs = 0;
        for (word, at, want) in rows(&format!("{name}_factors.txt")) {
            let index = BranchIdx(at);
            match &*word {
                "ptdf" | "shared" => {
                    let network = if word == "ptdf" { &alone } else { &shared };
                    network.ptdf_row(index, &mut buses);
                    assert_close(&buses, &want, 1e-10, &format!("{name} {word} {at}"));
                    for bus in (0..grid.buses.len()).step_by(7) {
                        network.ptdf_column(BusIdx(bus as u32), &mut branches);
                        assert!((branches[index.at()] - want[bus]).abs() < 1e-10, "{name} {word} {at} {bus}");
                    }
                }
                "lodf" => {
                    lodfs += 1;
                    shared.lodf_column(index, &mut branches).unwrap();
                    assert_close(&branches, &want, 1e-9, &format!("{name} lodf {at}"));
                    let mut row = branches.clone();
                    for branch in (0..grid.branches.len()).step_by(9) {
                        alone.lodf_row(BranchIdx(branch as u32), &mut row);
                        assert!((row[index.at()] - want[branch]).abs() < 1e-9, "{name} lodf {branch} {at}");
                    }
                }
                _ => panic!("{word}"),
            }
        }
        assert!(lodfs > 4, "{lodfs}");
    };
    check("case14");
    check("case118");
}

#[test]
fn factors_after_an_outage_are_those_of_the_grid_without_it() {
    // PYPOWER's makePTDF of the case without branch 3, as `factors_agree` holds it for ours.
    let read = system("case118");
    let grid = &read.system.grid;
    let network = DcNetwork::new(grid, &[]).unwrap();
    let mut smaller = grid.clone();
    smaller.branches.remove(3);
    let without = DcNetwork::new(&smaller, &[]).unwrap();
    let (mut row, mut want) = (vec![0.0; grid.buses.len()], vec![0.0; grid.buses.len()]);
    let mut column = vec![0.0; grid.branches.len()];
    network.otdf_row(BranchIdx(20), BranchIdx(3), &mut row).unwrap();
    without.ptdf_row(BranchIdx(19), &mut want);
    assert_close(&row, &want, 1e-11, "otdf row");
    network.otdf_column(BusIdx(5), BranchIdx(3), &mut column).unwrap();
    assert!((column[20] - want[5]).abs() < 1e-11);
}

#[test]
fn a_bridge_has_no_outage_factor() {
    let read = system("case14");
    let network = DcNetwork::new(&read.system.grid, &[]).unwrap();
    // Bus 8 hangs on 7-8 alone: the 14th row of the case.
    assert!(network.bridges().is_bridge(BranchIdx(13)));
    assert_eq!(network.bridges().cut_off(BranchIdx(13)).collect::<Vec<_>>(), [BusIdx(7)]);
    assert_eq!(network.lodf_column(BranchIdx(13), &mut [0.0; 20]), None);
    assert_eq!((0..20).filter(|at| network.bridges().is_bridge(BranchIdx(*at))).count(), 1);
}

#[test]
fn flows_after_outages_agree() {
    let check = |name: &str| {
        let read = system(name);
        let system = &read.system;
        let network = DcNetwork::new(&system.grid, &[]).unwrap();
        let sweep = DcSweep::new(&network, system, &Monitor::default(), Rules::default());
        let mut flows = vec![0.0; system.grid.branches.len()];
        for expected in outages(&format!("{name}_dc.txt")) {
            sweep.flows(&expected.outage, &mut flows).unwrap();
            let mw: Vec<f64> = flows.iter().map(|flow| flow * system.grid.base_mva).collect();
            assert_close(&mw, &expected.figures[0].1, 1e-6, &format!("{name} {:?}", expected.outage));
        }
    };
    check("case14");
    check("case118");
    check("case300");
}

/// Ratings that some outages violate: a third above the flow of the base state.
fn rated(system: &mut System, network: &DcNetwork) {
    let base = system.grid.base_mva;
    system.ratings =
        network.flows().iter().map(|flow| Ratings([(1.3 * flow.abs()).max(0.05) * base, 0.0, 0.0])).collect();
}

fn all_single(system: &System) -> Vec<Contingency> {
    let branches = (0..system.grid.branches.len() as u32).map(|at| Outage::branch(BranchIdx(at)));
    let machines = (0..system.machines.len() as u32).map(Outage::machine);
    let buses = (0..system.grid.buses.len() as u32).map(|at| Outage::bus(BusIdx(at)));
    branches
        .chain(machines)
        .chain(buses)
        .enumerate()
        .map(|(at, outage)| Contingency { name: at.to_string(), outage })
        .collect()
}

fn swept(sweep: &DcSweep<'_>, list: &[Contingency], pool: &dyn Pool) -> Vec<Finding> {
    let mut found = Vec::new();
    sweep.run(list, pool, &mut |finding| {
        found.push(finding);
        ControlFlow::Continue(())
    });
    found
}

/// The lanes must say what the flows say that `flows_after_outages_agree` holds against PYPOWER, for every outage
/// and both ways of balancing; what a model of the remaining grid says is a second way to the same figures.
#[test]
fn lanes_and_models_agree() {
    let check = |name: &str, balance: Balance| {
        let mut read = system(name);
        let share = if balance == Balance::Participation { shares(&read.system) } else { vec![] };
        let network = DcNetwork::new(&read.system.grid, &share).unwrap();
        rated(&mut read.system, &network);
        let system = &read.system;
        let sweep =
            DcSweep::new(&network, system, &Monitor::default(), Rules { balance, ..Rules::default() });
        let list = all_single(system);
        let found = swept(&sweep, &list, &Inline);
        assert_eq!(found.len(), list.len());
        let mut violations = 0;
        for (finding, case) in found.iter().zip(&list) {
            let left = remainder(system, &case.outage, &Voltages::default(), Parts::Dead);
            assert_eq!(finding.lost_buses.0 as usize, left.lost.buses.len(), "{:?}", case.outage);
            assert!((finding.lost_load_mw / system.grid.base_mva - left.lost.load_pu).abs() < 1e-9);
            let Some(expected) = expected(system, &case.outage, balance) else {
                assert!(!finding.solved(), "{:?}", case.outage);
                continue;
            };
            let heaviest = finding.heaviest.unwrap_or_else(|| panic!("{name} {:?} {finding:?}", case.outage));
            let most = expected.iter().fold(0.0_f64, |most, percent| most.max(*percent));
            assert!((heaviest.percent - most).abs() < 1e-6, "{:?} {heaviest:?} {most}", case.outage);
            let over = expected.iter().filter(|percent| **percent > 100.0 * (1.0 + 1e-9)).count();
            assert_eq!(finding.violation_count as usize, over, "{:?}", case.outage);
            violations += over;
        }
        assert!(violations > 20, "{violations}");
    };
    check("case14", Balance::Reference);
    check("case14", Balance::Participation);
    check("case118", Balance::Reference);
    check("case118", Balance::Participation);
    check("case300", Balance::Reference);
    check("case300", Balance::Participation);
}

/// Loading in percent per branch by a model of what is left. With shares the base schedule is balanced by the
/// shares of the base first, then the change by those that are left.
fn expected(system: &System, outage: &Outage, balance: Balance) -> Option<Vec<f64>> {
    let left = remainder(system, outage, &Voltages::default(), Parts::Dead);
    let mut grid = left.grid.clone();
    let share: Vec<f64> = match balance {
        Balance::Reference => vec![],
        Balance::Participation => {
            let surplus: f64 = system.grid.buses.iter().map(|bus| bus.p_pu - bus.g_shunt_pu).sum();
            let before = shares(system);
            for (bus, at) in grid.buses.iter_mut().zip(&left.buses) {
                bus.p_pu -= before[at.at()] * surplus;
            }
            let sum: f64 = system.machines.iter().map(|machine| machine.participation).sum();
            for machine in outage.machines.iter().map(|at| &system.machines[*at as usize]) {
                if let Some(bus) = left.bus[machine.bus.at()] {
                    grid.buses[bus.at()].p_pu += machine.participation / sum * surplus;
                }
            }
            left.participation.clone()
        }
    };
    let network = DcNetwork::new(&grid, &share).ok()?;
    let mut percent = vec![0.0; system.grid.branches.len()];
    for (branch, flow) in left.branches.iter().zip(network.flows()) {
        percent[branch.at()] = 100.0 * flow.abs() * system.grid.base_mva / system.ratings[branch.at()].0[0];
    }
    Some(percent)
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

#[test]
fn findings_are_bit_equal_whatever_the_workers() {
    let mut read = system("case300");
    let network = DcNetwork::new(&read.system.grid, &[]).unwrap();
    rated(&mut read.system, &network);
    let sweep = DcSweep::new(&network, &read.system, &Monitor::default(), Rules::default());
    let list = all_single(&read.system);
    let (one, two) = (swept(&sweep, &list, &Inline), swept(&sweep, &list, &Two));
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
}

#[test]
fn a_caller_that_breaks_is_left_alone() {
    let read = system("case14");
    let network = DcNetwork::new(&read.system.grid, &[]).unwrap();
    let sweep = DcSweep::new(&network, &read.system, &Monitor::default(), Rules::default());
    let mut seen = 0;
    let done = sweep.run(&all_single(&read.system), &Inline, &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((seen, done), (3, 3));
}

/// Pairs of case118 by the flows of their outages, which `flows_after_outages_agree` holds against PYPOWER: what
/// both together drive over a third branch beyond the sum of the single outages comes from `w' - w` alone.
#[test]
fn pairs_are_ranked_by_what_they_do_to_each_other() {
    let read = system("case118");
    let network = DcNetwork::new(&read.system.grid, &[]).unwrap();
    let pairs = network.screen_pairs(3000, &Inline);
    assert_eq!(pairs, network.screen_pairs(3000, &Two));
    assert_eq!(pairs.len(), 3000);
    assert_eq!(network.screen_pairs(10, &Inline), pairs[..10]);
    assert!(pairs.windows(2).all(|two| two[0].score >= two[1].score));
    let sweep = DcSweep::new(&network, &read.system, &Monitor::default(), Rules::default());
    let count = read.system.grid.branches.len();
    let after = |branches: &[BranchIdx]| {
        let mut flows = vec![0.0; count];
        let outage = Outage { branches: branches.to_vec(), ..Outage::default() };
        sweep.flows(&outage, &mut flows).unwrap();
        flows
    };
    let base = network.flows();
    for pair in pairs.iter().step_by(40) {
        let [k, l] = pair.branches;
        let (both, one, other) = (after(&[k, l]), after(&[k]), after(&[l]));
        let left = remainder(
            &read.system,
            &Outage { branches: vec![k, l], ..Outage::default() },
            &Voltages::default(),
            Parts::Dead,
        );
        if !left.lost.buses.is_empty() {
            let cut = base[k.at()].abs() + base[l.at()].abs();
            assert!((pair.score - cut).abs() < 1e-9, "{pair:?} {cut}");
            continue;
        }
        // Per unit of w the flow elsewhere changes by H, so the surprise is bounded by the score and is there.
        let surprise = (0..count)
            .filter(|at| *at != k.at() && *at != l.at())
            .map(|at| (both[at] - one[at] - other[at] + base[at]).abs())
            .fold(0.0, f64::max);
        assert!(surprise <= pair.score * (1.0 + 1e-9), "{pair:?} {surprise}");
        assert!(surprise > 0.0);
    }
}

static CASE118: LazyLock<CaseSystem> = LazyLock::new(|| system("case118"));

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Several elements together, parts of the grid cut off among them: one right-hand side on the unchanged model says
    /// what a model of the rest says.
    #[test]
    fn any_outage_is_one_right_hand_side(
        branches in prop::collection::vec(0_u32..20, 0..4),
        near in prop::collection::vec(0_u32..186, 0..4),
        machines in prop::collection::vec(0_u32..54, 0..3),
        buses in prop::collection::vec(0_u32..118, 0..3),
        shared in any::<bool>(),
    ) {
        let system = &CASE118.system;
        let balance = if shared { Balance::Participation } else { Balance::Reference };
        let share = if shared { shares(system) } else { vec![] };
        let network = DcNetwork::new(&system.grid, &share).unwrap();
        let sweep = DcSweep::new(&network, system, &Monitor::default(), Rules { balance, ..Rules::default() });
        // Some close together, so that they cut; some anywhere.
        let start = near.first().copied().unwrap_or(0);
        let branches = branches.iter().map(|step| (start + step) % 186).chain(near.iter().copied());
        let mut outage = Outage {
            branches: branches.map(BranchIdx).collect(),
            machines: machines.clone(),
            buses: buses.iter().copied().map(BusIdx).collect(),
            ..Outage::default()
        };
        outage.tidy();
        let mut flows = vec![0.0; system.grid.branches.len()];
        let solved = sweep.flows(&outage, &mut flows);
        let mut rated = system.clone();
        rated.ratings = vec![Ratings([100.0 * system.grid.base_mva, 0.0, 0.0]); flows.len()];
        match expected(&rated, &outage, balance) {
            None => prop_assert!(solved.is_err()),
            Some(percent) => {
                for (at, (flow, percent)) in flows.iter().zip(&percent).enumerate() {
                    prop_assert!((flow.abs() - percent).abs() < 1e-8, "{outage:?} {at} {flow} {percent}");
                }
            }
        }
    }
}
