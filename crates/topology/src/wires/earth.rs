//! What the earth adds to the impedance of a conductor, and what the inside of a round wire does.
//!
//! Earth-return terms, to which `j ωμ/2π · ln(1/D)` is added (`D` distance, or GMR of the conductor itself); `h`
//! heights, `x` horizontal distance, `ρ` resistivity of the earth:
//!
//! ```text
//! modified Carson   ωμ/8 + j ωμ/2π · ln De                  De = e^0.6159315 · √(ρ/ωμ)
//! Carson            ωμ/π · (P + jQ) + j ωμ/2π · ln D'       D' = √((hi+hj)² + x²), distance to the image
//! Deri              j ωμ/2π · ln √((hi+hj+2p)² + x²)        p = 1/√(jωμ/ρ), complex depth
//! ```
//!
//! with Carson's integral, `a = D' √(ωμ/ρ)` and `φ` the angle between the lines to the image and to the earth:
//!
//! ```text
//! P + jQ = ∫ (√(k² + j) - k) e^(-k a cos φ) cos(k a sin φ) dk         k from 0 to ∞
//! ```
//!
//! Carson, "Wave propagation in overhead wires with ground return", Bell System Technical Journal 5, 1926; its series
//! as in Dommel, "EMTP Theory Book", 1986, section 4.1. Kersting, "Distribution System Modeling and Analysis", chapter
//! 4, keeps `π/8` of P and the first two terms of Q. Deri, Tevan, Semlyen, Castanheira, "The complex ground return
//! plane", IEEE Trans. PAS-100, 1981.
//!
//! Round wire with skin effect, `I0`, `I1` modified Bessel functions, `R` its resistance to direct current:
//!
//! ```text
//! Z = R · (αr/2) · I0(αr)/I1(αr)         αr = (1 + j) √(f μ / R)
//! ```

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4, PI};

use model::distribution::{EarthReturn, WireInfo, WirePosition};
use sparse::complex::Complex;

use super::InternalImpedance;

/// Permeability of free space in H/m. The measured value differs from it by 2e-10 of it.
pub(super) const MU: f64 = 4e-7 * PI;

/// `ln 2 + 1/2 - γ`, γ being Euler's constant.
const CARSON: f64 = std::f64::consts::LN_2 + 0.5 - 0.577_215_664_901_532_9;
/// Beyond this `a` the asymptotic series is better than the convergent one in double precision.
const ASYMPTOTIC_FROM: f64 = 20.0;
/// Terms of Carson's series; at `a = 20` the last ones are below 1e-20.
const MAX_TERMS: u32 = 100;
/// Terms below this no longer count beside `π/8`.
const SMALLEST_TERM: f64 = 1e-20;
/// Beyond this argument three terms of the asymptotic series give `I1/I0` to 1e-10.
const BESSEL_ASYMPTOTIC_FROM: f64 = 300.0;

/// Frequency and earth of one calculation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earth {
    pub(super) frequency_hz: f64,
    pub(super) resistivity_ohm_m: f64,
    pub(super) model: EarthReturn,
}

/// Where a conductor lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x_m: f64,
    pub(super) y_m: f64,
}

impl Place {
    pub(super) const fn of(position: &WirePosition) -> Self {
        Self { x_m: position.x_m, y_m: position.y_m }
    }

    pub(super) fn distance(self, other: Self) -> f64 {
        (self.x_m - other.x_m).hypot(self.y_m - other.y_m)
    }

    /// Distance to the image of the other below the surface.
    pub(super) fn image_distance(self, other: Self) -> f64 {
        (self.x_m - other.x_m).hypot(self.y_m.abs() + other.y_m.abs())
    }
}

impl Earth {
    /// `ωμ/2π`.
    pub(super) fn log_factor(&self) -> f64 {
        self.frequency_hz * MU
    }

    /// The part of the impedance that the earth makes, in ohm per metre.
    pub(super) fn impedance(&self, one: Place, other: Place) -> Complex {
        let omega_mu = 2.0 * PI * self.frequency_hz * MU;
        let per_metre = (omega_mu / self.resistivity_ohm_m).sqrt();
        let log_factor = self.log_factor();
        match self.model {
            EarthReturn::ModifiedCarson => {
                Complex::new(omega_mu / 8.0, log_factor * (CARSON - per_metre.ln()))
            }
            EarthReturn::Carson => {
                let distance = one.image_distance(other);
                let angle = (one.x_m - other.x_m).abs().atan2(one.y_m.abs() + other.y_m.abs());
                carson(per_metre * distance, angle) * (omega_mu / PI)
                    + Complex::new(0.0, log_factor * distance.ln())
            }
            EarthReturn::Deri => {
                let depth = Complex::ONE / (Complex::J.sqrt() * per_metre);
                let h = Complex::from(one.y_m.abs() + other.y_m.abs()) + depth * 2.0;
                let x = one.x_m - other.x_m;
                (h * h + Complex::from(x * x)).sqrt().ln() * Complex::new(0.0, log_factor)
            }
        }
    }

    /// Internal impedance and the radius that goes with it into `ln(1/radius)`.
    pub(super) fn internal(&self, wire: &WireInfo, how: InternalImpedance) -> (Complex, f64) {
        let round = || round_wire(self.frequency_hz, wire.r_dc_ohm_per_m);
        match how {
            InternalImpedance::Tabulated => (Complex::from(wire.r_ac_ohm_per_m), wire.gmr_m),
            InternalImpedance::RoundWire => (round(), wire.radius_m),
            InternalImpedance::RoundWireResistance => (Complex::from(round().re), wire.gmr_m),
        }
    }
}

/// Carson's integral `P + jQ`.
pub(super) fn carson(a: f64, angle: f64) -> Complex {
    if a < ASYMPTOTIC_FROM { carson_series(a, angle) } else { carson_asymptotic(a, angle) }
}

/// Term `i` is `b(i) a^i`; the terms of a row of four play four parts, which repeat.
fn carson_series(a: f64, angle: f64) -> Complex {
    let ln_a = a.ln();
    let mut sum = Complex::new(PI / 8.0, 0.5 * (CARSON - ln_a));
    // b(i) a^i for the last odd and the last even i, and c(i) for the last even i.
    let mut odd = std::f64::consts::SQRT_2 / 6.0 * a;
    let mut even = a * a / 16.0;
    let mut c = CARSON + 0.75;
    for i in 1..=MAX_TERMS {
        let n = f64::from(i);
        let (sin, cos) = (n * angle).sin_cos();
        if i > 2 {
            let next = a * a / (n * (n + 2.0));
            if i % 2 == 1 {
                odd *= next;
            } else {
                even *= next;
                c += 1.0 / n + 1.0 / (n + 2.0);
            }
        }
        if odd < SMALLEST_TERM && even < SMALLEST_TERM {
            break;
        }
        let with_log = || even * ((c - ln_a) * cos + angle * sin);
        // Signs of P and Q over two rows of four.
        sum += match i % 8 {
            1 => Complex::new(-odd * cos, odd * cos),
            2 => Complex::new(with_log(), -FRAC_PI_4 * even * cos),
            3 => Complex::new(odd * cos, odd * cos),
            4 => Complex::new(-FRAC_PI_4 * even * cos, -with_log()),
            5 => Complex::new(odd * cos, -odd * cos),
            6 => Complex::new(-with_log(), FRAC_PI_4 * even * cos),
            7 => Complex::new(-odd * cos, -odd * cos),
            _ => Complex::new(FRAC_PI_4 * even * cos, with_log()),
        };
    }
    sum
}

fn carson_asymptotic(a: f64, angle: f64) -> Complex {
    let term = |n: i32| (f64::from(n) * angle).cos() / a.powi(n);
    let p = FRAC_1_SQRT_2 * (term(1) + term(3) + 3.0 * term(5) - 45.0 * term(7)) - term(2);
    let q = FRAC_1_SQRT_2 * (term(1) - term(3) + 3.0 * term(5) + 45.0 * term(7));
    Complex::new(p, q)
}

/// Impedance of a solid round wire with skin effect, without the field outside of it.
fn round_wire(frequency_hz: f64, r_dc_ohm_per_m: f64) -> Complex {
    let alpha_r = Complex::new(1.0, 1.0) * (frequency_hz * MU / r_dc_ohm_per_m).sqrt();
    alpha_r * (0.5 * r_dc_ohm_per_m) / bessel_ratio(alpha_r)
}

/// `I1(z)/I0(z)` for a real part that is positive: the recurrence of the ratios, downward, where it is stable.
fn bessel_ratio(z: Complex) -> Complex {
    let inverse = Complex::ONE / z;
    let size = z.abs();
    if size > BESSEL_ASYMPTOTIC_FROM {
        let square = inverse * inverse;
        return Complex::ONE - inverse * 0.5 - square * 0.125 - square * inverse * 0.125;
    }
    let mut ratio = Complex::ZERO;
    let mut n = 40.0 + (2.0 * size).ceil();
    while n > 0.0 {
        ratio = Complex::ONE / (inverse * (2.0 * n) + ratio);
        n -= 1.0;
    }
    ratio
}

#[cfg(test)]
#[path = "earth_tests.rs"]
mod tests;
