//! Loads and converters, one branch per phase: the current between two nodes as a function of the voltage across.
//!
//! ```text
//! i(v) = y(|v|) · v          y_n = conj(s_n) / v_n²     the admittance that draws s_n at the nominal voltage v_n
//!
//! power        y = y_n (v_n/|v|)²        current      y = y_n (v_n/|v|)        impedance   y = y_n
//! exponential  g = g_n (|v|/v_n)^(p-2),  b = b_n (|v|/v_n)^(q-2)
//! ZIP          the mean of the first three with its shares, separately for g and b
//! ```
//!
//! Outside of `[min_v, max_v]` the branch becomes the impedance of its limit; from `min_v` down to `low_v` the current
//! goes linearly to that of the nominal impedance, so that there is no jump (Dugan and Montenegro, "The Open
//! Distribution System Simulator (OpenDSS)", EPRI, load models).

use sparse::complex::Complex;

/// Steepness of the drop-out of a ZIP load around its cut-off voltage.
const CUT_OFF_STEEPNESS: f64 = 500.0;

/// Whose power it is, by position in the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Owner {
    /// A load.
    Load(u32),
    /// A generator, photovoltaic system or battery.
    Converter(u32),
}

/// How the admittance depends on the magnitude of voltage inside of the range.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Response {
    /// Constant power.
    Power,
    /// Constant impedance, at any voltage.
    Impedance,
    /// Constant current.
    Current,
    /// Exponents of active and reactive power.
    Exponential {
        /// Of active power.
        p: f64,
        /// Of reactive power.
        q: f64,
    },
    /// Constant active power beside a constant reactive power in var.
    FixedReactive {
        /// Reactive power of this phase.
        q_var: f64,
    },
    /// Shares of impedance, current and power.
    Zip {
        /// Of active power.
        p: [f64; 3],
        /// Of reactive power.
        q: [f64; 3],
        /// Voltage at which it drops out, per unit; 0 if it does not.
        cut_off_pu: f64,
    },
}

/// One phase of a load or converter. Currents flow from `from` through it to `to`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ShuntBranch {
    /// First node; [`super::GROUND`] for ground.
    pub from: u32,
    /// Second node; [`super::GROUND`] for ground.
    pub to: u32,
    /// Admittance at nominal voltage, `conj(s) / nominal_v²`; what delivers has a negative conductance.
    pub nominal_s: Complex,
    /// Nominal voltage across it.
    pub nominal_v: f64,
    /// At and below, the branch is `low_factor · nominal_s`.
    pub low_v: f64,
    /// Lowest voltage of the response.
    pub min_v: f64,
    /// Highest voltage of the response.
    pub max_v: f64,
    /// See `low_v`.
    pub low_factor: f64,
    /// The response.
    pub response: Response,
    /// Whose it is.
    pub owner: Owner,
}

impl ShuntBranch {
    /// Power drawn at nominal voltage.
    pub fn power_va(&self) -> Complex {
        (self.nominal_s * (self.nominal_v * self.nominal_v)).conj()
    }

    /// Sets the power that is drawn at nominal voltage.
    pub fn set_power(&mut self, power_va: Complex) {
        self.nominal_s = power_va.conj() * (1.0 / (self.nominal_v * self.nominal_v));
    }

    /// The admittance at a square of the magnitude of voltage. Not finite at zero volts only if `low_v` is zero.
    #[inline]
    pub fn admittance(&self, v_squared: f64) -> Complex {
        match self.response {
            Response::Impedance => self.nominal_s,
            Response::Power
                if self.min_v * self.min_v < v_squared && v_squared <= self.max_v * self.max_v =>
            {
                self.nominal_s * (self.nominal_v * self.nominal_v / v_squared)
            }
            Response::Power
            | Response::Current
            | Response::Exponential { .. }
            | Response::FixedReactive { .. }
            | Response::Zip { .. } => self.admittance_at(v_squared.sqrt()),
        }
    }

    fn admittance_at(&self, v: f64) -> Complex {
        if v <= self.low_v {
            return self.nominal_s * self.low_factor;
        }
        let y = self.nominal_s;
        match self.response {
            Response::Impedance => y,
            Response::Power => y * self.power_factor(v),
            Response::Current => y * self.current_factor(v),
            Response::Exponential { p, q } => {
                if self.inside(v) {
                    let ratio = v / self.nominal_v;
                    Complex::new(y.re * ratio.powf(p - 2.0), y.im * ratio.powf(q - 2.0))
                } else {
                    y * self.power_factor(v)
                }
            }
            Response::FixedReactive { q_var } => {
                let b = -q_var / if self.inside(v) { v * v } else { self.nominal_v * self.nominal_v };
                Complex::new(y.re * self.power_factor(v), b)
            }
            Response::Zip { p, q, cut_off_pu } => {
                let factors = [1.0, self.current_factor(v), self.power_factor(v)];
                let mean = |share: [f64; 3]| share.iter().zip(factors).map(|(s, f)| s * f).sum::<f64>();
                Complex::new(y.re * mean(p), y.im * mean(q)) * self.connected(v, cut_off_pu)
            }
        }
    }

    fn inside(&self, v: f64) -> bool {
        self.min_v < v && v <= self.max_v
    }

    /// Admittance of constant power by that at nominal voltage, continued by impedances outside of the range.
    fn power_factor(&self, v: f64) -> f64 {
        let squared = self.nominal_v * self.nominal_v;
        if v <= self.min_v {
            self.interpolated(v, squared / self.min_v)
        } else {
            let v = v.min(self.max_v);
            squared / (v * v)
        }
    }

    /// The same for constant current.
    fn current_factor(&self, v: f64) -> f64 {
        if v <= self.min_v {
            self.interpolated(v, self.nominal_v)
        } else {
            self.nominal_v / v.min(self.max_v)
        }
    }

    /// From `low_v` at `low_v` to `at_min` at `min_v`: currents by the admittance at nominal voltage.
    fn interpolated(&self, v: f64, at_min: f64) -> f64 {
        let slope = (at_min - self.low_v) / (self.min_v - self.low_v);
        (self.low_v + slope * (v - self.low_v)) / v
    }

    fn connected(&self, v: f64, cut_off_pu: f64) -> f64 {
        if cut_off_pu <= 0.0 {
            return 1.0;
        }
        0.5 * (1.0 + (CUT_OFF_STEEPNESS * (v / self.nominal_v - cut_off_pu)).tanh())
    }

    /// Current from `from` to `to` at a voltage across.
    #[inline]
    pub fn current(&self, v: Complex) -> Complex {
        self.admittance(v.norm_sqr()) * v
    }

    /// `∂i/∂v` and `∂i/∂v*` at a voltage across: `di = a·dv + b·conj(dv)`.
    pub fn derivatives(&self, v: Complex) -> (Complex, Complex) {
        let squared = v.norm_sqr();
        let y = self.admittance(squared);
        if squared == 0.0 {
            return (y, Complex::ZERO);
        }
        // y depends on m = |v|² alone, and dm = conj(v)·dv + v·conj(dv).
        let step = squared * 1e-6;
        let slope = (self.admittance(squared + step) - self.admittance(squared - step)) * (0.5 / step);
        (y + slope * squared, slope * v * v)
    }

    /// The part of the admittance whose voltage dependence a linear branch has already: `∂i/∂v` at nominal voltage.
    /// A fixed point that has it in its matrix contracts fastest.
    pub fn linear_part(&self) -> Complex {
        let y = self.nominal_s;
        match self.response {
            Response::Power => Complex::ZERO,
            Response::Impedance => y,
            Response::Current => y * 0.5,
            Response::Exponential { p, q } => Complex::new(y.re * 0.5 * p, y.im * 0.5 * q),
            Response::FixedReactive { .. } => Complex::ZERO,
            Response::Zip { p, q, .. } => {
                Complex::new(y.re * (p[0] + 0.5 * p[1]), y.im * (q[0] + 0.5 * q[1]))
            }
        }
    }
}
