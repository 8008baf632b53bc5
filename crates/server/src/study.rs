//! Pre-switching study: the power flow after an action, solved from the estimated state before the action is let go.
//!
//! The estimate is turned into a schedule that reproduces it: loads and machines as they are measured, and per bus what is
//! missing to the estimated injection on the loads, or else on the machines; regulating machines hold the estimated
//! voltage. With that schedule two power flows are solved, without and with the action, and compared limit by limit. A
//! violation counts when it is new or worse than before.

use crate::gate_config::StudyConfig;
use estimation::Estimate;
use model::{
    Equipment, LineIdx, LoadIdx, MachineIdx, MeasurementIdx, MeasurementRole, Network, NodeIdx, SwitchIdx,
    TapChangerIdx, TransformerIdx,
};
use powerflow::{Options, Solution, solve};
use scada::gate::{StudyOutcome, StudyReport, StudyViolation};
use signal::{PointDef, Value};
use std::collections::HashSet;
use std::sync::Arc;
use timebase::Now;
use topology::calc::{BusIdx, Grid, Voltages};
use topology::{GridMap, Schedule, Topology};

/// Names that a report lists at most.
const MAX_NAMED: usize = 50;
/// A voltage is worse than before from this much on, in p.u.
const WORSE_PU: f64 = 0.001;
/// A loading is worse than before from this much on, in %.
const WORSE_PERCENT: f64 = 1.0;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Action {
    /// A switch is opened, or closed.
    Switch { switch: SwitchIdx, open: bool },
    /// A tap changer goes by so many steps.
    Tap { changer: TapChangerIdx, by: i16 },
    /// A machine delivers another power, in MW.
    Machine { machine: MachineIdx, p_mw: f64 },
}

impl Action {
    /// What giving a point a value does to the grid; `None` where it does nothing that can be calculated.
    pub(crate) fn of(network: &Network, def: &PointDef, value: Value) -> Option<Self> {
        let role = network[network.measurement_by_mrid(&def.mrid)?].role;
        match (role, value) {
            (MeasurementRole::SwitchPosition(switch), value) => {
                value.is_on().map(|closed| Self::Switch { switch, open: !closed })
            }
            (MeasurementRole::TapPosition(changer), Value::Step(by)) => Some(Self::Tap { changer, by }),
            (MeasurementRole::MachineActiveInjection(machine), Value::Analog(p_mw)) => {
                Some(Self::Machine { machine, p_mw })
            }
            _ => None,
        }
    }
}

/// The state that studies begin with.
#[derive(Clone, Debug)]
pub(crate) struct StudyBase {
    network: Arc<Network>,
    topology: Topology,
    schedule: Schedule,
    /// Bus of the estimate, by node.
    bus_of_node: Vec<Option<BusIdx>>,
    /// Estimated voltages, by bus.
    voltages: Voltages,
    /// When it was estimated.
    pub(crate) at: Now,
}

/// What the estimator knows after a cycle.
pub(crate) struct Known<'a> {
    pub(crate) network: &'a Arc<Network>,
    pub(crate) topology: &'a Topology,
    pub(crate) schedule: &'a Schedule,
    pub(crate) grid: (&'a Grid, &'a GridMap),
    pub(crate) estimate: &'a Estimate,
}

impl StudyBase {
    /// The base of an estimate; `reading` gives the good reading of a measurement in its unit.
    pub(crate) fn new(known: &Known<'_>, now: Now, reading: impl Fn(MeasurementIdx) -> Option<f64>) -> Self {
        let mut base = Self {
            network: Arc::clone(known.network),
            topology: known.topology.clone(),
            schedule: known.schedule.clone(),
            bus_of_node: known.grid.1.node.clone(),
            voltages: known.estimate.voltages.clone(),
            at: now,
        };
        let read = base.take_readings(reading);
        base.balance(known.grid, known.estimate, &read);
        base
    }

    fn take_readings(&mut self, reading: impl Fn(MeasurementIdx) -> Option<f64>) -> HashSet<MeasurementRole> {
        let mut seen = HashSet::new();
        for measurement in MeasurementIdx::all(self.network.measurements().len()) {
            let role = self.network[measurement].role;
            let Some(value) = reading(measurement) else { continue };
            let place = match role {
                MeasurementRole::LoadActive(load) => self.schedule.load_p_mw.get_mut(load.at()),
                MeasurementRole::LoadReactive(load) => self.schedule.load_q_mvar.get_mut(load.at()),
                MeasurementRole::MachineActiveInjection(at) => self.schedule.machine_p_mw.get_mut(at.at()),
                MeasurementRole::MachineReactiveInjection(at) => {
                    self.schedule.machine_q_mvar.get_mut(at.at())
                }
                _ => None,
            };
            // Of several devices the first one counts; the estimate corrects it.
            if let Some(place) = place.filter(|_| seen.insert(role)) {
                *place = value;
            }
        }
        seen
    }

    /// Puts what is missing to the estimated injections on loads and machines, and the estimated voltages on machines.
    fn balance(
        &mut self,
        (grid, map): (&Grid, &GridMap),
        estimate: &Estimate,
        read: &HashSet<MeasurementRole>,
    ) {
        let network = Arc::clone(&self.network);
        let mut loads = vec![Vec::new(); grid.buses.len()];
        let mut machines = vec![Vec::new(); grid.buses.len()];
        for (load, bus) in LoadIdx::all(map.load.len()).zip(&map.load) {
            bus.iter().for_each(|bus| loads[bus.at()].push(load.at()));
        }
        for (machine, bus) in MachineIdx::all(map.machine.len()).zip(&map.machine) {
            bus.iter().for_each(|bus| machines[bus.at()].push(machine.at()));
        }
        let schedule = &mut self.schedule;
        for bus in (0_u32..).map(BusIdx).take(grid.buses.len()) {
            let at = bus.at();
            let figures = [
                estimate.p_injection_pu.get(at),
                estimate.q_injection_pu.get(at),
                estimate.voltages.vm_pu.get(at),
            ];
            let [Some(p), Some(q), Some(vm)] = figures else { continue };
            if !(p.is_finite() && q.is_finite() && vm.is_finite()) {
                continue;
            }
            let (loads, machines) = (&loads[at], &machines[at]);
            let regulates = |machine: &&usize| network.machines()[**machine].regulating;
            machines.iter().filter(regulates).for_each(|machine| schedule.machine_v_pu[*machine] = *vm);
            let sum = |list: &[f64], of: &[usize]| of.iter().map(|at| list[*at]).sum::<f64>();
            let missing_p =
                sum(&schedule.machine_p_mw, machines) - sum(&schedule.load_p_mw, loads) - p * grid.base_mva;
            let missing_q = sum(&schedule.machine_q_mvar, machines)
                - sum(&schedule.load_q_mvar, loads)
                - q * grid.base_mva;
            share(missing_p, (&mut schedule.load_p_mw, loads), (&mut schedule.machine_p_mw, machines));
            let is_read = |machine: &usize| {
                let index = u32::try_from(*machine).unwrap_or(u32::MAX);
                read.contains(&MeasurementRole::MachineReactiveInjection(MachineIdx(index)))
            };
            // What a regulating machine delivers is found by the power flow: only a reading tells it from the load.
            let regulated = machines.iter().any(|machine| regulates(&machine));
            if !regulated || (!loads.is_empty() && machines.iter().all(is_read)) {
                share(
                    missing_q,
                    (&mut schedule.load_q_mvar, loads),
                    (&mut schedule.machine_q_mvar, machines),
                );
            }
        }
    }

    /// The power flow with and without the action. Takes as long as two power flows.
    pub(crate) fn study(&self, action: Action, limits: &StudyConfig) -> StudyReport {
        let before = self.state(&self.topology, &self.schedule);
        if !before.solution.converged() {
            return StudyReport::impossible("the present state has no power flow solution");
        }
        let (mut topology, mut schedule) = (self.topology.clone(), self.schedule.clone());
        match action {
            Action::Switch { switch, open } => drop(topology.set_switch(switch, open)),
            Action::Tap { changer, by } => {
                if let Some(step) = schedule.tap_step.get_mut(changer.at()) {
                    *step = step.saturating_add(by);
                }
            }
            Action::Machine { machine, p_mw } => {
                if let Some(power) = schedule.machine_p_mw.get_mut(machine.at()) {
                    *power = p_mw;
                }
            }
        }
        let after = self.state(&topology, &schedule);
        Comparison { network: &self.network, before: &before, after: &after, limits }.report(&self.schedule)
    }

    fn state(&self, topology: &Topology, schedule: &Schedule) -> State {
        let (mut grid, map) = topology.grid(&self.network, schedule);
        for (bus, nodes) in grid.buses.iter_mut().zip(&map.nodes) {
            let start = nodes.first().and_then(|node| self.bus_of_node.get(node.at()).copied().flatten());
            let Some(start) = start.map(BusIdx::at) else { continue };
            let [vm, va] = [self.voltages.vm_pu.get(start), self.voltages.va_rad.get(start)];
            if let (Some(vm), Some(va)) = (vm.filter(|v| v.is_finite()), va.filter(|v| v.is_finite())) {
                bus.va_rad = *va;
                if bus.kind == topology::calc::BusKind::Pq {
                    bus.vm_pu = *vm;
                }
            }
        }
        let solution = solve(&grid, &Options { enforce_q_limits: true, ..Options::default() });
        State { grid, map, solution }
    }
}

/// Adds to loads, in proportion, or where there are none takes from machines, what makes a sum right.
fn share(missing: f64, (load, loads): (&mut [f64], &[usize]), (machine, machines): (&mut [f64], &[usize])) {
    let spread = |list: &mut [f64], of: &[usize], amount: f64| {
        let total: f64 = of.iter().map(|at| list[*at].abs()).sum();
        let equal = 1.0 / of.len() as f64;
        for at in of {
            let part = if total > 0.0 { list[*at].abs() / total } else { equal };
            list[*at] += amount * part;
        }
    };
    if loads.is_empty() {
        spread(machine, machines, -missing);
    } else {
        spread(load, loads, missing);
    }
}

struct State {
    grid: Grid,
    map: GridMap,
    solution: Solution,
}

impl State {
    fn vm(&self, node: NodeIdx) -> Option<f64> {
        let bus = self.map.node.get(node.at()).copied().flatten()?;
        Some(self.solution.voltages.vm_pu[bus.at()]).filter(|vm| vm.is_finite())
    }

    fn loading(&self, equipment: Equipment) -> Option<f64> {
        let branch = self.map.branch(equipment)?;
        let rate = self.grid.branches[branch.at()].rate_mva;
        let flow = &self.solution.flows[branch.at()];
        let apparent = flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu));
        (rate > 0.0 && apparent.is_finite()).then(|| 100.0 * apparent * self.grid.base_mva / rate)
    }
}

struct Comparison<'a> {
    network: &'a Network,
    before: &'a State,
    after: &'a State,
    limits: &'a StudyConfig,
}

impl Comparison<'_> {
    fn report(&self, schedule: &Schedule) -> StudyReport {
        let (de_energised_mw, de_energised) = self.de_energised(schedule);
        let mut violations: Vec<(f64, StudyViolation)> = self.voltages().chain(self.loadings()).collect();
        violations.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        violations.truncate(MAX_NAMED);
        let after = self.after;
        let finite = after.solution.voltages.vm_pu.iter().copied().filter(|vm| vm.is_finite());
        let voltages = finite.fold(None, |found: Option<(f64, f64)>, vm| {
            Some(found.map_or((vm, vm), |(low, high)| (low.min(vm), high.max(vm))))
        });
        let heaviest = self.branches().filter_map(|equipment| Some((equipment, after.loading(equipment)?)));
        let heaviest = heaviest.max_by(|(_, a), (_, b)| a.total_cmp(b));
        StudyReport {
            outcome: if after.solution.converged() {
                StudyOutcome::Solved
            } else {
                StudyOutcome::NotConverged
            },
            text: String::new(),
            violations: violations.into_iter().map(|(_, violation)| violation).collect(),
            de_energised_mw,
            de_energised,
            islands: (self.before.grid.islands, after.grid.islands),
            buses: u32::try_from(after.grid.buses.len()).unwrap_or(u32::MAX),
            heaviest: heaviest
                .map(|(equipment, percent)| (self.network.name_of(equipment).to_owned(), percent)),
            voltages,
        }
    }

    fn branches(&self) -> impl Iterator<Item = Equipment> {
        let lines = LineIdx::all(self.network.lines().len()).map(Equipment::Line);
        lines.chain(TransformerIdx::all(self.network.transformers().len()).map(Equipment::Transformer))
    }

    /// New or worse loadings, with how far beyond the limit in parts of it.
    fn loadings(&self) -> impl Iterator<Item = (f64, StudyViolation)> {
        self.branches().filter_map(|equipment| {
            let (limit, after) = (self.limits.loading_percent, self.after.loading(equipment)?);
            let before = self.before.loading(equipment);
            let worse = before.is_none_or(|before| before <= limit || after > before + WORSE_PERCENT);
            let name = self.network.name_of(equipment).to_owned();
            (after > limit && worse).then(|| {
                (
                    after / limit - 1.0,
                    StudyViolation { kind: "loading", name, before, after, limit, unit: "%" },
                )
            })
        })
    }

    /// New or worse voltages at busbars, with how far beyond the limit.
    fn voltages(&self) -> impl Iterator<Item = (f64, StudyViolation)> {
        self.network.busbars().iter().filter_map(|busbar| {
            let node = self.network.node_of(busbar.terminal);
            let (before, after) = (self.before.vm(node), self.after.vm(node)?);
            let (low, high) = self.limits.band(self.network.voltage_level_of(node));
            let worse = |before: f64| (low - before).max(before - high);
            let (kind, limit) = if after < low { ("voltage_low", low) } else { ("voltage_high", high) };
            let excess = worse(after);
            let is_worse = before.is_none_or(|before| excess > worse(before).max(0.0) + WORSE_PU);
            let name = self.network[self.network.substation_of(node)].name.clone();
            (excess > 0.0 && is_worse)
                .then_some((excess, StudyViolation { kind, name, before, after, limit, unit: "p.u." }))
        })
    }

    /// Load that loses its supply, and the names of loads and busbars.
    fn de_energised(&self, schedule: &Schedule) -> (f64, Vec<String>) {
        let mut mw = 0.0;
        let mut names = Vec::new();
        for load in LoadIdx::all(self.network.loads().len()) {
            if self.before.map.load[load.at()].is_some() && self.after.map.load[load.at()].is_none() {
                mw += schedule.load_p_mw.get(load.at()).copied().unwrap_or(0.0);
                names.push(self.network[load].name.clone());
            }
        }
        for busbar in self.network.busbars() {
            let node = self.network.node_of(busbar.terminal).at();
            if self.before.map.node[node].is_some() && self.after.map.node[node].is_none() {
                names.push(busbar.name.clone());
            }
        }
        names.truncate(MAX_NAMED);
        (mw, names)
    }
}

#[cfg(test)]
mod tests;
