//! The part of the network and of the estimate that lies in somebody's areas of responsibility (S-04).
//!
//! Substations and branches are numbered in the views, so that both are renumbered by the same map. A branch belongs to
//! whoever is responsible for both of its ends.

use crate::lists::Lists;
use api::{BranchEstimateView, BranchView, BusEstimateView, EstimateView, NetworkView, StatusView};
use security::Areas;
use std::collections::HashSet;
use std::sync::Arc;

/// New numbers of substations and branches; `None` for those outside.
#[derive(Clone, Debug)]
pub(crate) struct Territory {
    substations: Vec<Option<usize>>,
    branches: Vec<Option<usize>>,
    /// Links that carry at least one point inside.
    links: HashSet<Arc<str>>,
}

impl Territory {
    /// The territory of some areas; `None` for all. O(points + substations + branches).
    pub(crate) fn of(areas: &Areas, lists: &Lists) -> Option<Self> {
        if *areas == Areas::All {
            return None;
        }
        let network = &lists.network;
        let substations = number(network.substations.iter().map(|substation| areas.cover(&substation.name)));
        let inside = |at: usize| substations.get(at).is_some_and(Option::is_some);
        let branches = number(network.branches.iter().map(|branch| inside(branch.from) && inside(branch.to)));
        let covered = lists.points.in_use().filter(|(_, def)| areas.cover(&def.substation));
        let links =
            covered.filter_map(|(_, def)| def.binding.as_ref().map(|binding| Arc::clone(&binding.link)));
        Some(Self { substations, branches, links: links.collect() })
    }

    /// The network within the territory.
    pub(crate) fn network(&self, view: &NetworkView) -> NetworkView {
        let substations = view.substations.iter().zip(&self.substations);
        let substations =
            substations.filter(|(_, new)| new.is_some()).map(|(substation, _)| substation.clone());
        let branches = view.branches.iter().zip(&self.branches);
        let branches =
            branches.filter(|(_, new)| new.is_some()).filter_map(|(branch, _)| self.branch(branch));
        NetworkView {
            name: view.name.clone(),
            base_mva: view.base_mva,
            frequency_hz: view.frequency_hz,
            substations: substations.collect(),
            branches: branches.collect(),
        }
    }

    fn branch(&self, branch: &BranchView) -> Option<BranchView> {
        let renumbered = |at: usize| self.substations.get(at).copied().flatten();
        Some(BranchView { from: renumbered(branch.from)?, to: renumbered(branch.to)?, ..branch.clone() })
    }

    /// The state of the platform with the links of the territory. Figures of the whole stay.
    pub(crate) fn status(&self, mut view: StatusView) -> StatusView {
        view.sessions.retain(|link| self.links.contains(link.name.as_str()));
        view
    }

    /// The estimate within the territory; `shows` says which points are. Figures of the whole, such as the objective, stay.
    pub(crate) fn estimate(&self, view: &EstimateView, shows: impl Fn(u32) -> bool) -> EstimateView {
        let bus = |bus: &BusEstimateView| {
            let substation = self.substations.get(bus.substation).copied().flatten()?;
            Some(BusEstimateView { substation, ..bus.clone() })
        };
        let branch = |branch: &BranchEstimateView| {
            let new = self.branches.get(branch.branch).copied().flatten()?;
            Some(BranchEstimateView { branch: new, ..*branch })
        };
        let buses: Vec<BusEstimateView> = view.buses.iter().filter_map(bus).collect();
        let known = |name: &&String| buses.iter().any(|bus| bus.name == **name);
        EstimateView {
            state: view.state.clone(),
            time: view.time.clone(),
            bad_data: view.bad_data.iter().filter(|bad| shows(bad.point)).cloned().collect(),
            unobservable: view.unobservable.iter().filter(known).cloned().collect(),
            branches: view.branches.iter().filter_map(branch).collect(),
            buses,
            ..*view
        }
    }
}

/// Counts those that stay.
fn number(stays: impl Iterator<Item = bool>) -> Vec<Option<usize>> {
    let mut next = 0..;
    stays.map(|stays| if stays { next.next() } else { None }).collect()
}
