//! One factorisation, applied to a right-hand side per lane, group by group.
//!
//! The caller walks: it knows what the right-hand side is and when it is needed. All functions are to be called inside
//! one [`crate::lanes::dispatch`]; `R` is the number of nodes of the group.

use pulp::Simd;

use super::lu::{GroupLu, MOST_ROWS, RowKind};
use super::pattern::{GroupPattern, MOST_NODES};
use crate::block::LanePair;

/// The factors as a walk uses them.
#[derive(Clone, Copy)]
pub struct GroupFactor<'a> {
    lu: &'a GroupLu,
    pattern: &'a GroupPattern,
}

impl<'a> GroupFactor<'a> {
    /// Of a matrix that was factorised.
    pub fn new(lu: &'a GroupLu) -> Self {
        Self { lu, pattern: &lu.pattern }
    }

    /// The pattern.
    #[inline(always)]
    pub const fn pattern(self) -> &'a GroupPattern {
        self.pattern
    }

    /// `x(g) = y(g) - Σ H(g,j) x(j)`; `x` is solved in the groups above.
    #[inline(always)]
    pub fn open<const R: usize, S: Simd>(
        self,
        simd: S,
        g: usize,
        y: &[LanePair<S>],
        x: &[LanePair<S>],
    ) -> [LanePair<S>; R] {
        let row = self.lu.rows[g];
        let values = &self.lu.values[row.start as usize..];
        let mut own = take::<R, S>(y, self.pattern.range(g).start);
        let above = &self.pattern.above()[self.pattern.slots(g)];
        if row.kind == RowKind::Transposed {
            let dropped = line_applied(
                simd,
                values,
                &take::<MOST_NODES, S>(x, self.pattern.range(above[0] as usize).start),
            );
            subtract::<R, MOST_NODES, S>(simd, &mut own, &values[4..], &dropped);
            return own;
        }
        let mut rest = values;
        for &j in above {
            let range = self.pattern.range(j as usize);
            let columns = range.len();
            match columns {
                1 => subtract::<R, 1, S>(simd, &mut own, rest, &take::<1, S>(x, range.start)),
                2 => subtract::<R, 2, S>(simd, &mut own, rest, &take::<2, S>(x, range.start)),
                _ => subtract::<R, 3, S>(simd, &mut own, rest, &take::<3, S>(x, range.start)),
            }
            rest = &rest[4 * R * columns..];
        }
        own
    }

    /// `y(g) = D(g)⁻¹ b(g)`, in place, and `b(j) -= A'(j,g) y(g)` in the groups above.
    #[inline(always)]
    pub fn close<const R: usize, S: Simd>(self, simd: S, g: usize, b: &mut [LanePair<S>]) {
        let row = self.lu.rows[g];
        let values = &self.lu.values[row.start as usize..];
        let start = self.pattern.range(g).start;
        let own = take::<R, S>(b, start);
        let above = &self.pattern.above()[self.pattern.slots(g)];
        if row.kind == RowKind::Transposed {
            let y: [LanePair<S>; MOST_NODES] = applied::<MOST_NODES, R, S>(simd, &values[4..], &own);
            b[start..start + MOST_NODES].copy_from_slice(&y);
            let pushed = line_applied(simd, values, &y);
            let to = &mut b[self.pattern.range(above[0] as usize)];
            for (to, x) in to.iter_mut().zip(pushed) {
                *to = [simd.sub_f64s(to[0], x[0]), simd.sub_f64s(to[1], x[1])];
            }
            return;
        }
        let mut rest =
            &values[4 * R * above.iter().map(|&j| self.pattern.range(j as usize).len()).sum::<usize>()..];
        let y: [LanePair<S>; R] = applied::<R, R, S>(simd, rest, &own);
        b[start..start + R].copy_from_slice(&y);
        rest = &rest[4 * R * R..];
        for &j in above {
            let range = self.pattern.range(j as usize);
            let rows = range.len();
            match rows {
                1 => subtract_at::<1, R, S>(simd, &mut b[range], rest, &y),
                2 => subtract_at::<2, R, S>(simd, &mut b[range], rest, &y),
                _ => subtract_at::<3, R, S>(simd, &mut b[range], rest, &y),
            }
            rest = &rest[4 * R * rows..];
        }
    }
}

#[inline(always)]
fn take<const R: usize, S: Simd>(x: &[LanePair<S>], start: usize) -> [LanePair<S>; R] {
    let mut own = [x[start]; R];
    own.copy_from_slice(&x[start..start + R]);
    own
}

#[inline(always)]
fn subtract_at<const R: usize, const C: usize, S: Simd>(
    simd: S,
    to: &mut [LanePair<S>],
    values: &[f64],
    x: &[LanePair<S>; C],
) {
    let mut sum = take::<R, S>(to, 0);
    subtract::<R, C, S>(simd, &mut sum, values, x);
    to.copy_from_slice(&sum);
}

/// `sum -= a x`, `a` by columns.
#[inline(always)]
fn subtract<const R: usize, const C: usize, S: Simd>(
    simd: S,
    sum: &mut [LanePair<S>; R],
    values: &[f64],
    x: &[LanePair<S>; C],
) {
    let columns: &[[[f64; 2]; R]] = values.as_chunks::<2>().0.as_chunks().0;
    for (column, x) in columns[..2 * C].as_chunks::<2>().0.iter().zip(x) {
        for part in 0..2 {
            for row in 0..R {
                let [re, im] = column[part][row];
                sum[row][0] = simd.negate_mul_add_e_f64s(simd.splat_f64s(re), x[part], sum[row][0]);
                sum[row][1] = simd.negate_mul_add_e_f64s(simd.splat_f64s(im), x[part], sum[row][1]);
            }
        }
    }
}

/// `a x`, `a` by columns.
#[inline(always)]
fn applied<const R: usize, const C: usize, S: Simd>(
    simd: S,
    values: &[f64],
    x: &[LanePair<S>; C],
) -> [LanePair<S>; R] {
    let mut sum = [[simd.splat_f64s(0.0); 2]; R];
    let columns: &[[[f64; 2]; R]] = values.as_chunks::<2>().0.as_chunks().0;
    for (column, x) in columns[..2 * C].as_chunks::<2>().0.iter().zip(x) {
        for part in 0..2 {
            for row in 0..R {
                let [re, im] = column[part][row];
                sum[row][0] = simd.mul_add_e_f64s(simd.splat_f64s(re), x[part], sum[row][0]);
                sum[row][1] = simd.mul_add_e_f64s(simd.splat_f64s(im), x[part], sum[row][1]);
            }
        }
    }
    sum
}

/// What a transposed line `d, o` makes of three phases: `(d - o) x + o (x₁ + x₂ + x₃)`.
#[inline(always)]
fn line_applied<S: Simd>(simd: S, line: &[f64], x: &[LanePair<S>; MOST_NODES]) -> [LanePair<S>; MOST_NODES] {
    let (own_re, own_im) = (simd.splat_f64s(line[0] - line[2]), simd.splat_f64s(line[1] - line[3]));
    let (re, im) = (simd.splat_f64s(line[2]), simd.splat_f64s(line[3]));
    let e = simd.add_f64s(simd.add_f64s(x[0][0], x[1][0]), x[2][0]);
    let f = simd.add_f64s(simd.add_f64s(x[0][1], x[1][1]), x[2][1]);
    let common = [
        simd.negate_mul_add_e_f64s(im, f, simd.mul_f64s(re, e)),
        simd.mul_add_e_f64s(im, e, simd.mul_f64s(re, f)),
    ];
    let mut out = [common; MOST_NODES];
    for phase in 0..MOST_NODES {
        let once = simd.mul_add_e_f64s(own_re, x[phase][0], common[0]);
        out[phase][0] = simd.negate_mul_add_e_f64s(own_im, x[phase][1], once);
        let once = simd.mul_add_e_f64s(own_re, x[phase][1], common[1]);
        out[phase][1] = simd.mul_add_e_f64s(own_im, x[phase][0], once);
    }
    out
}

const _: () = assert!(MOST_ROWS == 2 * MOST_NODES);
