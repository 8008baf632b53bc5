//! One triangle of a complex symmetric matrix by columns.

use super::number::Complex;
use crate::matrix::{Csc, PatternBuilder};
use crate::order::fill_reducing;

/// Collects the positions of a symmetric matrix; `(i, j)` and `(j, i)` are one.
#[derive(Clone, Debug)]
pub struct SymmetricPattern {
    size: usize,
    entries: Vec<(usize, usize)>,
}

/// The upper triangle of a symmetric matrix in compressed columns; the pattern is fixed, the values are open.
///
/// INVARIANT: rows ascend strictly within a column and are at most the column; every diagonal entry is stored, as
/// the last of its column.
#[derive(Clone, PartialEq, Debug)]
pub struct SymmetricMatrix {
    pub(super) col_ptr: Vec<usize>,
    pub(super) row_idx: Vec<usize>,
    pub(super) values: Vec<Complex>,
}

impl SymmetricPattern {
    /// An empty pattern of that many rows.
    pub const fn new(size: usize) -> Self {
        Self { size, entries: Vec::new() }
    }

    /// Notes a position and returns the number of this entry, the index into the slots of [`Self::build`].
    ///
    /// # Panics
    /// When a position is outside the matrix.
    pub fn push(&mut self, row: usize, col: usize) -> usize {
        assert!(row < self.size && col < self.size, "entry ({row}, {col}) is outside the matrix");
        self.entries.push((row.min(col), row.max(col)));
        self.entries.len() - 1
    }

    /// Order of elimination that keeps the fill low: entry `k` is the row that is eliminated as the `k`-th.
    pub fn fill_reducing(&self) -> Vec<usize> {
        let mut builder = PatternBuilder::new(self.size, self.size);
        for &(row, col) in &self.entries {
            builder.push(row, col);
            builder.push(col, row);
        }
        fill_reducing(&builder.build().0)
    }

    /// The matrix, all values zero, and for every pushed entry its slot in [`SymmetricMatrix::values_mut`].
    pub fn build(self) -> (SymmetricMatrix, Vec<usize>) {
        let mut builder = PatternBuilder::new(self.size, self.size);
        for &(row, col) in &self.entries {
            builder.push(row, col);
        }
        for k in 0..self.size {
            builder.push(k, k);
        }
        let (csc, mut slots) = builder.build();
        slots.truncate(self.entries.len());
        let matrix = SymmetricMatrix {
            col_ptr: csc.col_ptr().to_vec(),
            row_idx: csc.row_indices().to_vec(),
            values: vec![Complex::ZERO; csc.values().len()],
        };
        (matrix, slots)
    }
}

impl SymmetricMatrix {
    /// Number of rows.
    pub fn size(&self) -> usize {
        self.col_ptr.len() - 1
    }

    /// Start of each column in [`Self::row_indices`], and the end of the last.
    pub fn col_ptr(&self) -> &[usize] {
        &self.col_ptr
    }

    /// Row of every stored entry.
    pub fn row_indices(&self) -> &[usize] {
        &self.row_idx
    }

    /// Stored values, column by column.
    pub fn values(&self) -> &[Complex] {
        &self.values
    }

    /// Stored values, to be written through slots.
    pub fn values_mut(&mut self) -> &mut [Complex] {
        &mut self.values
    }

    /// Sets every value to zero; the pattern stays.
    pub fn clear(&mut self) {
        self.values.fill(Complex::ZERO);
    }

    /// The diagonal entry of a row.
    pub fn diagonal(&self, row: usize) -> Complex {
        self.values[self.col_ptr[row + 1] - 1]
    }

    /// `y -= A x`, O(nonzeros).
    pub fn mul_subtract(&self, x: &[Complex], y: &mut [Complex]) {
        for col in 0..self.size() {
            let end = self.col_ptr[col + 1] - 1;
            let x_col = x[col];
            let mut sum = self.values[end] * x_col;
            for (&row, &value) in
                self.row_idx[self.col_ptr[col]..end].iter().zip(&self.values[self.col_ptr[col]..end])
            {
                y[row] -= value * x_col;
                sum += value * x[row];
            }
            y[col] -= sum;
        }
    }

    /// The real matrix of twice the size that acts on `(re, im)` pairs, unknown `2k` the real part of row `k`.
    pub fn real_equivalent(&self) -> Csc {
        let size = 2 * self.size();
        let mut entries = Vec::with_capacity(8 * self.values.len());
        for col in 0..self.size() {
            for at in self.col_ptr[col]..self.col_ptr[col + 1] {
                let (row, value) = (self.row_idx[at], self.values[at]);
                let mirrored = (row != col).then_some((col, row));
                for (row, col) in std::iter::once((row, col)).chain(mirrored) {
                    for (i, j, part) in
                        [(0, 0, value.re), (0, 1, -value.im), (1, 0, value.im), (1, 1, value.re)]
                    {
                        entries.push((2 * row + i, 2 * col + j, part));
                    }
                }
            }
        }
        Csc::square(size, &entries)
    }
}
