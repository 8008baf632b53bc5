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

use std::sync::Arc;

use sparse::block::{BlockLu, BlockPattern, EndColumns, LanePair, PathIndex, Paths, SharedFactor};
use sparse::lanes::{LaneVec, Simd, add_shared_product, registers, registers_mut, splat_pair, to_array};

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

    /// The unit columns of two buses through the factors.
    pub(super) fn end_columns(&self, ends: [u32; 2], index: &mut PathIndex, out: &mut EndColumns) {
        self.paths.columns(&self.lu, ends, index, out);
    }

    /// The factors of the base solution.
    pub(super) fn factor(&self) -> SharedFactor<'_> {
        SharedFactor::new(&self.lu)
    }

    /// Base voltages and injections into every lane.
    #[inline(always)]
    pub(super) fn begin<S: Simd>(&self, simd: S, s: &mut [LanePair<S>], v: &mut [LanePair<S>]) {
        for (v, &base) in v.iter_mut().zip(&self.base) {
            *v = splat_pair(simd, base);
        }
        for (s, &base) in s.iter_mut().zip(&self.s) {
            *s = splat_pair(simd, base);
        }
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
                let next = turned(simd, *v, *r);
                *v = [simd.select_f64s(moving, next[0], v[0]), simd.select_f64s(moving, next[1], v[1])];
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
        let rows = &self.rows;
        let zero = simd.splat_f64s(0.0);
        let mut largest = zero;
        for (i, &fixed) in self.fixed.iter().enumerate() {
            if fixed == Fixed::Voltage {
                r[i] = [zero; 2];
                continue;
            }
            let mut current = add_shared_product(simd, [zero; 2], rows.diagonal[i], v[i]);
            let range = rows.ptr[i] as usize..rows.ptr[i + 1] as usize;
            for (&y, &j) in rows.y[range.clone()].iter().zip(&rows.col[range]) {
                current = add_shared_product(simd, current, y, v[j as usize]);
            }
            let [e, f] = v[i];
            // P - (e c + f d)
            let p =
                simd.negate_mul_add_e_f64s(f, current[1], simd.negate_mul_add_e_f64s(e, current[0], s[i][0]));
            let second = match fixed {
                // Q - (f c - e d)
                Fixed::Power | Fixed::Voltage => {
                    simd.mul_add_e_f64s(e, current[1], simd.negate_mul_add_e_f64s(f, current[0], s[i][1]))
                }
                // 1/2 - (e² + f²) / (2 Vset²)
                Fixed::Magnitude { half_inverse_square } => {
                    let squared = simd.mul_add_e_f64s(e, e, simd.mul_f64s(f, f));
                    let scale = simd.splat_f64s(half_inverse_square);
                    simd.negate_mul_add_e_f64s(squared, scale, simd.splat_f64s(0.5))
                }
            };
            r[i] = [p, second];
            largest = simd.max_f64s(simd.max_f64s(largest, simd.abs_f64s(p)), simd.abs_f64s(second));
        }
        largest
    }
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
