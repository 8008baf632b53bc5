//! Controls of taps and capacitors with what they measure resolved to elements and nodes.

use model::distribution::{CapacitorControl, DistributionNetwork, MonitoredEnd, TapChangerControl};

use super::grid::{ElementKind, PhaseGrid};

/// A control of a tap.
#[derive(Clone, PartialEq, Debug)]
pub struct TapControl {
    /// Its settings; transformer and ends as in [`PhaseGrid::transformers`].
    pub settings: TapChangerControl,
    /// Node and ratio of the voltage transformer that is measured instead of the winding.
    pub remote: Option<(u32, f64)>,
}

/// A control of a capacitor.
#[derive(Clone, PartialEq, Debug)]
pub struct BankControl {
    /// Its settings; the capacitor as in [`PhaseGrid::capacitors`].
    pub settings: CapacitorControl,
    /// Element that it measures.
    pub element: u32,
    /// End of the element.
    pub end: u32,
    /// Nodes that the override measures, if not that end.
    pub override_nodes: Vec<u32>,
}

/// The controls in service of a network, in its order.
pub(super) fn resolve(
    grid: &PhaseGrid,
    network: &DistributionNetwork,
) -> (Vec<TapControl>, Vec<BankControl>) {
    let taps = network
        .tap_controls
        .iter()
        .filter(|control| control.in_service)
        .map(|control| TapControl {
            settings: control.clone(),
            remote: control
                .remote
                .and_then(|(bus, conductor, ratio)| Some((grid.node(bus.0, conductor.0)?, ratio))),
        })
        .collect();
    let banks = network
        .capacitor_controls
        .iter()
        .filter(|control| control.in_service)
        .filter_map(|control| {
            let (element, end) = monitored(grid, control.monitored)?;
            let override_nodes = control.override_node.map_or_else(Vec::new, |bus| {
                let place = &grid.buses[bus.at()];
                (place.first_node..place.first_node + place.node_count).collect()
            });
            Some(BankControl { settings: control.clone(), element, end, override_nodes })
        })
        .collect();
    (taps, banks)
}

fn monitored(grid: &PhaseGrid, end: MonitoredEnd) -> Option<(u32, u32)> {
    let (kind, end) = match end {
        MonitoredEnd::Line(at, end) => (ElementKind::Line(at), end),
        MonitoredEnd::Transformer(at, end) => (ElementKind::Transformer(at), end),
        MonitoredEnd::Capacitor(at) => (ElementKind::Capacitor(at), 0),
        MonitoredEnd::Reactor(at, end) => (ElementKind::Reactor(at), end),
        // Loads are no elements: a control that watches one has nothing to measure here.
        MonitoredEnd::Load(_) => return None,
    };
    let at = grid.elements.iter().position(|element| element.kind == kind)?;
    Some((u32::try_from(at).ok()?, u32::from(end)))
}
