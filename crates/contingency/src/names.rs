//! Names of what can fail, as people write them in lists and rules.

use std::collections::HashMap;

use model::busbranch::BusBranchCase;
use model::{Equipment, Network, SwitchIdx, TapChangerIdx};
use topology::calc::{BranchIdx, BusIdx};

use crate::outage::{Contingency, Outage};
use crate::switching::{Failing, Switching};
use crate::system::CaseSystem;

/// What a word means in a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Any branch of a case; a line or transformer of a network.
    Branch,
    /// A bus of a case.
    Bus,
    /// A generator or machine.
    Generator,
    /// A load.
    Load,
    /// A shunt.
    Shunt,
    /// A busbar section of a network.
    Busbar,
    /// A bay of a network.
    Bay,
    /// A whole substation of a network.
    Substation,
}

/// Finds what fails by its name.
pub trait Names {
    /// The outage of an element; `None` if nothing has that name. What is dead or out of service is an empty
    /// outage.
    fn outage(&self, kind: Kind, name: &str) -> Option<Outage>;

    /// Everything of a kind, named.
    fn all(&self, kind: Kind) -> Vec<Contingency>;

    /// The branch of that name; `None` inside if it is dead or out of service.
    fn branch(&self, name: &str) -> Option<Option<BranchIdx>>;

    /// Position in [`crate::System::machines`]; `None` inside if it is dead or out of service.
    fn machine(&self, name: &str) -> Option<Option<u32>>;

    /// Position in [`crate::System::loads`]; `None` inside if it is dead.
    fn load(&self, name: &str) -> Option<Option<u32>>;

    /// The switch of that name, node-breaker.
    fn switch(&self, name: &str) -> Option<SwitchIdx>;

    /// The tap changer of the transformer of that name, node-breaker.
    fn tap_changer(&self, name: &str) -> Option<TapChangerIdx>;
}

/// Elements of a bus-branch case: branches `FROM-TO` or `FROM-TO#2`, generators by row from 1, buses, loads and shunts
/// by bus number.
pub struct CaseNames<'a> {
    case: &'a BusBranchCase,
    read: &'a CaseSystem,
    branches: HashMap<String, usize>,
    branch_names: Vec<String>,
    buses: HashMap<String, usize>,
}

/// Elements of a node-breaker network by name or mRID.
pub struct NetworkNames<'a> {
    network: &'a Network,
    switching: &'a Switching<'a>,
    by_name: HashMap<(Kind, &'a str), Failing>,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Branch,
        Self::Bus,
        Self::Generator,
        Self::Load,
        Self::Shunt,
        Self::Busbar,
        Self::Bay,
        Self::Substation,
    ];

    /// Its word in lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Bus => "bus",
            Self::Generator => "generator",
            Self::Load => "load",
            Self::Shunt => "shunt",
            Self::Busbar => "busbar",
            Self::Bay => "bay",
            Self::Substation => "substation",
        }
    }

    /// The kind of a word.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "line" | "transformer" => Some(Self::Branch),
            "machine" | "gen" => Some(Self::Generator),
            _ => Self::ALL.into_iter().find(|kind| kind.word() == word),
        }
    }
}

impl<'a> CaseNames<'a> {
    /// Names of a case and the system that was made from it.
    pub fn new(case: &'a BusBranchCase, read: &'a CaseSystem) -> Self {
        let mut count = HashMap::new();
        let mut name = |branch: &model::busbranch::CaseBranch| {
            let nth = count.entry((branch.from, branch.to)).or_insert(0_u32);
            *nth += 1;
            let suffix = if *nth > 1 { format!("#{nth}") } else { String::new() };
            format!("{}-{}{suffix}", branch.from, branch.to)
        };
        let branch_names: Vec<String> = case.branches.iter().map(&mut name).collect();
        let branches = branch_names.iter().cloned().enumerate().map(|(row, name)| (name, row)).collect();
        let buses = case.buses.iter().enumerate().map(|(row, bus)| (bus.number.to_string(), row)).collect();
        Self { case, read, branches, branch_names, buses }
    }

    fn bus(&self, name: &str) -> Option<Option<BusIdx>> {
        self.buses.get(name).map(|row| self.read.map.buses[*row])
    }

    /// Positions of the parts at a bus.
    fn at_bus(&self, name: &str, buses: impl Iterator<Item = BusIdx>) -> Option<Vec<u32>> {
        let bus = self.bus(name)?;
        let found: Vec<u32> =
            (0_u32..).zip(buses).filter(|(_, at)| Some(*at) == bus).map(|(at, _)| at).collect();
        if found.is_empty() && bus.is_some() { None } else { Some(found) }
    }
}

impl Names for CaseNames<'_> {
    fn outage(&self, kind: Kind, name: &str) -> Option<Outage> {
        let system = &self.read.system;
        Some(match kind {
            Kind::Branch => {
                Outage { branches: self.branch(name)?.into_iter().collect(), ..Outage::default() }
            }
            Kind::Bus => Outage { buses: self.bus(name)?.into_iter().collect(), ..Outage::default() },
            Kind::Generator => {
                Outage { machines: self.machine(name)?.into_iter().collect(), ..Outage::default() }
            }
            Kind::Load => {
                let loads = self.at_bus(name, system.loads.iter().map(|load| load.bus))?;
                Outage { loads, ..Outage::default() }
            }
            Kind::Shunt => {
                let shunts = self.at_bus(name, system.shunts.iter().map(|shunt| shunt.bus))?;
                Outage { shunts, ..Outage::default() }
            }
            Kind::Busbar | Kind::Bay | Kind::Substation => return None,
        })
    }

    fn all(&self, kind: Kind) -> Vec<Contingency> {
        let numbers = || self.case.buses.iter().map(|bus| bus.number.to_string());
        let names: Vec<String> = match kind {
            Kind::Branch => self.branch_names.clone(),
            Kind::Bus | Kind::Load | Kind::Shunt => numbers().collect(),
            Kind::Generator => (1..=self.case.generators.len()).map(|row| row.to_string()).collect(),
            Kind::Busbar | Kind::Bay | Kind::Substation => Vec::new(),
        };
        let named = |name: String| {
            let outage = self.outage(kind, &name).filter(|outage| !outage.is_nothing())?;
            Some(Contingency { name: format!("{} {name}", kind.word()), outage })
        };
        names.into_iter().filter_map(named).collect()
    }

    fn branch(&self, name: &str) -> Option<Option<BranchIdx>> {
        self.branches.get(name).map(|row| self.read.map.branches[*row])
    }

    fn machine(&self, name: &str) -> Option<Option<u32>> {
        let row: usize = name.parse().ok()?;
        self.read.machines.get(row.checked_sub(1)?).copied()
    }

    fn load(&self, name: &str) -> Option<Option<u32>> {
        let found = self.at_bus(name, self.read.system.loads.iter().map(|load| load.bus))?;
        Some(found.first().copied())
    }

    fn switch(&self, _: &str) -> Option<SwitchIdx> {
        None
    }

    fn tap_changer(&self, _: &str) -> Option<TapChangerIdx> {
        None
    }
}

fn kind_of(failing: Failing) -> Kind {
    match failing {
        Failing::Equipment(equipment) => match equipment {
            Equipment::Line(_) | Equipment::Transformer(_) | Equipment::Switch(_) => Kind::Branch,
            Equipment::Machine(_) => Kind::Generator,
            Equipment::Load(_) => Kind::Load,
            Equipment::Shunt(_) => Kind::Shunt,
            Equipment::Busbar(_) => Kind::Busbar,
        },
        Failing::Bay(_) => Kind::Bay,
        Failing::Substation(_) => Kind::Substation,
    }
}

impl<'a> NetworkNames<'a> {
    /// Names of a network. Where two elements of a kind share a name, the first has it.
    pub fn new(network: &'a Network, switching: &'a Switching<'a>) -> Self {
        let mut by_name = HashMap::new();
        for failing in switching.all() {
            let kind = kind_of(failing);
            by_name.entry((kind, switching.name(failing))).or_insert(failing);
            let mrid = match failing {
                Failing::Equipment(equipment) => network.mrid_of(equipment),
                Failing::Bay(bay) => &network[bay].mrid,
                Failing::Substation(substation) => &network[substation].mrid,
            };
            by_name.entry((kind, mrid.as_str())).or_insert(failing);
        }
        Self { network, switching, by_name }
    }

    /// The network.
    pub const fn network(&self) -> &'a Network {
        self.network
    }

    /// What has that name.
    pub fn failing(&self, kind: Kind, name: &str) -> Option<Failing> {
        self.by_name.get(&(kind, name)).copied()
    }
}

impl Names for NetworkNames<'_> {
    fn outage(&self, kind: Kind, name: &str) -> Option<Outage> {
        self.failing(kind, name).map(|failing| self.switching.outage(failing))
    }

    fn all(&self, kind: Kind) -> Vec<Contingency> {
        let named = |failing: Failing| {
            let outage = self.switching.outage(failing);
            let name = format!("{} {}", kind.word(), self.switching.name(failing));
            (!outage.is_nothing()).then_some(Contingency { name, outage })
        };
        let all = self.switching.all().into_iter().filter(|failing| kind_of(*failing) == kind);
        all.filter_map(named).collect()
    }

    fn branch(&self, name: &str) -> Option<Option<BranchIdx>> {
        match self.failing(Kind::Branch, name)? {
            Failing::Equipment(equipment) => Some(self.switching.base().map.branch(equipment)),
            Failing::Bay(_) | Failing::Substation(_) => None,
        }
    }

    fn machine(&self, name: &str) -> Option<Option<u32>> {
        match self.failing(Kind::Generator, name)? {
            Failing::Equipment(Equipment::Machine(index)) => Some(self.switching.base().machines[index.at()]),
            Failing::Equipment(_) | Failing::Bay(_) | Failing::Substation(_) => None,
        }
    }

    fn load(&self, name: &str) -> Option<Option<u32>> {
        match self.failing(Kind::Load, name)? {
            Failing::Equipment(Equipment::Load(index)) => Some(self.switching.base().loads[index.at()]),
            Failing::Equipment(_) | Failing::Bay(_) | Failing::Substation(_) => None,
        }
    }

    fn switch(&self, name: &str) -> Option<SwitchIdx> {
        let is = |switch: &SwitchIdx| {
            self.network[*switch].name == name || self.network[*switch].mrid.as_str() == name
        };
        SwitchIdx::all(self.network.switches().len()).find(is)
    }

    fn tap_changer(&self, name: &str) -> Option<TapChangerIdx> {
        match self.failing(Kind::Branch, name)? {
            Failing::Equipment(Equipment::Transformer(index)) => {
                self.network[index].ends[0].ratio_tap_changer
            }
            Failing::Equipment(_) | Failing::Bay(_) | Failing::Substation(_) => None,
        }
    }
}
