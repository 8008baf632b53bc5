//! Many scenarios on one topology: other injections, in lanes.
//!
//! - `radial`: fixed-point sweeps on a tree without voltage-controlled buses.
//! - `chord`: Newton with the factors of the base solution, everything else.
//! - `newton`: a Jacobian per lane, where the chord does not contract.
//! - `outage`: the same with a branch taken out in each lane, see [`Outages`].
//!
//! Whatever a lane engine cannot bring below the tolerance is solved again, alone, by the full [`Solver`]; what that
//! cannot solve either has an outcome and no numbers. A lane never depends on its neighbours, so a scenario's result is
//! the same to the bit in whichever block and on whichever thread it is solved.
//!
//! [`Batch`] is what all scenarios share and is only read; a [`Worker`] is the memory of one thread.

mod block;
mod chord;
mod complex;
mod cut;
mod engine;
mod loading;
mod newton;
mod outage;
mod outages;
pub(crate) mod progress;
mod radial;

use std::ops::Range;

use sparse::lanes::{self, LaneVec};
use topology::calc::Grid;

use crate::{Options, Outcome, Solution, Solver, Start};
pub use outages::{AfterOutage, OutageWorker, Outages};

use engine::{Block, Engine};
use newton::NewtonMemory;
use progress::Limits;

/// Steps of a lane engine before the full solver takes over.
const MOST_STEPS: u32 = 25;

/// Injections of many scenarios.
pub trait Scenarios: Sync {
    /// Writes the net injections of one scenario, in p.u. by bus of the grid. Both slices hold the base case's before.
    /// What is written at a slack, and as reactive power at a machine bus, is not used.
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]);
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
        Ok(Self { grid, options, engines, base })
    }

    /// Solution of the base case.
    pub const fn base(&self) -> &Solution {
        &self.base
    }

    /// Scenarios that one call of [`Self::solve`] works on side by side.
    pub fn block(&self) -> usize {
        lanes::width()
    }

    /// Memory for one thread.
    pub fn worker(&self) -> Worker {
        let (n, width) = (self.grid.buses.len(), lanes::width());
        let row = |value: fn(&topology::calc::Bus) -> f64| {
            let one: Vec<f64> = self.grid.buses.iter().map(value).collect();
            one.repeat(width)
        };
        let size = 2 * width * self.engines.iter().map(Engine::buses).max().unwrap_or(0);
        Worker {
            lanes: [LaneVec::new(size), LaneVec::new(size), LaneVec::new(size)],
            newton: NewtonMemory::default(),
            p_pu: row(|bus| bus.p_pu),
            q_pu: row(|bus| bus.q_pu),
            voltages_pu: vec![[f64::NAN; 2]; n * width],
            alone: None,
        }
    }

    /// Solves the scenarios of `range` (at most [`Self::block`] of them) and hands each to `sink`, in order.
    ///
    /// O(buses + fill) per step and lane; does not allocate unless the full solver is needed.
    ///
    /// # Panics
    /// When the range is longer than a block.
    pub fn solve(
        &self,
        worker: &mut Worker,
        range: Range<usize>,
        source: &dyn Scenarios,
        sink: &mut dyn FnMut(Solved<'_>),
    ) {
        let (n, width) = (self.grid.buses.len(), lanes::width());
        let count = range.len();
        assert!(count <= width, "a block holds {width} scenarios, not {count}");
        if n == 0 || count == 0 {
            return;
        }
        for ((scenario, p), q) in
            range.clone().zip(worker.p_pu.chunks_exact_mut(n)).zip(worker.q_pu.chunks_exact_mut(n))
        {
            source.write(scenario, p, q);
        }
        let mut outcomes = [Outcome::Converged { iterations: 0, mismatch_pu: 0.0 }; lanes::MAX_LANES];
        for engine in &self.engines {
            let block = Block {
                count,
                stride: n,
                p_pu: &worker.p_pu,
                q_pu: &worker.q_pu,
                voltages_pu: &mut worker.voltages_pu,
                lanes: &mut worker.lanes,
                newton: &mut worker.newton,
                limits: Limits { tolerance_pu: self.options.tolerance_pu, most_steps: MOST_STEPS },
            };
            lanes::dispatch(engine.on(block, &mut outcomes));
        }
        for (lane, scenario) in range.enumerate() {
            let rows = lane * n..(lane + 1) * n;
            if !matches!(outcomes[lane], Outcome::Converged { .. }) {
                outcomes[lane] = self.solve_alone(worker, rows.clone());
            }
            let voltages_pu = &worker.voltages_pu[rows];
            sink(Solved { scenario, outcome: outcomes[lane], voltages_pu });
        }
    }

    /// The full solver, from the base solution.
    fn solve_alone(&self, worker: &mut Worker, rows: Range<usize>) -> Outcome {
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
