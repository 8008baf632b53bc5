//! Solutions → tables, one row per row of the case in its order. Names and signs are those of pandapower.
//!
//! ```text
//! bus:     p_mw = demand of loads and shunts - generation          (res_bus.p_mw: positive is drawn)
//!          p_mw + Σ p_from_mw + Σ p_to_mw of its branches = 0
//! branch:  p_from_mw, p_to_mw = power out of the bus into the branch, pl_mw = p_from_mw + p_to_mw
//!          loading_percent = 100 · max(|S_from|, |S_to|) / rateA
//! machine: p_mw, q_mvar = delivered
//! dc line: p_from_mw, p_to_mw = power out of the bus into the line, pl_mw = p_from_mw + p_to_mw
//! ```

use powerflow::Solution;
use topology::calc::{BranchFlow, BusIdx, BusKind, Voltages};

use super::network::StudyNetwork;
use super::table::{Column, Table};

/// What a solver gives per bus and branch of the grid.
pub(crate) struct State<'a> {
    pub(crate) voltages: &'a Voltages,
    pub(crate) flows: &'a [BranchFlow],
    pub(crate) p_injection_pu: &'a [f64],
    pub(crate) q_injection_pu: &'a [f64],
}

/// Voltage and power of every bus.
pub(crate) fn buses(network: &StudyNetwork, state: &State<'_>) -> Table {
    let per_bus = |figure: &dyn Fn(BusIdx) -> f64| -> Vec<f64> {
        network.map.buses.iter().map(|bus| bus.map_or(f64::NAN, figure)).collect()
    };
    let base = network.grid.base_mva;
    let square = |bus: BusIdx| state.voltages.vm_pu[bus.at()].powi(2);
    let p = |bus: BusIdx| {
        (network.grid.buses[bus.at()].g_shunt_pu * square(bus) - state.p_injection_pu[bus.at()]) * base
    };
    let q = |bus: BusIdx| {
        (-network.grid.buses[bus.at()].b_shunt_pu * square(bus) - state.q_injection_pu[bus.at()]) * base
    };
    let cases = &network.case.buses;
    Table {
        kind: "bus",
        columns: vec![
            Column::integers("bus", cases.iter().map(|bus| Some(i64::from(bus.number.0)))),
            Column::texts("name", cases.iter().map(|bus| bus.name.clone())),
            Column::numbers("vm_pu", per_bus(&|bus| state.voltages.vm_pu[bus.at()])),
            Column::numbers("va_degree", per_bus(&|bus| state.voltages.va_rad[bus.at()].to_degrees())),
            Column::numbers("p_mw", per_bus(&p)),
            Column::numbers("q_mvar", per_bus(&q)),
        ],
    }
}

/// Flows, losses and loading of every branch.
pub(crate) fn branches(network: &StudyNetwork, state: &State<'_>) -> Table {
    let base = network.grid.base_mva;
    let rows = 0..network.case.branches.len();
    let flows: Vec<Option<BranchFlow>> = rows
        .clone()
        .map(|row| network.branch(row).and_then(|(branch, _)| state.flows.get(branch.at()).copied()))
        .collect();
    let per_branch = |figure: &dyn Fn(&BranchFlow) -> f64| -> Vec<f64> {
        flows.iter().map(|flow| flow.as_ref().map_or(f64::NAN, |flow| figure(flow) * base)).collect()
    };
    let loading = rows
        .map(|row| network.branch(row).map_or(f64::NAN, |(at, _)| loading_percent(network, state, at.at())));
    let cases = &network.case.branches;
    Table {
        kind: "branch",
        columns: vec![
            Column::texts("branch", network.branch_names.iter().cloned().map(Some)),
            Column::integers("from_bus", cases.iter().map(|branch| Some(i64::from(branch.from.0)))),
            Column::integers("to_bus", cases.iter().map(|branch| Some(i64::from(branch.to.0)))),
            Column::numbers("p_from_mw", per_branch(&|flow| flow.p_from_pu)),
            Column::numbers("q_from_mvar", per_branch(&|flow| flow.q_from_pu)),
            Column::numbers("p_to_mw", per_branch(&|flow| flow.p_to_pu)),
            Column::numbers("q_to_mvar", per_branch(&|flow| flow.q_to_pu)),
            Column::numbers("pl_mw", per_branch(&|flow| flow.p_from_pu + flow.p_to_pu)),
            Column::numbers("ql_mvar", per_branch(&|flow| flow.q_from_pu + flow.q_to_pu)),
            Column::numbers("loading_percent", loading),
        ],
    }
}

/// Apparent power at the heavier end against the long-term rating, NaN without a rating.
pub(crate) fn loading_percent(network: &StudyNetwork, state: &State<'_>, branch: usize) -> f64 {
    let (Some(flow), Some(data)) = (state.flows.get(branch), network.grid.branches.get(branch)) else {
        return f64::NAN;
    };
    let [from, to] = [flow.p_from_pu.hypot(flow.q_from_pu), flow.p_to_pu.hypot(flow.q_to_pu)];
    if data.rate_mva > 0.0 { 100.0 * from.max(to) * network.grid.base_mva / data.rate_mva } else { f64::NAN }
}

/// What every machine delivers.
pub(crate) fn generators(network: &StudyNetwork, delivered: &Delivered, voltages: &Voltages) -> Table {
    let buses = &network.map.generators;
    let at_bus = |figures: &[f64]| -> Vec<f64> {
        buses.iter().map(|bus| bus.map_or(f64::NAN, |bus| figures[bus.at()])).collect()
    };
    let cases = &network.case.generators;
    let outputs = &delivered.generators;
    Table {
        kind: "generator",
        columns: vec![
            Column::integers("generator", (1..).zip(cases).map(|(row, _)| Some(row))),
            Column::integers("bus", cases.iter().map(|machine| Some(i64::from(machine.bus.0)))),
            Column::numbers("p_mw", outputs.iter().map(|output| output[0])),
            Column::numbers("q_mvar", outputs.iter().map(|output| output[1])),
            Column::numbers("vm_pu", at_bus(&voltages.vm_pu)),
            Column::numbers("va_degree", at_bus(&voltages.va_rad).into_iter().map(f64::to_degrees)),
        ],
    }
}

/// Powers of the DC lines at both ends, out of the bus into the line, and the voltages there.
pub(crate) fn dc_lines(network: &StudyNetwork, delivered: &Delivered, voltages: &Voltages) -> Table {
    let ends = &network.map.dc_lines;
    let at_bus = |figures: &[f64], end: usize| -> Vec<f64> {
        ends.iter().map(|ends| ends.map_or(f64::NAN, |ends| figures[ends[end].at()])).collect()
    };
    let cases = &network.case.dc_lines;
    let drawn =
        |end: usize, part: usize| delivered.dc_lines.iter().map(move |outputs| 0.0 - outputs[end][part]);
    let loss = delivered.dc_lines.iter().map(|[from, to]| 0.0 - from[0] - to[0]);
    Table {
        kind: "dc_line",
        columns: vec![
            Column::integers("dc_line", (1..).zip(cases).map(|(row, _)| Some(row))),
            Column::integers("from_bus", cases.iter().map(|line| Some(i64::from(line.from.0)))),
            Column::integers("to_bus", cases.iter().map(|line| Some(i64::from(line.to.0)))),
            Column::numbers("p_from_mw", drawn(0, 0)),
            Column::numbers("q_from_mvar", drawn(0, 1)),
            Column::numbers("p_to_mw", drawn(1, 0)),
            Column::numbers("q_to_mvar", drawn(1, 1)),
            Column::numbers("pl_mw", loss),
            Column::numbers("vm_from_pu", at_bus(&voltages.vm_pu, 0)),
            Column::numbers("va_from_degree", at_bus(&voltages.va_rad, 0).into_iter().map(f64::to_degrees)),
            Column::numbers("vm_to_pu", at_bus(&voltages.vm_pu, 1)),
            Column::numbers("va_to_degree", at_bus(&voltages.va_rad, 1).into_iter().map(f64::to_degrees)),
        ],
    }
}

/// MW and Mvar that sources deliver, by row of their tables; NaN where nothing is energised.
pub(crate) struct Delivered {
    generators: Vec<[f64; 2]>,
    /// At the from and the to end.
    dc_lines: Vec<[[f64; 2]; 2]>,
}

/// A machine or one end of a DC line.
struct Source {
    /// Set point, or what is known of it.
    output: [f64; 2],
    range: [f64; 2],
    row: usize,
    /// `None` for a machine.
    end: Option<usize>,
}

/// What a bus delivers beyond its schedule comes from its generators by their weights, else from its first source;
/// sources at one bus share its reactive power.
pub(crate) fn delivered(network: &StudyNetwork, solution: &Solution, weights: &[f64]) -> Delivered {
    let base = network.grid.base_mva;
    let mut found = Delivered {
        generators: vec![[f64::NAN; 2]; network.case.generators.len()],
        dc_lines: vec![[[f64::NAN; 2]; 2]; network.case.dc_lines.len()],
    };
    for (at, mut sources) in sources(network).into_iter().enumerate() {
        let Some(index) = u32::try_from(at).ok().map(BusIdx) else { continue };
        if sources.is_empty() || !solution.p_injection_pu[at].is_finite() {
            continue;
        }
        let bus = &network.grid.buses[at];
        if bus.kind != BusKind::Pq {
            let ranges: Vec<[f64; 2]> = sources.iter().map(|source| source.range).collect();
            let shares = share(solution.machine_q_pu(&network.grid, index) * base, &ranges);
            sources.iter_mut().zip(shares).for_each(|(source, q_mvar)| source.output[1] = q_mvar);
        }
        let weight = |source: &Source| if source.end.is_none() { weights[source.row] } else { 0.0 };
        let sum: f64 = sources.iter().map(weight).sum();
        if bus.kind == BusKind::Slack || sum > 0.0 {
            let load_mw = network.row_of(index).map_or(0.0, |row| network.case.buses[row].pd_mw);
            let scheduled: f64 = sources.iter().map(|source| source.output[0]).sum();
            let beyond = solution.p_injection_pu[at] * base + load_mw - scheduled;
            for (nth, source) in sources.iter_mut().enumerate() {
                let first = f64::from(u8::from(nth == 0));
                source.output[0] += beyond * if sum > 0.0 { weight(source) / sum } else { first };
            }
        }
        for source in sources {
            match source.end {
                None => found.generators[source.row] = source.output,
                Some(end) => found.dc_lines[source.row][end] = source.output,
            }
        }
    }
    found
}

/// Sources by bus, machines first.
fn sources(network: &StudyNetwork) -> Vec<Vec<Source>> {
    let mut sources: Vec<Vec<Source>> = network.grid.buses.iter().map(|_| Vec::new()).collect();
    let mut put = |bus: BusIdx, source: Source| {
        if let Some(list) = sources.get_mut(bus.at()) {
            list.push(source);
        }
    };
    for (row, bus) in network.map.generators.iter().enumerate() {
        let (Some(bus), machine) = (*bus, &network.case.generators[row]) else { continue };
        let range = [machine.qmin_mvar, machine.qmax_mvar];
        put(bus, Source { output: [machine.pg_mw, machine.qg_mvar], range, row, end: None });
    }
    for (row, ends) in network.map.dc_lines.iter().enumerate() {
        let (Some([from, to]), line) = (*ends, &network.case.dc_lines[row]) else { continue };
        let range = [line.qminf_mvar, line.qmaxf_mvar];
        put(from, Source { output: [-line.pf_mw, line.qf_mvar], range, row, end: Some(0) });
        let range = [line.qmint_mvar, line.qmaxt_mvar];
        put(to, Source { output: [line.pt_mw(), line.qt_mvar], range, row, end: Some(1) });
    }
    sources
}

/// Shares machines with the given ranges have in a sum: all at the same height of their range; equal ones if the
/// ranges are no measure (infinite, or all zero).
fn share(total: f64, ranges: &[[f64; 2]]) -> Vec<f64> {
    let lower: f64 = ranges.iter().map(|range| range[0]).sum();
    let span: f64 = ranges.iter().map(|range| range[1] - range[0]).sum();
    if lower.is_finite() && span.is_finite() && span > 0.0 {
        let height = (total - lower) / span;
        ranges.iter().map(|range| range[0] + height * (range[1] - range[0])).collect()
    } else {
        vec![total / ranges.len() as f64; ranges.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(total: f64, ranges: &[[f64; 2]], expected: &[f64]) {
        let found = share(total, ranges);
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn machines_at_one_bus_share_its_reactive_power() {
        let inf = f64::INFINITY;
        check(30.0, &[[-10.0, 50.0]], &[30.0]);
        check(30.0, &[[0.0, 20.0], [0.0, 40.0]], &[10.0, 20.0]);
        check(90.0, &[[0.0, 20.0], [0.0, 40.0]], &[30.0, 60.0]);
        check(0.0, &[[-10.0, 30.0], [-10.0, 0.0]], &[6.0, -6.0]);
        check(8.0, &[[-inf, inf], [-10.0, 0.0]], &[4.0, 4.0]);
        check(8.0, &[[0.0, 0.0], [0.0, 0.0]], &[4.0, 4.0]);
    }
}
