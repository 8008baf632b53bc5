//! A complex number of two `f64`.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// A complex number in rectangular form.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex {
    /// Zero.
    pub const ZERO: Self = Self::new(0.0, 0.0);
    /// One.
    pub const ONE: Self = Self::new(1.0, 0.0);
    /// The imaginary unit.
    pub const J: Self = Self::new(0.0, 1.0);
    /// Not a number, in both parts.
    pub const NAN: Self = Self::new(f64::NAN, f64::NAN);

    /// From real and imaginary part.
    #[inline]
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// From magnitude and angle.
    pub fn polar(magnitude: f64, angle_rad: f64) -> Self {
        let (sin, cos) = angle_rad.sin_cos();
        Self::new(magnitude * cos, magnitude * sin)
    }

    /// The conjugate.
    #[inline]
    pub const fn conj(self) -> Self {
        Self::new(self.re, -self.im)
    }

    /// The square of the magnitude.
    #[inline]
    pub const fn norm_sqr(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    /// The magnitude.
    #[inline]
    pub fn abs(self) -> f64 {
        self.norm_sqr().sqrt()
    }

    /// The angle in radian.
    pub fn arg(self) -> f64 {
        self.im.atan2(self.re)
    }

    /// The reciprocal; not finite for zero.
    #[inline]
    pub fn recip(self) -> Self {
        let scale = 1.0 / self.norm_sqr();
        Self::new(self.re * scale, -self.im * scale)
    }

    /// The square root whose real part is not negative.
    pub fn sqrt(self) -> Self {
        let size = self.re.hypot(self.im);
        let re = (0.5 * (size + self.re)).max(0.0).sqrt();
        let im = (0.5 * (size - self.re)).max(0.0).sqrt();
        Self::new(re, im.copysign(self.im))
    }

    /// The natural logarithm, its imaginary part in (-π, π].
    pub fn ln(self) -> Self {
        Self::new(self.re.hypot(self.im).ln(), self.arg())
    }

    /// Whether both parts are finite.
    pub const fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }
}

impl From<f64> for Complex {
    fn from(re: f64) -> Self {
        Self::new(re, 0.0)
    }
}

impl Add for Complex {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }
}

impl Mul for Complex {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self::new(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }
}

impl Mul<f64> for Complex {
    type Output = Self;
    #[inline]
    fn mul(self, factor: f64) -> Self {
        Self::new(self.re * factor, self.im * factor)
    }
}

impl Div for Complex {
    type Output = Self;
    #[inline]
    fn div(self, other: Self) -> Self {
        let square = other.norm_sqr();
        Self::new(
            (self.re * other.re + self.im * other.im) / square,
            (self.im * other.re - self.re * other.im) / square,
        )
    }
}

impl Neg for Complex {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self::new(-self.re, -self.im)
    }
}

impl AddAssign for Complex {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Complex {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Complex {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Complex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:+}j", self.re, self.im)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_logarithms_and_quotients() {
        let close = |got: Complex, want: Complex| {
            assert!((got - want).abs() <= 1e-15 * (1.0 + want.abs()), "{got} is not {want}");
        };
        // By hand: (2 ± j)² = 3 ± 4j, and the principal values beside the cut along the negative axis.
        close(Complex::new(3.0, 4.0).sqrt(), Complex::new(2.0, 1.0));
        close(Complex::new(3.0, -4.0).sqrt(), Complex::new(2.0, -1.0));
        close(Complex::new(-4.0, 0.0).sqrt(), Complex::new(0.0, 2.0));
        close(Complex::new(-4.0, -0.0).sqrt(), Complex::new(0.0, -2.0));
        close(Complex::new(-1.0, 0.0).ln(), Complex::new(0.0, std::f64::consts::PI));
        close(Complex::polar(std::f64::consts::E, -2.5).ln(), Complex::new(1.0, -2.5));
        close(Complex::new(2.0, 11.0) / Complex::new(2.0, 1.0), Complex::new(3.0, 4.0));
        assert!(!(Complex::ONE / Complex::ZERO).is_finite());
    }
}
