//! Newton on the current mismatch, for grids where the fixed point does not settle.
//!
//! In real and imaginary parts, with `∂i_b = a ∂v + b conj(∂v)` of every load:
//!
//! ```text
//! [ Re Y' + Σ Re(a'+b)   -Im Y' - Σ Im(a'-b) ] [ Re dv ]   [ Re r ]       a' = a - y_b (y_b is in Y')
//! [ Im Y' + Σ Im(a'+b)    Re Y' + Σ Re(a'-b) ] [ Im dv ] = [ Im r ]       r  = J - Σ i_b(v) - Y v
//! ```
//!
//! A step that does not lessen the mismatch is halved.

use sparse::complex::Complex;
use sparse::{Csc, Lu, PatternBuilder};
use topology::phases::PhaseGrid;

use super::fixed_point::{mismatch, worse};
use super::system::System;

/// Newton steps, at most.
pub(super) const MAX_STEPS: usize = 40;
/// Halvings of one step, at most.
const MAX_HALVINGS: usize = 12;

/// Real system of twice the size on a fixed pattern.
#[derive(Clone, Debug)]
pub(super) struct Newton {
    jacobian: Csc,
    lu: Lu,
    matrix_slots: Vec<u32>,
    branch_slots: Vec<u32>,
    step: Vec<f64>,
    trial: Vec<Complex>,
}

/// What one step did.
pub(super) enum Step {
    /// The square of the largest change per unit, of a full step.
    Full(f64),
    /// The step had to be shortened.
    Shortened,
    /// No step lessens the mismatch, or there is none.
    Stuck,
}

impl Newton {
    pub(super) fn new(system: &System) -> Self {
        let n = system.size();
        let mut builder = PatternBuilder::new(2 * n, 2 * n);
        let mut matrix_entries = Vec::new();
        let mut branch_entries = Vec::new();
        let mut block = |row: usize, col: usize, entries: &mut Vec<usize>| {
            for (i, j) in PARTS {
                entries.push(builder.push(2 * row + i, 2 * col + j));
            }
        };
        each_stored(system, |_, row, col| block(row, col, &mut matrix_entries));
        for rows in &system.rows {
            for (row, col) in pairs(rows.from as usize, rows.to as usize) {
                if row < n && col < n {
                    block(row, col, &mut branch_entries);
                }
            }
        }
        let (jacobian, slots) = builder.build();
        let slots_of = |entries: Vec<usize>| {
            entries.into_iter().map(|entry| u32::try_from(slots[entry]).unwrap_or(u32::MAX)).collect()
        };
        Self {
            lu: Lu::new(&jacobian),
            matrix_slots: slots_of(matrix_entries),
            branch_slots: slots_of(branch_entries),
            jacobian,
            step: vec![0.0; 2 * n],
            trial: vec![Complex::ZERO; n + 1],
        }
    }

    /// One step from `v`, which is replaced.
    pub(super) fn step(
        &mut self,
        system: &System,
        grid: &PhaseGrid,
        v: &mut [Complex],
        residual: &mut [Complex],
    ) -> Step {
        let n = system.size();
        mismatch(system, grid, v, residual);
        let before = size(system, residual);
        self.fill(system, grid, v);
        if self.lu.update(&self.jacobian).is_err() {
            return Step::Stuck;
        }
        for (pair, r) in self.step.chunks_exact_mut(2).zip(residual.iter()) {
            (pair[0], pair[1]) = (r.re, r.im);
        }
        self.lu.solve(&mut self.step);
        let mut share = 1.0;
        for _ in 0..MAX_HALVINGS {
            let mut change = 0.0_f64;
            for (row, pair) in self.step.chunks_exact(2).enumerate() {
                let dv = Complex::new(pair[0], pair[1]) * share;
                self.trial[row] = v[row] + dv;
                let inverse = system.inverse_base[row];
                change = worse(change, dv.norm_sqr() * inverse * inverse);
            }
            mismatch(system, grid, &self.trial, residual);
            let after = size(system, residual);
            // Near the solution the mismatch is rounding and may go either way.
            if after < before || (share == 1.0 && change < 1e-12) {
                v[..n].copy_from_slice(&self.trial[..n]);
                return if share == 1.0 { Step::Full(change) } else { Step::Shortened };
            }
            share *= 0.5;
        }
        Step::Stuck
    }

    fn fill(&mut self, system: &System, grid: &PhaseGrid, v: &[Complex]) {
        self.jacobian.clear();
        let values = self.jacobian.values_mut();
        let mut slots = self.matrix_slots.chunks_exact(4);
        each_stored(system, |value, _, _| {
            add(values, slots.next(), [value.re, -value.im, value.im, value.re]);
        });
        let n = system.size();
        let mut slots = self.branch_slots.chunks_exact(4);
        for ((branch, rows), &linear) in grid.branches.iter().zip(&system.rows).zip(&system.linear) {
            let (from, to) = (rows.from as usize, rows.to as usize);
            let (a, b) = branch.derivatives(v[from] - v[to]);
            let a = a - linear;
            let block = [a.re + b.re, b.im - a.im, a.im + b.im, a.re - b.re];
            for (row, col) in pairs(from, to) {
                if row < n && col < n {
                    let sign = if row == col { 1.0 } else { -1.0 };
                    add(values, slots.next(), block.map(|part| part * sign));
                }
            }
        }
    }
}

/// Positions of a 2 × 2 block.
const PARTS: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

fn pairs(from: usize, to: usize) -> [(usize, usize); 4] {
    [(from, from), (to, to), (from, to), (to, from)]
}

/// Every stored number of `Y'` with its row and column, once in each triangle.
fn each_stored(system: &System, mut take: impl FnMut(Complex, usize, usize)) {
    let matrix = &system.matrix;
    for col in 0..system.size() {
        for at in matrix.col_ptr()[col]..matrix.col_ptr()[col + 1] {
            let (row, value) = (matrix.row_indices()[at], matrix.values()[at]);
            take(value, row, col);
            if row != col {
                take(value, col, row);
            }
        }
    }
}

fn add(values: &mut [f64], slots: Option<&[u32]>, parts: [f64; 4]) {
    for (&slot, part) in slots.unwrap_or_default().iter().zip(parts) {
        values[slot as usize] += part;
    }
}

/// The mismatch as power per unit of the nominal voltages, squared and summed.
fn size(system: &System, residual: &[Complex]) -> f64 {
    residual.iter().zip(&system.inverse_base).map(|(r, inverse)| r.norm_sqr() / (inverse * inverse)).sum()
}
