//! A few columns and rows through the factors: what a change of the equations around one or two nodes needs.
//!
//! With `E` up to four columns and `V` as many rows that are zero but at a few nodes, `L⁻¹ E` and `U⁻ᵀ V` are zero but
//! on the paths of those nodes to the root of the elimination tree (Tinney, Brandwajn and Chan, "Sparse vector
//! methods", IEEE Trans. PAS-104(2), 1985):
//!
//! ```text
//! G = L⁻¹ E,   H = U⁻ᵀ V,   Vᵀ A⁻¹ E = Hᵀ G,   Vᵀ A⁻¹ r = Hᵀ (L⁻¹ r)
//! ```
//!
//! so between the forward and the backward half of a solve a change of rank four costs a walk up the paths.

use super::lu::{Block, BlockLu, minus};
use super::pattern::BlockPattern;

/// Two rows, four columns.
pub type Wide = [[f64; 4]; 2];

/// What stands in `E` and `V` at one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seed {
    /// Position of the node.
    pub node: u32,
    /// Its two rows of `E`.
    pub lower: Wide,
    /// Its two rows of `V`.
    pub upper: Wide,
}

/// `G` and `H` on the union of the paths, nodes ascending.
#[derive(Clone, Debug, Default)]
pub struct EndColumns {
    /// Positions of the nodes.
    pub nodes: Vec<u32>,
    /// `L⁻¹ E`, by node of the path.
    pub lower: Vec<Wide>,
    /// `U⁻ᵀ V`, by node of the path.
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
    open: Vec<u32>,
}

impl Paths {
    /// For a pattern; O(blocks).
    pub fn new(lu: &BlockLu) -> Self {
        Self { mirror: lu.pattern().mirror() }
    }

    /// The columns of what is given by node; time O(blocks in the rows of their paths), no allocation once `out` is
    /// large enough. Inlined, so that inside a [`crate::lanes::dispatch`] it uses its instruction set; `FUSED` is what
    /// [`crate::lanes::fused`] says there.
    #[inline(always)]
    pub fn columns<const FUSED: bool>(
        &self,
        lu: &BlockLu,
        seeds: &[Seed],
        index: &mut PathIndex,
        out: &mut EndColumns,
    ) {
        let pattern = lu.pattern();
        walk(lu, seeds, &mut index.open, &mut out.nodes);
        index.place.resize(pattern.nodes(), 0);
        for (at, &node) in (0u32..).zip(&out.nodes) {
            index.place[node as usize] = at;
        }
        out.lower.clear();
        out.lower.resize(out.nodes.len(), [[0.0; 4]; 2]);
        out.upper.clone_from(&out.lower);
        for seed in seeds {
            let at = index.place[seed.node as usize] as usize;
            (out.lower[at], out.upper[at]) = (seed.lower, seed.upper);
        }
        let (row_ptr, diagonal, col) = (pattern.row_ptr(), pattern.diagonal(), pattern.columns());
        for (at, &node) in out.nodes.iter().enumerate() {
            let k = node as usize;
            let g = out.lower[at];
            let h = transposed_applied::<FUSED>(&lu.inverse[k], &out.upper[at]);
            out.upper[at] = h;
            let right = diagonal[k] as usize + 1..row_ptr[k + 1] as usize;
            let across = self.mirror[right.clone()].iter().map(|&slot| &lu.blocks()[slot as usize]);
            for ((&j, u), l) in col[right.clone()].iter().zip(&lu.blocks()[right]).zip(across) {
                let above = index.place[j as usize] as usize;
                subtract::<FUSED>(&mut out.lower[above], l, &g);
                subtract_transposed::<FUSED>(&mut out.upper[above], u, &h);
            }
        }
    }
}

/// The nodes on the way from the seeds to the root, ascending.
#[inline]
fn walk(lu: &BlockLu, seeds: &[Seed], open: &mut Vec<u32>, nodes: &mut Vec<u32>) {
    nodes.clear();
    if let [a, b] = seeds {
        return walk_two(lu.pattern(), [a.node, b.node], nodes);
    }
    open.clear();
    open.extend(seeds.iter().map(|seed| seed.node));
    // The tree goes upward only, so taking the lowest keeps the order and finds where paths meet.
    while let Some(&next) = open.iter().min() {
        nodes.push(next);
        let mut parent = lu.pattern().parent(next);
        open.retain_mut(|node| {
            if *node != next {
                return true;
            }
            // Of several that have met one goes on.
            parent.take().is_some_and(|above| {
                *node = above;
                true
            })
        });
    }
}

/// The same for two.
#[inline]
fn walk_two(pattern: &BlockPattern, [mut a, mut b]: [u32; 2], nodes: &mut Vec<u32>) {
    // Above all others, where a path is at its end.
    let above = |node: u32| pattern.parent(node).unwrap_or(u32::MAX);
    while a != b {
        let (low, high) = (a.min(b), a.max(b));
        nodes.push(low);
        (a, b) = (above(low), high);
    }
    while a != u32::MAX {
        nodes.push(a);
        a = above(a);
    }
}

/// `x -= a y`.
#[inline(always)]
fn subtract<const FUSED: bool>(x: &mut Wide, a: &Block, y: &Wide) {
    for row in 0..2 {
        for column in 0..4 {
            let once = minus::<FUSED>(x[row][column], a[2 * row], y[0][column]);
            x[row][column] = minus::<FUSED>(once, a[2 * row + 1], y[1][column]);
        }
    }
}

/// `x -= aᵀ y`.
#[inline(always)]
fn subtract_transposed<const FUSED: bool>(x: &mut Wide, a: &Block, y: &Wide) {
    subtract::<FUSED>(x, &[a[0], a[2], a[1], a[3]], y);
}

/// `aᵀ y`.
#[inline(always)]
fn transposed_applied<const FUSED: bool>(a: &Block, y: &Wide) -> Wide {
    let mut x = [[0.0; 4]; 2];
    subtract_transposed::<FUSED>(&mut x, &[-a[0], -a[1], -a[2], -a[3]], y);
    x
}
