//! Sparse LU: `P A Q = L U` with unit lower `L`.
//!
//! First factorisation: Gilbert and Peierls, "Sparse partial pivoting in time proportional to arithmetic
//! operations", SIAM J. Sci. Stat. Comput. 9(5), 1988. For column `k` the sparse triangular solve
//! `L x = A(:, q[k])` visits exactly the rows that a depth-first search reaches in the graph of `L`:
//!
//! ```text
//! U(j, k) = x(j) for the rows j that are pivots already
//! pivot   = x(diagonal) when |x(diagonal)| >= threshold · max |x|, else the largest
//! L(i, k) = x(i) / pivot for the others
//! ```
//!
//! Refactorisation walks the recorded patterns with the recorded pivots. Both take time proportional to the
//! arithmetic; memory is the fill. Entries that happen to be zero stay in the pattern, so it holds for any values.

use std::fmt;

use crate::matrix::Csc;
use crate::order::{fill_reducing, is_permutation};

/// The diagonal is taken as pivot when it is at least this share of the largest candidate.
const DIAGONAL_PREFERENCE: f64 = 1e-3;
/// A recorded pivot smaller than this share of its column's largest candidate makes [`Lu::update`] pivot anew.
const REFACTOR_GROWTH: f64 = 1e-6;
/// Relative backward error of the probe solve above which [`Lu::update`] pivots anew.
const REFACTOR_RESIDUAL: f64 = 1e-10;
/// Marks a row that is not yet a pivot.
const NONE: usize = usize::MAX;

/// The matrix has no usable pivot left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Singular {
    /// Column of the caller's matrix in which no pivot was found.
    pub column: usize,
}

/// Why a factorisation could not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LuError {
    /// The matrix is singular (or holds a number that is not finite).
    Singular(Singular),
    /// The matrix is not square, or has another size or pattern than before.
    Shape {
        /// Rows and columns that this factorisation was made for.
        want: usize,
        /// Columns that it got.
        got: usize,
    },
}

/// Which way [`Lu::update`] took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// The recorded pivots served.
    Refactored,
    /// Pivots were searched, the first time or because growth or residual asked for it.
    Pivoted,
}

/// LU factors of one pattern, with all work space.
#[derive(Clone, Debug)]
pub struct Lu {
    pub(crate) n: usize,
    /// Column of A that is eliminated as the k-th.
    pub(crate) q: Vec<usize>,
    /// Row of A that is the k-th pivot, and the inverse.
    pub(crate) p: Vec<usize>,
    pub(crate) p_inv: Vec<usize>,
    pub(crate) lower: Factor,
    pub(crate) upper: Factor,
    pub(crate) diagonal: Vec<f64>,
    /// Counts the pivot searches, so that whoever caches something per pattern sees a new one.
    pub(crate) generation: u64,
    nonzeros: usize,
    state: State,
    x: Vec<f64>,
    probe: Vec<f64>,
    search: Search,
}

/// Strict part of a triangular factor by columns; indices count in pivot order once the factorisation is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factor {
    pub(crate) ptr: Vec<usize>,
    pub(crate) idx: Vec<usize>,
    pub(crate) val: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No factors.
    Empty,
    /// Factors that solve and can be refactored.
    Pivoted,
    /// Factors of a semidefinite matrix with replaced pivots: they solve only.
    Replaced,
}

/// How a pivot is chosen.
#[derive(Clone, Copy)]
enum Pivoting {
    Threshold,
    /// Diagonal only; a pivot not above this share of the diagonal of A counts as zero and is replaced by one.
    Semidefinite {
        zero: f64,
    },
}

/// Depth-first search through the graph of `L`.
#[derive(Clone, Debug)]
struct Search {
    mark: Vec<usize>,
    stack: Vec<(usize, usize)>,
    /// Rows reached, in reverse topological order.
    reached: Vec<usize>,
}

impl Lu {
    /// Work space for one pattern, with a fill-reducing order of its columns.
    pub fn new(matrix: &Csc) -> Self {
        Self::with_order(fill_reducing(matrix))
    }

    /// Work space for a given order of elimination: the column `order[k]` is eliminated as the `k`-th.
    ///
    /// # Panics
    /// When `order` is no permutation.
    pub fn with_order(order: Vec<usize>) -> Self {
        let n = order.len();
        assert!(is_permutation(&order, n), "the order of elimination is no permutation");
        Self {
            n,
            q: order,
            p: vec![NONE; n],
            p_inv: vec![NONE; n],
            lower: Factor::default(),
            upper: Factor::default(),
            diagonal: vec![0.0; n],
            generation: 0,
            nonzeros: 0,
            state: State::Empty,
            x: vec![0.0; n],
            probe: vec![0.0; 2 * n],
            search: Search { mark: vec![NONE; n], stack: Vec::new(), reached: Vec::new() },
        }
    }

    /// Number of rows.
    pub const fn size(&self) -> usize {
        self.n
    }

    /// Entries of both factors, the diagonal included.
    pub fn fill(&self) -> usize {
        self.n + self.lower.idx.len() + self.upper.idx.len()
    }

    /// Factorises with threshold partial pivoting.
    ///
    /// # Errors
    /// [`LuError::Singular`] names the column without a pivot; the factors are then unusable.
    pub fn factor(&mut self, matrix: &Csc) -> Result<(), LuError> {
        self.eliminate(matrix, Pivoting::Threshold, &mut Vec::new())
    }

    /// Factorises a symmetric positive semidefinite matrix on its diagonal and replaces pivots that vanish by one.
    ///
    /// Returns the columns of replaced pivots, in the order of elimination. A solve then treats these unknowns as
    /// given by their right-hand side, which is what numerical observability analysis asks for. `zero` is the share
    /// of the diagonal entry at or below which a pivot counts as vanished.
    ///
    /// # Errors
    /// When the matrix is not square or holds a number that is not finite.
    pub fn factor_semidefinite(&mut self, matrix: &Csc, zero: f64) -> Result<Vec<usize>, LuError> {
        let mut replaced = Vec::new();
        self.eliminate(matrix, Pivoting::Semidefinite { zero }, &mut replaced)?;
        self.state = State::Replaced;
        Ok(replaced)
    }

    /// Factorises new values on the recorded pivots, and pivots anew when those do not serve.
    ///
    /// Does not allocate while the recorded pivots serve.
    ///
    /// # Errors
    /// As [`Self::factor`].
    pub fn update(&mut self, matrix: &Csc) -> Result<Path, LuError> {
        let same = self.state == State::Pivoted && self.nonzeros == matrix.values().len();
        if same
            && matrix.cols() == self.n
            && self.refactor(matrix)
            && self.probe_error(matrix) <= REFACTOR_RESIDUAL
        {
            return Ok(Path::Refactored);
        }
        self.factor(matrix).map(|()| Path::Pivoted)
    }

    /// Solves `A x = b` in place. All zeros when nothing is factorised would be a guess: the result is NaN then.
    pub fn solve(&mut self, b: &mut [f64]) {
        if self.state == State::Empty {
            return b.fill(f64::NAN);
        }
        for (x, &row) in self.x.iter_mut().zip(&self.p) {
            *x = b[row];
        }
        for k in 0..self.n {
            let x_k = self.x[k];
            if x_k != 0.0 {
                self.lower.subtract_column(k, x_k, &mut self.x);
            }
        }
        for k in (0..self.n).rev() {
            let x_k = self.x[k] / self.diagonal[k];
            self.x[k] = x_k;
            if x_k != 0.0 {
                self.upper.subtract_column(k, x_k, &mut self.x);
            }
        }
        for (x, &col) in self.x.iter_mut().zip(&self.q) {
            b[col] = *x;
            *x = 0.0;
        }
    }

    /// Solves `Aᵀ x = b` in place; NaN when nothing is factorised.
    pub fn solve_transposed(&mut self, b: &mut [f64]) {
        if self.state == State::Empty {
            return b.fill(f64::NAN);
        }
        for (x, &col) in self.x.iter_mut().zip(&self.q) {
            *x = b[col];
        }
        for k in 0..self.n {
            self.x[k] = (self.x[k] - self.upper.dot_column(k, &self.x)) / self.diagonal[k];
        }
        for k in (0..self.n).rev() {
            self.x[k] -= self.lower.dot_column(k, &self.x);
        }
        for (x, &row) in self.x.iter_mut().zip(&self.p) {
            b[row] = *x;
            *x = 0.0;
        }
    }

    /// Solves `A x = b` with `steps` of iterative refinement; `matrix` is the one factorised last.
    ///
    /// `x` and `work` have the size of the matrix and are overwritten. Returns the largest residual `|b - A x|`.
    pub fn solve_refined(
        &mut self,
        matrix: &Csc,
        b: &[f64],
        x: &mut [f64],
        work: &mut [f64],
        steps: usize,
    ) -> f64 {
        x.copy_from_slice(b);
        self.solve(x);
        for _ in 0..steps {
            residual(matrix, b, x, work);
            self.solve(work);
            for (x, dx) in x.iter_mut().zip(work.iter()) {
                *x += dx;
            }
        }
        residual(matrix, b, x, work);
        max_abs(work)
    }

    fn refactor(&mut self, matrix: &Csc) -> bool {
        for k in 0..self.n {
            for (row, value) in matrix.column(self.q[k]) {
                self.x[self.p_inv[row]] = value;
            }
            for slot in self.upper.ptr[k]..self.upper.ptr[k + 1] {
                let j = self.upper.idx[slot];
                let u = std::mem::take(&mut self.x[j]);
                self.upper.val[slot] = u;
                if u != 0.0 {
                    self.lower.subtract_column(j, u, &mut self.x);
                }
            }
            let pivot = std::mem::take(&mut self.x[k]);
            let mut largest = pivot.abs();
            for slot in self.lower.ptr[k]..self.lower.ptr[k + 1] {
                let value = std::mem::take(&mut self.x[self.lower.idx[slot]]);
                largest = largest.max(value.abs());
                self.lower.val[slot] = value / pivot;
            }
            self.diagonal[k] = pivot;
            let usable = pivot != 0.0 && largest.is_finite() && REFACTOR_GROWTH * largest <= pivot.abs();
            if !usable {
                self.x.fill(0.0);
                return false;
            }
        }
        true
    }

    /// Backward error of a solve whose answer is known: `A x = A·1`.
    fn probe_error(&mut self, matrix: &Csc) -> f64 {
        let mut probe = std::mem::take(&mut self.probe);
        let (b, x) = probe.split_at_mut(self.n);
        b.fill(0.0);
        x.fill(1.0);
        matrix.mul_add(1.0, x, b);
        x.copy_from_slice(b);
        self.solve(x);
        let scale = matrix.max_abs() * max_abs(x) + max_abs(b);
        matrix.mul_add(-1.0, x, b);
        let error = if scale == 0.0 { 0.0 } else { max_abs(b) / scale };
        self.probe = probe;
        error
    }

    fn eliminate(
        &mut self,
        matrix: &Csc,
        pivoting: Pivoting,
        replaced: &mut Vec<usize>,
    ) -> Result<(), LuError> {
        if matrix.rows() != self.n || matrix.cols() != self.n {
            return Err(LuError::Shape { want: self.n, got: matrix.cols() });
        }
        self.reset(matrix);
        for k in 0..self.n {
            self.search.reach(matrix, self.q[k], k, &self.p_inv, &self.lower);
            self.solve_column(matrix, k);
            let pivot_row = match pivoting {
                Pivoting::Threshold => self.threshold_pivot(k),
                Pivoting::Semidefinite { zero } => self.diagonal_pivot(matrix, k, zero, replaced),
            };
            let Some(row) = pivot_row else {
                self.x.fill(0.0);
                return Err(LuError::Singular(Singular { column: self.q[k] }));
            };
            self.store_column(k, row);
        }
        for row in &mut self.lower.idx {
            *row = self.p_inv[*row];
        }
        self.state = State::Pivoted;
        Ok(())
    }

    fn reset(&mut self, matrix: &Csc) {
        self.state = State::Empty;
        self.generation += 1;
        self.nonzeros = matrix.values().len();
        self.p.fill(NONE);
        self.p_inv.fill(NONE);
        self.x.fill(0.0);
        self.search.mark.fill(NONE);
        self.lower.reset();
        self.upper.reset();
    }

    /// `x = L \ A(:, q[k])` on the rows reached; the entries of `U` are stored on the way.
    fn solve_column(&mut self, matrix: &Csc, k: usize) {
        for (row, value) in matrix.column(self.q[k]) {
            self.x[row] = value;
        }
        for at in (0..self.search.reached.len()).rev() {
            let row = self.search.reached[at];
            let j = self.p_inv[row];
            if j == NONE {
                continue;
            }
            let u = std::mem::take(&mut self.x[row]);
            self.upper.idx.push(j);
            self.upper.val.push(u);
            if u != 0.0 {
                self.lower.subtract_column(j, u, &mut self.x);
            }
        }
        self.upper.ptr.push(self.upper.idx.len());
    }

    fn threshold_pivot(&self, k: usize) -> Option<usize> {
        let mut best = (0.0, NONE);
        for &row in self.search.reached.iter().filter(|&&row| self.p_inv[row] == NONE) {
            let size = self.x[row].abs();
            if size.is_nan() {
                return None;
            }
            if size > best.0 {
                best = (size, row);
            }
        }
        let (largest, row) = best;
        if row == NONE || !largest.is_finite() {
            return None;
        }
        let diagonal = self.q[k];
        let free = self.p_inv[diagonal] == NONE;
        // x is zero at rows that were not reached, so the comparison also refuses those.
        Some(if free && self.x[diagonal].abs() >= DIAGONAL_PREFERENCE * largest { diagonal } else { row })
    }

    fn diagonal_pivot(
        &mut self,
        matrix: &Csc,
        k: usize,
        zero: f64,
        replaced: &mut Vec<usize>,
    ) -> Option<usize> {
        let row = self.q[k];
        let original = matrix.column(row).find(|&(i, _)| i == row).map_or(0.0, |(_, value)| value);
        if !self.x[row].is_finite() || !original.is_finite() {
            return None;
        }
        if self.x[row].abs() <= zero * original.abs() {
            replaced.push(row);
            for &other in self.search.reached.iter().filter(|&&other| self.p_inv[other] == NONE) {
                self.x[other] = 0.0;
            }
            self.x[row] = 1.0;
        }
        Some(row)
    }

    fn store_column(&mut self, k: usize, pivot_row: usize) {
        let pivot = std::mem::take(&mut self.x[pivot_row]);
        self.diagonal[k] = pivot;
        self.p[k] = pivot_row;
        for &row in self.search.reached.iter().filter(|&&row| self.p_inv[row] == NONE && row != pivot_row) {
            self.lower.idx.push(row);
            self.lower.val.push(std::mem::take(&mut self.x[row]) / pivot);
        }
        self.lower.ptr.push(self.lower.idx.len());
        self.p_inv[pivot_row] = k;
    }
}

impl Factor {
    fn reset(&mut self) {
        self.ptr.clear();
        self.ptr.push(0);
        self.idx.clear();
        self.val.clear();
    }

    #[inline]
    fn subtract_column(&self, col: usize, factor: f64, x: &mut [f64]) {
        let range = self.ptr[col]..self.ptr[col + 1];
        for (&i, &v) in self.idx[range.clone()].iter().zip(&self.val[range]) {
            x[i] -= v * factor;
        }
    }

    fn dot_column(&self, col: usize, x: &[f64]) -> f64 {
        let range = self.ptr[col]..self.ptr[col + 1];
        self.idx[range.clone()].iter().zip(&self.val[range]).map(|(&i, &v)| v * x[i]).sum()
    }
}

impl Search {
    /// All rows that the column `col` of `A` reaches through the columns of `L` made so far.
    fn reach(&mut self, matrix: &Csc, col: usize, k: usize, p_inv: &[usize], lower: &Factor) {
        self.reached.clear();
        for (start, _) in matrix.column(col) {
            if self.mark[start] == k {
                continue;
            }
            self.mark[start] = k;
            self.stack.push((start, first_child(start, p_inv, lower)));
            while let Some((row, next)) = self.stack.pop() {
                match lower_child(row, next, p_inv, lower) {
                    None => self.reached.push(row),
                    Some(child) => {
                        self.stack.push((row, next + 1));
                        if self.mark[child] != k {
                            self.mark[child] = k;
                            self.stack.push((child, first_child(child, p_inv, lower)));
                        }
                    }
                }
            }
        }
    }
}

fn first_child(row: usize, p_inv: &[usize], lower: &Factor) -> usize {
    match p_inv[row] {
        NONE => 0,
        col => lower.ptr[col],
    }
}

fn lower_child(row: usize, at: usize, p_inv: &[usize], lower: &Factor) -> Option<usize> {
    match p_inv[row] {
        NONE => None,
        col => (at < lower.ptr[col + 1]).then(|| lower.idx[at]),
    }
}

fn residual(matrix: &Csc, b: &[f64], x: &[f64], out: &mut [f64]) {
    out.copy_from_slice(b);
    matrix.mul_add(-1.0, x, out);
}

/// Largest magnitude; NaN counts as infinite so that no check passes on it.
fn max_abs(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |max: f64, v| if v.is_nan() { f64::INFINITY } else { max.max(v.abs()) })
}

impl From<Singular> for LuError {
    fn from(singular: Singular) -> Self {
        Self::Singular(singular)
    }
}

impl fmt::Display for Singular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no usable pivot in column {}", self.column)
    }
}

impl fmt::Display for LuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Singular(singular) => singular.fmt(f),
            Self::Shape { want, got } => {
                write!(f, "matrix has {got} columns where {want} rows and columns were prepared")
            }
        }
    }
}

impl std::error::Error for Singular {}
impl std::error::Error for LuError {}
