//! The fixed point, accelerated, and the step in residual form that confirms it.
//!
//! With the linear part of the loads in the matrix, what is left of a step near the solution is antilinear,
//! `e⁺ = A·conj(e)`, so with every eigenvalue `λ` goes `-λ`. Second-order Richardson (Golub and Varga, "Chebyshev
//! semi-iterative methods, successive overrelaxation iterative methods, and second order Richardson iterative methods",
//! Numer. Math. 3, 1961) halves the factor of such a spectrum in `[-ρ, ρ]` and more, and is stable for any `ρ < 1`:
//!
//! ```text
//! v(k+1) = v(k-1) + ω (G v(k) - v(k-1))        ω = 2 / (1 + √(1 - ρ²))
//! factor   √(ω-1) where |λ| <= ρ;   a mode beyond shows as a larger one, σ:   |λ| = (σ² + ω - 1) / (σ ω)
//! ```
//!
//! `ρ` is what the changes of the steps have shown so far.

use sparse::complex::Complex;
use topology::phases::PhaseGrid;

use super::system::System;

/// Share of the currents at a node that rounding may leave as residual.
const ROUNDING: f64 = 4096.0 * f64::EPSILON;

/// Voltages and work space, with the voltage of ground behind the last row.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) v: Vec<Complex>,
    pub(super) next: Vec<Complex>,
    before: Vec<Complex>,
    rate: Rate,
}

/// What is known about the contraction.
#[derive(Clone, Copy, Debug)]
struct Rate {
    omega: f64,
    rho: f64,
    /// Squares of the last changes, the youngest first.
    changes: [f64; 2],
}

const PLAIN: Rate = Rate { omega: 1.0, rho: 0.0, changes: [f64::NAN; 2] };

/// Largest `ρ` that is believed: nearer to 1 the factor hardly gains.
const MAX_RHO: f64 = 0.98;

impl State {
    pub(super) fn new(n: usize) -> Self {
        let zeros = vec![Complex::ZERO; n + 1];
        Self { v: zeros.clone(), next: zeros.clone(), before: zeros, rate: PLAIN }
    }

    /// Forgets what earlier steps have shown.
    pub(super) const fn restart(&mut self) {
        self.rate = PLAIN;
    }

    /// Factor of one step that the worst mode has shown.
    pub(super) const fn rho(&self) -> f64 {
        self.rate.rho
    }
}

impl Rate {
    fn learn(&mut self, change: f64) {
        // The square of two steps' factor is the fourth power of one's.
        let sigma = (change / self.changes[1]).sqrt().sqrt();
        let grows = change > self.changes[0];
        self.changes = [change, self.changes[0]];
        if grows && self.omega > 1.0 {
            // The spectrum is not what acceleration takes it for.
            *self = Self { changes: self.changes, ..PLAIN };
            return;
        }
        if sigma.is_nan() || sigma <= (self.omega - 1.0).sqrt() {
            return;
        }
        let lambda = (sigma * sigma + self.omega - 1.0) / (sigma * self.omega);
        self.rho = self.rho.max(lambda).min(MAX_RHO);
        self.omega = 2.0 / (1.0 + (1.0 - self.rho * self.rho).sqrt());
    }
}

/// One accelerated step; returns the square of the change per unit that the fixed point asks for at most.
///
/// At or below `goal` the voltages are those of the fixed point itself.
pub(super) fn step(system: &System, grid: &PhaseGrid, state: &mut State, goal: f64) -> f64 {
    let n = system.size();
    state.next[..n].copy_from_slice(&system.injected);
    for ((branch, rows), &linear) in grid.branches.iter().zip(&system.rows).zip(&system.linear) {
        let (from, to) = (rows.from as usize, rows.to as usize);
        let across = state.v[from] - state.v[to];
        let current = (branch.admittance(across.norm_sqr()) - linear) * across;
        state.next[from] -= current;
        state.next[to] += current;
    }
    system.ldl.solve(&mut state.next[..n]);
    state.next[n] = Complex::ZERO;
    let change = largest(&system.inverse_base, &state.v, &state.next);
    if change <= goal {
        std::mem::swap(&mut state.v, &mut state.next);
        return change;
    }
    state.rate.learn(change);
    let omega = state.rate.omega;
    if omega > 1.0 {
        for ((v, g), before) in state.v.iter_mut().zip(&mut state.next).zip(&mut state.before) {
            let accelerated = *before + (*g - *before) * omega;
            *before = *v;
            *g = *v;
            *v = accelerated;
        }
    } else {
        state.before.copy_from_slice(&state.v);
        std::mem::swap(&mut state.v, &mut state.next);
    }
    change
}

/// Solves for the correction `Y' dv = J - Σ i_b(v) - Y v` and adds it; returns the square of the largest one per unit.
///
/// The residual is left in `residual`: amperes that are missing at each row before the correction.
pub(super) fn correct(system: &System, grid: &PhaseGrid, state: &mut State, residual: &mut [Complex]) -> f64 {
    let n = system.size();
    mismatch(system, grid, &state.v, residual);
    state.next[..n].copy_from_slice(&residual[..n]);
    system.ldl.solve(&mut state.next[..n]);
    let mut change = 0.0_f64;
    for ((v, dv), inverse) in state.v.iter_mut().zip(&state.next).zip(&system.inverse_base) {
        *v += *dv;
        change = worse(change, dv.norm_sqr() * inverse * inverse);
    }
    change
}

/// Whether the residual of every row is what rounding leaves of the currents that meet there: no voltage is more exact
/// then, however weak the reference to ground is. The state's `next` is overwritten.
pub(super) fn is_rounding(system: &System, state: &mut State, residual: &[Complex]) -> bool {
    let n = system.size();
    let (v, sums) = (&state.v, &mut state.next);
    sums.fill(Complex::ZERO);
    let matrix = &system.matrix;
    for col in 0..n {
        for at in matrix.col_ptr()[col]..matrix.col_ptr()[col + 1] {
            let (row, y) = (matrix.row_indices()[at], matrix.values()[at].abs());
            sums[row].re += y * v[col].abs();
            if row != col {
                sums[col].re += y * v[row].abs();
            }
        }
    }
    sums.iter().zip(residual).take(n).all(|(sum, rest)| rest.abs() <= ROUNDING * sum.re)
}

/// `J - Σ i_b(v) - Y v` by row; ground's row is left over.
pub(super) fn mismatch(system: &System, grid: &PhaseGrid, v: &[Complex], out: &mut [Complex]) {
    let n = system.size();
    out[..n].copy_from_slice(&system.injected);
    for ((branch, rows), &linear) in grid.branches.iter().zip(&system.rows).zip(&system.linear) {
        let (from, to) = (rows.from as usize, rows.to as usize);
        let across = v[from] - v[to];
        let current = (branch.admittance(across.norm_sqr()) - linear) * across;
        out[from] -= current;
        out[to] += current;
    }
    system.matrix.mul_subtract(&v[..n], &mut out[..n]);
}

fn largest(inverse_base: &[f64], before: &[Complex], after: &[Complex]) -> f64 {
    let mut change = 0.0_f64;
    for ((a, b), inverse) in before.iter().zip(after).zip(inverse_base) {
        change = worse(change, (*a - *b).norm_sqr() * inverse * inverse);
    }
    change
}

/// The larger one; NaN counts as infinite.
#[inline]
pub(super) fn worse(a: f64, b: f64) -> f64 {
    if b <= a {
        a
    } else if b.is_nan() {
        f64::INFINITY
    } else {
        b
    }
}
