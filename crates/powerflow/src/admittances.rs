//! Bus admittance matrix of one island, by rows, in the order of elimination.

use sparse::block::BlockPattern;
use topology::calc::{Admittance, Branch, BranchFlow, Bus};

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
    /// Admittances of every branch, and the parameters that they follow from: most branches are the same in the next
    /// call, and a division takes longer than to see that.
    known: Vec<([f64; PARAMETERS], Admittance)>,
    shunts: Vec<[f64; 2]>,
}

const NOTHING: Admittance = Admittance { ff: [0.0; 2], ft: [0.0; 2], tf: [0.0; 2], tt: [0.0; 2] };

/// Numbers that the admittances of a branch follow from.
const PARAMETERS: usize = 6;

fn parameters(branch: &Branch) -> [f64; PARAMETERS] {
    [branch.r_pu, branch.x_pu, branch.g_pu, branch.b_pu, branch.ratio, branch.shift_rad]
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
            known: vec![([f64::NAN; PARAMETERS], NOTHING); ends.len()],
            shunts: vec![[f64::NAN; 2]; n],
        }
    }

    /// Writes the values of branches and shunts, where any has changed; `ends` are those of the branches.
    pub(crate) fn set<'a>(
        &mut self,
        ends: &[[u32; 2]],
        buses: impl Iterator<Item = &'a Bus>,
        branches: impl Iterator<Item = &'a Branch>,
    ) {
        let (branches_moved, shunts_moved) = (self.know(branches), self.know_shunts(buses));
        if !branches_moved && !shunts_moved {
            return;
        }
        self.y.fill([0.0; 2]);
        self.diagonal.copy_from_slice(&self.shunts);
        for (((_, y), &[from, to]), &[ft, tf]) in self.known.iter().zip(ends).zip(&self.branch) {
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

    /// Takes the parameters of the branches over; whether any is another than before.
    fn know<'a>(&mut self, branches: impl Iterator<Item = &'a Branch>) -> bool {
        let mut moved = false;
        for (known, branch) in self.known.iter_mut().zip(branches) {
            let given = parameters(branch);
            if known.0 != given {
                *known = (given, branch.admittance());
                moved = true;
            }
        }
        moved
    }

    /// Takes the shunts over; whether any is another than before.
    fn know_shunts<'a>(&mut self, buses: impl Iterator<Item = &'a Bus>) -> bool {
        let mut moved = false;
        for (known, bus) in self.shunts.iter_mut().zip(buses) {
            let given = [bus.g_shunt_pu, bus.b_shunt_pu];
            moved |= *known != given;
            *known = given;
        }
        moved
    }

    /// Flows at both ends of a branch for the given end voltages `[e, f]`, by the admittances last written.
    pub(crate) fn flow(&self, branch: usize, [from, to]: [[f64; 2]; 2]) -> BranchFlow {
        self.known[branch].1.flow(from, to)
    }
}

fn add(sum: &mut [f64; 2], y: [f64; 2]) {
    sum[0] += y[0];
    sum[1] += y[1];
}
