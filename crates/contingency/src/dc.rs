//! The linear (DC) model, factorised once for everything that is asked of it.
//!
//! A. J. Wood, B. F. Wollenberg, "Power Generation, Operation, and Control", 2nd ed., ch. 4 and 11, with the branch
//! model of MATPOWER (User's Manual 8.0, §3.7): `b = 1 / (x · ratio)`, `φ` the phase shift at the *from* end.
//!
//! ```text
//! f(l) = b(l) (θ(from) - θ(to) - φ(l))
//! B θ  = p - g_shunt + Σ (±) b φ                    θ(reference) is given: its row is left out
//! α    = shares of the machines in balancing, Σ α = 1 per island; all at the reference if it balances alone
//! p    → p - α Σ p                                  so that every island is in balance
//! ```
//!
//! `B` has the pattern of the grid, is symmetric, and is block-diagonal over the islands; shifts do not change it.

mod factors;
mod prepare;
mod screen;
mod sweep;

use std::fmt;

use sparse::PatternBuilder;
use sparse::ldl::lanes::{Forward, LaneLdl, Path};
use topology::calc::{BranchIdx, BusKind, Grid};

use crate::bridges::{Bridges, Neighbours};

pub use screen::Pair;
pub use sparse::ldl::lanes::LANES;
pub use sweep::{DcSweep, Rules};

/// Who makes up for power that is lost or gained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Balance {
    /// The reference of the island.
    #[default]
    Reference,
    /// All machines of the island by their participation.
    Participation,
}

/// Why the DC model cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DcFault {
    /// A branch has no reactance or a ratio that is not above zero, so its susceptance is no number.
    NoReactance(BranchIdx),
    /// The susceptances of an island cancel: its angles are not determined.
    Singular,
    /// There is no island.
    Empty,
}

/// The DC model of a grid.
#[derive(Clone, Debug)]
pub struct DcNetwork {
    pub(crate) ldl: LaneLdl,
    /// Place of every bus in the factor; the references share the place behind the last.
    pub(crate) place: Vec<u32>,
    /// Ends of every branch as buses.
    pub(crate) ends: Vec<[u32; 2]>,
    /// Susceptance per branch.
    pub(crate) b: Vec<f64>,
    /// Angle per bus and flow per branch in the base state.
    pub(crate) va_rad: Vec<f64>,
    pub(crate) flow: Vec<f64>,
    /// Share of each bus in balancing its island.
    pub(crate) share: Vec<f64>,
    /// Scheduled generation minus load per island in the base state; the shares take it away.
    pub(crate) surplus: Vec<f64>,
    /// Flow per branch when one unit of power is fed in by the shares and drawn at the references.
    pub(crate) share_flow: Vec<f64>,
    /// Whether `share_flow` is more than zeros.
    pub(crate) shared: bool,
    pub(crate) island: Vec<u32>,
    pub(crate) reference: Vec<bool>,
    pub(crate) neighbours: Neighbours,
    /// The branches whose outage splits an island.
    pub(crate) bridges: Bridges,
}

impl fmt::Display for DcFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReactance(branch) => {
                write!(f, "branch index {} has no reactance, which the DC model needs", branch.0)
            }
            Self::Singular => write!(f, "the susceptances of an island cancel each other"),
            Self::Empty => write!(f, "no island has a machine that delivers power"),
        }
    }
}

impl std::error::Error for DcFault {}

impl DcNetwork {
    /// Factorises the model. `share` is the participation per bus, scaled to one per island; empty for
    /// [`Balance::Reference`].
    ///
    /// # Errors
    /// When a branch or an island has no DC model.
    pub fn new(grid: &Grid, share: &[f64]) -> Result<Self, DcFault> {
        let n = grid.buses.len();
        if grid.islands == 0 {
            return Err(DcFault::Empty);
        }
        let b = susceptances(grid)?;
        let reference: Vec<bool> = grid.buses.iter().map(|bus| bus.kind == BusKind::Slack).collect();
        let (ldl, place) = factor(grid, &b, &reference)?;
        let mut network = Self {
            ldl,
            place,
            ends: grid.branches.iter().map(|branch| [branch.from.0, branch.to.0]).collect(),
            va_rad: vec![0.0; n],
            flow: vec![0.0; b.len()],
            share: if share.len() == n { share.to_vec() } else { vec![0.0; n] },
            surplus: vec![0.0; grid.islands as usize],
            share_flow: vec![0.0; b.len()],
            b,
            shared: false,
            island: grid.buses.iter().map(|bus| bus.island.0).collect(),
            reference,
            neighbours: Neighbours::new(grid),
            bridges: Bridges::new(grid),
        };
        network.spread();
        network.solve_base(grid);
        Ok(network)
    }

    /// Angle per bus in the base state.
    pub fn va_rad(&self) -> &[f64] {
        &self.va_rad
    }

    /// Flow per branch in the base state, into it at the *from* end.
    pub fn flows(&self) -> &[f64] {
        &self.flow
    }

    /// The branches whose outage splits an island.
    pub const fn bridges(&self) -> &Bridges {
        &self.bridges
    }

    /// Entries of the strict factor, the measure of what a solve costs.
    pub fn fill(&self) -> usize {
        self.ldl.fill()
    }

    /// Angles that injections cause, given and written per bus.
    pub(crate) fn angles(&self, injection: &[f64], angle: &mut [f64]) {
        let mut x = vec![0.0; self.ldl.size()];
        let rows = self.rows();
        for (bus, row) in rows.iter().enumerate() {
            if let Some(row) = row {
                x[*row] = injection[bus];
            }
        }
        self.ldl.solve(&mut x);
        for (angle, row) in angle.iter_mut().zip(&rows) {
            *angle = row.map_or(0.0, |row| x[row]);
        }
    }

    /// Row of the matrix by bus; `None` for references.
    fn rows(&self) -> Vec<Option<usize>> {
        let mut next = 0..;
        self.reference.iter().map(|reference| if *reference { None } else { next.next() }).collect()
    }

    fn spread(&mut self) {
        let mut angle = vec![0.0; self.place.len()];
        let outside = self.share.iter().zip(&self.reference).any(|(share, at)| *share != 0.0 && !at);
        if !outside {
            return;
        }
        self.shared = true;
        self.angles(&self.share, &mut angle);
        for ((flow, ends), b) in self.share_flow.iter_mut().zip(&self.ends).zip(&self.b) {
            *flow = b * (angle[ends[0] as usize] - angle[ends[1] as usize]);
        }
    }

    fn solve_base(&mut self, grid: &Grid) {
        let mut injection: Vec<f64> = grid.buses.iter().map(|bus| bus.p_pu - bus.g_shunt_pu).collect();
        for (p, island) in injection.iter().zip(&self.island) {
            self.surplus[*island as usize] += p;
        }
        for ((p, share), island) in injection.iter_mut().zip(&self.share).zip(&self.island) {
            *p -= share * self.surplus[*island as usize];
        }
        for (branch, b) in grid.branches.iter().zip(&self.b) {
            injection[branch.from.at()] += b * branch.shift_rad;
            injection[branch.to.at()] -= b * branch.shift_rad;
        }
        // What the given angles of the references push into their neighbours.
        for (branch, b) in grid.branches.iter().zip(&self.b) {
            for (here, there) in [(branch.from, branch.to), (branch.to, branch.from)] {
                if self.reference[there.at()] {
                    injection[here.at()] += b * grid.buses[there.at()].va_rad;
                }
            }
        }
        let mut angle = vec![0.0; injection.len()];
        self.angles(&injection, &mut angle);
        for (at, bus) in grid.buses.iter().enumerate().filter(|(at, _)| self.reference[*at]) {
            angle[at] = bus.va_rad;
        }
        for ((flow, branch), b) in self.flow.iter_mut().zip(&grid.branches).zip(&self.b) {
            *flow = b * (angle[branch.from.at()] - angle[branch.to.at()] - branch.shift_rad);
        }
        self.va_rad = angle;
    }

    /// Forward solve for one unit in at the *from* end and out at the *to* end of a branch.
    pub(crate) fn branch_path(&self, branch: usize, work: &mut Forward, path: &mut Path) {
        let mut entries = [(0, 0.0); 2];
        let mut count = 0;
        for (bus, value) in self.ends[branch].iter().zip([1.0, -1.0]) {
            let place = self.place[*bus as usize];
            if (place as usize) < self.ldl.size() {
                entries[count] = (place, value);
                count += 1;
            }
        }
        self.ldl.forward(&entries[..count], work, path);
    }
}

fn susceptances(grid: &Grid) -> Result<Vec<f64>, DcFault> {
    (0_u32..)
        .zip(&grid.branches)
        .map(|(index, branch)| {
            let b = 1.0 / (branch.x_pu * branch.ratio);
            let usable = b.is_finite() && b != 0.0 && branch.ratio > 0.0 && branch.from != branch.to;
            if usable { Ok(b) } else { Err(DcFault::NoReactance(BranchIdx(index))) }
        })
        .collect()
}

/// The factor, and the place of every bus in it.
fn factor(grid: &Grid, b: &[f64], reference: &[bool]) -> Result<(LaneLdl, Vec<u32>), DcFault> {
    let mut rows = vec![None; reference.len()];
    let mut size = 0;
    for (row, _) in rows.iter_mut().zip(reference).filter(|(_, reference)| !**reference) {
        *row = Some(size);
        size += 1;
    }
    let mut builder = PatternBuilder::new(size, size);
    let mut entries = Vec::with_capacity(4 * b.len());
    for (branch, b) in grid.branches.iter().zip(b) {
        let ends = [rows[branch.from.at()], rows[branch.to.at()]];
        for at in ends.into_iter().flatten() {
            entries.push((builder.push(at, at), *b));
        }
        if let [Some(from), Some(to)] = ends {
            entries.push((builder.push(from, to), -b));
            entries.push((builder.push(to, from), -b));
        }
    }
    let (mut matrix, slots) = builder.build();
    for (entry, value) in entries {
        matrix.values_mut()[slots[entry]] += value;
    }
    let ldl = LaneLdl::new(&matrix).ok_or(DcFault::Singular)?;
    let last = u32::try_from(size).unwrap_or(u32::MAX);
    let place = rows.iter().map(|row| row.map_or(last, |row| ldl.place(row))).collect();
    Ok((ldl, place))
}
