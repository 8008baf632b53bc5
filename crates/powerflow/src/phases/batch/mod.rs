//! Many scenarios on one unbalanced topology: other powers of loads and converters, in lanes.
//!
//! [`PhaseBatch`] is what all scenarios share and is only read; a [`PhaseWorker`] is the memory of one thread. Taps,
//! capacitor steps and switches stay as they are in the grid. What the lanes cannot bring below the tolerance is solved
//! again, alone, by [`PhaseSolver`]; what that cannot solve either has no numbers. A lane never depends on its
//! neighbours, so a scenario's result is the same to the bit in any block and on any thread.

mod lanes;
mod response;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use sparse::block::{BlockLu, BlockPattern};
use sparse::complex::Complex;
use sparse::lanes::{LaneVec, MAX_LANES, Simd, WithSimd, dispatch, width};
use topology::phases::{GROUND, PhaseGrid, ShuntBranch};

use super::{PhaseOptions, PhaseSolution, PhaseSolver, PhaseStart};
use crate::batch::progress::{Limits, Progress};
use lanes::{PhaseLanes, Row, Tap};
use response::{Loads, Response};

/// Steps in lanes before the full solver takes over.
const MOST_STEPS: u32 = 30;

/// Powers of many scenarios.
pub trait PhaseScenarios: Sync {
    /// Writes what each branch of [`PhaseGrid::branches`] draws at nominal voltage in one scenario. Both slices hold the
    /// numbers of the grid or of another scenario before.
    fn write(&self, scenario: usize, p_w: &mut [f64], q_var: &mut [f64]);
}

/// Result of one scenario.
#[derive(Clone, Copy, Debug)]
pub struct PhaseSolved<'a> {
    /// Which one.
    pub scenario: usize,
    /// Whether it is solved.
    pub solved: bool,
    /// Steps in lanes; those of the full solver where it was needed.
    pub iterations: u32,
    /// Voltage to ground in volts, real and imaginary part, by node of the grid; NaN where not solved.
    pub voltages_v: &'a [[f64; 2]],
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
    voltages_v: Vec<[f64; 2]>,
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
        let fed: Vec<u32> =
            (0u32..).zip(&base.island).filter(|(_, island)| island.is_some()).map(|(node, _)| node).collect();
        let (position, lanes) = build(&grid, &base, &fed);
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
            voltages_v: vec![[f64::NAN; 2]; n * lanes],
            alone: None,
        }
    }

    /// Solves the scenarios of `range` (at most [`Self::block`] of them) and hands each to `sink`, in order.
    ///
    /// O(nodes + loads + fill) per step and lane; does not allocate unless the full solver is needed.
    ///
    /// # Panics
    /// When the range is longer than a block.
    pub fn solve(
        &self,
        worker: &mut PhaseWorker,
        range: Range<usize>,
        source: &dyn PhaseScenarios,
        sink: &mut dyn FnMut(PhaseSolved<'_>),
    ) {
        let (n, m, count) = (self.grid.nodes.len(), self.grid.branches.len(), range.len());
        assert!(count <= width(), "a block holds {} scenarios, not {count}", width());
        for (lane, scenario) in range.clone().enumerate() {
            source.write(scenario, &mut worker.p_w[lane * m..][..m], &mut worker.q_var[lane * m..][..m]);
        }
        let mut steps = [None; MAX_LANES];
        if let Some(lanes) = &self.lanes {
            dispatch(Run { batch: self, lanes, worker, count, steps: &mut steps });
        }
        for (lane, scenario) in range.enumerate() {
            let (solved, iterations) = match steps[lane] {
                Some(steps) => (true, steps),
                None => self.solve_alone(worker, lane),
            };
            let voltages_v = &worker.voltages_v[lane * n..][..n];
            sink(PhaseSolved { scenario, solved, iterations, voltages_v });
        }
    }

    fn solve_alone(&self, worker: &mut PhaseWorker, lane: usize) -> (bool, u32) {
        let (n, m) = (self.grid.nodes.len(), self.grid.branches.len());
        let (grid, solver) = &mut **worker
            .alone
            .get_or_insert_with(|| Box::new((self.grid.clone(), PhaseSolver::new(&self.grid))));
        let powers = worker.p_w[lane * m..][..m].iter().zip(&worker.q_var[lane * m..][..m]);
        for (branch, (&p, &q)) in grid.branches.iter_mut().zip(powers) {
            branch.set_power(Complex::new(p, q));
        }
        solver.update(grid);
        let solution = solver.solve(grid, &self.options, PhaseStart::NoLoad);
        for (to, v) in worker.voltages_v[lane * n..][..n].iter_mut().zip(&solution.v) {
            *to = [v.re, v.im];
        }
        (solution.solved(), u32::try_from(solver.iterations()).unwrap_or(u32::MAX))
    }
}

/// Order, factors and taps at the base solution; positions by node.
fn build(grid: &PhaseGrid, base: &PhaseSolution, fed: &[u32]) -> (Vec<u32>, Option<PhaseLanes>) {
    let mut local = vec![GROUND; grid.nodes.len()];
    for (at, &node) in (0u32..).zip(fed) {
        local[node as usize] = at;
    }
    let of = |node: u32| if node == GROUND { GROUND } else { local[node as usize] };
    let mut edges = Vec::new();
    for element in &grid.elements {
        let nodes = grid.nodes_of(element);
        for (i, &a) in nodes.iter().enumerate() {
            edges.extend(nodes[..i].iter().map(|&b| [of(a), of(b)]));
        }
    }
    edges.extend(grid.branches.iter().map(|branch| [of(branch.from), of(branch.to)]));
    edges.retain(|[a, b]| *a != GROUND && *b != GROUND);
    let pattern = Arc::new(BlockPattern::new(fed.len(), &edges));
    let place = |node: u32| match of(node) {
        GROUND => GROUND,
        at => pattern.position()[at as usize],
    };
    let position: Vec<u32> = (0u32..).take(grid.nodes.len()).map(place).collect();
    let mut stamps = Stamps { lu: BlockLu::new(Arc::clone(&pattern)) };
    stamps.elements(grid, &place);
    let injected = injected(grid, &place);
    let empty = Row { injected: [0.0; 2], base: [0.0; 2], inverse_square: 1.0, tap_end: 0 };
    let mut rows = vec![empty; fed.len()];
    for (node, &at) in position.iter().enumerate().filter(|(_, at)| **at != GROUND) {
        let v = base.v[node];
        let nominal = grid.base_v(node as u32);
        let nominal = if nominal.is_finite() { nominal } else { v.abs().max(f64::MIN_POSITIVE) };
        let row = &mut rows[at as usize];
        row.base = [v.re, v.im];
        row.inverse_square = 1.0 / (nominal * nominal);
        row.injected = injected.get(&at).map_or([0.0; 2], |current| [current.re, current.im]);
    }
    let taps = stamps.taps(grid, base, &place);
    let mut end = 0;
    for (at, row) in (0u32..).zip(&mut rows) {
        end += taps[end..].iter().take_while(|(own, _)| *own == at).count();
        row.tap_end = end as u32;
    }
    let taps = taps.into_iter().map(|(_, tap)| tap).collect();
    let usable = stamps.lu.factor().is_ok();
    (position, usable.then_some(PhaseLanes { lu: stamps.lu, rows, taps }))
}

/// Writes blocks of `A`.
struct Stamps {
    lu: BlockLu,
}

impl Stamps {
    fn add(&mut self, row: u32, col: u32, block: [f64; 4]) {
        if row == GROUND || col == GROUND {
            return;
        }
        if let Some(slot) = self.lu.pattern().slot(row, col) {
            self.lu.blocks_mut()[slot].iter_mut().zip(block).for_each(|(sum, x)| *sum += x);
        }
    }

    fn elements(&mut self, grid: &PhaseGrid, place: &impl Fn(u32) -> u32) {
        for element in &grid.elements {
            let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
            for (row, &a) in nodes.iter().enumerate().filter(|(_, node)| **node != GROUND) {
                for (&b, y) in nodes.iter().zip(&y[row * nodes.len()..]).filter(|(node, _)| **node != GROUND)
                {
                    self.add(place(a), place(b), [y.re, -y.im, y.im, y.re]);
                }
            }
        }
    }

    /// Adds the slopes, and returns the taps with the position of the end that sees them, by that position.
    fn taps(
        &mut self,
        grid: &PhaseGrid,
        base: &PhaseSolution,
        place: &impl Fn(u32) -> u32,
    ) -> Vec<(u32, Tap)> {
        let at = |node: u32| if node == GROUND { Complex::ZERO } else { base.v[node as usize] };
        let mut taps = Vec::with_capacity(grid.branches.len());
        for (index, branch) in (0u32..).zip(&grid.branches) {
            let ends = [branch.from, branch.to].map(|node| if node == GROUND { GROUND } else { place(node) });
            // A branch between nodes without a source has no voltage.
            if ends == [GROUND; 2] {
                continue;
            }
            let (a, b) = branch.derivatives(at(branch.from) - at(branch.to));
            let slope = [a.re + b.re, b.im - a.im, a.im + b.im, a.re - b.re];
            // The current is odd in the voltage across, so both ends see the same tap.
            for [own, other] in [ends, [ends[1], ends[0]]].into_iter().filter(|ends| ends[0] != GROUND) {
                self.add(own, own, slope);
                self.add(own, other, slope.map(|x| -x));
                taps.push((own, Tap { branch: index, other, slope, response: Response::of(branch) }));
            }
        }
        taps.sort_by_key(|(own, _)| *own);
        taps
    }
}

fn injected(grid: &PhaseGrid, place: &impl Fn(u32) -> u32) -> BTreeMap<u32, Complex> {
    let mut sum = BTreeMap::new();
    for source in &grid.sources {
        let element = &grid.elements[source.element as usize];
        let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
        for (row, &node) in nodes.iter().enumerate().filter(|(_, node)| **node != GROUND) {
            let current: Complex =
                y[row * nodes.len()..].iter().zip(&source.emf_v).map(|(&y, &e)| y * e).sum();
            if place(node) != GROUND {
                *sum.entry(place(node)).or_insert(Complex::ZERO) += current;
            }
        }
    }
    sum
}

/// A block of scenarios, to be dispatched.
struct Run<'a> {
    batch: &'a PhaseBatch,
    lanes: &'a PhaseLanes,
    worker: &'a mut PhaseWorker,
    count: usize,
    /// Steps of the lanes that arrived.
    steps: &'a mut [Option<u32>; MAX_LANES],
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Run { batch, lanes, worker, count, steps } = self;
        let (width, n, m) = (S::F64_LANES, batch.grid.nodes.len(), batch.grid.branches.len());
        let mut rows = [0; MAX_LANES];
        for (lane, row) in rows.iter_mut().enumerate() {
            // Lanes without a scenario repeat the first.
            *row = if lane < count { lane * m } else { 0 };
        }
        for (pair, tap) in worker.power.chunks_exact_mut(2 * width).zip(&lanes.taps) {
            let (p, q) = pair.split_at_mut(width);
            for ((p, q), row) in p.iter_mut().zip(q).zip(rows) {
                *p = worker.p_w[row + tap.branch as usize];
                *q = worker.q_var[row + tap.branch as usize];
            }
        }
        let loads = Loads { power: &worker.power, branches: &batch.grid.branches };
        let limits = Limits { tolerance_pu: batch.options.tolerance_pu, most_steps: MOST_STEPS };
        let progress: Progress = lanes.solve(simd, (&loads, &mut worker.v, &mut worker.b), limits);
        let mut sound = [true; MAX_LANES];
        for (node, &at) in batch.position.iter().enumerate().filter(|(_, at)| **at != GROUND) {
            let (e, f) = worker.v[2 * width * at as usize..][..2 * width].split_at(width);
            for (lane, sound) in sound[..count].iter_mut().enumerate() {
                *sound &= e[lane].is_finite() && f[lane].is_finite();
                worker.voltages_v[lane * n + node] = [e[lane], f[lane]];
            }
        }
        for (lane, steps) in steps[..count].iter_mut().enumerate() {
            let arrived = progress.worst_pu[lane] <= limits.tolerance_pu && sound[lane];
            *steps = arrived.then_some(progress.steps[lane]);
        }
    }
}
