//! Small dense square matrices of complex numbers: what line constants need and no more.

use std::ops::{Index, IndexMut};

use sparse::complex::Complex;

use crate::dense;

/// A square matrix of complex numbers, row by row.
///
/// INVARIANT: `values.len() == order * order`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Matrix {
    order: usize,
    values: Vec<Complex>,
}

impl Index<(usize, usize)> for Matrix {
    type Output = Complex;
    fn index(&self, (row, col): (usize, usize)) -> &Complex {
        assert!(row < self.order && col < self.order, "entry ({row}, {col}) is outside the matrix");
        &self.values[row * self.order + col]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, col): (usize, usize)) -> &mut Complex {
        assert!(row < self.order && col < self.order, "entry ({row}, {col}) is outside the matrix");
        &mut self.values[row * self.order + col]
    }
}

impl Matrix {
    /// All zeros.
    pub fn zeros(order: usize) -> Self {
        Self { order, values: vec![Complex::ZERO; order * order] }
    }

    /// Rows, which are as many as columns.
    pub const fn order(&self) -> usize {
        self.order
    }

    /// Whether every entry is finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// Every entry times a real number: from per metre to another unit of length, or to a whole line.
    pub fn scaled(&self, factor: f64) -> Self {
        Self { order: self.order, values: self.values.iter().map(|&value| value * factor).collect() }
    }

    /// The first `order` rows and columns.
    pub fn leading(&self, order: usize) -> Self {
        let mut out = Self::zeros(order.min(self.order));
        for row in 0..out.order {
            for col in 0..out.order {
                out[(row, col)] = self[(row, col)];
            }
        }
        out
    }

    /// `A B`.
    pub fn times(&self, other: &Self) -> Self {
        let mut out = Self::zeros(self.order);
        for row in 0..self.order {
            for col in 0..self.order {
                for k in 0..self.order {
                    out[(row, col)] += self[(row, k)] * other[(k, col)];
                }
            }
        }
        out
    }

    /// Kron reduction: the matrix seen from the first `order` conductors when the voltage of all others is zero.
    /// `None` when a pivot vanishes.
    ///
    /// ```text
    /// Z'(i,j) = Z(i,j) - Z(i,n) Z(n,j) / Z(n,n)          n from the last conductor down
    /// ```
    pub fn kron(&self, order: usize) -> Option<Self> {
        let mut work = self.clone();
        for n in (order..self.order).rev() {
            let pivot = work[(n, n)];
            for row in 0..n {
                let factor = work[(row, n)] / pivot;
                if !factor.is_finite() {
                    return None;
                }
                for col in 0..n {
                    let product = factor * work[(n, col)];
                    work[(row, col)] -= product;
                }
            }
        }
        Some(work.leading(order))
    }

    /// Inverse; `None` when singular.
    pub fn inverse(&self) -> Option<Self> {
        let mut out = self.clone();
        dense::invert(&mut out.values, self.order)?;
        Some(out)
    }
}
