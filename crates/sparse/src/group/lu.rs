//! Numeric phase: dense blocks, eliminated from the leaves of the tree.

use std::ops::Range;
use std::sync::Arc;

use super::pattern::{GroupPattern, MOST_NODES};

/// Rows and columns of the largest block.
pub(super) const MOST_ROWS: usize = 2 * MOST_NODES;
/// Numbers in the largest block.
const MOST_VALUES: usize = MOST_ROWS * MOST_ROWS;
/// Growth of the multipliers beyond which the factors are not trusted: what is left of 16 digits then is 6.
const LARGEST_MULTIPLIER: f64 = 1e10;
/// A block counts as that of a transposed line up to rounding.
const ROUNDING: f64 = 1e-15;

/// A matrix on a [`GroupPattern`], to be summed up. All blocks by columns.
#[derive(Clone, Debug)]
pub struct GroupMatrix {
    pattern: Arc<GroupPattern>,
    /// Start of each index in `diagonal`.
    diagonal_start: Vec<u32>,
    /// Start of each slot in `upper` and `lower`.
    slot_start: Vec<u32>,
    diagonal: Vec<f64>,
    /// `A(g,j)` by slot.
    upper: Vec<f64>,
    /// `A(j,g)` by slot.
    lower: Vec<f64>,
}

/// Its factors.
#[derive(Clone, Debug)]
pub struct GroupLu {
    pub(super) pattern: Arc<GroupPattern>,
    /// By index.
    pub(super) rows: Vec<FactorRow>,
    pub(super) values: Vec<f64>,
}

/// Where the factors of a group are, and of which kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct FactorRow {
    pub(super) start: u32,
    pub(super) kind: RowKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowKind {
    /// `H(g,j)` of all slots, `D(g)⁻¹`, `A'(j,g)` of all slots.
    General,
    /// One slot whose block is `d` on the diagonal and `o` beside it: `d`, `o` (two numbers each), `D(g)⁻¹`.
    Transposed,
}

impl GroupMatrix {
    /// Zeros.
    pub fn new(pattern: Arc<GroupPattern>) -> Self {
        let rows = |index: usize| 2 * pattern.range(index).len() as u32;
        let (mut diagonal_start, mut slot_start) = (vec![0], vec![0]);
        let (mut diagonal, mut off) = (0, 0);
        for index in 0..pattern.groups() {
            diagonal += rows(index) * rows(index);
            diagonal_start.push(diagonal);
            for &j in &pattern.above()[pattern.slots(index)] {
                off += rows(index) * rows(j as usize);
                slot_start.push(off);
            }
        }
        let (diagonal, off) = (vec![0.0; diagonal as usize], vec![0.0; off as usize]);
        Self { pattern, diagonal_start, slot_start, diagonal, upper: off.clone(), lower: off }
    }

    /// Adds a 2×2 block (by rows) in the row and column of two positions; `false` where the pattern has no place for it.
    pub fn add(&mut self, row: u32, col: u32, block: [f64; 4]) -> bool {
        let [(g, i), (h, j)] = [row, col].map(|position| {
            let index = self.pattern.index_of(position);
            (index, position as usize - self.pattern.range(index).start)
        });
        let rows = 2 * self.pattern.range(g).len();
        let Some(values) = self.block_mut(g, h) else { return false };
        let first = 2 * j * rows + 2 * i;
        for (at, x) in [first, first + rows, first + 1, first + rows + 1].into_iter().zip(block) {
            values[at] += x;
        }
        true
    }

    /// The block in the row of `g` and the column of `h`.
    fn block_mut(&mut self, g: usize, h: usize) -> Option<&mut [f64]> {
        if g == h {
            let range = self.diagonal_range(g);
            return Some(&mut self.diagonal[range]);
        }
        // The deeper one has the slot.
        let slots = self.pattern.slots(g.max(h));
        let at = self.pattern.above()[slots.clone()].iter().position(|&j| j as usize == g.min(h))?;
        let range = self.slot_range(slots.start + at);
        Some(if g > h { &mut self.upper[range] } else { &mut self.lower[range] })
    }

    fn diagonal_range(&self, index: usize) -> Range<usize> {
        self.diagonal_start[index] as usize..self.diagonal_start[index + 1] as usize
    }

    fn slot_range(&self, slot: usize) -> Range<usize> {
        self.slot_start[slot] as usize..self.slot_start[slot + 1] as usize
    }

    /// Factorises; O(Σ size³ · above²). Pivots are sought inside of a group, not across groups.
    ///
    /// `None` when a block is singular or not finite, or multipliers grow beyond trust.
    pub fn factor(mut self) -> Option<GroupLu> {
        let pattern = Arc::clone(&self.pattern);
        let mut inverses = vec![[0.0; MOST_VALUES]; pattern.groups()];
        for g in (0..pattern.groups()).rev() {
            let rows = 2 * pattern.range(g).len();
            inverses[g] = inverse(&self.diagonal[self.diagonal_range(g)], rows)?;
            let slots = pattern.slots(g);
            let above = &pattern.above()[slots.clone()];
            let columns: Vec<Vec<f64>> = slots
                .clone()
                .map(|slot| product(&inverses[g][..rows * rows], &self.upper[self.slot_range(slot)], rows))
                .collect();
            for (slot, &j) in slots.zip(above) {
                let left = self.lower[self.slot_range(slot)].to_vec();
                let multipliers = product(&left, &inverses[g][..rows * rows], rows);
                if !multipliers.iter().all(|x| x.abs() <= LARGEST_MULTIPLIER) {
                    return None;
                }
                for (&k, column) in above.iter().zip(&columns) {
                    let change = product(&left, column, rows);
                    let block = self.block_mut(j as usize, k as usize)?;
                    block.iter_mut().zip(change).for_each(|(x, dx)| *x -= dx);
                }
            }
        }
        Some(self.collect(&inverses))
    }

    /// The factors in the order in which they are used.
    fn collect(&self, inverses: &[[f64; MOST_VALUES]]) -> GroupLu {
        let pattern = &self.pattern;
        let (mut rows, mut values) = (Vec::with_capacity(inverses.len()), Vec::new());
        for (g, inverse) in inverses.iter().enumerate() {
            let (slots, start) = (pattern.slots(g), values.len() as u32);
            let size = 2 * pattern.range(g).len();
            let inverse = &inverse[..size * size];
            let kind = if let Some(line) = self.transposed_line(slots.clone()) {
                values.extend(line);
                values.extend(inverse);
                RowKind::Transposed
            } else {
                for slot in slots.clone() {
                    values.extend(product(inverse, &self.upper[self.slot_range(slot)], size));
                }
                values.extend(inverse);
                for slot in slots {
                    values.extend(&self.lower[self.slot_range(slot)]);
                }
                RowKind::General
            };
            rows.push(FactorRow { start, kind });
        }
        GroupLu { pattern: Arc::clone(pattern), rows, values }
    }

    /// `[d, o]` if there is one slot and it has a transposed line both ways.
    fn transposed_line(&self, slots: Range<usize>) -> Option<[f64; 4]> {
        if slots.len() != 1 {
            return None;
        }
        let range = self.slot_range(slots.start);
        if range.len() != MOST_VALUES {
            return None;
        }
        let (upper, lower) = (&self.upper[range.clone()], &self.lower[range]);
        let line = [upper[0], upper[1], upper[2], upper[3]];
        let limit = ROUNDING * line.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
        let wanted = (0..MOST_VALUES).map(|at| {
            let (row, col) = (at % MOST_ROWS, at / MOST_ROWS);
            let [re, im] = if row / 2 == col / 2 { [line[0], line[1]] } else { [line[2], line[3]] };
            match (row % 2, col % 2) {
                (0, 0) | (1, 1) => re,
                (1, 0) => im,
                _ => -im,
            }
        });
        let near = |values: &[f64]| values.iter().zip(wanted.clone()).all(|(x, y)| (x - y).abs() <= limit);
        (near(upper) && near(lower)).then_some(line)
    }
}

/// `a b` by columns, with `inner` columns in `a` and rows in `b`.
fn product(a: &[f64], b: &[f64], inner: usize) -> Vec<f64> {
    let rows = a.len() / inner;
    let mut out = vec![0.0; rows * (b.len() / inner)];
    for (to, column) in out.chunks_exact_mut(rows).zip(b.chunks_exact(inner)) {
        for (left, &factor) in a.chunks_exact(rows).zip(column) {
            to.iter_mut().zip(left).for_each(|(sum, x)| *sum += factor * x);
        }
    }
    out
}

/// Gauss and Jordan with the largest of a column as pivot.
fn inverse(block: &[f64], rows: usize) -> Option<[f64; MOST_VALUES]> {
    let mut left = [0.0; MOST_VALUES];
    left[..rows * rows].copy_from_slice(block);
    let mut right = [0.0; MOST_VALUES];
    (0..rows).for_each(|i| right[i * rows + i] = 1.0);
    for pivot in 0..rows {
        let column = &left[pivot * rows..][..rows];
        let best = (pivot..rows).max_by(|&a, &b| column[a].abs().total_cmp(&column[b].abs()))?;
        let scale = 1.0 / column[best];
        if !scale.is_finite() || scale == 0.0 {
            return None;
        }
        for side in [&mut left, &mut right] {
            for column in side[..rows * rows].chunks_exact_mut(rows) {
                column.swap(pivot, best);
                column[pivot] *= scale;
            }
        }
        let factors: Vec<f64> = left[pivot * rows..][..rows].to_vec();
        for side in [&mut left, &mut right] {
            for column in side[..rows * rows].chunks_exact_mut(rows) {
                let own = column[pivot];
                for (row, x) in column.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
                    *x -= factors[row] * own;
                }
            }
        }
    }
    Some(right)
}
