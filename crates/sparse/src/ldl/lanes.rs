//! The factors `L D Lᵀ` of [`super::Ldl`], laid out for right-hand sides that are nearly empty and for eight of them side
//! by side.
//!
//! ```text
//! parent(j) = min { i > j : L(i,j) ≠ 0 }
//! L z = r     visits only the ancestors of the entries of r          (path, O(depth))
//! x(k) = z(k)/d(k) - Σ L(i,k) x(i)   over the column k, k descending  (back, O(fill) per lane, no scatter)
//! ```
//!
//! Pivots are not searched: a matrix that is definite, such as the susceptances of a network with positive reactances,
//! needs none. A check against a solve whose answer is known refuses matrices on which that fails.

use std::sync::Arc;

use super::{Ldl, LdlPattern, PivotRule};
use crate::lanes::{Simd, WithSimd, dispatch};
use crate::matrix::Csc;

/// Right-hand sides that are solved side by side.
pub const LANES: usize = 8;

/// One figure of every lane, in one cache line.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[repr(align(64))]
pub struct Lane(
    /// By lane.
    pub [f64; LANES],
);

/// Relative backward error above which a factorisation is not used.
const LARGEST_ERROR: f64 = 1e-9;
const NONE: u32 = u32::MAX;

/// Factors; rows count in the order of elimination.
#[derive(Clone, Debug)]
pub struct LaneLdl {
    /// Place in the order by row of the matrix.
    place: Vec<u32>,
    parent: Vec<u32>,
    start: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<f64>,
    inverse_pivot: Vec<f64>,
}

/// A right-hand side after the forward solve: places, ascending, with `z`.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// Places in the order of elimination.
    pub places: Vec<u32>,
    /// `z` there.
    pub z: Vec<f64>,
}

/// Right-hand sides of a block, then its solutions, by place. One more place, which stays zero, stands for the
/// references.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// By place.
    pub x: Vec<Lane>,
    touched: Vec<bool>,
    list: Vec<u32>,
}

impl Lanes {
    /// For `size` equations.
    pub fn new(size: usize) -> Self {
        Self { x: vec![Lane::default(); size + 1], touched: vec![false; size], list: Vec::new() }
    }
}

/// Work space of forward solves.
#[derive(Clone, Debug)]
pub struct Forward {
    z: Vec<f64>,
    seen: Vec<bool>,
}

impl Forward {
    /// For `size` equations.
    pub fn new(size: usize) -> Self {
        Self { z: vec![0.0; size], seen: vec![false; size] }
    }
}

impl LaneLdl {
    /// Factorises; `None` when a pivot vanishes or the factors do not reproduce a known solution.
    pub fn new(matrix: &Csc) -> Option<Self> {
        let pattern = Arc::new(LdlPattern::analyse(matrix).ok()?);
        let mut factors = Ldl::new(Arc::clone(&pattern));
        factors.factor(matrix, &PivotRule::default()).ok()?;
        let n = pattern.size();
        let mut factor = Self {
            place: vec![0; n],
            parent: Vec::with_capacity(n),
            start: vec![0],
            rows: Vec::with_capacity(pattern.factor_entries()),
            values: Vec::with_capacity(pattern.factor_entries()),
            inverse_pivot: factors.diagonal().iter().map(|pivot| 1.0 / pivot).collect(),
        };
        for (step, &row) in pattern.elimination_order().iter().enumerate() {
            factor.place[row] = index(step)?;
            factor.parent.push(pattern.parent(step).map_or(Some(NONE), index)?);
            for (below, value) in factors.lower_column(step) {
                factor.rows.push(index(below)?);
                factor.values.push(value);
            }
            factor.start.push(index(factor.rows.len())?);
        }
        (factor.error(matrix) <= LARGEST_ERROR).then_some(factor)
    }

    /// Number of equations.
    pub fn size(&self) -> usize {
        self.place.len()
    }

    /// Entries of the strict factor.
    pub fn fill(&self) -> usize {
        self.rows.len()
    }

    /// Place of a row of the matrix in the order of elimination.
    pub fn place(&self, row: usize) -> u32 {
        self.place[row]
    }

    /// Backward error of `A x = A·1`.
    fn error(&self, matrix: &Csc) -> f64 {
        let n = self.size();
        let mut b = vec![0.0; n];
        matrix.mul_add(1.0, &vec![1.0; n], &mut b);
        let mut x = b.clone();
        self.solve(&mut x);
        let size = x.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
        let scale = matrix.max_abs() * size + b.iter().fold(0.0_f64, |max, b| max.max(b.abs()));
        matrix.mul_add(-1.0, &x, &mut b);
        let worst =
            b.iter().fold(0.0_f64, |max, r| if r.is_nan() { f64::INFINITY } else { max.max(r.abs()) });
        if scale == 0.0 { 0.0 } else { worst / scale }
    }

    /// `A x = b` in place; rows count in the matrix.
    pub fn solve(&self, b: &mut [f64]) {
        let mut x = vec![0.0; self.size()];
        for (row, &at) in self.place.iter().enumerate() {
            x[at as usize] = b[row];
        }
        for k in 0..x.len() {
            let x_k = x[k];
            for (row, value) in self.column(k) {
                x[row as usize] -= value * x_k;
            }
        }
        for (x, inverse) in x.iter_mut().zip(&self.inverse_pivot) {
            *x *= inverse;
        }
        self.back(&mut x);
        for (row, &at) in self.place.iter().enumerate() {
            b[row] = x[at as usize];
        }
    }

    fn column(&self, k: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let range = self.start[k] as usize..self.start[k + 1] as usize;
        self.rows[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    fn back(&self, x: &mut [f64]) {
        for k in (0..self.size()).rev() {
            let sum: f64 = self.column(k).map(|(row, value)| value * x[row as usize]).sum();
            x[k] -= sum;
        }
    }

    /// `L z = r` for a few entries of `r`, given by place.
    pub fn forward(&self, entries: &[(u32, f64)], work: &mut Forward, path: &mut Path) {
        path.places.clear();
        path.z.clear();
        for &(place, value) in entries {
            work.z[place as usize] += value;
            let mut at = place;
            while at != NONE && !work.seen[at as usize] {
                work.seen[at as usize] = true;
                path.places.push(at);
                at = self.parent[at as usize];
            }
        }
        path.places.sort_unstable();
        for &place in &path.places {
            let k = place as usize;
            work.seen[k] = false;
            let z = std::mem::take(&mut work.z[k]);
            path.z.push(z);
            if z != 0.0 {
                for (row, value) in self.column(k) {
                    work.z[row as usize] -= value * z;
                }
            }
        }
    }

    /// `aᵀ A⁻¹ b` from the forward solves of both.
    pub fn product(&self, a: &Path, b: &Path) -> f64 {
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while let (Some(&p), Some(&q)) = (a.places.get(i), b.places.get(j)) {
            if p == q {
                sum += a.z[i] * b.z[j] * self.inverse_pivot[p as usize];
            }
            i += usize::from(p <= q);
            j += usize::from(q <= p);
        }
        sum
    }

    /// Adds `D⁻¹ z`, scaled, to one lane.
    pub fn put(&self, path: &Path, scale: f64, lane: usize, rhs: &mut Lanes) {
        for (&place, &z) in path.places.iter().zip(&path.z) {
            let at = place as usize;
            if !rhs.touched[at] {
                rhs.touched[at] = true;
                rhs.list.push(place);
                rhs.x[at] = Lane::default();
            }
            rhs.x[at].0[lane] += scale * z * self.inverse_pivot[at];
        }
    }

    /// `Lᵀ x = D⁻¹ z` for all lanes; afterwards the right-hand side counts as empty.
    pub fn back_lanes(&self, rhs: &mut Lanes) {
        dispatch(Back { ldl: self, rhs });
        for place in rhs.list.drain(..) {
            rhs.touched[place as usize] = false;
        }
    }
}

/// The backward solve, compiled for the widest instruction set. Plain arrays without fused operations: the same bits
/// on every processor.
struct Back<'a> {
    ldl: &'a LaneLdl,
    rhs: &'a mut Lanes,
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { ldl, rhs } = self;
        let x = &mut rhs.x[..];
        for k in (0..ldl.inverse_pivot.len()).rev() {
            let range = ldl.start[k] as usize..ldl.start[k + 1] as usize;
            let mut sum = if rhs.touched[k] { x[k].0 } else { [0.0; LANES] };
            for (&row, &value) in ldl.rows[range.clone()].iter().zip(&ldl.values[range]) {
                let other = &x[row as usize].0;
                for lane in 0..LANES {
                    sum[lane] -= value * other[lane];
                }
            }
            x[k].0 = sum;
        }
    }
}

fn index(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Lu, PatternBuilder};

    /// A grid of `n` × `n` nodes with a little on the diagonal; a negative branch among them.
    fn matrix(n: usize) -> Csc {
        let mut builder = PatternBuilder::new(n * n, n * n);
        let mut entries = Vec::new();
        let mut branch = |i: usize, j: usize, b: f64| {
            for (row, col, value) in [(i, i, b), (j, j, b), (i, j, -b), (j, i, -b)] {
                entries.push((builder.push(row, col), value));
            }
        };
        for i in 0..n {
            for j in 0..n {
                let at = i * n + j;
                if i + 1 < n {
                    branch(at, at + n, 1.0 + (at % 7) as f64);
                }
                if j + 1 < n {
                    branch(at, at + 1, if at == 2 { -0.3 } else { 2.0 + (at % 3) as f64 });
                }
            }
        }
        let first = builder.push(0, 0);
        let (mut matrix, slots) = builder.build();
        for (entry, value) in entries {
            matrix.values_mut()[slots[entry]] += value;
        }
        matrix.values_mut()[slots[first]] += 5.0;
        matrix
    }

    #[test]
    fn solves_agree_with_lu_in_every_way() {
        let matrix = matrix(9);
        let n = matrix.cols();
        let ldl = LaneLdl::new(&matrix).unwrap();
        let mut lu = Lu::new(&matrix);
        lu.factor(&matrix).unwrap();
        let (mut forward, mut path) = (Forward::new(n), Path::default());
        let mut lanes = Lanes::new(n);
        let mut expected = Vec::new();
        for lane in 0..LANES {
            let (i, j) = (lane * 3, 80 - lane * 5);
            let mut b = vec![0.0; n];
            b[i] += 1.0;
            b[j] -= 1.0;
            let mut dense = b.clone();
            ldl.solve(&mut dense);
            ldl.forward(&[(ldl.place(i), 1.0), (ldl.place(j), -1.0)], &mut forward, &mut path);
            ldl.put(&path, 2.0, lane, &mut lanes);
            lu.solve(&mut b);
            let product = ldl.product(&path, &path);
            assert!((product - (b[i] - b[j])).abs() < 1e-13, "{product}");
            assert!(b.iter().zip(&dense).all(|(a, b)| (a - b).abs() < 1e-13));
            expected.push(b);
        }
        ldl.back_lanes(&mut lanes);
        for (lane, expected) in expected.iter().enumerate() {
            for (row, value) in expected.iter().enumerate() {
                let got = lanes.x[ldl.place(row) as usize].0[lane];
                assert!((got - 2.0 * value).abs() < 1e-13, "{lane} {row} {got} {value}");
            }
        }
    }

    #[test]
    fn a_singular_matrix_is_refused() {
        let mut matrix = matrix(3);
        for value in matrix.values_mut() {
            *value = 0.0;
        }
        assert!(LaneLdl::new(&matrix).is_none());
    }
}
