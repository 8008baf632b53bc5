//! Order by nested dissection: two parts of the graph first, then the nodes between them, and each part alike.
//!
//! George, "Nested dissection of a regular finite element mesh", SIAM J. Numer. Anal. 10(2), 1973; separators by several
//! levels: Karypis and Kumar, "A fast and high quality multilevel scheme for partitioning irregular graphs", SIAM J. Sci.
//! Comput. 20(1), 1998, and Hendrickson and Rothberg, "Improving the run time and quality of nested dissection ordering",
//! SIAM J. Sci. Comput. 20(2), 1998. Parts that are small are ordered by minimum degree.
//!
//! Own work from these papers. There is no chance in it: the same graph has the same order on every machine.

use super::graph::{Dice, Graph};
use super::leaf::LeafOrder;
use super::separator::{BETWEEN, separate};

/// Parts up to this many nodes are ordered by minimum degree.
const LEAF: usize = 120;

/// Order of elimination for a graph: the neighbours of node `i` are `adjacent[ptr[i]..ptr[i + 1]]`, each once, in both
/// directions, without `i` itself. O(edges log nodes) in practice; allocates.
pub(super) fn nested_dissection_of(ptr: &[usize], adjacent: &[u32]) -> Vec<u32> {
    let whole = Graph::new(ptr, adjacent);
    let n = whole.len();
    let mut order = vec![0; n];
    let mut dice = Dice::new();
    let mut leaves = LeafOrder::new(n);
    // A part, its nodes in the whole graph, and where its places in the order begin.
    let mut open: Vec<(Graph, Vec<u32>, usize)> = vec![(whole, (0u32..).take(n).collect(), 0)];
    while let Some((graph, nodes, start)) = open.pop() {
        let places = &mut order[start..start + nodes.len()];
        let side = if graph.len() <= LEAF { Vec::new() } else { separate(&graph, &mut dice) };
        let [first, second, between] = [0, 1, BETWEEN].map(|which| members(&side, which));
        // Without two parts there is nothing to dissect: the part is small, or nearly every node has an edge to every
        // other, and then any order is as good.
        if first.is_empty() || second.is_empty() {
            if graph.len() <= LEAF {
                leaves.put((ptr, adjacent), &nodes, places);
            } else {
                places.copy_from_slice(&nodes);
            }
            continue;
        }
        let after = first.len() + second.len();
        for (place, &node) in places[after..].iter_mut().zip(&between) {
            *place = nodes[node as usize];
        }
        let second_start = start + first.len();
        for (part, start) in [(first, start), (second, second_start)] {
            let numbers = part.iter().map(|&node| nodes[node as usize]).collect();
            open.push((graph.part(&part), numbers, start));
        }
    }
    order
}

fn members(side: &[u8], which: u8) -> Vec<u32> {
    (0u32..).zip(side).filter(|(_, side)| **side == which).map(|(node, _)| node).collect()
}
