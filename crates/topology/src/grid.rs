//! The calculation model of the present topology, and the way between it and the network.
//!
//! Dead islands are left out. A line open at one end keeps the bus behind its open breaker, without injection. A
//! series element with both ends at one bus becomes the shunt that it is: y = Yff + Yft + Ytf + Ytt.

use std::collections::{BTreeMap, HashMap};

use model::{
    Equipment, LineIdx, LoadIdx, MachineIdx, MeasurementIdx, MeasurementRole, Network, NodeIdx, ShuntIdx,
    TerminalIdx, TransformerIdx,
};

use crate::calc::{Branch, BranchIdx, Bus, BusIdx, BusKind, Grid, IslandIdx};
use crate::nodes::{Topology, is_source};
use crate::schedule::Schedule;

/// An end of a branch of the calculation model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// At [`Branch::from`].
    From,
    /// At [`Branch::to`].
    To,
}

/// What a measurement says about the calculation model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    /// Magnitude of a bus voltage; divide kV by the base.
    Voltage {
        /// The bus.
        bus: BusIdx,
        /// Base voltage, line to line.
        base_kv: f64,
    },
    /// Active power into a branch.
    ActiveFlow(BranchIdx, End),
    /// Reactive power into a branch.
    ReactiveFlow(BranchIdx, End),
    /// A part of the active injection of a bus, with the sign of the measured value in it. All parts of a bus are
    /// needed for its injection: see [`GridMap::injections`].
    ActivePart {
        /// The bus.
        bus: BusIdx,
        /// +1 or -1.
        sign: f64,
    },
    /// A part of the reactive injection of a bus, likewise.
    ReactivePart {
        /// The bus.
        bus: BusIdx,
        /// +1 or -1.
        sign: f64,
    },
    /// Nothing: a position, a counter, or measured on something dead.
    None,
}

/// The measurements that together are the injection of a bus.
#[derive(Clone, PartialEq, Debug)]
pub struct Injection {
    /// The bus.
    pub bus: BusIdx,
    /// Active parts with their signs: the injection is the sum of sign times value.
    pub active: Vec<(MeasurementIdx, f64)>,
    /// Reactive parts with their signs.
    pub reactive: Vec<(MeasurementIdx, f64)>,
}

/// The way from network to calculation model and back.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GridMap {
    /// Bus by node; `None` where dead.
    pub node: Vec<Option<BusIdx>>,
    /// Nodes by bus.
    pub nodes: Vec<Vec<NodeIdx>>,
    /// Branch by line; `None` where dead or with both ends at one bus.
    pub line: Vec<Option<BranchIdx>>,
    /// Branch by transformer; `None` where dead or with both ends at one bus.
    pub transformer: Vec<Option<BranchIdx>>,
    /// Line or transformer by branch.
    pub equipment: Vec<Equipment>,
    /// Bus by machine; `None` where dead.
    pub machine: Vec<Option<BusIdx>>,
    /// Bus by load; `None` where dead.
    pub load: Vec<Option<BusIdx>>,
    /// Bus by shunt; `None` where dead.
    pub shunt: Vec<Option<BusIdx>>,
    /// Buses without machine and load: their injection is zero exactly.
    pub zero_injections: Vec<BusIdx>,
}

impl GridMap {
    /// The branch of a line or transformer.
    pub fn branch(&self, equipment: Equipment) -> Option<BranchIdx> {
        match equipment {
            Equipment::Line(index) => self.line.get(index.at()).copied().flatten(),
            Equipment::Transformer(index) => self.transformer.get(index.at()).copied().flatten(),
            Equipment::Busbar(_)
            | Equipment::Switch(_)
            | Equipment::Machine(_)
            | Equipment::Load(_)
            | Equipment::Shunt(_) => None,
        }
    }

    /// The branch end at a terminal of a line or transformer.
    pub fn branch_end(&self, network: &Network, terminal: TerminalIdx) -> Option<(BranchIdx, End)> {
        let branch = self.branch(network[terminal].equipment)?;
        Some((branch, if network[terminal].sequence == 1 { End::From } else { End::To }))
    }

    fn voltage(&self, network: &Network, node: NodeIdx) -> Target {
        self.node[node.at()].map_or(Target::None, |bus| Target::Voltage {
            bus,
            base_kv: network.voltage_level_of(node).nominal_kv,
        })
    }

    /// What a measurement says about the calculation model.
    pub fn target(&self, network: &Network, measurement: MeasurementIdx) -> Target {
        let flow = |terminal| self.branch_end(network, terminal);
        let part = |bus: Option<BusIdx>, sign, active: bool| match bus {
            Some(bus) if active => Target::ActivePart { bus, sign },
            Some(bus) => Target::ReactivePart { bus, sign },
            None => Target::None,
        };
        match network[measurement].role {
            MeasurementRole::BusbarVoltage(node) => self.voltage(network, node),
            MeasurementRole::BayVoltage(terminal) => self.voltage(network, network.node_of(terminal)),
            MeasurementRole::ActiveFlow(terminal) => {
                flow(terminal).map_or(Target::None, |(branch, end)| Target::ActiveFlow(branch, end))
            }
            MeasurementRole::ReactiveFlow(terminal) => {
                flow(terminal).map_or(Target::None, |(branch, end)| Target::ReactiveFlow(branch, end))
            }
            MeasurementRole::MachineActiveInjection(index) => part(self.machine[index.at()], 1.0, true),
            MeasurementRole::MachineReactiveInjection(index) => part(self.machine[index.at()], 1.0, false),
            MeasurementRole::LoadActive(index) => part(self.load[index.at()], -1.0, true),
            MeasurementRole::LoadReactive(index) => part(self.load[index.at()], -1.0, false),
            MeasurementRole::LoadEnergy(_)
            | MeasurementRole::ShuntReactiveInjection(_)
            | MeasurementRole::SwitchPosition(_)
            | MeasurementRole::TapPosition(_) => Target::None,
        }
    }

    /// The injections that are measured completely: every machine and load at the bus has P and Q. Shunts are part
    /// of the calculation model, not of the injection. Zero-injection buses are not among them.
    ///
    /// Where several devices read the same quantity, the first readings of all parts make one injection, the second
    /// ones another, and so on: no reading counts twice.
    pub fn injections(&self, network: &Network) -> Vec<Injection> {
        let mut parts = vec![0_usize; self.nodes.len()];
        for bus in self.machine.iter().chain(&self.load).flatten() {
            parts[bus.at()] += 1;
        }
        let mut found: BTreeMap<(usize, BusIdx), Injection> = BTreeMap::new();
        let mut readings: HashMap<MeasurementRole, usize> = HashMap::new();
        for measurement in MeasurementIdx::all(network.measurements().len()) {
            let (bus, sign, active) = match self.target(network, measurement) {
                Target::ActivePart { bus, sign } => (bus, sign, true),
                Target::ReactivePart { bus, sign } => (bus, sign, false),
                Target::Voltage { .. } | Target::ActiveFlow(..) | Target::ReactiveFlow(..) | Target::None => {
                    continue;
                }
            };
            let reading = readings.entry(network[measurement].role).or_default();
            let injection = found.entry((*reading, bus)).or_insert_with(|| Injection::new(bus));
            *reading += 1;
            let list = if active { &mut injection.active } else { &mut injection.reactive };
            list.push((measurement, sign));
        }
        let complete = |injection: &Injection| {
            let wanted = parts[injection.bus.at()];
            injection.active.len() == wanted && injection.reactive.len() == wanted
        };
        found.into_values().filter(complete).collect()
    }
}

impl Injection {
    const fn new(bus: BusIdx) -> Self {
        Self { bus, active: Vec::new(), reactive: Vec::new() }
    }
}

impl Topology {
    /// Builds the calculation model of the present topology. Starting values are flat at the set points.
    pub fn grid(&self, network: &Network, schedule: &Schedule) -> (Grid, GridMap) {
        let mut builder = Builder {
            network,
            schedule,
            grid: Grid { base_mva: network.base_mva(), ..Grid::default() },
            map: GridMap::default(),
        };
        builder.buses(self);
        builder.name_buses();
        builder.loads();
        builder.shunts();
        builder.machines();
        builder.series();
        let attached: std::collections::HashSet<BusIdx> =
            builder.map.machine.iter().chain(&builder.map.load).copied().flatten().collect();
        let all = (0_u32..).map(BusIdx).take(builder.grid.buses.len());
        builder.map.zero_injections = all.filter(|bus| !attached.contains(bus)).collect();
        (builder.grid, builder.map)
    }
}

struct Builder<'a> {
    network: &'a Network,
    schedule: &'a Schedule,
    grid: Grid,
    map: GridMap,
}

/// The entry of a schedule, or the network's own figure.
fn scheduled<T: Copy>(entries: &[T], at: usize, own: T) -> T {
    entries.get(at).copied().unwrap_or(own)
}

impl Builder<'_> {
    fn buses(&mut self, topology: &Topology) {
        let (bus_of_node, island_of_bus) = topology.slots();
        let live = topology.live_islands();
        let mut buses: Vec<Option<BusIdx>> = vec![None; island_of_bus.len()];
        let mut islands: Vec<Option<IslandIdx>> = vec![None; live.len()];
        for node in NodeIdx::all(bus_of_node.len()) {
            let slot = bus_of_node[node.at()];
            let island_slot = island_of_bus[slot];
            if !live[island_slot] {
                self.map.node.push(None);
                continue;
            }
            let island = *islands[island_slot].get_or_insert_with(|| {
                self.grid.islands += 1;
                IslandIdx(self.grid.islands - 1)
            });
            let bus = *buses[slot].get_or_insert_with(|| {
                self.grid.buses.push(empty_bus(self.network, node, island));
                self.map.nodes.push(Vec::new());
                BusIdx(crate::index(self.grid.buses.len() - 1))
            });
            self.map.nodes[bus.at()].push(node);
            self.map.node.push(Some(bus));
        }
    }

    /// Buses with a busbar are named after it: after its substation if that has only one.
    fn name_buses(&mut self) {
        let mut busbars = vec![0_u32; self.network.substations().len()];
        let node_of = |terminal| self.network.node_of(terminal);
        for busbar in self.network.busbars() {
            busbars[self.network.substation_of(node_of(busbar.terminal)).at()] += 1;
        }
        for busbar in self.network.busbars().iter().rev() {
            let node = node_of(busbar.terminal);
            let Some(bus) = self.map.node[node.at()] else { continue };
            let substation = self.network.substation_of(node);
            let alone = busbars[substation.at()] == 1;
            let name = if alone { &self.network[substation].name } else { &busbar.name };
            self.grid.buses[bus.at()].name.clone_from(name);
        }
    }

    fn bus_at(&self, terminal: TerminalIdx) -> Option<BusIdx> {
        self.map.node[self.network.node_of(terminal).at()]
    }

    fn loads(&mut self) {
        let base = self.grid.base_mva;
        for index in LoadIdx::all(self.network.loads().len()) {
            let load = &self.network[index];
            let bus = self.bus_at(load.terminal);
            self.map.load.push(bus);
            let Some(bus) = bus else { continue };
            let bus = &mut self.grid.buses[bus.at()];
            let q_pu = scheduled(&self.schedule.load_q_mvar, index.at(), load.q_mvar) / base;
            bus.p_pu -= scheduled(&self.schedule.load_p_mw, index.at(), load.p_mw) / base;
            bus.q_pu -= q_pu;
            bus.q_load_pu += q_pu;
        }
    }

    fn shunts(&mut self) {
        for index in ShuntIdx::all(self.network.shunts().len()) {
            let shunt = &self.network[index];
            let bus = self.bus_at(shunt.terminal);
            self.map.shunt.push(bus);
            let Some(bus) = bus else { continue };
            let sections =
                f64::from(scheduled(&self.schedule.shunt_sections, index.at(), shunt.normal_sections));
            self.grid.buses[bus.at()].g_shunt_pu += sections * shunt.g_per_section_pu;
            self.grid.buses[bus.at()].b_shunt_pu += sections * shunt.b_per_section_pu;
        }
    }

    /// The slack of every island: the first choice as reference, else the largest machine, else the first.
    fn slacks(&self) -> Vec<Option<BusIdx>> {
        let mut best: Vec<Option<(u32, f64)>> = vec![None; self.grid.islands as usize];
        let mut slack = vec![None; best.len()];
        for index in MachineIdx::all(self.network.machines().len()) {
            let machine = &self.network[index];
            let Some(bus) = self.map.machine[index.at()].filter(|_| is_source(self.network, index)) else {
                continue;
            };
            let island = self.grid.buses[bus.at()].island.at();
            let priority =
                if machine.reference_priority == 0 { u32::MAX } else { machine.reference_priority };
            let better = best[island].is_none_or(|(known, size)| {
                priority < known || (priority == u32::MAX && known == u32::MAX && machine.max_p_mw > size)
            });
            if better {
                best[island] = Some((priority, machine.max_p_mw));
                slack[island] = Some(bus);
            }
        }
        slack
    }

    fn machines(&mut self) {
        let base = self.grid.base_mva;
        self.map.machine =
            self.network.machines().iter().map(|machine| self.bus_at(machine.terminal)).collect();
        for bus in self.slacks().into_iter().flatten() {
            self.grid.buses[bus.at()].kind = BusKind::Slack;
        }
        for (machine, bus) in self.network.machines().iter().zip(&self.map.machine) {
            let Some(bus) = bus.filter(|_| machine.regulating) else { continue };
            let bus = &mut self.grid.buses[bus.at()];
            if bus.kind == BusKind::Pq {
                bus.kind = BusKind::Pv;
            }
        }
        for index in MachineIdx::all(self.network.machines().len()) {
            let Some(bus) = self.map.machine[index.at()] else { continue };
            let machine = &self.network[index];
            let bus = &mut self.grid.buses[bus.at()];
            bus.p_pu += scheduled(&self.schedule.machine_p_mw, index.at(), machine.p_mw) / base;
            if machine.regulating || bus.kind == BusKind::Slack {
                let set = scheduled(&self.schedule.machine_v_pu, index.at(), machine.voltage_set_point_pu);
                bus.vm_pu = if set > 0.0 && set.is_finite() { set } else { bus.vm_pu };
                bus.q_gen_min_pu += machine.min_q_mvar / base;
                bus.q_gen_max_pu += machine.max_q_mvar / base;
            } else {
                let q_pu = scheduled(&self.schedule.machine_q_mvar, index.at(), machine.q_mvar) / base;
                bus.q_pu += q_pu;
                if bus.kind == BusKind::Pv {
                    // Beside a regulating machine a fixed one counts as negative load.
                    bus.q_load_pu -= q_pu;
                }
            }
        }
    }

    fn series(&mut self) {
        for index in LineIdx::all(self.network.lines().len()) {
            let line = &self.network[index];
            let branch = Branch {
                name: line.name.clone(),
                from: BusIdx(0),
                to: BusIdx(0),
                r_pu: line.r_pu,
                x_pu: line.x_pu,
                g_pu: line.gch_pu,
                b_pu: line.bch_pu,
                ratio: 1.0,
                shift_rad: 0.0,
                rate_mva: line.rating_mva.unwrap_or(0.0),
            };
            let added = self.branch(branch, line.terminals, Equipment::Line(index));
            self.map.line.push(added);
        }
        for index in TransformerIdx::all(self.network.transformers().len()) {
            let transformer = &self.network[index];
            let ratio = transformer.ends[0].ratio_tap_changer.map_or(transformer.ratio, |changer| {
                let own = self.network[changer].normal_step;
                self.network[changer].ratio_at(scheduled(&self.schedule.tap_step, changer.at(), own))
            });
            let branch = Branch {
                name: transformer.name.clone(),
                from: BusIdx(0),
                to: BusIdx(0),
                r_pu: transformer.r_pu,
                x_pu: transformer.x_pu,
                g_pu: transformer.g_pu,
                b_pu: transformer.b_pu,
                ratio,
                shift_rad: transformer.shift_degree.to_radians(),
                rate_mva: transformer.rating_mva.unwrap_or(0.0),
            };
            let terminals = [transformer.ends[0].terminal, transformer.ends[1].terminal];
            let added = self.branch(branch, terminals, Equipment::Transformer(index));
            self.map.transformer.push(added);
        }
    }

    fn branch(&mut self, branch: Branch, ends: [TerminalIdx; 2], equipment: Equipment) -> Option<BranchIdx> {
        let (from, to) = (self.bus_at(ends[0])?, self.bus_at(ends[1])?);
        if from == to {
            let y = branch.admittance();
            let bus = &mut self.grid.buses[from.at()];
            bus.g_shunt_pu += y.ff[0] + y.ft[0] + y.tf[0] + y.tt[0];
            bus.b_shunt_pu += y.ff[1] + y.ft[1] + y.tf[1] + y.tt[1];
            return None;
        }
        let index = BranchIdx(crate::index(self.grid.branches.len()));
        self.grid.branches.push(Branch { from, to, ..branch });
        self.map.equipment.push(equipment);
        Some(index)
    }
}

fn empty_bus(network: &Network, node: NodeIdx, island: IslandIdx) -> Bus {
    Bus {
        name: network[node].name.clone(),
        kind: BusKind::Pq,
        island,
        base_kv: network.voltage_level_of(node).nominal_kv,
        p_pu: 0.0,
        q_pu: 0.0,
        q_gen_min_pu: 0.0,
        q_gen_max_pu: 0.0,
        q_load_pu: 0.0,
        g_shunt_pu: 0.0,
        b_shunt_pu: 0.0,
        vm_pu: 1.0,
        va_rad: 0.0,
    }
}

#[cfg(test)]
mod tests;
