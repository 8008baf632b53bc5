//! A branch that is out, and the four rows and columns of the Jacobian that it changes.

use super::chord::{Chord, Fixed};
use super::complex::{multiply, times_conjugate};

/// Rows and columns that an outage changes.
pub(super) const RANK: usize = 4;
/// A pivot of `I + M Eᵀ Z` below this share of one is no pivot: the island falls apart.
const SMALLEST_PIVOT: f64 = 1e-9;

pub(super) type Small = [[f64; RANK]; RANK];

/// A branch that is out: positions of its ends, and its admittances from-from, from-to, to-from, to-to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) ends: [u32; 2],
    pub(super) y: [[f64; 2]; 4],
}

impl Cut {
    /// Power into the branch at both ends.
    pub(super) fn flow(&self, [from, to]: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
        let [ff, ft, tf, tt] = self.y;
        let current = |a, x, b, y| {
            let (own, other) = (multiply(a, x), multiply(b, y));
            [own[0] + other[0], own[1] + other[1]]
        };
        [times_conjugate(from, current(ff, from, ft, to)), times_conjugate(to, current(tt, to, tf, from))]
    }

    /// `M`: minus the blocks of the branch in the base Jacobian; what is held there is no equation of the branch.
    pub(super) fn change(&self, chord: &Chord) -> Small {
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

/// `(I + M C)⁻¹ M` by elimination with partial pivoting; NaN where it has no pivot.
pub(super) fn condensed(m: &Small, c: &Small) -> Small {
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

/// `a x`.
#[inline(always)]
pub(super) fn applied(a: &Small, x: &[f64; RANK]) -> [f64; RANK] {
    let mut y = [0.0; RANK];
    for (y, row) in y.iter_mut().zip(a) {
        *y = dot(row, x);
    }
    y
}

/// `aᵀ x`.
#[inline(always)]
pub(super) fn applied_transposed(a: &Small, x: &[f64; RANK]) -> [f64; RANK] {
    let mut y = [0.0; RANK];
    for (row, x) in a.iter().zip(x) {
        for (y, a) in y.iter_mut().zip(row) {
            *y += a * x;
        }
    }
    y
}

/// `aᵀ b`.
#[inline(always)]
pub(super) fn dot(a: &[f64; RANK], b: &[f64; RANK]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + (a[2] * b[2] + a[3] * b[3])
}
