//! A case, its calculation model, and the way between their rows.

use std::path::Path;

use model::busbranch::{BusBranchCase, CaseBusType};
use model::{Diagnostic, DiagnosticKind, ExpandOptions, SubstationIdx, expand};
use topology::calc::{Branch, BranchIdx, BusIdx, BusKind, Grid};
use topology::{CaseGrid, CaseMap, Schedule, Topology};

use crate::files;

/// What a study works on.
pub(crate) struct StudyNetwork {
    pub(crate) case: BusBranchCase,
    pub(crate) grid: Grid,
    /// Buses and branches of the grid by row of the case.
    pub(crate) map: CaseMap,
    /// Names of the branches by row, `FROM-TO` and `FROM-TO#2` for a parallel.
    pub(crate) branch_names: Vec<String>,
    /// Row of the case by bus of the grid; `None` for a bus that only the switches make.
    bus_rows: Vec<Option<usize>>,
    /// What is not as in the file.
    pub(crate) losses: Vec<Diagnostic>,
}

impl StudyNetwork {
    /// Reads a case and builds its calculation model; `breakers` takes the way over a node-breaker network.
    pub(crate) fn read(file: &Path, breakers: bool) -> anyhow::Result<Self> {
        let (case, mut losses) = files::case(file)?;
        let named = |fault: &dyn std::fmt::Display| anyhow::anyhow!("{}: {fault}", files::shown(file));
        let built = if breakers {
            through_switches(&case).map_err(|fault| named(&fault))?
        } else {
            topology::from_case(&case).map_err(|fault| named(&fault))?
        };
        losses.extend(built.diagnostics);
        let reported: Vec<String> = losses
            .iter()
            .filter(|loss| loss.kind == DiagnosticKind::Dropped)
            .map(|loss| loss.element.clone())
            .collect();
        let mut network = Self::new(case, built.grid, built.map);
        losses.extend(network.dropped().into_iter().filter(|loss| !reported.contains(&loss.element)));
        network.losses = losses;
        Ok(network)
    }

    /// The calculation model of a case that is changed from one that was read.
    pub(crate) fn of(case: BusBranchCase) -> anyhow::Result<Self> {
        let built = topology::from_case(&case)?;
        Ok(Self::new(case, built.grid, built.map))
    }

    fn new(case: BusBranchCase, grid: Grid, map: CaseMap) -> Self {
        let mut bus_rows = vec![None; grid.buses.len()];
        for (row, bus) in map.buses.iter().enumerate() {
            if let Some(place) = bus.and_then(|bus| bus_rows.get_mut(bus.at())) {
                *place = Some(row);
            }
        }
        let branch_names = branch_names(&case);
        Self { case, grid, map, branch_names, bus_rows, losses: Vec::new() }
    }

    /// The number of a bus for messages; its name where the case has no number for it.
    pub(crate) fn bus_name(&self, bus: BusIdx) -> String {
        let row = self.bus_rows.get(bus.at()).copied().flatten();
        row.map_or_else(
            || self.grid.buses.get(bus.at()).map_or_else(String::new, |bus| bus.name.clone()),
            |row| format!("bus {}", self.case.buses[row].number),
        )
    }

    /// The name of a branch for messages.
    pub(crate) fn branch_name(&self, branch: BranchIdx) -> String {
        let row = self.map.branches.iter().position(|mapped| *mapped == Some(branch));
        row.map_or_else(
            || self.grid.branches.get(branch.at()).map_or_else(String::new, |branch| branch.name.clone()),
            |row| format!("branch {}", self.branch_names[row]),
        )
    }

    /// The row of the case that a bus stands for.
    pub(crate) fn row_of(&self, bus: BusIdx) -> Option<usize> {
        self.bus_rows.get(bus.at()).copied().flatten()
    }

    /// The branch of a row.
    pub(crate) fn branch(&self, row: usize) -> Option<(BranchIdx, &Branch)> {
        let index = self.map.branches.get(row).copied().flatten()?;
        self.grid.branches.get(index.at()).map(|branch| (index, branch))
    }

    /// Rows of the case that have no part in the calculation, with the reason.
    fn dropped(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut drop = |element: String, text: &str| {
            let text = text.to_owned();
            found.push(Diagnostic { kind: DiagnosticKind::Dropped, element, line: None, text });
        };
        for (bus, mapped) in self.case.buses.iter().zip(&self.map.buses) {
            if mapped.is_none() {
                let isolated = bus.kind == CaseBusType::Isolated;
                let text =
                    if isolated { "isolated (type 4)" } else { "no machine in its island delivers power" };
                drop(format!("bus {}", bus.number), text);
            }
        }
        for ((branch, mapped), name) in
            self.case.branches.iter().zip(&self.map.branches).zip(&self.branch_names)
        {
            if mapped.is_none() {
                let text = if branch.in_service { "not energised" } else { "out of service" };
                drop(format!("branch {name}"), text);
            }
        }
        for ((row, generator), mapped) in (1..).zip(&self.case.generators).zip(&self.map.generators) {
            if mapped.is_none() {
                let text = if generator.in_service { "not energised" } else { "out of service" };
                drop(format!("generator {row} at bus {}", generator.bus), text);
            }
        }
        found
    }
}

fn branch_names(case: &BusBranchCase) -> Vec<String> {
    let mut count = std::collections::HashMap::new();
    let mut name = |branch: &model::busbranch::CaseBranch| {
        let nth = count.entry((branch.from, branch.to)).or_insert(0_u32);
        *nth += 1;
        let suffix = if *nth > 1 { format!("#{nth}") } else { String::new() };
        format!("{}-{}{suffix}", branch.from, branch.to)
    };
    case.branches.iter().map(&mut name).collect()
}

/// The calculation model by way of substations, bays and switches.
fn through_switches(case: &BusBranchCase) -> Result<CaseGrid, model::ExpandError> {
    let expansion = expand(case, ExpandOptions::default())?;
    let network = &expansion.network;
    let (mut grid, found) = Topology::new(network).grid(network, &Schedule::default());
    let mut busbar = vec![None; network.substations().len()];
    for section in network.busbars() {
        let node = network.node_of(section.terminal);
        busbar[network.substation_of(node).at()] = found.node[node.at()];
    }
    let buses: Vec<Option<BusIdx>> =
        SubstationIdx::all(case.buses.len()).map(|place| busbar[place.at()]).collect();
    for (row, index) in case.buses.iter().zip(&buses) {
        let Some(bus) = index.and_then(|index| grid.buses.get_mut(index.at())) else { continue };
        // A network knows neither where to start from nor the angle of the reference; the case does.
        bus.va_rad = row.va_degree.to_radians();
        if bus.kind == BusKind::Pq && row.vm_pu > 0.0 {
            bus.vm_pu = row.vm_pu;
        }
    }
    let branches = expansion
        .branches
        .iter()
        .zip(&case.branches)
        .map(|(equipment, row)| {
            equipment.filter(|_| row.in_service).and_then(|found_at| found.branch(found_at))
        })
        .collect();
    let generators = expansion
        .generators
        .iter()
        .zip(&case.generators)
        .map(|(machine, row)| {
            machine.filter(|_| row.in_service).and_then(|machine| found.machine[machine.at()])
        })
        .collect();
    let dc_lines = vec![None; case.dc_lines.len()];
    Ok(CaseGrid {
        grid,
        map: CaseMap { buses, branches, generators, dc_lines },
        diagnostics: expansion.diagnostics,
    })
}
