//! Symbolic phase for a structurally symmetric matrix of small blocks.
//!
//! Nodes are eliminated in a fill-reducing order ([`crate::fill_reducing`] on the graph of the nodes, so a system of 2n
//! equations costs the ordering of n). Row `i` of the factors holds the columns of
//!
//! ```text
//! U(k) = adj(k) ∪ ⋃ { U(c) \ {k} : c is a child of k }        columns > k; parent(k) = min U(k)
//! L(i) = { k : i ∈ U(k) }                                      columns < i
//! ```
//!
//! (elimination tree; Liu, "The role of elimination trees in sparse factorization", SIAM J. Matrix Anal. Appl. 11(1),
//! 1990). The pattern holds for any values: an outage or another type of bus changes numbers, never positions.

use crate::order::{fill_reducing_of, sorted_once};

/// Where the blocks of a matrix and of its factors stand, by rows, in the order of elimination.
///
/// "Position" counts in the order of elimination, "node" as the caller does. A slot is the index of a block in the
/// values of all rows: row by row, columns ascending, the diagonal among them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockPattern {
    order: Vec<u32>,
    position: Vec<u32>,
    row_ptr: Vec<u32>,
    diagonal: Vec<u32>,
    col: Vec<u32>,
}

impl BlockPattern {
    /// Orders `n` nodes joined by `edges` (undirected; doubles and loops are fine) and fills in.
    ///
    /// Near O(fill); allocates.
    ///
    /// # Panics
    /// When an edge names a node that is not below `n`, or the fill exceeds `u32::MAX` blocks.
    pub fn new(n: usize, edges: &[[u32; 2]]) -> Self {
        let (ptr, adjacent) = adjacency(n, edges);
        let order = fill_reducing_of(&ptr, &adjacent);
        Self::with_order(order, &ptr, &adjacent)
    }

    fn with_order(order: Vec<u32>, ptr: &[usize], adjacent: &[u32]) -> Self {
        let n = order.len();
        let mut position = vec![0; n];
        for (at, &node) in (0u32..).zip(&order) {
            position[node as usize] = at;
        }
        let (upper_ptr, upper) = upper_rows(&order, &position, ptr, adjacent);
        let (row_ptr, diagonal, col) = join_rows(&upper_ptr, &upper);
        Self { order, position, row_ptr, diagonal, col }
    }

    /// Number of nodes, i.e. of block rows.
    pub fn nodes(&self) -> usize {
        self.order.len()
    }

    /// Number of blocks of both factors, diagonals once.
    pub fn blocks(&self) -> usize {
        self.col.len()
    }

    /// The node that is eliminated as the `k`-th.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// When each node is eliminated.
    pub fn position(&self) -> &[u32] {
        &self.position
    }

    /// Start of each row in the slots, and the end of the last.
    pub fn row_ptr(&self) -> &[u32] {
        &self.row_ptr
    }

    /// Slot of each row's diagonal block.
    pub fn diagonal(&self) -> &[u32] {
        &self.diagonal
    }

    /// Column (position) of every slot.
    pub fn columns(&self) -> &[u32] {
        &self.col
    }

    /// Slot of the block in this row and column, both positions; O(log row).
    pub fn slot(&self, row: u32, col: u32) -> Option<usize> {
        let range = self.row_ptr[row as usize] as usize..self.row_ptr[row as usize + 1] as usize;
        self.col[range.clone()].binary_search(&col).ok().map(|at| range.start + at)
    }
}

impl BlockPattern {
    /// For every slot that of the block across the diagonal; O(blocks).
    pub fn mirror(&self) -> Vec<u32> {
        let mut mirror = vec![0; self.col.len()];
        // Rows are visited in ascending order, so the left part of each row fills from its start.
        let mut next: Vec<u32> = self.row_ptr[..self.nodes()].to_vec();
        for (i, &diagonal) in self.diagonal.iter().enumerate() {
            mirror[diagonal as usize] = diagonal;
            for slot in diagonal + 1..self.row_ptr[i + 1] {
                let across = &mut next[self.col[slot as usize] as usize];
                mirror[slot as usize] = *across;
                mirror[*across as usize] = slot;
                *across += 1;
            }
        }
        mirror
    }

    /// The node above `k` in the elimination tree, both positions; `None` for a root.
    pub fn parent(&self, k: u32) -> Option<u32> {
        let first = self.diagonal[k as usize] + 1;
        (first < self.row_ptr[k as usize + 1]).then(|| self.col[first as usize])
    }
}

/// Neighbours of every node, each once, without the node itself.
fn adjacency(n: usize, edges: &[[u32; 2]]) -> (Vec<usize>, Vec<u32>) {
    let mut ptr = vec![0usize; n + 1];
    let proper = || edges.iter().filter(|[a, b]| a != b);
    for &[a, b] in proper() {
        ptr[a as usize + 1] += 1;
        ptr[b as usize + 1] += 1;
    }
    for i in 0..n {
        ptr[i + 1] += ptr[i];
    }
    let mut next = ptr.clone();
    let mut list = vec![0u32; ptr[n]];
    for &[a, b] in proper() {
        for (from, to) in [(a, b), (b, a)] {
            list[next[from as usize]] = to;
            next[from as usize] += 1;
        }
    }
    sorted_once(ptr, list)
}

/// Columns right of the diagonal for every row, ascending.
fn upper_rows(order: &[u32], position: &[u32], ptr: &[usize], adjacent: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let n = order.len();
    let mut upper_ptr = Vec::with_capacity(n + 1);
    let mut upper: Vec<u32> = Vec::with_capacity(2 * adjacent.len());
    let mut mark = vec![u32::MAX; n];
    let mut first_child = vec![u32::MAX; n];
    let mut sibling = vec![u32::MAX; n];
    upper_ptr.push(0);
    for (k, &node) in (0u32..).zip(order) {
        let start = upper.len();
        let own = &adjacent[ptr[node as usize]..ptr[node as usize + 1]];
        for &j in own.iter().map(|&other| &position[other as usize]).filter(|&&j| j > k) {
            mark[j as usize] = k;
            upper.push(j);
        }
        let mut child = first_child[k as usize];
        while child != u32::MAX {
            for at in upper_ptr[child as usize]..upper_ptr[child as usize + 1] {
                let j = upper[at];
                if j > k && mark[j as usize] != k {
                    mark[j as usize] = k;
                    upper.push(j);
                }
            }
            child = sibling[child as usize];
        }
        upper[start..].sort_unstable();
        if let Some(&parent) = upper.get(start) {
            sibling[k as usize] = first_child[parent as usize];
            first_child[parent as usize] = k;
        }
        upper_ptr.push(upper.len());
    }
    (upper_ptr, upper)
}

/// Rows of both factors: left part, diagonal, right part.
fn join_rows(upper_ptr: &[usize], upper: &[u32]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let n = upper_ptr.len() - 1;
    let total = n + 2 * upper.len();
    assert!(u32::try_from(total).is_ok(), "the factors have more than u32::MAX blocks");
    let mut lower_count = vec![0u32; n];
    for &j in upper {
        lower_count[j as usize] += 1;
    }
    let mut row_ptr = Vec::with_capacity(n + 1);
    let mut diagonal = Vec::with_capacity(n);
    let mut end = 0u32;
    row_ptr.push(0);
    for k in 0..n {
        diagonal.push(end + lower_count[k]);
        end += lower_count[k] + 1 + (upper_ptr[k + 1] - upper_ptr[k]) as u32;
        row_ptr.push(end);
    }
    let mut col = vec![0u32; total];
    let mut next: Vec<u32> = row_ptr[..n].to_vec();
    for k in 0..n {
        let at = diagonal[k] as usize;
        col[at] = k as u32;
        let row = &upper[upper_ptr[k]..upper_ptr[k + 1]];
        col[at + 1..at + 1 + row.len()].copy_from_slice(row);
        for &j in row {
            col[next[j as usize] as usize] = k as u32;
            next[j as usize] += 1;
        }
    }
    (row_ptr, diagonal, col)
}
