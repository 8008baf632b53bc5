//! Fill-reducing orders of elimination.
//!
//! - Minimum degree: Amestoy, Davis, Duff, "An approximate minimum degree ordering algorithm", SIAM J. Matrix Anal. Appl.
//!   17(4), 1996, through the crate `amd`.
//! - Nested dissection: see `order/dissection.rs`.
//!
//! A grid of power lines has small separators at every size, and minimum degree fills it less than dissection does. A mesh
//! in the plane is the other way round from some ten thousand nodes on. Which of both a graph is shows in the order of
//! minimum degree itself, whose elimination then costs far more than the ordering; so dissection is tried only there, and
//! the order with fewer operations is taken.

mod dissection;
mod fill;
mod graph;
mod leaf;
mod separator;
#[cfg(test)]
mod tests;

use crate::matrix::Csc;
pub use fill::Fill;
use fill::fill_of;

/// Operations per node that the order of minimum degree must cost before dissection is tried: below, the trial takes
/// longer than the elimination.
const WORTH_A_TRIAL: u64 = 1000;

/// A graph: start of every node's neighbours and the end of the last; the neighbours.
type Adjacency = (Vec<usize>, Vec<u32>);

/// Order of elimination that keeps the fill of a symmetric elimination of `A + Aᵀ` low: entry `k` is the column that
/// is eliminated as the `k`-th.
///
/// Minimum degree, or nested dissection where that costs fewer operations. Near O(nonzeros log columns) in practice;
/// allocates. Values are not read. A matrix that is not square keeps its own order.
pub fn fill_reducing(matrix: &Csc) -> Vec<usize> {
    on_graph(matrix, fill_reducing_of)
}

/// The order of approximate minimum degree; otherwise as [`fill_reducing`].
pub fn minimum_degree(matrix: &Csc) -> Vec<usize> {
    on_graph(matrix, minimum_degree_of)
}

/// The order of nested dissection; otherwise as [`fill_reducing`].
pub fn nested_dissection(matrix: &Csc) -> Vec<usize> {
    on_graph(matrix, dissection::nested_dissection_of)
}

/// What a symmetric elimination of `A + Aᵀ` in an order fills in; `None` when the order is no permutation of the columns
/// of a square matrix.
///
/// O(entries of the factor); allocates. Values are not read.
pub fn fill(matrix: &Csc, order: &[usize]) -> Option<Fill> {
    let (ptr, adjacent) = graph_of(matrix)?;
    let narrow: Vec<u32> = order.iter().map(|&k| u32::try_from(k).ok()).collect::<Option<_>>()?;
    is_permutation(order, matrix.cols()).then(|| fill_of(&ptr, &adjacent, &narrow))
}

/// [`fill_reducing`] for a graph: the neighbours of node `i` are `adjacent[ptr[i]..ptr[i + 1]]`, each once and ascending,
/// in both directions, without `i` itself.
pub(crate) fn fill_reducing_of(ptr: &[usize], adjacent: &[u32]) -> Vec<u32> {
    let (order, predicted) = minimum_degree_with_cost(ptr, adjacent);
    if predicted < WORTH_A_TRIAL * order.len() as u64 {
        return order;
    }
    let other = dissection::nested_dissection_of(ptr, adjacent);
    let [own, others] = [&order, &other].map(|order| fill_of(ptr, adjacent, order).operations);
    if others < own { other } else { order }
}

fn minimum_degree_of(ptr: &[usize], adjacent: &[u32]) -> Vec<u32> {
    minimum_degree_with_cost(ptr, adjacent).0
}

/// The order and the operations that its elimination takes, as the ordering itself saw them (at most a few more than
/// [`Fill::operations`] says).
fn minimum_degree_with_cost(ptr: &[usize], adjacent: &[u32]) -> (Vec<u32>, u64) {
    let n = ptr.len() - 1;
    let natural = || ((0u32..).take(n).collect(), 0);
    let mut col_ptr: Vec<isize> = Vec::with_capacity(n + 1);
    let mut row_idx: Vec<isize> = Vec::with_capacity(adjacent.len() + n);
    col_ptr.push(0);
    for (i, range) in ptr.windows(2).enumerate() {
        let near = &adjacent[range[0]..range[1]];
        let split = near.partition_point(|&j| (j as usize) < i);
        row_idx.extend(near[..split].iter().map(|&j| j as isize));
        // `amd` takes fewer entries than rows for an arithmetic overflow, so the diagonal goes with it.
        row_idx.push(i as isize);
        row_idx.extend(near[split..].iter().map(|&j| j as isize));
        col_ptr.push(row_idx.len() as isize);
    }
    match amd::order(n as isize, &col_ptr, &row_idx, &amd::Control::default()) {
        Ok((order, _, info)) if order.len() == n => {
            (order.into_iter().map(|k| k as u32).collect(), info.n_mult_subs_lu as u64)
        }
        Ok(_) | Err(_) => natural(),
    }
}

fn on_graph(matrix: &Csc, order: impl Fn(&[usize], &[u32]) -> Vec<u32>) -> Vec<usize> {
    let natural = || (0..matrix.cols()).collect();
    let Some((ptr, adjacent)) = graph_of(matrix) else { return natural() };
    let order: Vec<usize> = order(&ptr, &adjacent).into_iter().map(|k| k as usize).collect();
    if is_permutation(&order, matrix.cols()) { order } else { natural() }
}

/// The graph of `A + Aᵀ`, neighbours ascending; `None` for a matrix that is not square or too large for 32 bits.
fn graph_of(matrix: &Csc) -> Option<Adjacency> {
    let n = matrix.cols();
    if matrix.rows() != n || u32::try_from(n).is_err() {
        return None;
    }
    let off_diagonal = || {
        (0..n)
            .flat_map(|col| matrix.column(col).map(move |(row, _)| (row, col)))
            .filter(|(row, col)| row != col)
    };
    let mut ptr = vec![0; n + 1];
    for (row, col) in off_diagonal() {
        ptr[row + 1] += 1;
        ptr[col + 1] += 1;
    }
    for i in 0..n {
        ptr[i + 1] += ptr[i];
    }
    let mut next = ptr.clone();
    let mut adjacent = vec![0; ptr[n]];
    for (row, col) in off_diagonal() {
        for (from, to) in [(row, col), (col, row)] {
            adjacent[next[from]] = to as u32;
            next[from] += 1;
        }
    }
    Some(sorted_once(ptr, adjacent))
}

/// Neighbours ascending and each once.
pub(crate) fn sorted_once(mut ptr: Vec<usize>, mut adjacent: Vec<u32>) -> Adjacency {
    let (mut kept, mut start) = (0, 0);
    for i in 0..ptr.len() - 1 {
        let end = ptr[i + 1];
        adjacent[start..end].sort_unstable();
        ptr[i] = kept;
        for at in start..end {
            let node = adjacent[at];
            if kept == ptr[i] || adjacent[kept - 1] != node {
                adjacent[kept] = node;
                kept += 1;
            }
        }
        start = end;
    }
    if let Some(end) = ptr.last_mut() {
        *end = kept;
    }
    adjacent.truncate(kept);
    (ptr, adjacent)
}

/// Whether `order` holds each of `0..n` exactly once.
pub(crate) fn is_permutation(order: &[usize], n: usize) -> bool {
    let mut seen = vec![false; n];
    order.len() == n && order.iter().all(|&k| k < n && !std::mem::replace(&mut seen[k], true))
}
