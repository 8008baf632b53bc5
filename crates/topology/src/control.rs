//! What regulates in a grid besides machines at their own bus: data of the controls that a power flow follows in outer
//! loops. Indices are those of the [`crate::calc::Grid`] that goes with them; p.u. on its base.

use crate::calc::{BranchIdx, BusIdx};

/// All controls of a grid.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Controls {
    /// Who shares what the slacks would deliver alone.
    pub participants: Vec<Participant>,
    /// Loads that depend on their voltage.
    pub loads: Vec<VoltageDependentLoad>,
    /// Machines that hold the voltage of another bus, in groups.
    pub remote_voltages: Vec<RemoteVoltage>,
    /// Tap changers that hold a voltage.
    pub taps: Vec<TapControl>,
    /// Phase shifters that hold an active flow.
    pub phase_shifters: Vec<ShiftControl>,
    /// Shunts that are switched in blocks.
    pub shunts: Vec<ShuntControl>,
    /// DC lines with a set point.
    pub dc_lines: Vec<DcLineControl>,
}

impl Controls {
    /// Whether there is nothing to follow.
    pub fn is_empty(&self) -> bool {
        self.participants.is_empty()
            && self.loads.is_empty()
            && self.remote_voltages.is_empty()
            && self.taps.is_empty()
            && self.phase_shifters.is_empty()
            && self.shunts.is_empty()
            && self.dc_lines.is_empty()
    }
}

/// A bus that takes part in the balance of its island.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Participant {
    /// Where.
    pub bus: BusIdx,
    /// Weight; the share is the weight over the sum of the weights of the island.
    pub factor: f64,
    /// Least and most that may be added to the scheduled injection of the bus.
    pub room_pu: [f64; 2],
}

/// A load in addition to the constant power of its bus. It draws `constant current · v + constant impedance · v²`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VoltageDependentLoad {
    /// Where.
    pub bus: BusIdx,
    /// Active and reactive power drawn at 1 p.u. in proportion to the voltage.
    pub constant_current_pu: [f64; 2],
    /// Active and reactive power drawn at 1 p.u. in proportion to its square.
    pub constant_impedance_pu: [f64; 2],
}

/// Machines that hold the voltage of one bus together.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteVoltage {
    /// The bus whose voltage is held.
    pub bus: BusIdx,
    /// Magnitude held.
    pub v_set_pu: f64,
    /// Buses of the machines with their share of the reactive power; not slacks. Limits are those of the buses.
    pub machines: Vec<(BusIdx, f64)>,
}

/// What more of a setting does to what it controls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It rises.
    Raises,
    /// It falls.
    Lowers,
}

/// A tap changer that keeps a voltage within a band.
#[derive(Clone, PartialEq, Debug)]
pub struct TapControl {
    /// The transformer.
    pub branch: BranchIdx,
    /// The bus whose voltage is held.
    pub bus: BusIdx,
    /// What a higher ratio does to it. With the to side fed from the from side it lowers that of the to side.
    pub effect: Effect,
    /// Lowest and highest magnitude; with continuous taps their mean is held.
    pub band_pu: [f64; 2],
    /// Lowest and highest ratio.
    pub ratio: [f64; 2],
    /// Ratio of one step; `None` moves continuously.
    pub step: Option<f64>,
}

/// A phase shifter that keeps the active flow at its from end within a band.
#[derive(Clone, PartialEq, Debug)]
pub struct ShiftControl {
    /// The transformer.
    pub branch: BranchIdx,
    /// Lowest and highest active power into the branch at its from end; with continuous shifts their mean is held.
    pub band_pu: [f64; 2],
    /// Smallest and largest shift.
    pub shift_rad: [f64; 2],
    /// Angle of one step; `None` moves continuously.
    pub step_rad: Option<f64>,
}

/// A shunt whose blocks are switched to keep a voltage within a band.
#[derive(Clone, PartialEq, Debug)]
pub struct ShuntControl {
    /// Where the shunt is.
    pub shunt: BusIdx,
    /// The bus whose voltage is held.
    pub bus: BusIdx,
    /// Lowest and highest magnitude.
    pub band_pu: [f64; 2],
    /// Susceptance of one block, in addition to that of the bus; negative for reactors.
    pub block_pu: f64,
    /// Blocks in service at first.
    pub blocks: u32,
    /// Blocks there are.
    pub most_blocks: u32,
}

/// A DC line that draws `set + droop · (θ(from) - θ(to))` at its from end and delivers that less its losses.
///
/// Its injections come on top of those in the buses.
#[derive(Clone, PartialEq, Debug)]
pub struct DcLineControl {
    /// Where power is drawn.
    pub from: BusIdx,
    /// Where it is delivered.
    pub to: BusIdx,
    /// Power drawn without an angle.
    pub p_set_pu: f64,
    /// Power per radian between the ends; 0 for a set point alone.
    pub droop_pu: f64,
    /// Least and most power drawn.
    pub p_pu: [f64; 2],
    /// Loss without flow.
    pub loss0_pu: f64,
    /// Loss per power drawn.
    pub loss1: f64,
}
