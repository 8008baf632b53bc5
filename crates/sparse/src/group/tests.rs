//! Group factorisation against the pivoting scalar one.

use std::sync::Arc;

use proptest::prelude::*;
use pulp::{Simd, WithSimd};

use super::{GroupFactor, GroupLu, GroupMatrix, GroupPattern};
use crate::lanes::{LaneVec, dispatch, registers_mut, width};
use crate::{Csc, Lu};

/// Groups of nodes, couplings between nodes with a block each way, right-hand side.
#[derive(Clone, Debug)]
struct Case {
    group: Vec<u32>,
    /// `row, column, block`.
    entries: Vec<(u32, u32, [f64; 4])>,
    rhs: Vec<f64>,
}

fn blocks(edges: usize) -> impl Strategy<Value = Vec<[f64; 4]>> {
    prop::collection::vec(prop::array::uniform4(-1.0..1.0f64), edges)
}

fn cases() -> impl Strategy<Value = Case> {
    prop::collection::vec(1u32..=3, 1..12).prop_flat_map(|sizes| {
        let group: Vec<u32> =
            (0u32..).zip(&sizes).flat_map(|(g, &size)| std::iter::repeat_n(g, size as usize)).collect();
        let n = group.len();
        let edges = prop::collection::vec((0..n as u32, 0..n as u32), 0..2 * n);
        (edges, prop::collection::vec(-1.0..1.0f64, 2 * n)).prop_flat_map(move |(edges, rhs)| {
            let group = group.clone();
            (blocks(2 * edges.len()), blocks(n)).prop_map(move |(off, own)| {
                let mut entries = Vec::new();
                for (&(a, b), off) in edges.iter().zip(off.chunks(2)).filter(|((a, b), _)| a != b) {
                    entries.extend([(a, b, off[0]), (b, a, off[1])]);
                }
                for (node, [a, b, c, d]) in (0u32..).zip(own) {
                    // Rotated: the pivots inside of a group are not on its diagonal.
                    entries.push((node, node, [a, b + 40.0, c - 40.0, d]));
                }
                Case { group: group.clone(), entries, rhs: rhs.clone() }
            })
        })
    })
}

/// Transposed lines in a chain with branches: two complex numbers per block.
fn feeder() -> Case {
    let (groups, mut entries) = (9u32, Vec::new());
    for g in 1..groups {
        let parent = if g % 3 == 0 { g / 3 } else { g - 1 };
        let line = [0.8 + 0.1 * f64::from(g), -1.5, 0.3, -0.4 - 0.02 * f64::from(g)];
        for (a, b, sign) in [(g, g, 1.0), (parent, parent, 1.0), (g, parent, -1.0), (parent, g, -1.0)] {
            for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                let [re, im] = if i == j { [line[0], line[1]] } else { [line[2], line[3]] };
                entries.push((3 * a + i, 3 * b + j, [re, -im, im, re].map(|x| sign * x)));
            }
        }
    }
    for node in 0..3 * groups {
        let load = 0.1 + 0.01 * f64::from(node);
        entries.push((node, node, [load, 0.02, 0.07, 0.4 - load]));
    }
    let rhs = (0..6 * groups).map(|at| f64::from(at).sin()).collect();
    Case { group: (0..3 * groups).map(|node| node / 3).collect(), entries, rhs }
}

impl Case {
    fn pattern(&self) -> Arc<GroupPattern> {
        let groups = self.group.last().map_or(0, |last| last + 1) as usize;
        let edges: Vec<[u32; 2]> =
            self.entries.iter().map(|&(a, b, _)| [self.group[a as usize], self.group[b as usize]]).collect();
        Arc::new(GroupPattern::new(groups, &self.group, &edges))
    }

    fn factors(&self, pattern: &Arc<GroupPattern>) -> Option<GroupLu> {
        let mut matrix = GroupMatrix::new(Arc::clone(pattern));
        for &(row, col, block) in &self.entries {
            assert!(matrix.add(pattern.position()[row as usize], pattern.position()[col as usize], block));
        }
        matrix.factor()
    }

    /// What the pivoting factorisation makes of it.
    fn expected(&self) -> Vec<f64> {
        let mut entries = Vec::new();
        for &(row, col, block) in &self.entries {
            for (at, x) in (0..).zip(block) {
                entries.push((2 * row as usize + at / 2, 2 * col as usize + at % 2, x));
            }
        }
        let matrix = Csc::square(self.rhs.len(), &entries);
        let mut lu = Lu::new(&matrix);
        lu.factor(&matrix).expect("far from singular");
        let mut x = self.rhs.clone();
        lu.solve(&mut x);
        x
    }
}

/// Opens and closes as an iteration does, the right-hand side scaled by one more in each lane.
struct Solve<'a> {
    lu: &'a GroupLu,
    b: &'a mut [f64],
    x: &'a mut [f64],
}

impl WithSimd for Solve<'_> {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        let factor = GroupFactor::new(self.lu);
        let (b, x) = (registers_mut::<2, S>(self.b), registers_mut::<2, S>(self.x));
        for &g in factor.pattern().closing() {
            match factor.pattern().range(g as usize).len() {
                1 => factor.close::<1, S>(simd, g as usize, b),
                2 => factor.close::<2, S>(simd, g as usize, b),
                _ => factor.close::<3, S>(simd, g as usize, b),
            }
        }
        for g in 0..factor.pattern().groups() {
            let range = factor.pattern().range(g);
            match range.len() {
                1 => {
                    let own = factor.open::<1, S>(simd, g, b, x);
                    x[range].copy_from_slice(&own);
                }
                2 => {
                    let own = factor.open::<2, S>(simd, g, b, x);
                    x[range].copy_from_slice(&own);
                }
                _ => {
                    let own = factor.open::<3, S>(simd, g, b, x);
                    x[range].copy_from_slice(&own);
                }
            }
        }
    }
}

fn agrees(case: &Case) {
    let (pattern, width) = (case.pattern(), width());
    let lu = case.factors(&pattern).expect("far from singular");
    let (mut b, mut x) = (LaneVec::new(case.rhs.len() * width), LaneVec::new(case.rhs.len() * width));
    for (pair, &at) in case.rhs.chunks(2).zip(pattern.position()) {
        for (part, value) in pair.iter().enumerate() {
            for lane in 0..width {
                b[(2 * at as usize + part) * width + lane] = value * (lane + 1) as f64;
            }
        }
    }
    dispatch(Solve { lu: &lu, b: &mut b, x: &mut x });
    for (pair, &at) in case.expected().chunks(2).zip(pattern.position()) {
        for (part, want) in pair.iter().enumerate() {
            for lane in 0..width {
                let have = x[(2 * at as usize + part) * width + lane] / (lane + 1) as f64;
                assert!((have - want).abs() <= 1e-11 * (1.0 + want.abs()), "{have} is not {want}");
            }
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_the_pivoting_factorisation(case in cases()) {
        agrees(&case);
    }

    /// Each group is opened after those above it and closed once, after all that was opened below it.
    #[test]
    fn the_walk_opens_and_closes_like_brackets(case in cases()) {
        let pattern = case.pattern();
        let mut is_closed = vec![false; pattern.groups()];
        let mut done = 0;
        for g in 0..pattern.groups() {
            for &above in &pattern.above()[pattern.slots(g)] {
                prop_assert!((above as usize) < g && !is_closed[above as usize]);
            }
            for &g in &pattern.closing()[done..pattern.closed_after(g)] {
                prop_assert!(!std::mem::replace(&mut is_closed[g as usize], true));
            }
            done = pattern.closed_after(g);
        }
        prop_assert!(is_closed.iter().all(|closed| *closed));
    }
}

#[test]
fn transposed_lines_are_kept_as_two_numbers_and_agree() {
    let case = feeder();
    let lu = case.factors(&case.pattern()).expect("far from singular");
    let kept = lu.rows.iter().filter(|row| row.kind == super::lu::RowKind::Transposed).count();
    assert_eq!(kept, 8, "every line");
    agrees(&case);
}

#[test]
fn a_group_that_is_singular_is_refused() {
    let mut case = feeder();
    case.entries.retain(|(row, _, _)| *row != 26);
    assert!(case.factors(&case.pattern()).is_none());
}
