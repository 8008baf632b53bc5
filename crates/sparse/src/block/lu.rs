//! Numeric phase for one matrix: factors in place, row by row.

use std::sync::Arc;

use pulp::{Simd, WithSimd};

use super::pattern::BlockPattern;
use crate::lanes::fused;

/// A 2×2 block by rows.
pub type Block = [f64; 4];

/// Growth of the multipliers beyond which the factors are not trusted: what is left of 16 digits then is 6.
const LARGEST_MULTIPLIER: f64 = 1e10;

/// A factorisation without pivot search met a pivot that it cannot be trusted with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Distrusted {
    /// Node (the caller's count) of the row in which it showed.
    pub node: usize,
}

/// Values and factors on one [`BlockPattern`].
///
/// Write the matrix with [`Self::clear`] and [`Self::blocks_mut`], then [`Self::factor`] overwrites it with its factors.
#[derive(Clone, Debug)]
pub struct BlockLu {
    pattern: Arc<BlockPattern>,
    /// Before [`Self::factor`] the matrix, after it `L` left of the diagonal, `U` right of it.
    values: Vec<Block>,
    /// Inverses of the diagonal blocks.
    pub(super) inverse: Vec<Block>,
    slot_of: Vec<u32>,
}

impl BlockLu {
    /// Work space for one pattern.
    pub fn new(pattern: Arc<BlockPattern>) -> Self {
        let (n, blocks) = (pattern.nodes(), pattern.blocks());
        Self { pattern, values: vec![[0.0; 4]; blocks], inverse: vec![[0.0; 4]; n], slot_of: vec![0; n] }
    }

    /// The pattern.
    pub fn pattern(&self) -> &Arc<BlockPattern> {
        &self.pattern
    }

    /// Sets all blocks to zero.
    pub fn clear(&mut self) {
        self.values.fill([0.0; 4]);
    }

    /// All blocks, by slot.
    pub fn blocks(&self) -> &[Block] {
        &self.values
    }

    /// All blocks, by slot, to be written.
    pub fn blocks_mut(&mut self) -> &mut [Block] {
        &mut self.values
    }

    /// Factorises in place. No allocation; time proportional to the arithmetic.
    ///
    /// # Errors
    /// [`Distrusted`] when a diagonal block is singular or not finite, or multipliers grow beyond trust. The factors are
    /// then unusable.
    pub fn factor(&mut self) -> Result<(), Distrusted> {
        let Self { pattern, values, inverse, slot_of } = self;
        pulp::Arch::new().dispatch(Factor { pattern, values, inverse, slot_of })
    }

    /// Solves in place; `b` counts by position, two numbers per node.
    pub fn solve(&self, b: &mut [[f64; 2]]) {
        let Self { pattern, values, inverse, .. } = self;
        pulp::Arch::new().dispatch(Solve { pattern, values, inverse, b });
    }
}

/// A factorisation, to be dispatched.
struct Factor<'a> {
    pattern: &'a BlockPattern,
    values: &'a mut [Block],
    inverse: &'a mut [Block],
    slot_of: &'a mut [u32],
}

/// A solution, to be dispatched.
struct Solve<'a> {
    pattern: &'a BlockPattern,
    values: &'a [Block],
    inverse: &'a [Block],
    b: &'a mut [[f64; 2]],
}

impl WithSimd for Factor<'_> {
    type Output = Result<(), Distrusted>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { pattern, values, inverse, slot_of } = self;
        if const { fused::<S>() } {
            factor::<true>(pattern, values, inverse, slot_of)
        } else {
            factor::<false>(pattern, values, inverse, slot_of)
        }
    }
}

impl WithSimd for Solve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pattern, values, inverse, b } = self;
        if const { fused::<S>() } {
            forward::<true>(pattern, values, b);
            backward::<true>(pattern, values, inverse, b);
        } else {
            forward::<false>(pattern, values, b);
            backward::<false>(pattern, values, inverse, b);
        }
    }
}

#[inline(always)]
fn factor<const FUSED: bool>(
    pattern: &BlockPattern,
    values: &mut [Block],
    inverse: &mut [Block],
    slot_of: &mut [u32],
) -> Result<(), Distrusted> {
    let (row_ptr, diagonal, col) = (pattern.row_ptr(), pattern.diagonal(), pattern.columns());
    let mut largest: f64 = 0.0;
    for i in 0..diagonal.len() {
        let (start, end) = (row_ptr[i] as usize, row_ptr[i + 1] as usize);
        let at_diagonal = diagonal[i] as usize - start;
        let (done, rest) = values.split_at_mut(start);
        let row = &mut rest[..end - start];
        let columns = &col[start..end];
        for (slot, &j) in (0u32..).zip(columns) {
            slot_of[j as usize] = slot;
        }
        for (p, &k) in columns[..at_diagonal].iter().enumerate() {
            let k = k as usize;
            let l = multiply::<FUSED>(&row[p], &inverse[k]);
            row[p] = l;
            largest = l.iter().fold(largest, |max, x| max.max(x.abs()));
            let range = diagonal[k] as usize + 1..row_ptr[k + 1] as usize;
            for (u, &j) in done[range.clone()].iter().zip(&col[range]) {
                subtract_product::<FUSED>(&mut row[slot_of[j as usize] as usize], &l, u);
            }
        }
        inverse[i] = if FUSED { invert_fused(&row[at_diagonal]) } else { invert(&row[at_diagonal]) };
        // NaN fails the comparison, and so does an infinite inverse through the next multiplier.
        let sound = inverse[i].iter().all(|x| x.is_finite()) && largest <= LARGEST_MULTIPLIER;
        if !sound {
            return Err(Distrusted { node: pattern.order()[i] as usize });
        }
    }
    Ok(())
}

#[inline(always)]
fn forward<const FUSED: bool>(pattern: &BlockPattern, values: &[Block], x: &mut [[f64; 2]]) {
    let (row_ptr, diagonal, col) = (pattern.row_ptr(), pattern.diagonal(), pattern.columns());
    for i in 0..diagonal.len() {
        let range = row_ptr[i] as usize..diagonal[i] as usize;
        let mut sum = x[i];
        for (l, &k) in values[range.clone()].iter().zip(&col[range]) {
            subtract_applied::<FUSED>(&mut sum, l, &x[k as usize]);
        }
        x[i] = sum;
    }
}

#[inline(always)]
fn backward<const FUSED: bool>(
    pattern: &BlockPattern,
    values: &[Block],
    inverse: &[Block],
    x: &mut [[f64; 2]],
) {
    let (row_ptr, diagonal, col) = (pattern.row_ptr(), pattern.diagonal(), pattern.columns());
    for i in (0..diagonal.len()).rev() {
        let range = diagonal[i] as usize + 1..row_ptr[i + 1] as usize;
        let mut sum = x[i];
        for (u, &j) in values[range.clone()].iter().zip(&col[range]) {
            subtract_applied::<FUSED>(&mut sum, u, &x[j as usize]);
        }
        let d = &inverse[i];
        x[i] = [d[0] * sum[0] + d[1] * sum[1], d[2] * sum[0] + d[3] * sum[1]];
    }
}

#[inline(always)]
fn multiply<const FUSED: bool>(a: &Block, b: &Block) -> Block {
    [
        plus::<FUSED>(a[0] * b[0], a[1], b[2]),
        plus::<FUSED>(a[0] * b[1], a[1], b[3]),
        plus::<FUSED>(a[2] * b[0], a[3], b[2]),
        plus::<FUSED>(a[2] * b[1], a[3], b[3]),
    ]
}

/// `sum + a b`.
#[inline(always)]
fn plus<const FUSED: bool>(sum: f64, a: f64, b: f64) -> f64 {
    if FUSED { a.mul_add(b, sum) } else { sum + a * b }
}

/// `sum - a b`.
#[inline(always)]
pub(super) fn minus<const FUSED: bool>(sum: f64, a: f64, b: f64) -> f64 {
    if FUSED { (-a).mul_add(b, sum) } else { sum - a * b }
}

#[inline(always)]
fn subtract_product<const FUSED: bool>(t: &mut Block, l: &Block, u: &Block) {
    let left = [l[0], l[0], l[2], l[2]];
    let right = [l[1], l[1], l[3], l[3]];
    let upper = [u[0], u[1], u[0], u[1]];
    let lower = [u[2], u[3], u[2], u[3]];
    for k in 0..4 {
        t[k] = minus::<FUSED>(minus::<FUSED>(t[k], left[k], upper[k]), right[k], lower[k]);
    }
}

#[inline(always)]
fn subtract_applied<const FUSED: bool>(sum: &mut [f64; 2], a: &Block, x: &[f64; 2]) {
    sum[0] = minus::<FUSED>(minus::<FUSED>(sum[0], a[0], x[0]), a[1], x[1]);
    sum[1] = minus::<FUSED>(minus::<FUSED>(sum[1], a[2], x[0]), a[3], x[1]);
}

/// Inverse through the adjugate, which waits for one division instead of two; its determinant is right to the last digits
/// (Kahan's difference of products; Jeannerod, Louvet and Muller, Math. Comp. 82, 2013).
#[inline(always)]
fn invert_fused(&[p, q, r, s]: &Block) -> Block {
    let product = q * r;
    let lost = (-q).mul_add(r, product);
    let scale = 1.0 / (p.mul_add(s, -product) + lost);
    [s * scale, -q * scale, -r * scale, p * scale]
}

/// Inverse through Gauss with the larger entry of the first column as pivot.
#[inline(always)]
fn invert(a: &Block) -> Block {
    let swapped = a[2].abs() > a[0].abs();
    let [p, q, r, s] = if swapped { [a[2], a[3], a[0], a[1]] } else { *a };
    let factor = r / p;
    let schur = 1.0 / (s - factor * q);
    let (first, second) = (1.0 / p, -factor * schur);
    // Inverse of the (swapped) block [p q; r s].
    let upper = [first - q * first * second, -q * first * schur];
    if swapped { [upper[1], upper[0], schur, second] } else { [upper[0], upper[1], second, schur] }
}
