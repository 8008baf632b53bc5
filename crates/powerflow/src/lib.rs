//! Balanced AC power flow: Newton-Raphson in polar coordinates (Tinney and Hart, "Power flow solution by Newton's
//! method", IEEE Trans. PAS-86, 1967), every island by itself.
//!
//! Symbols: `v`, `θ` voltage magnitude and angle, `G + jB` bus admittance matrix with shunts, `θij = θi - θj`.
//!
//! ```text
//! T(i,j) = G(i,j) cos θij + B(i,j) sin θij          S(i,j) = G(i,j) sin θij - B(i,j) cos θij
//! P(i)   = Σj v(i) v(j) T(i,j)                      Q(i)   = Σj v(i) v(j) S(i,j)
//!
//! ∂P(i)/∂θ(j) =  v(i) v(j) S(i,j)                   ∂P(i)/∂v(j) = v(i) T(i,j)          j ≠ i
//! ∂Q(i)/∂θ(j) = -v(i) v(j) T(i,j)                   ∂Q(i)/∂v(j) = v(i) S(i,j)
//! ∂P(i)/∂θ(i) = -Q(i) - B(i,i) v(i)²                ∂P(i)/∂v(i) = P(i)/v(i) + G(i,i) v(i)
//! ∂Q(i)/∂θ(i) =  P(i) - G(i,i) v(i)²                ∂Q(i)/∂v(i) = Q(i)/v(i) - B(i,i) v(i)
//!
//! J Δx = [P - P(i); Q - Q(i)],   x += Δx   until   max |mismatch| <= tolerance
//! ```
//!
//! Every bus keeps both equations. Where a quantity is held (slack: θ and v, PV: v) its equation is `Δx = 0`, so the
//! pattern of `J` depends on the topology alone: a machine that reaches its reactive limit, or a new set point,
//! costs no new symbolic analysis.
//!
//! Several slacks in one island each hold their own angle and magnitude.
//!
//! The other methods ([`Method`]) solve the same equations, or with [`Method::Dc`] simpler ones; each has its file with
//! its own. When a method stops from the start asked for, `rescue` tries other ways before giving up
//! ([`Options::rescue`]), and [`Solution::efforts`] says which one served or how far they came.
//!
//! Reactive limits are an outer loop: a PV bus beyond a limit is solved again as PQ at that limit, and is released
//! when its voltage has passed the set point on the side where the limit no longer binds.

mod admittances;
pub mod batch;
pub mod control;
mod current_injection;
mod dc;
mod decoupled;
mod fixed_point;
pub mod inverter;
mod island;
mod nodal;
pub mod phases;
mod rescue;
mod solver;

use std::fmt;

use topology::calc::{BranchFlow, BranchIdx, BusIdx, Grid, Voltages};

pub use decoupled::Variant;
pub use rescue::{Doubt, Effort, Way};
pub use solver::Solver;

/// How the equations are solved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// Newton's method on powers in polar coordinates.
    #[default]
    Newton,
    /// Fast decoupled: two small matrices, factorised once.
    Decoupled(Variant),
    /// Newton's method on currents in rectangular coordinates.
    CurrentInjection,
    /// Fixed point on the factorised admittance matrix.
    FixedPoint,
    /// Active power and angles alone, linear.
    Dc,
}

/// Where the iteration starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// 1 p.u. and the angle of the slack; set points where the magnitude is held.
    Flat,
    /// The voltages in the grid.
    FromGrid,
    /// Angles of the DC power flow, magnitudes as [`Start::Flat`].
    Dc,
    /// The solver's last converged voltages of this topology, where there are any; else as [`Start::FromGrid`].
    Warm,
}

/// How to solve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Options {
    /// Largest active or reactive mismatch that counts as solved.
    pub tolerance_pu: f64,
    /// Newton steps per round; each round of the reactive-limit loop has this many.
    pub max_iterations: u32,
    /// Whether PV buses are held to the reactive limits of their machines.
    pub enforce_q_limits: bool,
    /// Where the iteration starts.
    pub start: Start,
    /// How the equations are solved.
    pub method: Method,
    /// Whether other ways are tried when the method stops, or ends at voltages that nobody would operate.
    pub rescue: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance_pu: 1e-8,
            max_iterations: 20,
            enforce_q_limits: false,
            start: Start::FromGrid,
            method: Method::Newton,
            rescue: true,
        }
    }
}

/// What became of an island.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// Solved.
    Converged {
        /// Newton steps, over all rounds.
        iterations: u32,
        /// Largest mismatch left.
        mismatch_pu: f64,
    },
    /// Not solved: the result of this island is NaN.
    Stopped {
        /// Bus with the largest mismatch.
        worst: BusIdx,
        /// That mismatch.
        mismatch_pu: f64,
        /// Newton steps, over all rounds.
        iterations: u32,
    },
    /// Could not be tried: the result of this island is NaN.
    NotSolvable {
        /// Why not.
        reason: Reason,
    },
}

/// Why an island could not be solved at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// No bus of the island is a slack, or the island has no bus.
    NoSlack,
    /// A number of this bus is not finite, a held magnitude is not positive, or its limits are reversed.
    BadBus(BusIdx),
    /// The branch has no impedance, no positive ratio, a number that is not finite, or ends in another island.
    BadBranch(BranchIdx),
    /// The Jacobian is singular, first noticed at this bus.
    Singular(BusIdx),
    /// Machines kept moving between limit and set point, the last one at this bus.
    LimitsCycle(BusIdx),
}

/// A reactive limit that binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QLimit {
    /// `q_gen_min_pu`.
    Lower,
    /// `q_gen_max_pu`.
    Upper,
}

/// Result for a whole grid. Every number of an island that did not converge is NaN.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Solution {
    /// Voltages, per bus.
    pub voltages: Voltages,
    /// Outcome, per island.
    pub islands: Vec<Outcome>,
    /// Flows, per branch.
    pub flows: Vec<BranchFlow>,
    /// Net active injection (generation minus load; shunts belong to the network), per bus.
    pub p_injection_pu: Vec<f64>,
    /// Net reactive injection, per bus.
    pub q_injection_pu: Vec<f64>,
    /// PV buses that ended at a reactive limit.
    pub limited: Vec<(BusIdx, QLimit)>,
    /// What it took, per island.
    pub efforts: Vec<Effort>,
}

impl Solution {
    /// Whether every island converged.
    pub fn converged(&self) -> bool {
        self.islands.iter().all(|outcome| matches!(outcome, Outcome::Converged { .. }))
    }

    /// Reactive power of the machines at a bus: net injection plus load.
    pub fn machine_q_pu(&self, grid: &Grid, bus: BusIdx) -> f64 {
        self.q_injection_pu[bus.at()] + grid.buses[bus.at()].q_load_pu
    }
}

/// Solves once, without keeping anything for a next time.
pub fn solve(grid: &Grid, options: &Options) -> Solution {
    Solver::new().solve(grid, options)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlack => write!(f, "the island has no slack bus"),
            Self::BadBus(bus) => write!(f, "bus index {} has unusable data", bus.0),
            Self::BadBranch(branch) => write!(f, "branch index {} has unusable data", branch.0),
            Self::Singular(bus) => write!(f, "the equations are singular at bus index {}", bus.0),
            Self::LimitsCycle(bus) => write!(f, "reactive limits keep changing at bus index {}", bus.0),
        }
    }
}
