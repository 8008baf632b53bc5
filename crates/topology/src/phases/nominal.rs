//! Nominal voltages of buses whose network does not give them: from the sources along lines, and through
//! transformers by their ratings.

use std::collections::VecDeque;

use model::distribution::{
    DistributionNetwork, NodeIdx, PowerTransformer, PowerTransformerEnd, WindingConnection,
};

/// Nominal voltage to neutral in volts, by node; NaN where neither the network nor a source says what it is.
pub(super) fn base_volts(network: &DistributionNetwork) -> Vec<f64> {
    let mut found: Vec<Option<f64>> = network.nodes.iter().map(|node| node.nominal_kv).collect();
    let mut waiting = VecDeque::new();
    for source in &network.sources {
        let at = source.terminal.node.at();
        let single = source.terminal.conductors.len() == 1;
        let line_to_line = source.nominal_kv * if single { 3.0_f64.sqrt() } else { 1.0 };
        found[at].get_or_insert(snapped(network, line_to_line));
    }
    waiting.extend((0..found.len()).filter(|&at| found[at].is_some()));
    let neighbours = neighbours(network);
    while let Some(at) = waiting.pop_front() {
        let here = found[at];
        for &(next, rated) in &neighbours[at] {
            let place = next.at();
            if found[place].is_none() {
                found[place] = rated.map(|kv| snapped(network, kv)).or(here);
                waiting.push_back(place);
            }
        }
    }
    found.into_iter().map(|kv| kv.map_or(f64::NAN, |kv| kv * 1000.0 / 3.0_f64.sqrt())).collect()
}

/// For each node: the nodes that equipment in service connects with it, and the voltage there if a rating says so.
fn neighbours(network: &DistributionNetwork) -> Vec<Vec<(NodeIdx, Option<f64>)>> {
    let mut list = vec![Vec::new(); network.nodes.len()];
    let mut join = |from: NodeIdx, to: NodeIdx, rated: Option<f64>| list[from.at()].push((to, rated));
    for line in network.lines.iter() {
        let [from, to] = [line.terminals[0].node, line.terminals[1].node];
        join(from, to, None);
        join(to, from, None);
    }
    for reactor in &network.reactors {
        let [from, to] = [reactor.terminals[0].node, reactor.terminals[1].node];
        join(from, to, None);
        join(to, from, None);
    }
    for transformer in &network.transformers {
        for from in &transformer.ends {
            for to in &transformer.ends {
                if from.terminal.node != to.terminal.node {
                    join(from.terminal.node, to.terminal.node, Some(line_to_line_kv(transformer, to)));
                }
            }
        }
    }
    list
}

/// Rating of an end, line to line of the system that it is part of.
fn line_to_line_kv(transformer: &PowerTransformer, end: &PowerTransformerEnd) -> f64 {
    let across_lines = end.connection == WindingConnection::Delta
        || transformer.phases > 1
        || end.terminal.conductors.iter().all(|c| !c.is_ground() && c.0 <= 3);
    end.rated_kv * if across_lines { 1.0 } else { 3.0_f64.sqrt() }
}

/// The nominal voltage of the network that is nearest by ratio; the same voltage if the network lists none.
fn snapped(network: &DistributionNetwork, kv: f64) -> f64 {
    let far = |base: &f64| (1.0 - kv / base).abs();
    network.base_voltages_kv.iter().copied().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(kv)
}
