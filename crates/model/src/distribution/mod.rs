//! A distribution network conductor by conductor, in the words of IEC 61970-301 and IEC 61968-11 (CIM).
//!
//! A [`Terminal`] connects each conductor of a piece of equipment to a [`Conductor`] of a [`ConnectivityNode`]: phases,
//! neutral, further wires, or ground. Figures are in SI units, or per unit of the rating of the same equipment where
//! the field says so. Elements lie in dense arrays; a reference is a position in one of them.
//!
//! Readers fill [`DistributionNetwork`]; [`DistributionNetwork::check`] holds the rules that a calculation relies on.

mod capability;
mod check;
mod control;
mod equipment;
mod injection;
mod line;
mod wire;

pub use capability::{along_curve, along_ray, by_priority, curve_at};
pub use check::DistributionError;
pub use control::{
    CapacitorControl, CapacitorControlMode, MonitoredEnd, MonitoredPhase, ReverseSetting, TapChangerControl,
};
pub use equipment::{
    EnergySource, PowerTransformer, PowerTransformerEnd, SeriesCompensator, ShuntCompensator,
    SourceImpedance, WindingConnection,
};
pub use injection::{
    ConverterControl, ConverterKind, ConverterPriority, ConverterVoltage, EnergyConsumer, LoadResponse,
    PowerElectronicsConnection, ShuntConnection, VoltageRange,
};
pub use line::{AcLineSegment, LineImpedance};
pub use wire::{
    COPPER_TAPE_OHM_M, CableInfo, ConcentricNeutralCableInfo, EarthReturn, LineGeometry, TapeShieldCableInfo,
    WireInfo, WireKind, WirePosition,
};

/// A conductor at a node: 0 is ground, 1 to 3 are the phases A, B, C, 4 is by habit the neutral; more are allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Conductor(pub u8);

impl Conductor {
    /// Ground: the reference of all voltages, no unknown.
    pub const GROUND: Self = Self(0);

    /// Whether this is ground.
    pub const fn is_ground(self) -> bool {
        self.0 == 0
    }
}

/// Position of a [`ConnectivityNode`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeIdx(pub u32);

impl NodeIdx {
    /// The index as an array position.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// Where the conductors of one end of a piece of equipment are connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// The node.
    pub node: NodeIdx,
    /// One entry per conductor of the equipment at this end.
    pub conductors: Vec<Conductor>,
}

/// A conductor of a piece of equipment that is open at one of its ends: no current flows there, whatever it is connected
/// to. The other end stays connected, with what the conductor charges.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OpenConductor {
    /// The end, from 0.
    pub end: u8,
    /// Position in the conductors of the terminal, from 0.
    pub conductor: u8,
}

/// A place where conductors of equipment meet, called a bus by most tools.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectivityNode {
    /// Unique name.
    pub name: String,
    /// CIM `BaseVoltage.nominalVoltage`, line to line; `None` where nothing says what it is.
    pub nominal_kv: Option<f64>,
}

/// A distribution network.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DistributionNetwork {
    /// Name of the network.
    pub name: String,
    /// Frequency of all reactances.
    pub frequency_hz: f64,
    /// CIM `BaseVoltage`: the nominal voltages that occur, line to line. Nodes without one take the nearest to what
    /// ratings say; empty, they take the rating itself.
    pub base_voltages_kv: Vec<f64>,
    /// Nodes.
    pub nodes: Vec<ConnectivityNode>,
    /// Sources behind an impedance.
    pub sources: Vec<EnergySource>,
    /// Lines and cables.
    pub lines: Vec<AcLineSegment>,
    /// Transformers and regulators.
    pub transformers: Vec<PowerTransformer>,
    /// Capacitors.
    pub capacitors: Vec<ShuntCompensator>,
    /// Reactors, in series or to ground.
    pub reactors: Vec<SeriesCompensator>,
    /// Loads.
    pub loads: Vec<EnergyConsumer>,
    /// Generators, photovoltaic systems and batteries.
    pub converters: Vec<PowerElectronicsConnection>,
    /// Controls of tap changers, in the order in which they are asked.
    pub tap_controls: Vec<TapChangerControl>,
    /// Controls of capacitors, in the order in which they are asked.
    pub capacitor_controls: Vec<CapacitorControl>,
}

#[cfg(test)]
mod tests;
