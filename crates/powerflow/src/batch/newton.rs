//! Newton's method with a Jacobian per lane, for the scenarios in which the chord of [`super::chord`] does not contract:
//! the same equations and steps, with the factors of the present voltages instead of those of the base solution.

use sparse::block::{LaneBlock, LaneBlockLu, LanePair};
use sparse::lanes::{LaneVec, Simd, registers, registers_mut, splat_pair, to_array};

use super::chord::{Chord, Fixed, Lanes, turned};
use super::progress::{Limits, Progress};

/// Most relative change of a magnitude, and most turn in radians, that a step may bring to a bus.
const LARGEST_STEP: f64 = 0.5;

/// Factors of a matrix per lane. Empty until first needed.
#[derive(Clone, Debug, Default)]
pub(super) struct NewtonMemory {
    values: LaneVec,
    inverse: LaneVec,
    slot_of: Vec<u32>,
}

/// Steps the first `count` lanes from the base solution until each meets the tolerance or stops falling.
#[inline(always)]
pub(super) fn solve<S: Simd>(
    simd: S,
    (chord, count): (&Chord, usize),
    (lanes, memory): (Lanes<'_>, &mut NewtonMemory),
    limits: Limits,
) -> Progress {
    let pattern = chord.pattern();
    memory.values.resize(4 * S::F64_LANES * pattern.blocks());
    memory.inverse.resize(4 * S::F64_LANES * pattern.nodes());
    memory.slot_of.resize(pattern.nodes(), 0);
    let s = registers::<2, S>(lanes.s);
    let (v, r) = (registers_mut::<2, S>(lanes.v), registers_mut::<2, S>(lanes.r));
    let mut progress = Progress::new(count);
    for (v, &base) in v.iter_mut().zip(chord.base_voltages()) {
        *v = splat_pair(simd, base);
    }
    let mut factors = LaneBlockLu::<S> {
        pattern,
        values: registers_mut::<4, S>(&mut memory.values),
        inverse: registers_mut::<4, S>(&mut memory.inverse),
        slot_of: &mut memory.slot_of,
    };
    while progress.goes_on(to_array::<S>(chord.mismatch(simd, s, v, r)), limits) {
        write_jacobians(simd, chord, v, factors.values);
        factors.factor(simd);
        factors.solve(simd, r);
        let moving = progress.moving(simd);
        for (v, r) in v.iter_mut().zip(r.iter()) {
            let next = turned(simd, *v, [bounded(simd, r[0]), bounded(simd, r[1])]);
            *v = [simd.select_f64s(moving, next[0], v[0]), simd.select_f64s(moving, next[1], v[1])];
        }
    }
    progress
}

#[inline(always)]
fn bounded<S: Simd>(simd: S, step: S::f64s) -> S::f64s {
    let least = simd.max_f64s(simd.splat_f64s(-LARGEST_STEP), step);
    simd.min_f64s(simd.splat_f64s(LARGEST_STEP), least)
}

#[inline(always)]
fn write_jacobians<S: Simd>(simd: S, chord: &Chord, v: &[LanePair<S>], values: &mut [LaneBlock<S>]) {
    let rows = chord.rows();
    let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
    values.fill([zero; 4]);
    for (i, &diagonal) in chord.pattern().diagonal().iter().enumerate() {
        let held = chord.fixed(i as u32);
        if held == Fixed::Voltage {
            values[diagonal as usize] = [one, zero, zero, one];
            continue;
        }
        let own = flow(simd, v[i], rows.diagonal[i], v[i]);
        let mut sum = own;
        for k in rows.ptr[i] as usize..rows.ptr[i + 1] as usize {
            let [re, im] = flow(simd, v[i], rows.y[k], v[rows.col[k] as usize]);
            sum = [simd.add_f64s(sum[0], re), simd.add_f64s(sum[1], im)];
            values[rows.slot[k] as usize] = match held {
                Fixed::Power | Fixed::Voltage => [im, re, simd.neg_f64s(re), im],
                Fixed::Magnitude { .. } => [im, re, zero, zero],
            };
        }
        let first = [simd.sub_f64s(own[1], sum[1]), simd.add_f64s(sum[0], own[0])];
        let second = match held {
            Fixed::Power | Fixed::Voltage => [simd.sub_f64s(sum[0], own[0]), simd.add_f64s(sum[1], own[1])],
            Fixed::Magnitude { .. } => [zero, one],
        };
        values[diagonal as usize] = [first[0], first[1], second[0], second[1]];
    }
}

/// `a conj(y b)`
#[inline(always)]
fn flow<S: Simd>(simd: S, a: LanePair<S>, y: [f64; 2], b: LanePair<S>) -> LanePair<S> {
    let [c, d] = sparse::lanes::add_shared_product(simd, [simd.splat_f64s(0.0); 2], y, b);
    [
        simd.mul_add_e_f64s(a[0], c, simd.mul_f64s(a[1], d)),
        simd.negate_mul_add_e_f64s(a[0], d, simd.mul_f64s(a[1], c)),
    ]
}
