//! The block factorisation in lanes: the same index walk for as many matrices or right-hand sides as a SIMD register
//! holds numbers.
//!
//! All functions are to be called inside one [`crate::lanes::dispatch`], so that they are compiled for the instruction
//! set chosen at run time. They use no closure around an arithmetic operation: a closure does not inherit that set, and
//! each operation in it would become a call. What happens in one lane never depends on another, so the result for a scenario is the same
//! to the bit whatever stands beside it.

use pulp::Simd;

use super::lu::BlockLu;
use super::pattern::BlockPattern;

/// One factorisation, applied to a right-hand side per lane.
#[derive(Clone, Copy)]
pub struct SharedFactor<'a> {
    lu: &'a BlockLu,
}

/// A block per lane.
pub type LaneBlock<S> = [<S as Simd>::f64s; 4];
/// Two numbers per lane: what belongs to one node.
pub type LanePair<S> = [<S as Simd>::f64s; 2];

impl<'a> SharedFactor<'a> {
    /// Of a matrix that was factorised.
    pub const fn new(lu: &'a BlockLu) -> Self {
        Self { lu }
    }

    /// Solves in place; `x` counts by position.
    #[inline(always)]
    pub fn solve<S: Simd>(self, simd: S, x: &mut [LanePair<S>]) {
        self.forward(simd, x);
        self.backward(simd, x);
    }

    /// The first half of a solve: `L⁻¹ x`.
    #[inline(always)]
    pub fn forward<S: Simd>(self, simd: S, x: &mut [LanePair<S>]) {
        for i in 0..x.len() {
            x[i] = self.forward_row(simd, i, x[i], x);
        }
    }

    /// The second half of a solve: `U⁻¹ x`.
    #[inline(always)]
    pub fn backward<S: Simd>(self, simd: S, x: &mut [LanePair<S>]) {
        for i in (0..x.len()).rev() {
            x[i] = self.backward_row(simd, i, x[i], x);
        }
    }

    /// One row of `L⁻¹ x`: `start` is the right-hand side there, `x` is solved in the rows before.
    #[inline(always)]
    pub fn forward_row<S: Simd>(
        self,
        simd: S,
        i: usize,
        start: LanePair<S>,
        x: &[LanePair<S>],
    ) -> LanePair<S> {
        let pattern = self.lu.pattern();
        let range = pattern.row_ptr()[i] as usize..pattern.diagonal()[i] as usize;
        let mut sums = Sums::new(simd, start);
        for (l, &k) in self.lu.blocks()[range.clone()].iter().zip(&pattern.columns()[range]) {
            sums.subtract(simd, l, &x[k as usize]);
        }
        sums.total(simd)
    }

    /// One row of `U⁻¹ x`: `start` is the right-hand side there, `x` is solved in the rows behind.
    #[inline(always)]
    pub fn backward_row<S: Simd>(
        self,
        simd: S,
        i: usize,
        start: LanePair<S>,
        x: &[LanePair<S>],
    ) -> LanePair<S> {
        let pattern = self.lu.pattern();
        let range = pattern.diagonal()[i] as usize + 1..pattern.row_ptr()[i + 1] as usize;
        let mut sums = Sums::new(simd, start);
        // From the far end: the nearest column was solved last, so it is waited for last.
        for (u, &j) in self.lu.blocks()[range.clone()].iter().zip(&pattern.columns()[range]).rev() {
            sums.subtract(simd, u, &x[j as usize]);
        }
        apply_shared(simd, &self.lu.inverse[i], &sums.total(simd))
    }
}

/// Factors of a matrix per lane on a common pattern, working in the caller's memory.
pub struct LaneBlockLu<'a, S: Simd> {
    /// The common pattern.
    pub pattern: &'a BlockPattern,
    /// A block per slot; the matrices before [`Self::factor`], their factors after it.
    pub values: &'a mut [LaneBlock<S>],
    /// Inverses of the diagonal blocks.
    pub inverse: &'a mut [LaneBlock<S>],
    /// One number per node, overwritten.
    pub slot_of: &'a mut [u32],
}

impl<S: Simd> LaneBlockLu<'_, S> {
    /// Factorises all lanes in place, without pivot search: a lane with a singular or wild pivot holds numbers that are
    /// not finite or not right, which the caller sees in the residual of that lane.
    #[inline(always)]
    pub fn factor(&mut self, simd: S) {
        let (row_ptr, diagonal, col) =
            (self.pattern.row_ptr(), self.pattern.diagonal(), self.pattern.columns());
        for i in 0..diagonal.len() {
            let (start, end) = (row_ptr[i] as usize, row_ptr[i + 1] as usize);
            let at_diagonal = diagonal[i] as usize - start;
            let (done, rest) = self.values.split_at_mut(start);
            let row = &mut rest[..end - start];
            let columns = &col[start..end];
            for (slot, &j) in (0u32..).zip(columns) {
                self.slot_of[j as usize] = slot;
            }
            for (p, &k) in columns[..at_diagonal].iter().enumerate() {
                let k = k as usize;
                let l = multiply(simd, &row[p], &self.inverse[k]);
                row[p] = l;
                let range = diagonal[k] as usize + 1..row_ptr[k + 1] as usize;
                for (u, &j) in done[range.clone()].iter().zip(&col[range]) {
                    subtract_product(simd, &mut row[self.slot_of[j as usize] as usize], &l, u);
                }
            }
            self.inverse[i] = invert(simd, &row[at_diagonal]);
        }
    }

    /// Solves in place; `x` counts by position.
    #[inline(always)]
    pub fn solve(&self, simd: S, x: &mut [LanePair<S>]) {
        let (row_ptr, diagonal, col) =
            (self.pattern.row_ptr(), self.pattern.diagonal(), self.pattern.columns());
        for i in 0..diagonal.len() {
            let range = row_ptr[i] as usize..diagonal[i] as usize;
            let mut sum = x[i];
            for (l, &k) in self.values[range.clone()].iter().zip(&col[range]) {
                subtract_applied(simd, &mut sum, l, &x[k as usize]);
            }
            x[i] = sum;
        }
        for i in (0..diagonal.len()).rev() {
            let range = diagonal[i] as usize + 1..row_ptr[i + 1] as usize;
            let mut sum = x[i];
            for (u, &j) in self.values[range.clone()].iter().zip(&col[range]) {
                subtract_applied(simd, &mut sum, u, &x[j as usize]);
            }
            let d = &self.inverse[i];
            x[i] = [
                simd.mul_add_e_f64s(d[0], sum[0], simd.mul_f64s(d[1], sum[1])),
                simd.mul_add_e_f64s(d[2], sum[0], simd.mul_f64s(d[3], sum[1])),
            ];
        }
    }
}

/// Sums of products, the two columns of the blocks apart: a chain of dependent operations is what a row waits for.
struct Sums<S: Simd> {
    first: LanePair<S>,
    second: LanePair<S>,
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(simd: S, start: LanePair<S>) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { first: start, second: [zero, zero] }
    }

    #[inline(always)]
    fn subtract(&mut self, simd: S, a: &[f64; 4], x: &LanePair<S>) {
        self.first[0] = simd.negate_mul_add_e_f64s(simd.splat_f64s(a[0]), x[0], self.first[0]);
        self.first[1] = simd.negate_mul_add_e_f64s(simd.splat_f64s(a[2]), x[0], self.first[1]);
        self.second[0] = simd.negate_mul_add_e_f64s(simd.splat_f64s(a[1]), x[1], self.second[0]);
        self.second[1] = simd.negate_mul_add_e_f64s(simd.splat_f64s(a[3]), x[1], self.second[1]);
    }

    #[inline(always)]
    fn total(self, simd: S) -> LanePair<S> {
        [simd.add_f64s(self.first[0], self.second[0]), simd.add_f64s(self.first[1], self.second[1])]
    }
}

#[inline(always)]
fn apply_shared<S: Simd>(simd: S, a: &[f64; 4], x: &LanePair<S>) -> LanePair<S> {
    let second = simd.mul_f64s(simd.splat_f64s(a[1]), x[1]);
    let fourth = simd.mul_f64s(simd.splat_f64s(a[3]), x[1]);
    [
        simd.mul_add_e_f64s(simd.splat_f64s(a[0]), x[0], second),
        simd.mul_add_e_f64s(simd.splat_f64s(a[2]), x[0], fourth),
    ]
}

#[inline(always)]
fn subtract_applied<S: Simd>(simd: S, sum: &mut LanePair<S>, a: &LaneBlock<S>, x: &LanePair<S>) {
    for row in 0..2 {
        let once = simd.negate_mul_add_e_f64s(a[2 * row], x[0], sum[row]);
        sum[row] = simd.negate_mul_add_e_f64s(a[2 * row + 1], x[1], once);
    }
}

#[inline(always)]
fn multiply<S: Simd>(simd: S, a: &LaneBlock<S>, b: &LaneBlock<S>) -> LaneBlock<S> {
    [
        simd.mul_add_e_f64s(a[0], b[0], simd.mul_f64s(a[1], b[2])),
        simd.mul_add_e_f64s(a[0], b[1], simd.mul_f64s(a[1], b[3])),
        simd.mul_add_e_f64s(a[2], b[0], simd.mul_f64s(a[3], b[2])),
        simd.mul_add_e_f64s(a[2], b[1], simd.mul_f64s(a[3], b[3])),
    ]
}

#[inline(always)]
fn subtract_product<S: Simd>(simd: S, t: &mut LaneBlock<S>, l: &LaneBlock<S>, u: &LaneBlock<S>) {
    for row in [0, 2] {
        for col in 0..2 {
            let once = simd.negate_mul_add_e_f64s(l[row], u[col], t[row + col]);
            t[row + col] = simd.negate_mul_add_e_f64s(l[row + 1], u[col + 2], once);
        }
    }
}

/// Inverse through the adjugate: lanes cannot branch, and a 2×2 determinant loses digits only where the block is close
/// to singular, which the residual shows.
#[inline(always)]
fn invert<S: Simd>(simd: S, a: &LaneBlock<S>) -> LaneBlock<S> {
    let product = simd.mul_f64s(a[1], a[2]);
    let determinant = simd.sub_f64s(simd.mul_f64s(a[0], a[3]), product);
    let scale = simd.div_f64s(simd.splat_f64s(1.0), determinant);
    let negative = simd.neg_f64s(scale);
    [
        simd.mul_f64s(a[3], scale),
        simd.mul_f64s(a[1], negative),
        simd.mul_f64s(a[2], negative),
        simd.mul_f64s(a[0], scale),
    ]
}
