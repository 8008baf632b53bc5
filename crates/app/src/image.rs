//! The process image: points and estimated state of one cycle, immutable.

use signal::{PointId, PointList, Quality, Value};
use std::sync::Arc;
use timebase::Now;

/// One point in the image.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PointImage {
    /// Last value, whatever its quality.
    pub value: Option<Value>,
    /// How far it may be trusted.
    pub quality: Quality,
    /// Too old, or its link is down.
    pub stale: bool,
}

impl PointImage {
    /// The value, if a decision may rest on it.
    pub fn good(&self) -> Option<Value> {
        if self.quality.is_good() && !self.stale { self.value } else { None }
    }
}

/// Whether there is an estimate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EstimateState {
    /// No cycle has finished yet.
    #[default]
    Waiting,
    /// Every energised, observable island has converged.
    Converged,
    /// At least one island did not converge; its values are absent.
    Stopped,
    /// No island is observable.
    Unobservable,
}

impl EstimateState {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Converged => "converged",
            Self::Stopped => "stopped",
            Self::Unobservable => "unobservable",
        }
    }
}

/// Estimated state of one substation's main bus.
#[derive(Clone, PartialEq, Debug)]
pub struct BusImage {
    /// Name of the substation.
    pub substation: String,
    /// Base voltage, line to line, in kV.
    pub base_kv: f64,
    /// Estimated magnitude; `None` where nothing is known.
    pub vm_pu: Option<f64>,
    /// Estimated angle in degrees.
    pub va_degree: Option<f64>,
    /// Whether the topology says that the bus is energised.
    pub energised: bool,
}

/// Estimated flow through one branch, in the order of the network's branches.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct BranchImage {
    /// `p_from_mw, q_from_mvar, p_to_mw, q_to_mvar`; `None` where nothing is known.
    pub flow: Option<[f64; 4]>,
    /// Larger apparent power of both ends over the rating; `None` without a rating.
    pub loading_percent: Option<f64>,
}

/// The estimated state.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct EstimateImage {
    /// Whether there is one.
    pub state: EstimateState,
    /// When it was made.
    pub at: Option<Now>,
    /// Gauss-Newton iterations of the slowest island.
    pub iterations: u32,
    /// Weighted sum of squared residuals.
    pub objective: f64,
    /// Measurements and constraints minus states.
    pub degrees_of_freedom: u32,
    /// Measurements and constraints per state.
    pub redundancy: f64,
    /// Limit of the objective at 99 % confidence.
    pub chi2_threshold: f64,
    /// Measurements removed as bad: point and normalised residual, in the order of removal. Of a sum that is bad,
    /// such as the injection of a bus, every part is listed.
    pub bad_data: Vec<(PointId, f64)>,
    /// Names of buses that the measurements do not determine.
    pub unobservable: Vec<String>,
    /// One entry per substation of the network.
    pub buses: Vec<BusImage>,
    /// One entry per branch of the network.
    pub branches: Vec<BranchImage>,
}

/// Everything that an application may look at.
#[derive(Clone, Debug)]
pub struct ProcessImage {
    /// Number of the cycle.
    pub cycle: u64,
    /// When it was frozen.
    pub now: Now,
    /// Definitions of the points.
    pub points: Arc<PointList>,
    /// State of every point, by id.
    pub values: Arc<[PointImage]>,
    /// The estimated state.
    pub estimate: Arc<EstimateImage>,
}

impl ProcessImage {
    /// A point of the image.
    pub fn point(&self, id: PointId) -> Option<&PointImage> {
        self.values.get(id.at())
    }

    /// The estimated magnitude of a substation's bus, if the estimate may be trusted.
    pub fn vm_pu(&self, substation: &str) -> Option<f64> {
        if self.estimate.state != EstimateState::Converged {
            return None;
        }
        self.estimate.buses.iter().find(|bus| bus.substation == substation).and_then(|bus| bus.vm_pu)
    }
}
