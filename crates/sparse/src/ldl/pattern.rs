//! The symbolic part of LDLᵀ: order, elimination tree, counts and pattern.
//!
//! ```text
//! parent(j)  = min { k > j : L(k,j) ≠ 0 }                                the elimination tree
//! row k of L = columns on the paths from { i < k : A(i,k) ≠ 0 } up to k  (Liu, "The role of elimination trees in
//!                                                                        sparse factorization", SIMAX 11(1), 1990)
//! ```

use std::ops::Range;

use super::LdlError;
use crate::matrix::Csc;
use crate::order::{fill_reducing, is_permutation};

/// Marks a root of the elimination tree and a row that was not met.
const NONE: usize = usize::MAX;

/// What depends on the pattern of a symmetric matrix alone.
///
/// INVARIANT: `order` and `position` are inverse permutations; rows ascend within a column of `L`, columns within a row;
/// `row_slot` names the place of an entry of a row among the columns.
#[derive(Clone, Debug)]
pub struct LdlPattern {
    pub(super) n: usize,
    /// Entry `k` is the row that is eliminated as the `k`-th.
    pub(super) order: Vec<usize>,
    /// Where each row comes in `order`.
    pub(super) position: Vec<usize>,
    /// Columns of the permuted upper triangle, and where the values are in the matrix.
    pub(super) upper_ptr: Vec<usize>,
    pub(super) upper_row: Vec<usize>,
    pub(super) upper_slot: Vec<usize>,
    /// Columns of `L` below the diagonal.
    pub(super) ptr: Vec<usize>,
    pub(super) idx: Vec<usize>,
    /// Rows of `L` left of the diagonal.
    pub(super) row_ptr: Vec<usize>,
    pub(super) row_col: Vec<usize>,
    pub(super) row_slot: Vec<usize>,
    parent: Vec<usize>,
    /// Pattern of the caller's matrix, to recognise it.
    matrix_ptr: Vec<usize>,
    matrix_row: Vec<usize>,
}

impl LdlPattern {
    /// Analyses a pattern on the order of [`fill_reducing`](crate::fill_reducing).
    ///
    /// Near O(nonzeros of `L`) in practice; allocates. Values are not read.
    ///
    /// # Errors
    /// [`LdlError::Pattern`] when the matrix is not square.
    pub fn analyse(matrix: &Csc) -> Result<Self, LdlError> {
        Self::with_order(matrix, fill_reducing(matrix))
    }

    /// Analyses a pattern on a given order.
    ///
    /// # Errors
    /// [`LdlError::Pattern`] when the matrix is not square or the order not one of its rows.
    pub fn with_order(matrix: &Csc, order: Vec<usize>) -> Result<Self, LdlError> {
        let n = matrix.cols();
        if matrix.rows() != n || !is_permutation(&order, n) {
            return Err(LdlError::Pattern);
        }
        let mut position = vec![0; n];
        for (k, &row) in order.iter().enumerate() {
            position[row] = k;
        }
        let mut pattern = Self {
            n,
            order,
            position,
            upper_ptr: Vec::new(),
            upper_row: Vec::new(),
            upper_slot: Vec::new(),
            ptr: Vec::new(),
            idx: Vec::new(),
            row_ptr: Vec::new(),
            row_col: Vec::new(),
            row_slot: Vec::new(),
            parent: vec![NONE; n],
            matrix_ptr: matrix.col_ptr().to_vec(),
            matrix_row: matrix.row_indices().to_vec(),
        };
        pattern.permute(matrix);
        pattern.grow_tree();
        pattern.find_rows();
        pattern.sort_into_columns();
        Ok(pattern)
    }

    /// Rows and columns.
    pub const fn size(&self) -> usize {
        self.n
    }

    /// Entry `k` is the row that is eliminated as the `k`-th.
    pub fn elimination_order(&self) -> &[usize] {
        &self.order
    }

    /// Parent of a step of elimination in the elimination tree; `None` for a root.
    pub fn parent(&self, step: usize) -> Option<usize> {
        Some(self.parent[step]).filter(|&parent| parent != NONE)
    }

    /// Entries of `L` below the diagonal.
    pub const fn factor_entries(&self) -> usize {
        self.idx.len()
    }

    /// Entries of `L` below the diagonal in the column of a step of elimination.
    pub fn column_count(&self, step: usize) -> usize {
        self.column(step).len()
    }

    /// Whether a matrix has the pattern that was analysed.
    pub(super) fn fits(&self, matrix: &Csc) -> bool {
        matrix.rows() == self.n
            && matrix.col_ptr() == self.matrix_ptr
            && matrix.row_indices() == self.matrix_row
    }

    /// Places of the permuted upper triangle's column `k`.
    #[inline]
    pub(super) fn upper(&self, k: usize) -> Range<usize> {
        self.upper_ptr[k]..self.upper_ptr[k + 1]
    }

    /// Places of column `col` of `L`.
    #[inline]
    pub(super) fn column(&self, col: usize) -> Range<usize> {
        self.ptr[col]..self.ptr[col + 1]
    }

    /// Places of row `row` of `L`.
    #[inline]
    pub(super) fn row(&self, row: usize) -> Range<usize> {
        self.row_ptr[row]..self.row_ptr[row + 1]
    }

    /// The upper triangle of `P A Pᵀ`; entries of the lower triangle of `A` are left out.
    fn permute(&mut self, matrix: &Csc) {
        let mut entries = Vec::with_capacity(matrix.row_indices().len());
        for col in 0..self.n {
            let start = matrix.col_ptr()[col];
            for (slot, (row, _)) in (start..).zip(matrix.column(col)) {
                if row <= col {
                    let (a, b) = (self.position[row], self.position[col]);
                    entries.push((a.max(b), a.min(b), slot));
                }
            }
        }
        entries.sort_unstable();
        self.upper_ptr = starts(self.n, entries.iter().map(|&(col, _, _)| col));
        self.upper_row = entries.iter().map(|&(_, row, _)| row).collect();
        self.upper_slot = entries.iter().map(|&(_, _, slot)| slot).collect();
    }

    /// The elimination tree, with ancestors shortened on the way.
    fn grow_tree(&mut self) {
        let mut ancestor = vec![NONE; self.n];
        for k in 0..self.n {
            for at in self.upper(k) {
                let mut i = self.upper_row[at];
                while i < k {
                    let next = std::mem::replace(&mut ancestor[i], k);
                    if next == NONE {
                        self.parent[i] = k;
                        break;
                    }
                    i = next;
                }
            }
        }
    }

    /// Every row of `L`: up the tree from the entries of `A` until a column that was met for this row.
    fn find_rows(&mut self) {
        let mut met = vec![NONE; self.n];
        self.row_ptr = vec![0];
        for k in 0..self.n {
            let start = self.row_col.len();
            met[k] = k;
            for at in self.upper(k) {
                let mut i = self.upper_row[at];
                while met[i] != k {
                    met[i] = k;
                    self.row_col.push(i);
                    i = self.parent[i];
                }
            }
            self.row_col[start..].sort_unstable();
            self.row_ptr.push(self.row_col.len());
        }
    }

    /// The same entries by columns. Rows are taken in ascending order, so every column comes out sorted.
    fn sort_into_columns(&mut self) {
        self.ptr = starts(self.n, self.row_col.iter().copied());
        let mut next = self.ptr.clone();
        self.idx = vec![0; self.row_col.len()];
        self.row_slot = vec![0; self.row_col.len()];
        for row in 0..self.n {
            for at in self.row_ptr[row]..self.row_ptr[row + 1] {
                let slot = &mut next[self.row_col[at]];
                self.idx[*slot] = row;
                self.row_slot[at] = *slot;
                *slot += 1;
            }
        }
    }
}

/// Start of every column, and the end of the last, from the columns of all entries.
fn starts(n: usize, columns: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut ptr = vec![0; n + 1];
    for col in columns {
        ptr[col + 1] += 1;
    }
    for col in 0..n {
        ptr[col + 1] += ptr[col];
    }
    ptr
}
