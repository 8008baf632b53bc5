//! The classes of the network, named after IEC 61970-301 (CIM). Electrical parameters are per unit on the
//! network's base power and the base voltage of their place, because that is what planning data give.

use crate::index::{
    BayIdx, BusbarIdx, LineIdx, LoadIdx, MachineIdx, Mrid, NodeIdx, ShuntIdx, SubstationIdx, SwitchIdx,
    TapChangerIdx, TerminalIdx, TransformerIdx, VoltageLevelIdx,
};

/// A piece of conducting equipment (CIM `ConductingEquipment`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Equipment {
    /// A busbar section.
    Busbar(BusbarIdx),
    /// A breaker or disconnector.
    Switch(SwitchIdx),
    /// A line or cable.
    Line(LineIdx),
    /// A transformer.
    Transformer(TransformerIdx),
    /// A machine with its generating unit.
    Machine(MachineIdx),
    /// A load.
    Load(LoadIdx),
    /// A shunt.
    Shunt(ShuntIdx),
}

/// A place with switchgear.
#[derive(Clone, PartialEq, Debug)]
pub struct Substation {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people.
    pub name: String,
    /// Position in a picture of the whole grid, 0 (left) to 1.
    pub x: f64,
    /// Position in a picture of the whole grid, 0 (top) to 1.
    pub y: f64,
}

/// The part of a substation at one voltage.
#[derive(Clone, PartialEq, Debug)]
pub struct VoltageLevel {
    /// Identity.
    pub mrid: Mrid,
    /// Name for people.
    pub name: String,
    /// Where it is.
    pub substation: SubstationIdx,
    /// CIM `BaseVoltage.nominalVoltage`, line to line.
    pub nominal_kv: f64,
    /// CIM `lowVoltageLimit`.
    pub low_voltage_limit_kv: Option<f64>,
    /// CIM `highVoltageLimit`.
    pub high_voltage_limit_kv: Option<f64>,
}

/// The switchgear of one feeder.
#[derive(Clone, PartialEq, Debug)]
pub struct Bay {
    /// Identity.
    pub mrid: Mrid,
    /// Name for people, e.g. `S4/L4-5`.
    pub name: String,
    /// Where it is.
    pub voltage_level: VoltageLevelIdx,
    /// The terminal that it connects.
    pub serves: TerminalIdx,
}

/// A point where terminals meet with no impedance between them.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectivityNode {
    /// Identity.
    pub mrid: Mrid,
    /// Name for people.
    pub name: String,
    /// Where it is.
    pub voltage_level: VoltageLevelIdx,
}

/// The end of a piece of equipment at a node.
#[derive(Clone, PartialEq, Debug)]
pub struct Terminal {
    /// Identity.
    pub mrid: Mrid,
    /// Whose end it is.
    pub equipment: Equipment,
    /// CIM `sequenceNumber`, from 1.
    pub sequence: u8,
    /// Where it is connected.
    pub node: NodeIdx,
}

/// A conductor that joins bays.
#[derive(Clone, PartialEq, Debug)]
pub struct BusbarSection {
    /// Identity.
    pub mrid: Mrid,
    /// Name for people.
    pub name: String,
    /// Its end.
    pub terminal: TerminalIdx,
}

/// Subclasses of CIM `Switch`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SwitchKind {
    /// Interrupts faults.
    Breaker,
    /// Isolates, without current.
    Disconnector,
}

/// A device that opens and closes.
#[doc(alias = "Breaker")]
#[doc(alias = "Disconnector")]
#[derive(Clone, PartialEq, Debug)]
pub struct Switch {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `S4/L4-5/CB`.
    pub name: String,
    /// What it can interrupt.
    pub kind: SwitchKind,
    /// CIM `normalOpen`.
    pub normal_open: bool,
    /// Its ends.
    pub terminals: [TerminalIdx; 2],
    /// The bay it belongs to, if any.
    pub bay: Option<BayIdx>,
}

/// A line or cable of one kind, π model.
#[doc(alias = "ACLineSegment")]
#[derive(Clone, PartialEq, Debug)]
pub struct AcLineSegment {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `L4-5`.
    pub name: String,
    /// Its ends: from, to.
    pub terminals: [TerminalIdx; 2],
    /// Series resistance.
    pub r_pu: f64,
    /// Series reactance.
    pub x_pu: f64,
    /// Total shunt conductance (`gch`).
    pub gch_pu: f64,
    /// Total charging susceptance (`bch`).
    pub bch_pu: f64,
    /// Long-term rating; `None` without one.
    pub rating_mva: Option<f64>,
}

/// One winding of a transformer.
#[derive(Clone, PartialEq, Debug)]
pub struct PowerTransformerEnd {
    /// Where it is connected.
    pub terminal: TerminalIdx,
    /// Rated voltage, line to line.
    pub rated_kv: f64,
    /// Its tap changer, if it has one.
    pub ratio_tap_changer: Option<TapChangerIdx>,
}

/// A two-winding transformer, π model with the ideal transformer at end 1.
#[derive(Clone, PartialEq, Debug)]
pub struct PowerTransformer {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `T4-7`.
    pub name: String,
    /// Its ends: from (with the ideal transformer), to.
    pub ends: [PowerTransformerEnd; 2],
    /// Series resistance.
    pub r_pu: f64,
    /// Series reactance.
    pub x_pu: f64,
    /// Total magnetising conductance.
    pub g_pu: f64,
    /// Total magnetising or charging susceptance.
    pub b_pu: f64,
    /// Off-nominal ratio at end 1 while no tap changer says otherwise.
    pub ratio: f64,
    /// Fixed phase shift; positive delays the *to* side.
    pub shift_degree: f64,
    /// Long-term rating; `None` without one.
    pub rating_mva: Option<f64>,
}

/// Changes the ratio of a transformer end in steps.
#[derive(Clone, PartialEq, Debug)]
pub struct RatioTapChanger {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `S4/T4-7/Tap`.
    pub name: String,
    /// Whose it is.
    pub transformer: TransformerIdx,
    /// CIM `lowStep`.
    pub low_step: i16,
    /// CIM `highStep`.
    pub high_step: i16,
    /// CIM `neutralStep`.
    pub neutral_step: i16,
    /// CIM `normalStep`: where it starts.
    pub normal_step: i16,
    /// CIM `stepVoltageIncrement`, in percent of the rated voltage.
    pub step_voltage_increment_percent: f64,
    /// Off-nominal ratio at the normal step, exactly as the source gives it.
    pub normal_ratio: f64,
}

/// A synchronous machine with its generating unit.
#[doc(alias = "GeneratingUnit")]
#[derive(Clone, PartialEq, Debug)]
pub struct SynchronousMachine {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `S1/G1`.
    pub name: String,
    /// Its end.
    pub terminal: TerminalIdx,
    /// Scheduled active power delivered (an injection, against the load convention).
    pub p_mw: f64,
    /// Scheduled reactive power delivered.
    pub q_mvar: f64,
    /// `GeneratingUnit.minOperatingP`, may be infinite.
    pub min_p_mw: f64,
    /// `GeneratingUnit.maxOperatingP`, may be infinite.
    pub max_p_mw: f64,
    /// CIM `minQ`, may be infinite.
    pub min_q_mvar: f64,
    /// CIM `maxQ`, may be infinite.
    pub max_q_mvar: f64,
    /// Whether it holds the voltage of its node (CIM `RegulatingControl.enabled`).
    pub regulating: bool,
    /// The voltage that it holds.
    pub voltage_set_point_pu: f64,
    /// CIM `referencePriority`: 0 never the reference, 1 first choice.
    pub reference_priority: u32,
}

/// A load.
#[derive(Clone, PartialEq, Debug)]
pub struct EnergyConsumer {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `S4/Load`.
    pub name: String,
    /// Its end.
    pub terminal: TerminalIdx,
    /// CIM `p`, drawn.
    pub p_mw: f64,
    /// CIM `q`, drawn.
    pub q_mvar: f64,
}

/// A shunt of equal sections.
#[derive(Clone, PartialEq, Debug)]
pub struct LinearShuntCompensator {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `S9/Shunt`.
    pub name: String,
    /// Its end.
    pub terminal: TerminalIdx,
    /// CIM `gPerSection`: draws p = g·v².
    pub g_per_section_pu: f64,
    /// CIM `bPerSection`: delivers q = b·v².
    pub b_per_section_pu: f64,
    /// CIM `normalSections`.
    pub normal_sections: u16,
    /// CIM `maximumSections`.
    pub maximum_sections: u16,
}

impl RatioTapChanger {
    /// Off-nominal ratio at a step; a step beyond an end counts as that end.
    pub fn ratio_at(&self, step: i16) -> f64 {
        let moved = i32::from(step.clamp(self.low_step, self.high_step)) - i32::from(self.normal_step);
        self.normal_ratio + f64::from(moved) * self.step_voltage_increment_percent / 100.0
    }
}
