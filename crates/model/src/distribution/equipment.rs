//! Sources, transformers, capacitors and reactors.

use super::{OpenConductor, ShuntConnection, Terminal};

/// A voltage behind an impedance: the network above.
#[derive(Clone, PartialEq, Debug)]
pub struct EnergySource {
    /// Unique name.
    pub name: String,
    /// Where it is connected, one conductor per phase.
    pub terminal: Terminal,
    /// The other end of the source, ground where it is not connected otherwise.
    pub neutral: Terminal,
    /// Nominal voltage, line to line; across the source for one phase.
    pub nominal_kv: f64,
    /// CIM `voltageMagnitude`, per unit of the nominal voltage.
    pub voltage_pu: f64,
    /// CIM `voltageAngle` of the first phase.
    pub angle_degree: f64,
    /// Impedance between the voltage and the terminal.
    pub impedance: SourceImpedance,
    /// Whether it is connected.
    pub in_service: bool,
}

/// Impedance of a source, resistance and reactance in ohm; negative sequence as positive.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SourceImpedance {
    /// CIM `r`, `x`.
    pub z1_ohm: [f64; 2],
    /// CIM `r0`, `x0`.
    pub z0_ohm: [f64; 2],
}

/// How the windings of the phases of one transformer end are connected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WindingConnection {
    /// Each from its phase to the last conductor of the terminal.
    Wye,
    /// Each from its phase to the next one; a single winding from its first to its last conductor.
    Delta,
    /// CIM `Z`, `Zn`; three phases only. Each from its phase through half of its turns on the core of the phase and as
    /// many, backward, on the core of the next phase to the last conductor of the terminal.
    Zigzag {
        /// Whether the second half is on the core of the phase before.
        backward: bool,
    },
}

/// One winding per phase of a transformer.
#[derive(Clone, PartialEq, Debug)]
pub struct PowerTransformerEnd {
    /// Where it is connected: one conductor per phase and a last one, the neutral of a wye.
    pub terminal: Terminal,
    /// CIM `connectionKind`.
    pub connection: WindingConnection,
    /// CIM `ratedU`: line to line for two and three phases, across the winding for one.
    pub rated_kv: f64,
    /// CIM `ratedS` of all phases.
    pub rated_kva: f64,
    /// Resistance, per unit of the rating of end 1 of the transformer.
    pub r_pu: f64,
    /// Turns that are in use, per unit.
    pub tap_pu: f64,
    /// Fewest turns.
    pub min_tap_pu: f64,
    /// Most turns.
    pub max_tap_pu: f64,
    /// Steps from the fewest to the most.
    pub tap_steps: u16,
    /// CIM `r0`, `x0` of a zigzag: resistance and leakage reactance that zero-sequence currents of this end meet, those
    /// between the two halves, per unit of end 1. Without meaning for other connections, whose cores are separate.
    pub zero_sequence_pu: [f64; 2],
    /// CIM `rground`, `xground` in ohm: impedance from the neutral to ground besides what the terminal connects.
    pub grounding_ohm: Option<[f64; 2]>,
}

/// A transformer of any number of windings, or one phase of a bank.
#[derive(Clone, PartialEq, Debug)]
pub struct PowerTransformer {
    /// Unique name.
    pub name: String,
    /// Phases, each with its own core.
    pub phases: u8,
    /// Its windings.
    pub ends: Vec<PowerTransformerEnd>,
    /// Leakage reactance between two ends, per unit of end 1, in the order 1-2, 1-3, …, 2-3, ….
    pub x_pu: Vec<f64>,
    /// Losses without load, per unit of end 1.
    pub no_load_loss_pu: f64,
    /// Magnetising current, per unit of end 1.
    pub magnetising_pu: f64,
    /// Susceptance to ground that keeps a floating winding from having no voltage, per unit of end 1.
    pub anti_float_pu: f64,
    /// Whether the next phase of a delta is the one before: chosen so that the high side leads or lags.
    pub delta_backward: bool,
    /// Conductors that are open.
    pub open: Vec<OpenConductor>,
    /// Whether it is connected.
    pub in_service: bool,
}

/// A capacitor bank in steps, to ground, to a neutral, between phases, or in series.
#[doc(alias = "LinearShuntCompensator")]
#[derive(Clone, PartialEq, Debug)]
pub struct ShuntCompensator {
    /// Unique name.
    pub name: String,
    /// Where it is connected, one conductor per phase; for a delta with the last conductor of an open one.
    pub terminal: Terminal,
    /// The other end of a wye, one conductor per phase.
    pub neutral: Terminal,
    /// Wye or delta.
    pub connection: ShuntConnection,
    /// Phases.
    pub phases: u8,
    /// Susceptance of each step, of each phase.
    pub step_b_s: Vec<f64>,
    /// Steps that are switched on, counted from the first.
    pub steps_on: u16,
    /// Impedance in series with each phase of a wye, resistance and reactance in ohm.
    pub series_ohm: [f64; 2],
    /// Whether it is connected.
    pub in_service: bool,
}

/// A reactor from one terminal to another, or to ground.
#[derive(Clone, PartialEq, Debug)]
pub struct SeriesCompensator {
    /// Unique name.
    pub name: String,
    /// Its ends. The second may be ground.
    pub terminals: [Terminal; 2],
    /// Full `n × n` series resistance, row by row.
    pub r_ohm: Vec<f64>,
    /// Full `n × n` series reactance, row by row.
    pub x_ohm: Vec<f64>,
    /// Connected from each conductor of the first terminal to the next one instead.
    pub delta: bool,
    /// Whether it is connected.
    pub in_service: bool,
}
