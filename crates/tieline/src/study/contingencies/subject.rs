//! The network of a study in either form: rows of a case, or substations with their switches.

use std::path::Path;

use contingency::{CaseNames, Names, NetworkNames, Plant, Switching, System};
use model::{Diagnostic, ExpandOptions, expand};
use topology::calc::{BranchIdx, BusIdx};
use topology::{Schedule, Topology};

use crate::files;

/// What contingencies happen to.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) system: &'a System,
    pub(crate) names: &'a dyn Names,
    /// The switches behind it, if it has them.
    pub(crate) plant: Option<Plant<'a>>,
    /// Names by branch and bus of the system.
    pub(crate) branches: Vec<String>,
    pub(crate) buses: Vec<String>,
    pub(crate) losses: &'a [Diagnostic],
}

impl Subject<'_> {
    pub(crate) fn branch(&self, branch: BranchIdx) -> String {
        self.branches.get(branch.at()).cloned().unwrap_or_default()
    }

    pub(crate) fn bus(&self, bus: BusIdx) -> String {
        self.buses.get(bus.at()).cloned().unwrap_or_default()
    }
}

/// Reads a network and works on it.
pub(crate) fn with<R>(
    file: &Path,
    breakers: bool,
    work: &mut dyn FnMut(&Subject<'_>) -> anyhow::Result<R>,
) -> anyhow::Result<R> {
    let (case, mut losses) = files::case(file)?;
    let named = |fault: &dyn std::fmt::Display| anyhow::anyhow!("{}: {fault}", files::shown(file));
    if breakers {
        let expansion = expand(&case, ExpandOptions::default()).map_err(|fault| named(&fault))?;
        losses.extend(expansion.diagnostics);
        let network = &expansion.network;
        let (topology, schedule) = (Topology::new(network), Schedule::of(network));
        let base = System::from_network(network, &topology, &schedule);
        let switching = Switching::new(network, &topology, &base);
        let grid = &base.system.grid;
        return work(&Subject {
            name: &case.name,
            system: &base.system,
            names: &NetworkNames::new(network, &switching),
            plant: Some(Plant { network, topology: &topology, schedule: &schedule, base: &base }),
            branches: grid.branches.iter().map(|branch| branch.name.clone()).collect(),
            buses: grid.buses.iter().map(|bus| bus.name.clone()).collect(),
            losses: &losses,
        });
    }
    let read = System::from_case(&case).map_err(|fault| named(&fault))?;
    losses.extend(read.diagnostics.iter().cloned());
    let grid = &read.system.grid;
    let mut buses = vec![String::new(); grid.buses.len()];
    for (row, bus) in case.buses.iter().zip(&read.map.buses) {
        if let Some(bus) = bus {
            buses[bus.at()] = row.number.to_string();
        }
    }
    work(&Subject {
        name: &case.name,
        system: &read.system,
        names: &CaseNames::new(&case, &read),
        plant: None,
        branches: grid.branches.iter().map(|branch| branch.name.clone()).collect(),
        buses,
        losses: &losses,
    })
}
