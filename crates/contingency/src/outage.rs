//! What fails together, and the calculation model that is left of it.
//!
//! A branch open at one end draws what its π model draws there. With `i(open) = 0` the voltage of the open end
//! follows, and the end that stays connected, `s`, sees a shunt:
//!
//! ```text
//! y = y(s,s) - y(s,o) · y(o,s) / y(o,o)
//! ```
//!
//! When an island falls apart, the largest part with a machine that can carry it lives on; the others are dead, or
//! live on their own machines, as the caller wishes. The reference of a part is the bus that was it before, else that
//! of its largest machine.

use model::{NodeIdx, SwitchIdx};
use topology::End;
use topology::calc::{Branch, BranchIdx, Bus, BusIdx, BusKind, Grid, IslandIdx, Voltages};

use crate::bridges::Neighbours;
use crate::system::System;

/// Elements that are lost together.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Outage {
    /// Branches open at both ends.
    pub branches: Vec<BranchIdx>,
    /// Branches open at one end.
    pub open_ends: Vec<(BranchIdx, End)>,
    /// Buses without voltage, with all that stands there.
    pub buses: Vec<BusIdx>,
    /// Positions in [`System::machines`].
    pub machines: Vec<u32>,
    /// Positions in [`System::loads`].
    pub loads: Vec<u32>,
    /// Positions in [`System::shunts`].
    pub shunts: Vec<u32>,
    /// Buses that fall into two.
    pub splits: Vec<Split>,
    /// Nodes and switches of a node-breaker network behind all that; empty for a bus-branch case.
    pub zone: Zone,
}

/// Nodes that a fault takes along, and what opens around them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Zone {
    /// Nodes without voltage, ascending.
    pub nodes: Vec<NodeIdx>,
    /// Switches that open, ascending.
    pub opened: Vec<SwitchIdx>,
}

/// What leaves a bus for a bus of its own when switches open between both. Anything not named stays.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Split {
    /// The bus of the base.
    pub bus: BusIdx,
    /// Branch ends that leave.
    pub branches: Vec<(BranchIdx, End)>,
    /// Machines that leave.
    pub machines: Vec<u32>,
    /// Loads that leave.
    pub loads: Vec<u32>,
    /// Shunts that leave.
    pub shunts: Vec<u32>,
}

/// A named outage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contingency {
    /// Name for people.
    pub name: String,
    /// What is lost.
    pub outage: Outage,
}

/// What becomes of the smaller parts of an island that falls apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Parts {
    /// It has no voltage.
    #[default]
    Dead,
    /// It lives on if it has a machine that can carry an island.
    LiveOnMachines,
}

/// What has no voltage after an outage.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Lost {
    /// Buses, ascending.
    pub buses: Vec<BusIdx>,
    /// Active load there.
    pub load_pu: f64,
    /// Scheduled generation there.
    pub generation_pu: f64,
}

/// The calculation model after an outage: live buses only.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Remainder {
    /// The model.
    pub grid: Grid,
    /// Bus of the model by bus of the base; `None` where dead.
    pub bus: Vec<Option<BusIdx>>,
    /// Bus of the base by bus of the model; a part of a bus that fell into two has the same one as the rest.
    pub buses: Vec<BusIdx>,
    /// Branch of the base by branch of the model.
    pub branches: Vec<BranchIdx>,
    /// Share of each bus of the model in balancing its island; sums to one per island, or is zero throughout.
    pub participation: Vec<f64>,
    /// What has no voltage.
    pub lost: Lost,
}

impl Outage {
    /// The outage of one branch.
    pub fn branch(branch: BranchIdx) -> Self {
        Self { branches: vec![branch], ..Self::default() }
    }

    /// The outage of one bus.
    pub fn bus(bus: BusIdx) -> Self {
        Self { buses: vec![bus], ..Self::default() }
    }

    /// The outage of one machine.
    pub fn machine(machine: u32) -> Self {
        Self { machines: vec![machine], ..Self::default() }
    }

    /// Whether branches fail and nothing else.
    pub fn only_branches(&self) -> bool {
        self.open_ends.is_empty()
            && self.buses.is_empty()
            && self.machines.is_empty()
            && self.loads.is_empty()
            && self.shunts.is_empty()
            && self.splits.is_empty()
    }

    /// Whether nothing fails.
    pub fn is_nothing(&self) -> bool {
        self.branches.is_empty() && self.only_branches()
    }

    /// Adds what another outage loses.
    pub fn join(&mut self, other: &Self) {
        self.branches.extend(&other.branches);
        self.open_ends.extend(&other.open_ends);
        self.buses.extend(&other.buses);
        self.machines.extend(&other.machines);
        self.loads.extend(&other.loads);
        self.shunts.extend(&other.shunts);
        self.splits.extend(other.splits.iter().cloned());
        self.zone.nodes.extend(&other.zone.nodes);
        self.zone.opened.extend(&other.zone.opened);
        self.tidy();
    }

    /// Sorted and without repetition, so that equal outages compare equal.
    pub fn tidy(&mut self) {
        sorted(&mut self.branches);
        sorted(&mut self.buses);
        sorted(&mut self.machines);
        sorted(&mut self.loads);
        sorted(&mut self.shunts);
        sorted(&mut self.zone.nodes);
        sorted(&mut self.zone.opened);
        let out = &self.branches;
        self.open_ends.retain(|(branch, _)| out.binary_search(branch).is_err());
        self.open_ends.sort_unstable_by_key(|(branch, end)| (*branch, *end == End::To));
        self.open_ends.dedup();
    }
}

fn sorted<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// The model that an outage leaves. Voltages to start from are those of the base state where it has any.
pub fn remainder(system: &System, outage: &Outage, base: &Voltages, parts: Parts) -> Remainder {
    let mut work = Work::new(system, outage);
    work.split();
    work.mark();
    work.injections();
    work.open_ends();
    work.components();
    work.references(parts);
    work.build(base)
}

struct Work<'a> {
    system: &'a System,
    outage: &'a Outage,
    /// Buses of the base, then those that split off.
    buses: Vec<Bus>,
    /// Bus of the base by bus.
    origin: Vec<usize>,
    ends: Vec<[u32; 2]>,
    machine_bus: Vec<usize>,
    load_bus: Vec<usize>,
    shunt_bus: Vec<usize>,
    branch_out: Vec<bool>,
    bus_out: Vec<bool>,
    machine_out: Vec<bool>,
    machines_at: Vec<Vec<usize>>,
    /// Component per bus, `u32::MAX` for a bus that is out.
    component: Vec<u32>,
    /// Buses per component.
    members: Vec<Vec<usize>>,
    /// Reference per component, `None` for a dead one.
    reference: Vec<Option<usize>>,
}

impl<'a> Work<'a> {
    fn new(system: &'a System, outage: &'a Outage) -> Self {
        let grid = &system.grid;
        Self {
            system,
            outage,
            buses: grid.buses.clone(),
            origin: (0..grid.buses.len()).collect(),
            ends: grid.branches.iter().map(|branch| [branch.from.0, branch.to.0]).collect(),
            machine_bus: system.machines.iter().map(|machine| machine.bus.at()).collect(),
            load_bus: system.loads.iter().map(|load| load.bus.at()).collect(),
            shunt_bus: system.shunts.iter().map(|shunt| shunt.bus.at()).collect(),
            branch_out: Vec::new(),
            bus_out: Vec::new(),
            machine_out: Vec::new(),
            machines_at: Vec::new(),
            component: Vec::new(),
            members: Vec::new(),
            reference: Vec::new(),
        }
    }

    /// Makes the buses that split off, empty at first, and moves what leaves.
    fn split(&mut self) {
        for split in &self.outage.splits {
            let new = self.buses.len();
            let old = &self.system.grid.buses[split.bus.at()];
            self.buses.push(Bus {
                kind: BusKind::Pq,
                p_pu: 0.0,
                q_pu: 0.0,
                q_gen_min_pu: 0.0,
                q_gen_max_pu: 0.0,
                q_load_pu: 0.0,
                g_shunt_pu: 0.0,
                b_shunt_pu: 0.0,
                ..old.clone()
            });
            self.origin.push(split.bus.at());
            for (branch, end) in &split.branches {
                self.ends[branch.at()][usize::from(*end == End::To)] = u32::try_from(new).unwrap_or(u32::MAX);
            }
            for machine in &split.machines {
                self.move_machine(*machine as usize, new);
            }
            for load in split.loads.iter().map(|load| *load as usize) {
                let bus = std::mem::replace(&mut self.load_bus[load], new);
                self.load(load, bus, -1.0);
                self.load(load, new, 1.0);
            }
            for shunt in split.shunts.iter().map(|shunt| *shunt as usize) {
                let bus = std::mem::replace(&mut self.shunt_bus[shunt], new);
                self.shunt(shunt, bus, -1.0);
                self.shunt(shunt, new, 1.0);
            }
        }
    }

    fn move_machine(&mut self, machine: usize, new: usize) {
        let data = &self.system.machines[machine];
        let old = std::mem::replace(&mut self.machine_bus[machine], new);
        self.machine(machine, old, -1.0);
        let keeps = (0..self.machine_bus.len())
            .any(|other| self.machine_bus[other] == old && self.system.machines[other].regulating);
        let bus = &mut self.buses[old];
        if data.regulating {
            if !keeps && bus.kind == BusKind::Pv {
                bus.kind = BusKind::Pq;
            }
            self.buses[new].kind = BusKind::Pv;
        }
        self.machine(machine, new, 1.0);
    }

    /// Adds a machine to the sums of a bus, or takes it out.
    fn machine(&mut self, machine: usize, bus: usize, sign: f64) {
        let machine = &self.system.machines[machine];
        let bus = &mut self.buses[bus];
        bus.p_pu += sign * machine.p_pu;
        if machine.regulating {
            // A sum without limits stays without limits while another machine holds the voltage.
            for (sum, limit) in
                [&mut bus.q_gen_min_pu, &mut bus.q_gen_max_pu].into_iter().zip(machine.q_limits_pu)
            {
                if limit.is_finite() || sign > 0.0 {
                    *sum += sign * limit;
                }
            }
        } else {
            bus.q_pu += sign * machine.q_pu;
            if bus.kind == BusKind::Pv {
                bus.q_load_pu -= sign * machine.q_pu;
            }
        }
    }

    fn load(&mut self, load: usize, bus: usize, sign: f64) {
        let load = &self.system.loads[load];
        let bus = &mut self.buses[bus];
        bus.p_pu -= sign * load.p_pu;
        bus.q_pu -= sign * load.q_pu;
        bus.q_load_pu += sign * load.q_pu;
    }

    fn shunt(&mut self, shunt: usize, bus: usize, sign: f64) {
        let shunt = &self.system.shunts[shunt];
        let bus = &mut self.buses[bus];
        bus.g_shunt_pu += sign * shunt.g_pu;
        bus.b_shunt_pu += sign * shunt.b_pu;
    }

    /// What is out.
    fn mark(&mut self) {
        let n = self.buses.len();
        self.branch_out = vec![false; self.ends.len()];
        self.bus_out = vec![false; n];
        self.machine_out = vec![false; self.machine_bus.len()];
        self.component = vec![u32::MAX; n];
        self.machines_at = vec![Vec::new(); n];
        for (machine, bus) in self.machine_bus.iter().enumerate() {
            self.machines_at[*bus].push(machine);
        }
        let outage = self.outage;
        for branch in outage.branches.iter().chain(outage.open_ends.iter().map(|(branch, _)| branch)) {
            self.branch_out[branch.at()] = true;
        }
        for bus in &outage.buses {
            self.bus_out[bus.at()] = true;
        }
        for machine in &outage.machines {
            self.machine_out[*machine as usize] = true;
        }
        for (ends, out) in self.ends.iter().zip(&mut self.branch_out) {
            *out |= ends.iter().any(|end| self.bus_out[*end as usize]);
        }
    }

    /// Takes lost machines, loads and shunts out of their buses.
    fn injections(&mut self) {
        let outage = self.outage;
        for machine in outage.machines.iter().map(|machine| *machine as usize) {
            let at = self.machine_bus[machine];
            self.machine(machine, at, -1.0);
            if self.buses[at].kind == BusKind::Pv && !self.held(at) {
                self.buses[at].kind = BusKind::Pq;
            }
        }
        for load in outage.loads.iter().map(|load| *load as usize) {
            self.load(load, self.load_bus[load], -1.0);
        }
        for shunt in outage.shunts.iter().map(|shunt| *shunt as usize) {
            self.shunt(shunt, self.shunt_bus[shunt], -1.0);
        }
    }

    /// Whether a machine that is left holds the voltage of a bus.
    fn held(&self, bus: usize) -> bool {
        self.machines_at[bus]
            .iter()
            .any(|machine| self.system.machines[*machine].regulating && !self.machine_out[*machine])
    }

    fn open_ends(&mut self) {
        for (index, end) in &self.outage.open_ends {
            let y = self.system.grid.branches[index.at()].admittance();
            let [from, to] = self.ends[index.at()];
            let (stays, here, there, open) = match end {
                End::From => (to, y.tt, [y.tf, y.ft], y.ff),
                End::To => (from, y.ff, [y.ft, y.tf], y.tt),
            };
            let seen = quotient(product(there), open);
            let bus = &mut self.buses[stays as usize];
            if seen.iter().all(|part| part.is_finite()) {
                bus.g_shunt_pu += here[0] - seen[0];
                bus.b_shunt_pu += here[1] - seen[1];
            }
        }
    }

    fn components(&mut self) {
        let n = self.buses.len();
        let neighbours = Neighbours::of_ends(n, &self.ends);
        for start in 0..n {
            if self.bus_out[start] || self.component[start] != u32::MAX {
                continue;
            }
            let number = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
            let mut found = vec![start];
            self.component[start] = number;
            let mut next = 0;
            while let Some(&bus) = found.get(next) {
                next += 1;
                for &(branch, other) in neighbours.of(bus) {
                    let other = other as usize;
                    if !self.branch_out[branch as usize] && self.component[other] == u32::MAX {
                        self.component[other] = number;
                        found.push(other);
                    }
                }
            }
            self.members.push(found);
        }
    }

    /// Picks the reference of every component that lives: all with a source, or the largest one per island.
    fn references(&mut self, parts: Parts) {
        let kept: Vec<Option<usize>> =
            self.members.iter().map(|members| self.kept_reference(members)).collect();
        let usable: Vec<Option<usize>> = self
            .members
            .iter()
            .zip(&kept)
            .map(|(members, kept)| kept.or_else(|| self.largest_source(members)))
            .collect();
        let mut main: Vec<Option<usize>> = vec![None; self.system.grid.islands as usize];
        for (at, members) in self.members.iter().enumerate().filter(|(at, _)| usable[*at].is_some()) {
            let place = &mut main[self.buses[members[0]].island.at()];
            let size = |at: usize| (self.members[at].len(), kept[at].is_some());
            if place.is_none_or(|best| size(at) > size(best)) {
                *place = Some(at);
            }
        }
        self.reference = (0..self.members.len())
            .map(|at| {
                let island = self.buses[self.members[at][0]].island.at();
                usable[at].filter(|_| parts == Parts::LiveOnMachines || main[island] == Some(at))
            })
            .collect();
    }

    /// The reference of before, if a machine still stands there.
    fn kept_reference(&self, members: &[usize]) -> Option<usize> {
        members.iter().copied().find(|bus| self.keeps_reference(*bus))
    }

    /// Whether a bus was a reference and still has a machine.
    fn keeps_reference(&self, bus: usize) -> bool {
        self.buses[bus].kind == BusKind::Slack
            && self.machines_at[bus].iter().any(|machine| !self.machine_out[*machine])
    }

    fn largest_source(&self, members: &[usize]) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for &bus in members {
            for machine in &self.machines_at[bus] {
                let data = &self.system.machines[*machine];
                let usable = data.source && !self.machine_out[*machine];
                if usable && best.is_none_or(|(size, _)| data.p_max_pu > size) {
                    best = Some((data.p_max_pu, bus));
                }
            }
        }
        best.map(|(_, bus)| bus)
    }

    fn build(&self, base: &Voltages) -> Remainder {
        let base_buses = self.system.grid.buses.len();
        let mut result = Remainder { bus: vec![None; base_buses], ..Remainder::default() };
        result.grid.base_mva = self.system.grid.base_mva;
        let mut islands = vec![None; self.members.len()];
        let mut new_of = vec![None; self.buses.len()];
        for (at, &component) in self.component.iter().enumerate() {
            let Some(reference) = self.reference.get(component as usize).copied().flatten() else { continue };
            let island = *islands[component as usize].get_or_insert_with(|| {
                result.grid.islands += 1;
                IslandIdx(result.grid.islands - 1)
            });
            let new = bus_index(result.buses.len());
            new_of[at] = Some(new);
            // A bus that split lives where either part does.
            result.bus[self.origin[at]].get_or_insert(new);
            result.buses.push(bus_index(self.origin[at]));
            let keeps = self.keeps_reference(at);
            result.grid.buses.push(self.bus(at, island, at == reference || keeps, base));
        }
        self.branches(&new_of, &mut result);
        self.lost(&new_of, &mut result.lost);
        result.lost.buses = (0..base_buses).filter(|at| result.bus[*at].is_none()).map(bus_index).collect();
        self.participation(&new_of, &mut result);
        result
    }

    fn bus(&self, at: usize, island: IslandIdx, is_reference: bool, base: &Voltages) -> Bus {
        let mut bus = self.buses[at].clone();
        bus.island = island;
        if is_reference {
            bus.kind = BusKind::Slack;
        } else if bus.kind == BusKind::Slack {
            bus.kind = if self.held(at) { BusKind::Pv } else { BusKind::Pq };
        }
        let origin = self.origin[at];
        if let (Some(vm), Some(va)) = (base.vm_pu.get(origin), base.va_rad.get(origin))
            && vm.is_finite()
            && va.is_finite()
        {
            bus.va_rad = *va;
            if bus.kind == BusKind::Pq {
                bus.vm_pu = *vm;
            }
        }
        bus
    }

    fn branches(&self, new_of: &[Option<BusIdx>], result: &mut Remainder) {
        for ((index, branch), ends) in (0_u32..).zip(&self.system.grid.branches).zip(&self.ends) {
            let ends = ends.map(|end| new_of[end as usize]);
            if let ([Some(from), Some(to)], false) = (ends, self.branch_out[index as usize]) {
                result.grid.branches.push(Branch { from, to, ..branch.clone() });
                result.branches.push(BranchIdx(index));
            }
        }
    }

    fn lost(&self, new_of: &[Option<BusIdx>], lost: &mut Lost) {
        for (load, bus) in self.system.loads.iter().zip(&self.load_bus) {
            lost.load_pu += if new_of[*bus].is_none() { load.p_pu } else { 0.0 };
        }
        for (machine, bus) in self.system.machines.iter().zip(&self.machine_bus) {
            lost.generation_pu += if new_of[*bus].is_none() { machine.p_pu } else { 0.0 };
        }
    }

    fn participation(&self, new_of: &[Option<BusIdx>], result: &mut Remainder) {
        result.participation = vec![0.0; result.buses.len()];
        let mut sums = vec![0.0; result.grid.islands as usize];
        for (at, machine) in self.system.machines.iter().enumerate() {
            if let (Some(bus), false) = (new_of[self.machine_bus[at]], self.machine_out[at]) {
                result.participation[bus.at()] += machine.participation;
                sums[result.grid.buses[bus.at()].island.at()] += machine.participation;
            }
        }
        for (share, bus) in result.participation.iter_mut().zip(&result.grid.buses) {
            let sum = sums[bus.island.at()];
            *share = if sum > 0.0 { *share / sum } else { 0.0 };
        }
    }
}

fn bus_index(at: usize) -> BusIdx {
    BusIdx(u32::try_from(at).unwrap_or(u32::MAX))
}

fn product([a, b]: [[f64; 2]; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// `dividend / divisor`.
fn quotient(dividend: [f64; 2], [re, im]: [f64; 2]) -> [f64; 2] {
    let size = re * re + im * im;
    [(dividend[0] * re + dividend[1] * im) / size, (dividend[1] * re - dividend[0] * im) / size]
}
