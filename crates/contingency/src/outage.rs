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

use topology::End;
use topology::calc::{BranchIdx, BusIdx, BusKind, Grid, IslandIdx, Voltages};

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
    /// Bus of the base by bus of the model.
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
    }

    /// Whether nothing fails.
    pub fn is_empty(&self) -> bool {
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
        self.tidy();
    }

    /// Sorted and without repetition, so that equal outages compare equal.
    pub fn tidy(&mut self) {
        sorted(&mut self.branches);
        sorted(&mut self.buses);
        sorted(&mut self.machines);
        sorted(&mut self.loads);
        sorted(&mut self.shunts);
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
    work.injections();
    work.open_ends();
    work.components();
    work.references(parts);
    work.build(base)
}

struct Work<'a> {
    system: &'a System,
    outage: &'a Outage,
    buses: Vec<topology::calc::Bus>,
    branch_out: Vec<bool>,
    bus_out: Vec<bool>,
    machine_out: Vec<bool>,
    machines_at: Vec<Vec<u32>>,
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
        let mut branch_out = vec![false; grid.branches.len()];
        let mut bus_out = vec![false; grid.buses.len()];
        let mut machine_out = vec![false; system.machines.len()];
        for branch in outage.branches.iter().chain(outage.open_ends.iter().map(|(branch, _)| branch)) {
            branch_out[branch.at()] = true;
        }
        for bus in &outage.buses {
            bus_out[bus.at()] = true;
        }
        for machine in &outage.machines {
            machine_out[*machine as usize] = true;
        }
        for (branch, out) in grid.branches.iter().zip(&mut branch_out) {
            *out |= bus_out[branch.from.at()] || bus_out[branch.to.at()];
        }
        Self {
            system,
            outage,
            buses: grid.buses.clone(),
            branch_out,
            component: vec![u32::MAX; bus_out.len()],
            bus_out,
            machine_out,
            machines_at: system.machines_at(),
            members: Vec::new(),
            reference: Vec::new(),
        }
    }

    /// Takes lost machines, loads and shunts out of their buses.
    fn injections(&mut self) {
        for index in &self.outage.machines {
            let machine = &self.system.machines[*index as usize];
            let at = machine.bus.at();
            let out = &self.machine_out;
            let held = self.machines_at[at]
                .iter()
                .any(|other| self.system.machines[*other as usize].regulating && !out[*other as usize]);
            let bus = &mut self.buses[at];
            bus.p_pu -= machine.p_pu;
            if machine.regulating {
                // A sum without limits stays without limits while another machine holds the voltage.
                let [low, high] = machine.q_limits_pu;
                bus.q_gen_min_pu = if low.is_finite() { bus.q_gen_min_pu - low } else { bus.q_gen_min_pu };
                bus.q_gen_max_pu = if high.is_finite() { bus.q_gen_max_pu - high } else { bus.q_gen_max_pu };
                if !held && bus.kind == BusKind::Pv {
                    bus.kind = BusKind::Pq;
                }
            } else {
                bus.q_pu -= machine.q_pu;
                if bus.kind == BusKind::Pv {
                    bus.q_load_pu += machine.q_pu;
                }
            }
        }
        for index in &self.outage.loads {
            let load = &self.system.loads[*index as usize];
            let bus = &mut self.buses[load.bus.at()];
            bus.p_pu += load.p_pu;
            bus.q_pu += load.q_pu;
            bus.q_load_pu -= load.q_pu;
        }
        for index in &self.outage.shunts {
            let shunt = &self.system.shunts[*index as usize];
            let bus = &mut self.buses[shunt.bus.at()];
            bus.g_shunt_pu -= shunt.g_pu;
            bus.b_shunt_pu -= shunt.b_pu;
        }
    }

    fn open_ends(&mut self) {
        for (index, end) in &self.outage.open_ends {
            let branch = &self.system.grid.branches[index.at()];
            let y = branch.admittance();
            let (stays, here, there, open) = match end {
                End::From => (branch.to, y.tt, [y.tf, y.ft], y.ff),
                End::To => (branch.from, y.ff, [y.ft, y.tf], y.tt),
            };
            let seen = quotient(product(there[0], there[1]), open);
            let bus = &mut self.buses[stays.at()];
            if seen.iter().all(|part| part.is_finite()) {
                bus.g_shunt_pu += here[0] - seen[0];
                bus.b_shunt_pu += here[1] - seen[1];
            }
        }
    }

    fn components(&mut self) {
        let grid = &self.system.grid;
        let neighbours = Neighbours::new(grid);
        for start in 0..grid.buses.len() {
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
        members.iter().copied().find(|&bus| {
            self.buses[bus].kind == BusKind::Slack
                && self.machines_at[bus].iter().any(|machine| !self.machine_out[*machine as usize])
        })
    }

    fn largest_source(&self, members: &[usize]) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for &bus in members {
            for machine in &self.machines_at[bus] {
                let data = &self.system.machines[*machine as usize];
                let usable = data.source && !self.machine_out[*machine as usize];
                if usable && best.is_none_or(|(size, _)| data.p_max_pu > size) {
                    best = Some((data.p_max_pu, bus));
                }
            }
        }
        best.map(|(_, bus)| bus)
    }

    fn build(mut self, base: &Voltages) -> Remainder {
        let mut result = Remainder { bus: vec![None; self.buses.len()], ..Remainder::default() };
        result.grid.base_mva = self.system.grid.base_mva;
        let mut islands = vec![None; self.members.len()];
        for at in 0..self.buses.len() {
            let component = self.component[at];
            let reference = self.reference.get(component as usize).copied().flatten();
            let Some(reference) = reference else {
                result.lost.buses.push(BusIdx(u32::try_from(at).unwrap_or(u32::MAX)));
                continue;
            };
            let island = *islands[component as usize].get_or_insert_with(|| {
                result.grid.islands += 1;
                IslandIdx(result.grid.islands - 1)
            });
            let new = BusIdx(u32::try_from(result.buses.len()).unwrap_or(u32::MAX));
            result.bus[at] = Some(new);
            result.buses.push(BusIdx(u32::try_from(at).unwrap_or(u32::MAX)));
            result.grid.buses.push(self.bus(at, island, reference, base));
        }
        self.branches(&mut result);
        self.lost(&mut result);
        self.participation(&mut result);
        result
    }

    fn bus(
        &mut self,
        at: usize,
        island: IslandIdx,
        reference: usize,
        base: &Voltages,
    ) -> topology::calc::Bus {
        let mut bus = self.buses[at].clone();
        bus.island = island;
        if at == reference {
            bus.kind = BusKind::Slack;
        } else if bus.kind == BusKind::Slack {
            bus.kind = self.without_reference(at);
        }
        if let (Some(vm), Some(va)) = (base.vm_pu.get(at), base.va_rad.get(at))
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

    /// What a bus holds that was the reference and is not any more.
    fn without_reference(&self, at: usize) -> BusKind {
        let held = self.machines_at[at].iter().any(|machine| {
            self.system.machines[*machine as usize].regulating && !self.machine_out[*machine as usize]
        });
        if held { BusKind::Pv } else { BusKind::Pq }
    }

    fn branches(&self, result: &mut Remainder) {
        for (index, branch) in (0_u32..).zip(&self.system.grid.branches) {
            let ends = (result.bus[branch.from.at()], result.bus[branch.to.at()]);
            if let ((Some(from), Some(to)), false) = (ends, self.branch_out[index as usize]) {
                result.grid.branches.push(topology::calc::Branch { from, to, ..branch.clone() });
                result.branches.push(BranchIdx(index));
            }
        }
    }

    fn lost(&self, result: &mut Remainder) {
        for load in self.system.loads.iter().filter(|load| result.bus[load.bus.at()].is_none()) {
            result.lost.load_pu += load.p_pu;
        }
        for machine in self.system.machines.iter().filter(|machine| result.bus[machine.bus.at()].is_none()) {
            result.lost.generation_pu += machine.p_pu;
        }
    }

    fn participation(&self, result: &mut Remainder) {
        result.participation = vec![0.0; result.buses.len()];
        let mut sums = vec![0.0; result.grid.islands as usize];
        for (machine, out) in self.system.machines.iter().zip(&self.machine_out) {
            if let (Some(bus), false) = (result.bus[machine.bus.at()], *out) {
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

fn product(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn quotient(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let size = b[0] * b[0] + b[1] * b[1];
    [(a[0] * b[0] + a[1] * b[1]) / size, (a[1] * b[0] - a[0] * b[1]) / size]
}
