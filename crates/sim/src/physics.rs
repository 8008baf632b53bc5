//! The electrical state of the field: switch positions → topology → dispatch → power flow → powers and voltages
//! of every terminal and node.
//!
//! Machines share the load of their island in proportion to their share of the case:
//!
//! ```text
//! p(machine) = p_case(machine) · (load(island) / Σ p_case(machines of the island)) · (Σ p_case / load_case)
//! ```
//!
//! within their limits; the reference of the island delivers what is left. The frequency is not modelled: an island
//! lives as long as its power flow has a solution. One that has none is dead (nothing in it is energised) until a
//! switch, a tap or a fault changes; its unsolved figures never get out.

use crate::profile::Share;
use model::{
    Equipment, LineIdx, LoadIdx, MachineIdx, MeasurementRole, Network, NodeIdx, ShuntIdx, SwitchIdx,
    TapChangerIdx, TerminalIdx, TransformerIdx,
};
use powerflow::{Options, Outcome, Solution, Solver, Start};
use topology::calc::{BranchFlow, BusIdx, BusKind, Grid, IslandIdx};
use topology::{GridMap, Schedule, Topology};

/// Power into a piece of equipment at a terminal, load convention.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Power {
    pub(crate) p_mw: f64,
    pub(crate) q_mvar: f64,
}

/// Voltage of an energised node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Voltage {
    pub(crate) vm_pu: f64,
    /// Relative to the reference of the largest island.
    pub(crate) va_degree: f64,
}

/// An island whose power flow has no solution.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Collapse {
    pub(crate) nodes: Vec<NodeIdx>,
    pub(crate) reason: String,
}

/// The field's physics and their present state.
#[derive(Clone, Debug)]
pub(crate) struct Physics {
    topology: Topology,
    schedule: Schedule,
    solver: Solver,
    /// By node: whether its island has collapsed.
    collapsed: Vec<bool>,
    /// By node; `None` where de-energised.
    voltages: Vec<Option<Voltage>>,
    /// By terminal; zero where de-energised.
    powers: Vec<Power>,
}

impl Physics {
    pub(crate) fn new(network: &Network) -> Self {
        Self {
            topology: Topology::new(network),
            schedule: Schedule::of(network),
            solver: Solver::new(),
            collapsed: vec![false; network.nodes().len()],
            voltages: vec![None; network.nodes().len()],
            powers: vec![Power::default(); network.terminals().len()],
        }
    }

    /// Moves a switch. The state follows with the next [`Physics::solve`].
    pub(crate) fn set_switch(&mut self, switch: SwitchIdx, closed: bool) {
        self.topology.set_switch(switch, !closed);
    }

    pub(crate) fn set_taps(&mut self, steps: &[i16]) {
        self.schedule.tap_step.clear();
        self.schedule.tap_step.extend_from_slice(steps);
    }

    /// Something changed that may let a collapsed island live again.
    pub(crate) fn retry_collapsed(&mut self) {
        self.collapsed.fill(false);
    }

    pub(crate) fn voltage(&self, node: NodeIdx) -> Option<Voltage> {
        self.voltages.get(node.at()).copied().flatten()
    }

    fn voltage_kv(&self, network: &Network, node: NodeIdx) -> f64 {
        self.voltage(node).map_or(0.0, |v| v.vm_pu * network.voltage_level_of(node).nominal_kv)
    }

    pub(crate) fn power(&self, terminal: TerminalIdx) -> Power {
        self.powers.get(terminal.at()).copied().unwrap_or_default()
    }

    /// Sets the loads, dispatches the machines, solves. Returns the islands that collapse by this.
    pub(crate) fn solve(&mut self, network: &Network, share: impl Fn(LoadIdx) -> Share) -> Vec<Collapse> {
        for load in LoadIdx::all(network.loads().len()) {
            let share = share(load);
            self.schedule.load_p_mw[load.at()] = network[load].p_mw * share.p;
            self.schedule.load_q_mvar[load.at()] = network[load].q_mvar * share.q;
        }
        let (mut grid, mut map) = self.topology.grid(network, &self.schedule);
        if self.dispatch(network, &grid, &map) {
            (grid, map) = self.topology.grid(network, &self.schedule);
        }
        let solution = self.run(&grid);
        let collapses = self.collapse(&grid, &map, &solution);
        self.read(network, (&grid, &map), &solution);
        collapses
    }

    /// Brings machines to their share of the load; returns whether one moved.
    fn dispatch(&mut self, network: &Network, grid: &Grid, map: &GridMap) -> bool {
        let case_load: f64 = network.loads().iter().map(|load| load.p_mw).sum();
        let case_machines: f64 = network.machines().iter().map(|machine| machine.p_mw).sum();
        if case_load <= 0.0 || case_machines <= 0.0 {
            return false;
        }
        let island = |terminal: TerminalIdx| {
            bus_of(map, network.node_of(terminal)).map(|bus| grid.buses[bus.at()].island.at())
        };
        let mut loads = vec![0.0; grid.islands as usize];
        let mut machines = vec![0.0; grid.islands as usize];
        for (load, p_mw) in network.loads().iter().zip(&self.schedule.load_p_mw) {
            if let Some(at) = island(load.terminal) {
                loads[at] += p_mw;
            }
        }
        for machine in network.machines() {
            if let Some(at) = island(machine.terminal) {
                machines[at] += machine.p_mw;
            }
        }
        let mut moved = false;
        for (machine, p_mw) in network.machines().iter().zip(&mut self.schedule.machine_p_mw) {
            let Some(at) = island(machine.terminal) else { continue };
            if machines[at] <= 0.0 {
                continue;
            }
            let wanted = machine.p_mw * loads[at] / machines[at] * case_machines / case_load;
            // The case's own schedule stands where it is outside of the limits already.
            let (low, high) = (machine.min_p_mw.min(machine.p_mw), machine.max_p_mw.max(machine.p_mw));
            let set = wanted.max(low).min(high);
            moved |= set != *p_mw;
            *p_mw = set;
        }
        moved
    }

    /// Solves from the last state, and once more from a flat start if an island did not converge.
    fn run(&mut self, grid: &Grid) -> Solution {
        let warm = Options { start: Start::Warm, ..Options::default() };
        let solution = self.solver.solve(grid, &warm);
        if solution.converged() {
            return solution;
        }
        let flat = self.solver.solve(grid, &Options { start: Start::Flat, ..warm });
        let solved = |solution: &Solution| {
            solution.islands.iter().filter(|outcome| matches!(outcome, Outcome::Converged { .. })).count()
        };
        if solved(&flat) >= solved(&solution) { flat } else { solution }
    }

    /// Marks the nodes of islands without a solution; returns those that are new.
    fn collapse(&mut self, grid: &Grid, map: &GridMap, solution: &Solution) -> Vec<Collapse> {
        let mut found = Vec::new();
        for (index, outcome) in (0_u32..).map(IslandIdx).zip(&solution.islands) {
            let reason = match outcome {
                Outcome::Converged { .. } => continue,
                Outcome::Stopped { worst, mismatch_pu, .. } => {
                    let bus = &grid.buses[worst.at()].name;
                    format!("no balance found, {mismatch_pu:.3} p.u. are missing at {bus}")
                }
                Outcome::NotSolvable { reason } => reason.to_string(),
            };
            let inside =
                |node: &NodeIdx| bus_of(map, *node).is_some_and(|bus| grid.buses[bus.at()].island == index);
            let nodes: Vec<NodeIdx> = NodeIdx::all(self.collapsed.len()).filter(inside).collect();
            let new = nodes.iter().any(|node| !self.collapsed[node.at()]);
            for node in &nodes {
                self.collapsed[node.at()] = true;
            }
            if new {
                found.push(Collapse { nodes, reason });
            }
        }
        found
    }

    /// Takes voltages and powers out of a solution.
    fn read(&mut self, network: &Network, model: (&Grid, &GridMap), solution: &Solution) {
        let (grid, map) = model;
        let reference = reference_rad(grid, solution);
        let live = |node: NodeIdx, collapsed: &[bool]| {
            let bus = bus_of(map, node).filter(|_| !collapsed[node.at()])?;
            solution.voltages.vm_pu[bus.at()].is_finite().then_some(bus)
        };
        for node in NodeIdx::all(self.voltages.len()) {
            self.voltages[node.at()] = live(node, &self.collapsed).map(|bus| Voltage {
                vm_pu: solution.voltages.vm_pu[bus.at()],
                va_degree: (solution.voltages.va_rad[bus.at()] - reference).to_degrees(),
            });
        }
        self.powers.fill(Power::default());
        self.read_branches(network, grid.base_mva, |equipment| {
            map.branch(equipment).map(|branch| solution.flows[branch.at()])
        });
        self.read_injections(network);
        self.read_machines(network, model, solution);
    }

    fn read_branches(
        &mut self,
        network: &Network,
        base: f64,
        flow: impl Fn(Equipment) -> Option<BranchFlow>,
    ) {
        let lines = LineIdx::all(network.lines().len()).map(Equipment::Line);
        let transformers = TransformerIdx::all(network.transformers().len()).map(Equipment::Transformer);
        for equipment in lines.chain(transformers) {
            let ends = network.terminals_of(equipment);
            let (Some(flow), [from, to]) = (flow(equipment), ends.as_slice()) else { continue };
            if self.voltage(network.node_of(*from)).is_none() || self.voltage(network.node_of(*to)).is_none()
            {
                continue;
            }
            self.powers[from.at()] = Power { p_mw: flow.p_from_pu * base, q_mvar: flow.q_from_pu * base };
            self.powers[to.at()] = Power { p_mw: flow.p_to_pu * base, q_mvar: flow.q_to_pu * base };
        }
    }

    fn read_injections(&mut self, network: &Network) {
        for load in LoadIdx::all(network.loads().len()) {
            let terminal = network[load].terminal;
            if self.voltage(network.node_of(terminal)).is_some() {
                self.powers[terminal.at()] = Power {
                    p_mw: self.schedule.load_p_mw[load.at()],
                    q_mvar: self.schedule.load_q_mvar[load.at()],
                };
            }
        }
        for (index, shunt) in ShuntIdx::all(network.shunts().len()).zip(network.shunts()) {
            let Some(voltage) = self.voltage(network.node_of(shunt.terminal)) else { continue };
            let sections = f64::from(self.schedule.shunt_sections[index.at()]);
            let scale = sections * voltage.vm_pu * voltage.vm_pu * network.base_mva();
            self.powers[shunt.terminal.at()] =
                Power { p_mw: shunt.g_per_section_pu * scale, q_mvar: -shunt.b_per_section_pu * scale };
        }
    }

    /// What the buses need beyond the schedule is shared by their machines.
    fn read_machines(&mut self, network: &Network, model: (&Grid, &GridMap), solution: &Solution) {
        let (grid, map) = model;
        let mut at_bus: Vec<(BusIdx, Vec<MachineIdx>)> = Vec::new();
        for machine in MachineIdx::all(network.machines().len()) {
            let node = network.node_of(network[machine].terminal);
            let Some(bus) = bus_of(map, node).filter(|_| self.voltage(node).is_some()) else { continue };
            match at_bus.iter_mut().find(|(known, _)| *known == bus) {
                Some((_, machines)) => machines.push(machine),
                None => at_bus.push((bus, vec![machine])),
            }
        }
        let mut drawn = vec![Power::default(); grid.buses.len()];
        for (load, bus) in network.loads().iter().zip(&map.load) {
            if let Some(bus) = bus {
                drawn[bus.at()].p_mw += self.powers[load.terminal.at()].p_mw;
                drawn[bus.at()].q_mvar += self.powers[load.terminal.at()].q_mvar;
            }
        }
        for (bus, machines) in at_bus {
            let base = grid.base_mva;
            let needed = Power {
                p_mw: solution.p_injection_pu[bus.at()] * base + drawn[bus.at()].p_mw,
                q_mvar: solution.q_injection_pu[bus.at()] * base + drawn[bus.at()].q_mvar,
            };
            self.share(network, &machines, needed);
        }
    }

    /// Everyone delivers what is scheduled. The rest of the active power is shared by size; the rest of the reactive
    /// power by the range of the machines that regulate, or of all where none does.
    fn share(&mut self, network: &Network, machines: &[MachineIdx], needed: Power) {
        let regulates = machines.iter().any(|machine| network[*machine].regulating);
        let free = |machine: MachineIdx| !regulates || network[machine].regulating;
        let planned: Vec<Power> = machines
            .iter()
            .map(|machine| Power {
                p_mw: self.schedule.machine_p_mw[machine.at()],
                q_mvar: if network[*machine].regulating {
                    0.0
                } else {
                    self.schedule.machine_q_mvar[machine.at()]
                },
            })
            .collect();
        let p_rest = needed.p_mw - planned.iter().map(|power| power.p_mw).sum::<f64>();
        let q_rest = needed.q_mvar - planned.iter().map(|power| power.q_mvar).sum::<f64>();
        let p_shares = shares(machines.iter().map(|machine| network[*machine].max_p_mw));
        let range = |machine: &MachineIdx| network[*machine].max_q_mvar - network[*machine].min_q_mvar;
        let q_shares = shares(machines.iter().filter(|machine| free(**machine)).map(range));
        let mut q_shares = q_shares.into_iter();
        for ((machine, planned), p_share) in machines.iter().zip(planned).zip(p_shares) {
            let q_share = if free(*machine) { q_shares.next().unwrap_or(0.0) } else { 0.0 };
            self.powers[network[*machine].terminal.at()] = Power {
                p_mw: delivered(planned.p_mw + p_share * p_rest),
                q_mvar: delivered(planned.q_mvar + q_share * q_rest),
            };
        }
    }

    /// The true value of a measured quantity; zero where de-energised.
    pub(crate) fn reading(&self, network: &Network, role: MeasurementRole) -> f64 {
        match role {
            MeasurementRole::BusbarVoltage(node) => self.voltage_kv(network, node),
            MeasurementRole::BayVoltage(terminal) => self.voltage_kv(network, network.node_of(terminal)),
            MeasurementRole::ActiveFlow(terminal) => self.power(terminal).p_mw,
            MeasurementRole::ReactiveFlow(terminal) => self.power(terminal).q_mvar,
            MeasurementRole::MachineActiveInjection(machine) => {
                delivered(self.power(network[machine].terminal).p_mw)
            }
            MeasurementRole::MachineReactiveInjection(machine) => {
                delivered(self.power(network[machine].terminal).q_mvar)
            }
            MeasurementRole::LoadActive(load) | MeasurementRole::LoadEnergy(load) => {
                self.power(network[load].terminal).p_mw
            }
            MeasurementRole::LoadReactive(load) => self.power(network[load].terminal).q_mvar,
            MeasurementRole::ShuntReactiveInjection(shunt) => {
                delivered(self.power(network[shunt].terminal).q_mvar)
            }
            MeasurementRole::SwitchPosition(switch) => f64::from(u8::from(!self.topology.is_open(switch))),
            MeasurementRole::TapPosition(changer) => f64::from(self.tap(changer)),
        }
    }

    fn tap(&self, changer: TapChangerIdx) -> i16 {
        self.schedule.tap_step.get(changer.at()).copied().unwrap_or(0)
    }
}

fn bus_of(map: &GridMap, node: NodeIdx) -> Option<BusIdx> {
    map.node.get(node.at()).copied().flatten()
}

/// Against the load convention, without a negative zero.
fn delivered(drawn: f64) -> f64 {
    0.0 - drawn
}

/// Shares in proportion to sizes; equal ones where the sizes say nothing.
fn shares(sizes: impl Iterator<Item = f64>) -> Vec<f64> {
    let sizes: Vec<f64> = sizes.collect();
    let total: f64 = sizes.iter().sum();
    let sane = total.is_finite() && total > 0.0 && sizes.iter().all(|size| *size >= 0.0);
    let equal = 1.0 / sizes.len().max(1) as f64;
    sizes.into_iter().map(|size| if sane { size / total } else { equal }).collect()
}

/// Angle of the reference of the island with most buses among those that are solved.
fn reference_rad(grid: &Grid, solution: &Solution) -> f64 {
    let mut sizes = vec![0_usize; grid.islands as usize];
    for bus in &grid.buses {
        sizes[bus.island.at()] += 1;
    }
    let angle = |(bus, va_rad): (&topology::calc::Bus, &f64)| {
        (bus.kind == BusKind::Slack && va_rad.is_finite()).then_some((sizes[bus.island.at()], *va_rad))
    };
    let references = grid.buses.iter().zip(&solution.voltages.va_rad).filter_map(angle);
    references.max_by_key(|(size, _)| *size).map_or(0.0, |(_, va_rad)| va_rad)
}
