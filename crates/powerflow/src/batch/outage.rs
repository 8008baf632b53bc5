//! Outages of branches on one meshed island, each with a full AC power flow, in lanes.
//!
//! The steps are those of [`super::chord`]. An outage changes four rows and columns of the base Jacobian,
//! `J = J₀ + E M Eᵀ` with `E` the unit columns of both ends and `M` minus what the branch adds to the blocks of its ends
//! (Sherman, Morrison and Woodbury; Alsaç, Stott and Tinney, "Sparsity-oriented compensation methods for modified
//! network solutions", IEEE Trans. PAS-102(5), 1983):
//!
//! ```text
//! Z = J₀⁻¹ E,   K = (I + M Eᵀ Z)⁻¹ M,   J⁻¹ r = y - Z K Eᵀ y   with   y = J₀⁻¹ r
//! ```
//!
//! so an outage costs four solves once and a solve with four vectors per step; it is never a factorisation. The product
//! with `Y` stays that of the whole network: what flows into the branch that is out is added to the injections of its
//! ends, which makes the mismatch that of the network without it.
//!
//! A branch whose outage parts the island makes `I + M Eᵀ Z` singular; such a lane shows no number.

use sparse::block::LanePair;
use sparse::lanes::{LaneVec, MAX_LANES, Simd, from_array, registers, registers_mut, to_array};

use super::chord::{Chord, Fixed, Lanes, turned};
use super::complex::{multiply, times_conjugate};
use super::progress::{Limits, Progress};

/// Rows and columns that an outage changes.
const RANK: usize = 4;
/// A pivot of `I + M Eᵀ Z` below this share of one is no pivot: the island falls apart.
const SMALLEST_PIVOT: f64 = 1e-9;

type Small = [[f64; RANK]; RANK];

/// A branch that is out: positions of its ends, and its admittances from-from, from-to, to-from, to-to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) ends: [u32; 2],
    pub(super) y: [[f64; 2]; 4],
}

impl Cut {
    /// Power into the branch at both ends.
    fn flow(&self, from: [f64; 2], to: [f64; 2]) -> [[f64; 2]; 2] {
        let [ff, ft, tf, tt] = self.y;
        let current = |a, x, b, y| {
            let (own, other) = (multiply(a, x), multiply(b, y));
            [own[0] + other[0], own[1] + other[1]]
        };
        [times_conjugate(from, current(ff, from, ft, to)), times_conjugate(to, current(tt, to, tf, from))]
    }

    /// `M`: minus the blocks of the branch in the base Jacobian; what is held there is no equation of the branch.
    fn change(&self, chord: &Chord) -> Small {
        let [from, to] = self.ends.map(|end| chord.base(end));
        let [ff, ft, tf, tt] = self.y;
        let own_from = times_conjugate(from, multiply(ff, from));
        let far_from = times_conjugate(from, multiply(ft, to));
        let own_to = times_conjugate(to, multiply(tt, to));
        let far_to = times_conjugate(to, multiply(tf, from));
        let own = |own: [f64; 2], far: [f64; 2]| {
            [[-far[1], 2.0 * own[0] + far[0]], [far[0], 2.0 * own[1] + far[1]]]
        };
        let far = |far: [f64; 2]| [[far[1], far[0]], [-far[0], far[1]]];
        let blocks = [[own(own_from, far_from), far(far_from)], [far(far_to), own(own_to, far_to)]];
        let mut m = [[0.0; RANK]; RANK];
        for (row, line) in m.iter_mut().enumerate() {
            let held = match chord.fixed(self.ends[row / 2]) {
                Fixed::Voltage => true,
                Fixed::Magnitude { .. } => row % 2 == 1,
                Fixed::Power => false,
            };
            for (col, entry) in line.iter_mut().enumerate() {
                *entry = if held { 0.0 } else { -blocks[row / 2][col / 2][row % 2][col % 2] };
            }
        }
        m
    }
}

/// Steps a block of outages, one per lane, from the base solution. `z` is work space; lanes beyond `cuts` stand still.
#[inline(always)]
pub(super) fn solve<S: Simd>(
    simd: S,
    (chord, cuts): (&Chord, &[Cut]),
    (lanes, z): (Lanes<'_>, &mut LaneVec),
    limits: Limits,
) -> Progress {
    let n = chord.buses();
    z.resize(RANK * 2 * n * S::F64_LANES);
    let k = compensation(simd, (chord, cuts), z);
    chord.begin(simd, registers_mut::<2, S>(lanes.s), registers_mut::<2, S>(lanes.v));
    let mut progress = Progress::new(cuts.len());
    loop {
        add_missing_flows::<S>((chord, cuts), lanes.s, lanes.v);
        let (s, v) = (registers::<2, S>(lanes.s), registers::<2, S>(lanes.v));
        let worst_pu = to_array::<S>(chord.mismatch(simd, s, v, registers_mut::<2, S>(lanes.r)));
        if !progress.goes_on(worst_pu, limits) {
            return progress;
        }
        chord.factor().solve(simd, registers_mut::<2, S>(lanes.r));
        let w = weights::<S>(cuts, &k, lanes.r);
        let z = registers::<2, S>(z);
        let moving = progress.moving(simd);
        let (v, r) = (registers_mut::<2, S>(lanes.v), registers::<2, S>(lanes.r));
        for (i, (v, r)) in v.iter_mut().zip(r).enumerate() {
            let mut step = *r;
            for (column, w) in w.iter().enumerate() {
                let z = z[column * n + i];
                step[0] = simd.negate_mul_add_e_f64s(z[0], *w, step[0]);
                step[1] = simd.negate_mul_add_e_f64s(z[1], *w, step[1]);
            }
            let next = turned(simd, *v, step);
            *v = [simd.select_f64s(moving, next[0], v[0]), simd.select_f64s(moving, next[1], v[1])];
        }
    }
}

/// `Z` into `z`, column by column, and `K` of every lane.
#[inline(always)]
fn compensation<S: Simd>(simd: S, (chord, cuts): (&Chord, &[Cut]), z: &mut LaneVec) -> [Small; MAX_LANES] {
    let (n, width) = (chord.buses(), S::F64_LANES);
    z.fill(0.0);
    for column in 0..RANK {
        let part = &mut z[column * 2 * n * width..][..2 * n * width];
        for (lane, cut) in cuts.iter().enumerate() {
            part[entry(cut, column) * width + lane] = 1.0;
        }
        chord.factor().solve(simd, registers_mut::<2, S>(part));
    }
    let mut k = [[[0.0; RANK]; RANK]; MAX_LANES];
    for (lane, (cut, k)) in cuts.iter().zip(&mut k).enumerate() {
        let mut c = [[0.0; RANK]; RANK];
        for (row, line) in c.iter_mut().enumerate() {
            for (column, value) in line.iter_mut().enumerate() {
                *value = z[(column * 2 * n + entry(cut, row)) * width + lane];
            }
        }
        *k = condensed(&cut.change(chord), &c);
    }
    k
}

/// Index of the `k`-th changed unknown.
#[inline(always)]
fn entry(cut: &Cut, k: usize) -> usize {
    2 * cut.ends[k / 2] as usize + k % 2
}

/// `K Eᵀ y` of every lane, a register per column of `Z`.
#[inline(always)]
fn weights<S: Simd>(cuts: &[Cut], k: &[Small; MAX_LANES], y: &LaneVec) -> [S::f64s; RANK] {
    let mut w = [[0.0; MAX_LANES]; RANK];
    for (lane, (cut, k)) in cuts.iter().zip(k).enumerate() {
        for (row, w) in w.iter_mut().enumerate() {
            w[lane] = (0..RANK).map(|col| k[row][col] * y[entry(cut, col) * S::F64_LANES + lane]).sum();
        }
    }
    [from_array::<S>(&w[0]), from_array::<S>(&w[1]), from_array::<S>(&w[2]), from_array::<S>(&w[3])]
}

/// Sets the injections of the ends to those of the base case plus what flows into the branch that is out.
#[inline(always)]
fn add_missing_flows<S: Simd>((chord, cuts): (&Chord, &[Cut]), s: &mut LaneVec, v: &LaneVec) {
    let width = S::F64_LANES;
    for (lane, cut) in cuts.iter().enumerate() {
        let at = |end: u32, part: usize| (2 * end as usize + part) * width + lane;
        let [from, to] = cut.ends;
        let flow = cut.flow([v[at(from, 0)], v[at(from, 1)]], [v[at(to, 0)], v[at(to, 1)]]);
        for (end, flow) in cut.ends.into_iter().zip(flow) {
            let base = chord.injection(end);
            s[at(end, 0)] = base[0] + flow[0];
            s[at(end, 1)] = base[1] + flow[1];
        }
    }
}

/// `(I + M C)⁻¹ M` by elimination with partial pivoting; NaN where it has no pivot.
fn condensed(m: &Small, c: &Small) -> Small {
    let mut a = [[0.0; 2 * RANK]; RANK];
    for row in 0..RANK {
        for col in 0..RANK {
            let product: f64 = (0..RANK).map(|k| m[row][k] * c[k][col]).sum();
            a[row][col] = product + if row == col { 1.0 } else { 0.0 };
            a[row][RANK + col] = m[row][col];
        }
    }
    for k in 0..RANK {
        let pivot = (k..RANK).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap_or(k);
        a.swap(k, pivot);
        if a[k][k].abs() <= SMALLEST_PIVOT || a[k][k].is_nan() {
            return [[f64::NAN; RANK]; RANK];
        }
        let line = a[k];
        for (_, row) in a.iter_mut().enumerate().filter(|(i, _)| *i != k) {
            let factor = row[k] / line[k];
            row.iter_mut().zip(line).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut k = [[0.0; RANK]; RANK];
    for row in 0..RANK {
        for col in 0..RANK {
            k[row][col] = a[row][RANK + col] / a[row][row];
        }
    }
    k
}

/// A branch whose loading is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    /// The branch, with positions in the island.
    pub(super) branch: Cut,
    /// One over its rating in p.u.; zero without a rating.
    pub(super) inverse_rating: f64,
    /// Its place in a row of results.
    pub(super) at: u32,
}

/// Loading of each watched branch, the larger apparent power of both ends over the rating, into row `rows[lane]` of `out`.
#[inline(always)]
pub(super) fn loadings<S: Simd>(
    simd: S,
    (watched, v): (&[Watched], &[LanePair<S>]),
    (rows, stride): (&[usize], usize),
    out: &mut [f64],
) {
    for branch in watched {
        let [from, to] = branch.branch.ends.map(|end| end as usize);
        let [ff, ft, tf, tt] = branch.branch.y;
        let (from, to) = (v[from], v[to]);
        let near = apparent_squared(simd, (from, to), (ff, ft));
        let far = apparent_squared(simd, (to, from), (tt, tf));
        let largest = simd.sqrt_f64s(simd.max_f64s(near, far));
        let loading = to_array::<S>(simd.mul_f64s(largest, simd.splat_f64s(branch.inverse_rating)));
        for (&row, &loading) in rows.iter().zip(&loading) {
            out[row * stride + branch.at as usize] = loading;
        }
    }
}

/// `|V|² |a V + b V'|²`
#[inline(always)]
fn apparent_squared<S: Simd>(
    simd: S,
    (own, other): (LanePair<S>, LanePair<S>),
    (a, b): ([f64; 2], [f64; 2]),
) -> S::f64s {
    let zero = simd.splat_f64s(0.0);
    let half = sparse::lanes::add_shared_product(simd, [zero; 2], a, own);
    let current = sparse::lanes::add_shared_product(simd, half, b, other);
    let voltage = simd.mul_add_e_f64s(own[0], own[0], simd.mul_f64s(own[1], own[1]));
    let size = simd.mul_add_e_f64s(current[0], current[0], simd.mul_f64s(current[1], current[1]));
    simd.mul_f64s(voltage, size)
}
