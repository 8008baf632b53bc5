//! The arrays of the calculation model.

use model::distribution::PowerElectronicsConnection;
use sparse::complex::Complex;

use super::branch::ShuntBranch;
use super::control::{BankControl, TapControl};
use super::transformer::TransformerWindings;

/// In a list of nodes: the conductor is at ground, its voltage is zero and nobody asks for its current.
pub const GROUND: u32 = u32::MAX;

/// All conductors of one place.
#[derive(Clone, PartialEq, Debug)]
pub struct PhaseBus {
    /// Name.
    pub name: String,
    /// Nominal voltage to neutral in volts; NaN where nothing says what it is.
    pub base_v: f64,
    /// Its first node, and how many it has.
    pub first_node: u32,
    /// Number of its nodes.
    pub node_count: u32,
}

/// One conductor of one bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhaseNode {
    /// The bus.
    pub bus: u32,
    /// Number of the conductor: 1 to 3 for phases A, B, C, 4 by habit for the neutral.
    pub conductor: u8,
}

/// Which piece of equipment an element stands for, by position in the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ElementKind {
    /// A source with its impedance.
    Source(u32),
    /// A line.
    Line(u32),
    /// A transformer.
    Transformer(u32),
    /// A capacitor.
    Capacitor(u32),
    /// A reactor.
    Reactor(u32),
    /// The grounding of a load's neutral.
    LoadGrounding(u32),
}

/// A linear block. Its nodes are `element_nodes[first_node..][..size]`, its admittance
/// `admittance_s[first_value..][..size²]`, row by row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element {
    /// What it stands for.
    pub kind: ElementKind,
    /// Start of its nodes.
    pub first_node: u32,
    /// Conductors of all ends.
    pub size: u32,
    /// Conductors of one end: end `t` has the conductors `t·per_end` to `(t+1)·per_end`.
    pub per_end: u32,
    /// Start of its values.
    pub first_value: u32,
    /// Out of service the values are zero.
    pub in_service: bool,
}

/// Voltages behind the impedance of a source element: they inject `Y_e · emf`.
#[derive(Clone, PartialEq, Debug)]
pub struct Source {
    /// The element.
    pub element: u32,
    /// One voltage per conductor of the element; those of its second end are zero.
    pub emf_v: Vec<Complex>,
}

/// A capacitor whose steps can be switched.
#[derive(Clone, PartialEq, Debug)]
pub struct CapacitorSteps {
    /// The element.
    pub element: u32,
    /// Steps that are on.
    pub steps_on: u16,
    /// Values of the element after 0, 1, 2, … steps.
    pub admittance_s: Vec<Vec<Complex>>,
}

/// A converter whose power depends on voltage.
#[derive(Clone, PartialEq, Debug)]
pub struct ControlledConverter {
    /// Its settings.
    pub settings: PowerElectronicsConnection,
    /// Its branches, one per phase.
    pub branches: std::ops::Range<usize>,
}

/// The calculation model of a distribution network.
#[derive(Clone, PartialEq, Debug)]
pub struct PhaseGrid {
    /// Frequency of all reactances.
    pub frequency_hz: f64,
    /// Buses, in the order of the network's nodes.
    pub buses: Vec<PhaseBus>,
    /// Nodes, bus by bus, conductors ascending.
    pub nodes: Vec<PhaseNode>,
    /// Linear blocks.
    pub elements: Vec<Element>,
    /// Nodes of the blocks; [`GROUND`] for a conductor at ground.
    pub element_nodes: Vec<u32>,
    /// Values of the blocks.
    pub admittance_s: Vec<Complex>,
    /// Voltage sources.
    pub sources: Vec<Source>,
    /// Loads and converters, phase by phase.
    pub branches: Vec<ShuntBranch>,
    /// Windings of the transformers, in the order of the network's transformers.
    pub transformers: Vec<TransformerWindings>,
    /// Steps of the capacitors, in the order of the network's capacitors.
    pub capacitors: Vec<CapacitorSteps>,
    /// Converters whose power depends on voltage.
    pub converters: Vec<ControlledConverter>,
    /// Controls of taps, in the order in which they are asked.
    pub tap_controls: Vec<TapControl>,
    /// Controls of capacitors, in the order in which they are asked.
    pub bank_controls: Vec<BankControl>,
    /// Hour of the day, from 0 to 24, that controls by time go by.
    pub hour: f64,
}

impl Element {
    /// Positions of its nodes in `element_nodes`.
    pub const fn node_range(&self) -> std::ops::Range<usize> {
        self.first_node as usize..(self.first_node + self.size) as usize
    }

    /// Positions of its values in `admittance_s`.
    pub const fn value_range(&self) -> std::ops::Range<usize> {
        self.first_value as usize..(self.first_value + self.size * self.size) as usize
    }
}

impl PhaseGrid {
    /// Nodes of an element.
    pub fn nodes_of(&self, element: &Element) -> &[u32] {
        &self.element_nodes[element.node_range()]
    }

    /// Values of an element, row by row.
    pub fn values_of(&self, element: &Element) -> &[Complex] {
        &self.admittance_s[element.value_range()]
    }

    /// The node of a conductor of a bus; `None` when nothing is connected there.
    pub fn node(&self, bus: u32, conductor: u8) -> Option<u32> {
        let place = self.buses.get(bus as usize)?;
        (place.first_node..place.first_node + place.node_count)
            .find(|&node| self.nodes[node as usize].conductor == conductor)
    }

    /// Nominal voltage to neutral at a node.
    pub fn base_v(&self, node: u32) -> f64 {
        self.buses[self.nodes[node as usize].bus as usize].base_v
    }

    /// Sets what a controlled converter delivers, in kilowatt and kilovar of all phases.
    pub fn set_converter(&mut self, converter: usize, [p_kw, q_kvar]: [f64; 2]) {
        let range = self.converters[converter].branches.clone();
        let each = 1000.0 / range.len().max(1) as f64;
        for branch in &mut self.branches[range] {
            branch.set_power(Complex::new(-p_kw, -q_kvar) * each);
        }
    }

    /// Moves a tap; the element of the transformer follows. Returns whether anything changed.
    ///
    /// The tap is kept between its ends.
    pub fn set_tap(&mut self, transformer: usize, winding: usize, tap_pu: f64) -> bool {
        let windings = &mut self.transformers[transformer];
        let place = &mut windings.windings[winding];
        let tap = tap_pu.max(place.min_tap_pu).min(place.max_tap_pu);
        if tap == place.tap_pu {
            return false;
        }
        place.tap_pu = tap;
        let element = self.elements[windings.element as usize];
        if element.in_service {
            windings.admittance(&mut self.admittance_s[element.value_range()]);
        }
        true
    }

    /// Switches steps of a capacitor; its element follows. Returns whether anything changed.
    pub fn set_steps(&mut self, capacitor: usize, steps_on: u16) -> bool {
        let steps = &mut self.capacitors[capacitor];
        let most = u16::try_from(steps.admittance_s.len() - 1).unwrap_or(u16::MAX);
        let steps_on = steps_on.min(most);
        if steps_on == steps.steps_on {
            return false;
        }
        steps.steps_on = steps_on;
        let element = self.elements[steps.element as usize];
        if element.in_service {
            self.admittance_s[element.value_range()]
                .copy_from_slice(&steps.admittance_s[usize::from(steps_on)]);
        }
        true
    }
}
