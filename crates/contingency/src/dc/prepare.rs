//! An outage as one right-hand side of the unchanged DC model.
//!
//! ```text
//! K        branches that go out and leave both ends alive, m(k) and H as in `factors`
//! (I - H(K,K)) w = f(K) + H(K,r)         r: changes of injections, f: flows before
//! x        = X (r + Σ m(k) w(k))         f(l) = f(l) + b(l) (x(from) - x(to)) + c · share_flow(l)
//! ```
//!
//! A part `D` that is cut off would leave `I - H` singular. It stays in the model on one of its branches instead,
//! and its net export `S(D)` (the flows over its cut branches) is taken out again where that branch ends:
//! `r(end) -= S(D)`. So nothing flows over that branch and `D` is out of play, exactly.
//!
//! What is missing then, `Δ = Σ S(D) - Σ changes elsewhere`, is made up by the shares that are left:
//! `c = Δ/(1 - Σ α(lost))`, `r -= c α` at every lost share.

use std::collections::BTreeMap;
use std::ops::Range;

use sparse::ldl::lanes::{Forward, Path};
use topology::calc::BusIdx;

use super::DcNetwork;
use crate::bridges::Reach;
use crate::outage::{Outage, Parts};
use crate::system::{Machine, System};

/// `1 - H` below which too many digits cancel: such an outage gets a model of its own.
const ALMOST_SINGULAR: f64 = 1e-9;
/// Shares below this rest are none.
const NO_SHARE: f64 = 1e-9;

/// Buses that an outage leaves without voltage.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) enum Dead {
    #[default]
    None,
    /// What a bridge cuts off: numbers of the depth-first search.
    Cut(Range<u32>),
    /// Buses, ascending.
    List(Vec<u32>),
}

/// What a lane needs besides its right-hand side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// Branches that are out by themselves, ascending.
    pub(crate) out: Vec<u32>,
    pub(crate) dead: Dead,
    /// `c` of the head.
    pub(crate) by_shares: f64,
    /// Forward solves with their factors; their sum is the right-hand side.
    pub(crate) paths: Vec<(Path, f64)>,
}

/// The outage needs another reference or another island: it is no right-hand side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NeedsModel;

/// Sums per bus and work space for preparing outages.
#[derive(Clone, Debug)]
pub(crate) struct Preparer<'a> {
    network: &'a DcNetwork,
    system: &'a System,
    parts: Parts,
    /// Machines that can carry an island, per bus.
    sources: Vec<u32>,
    /// Machines per bus.
    machines: Vec<u32>,
    /// Participation per island.
    participation: Vec<f64>,
    /// Buses per island.
    size: Vec<usize>,
    reach: Reach,
    forward: Forward,
}

/// A part that was cut off.
struct Part {
    buses: Vec<u32>,
}

impl<'a> Preparer<'a> {
    pub(crate) fn new(network: &'a DcNetwork, system: &'a System, parts: Parts) -> Self {
        let n = system.grid.buses.len();
        let (mut sources, mut machines) = (vec![0; n], vec![0; n]);
        let mut participation = vec![0.0; system.grid.islands as usize];
        for machine in &system.machines {
            let at = machine.bus.at();
            machines[at] += 1;
            sources[at] += u32::from(machine.source);
            participation[network.island[at] as usize] += machine.participation;
        }
        let mut size = vec![0; participation.len()];
        for island in &network.island {
            size[*island as usize] += 1;
        }
        let forward = Forward::new(network.ldl.size());
        Self { network, system, parts, sources, machines, participation, size, reach: Reach::new(n), forward }
    }

    pub(crate) fn prepare(&mut self, outage: &Outage) -> Result<Prepared, NeedsModel> {
        match *outage.branches {
            [branch] if outage.only_branches() && !self.network.bridges.is_bridge(branch) => {
                self.single(branch.0)
            }
            _ => self.general(outage),
        }
    }

    /// One branch that is no bridge: `w = f / (1 - H)`.
    fn single(&mut self, branch: u32) -> Result<Prepared, NeedsModel> {
        let network = self.network;
        let at = branch as usize;
        let mut path = Path::default();
        network.branch_path(at, &mut self.forward, &mut path);
        let own = network.b[at] * network.ldl.product(&path, &path);
        if vanishes(1.0 - own) {
            return Err(NeedsModel);
        }
        let w = network.flow[at] / (1.0 - own);
        Ok(Prepared { out: vec![branch], dead: Dead::None, by_shares: 0.0, paths: vec![(path, w)] })
    }

    fn general(&mut self, outage: &Outage) -> Result<Prepared, NeedsModel> {
        if !outage.splits.is_empty() {
            return Err(NeedsModel);
        }
        let out = self.branches_out(outage);
        let (dead, parts) = self.dead(&out, outage)?;
        let is_dead = |bus: u32| self.contains(&dead, bus);
        let mut change = self.changes(outage, &is_dead)?;
        let mut missing: f64 = -change.values().sum::<f64>();
        let numbers = part_numbers(&parts);
        let part_of = |bus: u32| match parts.len() {
            0 => None,
            1 => is_dead(bus).then_some(0),
            _ => numbers.get(&bus).copied(),
        };
        let mut kept = Vec::new();
        for (part, cut) in parts.iter().zip(self.attach(&out, parts.len(), &part_of)) {
            let Some(cut) = cut else { continue };
            kept.push(cut.0);
            let export = self.export(&out, part);
            *change.entry(cut.1).or_default() -= export;
            missing += export;
        }
        let by_shares = self.shares(outage, &dead, missing, &mut change)?;
        let removed: Vec<u32> = out
            .iter()
            .copied()
            .filter(|branch| {
                let [from, to] = self.network.ends[*branch as usize];
                // Between two parts it would close a loop over the branches on which they stay.
                let inside = part_of(from).is_some() && part_of(from) == part_of(to);
                !(inside || kept.contains(branch))
            })
            .collect();
        let paths = self.right_hand_side(&change, &removed, by_shares)?;
        Ok(Prepared { out, dead, by_shares, paths })
    }

    /// All branches that open, ascending.
    fn branches_out(&self, outage: &Outage) -> Vec<u32> {
        let mut out: Vec<u32> = outage.branches.iter().map(|branch| branch.0).collect();
        out.extend(outage.open_ends.iter().map(|(branch, _)| branch.0));
        for bus in &outage.buses {
            out.extend(self.network.neighbours.of(bus.at()).iter().map(|(branch, _)| *branch));
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Buses that lose their reference, and the parts that they form.
    fn dead(&mut self, out: &[u32], outage: &Outage) -> Result<(Dead, Vec<Part>), NeedsModel> {
        let network = self.network;
        if let ([branch], true) = (out, outage.buses.is_empty()) {
            let cut = network.bridges.cut_range(topology::calc::BranchIdx(*branch));
            if cut.is_empty() {
                return Ok((Dead::None, Vec::new()));
            }
            let buses = network.bridges.order[cut.start as usize..cut.end as usize].to_vec();
            let parts = vec![Part { buses }];
            self.may_die(&parts, outage)?;
            return Ok((Dead::Cut(cut), parts));
        }
        let is_reference = |bus: u32| network.reference[bus as usize];
        let mut parts = Vec::new();
        let mut dead: Vec<u32> = Vec::new();
        for branch in out {
            for bus in network.ends[*branch as usize] {
                if !dead.contains(&bus)
                    && let Some(buses) = self.reach.cut_off(&network.neighbours, bus, out, &is_reference)
                {
                    dead.extend(&buses);
                    parts.push(Part { buses });
                }
            }
        }
        self.may_die(&parts, outage)?;
        dead.sort_unstable();
        Ok((if dead.is_empty() { Dead::None } else { Dead::List(dead) }, parts))
    }

    /// Whether the parts may be without voltage: they have no machine, or are smaller than what keeps the reference.
    fn may_die(&self, parts: &[Part], outage: &Outage) -> Result<(), NeedsModel> {
        let lives = |bus: &u32| self.sources[*bus as usize] > 0 && !outage.buses.contains(&BusIdx(*bus));
        for part in parts {
            let island = self.network.island[part.buses[0] as usize];
            let same = |other: &&Part| self.network.island[other.buses[0] as usize] == island;
            let dead: usize = parts.iter().filter(same).map(|part| part.buses.len()).sum();
            let larger = part.buses.len() > self.size[island as usize] - dead;
            if (self.parts == Parts::LiveOnMachines || larger) && part.buses.iter().any(lives) {
                return Err(NeedsModel);
            }
        }
        Ok(())
    }

    pub(crate) fn contains(&self, dead: &Dead, bus: u32) -> bool {
        match dead {
            Dead::None => false,
            Dead::Cut(range) => range.contains(&self.network.bridges.enter[bus as usize]),
            Dead::List(list) => list.binary_search(&bus).is_ok(),
        }
    }

    /// Changes of injections at live buses.
    fn changes(
        &self,
        outage: &Outage,
        is_dead: &dyn Fn(u32) -> bool,
    ) -> Result<BTreeMap<u32, f64>, NeedsModel> {
        let network = self.network;
        if outage.buses.iter().any(|bus| network.reference[bus.at()]) {
            return Err(NeedsModel);
        }
        let mut change = BTreeMap::new();
        for (bus, p_pu) in self.injections(outage) {
            if !is_dead(bus.0) {
                *change.entry(bus.0).or_default() += p_pu;
            }
        }
        for (bus, left) in self.machines_left(outage) {
            if network.reference[bus as usize] && left == 0 {
                return Err(NeedsModel);
            }
        }
        Ok(change)
    }

    /// Injections that machines, loads and shunts of the outage take away, with their buses.
    fn injections(&self, outage: &Outage) -> impl Iterator<Item = (BusIdx, f64)> {
        let system = self.system;
        let machines = outage.machines.iter().map(|at| &system.machines[*at as usize]);
        let loads = outage.loads.iter().map(|at| &system.loads[*at as usize]);
        let shunts = outage.shunts.iter().map(|at| &system.shunts[*at as usize]);
        machines
            .map(|machine| (machine.bus, self.surplus_of(machine) - machine.p_pu))
            .chain(loads.map(|load| (load.bus, load.p_pu)))
            .chain(shunts.map(|shunt| (shunt.bus, shunt.g_pu)))
    }

    /// What a machine takes of the surplus of the base state.
    pub(crate) fn surplus_of(&self, machine: &Machine) -> f64 {
        let island = self.network.island[machine.bus.at()] as usize;
        let sum = self.participation[island];
        if self.network.shared && sum > 0.0 {
            machine.participation / sum * self.network.surplus[island]
        } else {
            0.0
        }
    }

    /// Machines left at the buses that lose one.
    fn machines_left(&self, outage: &Outage) -> BTreeMap<u32, u32> {
        let mut left = BTreeMap::new();
        for machine in &outage.machines {
            let bus = self.system.machines[*machine as usize].bus;
            let count: &mut u32 = left.entry(bus.0).or_insert(self.machines[bus.at()]);
            *count = count.saturating_sub(1);
        }
        left
    }

    /// For every part the branch on which it stays, with the bus where that leaves it: towards the reference.
    fn attach(
        &self,
        out: &[u32],
        parts: usize,
        of: &dyn Fn(u32) -> Option<usize>,
    ) -> Vec<Option<(u32, u32)>> {
        let mut attached: Vec<Option<(u32, u32)>> = vec![None; parts];
        let mut moved = true;
        while moved {
            moved = false;
            for branch in out {
                let [from, to] = self.network.ends[*branch as usize];
                for (inner, outer) in [(from, to), (to, from)] {
                    let Some(part) = of(inner).filter(|part| attached[*part].is_none()) else { continue };
                    let reached = match of(outer) {
                        None => true,
                        Some(other) => other != part && attached[other].is_some(),
                    };
                    if reached {
                        attached[part] = Some((*branch, outer));
                        moved = true;
                    }
                }
            }
        }
        attached
    }

    /// Net export of a part before the outage.
    fn export(&self, out: &[u32], part: &Part) -> f64 {
        let mut inside = part.buses.clone();
        inside.sort_unstable();
        let has = |bus: u32| inside.binary_search(&bus).is_ok();
        let mut sum = 0.0;
        for branch in out {
            let [from, to] = self.network.ends[*branch as usize];
            let flow = self.network.flow[*branch as usize];
            match (has(from), has(to)) {
                (true, false) => sum += flow,
                (false, true) => sum -= flow,
                (true, true) | (false, false) => {}
            }
        }
        sum
    }

    /// Lets the shares that are left make up for what is missing; the answer is `c`.
    fn shares(
        &self,
        outage: &Outage,
        dead: &Dead,
        missing: f64,
        change: &mut BTreeMap<u32, f64>,
    ) -> Result<f64, NeedsModel> {
        let network = self.network;
        if !network.shared || missing == 0.0 {
            return Ok(0.0);
        }
        let mut lost: BTreeMap<u32, f64> = BTreeMap::new();
        let mut take = |bus: u32, share: f64| *lost.entry(bus).or_default() += share;
        match dead {
            Dead::None => {}
            Dead::Cut(range) => {
                for bus in &network.bridges.order[range.start as usize..range.end as usize] {
                    take(*bus, network.share[*bus as usize]);
                }
            }
            Dead::List(list) => list.iter().for_each(|bus| take(*bus, network.share[*bus as usize])),
        }
        for machine in &outage.machines {
            let machine = &self.system.machines[*machine as usize];
            let sum = self.participation[network.island[machine.bus.at()] as usize];
            if !self.contains(dead, machine.bus.0) && sum > 0.0 {
                take(machine.bus.0, machine.participation / sum);
            }
        }
        let rest = 1.0 - lost.values().sum::<f64>();
        if rest < NO_SHARE {
            return Err(NeedsModel);
        }
        let by_shares = missing / rest;
        for (bus, share) in lost.iter().filter(|(_, share)| **share != 0.0) {
            *change.entry(*bus).or_default() -= by_shares * share;
        }
        Ok(by_shares)
    }

    fn right_hand_side(
        &mut self,
        change: &BTreeMap<u32, f64>,
        removed: &[u32],
        by_shares: f64,
    ) -> Result<Vec<(Path, f64)>, NeedsModel> {
        let network = self.network;
        let size = network.ldl.size();
        let mut paths = Vec::with_capacity(removed.len() + 1);
        for branch in removed {
            let mut path = Path::default();
            network.branch_path(*branch as usize, &mut self.forward, &mut path);
            paths.push((path, 0.0));
        }
        let entries: Vec<(u32, f64)> = change
            .iter()
            .map(|(bus, value)| (network.place[*bus as usize], *value))
            .filter(|(place, value)| (*place as usize) < size && *value != 0.0)
            .collect();
        let mut of_change = Path::default();
        network.ldl.forward(&entries, &mut self.forward, &mut of_change);
        let m = removed.len();
        let mut system = vec![0.0; m * m];
        let mut w = vec![0.0; m];
        for (row, branch) in removed.iter().enumerate() {
            let at = *branch as usize;
            let b = network.b[at];
            for col in 0..m {
                let own = if row == col { 1.0 } else { 0.0 };
                system[row * m + col] = own - b * network.ldl.product(&paths[row].0, &paths[col].0);
            }
            w[row] = network.flow[at]
                + b * network.ldl.product(&paths[row].0, &of_change)
                + by_shares * network.share_flow[at];
        }
        eliminate(&mut system, &mut w).ok_or(NeedsModel)?;
        for ((_, factor), w) in paths.iter_mut().zip(w) {
            *factor = w;
        }
        paths.push((of_change, 1.0));
        Ok(paths)
    }
}

/// Part by bus; empty where one part needs no list.
fn part_numbers(parts: &[Part]) -> BTreeMap<u32, usize> {
    let mut numbers = BTreeMap::new();
    if parts.len() > 1 {
        for (at, part) in parts.iter().enumerate() {
            numbers.extend(part.buses.iter().map(|bus| (*bus, at)));
        }
    }
    numbers
}

/// Whether a difference has lost its digits, or is no number.
fn vanishes(rest: f64) -> bool {
    rest.is_nan() || rest.abs() <= ALMOST_SINGULAR
}

/// Gauss with row pivots, row-major; `None` if the matrix is singular.
fn eliminate(a: &mut [f64], b: &mut [f64]) -> Option<()> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs()))?;
        if vanishes(a[pivot * n + k]) {
            return None;
        }
        for col in 0..n {
            a.swap(k * n + col, pivot * n + col);
        }
        b.swap(k, pivot);
        for row in k + 1..n {
            let factor = a[row * n + k] / a[k * n + k];
            for col in k..n {
                a[row * n + col] -= factor * a[k * n + col];
            }
            b[row] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let sum: f64 = (k + 1..n).map(|col| a[k * n + col] * b[col]).sum();
        b[k] = (b[k] - sum) / a[k * n + k];
    }
    Some(())
}
