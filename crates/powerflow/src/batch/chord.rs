//! Many scenarios on one meshed island: Newton's method with one factorisation, that of the base solution, for all of
//! them (a chord, or dishonest Newton, method; Stott, "Review of load-flow calculation methods", Proc. IEEE 62(7),
//! 1974), in lanes.
//!
//! Voltages are rectangular, `V = e + jf`, steps are relative, `ξ = Δv/v + jΔθ`, `V⁺ = V (1 + ξ + ξ²/2)`. With
//! `I = Y V`, `S = V conj(I)`, `s(i,j) = V(i) conj(Y(i,j) V(j))` the equations of a bus are
//!
//! ```text
//! load bus:     P - Re S = 0,  Q - Im S = 0          machine bus:  P - Re S = 0,  (1 - |V|² / Vset²) / 2 = 0
//! slack:        Δθ = 0,  Δv/v = 0
//!
//! j ≠ i:   [  Im s   Re s ]          j = i:   [ Im s(i,i) - Q(i)    P(i) + Re s(i,i) ]       in (Δθ(j), Δv(j)/v(j))
//!          [ -Re s   Im s ]                   [ P(i) - Re s(i,i)    Q(i) + Im s(i,i) ]
//!
//! J₀ ξ = mismatch(V),   V ← V (1 + ξ + ξ²/2)   until   max |mismatch| <= tolerance
//! ```
//!
//! The mismatch of rectangular voltages is a quadratic form: no trigonometric function and no division in the loop. The
//! Jacobian in relative steps knows differences of angles only, so a whole region that turns against the base solution
//! does not slow the chord down. `J₀` is shared: a lane costs a solve and a product with `Y` per step and never a
//! factorisation. What does not fall is given up here and goes to the full method.

use std::ops::Range;
use std::sync::Arc;

use sparse::block::{BlockLu, BlockPattern, EndColumns, LanePair, PathIndex, Paths, Seed, SharedFactor};
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, registers, registers_mut, splat_pair, to_array};

use super::complex;
use super::progress::{Limits, Progress};
use crate::admittances::Admittances;
use crate::island::Held;
use crate::solver::Part;

/// What is held at a bus.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Fixed {
    /// Voltage, as it is in the base solution.
    Voltage,
    /// Active power and the magnitude.
    Magnitude {
        /// `1 / (2 Vset²)`.
        half_inverse_square: f64,
    },
    /// Active and reactive power.
    Power,
}

/// One island in the order of elimination, at its base solution.
#[derive(Clone, Debug)]
pub(super) struct Chord {
    rows: Admittances,
    fixed: Vec<Fixed>,
    base: Vec<[f64; 2]>,
    /// Net injections of the base case.
    s: Vec<[f64; 2]>,
    lu: BlockLu,
    paths: Paths,
}

/// What a lane knows beside its voltages.
pub(super) struct Lanes<'a> {
    /// Net injections, two registers per bus.
    pub(super) s: &'a mut LaneVec,
    /// Voltages, two registers per bus; the result.
    pub(super) v: &'a mut LaneVec,
    /// Work space as large as `v`.
    pub(super) r: &'a mut LaneVec,
}

impl Chord {
    /// `None` where the factors of the base solution are not to be trusted.
    pub(super) fn new(part: &Part, base: Vec<[f64; 2]>) -> Option<Self> {
        let island = &part.island;
        let fixed = island.held.iter().zip(&island.vm_pu).map(|(held, vm)| match held {
            Held::VoltageAndAngle => Fixed::Voltage,
            Held::PowerAndVoltage => Fixed::Magnitude { half_inverse_square: 0.5 / (vm * vm) },
            Held::Power => Fixed::Power,
        });
        let (fixed, rows) = (fixed.collect::<Vec<_>>(), island.admittances().clone());
        let s = island.p_set_pu.iter().zip(&island.q_set_pu).map(|(&p, &q)| [p, q]).collect();
        let mut lu = BlockLu::new(Arc::clone(island.pattern()));
        write_jacobian(&mut lu, &rows, &fixed, &base);
        lu.factor().ok()?;
        let paths = Paths::new(&lu);
        Some(Self { rows, fixed, base, s, lu, paths })
    }

    /// Bus admittances in the order of elimination.
    pub(super) fn rows(&self) -> &Admittances {
        &self.rows
    }

    /// Pattern of the Jacobian.
    pub(super) fn pattern(&self) -> &BlockPattern {
        self.lu.pattern()
    }

    /// Number of buses.
    pub(super) fn buses(&self) -> usize {
        self.base.len()
    }

    /// What is held at a bus, by position.
    pub(super) fn fixed(&self, at: u32) -> Fixed {
        self.fixed[at as usize]
    }

    /// Base voltage of a bus, by position.
    pub(super) fn base(&self, at: u32) -> [f64; 2] {
        self.base[at as usize]
    }

    /// Net injection of a bus in the base case, by position.
    pub(super) fn injection(&self, at: u32) -> [f64; 2] {
        self.s[at as usize]
    }

    /// Base voltages, by position.
    pub(super) fn base_voltages(&self) -> &[[f64; 2]] {
        &self.base
    }

    /// What is given by position through the factors.
    #[inline(always)]
    pub(super) fn columns<const FUSED: bool>(
        &self,
        seeds: &[Seed],
        index: &mut PathIndex,
        out: &mut EndColumns,
    ) {
        self.paths.columns::<FUSED>(&self.lu, seeds, index, out);
    }

    /// The factors of the base solution.
    pub(super) fn factor(&self) -> SharedFactor<'_> {
        SharedFactor::new(&self.lu)
    }

    /// `s(i,j)` of the neighbours `j` of a bus in the base solution, and of the bus itself behind them.
    pub(super) fn base_flows(&self, at: u32) -> impl Iterator<Item = (u32, [f64; 2])> + '_ {
        let i = at as usize;
        let flow = move |y: [f64; 2], j: usize| {
            complex::times_conjugate(self.base[i], complex::multiply(y, self.base[j]))
        };
        let range = self.rows.ptr[i] as usize..self.rows.ptr[i + 1] as usize;
        let entries = self.rows.y[range.clone()].iter().zip(&self.rows.col[range]);
        let others = entries.map(move |(&y, &j)| (j, flow(y, j as usize)));
        others.chain(std::iter::once((at, flow(self.rows.diagonal[i], i))))
    }

    /// Steps a block of scenarios from the base solution until each lane meets the tolerance or stops falling.
    #[inline(always)]
    pub(super) fn solve<S: Simd>(&self, simd: S, lanes: Lanes<'_>, limits: Limits) -> Progress {
        let s = registers::<2, S>(lanes.s);
        let (v, r) = (registers_mut::<2, S>(lanes.v), registers_mut::<2, S>(lanes.r));
        for (v, base) in v.iter_mut().zip(&self.base) {
            *v = splat_pair(simd, *base);
        }
        let factor = SharedFactor::new(&self.lu);
        let mut progress = Progress::new(S::F64_LANES);
        while progress.goes_on(to_array::<S>(self.mismatch(simd, s, v, r)), limits) {
            factor.solve(simd, r);
            let moving = progress.moving(simd);
            for (v, r) in v.iter_mut().zip(r.iter()) {
                *v = stepped(simd, *v, *r, moving);
            }
        }
        progress
    }

    /// Mismatches into `r`; returns the largest of each lane.
    #[inline(always)]
    pub(super) fn mismatch<S: Simd>(
        &self,
        simd: S,
        s: &[LanePair<S>],
        v: &[LanePair<S>],
        r: &mut [LanePair<S>],
    ) -> S::f64s {
        let mut largest = simd.splat_f64s(0.0);
        for (i, &fixed) in self.fixed.iter().enumerate() {
            r[i] = self.deviation(simd, (i, fixed), s[i], v);
            largest = larger(simd, largest, r[i]);
        }
        largest
    }

    /// Mismatches of the base injections but for the exceptions (ascending), through the first half of a solve, into
    /// `r`; returns the largest mismatch of each lane. One walk, so that neither is fetched twice.
    #[inline(always)]
    pub(super) fn rise<S: Simd>(
        &self,
        simd: S,
        v: &[LanePair<S>],
        r: &mut [LanePair<S>],
        exceptions: &mut [Exception],
    ) -> S::f64s {
        let (mut largest, mut from) = (simd.splat_f64s(0.0), 0);
        for exception in exceptions {
            let at = exception.at as usize;
            largest = self.rise_rows(simd, from..at, (v, r), largest);
            let found = self.exceptional(simd, exception, v);
            exception.mismatch = [to_array::<S>(found[0]), to_array::<S>(found[1])];
            r[at] = self.factor().forward_row(simd, at, found, r);
            largest = larger(simd, largest, found);
            from = at + 1;
        }
        self.rise_rows(simd, from..self.base.len(), (v, r), largest)
    }

    #[inline(always)]
    fn rise_rows<S: Simd>(
        &self,
        simd: S,
        rows: Range<usize>,
        (v, r): (&[LanePair<S>], &mut [LanePair<S>]),
        mut largest: S::f64s,
    ) -> S::f64s {
        let factor = self.factor();
        for i in rows {
            let s = splat_pair(simd, self.s[i]);
            let found = self.deviation(simd, (i, self.fixed[i]), s, v);
            largest = larger(simd, largest, found);
            r[i] = factor.forward_row(simd, i, found, r);
        }
        largest
    }

    /// Mismatch of a bus.
    #[inline(always)]
    fn deviation<S: Simd>(
        &self,
        simd: S,
        (i, fixed): (usize, Fixed),
        s: LanePair<S>,
        v: &[LanePair<S>],
    ) -> LanePair<S> {
        match fixed {
            Fixed::Voltage => [simd.splat_f64s(0.0); 2],
            Fixed::Power => self.powers(simd, i, s, v),
            Fixed::Magnitude { half_inverse_square } => {
                let [p, _] = self.powers(simd, i, s, v);
                [p, magnitude(simd, half_inverse_square, v[i])]
            }
        }
    }

    /// Mismatch of a bus where the lanes differ.
    #[inline(always)]
    fn exceptional<S: Simd>(&self, simd: S, exception: &Exception, v: &[LanePair<S>]) -> LanePair<S> {
        let i = exception.at as usize;
        let s = [from_array::<S>(&exception.s[0]), from_array::<S>(&exception.s[1])];
        let found = self.deviation(simd, (i, self.fixed[i]), s, v);
        if !exception.any_released {
            return found;
        }
        let released = simd.greater_than_f64s(from_array::<S>(&exception.released), simd.splat_f64s(0.0));
        [found[0], simd.select_f64s(released, self.powers(simd, i, s, v)[1], found[1])]
    }

    /// What is missing of the injections `s` of a bus.
    #[inline(always)]
    fn powers<S: Simd>(&self, simd: S, i: usize, s: LanePair<S>, v: &[LanePair<S>]) -> LanePair<S> {
        let rows = &self.rows;
        let mut sums = Currents::of(simd, rows.diagonal[i], &v[i]);
        let range = rows.ptr[i] as usize..rows.ptr[i + 1] as usize;
        for (&y, &j) in rows.y[range.clone()].iter().zip(&rows.col[range]) {
            sums.add(simd, y, &v[j as usize]);
        }
        let current = sums.total(simd);
        let [e, f] = v[i];
        [
            // P - (e c + f d)
            simd.negate_mul_add_e_f64s(f, current[1], simd.negate_mul_add_e_f64s(e, current[0], s[0])),
            // Q - (f c - e d)
            simd.mul_add_e_f64s(e, current[1], simd.negate_mul_add_e_f64s(f, current[0], s[1])),
        ]
    }

    /// The second half of a solve and the step that follows from it, `V ← V (1 + ξ + ξ²/2)` with `ξ` the solution, in
    /// the lanes that are `moving`.
    #[inline(always)]
    pub(super) fn descend<S: Simd>(
        &self,
        simd: S,
        (v, r): (&mut [LanePair<S>], &mut [LanePair<S>]),
        moving: S::m64s,
    ) {
        let factor = self.factor();
        for i in (0..self.base.len()).rev() {
            let x = factor.backward_row(simd, i, r[i], r);
            r[i] = x;
            v[i] = stepped(simd, v[i], x, moving);
        }
    }

    /// As [`Self::descend`], while lanes change what they work on: those that are done leave their voltages in the bank,
    /// those that are fresh begin at the base solution, their `r` is zero but where it is `kept`.
    #[inline(always)]
    pub(super) fn descend_anew<S: Simd>(
        &self,
        simd: S,
        (v, r): (&mut [LanePair<S>], &mut [LanePair<S>]),
        moving: S::m64s,
        turnover: Turnover<'_, S>,
    ) {
        let (factor, zero) = (self.factor(), simd.splat_f64s(0.0));
        let Turnover { done, fresh, kept, bank } = turnover;
        for i in (0..self.base.len()).rev() {
            let [e, f] = v[i];
            bank[i] = [simd.select_f64s(done, e, bank[i][0]), simd.select_f64s(done, f, bank[i][1])];
            let base = splat_pair(simd, self.base[i]);
            let own = [simd.select_f64s(fresh, base[0], e), simd.select_f64s(fresh, base[1], f)];
            let mut start = r[i];
            if !kept[i] {
                start = [simd.select_f64s(fresh, zero, start[0]), simd.select_f64s(fresh, zero, start[1])];
            }
            let x = factor.backward_row(simd, i, start, r);
            r[i] = x;
            v[i] = stepped(simd, own, x, moving);
        }
    }
}

/// A bus where not every lane has what the base case has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exception {
    /// Position of the bus.
    pub(super) at: u32,
    /// Net injections by lane.
    pub(super) s: [[f64; MAX_LANES]; 2],
    /// 1 in the lanes where reactive power is held instead of the magnitude.
    pub(super) released: [f64; MAX_LANES],
    /// Whether there is such a lane.
    pub(super) any_released: bool,
    /// What the last [`Chord::rise`] found.
    pub(super) mismatch: [[f64; MAX_LANES]; 2],
}

impl Exception {
    /// A bus with its base injection in every lane.
    #[inline(always)]
    pub(super) fn new(at: u32, [p, q]: [f64; 2]) -> Self {
        let none = [0.0; MAX_LANES];
        let s = [[p; MAX_LANES], [q; MAX_LANES]];
        Self { at, s, released: none, any_released: false, mismatch: [none; 2] }
    }
}

/// Lanes that change what they work on.
pub(super) struct Turnover<'a, S: Simd> {
    pub(super) done: S::m64s,
    pub(super) fresh: S::m64s,
    /// Where the right-hand side of the fresh lanes is not zero, by position.
    pub(super) kept: &'a [bool],
    /// What the lanes that are done leave.
    pub(super) bank: &'a mut [LanePair<S>],
}

/// Sum of `y V`, the products with `g` and with `b` apart: a chain of dependent operations is what a row waits for.
struct Currents<S: Simd> {
    g: LanePair<S>,
    b: LanePair<S>,
}

impl<S: Simd> Currents<S> {
    #[inline(always)]
    fn of(simd: S, [g, b]: [f64; 2], [e, f]: &LanePair<S>) -> Self {
        let (g, b) = (simd.splat_f64s(g), simd.splat_f64s(b));
        Self {
            g: [simd.mul_f64s(g, *e), simd.mul_f64s(g, *f)],
            b: [simd.mul_f64s(b, *e), simd.mul_f64s(b, *f)],
        }
    }

    #[inline(always)]
    fn add(&mut self, simd: S, [g, b]: [f64; 2], [e, f]: &LanePair<S>) {
        let (g, b) = (simd.splat_f64s(g), simd.splat_f64s(b));
        self.g = [simd.mul_add_e_f64s(g, *e, self.g[0]), simd.mul_add_e_f64s(g, *f, self.g[1])];
        self.b = [simd.mul_add_e_f64s(b, *e, self.b[0]), simd.mul_add_e_f64s(b, *f, self.b[1])];
    }

    #[inline(always)]
    fn total(self, simd: S) -> LanePair<S> {
        [simd.sub_f64s(self.g[0], self.b[1]), simd.add_f64s(self.g[1], self.b[0])]
    }
}

#[inline(always)]
fn stepped<S: Simd>(simd: S, v: LanePair<S>, x: LanePair<S>, moving: S::m64s) -> LanePair<S> {
    let next = turned(simd, v, x);
    [simd.select_f64s(moving, next[0], v[0]), simd.select_f64s(moving, next[1], v[1])]
}

#[inline(always)]
fn larger<S: Simd>(simd: S, largest: S::f64s, [p, q]: LanePair<S>) -> S::f64s {
    simd.max_f64s(simd.max_f64s(largest, simd.abs_f64s(p)), simd.abs_f64s(q))
}

/// `1/2 - (e² + f²) / (2 Vset²)`
#[inline(always)]
fn magnitude<S: Simd>(simd: S, half_inverse_square: f64, [e, f]: LanePair<S>) -> S::f64s {
    let squared = simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f));
    simd.negate_mul_add_e_f64s(squared, simd.splat_f64s(half_inverse_square), simd.splat_f64s(0.5))
}

/// `V (1 + ξ + ξ²/2)`, `ξ = r[1] + j r[0]`.
#[inline(always)]
pub(super) fn turned<S: Simd>(simd: S, [e, f]: LanePair<S>, [theta, u]: LanePair<S>) -> LanePair<S> {
    let half = simd.splat_f64s(0.5);
    // 1 + u + (u² - θ²)/2  and  θ (1 + u)
    let difference = simd.negate_mul_add_e_f64s(theta, theta, simd.mul_f64s(u, u));
    let grown = simd.add_f64s(simd.splat_f64s(1.0), u);
    let re = simd.mul_add_e_f64s(half, difference, grown);
    let im = simd.mul_f64s(theta, grown);
    [
        simd.negate_mul_add_e_f64s(f, im, simd.mul_f64s(e, re)),
        simd.mul_add_e_f64s(f, re, simd.mul_f64s(e, im)),
    ]
}

fn write_jacobian(lu: &mut BlockLu, rows: &Admittances, fixed: &[Fixed], base: &[[f64; 2]]) {
    lu.clear();
    let pattern = Arc::clone(lu.pattern());
    let blocks = lu.blocks_mut();
    for (i, &held) in fixed.iter().enumerate() {
        let own = complex::times_conjugate(base[i], complex::multiply(rows.diagonal[i], base[i]));
        let mut sum = own;
        for k in rows.ptr[i] as usize..rows.ptr[i + 1] as usize {
            let current = complex::multiply(rows.y[k], base[rows.col[k] as usize]);
            let [re, im] = complex::times_conjugate(base[i], current);
            sum = [sum[0] + re, sum[1] + im];
            blocks[rows.slot[k] as usize] = match held {
                Fixed::Voltage => [0.0; 4],
                Fixed::Magnitude { .. } => [im, re, 0.0, 0.0],
                Fixed::Power => [im, re, -re, im],
            };
        }
        let ([re, im], [p, q]) = (own, sum);
        blocks[pattern.diagonal()[i] as usize] = match held {
            Fixed::Voltage => [1.0, 0.0, 0.0, 1.0],
            Fixed::Magnitude { .. } => [im - q, p + re, 0.0, 1.0],
            Fixed::Power => [im - q, p + re, p - re, q + im],
        };
    }
}
