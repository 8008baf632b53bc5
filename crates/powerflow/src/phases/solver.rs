//! The solver with its memory, and what it says.

use sparse::complex::{Complex, Unusable};
use topology::phases::PhaseGrid;

use super::fixed_point::{self, State, worse};
use super::newton::{self, Newton, Step};
use super::pivoting;
use super::system::{NOT_FED, System};

/// Iterations with one linear part of the loads, at least, before it is taken anew.
const LINEARISE_AFTER: usize = 5;
/// Factor of contraction above which it is taken anew.
const SLOW: f64 = 0.35;
/// Iterations without a smaller change, and how small it has to be, to look whether only rounding is left.
const IDLE: usize = 4;
const NOISE_PU: f64 = 1e-6;
/// Steps in residual form at the end, at most.
const MAX_CORRECTIONS: usize = 5;

/// Which method solves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// The fixed point, and Newton where it contracts badly.
    #[default]
    Automatic,
    /// The fixed point only.
    FixedPoint,
    /// Newton only.
    Newton,
}

/// How to solve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PhaseOptions {
    /// Largest change of a voltage, per unit of its nominal voltage, that counts as solved.
    pub tolerance_pu: f64,
    /// Most iterations.
    pub max_iterations: usize,
    /// Which method.
    pub method: Method,
}

impl Default for PhaseOptions {
    fn default() -> Self {
        Self { tolerance_pu: 1e-8, max_iterations: 100, method: Method::Automatic }
    }
}

/// Where to start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PhaseStart {
    /// From the voltages without load.
    #[default]
    NoLoad,
    /// From the last solution; without one, as [`Self::NoLoad`].
    Last,
}

/// Why an island is not solved.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PhaseReason {
    /// The iterations did not settle.
    Iterations,
    /// A conductor has no reference to ground, or the impedances there are not usable.
    Floating,
}

/// What became of an island.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PhaseOutcome {
    /// Solved.
    Solved {
        /// Iterations of all islands together.
        iterations: usize,
        /// Node with the largest power that Kirchhoff's law misses.
        worst: u32,
        /// That power.
        mismatch_va: f64,
    },
    /// Not solved: its voltages are NaN.
    Stopped {
        /// Why.
        reason: PhaseReason,
        /// Iterations of all islands together.
        iterations: usize,
        /// Node whose voltage still changed most, or that floats.
        worst: u32,
        /// By how much, per unit.
        change_pu: f64,
    },
}

/// Voltages, and what became of each island.
#[derive(Clone, PartialEq, Debug)]
pub struct PhaseSolution {
    /// Voltage to ground in volts, by node; NaN where no source feeds it or its island is not solved.
    pub v: Vec<Complex>,
    /// By island, in the order of the sources.
    pub outcomes: Vec<PhaseOutcome>,
    /// Island by node; `None` where no source feeds it.
    pub island: Vec<Option<u32>>,
}

impl PhaseSolution {
    /// Whether every island that a source feeds is solved.
    pub fn solved(&self) -> bool {
        self.outcomes.iter().all(|outcome| matches!(outcome, PhaseOutcome::Solved { .. }))
    }
}

/// Solves one grid again and again. Nothing is allocated by [`Self::update`] and [`Self::run`] after the first use.
#[derive(Clone, Debug)]
pub struct PhaseSolver {
    system: System,
    state: State,
    residual: Vec<Complex>,
    usable: Result<(), Unusable>,
    started: bool,
    newton: Option<Box<Newton>>,
    iterations: usize,
    settled: bool,
    floating: bool,
}

impl PhaseSolver {
    /// Orders the nodes of a grid, fixes the pattern and factorises.
    pub fn new(grid: &PhaseGrid) -> Self {
        let system = System::new(grid);
        let n = system.size();
        let mut solver = Self {
            state: State::new(n),
            residual: vec![Complex::ZERO; n + 1],
            system,
            usable: Ok(()),
            started: false,
            newton: None,
            iterations: 0,
            settled: false,
            floating: false,
        };
        solver.usable = solver.system.factor(grid);
        solver
    }

    /// Takes over taps, steps, powers of linear loads and equipment that went in or out of service.
    ///
    /// Powers that are not linear need no update. The grid has to be the one of [`Self::new`], but for its numbers.
    pub fn update(&mut self, grid: &PhaseGrid) {
        self.system.refresh_injected(grid);
        self.usable = self.system.factor(grid);
    }

    /// As [`Self::update`], after equipment went in or out of service: islands may have changed.
    pub fn update_topology(&mut self, grid: &PhaseGrid) {
        self.system.refresh_islands(grid);
        self.usable = self.system.factor(grid);
        self.started = false;
    }

    /// Solves and tells.
    pub fn solve(&mut self, grid: &PhaseGrid, options: &PhaseOptions, start: PhaseStart) -> PhaseSolution {
        self.run(grid, options, start);
        self.solution(grid, options)
    }

    /// Solves; whether all islands settled. The voltages are read by [`Self::voltage`] or [`Self::solution`].
    pub fn run(&mut self, grid: &PhaseGrid, options: &PhaseOptions, start: PhaseStart) -> bool {
        self.iterations = 0;
        self.settled = false;
        if self.usable.is_err() {
            self.started = false;
            return self.run_with_pivots(grid, options);
        }
        self.floating = false;
        if start == PhaseStart::NoLoad || !self.started {
            self.start();
        }
        self.settled = match options.method {
            Method::FixedPoint => self.iterate(grid, options) && self.confirm(grid, options),
            Method::Newton => self.newton(grid, options),
            Method::Automatic => {
                let settled = self.iterate(grid, options) && self.confirm(grid, options);
                settled || self.newton_from_no_load(grid, options)
            }
        };
        if !self.settled && self.system.islands > 1 {
            self.settle_others(grid, options);
        }
        self.started = self.settled;
        self.settled
    }

    /// Newton alone, with pivots searched.
    fn run_with_pivots(&mut self, grid: &PhaseGrid, options: &PhaseOptions) -> bool {
        self.floating = !pivoting::start(&self.system, &mut self.state.v);
        if !self.floating && options.method != Method::FixedPoint {
            self.base_on_no_load();
            self.settled = self.newton(grid, options);
        }
        self.settled
    }

    /// Islands do not touch each other: what one of them does not reach, the others may.
    fn settle_others(&mut self, grid: &PhaseGrid, options: &PhaseOptions) {
        if self.usable.is_err() {
            return;
        }
        self.start();
        self.state.restart();
        for _ in 0..options.max_iterations {
            fixed_point::step(&self.system, grid, &mut self.state, 0.0);
        }
    }

    /// Iterations of the last run.
    pub const fn iterations(&self) -> usize {
        self.iterations
    }

    /// Voltage of a node after the last run, whatever came of it.
    pub fn voltage(&self, node: u32) -> Complex {
        self.state.v[self.system.row_of[node as usize] as usize]
    }

    /// Entries of the factor.
    pub fn fill(&self) -> usize {
        self.system.ldl.fill()
    }

    /// Voltages without load: the currents of the sources alone.
    fn start(&mut self) {
        let n = self.system.size();
        self.state.v[..n].copy_from_slice(&self.system.injected);
        self.system.ldl.solve(&mut self.state.v[..n]);
        self.base_on_no_load();
    }

    /// Nominal voltages that nobody gave are those without load.
    fn base_on_no_load(&mut self) {
        for (inverse, v) in self.system.inverse_base.iter_mut().zip(&self.state.v) {
            if !inverse.is_finite() {
                let magnitude = v.abs();
                *inverse = if magnitude > 0.0 { 1.0 / magnitude } else { 1.0 };
            }
        }
    }

    fn iterate(&mut self, grid: &PhaseGrid, options: &PhaseOptions) -> bool {
        let goal = options.tolerance_pu * options.tolerance_pu;
        self.state.restart();
        let mut since = 0;
        let (mut least, mut idle) = (f64::INFINITY, 0);
        while self.iterations < options.max_iterations {
            self.iterations += 1;
            since += 1;
            let change = fixed_point::step(&self.system, grid, &mut self.state, goal);
            if change <= goal {
                return true;
            }
            if !change.is_finite() {
                return false;
            }
            // Small changes that do not shrink any more may be rounding: the residual will tell.
            idle = if change < least { 0 } else { idle + 1 };
            least = least.min(change);
            if idle >= IDLE && change < NOISE_PU * NOISE_PU {
                return true;
            }
            if since >= LINEARISE_AFTER && self.state.rho() > SLOW {
                since = 0;
                match self.system.linearise(grid, &self.state.v) {
                    Ok(true) => self.state.restart(),
                    Ok(false) => {}
                    Err(unusable) => {
                        self.usable = Err(unusable);
                        return false;
                    }
                }
            }
        }
        false
    }

    fn newton_from_no_load(&mut self, grid: &PhaseGrid, options: &PhaseOptions) -> bool {
        if self.usable.is_err() {
            return false;
        }
        self.start();
        self.newton(grid, options)
    }

    fn newton(&mut self, grid: &PhaseGrid, options: &PhaseOptions) -> bool {
        let goal = options.tolerance_pu * options.tolerance_pu;
        let mut method = self.newton.take().unwrap_or_else(|| Box::new(Newton::new(&self.system)));
        let mut settled = false;
        for _ in 0..newton::MAX_STEPS {
            self.iterations += 1;
            match method.step(&self.system, grid, &mut self.state.v, &mut self.residual) {
                Step::Full(change) => settled = change <= goal,
                Step::Shortened => {}
                Step::Stuck => break,
            }
            if settled {
                break;
            }
        }
        self.newton = Some(method);
        settled || (self.usable.is_ok() && self.confirm(grid, options))
    }

    fn confirm(&mut self, grid: &PhaseGrid, options: &PhaseOptions) -> bool {
        let goal = options.tolerance_pu * options.tolerance_pu;
        let mut before = f64::INFINITY;
        for _ in 0..MAX_CORRECTIONS {
            let change = fixed_point::correct(&self.system, grid, &mut self.state, &mut self.residual);
            if change <= goal {
                return true;
            }
            // A change that does not shrink any more, from residuals that are rounding, is noise.
            if change.is_finite() && fixed_point::is_rounding(&self.system, &mut self.state, &self.residual) {
                return true;
            }
            if change >= before {
                return false;
            }
            before = change;
        }
        false
    }

    /// Voltages by node and the outcome of each island of the last run.
    pub fn solution(&mut self, grid: &PhaseGrid, options: &PhaseOptions) -> PhaseSolution {
        let system = &self.system;
        fixed_point::mismatch(system, grid, &self.state.v, &mut self.residual);
        // What a next step would change.
        let n = system.size();
        self.state.next[..n].copy_from_slice(&self.residual[..n]);
        if self.usable.is_ok() {
            system.ldl.solve(&mut self.state.next[..n]);
        }
        let mut worst = vec![(NOT_FED, 0.0_f64); system.islands as usize];
        let mut moved = worst.clone();
        for row in 0..system.size() {
            let island = system.island[row] as usize;
            let (Some(worst), Some(moved)) = (worst.get_mut(island), moved.get_mut(island)) else { continue };
            let v = self.state.v[row];
            note(worst, system.node_of[row], (v.norm_sqr() * self.residual[row].norm_sqr()).sqrt());
            note(moved, system.node_of[row], self.state.next[row].abs() * system.inverse_base[row]);
        }
        let outcomes: Vec<PhaseOutcome> =
            worst.into_iter().zip(moved).map(|(worst, moved)| self.outcome(worst, moved, options)).collect();
        let solved = |island: u32| matches!(outcomes.get(island as usize), Some(PhaseOutcome::Solved { .. }));
        let mut solution =
            PhaseSolution { v: vec![Complex::NAN; n], outcomes: Vec::new(), island: vec![None; n] };
        for (node, &row) in system.row_of.iter().enumerate() {
            let island = system.island[row as usize];
            solution.island[node] = (island != NOT_FED).then_some(island);
            if solved(island) {
                solution.v[node] = self.state.v[row as usize];
            }
        }
        solution.outcomes = outcomes;
        solution
    }

    fn outcome(&self, worst: (u32, f64), moved: (u32, f64), options: &PhaseOptions) -> PhaseOutcome {
        let iterations = self.iterations;
        if self.floating {
            let row = match self.usable {
                Err(Unusable::Pivot { row }) => row,
                Err(Unusable::Residual { .. }) | Ok(()) => 0,
            };
            let worst = self.system.node_of.get(row).copied().unwrap_or(0);
            return PhaseOutcome::Stopped {
                reason: PhaseReason::Floating,
                iterations,
                worst,
                change_pu: f64::NAN,
            };
        }
        let at_rest = self.usable.is_ok() && moved.1 <= options.tolerance_pu;
        if (self.settled || at_rest) && worst.1.is_finite() {
            return PhaseOutcome::Solved { iterations, worst: worst.0, mismatch_va: worst.1 };
        }
        PhaseOutcome::Stopped {
            reason: PhaseReason::Iterations,
            iterations,
            worst: moved.0,
            change_pu: moved.1,
        }
    }
}

fn note(place: &mut (u32, f64), node: u32, figure: f64) {
    let figure = worse(0.0, figure);
    if place.0 == NOT_FED || place.1 < figure {
        *place = (node, figure);
    }
}
