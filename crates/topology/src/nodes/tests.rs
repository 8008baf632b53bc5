//! Switch sequences on a ring of five buses with a stub: by hand, and at random against a fresh search.
#![allow(clippy::unwrap_used)]
use model::busbranch::{BusBranchCase, BusNumber, CaseBranch, CaseBus, CaseBusType, CaseGenerator};
use model::{ExpandOptions, expand};
use proptest::prelude::*;

use super::*;

/// A ring of five buses with a stub 5-6, a machine at 1 and a smaller one at 4, loads everywhere.
pub(crate) fn ring() -> BusBranchCase {
    let bus = |number| CaseBus {
        number: BusNumber(number),
        name: None,
        kind: if number == 1 { CaseBusType::Reference } else { CaseBusType::Pq },
        pd_mw: 10.0,
        qd_mvar: 2.0,
        gs_mw: 0.0,
        bs_mvar: 0.0,
        area: 1,
        vm_pu: 1.0,
        va_degree: 0.0,
        base_kv: 110.0,
        zone: 1,
        vmax_pu: 1.1,
        vmin_pu: 0.9,
    };
    let branch = |from, to| CaseBranch {
        from: BusNumber(from),
        to: BusNumber(to),
        r_pu: 0.01,
        x_pu: 0.1,
        b_pu: 0.02,
        rate_a_mva: 100.0,
        rate_b_mva: 0.0,
        rate_c_mva: 0.0,
        ratio: 0.0,
        shift_degree: 0.0,
        in_service: true,
        angmin_degree: -360.0,
        angmax_degree: 360.0,
    };
    let generator = |bus, pmax_mw| CaseGenerator {
        bus: BusNumber(bus),
        pg_mw: 30.0,
        qg_mvar: 1.0,
        qmax_mvar: 50.0,
        qmin_mvar: -50.0,
        vg_pu: 1.02,
        mbase_mva: 100.0,
        in_service: true,
        pmax_mw,
        pmin_mw: 0.0,
    };
    BusBranchCase {
        name: "ring".into(),
        base_mva: 100.0,
        buses: (1..=6).map(bus).collect(),
        generators: vec![generator(1, 100.0), generator(4, 50.0)],
        branches: [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1), (5, 6)].map(|(a, b)| branch(a, b)).to_vec(),
        costs: vec![],
        dc_lines: vec![],
    }
}

pub(crate) fn network() -> Network {
    expand(&ring(), ExpandOptions::default()).unwrap().network
}

pub(crate) fn switch(network: &Network, name: &str) -> SwitchIdx {
    SwitchIdx::all(network.switches().len()).find(|index| network[*index].name == name).unwrap()
}

fn live(topology: &Topology) -> usize {
    topology.islands().iter().filter(|island| island.live).count()
}

#[test]
fn one_switch_at_a_time() {
    let network = network();
    let mut topology = Topology::new(&network);
    assert_eq!((topology.islands().len(), live(&topology)), (1, 1));
    // Name, open, what happens, islands, live islands; each step on top of the one before.
    let steps = [
        ("S5/L5-1/CB", true, Change::BusSplit, 1, 1),
        ("S5/L5-1/CB", true, Change::None, 1, 1),
        // Behind the open breaker the disconnector cuts off a piece of bare conductor.
        ("S5/L5-1/DS", true, Change::IslandSplit, 2, 1),
        ("S2/L2-3/CB", true, Change::IslandSplit, 3, 2),
        ("S2/L2-3/CB", false, Change::IslandsMerged, 2, 1),
        ("S5/L5-1/DS", false, Change::IslandsMerged, 1, 1),
        ("S5/L5-1/CB", false, Change::BusesMerged, 1, 1),
        ("S5/L5-6/CB", true, Change::IslandSplit, 2, 1),
        ("S4/G2/CB", true, Change::IslandSplit, 3, 1),
        ("S6/Load/CB", true, Change::IslandSplit, 4, 1),
    ];
    for (name, open, change, islands, alive) in steps {
        assert_eq!(topology.set_switch(switch(&network, name), open), change, "{name}");
        assert_eq!((topology.islands().len(), live(&topology)), (islands, alive), "{name}");
    }
    let energised = topology.energised();
    let node = |name: &str| NodeIdx::all(network.nodes().len()).find(|at| network[*at].name == name).unwrap();
    for (name, expected) in
        [("S5/BB/N", true), ("S6/BB/N", false), ("S4/G2/N2", false), ("S6/L5-6/N2", false)]
    {
        assert_eq!(energised[node(name).at()], expected, "{name}");
    }
}

#[test]
fn an_island_without_a_source_is_dead() {
    let mut case = ring();
    case.generators[1].pmax_mw = 0.0;
    let network = expand(&case, ExpandOptions::default()).unwrap().network;
    let mut topology = Topology::new(&network);
    for name in ["S1/L1-2/CB", "S1/L5-1/CB"] {
        topology.set_switch(switch(&network, name), true);
    }
    assert_eq!((topology.islands().len(), live(&topology)), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn moving_switches_equals_starting_afresh(moves in proptest::collection::vec((0..4096_u32, any::<bool>()), 1..80)) {
        let network = network();
        let count = u32::try_from(network.switches().len()).unwrap();
        let mut topology = Topology::new(&network);
        for (pick, open) in moves {
            let before = topology.islands();
            let change = topology.set_switch(SwitchIdx(pick % count), open);
            let fresh = Topology::with_positions(&network, &topology.open).islands();
            let now = topology.islands();
            let buses = |islands: &[Island]| islands.iter().map(|island| island.buses.len()).sum::<usize>();
            let moved = match change {
                Change::None => (0, 0),
                Change::BusesMerged => (-1, 0),
                Change::IslandsMerged => (-1, -1),
                Change::BusSplit => (1, 0),
                Change::IslandSplit => (1, 1),
            };
            let difference = |after: usize, before: usize| after as i64 - before as i64;
            prop_assert_eq!(moved, (difference(buses(&now), buses(&before)), difference(now.len(), before.len())));
            prop_assert_eq!(now, fresh);
        }
    }
}
