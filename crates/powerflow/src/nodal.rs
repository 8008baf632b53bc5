//! The nodal admittance matrix by rows, for the methods beside Newton's on blocks, and what follows from it.
//!
//! ```text
//! I(i) = Σj Y(i,j) V(j)        P(i) + j Q(i) = V(i) conj(I(i))
//! ```

use sparse::{Csc, minimum_degree};
use topology::calc::{Admittance, Branch, Bus};

use crate::island::{Held, Island};

/// Admittances `[g, b]` by rows, the diagonal always among them.
#[derive(Clone, Debug)]
pub(crate) struct Nodal {
    ptr: Vec<usize>,
    col: Vec<usize>,
    y: Vec<[f64; 2]>,
}

/// Voltages in rectangular coordinates: `e + j f`.
pub(crate) fn rectangular(vm_pu: &[f64], va_rad: &[f64]) -> Vec<[f64; 2]> {
    vm_pu
        .iter()
        .zip(va_rad)
        .map(|(vm, va)| {
            let (sin, cos) = va.sin_cos();
            [vm * cos, vm * sin]
        })
        .collect()
}

impl Nodal {
    /// From shunts `[g, b]` by bus and branches with the places of their ends.
    pub(crate) fn new(
        shunts: impl Iterator<Item = [f64; 2]>,
        branches: impl Iterator<Item = ([u32; 2], Admittance)>,
    ) -> Self {
        let mut entries: Vec<(usize, usize, [f64; 2])> =
            shunts.enumerate().map(|(i, shunt)| (i, i, shunt)).collect();
        let n = entries.len();
        for ([from, to], y) in branches {
            let (f, t) = (from as usize, to as usize);
            entries.extend([(f, f, y.ff), (f, t, y.ft), (t, f, y.tf), (t, t, y.tt)]);
        }
        // A stable sort keeps the order of parallel branches, so sums are the same every time.
        entries.sort_by_key(|(i, j, _)| (*i, *j));
        let mut nodal = Self { ptr: vec![0; n + 1], col: Vec::new(), y: Vec::new() };
        let mut last = None;
        for (i, j, y) in entries {
            if last != Some((i, j)) {
                last = Some((i, j));
                nodal.col.push(j);
                nodal.y.push([0.0; 2]);
            }
            if let Some(sum) = nodal.y.last_mut() {
                *sum = [sum[0] + y[0], sum[1] + y[1]];
            }
            nodal.ptr[i + 1] = nodal.col.len();
        }
        nodal
    }

    /// The matrix of buses and branches as they are.
    pub(crate) fn of<'a>(
        buses: impl Iterator<Item = &'a Bus>,
        branches: impl Iterator<Item = ([u32; 2], &'a Branch)>,
    ) -> Self {
        Self::new(
            buses.map(|bus| [bus.g_shunt_pu, bus.b_shunt_pu]),
            branches.map(|(ends, branch)| (ends, branch.admittance())),
        )
    }

    pub(crate) fn len(&self) -> usize {
        self.ptr.len() - 1
    }

    /// Entries of a row: column and admittance.
    pub(crate) fn row(&self, i: usize) -> impl Iterator<Item = (usize, [f64; 2])> + '_ {
        let range = self.ptr[i]..self.ptr[i + 1];
        range.map(|at| (self.col[at], self.y[at]))
    }

    /// `I(i)` for all buses.
    pub(crate) fn currents(&self, v: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let row = |i: usize| {
            self.row(i).fold([0.0; 2], |sum, (j, [g, b])| {
                let [e, f] = v[j];
                [sum[0] + g * e - b * f, sum[1] + g * f + b * e]
            })
        };
        (0..self.len()).map(row).collect()
    }

    /// Writes the injections at the island's present voltages and returns the bus with the largest mismatch, a NaN
    /// before all others.
    pub(crate) fn evaluate(&self, island: &mut Island) -> (usize, f64) {
        let v = rectangular(&island.vm_pu, &island.va_rad);
        for (i, [re, im]) in self.currents(&v).into_iter().enumerate() {
            let [e, f] = v[i];
            island.p_pu[i] = e * re + f * im;
            island.q_pu[i] = f * re - e * im;
        }
        worst(island)
    }

    /// A real matrix on this pattern: `entry(i, j, y)` where both buses are kept, a 1 on the diagonal elsewhere.
    pub(crate) fn reduced(
        &self,
        kept: impl Fn(usize) -> bool,
        entry: impl Fn([f64; 2]) -> f64,
    ) -> (Csc, Vec<usize>) {
        let n = self.len();
        let mut entries = Vec::with_capacity(self.y.len());
        for i in 0..n {
            for (j, y) in self.row(i) {
                let value = match (kept(i) && kept(j), i == j) {
                    (true, _) => entry(y),
                    (false, true) => 1.0,
                    (false, false) => continue,
                };
                entries.push((i, j, value));
            }
        }
        let matrix = Csc::square(n, &entries);
        let order = minimum_degree(&matrix);
        (matrix, order)
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
