//! Diagonal of the inverse from the factors alone (Takahashi, Fagan, Chin, "Formation of a sparse bus impedance
//! matrix and its application to short circuit study", PICA 1973; Erisman and Tinney, CACM 18(3), 1975).
//!
//! With `P A Q = L U`, `U = D Û` and `Z = (L U)⁻¹`, for `i, j > m`:
//!
//! ```text
//! Z(i, m) = - Σ_k Z(i, k) L(k, m)          k > m in column m of L
//! Z(m, j) = - Σ_k Û(m, k) Z(k, j)          k > m in row m of U
//! Z(m, m) = 1/d(m) - Σ_k Û(m, k) Z(k, m)
//! ```
//!
//! Only the entries of `Z` in the pattern of `(L + U)ᵀ` are needed, from the last to the first. The work is that of a
//! factorisation: the sum over m of the lengths of the rows and columns that row and column m of the factors name.

use crate::lu::Lu;

/// Selected entries of an inverse; keeps its work space and its pattern from call to call.
#[derive(Clone, Debug, Default)]
pub struct InverseDiagonal {
    generation: Option<u64>,
    /// Row m of U: columns ascending, and where each value lies in the factor.
    row_ptr: Vec<usize>,
    row_idx: Vec<usize>,
    row_slot: Vec<usize>,
    /// Column m of L, sorted likewise.
    col_idx: Vec<usize>,
    col_slot: Vec<usize>,
    /// `Z(i, m)` for i in row m of U, `Z(m, j)` for j in column m of L, `Z(m, m)`.
    below: Vec<f64>,
    right: Vec<f64>,
    diagonal: Vec<f64>,
    spread: Vec<Spread>,
}

/// Work space of one step, per index.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    upper: f64,
    lower: f64,
    below: f64,
    right: f64,
}

impl InverseDiagonal {
    /// Writes the diagonal of `A⁻¹` for the factors in `lu` into `out`.
    ///
    /// An entry whose position is not in the pattern of `A` may be out of reach and is NaN then. Allocates on the
    /// first call after a pivot search.
    pub fn compute(&mut self, lu: &Lu, out: &mut [f64]) {
        if lu.upper.ptr.len() != lu.n + 1 || lu.lower.ptr.len() != lu.n + 1 {
            return out.fill(f64::NAN);
        }
        if self.generation != Some(lu.generation) {
            self.analyse(lu);
        }
        for m in (0..lu.n).rev() {
            self.step(lu, m);
        }
        for (k, &col) in lu.q.iter().enumerate() {
            out[col] = self.entry(lu, k, lu.p_inv[col]).unwrap_or(f64::NAN);
        }
    }

    fn analyse(&mut self, lu: &Lu) {
        let n = lu.n;
        self.row_ptr = vec![0; n + 1];
        for &row in &lu.upper.idx {
            self.row_ptr[row + 1] += 1;
        }
        for m in 0..n {
            self.row_ptr[m + 1] += self.row_ptr[m];
        }
        let mut next = self.row_ptr.clone();
        self.row_idx = vec![0; lu.upper.idx.len()];
        self.row_slot = vec![0; lu.upper.idx.len()];
        // Columns are met in ascending order, so every row comes out sorted.
        for col in 0..n {
            for slot in lu.upper.ptr[col]..lu.upper.ptr[col + 1] {
                let at = &mut next[lu.upper.idx[slot]];
                self.row_idx[*at] = col;
                self.row_slot[*at] = slot;
                *at += 1;
            }
        }
        self.col_slot = (0..lu.lower.idx.len()).collect();
        for m in 0..n {
            self.col_slot[lu.lower.ptr[m]..lu.lower.ptr[m + 1]]
                .sort_unstable_by_key(|&slot| lu.lower.idx[slot]);
        }
        self.col_idx = self.col_slot.iter().map(|&slot| lu.lower.idx[slot]).collect();
        self.below = vec![0.0; self.row_idx.len()];
        self.right = vec![0.0; self.col_idx.len()];
        self.diagonal = vec![0.0; n];
        self.spread = vec![Spread::default(); n];
        self.generation = Some(lu.generation);
    }

    /// Row and column m of Z right of and below the diagonal, then the diagonal.
    fn step(&mut self, lu: &Lu, m: usize) {
        let row = self.row_ptr[m]..self.row_ptr[m + 1];
        let col = lu.lower.ptr[m]..lu.lower.ptr[m + 1];
        // Row m of U and column m of L, spread out; sums at places outside of them are never read.
        for at in row.clone() {
            self.spread[self.row_idx[at]].upper = lu.upper.val[self.row_slot[at]];
            self.spread[self.row_idx[at]].below = 0.0;
        }
        for at in col.clone() {
            self.spread[self.col_idx[at]].lower = lu.lower.val[self.col_slot[at]];
            self.spread[self.col_idx[at]].right = 0.0;
        }
        for at in row.clone() {
            self.take_row(lu, self.row_idx[at]);
        }
        for at in col.clone() {
            self.take_column(self.col_idx[at]);
        }
        let mut sum = 1.0;
        for at in row {
            let spread = &mut self.spread[self.row_idx[at]];
            self.below[at] = -spread.below;
            sum += spread.upper * spread.below;
            spread.upper = 0.0;
        }
        for at in col {
            let spread = &mut self.spread[self.col_idx[at]];
            self.right[at] = -spread.right / lu.diagonal[m];
            spread.lower = 0.0;
        }
        self.diagonal[m] = sum / lu.diagonal[m];
    }

    /// Products with `Z(i, k)`, k >= i: the diagonal counts here.
    fn take_row(&mut self, lu: &Lu, i: usize) {
        let upper = self.spread[i].upper;
        let mut below = self.diagonal[i] * self.spread[i].lower;
        self.spread[i].right += upper * self.diagonal[i];
        for at in lu.lower.ptr[i]..lu.lower.ptr[i + 1] {
            let (z, spread) = (self.right[at], &mut self.spread[self.col_idx[at]]);
            below += z * spread.lower;
            spread.right += upper * z;
        }
        self.spread[i].below += below;
    }

    /// Products with `Z(i, k)`, i > k.
    fn take_column(&mut self, k: usize) {
        let lower = self.spread[k].lower;
        let mut right = 0.0;
        for at in self.row_ptr[k]..self.row_ptr[k + 1] {
            let (z, spread) = (self.below[at], &mut self.spread[self.row_idx[at]]);
            right += z * spread.upper;
            spread.below += lower * z;
        }
        self.spread[k].right += right;
    }

    /// `Z(i, j)` where it is in the pattern.
    fn entry(&self, lu: &Lu, i: usize, j: usize) -> Option<f64> {
        if i == j {
            return Some(self.diagonal[i]);
        }
        if i > j {
            let start = self.row_ptr[j];
            let found = self.row_idx[start..self.row_ptr[j + 1]].binary_search(&i).ok()?;
            return Some(self.below[start + found]);
        }
        let start = lu.lower.ptr[i];
        let found = self.col_idx[start..lu.lower.ptr[i + 1]].binary_search(&j).ok()?;
        Some(self.right[start + found])
    }
}
