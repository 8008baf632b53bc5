//! Branch outages of a [`Batch`]'s grid, from its base solution.

use sparse::lanes::{self, LaneVec, MAX_LANES, Simd, WithSimd, registers};
use topology::calc::{Branch, BranchIdx, BusIdx, BusKind, Grid};

use super::chord::{Chord, Lanes};
use super::engine::{Kind, LEAST_SQUARED_PU};
use super::outage::{self, Cut, Watched};
use super::progress::{Limits, Progress};
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
    /// Loadings before any outage.
    base_loading: Vec<f64>,
}

/// The memory of one thread.
#[derive(Clone, Debug)]
pub struct OutageWorker {
    lanes: [LaneVec; 3],
    z: LaneVec,
    voltages_pu: Vec<[f64; 2]>,
    loading: Vec<f64>,
    alone: Option<Box<(Grid, Solver)>>,
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
        let base_loading = grid
            .branches
            .iter()
            .zip(&batch.base.flows)
            .map(|(branch, flow)| {
                let largest =
                    f64::hypot(flow.p_from_pu, flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu));
                if branch.rate_mva > 0.0 { largest * grid.base_mva / branch.rate_mva } else { 0.0 }
            })
            .collect();
        Self { batch, place, watched, base_loading }
    }

    /// Memory for one thread.
    pub fn worker(&self) -> OutageWorker {
        let width = lanes::width();
        let grid = &self.batch.grid;
        let size = 2 * width * self.batch.engines.iter().map(|engine| engine.buses()).max().unwrap_or(0);
        OutageWorker {
            lanes: [LaneVec::new(size), LaneVec::new(size), LaneVec::new(size)],
            z: LaneVec::default(),
            voltages_pu: vec![[f64::NAN; 2]; grid.buses.len() * width],
            loading: vec![f64::NAN; grid.branches.len() * width],
            alone: None,
        }
    }

    /// Solves the outage of each of `branches` alone (at most [`Batch::block`] of them) and hands each to `sink`, in
    /// order. An outage that parts the island is [`Reason::Singular`].
    ///
    /// O(buses + branches + fill) per step and lane; allocates only when first used and for the full solver.
    ///
    /// # Panics
    /// When there are more branches than a block holds, or one is not in the grid.
    pub fn solve(
        &self,
        worker: &mut OutageWorker,
        branches: &[BranchIdx],
        sink: &mut dyn FnMut(AfterOutage<'_>),
    ) {
        let (n, m) = (self.batch.grid.buses.len(), self.batch.grid.branches.len());
        assert!(branches.len() <= lanes::width(), "a block holds {} outages", lanes::width());
        for lane in 0..branches.len() {
            self.write_base(&mut worker.voltages_pu[lane * n..][..n]);
            worker.loading[lane * m..][..m].copy_from_slice(&self.base_loading);
        }
        let not_tried = Outcome::Stopped { worst: BusIdx(0), mismatch_pu: f64::INFINITY, iterations: 0 };
        let mut outcomes = [not_tried; MAX_LANES];
        for (part, engine) in self.batch.engines.iter().enumerate() {
            let Kind::Chord(chord) = &engine.kind else { continue };
            let of_part = |&lane: &usize| self.place[branches[lane].at()].0 == part;
            let rows: Vec<usize> = (0..branches.len()).filter(of_part).collect();
            if !rows.is_empty() {
                let cuts = rows.iter().map(|&lane| {
                    let branch = branches[lane].at();
                    cut(&self.batch.grid.branches[branch], self.place[branch].1)
                });
                let (cuts, watched, buses) = (cuts.collect::<Vec<_>>(), &self.watched[part], &engine.buses);
                let limits = Limits { tolerance_pu: self.batch.options.tolerance_pu, most_steps: MOST_STEPS };
                let run = Run { chord, cuts: &cuts, watched, buses, rows: &rows, stride: (n, m), limits };
                lanes::dispatch(Dispatched { run, worker, outcomes: &mut outcomes });
            }
        }
        for (lane, &branch) in branches.iter().enumerate() {
            if !matches!(outcomes[lane], Outcome::Converged { .. }) {
                outcomes[lane] = self.solve_alone(worker, lane, branch);
            }
            let voltages_pu = &worker.voltages_pu[lane * n..][..n];
            let loading = &mut worker.loading[lane * m..][..m];
            loading[branch.at()] = 0.0;
            sink(AfterOutage { index: lane, outcome: outcomes[lane], voltages_pu, loading });
        }
    }

    fn write_base(&self, row: &mut [[f64; 2]]) {
        let polar = self.batch.base.voltages.vm_pu.iter().zip(&self.batch.base.voltages.va_rad);
        for (v, (vm, va)) in row.iter_mut().zip(polar) {
            *v = complex::from_polar(*vm, *va);
        }
    }

    /// The full solver, from the base solution.
    fn solve_alone(&self, worker: &mut OutageWorker, lane: usize, branch: BranchIdx) -> Outcome {
        let (n, m) = (self.batch.grid.buses.len(), self.batch.grid.branches.len());
        let (grid, solver) =
            &mut **worker.alone.get_or_insert_with(|| Box::new((self.batch.at_base(), Solver::new())));
        let original = grid.branches[branch.at()].clone();
        let open = &mut grid.branches[branch.at()];
        (open.r_pu, open.x_pu, open.g_pu, open.b_pu) = (0.0, OPEN_PU, 0.0, 0.0);
        let options = Options { start: Start::FromGrid, enforce_q_limits: false, ..self.batch.options };
        let solution = solver.solve(grid, &options);
        grid.branches[branch.at()] = original;
        let island = grid.buses[grid.branches[branch.at()].from.at()].island;
        let outcome = solution.islands[island.at()];
        // A part without a source may settle at no voltage at all; that is no operating point.
        let least = solution.voltages.vm_pu.iter().fold(f64::INFINITY, |least: f64, &vm| least.min(vm));
        let polar = solution.voltages.vm_pu.iter().zip(&solution.voltages.va_rad);
        for (v, (vm, va)) in worker.voltages_pu[lane * n..][..n].iter_mut().zip(polar) {
            *v = complex::from_polar(*vm, *va);
        }
        let loaded = grid.branches.iter().zip(&solution.flows);
        for (loading, (branch, flow)) in worker.loading[lane * m..][..m].iter_mut().zip(loaded) {
            let largest = f64::hypot(flow.p_from_pu, flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu));
            *loading = if branch.rate_mva > 0.0 { largest * grid.base_mva / branch.rate_mva } else { 0.0 };
        }
        if matches!(outcome, Outcome::Converged { .. }) && least * least < LEAST_SQUARED_PU {
            worker.voltages_pu[lane * n..][..n].fill([f64::NAN; 2]);
            worker.loading[lane * m..][..m].fill(f64::NAN);
            let end = grid.branches[branch.at()].to;
            return Outcome::NotSolvable { reason: Reason::Singular(end) };
        }
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

/// A block of outages of one island.
struct Run<'a> {
    chord: &'a Chord,
    cuts: &'a [Cut],
    watched: &'a [Watched],
    /// Buses of the grid by position.
    buses: &'a [u32],
    /// Where the result of each lane goes.
    rows: &'a [usize],
    /// Lengths of rows of voltages and loadings.
    stride: (usize, usize),
    limits: Limits,
}

struct Dispatched<'a> {
    run: Run<'a>,
    worker: &'a mut OutageWorker,
    outcomes: &'a mut [Outcome; MAX_LANES],
}

impl WithSimd for Dispatched<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { run, worker, outcomes } = self;
        let [s, v, r] = worker.lanes.each_mut();
        let lanes = Lanes { s, v, r };
        let progress: Progress =
            outage::solve(simd, (run.chord, run.cuts), (lanes, &mut worker.z), run.limits);
        let width = S::F64_LANES;
        let mut sound = [true; MAX_LANES];
        for (pair, &bus) in worker.lanes[1].chunks_exact(2 * width).zip(run.buses) {
            let (e, f) = pair.split_at(width);
            for (lane, &row) in run.rows.iter().enumerate() {
                let v = [e[lane], f[lane]];
                sound[lane] &= v[0] * v[0] + v[1] * v[1] >= LEAST_SQUARED_PU;
                worker.voltages_pu[row * run.stride.0 + bus as usize] = v;
            }
        }
        let v = registers::<2, S>(&worker.lanes[1]);
        outage::loadings(simd, (run.watched, v), (run.rows, run.stride.1), &mut worker.loading);
        for (lane, &row) in run.rows.iter().enumerate() {
            let mismatch_pu = progress.worst_pu[lane];
            if mismatch_pu <= run.limits.tolerance_pu && sound[lane] {
                outcomes[row] = Outcome::Converged { iterations: progress.steps[lane], mismatch_pu };
            }
        }
    }
}
