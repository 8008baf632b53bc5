//! Many scenarios on one unbalanced grid: Newton's method on the balance of currents with the factors of the base
//! solution, in lanes.
//!
//! Kirchhoff's law `Y v + Σ i_b(v) = J`, with the currents `i_b` of loads and converters linearised at the base solution,
//! `di = a dv + b conj(dv) = D dv`, becomes (equations and symbols of [`super::super`])
//!
//! ```text
//! A v⁺ = J + Σ c_b(v),    c_b(v) = D_b v - i_b(v),    A = Y + Σ D_b
//! ```
//!
//! A node has two real unknowns, real and imaginary part of its voltage, and a pair of nodes a 2×2 block, because
//! `conj` is not linear over complex numbers. There is no product with `Y` in the loop: `A v⁺ = …` holds exactly after a
//! solve, so Kirchhoff's law misses `c_b(v) - c_b(v⁺)` at `v⁺`, which the change of voltage bounds. A step contracts by
//! about the voltage drop times the relative change of the loads.

use sparse::block::{BlockLu, LanePair, SharedFactor};
use sparse::lanes::{
    LaneVec, MAX_LANES, Simd, add_shared_applied, registers, registers_mut, splat_pair, to_array,
};

use super::response::{Loads, Response};
use crate::batch::progress::{Limits, Progress};

/// Marks ground in a list of positions.
pub(super) const GROUND: u32 = u32::MAX;

/// A load or converter as one of its ends sees it, at the base solution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Position of the branch in the grid.
    pub(super) branch: u32,
    /// The other end; [`GROUND`] for ground.
    pub(super) other: u32,
    /// `D_b`, by rows.
    pub(super) slope: [f64; 4],
    pub(super) response: Response,
}

/// What all scenarios share.
#[derive(Clone, Debug)]
pub(super) struct PhaseLanes {
    /// Factors of `A`.
    pub(super) lu: BlockLu,
    pub(super) rows: Vec<Row>,
    /// Taps, those of one position together.
    pub(super) taps: Vec<Tap>,
}

/// What a position is beside its row of factors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Current of the sources.
    pub(super) injected: [f64; 2],
    /// Base solution, from which every scenario starts.
    pub(super) base: [f64; 2],
    /// One over the nominal voltage squared.
    pub(super) inverse_square: f64,
    /// End of its taps.
    pub(super) tap_end: u32,
}

impl PhaseLanes {
    /// Steps a block of scenarios until each lane meets the tolerance or stops falling.
    ///
    /// `loads` says what the taps draw in each lane; `v` gets the voltages by position, `b` is work space as large.
    #[inline(always)]
    pub(super) fn solve<S: Simd>(
        &self,
        simd: S,
        (loads, v, b): (&Loads<'_>, &mut LaneVec, &mut LaneVec),
        limits: Limits,
    ) -> Progress {
        let (v, b) = (registers_mut::<2, S>(v), registers_mut::<2, S>(b));
        for (v, row) in v.iter_mut().zip(&self.rows) {
            *v = splat_pair(simd, row.base);
        }
        let mut progress = Progress::new(S::F64_LANES);
        // Nothing is known before the first step; infinity would be a failure.
        let mut worst_pu = [f64::MAX; MAX_LANES];
        while progress.goes_on(worst_pu, limits) {
            self.descend(simd, loads, v, b);
            let moved = self.ascend(simd, (v, b), progress.moving(simd));
            worst_pu = to_array::<S>(simd.sqrt_f64s(moved));
        }
        progress
    }

    /// `L⁻¹ (J + Σ c_b(v))`: each current is made where the elimination needs it, so it is never stored.
    #[inline(always)]
    fn descend<S: Simd>(&self, simd: S, loads: &Loads<'_>, v: &[LanePair<S>], b: &mut [LanePair<S>]) {
        let factor = SharedFactor::new(&self.lu);
        let mut taps = self.taps.iter().zip(registers::<2, S>(loads.power));
        let mut tap_start = 0;
        for (i, row) in self.rows.iter().enumerate() {
            let mut sum = splat_pair(simd, row.injected);
            for (tap, &power) in taps.by_ref().take((row.tap_end - tap_start) as usize) {
                let current = tap_current(simd, (loads, tap), power, (v[i], v));
                sum = [simd.add_f64s(sum[0], current[0]), simd.add_f64s(sum[1], current[1])];
            }
            tap_start = row.tap_end;
            b[i] = factor.forward_row(simd, i, sum, b);
        }
    }

    /// `U⁻¹ b` into `v` where a lane moves; returns the largest `|v⁺ - v|²` per unit.
    #[inline(always)]
    fn ascend<S: Simd>(
        &self,
        simd: S,
        (v, b): (&mut [LanePair<S>], &[LanePair<S>]),
        moving: S::m64s,
    ) -> S::f64s {
        let factor = SharedFactor::new(&self.lu);
        let mut largest = simd.splat_f64s(0.0);
        for (i, row) in self.rows.iter().enumerate().rev() {
            let new = factor.backward_row(simd, i, b[i], v);
            let change = [simd.sub_f64s(new[0], v[i][0]), simd.sub_f64s(new[1], v[i][1])];
            let size = simd.mul_add_e_f64s(change[0], change[0], simd.mul_f64s(change[1], change[1]));
            largest = simd.max_f64s(largest, simd.mul_f64s(size, simd.splat_f64s(row.inverse_square)));
            v[i] = [simd.select_f64s(moving, new[0], v[i][0]), simd.select_f64s(moving, new[1], v[i][1])];
        }
        largest
    }
}

/// `c_b(v)` of a tap, out of the end `own`.
#[inline(always)]
fn tap_current<S: Simd>(
    simd: S,
    (loads, tap): (&Loads<'_>, &Tap),
    power: LanePair<S>,
    (own, v): (LanePair<S>, &[LanePair<S>]),
) -> LanePair<S> {
    let mut across = own;
    if tap.other != GROUND {
        let other = v[tap.other as usize];
        across = [simd.sub_f64s(own[0], other[0]), simd.sub_f64s(own[1], other[1])];
    }
    let drawn = loads.current(simd, (tap.branch, &tap.response), power, across);
    let linear = add_shared_applied(simd, [simd.splat_f64s(0.0); 2], &tap.slope, across);
    [simd.sub_f64s(linear[0], drawn[0]), simd.sub_f64s(linear[1], drawn[1])]
}
