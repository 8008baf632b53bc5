//! Splits a grid into islands, keeps their symbolic work, and runs the reactive-limit loop around Newton's method.

use sparse::block::BlockPattern;
use topology::calc::{Branch, BranchFlow, BranchIdx, Bus, BusIdx, BusKind, Grid, Voltages};

use crate::island::{Held, Island, Run};
use crate::{Effort, Method, Options, Outcome, QLimit, Reason, Solution, Start, dc};

/// Rounds of the reactive-limit loop.
const MAX_LIMIT_ROUNDS: u32 = 30;
/// How often one bus may be released from a limit before it stays there.
const MAX_RELEASES: u32 = 3;
/// A limit counts as passed beyond this margin; it is far above the mismatch of a converged round.
const LIMIT_MARGIN_PU: f64 = 1e-6;

/// Newton solver which keeps pattern, order and factors as long as the topology stays the same.
///
/// A call on the same topology costs O(buses + branches) for the comparison and then only arithmetic.
#[derive(Clone, Debug, Default)]
pub struct Solver {
    ends: Vec<[u32; 2]>,
    island_of: Vec<u32>,
    pub(crate) parts: Vec<Part>,
    /// Branches whose ends do not exist or lie in two islands.
    stray: Vec<BranchIdx>,
}

/// One island: its buses and branches in the grid, and its equations.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) buses: Vec<usize>,
    pub(crate) branches: Vec<usize>,
    pub(crate) island: Island,
    limits: Vec<Limited>,
    /// Whether the voltages in `island` are those of a converged run.
    warm: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Limited {
    at: Option<QLimit>,
    releases: u32,
}

impl Solver {
    /// A solver that knows no topology yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Solves every island of `grid`.
    pub fn solve(&mut self, grid: &Grid, options: &Options) -> Solution {
        if !self.fits(grid) {
            self.analyse(grid);
        }
        let mut solution = not_solved(grid);
        for (index, part) in self.parts.iter_mut().enumerate() {
            let stray = self.stray.iter().find(|branch| touches(grid, **branch, index)).copied();
            let mut effort = Effort::default();
            let outcome = match stray {
                Some(branch) => Outcome::NotSolvable { reason: Reason::BadBranch(branch) },
                None => part.solve(grid, options, &mut effort),
            };
            solution.efforts.push(effort);
            part.warm = matches!(outcome, Outcome::Converged { .. });
            if part.warm {
                part.write(grid, options.method, &mut solution);
            }
            solution.islands.push(outcome);
        }
        solution
    }

    fn fits(&self, grid: &Grid) -> bool {
        self.parts.len() == grid.islands as usize
            && self.island_of.len() == grid.buses.len()
            && self.ends.len() == grid.branches.len()
            && self.island_of.iter().zip(&grid.buses).all(|(&island, bus)| island == bus.island.0)
            && self
                .ends
                .iter()
                .zip(&grid.branches)
                .all(|(&ends, branch)| ends == [branch.from.0, branch.to.0])
    }

    fn analyse(&mut self, grid: &Grid) {
        self.island_of = grid.buses.iter().map(|bus| bus.island.0).collect();
        self.ends = grid.branches.iter().map(|branch| [branch.from.0, branch.to.0]).collect();
        self.stray.clear();
        let islands = grid.islands as usize;
        let (mut buses, mut branches) = (vec![Vec::new(); islands], vec![Vec::new(); islands]);
        let mut local = vec![0u32; grid.buses.len()];
        for (index, bus) in grid.buses.iter().enumerate() {
            if let Some(list) = buses.get_mut(bus.island.at()) {
                local[index] = list.len() as u32;
                list.push(index);
            }
        }
        for (index, branch) in grid.branches.iter().enumerate() {
            match common_island(grid, branch).and_then(|island| branches.get_mut(island)) {
                Some(list) => list.push(index),
                None => self.stray.push(BranchIdx(u32::try_from(index).unwrap_or(u32::MAX))),
            }
        }
        self.parts = buses
            .into_iter()
            .zip(branches)
            .map(|(buses, branches)| Part::new(grid, &local, (buses, branches)))
            .collect();
    }
}

impl Part {
    /// `local` is the place of every bus of the grid in `buses`.
    fn new(grid: &Grid, local: &[u32], (buses, branches): (Vec<usize>, Vec<usize>)) -> Self {
        let mut ends: Vec<[u32; 2]> = branches
            .iter()
            .map(|&b| [grid.branches[b].from, grid.branches[b].to].map(|bus| local[bus.at()]))
            .collect();
        let pattern = BlockPattern::new(buses.len(), &ends);
        for end in ends.as_flattened_mut() {
            *end = pattern.position()[*end as usize];
        }
        // From here on a bus of the part counts in the order of elimination, which keeps neighbours near in memory.
        let buses: Vec<usize> = pattern.order().iter().map(|&k| buses[k as usize]).collect();
        let island = Island::new(pattern, ends);
        Self { limits: vec![Limited::default(); buses.len()], buses, branches, island, warm: false }
    }

    fn solve(&mut self, grid: &Grid, options: &Options, effort: &mut Effort) -> Outcome {
        if let Err(reason) = self.check(grid, options.method) {
            return Outcome::NotSolvable { reason };
        }
        let buses = self.buses.iter().map(|&b| &grid.buses[b]);
        self.island.set_admittances(buses, self.branches.iter().map(|&b| &grid.branches[b]));
        self.limits.fill(Limited::default());
        self.start(grid, options.start);
        let mut iterations = 0;
        let mut last_moved = 0;
        let limited = options.enforce_q_limits && options.method != Method::Dc;
        for _ in 0..MAX_LIMIT_ROUNDS {
            match self.attempt(grid, options, effort) {
                Run::Converged { steps, mismatch_pu } => {
                    iterations += steps;
                    let moved = if limited { self.apply_limits(grid) } else { None };
                    match moved {
                        None => return Outcome::Converged { iterations, mismatch_pu },
                        Some(bus) => last_moved = bus,
                    }
                }
                Run::Stopped { worst, mismatch_pu, steps } => {
                    return Outcome::Stopped {
                        worst: self.bus(worst),
                        mismatch_pu,
                        iterations: iterations + steps,
                    };
                }
                Run::Singular { bus } => {
                    return Outcome::NotSolvable { reason: Reason::Singular(self.bus(bus)) };
                }
            }
        }
        Outcome::NotSolvable { reason: Reason::LimitsCycle(self.bus(last_moved)) }
    }

    fn check(&self, grid: &Grid, method: Method) -> Result<(), Reason> {
        if let Some(at) = (0..self.buses.len()).find(|&at| !bus_is_sound(&grid.buses[self.buses[at]])) {
            return Err(Reason::BadBus(self.bus(at)));
        }
        if !self.buses.iter().any(|&b| grid.buses[b].kind == BusKind::Slack) {
            return Err(Reason::NoSlack);
        }
        let sound = |branch: &Branch| branch_is_sound(branch) && (method != Method::Dc || branch.x_pu != 0.0);
        match self.branches.iter().find(|&&b| !sound(&grid.branches[b])) {
            Some(&b) => Err(Reason::BadBranch(BranchIdx(u32::try_from(b).unwrap_or(u32::MAX)))),
            None => Ok(()),
        }
    }

    /// Set points and starting voltages.
    fn start(&mut self, grid: &Grid, start: Start) {
        let slack = self.buses.iter().map(|&b| &grid.buses[b]).find(|bus| bus.kind == BusKind::Slack);
        let reference_rad = slack.map_or(0.0, |bus| bus.va_rad);
        let island = &mut self.island;
        for (i, &b) in self.buses.iter().enumerate() {
            let bus = &grid.buses[b];
            island.held[i] = match bus.kind {
                BusKind::Slack => Held::VoltageAndAngle,
                BusKind::Pv => Held::PowerAndVoltage,
                BusKind::Pq => Held::Power,
            };
            island.p_set_pu[i] = bus.p_pu;
            island.q_set_pu[i] = bus.q_pu;
            let usable = bus.vm_pu.is_finite() && bus.vm_pu > 0.0 && bus.va_rad.is_finite();
            let (vm_pu, va_rad) = match start {
                Start::Warm if self.warm => (island.vm_pu[i], island.va_rad[i]),
                Start::FromGrid | Start::Warm if usable => (bus.vm_pu, bus.va_rad),
                Start::Flat | Start::FromGrid | Start::Warm | Start::Dc => (1.0, reference_rad),
            };
            (island.vm_pu[i], island.va_rad[i]) = match bus.kind {
                BusKind::Slack => (bus.vm_pu, bus.va_rad),
                BusKind::Pv => (bus.vm_pu, va_rad),
                BusKind::Pq => (vm_pu, va_rad),
            };
        }
        if start == Start::Dc {
            self.dc_start(grid);
        }
    }

    /// Moves buses onto and off their limits; returns one that moved.
    fn apply_limits(&mut self, grid: &Grid) -> Option<usize> {
        let mut moved = None;
        for (i, &b) in self.buses.iter().enumerate() {
            let bus = &grid.buses[b];
            if bus.kind != BusKind::Pv {
                continue;
            }
            let island = &mut self.island;
            let limited = &mut self.limits[i];
            let vm_pu = island.vm_pu[i];
            let released = match limited.at {
                Some(QLimit::Upper) => vm_pu > bus.vm_pu,
                Some(QLimit::Lower) => vm_pu < bus.vm_pu,
                None => false,
            };
            if released && limited.releases < MAX_RELEASES {
                *limited = Limited { at: None, releases: limited.releases + 1 };
                island.held[i] = Held::PowerAndVoltage;
                island.vm_pu[i] = bus.vm_pu;
                moved = Some(i);
            } else if limited.at.is_none()
                && let Some((limit, q_gen_pu)) = passed_limit(bus, island.q_pu[i])
            {
                limited.at = Some(limit);
                island.held[i] = Held::Power;
                island.q_set_pu[i] = q_gen_pu - bus.q_load_pu;
                moved = Some(i);
            }
        }
        moved
    }

    fn write(&self, grid: &Grid, method: Method, solution: &mut Solution) {
        for (i, &b) in self.buses.iter().enumerate() {
            solution.voltages.vm_pu[b] = self.island.vm_pu[i];
            solution.voltages.va_rad[b] = self.island.va_rad[i];
            solution.p_injection_pu[b] = self.island.p_pu[i];
            solution.q_injection_pu[b] = self.island.q_pu[i];
            if let Some(limit) = self.limits[i].at {
                solution.limited.push((self.bus(i), limit));
            }
        }
        for ((at, &b), &[from, to]) in self.branches.iter().enumerate().zip(self.island.ends()) {
            let branch = &grid.branches[b];
            solution.flows[b] = match method {
                Method::Newton => {
                    let ends = [from, to].map(|end| self.island.voltage(end));
                    self.island.admittances().flow(at, ends)
                }
                Method::Dc => {
                    let [from, to] = [from, to].map(|end| self.island.va_rad[end as usize]);
                    dc::flow(branch, from, to)
                }
                Method::Decoupled(_) | Method::CurrentInjection | Method::FixedPoint => {
                    branch.flow(solution.voltages.at(branch.from), solution.voltages.at(branch.to))
                }
            };
        }
    }

    pub(crate) fn bus(&self, at: usize) -> BusIdx {
        BusIdx(self.buses.get(at).and_then(|&b| u32::try_from(b).ok()).unwrap_or(u32::MAX))
    }
}

fn passed_limit(bus: &Bus, q_injection_pu: f64) -> Option<(QLimit, f64)> {
    let q_gen_pu = q_injection_pu + bus.q_load_pu;
    if q_gen_pu > bus.q_gen_max_pu + LIMIT_MARGIN_PU {
        Some((QLimit::Upper, bus.q_gen_max_pu))
    } else if q_gen_pu < bus.q_gen_min_pu - LIMIT_MARGIN_PU {
        Some((QLimit::Lower, bus.q_gen_min_pu))
    } else {
        None
    }
}

fn bus_is_sound(bus: &Bus) -> bool {
    let shunt = bus.g_shunt_pu.is_finite() && bus.b_shunt_pu.is_finite();
    let voltage = bus.vm_pu.is_finite() && bus.vm_pu > 0.0;
    shunt
        && match bus.kind {
            BusKind::Slack => voltage && bus.va_rad.is_finite(),
            BusKind::Pv => {
                let limits = bus.q_gen_min_pu <= bus.q_gen_max_pu && bus.q_load_pu.is_finite();
                voltage && bus.p_pu.is_finite() && limits
            }
            BusKind::Pq => bus.p_pu.is_finite() && bus.q_pu.is_finite(),
        }
}

fn branch_is_sound(branch: &Branch) -> bool {
    let finite = [branch.r_pu, branch.x_pu, branch.g_pu, branch.b_pu, branch.ratio, branch.shift_rad];
    let impedance = branch.r_pu != 0.0 || branch.x_pu != 0.0;
    finite.iter().all(|x| x.is_finite()) && impedance && branch.ratio > 0.0 && branch.from != branch.to
}

fn common_island(grid: &Grid, branch: &Branch) -> Option<usize> {
    let from = grid.buses.get(branch.from.at())?.island;
    let to = grid.buses.get(branch.to.at())?.island;
    (from == to).then(|| from.at())
}

/// Whether one end of the branch lies in this island.
fn touches(grid: &Grid, branch: BranchIdx, island: usize) -> bool {
    let branch = &grid.branches[branch.at()];
    [branch.from, branch.to]
        .iter()
        .any(|end| grid.buses.get(end.at()).is_some_and(|bus| bus.island.at() == island))
}

fn not_solved(grid: &Grid) -> Solution {
    let nan = vec![f64::NAN; grid.buses.len()];
    let flow = BranchFlow { p_from_pu: f64::NAN, q_from_pu: f64::NAN, p_to_pu: f64::NAN, q_to_pu: f64::NAN };
    Solution {
        voltages: Voltages { vm_pu: nan.clone(), va_rad: nan.clone() },
        islands: Vec::with_capacity(grid.islands as usize),
        flows: vec![flow; grid.branches.len()],
        p_injection_pu: nan.clone(),
        q_injection_pu: nan,
        limited: Vec::new(),
        efforts: Vec::with_capacity(grid.islands as usize),
    }
}
