//! Unit columns through the factors: what a change of the rows and columns of two nodes needs.
//!
//! With `E` the four unit columns of two nodes, `L⁻¹ E` and `U⁻ᵀ E` are zero but on the paths of the two nodes to the
//! root of the elimination tree (Tinney, Brandwajn and Chan, "Sparse vector methods", IEEE Trans. PAS-104(2), 1985):
//!
//! ```text
//! G = L⁻¹ E,   H = U⁻ᵀ E,   Eᵀ A⁻¹ E = Hᵀ G,   Eᵀ A⁻¹ r = Hᵀ (L⁻¹ r)
//! ```
//!
//! so between the forward and the backward half of a solve a change of rank four costs a walk up the two paths.

use super::lu::{Block, BlockLu};

/// Two rows, four columns.
pub type Wide = [[f64; 4]; 2];

/// `G` and `H` on the union of two paths, nodes ascending.
#[derive(Clone, Debug, Default)]
pub struct EndColumns {
    /// Positions of the nodes.
    pub nodes: Vec<u32>,
    /// `L⁻¹ E`, by node of the path.
    pub lower: Vec<Wide>,
    /// `U⁻ᵀ E`, by node of the path.
    pub upper: Vec<Wide>,
}

/// What [`EndColumns`] of one factorisation share.
#[derive(Clone, Debug)]
pub struct Paths {
    mirror: Vec<u32>,
}

/// Work space: the place of every node in the path, where it is in it.
#[derive(Clone, Debug, Default)]
pub struct PathIndex {
    place: Vec<u32>,
}

impl Paths {
    /// For a pattern; O(blocks).
    pub fn new(lu: &BlockLu) -> Self {
        Self { mirror: lu.pattern().mirror() }
    }

    /// The columns of two positions; time O(blocks in the rows of their paths), no allocation once `out` is large
    /// enough.
    pub fn columns(&self, lu: &BlockLu, ends: [u32; 2], index: &mut PathIndex, out: &mut EndColumns) {
        let pattern = lu.pattern();
        walk(lu, ends, &mut out.nodes);
        index.place.resize(pattern.nodes(), 0);
        for (at, &node) in (0u32..).zip(&out.nodes) {
            index.place[node as usize] = at;
        }
        out.lower.clear();
        out.lower.resize(out.nodes.len(), [[0.0; 4]; 2]);
        for (end, column) in ends.into_iter().zip([0, 2]) {
            let wide = &mut out.lower[index.place[end as usize] as usize];
            (wide[0][column], wide[1][column + 1]) = (1.0, 1.0);
        }
        out.upper.clone_from(&out.lower);
        let (row_ptr, diagonal, col) = (pattern.row_ptr(), pattern.diagonal(), pattern.columns());
        for (at, &node) in out.nodes.iter().enumerate() {
            let k = node as usize;
            let g = out.lower[at];
            let h = transposed_applied(&lu.inverse[k], &out.upper[at]);
            out.upper[at] = h;
            let right = diagonal[k] as usize + 1..row_ptr[k + 1] as usize;
            let across = self.mirror[right.clone()].iter().map(|&slot| &lu.blocks()[slot as usize]);
            for ((&j, u), l) in col[right.clone()].iter().zip(&lu.blocks()[right]).zip(across) {
                let above = index.place[j as usize] as usize;
                subtract(&mut out.lower[above], l, &g);
                let change = transposed_applied(u, &h);
                for (row, change) in out.upper[above].iter_mut().zip(change) {
                    row.iter_mut().zip(change).for_each(|(x, dx)| *x -= dx);
                }
            }
        }
    }
}

/// The nodes on the way from both ends to the root, ascending.
fn walk(lu: &BlockLu, [a, b]: [u32; 2], nodes: &mut Vec<u32>) {
    nodes.clear();
    let (mut a, mut b) = (Some(a), Some(b));
    // The tree goes upward only, so taking the lower of the two keeps the order and finds where they meet.
    while let Some(next) = [a, b].into_iter().flatten().min() {
        nodes.push(next);
        if a == Some(next) {
            a = lu.pattern().parent(next);
        }
        if b == Some(next) {
            b = lu.pattern().parent(next);
        }
    }
}

/// `x -= a y`.
fn subtract(x: &mut Wide, a: &Block, y: &Wide) {
    for row in 0..2 {
        for column in 0..4 {
            x[row][column] -= a[2 * row] * y[0][column] + a[2 * row + 1] * y[1][column];
        }
    }
}

/// `aᵀ y`.
fn transposed_applied(a: &Block, y: &Wide) -> Wide {
    let mut x = [[0.0; 4]; 2];
    for row in 0..2 {
        for column in 0..4 {
            x[row][column] = a[row] * y[0][column] + a[2 + row] * y[1][column];
        }
    }
    x
}
