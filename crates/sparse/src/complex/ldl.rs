//! `A = L D Lᵀ` of a complex symmetric matrix on a fixed pattern, without pivot search.
//!
//! Row by row (Davis, "Algorithm 849: A concise sparse Cholesky factorization package", ACM TOMS 31(4), 2005). The
//! pattern of row `k` of `L` is what the elimination tree reaches from the entries above the diagonal of column `k`:
//!
//! ```text
//! y            = A(0..k, k)
//! y(j)        -= L(j, i) · y(i)    for j > i, i ascending in the pattern of row k
//! L(k, i)      = y(i) / D(i)
//! D(k)         = A(k, k) - Σ L(k, i) · y(i)
//! ```

use std::fmt;

use super::matrix::SymmetricMatrix;
use super::number::Complex;

/// A pivot smaller than this share of the diagonal entry that it comes from has lost too many digits.
const PIVOT_LOSS: f64 = 1e-12;
/// Relative backward error of the probe solve above which the factors are refused.
const PROBE_ERROR: f64 = 1e-9;
/// The root of a tree.
const NONE: usize = usize::MAX;

/// Why factors without pivot search do not serve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Unusable {
    /// A pivot vanished, or a number is not finite.
    Pivot {
        /// Row of the matrix.
        row: usize,
    },
    /// The factors do not solve a known system well enough.
    Residual {
        /// Relative backward error.
        error: f64,
    },
}

/// Factors of one pattern, with all work space.
#[derive(Clone, Debug)]
pub struct Ldl {
    /// Columns of the strict lower triangle.
    col_ptr: Vec<u32>,
    row_idx: Vec<u32>,
    l: Vec<Complex>,
    d_inv: Vec<Complex>,
    /// By row: the columns of its entries ascending, and where they are in `l`.
    row_ptr: Vec<u32>,
    row_entries: Vec<(u32, u32)>,
    y: Vec<Complex>,
    probe: Vec<Complex>,
}

impl Ldl {
    /// Finds the pattern of the factor.
    ///
    /// # Panics
    /// When the factor has 2^32 entries or more.
    pub fn new(matrix: &SymmetricMatrix) -> Self {
        let n = matrix.size();
        let parent = elimination_tree(matrix);
        let mut rows: Vec<Vec<u32>> = Vec::with_capacity(n);
        let mut counts = vec![0_u32; n];
        let mut mark = vec![NONE; n];
        for k in 0..n {
            mark[k] = k;
            let mut row = Vec::new();
            for &start in strict_column(matrix, k) {
                let mut i = start;
                while i != NONE && mark[i] != k {
                    mark[i] = k;
                    row.push(narrow(i));
                    counts[i] += 1;
                    i = parent[i];
                }
            }
            row.sort_unstable();
            rows.push(row);
        }
        let mut factor = Self {
            col_ptr: running_sum(&counts),
            row_idx: Vec::new(),
            l: Vec::new(),
            d_inv: vec![Complex::ZERO; n],
            row_ptr: running_sum(&rows.iter().map(|row| narrow(row.len())).collect::<Vec<_>>()),
            row_entries: Vec::new(),
            y: vec![Complex::ZERO; n],
            probe: vec![Complex::ZERO; 2 * n],
        };
        factor.place(&rows);
        factor
    }

    fn place(&mut self, rows: &[Vec<u32>]) {
        let total = self.col_ptr[rows.len()] as usize;
        self.row_idx = vec![0; total];
        self.l = vec![Complex::ZERO; total];
        let mut next = self.col_ptr.clone();
        for (k, row) in rows.iter().enumerate() {
            for &i in row {
                let slot = next[i as usize];
                next[i as usize] += 1;
                self.row_idx[slot as usize] = narrow(k);
                self.row_entries.push((i, slot));
            }
        }
    }

    /// Number of rows.
    pub fn size(&self) -> usize {
        self.d_inv.len()
    }

    /// Entries of the factor, the diagonal included.
    pub fn fill(&self) -> usize {
        self.size() + self.l.len()
    }

    /// Start of each column of the strict lower triangle in [`Self::row_indices`], and the end of the last.
    pub fn col_ptr(&self) -> &[u32] {
        &self.col_ptr
    }

    /// Row of every entry below the diagonal.
    pub fn row_indices(&self) -> &[u32] {
        &self.row_idx
    }

    /// Entries below the diagonal, column by column.
    pub fn lower(&self) -> &[Complex] {
        &self.l
    }

    /// Reciprocals of the pivots.
    pub fn inverse_pivots(&self) -> &[Complex] {
        &self.d_inv
    }

    /// Computes the numbers of the factor and checks them.
    ///
    /// # Errors
    /// When a pivot vanishes or the probe solve is bad; the factors are then not to be used.
    ///
    /// # Panics
    /// When the matrix has another size than the pattern was made for.
    pub fn factor(&mut self, matrix: &SymmetricMatrix) -> Result<(), Unusable> {
        assert_eq!(matrix.size(), self.size(), "matrix and factor have different sizes");
        for k in 0..self.size() {
            self.eliminate_row(matrix, k)?;
        }
        let error = self.probe_error(matrix);
        if error <= PROBE_ERROR { Ok(()) } else { Err(Unusable::Residual { error }) }
    }

    fn eliminate_row(&mut self, matrix: &SymmetricMatrix, k: usize) -> Result<(), Unusable> {
        let end = matrix.col_ptr[k + 1] - 1;
        for at in matrix.col_ptr[k]..end {
            self.y[matrix.row_idx[at]] = matrix.values[at];
        }
        let original = matrix.values[end];
        let mut pivot = original;
        for at in self.row_ptr[k] as usize..self.row_ptr[k + 1] as usize {
            let (i, slot) = self.row_entries[at];
            let (i, slot) = (i as usize, slot as usize);
            let y_i = std::mem::take(&mut self.y[i]);
            let above = self.col_ptr[i] as usize..slot;
            for (&j, &l) in self.row_idx[above.clone()].iter().zip(&self.l[above]) {
                self.y[j as usize] -= l * y_i;
            }
            let l = y_i * self.d_inv[i];
            pivot -= l * y_i;
            self.l[slot] = l;
        }
        if pivot.is_finite() && PIVOT_LOSS * PIVOT_LOSS * original.norm_sqr() < pivot.norm_sqr() {
            self.d_inv[k] = pivot.recip();
            Ok(())
        } else {
            self.y.fill(Complex::ZERO);
            Err(Unusable::Pivot { row: k })
        }
    }

    /// Solves `A x = b` in place.
    ///
    /// # Panics
    /// When `b` is shorter than the matrix.
    pub fn solve(&self, b: &mut [Complex]) {
        let n = self.size();
        let b = &mut b[..n];
        for k in 0..n {
            let x = b[k];
            let range = self.col_ptr[k] as usize..self.col_ptr[k + 1] as usize;
            for (&i, &l) in self.row_idx[range.clone()].iter().zip(&self.l[range]) {
                b[i as usize] -= l * x;
            }
        }
        for k in (0..n).rev() {
            let mut x = b[k] * self.d_inv[k];
            let range = self.col_ptr[k] as usize..self.col_ptr[k + 1] as usize;
            for (&i, &l) in self.row_idx[range.clone()].iter().zip(&self.l[range]) {
                x -= l * b[i as usize];
            }
            b[k] = x;
        }
    }

    /// Backward error of a solve whose answer is known, row by row against the size of the diagonal: `A x = A·1`
    /// with signs that alternate, so that rows of zero sum say something too.
    fn probe_error(&mut self, matrix: &SymmetricMatrix) -> f64 {
        let mut probe = std::mem::take(&mut self.probe);
        let (b, x) = probe.split_at_mut(self.size());
        b.fill(Complex::ZERO);
        for (k, x) in x.iter_mut().enumerate() {
            *x = Complex::new(if k % 2 == 0 { -1.0 } else { 1.0 }, 0.5);
        }
        matrix.mul_subtract(x, b);
        for (x, b) in x.iter_mut().zip(b.iter()) {
            *x = -*b;
        }
        self.solve(x);
        for b in b.iter_mut() {
            *b = -*b;
        }
        matrix.mul_subtract(x, b);
        let largest = x.iter().map(|x| x.norm_sqr()).fold(1.0, f64::max).sqrt();
        let mut worst = 0.0_f64;
        for (k, b) in b.iter().enumerate() {
            let scale = matrix.diagonal(k).abs() * largest;
            let error = if scale == 0.0 { 0.0 } else { b.abs() / scale };
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
        self.probe = probe;
        worst
    }
}

fn strict_column(matrix: &SymmetricMatrix, col: usize) -> &[usize] {
    &matrix.row_idx[matrix.col_ptr[col]..matrix.col_ptr[col + 1] - 1]
}

fn elimination_tree(matrix: &SymmetricMatrix) -> Vec<usize> {
    let n = matrix.size();
    let mut parent = vec![NONE; n];
    let mut ancestor = vec![NONE; n];
    for k in 0..n {
        for &start in strict_column(matrix, k) {
            let mut i = start;
            while i != NONE && i != k {
                let next = ancestor[i];
                ancestor[i] = k;
                if next == NONE {
                    parent[i] = k;
                }
                i = next;
            }
        }
    }
    parent
}

fn running_sum(counts: &[u32]) -> Vec<u32> {
    let mut sum = 0_u32;
    std::iter::once(0)
        .chain(counts.iter().map(|&count| {
            sum = sum.checked_add(count).unwrap_or_else(|| panic!("the factor has 2^32 entries or more"));
            sum
        }))
        .collect()
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or_else(|_| panic!("the factor has 2^32 rows or more"))
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pivot { row } => write!(f, "the pivot of row {row} vanishes"),
            Self::Residual { error } => write!(f, "the factors leave a backward error of {error:e}"),
        }
    }
}

impl std::error::Error for Unusable {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::complex::SymmetricPattern;

    type Entries = Vec<(usize, usize, f64, f64)>;

    /// A network of admittances, node 0 to ground: like what power flow factorises.
    fn network(n: usize, entries: &Entries) -> SymmetricMatrix {
        let mut pattern = SymmetricPattern::new(n);
        let mut stamps = Vec::new();
        let branches = entries.iter().map(|&(i, j, g, b)| (i % n, j % n, Complex::new(g, b)));
        let tree = (1..n).map(|k| (k, (k * 7) % k, Complex::new(1.0, -3.0)));
        for (i, j, y) in branches.chain(tree) {
            if i != j {
                stamps.extend([(pattern.push(i, i), y), (pattern.push(j, j), y), (pattern.push(i, j), -y)]);
            }
        }
        stamps.push((pattern.push(0, 0), Complex::new(10.0, -30.0)));
        let (mut matrix, slots) = pattern.build();
        for (entry, y) in stamps {
            matrix.values_mut()[slots[entry]] += y;
        }
        matrix
    }

    proptest! {
        #[test]
        fn solves_any_network(
            n in 1_usize..40,
            entries in proptest::collection::vec((0_usize..40, 0_usize..40, 0.01..9.0, -9.0..-0.01), 0..60),
        ) {
            let matrix = network(n, &entries);
            let mut ldl = Ldl::new(&matrix);
            ldl.factor(&matrix).unwrap();
            let b: Vec<Complex> = (0..n).map(|k| Complex::new(k as f64 - 3.0, 1.0 / (k as f64 + 1.0))).collect();
            let mut x = b.clone();
            ldl.solve(&mut x);
            let mut rest = b.clone();
            matrix.mul_subtract(&x, &mut rest);
            prop_assert!(rest.iter().all(|r| r.abs() < 1e-9), "{rest:?}");

            // The pivoting factorisation of the real equivalent is the other witness.
            let real = matrix.real_equivalent();
            let mut lu = crate::Lu::new(&real);
            lu.factor(&real).unwrap();
            let mut pairs: Vec<f64> = b.iter().flat_map(|b| [b.re, b.im]).collect();
            lu.solve(&mut pairs);
            for (x, pair) in x.iter().zip(pairs.chunks(2)) {
                prop_assert!((x.re - pair[0]).abs() + (x.im - pair[1]).abs() < 1e-8 * (1.0 + x.abs()));
            }
        }
    }

    #[test]
    fn names_the_row_without_a_pivot() {
        let mut pattern = SymmetricPattern::new(3);
        let (a, b, c) = (pattern.push(1, 1), pattern.push(2, 2), pattern.push(1, 2));
        let first = pattern.push(0, 0);
        let (mut matrix, slots) = pattern.build();
        let y = Complex::new(1.0, -2.0);
        for (entry, value) in [(a, y), (b, y), (c, -y), (first, y)] {
            matrix.values_mut()[slots[entry]] += value;
        }
        let mut ldl = Ldl::new(&matrix);
        assert_eq!(ldl.factor(&matrix), Err(Unusable::Pivot { row: 2 }));
        // With a way to ground it has one, and the work space is as before.
        matrix.values_mut()[slots[b]] += Complex::new(0.0, 1e-6);
        assert_eq!(ldl.factor(&matrix), Ok(()));
    }
}
