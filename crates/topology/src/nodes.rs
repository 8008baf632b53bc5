//! Connectivity nodes → buses → islands, kept up to date switch by switch.
//!
//! A bus is a set of nodes joined by closed switches (CIM `TopologicalNode`), an island a set of buses joined by
//! lines and transformers (CIM `TopologicalIsland`). Closing a switch relabels the smaller of two sets; opening
//! one searches the touched bus, and the touched island only if the bus fell apart.

use model::{Equipment, LineIdx, MachineIdx, Network, NodeIdx, SwitchIdx, TransformerIdx};

/// What moving one switch did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Change {
    /// The switch stood there already, or another path joins its ends: same buses.
    None,
    /// Two buses of one island became one.
    BusesMerged,
    /// Two buses and their islands became one.
    IslandsMerged,
    /// One bus became two, still joined through the grid.
    BusSplit,
    /// One bus became two that no path joins any more.
    IslandSplit,
}

/// A set of connected buses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Island {
    /// Whether a machine that can deliver active power stands in it, with something to feed.
    pub live: bool,
    /// Its buses as rising lists of nodes, in the order of their first nodes.
    pub buses: Vec<Vec<NodeIdx>>,
}

/// A number that marks the sets of the present partition; reused when a set is gone.
type Slot = usize;

/// Lists of items per node, back to back.
#[derive(Clone, Debug, Default)]
struct PerNode {
    start: Vec<usize>,
    items: Vec<usize>,
}

impl PerNode {
    fn new(nodes: usize, pairs: &[(NodeIdx, usize)]) -> Self {
        let mut start = vec![0; nodes + 1];
        for (node, _) in pairs {
            start[node.at() + 1] += 1;
        }
        for at in 0..nodes {
            start[at + 1] += start[at];
        }
        let mut fill = start.clone();
        let mut items = vec![0; pairs.len()];
        for (node, item) in pairs {
            items[fill[node.at()]] = *item;
            fill[node.at()] += 1;
        }
        Self { start, items }
    }

    fn of(&self, node: NodeIdx) -> &[usize] {
        &self.items[self.start[node.at()]..self.start[node.at() + 1]]
    }
}

/// Buses and islands of a network for the present positions of its switches.
#[derive(Clone, Debug)]
pub struct Topology {
    switch_nodes: Vec<[NodeIdx; 2]>,
    node_switches: PerNode,
    series_nodes: Vec<[NodeIdx; 2]>,
    node_series: PerNode,
    /// Per node: whether a machine that can deliver active power stands here.
    source: Vec<bool>,
    /// Per node: whether something that can be fed stands here.
    fed: Vec<bool>,
    open: Vec<bool>,
    bus_of_node: Vec<Slot>,
    nodes_of_bus: Vec<Vec<NodeIdx>>,
    free_buses: Vec<Slot>,
    island_of_bus: Vec<Slot>,
    buses_of_island: Vec<Vec<Slot>>,
    free_islands: Vec<Slot>,
    /// Marks of the search that runs, by node and by bus; equal to `epoch` where visited.
    node_mark: Vec<u64>,
    bus_mark: Vec<u64>,
    epoch: u64,
}

impl Topology {
    /// The topology with every switch in its normal position.
    pub fn new(network: &Network) -> Self {
        let open: Vec<bool> = network.switches().iter().map(|switch| switch.normal_open).collect();
        Self::with_positions(network, &open)
    }

    /// The topology for given positions, `true` is open; a missing entry counts as open.
    pub fn with_positions(network: &Network, open: &[bool]) -> Self {
        let nodes = network.nodes().len();
        let switch_nodes: Vec<[NodeIdx; 2]> =
            network.switches().iter().map(|switch| switch.terminals.map(|t| network.node_of(t))).collect();
        let lines = LineIdx::all(network.lines().len()).map(Equipment::Line);
        let transformers = TransformerIdx::all(network.transformers().len()).map(Equipment::Transformer);
        let series_nodes: Vec<[NodeIdx; 2]> =
            lines.chain(transformers).filter_map(|equipment| ends_of(network, equipment)).collect();
        let open = (0..switch_nodes.len()).map(|at| open.get(at).copied().unwrap_or(true)).collect();
        let mut topology = Self {
            node_switches: PerNode::new(nodes, &pairs(&switch_nodes)),
            node_series: PerNode::new(nodes, &pairs(&series_nodes)),
            switch_nodes,
            series_nodes,
            source: vec![false; nodes],
            fed: vec![false; nodes],
            open,
            bus_of_node: vec![0; nodes],
            nodes_of_bus: Vec::new(),
            free_buses: Vec::new(),
            island_of_bus: Vec::new(),
            buses_of_island: Vec::new(),
            free_islands: Vec::new(),
            node_mark: vec![0; nodes],
            bus_mark: vec![0; nodes],
            epoch: 0,
        };
        topology.find_sources(network);
        topology.rebuild();
        topology
    }

    /// Whether a switch is open.
    pub fn is_open(&self, switch: SwitchIdx) -> bool {
        self.open.get(switch.at()).copied().unwrap_or(true)
    }

    /// Moves one switch and brings buses and islands up to date.
    pub fn set_switch(&mut self, switch: SwitchIdx, open: bool) -> Change {
        match self.open.get_mut(switch.at()) {
            Some(position) if *position != open => *position = open,
            Some(_) | None => return Change::None,
        }
        let [one, other] = self.switch_nodes[switch.at()];
        if open { self.separate(one, other) } else { self.join(one, other) }
    }

    /// Whether two nodes are the same bus.
    pub fn same_bus(&self, one: NodeIdx, other: NodeIdx) -> bool {
        self.bus_of_node[one.at()] == self.bus_of_node[other.at()]
    }

    /// Whether a path joins two nodes.
    pub fn same_island(&self, one: NodeIdx, other: NodeIdx) -> bool {
        let island = |node: NodeIdx| self.island_of_bus[self.bus_of_node[node.at()]];
        island(one) == island(other)
    }

    /// Per node: whether it is in a live island.
    pub fn energised(&self) -> Vec<bool> {
        let live = self.live_islands();
        self.bus_of_node.iter().map(|bus| live[self.island_of_bus[*bus]]).collect()
    }

    /// All islands, dead ones included, in the order of their first nodes.
    pub fn islands(&self) -> Vec<Island> {
        let live = self.live_islands();
        let mut islands: Vec<Island> = Vec::new();
        for (slot, buses) in self.buses_of_island.iter().enumerate().filter(|(_, buses)| !buses.is_empty()) {
            let mut sets: Vec<Vec<NodeIdx>> =
                buses.iter().map(|bus| self.nodes_of_bus[*bus].clone()).collect();
            sets.iter_mut().for_each(|nodes| nodes.sort_unstable());
            sets.sort_unstable();
            islands.push(Island { live: live[slot], buses: sets });
        }
        islands.sort_unstable_by(|a, b| a.buses.cmp(&b.buses));
        islands
    }

    /// Bus slot of a node and island slot of a bus, for the builder of the calculation model.
    pub(crate) fn slots(&self) -> (&[Slot], &[Slot]) {
        (&self.bus_of_node, &self.island_of_bus)
    }

    /// Per island slot: whether it is live.
    pub(crate) fn live_islands(&self) -> Vec<bool> {
        let live = |buses: &Vec<Slot>| {
            let nodes = || buses.iter().flat_map(|bus| &self.nodes_of_bus[*bus]);
            nodes().any(|node| self.source[node.at()]) && nodes().any(|node| self.fed[node.at()])
        };
        self.buses_of_island.iter().map(live).collect()
    }

    fn find_sources(&mut self, network: &Network) {
        for machine in MachineIdx::all(network.machines().len()) {
            if is_source(network, machine) {
                self.source[network.node_of(network[machine].terminal).at()] = true;
            }
        }
        let ends = network.busbars().iter().map(|busbar| busbar.terminal);
        let ends = ends.chain(network.loads().iter().map(|load| load.terminal));
        let ends = ends.chain(network.shunts().iter().map(|shunt| shunt.terminal));
        for terminal in ends {
            self.fed[network.node_of(terminal).at()] = true;
        }
        for node in self.series_nodes.iter().flatten() {
            self.fed[node.at()] = true;
        }
    }

    /// Finds all buses and islands from the positions.
    fn rebuild(&mut self) {
        let nodes = self.bus_of_node.len();
        let mut seen = vec![false; nodes];
        for start in NodeIdx::all(nodes) {
            if !seen[start.at()] {
                let found = self.search_nodes(start, None);
                let bus = self.new_bus();
                for node in &found {
                    seen[node.at()] = true;
                    self.bus_of_node[node.at()] = bus;
                }
                self.nodes_of_bus[bus] = found;
            }
        }
        let mut seen = vec![false; self.nodes_of_bus.len()];
        for start in 0..self.nodes_of_bus.len() {
            if !seen[start] {
                let found = self.search_buses(start, None);
                let island = self.new_island();
                for bus in &found {
                    seen[*bus] = true;
                    self.island_of_bus[*bus] = island;
                }
                self.buses_of_island[island] = found;
            }
        }
    }

    fn new_bus(&mut self) -> Slot {
        self.free_buses.pop().unwrap_or_else(|| {
            self.nodes_of_bus.push(Vec::new());
            self.island_of_bus.push(0);
            self.nodes_of_bus.len() - 1
        })
    }

    fn new_island(&mut self) -> Slot {
        self.free_islands.pop().unwrap_or_else(|| {
            self.buses_of_island.push(Vec::new());
            self.buses_of_island.len() - 1
        })
    }

    /// Nodes joined with `start` by closed switches; stops early once `goal` is among them.
    fn search_nodes(&mut self, start: NodeIdx, goal: Option<NodeIdx>) -> Vec<NodeIdx> {
        self.epoch += 1;
        self.node_mark[start.at()] = self.epoch;
        let mut found = vec![start];
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            next += 1;
            if Some(node) == goal {
                break;
            }
            for switch in self.node_switches.of(node) {
                if self.open[*switch] {
                    continue;
                }
                for end in self.switch_nodes[*switch] {
                    if self.node_mark[end.at()] != self.epoch {
                        self.node_mark[end.at()] = self.epoch;
                        found.push(end);
                    }
                }
            }
        }
        found
    }

    /// Buses joined with `start` by lines and transformers; stops early once `goal` is among them.
    fn search_buses(&mut self, start: Slot, goal: Option<Slot>) -> Vec<Slot> {
        self.epoch += 1;
        self.bus_mark[start] = self.epoch;
        let mut found = vec![start];
        let mut next = 0;
        while let Some(bus) = found.get(next).copied() {
            next += 1;
            if Some(bus) == goal {
                break;
            }
            for node in &self.nodes_of_bus[bus] {
                for series in self.node_series.of(*node) {
                    for end in self.series_nodes[*series] {
                        let other = self.bus_of_node[end.at()];
                        if self.bus_mark[other] != self.epoch {
                            self.bus_mark[other] = self.epoch;
                            found.push(other);
                        }
                    }
                }
            }
        }
        found
    }

    fn join(&mut self, one: NodeIdx, other: NodeIdx) -> Change {
        let (mut keep, mut gone) = (self.bus_of_node[one.at()], self.bus_of_node[other.at()]);
        if keep == gone {
            return Change::None;
        }
        if self.nodes_of_bus[keep].len() < self.nodes_of_bus[gone].len() {
            (keep, gone) = (gone, keep);
        }
        let moved = std::mem::take(&mut self.nodes_of_bus[gone]);
        for node in &moved {
            self.bus_of_node[node.at()] = keep;
        }
        self.nodes_of_bus[keep].extend(moved);
        self.free_buses.push(gone);
        let (stays, merged) = (self.island_of_bus[keep], self.island_of_bus[gone]);
        self.buses_of_island[merged].retain(|bus| *bus != gone);
        if stays == merged {
            return Change::BusesMerged;
        }
        self.join_islands(stays, merged);
        Change::IslandsMerged
    }

    fn join_islands(&mut self, one: Slot, other: Slot) {
        let smaller = self.buses_of_island[one].len() < self.buses_of_island[other].len();
        let (keep, gone) = if smaller { (other, one) } else { (one, other) };
        let moved = std::mem::take(&mut self.buses_of_island[gone]);
        for bus in &moved {
            self.island_of_bus[*bus] = keep;
        }
        self.buses_of_island[keep].extend(moved);
        self.free_islands.push(gone);
    }

    fn separate(&mut self, one: NodeIdx, other: NodeIdx) -> Change {
        let found = self.search_nodes(one, Some(other));
        if self.node_mark[other.at()] == self.epoch {
            return Change::None;
        }
        let old = self.bus_of_node[other.at()];
        let epoch = self.epoch;
        let marks = &self.node_mark;
        self.nodes_of_bus[old].retain(|node| marks[node.at()] != epoch);
        let bus = self.new_bus();
        for node in &found {
            self.bus_of_node[node.at()] = bus;
        }
        self.nodes_of_bus[bus] = found;
        let island = self.island_of_bus[old];
        self.island_of_bus[bus] = island;
        self.buses_of_island[island].push(bus);
        let found = self.search_buses(bus, Some(old));
        if self.bus_mark[old] == self.epoch {
            return Change::BusSplit;
        }
        let epoch = self.epoch;
        let marks = &self.bus_mark;
        self.buses_of_island[island].retain(|bus| marks[*bus] != epoch);
        let split = self.new_island();
        for bus in &found {
            self.island_of_bus[*bus] = split;
        }
        self.buses_of_island[split] = found;
        Change::IslandSplit
    }
}

/// Whether a machine can feed an island: it delivers active power, or is meant as a reference.
pub(crate) fn is_source(network: &Network, machine: MachineIdx) -> bool {
    network[machine].max_p_mw > 0.0 || network[machine].reference_priority > 0
}

fn pairs(ends: &[[NodeIdx; 2]]) -> Vec<(NodeIdx, usize)> {
    ends.iter().enumerate().flat_map(|(at, ends)| ends.map(|node| (node, at))).collect()
}

fn ends_of(network: &Network, equipment: Equipment) -> Option<[NodeIdx; 2]> {
    match network.terminals_of(equipment).as_slice() {
        [from, to] => Some([network.node_of(*from), network.node_of(*to)]),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
