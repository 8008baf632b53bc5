//! Which pairs of branches are worth a look: those whose common outage is not the sum of the two single ones.
//!
//! With `H` as in `factors`, the single outages inject `w(k) = f(k)/(1 - H(k,k))`; both together (Guo et al., 2009)
//!
//! ```text
//! [ 1 - H(k,k)   -H(k,l)  ] [w'(k)]   [f(k)]
//! [ -H(l,k)    1 - H(l,l) ] [w'(l)] = [f(l)]        H(k,l)/b(k) = H(l,k)/b(l)
//!
//! score(k, l) = |w'(k) - w(k)| + |w'(l) - w(l)|      power that the one outage drives because of the other
//! ```
//!
//! A pair that cuts the grid (determinant zero although neither is a bridge) scores `|f(k)| + |f(l)|`, the power that
//! has no way any more. Bridges are left out: their single outage already cuts. Eight columns of `H` come from one
//! backward solve; of all pairs only the best are kept.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::OnceLock;

use sparse::ldl::lanes::{Forward, LANES, Lanes, Path};
use sparse::pool::Pool;
use topology::calc::BranchIdx;

use super::DcNetwork;
use super::factors::OwnFactors;

/// Blocks of eight branches per job.
const BLOCKS: usize = 8;
/// Determinant, as a share of the product of the diagonal, below which a pair cuts the grid.
const CUTS: f64 = 1e-8;

/// A pair of branches and how much their outages matter to each other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pair {
    /// The branches, the lower index first.
    pub branches: [BranchIdx; 2],
    /// Score in p.u. of power.
    pub score: f64,
}

impl Eq for Pair {}

impl Ord for Pair {
    /// A higher score is more; of equal ones the earlier pair is.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.branches.cmp(&self.branches))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The pairs that matter most so far.
struct Best {
    limit: usize,
    heap: BinaryHeap<Reverse<Pair>>,
}

impl Best {
    fn offer(&mut self, pair: Pair) {
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(pair));
        } else if let Some(mut least) = self.heap.peek_mut()
            && pair > least.0
        {
            *least = Reverse(pair);
        }
    }
}

impl DcNetwork {
    /// The `limit` pairs with the highest scores, the highest first; O(branches · (fill + branches)) time, O(limit)
    /// memory. Equal whatever the number of workers.
    pub fn screen_pairs(&self, limit: usize, pool: &dyn Pool) -> Vec<Pair> {
        let mut own = OwnFactors::new(self);
        let count = self.b.len();
        let rest: Vec<f64> = (0_u32..)
            .map(BranchIdx)
            .take(count)
            .map(|k| if self.bridges.is_bridge(k) { 0.0 } else { 1.0 - own.of(self, k) })
            .collect();
        let per_job = LANES * BLOCKS;
        let jobs = count.div_ceil(per_job);
        let found: Vec<OnceLock<Vec<Pair>>> = (0..jobs).map(|_| OnceLock::new()).collect();
        pool.run(jobs, &|_, job| {
            let range = job * per_job..count.min((job + 1) * per_job);
            // Each job is called once, so its place is free.
            let _ = found[job].set(self.screen_range(limit, &rest, range));
        });
        let mut best = Best { limit, heap: BinaryHeap::new() };
        for pair in found.into_iter().filter_map(OnceLock::into_inner).flatten() {
            best.offer(pair);
        }
        // Reversed twice: the highest score first.
        best.heap.into_sorted_vec().into_iter().map(|Reverse(pair)| pair).collect()
    }

    /// The best pairs whose first branch is in the range. `rest` is `1 - H(k,k)`, zero for bridges.
    fn screen_range(&self, limit: usize, rest: &[f64], range: std::ops::Range<usize>) -> Vec<Pair> {
        let mut best = Best { limit, heap: BinaryHeap::new() };
        let (mut forward, mut path) = (Forward::new(self.ldl.size()), Path::default());
        let mut lanes = Lanes::new(self.ldl.size());
        let kept: Vec<usize> = range.filter(|k| rest[*k] != 0.0).collect();
        for block in kept.chunks(LANES) {
            for (lane, k) in block.iter().enumerate() {
                self.branch_path(*k, &mut forward, &mut path);
                self.ldl.put(&path, 1.0, lane, &mut lanes);
            }
            self.ldl.back_lanes(&mut lanes);
            for l in block[0] + 1..self.b.len() {
                if rest[l] == 0.0 {
                    continue;
                }
                let [from, to] = self.ends[l].map(|bus| &lanes.x[self.place[bus as usize] as usize].0);
                for (lane, &k) in block.iter().enumerate().filter(|(_, k)| **k < l) {
                    // m(l)' X m(k): both off-diagonals without their susceptance.
                    let score = self.score([k, l], rest, from[lane] - to[lane]);
                    let least = best.heap.peek().map_or(f64::NEG_INFINITY, |least| least.0.score);
                    if best.heap.len() < limit || score >= least {
                        let branches = [k, l].map(|at| BranchIdx(u32::try_from(at).unwrap_or(u32::MAX)));
                        best.offer(Pair { branches, score });
                    }
                }
            }
        }
        best.heap.into_iter().map(|Reverse(pair)| pair).collect()
    }

    fn score(&self, [k, l]: [usize; 2], rest: &[f64], common: f64) -> f64 {
        let (of_k, of_l) = (self.b[k] * common, self.b[l] * common);
        let (f_k, f_l) = (self.flow[k], self.flow[l]);
        let determinant = rest[k] * rest[l] - of_k * of_l;
        if determinant.abs() <= CUTS * (rest[k] * rest[l]).abs() {
            return f_k.abs() + f_l.abs();
        }
        let both = [(rest[l] * f_k + of_k * f_l) / determinant, (rest[k] * f_l + of_l * f_k) / determinant];
        (both[0] - f_k / rest[k]).abs() + (both[1] - f_l / rest[l]).abs()
    }
}
