//! Real systems on the graph of an island, for the methods beside Newton's on blocks, and mismatches of injections.
//!
//! A row belongs to a bus; what is held at a bus makes its row that of the identity and its column a known part of the
//! right-hand side. Buses count in the island's order of elimination, so the pattern of the factors is found once, without
//! ordering anew. A symmetric matrix is factorised as `L D Lᵀ`; one that is not (phase shifters in `B'`), or whose `L D Lᵀ`
//! does not solve a known system, by [`Lu`] with pivoting, on the pivots of the time before where these serve.

use std::sync::Arc;

use sparse::ldl::{Ldl, LdlPattern, PivotRule};
use sparse::{Csc, Lu, LuError, PatternBuilder};

use crate::island::{Held, Island};

/// Backward error of the known system above which `L D Lᵀ` is not used.
const LARGEST_BACKWARD_ERROR: f64 = 1e-9;

/// Matrix, pattern and factors.
#[derive(Clone, Debug)]
pub(crate) struct NodalSystem {
    matrix: Csc,
    /// Slots of the diagonal, and of from-to and to-from by branch.
    diagonal: Vec<usize>,
    off: Vec<[usize; 2]>,
    /// `None` where the pattern has no factors, which only a matrix that is not square brings about.
    ldl: Option<Ldl>,
    /// Made when first needed.
    lu: Option<Box<Lu>>,
    pivoted: bool,
    probe: [Vec<f64>; 2],
}

impl NodalSystem {
    /// A system of `n` buses and branches between these, all zero.
    pub(crate) fn new(n: usize, ends: &[[u32; 2]]) -> Self {
        let mut builder = PatternBuilder::new(n, n);
        for i in 0..n {
            builder.push(i, i);
        }
        for [from, to] in ends.iter().map(|ends| ends.map(|end| end as usize)) {
            builder.push(from, to);
            builder.push(to, from);
        }
        let (matrix, slots) = builder.build();
        let ldl = LdlPattern::with_order(&matrix, (0..n).collect()).ok().map(|p| Ldl::new(Arc::new(p)));
        let off = slots[n..].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        let probe = [vec![0.0; n], vec![0.0; n]];
        Self { matrix, diagonal: slots[..n].to_vec(), off, ldl, lu: None, pivoted: false, probe }
    }

    /// Sets every entry to zero.
    pub(crate) fn clear(&mut self) {
        self.matrix.clear();
    }

    /// Adds to the diagonal of a bus.
    pub(crate) fn add(&mut self, bus: usize, value: f64) {
        self.matrix.values_mut()[self.diagonal[bus]] += value;
    }

    /// Adds the entries from-from, from-to, to-from and to-to of a branch.
    pub(crate) fn add_branch(&mut self, branch: usize, ends: [u32; 2], [ff, ft, tf, tt]: [f64; 4]) {
        let values = self.matrix.values_mut();
        let [from, to] = ends.map(|end| self.diagonal[end as usize]);
        values[from] += ff;
        values[to] += tt;
        let [there, back] = self.off[branch];
        values[there] += ft;
        values[back] += tf;
    }

    /// Rows and columns of what is `held` become those of the identity; `right` gets what the columns times `values` are.
    pub(crate) fn hold(&mut self, held: impl Fn(usize) -> bool, mut known: Option<(&[f64], &mut [f64])>) {
        let starts = self.matrix.col_ptr().to_vec();
        for (col, range) in starts.windows(2).enumerate() {
            for at in range[0]..range[1] {
                let row = self.matrix.row_indices()[at];
                if !held(row) && !held(col) {
                    continue;
                }
                let value = &mut self.matrix.values_mut()[at];
                if let Some((values, right)) = known.as_mut().filter(|_| held(col) && !held(row)) {
                    right[row] -= *value * values[col];
                }
                *value = if row == col { 1.0 } else { 0.0 };
            }
        }
    }

    /// Factorises.
    ///
    /// # Errors
    /// The bus where the matrix is singular.
    pub(crate) fn factor(&mut self) -> Result<(), usize> {
        self.pivoted = !(self.is_symmetric() && self.factor_symmetric());
        if !self.pivoted {
            return Ok(());
        }
        let n = self.diagonal.len();
        let lu = self.lu.get_or_insert_with(|| Box::new(Lu::with_order((0..n).collect())));
        match lu.update(&self.matrix) {
            Ok(_) => Ok(()),
            Err(LuError::Singular(singular)) => Err(singular.column),
            Err(LuError::Shape { .. }) => Err(0),
        }
    }

    /// Solves in place with the factors of the last [`Self::factor`]; NaN when there are none.
    pub(crate) fn solve(&mut self, x: &mut [f64]) {
        match (self.pivoted, &mut self.ldl, &mut self.lu) {
            (false, Some(ldl), _) => ldl.solve(x),
            (true, _, Some(lu)) => lu.solve(x),
            (false, None, _) | (true, _, None) => x.fill(f64::NAN),
        }
    }

    fn is_symmetric(&self) -> bool {
        let values = self.matrix.values();
        self.off.iter().all(|&[there, back]| values[there] == values[back])
    }

    /// Whether `L D Lᵀ` serves: no pivot vanishes, and `A x = A·(1, -1, …)` is solved.
    fn factor_symmetric(&mut self) -> bool {
        let Self { matrix, ldl: Some(ldl), probe: [b, x], .. } = self else { return false };
        if ldl.factor(matrix, &PivotRule::default()).is_err() {
            return false;
        }
        for (k, x) in x.iter_mut().enumerate() {
            *x = if k % 2 == 0 { 1.0 } else { -1.0 };
        }
        b.fill(0.0);
        matrix.mul_add(1.0, x, b);
        ldl.solve_refined(matrix, b, x, 0).relative <= LARGEST_BACKWARD_ERROR
    }
}

/// Active and reactive mismatch at a bus: what is set less what is calculated, 0 where it is not held.
pub(crate) fn mismatch(island: &Island, i: usize) -> [f64; 2] {
    let p = island.p_set_pu[i] - island.p_pu[i];
    let q = island.q_set_pu[i] - island.q_pu[i];
    match island.held[i] {
        Held::VoltageAndAngle => [0.0, 0.0],
        Held::PowerAndVoltage => [p, 0.0],
        Held::Power => [p, q],
    }
}

/// The bus with the largest mismatch, a NaN before all others.
pub(crate) fn worst(island: &Island) -> (usize, f64) {
    let mut found = (0, 0.0);
    for i in 0..island.vm_pu.len() {
        let [p, q] = mismatch(island, i);
        if p.is_nan() || q.is_nan() {
            return (i, f64::NAN);
        }
        let size = p.abs().max(q.abs());
        if size > found.1 {
            found = (i, size);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against pivoting on the whole matrix: two held buses, whose values are known, in a ring of five with a chord.
    fn check(entries: [[f64; 4]; 6], pivoted: bool) {
        let ends = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 3]];
        let (known, held) = ([0.5, 0.0, 0.0, 0.0, -0.25], |i: usize| i == 0 || i == 4);
        let mut system = NodalSystem::new(5, &ends);
        let mut list = Vec::new();
        for (at, (&[from, to], &entries)) in ends.iter().zip(&entries).enumerate() {
            system.add_branch(at, [from, to], entries);
            let [ff, ft, tf, tt] = entries;
            let (f, t) = (from as usize, to as usize);
            list.extend([(f, f, ff), (f, t, ft), (t, f, tf), (t, t, tt)]);
        }
        let mut right = [0.5, 1.0, -2.0, 0.75, -0.25];
        let want = {
            list.retain(|&(row, ..)| !held(row));
            list.extend([(0, 0, 1.0), (4, 4, 1.0)]);
            let matrix = Csc::square(5, &list);
            let (mut lu, mut x) = (Lu::new(&matrix), right);
            assert_eq!(lu.factor(&matrix), Ok(()));
            lu.solve(&mut x);
            x
        };
        system.hold(held, Some((&known, &mut right)));
        assert_eq!(system.factor(), Ok(()));
        assert_eq!(system.pivoted, pivoted);
        system.solve(&mut right);
        for (got, want) in right.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{right:?}, {want}");
        }
    }

    #[test]
    fn symmetric_and_other_matrices_are_solved() {
        let branch = |b: f64| [b, -b, -b, b];
        let plain = [branch(3.0), branch(10.0), branch(7.0), branch(2.0), branch(5.0), branch(4.0)];
        check(plain, false);
        let mut shifted = plain;
        shifted[1] = [10.0, -9.5, -9.7, 10.0];
        check(shifted, true);
        // A series capacitor that makes the first pivot vanish: 3 + 4 - 7.
        let mut compensated = plain;
        compensated[1] = branch(-7.0);
        check(compensated, true);
    }

    #[test]
    fn a_part_without_reference_is_named() {
        let mut system = NodalSystem::new(4, &[[0, 1], [2, 3]]);
        system.add_branch(0, [0, 1], [2.0, -2.0, -2.0, 2.0]);
        system.add_branch(1, [2, 3], [2.0, -2.0, -2.0, 2.0]);
        system.hold(|i| i == 0, None);
        assert_eq!(system.factor(), Err(3));
    }
}
