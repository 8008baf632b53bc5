//! A bus-branch case becomes a node-breaker network by rule:
//!
//! - one substation, one voltage level and one busbar section per bus;
//! - a bay with a disconnector (at the busbar) and a breaker at every branch end, generator, load and shunt;
//! - a transformer is a branch with a ratio, a shift or two base voltages; one with a ratio has a tap changer
//!   of 33 steps over ±10 % at its *from* end, which starts at the step nearest to the ratio of the case and
//!   gives exactly that ratio there;
//! - what is out of service stands behind open switches;
//! - measurements: voltage of every busbar; by each of three devices V, P and Q of every branch end, machine and
//!   load, V and Q of every shunt; energy of every load, position of every switch and tap changer.
//!
//! A transformer joins two substations here, because a bus-branch case does not tell which buses share a fence.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::busbranch::{
    BusBranchCase, BusNumber, CaseBranch, CaseBus, CaseBusType, CaseFault, CaseGenerator,
};
use crate::diagnostic::{Diagnostic, DiagnosticKind};
use crate::equipment::{
    AcLineSegment, Bay, BusbarSection, ConnectivityNode, EnergyConsumer, Equipment, LinearShuntCompensator,
    PowerTransformer, PowerTransformerEnd, RatioTapChanger, Substation, Switch, SwitchKind,
    SynchronousMachine, Terminal, VoltageLevel,
};
use crate::index::{
    BayIdx, BusbarIdx, LineIdx, LoadIdx, MachineIdx, Mrid, NodeIdx, ShuntIdx, SubstationIdx, SwitchIdx,
    TapChangerIdx, TerminalIdx, TransformerIdx, VoltageLevelIdx,
};
use crate::network::{Network, NetworkError, NetworkParts};

const HIGH_STEP: i16 = 16;
const STEP_PERCENT: f64 = 0.625;

/// How a case is expanded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ExpandOptions {
    /// Whether bays have a breaker and a disconnector; without, everything is tied to the busbar.
    pub breakers: bool,
    /// Nominal frequency, which a case does not name.
    pub frequency_hz: f64,
}

impl Default for ExpandOptions {
    fn default() -> Self {
        Self { breakers: true, frequency_hz: 60.0 }
    }
}

/// A network made from a case, and what became of each row.
#[derive(Clone, PartialEq, Debug)]
pub struct Expansion {
    /// The network.
    pub network: Network,
    /// Equipment by row of the branch table; `None` for a dropped row.
    pub branches: Vec<Option<Equipment>>,
    /// Machine by row of the generator table; `None` for a dropped row.
    pub generators: Vec<Option<MachineIdx>>,
    /// What was dropped, defaulted or substituted.
    pub diagnostics: Vec<Diagnostic>,
}

/// Why a case could not be expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExpandError {
    /// The case itself is faulty.
    Case(CaseFault),
    /// The network that it makes is faulty.
    Network(NetworkError),
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(fault) => fault.fmt(f),
            Self::Network(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExpandError {}

/// Makes the network of a case. Substation `i` belongs to row `i` of the bus table.
pub fn expand(case: &BusBranchCase, options: ExpandOptions) -> Result<Expansion, ExpandError> {
    case.check().map_err(ExpandError::Case)?;
    let mut expander = Expander::new(case, options);
    for (bus, name) in case.buses.iter().zip(substation_names(case)) {
        expander.substation(bus, &name);
    }
    expander.report_voltages();
    let generators = (1..).zip(&case.generators).map(|(n, row)| expander.generator(n, row)).collect();
    for row in 0..case.buses.len() {
        expander.load(row);
        expander.shunt(row);
    }
    expander.report_dc_lines();
    let branches = case.branches.iter().map(|row| expander.branch(row)).collect();
    let Expander { mut parts, diagnostics, root, .. } = expander;
    parts.measurements = crate::measurement::plan(&parts, &root);
    let network = Network::new(parts).map_err(ExpandError::Network)?;
    Ok(Expansion { network, branches, generators, diagnostics })
}

/// The names of the case where they can be names of substations, `S` and the number otherwise.
fn substation_names(case: &BusBranchCase) -> Vec<String> {
    let usable = |name: &str| {
        !name.is_empty() && name.chars().all(|c| !c.is_control() && !['/', '.', '#', ','].contains(&c))
    };
    let given: Vec<&str> = case.buses.iter().map(|bus| bus.name.as_deref().unwrap_or("").trim()).collect();
    let distinct = given.iter().collect::<HashSet<_>>().len() == given.len();
    if distinct && given.iter().all(|name| usable(name)) {
        return given.into_iter().map(str::to_owned).collect();
    }
    case.buses.iter().map(|bus| format!("S{}", bus.number)).collect()
}

struct Expander<'a> {
    case: &'a BusBranchCase,
    options: ExpandOptions,
    root: Mrid,
    rows: HashMap<BusNumber, usize>,
    busbar_nodes: Vec<NodeIdx>,
    names: HashMap<String, u32>,
    parts: NetworkParts,
    diagnostics: Vec<Diagnostic>,
}

/// Where a bay stands and whether its switches are closed.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    closed: bool,
}

fn next(len: usize) -> u32 {
    // A case has fewer than 2^32 rows by the bound of its reader; a larger one could not be addressed at all.
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl<'a> Expander<'a> {
    fn new(case: &'a BusBranchCase, options: ExpandOptions) -> Self {
        let name = if case.name.is_empty() { "case" } else { &case.name };
        Self {
            case,
            options,
            root: Mrid::root(name),
            rows: case.bus_rows(),
            busbar_nodes: Vec::with_capacity(case.buses.len()),
            names: HashMap::new(),
            parts: NetworkParts {
                name: name.to_owned(),
                base_mva: case.base_mva,
                frequency_hz: options.frequency_hz,
                ..NetworkParts::default()
            },
            diagnostics: Vec::new(),
        }
    }

    fn mrid(&self, name: &str) -> Mrid {
        self.root.part(&name.replace('/', "."))
    }

    fn kv(bus: &CaseBus) -> f64 {
        if bus.base_kv > 0.0 { bus.base_kv } else { 1.0 }
    }

    fn substation(&mut self, bus: &CaseBus, name: &str) {
        let row = self.busbar_nodes.len();
        let angle = row as f64 / self.case.buses.len() as f64 * std::f64::consts::TAU;
        let kv = Self::kv(bus);
        let limits = bus.vmin_pu > 0.0 && bus.vmin_pu < bus.vmax_pu && bus.vmax_pu.is_finite();
        let level = VoltageLevelIdx(next(self.parts.voltage_levels.len()));
        self.parts.substations.push(Substation {
            mrid: self.mrid(name),
            name: name.to_owned(),
            x: 0.5 + 0.45 * angle.cos(),
            y: 0.5 + 0.45 * angle.sin(),
        });
        let level_name = format!("{name}/VL");
        self.parts.voltage_levels.push(VoltageLevel {
            mrid: self.mrid(&level_name),
            name: level_name,
            substation: SubstationIdx(next(row)),
            nominal_kv: kv,
            low_voltage_limit_kv: limits.then_some(bus.vmin_pu * kv),
            high_voltage_limit_kv: limits.then_some(bus.vmax_pu * kv),
        });
        let node = self.node(&format!("{name}/BB/N"), level);
        self.busbar_nodes.push(node);
        let name = format!("{name}/BB");
        let busbar = BusbarIdx(next(self.parts.busbars.len()));
        let terminal = self.terminal(&name, Equipment::Busbar(busbar), 1, node);
        self.parts.busbars.push(BusbarSection { mrid: self.mrid(&name), name, terminal });
    }

    fn report_voltages(&mut self) {
        let missing = self.case.buses.iter().filter(|bus| bus.base_kv == 0.0).count();
        if missing > 0 {
            self.report(
                DiagnosticKind::Defaulted,
                "baseKV",
                format!("{missing} of {} buses give none, 1 kV stands for it", self.case.buses.len()),
            );
        }
    }

    fn report_dc_lines(&mut self) {
        for (row, line) in (1..).zip(&self.case.dc_lines).filter(|(_, line)| line.in_service) {
            let element = format!("dc line {row} from {} to {}", line.from, line.to);
            self.report(DiagnosticKind::Dropped, &element, "a network has no equipment for DC lines".into());
        }
    }

    fn report(&mut self, kind: DiagnosticKind, element: &str, text: String) {
        self.diagnostics.push(Diagnostic { kind, element: element.to_owned(), line: None, text });
    }

    fn node(&mut self, name: &str, voltage_level: VoltageLevelIdx) -> NodeIdx {
        let node = NodeIdx(next(self.parts.nodes.len()));
        let mrid = self.mrid(name);
        self.parts.nodes.push(ConnectivityNode { mrid, name: name.to_owned(), voltage_level });
        node
    }

    fn terminal(&mut self, name: &str, equipment: Equipment, sequence: u8, node: NodeIdx) -> TerminalIdx {
        let terminal = TerminalIdx(next(self.parts.terminals.len()));
        let mrid = self.mrid(name).part(&format!("T{sequence}"));
        self.parts.terminals.push(Terminal { mrid, equipment, sequence, node });
        terminal
    }

    /// A terminal at the busbar of a bus, behind a disconnector and a breaker where the options want them.
    fn bay(&mut self, place: Place, name: &str, owner: (Equipment, u8)) -> TerminalIdx {
        let busbar = self.busbar_nodes[place.row];
        let (equipment, sequence) = owner;
        let terminal_name = name.to_owned();
        if !self.options.breakers {
            return self.terminal(&terminal_name, equipment, sequence, busbar);
        }
        let level = self.parts.nodes[busbar.at()].voltage_level;
        let middle = self.node(&format!("{name}/N1"), level);
        let end = self.node(&format!("{name}/N2"), level);
        let serves = self.terminal(&terminal_name, equipment, sequence, end);
        let bay = BayIdx(next(self.parts.bays.len()));
        let mrid = self.mrid(&format!("{name}/Bay"));
        self.parts.bays.push(Bay { mrid, name: name.to_owned(), voltage_level: level, serves });
        self.switch(bay, (format!("{name}/DS"), SwitchKind::Disconnector), [busbar, middle], place.closed);
        self.switch(bay, (format!("{name}/CB"), SwitchKind::Breaker), [middle, end], place.closed);
        serves
    }

    fn switch(&mut self, bay: BayIdx, what: (String, SwitchKind), nodes: [NodeIdx; 2], closed: bool) {
        let (name, kind) = what;
        let equipment = Equipment::Switch(SwitchIdx(next(self.parts.switches.len())));
        let first = self.terminal(&name, equipment, 1, nodes[0]);
        let second = self.terminal(&name, equipment, 2, nodes[1]);
        self.parts.switches.push(Switch {
            mrid: self.mrid(&name),
            name,
            kind,
            normal_open: !closed,
            terminals: [first, second],
            bay: Some(bay),
        });
    }

    fn connected(&self, bus: BusNumber) -> Option<usize> {
        let row = *self.rows.get(&bus)?;
        (self.case.buses[row].kind != CaseBusType::Isolated).then_some(row)
    }

    /// Whether a row is left out: out of service in a network without switches.
    fn dropped(&mut self, in_service: bool, element: &str) -> bool {
        let dropped = !in_service && !self.options.breakers;
        if dropped {
            self.report(DiagnosticKind::Dropped, element, "out of service".into());
        }
        dropped
    }

    fn generator(&mut self, number: usize, row: &CaseGenerator) -> Option<MachineIdx> {
        let bus_row = *self.rows.get(&row.bus)?;
        let bus = &self.case.buses[bus_row];
        let closed = row.in_service && self.connected(row.bus).is_some();
        let name = format!("{}/G{number}", self.parts.substations[bus_row].name);
        if self.dropped(closed, &name) {
            return None;
        }
        let machine = MachineIdx(next(self.parts.machines.len()));
        let terminal = self.bay(Place { row: bus_row, closed }, &name, (Equipment::Machine(machine), 1));
        self.parts.machines.push(SynchronousMachine {
            mrid: self.mrid(&name),
            name,
            terminal,
            p_mw: row.pg_mw,
            q_mvar: row.qg_mvar,
            min_p_mw: row.pmin_mw,
            max_p_mw: row.pmax_mw,
            min_q_mvar: row.qmin_mvar,
            max_q_mvar: row.qmax_mvar,
            regulating: matches!(bus.kind, CaseBusType::Pv | CaseBusType::Reference) && row.vg_pu > 0.0,
            voltage_set_point_pu: row.vg_pu,
            reference_priority: u32::from(bus.kind == CaseBusType::Reference),
        });
        Some(machine)
    }

    fn load(&mut self, row: usize) {
        let bus = &self.case.buses[row];
        let closed = bus.kind != CaseBusType::Isolated;
        let name = format!("{}/Load", self.parts.substations[row].name);
        if (bus.pd_mw == 0.0 && bus.qd_mvar == 0.0) || self.dropped(closed, &name) {
            return;
        }
        let load = LoadIdx(next(self.parts.loads.len()));
        let terminal = self.bay(Place { row, closed }, &name, (Equipment::Load(load), 1));
        let mrid = self.mrid(&name);
        self.parts.loads.push(EnergyConsumer { mrid, name, terminal, p_mw: bus.pd_mw, q_mvar: bus.qd_mvar });
    }

    fn shunt(&mut self, row: usize) {
        let bus = &self.case.buses[row];
        let closed = bus.kind != CaseBusType::Isolated;
        let name = format!("{}/Shunt", self.parts.substations[row].name);
        if (bus.gs_mw == 0.0 && bus.bs_mvar == 0.0) || self.dropped(closed, &name) {
            return;
        }
        let shunt = ShuntIdx(next(self.parts.shunts.len()));
        let terminal = self.bay(Place { row, closed }, &name, (Equipment::Shunt(shunt), 1));
        self.parts.shunts.push(LinearShuntCompensator {
            mrid: self.mrid(&name),
            name,
            terminal,
            g_per_section_pu: bus.gs_mw / self.case.base_mva,
            b_per_section_pu: bus.bs_mvar / self.case.base_mva,
            normal_sections: 1,
            maximum_sections: 1,
        });
    }

    fn branch(&mut self, row: &CaseBranch) -> Option<Equipment> {
        let (from, to) = (*self.rows.get(&row.from)?, *self.rows.get(&row.to)?);
        let kv = [from, to].map(|row| self.case.buses[row].base_kv);
        let transformer = row.is_transformer(kv[0], kv[1]);
        let name = self.branch_name(row, transformer);
        let closed = row.in_service && self.connected(row.from).is_some() && self.connected(row.to).is_some();
        if row.r_pu == 0.0 && row.x_pu == 0.0 {
            self.report(DiagnosticKind::Dropped, &name, "out of service and without impedance".into());
            return None;
        }
        if self.dropped(closed, &name) {
            return None;
        }
        let equipment = if transformer {
            Equipment::Transformer(TransformerIdx(next(self.parts.transformers.len())))
        } else {
            Equipment::Line(LineIdx(next(self.parts.lines.len())))
        };
        let ends = [(from, 1), (to, 2)].map(|(row, sequence)| {
            let bay = format!("{}/{name}", self.parts.substations[row].name);
            self.bay(Place { row, closed }, &bay, (equipment, sequence))
        });
        if transformer {
            self.transformer(row, name, ends);
        } else {
            self.line(row, name, ends);
        }
        Some(equipment)
    }

    fn branch_name(&mut self, row: &CaseBranch, transformer: bool) -> String {
        let name = format!("{}{}-{}", if transformer { 'T' } else { 'L' }, row.from, row.to);
        let count = self.names.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { name } else { format!("{name}#{count}") }
    }

    fn line(&mut self, row: &CaseBranch, name: String, terminals: [TerminalIdx; 2]) {
        self.parts.lines.push(AcLineSegment {
            mrid: self.mrid(&name),
            name,
            terminals,
            r_pu: row.r_pu,
            x_pu: row.x_pu,
            gch_pu: 0.0,
            bch_pu: row.b_pu,
            rating_mva: rating(row),
        });
    }

    fn transformer(&mut self, row: &CaseBranch, name: String, terminals: [TerminalIdx; 2]) {
        let transformer = TransformerIdx(next(self.parts.transformers.len()));
        let changer = (row.ratio != 0.0).then(|| self.tap_changer(row, &name, transformer));
        let kv = [row.from, row.to].map(|bus| Self::kv(&self.case.buses[self.rows[&bus]]));
        let end = |at: usize, ratio_tap_changer| PowerTransformerEnd {
            terminal: terminals[at],
            rated_kv: kv[at],
            ratio_tap_changer,
        };
        self.parts.transformers.push(PowerTransformer {
            mrid: self.mrid(&name),
            name,
            ends: [end(0, changer), end(1, None)],
            r_pu: row.r_pu,
            x_pu: row.x_pu,
            g_pu: 0.0,
            b_pu: row.b_pu,
            ratio: row.tap_ratio(),
            shift_degree: row.shift_degree,
            rating_mva: rating(row),
        });
    }

    fn tap_changer(&mut self, row: &CaseBranch, name: &str, transformer: TransformerIdx) -> TapChangerIdx {
        let index = TapChangerIdx(next(self.parts.tap_changers.len()));
        let name = format!("{}/{name}/Tap", self.parts.substations[self.rows[&row.from]].name);
        self.parts.tap_changers.push(RatioTapChanger {
            mrid: self.mrid(&name).part("TC"),
            name,
            transformer,
            low_step: -HIGH_STEP,
            high_step: HIGH_STEP,
            neutral_step: 0,
            normal_step: nearest_step(row.ratio),
            step_voltage_increment_percent: STEP_PERCENT,
            normal_ratio: row.ratio,
        });
        index
    }
}

fn rating(row: &CaseBranch) -> Option<f64> {
    (row.rate_a_mva > 0.0 && row.rate_a_mva.is_finite()).then_some(row.rate_a_mva)
}

/// The step whose nominal ratio is nearest, the end step beyond the ends.
fn nearest_step(ratio: f64) -> i16 {
    let wanted = (ratio - 1.0) / (STEP_PERCENT / 100.0);
    let distance = |step: &i16| (f64::from(*step) - wanted).abs();
    (-HIGH_STEP..=HIGH_STEP).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}

#[cfg(test)]
mod tests;
