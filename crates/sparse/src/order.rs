//! Fill-reducing order: Amestoy, Davis, Duff, "An approximate minimum degree ordering algorithm", SIAM J. Matrix
//! Anal. Appl. 17(4), 1996, through the crate `amd`.

use crate::matrix::Csc;

/// Order of elimination that keeps the fill of a symmetric elimination of `A + Aᵀ` low: entry `k` is the column that
/// is eliminated as the `k`-th.
///
/// Near O(nonzeros) in practice; allocates. Values are not read. A matrix that is not square keeps its own order.
pub fn minimum_degree(matrix: &Csc) -> Vec<usize> {
    let natural = || (0..matrix.cols()).collect();
    let (Some((col_ptr, row_idx)), Ok(n)) = (with_diagonal(matrix), isize::try_from(matrix.cols())) else {
        return natural();
    };
    if matrix.rows() != matrix.cols() || n == 0 {
        return natural();
    }
    let Ok((order, _, _)) = amd::order(n, &col_ptr, &row_idx, &amd::Control::default()) else {
        return natural();
    };
    let order: Vec<usize> = order.into_iter().filter_map(|k| usize::try_from(k).ok()).collect();
    if is_permutation(&order, matrix.cols()) { order } else { natural() }
}

/// Order of elimination for a graph: the neighbours of node `i` are `adjacent[ptr[i]..ptr[i + 1]]`, each once and
/// ascending, in both directions, without `i` itself.
pub(crate) fn minimum_degree_of(ptr: &[usize], adjacent: &[u32]) -> Vec<u32> {
    let n = ptr.len() - 1;
    let natural = || (0u32..).take(n).collect();
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
        Ok((order, _, _)) if order.len() == n => order.into_iter().map(|k| k as u32).collect(),
        Ok(_) | Err(_) => natural(),
    }
}

/// The pattern with every diagonal entry: `amd` takes fewer entries than rows for an arithmetic overflow.
fn with_diagonal(matrix: &Csc) -> Option<(Vec<isize>, Vec<isize>)> {
    let mut col_ptr = vec![0];
    let mut row_idx = Vec::with_capacity(matrix.row_indices().len() + matrix.cols());
    for col in 0..matrix.cols() {
        let rows = matrix.column(col).map(|(row, _)| row);
        let above = rows.clone().take_while(|&row| row < col);
        let below = rows.skip_while(|&row| row <= col);
        for row in above.chain(std::iter::once(col)).chain(below) {
            row_idx.push(isize::try_from(row).ok()?);
        }
        col_ptr.push(isize::try_from(row_idx.len()).ok()?);
    }
    Some((col_ptr, row_idx))
}

/// Whether `order` holds each of `0..n` exactly once.
pub(crate) fn is_permutation(order: &[usize], n: usize) -> bool {
    let mut seen = vec![false; n];
    order.len() == n && order.iter().all(|&k| k < n && !std::mem::replace(&mut seen[k], true))
}
