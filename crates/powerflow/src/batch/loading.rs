//! Loadings of branches in lanes.

use sparse::block::LanePair;
use sparse::lanes::{Simd, add_shared_product, to_array};

use super::cut::Cut;

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

/// Loading of each watched branch, the larger apparent power of both ends over the rating, into a row of `out` per lane.
#[inline(always)]
pub(super) fn write<S: Simd>(
    simd: S,
    (watched, v): (&[Watched], &[LanePair<S>]),
    stride: usize,
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
        for (lane, &loading) in loading[..S::F64_LANES].iter().enumerate() {
            out[lane * stride + branch.at as usize] = loading;
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
    let half = add_shared_product(simd, [zero; 2], a, own);
    let current = add_shared_product(simd, half, b, other);
    let voltage = simd.mul_add_e_f64s(own[0], own[0], simd.mul_f64s(own[1], own[1]));
    let size = simd.mul_add_e_f64s(current[0], current[0], simd.mul_f64s(current[1], current[1]));
    simd.mul_f64s(voltage, size)
}
