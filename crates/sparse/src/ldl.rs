//! Sparse LDLᵀ of a symmetric matrix on a fixed order, for matrices that need no search for pivots: positive definite
//! ones (susceptance without the slack, gain of an estimate) and quasi-definite ones.
//!
//! ```text
//! P A Pᵀ = L D Lᵀ                                      L unit lower triangular, D diagonal
//!
//! L(k,j) = (A(k,j) - Σ{i < j} L(k,i) D(i) L(j,i)) / D(j)          j < k
//! D(k)   =  A(k,k) - Σ{j < k} L(k,j)² D(j)
//! ```
//!
//! Davis, "Direct Methods for Sparse Linear Systems", SIAM 2006, chapter 4; the same, "Algorithm 849: a concise sparse
//! Cholesky factorization package", ACM TOMS 31(4), 2005. [`LdlPattern`] is the symbolic part: order, elimination tree,
//! counts of columns and the pattern of `L` by columns and by rows. It is shared, so that many factors of one pattern
//! cost their values only. [`Ldl::factor`] is up-looking: row `k` of `L` from the rows above, without allocation.
//!
//! Only the upper triangle of a matrix is read; the lower one may be there or not.
//!
//! Without pivoting across rows a pivot can vanish where the matrix is singular or indefinite. [`Ldl::factor`] compares
//! every pivot with the largest entry of its row of `A`. A weak one ends the factorisation, or is replaced where the
//! caller asks for that; every replaced pivot is in [`Ldl::weak_pivots`].

mod inverse;
pub mod lanes;
mod pattern;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use inverse::SelectedInverse;
pub use pattern::LdlPattern;

use crate::matrix::Csc;

/// Right-hand sides that [`Ldl::solve_many`] takes through the factor at a time.
const LANES: usize = 4;

/// Values of `L` and `D` on a pattern; work space included.
#[derive(Clone, Debug)]
pub struct Ldl {
    pattern: Arc<LdlPattern>,
    factorised: bool,
    /// Values of `L`, by columns.
    lower: Vec<f64>,
    diagonal: Vec<f64>,
    /// Largest entry of every row of `A`, in the order of elimination.
    scale: Vec<f64>,
    weak: Vec<WeakPivot>,
    /// All zero between calls.
    work: Vec<f64>,
    lanes: Vec<[f64; LANES]>,
    correction: Vec<f64>,
}

/// When a pivot counts as weak, and what then.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PivotRule {
    /// A pivot is weak up to this share of the largest entry of its row of `A`.
    pub tolerance: f64,
    /// What to do with it.
    pub weak: OnWeak,
}

/// What to do with a weak pivot.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum OnWeak {
    /// Stop with [`LdlError::Weak`].
    Refuse,
    /// Go on with this share of the largest entry of the row, in the sign of the pivot, and list it.
    Replace {
        /// The share; where the row is empty, the value.
        share: f64,
    },
}

/// A pivot that is small beside its row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WeakPivot {
    /// Row of the caller's matrix.
    pub row: usize,
    /// What elimination left.
    pub pivot: f64,
    /// Largest entry of that row.
    pub largest: f64,
    /// What was taken instead; `None` when the factorisation ended here.
    pub replaced_by: Option<f64>,
}

/// Signs of the eigenvalues (Sylvester's law of inertia): those of `D`. Valid when no pivot was replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inertia {
    /// Eigenvalues above zero.
    pub positive: usize,
    /// Eigenvalues below zero.
    pub negative: usize,
}

/// What a solution leaves of its equations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Residual {
    /// Largest `|b - A x|`.
    pub largest: f64,
    /// The same beside `‖A‖ ‖x‖ + ‖b‖`, in the maximum norm; a few 1e-16 is as good as it gets.
    pub relative: f64,
}

/// Why there are no factors.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum LdlError {
    /// A pivot is weak.
    Weak(WeakPivot),
    /// A number of this row, or what became of it, is not finite.
    NotFinite {
        /// Row of the caller's matrix.
        row: usize,
    },
    /// The matrix is not square, or not of the pattern that was analysed.
    Pattern,
}

impl Default for PivotRule {
    /// Refuses pivots in which all but four of sixteen figures are lost.
    fn default() -> Self {
        Self { tolerance: 1e-12, weak: OnWeak::Refuse }
    }
}

impl Ldl {
    /// Room for factors of this pattern. Allocates; what follows does not.
    pub fn new(pattern: Arc<LdlPattern>) -> Self {
        let n = pattern.n;
        Self {
            factorised: false,
            lower: vec![0.0; pattern.idx.len()],
            diagonal: vec![0.0; n],
            scale: vec![0.0; n],
            weak: Vec::with_capacity(n),
            work: vec![0.0; n],
            lanes: vec![[0.0; LANES]; n],
            correction: vec![0.0; n],
            pattern,
        }
    }

    /// The pattern that these factors have.
    pub const fn pattern(&self) -> &Arc<LdlPattern> {
        &self.pattern
    }

    /// Factors a matrix of the pattern. Time is that of the arithmetic; nothing is allocated.
    ///
    /// # Errors
    /// [`LdlError`]; no factors are left then.
    pub fn factor(&mut self, matrix: &Csc, rule: &PivotRule) -> Result<(), LdlError> {
        self.factorised = false;
        self.weak.clear();
        let pattern = Arc::clone(&self.pattern);
        if !pattern.fits(matrix) {
            return Err(LdlError::Pattern);
        }
        self.measure_rows(&pattern, matrix.values());
        for k in 0..pattern.n {
            let pivot = self.eliminate_row(&pattern, matrix.values(), k);
            self.diagonal[k] = self.accept(pivot, k, rule)?;
        }
        self.factorised = true;
        Ok(())
    }

    /// Pivots that the last factorisation found weak, in the order of elimination.
    pub fn weak_pivots(&self) -> &[WeakPivot] {
        &self.weak
    }

    /// Column of `L` below its diagonal: rows in the order of elimination, ascending, with their values. For solvers
    /// that walk the factor in their own way.
    pub fn lower_column(&self, step: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.pattern.column(step);
        self.pattern.idx[range.clone()].iter().copied().zip(self.lower[range].iter().copied())
    }

    /// `D`, in the order of elimination.
    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// Signs of `D`; `None` when nothing is factorised.
    pub fn inertia(&self) -> Option<Inertia> {
        let positive = self.diagonal.iter().filter(|&&d| d > 0.0).count();
        self.factorised.then_some(Inertia { positive, negative: self.diagonal.len() - positive })
    }

    /// Solves `A x = b` in place; NaN when nothing is factorised.
    pub fn solve(&mut self, b: &mut [f64]) {
        if !self.factorised {
            return b.fill(f64::NAN);
        }
        let pattern = Arc::clone(&self.pattern);
        for (x, &row) in self.work.iter_mut().zip(&pattern.order) {
            *x = b[row];
        }
        for col in 0..pattern.n {
            let x = self.work[col];
            for at in pattern.column(col) {
                self.work[pattern.idx[at]] -= self.lower[at] * x;
            }
        }
        for (x, d) in self.work.iter_mut().zip(&self.diagonal) {
            *x /= d;
        }
        for col in (0..pattern.n).rev() {
            let sum: f64 = pattern.column(col).map(|at| self.lower[at] * self.work[pattern.idx[at]]).sum();
            self.work[col] -= sum;
        }
        for (x, &row) in self.work.iter_mut().zip(&pattern.order) {
            b[row] = std::mem::take(x);
        }
    }

    /// Solves for several right-hand sides, one after the other in `b`, in place; NaN when nothing is factorised.
    ///
    /// Goes through the factor once for four of them.
    ///
    /// # Panics
    /// When `b` is not a whole number of right-hand sides.
    pub fn solve_many(&mut self, b: &mut [f64]) {
        let n = self.pattern.n;
        if n == 0 {
            return;
        }
        assert!(b.len().is_multiple_of(n), "{} values are not right-hand sides of {n}", b.len());
        if !self.factorised {
            return b.fill(f64::NAN);
        }
        for some in b.chunks_mut(n * LANES) {
            self.solve_lanes(some);
        }
    }

    /// Solves `A x = b` with `steps` of iterative refinement; `matrix` is the one factorised last.
    ///
    /// Refinement also makes up for pivots that were replaced, when they are few and the matrix is not singular.
    pub fn solve_refined(&mut self, matrix: &Csc, b: &[f64], x: &mut [f64], steps: usize) -> Residual {
        let mut left = std::mem::take(&mut self.correction);
        x.copy_from_slice(b);
        self.solve(x);
        for _ in 0..steps {
            residual(matrix, b, x, &mut left);
            self.solve(&mut left);
            for (x, dx) in x.iter_mut().zip(&left) {
                *x += dx;
            }
        }
        residual(matrix, b, x, &mut left);
        let largest = max_abs(&left);
        self.correction = left;
        let size = self.row_sums(matrix) * max_abs(x) + max_abs(b);
        let relative = if largest == 0.0 { 0.0 } else { largest / size };
        Residual { largest, relative }
    }

    /// Largest entry of every row of the symmetric matrix.
    fn measure_rows(&mut self, pattern: &LdlPattern, values: &[f64]) {
        self.scale.fill(0.0);
        for k in 0..pattern.n {
            for at in pattern.upper(k) {
                let size = values[pattern.upper_slot[at]].abs();
                for row in [pattern.upper_row[at], k] {
                    self.scale[row] = self.scale[row].max(size);
                }
            }
        }
    }

    /// Row `k` of `L`; returns the pivot.
    fn eliminate_row(&mut self, pattern: &LdlPattern, values: &[f64], k: usize) -> f64 {
        let mut pivot = 0.0;
        for at in pattern.upper(k) {
            let value = values[pattern.upper_slot[at]];
            if pattern.upper_row[at] == k {
                pivot = value;
            } else {
                self.work[pattern.upper_row[at]] = value;
            }
        }
        // Columns ascend, so every entry is complete when its turn comes.
        for at in pattern.row(k) {
            let (col, slot) = (pattern.row_col[at], pattern.row_slot[at]);
            let value = std::mem::take(&mut self.work[col]);
            let above = pattern.ptr[col]..slot;
            for (&row, l) in pattern.idx[above.clone()].iter().zip(&self.lower[above]) {
                self.work[row] -= l * value;
            }
            let l = value / self.diagonal[col];
            self.lower[slot] = l;
            pivot -= l * value;
        }
        pivot
    }

    /// The pivot to go on with.
    fn accept(&mut self, pivot: f64, k: usize, rule: &PivotRule) -> Result<f64, LdlError> {
        let row = self.pattern.order[k];
        let largest = self.scale[k];
        if !(pivot.is_finite() && largest.is_finite()) {
            return Err(LdlError::NotFinite { row });
        }
        if pivot != 0.0 && pivot.abs() > rule.tolerance * largest {
            return Ok(pivot);
        }
        let replaced_by = match rule.weak {
            OnWeak::Refuse => None,
            OnWeak::Replace { share } => {
                Some((share * if largest > 0.0 { largest } else { 1.0 }).copysign(pivot))
            }
        };
        let weak = WeakPivot { row, pivot, largest, replaced_by };
        self.weak.push(weak);
        replaced_by.filter(|value| value.is_normal()).ok_or(LdlError::Weak(weak))
    }

    fn solve_lanes(&mut self, b: &mut [f64]) {
        let pattern = Arc::clone(&self.pattern);
        let n = pattern.n;
        for (x, &row) in self.lanes.iter_mut().zip(&pattern.order) {
            *x = [0.0; LANES];
            for (lane, one) in x.iter_mut().zip(b.chunks(n)) {
                *lane = one[row];
            }
        }
        for col in 0..n {
            let x = self.lanes[col];
            for at in pattern.column(col) {
                let (l, target) = (self.lower[at], &mut self.lanes[pattern.idx[at]]);
                for lane in 0..LANES {
                    target[lane] -= l * x[lane];
                }
            }
        }
        for col in (0..n).rev() {
            let mut x = self.lanes[col].map(|x| x / self.diagonal[col]);
            for at in pattern.column(col) {
                let (l, below) = (self.lower[at], &self.lanes[pattern.idx[at]]);
                for lane in 0..LANES {
                    x[lane] -= l * below[lane];
                }
            }
            self.lanes[col] = x;
        }
        for (x, &row) in self.lanes.iter().zip(&pattern.order) {
            for (lane, one) in x.iter().zip(b.chunks_mut(n)) {
                one[row] = *lane;
            }
        }
    }

    /// Largest sum of absolute values of a row; uses the scales as room.
    fn row_sums(&mut self, matrix: &Csc) -> f64 {
        self.scale.fill(0.0);
        for col in 0..matrix.cols() {
            for (row, value) in matrix.column(col).take_while(|&(row, _)| row <= col) {
                self.scale[row] += value.abs();
                if row != col {
                    self.scale[col] += value.abs();
                }
            }
        }
        max_abs(&self.scale)
    }
}

/// `out = b - A x`, from the upper triangle.
fn residual(matrix: &Csc, b: &[f64], x: &[f64], out: &mut [f64]) {
    out.copy_from_slice(b);
    for col in 0..matrix.cols() {
        for (row, value) in matrix.column(col).take_while(|&(row, _)| row <= col) {
            out[row] -= value * x[col];
            if row != col {
                out[col] -= value * x[row];
            }
        }
    }
}

/// Largest magnitude; NaN counts as infinite so that no check passes on it.
fn max_abs(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |max: f64, v| if v.is_nan() { f64::INFINITY } else { max.max(v.abs()) })
}

impl fmt::Display for LdlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weak(WeakPivot { row, pivot, largest, .. }) => {
                write!(f, "pivot {pivot:e} of row {row} vanishes beside its largest entry {largest:e}")
            }
            Self::NotFinite { row } => write!(f, "row {row} is not finite"),
            Self::Pattern => write!(f, "the matrix does not have the pattern that was analysed"),
        }
    }
}

impl std::error::Error for LdlError {}
