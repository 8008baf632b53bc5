//! One step of the fixed point, and the step in residual form that confirms it.

use sparse::complex::Complex;
use topology::phases::PhaseGrid;

use super::system::System;

/// Voltages and work space, with the voltage of ground behind the last row.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) v: Vec<Complex>,
    pub(super) next: Vec<Complex>,
}

impl State {
    pub(super) fn new(n: usize) -> Self {
        Self { v: vec![Complex::ZERO; n + 1], next: vec![Complex::ZERO; n + 1] }
    }
}

/// `v⁺` from `v`; returns the square of the largest change per unit.
pub(super) fn step(system: &System, grid: &PhaseGrid, state: &mut State) -> f64 {
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
    std::mem::swap(&mut state.v, &mut state.next);
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
