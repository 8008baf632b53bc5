//! The network in the words of IEC 61970-301 (CIM), and the bus-branch case of planning tools.
//!
//! - [`Network`]: substations, voltage levels, bays, nodes, terminals, switches, lines, transformers, machines,
//!   loads, shunts, measurements. Built from [`NetworkParts`], checked once, then trusted.
//! - [`MeasurementRole`]: what a measurement means electrically.
//! - [`busbranch::BusBranchCase`]: buses, generators and branches without switches.
//! - [`distribution`]: a distribution network conductor by conductor.
//! - [`expand`]: a bus-branch case becomes a node-breaker network by rule.
//!
//! Identity outside is an [`Mrid`], inside a dense typed index. Calculation models are built elsewhere.

pub mod busbranch;
mod diagnostic;
pub mod distribution;
mod equipment;
mod expand;
mod index;
mod measurement;
mod network;

pub use diagnostic::{Diagnostic, DiagnosticKind};
pub use equipment::{
    AcLineSegment, Bay, BusbarSection, ConnectivityNode, EnergyConsumer, Equipment, LinearShuntCompensator,
    PowerTransformer, PowerTransformerEnd, RatioTapChanger, Substation, Switch, SwitchKind,
    SynchronousMachine, Terminal, VoltageLevel,
};
pub use expand::{ExpandError, ExpandOptions, Expansion, expand};
pub use index::{
    BayIdx, BusbarIdx, LineIdx, LoadIdx, MachineIdx, MeasurementIdx, Mrid, NodeIdx, ShuntIdx, SubstationIdx,
    SwitchIdx, TapChangerIdx, TerminalIdx, TransformerIdx, VoltageLevelIdx,
};
pub use measurement::{Measurement, MeasurementRole, MeasurementType};
pub use network::{Network, NetworkError, NetworkParts};
