//! State estimation: weighted least squares with equality constraints (Abur and Gómez-Expósito, "Power System State
//! Estimation", 2004, chapters 2 to 5), every island by itself.
//!
//! Symbols: state `x` (angles and magnitudes), measurements `z = h(x) + e` with standard deviations `σ`, constraints
//! `c(x) = 0` for buses without injection. Scaled by `1/σ`: residual `r = (z - h(x))/σ`, Jacobian `H = (∂h/∂x)/σ`.
//!
//! ```text
//! minimise  J(x) = Σ r²   subject to  c(x) = 0
//!
//! [ αI  H  0  ] [ μ  ]   [  r ]        each step solves the augmented (Hachtel) system; no gain matrix HᵀH is
//! [ Hᵀ  0  Cᵀ ] [ Δx ] = [  0 ]        formed, so its squared condition number never appears
//! [ 0   C  0  ] [ λ  ]   [ -c ]        x += Δx  until  max |Δx| <= tolerance
//!
//! Ω(i,i) = α · (K⁻¹)(i,i)              variance of the scaled residual i, K the matrix above
//! rN(i)  = |r(i)| / √Ω(i,i)            normalised residual
//! ```
//!
//! - `α` only scales; it follows the geometric mean of the largest entries of the rows of `H`, so that pivots are even.
//! - **Observability** (Monticelli and Wu, IEEE Trans. PAS-104, 1985): what the measurements do not determine is
//!   named and left out. It is never filled in.
//! - **Bad data**: the largest normalised residual above the threshold is removed and the estimate repeated. A
//!   critical measurement (Ω ≈ 0) has no residual to judge it by and is never removed. The sum `J` is held against
//!   the chi-square quantile.

mod chi_square;
mod equations;
mod observability;
mod plan;
mod problem;
mod solver;

use topology::calc::{BranchFlow, BranchIdx, BusIdx, Voltages};

pub use chi_square::chi_square_quantile;
pub use solver::Solver;

/// Which end of a branch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// At `Branch::from`.
    From,
    /// At `Branch::to`.
    To,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Voltage magnitude.
    Vm(BusIdx),
    /// Voltage angle in radians, against the common clock of all phasor units.
    Va(BusIdx),
    /// Net active injection: generation minus load; shunts belong to the network.
    PInjection(BusIdx),
    /// Net reactive injection.
    QInjection(BusIdx),
    /// Active power out of the bus into the branch.
    PFlow(BranchIdx, End),
    /// Reactive power out of the bus into the branch.
    QFlow(BranchIdx, End),
}

/// One measurement, in p.u. or radians.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measurement {
    /// What is measured.
    pub kind: Kind,
    /// Measured value.
    pub value: f64,
    /// Standard deviation of its error; positive.
    pub sigma: f64,
    /// The caller's name for it.
    pub id: u32,
}

/// Where the iteration starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// 1 p.u. and the angle of the reference.
    Flat,
    /// The voltages in the grid.
    FromGrid,
    /// The solver's last estimate where it has one, else flat.
    Warm,
}

/// How to estimate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Options {
    /// Largest change of the state, in p.u. and radians, that counts as settled.
    pub tolerance: f64,
    /// Steps per estimate; each removal of bad data has this many again.
    pub max_iterations: u32,
    /// A normalised residual above this marks bad data. The usual 3 names one good measurement in 370; the default
    /// of 5 one in 1.7 million, which suits an estimate every second.
    pub residual_threshold: f64,
    /// Measurements that may be removed per island.
    pub max_removals: u32,
    /// Confidence of the chi-square test.
    pub chi2_confidence: f64,
    /// Where the iteration starts.
    pub start: Start,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance: 1e-8,
            max_iterations: 20,
            residual_threshold: 5.0,
            max_removals: 10,
            chi2_confidence: 0.99,
            start: Start::Warm,
        }
    }
}

/// What became of an island.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// Estimated, at least in its observable part.
    Estimated {
        /// Steps, over all removals.
        iterations: u32,
        /// `J`, the sum of squared scaled residuals of the measurements in use.
        objective: f64,
        /// Measurements in use plus constraints minus state variables.
        degrees_of_freedom: u32,
        /// Measurements in use plus constraints, over state variables.
        redundancy: f64,
        /// Quantile that `objective` should not exceed; `None` without a degree of freedom.
        chi2_threshold: Option<f64>,
    },
    /// Did not settle: the result of this island is NaN.
    Stopped {
        /// Bus whose state moved most in the last step.
        worst: BusIdx,
        /// That change.
        step: f64,
        /// Steps made.
        iterations: u32,
    },
    /// Nothing of the island is determined by measurements.
    Unobservable,
    /// Every measured voltage is near zero: the island is without voltage, and there is nothing to estimate.
    Dead,
}

/// What became of a measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It has part in the estimate.
    Used,
    /// Bad data, removed as the n-th of its island, from 0.
    Removed(u32),
    /// It touches something that is not observable, or lies in an island without an estimate.
    NotObservable,
    /// Its value or sigma is not usable, or its bus or branch does not exist.
    Rejected,
}

/// A measurement after the estimate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Checked {
    /// The caller's name for it.
    pub id: u32,
    /// Estimated value; NaN where nothing was estimated.
    pub estimated: f64,
    /// Normalised residual; at the time of removal for bad data, `None` for a critical measurement or an unused one.
    pub normalised_residual: Option<f64>,
    /// What became of it.
    pub verdict: Verdict,
}

/// A measurement removed as bad data.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Removed {
    /// The caller's name for it.
    pub id: u32,
    /// Place in the list of measurements.
    pub index: usize,
    /// Normalised residual that gave it away.
    pub normalised_residual: f64,
    /// Order of removal in its island, from 0.
    pub order: u32,
}

/// Result for a whole grid. Every number that the measurements do not determine is NaN.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Estimate {
    /// Voltages, per bus.
    pub voltages: Voltages,
    /// Outcome, per island.
    pub islands: Vec<Outcome>,
    /// Buses that are not observable, ascending.
    pub unobservable: Vec<BusIdx>,
    /// Flows, per branch.
    pub flows: Vec<BranchFlow>,
    /// Net active injection per bus: the sum of what flows into branches and shunts.
    pub p_injection_pu: Vec<f64>,
    /// Net reactive injection per bus.
    pub q_injection_pu: Vec<f64>,
    /// Every measurement, in the order given.
    pub measurements: Vec<Checked>,
    /// Bad data, island by island in the order of removal.
    pub removed: Vec<Removed>,
}

impl Outcome {
    /// Whether the chi-square test holds; `None` without an estimate or a degree of freedom.
    pub fn chi2_passes(&self) -> Option<bool> {
        match *self {
            Self::Estimated { objective, chi2_threshold, .. } => {
                chi2_threshold.map(|limit| objective <= limit)
            }
            Self::Stopped { .. } | Self::Unobservable | Self::Dead => None,
        }
    }
}
