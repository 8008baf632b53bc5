//! The network and its estimated state.

use serde::Serialize;
use utoipa::ToSchema;

/// A switch of a substation.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SwitchView {
    /// Name.
    pub name: String,
    /// `breaker` or `disconnector`.
    pub kind: String,
    /// Point of its position.
    pub point: Option<u32>,
    /// What it switches.
    pub equipment: String,
}

/// A machine, load or shunt of a substation.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EquipmentView {
    /// Name.
    pub name: String,
    /// `machine`, `load`, `shunt` or `busbar`.
    pub kind: String,
    /// Point of its active power.
    pub p_point: Option<u32>,
    /// Point of its reactive power.
    pub q_point: Option<u32>,
}

/// A substation.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SubstationView {
    /// mRID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Horizontal position in the diagram, 0 to 1.
    pub x: f64,
    /// Vertical position in the diagram, 0 to 1.
    pub y: f64,
    /// Base voltage, line to line.
    pub base_kv: f64,
    /// Lower operating limit of the voltage in p.u., if one is set.
    pub low_pu: Option<f64>,
    /// Upper operating limit of the voltage in p.u., if one is set.
    pub high_pu: Option<f64>,
    /// Point of the busbar voltage.
    pub voltage_point: Option<u32>,
    /// Its switches.
    pub switches: Vec<SwitchView>,
    /// Its machines, loads and shunts.
    pub equipment: Vec<EquipmentView>,
}

/// One end of a branch.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct BranchEndView {
    /// Point of the active power into the branch.
    pub p_point: Option<u32>,
    /// Point of the reactive power into the branch.
    pub q_point: Option<u32>,
    /// Point of the breaker's position.
    pub breaker_point: Option<u32>,
    /// Point of the disconnector's position.
    pub disconnector_point: Option<u32>,
}

/// A line or transformer between two substations.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BranchView {
    /// mRID.
    pub id: String,
    /// Name.
    pub name: String,
    /// `line` or `transformer`.
    pub kind: String,
    /// Index of the substation at the from end.
    pub from: usize,
    /// Index of the substation at the to end.
    pub to: usize,
    /// Long-term rating, 0 for none.
    pub rate_mva: f64,
    /// Base voltage at the from end.
    pub base_kv: f64,
    /// From end.
    pub from_end: BranchEndView,
    /// To end.
    pub to_end: BranchEndView,
    /// Point of the tap position.
    pub tap_point: Option<u32>,
}

/// The network as the page draws it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct NetworkView {
    /// Name of the network.
    pub name: String,
    /// Three-phase base power.
    pub base_mva: f64,
    /// Nominal frequency.
    pub frequency_hz: f64,
    /// Substations.
    pub substations: Vec<SubstationView>,
    /// Branches.
    pub branches: Vec<BranchView>,
}

/// A measurement that was removed as bad.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BadDataView {
    /// The point.
    pub point: u32,
    /// Its name.
    pub name: String,
    /// Normalised residual when it was removed; the limit is 3.
    pub normalised_residual: f64,
}

/// Estimated state of a substation's main bus.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BusEstimateView {
    /// Index of the substation.
    pub substation: usize,
    /// Its name.
    pub name: String,
    /// Magnitude in p.u. of the base voltage.
    pub vm_pu: Option<f64>,
    /// Angle.
    pub va_degree: Option<f64>,
    /// Magnitude in kV.
    pub vm_kv: Option<f64>,
    /// Whether the topology says that it is energised.
    pub energised: bool,
}

/// Estimated flow of a branch.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct BranchEstimateView {
    /// Index of the branch.
    pub branch: usize,
    /// Active power into the branch at the from end.
    pub p_from_mw: Option<f64>,
    /// Reactive power into the branch at the from end.
    pub q_from_mvar: Option<f64>,
    /// Active power into the branch at the to end.
    pub p_to_mw: Option<f64>,
    /// Reactive power into the branch at the to end.
    pub q_to_mvar: Option<f64>,
    /// Larger apparent power of both ends over the rating.
    pub loading_percent: Option<f64>,
}

/// The state estimate. Values of an island that did not converge are absent.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EstimateView {
    /// `converged`, `stopped`, `unobservable` or `waiting`.
    pub state: String,
    /// When it was made.
    pub time: Option<String>,
    /// Iterations of the slowest island.
    pub iterations: u32,
    /// Weighted sum of squared residuals.
    pub objective: f64,
    /// Measurements and constraints minus states.
    pub degrees_of_freedom: u32,
    /// Measurements and constraints per state.
    pub redundancy: f64,
    /// Limit of the objective at 99 % confidence.
    pub chi2_threshold: f64,
    /// Removed measurements; of a sum that is bad, such as the injection of a bus, every part.
    pub bad_data: Vec<BadDataView>,
    /// Buses that the measurements do not determine.
    pub unobservable: Vec<String>,
    /// One entry per substation.
    pub buses: Vec<BusEstimateView>,
    /// One entry per branch.
    pub branches: Vec<BranchEstimateView>,
}
