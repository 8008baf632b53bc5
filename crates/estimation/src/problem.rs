//! The numbers of one estimate: evaluates rows, steps, and judges residuals. Equations in the head of the crate.

use sparse::InverseDiagonal;
use topology::calc::Grid;

use crate::Measurement;
use crate::equations::{EndPower, branch_power};
use crate::observability::{Half, Row};
use crate::plan::{HELD, Network, Plan, Source, augmented_row};

/// A scaled residual with a variance at or below this cannot be judged: the measurement is critical, or nearly so.
/// An error would have to be of √1e5 σ times the threshold to be seen, and rounding would be taken for one before.
const CRITICAL_VARIANCE: f64 = 1e-5;
/// A step may lower a magnitude by at most this share.
const LARGEST_DROP: f64 = 0.5;
/// α over the geometric mean of the largest derivatives: above it, so that rows which are more precise than most
/// still pivot on α, which keeps the fill low; those far more precise pivot elsewhere, which keeps their digits.
const ALPHA_FACTOR: f64 = 10.0;
/// Steps of iterative refinement per solve.
const REFINEMENTS: usize = 1;

/// How a run ended; buses count in the problem.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Run {
    Settled { steps: u32 },
    Stopped { worst: usize, step: f64, steps: u32 },
    Singular,
}

/// One estimate over the observable part of an island.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Places in the grid.
    pub(crate) buses: Vec<usize>,
    branches: Vec<usize>,
    /// Place in the caller's list of every measured row.
    pub(crate) measurements: Vec<usize>,
    plan: Plan,
    ends: Vec<[EndPower; 2]>,
    /// h(x) and c(x).
    pub(crate) computed: Vec<f64>,
    gradient: Vec<f64>,
    /// Measured value and 1/σ, zero for a removed measurement.
    value: Vec<f64>,
    weight: Vec<f64>,
    alpha: f64,
    constraint_scale: Vec<f64>,
    rhs: Vec<f64>,
    solution: Vec<f64>,
    work: Vec<f64>,
    inverse: InverseDiagonal,
    variance: Vec<f64>,
    pub(crate) vm_pu: Vec<f64>,
    pub(crate) va_rad: Vec<f64>,
}

/// What a problem is built from, all in places of the grid or the caller's lists.
pub(crate) struct Parts {
    pub(crate) buses: Vec<usize>,
    pub(crate) branches: Vec<usize>,
    pub(crate) measurements: Vec<usize>,
}

impl Problem {
    /// `rows` and `zero` count in the network.
    pub(crate) fn new(parts: Parts, network: &Network<'_>, rows: &[Row], zero: &[Row]) -> Self {
        let plan = Plan::new(network, rows, zero);
        let size = plan.matrix.cols();
        Self {
            ends: vec![[EndPower::default(); 2]; parts.branches.len()],
            computed: vec![0.0; plan.rows()],
            gradient: vec![0.0; plan.slots.len()],
            value: vec![0.0; rows.len()],
            weight: vec![0.0; rows.len()],
            alpha: 1.0,
            constraint_scale: vec![1.0; zero.len()],
            rhs: vec![0.0; size],
            solution: vec![0.0; size],
            work: vec![0.0; size],
            inverse: InverseDiagonal::default(),
            variance: vec![0.0; size],
            vm_pu: vec![1.0; parts.buses.len()],
            va_rad: vec![0.0; parts.buses.len()],
            buses: parts.buses,
            branches: parts.branches,
            measurements: parts.measurements,
            plan,
        }
    }

    /// Takes all measurements into use, from the caller's list.
    pub(crate) fn measure(&mut self, measurements: &[Measurement]) {
        for (row, &at) in self.measurements.iter().enumerate() {
            self.value[row] = measurements[at].value;
            self.weight[row] = 1.0 / measurements[at].sigma;
        }
    }

    /// Takes a measurement out of use; the pattern stays.
    pub(crate) fn remove(&mut self, row: usize) {
        self.weight[row] = 0.0;
    }

    /// Gives the reference its angle; nothing to hold when angles are measured.
    pub(crate) fn hold_reference(&mut self, va_rad: f64) {
        for (angle, &column) in self.va_rad.iter_mut().zip(&self.plan.unknowns.angle) {
            if column == HELD {
                *angle = va_rad;
            }
        }
    }

    /// Measurements in use.
    pub(crate) fn used(&self) -> usize {
        self.weight.iter().filter(|&&weight| weight != 0.0).count()
    }

    /// Number of constraints.
    pub(crate) fn constraints(&self) -> usize {
        self.constraint_scale.len()
    }

    /// Number of state variables.
    pub(crate) const fn unknowns(&self) -> usize {
        self.plan.unknowns.count
    }

    /// Steps from the present state until it settles.
    pub(crate) fn run(&mut self, grid: &Grid, tolerance: f64, max_steps: u32) -> Run {
        self.evaluate(grid);
        self.rescale();
        let mut last = (0, f64::INFINITY);
        for steps in 1..=max_steps {
            self.assemble();
            if self.plan.lu.update(&self.plan.matrix).is_err() {
                return Run::Singular;
            }
            let Plan { lu, matrix, .. } = &mut self.plan;
            lu.solve_refined(matrix, &self.rhs, &mut self.solution, &mut self.work, REFINEMENTS);
            last = self.advance();
            self.evaluate(grid);
            if last.1 <= tolerance {
                return Run::Settled { steps };
            }
            if !last.1.is_finite() {
                return Run::Stopped { worst: last.0, step: last.1, steps };
            }
        }
        Run::Stopped { worst: last.0, step: last.1, steps: max_steps }
    }

    /// Sum of squared scaled residuals.
    pub(crate) fn objective(&self) -> f64 {
        (0..self.plan.measured).map(|row| self.residual(row).powi(2)).sum()
    }

    /// Prepares the variances of the residuals at the present state.
    pub(crate) fn judge(&mut self) {
        self.inverse.compute(&self.plan.lu, &mut self.variance);
    }

    /// Normalised residual after [`Self::judge`]; `None` for a critical or removed measurement.
    pub(crate) fn normalised_residual(&self, row: usize) -> Option<f64> {
        let variance = self.alpha * self.variance[row];
        (self.weight[row] != 0.0 && variance > CRITICAL_VARIANCE)
            .then(|| self.residual(row).abs() / variance.sqrt())
    }

    fn residual(&self, row: usize) -> f64 {
        self.weight[row] * (self.value[row] - self.computed[row])
    }

    /// h, c and their derivatives at the present state.
    fn evaluate(&mut self, grid: &Grid) {
        let (vm, va) = (&self.vm_pu, &self.va_rad);
        for ((power, &branch), ends) in self.ends.iter_mut().zip(&self.branches).zip(&self.plan.ends) {
            let [from, to] = ends.map(|bus| [vm[bus], va[bus]]);
            *power = branch_power(&grid.branches[branch], from, to);
        }
        self.gradient.fill(0.0);
        for row in 0..self.plan.rows() {
            let mut sum = 0.0;
            for term in &self.plan.terms[self.plan.term_ptr[row]..self.plan.term_ptr[row + 1]] {
                let (value, derivatives) = self.term(grid, term.source);
                sum += value;
                for (&at, derivative) in term.at.iter().zip(derivatives) {
                    if at != HELD {
                        self.gradient[at] += derivative;
                    }
                }
            }
            self.computed[row] = sum;
        }
    }

    fn term(&self, grid: &Grid, source: Source) -> (f64, [f64; 4]) {
        match source {
            Source::End { branch, end, half: Half::Active } => {
                let power = &self.ends[branch][end];
                (power.p, power.dp)
            }
            Source::End { branch, end, half: Half::Reactive } => {
                let power = &self.ends[branch][end];
                (power.q, power.dq)
            }
            Source::Shunt { bus, half } => {
                let (data, vm) = (&grid.buses[self.buses[bus]], self.vm_pu[bus]);
                let factor = match half {
                    Half::Active => data.g_shunt_pu,
                    Half::Reactive => -data.b_shunt_pu,
                };
                (factor * vm * vm, [0.0, 0.0, 2.0 * factor * vm, 0.0])
            }
            Source::Magnitude(bus) => (self.vm_pu[bus], [0.0, 0.0, 1.0, 0.0]),
            Source::Angle(bus) => (self.va_rad[bus], [1.0, 0.0, 0.0, 0.0]),
        }
    }

    /// α and the scales of the constraints, kept for the whole run.
    fn rescale(&mut self) {
        let (mut logs, mut count) = (0.0, 0.0);
        for row in 0..self.plan.measured {
            let size = self.weight[row] * self.largest_derivative(row);
            if size > 0.0 && size.is_finite() {
                logs += size.ln();
                count += 1.0;
            }
        }
        self.alpha = if count > 0.0 { ALPHA_FACTOR * f64::exp(logs / count) } else { 1.0 };
        for constraint in 0..self.constraint_scale.len() {
            let size = self.largest_derivative(self.plan.measured + constraint);
            self.constraint_scale[constraint] = if size > 0.0 { self.alpha / size } else { 1.0 };
        }
    }

    fn largest_derivative(&self, row: usize) -> f64 {
        let range = self.plan.grad_ptr[row]..self.plan.grad_ptr[row + 1];
        self.gradient[range].iter().fold(0.0, |max: f64, g| max.max(g.abs()))
    }

    fn assemble(&mut self) {
        self.rhs.fill(0.0);
        let (measured, unknowns) = (self.plan.measured, self.plan.unknowns.count);
        for row in 0..self.plan.rows() {
            let (scale, rhs) = if row < measured {
                (self.weight[row], self.residual(row))
            } else {
                let scale = self.constraint_scale[row - measured];
                (scale, -scale * self.computed[row])
            };
            self.rhs[augmented_row(measured, unknowns, row)] = rhs;
            let values = self.plan.matrix.values_mut();
            for at in self.plan.grad_ptr[row]..self.plan.grad_ptr[row + 1] {
                for slot in self.plan.slots[at] {
                    values[slot] = scale * self.gradient[at];
                }
            }
        }
        for &slot in &self.plan.alpha {
            self.plan.matrix.values_mut()[slot] = self.alpha;
        }
    }

    /// Adds the step; returns the bus that moved most, and how far it should have.
    fn advance(&mut self) -> (usize, f64) {
        let step = &self.solution[self.plan.measured..];
        let unknowns = &self.plan.unknowns;
        let at = |column: usize| if column == HELD { 0.0 } else { step[column] };
        let mut share: f64 = 1.0;
        let mut worst = (0, 0.0);
        for bus in 0..self.buses.len() {
            let (angle, magnitude) = (at(unknowns.angle[bus]), at(unknowns.magnitude[bus]));
            let size = angle.abs().max(magnitude.abs());
            if angle.is_nan() || magnitude.is_nan() {
                return (bus, f64::NAN);
            }
            if size > worst.1 {
                worst = (bus, size);
            }
            if -magnitude > LARGEST_DROP * self.vm_pu[bus] {
                share = share.min(LARGEST_DROP * self.vm_pu[bus] / -magnitude);
            }
        }
        for bus in 0..self.buses.len() {
            self.va_rad[bus] += share * at(unknowns.angle[bus]);
            self.vm_pu[bus] += share * at(unknowns.magnitude[bus]);
        }
        worst
    }
}
