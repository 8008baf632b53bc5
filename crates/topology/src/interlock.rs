//! Interlocks of switchgear (IEC 62271-1 calls them interlocking devices): what a switch may not do in the present topology.
//!
//! A *section* is what a conductor joins: nodes over closed switches and over lines, but not over transformers. A switch
//! whose position is not known counts as closed wherever that is the dangerous side.
//!
//! | action | stands against it |
//! |---|---|
//! | close | an earth switch is closed in one of the two sections |
//! | close an earth switch | the section is energised |
//! | open or close a disconnector | it would break or make load current: no parallel path, and something on both sides |
//! | close | two energised islands would be joined, or a loop closed |
//! | open | loads lose their supply, or an island splits |

use crate::{Change, Topology};
use model::{Equipment, LineIdx, LoadIdx, Network, NodeIdx, SwitchIdx, SwitchKind};

/// An earth switch: closed, it earths the section of these nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Earth {
    /// Name for people.
    pub name: String,
    /// What it earths.
    pub nodes: Vec<NodeIdx>,
    /// Closed, or nobody knows.
    pub closed: bool,
}

/// What stands against an action.
#[derive(Clone, PartialEq, Debug)]
pub enum Hindrance {
    /// This earth switch is closed where the switch would close onto.
    Earthed {
        /// The earth switch.
        earth: String,
    },
    /// What would be earthed is energised.
    Energised {
        /// A busbar or equipment of the section.
        section: String,
    },
    /// The disconnector would break or make load current.
    UnderLoad {
        /// Breakers in series with it that should be open.
        breakers: Vec<SwitchIdx>,
    },
    /// Two energised islands would be joined.
    Parallels,
    /// A path in parallel to another would be closed.
    ClosesLoop,
    /// Loads lose their supply.
    DeEnergises {
        /// The loads.
        loads: Vec<LoadIdx>,
    },
    /// An energised island falls apart into two.
    Splits,
}

/// The switchgear of a network, prepared for looking around in it.
#[derive(Clone, Debug)]
pub struct Switchgear {
    ends: Vec<[NodeIdx; 2]>,
    kinds: Vec<SwitchKind>,
    switches: Vec<Vec<SwitchIdx>>,
    lines: Vec<Vec<NodeIdx>>,
    /// Per node: what hangs there besides switches and busbars.
    equipment: Vec<u32>,
    loads: Vec<NodeIdx>,
}

impl Switchgear {
    /// Looks at a network once.
    pub fn new(network: &Network) -> Self {
        let nodes = network.nodes().len();
        let ends: Vec<[NodeIdx; 2]> = network
            .switches()
            .iter()
            .map(|switch| switch.terminals.map(|end| network.node_of(end)))
            .collect();
        let (mut switches, mut lines) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
        for (switch, pair) in SwitchIdx::all(ends.len()).zip(&ends) {
            pair.iter().for_each(|node| switches[node.at()].push(switch));
        }
        for line in LineIdx::all(network.lines().len()) {
            let [one, other] = network[line].terminals.map(|end| network.node_of(end));
            lines[one.at()].push(other);
            lines[other.at()].push(one);
        }
        let mut equipment = vec![0; nodes];
        for terminal in network.terminals() {
            if !matches!(terminal.equipment, Equipment::Switch(_) | Equipment::Busbar(_)) {
                equipment[terminal.node.at()] += 1;
            }
        }
        Self {
            kinds: network.switches().iter().map(|switch| switch.kind).collect(),
            loads: network.loads().iter().map(|load| network.node_of(load.terminal)).collect(),
            ends,
            switches,
            lines,
            equipment,
        }
    }

    /// What stands against moving a switch, the most dangerous first. O(nodes).
    pub fn hindrances(
        &self,
        topology: &Topology,
        (switch, open): (SwitchIdx, bool),
        earths: &[Earth],
    ) -> Vec<Hindrance> {
        let Some([one, other]) = self.ends.get(switch.at()).copied() else { return Vec::new() };
        if topology.is_open(switch) == open {
            return Vec::new();
        }
        let mut found = Vec::new();
        if !open {
            found.extend(self.earthed(topology, [one, other], earths));
        }
        let without = {
            let mut without = topology.clone();
            without.set_switch(switch, true);
            without
        };
        found.extend(self.under_load(&without, topology, (switch, [one, other])));
        if open {
            found.extend(self.opening(topology, &without, switch));
        } else {
            found.extend(joining(&without, [one, other]));
        }
        found
    }

    /// What stands against earthing these nodes. `certain` tells whether a switch is known to be open.
    pub fn earthing(&self, topology: &Topology, nodes: &[NodeIdx], network: &Network) -> Option<Hindrance> {
        let energised = topology.energised();
        let section = self.section(nodes, |switch| !topology.is_open(switch));
        let live = section.iter().find(|node| energised[node.at()])?;
        let section = network[network.substation_of(*live)].name.clone();
        Some(Hindrance::Energised { section })
    }

    /// Nodes that a conductor joins with these.
    fn section(&self, from: &[NodeIdx], closed: impl Fn(SwitchIdx) -> bool) -> Vec<NodeIdx> {
        let mut seen = vec![false; self.switches.len()];
        let mut found: Vec<NodeIdx> = Vec::new();
        let reach = |node: NodeIdx, seen: &mut Vec<bool>, found: &mut Vec<NodeIdx>| {
            if !std::mem::replace(&mut seen[node.at()], true) {
                found.push(node);
            }
        };
        from.iter().for_each(|node| reach(*node, &mut seen, &mut found));
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            next += 1;
            for switch in &self.switches[node.at()] {
                if closed(*switch) {
                    self.ends[switch.at()].iter().for_each(|end| reach(*end, &mut seen, &mut found));
                }
            }
            self.lines[node.at()].iter().for_each(|end| reach(*end, &mut seen, &mut found));
        }
        found
    }

    fn earthed(&self, topology: &Topology, ends: [NodeIdx; 2], earths: &[Earth]) -> Vec<Hindrance> {
        let section = self.section(&ends, |switch| !topology.is_open(switch));
        let hit = |earth: &&Earth| earth.closed && earth.nodes.iter().any(|node| section.contains(node));
        earths.iter().filter(hit).map(|earth| Hindrance::Earthed { earth: earth.name.clone() }).collect()
    }

    /// A disconnector carries load when nothing is in parallel to it and there is something on both sides, one of it live.
    fn under_load(
        &self,
        without: &Topology,
        present: &Topology,
        (switch, [one, other]): (SwitchIdx, [NodeIdx; 2]),
    ) -> Option<Hindrance> {
        if self.kinds[switch.at()] != SwitchKind::Disconnector || without.same_bus(one, other) {
            return None;
        }
        let energised = present.energised();
        if !energised[one.at()] && !energised[other.at()] {
            return None;
        }
        let sides = [one, other].map(|node| self.bus(without, node));
        let burdened = |side: &Vec<NodeIdx>| side.iter().any(|node| self.equipment[node.at()] > 0);
        if !sides.iter().all(burdened) {
            return None;
        }
        let mut breakers: Vec<SwitchIdx> = [one, other]
            .iter()
            .flat_map(|node| &self.switches[node.at()])
            .copied()
            .filter(|near| self.kinds[near.at()] == SwitchKind::Breaker && !without.is_open(*near))
            .collect();
        breakers.sort_unstable();
        Some(Hindrance::UnderLoad { breakers })
    }

    /// Nodes of the bus of a node.
    fn bus(&self, topology: &Topology, node: NodeIdx) -> Vec<NodeIdx> {
        NodeIdx::all(self.switches.len()).filter(|other| topology.same_bus(node, *other)).collect()
    }

    fn opening(&self, present: &Topology, without: &Topology, switch: SwitchIdx) -> Vec<Hindrance> {
        let (before, after) = (present.energised(), without.energised());
        let lost = |load: &LoadIdx| {
            let node = self.loads[load.at()].at();
            before[node] && !after[node]
        };
        let loads: Vec<LoadIdx> = LoadIdx::all(self.loads.len()).filter(lost).collect();
        let mut found = Vec::new();
        if !loads.is_empty() {
            found.push(Hindrance::DeEnergises { loads });
        }
        let [one, other] = self.ends[switch.at()];
        if present.clone().set_switch(switch, true) == Change::IslandSplit
            && after[one.at()]
            && after[other.at()]
        {
            found.push(Hindrance::Splits);
        }
        found
    }
}

/// What closing between two nodes would join.
fn joining(open: &Topology, [one, other]: [NodeIdx; 2]) -> Option<Hindrance> {
    let energised = open.energised();
    if open.same_bus(one, other) || !(energised[one.at()] && energised[other.at()]) {
        return None;
    }
    Some(if open.same_island(one, other) { Hindrance::ClosesLoop } else { Hindrance::Parallels })
}
