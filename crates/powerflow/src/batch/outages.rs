//! Branch outages of a [`Batch`]'s grid, from its base solution.

use sparse::lanes::{self, LaneVec, MAX_LANES, Simd, WithSimd, registers};
use topology::calc::{Branch, BranchFlow, BranchIdx, BusIdx, BusKind, Grid};

use super::chord::Chord;
use super::cut::Cut;
use super::engine::{Engine, Kind, LEAST_SQUARED_PU};
use super::loading::{self, Watched};
use super::outage::{self, Collect, Finished, OutageLanes};
use super::progress::Limits;
use super::{Batch, MOST_STEPS, complex};
use crate::{Options, Outcome, Reason, Solver, Start};

/// Series reactance of a branch that is out, in the full solver: nothing flows, and the pattern stays.
const OPEN_PU: f64 = 1e12;

/// What all outages of a grid share.
#[derive(Clone, Debug)]
pub struct Outages<'a> {
    batch: &'a Batch,
    /// Island and positions of the ends of every branch.
    place: Vec<(usize, [u32; 2])>,
    watched: Vec<Vec<Watched>>,
    /// Voltages and loadings before any outage: those of the other islands stay.
    base_voltages: Vec<[f64; 2]>,
    base_loading: Vec<f64>,
}

/// The memory of one thread.
#[derive(Clone, Debug)]
pub struct OutageWorker {
    lanes: OutageLanes,
    bank: Bank,
    alone: Option<Box<(Grid, Solver)>>,
}

/// Outages that are solved and wait until there are enough of them to be written together.
#[derive(Clone, Debug)]
struct Bank {
    v: LaneVec,
    /// Which outage, steps and mismatch of every lane.
    entries: Vec<(usize, u32, f64)>,
    /// A row per lane.
    voltages_pu: Vec<[f64; 2]>,
    loading: Vec<f64>,
}

/// Result of one outage.
#[derive(Clone, Copy, Debug)]
pub struct AfterOutage<'a> {
    /// Which of the branches given.
    pub index: usize,
    /// What became of the island that the branch belongs to.
    pub outcome: Outcome,
    /// Voltages `[e, f]` in p.u. by bus of the grid; NaN where not solved.
    pub voltages_pu: &'a [[f64; 2]],
    /// Larger apparent power of both ends over the rating, by branch; zero without a rating and for the branch that is
    /// out, NaN where not solved.
    pub loading: &'a [f64],
}

impl<'a> Outages<'a> {
    /// O(buses + branches).
    pub fn new(batch: &'a Batch) -> Self {
        let grid = &batch.grid;
        let mut position = vec![(0, 0); grid.buses.len()];
        for (part, engine) in batch.engines.iter().enumerate() {
            for (at, &bus) in (0u32..).zip(&engine.buses) {
                position[bus as usize] = (part, at);
            }
        }
        let mut watched = vec![Vec::new(); batch.engines.len()];
        let mut place = Vec::with_capacity(grid.branches.len());
        for (at, branch) in (0u32..).zip(&grid.branches) {
            let ends = [branch.from, branch.to].map(|bus| position[bus.at()]);
            let (part, ends) = (ends[0].0, ends.map(|end| end.1));
            place.push((part, ends));
            let inverse_rating = if branch.rate_mva > 0.0 { grid.base_mva / branch.rate_mva } else { 0.0 };
            watched[part].push(Watched { branch: cut(branch, ends), inverse_rating, at });
        }
        let flows = grid.branches.iter().zip(&batch.base.flows);
        let base_loading = flows.map(|(branch, flow)| loading_of(grid, branch, flow)).collect();
        let polar = batch.base.voltages.vm_pu.iter().zip(&batch.base.voltages.va_rad);
        let base_voltages = polar.map(|(&vm, &va)| complex::from_polar(vm, va)).collect();
        Self { batch, place, watched, base_voltages, base_loading }
    }

    /// Memory for one thread.
    pub fn worker(&self) -> OutageWorker {
        let width = lanes::width();
        let size = 2 * width * self.batch.engines.iter().map(Engine::buses).max().unwrap_or(0);
        let bank = Bank {
            v: LaneVec::new(size),
            entries: Vec::with_capacity(width),
            voltages_pu: self.base_voltages.repeat(width),
            loading: self.base_loading.repeat(width),
        };
        OutageWorker { lanes: OutageLanes::default(), bank, alone: None }
    }

    /// Solves the outage of each of `branches`, each by itself, and hands each to `sink` once, in an order that depends
    /// on `branches` alone. An outage that parts the island is [`Reason::Singular`].
    ///
    /// O(buses + branches + fill) per step and outage; a list longer than a block keeps the lanes filled. Allocates when
    /// first used and for what goes to the full solver.
    ///
    /// # Panics
    /// When a branch is not in the grid.
    pub fn solve(
        &self,
        worker: &mut OutageWorker,
        branches: &[BranchIdx],
        sink: &mut dyn FnMut(AfterOutage<'_>),
    ) {
        let mut rest: Vec<usize> = Vec::new();
        for (part, engine) in self.batch.engines.iter().enumerate() {
            let of_part = |&index: &usize| self.place[branches[index].at()].0 == part;
            let indices: Vec<usize> = (0..branches.len()).filter(of_part).collect();
            let Kind::Chord(chord) = &engine.kind else {
                rest.extend(indices);
                continue;
            };
            let cuts: Vec<Cut> = indices
                .iter()
                .map(|&index| {
                    let branch = branches[index].at();
                    cut(&self.batch.grid.branches[branch], self.place[branch].1)
                })
                .collect();
            let options = &self.batch.options;
            lanes::dispatch(Run {
                outages: self,
                chord,
                part,
                list: (branches, &indices, &cuts),
                limits: Limits { tolerance_pu: options.tolerance_pu, most_steps: MOST_STEPS },
                worker,
                rest: &mut rest,
                sink,
            });
        }
        for index in rest {
            let outcome = self.solve_alone(worker, branches[index]);
            let (n, m) = (self.base_voltages.len(), self.base_loading.len());
            let (voltages_pu, loading) = (&worker.bank.voltages_pu[..n], &worker.bank.loading[..m]);
            sink(AfterOutage { index, outcome, voltages_pu, loading });
            // The first row is again what other islands have.
            worker.bank.voltages_pu[..n].copy_from_slice(&self.base_voltages);
            worker.bank.loading[..m].copy_from_slice(&self.base_loading);
        }
    }

    /// The end of a branch that only this branch joins to the other end.
    fn parted(&self, branch: BranchIdx) -> Option<BusIdx> {
        let grid = &self.batch.grid;
        let mut sets: Vec<u32> = (0u32..).take(grid.buses.len()).collect();
        let root = |sets: &mut Vec<u32>, bus: BusIdx| {
            let mut at = bus.0;
            while sets[at as usize] != at {
                sets[at as usize] = sets[sets[at as usize] as usize];
                at = sets[at as usize];
            }
            at
        };
        for (_, other) in grid.branches.iter().enumerate().filter(|(at, _)| *at != branch.at()) {
            let (a, b) = (root(&mut sets, other.from), root(&mut sets, other.to));
            sets[a.max(b) as usize] = a.min(b);
        }
        let Branch { from, to, .. } = grid.branches[branch.at()];
        (root(&mut sets, from) != root(&mut sets, to)).then_some(to)
    }

    /// The full solver, from the base solution.
    fn solve_alone(&self, worker: &mut OutageWorker, branch: BranchIdx) -> Outcome {
        if let Some(end) = self.parted(branch) {
            worker.bank.voltages_pu[..self.base_voltages.len()].fill([f64::NAN; 2]);
            worker.bank.loading[..self.base_loading.len()].fill(f64::NAN);
            return Outcome::NotSolvable { reason: Reason::Singular(end) };
        }
        let (grid, solver) =
            &mut **worker.alone.get_or_insert_with(|| Box::new((self.batch.at_base(), Solver::new())));
        let original = grid.branches[branch.at()].clone();
        let open = &mut grid.branches[branch.at()];
        (open.r_pu, open.x_pu, open.g_pu, open.b_pu) = (0.0, OPEN_PU, 0.0, 0.0);
        // An outage that Newton does not reach from the base solution is a finding, not a hard start.
        let options =
            Options { start: Start::FromGrid, enforce_q_limits: false, rescue: false, ..self.batch.options };
        let solution = solver.solve(grid, &options);
        grid.branches[branch.at()] = original;
        let end = grid.branches[branch.at()].to;
        let outcome = solution.islands[grid.buses[end.at()].island.at()];
        let polar = solution.voltages.vm_pu.iter().zip(&solution.voltages.va_rad);
        for (v, (&vm, &va)) in worker.bank.voltages_pu.iter_mut().zip(polar) {
            *v = complex::from_polar(vm, va);
        }
        let loaded = grid.branches.iter().zip(&solution.flows);
        for (loading, (branch, flow)) in worker.bank.loading.iter_mut().zip(loaded) {
            *loading = loading_of(grid, branch, flow);
        }
        worker.bank.loading[branch.at()] = 0.0;
        outcome
    }
}

impl Batch {
    /// The grid with the base solution as its starting voltages.
    pub(super) fn at_base(&self) -> Grid {
        let mut grid = self.grid.clone();
        let polar = self.base.voltages.vm_pu.iter().zip(&self.base.voltages.va_rad);
        for (bus, (&vm, &va)) in grid.buses.iter_mut().zip(polar) {
            if bus.kind == BusKind::Pq {
                bus.vm_pu = vm;
            }
            if bus.kind != BusKind::Slack {
                bus.va_rad = va;
            }
        }
        grid
    }
}

fn cut(branch: &Branch, ends: [u32; 2]) -> Cut {
    let y = branch.admittance();
    Cut { ends, y: [y.ff, y.ft, y.tf, y.tt] }
}

fn loading_of(grid: &Grid, branch: &Branch, flow: &BranchFlow) -> f64 {
    let largest = f64::hypot(flow.p_from_pu, flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu));
    if branch.rate_mva > 0.0 { largest * grid.base_mva / branch.rate_mva } else { 0.0 }
}

/// The outages of one island, to be dispatched.
struct Run<'a, 'b> {
    outages: &'a Outages<'b>,
    chord: &'a Chord,
    part: usize,
    /// All branches, which of them belong to the island, and what each changes.
    list: (&'a [BranchIdx], &'a [usize], &'a [Cut]),
    limits: Limits,
    worker: &'a mut OutageWorker,
    /// What the lanes could not solve.
    rest: &'a mut Vec<usize>,
    sink: &'a mut dyn FnMut(AfterOutage<'_>),
}

impl WithSimd for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Run { outages, chord, part, list: (branches, indices, cuts), limits, worker, rest, sink } = self;
        let OutageWorker { lanes, bank, .. } = worker;
        let mut writer = Writer { outages, part, branches, indices, limits, bank, rest, sink };
        outage::solve(simd, (chord, cuts), (lanes, limits), &mut writer);
        writer.flush(simd);
    }
}

/// Gathers solved outages and writes them when there are enough.
struct Writer<'a, 'b> {
    outages: &'a Outages<'b>,
    part: usize,
    branches: &'a [BranchIdx],
    indices: &'a [usize],
    limits: Limits,
    bank: &'a mut Bank,
    rest: &'a mut Vec<usize>,
    sink: &'a mut dyn FnMut(AfterOutage<'_>),
}

impl Collect for Writer<'_, '_> {
    #[inline(always)]
    fn collect<S: Simd>(&mut self, simd: S, done: Finished<'_>) {
        let (index, width) = (self.indices[done.outage], S::F64_LANES);
        if done.mismatch_pu > self.limits.tolerance_pu || done.mismatch_pu.is_nan() {
            self.rest.push(index);
            return;
        }
        let slot = self.bank.entries.len();
        for (from, to) in done.v.chunks_exact(width).zip(self.bank.v.chunks_exact_mut(width)) {
            to[slot] = from[done.lane];
        }
        self.bank.entries.push((index, done.steps, done.mismatch_pu));
        if self.bank.entries.len() == width {
            self.flush(simd);
        }
    }
}

impl Writer<'_, '_> {
    /// Writes the outages of the bank and empties it.
    #[inline(always)]
    fn flush<S: Simd>(&mut self, simd: S) {
        let (outages, bank, width) = (self.outages, &mut *self.bank, S::F64_LANES);
        let (n, m) = (outages.base_voltages.len(), outages.base_loading.len());
        let mut sound = [true; MAX_LANES];
        for (pair, &bus) in bank.v.chunks_exact(2 * width).zip(&outages.batch.engines[self.part].buses) {
            let (e, f) = pair.split_at(width);
            for (lane, sound) in sound[..bank.entries.len()].iter_mut().enumerate() {
                let v = [e[lane], f[lane]];
                *sound &= v[0] * v[0] + v[1] * v[1] >= LEAST_SQUARED_PU;
                bank.voltages_pu[lane * n + bus as usize] = v;
            }
        }
        loading::write(simd, (&outages.watched[self.part], registers::<2, S>(&bank.v)), m, &mut bank.loading);
        for (lane, &(index, iterations, mismatch_pu)) in bank.entries.iter().enumerate() {
            if !sound[lane] {
                self.rest.push(index);
                continue;
            }
            bank.loading[lane * m + self.branches[index].at()] = 0.0;
            let outcome = Outcome::Converged { iterations, mismatch_pu };
            let voltages_pu = &bank.voltages_pu[lane * n..][..n];
            (self.sink)(AfterOutage { index, outcome, voltages_pu, loading: &bank.loading[lane * m..][..m] });
        }
        bank.entries.clear();
    }
}
