//! What an order of elimination costs, without carrying the elimination out.

/// Marks a root of the elimination tree.
const NONE: u32 = u32::MAX;

/// Size and work of the factor of a symmetric pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fill {
    /// Entries of `L` below the diagonal.
    pub entries: u64,
    /// `Σ c²` with `c` the entries below the diagonal of a column: multiplications, and as many additions, of an
    /// elimination that makes no use of symmetry.
    pub operations: u64,
}

/// Fill of a graph (neighbours of node `i` in `adjacent[ptr[i]..ptr[i + 1]]`, both directions) in an order.
///
/// Every row of `L` is walked up the elimination tree (Liu, "The role of elimination trees in sparse factorization", SIAM
/// J. Matrix Anal. Appl. 11(1), 1990): O(entries) in time, O(nodes) in room.
pub(crate) fn fill_of(ptr: &[usize], adjacent: &[u32], order: &[u32]) -> Fill {
    let n = order.len();
    let mut position = vec![0_u32; n];
    for (k, &node) in (0u32..).zip(order) {
        position[node as usize] = k;
    }
    let mut parent = vec![NONE; n];
    let mut mark = vec![NONE; n];
    let mut count = vec![0_u64; n];
    for (k, &node) in (0u32..).zip(order) {
        mark[k as usize] = k;
        for &other in &adjacent[ptr[node as usize]..ptr[node as usize + 1]] {
            let mut i = position[other as usize];
            // Columns before `k` have their parents among those up to `k`; the walk ends where this row was before.
            while i < k && mark[i as usize] != k {
                mark[i as usize] = k;
                count[i as usize] += 1;
                if parent[i as usize] == NONE {
                    parent[i as usize] = k;
                }
                i = parent[i as usize];
            }
        }
    }
    let operations = count.iter().map(|count| count * count).sum();
    Fill { entries: count.iter().sum(), operations }
}
