//! Bus admittance matrix of one island, by rows, in the order of elimination.

use sparse::block::BlockPattern;
use topology::calc::{Branch, Bus};

/// Bus admittance matrix without its diagonal, by rows.
#[derive(Clone, Debug)]
pub(crate) struct Admittances {
    pub(crate) ptr: Vec<u32>,
    pub(crate) col: Vec<u32>,
    /// Block of the Jacobian that belongs to the entry.
    pub(crate) slot: Vec<u32>,
    pub(crate) y: Vec<[f64; 2]>,
    pub(crate) diagonal: Vec<[f64; 2]>,
    /// Entries `from→to` and `to→from` of every branch; `u32::MAX` for a branch that starts where it ends.
    pub(crate) branch: Vec<[u32; 2]>,
}

impl Admittances {
    /// The pattern for branches between the given ends, all zero.
    pub(crate) fn new(pattern: &BlockPattern, ends: &[[u32; 2]]) -> Self {
        let n = pattern.nodes();
        let mut pairs: Vec<[u32; 2]> =
            ends.iter().filter(|[a, b]| a != b).flat_map(|&[a, b]| [[a, b], [b, a]]).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut ptr = vec![0u32; n + 1];
        for &[row, _] in &pairs {
            ptr[row as usize + 1] += 1;
        }
        for i in 0..n {
            ptr[i + 1] += ptr[i];
        }
        let place = |row: u32, col: u32| {
            let start = ptr[row as usize] as usize;
            let range = start..ptr[row as usize + 1] as usize;
            pairs[range].binary_search(&[row, col]).map_or(u32::MAX, |at| (start + at) as u32)
        };
        let branch = ends
            .iter()
            .map(|&[a, b]| if a == b { [u32::MAX; 2] } else { [place(a, b), place(b, a)] })
            .collect();
        let slot = pairs.iter().map(|&[row, col]| pattern.slot(row, col).map_or(u32::MAX, |s| s as u32));
        Self {
            slot: slot.collect(),
            col: pairs.iter().map(|pair| pair[1]).collect(),
            y: vec![[0.0; 2]; pairs.len()],
            diagonal: vec![[0.0; 2]; n],
            ptr,
            branch,
        }
    }

    /// Writes the values of branches and shunts; `ends` are those of the branches.
    pub(crate) fn set<'a>(
        &mut self,
        ends: &[[u32; 2]],
        buses: impl Iterator<Item = &'a Bus>,
        branches: impl Iterator<Item = &'a Branch>,
    ) {
        self.y.fill([0.0; 2]);
        for (bus, diagonal) in buses.zip(&mut self.diagonal) {
            *diagonal = [bus.g_shunt_pu, bus.b_shunt_pu];
        }
        for ((branch, &[from, to]), &[ft, tf]) in branches.zip(ends).zip(&self.branch) {
            let y = branch.admittance();
            add(&mut self.diagonal[from as usize], y.ff);
            add(&mut self.diagonal[to as usize], y.tt);
            if ft == u32::MAX {
                add(&mut self.diagonal[from as usize], y.ft);
                add(&mut self.diagonal[from as usize], y.tf);
            } else {
                add(&mut self.y[ft as usize], y.ft);
                add(&mut self.y[tf as usize], y.tf);
            }
        }
    }
}

fn add(sum: &mut [f64; 2], y: [f64; 2]) {
    sum[0] += y[0];
    sum[1] += y[1];
}
