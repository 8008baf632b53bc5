//! What one lane knows of the outage it works on, and how it corrects a solve with the shared factors for it.
//!
//! See [`super::outage`] for the equations.

use sparse::block::{EndColumns, PathIndex, Seed};
use sparse::lanes::{Simd, fused};

use super::chord::{Chord, Fixed};
use super::cut::{Cut, RANK, Small, applied, applied_transposed, condensed, dot};

/// A denominator of the update of `K` below this share of one would blow it up.
const SMALLEST_DENOMINATOR: f64 = 0.1;

/// Power that is lost or gained at a bus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// Position of the bus.
    pub(super) at: u32,
    /// Change of the net injection.
    pub(super) s: [f64; 2],
    /// Whether the magnitude is no longer held there: the last machine that did so is lost.
    pub(super) released: bool,
}

/// What differs from the base case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Branch(Cut),
    Power(Shift),
}

/// What one lane works on.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// Which outage of the list; `None` when idle.
    pub(super) outage: Option<usize>,
    /// Positions of the buses where the injections are not those of the base case.
    pub(super) ends: [u32; 2],
    /// Places of the ends among the exceptions.
    pub(super) places: [usize; 2],
    pub(super) columns: EndColumns,
    /// `Hᵀ G`.
    c: Small,
    k: Small,
    /// The first right-hand side, in the columns of `E`.
    start: [f64; RANK],
    /// `Hᵀ` of the last step.
    last: [f64; RANK],
}

impl Change {
    /// Positions of the buses where the injections change.
    pub(super) fn ends(&self) -> [u32; 2] {
        match self {
            Self::Branch(cut) => cut.ends,
            Self::Power(shift) => [shift.at; 2],
        }
    }

    pub(super) fn released(&self) -> bool {
        matches!(self, Self::Power(shift) if shift.released)
    }
}

impl Lane {
    /// Turns to an outage.
    #[inline(always)]
    pub(super) fn take<S: Simd>(
        &mut self,
        chord: &Chord,
        change: &Change,
        index: &mut PathIndex,
        seeds: &mut Vec<Seed>,
    ) {
        self.ends = change.ends();
        seeds.clear();
        let m = match change {
            Change::Branch(cut) => {
                seeds.extend([unit(cut.ends[0], 0), unit(cut.ends[1], 2)]);
                let flow = cut.flow(cut.ends.map(|end| chord.base(end)));
                for (end, (column, [p, q])) in cut.ends.into_iter().zip([0, 2].into_iter().zip(flow)) {
                    let held = chord.fixed(end);
                    self.start[column] = if held == Fixed::Voltage { 0.0 } else { p };
                    self.start[column + 1] = if held == Fixed::Power { q } else { 0.0 };
                }
                cut.change(chord)
            }
            Change::Power(shift) => {
                self.start = [0.0; RANK];
                (self.start[0], self.start[1]) = shift.seed(chord, seeds);
                let mut m = [[0.0; RANK]; RANK];
                m[1][1] = f64::from(u8::from(shift.released));
                m
            }
        };
        if const { fused::<S>() } {
            chord.columns::<true>(seeds, index, &mut self.columns);
        } else {
            chord.columns::<false>(seeds, index, &mut self.columns);
        }
        self.c = [[0.0; RANK]; RANK];
        for (h, g) in self.columns.upper.iter().zip(&self.columns.lower) {
            for (row, line) in self.c.iter_mut().enumerate() {
                for (col, value) in line.iter_mut().enumerate() {
                    *value += h[0][row] * g[0][col] + h[1][row] * g[1][col];
                }
            }
        }
        self.k = condensed(&m, &self.c);
    }

    /// `G (1 - K C) start` into a lane of `z`, which is zero elsewhere.
    #[inline(always)]
    pub(super) fn first<S: Simd>(&mut self, z: &mut [f64], lane: usize) {
        let y = applied(&self.c, &self.start);
        let w = applied(&self.k, &y);
        let mut u = self.start;
        for (u, w) in u.iter_mut().zip(w) {
            *u -= w;
        }
        for (&node, g) in self.columns.nodes.iter().zip(&self.columns.lower) {
            let at = 2 * node as usize * S::F64_LANES + lane;
            z[at] = dot(&g[0], &u);
            z[at + S::F64_LANES] = dot(&g[1], &u);
        }
        self.last = applied(&self.c, &u);
    }

    /// `z -= G K Hᵀ z` in a lane of `z`.
    #[inline(always)]
    pub(super) fn correct<S: Simd>(&mut self, z: &mut [f64], lane: usize) {
        let mut y = [0.0; RANK];
        for (&node, h) in self.columns.nodes.iter().zip(&self.columns.upper) {
            let at = 2 * node as usize * S::F64_LANES + lane;
            let (first, second) = (z[at], z[at + S::F64_LANES]);
            for k in 0..RANK {
                y[k] += h[0][k] * first + h[1][k] * second;
            }
        }
        let w = applied(&self.k, &y);
        for (&node, g) in self.columns.nodes.iter().zip(&self.columns.lower) {
            let at = 2 * node as usize * S::F64_LANES + lane;
            z[at] -= dot(&g[0], &w);
            z[at + S::F64_LANES] -= dot(&g[1], &w);
        }
        self.last = y;
        for (last, cw) in self.last.iter_mut().zip(applied(&self.c, &w)) {
            *last -= cw;
        }
    }

    /// Broyden's update of `M` from the mismatch `a` that the last step left at the ends, carried over to `K`:
    ///
    /// ```text
    /// M⁺ = M - a bᵀ,  b = Eᵀs / |Eᵀs|²       K⁺ = K - (1 - K C) a bᵀ (1 - C K) / (1 - bᵀ C (1 - K C) a)
    /// ```
    #[inline(always)]
    pub(super) fn learn(&mut self, a: [f64; RANK]) {
        let squared = dot(&self.last, &self.last);
        let b = self.last.map(|x| x / squared);
        let mut u = a;
        for (u, x) in u.iter_mut().zip(applied(&self.k, &applied(&self.c, &a))) {
            *u -= x;
        }
        let bc = applied_transposed(&self.c, &b);
        let denominator = 1.0 - dot(&bc, &u);
        if denominator.abs() >= SMALLEST_DENOMINATOR {
            let mut v = b;
            for (v, x) in v.iter_mut().zip(applied_transposed(&self.k, &bc)) {
                *v = (*v - x) / denominator;
            }
            for (row, u) in self.k.iter_mut().zip(u) {
                for (k, v) in row.iter_mut().zip(v) {
                    *k -= u * v;
                }
            }
        }
    }
}

impl Shift {
    /// Columns and rows: the two equations of the bus, in `E`; in `V` its two unknowns, and for a released magnitude the
    /// equation of reactive power instead of that of the magnitude. Returns the right-hand side of both equations.
    fn seed(&self, chord: &Chord, seeds: &mut Vec<Seed>) -> (f64, f64) {
        let held = chord.fixed(self.at);
        let mut own = unit(self.at, 0);
        if self.released {
            let mut sum = [0.0; 2];
            let mut itself = [0.0; 2];
            for (node, [re, im]) in chord.base_flows(self.at) {
                sum = [sum[0] + re, sum[1] + im];
                if node == self.at {
                    itself = [re, im];
                    continue;
                }
                let mut seed = Seed { node, ..Seed::default() };
                (seed.upper[0][1], seed.upper[1][1]) = (-re, im);
                seeds.push(seed);
            }
            own.upper[0][1] = sum[0] - itself[0];
            own.upper[1][1] = sum[1] + itself[1] - 1.0;
            own.upper[1][2] = 1.0;
            seeds.push(own);
            return (self.s[0], chord.injection(self.at)[1] + self.s[1] - sum[1]);
        }
        seeds.push(own);
        match held {
            Fixed::Voltage => (0.0, 0.0),
            Fixed::Magnitude { .. } => (self.s[0], 0.0),
            Fixed::Power => (self.s[0], self.s[1]),
        }
    }
}

/// The two unit columns of a node.
fn unit(node: u32, column: usize) -> Seed {
    let mut seed = Seed { node, ..Seed::default() };
    (seed.lower[0][column], seed.lower[1][column + 1]) = (1.0, 1.0);
    seed.upper = seed.lower;
    seed
}
