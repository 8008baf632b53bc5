//! Block factorisation against the pivoting scalar one, and lanes against one lane.

use std::sync::Arc;

use proptest::prelude::*;
use pulp::{Simd, WithSimd};

use super::{Block, BlockLu, BlockPattern, Distrusted, LaneBlockLu, SharedFactor};
use crate::lanes::{LaneVec, dispatch, registers_mut, width};
use crate::{Csc, Lu};

/// A matrix of blocks: nodes, edges, one block per node and two per edge, right-hand side.
#[derive(Clone, Debug)]
struct Case {
    n: usize,
    edges: Vec<[u32; 2]>,
    diagonal: Vec<Block>,
    off: Vec<[Block; 2]>,
    rhs: Vec<[f64; 2]>,
}

fn cases() -> impl Strategy<Value = Case> {
    (2usize..24).prop_flat_map(|n| {
        let node = 0..n as u32;
        let edges = prop::collection::vec([node.clone(), node], 1..3 * n);
        edges.prop_flat_map(move |mut edges| {
            edges.retain(|[a, b]| a != b);
            edges.iter_mut().for_each(|edge| edge.sort_unstable());
            edges.sort_unstable();
            edges.dedup();
            let block = || prop::array::uniform4(-1.0..1.0f64);
            let (diagonal, off) =
                (prop::collection::vec(block(), n), prop::collection::vec([block(), block()], edges.len()));
            let rhs = prop::collection::vec(prop::array::uniform2(-1.0..1.0f64), n);
            (Just(edges), diagonal, off, rhs).prop_map(move |(edges, mut diagonal, off, rhs)| {
                for block in &mut diagonal {
                    block[1] += 30.0;
                    block[2] -= 30.0;
                }
                Case { n, edges, diagonal, off, rhs }
            })
        })
    })
}

impl Case {
    fn entries(&self) -> impl Iterator<Item = (u32, u32, Block)> + '_ {
        let diagonal = (0u32..).zip(&self.diagonal).map(|(i, &block)| (i, i, block));
        let off = self.edges.iter().zip(&self.off);
        diagonal.chain(off.flat_map(|(&[a, b], &[ab, ba])| [(a, b, ab), (b, a, ba)]))
    }

    fn pattern(&self) -> Arc<BlockPattern> {
        Arc::new(BlockPattern::new(self.n, &self.edges))
    }

    fn slots(&self, pattern: &BlockPattern) -> Vec<usize> {
        let at = |node: u32| pattern.position()[node as usize];
        self.entries().map(|(i, j, _)| pattern.slot(at(i), at(j)).expect("every entry has a slot")).collect()
    }

    fn factored(&self) -> Result<BlockLu, Distrusted> {
        let pattern = self.pattern();
        let mut lu = BlockLu::new(pattern.clone());
        for (slot, (_, _, block)) in self.slots(&pattern).into_iter().zip(self.entries()) {
            lu.blocks_mut()[slot] = block;
        }
        lu.factor().map(|()| lu)
    }

    /// Solution by the scalar factorisation with pivoting, by node.
    fn reference(&self) -> Vec<f64> {
        let mut entries = Vec::new();
        for (i, j, block) in self.entries() {
            for (k, value) in block.into_iter().enumerate() {
                entries.push((2 * i as usize + k / 2, 2 * j as usize + k % 2, value));
            }
        }
        let matrix = Csc::square(2 * self.n, &entries);
        let mut lu = Lu::new(&matrix);
        lu.factor(&matrix).expect("the diagonal dominates");
        let mut x: Vec<f64> = self.rhs.as_flattened().to_vec();
        lu.solve(&mut x);
        x
    }
}

/// Solves by lanes, the right-hand side scaled by 1, 2, 3 … per lane; `shared` says which of the two ways.
struct InLanes<'a> {
    case: &'a Case,
    lu: &'a BlockLu,
    shared: bool,
}

impl WithSimd for InLanes<'_> {
    type Output = Vec<Vec<[f64; 2]>>;

    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (case, pattern, w) = (self.case, self.lu.pattern(), S::F64_LANES);
        let mut x = LaneVec::new(2 * case.n * w);
        for (node, rhs) in case.rhs.iter().enumerate() {
            let at = 2 * w * pattern.position()[node] as usize;
            for lane in 0..w {
                x[at + lane] = rhs[0] * (lane + 1) as f64;
                x[at + w + lane] = rhs[1] * (lane + 1) as f64;
            }
        }
        if self.shared {
            SharedFactor::new(self.lu).solve(simd, registers_mut::<2, S>(&mut x));
        } else {
            let mut values = LaneVec::new(4 * w * pattern.blocks());
            for (slot, (_, _, block)) in case.slots(pattern).into_iter().zip(case.entries()) {
                for (k, number) in block.into_iter().enumerate() {
                    values[(4 * slot + k) * w..][..w].fill(number);
                }
            }
            let mut inverse = LaneVec::new(4 * w * case.n);
            let mut lanes = LaneBlockLu::<S> {
                pattern,
                values: registers_mut::<4, S>(&mut values),
                inverse: registers_mut::<4, S>(&mut inverse),
                slot_of: &mut vec![0; case.n],
            };
            lanes.factor(simd);
            lanes.solve(simd, registers_mut::<2, S>(&mut x));
        }
        let lane_of = |lane: usize| {
            let at = move |node: usize| 2 * w * pattern.position()[node] as usize + lane;
            (0..case.n).map(|node| [x[at(node)], x[at(node) + w]]).collect()
        };
        (0..w).map(lane_of).collect()
    }
}

proptest! {
    #[test]
    fn agrees_with_pivoting(case in cases()) {
        let lu = case.factored().expect("the diagonal dominates");
        let mut x = vec![[0.0; 2]; case.n];
        for (node, rhs) in case.rhs.iter().enumerate() {
            x[lu.pattern().position()[node] as usize] = *rhs;
        }
        lu.solve(&mut x);
        for (node, want) in case.reference().as_chunks::<2>().0.iter().enumerate() {
            let got = x[lu.pattern().position()[node] as usize];
            prop_assert!((got[0] - want[0]).abs().max((got[1] - want[1]).abs()) < 1e-12, "{got:?} {want:?}");
        }
    }

    #[test]
    fn lanes_agree_with_pivoting(case in cases(), shared in any::<bool>()) {
        let lu = case.factored().expect("the diagonal dominates");
        let lanes = dispatch(InLanes { case: &case, lu: &lu, shared });
        prop_assert_eq!(lanes.len(), width());
        for (lane, x) in lanes.iter().enumerate() {
            for (got, want) in x.iter().zip(case.reference().as_chunks::<2>().0) {
                let want = want.map(|w| w * (lane + 1) as f64);
                prop_assert!((got[0] - want[0]).abs().max((got[1] - want[1]).abs()) < 1e-11, "{got:?} {want:?}");
            }
        }
    }
}

#[test]
fn a_singular_pivot_is_named() {
    let ones = [1.0; 4];
    let case = Case {
        n: 2,
        edges: vec![[0, 1]],
        diagonal: vec![[0.0, 3.0, -3.0, 0.0], ones],
        off: vec![[[0.0; 4]; 2]],
        rhs: vec![[0.0; 2]; 2],
    };
    assert_eq!(case.factored().map(|_| ()), Err(Distrusted { node: 1 }));
}

#[test]
fn pattern_of_a_ring_fills_in_one_edge() {
    let pattern = BlockPattern::new(4, &[[0, 1], [1, 2], [2, 3], [3, 0], [0, 1], [2, 2]]);
    // Four nodes, four edges and one chord, both triangles.
    assert_eq!(pattern.blocks(), 4 + 2 * 5);
}
