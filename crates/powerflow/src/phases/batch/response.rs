//! Currents of loads in lanes, after the responses of [`topology::phases`].

use sparse::block::LanePair;
use sparse::complex::Complex;
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, to_array};
use topology::phases::{self, ShuntBranch};

/// A response that lanes know; the others go branch by branch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Response {
    /// Shares of constant impedance, current and power within a range of voltage:
    /// `i = (z/v_n² + c/(v_n |v|) + p/|v|²) conj(s) v`
    Shares {
        z: f64,
        c: f64,
        p: f64,
        /// Range of `|v|²` in which that holds.
        range: [f64; 2],
    },
    /// Asks the calculation model.
    Other,
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
        let inverse = 1.0 / branch.nominal_v;
        let range = [branch.min_v * branch.min_v, branch.max_v * branch.max_v];
        match branch.response {
            phases::Response::Power => Self::Shares { z: 0.0, c: 0.0, p: 1.0, range },
            phases::Response::Impedance => Self::Shares {
                z: inverse * inverse,
                c: 0.0,
                p: 0.0,
                range: [f64::NEG_INFINITY, f64::INFINITY],
            },
            phases::Response::Current => Self::Shares { z: 0.0, c: inverse, p: 0.0, range },
            phases::Response::Zip { p, q, cut_off_pu } if p == q && cut_off_pu <= 0.0 => {
                Self::Shares { z: p[0] * inverse * inverse, c: p[1] * inverse, p: p[2], range }
            }
            phases::Response::Exponential { .. }
            | phases::Response::FixedReactive { .. }
            | phases::Response::Zip { .. } => Self::Other,
        }
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
        let Response::Shares { z, c, p, range } = *response else {
            return self.one_by_one(simd, branch, power, [e, f]);
        };
        let squared = simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f));
        // A comparison with NaN is false, so a lane that is lost goes the slow way and stays lost.
        let above = simd.greater_than_f64s(squared, simd.splat_f64s(range[0]));
        let below = simd.less_than_or_equal_f64s(squared, simd.splat_f64s(range[1]));
        let inside = to_array::<S>(simd.select_f64s(
            simd.and_m64s(above, below),
            simd.splat_f64s(1.0),
            simd.splat_f64s(0.0),
        ));
        if inside[..S::F64_LANES].contains(&0.0) {
            return self.one_by_one(simd, branch, power, [e, f]);
        }
        let mut scale = simd.splat_f64s(z);
        if p != 0.0 {
            scale = simd.add_f64s(scale, simd.div_f64s(simd.splat_f64s(p), squared));
        }
        if c != 0.0 {
            scale = simd.add_f64s(scale, simd.div_f64s(simd.splat_f64s(c), simd.sqrt_f64s(squared)));
        }
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
