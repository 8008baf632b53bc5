//! Currents of loads in lanes, after the responses of [`topology::phases`].

use sparse::block::LanePair;
use sparse::complex::Complex;
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, to_array};
use topology::phases::{self, ShuntBranch};

/// A response that lanes know; the others go branch by branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Response {
    /// Shares of constant impedance, current and power, continued outside of the range of voltage as
    /// [`topology::phases`] does; position in the list of those that occur.
    Shares(u32),
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
#[derive(Clone, Copy, PartialEq, Debug)]
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
    /// Power at nominal voltage: two registers per tap.
    pub(super) power: &'a LaneVec,
    /// The branches of the calculation model, for what the lanes do not know.
    pub(super) branches: &'a [ShuntBranch],
}

impl Response {
    /// The response of a branch; new shares are added to the list.
    pub(super) fn of(branch: &ShuntBranch, known: &mut Vec<Shares>) -> Self {
        let Some(shares) = Shares::of(branch) else { return Self::Other };
        let at = known.iter().position(|other| *other == shares).unwrap_or(known.len());
        if at == known.len() {
            known.push(shares);
        }
        Self::Shares(at as u32)
    }
}

impl Shares {
    fn of(branch: &ShuntBranch) -> Option<Self> {
        match branch.response {
            phases::Response::Power => Some(Self::new(branch, [0.0, 0.0, 1.0])),
            phases::Response::Impedance => Some(Self {
                min: f64::NEG_INFINITY,
                max: f64::INFINITY,
                low_v: f64::NEG_INFINITY,
                ..Self::new(branch, [1.0, 0.0, 0.0])
            }),
            phases::Response::Current => Some(Self::new(branch, [0.0, 1.0, 0.0])),
            phases::Response::Zip { p, q, cut_off_pu } if p == q && cut_off_pu <= 0.0 => {
                Some(Self::new(branch, p))
            }
            phases::Response::Exponential { .. }
            | phases::Response::FixedReactive { .. }
            | phases::Response::Zip { .. } => None,
        }
    }

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

    /// `sum - i` for a voltage across and a power.
    #[inline(always)]
    pub(super) fn subtract<S: Simd>(
        &self,
        simd: S,
        sum: LanePair<S>,
        [p, q]: LanePair<S>,
        [e, f]: LanePair<S>,
    ) -> LanePair<S> {
        let scale = self.scale(simd, simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f)));
        // conj(s) v = (P - jQ)(e + jf)
        let re = simd.mul_add_e_f64s(p, e, simd.mul_f64s(q, f));
        let im = simd.negate_mul_add_e_f64s(q, e, simd.mul_f64s(p, f));
        [simd.negate_mul_add_e_f64s(re, scale, sum[0]), simd.negate_mul_add_e_f64s(im, scale, sum[1])]
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
        let mut lanes = to_array::<S>(inside);
        self.sag(&to_array::<S>(squared), &mut lanes);
        from_array::<S>(&lanes)
    }

    /// The same at and below the range of voltage, lane by lane: it is rare, and a root that stands ready in case would
    /// cost every lane its time.
    #[cold]
    #[inline(never)]
    fn sag(&self, squared: &[f64; MAX_LANES], scale: &mut [f64; MAX_LANES]) {
        for (scale, squared) in scale.iter_mut().zip(squared) {
            let v = squared.sqrt();
            if v <= self.low_v {
                *scale = self.low;
            } else if *squared <= self.min * self.min {
                *scale = self.z + self.r + self.t / v;
            }
        }
    }
}

impl Loads<'_> {
    /// Lane by lane through the calculation model: rare responses, and voltages out of range.
    #[inline(never)]
    pub(super) fn one_by_one<S: Simd>(
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
