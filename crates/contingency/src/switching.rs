//! Which equipment is lost with a fault follows from the switches.
//!
//! A fault is cleared by the breakers around it. Its zone is what hangs together with it over closed disconnectors
//! and over lines and transformers up to the next closed breakers; those open:
//!
//! ```text
//! zone = { faulted nodes };  repeat: a closed disconnector at the zone  → its other node
//!                                    a line or transformer at the zone  → its other end (no breaker in between)
//!                                    a closed breaker at the zone       → opens
//! ```
//!
//! What is then left of every bus of the calculation model that the zone or the breakers touch is found by a search
//! over its closed switches: a part that has nothing but one branch end is that branch open at one end; a part
//! without branches loses its loads and machines unless it has both; the largest other part stays the bus, the rest
//! are buses that split off.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    BayIdx, BusbarIdx, Equipment, LineIdx, LoadIdx, MachineIdx, Network, NodeIdx, ShuntIdx, SubstationIdx,
    SwitchIdx, SwitchKind, TransformerIdx,
};
use topology::calc::{BranchIdx, BusIdx};
use topology::{End, Topology};

use crate::outage::{Outage, Split, Zone};
use crate::system::NetworkSystem;

/// What fails in a node-breaker network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Failing {
    /// A line, transformer, machine, load, shunt or busbar section; a switch that fails takes both its sides along.
    Equipment(Equipment),
    /// All switches of a bay open.
    Bay(BayIdx),
    /// Everything in a substation.
    Substation(SubstationIdx),
}

/// Switches and equipment at every node, for a network in its present topology.
pub struct Switching<'a> {
    network: &'a Network,
    topology: &'a Topology,
    base: &'a NetworkSystem,
    switches: Vec<Vec<SwitchIdx>>,
    equipment: Vec<Vec<(Equipment, u8)>>,
}

/// What hangs on a part of a bus.
#[derive(Clone, Debug, Default)]
struct Hanging {
    branches: Vec<(BranchIdx, End)>,
    machines: Vec<u32>,
    loads: Vec<u32>,
    shunts: Vec<u32>,
    busbar: bool,
}

impl<'a> Switching<'a> {
    /// `base` is the system of the network in that topology.
    pub fn new(network: &'a Network, topology: &'a Topology, base: &'a NetworkSystem) -> Self {
        let nodes = network.nodes().len();
        let (mut switches, mut equipment) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
        for (switch, index) in network.switches().iter().zip(SwitchIdx::all(network.switches().len())) {
            for terminal in switch.terminals {
                switches[network.node_of(terminal).at()].push(index);
            }
        }
        for terminal in network.terminals() {
            if !matches!(terminal.equipment, Equipment::Switch(_)) {
                equipment[terminal.node.at()].push((terminal.equipment, terminal.sequence));
            }
        }
        Self { network, topology, base, switches, equipment }
    }

    /// The system that was made of the network in this topology.
    pub const fn base(&self) -> &'a NetworkSystem {
        self.base
    }

    /// Everything that can fail, in the order of the network.
    pub fn all(&self) -> Vec<Failing> {
        let network = self.network;
        let lines = LineIdx::all(network.lines().len()).map(Equipment::Line);
        let transformers = TransformerIdx::all(network.transformers().len()).map(Equipment::Transformer);
        let machines = MachineIdx::all(network.machines().len()).map(Equipment::Machine);
        let loads = LoadIdx::all(network.loads().len()).map(Equipment::Load);
        let shunts = ShuntIdx::all(network.shunts().len()).map(Equipment::Shunt);
        let busbars = BusbarIdx::all(network.busbars().len()).map(Equipment::Busbar);
        let equipment = lines.chain(transformers).chain(machines).chain(loads).chain(shunts).chain(busbars);
        equipment
            .map(Failing::Equipment)
            .chain(BayIdx::all(network.bays().len()).map(Failing::Bay))
            .chain(SubstationIdx::all(network.substations().len()).map(Failing::Substation))
            .collect()
    }

    /// Name for people.
    pub fn name(&self, failing: Failing) -> &'a str {
        match failing {
            Failing::Equipment(equipment) => self.network.name_of(equipment),
            Failing::Bay(bay) => &self.network[bay].name,
            Failing::Substation(substation) => &self.network[substation].name,
        }
    }

    /// What opens and what has no voltage when this fails.
    pub fn zone(&self, failing: Failing) -> Zone {
        let network = self.network;
        match failing {
            Failing::Equipment(equipment) => {
                let start: Vec<NodeIdx> =
                    network.terminals_of(equipment).into_iter().map(|end| network.node_of(end)).collect();
                self.cleared(&start)
            }
            Failing::Bay(bay) => {
                let mut opened = network.switches_of(network[bay].serves).to_vec();
                opened.sort_unstable();
                Zone { nodes: Vec::new(), opened }
            }
            Failing::Substation(substation) => {
                let inside = |node: &NodeIdx| network.substation_of(*node) == substation;
                let start: Vec<NodeIdx> = NodeIdx::all(network.nodes().len()).filter(inside).collect();
                self.cleared(&start)
            }
        }
    }

    /// The zone of faulted nodes.
    pub fn cleared(&self, faulted: &[NodeIdx]) -> Zone {
        let network = self.network;
        let mut nodes: BTreeSet<NodeIdx> = faulted.iter().copied().collect();
        let mut opened = BTreeSet::new();
        let mut found: Vec<NodeIdx> = nodes.iter().copied().collect();
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            next += 1;
            let mut reached = Vec::new();
            for &switch in &self.switches[node.at()] {
                match network[switch].kind {
                    _ if self.topology.is_open(switch) => {}
                    SwitchKind::Breaker => {
                        opened.insert(switch);
                    }
                    SwitchKind::Disconnector => {
                        reached.extend(network[switch].terminals.map(|end| network.node_of(end)));
                    }
                }
            }
            for &(equipment, _) in &self.equipment[node.at()] {
                if matches!(equipment, Equipment::Line(_) | Equipment::Transformer(_)) {
                    reached
                        .extend(network.terminals_of(equipment).into_iter().map(|end| network.node_of(end)));
                }
            }
            for node in reached {
                if nodes.insert(node) {
                    found.push(node);
                }
            }
        }
        Zone { nodes: nodes.into_iter().collect(), opened: opened.into_iter().collect() }
    }

    /// The outage of something that fails.
    pub fn outage(&self, failing: Failing) -> Outage {
        self.outage_of(&self.zone(failing))
    }

    /// What a zone takes from the calculation model.
    pub fn outage_of(&self, zone: &Zone) -> Outage {
        let mut outage = Outage { zone: zone.clone(), ..Outage::default() };
        let mut touched: BTreeSet<BusIdx> = BTreeSet::new();
        for &node in &zone.nodes {
            touched.extend(self.base.map.node[node.at()]);
            for &(equipment, _) in &self.equipment[node.at()] {
                self.lose(equipment, &mut outage);
            }
        }
        for switch in &zone.opened {
            for end in self.network[*switch].terminals {
                touched.extend(self.base.map.node[self.network.node_of(end).at()]);
            }
        }
        outage.tidy();
        for bus in touched {
            self.fall_apart(bus, zone, &mut outage);
        }
        both_ends_open(&mut outage);
        outage.tidy();
        outage
    }

    fn lose(&self, equipment: Equipment, outage: &mut Outage) {
        let base = self.base;
        match equipment {
            Equipment::Line(_) | Equipment::Transformer(_) => {
                outage.branches.extend(base.map.branch(equipment));
            }
            Equipment::Machine(index) => outage.machines.extend(base.machines[index.at()]),
            Equipment::Load(index) => outage.loads.extend(base.loads[index.at()]),
            Equipment::Shunt(index) => outage.shunts.extend(base.shunts[index.at()]),
            Equipment::Busbar(_) | Equipment::Switch(_) => {}
        }
    }

    /// Sorts what is left of a bus into open ends, lost equipment, and buses.
    fn fall_apart(&self, bus: BusIdx, zone: &Zone, outage: &mut Outage) {
        let mut candidates = Vec::new();
        for part in self.parts(bus, zone) {
            let hanging = self.hanging(&part, outage);
            let fed = !hanging.loads.is_empty() || !hanging.shunts.is_empty();
            match hanging.branches.as_slice() {
                [] if hanging.machines.is_empty() || !fed => {
                    outage.machines.extend(hanging.machines);
                    outage.loads.extend(hanging.loads);
                    outage.shunts.extend(hanging.shunts);
                }
                [end] if hanging.machines.is_empty() && !fed => outage.open_ends.push(*end),
                _ => candidates.push(hanging),
            }
        }
        let size = |part: &Hanging| {
            (part.busbar, part.branches.len() + part.machines.len() + part.loads.len() + part.shunts.len())
        };
        let Some(stays) = (0..candidates.len()).max_by_key(|at| (size(&candidates[*at]), usize::MAX - at))
        else {
            outage.buses.push(bus);
            return;
        };
        for (at, part) in candidates.into_iter().enumerate() {
            if at != stays {
                let Hanging { branches, machines, loads, shunts, .. } = part;
                outage.splits.push(Split { bus, branches, machines, loads, shunts });
            }
        }
    }

    /// Sets of nodes of a bus that still hang together, without those of the zone.
    fn parts(&self, bus: BusIdx, zone: &Zone) -> Vec<Vec<NodeIdx>> {
        let mut seen: BTreeSet<NodeIdx> = zone.nodes.iter().copied().collect();
        let mut parts = Vec::new();
        for &start in &self.base.map.nodes[bus.at()] {
            if !seen.insert(start) {
                continue;
            }
            let mut found = vec![start];
            let mut next = 0;
            while let Some(node) = found.get(next).copied() {
                next += 1;
                for switch in &self.switches[node.at()] {
                    if self.topology.is_open(*switch) || zone.opened.binary_search(switch).is_ok() {
                        continue;
                    }
                    for end in self.network[*switch].terminals {
                        let other = self.network.node_of(end);
                        if seen.insert(other) {
                            found.push(other);
                        }
                    }
                }
            }
            parts.push(found);
        }
        parts
    }

    /// What hangs on these nodes and is not lost anyhow.
    fn hanging(&self, nodes: &[NodeIdx], outage: &Outage) -> Hanging {
        let base = self.base;
        let mut hanging = Hanging::default();
        for &(equipment, sequence) in nodes.iter().flat_map(|node| &self.equipment[node.at()]) {
            match equipment {
                Equipment::Line(_) | Equipment::Transformer(_) => {
                    let end = if sequence == 1 { End::From } else { End::To };
                    let branch = base.map.branch(equipment);
                    hanging.branches.extend(
                        branch.filter(|branch| !outage.branches.contains(branch)).map(|branch| (branch, end)),
                    );
                }
                Equipment::Machine(index) => hanging.machines.extend(base.machines[index.at()]),
                Equipment::Load(index) => hanging.loads.extend(base.loads[index.at()]),
                Equipment::Shunt(index) => hanging.shunts.extend(base.shunts[index.at()]),
                Equipment::Busbar(_) => hanging.busbar = true,
                Equipment::Switch(_) => {}
            }
        }
        hanging
    }
}

/// A branch open at both ends is out.
fn both_ends_open(outage: &mut Outage) {
    let mut ends: BTreeMap<BranchIdx, u32> = BTreeMap::new();
    for (branch, _) in &outage.open_ends {
        *ends.entry(*branch).or_default() += 1;
    }
    outage.branches.extend(ends.iter().filter(|(_, count)| **count > 1).map(|(branch, _)| *branch));
}
