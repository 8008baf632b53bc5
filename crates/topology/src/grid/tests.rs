//! Cases on a ring of five buses with a stub, worked out by hand.
#![allow(clippy::unwrap_used)]
use model::{ExpandOptions, expand};

use super::*;
use crate::from_case;
use crate::nodes::tests::{network, ring, switch};

fn state(opened: &[&str]) -> (Network, Grid, GridMap) {
    let network = network();
    let mut topology = Topology::new(&network);
    for name in opened {
        topology.set_switch(switch(&network, name), true);
    }
    let (grid, map) = topology.grid(&network, &Schedule::of(&network));
    (network, grid, map)
}

fn names(grid: &Grid, kind: BusKind) -> Vec<&str> {
    grid.buses.iter().filter(|bus| bus.kind == kind).map(|bus| &*bus.name).collect()
}

#[test]
fn closed_switches_give_the_buses_of_the_case() {
    let (_, grid, map) = state(&[]);
    let direct = from_case(&ring()).unwrap().grid;
    assert_eq!((grid.buses.len(), grid.branches.len(), grid.islands), (6, 6, 1));
    for (ours, theirs) in grid.buses.iter().zip(&direct.buses) {
        assert_eq!(ours.name, format!("S{}", theirs.name));
        assert_eq!((ours.kind, ours.p_pu, ours.q_pu), (theirs.kind, theirs.p_pu, theirs.q_pu));
        assert_eq!(
            (ours.vm_pu, ours.q_gen_max_pu, ours.q_load_pu),
            (theirs.vm_pu, theirs.q_gen_max_pu, theirs.q_load_pu)
        );
    }
    assert!(map.zero_injections.is_empty());
}

#[test]
fn a_line_open_at_one_end_keeps_its_bus() {
    let (network, grid, map) = state(&["S5/L5-6/CB", "S6/Load/CB"]);
    // Substation 6 is dead, the stub hangs on nothing: the line is dead, too.
    assert_eq!((grid.buses.len(), map.line[5]), (5, None));
    let (_, grid, map) = state(&["S6/L5-6/CB"]);
    let branch = &grid.branches[map.line[5].unwrap().at()];
    assert_eq!(
        (&*grid.buses[branch.from.at()].name, &*grid.buses[branch.to.at()].name),
        ("S5", "S6/L5-6/N2")
    );
    assert_eq!(map.zero_injections, [branch.to]);
    assert_eq!(map.load[5], None);
    let flow = MeasurementIdx::all(network.measurements().len())
        .find(|index| network[*index].name == "S6/L5-6/P")
        .unwrap();
    assert_eq!(map.target(&network, flow), Target::ActiveFlow(BranchIdx(5), End::To));
    assert_eq!(map.branch_end(&network, network.lines()[5].terminals[0]), Some((BranchIdx(5), End::From)));
}

#[test]
fn every_live_island_has_one_slack() {
    let (_, grid, _) = state(&[]);
    assert_eq!(names(&grid, BusKind::Slack), ["S1"]);
    // 3, 4, 5 and 6 stand alone on the machine at 4.
    let (_, grid, _) = state(&["S2/L2-3/CB", "S1/L5-1/CB"]);
    assert_eq!((grid.islands, names(&grid, BusKind::Slack)), (2, vec!["S1", "S4"]));
    // Without the reference machine the other one takes over.
    let (_, grid, _) = state(&["S1/G1/CB"]);
    assert_eq!((grid.islands, names(&grid, BusKind::Slack)), (1, vec!["S4"]));
    let (_, grid, _) = state(&["S1/G1/CB", "S4/G2/DS"]);
    assert_eq!((grid.islands, grid.buses.len(), grid.branches.len()), (0, 0, 0));
}

#[test]
fn injections_are_complete_sums() {
    let (network, _, map) = state(&["S6/L5-6/CB", "S4/Load/CB"]);
    let injections = map.injections(&network);
    let text: Vec<String> = injections
        .iter()
        .map(|injection| {
            let parts = injection.active.iter().map(|(m, sign)| format!("{sign:+}*{}", network[*m].name));
            parts.collect::<Vec<_>>().join(" ")
        })
        .collect();
    // Each of the three devices of a bay makes a sum of its own.
    let sums = |n: &str| {
        ["+1*S1/G1/P -1*S1/Load/P", "-1*S2/Load/P", "-1*S3/Load/P", "+1*S4/G2/P", "-1*S5/Load/P"]
            .map(|sum| sum.replace("/P", &format!("/P{n}")))
    };
    assert_eq!(text, [sums(""), sums("2"), sums("3")].concat());
    assert!(injections.iter().all(|injection| injection.active.len() == injection.reactive.len()));
}

#[test]
fn schedules_reach_the_model() {
    let mut case = ring();
    case.branches[0].ratio = 0.97;
    case.buses[2].bs_mvar = 20.0;
    let network = expand(&case, ExpandOptions::default()).unwrap().network;
    let mut schedule = Schedule::of(&network);
    schedule.tap_step[0] += 2;
    schedule.load_p_mw[1] = 33.0;
    schedule.machine_v_pu[0] = 1.05;
    schedule.shunt_sections[0] = 0;
    let (grid, map) = Topology::new(&network).grid(&network, &schedule);
    let ratio = grid.branches[map.transformer[0].unwrap().at()].ratio;
    assert!((ratio - 0.9825).abs() < 1e-12);
    assert_eq!((grid.buses[1].p_pu, grid.buses[0].vm_pu, grid.buses[2].b_shunt_pu), (-0.33, 1.05, 0.0));
}

#[test]
fn a_branch_on_one_bus_is_its_shunt() {
    // Two parallel lines; a coupler that ties both substations is made by moving the far end to the near node.
    let mut parts = network().into_parts();
    let far = parts.lines[5].terminals[1];
    parts.terminals[far.at()].node = parts.terminals[parts.lines[5].terminals[0].at()].node;
    let network = Network::new(parts).unwrap();
    let (grid, map) = Topology::new(&network).grid(&network, &Schedule::of(&network));
    assert_eq!(map.line[5], None);
    // Only the charging of 0.02 p.u. is left of a line whose ends have one voltage.
    let five = grid.buses.iter().find(|bus| bus.name == "S5").unwrap();
    assert!((five.b_shunt_pu - 0.02).abs() < 1e-12 && five.g_shunt_pu.abs() < 1e-12);
}

#[test]
fn dead_islands_of_a_case_are_reported() {
    let mut case = ring();
    for branch in [4, 3] {
        case.branches[branch].in_service = false;
    }
    let result = from_case(&case).unwrap();
    assert_eq!((result.grid.buses.len(), result.diagnostics.len()), (4, 2));
    assert_eq!(result.map.branches[5], None);
    case.branches[5].in_service = false;
    case.buses[4].kind = model::busbranch::CaseBusType::Isolated;
    assert_eq!(from_case(&case).unwrap().diagnostics.len(), 1);
}
