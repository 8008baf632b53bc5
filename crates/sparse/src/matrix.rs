//! Compressed sparse columns, and the builder that fixes a pattern.

/// Collects the positions of a matrix; duplicates share one slot.
#[derive(Clone, Debug)]
pub struct PatternBuilder {
    rows: usize,
    cols: usize,
    entries: Vec<(usize, usize)>,
}

/// A matrix in compressed sparse columns. The pattern is fixed, the values are open.
///
/// INVARIANT: `col_ptr.len() == cols + 1`, rows ascend strictly within a column and are `< rows`.
#[derive(Clone, PartialEq, Debug)]
pub struct Csc {
    rows: usize,
    cols: usize,
    col_ptr: Vec<usize>,
    row_idx: Vec<usize>,
    values: Vec<f64>,
}

impl PatternBuilder {
    /// An empty pattern of the given size.
    pub const fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols, entries: Vec::new() }
    }

    /// Notes a position and returns the number of this entry, the index into the slots of [`Self::build`].
    ///
    /// # Panics
    /// When `row` or `col` is outside the matrix.
    pub fn push(&mut self, row: usize, col: usize) -> usize {
        assert!(row < self.rows && col < self.cols, "entry ({row}, {col}) is outside the matrix");
        self.entries.push((row, col));
        self.entries.len() - 1
    }

    /// The matrix, all values zero, and for every pushed entry its slot in [`Csc::values_mut`].
    ///
    /// O(e log e) in the number of entries.
    pub fn build(self) -> (Csc, Vec<usize>) {
        let mut by_column: Vec<usize> = (0..self.entries.len()).collect();
        by_column.sort_unstable_by_key(|&e| (self.entries[e].1, self.entries[e].0));
        let mut slots = vec![0; self.entries.len()];
        let mut col_ptr = vec![0; self.cols + 1];
        let mut row_idx: Vec<usize> = Vec::with_capacity(self.entries.len());
        let mut last = None;
        for entry in by_column {
            let (row, col) = self.entries[entry];
            if last != Some((row, col)) {
                row_idx.push(row);
                col_ptr[col + 1] += 1;
                last = Some((row, col));
            }
            slots[entry] = row_idx.len() - 1;
        }
        for col in 0..self.cols {
            col_ptr[col + 1] += col_ptr[col];
        }
        let values = vec![0.0; row_idx.len()];
        (Csc { rows: self.rows, cols: self.cols, col_ptr, row_idx, values }, slots)
    }
}

impl Csc {
    /// A square matrix of entries `(row, column, value)`; those at the same place add up.
    ///
    /// # Panics
    /// When a place is outside the matrix.
    pub fn square(size: usize, entries: &[(usize, usize, f64)]) -> Self {
        let mut builder = PatternBuilder::new(size, size);
        for &(row, col, _) in entries {
            builder.push(row, col);
        }
        let (mut matrix, slots) = builder.build();
        for (slot, &(_, _, value)) in slots.into_iter().zip(entries) {
            matrix.values[slot] += value;
        }
        matrix
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub const fn cols(&self) -> usize {
        self.cols
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
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Stored values, to be written through slots.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// Sets every value to zero; the pattern stays.
    pub fn clear(&mut self) {
        self.values.fill(0.0);
    }

    /// Rows and values of one column.
    pub fn column(&self, col: usize) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        let range = self.col_ptr[col]..self.col_ptr[col + 1];
        self.row_idx[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// `y += factor · A x`, O(nonzeros).
    pub fn mul_add(&self, factor: f64, x: &[f64], y: &mut [f64]) {
        for (col, &x_col) in x.iter().enumerate().take(self.cols) {
            for (row, value) in self.column(col) {
                y[row] += factor * value * x_col;
            }
        }
    }

    /// `y += factor · Aᵀ x`, O(nonzeros).
    pub fn mul_transposed_add(&self, factor: f64, x: &[f64], y: &mut [f64]) {
        for (col, y_col) in y.iter_mut().enumerate().take(self.cols) {
            *y_col += factor * self.column(col).map(|(row, value)| value * x[row]).sum::<f64>();
        }
    }

    /// Largest absolute value stored; NaN when one of them is.
    pub fn max_abs(&self) -> f64 {
        self.values
            .iter()
            .fold(0.0, |max: f64, v| if v.is_nan() || max.is_nan() { f64::NAN } else { max.max(v.abs()) })
    }
}
