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
use sparse::lanes::{LaneVec, MAX_LANES, Simd, registers, registers_mut, splat_pair, to_array};

use super::response::{Loads, Response};
use crate::batch::progress::{Limits, Progress};

/// Marks ground in a list of positions.
pub(super) const GROUND: u32 = u32::MAX;

/// A load or converter between two positions, at the base solution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Position of the branch in the grid.
    pub(super) branch: u32,
    pub(super) from: u32,
    /// [`GROUND`] for ground.
    pub(super) to: u32,
    /// `D_b`, by rows.
    pub(super) slope: [f64; 4],
    pub(super) response: Response,
}

/// What all scenarios share.
#[derive(Clone, Debug)]
pub(super) struct PhaseLanes {
    /// Factors of `A`.
    pub(super) lu: BlockLu,
    /// Currents of the sources, at the positions that have one.
    pub(super) injected: Vec<(u32, [f64; 2])>,
    pub(super) taps: Vec<Tap>,
    /// Base solution by position, from which every scenario starts.
    pub(super) base: Vec<[f64; 2]>,
    /// One over the nominal voltage squared, by position.
    pub(super) inverse_square: Vec<f64>,
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
        for (v, &base) in v.iter_mut().zip(&self.base) {
            *v = splat_pair(simd, base);
        }
        let factor = SharedFactor::new(&self.lu);
        let mut progress = Progress::new(S::F64_LANES);
        // Nothing is known before the first step; infinity would be a failure.
        let mut worst_pu = [f64::MAX; MAX_LANES];
        while progress.goes_on(worst_pu, limits) {
            self.currents(simd, loads, v, b);
            factor.solve(simd, b);
            let moved = self.advance(simd, (v, b), progress.moving(simd));
            worst_pu = to_array::<S>(simd.sqrt_f64s(moved));
        }
        progress
    }

    /// `J + Σ c_b(v)`
    #[inline(always)]
    fn currents<S: Simd>(&self, simd: S, loads: &Loads<'_>, v: &[LanePair<S>], b: &mut [LanePair<S>]) {
        let zero = simd.splat_f64s(0.0);
        b.fill([zero; 2]);
        for &(at, current) in &self.injected {
            b[at as usize] = splat_pair(simd, current);
        }
        let power = registers::<2, S>(loads.power);
        for (tap, &power) in self.taps.iter().zip(power) {
            let mut across = v[tap.from as usize];
            if tap.to != GROUND {
                let other = v[tap.to as usize];
                across = [simd.sub_f64s(across[0], other[0]), simd.sub_f64s(across[1], other[1])];
            }
            let drawn = loads.current(simd, (tap.branch, &tap.response), power, across);
            let [d0, d1, d2, d3] = tap.slope;
            let linear = simd.mul_add_e_f64s(
                simd.splat_f64s(d0),
                across[0],
                simd.mul_f64s(simd.splat_f64s(d1), across[1]),
            );
            let linear_im = simd.mul_add_e_f64s(
                simd.splat_f64s(d2),
                across[0],
                simd.mul_f64s(simd.splat_f64s(d3), across[1]),
            );
            let current = [simd.sub_f64s(linear, drawn[0]), simd.sub_f64s(linear_im, drawn[1])];
            let from = &mut b[tap.from as usize];
            *from = [simd.add_f64s(from[0], current[0]), simd.add_f64s(from[1], current[1])];
            if tap.to != GROUND {
                let to = &mut b[tap.to as usize];
                *to = [simd.sub_f64s(to[0], current[0]), simd.sub_f64s(to[1], current[1])];
            }
        }
    }

    /// Takes the new voltages over where a lane moves; returns the largest `|v⁺ - v|²` per unit.
    #[inline(always)]
    fn advance<S: Simd>(
        &self,
        simd: S,
        (v, b): (&mut [LanePair<S>], &[LanePair<S>]),
        moving: S::m64s,
    ) -> S::f64s {
        let mut largest = simd.splat_f64s(0.0);
        for ((v, new), &inverse) in v.iter_mut().zip(b).zip(&self.inverse_square) {
            let change = [simd.sub_f64s(new[0], v[0]), simd.sub_f64s(new[1], v[1])];
            let size = simd.mul_add_e_f64s(change[0], change[0], simd.mul_f64s(change[1], change[1]));
            largest = simd.max_f64s(largest, simd.mul_f64s(size, simd.splat_f64s(inverse)));
            *v = [simd.select_f64s(moving, new[0], v[0]), simd.select_f64s(moving, new[1], v[1])];
        }
        largest
    }
}
