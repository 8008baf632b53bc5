//! What is measured (CIM `Measurement`) and what it means electrically.
//!
//! Every bay has three measuring devices, as bays of a transmission substation have: the bay control unit and two
//! protection relays (main 1 and main 2), each on a winding and a core of its own. Each reads voltage, active and
//! reactive power. Names count them: `S4/L4-5/P` is the control unit's, `S4/L4-5/P2` and `S4/L4-5/P3` the relays'.

use std::collections::HashMap;

use crate::equipment::Equipment;
use crate::index::{
    BusbarIdx, LineIdx, LoadIdx, MachineIdx, Mrid, NodeIdx, ShuntIdx, SubstationIdx, SwitchIdx,
    TapChangerIdx, TerminalIdx, TransformerIdx,
};
use crate::network::NetworkParts;

/// CIM `Measurement.measurementType`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MeasurementType {
    /// Line-to-line voltage in kV.
    LineToLineVoltage,
    /// Active power of three phases in MW.
    ThreePhaseActivePower,
    /// Reactive power of three phases in Mvar.
    ThreePhaseReactivePower,
    /// Active energy of three phases in kWh.
    ThreePhaseActiveEnergy,
    /// Position of a switch.
    SwitchPosition,
    /// Position of a tap changer.
    TapPosition,
}

impl MeasurementType {
    /// The name in CIM files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LineToLineVoltage => "LineToLineVoltage",
            Self::ThreePhaseActivePower => "ThreePhaseActivePower",
            Self::ThreePhaseReactivePower => "ThreePhaseReactivePower",
            Self::ThreePhaseActiveEnergy => "ThreePhaseActiveEnergy",
            Self::SwitchPosition => "SwitchPosition",
            Self::TapPosition => "TapPosition",
        }
    }
}

/// What a measurement means electrically. Powers follow the load convention (positive out of the node into the
/// equipment) except where the name says injection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MeasurementRole {
    /// Voltage of a node, line to line, in kV.
    BusbarVoltage(NodeIdx),
    /// Voltage at the end of a bay, on the far side of its switches, line to line, in kV.
    BayVoltage(TerminalIdx),
    /// Active power into a line or transformer at this end, in MW.
    ActiveFlow(TerminalIdx),
    /// Reactive power into a line or transformer at this end, in Mvar.
    ReactiveFlow(TerminalIdx),
    /// Active power that a machine delivers, in MW.
    MachineActiveInjection(MachineIdx),
    /// Reactive power that a machine delivers, in Mvar.
    MachineReactiveInjection(MachineIdx),
    /// Active power that a load draws, in MW.
    LoadActive(LoadIdx),
    /// Reactive power that a load draws, in Mvar.
    LoadReactive(LoadIdx),
    /// Energy that a load has drawn, in kWh.
    LoadEnergy(LoadIdx),
    /// Reactive power that a shunt delivers, in Mvar.
    ShuntReactiveInjection(ShuntIdx),
    /// Position of a switch: on is closed.
    SwitchPosition(SwitchIdx),
    /// Step of a tap changer.
    TapPosition(TapChangerIdx),
}

impl MeasurementRole {
    /// The type in CIM's words.
    pub const fn measurement_type(self) -> MeasurementType {
        match self {
            Self::BusbarVoltage(_) | Self::BayVoltage(_) => MeasurementType::LineToLineVoltage,
            Self::ActiveFlow(_) | Self::MachineActiveInjection(_) | Self::LoadActive(_) => {
                MeasurementType::ThreePhaseActivePower
            }
            Self::ReactiveFlow(_)
            | Self::MachineReactiveInjection(_)
            | Self::LoadReactive(_)
            | Self::ShuntReactiveInjection(_) => MeasurementType::ThreePhaseReactivePower,
            Self::LoadEnergy(_) => MeasurementType::ThreePhaseActiveEnergy,
            Self::SwitchPosition(_) => MeasurementType::SwitchPosition,
            Self::TapPosition(_) => MeasurementType::TapPosition,
        }
    }
}

/// Something measured in a substation.
#[doc(alias = "Analog")]
#[doc(alias = "Discrete")]
#[doc(alias = "Accumulator")]
#[derive(Clone, PartialEq, Debug)]
pub struct Measurement {
    /// Identity.
    pub mrid: Mrid,
    /// Unique name for people, e.g. `S4/L4-5/P`.
    pub name: String,
    /// What it means.
    pub role: MeasurementRole,
    /// The equipment measured.
    pub equipment: Equipment,
    /// Where it is measured.
    pub substation: SubstationIdx,
}

/// Measuring devices of a bay.
const DEVICES_PER_BAY: u8 = 3;

/// The measurements that a network has by rule, grouped by substation in its order. Identities stand under `root`.
pub(crate) fn plan(parts: &NetworkParts, root: &Mrid) -> Vec<Measurement> {
    let mut planner = Planner { parts, root, found: Vec::new() };
    planner.voltages();
    for (index, line) in LineIdx::all(parts.lines.len()).zip(&parts.lines) {
        planner.series(Equipment::Line(index), &line.name, line.terminals);
    }
    for (index, transformer) in TransformerIdx::all(parts.transformers.len()).zip(&parts.transformers) {
        let ends = [transformer.ends[0].terminal, transformer.ends[1].terminal];
        planner.series(Equipment::Transformer(index), &transformer.name, ends);
    }
    planner.injections();
    planner.positions();
    planner.found.sort_by_key(|measurement| measurement.substation);
    planner.found
}

struct Planner<'a> {
    parts: &'a NetworkParts,
    root: &'a Mrid,
    found: Vec<Measurement>,
}

impl Planner<'_> {
    fn substation(&self, terminal: TerminalIdx) -> SubstationIdx {
        let node = self.parts.terminals[terminal.at()].node;
        self.parts.voltage_levels[self.parts.nodes[node.at()].voltage_level.at()].substation
    }

    fn add(&mut self, name: String, role: MeasurementRole, at: TerminalIdx) {
        let equipment = self.parts.terminals[at.at()].equipment;
        let mrid = self.root.part(&name.replace('/', "."));
        let substation = self.substation(at);
        self.found.push(Measurement { mrid, name, role, equipment, substation });
    }

    fn voltages(&mut self) {
        let mut busbars: HashMap<SubstationIdx, u32> = HashMap::new();
        for busbar in &self.parts.busbars {
            *busbars.entry(self.substation(busbar.terminal)).or_default() += 1;
        }
        for index in BusbarIdx::all(self.parts.busbars.len()) {
            let busbar = &self.parts.busbars[index.at()];
            let substation = self.substation(busbar.terminal);
            let alone = busbars.get(&substation) == Some(&1);
            let place = if alone { &self.parts.substations[substation.at()].name } else { &busbar.name };
            let node = self.parts.terminals[busbar.terminal.at()].node;
            self.add(format!("{place}/V"), MeasurementRole::BusbarVoltage(node), busbar.terminal);
        }
    }

    /// What the devices of a bay read: the powers, then the voltage.
    fn bay(&mut self, place: &str, at: TerminalIdx, powers: &[(&str, MeasurementRole)]) {
        for device in 1..=DEVICES_PER_BAY {
            let number = if device == 1 { String::new() } else { device.to_string() };
            for (quantity, role) in powers {
                self.add(format!("{place}/{quantity}{number}"), *role, at);
            }
            self.add(format!("{place}/V{number}"), MeasurementRole::BayVoltage(at), at);
        }
    }

    fn series(&mut self, equipment: Equipment, name: &str, ends: [TerminalIdx; 2]) {
        let inside = self.substation(ends[0]) == self.substation(ends[1]);
        for (terminal, number) in ends.into_iter().zip(1..) {
            let substation = &self.parts.substations[self.substation(terminal).at()].name;
            let end = if inside { format!("/End{number}") } else { String::new() };
            let place = format!("{substation}/{name}{end}");
            let powers = [
                ("P", MeasurementRole::ActiveFlow(terminal)),
                ("Q", MeasurementRole::ReactiveFlow(terminal)),
            ];
            self.bay(&place, terminal, &powers);
        }
        if let Equipment::Transformer(index) = equipment
            && let Some(changer) = self.parts.transformers[index.at()].ends[0].ratio_tap_changer
        {
            let name = self.parts.tap_changers[changer.at()].name.clone();
            self.add(name, MeasurementRole::TapPosition(changer), ends[0]);
        }
    }

    fn injections(&mut self) {
        for index in MachineIdx::all(self.parts.machines.len()) {
            let (name, at) =
                (&self.parts.machines[index.at()].name, self.parts.machines[index.at()].terminal);
            let powers = [
                ("P", MeasurementRole::MachineActiveInjection(index)),
                ("Q", MeasurementRole::MachineReactiveInjection(index)),
            ];
            self.bay(name, at, &powers);
        }
        for index in LoadIdx::all(self.parts.loads.len()) {
            let (name, at) =
                (self.parts.loads[index.at()].name.clone(), self.parts.loads[index.at()].terminal);
            let powers =
                [("P", MeasurementRole::LoadActive(index)), ("Q", MeasurementRole::LoadReactive(index))];
            self.bay(&name, at, &powers);
            self.add(format!("{name}/E"), MeasurementRole::LoadEnergy(index), at);
        }
        for index in ShuntIdx::all(self.parts.shunts.len()) {
            let shunt = &self.parts.shunts[index.at()];
            let power = [("Q", MeasurementRole::ShuntReactiveInjection(index))];
            self.bay(&shunt.name, shunt.terminal, &power);
        }
    }

    fn positions(&mut self) {
        for index in SwitchIdx::all(self.parts.switches.len()) {
            let switch = &self.parts.switches[index.at()];
            // The switch's own mRID is its name's; the measurement is a part of it.
            let mrid = switch.mrid.part("Pos");
            self.add(switch.name.clone(), MeasurementRole::SwitchPosition(index), switch.terminals[0]);
            if let Some(measurement) = self.found.last_mut() {
                measurement.mrid = mrid;
            }
        }
    }
}
