//! What really is, for tests and for people who compare it with what the centre believes. No noise, no delay.

use crate::drive::SwitchState;
use timebase::Utc;

/// The whole state at one instant, names as in the network.
#[derive(Clone, PartialEq, Debug)]
pub struct Truth {
    /// When.
    pub time: Utc,
    /// Substations in the order of the network.
    pub substations: Vec<SubstationTruth>,
    /// Lines, then transformers, in the order of the network.
    pub branches: Vec<BranchTruth>,
    /// Switches in the order of the network.
    pub switches: Vec<SwitchTruth>,
    /// Tap changers in the order of the network.
    pub taps: Vec<TapTruth>,
    /// Machines (delivered), loads and shunts (drawn) in the order of the network.
    pub injections: Vec<InjectionTruth>,
}

/// Voltage of a substation's first busbar.
#[derive(Clone, PartialEq, Debug)]
pub struct SubstationTruth {
    /// Name.
    pub name: String,
    /// Magnitude; `None` when de-energised.
    pub vm_pu: Option<f64>,
    /// Angle relative to the reference of the largest island; `None` when de-energised.
    pub va_degree: Option<f64>,
    /// Magnitude, line to line; `None` when de-energised.
    pub vm_kv: Option<f64>,
}

/// Flows into a line or transformer at both ends.
#[derive(Clone, PartialEq, Debug)]
pub struct BranchTruth {
    /// Name.
    pub name: String,
    /// Substation of the first end.
    pub from: String,
    /// Substation of the second end.
    pub to: String,
    /// Active power into the first end.
    pub p_from_mw: f64,
    /// Reactive power into the first end.
    pub q_from_mvar: f64,
    /// Active power into the second end.
    pub p_to_mw: f64,
    /// Reactive power into the second end.
    pub q_to_mvar: f64,
}

/// Position of a switch.
#[derive(Clone, PartialEq, Debug)]
pub struct SwitchTruth {
    /// Name.
    pub name: String,
    /// Where its contacts are.
    pub state: SwitchState,
}

/// Position of a tap changer.
#[derive(Clone, PartialEq, Debug)]
pub struct TapTruth {
    /// Name.
    pub name: String,
    /// Step.
    pub step: i16,
}

/// What an injection is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InjectionKind {
    /// A machine: power delivered.
    Machine,
    /// A load: power drawn.
    Load,
    /// A shunt: power drawn.
    Shunt,
}

/// Power of a machine, load or shunt.
#[derive(Clone, PartialEq, Debug)]
pub struct InjectionTruth {
    /// Name.
    pub name: String,
    /// What it is, and so which direction counts positive.
    pub kind: InjectionKind,
    /// Active power.
    pub p_mw: f64,
    /// Reactive power.
    pub q_mvar: f64,
}
