//! The network: all elements in dense arrays, checked once when it is built.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::equipment::{
    AcLineSegment, Bay, BusbarSection, ConnectivityNode, EnergyConsumer, Equipment, LinearShuntCompensator,
    PowerTransformer, RatioTapChanger, Substation, Switch, SynchronousMachine, Terminal, VoltageLevel,
};
use crate::index::{
    BayIdx, BusbarIdx, LineIdx, LoadIdx, MachineIdx, MeasurementIdx, Mrid, NodeIdx, ShuntIdx, SubstationIdx,
    SwitchIdx, TapChangerIdx, TerminalIdx, TransformerIdx, VoltageLevelIdx,
};
use crate::measurement::{Measurement, MeasurementRole};

/// The arrays of a network before they are checked. Indices in the elements are positions in these arrays.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NetworkParts {
    /// Name of the network.
    pub name: String,
    /// Three-phase base power of all per-unit figures.
    pub base_mva: f64,
    /// Nominal frequency.
    pub frequency_hz: f64,
    /// Substations.
    pub substations: Vec<Substation>,
    /// Voltage levels.
    pub voltage_levels: Vec<VoltageLevel>,
    /// Bays.
    pub bays: Vec<Bay>,
    /// Connectivity nodes.
    pub nodes: Vec<ConnectivityNode>,
    /// Terminals.
    pub terminals: Vec<Terminal>,
    /// Busbar sections.
    pub busbars: Vec<BusbarSection>,
    /// Switches.
    pub switches: Vec<Switch>,
    /// Lines.
    pub lines: Vec<AcLineSegment>,
    /// Transformers.
    pub transformers: Vec<PowerTransformer>,
    /// Tap changers.
    pub tap_changers: Vec<RatioTapChanger>,
    /// Machines.
    pub machines: Vec<SynchronousMachine>,
    /// Loads.
    pub loads: Vec<EnergyConsumer>,
    /// Shunts.
    pub shunts: Vec<LinearShuntCompensator>,
    /// Measurements.
    pub measurements: Vec<Measurement>,
}

/// A checked network. INVARIANT: every index leads to an element, mRIDs are unique, figures are finite and in
/// range, no series element has zero impedance.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    parts: NetworkParts,
    measurement_by_mrid: HashMap<Mrid, MeasurementIdx>,
    measurement_by_role: HashMap<MeasurementRole, MeasurementIdx>,
    equipment_by_mrid: HashMap<Mrid, Equipment>,
    switches_by_terminal: HashMap<TerminalIdx, Vec<SwitchIdx>>,
}

/// Why a network was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkError {
    /// Name or mRID of the faulty element.
    pub element: String,
    /// What is wrong with it, lower case, no full stop.
    pub reason: String,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.element, self.reason)
    }
}

impl std::error::Error for NetworkError {}

macro_rules! arrays {
    ($($field:ident: $index:ty => $element:ty, $doc:literal;)+) => {
        impl Network {$(
            #[doc = $doc]
            pub fn $field(&self) -> &[$element] {
                &self.parts.$field
            }
        )+}

        $(impl std::ops::Index<$index> for Network {
            type Output = $element;
            fn index(&self, index: $index) -> &$element {
                &self.parts.$field[index.at()]
            }
        })+
    };
}

arrays! {
    substations: SubstationIdx => Substation, "Substations in the order of their indices.";
    voltage_levels: VoltageLevelIdx => VoltageLevel, "Voltage levels in the order of their indices.";
    bays: BayIdx => Bay, "Bays in the order of their indices.";
    nodes: NodeIdx => ConnectivityNode, "Connectivity nodes in the order of their indices.";
    terminals: TerminalIdx => Terminal, "Terminals in the order of their indices.";
    busbars: BusbarIdx => BusbarSection, "Busbar sections in the order of their indices.";
    switches: SwitchIdx => Switch, "Switches in the order of their indices.";
    lines: LineIdx => AcLineSegment, "Lines in the order of their indices.";
    transformers: TransformerIdx => PowerTransformer, "Transformers in the order of their indices.";
    tap_changers: TapChangerIdx => RatioTapChanger, "Tap changers in the order of their indices.";
    machines: MachineIdx => SynchronousMachine, "Machines in the order of their indices.";
    loads: LoadIdx => EnergyConsumer, "Loads in the order of their indices.";
    shunts: ShuntIdx => LinearShuntCompensator, "Shunts in the order of their indices.";
    measurements: MeasurementIdx => Measurement, "Measurements in the order of their indices.";
}

impl Network {
    /// Checks the parts and makes them a network.
    pub fn new(parts: NetworkParts) -> Result<Self, NetworkError> {
        parts.check()?;
        let measurement_by_mrid = parts
            .measurements
            .iter()
            .zip(MeasurementIdx::all(parts.measurements.len()))
            .map(|(measurement, index)| (measurement.mrid.clone(), index))
            .collect();
        let mut measurement_by_role = HashMap::with_capacity(parts.measurements.len());
        for (measurement, index) in
            parts.measurements.iter().zip(MeasurementIdx::all(parts.measurements.len()))
        {
            measurement_by_role.entry(measurement.role).or_insert(index);
        }
        let equipment_by_mrid =
            parts.equipment().map(|(equipment, mrid, _)| (mrid.clone(), equipment)).collect();
        let mut switches_by_terminal: HashMap<TerminalIdx, Vec<SwitchIdx>> = HashMap::new();
        for (switch, index) in parts.switches.iter().zip(SwitchIdx::all(parts.switches.len())) {
            if let Some(bay) = switch.bay {
                switches_by_terminal.entry(parts.bays[bay.at()].serves).or_default().push(index);
            }
        }
        Ok(Self { parts, measurement_by_mrid, measurement_by_role, equipment_by_mrid, switches_by_terminal })
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Three-phase base power in MVA.
    pub fn base_mva(&self) -> f64 {
        self.parts.base_mva
    }

    /// Nominal frequency in Hz.
    pub fn frequency_hz(&self) -> f64 {
        self.parts.frequency_hz
    }

    /// The parts again, for a changed copy.
    pub fn into_parts(self) -> NetworkParts {
        self.parts
    }

    /// The measurement with that mRID.
    pub fn measurement_by_mrid(&self, mrid: &str) -> Option<MeasurementIdx> {
        Mrid::new(mrid).and_then(|mrid| self.measurement_by_mrid.get(&mrid).copied())
    }

    /// The first measurement with that meaning.
    pub fn measurement_of(&self, role: MeasurementRole) -> Option<MeasurementIdx> {
        self.measurement_by_role.get(&role).copied()
    }

    /// The equipment with that mRID.
    pub fn equipment_by_mrid(&self, mrid: &str) -> Option<Equipment> {
        Mrid::new(mrid).and_then(|mrid| self.equipment_by_mrid.get(&mrid).copied())
    }

    /// The node of a terminal.
    pub fn node_of(&self, terminal: TerminalIdx) -> NodeIdx {
        self[terminal].node
    }

    /// The voltage level of a node.
    pub fn voltage_level_of(&self, node: NodeIdx) -> &VoltageLevel {
        &self[self[node].voltage_level]
    }

    /// The substation of a node.
    pub fn substation_of(&self, node: NodeIdx) -> SubstationIdx {
        self.voltage_level_of(node).substation
    }

    /// mRID of a piece of equipment.
    pub fn mrid_of(&self, equipment: Equipment) -> &Mrid {
        match equipment {
            Equipment::Busbar(index) => &self[index].mrid,
            Equipment::Switch(index) => &self[index].mrid,
            Equipment::Line(index) => &self[index].mrid,
            Equipment::Transformer(index) => &self[index].mrid,
            Equipment::Machine(index) => &self[index].mrid,
            Equipment::Load(index) => &self[index].mrid,
            Equipment::Shunt(index) => &self[index].mrid,
        }
    }

    /// Name of a piece of equipment.
    pub fn name_of(&self, equipment: Equipment) -> &str {
        match equipment {
            Equipment::Busbar(index) => &self[index].name,
            Equipment::Switch(index) => &self[index].name,
            Equipment::Line(index) => &self[index].name,
            Equipment::Transformer(index) => &self[index].name,
            Equipment::Machine(index) => &self[index].name,
            Equipment::Load(index) => &self[index].name,
            Equipment::Shunt(index) => &self[index].name,
        }
    }

    /// Terminals of a piece of equipment: one, or two for switches, lines and transformers.
    pub fn terminals_of(&self, equipment: Equipment) -> Vec<TerminalIdx> {
        self.parts.terminals_of(equipment)
    }

    /// The switches of the bay that connects a terminal, in the order of the bay (busbar first).
    pub fn switches_of(&self, terminal: TerminalIdx) -> &[SwitchIdx] {
        self.switches_by_terminal.get(&terminal).map_or(&[], Vec::as_slice)
    }

    /// Moves a substation in the picture of the grid. Positions outside 0 to 1 are brought to the border.
    pub fn place(&mut self, substation: SubstationIdx, x: f64, y: f64) {
        if let Some(place) = self.parts.substations.get_mut(substation.at()) {
            place.x = x.clamp(0.0, 1.0);
            place.y = y.clamp(0.0, 1.0);
        }
    }
}

fn error<T>(element: &str, reason: impl Into<String>) -> Result<T, NetworkError> {
    Err(NetworkError { element: element.to_owned(), reason: reason.into() })
}

fn require(holds: bool, element: &str, reason: &str) -> Result<(), NetworkError> {
    if holds { Ok(()) } else { error(element, reason) }
}

impl NetworkParts {
    fn terminals_of(&self, equipment: Equipment) -> Vec<TerminalIdx> {
        match equipment {
            Equipment::Busbar(index) => vec![self.busbars[index.at()].terminal],
            Equipment::Switch(index) => self.switches[index.at()].terminals.to_vec(),
            Equipment::Line(index) => self.lines[index.at()].terminals.to_vec(),
            Equipment::Transformer(index) => {
                self.transformers[index.at()].ends.iter().map(|end| end.terminal).collect()
            }
            Equipment::Machine(index) => vec![self.machines[index.at()].terminal],
            Equipment::Load(index) => vec![self.loads[index.at()].terminal],
            Equipment::Shunt(index) => vec![self.shunts[index.at()].terminal],
        }
    }

    fn equipment(&self) -> impl Iterator<Item = (Equipment, &Mrid, &str)> {
        let busbars =
            (0_u32..).zip(&self.busbars).map(|(at, e)| (Equipment::Busbar(BusbarIdx(at)), &e.mrid, &*e.name));
        let switches = (0_u32..)
            .zip(&self.switches)
            .map(|(at, e)| (Equipment::Switch(SwitchIdx(at)), &e.mrid, &*e.name));
        let lines =
            (0_u32..).zip(&self.lines).map(|(at, e)| (Equipment::Line(LineIdx(at)), &e.mrid, &*e.name));
        let transformers = (0_u32..)
            .zip(&self.transformers)
            .map(|(at, e)| (Equipment::Transformer(TransformerIdx(at)), &e.mrid, &*e.name));
        let machines = (0_u32..)
            .zip(&self.machines)
            .map(|(at, e)| (Equipment::Machine(MachineIdx(at)), &e.mrid, &*e.name));
        let loads =
            (0_u32..).zip(&self.loads).map(|(at, e)| (Equipment::Load(LoadIdx(at)), &e.mrid, &*e.name));
        let shunts =
            (0_u32..).zip(&self.shunts).map(|(at, e)| (Equipment::Shunt(ShuntIdx(at)), &e.mrid, &*e.name));
        busbars.chain(switches).chain(lines).chain(transformers).chain(machines).chain(loads).chain(shunts)
    }

    fn check(&self) -> Result<(), NetworkError> {
        require(self.base_mva > 0.0 && self.base_mva.is_finite(), &self.name, "base power is not above 0")?;
        require(
            self.frequency_hz > 0.0 && self.frequency_hz.is_finite(),
            &self.name,
            "frequency is not above 0",
        )?;
        self.check_containers()?;
        self.check_terminals()?;
        self.check_switches()?;
        self.check_series()?;
        self.check_injections()?;
        self.check_measurements()?;
        self.check_mrids()
    }

    fn check_containers(&self) -> Result<(), NetworkError> {
        for place in &self.substations {
            let inside = (0.0..=1.0).contains(&place.x) && (0.0..=1.0).contains(&place.y);
            require(inside, &place.name, "position is not within 0 to 1")?;
        }
        for level in &self.voltage_levels {
            require(level.substation.at() < self.substations.len(), &level.name, "no such substation")?;
            require(
                level.nominal_kv > 0.0 && level.nominal_kv.is_finite(),
                &level.name,
                "nominal voltage is not above 0",
            )?;
        }
        for bay in &self.bays {
            require(bay.voltage_level.at() < self.voltage_levels.len(), &bay.name, "no such voltage level")?;
            require(bay.serves.at() < self.terminals.len(), &bay.name, "no such terminal")?;
        }
        for node in &self.nodes {
            require(
                node.voltage_level.at() < self.voltage_levels.len(),
                &node.name,
                "no such voltage level",
            )?;
        }
        Ok(())
    }

    fn has(&self, equipment: Equipment) -> bool {
        match equipment {
            Equipment::Busbar(index) => index.at() < self.busbars.len(),
            Equipment::Switch(index) => index.at() < self.switches.len(),
            Equipment::Line(index) => index.at() < self.lines.len(),
            Equipment::Transformer(index) => index.at() < self.transformers.len(),
            Equipment::Machine(index) => index.at() < self.machines.len(),
            Equipment::Load(index) => index.at() < self.loads.len(),
            Equipment::Shunt(index) => index.at() < self.shunts.len(),
        }
    }

    /// Every terminal has a node and an owner that names it, and every piece of equipment owns its terminals.
    fn check_terminals(&self) -> Result<(), NetworkError> {
        for terminal in &self.terminals {
            let name = terminal.mrid.as_str();
            require(terminal.node.at() < self.nodes.len(), name, "no such node")?;
            require(self.has(terminal.equipment), name, "no such equipment")?;
        }
        let mut owned = 0;
        for (equipment, _, name) in self.equipment() {
            for (index, sequence) in self.terminals_of(equipment).into_iter().zip(1..) {
                let own = self
                    .terminals
                    .get(index.at())
                    .is_some_and(|terminal| terminal.equipment == equipment && terminal.sequence == sequence);
                require(own, name, "terminal does not belong to it")?;
                owned += 1;
            }
        }
        require(owned == self.terminals.len(), &self.name, "a terminal belongs to no equipment")
    }

    fn level_of(&self, terminal: TerminalIdx) -> VoltageLevelIdx {
        self.nodes[self.terminals[terminal.at()].node.at()].voltage_level
    }

    fn check_switches(&self) -> Result<(), NetworkError> {
        for switch in &self.switches {
            let [one, other] = switch.terminals.map(|terminal| self.level_of(terminal));
            require(one == other, &switch.name, "joins two voltage levels")?;
            require(switch.bay.is_none_or(|bay| bay.at() < self.bays.len()), &switch.name, "no such bay")?;
        }
        Ok(())
    }

    fn check_series(&self) -> Result<(), NetworkError> {
        for line in &self.lines {
            let figures = [line.r_pu, line.x_pu, line.gch_pu, line.bch_pu];
            check_impedance(&line.name, figures, line.rating_mva)?;
        }
        for transformer in &self.transformers {
            let figures = [transformer.r_pu, transformer.x_pu, transformer.g_pu, transformer.b_pu];
            check_impedance(&transformer.name, figures, transformer.rating_mva)?;
            let sane = transformer.ratio > 0.0
                && transformer.ratio.is_finite()
                && transformer.shift_degree.is_finite();
            require(sane, &transformer.name, "ratio is not above 0 or shift is not finite")?;
            for changer in transformer.ends.iter().filter_map(|end| end.ratio_tap_changer) {
                require(changer.at() < self.tap_changers.len(), &transformer.name, "no such tap changer")?;
            }
            require(
                transformer.ends[1].ratio_tap_changer.is_none(),
                &transformer.name,
                "a tap changer is only supported at end 1",
            )?;
        }
        for (index, changer) in TapChangerIdx::all(self.tap_changers.len()).zip(&self.tap_changers) {
            let steps = changer.low_step..=changer.high_step;
            let inside = steps.contains(&changer.normal_step) && steps.contains(&changer.neutral_step);
            require(inside, &changer.name, "steps are not in order")?;
            let ends = [changer.low_step, changer.high_step].map(|step| changer.ratio_at(step));
            let sane = ends.iter().all(|ratio| *ratio > 0.0 && ratio.is_finite());
            require(sane, &changer.name, "ratio at an end step is not above 0")?;
            let owner = self.transformers.get(changer.transformer.at());
            let owned = owner.is_some_and(|owner| owner.ends[0].ratio_tap_changer == Some(index));
            require(owned, &changer.name, "does not belong to its transformer")?;
        }
        Ok(())
    }

    fn check_injections(&self) -> Result<(), NetworkError> {
        for machine in &self.machines {
            let finite = [machine.p_mw, machine.q_mvar].iter().all(|figure| figure.is_finite());
            let set = machine.voltage_set_point_pu > 0.0 && machine.voltage_set_point_pu.is_finite();
            require(
                finite && (set || !machine.regulating),
                &machine.name,
                "power or voltage set point is not sane",
            )?;
            let limits = [machine.min_p_mw, machine.max_p_mw, machine.min_q_mvar, machine.max_q_mvar];
            require(limits.iter().all(|limit| !limit.is_nan()), &machine.name, "a limit is not a number")?;
        }
        for load in &self.loads {
            require(load.p_mw.is_finite() && load.q_mvar.is_finite(), &load.name, "power is not finite")?;
        }
        for shunt in &self.shunts {
            let finite = shunt.g_per_section_pu.is_finite() && shunt.b_per_section_pu.is_finite();
            let sections = shunt.normal_sections <= shunt.maximum_sections;
            require(finite && sections, &shunt.name, "admittance is not finite or too many sections")?;
        }
        Ok(())
    }

    fn check_measurements(&self) -> Result<(), NetworkError> {
        for measurement in &self.measurements {
            let known = match measurement.role {
                MeasurementRole::BusbarVoltage(node) => node.at() < self.nodes.len(),
                MeasurementRole::BayVoltage(terminal) => terminal.at() < self.terminals.len(),
                MeasurementRole::ActiveFlow(terminal) | MeasurementRole::ReactiveFlow(terminal) => {
                    let owner = self.terminals.get(terminal.at()).map(|terminal| terminal.equipment);
                    matches!(owner, Some(Equipment::Line(_) | Equipment::Transformer(_)))
                }
                MeasurementRole::MachineActiveInjection(index)
                | MeasurementRole::MachineReactiveInjection(index) => index.at() < self.machines.len(),
                MeasurementRole::LoadActive(index)
                | MeasurementRole::LoadReactive(index)
                | MeasurementRole::LoadEnergy(index) => index.at() < self.loads.len(),
                MeasurementRole::ShuntReactiveInjection(index) => index.at() < self.shunts.len(),
                MeasurementRole::SwitchPosition(index) => index.at() < self.switches.len(),
                MeasurementRole::TapPosition(index) => index.at() < self.tap_changers.len(),
            };
            let placed =
                self.has(measurement.equipment) && measurement.substation.at() < self.substations.len();
            require(known && placed, &measurement.name, "measures something that does not exist")?;
        }
        Ok(())
    }

    fn check_mrids(&self) -> Result<(), NetworkError> {
        let containers = (self.substations.iter().map(|e| &e.mrid))
            .chain(self.voltage_levels.iter().map(|e| &e.mrid))
            .chain(self.bays.iter().map(|e| &e.mrid))
            .chain(self.nodes.iter().map(|e| &e.mrid))
            .chain(self.terminals.iter().map(|e| &e.mrid))
            .chain(self.tap_changers.iter().map(|e| &e.mrid))
            .chain(self.measurements.iter().map(|e| &e.mrid));
        let mut seen = HashSet::new();
        for mrid in containers.chain(self.equipment().map(|(_, mrid, _)| mrid)) {
            require(seen.insert(mrid), mrid.as_str(), "mRID is used twice")?;
        }
        let mut names = HashSet::new();
        for place in &self.substations {
            require(names.insert(&place.name), &place.name, "two substations have this name")?;
        }
        Ok(())
    }
}

fn check_impedance(name: &str, figures: [f64; 4], rating: Option<f64>) -> Result<(), NetworkError> {
    require(figures.iter().all(|figure| figure.is_finite()), name, "a parameter is not finite")?;
    require(figures[0] != 0.0 || figures[1] != 0.0, name, "neither resistance nor reactance")?;
    require(rating.is_none_or(|rating| rating > 0.0 && rating.is_finite()), name, "rating is not above 0")
}
