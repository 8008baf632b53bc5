//! A distribution network → the arrays of the calculation model.

use std::collections::BTreeSet;

use model::distribution::{
    Conductor, DistributionError, DistributionNetwork, EnergyConsumer, LoadResponse, OpenConductor,
    PowerElectronicsConnection, ShuntConnection, Terminal, VoltageRange,
};
use sparse::complex::Complex;
use thiserror::Error;

use super::branch::{Owner, Response, ShuntBranch};
use super::grid::{
    CapacitorSteps, ControlledConverter, Element, ElementKind, GROUND, PhaseBus, PhaseGrid, PhaseNode, Source,
};
use super::transformer::{self, TransformerWindings};
use super::{control, nominal, stamp};
use crate::wires::WireFault;
use crate::{dense, index};

/// Why there is no calculation model.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum PhaseGridError {
    /// The network breaks its own rules.
    #[error(transparent)]
    Network(#[from] DistributionError),
    /// An impedance matrix has no inverse.
    #[error("{element}: its impedance is singular")]
    Singular {
        /// Name of the element.
        element: String,
    },
    /// A cross-section that no line can have.
    #[error("{element}: {fault}")]
    Wires {
        /// Name of the element.
        element: String,
        /// What is wrong.
        fault: WireFault,
    },
}

/// Builds the calculation model.
///
/// Equipment that is out of service has its element with zeros, so that nothing but numbers changes when it returns.
///
/// # Errors
/// When the network does not pass its own check, or an impedance has no inverse.
pub fn build(network: &DistributionNetwork) -> Result<PhaseGrid, PhaseGridError> {
    network.check()?;
    let mut builder = Builder::new(network);
    builder.sources(network)?;
    builder.lines(network)?;
    builder.transformers(network)?;
    builder.capacitors(network);
    builder.reactors(network)?;
    builder.loads(network);
    let mut grid = builder.grid;
    (grid.tap_controls, grid.bank_controls) = control::resolve(&grid, network);
    Ok(grid)
}

struct Builder {
    grid: PhaseGrid,
}

impl Builder {
    fn new(network: &DistributionNetwork) -> Self {
        let mut conductors = vec![BTreeSet::new(); network.nodes.len()];
        for terminal in terminals(network) {
            conductors[terminal.node.at()].extend(terminal.conductors.iter().filter(|c| !c.is_ground()));
        }
        let bases = nominal::base_volts(network);
        let mut buses = Vec::with_capacity(network.nodes.len());
        let mut nodes = Vec::new();
        for ((bus, place), (found, base_v)) in (0_u32..).zip(&network.nodes).zip(conductors.iter().zip(bases))
        {
            let first_node = index(nodes.len());
            nodes.extend(found.iter().map(|&Conductor(conductor)| PhaseNode { bus, conductor }));
            let node_count = index(nodes.len()) - first_node;
            buses.push(PhaseBus { name: place.name.clone(), base_v, first_node, node_count });
        }
        Self {
            grid: PhaseGrid {
                frequency_hz: network.frequency_hz,
                buses,
                nodes,
                elements: Vec::new(),
                element_nodes: Vec::new(),
                admittance_s: Vec::new(),
                sources: Vec::new(),
                branches: Vec::new(),
                transformers: Vec::new(),
                capacitors: Vec::new(),
                converters: Vec::new(),
                tap_controls: Vec::new(),
                bank_controls: Vec::new(),
                hour: 0.0,
            },
        }
    }

    fn node(&self, terminal: &Terminal, at: usize) -> u32 {
        match terminal.conductors.get(at) {
            Some(&Conductor(conductor)) if conductor != 0 => {
                self.grid.node(terminal.node.0, conductor).unwrap_or(GROUND)
            }
            Some(_) | None => GROUND,
        }
    }

    /// Adds an element over all conductors of the ends.
    fn element(&mut self, kind: ElementKind, ends: &[&Terminal], values: &[Complex], on: bool) -> u32 {
        let first_node = index(self.grid.element_nodes.len());
        let first_value = index(self.grid.admittance_s.len());
        for end in ends {
            for at in 0..end.conductors.len() {
                let node = self.node(end, at);
                self.grid.element_nodes.push(node);
            }
        }
        let size = index(self.grid.element_nodes.len()) - first_node;
        debug_assert_eq!(values.len(), (size * size) as usize);
        if on {
            self.grid.admittance_s.extend_from_slice(values);
        } else {
            self.grid.admittance_s.extend(values.iter().map(|_| Complex::ZERO));
        }
        let per_end = index(ends[0].conductors.len());
        self.grid.elements.push(Element { kind, first_node, size, per_end, first_value, in_service: on });
        index(self.grid.elements.len() - 1)
    }

    /// Takes open conductors of an element off their nodes; its values know them already.
    fn part(&mut self, element: u32, open: &[OpenConductor]) {
        let element = self.grid.elements[element as usize];
        for position in transformer::open(open, element.per_end as usize) {
            self.grid.element_nodes[element.first_node as usize + position] = GROUND;
        }
    }

    fn sources(&mut self, network: &DistributionNetwork) -> Result<(), PhaseGridError> {
        for (at, source) in (0_u32..).zip(&network.sources) {
            let values = stamp::source(source).ok_or_else(|| singular(&source.name))?;
            let ends = [&source.terminal, &source.neutral];
            let element = self.element(ElementKind::Source(at), &ends, &values, source.in_service);
            self.grid.sources.push(Source { element, emf_v: stamp::emf(source) });
        }
        Ok(())
    }

    fn lines(&mut self, network: &DistributionNetwork) -> Result<(), PhaseGridError> {
        for (at, line) in (0_u32..).zip(&network.lines) {
            let (z, charging) = stamp::constants(line, network.frequency_hz)
                .map_err(|fault| PhaseGridError::Wires { element: line.name.clone(), fault })?;
            let conductors = line.terminals[0].conductors.len();
            let mut values = stamp::line(z, &charging, conductors).ok_or_else(|| singular(&line.name))?;
            dense::eliminate(&mut values, 2 * conductors, transformer::open(&line.open, conductors));
            let ends = [&line.terminals[0], &line.terminals[1]];
            let element = self.element(ElementKind::Line(at), &ends, &values, line.in_service);
            self.part(element, &line.open);
        }
        Ok(())
    }

    fn transformers(&mut self, network: &DistributionNetwork) -> Result<(), PhaseGridError> {
        for (at, transformer) in (0_u32..).zip(&network.transformers) {
            let element = index(self.grid.elements.len());
            let windings =
                TransformerWindings::new(transformer, element).ok_or_else(|| singular(&transformer.name))?;
            let mut values = vec![Complex::ZERO; windings.size() * windings.size()];
            windings.admittance(&mut values);
            let ends: Vec<&Terminal> = transformer.ends.iter().map(|end| &end.terminal).collect();
            self.element(ElementKind::Transformer(at), &ends, &values, transformer.in_service);
            self.part(element, &transformer.open);
            self.grid.transformers.push(windings);
        }
        Ok(())
    }

    fn capacitors(&mut self, network: &DistributionNetwork) {
        for (at, capacitor) in (0_u32..).zip(&network.capacitors) {
            let admittance_s = stamp::capacitor(capacitor);
            let ends: &[&Terminal] = match capacitor.connection {
                ShuntConnection::Wye => &[&capacitor.terminal, &capacitor.neutral],
                ShuntConnection::Delta => &[&capacitor.terminal],
            };
            let steps_on = capacitor.steps_on;
            let values = &admittance_s[usize::from(steps_on)];
            let element = self.element(ElementKind::Capacitor(at), ends, values, capacitor.in_service);
            self.grid.capacitors.push(CapacitorSteps { element, steps_on, admittance_s });
        }
    }

    fn reactors(&mut self, network: &DistributionNetwork) -> Result<(), PhaseGridError> {
        for (at, reactor) in (0_u32..).zip(&network.reactors) {
            let values = stamp::reactor(reactor).ok_or_else(|| singular(&reactor.name))?;
            let both = [&reactor.terminals[0], &reactor.terminals[1]];
            let ends = if reactor.delta { &both[..1] } else { &both[..] };
            self.element(ElementKind::Reactor(at), ends, &values, reactor.in_service);
        }
        Ok(())
    }

    fn loads(&mut self, network: &DistributionNetwork) {
        for (at, load) in (0_u32..).zip(&network.loads).filter(|(_, load)| load.in_service) {
            self.load(at, load);
        }
        for (at, converter) in (0_u32..).zip(&network.converters).filter(|(_, c)| c.in_service) {
            self.converter(at, converter);
        }
    }

    fn load(&mut self, at: u32, load: &EnergyConsumer) {
        let phases = f64::from(load.phases);
        let shape = Shape {
            terminal: &load.terminal,
            phases: load.phases,
            connection: load.connection,
            nominal_kv: load.nominal_kv,
            range: load.range,
        };
        let template = ShuntBranch {
            low_factor: 1.0,
            response: response(load.response, phases),
            owner: Owner::Load(at),
            ..EMPTY
        };
        self.branches(&shape, template, Complex::new(load.p_kw, load.q_kvar) * (1000.0 / phases));
        let neutral = load.terminal.conductors.last().copied().filter(|c| !c.is_ground());
        if let (Some([r, x]), Some(neutral), ShuntConnection::Wye) =
            (load.grounding_ohm, neutral, load.connection)
        {
            let y = if r == 0.0 && x == 0.0 { Complex::new(1e6, 0.0) } else { Complex::new(r, x).recip() };
            let end = Terminal { node: load.terminal.node, conductors: vec![neutral] };
            self.element(ElementKind::LoadGrounding(at), &[&end], &[y], true);
        }
    }

    fn converter(&mut self, at: u32, converter: &PowerElectronicsConnection) {
        let shape = Shape {
            terminal: &converter.terminal,
            phases: converter.phases,
            connection: converter.connection,
            nominal_kv: converter.nominal_kv,
            range: converter.range,
        };
        let least = converter.range.min_pu;
        let template = ShuntBranch {
            // Below its range it is the impedance of the range's end, without a way down to the nominal one.
            low_factor: if least > 0.0 { 1.0 / (least * least) } else { 1.0 },
            response: if converter.constant_impedance { Response::Impedance } else { Response::Power },
            owner: Owner::Converter(at),
            ..EMPTY
        };
        let [p_kw, q_kvar] = converter.within_rating(converter.p_kw, converter.q_kvar);
        let power = Complex::new(-p_kw, -q_kvar);
        let first = self.grid.branches.len();
        self.branches(&shape, template, power * (1000.0 / f64::from(converter.phases)));
        if converter.control.is_active() {
            let branches = first..self.grid.branches.len();
            self.grid.converters.push(ControlledConverter { settings: converter.clone(), branches });
        }
    }

    fn branches(&mut self, shape: &Shape<'_>, template: ShuntBranch, power_va: Complex) {
        let line_to_line = shape.connection == ShuntConnection::Wye && matches!(shape.phases, 2 | 3);
        let nominal_v = shape.nominal_kv * 1000.0 / if line_to_line { 3.0_f64.sqrt() } else { 1.0 };
        let phases = usize::from(shape.phases);
        let conductors = shape.terminal.conductors.len();
        for phase in 0..phases {
            let other = match shape.connection {
                ShuntConnection::Wye => phases,
                ShuntConnection::Delta => (phase + 1) % conductors,
            };
            let mut branch = ShuntBranch {
                from: self.node(shape.terminal, phase),
                to: self.node(shape.terminal, other),
                nominal_v,
                low_v: shape.range.low_pu * nominal_v,
                min_v: shape.range.min_pu * nominal_v,
                max_v: shape.range.max_pu * nominal_v,
                ..template
            };
            branch.set_power(power_va);
            self.grid.branches.push(branch);
        }
    }
}

/// What loads and converters have in common.
struct Shape<'a> {
    terminal: &'a Terminal,
    phases: u8,
    connection: ShuntConnection,
    nominal_kv: f64,
    range: VoltageRange,
}

const EMPTY: ShuntBranch = ShuntBranch {
    from: GROUND,
    to: GROUND,
    nominal_s: Complex::ZERO,
    nominal_v: 1.0,
    low_v: 0.0,
    min_v: 0.0,
    max_v: f64::INFINITY,
    low_factor: 1.0,
    response: Response::Power,
    owner: Owner::Load(0),
};

fn response(of: LoadResponse, phases: f64) -> Response {
    match of {
        LoadResponse::ConstantPower => Response::Power,
        LoadResponse::ConstantImpedance => Response::Impedance,
        LoadResponse::ConstantCurrent => Response::Current,
        LoadResponse::Exponential { p, q } => Response::Exponential { p, q },
        LoadResponse::FixedReactive { q_kvar } => Response::FixedReactive { q_var: q_kvar * 1000.0 / phases },
        LoadResponse::Zip { p, q, cut_off_pu } => Response::Zip { p, q, cut_off_pu },
    }
}

fn singular(name: &str) -> PhaseGridError {
    PhaseGridError::Singular { element: name.to_owned() }
}

fn terminals(network: &DistributionNetwork) -> impl Iterator<Item = &Terminal> {
    let sources = network.sources.iter().flat_map(|e| [&e.terminal, &e.neutral]);
    let lines = network.lines.iter().flat_map(|e| &e.terminals);
    let transformers = network.transformers.iter().flat_map(|e| e.ends.iter().map(|end| &end.terminal));
    let capacitors = network.capacitors.iter().flat_map(|e| [&e.terminal, &e.neutral]);
    let reactors = network.reactors.iter().flat_map(|e| &e.terminals);
    let loads = network.loads.iter().map(|e| &e.terminal);
    let converters = network.converters.iter().map(|e| &e.terminal);
    sources.chain(lines).chain(transformers).chain(capacitors).chain(reactors).chain(loads).chain(converters)
}
