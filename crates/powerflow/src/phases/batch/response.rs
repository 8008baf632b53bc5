//! Currents of loads in lanes, after the responses of [`topology::phases`].

use sparse::block::LanePair;
use sparse::complex::Complex;
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, to_array};
use topology::phases::{self, ShuntBranch};

/// A response that lanes know; the others go branch by branch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Response {
    /// Shares of constant impedance, current and power, continued outside of the range of voltage as
    /// [`topology::phases`] does.
    Shares(Shares),
    /// Asks the calculation model.
    Other,
}

/// `i = scale(|v|) conj(s) v`, with `h = min(|v|, max)` and `v_n` the nominal voltage:
///
/// ```text
/// |v| > min          z + c/h + p/h²                           z = share/v_n²,  c = share/v_n,  p = share
/// low < |v| <= min   z + r + t/|v|                            lines through the ends of the range
/// |v| <= low         low
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    z: f64,
    c: f64,
    p: f64,
    min: f64,
    max: f64,
    low_v: f64,
    low: f64,
    r: f64,
    t: f64,
}

/// What the loads of a block draw.
pub(super) struct Loads<'a> {
    /// Power at nominal voltage: two registers per branch, in the order of the taps.
    pub(super) power: &'a LaneVec,
    /// The branches of the calculation model, for what the lanes do not know.
    pub(super) branches: &'a [ShuntBranch],
}

impl Response {
    pub(super) fn of(branch: &ShuntBranch) -> Self {
        match branch.response {
            phases::Response::Power => Self::Shares(Shares::new(branch, [0.0, 0.0, 1.0])),
            phases::Response::Impedance => Self::Shares(Shares {
                min: f64::NEG_INFINITY,
                max: f64::INFINITY,
                low_v: f64::NEG_INFINITY,
                ..Shares::new(branch, [1.0, 0.0, 0.0])
            }),
            phases::Response::Current => Self::Shares(Shares::new(branch, [0.0, 1.0, 0.0])),
            phases::Response::Zip { p, q, cut_off_pu } if p == q && cut_off_pu <= 0.0 => {
                Self::Shares(Shares::new(branch, p))
            }
            phases::Response::Exponential { .. }
            | phases::Response::FixedReactive { .. }
            | phases::Response::Zip { .. } => Self::Other,
        }
    }
}

impl Shares {
    fn new(branch: &ShuntBranch, [z, c, p]: [f64; 3]) -> Self {
        let (nominal, min, low_v) = (branch.nominal_v, branch.min_v, branch.low_v);
        let inverse_square = 1.0 / (nominal * nominal);
        // (low_v + slope (|v| - low_v)) / |v| for each of power and current, by their shares.
        let slope = |at_min: f64| (at_min - low_v) / (min - low_v);
        let (slope_p, slope_c) = (slope(nominal * nominal / min), slope(nominal));
        let steep = p * slope_p + c * slope_c;
        Self {
            z: z * inverse_square,
            c: c / nominal,
            p,
            min,
            max: branch.max_v,
            low_v,
            low: branch.low_factor * inverse_square,
            r: steep * inverse_square,
            t: ((p + c) * low_v - steep * low_v) * inverse_square,
        }
    }

    #[inline(always)]
    fn scale<S: Simd>(&self, simd: S, squared: S::f64s) -> S::f64s {
        let z = simd.splat_f64s(self.z);
        if self.p == 0.0 && self.c == 0.0 && self.min == f64::NEG_INFINITY {
            return z;
        }
        let max = simd.splat_f64s(self.max * self.max);
        let held = simd.min_f64s(squared, max);
        let one = simd.splat_f64s(1.0);
        let mut inside = z;
        if self.p != 0.0 {
            inside = simd.mul_add_e_f64s(simd.splat_f64s(self.p), simd.div_f64s(one, held), inside);
        }
        if self.c != 0.0 {
            let inverse = simd.div_f64s(one, simd.sqrt_f64s(held));
            inside = simd.mul_add_e_f64s(simd.splat_f64s(self.c), inverse, inside);
        }
        // A comparison with NaN is false, so a lane that is lost goes the slow way and stays lost.
        let above = simd.greater_than_f64s(squared, simd.splat_f64s(self.min * self.min));
        let flags = to_array::<S>(simd.select_f64s(above, one, simd.splat_f64s(0.0)));
        if !flags[..S::F64_LANES].contains(&0.0) {
            return inside;
        }
        let v = simd.sqrt_f64s(squared);
        let line = simd.add_f64s(simd.splat_f64s(self.r), simd.div_f64s(simd.splat_f64s(self.t), v));
        let sagging = simd.add_f64s(z, line);
        let lower = simd.less_than_or_equal_f64s(v, simd.splat_f64s(self.low_v));
        let below = simd.select_f64s(lower, simd.splat_f64s(self.low), sagging);
        simd.select_f64s(above, inside, below)
    }
}

impl Loads<'_> {
    /// Current of a branch at the voltage across it.
    #[inline(always)]
    pub(super) fn current<S: Simd>(
        &self,
        simd: S,
        (branch, response): (u32, &Response),
        power: LanePair<S>,
        [e, f]: LanePair<S>,
    ) -> LanePair<S> {
        let Response::Shares(shares) = response else {
            return self.one_by_one(simd, branch, power, [e, f]);
        };
        let scale = shares.scale(simd, simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f)));
        // conj(s) v = (P - jQ)(e + jf)
        let re = simd.mul_add_e_f64s(power[0], e, simd.mul_f64s(power[1], f));
        let im = simd.negate_mul_add_e_f64s(power[1], e, simd.mul_f64s(power[0], f));
        [simd.mul_f64s(re, scale), simd.mul_f64s(im, scale)]
    }

    /// Lane by lane through the calculation model: rare responses, and voltages out of range.
    #[inline(never)]
    fn one_by_one<S: Simd>(
        &self,
        _simd: S,
        branch: u32,
        power: LanePair<S>,
        across: LanePair<S>,
    ) -> LanePair<S> {
        let (p, q) = (to_array::<S>(power[0]), to_array::<S>(power[1]));
        let (e, f) = (to_array::<S>(across[0]), to_array::<S>(across[1]));
        let (mut re, mut im) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
        for lane in 0..S::F64_LANES {
            let mut branch = self.branches[branch as usize];
            branch.set_power(Complex::new(p[lane], q[lane]));
            let current = branch.current(Complex::new(e[lane], f[lane]));
            (re[lane], im[lane]) = (current.re, current.im);
        }
        [from_array::<S>(&re), from_array::<S>(&im)]
    }
}
