//! Many scenarios on one topology: other injections, in lanes.
//!
//! - `radial`: fixed-point sweeps on a tree without voltage-controlled buses.
//! - `chord`: Newton with the factors of the base solution, everything else.
//! - `newton`: a Jacobian per lane, where the chord does not contract.
//! - `outage`: the same with a branch or a machine taken out in each lane, see [`Outages`].
//!
//! A block's lanes wait for the slowest. To fill a lane again when its scenario has arrived was tried and is slower for
//! injections: see `docs/book/explanation/solver-kernel.md`. But scenarios in which the chord does not contract are put aside
//! until there is a block of them for `newton`, which costs the same for one lane as for all.
//!
//! Whatever a lane engine cannot bring below the tolerance is solved again, alone, by the full [`Solver`]; what that
//! cannot solve either has an outcome and no numbers. A lane never depends on its neighbours, so a scenario's result is
//! the same to the bit in whichever block and on whichever thread it is solved.
//!
//! [`Batch`] is what all scenarios share and is only read; a [`Worker`] is the memory of one thread.

mod block;
mod chord;
mod compensation;
mod complex;
mod cut;
mod engine;
mod newton;
mod outage;
mod outages;
pub(crate) mod progress;
mod radial;
mod watch;

use std::ops::Range;

use sparse::lanes::{self, LaneVec};
use topology::calc::Grid;

use crate::{Options, Outcome, Solution, Solver, Start};
pub use outages::{AfterOutage, Loss, OutageWorker, Outages};
pub use watch::{Seen, Watch};

use engine::{Block, Engine, Factors, Kind};
use newton::NewtonMemory;
use progress::Limits;

/// Steps of a lane engine before the full solver takes over.
const MOST_STEPS: u32 = 25;

/// Blocks of scenarios in a chunk: enough that what the shared factors do not serve fills the lanes again.
const BLOCKS_PER_CHUNK: usize = 8;

/// Injections of many scenarios.
pub trait Scenarios: Sync {
    /// Writes the net injections of one scenario, in p.u. by bus of the grid. Both slices hold the base case's before.
    /// What is written at a slack, and as reactive power at a machine bus, is not used.
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]);

    /// Whether [`Self::write`] sets every entry. Then the slices need not hold the base case's before, which saves
    /// copying them.
    fn writes_all(&self) -> bool {
        false
    }
}

/// Result of one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Solved<'a> {
    /// Which one.
    pub scenario: usize,
    /// What became of it; of several islands the worst.
    pub outcome: Outcome,
    /// Voltages `[e, f]` in p.u. by bus of the grid; NaN in islands that were not solved.
    pub voltages_pu: &'a [[f64; 2]],
}

/// What all scenarios of a topology share.
#[derive(Clone, Debug)]
pub struct Batch {
    grid: Grid,
    options: Options,
    engines: Vec<Engine>,
    base: Solution,
    /// Net injections of the base case by bus of the grid.
    p_pu: Vec<f64>,
    q_pu: Vec<f64>,
}

/// The memory of one thread.
#[derive(Clone, Debug)]
pub struct Worker {
    lanes: [LaneVec; 3],
    newton: NewtonMemory,
    /// One row per lane.
    p_pu: Vec<f64>,
    q_pu: Vec<f64>,
    voltages_pu: Vec<[f64; 2]>,
    /// Scenarios that were put aside, with the steps they took.
    aside: Vec<(usize, u32)>,
    /// For what the lanes cannot solve; made when first needed.
    alone: Option<Box<(Grid, Solver)>>,
}

impl Batch {
    /// Solves the base case and factorises what the scenarios share.
    ///
    /// # Errors
    /// The solution of the base case when it did not converge: nothing can start from it.
    pub fn new(grid: Grid, options: Options) -> Result<Self, Box<Solution>> {
        let mut solver = Solver::new();
        let base = solver.solve(&grid, &options);
        if !base.converged() {
            return Err(Box::new(base));
        }
        let engines = solver.parts.iter().map(Engine::new).collect();
        let p_pu = grid.buses.iter().map(|bus| bus.p_pu).collect();
        let q_pu = grid.buses.iter().map(|bus| bus.q_pu).collect();
        Ok(Self { grid, options, engines, base, p_pu, q_pu })
    }

    /// Solution of the base case.
    pub const fn base(&self) -> &Solution {
        &self.base
    }

    /// Scenarios that are worked on side by side.
    pub fn block(&self) -> usize {
        lanes::width()
    }

    /// Scenarios that a call of [`Self::solve`] should get: of fewer it is not known together which of them need factors of
    /// their own, more are no faster.
    pub fn chunk(&self) -> usize {
        let meshed = self.engines.iter().any(|engine| matches!(engine.kind, Kind::Chord(_)));
        lanes::width() * if meshed { BLOCKS_PER_CHUNK } else { 1 }
    }

    /// Memory for one thread.
    pub fn worker(&self) -> Worker {
        let (n, width) = (self.grid.buses.len(), lanes::width());
        let size = 2 * width * self.engines.iter().map(Engine::buses).max().unwrap_or(0);
        Worker {
            lanes: [LaneVec::new(size), LaneVec::new(size), LaneVec::new(size)],
            newton: NewtonMemory::default(),
            p_pu: self.p_pu.repeat(width),
            q_pu: self.q_pu.repeat(width),
            voltages_pu: vec![[f64::NAN; 2]; n * width],
            aside: Vec::new(),
            alone: None,
        }
    }

    /// Solves the scenarios of `range` and hands each to `sink` once, in an order that depends on the scenarios alone:
    /// those in which the shared factors serve come first. [`Self::chunk`] scenarios a call are best.
    ///
    /// O(buses + fill) per step and lane; does not allocate once it has run, unless the full solver is needed.
    pub fn solve(
        &self,
        worker: &mut Worker,
        range: Range<usize>,
        source: &dyn Scenarios,
        sink: &mut dyn FnMut(Solved<'_>),
    ) {
        if self.grid.buses.is_empty() {
            return;
        }
        let width = lanes::width();
        let mut aside = std::mem::take(&mut worker.aside);
        let mut block = [(0, 0); lanes::MAX_LANES];
        for first in range.clone().step_by(width) {
            let block = &mut block[..width.min(range.end - first)];
            block.iter_mut().zip(first..).for_each(|(place, scenario)| *place = (scenario, 0));
            let outcomes = self.solve_block(worker, block, source, Factors::Shared);
            for ((row, &mut (scenario, _)), outcome) in block.iter_mut().enumerate().zip(outcomes) {
                match outcome {
                    Outcome::Converged { .. } => sink(self.shown(worker, row, (scenario, outcome))),
                    Outcome::Stopped { iterations, .. } => aside.push((scenario, iterations)),
                    Outcome::NotSolvable { .. } => aside.push((scenario, 0)),
                }
            }
        }
        for block in aside.chunks(width) {
            let outcomes = self.solve_block(worker, block, source, Factors::Own);
            for ((row, &(scenario, steps)), outcome) in block.iter().enumerate().zip(outcomes) {
                let outcome = match outcome {
                    Outcome::Converged { iterations, mismatch_pu } => {
                        Outcome::Converged { iterations: iterations + steps, mismatch_pu }
                    }
                    Outcome::Stopped { .. } | Outcome::NotSolvable { .. } => self.solve_alone(worker, row),
                };
                sink(self.shown(worker, row, (scenario, outcome)));
            }
        }
        aside.clear();
        worker.aside = aside;
    }

    fn shown<'a>(&self, worker: &'a Worker, row: usize, (scenario, outcome): (usize, Outcome)) -> Solved<'a> {
        let n = self.grid.buses.len();
        Solved { scenario, outcome, voltages_pu: &worker.voltages_pu[row * n..(row + 1) * n] }
    }

    /// Scenarios side by side, at most as many as there are lanes; each lane waits for the slowest.
    fn solve_block(
        &self,
        worker: &mut Worker,
        scenarios: &[(usize, u32)],
        source: &dyn Scenarios,
        factors: Factors,
    ) -> [Outcome; lanes::MAX_LANES] {
        let n = self.grid.buses.len();
        let rows = worker.p_pu.chunks_exact_mut(n).zip(worker.q_pu.chunks_exact_mut(n));
        for (&(scenario, _), (p_pu, q_pu)) in scenarios.iter().zip(rows) {
            if !source.writes_all() {
                p_pu.copy_from_slice(&self.p_pu);
                q_pu.copy_from_slice(&self.q_pu);
            }
            source.write(scenario, p_pu, q_pu);
        }
        let mut outcomes = [Outcome::Converged { iterations: 0, mismatch_pu: 0.0 }; lanes::MAX_LANES];
        for engine in &self.engines {
            let block = Block {
                count: scenarios.len(),
                stride: n,
                p_pu: &worker.p_pu,
                q_pu: &worker.q_pu,
                voltages_pu: &mut worker.voltages_pu,
                lanes: &mut worker.lanes,
                newton: &mut worker.newton,
                limits: Limits { tolerance_pu: self.options.tolerance_pu, most_steps: MOST_STEPS },
            };
            lanes::dispatch(engine.on(block, factors, &mut outcomes));
        }
        outcomes
    }

    /// The full solver, from the base solution.
    fn solve_alone(&self, worker: &mut Worker, row: usize) -> Outcome {
        let n = self.grid.buses.len();
        let rows = row * n..(row + 1) * n;
        let (grid, solver) =
            &mut **worker.alone.get_or_insert_with(|| Box::new((self.at_base(), Solver::new())));
        let powers = worker.p_pu[rows.clone()].iter().zip(&worker.q_pu[rows.clone()]);
        for (bus, (&p, &q)) in grid.buses.iter_mut().zip(powers) {
            (bus.p_pu, bus.q_pu) = (p, q);
        }
        let options = Options { start: Start::FromGrid, enforce_q_limits: false, ..self.options };
        let solution = solver.solve(grid, &options);
        let polar = solution.voltages.vm_pu.iter().zip(&solution.voltages.va_rad);
        for (v, (vm, va)) in worker.voltages_pu[rows].iter_mut().zip(polar) {
            *v = complex::from_polar(*vm, *va);
        }
        let failed = |outcome: &&Outcome| !matches!(outcome, Outcome::Converged { .. });
        let worst = solution.islands.iter().find(failed).or(solution.islands.first());
        worst.copied().unwrap_or(Outcome::Converged { iterations: 0, mismatch_pu: 0.0 })
    }
}
