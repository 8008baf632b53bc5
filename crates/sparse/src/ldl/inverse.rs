//! Entries of the inverse on the pattern of the factor (Takahashi, Fagan, Chin, "Formation of a sparse bus impedance
//! matrix and its application to short circuit study", PICA 1973; Erisman and Tinney, CACM 18(3), 1975).
//!
//! With `A = L D Lᵀ` and `Z = A⁻¹`, from the last column to the first:
//!
//! ```text
//! Z(i,j) =          - Σ{k > j} L(k,j) Z(i,k)          i > j, both in the pattern of column j
//! Z(j,j) = 1/D(j)   - Σ{k > j} L(k,j) Z(k,j)
//! ```
//!
//! The rows of a column of `L` are joined with each other by fill, so every `Z(i,k)` needed is on the pattern. The work
//! is that of a factorisation.
//!
//! As accurate as elimination without pivoting is: to rounding for a definite matrix. A quasi-definite one whose small
//! pivots make entries of `L` grow by `g` loses up to `g²` of the figures, and there is no refinement here.

use std::sync::Arc;

use super::{Ldl, LdlPattern};

/// `A⁻¹` where `A` or its factor has entries, the diagonal among them.
#[derive(Clone, Debug)]
pub struct SelectedInverse {
    pattern: Arc<LdlPattern>,
    /// Below the diagonal, by columns of `L`.
    lower: Vec<f64>,
    diagonal: Vec<f64>,
    /// Column `j` of `L` and the sums, spread out.
    spread: Vec<f64>,
    sums: Vec<f64>,
}

impl SelectedInverse {
    /// Room for the inverse of matrices of this pattern. Allocates; what follows does not.
    pub fn new(pattern: Arc<LdlPattern>) -> Self {
        let (n, entries) = (pattern.n, pattern.idx.len());
        Self {
            pattern,
            lower: vec![f64::NAN; entries],
            diagonal: vec![f64::NAN; n],
            spread: vec![0.0; n],
            sums: vec![0.0; n],
        }
    }

    /// Calculates all entries; they are NaN when nothing is factorised or the factors are of another pattern.
    pub fn compute(&mut self, ldl: &Ldl) {
        if !ldl.factorised || !Arc::ptr_eq(&self.pattern, ldl.pattern()) {
            self.lower.fill(f64::NAN);
            self.diagonal.fill(f64::NAN);
            return;
        }
        let pattern = Arc::clone(&self.pattern);
        for col in (0..pattern.n).rev() {
            self.column(ldl, &pattern, col);
        }
    }

    /// `Z(i,j)` in the caller's numbering; `None` where the factor has no entry.
    pub fn entry(&self, row: usize, col: usize) -> Option<f64> {
        let (a, b) = (self.pattern.position[row], self.pattern.position[col]);
        let (i, j) = (a.max(b), a.min(b));
        if i == j {
            return Some(self.diagonal[i]);
        }
        let range = self.pattern.column(j);
        let found = self.pattern.idx[range.clone()].binary_search(&i).ok()?;
        Some(self.lower[range.start + found])
    }

    /// Writes the diagonal in the caller's numbering.
    pub fn diagonal(&self, out: &mut [f64]) {
        for (value, &row) in self.diagonal.iter().zip(&self.pattern.order) {
            out[row] = *value;
        }
    }

    fn column(&mut self, ldl: &Ldl, pattern: &LdlPattern, j: usize) {
        // Sums at places outside of the column are never read: they are set to zero before they are used.
        for at in pattern.column(j) {
            self.spread[pattern.idx[at]] = ldl.lower[at];
            self.sums[pattern.idx[at]] = 0.0;
        }
        for at in pattern.column(j) {
            let (k, l) = (pattern.idx[at], ldl.lower[at]);
            let mut of_k = l * self.diagonal[k];
            for below in pattern.column(k) {
                let (i, z) = (pattern.idx[below], self.lower[below]);
                of_k += self.spread[i] * z;
                self.sums[i] += l * z;
            }
            self.sums[k] += of_k;
        }
        let mut diagonal = 1.0 / ldl.diagonal[j];
        for at in pattern.column(j) {
            let i = pattern.idx[at];
            let z = -self.sums[i];
            self.lower[at] = z;
            diagonal -= ldl.lower[at] * z;
            self.spread[i] = 0.0;
        }
        self.diagonal[j] = diagonal;
    }
}
