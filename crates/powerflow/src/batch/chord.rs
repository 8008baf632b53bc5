//! Many scenarios on one meshed island: Newton's method in rectangular coordinates with one factorisation, that of the
//! base solution, for all of them (a chord, or dishonest Newton, method; Stott, "Review of load-flow calculation
//! methods", Proc. IEEE 62(7), 1974), in lanes.
//!
//! `V = e + jf`, `I = Y V`, `S = V conj(I)`; the unknowns of a bus are `(Δe, Δf)`, its equations
//!
//! ```text
//! load bus:     ΔP = P - Re S,  ΔQ = Q - Im S          slack:  Δe = 0,  Δf = 0
//! machine bus:  ΔP = P - Re S,  Δ|V|² = Vset² - e² - f²
//!
//! a + jb = V(i) conj(Y(i,j)):   ∂(P,Q)(i)/∂(e,f)(j) = [ a  b ]   plus for j = i, with I(i) = c + jd:  [ c   d ]
//!                                                     [ b -a ]                                        [-d   c ]
//! J₀ Δx = mismatch(x),   x += Δx   until   max |mismatch| <= tolerance
//! ```
//!
//! In rectangular coordinates the mismatch is a quadratic form: no trigonometric function and no division in the loop.
//! `J₀` is shared, so a lane costs a solve and a product with `Y` per step and never a factorisation. The mismatch
//! falls per step by about the distance from the base solution; what does not fall is given up here and goes to the
//! full method.
//!
//! A branch outage changes four rows and columns of `J₀`, `J = J₀ + E M Eᵀ` with `E` the unit columns of both ends
//! (Sherman, Morrison and Woodbury; Alsaç, Stott and Tinney, "Sparsity-oriented compensation methods for modified
//! network solutions", IEEE Trans. PAS-102, 1983):
//!
//! ```text
//! Z = J₀⁻¹ E,   K = (I + M Eᵀ Z)⁻¹ M,   J⁻¹ r = y - Z K Eᵀ y   with   y = J₀⁻¹ r
//! ```

use std::sync::Arc;

use sparse::block::{BlockLu, BlockPattern, SharedFactor};
use sparse::lanes::{
    LaneVec, MAX_LANES, Simd, add_shared_product, registers, registers_mut, splat_pair, to_array,
};

use crate::admittances::Admittances;

/// A step that leaves more than this share of the mismatch means that the chord does not serve.
const SLOWEST: f64 = 0.6;
/// Steps before a slow lane is given up.
const PATIENCE: u32 = 3;

/// What is held at a bus.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Fixed {
    /// Voltage, as it is in the base solution.
    Voltage,
    /// Active power and the square of the magnitude.
    MagnitudeSquared(f64),
    /// Active and reactive power.
    Power,
}

/// One island in the order of elimination, at its base solution.
#[derive(Clone, Debug)]
pub(super) struct Chord {
    rows: Admittances,
    fixed: Vec<Fixed>,
    base: Vec<[f64; 2]>,
    lu: BlockLu,
}

/// How far the steps of a block came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stepped {
    pub(super) steps: u32,
    /// Largest mismatch per lane.
    pub(super) worst: [f64; MAX_LANES],
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
    pub(super) fn new(
        pattern: Arc<BlockPattern>,
        rows: Admittances,
        fixed: Vec<Fixed>,
        base: Vec<[f64; 2]>,
    ) -> Option<Self> {
        let mut lu = BlockLu::new(pattern);
        write_jacobian(&mut lu, &rows, &fixed, &base);
        lu.factor().ok()?;
        Some(Self { rows, fixed, base, lu })
    }

    /// Steps a block of scenarios from the base solution until each lane meets `tolerance` or stops falling.
    #[inline(always)]
    pub(super) fn solve<S: Simd>(&self, simd: S, lanes: Lanes<'_>, (tolerance, most): (f64, u32)) -> Stepped {
        let s = registers::<2, S>(lanes.s);
        let (v, r) = (registers_mut::<2, S>(lanes.v), registers_mut::<2, S>(lanes.r));
        for (v, base) in v.iter_mut().zip(&self.base) {
            *v = splat_pair(simd, *base);
        }
        let factor = SharedFactor::new(&self.lu);
        let mut last = [f64::INFINITY; MAX_LANES];
        let mut steps = 0;
        loop {
            let worst = to_array::<S>(self.mismatch(simd, s, v, r));
            let open = (0..S::F64_LANES).any(|lane| {
                let slow = steps >= PATIENCE && !(worst[lane] <= SLOWEST * last[lane]);
                worst[lane] > tolerance && !slow
            });
            if !open || steps >= most {
                return Stepped { steps, worst };
            }
            factor.solve(simd, r);
            for (v, r) in v.iter_mut().zip(r.iter()) {
                *v = [simd.add_f64s(v[0], r[0]), simd.add_f64s(v[1], r[1])];
            }
            last = worst;
            steps += 1;
        }
    }

    /// Mismatches into `r`; returns the largest of each lane.
    #[inline(always)]
    fn mismatch<S: Simd>(
        &self,
        simd: S,
        s: &[[S::f64s; 2]],
        v: &[[S::f64s; 2]],
        r: &mut [[S::f64s; 2]],
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
                Fixed::MagnitudeSquared(squared) => simd.negate_mul_add_e_f64s(
                    f,
                    f,
                    simd.negate_mul_add_e_f64s(e, e, simd.splat_f64s(squared)),
                ),
            };
            r[i] = [p, second];
            largest = simd.max_f64s(simd.max_f64s(largest, simd.abs_f64s(p)), simd.abs_f64s(second));
        }
        largest
    }
}

fn write_jacobian(lu: &mut BlockLu, rows: &Admittances, fixed: &[Fixed], base: &[[f64; 2]]) {
    lu.clear();
    let pattern = Arc::clone(lu.pattern());
    let blocks = lu.blocks_mut();
    for (i, &held) in (0u32..).zip(fixed) {
        let at = i as usize;
        let [e, f] = base[at];
        let mut current = super::complex::multiply(rows.diagonal[at], base[at]);
        for k in rows.ptr[at] as usize..rows.ptr[at + 1] as usize {
            let part = super::complex::multiply(rows.y[k], base[rows.col[k] as usize]);
            current = [current[0] + part[0], current[1] + part[1]];
            if let Some(slot) = pattern.slot(i, rows.col[k]) {
                blocks[slot] = row_block(held, [e, f], rows.y[k]);
            }
        }
        let own = row_block(held, [e, f], rows.diagonal[at]);
        let [c, d] = current;
        blocks[pattern.diagonal()[at] as usize] = match held {
            Fixed::Voltage => [1.0, 0.0, 0.0, 1.0],
            Fixed::MagnitudeSquared(_) => [own[0] + c, own[1] + d, 2.0 * e, 2.0 * f],
            Fixed::Power => [own[0] + c, own[1] + d, own[2] - d, own[3] + c],
        };
    }
}

/// `∂(P,Q)(i)/∂(e,f)(j)` of the current through `y` alone.
fn row_block(held: Fixed, [e, f]: [f64; 2], y: [f64; 2]) -> [f64; 4] {
    let (a, b) = (e * y[0] + f * y[1], f * y[0] - e * y[1]);
    match held {
        Fixed::Voltage => [0.0; 4],
        Fixed::MagnitudeSquared(_) => [a, b, 0.0, 0.0],
        Fixed::Power => [a, b, b, -a],
    }
}
