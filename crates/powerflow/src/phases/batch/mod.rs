//! Many scenarios on one unbalanced topology: other powers of loads and converters, in lanes.
//!
//! [`PhaseBatch`] is what all scenarios share and is only read; a [`PhaseWorker`] is the memory of one thread. Taps,
//! capacitor steps and switches stay as they are in the grid. What the lanes cannot bring below the tolerance is solved
//! again, alone, by [`PhaseSolver`]; what that cannot solve either has no numbers. A lane never depends on its
//! neighbours, so a scenario's result is the same to the bit in any block and on any thread.

mod build;
mod lanes;
mod response;

use std::ops::Range;

use sparse::complex::Complex;
use sparse::lanes::{LaneVec, MAX_LANES, Simd, WithSimd, dispatch, width};
use topology::phases::{PhaseGrid, ShuntBranch};

use super::{PhaseOptions, PhaseSolution, PhaseSolver, PhaseStart};
use crate::batch::progress::{Limits, Progress};
use build::build;
use lanes::{GROUND, PhaseLanes};
use response::Loads;

/// Steps in lanes before the full solver takes over.
const MOST_STEPS: u32 = 30;

/// Powers of many scenarios.
pub trait PhaseScenarios: Sync {
    /// What each branch of [`PhaseGrid::branches`] draws at nominal voltage in one scenario: active power in watts and
    /// reactive power in var. Either lends what is there, or fills the room and lends that; the room holds the numbers of
    /// the grid or of another scenario before.
    fn powers<'a>(&'a self, scenario: usize, room: [&'a mut [f64]; 2]) -> [&'a [f64]; 2];
}

/// Result of one scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhaseSolved {
    /// Whether it is solved; its voltages are NaN if not.
    pub solved: bool,
    /// Steps in lanes; those of the full solver where it was needed.
    pub iterations: u32,
}

/// What all scenarios of an unbalanced topology share.
#[derive(Clone, Debug)]
pub struct PhaseBatch {
    grid: PhaseGrid,
    options: PhaseOptions,
    /// `None` where the factors are not to be trusted: every scenario goes to the full solver.
    lanes: Option<PhaseLanes>,
    /// Position of every node, [`GROUND`] for those without a source.
    position: Vec<u32>,
    base: PhaseSolution,
}

/// The memory of one thread.
#[derive(Clone, Debug)]
pub struct PhaseWorker {
    power: LaneVec,
    v: LaneVec,
    b: LaneVec,
    /// A row per lane.
    p_w: Vec<f64>,
    q_var: Vec<f64>,
    /// Steps of the block before: a guess for the next.
    expected: u32,
    alone: Option<Box<(PhaseGrid, PhaseSolver)>>,
}

impl PhaseBatch {
    /// Solves the base case and factorises what the scenarios share.
    ///
    /// # Errors
    /// The solution of the base case when a part that is fed was not solved.
    pub fn new(grid: PhaseGrid, options: PhaseOptions) -> Result<Self, Box<PhaseSolution>> {
        let base = PhaseSolver::new(&grid).solve(&grid, &options, PhaseStart::NoLoad);
        if !base.solved() {
            return Err(Box::new(base));
        }
        let (position, lanes) = build(&grid, &base);
        Ok(Self { grid, options, lanes, position, base })
    }

    /// Solution of the base case.
    pub const fn base(&self) -> &PhaseSolution {
        &self.base
    }

    /// Scenarios that one call of [`Self::solve`] works on side by side.
    pub fn block(&self) -> usize {
        width()
    }

    /// Memory for one thread.
    pub fn worker(&self) -> PhaseWorker {
        let (n, lanes) = (self.grid.nodes.len(), width());
        let powers: Vec<Complex> = self.grid.branches.iter().map(ShuntBranch::power_va).collect();
        PhaseWorker {
            power: LaneVec::new(2 * lanes * self.lanes.as_ref().map_or(0, |shared| shared.taps.len())),
            v: LaneVec::new(2 * lanes * n),
            b: LaneVec::new(2 * lanes * n),
            p_w: powers.iter().map(|s| s.re).collect::<Vec<_>>().repeat(lanes),
            q_var: powers.iter().map(|s| s.im).collect::<Vec<_>>().repeat(lanes),
            expected: 0,
            alone: None,
        }
    }

    /// Solves the scenarios of `range`, at most [`Self::block`] of them.
    ///
    /// `voltages_v` gets the voltages to ground in volts, real and imaginary part, scenario by scenario and by node of the
    /// grid; zero at nodes without a source, NaN where a scenario was not solved. Returns what became of each, in the
    /// first places. O(nodes + loads + fill) per step and lane; does not allocate unless the full solver is needed.
    ///
    /// # Panics
    /// When the range is longer than a block, or `voltages_v` is not as long as range times nodes.
    pub fn solve(
        &self,
        worker: &mut PhaseWorker,
        range: Range<usize>,
        source: &dyn PhaseScenarios,
        voltages_v: &mut [[f64; 2]],
    ) -> [PhaseSolved; MAX_LANES] {
        let (m, count) = (self.grid.branches.len(), range.len());
        assert!(count <= width(), "a block holds {} scenarios, not {count}", width());
        assert_eq!(voltages_v.len(), count * self.grid.nodes.len(), "a row per scenario");
        let PhaseWorker { power, v, b, p_w, q_var, expected, alone } = worker;
        let rooms = p_w.chunks_exact_mut(m.max(1)).zip(q_var.chunks_exact_mut(m.max(1)));
        let mut powers = [[&[][..]; 2]; MAX_LANES];
        for ((powers, scenario), (p, q)) in powers.iter_mut().zip(range).zip(rooms) {
            *powers = source.powers(scenario, [p, q]);
        }
        // Lanes without a scenario repeat the first.
        let (first, rest) = (powers[0], count.max(1));
        powers[rest..].fill(first);
        let mut solved = [PhaseSolved { solved: false, iterations: 0 }; MAX_LANES];
        if let Some(lanes) = &self.lanes {
            let run = Run { batch: self, lanes, powers, count, expected: *expected, power, v, b, voltages_v };
            solved = dispatch(run);
            *expected = solved.iter().map(|solved| solved.iterations).max().unwrap_or(0);
        }
        let rows = voltages_v.chunks_exact_mut(self.grid.nodes.len().max(1));
        for ((solved, powers), row) in solved.iter_mut().zip(powers).zip(rows) {
            if !solved.solved {
                *solved = self.solve_alone(alone, powers, row);
            }
        }
        solved
    }

    fn solve_alone(
        &self,
        alone: &mut Option<Box<(PhaseGrid, PhaseSolver)>>,
        [p_w, q_var]: [&[f64]; 2],
        voltages_v: &mut [[f64; 2]],
    ) -> PhaseSolved {
        let (grid, solver) =
            &mut **alone.get_or_insert_with(|| Box::new((self.grid.clone(), PhaseSolver::new(&self.grid))));
        for (branch, (&p, &q)) in grid.branches.iter_mut().zip(p_w.iter().zip(q_var)) {
            branch.set_power(Complex::new(p, q));
        }
        solver.update(grid);
        let solution = solver.solve(grid, &self.options, PhaseStart::NoLoad);
        for (to, v) in voltages_v.iter_mut().zip(&solution.v) {
            *to = [v.re, v.im];
        }
        let iterations = u32::try_from(solver.iterations()).unwrap_or(u32::MAX);
        PhaseSolved { solved: solution.solved(), iterations }
    }
}

/// A block of scenarios, to be dispatched.
struct Run<'a> {
    batch: &'a PhaseBatch,
    lanes: &'a PhaseLanes,
    powers: [[&'a [f64]; 2]; MAX_LANES],
    count: usize,
    expected: u32,
    power: &'a mut LaneVec,
    v: &'a mut LaneVec,
    b: &'a mut LaneVec,
    voltages_v: &'a mut [[f64; 2]],
}

impl WithSimd for Run<'_> {
    type Output = [PhaseSolved; MAX_LANES];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Run { batch, lanes, powers, count, expected, power, v, b, voltages_v } = self;
        for (pair, tap) in power.chunks_exact_mut(2 * S::F64_LANES).zip(&lanes.taps) {
            let (p, q) = pair.split_at_mut(S::F64_LANES);
            for ((p, q), [p_w, q_var]) in p.iter_mut().zip(q).zip(&powers) {
                (*p, *q) = (p_w[tap.branch as usize], q_var[tap.branch as usize]);
            }
        }
        let loads = Loads { power, branches: &batch.grid.branches };
        let limits = Limits { tolerance_pu: batch.options.tolerance_pu, most_steps: MOST_STEPS };
        let progress: Progress = lanes.solve(simd, (&loads, v, b), (expected, limits));
        transpose(S::F64_LANES, (&batch.position, v), count, voltages_v);
        let mut solved = [PhaseSolved { solved: false, iterations: 0 }; MAX_LANES];
        for (lane, solved) in solved[..count].iter_mut().enumerate() {
            *solved = PhaseSolved {
                solved: progress.worst_pu[lane] <= limits.tolerance_pu,
                iterations: progress.steps[lane],
            };
        }
        solved
    }
}

/// From lanes by position to rows by node.
#[inline(always)]
fn transpose(width: usize, (position, v): (&[u32], &[f64]), count: usize, rows: &mut [[f64; 2]]) {
    let n = position.len();
    for (node, &at) in position.iter().enumerate() {
        if at == GROUND {
            (0..count).for_each(|lane| rows[lane * n + node] = [0.0; 2]);
            continue;
        }
        let (e, f) = v[2 * width * at as usize..][..2 * width].split_at(width);
        for ((lane, &e), &f) in (0..count).zip(e).zip(f) {
            rows[lane * n + node] = [e, f];
        }
    }
}
