//! What a contingency analysis works on: the calculation model, the parts of its injections that can fail by
//! themselves, and the limits that are watched.
//!
//! The sum of the parts at a bus is what the calculation model has there:
//!
//! ```text
//! p(bus) = Σ machines p - Σ loads p          g, b(bus) ⊇ Σ shunts g, b
//! ```

use model::busbranch::{BusBranchCase, CaseFault};
use model::{Diagnostic, MachineIdx, Network};
use topology::calc::{BusIdx, BusKind, Grid};
use topology::{CaseMap, GridMap, Schedule, Topology, from_case};

/// A machine of the calculation model.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// Name for people.
    pub name: String,
    /// Where it feeds in.
    pub bus: BusIdx,
    /// Scheduled active power, delivered.
    pub p_pu: f64,
    /// Scheduled reactive power of a machine that does not regulate.
    pub q_pu: f64,
    /// Lower and upper reactive limit.
    pub q_limits_pu: [f64; 2],
    /// Highest active power; picks the reference of an island that lost its own.
    pub p_max_pu: f64,
    /// Lowest active power.
    pub p_min_pu: f64,
    /// Whether it holds the voltage of its bus.
    pub regulating: bool,
    /// Whether an island can live on it.
    pub source: bool,
    /// Share in balancing a lost injection; the shares of an island are scaled to one.
    pub participation: f64,
}

/// A load of the calculation model.
#[derive(Clone, PartialEq, Debug)]
pub struct Load {
    /// Name for people.
    pub name: String,
    /// Where it draws.
    pub bus: BusIdx,
    /// Active power drawn.
    pub p_pu: f64,
    /// Reactive power drawn.
    pub q_pu: f64,
}

/// A shunt of the calculation model.
#[derive(Clone, PartialEq, Debug)]
pub struct Shunt {
    /// Name for people.
    pub name: String,
    /// Where it stands.
    pub bus: BusIdx,
    /// Conductance.
    pub g_pu: f64,
    /// Susceptance.
    pub b_pu: f64,
}

/// Which of the three ratings of a branch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rating {
    /// Long term, MATPOWER's `RATE_A`.
    A,
    /// Short term, MATPOWER's `RATE_B`.
    B,
    /// Emergency, MATPOWER's `RATE_C`.
    C,
}

/// Ratings of a branch in MVA; 0 = none given.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Ratings(pub [f64; 3]);

/// Voltage band of a bus in p.u.; infinite where none is given.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Band {
    /// Lowest allowed magnitude.
    pub low_pu: f64,
    /// Highest allowed magnitude.
    pub high_pu: f64,
}

/// Calculation model with parts and limits.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct System {
    /// The calculation model in its base state.
    pub grid: Grid,
    /// Machines in service.
    pub machines: Vec<Machine>,
    /// Loads in service.
    pub loads: Vec<Load>,
    /// Shunts in service.
    pub shunts: Vec<Shunt>,
    /// Ratings, per branch.
    pub ratings: Vec<Ratings>,
    /// Voltage bands, per bus.
    pub bands: Vec<Band>,
}

/// A system that was made from a case, with the way back to its rows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CaseSystem {
    /// The system.
    pub system: System,
    /// Buses and branches by row.
    pub map: CaseMap,
    /// Machine by row of the generator table; `None` if out of service.
    pub machines: Vec<Option<u32>>,
    /// What was dropped or substituted.
    pub diagnostics: Vec<Diagnostic>,
}

/// A system that was made from a node-breaker network, with the way back to its equipment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NetworkSystem {
    /// The system.
    pub system: System,
    /// Buses and branches.
    pub map: GridMap,
    /// Machine of the system by machine of the network; `None` where dead.
    pub machines: Vec<Option<u32>>,
    /// Likewise for loads.
    pub loads: Vec<Option<u32>>,
    /// Likewise for shunts.
    pub shunts: Vec<Option<u32>>,
}

impl Rating {
    /// All three, the lowest first.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    /// Its letter.
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
        }
    }
}

impl Ratings {
    /// The rating asked for, else the next lower one that is given: a branch without an emergency rating has none
    /// beyond its long-term one.
    pub fn applicable(&self, wanted: Rating) -> Option<(Rating, f64)> {
        let upto = 1 + wanted as usize;
        Rating::ALL[..upto]
            .iter()
            .zip(self.0)
            .rev()
            .find(|(_, mva)| *mva > 0.0 && mva.is_finite())
            .map(|(rating, mva)| (*rating, mva))
    }
}

impl Band {
    /// No limits.
    pub const OPEN: Self = Self { low_pu: f64::NEG_INFINITY, high_pu: f64::INFINITY };
}

impl System {
    /// The system of a bus-branch case. Machines take part in balancing by their highest power.
    ///
    /// # Errors
    /// When the case is faulty in itself.
    pub fn from_case(case: &BusBranchCase) -> Result<CaseSystem, CaseFault> {
        let built = from_case(case)?;
        let mut result = CaseSystem { diagnostics: built.diagnostics, ..CaseSystem::default() };
        result.system.grid = built.grid;
        result.map = built.map;
        case_machines(case, &mut result);
        case_injections(case, &mut result);
        let system = &mut result.system;
        system.ratings = vec![Ratings::default(); system.grid.branches.len()];
        for (branch, index) in case.branches.iter().zip(&result.map.branches) {
            if let Some(index) = index {
                system.ratings[index.at()] =
                    Ratings([branch.rate_a_mva, branch.rate_b_mva, branch.rate_c_mva]);
            }
        }
        Ok(result)
    }

    /// The system of a node-breaker network in a topology.
    pub fn from_network(network: &Network, topology: &Topology, schedule: &Schedule) -> NetworkSystem {
        let (grid, map) = topology.grid(network, schedule);
        let mut system = Self { grid, ..Self::default() };
        network_machines(network, &map, schedule, &mut system);
        network_loads(network, &map, schedule, &mut system);
        system.ratings =
            system.grid.branches.iter().map(|branch| Ratings([branch.rate_mva, 0.0, 0.0])).collect();
        system.bands = map.nodes.iter().map(|nodes| band_of(network, nodes)).collect();
        let (machines, loads, shunts) = (numbered(&map.machine), numbered(&map.load), numbered(&map.shunt));
        NetworkSystem { system, map, machines, loads, shunts }
    }
}

/// Positions of the live ones among themselves.
fn numbered(live: &[Option<BusIdx>]) -> Vec<Option<u32>> {
    let mut next = 0..;
    live.iter().map(|bus| bus.and_then(|_| next.next())).collect()
}

fn case_machines(case: &BusBranchCase, result: &mut CaseSystem) {
    let base = case.base_mva;
    let system = &mut result.system;
    for ((row, generator), bus) in (1..).zip(&case.generators).zip(&result.map.generators) {
        let Some(bus) = *bus else {
            result.machines.push(None);
            continue;
        };
        let regulating = system.grid.buses[bus.at()].kind != BusKind::Pq;
        let source = generator.pmax_mw > 0.0;
        result.machines.push(u32::try_from(system.machines.len()).ok());
        system.machines.push(Machine {
            name: format!("generator {row} at bus {}", generator.bus),
            bus,
            p_pu: generator.pg_mw / base,
            q_pu: generator.qg_mvar / base,
            q_limits_pu: [generator.qmin_mvar / base, generator.qmax_mvar / base],
            p_max_pu: generator.pmax_mw / base,
            p_min_pu: generator.pmin_mw / base,
            regulating,
            source: source || system.grid.buses[bus.at()].kind == BusKind::Slack,
            participation: if source && generator.pmax_mw.is_finite() {
                generator.pmax_mw / base
            } else {
                0.0
            },
        });
    }
}

fn case_injections(case: &BusBranchCase, result: &mut CaseSystem) {
    let base = case.base_mva;
    let system = &mut result.system;
    system.bands = vec![Band::OPEN; system.grid.buses.len()];
    for (row, index) in case.buses.iter().zip(&result.map.buses) {
        let Some(bus) = *index else { continue };
        // Cases without voltage limits hold zeros.
        let high_pu = if row.vmax_pu > 0.0 { row.vmax_pu } else { f64::INFINITY };
        system.bands[bus.at()] = Band { low_pu: row.vmin_pu, high_pu };
        if row.pd_mw != 0.0 || row.qd_mvar != 0.0 {
            let name = format!("load at bus {}", row.number);
            system.loads.push(Load { name, bus, p_pu: row.pd_mw / base, q_pu: row.qd_mvar / base });
        }
        if row.gs_mw != 0.0 || row.bs_mvar != 0.0 {
            let name = format!("shunt at bus {}", row.number);
            system.shunts.push(Shunt { name, bus, g_pu: row.gs_mw / base, b_pu: row.bs_mvar / base });
        }
    }
}

/// The figure of a schedule, or the network's own.
fn scheduled<T: Copy>(figures: &[T], at: usize, own: T) -> T {
    figures.get(at).copied().unwrap_or(own)
}

fn network_machines(network: &Network, map: &GridMap, schedule: &Schedule, system: &mut System) {
    let base = network.base_mva();
    for (index, bus) in MachineIdx::all(network.machines().len()).zip(&map.machine) {
        let Some(bus) = *bus else { continue };
        let machine = &network[index];
        let at = index.at();
        let slack = system.grid.buses[bus.at()].kind == BusKind::Slack;
        let largest = machine.max_p_mw;
        system.machines.push(Machine {
            name: machine.name.clone(),
            bus,
            p_pu: scheduled(&schedule.machine_p_mw, at, machine.p_mw) / base,
            q_pu: scheduled(&schedule.machine_q_mvar, at, machine.q_mvar) / base,
            q_limits_pu: [machine.min_q_mvar / base, machine.max_q_mvar / base],
            p_max_pu: largest / base,
            p_min_pu: machine.min_p_mw / base,
            regulating: machine.regulating || slack,
            source: largest > 0.0 || machine.reference_priority > 0,
            participation: if largest.is_finite() { largest.max(0.0) / base } else { 0.0 },
        });
    }
}

fn network_loads(network: &Network, map: &GridMap, schedule: &Schedule, system: &mut System) {
    let base = network.base_mva();
    for ((at, load), bus) in (0..).zip(network.loads()).zip(&map.load) {
        let Some(bus) = *bus else { continue };
        let p_pu = scheduled(&schedule.load_p_mw, at, load.p_mw) / base;
        let q_pu = scheduled(&schedule.load_q_mvar, at, load.q_mvar) / base;
        system.loads.push(Load { name: load.name.clone(), bus, p_pu, q_pu });
    }
    for ((at, shunt), bus) in (0..).zip(network.shunts()).zip(&map.shunt) {
        let Some(bus) = *bus else { continue };
        let sections = f64::from(scheduled(&schedule.shunt_sections, at, shunt.normal_sections));
        let [g_pu, b_pu] = [shunt.g_per_section_pu * sections, shunt.b_per_section_pu * sections];
        system.shunts.push(Shunt { name: shunt.name.clone(), bus, g_pu, b_pu });
    }
}

/// The narrowest band of the voltage levels whose nodes make a bus.
fn band_of(network: &Network, nodes: &[model::NodeIdx]) -> Band {
    let mut band = Band::OPEN;
    for node in nodes {
        let level = network.voltage_level_of(*node);
        if let Some(kv) = level.low_voltage_limit_kv {
            band.low_pu = band.low_pu.max(kv / level.nominal_kv);
        }
        if let Some(kv) = level.high_voltage_limit_kv {
            band.high_pu = band.high_pu.min(kv / level.nominal_kv);
        }
    }
    band
}
