//! Complex numbers and small dense matrices of them: what line constants need and no more.

use std::ops::{Add, AddAssign, Div, Index, IndexMut, Mul, Neg, Sub};

/// A complex number in Cartesian form.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// A square matrix of complex numbers, row by row.
///
/// INVARIANT: `values.len() == order * order`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Matrix {
    order: usize,
    values: Vec<Complex>,
}

impl Complex {
    /// Zero.
    pub const ZERO: Self = Self { re: 0.0, im: 0.0 };
    /// One.
    pub const ONE: Self = Self { re: 1.0, im: 0.0 };

    /// `re + j im`.
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// A real number.
    pub const fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    /// An imaginary number.
    pub const fn imaginary(im: f64) -> Self {
        Self { re: 0.0, im }
    }

    /// Magnitude.
    pub fn abs(self) -> f64 {
        self.re.hypot(self.im)
    }

    /// Square root with a real part that is not negative.
    pub fn sqrt(self) -> Self {
        let size = self.abs();
        let re = (0.5 * (size + self.re)).max(0.0).sqrt();
        let im = (0.5 * (size - self.re)).max(0.0).sqrt();
        Self { re, im: im.copysign(self.im) }
    }

    /// Natural logarithm, imaginary part in (-π, π].
    pub fn ln(self) -> Self {
        Self { re: self.abs().ln(), im: self.im.atan2(self.re) }
    }

    /// Whether both parts are finite.
    pub const fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }
}

impl Add for Complex {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl AddAssign for Complex {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Complex {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Neg for Complex {
    type Output = Self;
    fn neg(self) -> Self {
        Self { re: -self.re, im: -self.im }
    }
}

impl Mul for Complex {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

impl Mul<f64> for Complex {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }
}

impl Div for Complex {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let square = other.re * other.re + other.im * other.im;
        Self {
            re: (self.re * other.re + self.im * other.im) / square,
            im: (self.im * other.re - self.re * other.im) / square,
        }
    }
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
                    work[(row, col)] = work[(row, col)] - factor * work[(n, col)];
                }
            }
        }
        Some(work.leading(order))
    }

    /// Inverse by elimination with row exchange; `None` when singular.
    pub fn inverse(&self) -> Option<Self> {
        let n = self.order;
        let mut left = self.clone();
        let mut right = Self::zeros(n);
        for k in 0..n {
            right[(k, k)] = Complex::ONE;
        }
        for k in 0..n {
            let best = (k..n).max_by(|&i, &j| left[(i, k)].abs().total_cmp(&left[(j, k)].abs()))?;
            left.exchange(k, best);
            right.exchange(k, best);
            let scale = Complex::ONE / left[(k, k)];
            if !scale.is_finite() {
                return None;
            }
            left.scale_row(k, scale);
            right.scale_row(k, scale);
            for row in (0..n).filter(|&row| row != k) {
                let factor = left[(row, k)];
                left.subtract_row(row, factor, k);
                right.subtract_row(row, factor, k);
            }
        }
        Some(right)
    }

    fn exchange(&mut self, a: usize, b: usize) {
        for col in 0..self.order {
            self.values.swap(a * self.order + col, b * self.order + col);
        }
    }

    fn scale_row(&mut self, row: usize, factor: Complex) {
        for col in 0..self.order {
            self[(row, col)] = self[(row, col)] * factor;
        }
    }

    fn subtract_row(&mut self, row: usize, factor: Complex, source: usize) {
        for col in 0..self.order {
            self[(row, col)] = self[(row, col)] - factor * self[(source, col)];
        }
    }
}
