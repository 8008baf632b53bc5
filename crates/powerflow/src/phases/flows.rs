//! Currents and powers at the ends of equipment from the voltages of a solution.
//!
//! ```text
//! i = Y_e · v        s = v · conj(i)        into the equipment, conductor by conductor
//! ```

use sparse::complex::Complex;
use topology::phases::{GROUND, PhaseGrid};

/// What flows into one conductor of an element.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EndFlow {
    /// The node; [`GROUND`] for ground.
    pub node: u32,
    /// Current into the element in amperes.
    pub current_a: Complex,
    /// Power into the element, by the voltage of the conductor to ground.
    pub power_va: Complex,
}

/// Flows into all conductors of an element, end by end. Sources count with their impedance alone.
pub fn element_flow(grid: &PhaseGrid, element: usize, v: &[Complex]) -> Vec<EndFlow> {
    let element = &grid.elements[element];
    let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
    let voltage = |node: u32| if node == GROUND { Complex::ZERO } else { v[node as usize] };
    nodes
        .iter()
        .enumerate()
        .map(|(row, &node)| {
            let current_a: Complex = y[row * nodes.len()..]
                .iter()
                .zip(nodes)
                .filter(|(y, _)| **y != Complex::ZERO)
                .map(|(&y, &other)| y * voltage(other))
                .sum();
            EndFlow { node, current_a, power_va: voltage(node) * current_a.conj() }
        })
        .collect()
}

/// Power that a source delivers at its terminal.
pub fn source_power(grid: &PhaseGrid, source: usize, v: &[Complex]) -> Complex {
    let source = &grid.sources[source];
    let element = &grid.elements[source.element as usize];
    let (nodes, y) = (grid.nodes_of(element), grid.values_of(element));
    let mut delivered = Complex::ZERO;
    for (row, &node) in nodes.iter().enumerate().filter(|(_, node)| **node != GROUND) {
        let across = |k: usize| {
            let at_node = if nodes[k] == GROUND { Complex::ZERO } else { v[nodes[k] as usize] };
            source.emf_v[k] - at_node
        };
        let current: Complex = (0..nodes.len()).map(|k| y[row * nodes.len() + k] * across(k)).sum();
        delivered += v[node as usize] * current.conj();
    }
    delivered
}
