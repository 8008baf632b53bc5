//! Solutions → rows of results, statistics or violations.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use parquet::data_type::ByteArray;
use topology::calc::BranchFlow;

use super::profile::Labels;
use super::rows_file::{Cells, Kind, RowsFile};
use super::solve::Solutions;
use super::states::State;
use super::statistics::Summary;
use crate::study::network::StudyNetwork;
use crate::study::path_of_kind;
use crate::study::powerflow::LIMIT_TOLERANCE;

/// Finest bins of voltages in p.u. and of loadings in percent.
pub(in crate::study) const VM_BIN_PU: f64 = 1e-4;
pub(in crate::study) const LOADING_BIN_PERCENT: f64 = 0.1;
/// Bins of quantities without percentiles.
const NO_BIN: f64 = 1e30;

/// A result by step and element.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::study) enum Quantity {
    /// Voltage magnitude of a bus.
    VmPu,
    /// Voltage angle of a bus.
    VaDegree,
    /// What loads and shunts draw minus what generators deliver.
    PMw,
    /// The same of reactive power.
    QMvar,
    /// Into the branch at its from end.
    PFromMw,
    /// Into the branch at its from end.
    QFromMvar,
    /// Into the branch at its to end.
    PToMw,
    /// Into the branch at its to end.
    QToMvar,
    /// Losses of the branch.
    PlMw,
    /// Reactive losses of the branch.
    QlMvar,
    /// Apparent power at the heavier end against the rating.
    LoadingPercent,
}

impl Quantity {
    pub(super) const fn of_bus(self) -> bool {
        matches!(self, Self::VmPu | Self::VaDegree | Self::PMw | Self::QMvar)
    }

    pub(in crate::study) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What is written.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Wanted {
    Rows(Vec<Quantity>),
    Statistics,
    Violations,
}

/// Where it is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::study) struct Place<'a> {
    pub(in crate::study) path: Option<&'a Path>,
    pub(in crate::study) parquet: bool,
}

/// Takes solutions in the order of the profile.
pub(super) struct Output {
    base_mva: f64,
    buses: Vec<i64>,
    branches: Vec<ByteArray>,
    /// Case rows of the ends of every branch.
    ends: Vec<[usize; 2]>,
    writers: Writers,
    pub(super) violations: usize,
}

enum Writers {
    Rows(Vec<(Vec<Quantity>, RowsFile)>),
    Statistics { buses: Vec<Summary>, branches: Vec<[Summary; 3]>, files: [RowsFile; 2] },
    Violations(RowsFile),
}

impl Output {
    pub(super) fn create(
        network: &StudyNetwork,
        label: &Labels,
        wanted: &Wanted,
        place: Place<'_>,
    ) -> anyhow::Result<Self> {
        let case = &network.case;
        let rows: std::collections::HashMap<_, _> =
            case.buses.iter().enumerate().map(|(row, bus)| (bus.number, row)).collect();
        let row = |number| rows.get(&number).copied().unwrap_or(usize::MAX);
        Ok(Self {
            base_mva: network.grid.base_mva,
            buses: case.buses.iter().map(|bus| i64::from(bus.number.0)).collect(),
            branches: network.branch_names.iter().map(|name| ByteArray::from(name.as_str())).collect(),
            ends: case.branches.iter().map(|branch| [row(branch.from), row(branch.to)]).collect(),
            writers: writers(network, label, wanted, place)?,
            violations: 0,
        })
    }

    /// Takes the rows of a chunk.
    pub(super) fn take(&mut self, solutions: &Solutions) -> anyhow::Result<()> {
        let Self { base_mva, buses, branches, ends, writers, violations } = self;
        match writers {
            Writers::Rows(files) => {
                for (quantities, file) in files {
                    let of_bus = quantities.iter().all(|quantity| quantity.of_bus());
                    let columns = columns(quantities, solutions, (ends, *base_mva));
                    let (elements, repeated);
                    let ids = if of_bus {
                        elements = buses.repeat(solutions.rows);
                        Cells::Integer(&elements)
                    } else {
                        repeated = vec![&branches[..]; solutions.rows].concat();
                        Cells::Text(&repeated)
                    };
                    let label =
                        LabelCells::of(&solutions.labels, if of_bus { buses.len() } else { branches.len() });
                    let mut cells = vec![label.cells(), ids];
                    cells.extend(columns.iter().map(|column| Cells::Number(column)));
                    file.write(cells)?;
                }
            }
            Writers::Statistics { buses, branches, .. } => {
                summarise(solutions, (ends, *base_mva), (buses, branches));
            }
            Writers::Violations(file) => *violations += write_violations(solutions, (ends, branches), file)?,
        }
        Ok(())
    }

    /// Writes what is written at the end, and closes the files.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self.writers {
            Writers::Rows(files) => files.into_iter().try_for_each(|(_, file)| file.close()),
            Writers::Violations(file) => file.close(),
            Writers::Statistics { buses, branches, files: [mut of_buses, mut of_branches] } => {
                let counts: Vec<i64> = buses.iter().map(count).collect();
                let columns = figures(buses.iter(), &VM_FIGURES);
                let mut cells = vec![Cells::Integer(&self.buses), Cells::Integer(&counts)];
                cells.extend(columns.iter().map(|column| Cells::Number(column)));
                of_buses.write(cells)?;
                of_buses.close()?;
                let counts: Vec<i64> = branches.iter().map(|[_, p, _]| count(p)).collect();
                let mut columns = figures(branches.iter().map(|of| &of[0]), &LOADING_FIGURES);
                columns.extend(figures(branches.iter().map(|of| &of[1]), &PLAIN_FIGURES));
                columns.extend(figures(branches.iter().map(|of| &of[2]), &PLAIN_FIGURES));
                let mut cells = vec![Cells::Text(&self.branches), Cells::Integer(&counts)];
                cells.extend(columns.iter().map(|column| Cells::Number(column)));
                of_branches.write(cells)?;
                of_branches.close()
            }
        }
    }
}

/// Name and value of a figure of a summary.
pub(in crate::study) type Figure = (&'static str, fn(&Summary) -> f64);

fn least(summary: &Summary) -> f64 {
    summary.least
}
fn largest(summary: &Summary) -> f64 {
    summary.largest
}
pub(in crate::study) const VM_FIGURES: [Figure; 6] = [
    ("min", least),
    ("mean", Summary::mean),
    ("max", largest),
    ("p05", |summary| summary.percentile(0.05)),
    ("p50", |summary| summary.percentile(0.5)),
    ("p95", |summary| summary.percentile(0.95)),
];
pub(in crate::study) const LOADING_FIGURES: [Figure; 4] = [
    ("mean", Summary::mean),
    ("max", largest),
    ("p50", |summary| summary.percentile(0.5)),
    ("p95", |summary| summary.percentile(0.95)),
];
const PLAIN_FIGURES: [Figure; 3] = [("min", least), ("mean", Summary::mean), ("max", largest)];

pub(in crate::study) fn figures<'a>(
    summaries: impl Iterator<Item = &'a Summary> + Clone,
    which: &[Figure],
) -> Vec<Vec<f64>> {
    which.iter().map(|(_, figure)| summaries.clone().map(figure).collect()).collect()
}

pub(in crate::study) fn count(summary: &Summary) -> i64 {
    i64::try_from(summary.count).unwrap_or(i64::MAX)
}

/// Name and kind of the column with the names of steps.
pub(in crate::study) fn label_column(label: &Labels) -> (String, Kind) {
    let kind = match label {
        Labels::Time(_) => Kind::Text,
        Labels::Scenario(_) => Kind::Integer,
    };
    (label.name().to_owned(), kind)
}

fn writers(
    network: &StudyNetwork,
    label: &Labels,
    wanted: &Wanted,
    place: Place<'_>,
) -> anyhow::Result<Writers> {
    let label = label_column(label);
    let text = |name: &str| (name.to_owned(), Kind::Text);
    let number = |name: String| (name, Kind::Number);
    let create = |kind: Option<&str>, columns| {
        let path: Option<PathBuf> =
            place.path.map(|path| kind.map_or_else(|| path.to_owned(), |kind| path_of_kind(path, kind)));
        RowsFile::create(path.as_deref(), place.parquet, columns)
    };
    let bus = ("bus".to_owned(), Kind::Integer);
    Ok(match wanted {
        Wanted::Rows(quantities) => {
            let (of_bus, of_branch): (Vec<_>, Vec<_>) =
                quantities.iter().copied().partition(|quantity| quantity.of_bus());
            let both = !of_bus.is_empty() && !of_branch.is_empty();
            let mut files = Vec::new();
            for (kind, id, quantities) in [("bus", bus, of_bus), ("branch", text("branch"), of_branch)] {
                if !quantities.is_empty() {
                    let mut columns = vec![label.clone(), id];
                    columns.extend(quantities.iter().map(|quantity| number(quantity.name())));
                    files.push((quantities, create(both.then_some(kind), columns)?));
                }
            }
            Writers::Rows(files)
        }
        Wanted::Violations => {
            let (value, limit) = (number("value".to_owned()), number("limit".to_owned()));
            Writers::Violations(create(None, vec![label, text("element"), text("quantity"), value, limit])?)
        }
        Wanted::Statistics => {
            let steps = || ("steps".to_owned(), Kind::Integer);
            let named = |quantity: &str, which: &[Figure]| -> Vec<(String, Kind)> {
                which.iter().map(|(name, _)| number(format!("{quantity}_{name}"))).collect()
            };
            let of_bus = [vec![bus, steps()], named("vm_pu", &VM_FIGURES)].concat();
            let of_branch = [
                vec![text("branch"), steps()],
                named("loading_percent", &LOADING_FIGURES),
                named("p_from_mw", &PLAIN_FIGURES),
                named("pl_mw", &PLAIN_FIGURES),
            ];
            let branch = [Summary::new(LOADING_BIN_PERCENT), Summary::new(NO_BIN), Summary::new(NO_BIN)];
            Writers::Statistics {
                buses: vec![Summary::new(VM_BIN_PU); network.case.buses.len()],
                branches: vec![branch; network.case.branches.len()],
                files: [create(Some("bus"), of_bus)?, create(Some("branch"), of_branch.concat())?],
            }
        }
    })
}

/// Figures by quantity, then by row and element.
fn columns(
    quantities: &[Quantity],
    solutions: &Solutions,
    (ends, base_mva): (&[[usize; 2]], f64),
) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::new(); quantities.len()];
    let mut flows = Vec::new();
    let plain = |quantity: &Quantity| matches!(quantity, Quantity::VmPu | Quantity::VaDegree);
    for row in 0..solutions.rows {
        if !quantities.iter().all(plain) {
            flows_of(solutions, row, ends, &mut flows);
        }
        let (voltages_pu, state) = (solutions.voltages_pu(row), &solutions.states[row]);
        let figures = Figures { voltages_pu, flows: &flows, ends, base_mva, state };
        for (quantity, column) in quantities.iter().zip(&mut columns) {
            figures.append(*quantity, column);
        }
    }
    columns
}

/// Takes the rows that were solved into the statistics.
fn summarise(
    solutions: &Solutions,
    (ends, base_mva): (&[[usize; 2]], f64),
    (buses, branches): (&mut [Summary], &mut [[Summary; 3]]),
) {
    let mut flows = Vec::new();
    for row in (0..solutions.rows).filter(|&row| solutions.solved[row]) {
        for (summary, [e, f]) in buses.iter_mut().zip(solutions.voltages_pu(row)) {
            summary.add((e * e + f * f).sqrt());
        }
        flows_of(solutions, row, ends, &mut flows);
        for ((at, summaries), flow) in branches.iter_mut().enumerate().zip(&flows) {
            let loading = loading_percent(&solutions.states[row], at, flow);
            let (p_mw, loss_mw) = (flow.p_from_pu * base_mva, (flow.p_from_pu + flow.p_to_pu) * base_mva);
            for (summary, value) in summaries.iter_mut().zip([loading, p_mw, loss_mw]) {
                summary.add(value);
            }
        }
    }
}

/// What the figures of one row come from.
struct Figures<'a> {
    voltages_pu: &'a [[f64; 2]],
    flows: &'a [BranchFlow],
    ends: &'a [[usize; 2]],
    base_mva: f64,
    state: &'a State,
}

impl Figures<'_> {
    fn append(&self, quantity: Quantity, column: &mut Vec<f64>) {
        let base = self.base_mva;
        let flows = self.flows.iter();
        match quantity {
            Quantity::VmPu => column.extend(self.voltages_pu.iter().map(|[e, f]| (e * e + f * f).sqrt())),
            Quantity::VaDegree => {
                column.extend(self.voltages_pu.iter().map(|[e, f]| f.atan2(*e).to_degrees()));
            }
            Quantity::PMw => self.append_drawn(|flow| [flow.p_from_pu, flow.p_to_pu], column),
            Quantity::QMvar => self.append_drawn(|flow| [flow.q_from_pu, flow.q_to_pu], column),
            Quantity::PFromMw => column.extend(flows.map(|flow| flow.p_from_pu * base)),
            Quantity::QFromMvar => column.extend(flows.map(|flow| flow.q_from_pu * base)),
            Quantity::PToMw => column.extend(flows.map(|flow| flow.p_to_pu * base)),
            Quantity::QToMvar => column.extend(flows.map(|flow| flow.q_to_pu * base)),
            Quantity::PlMw => column.extend(flows.map(|flow| (flow.p_from_pu + flow.p_to_pu) * base)),
            Quantity::QlMvar => column.extend(flows.map(|flow| (flow.q_from_pu + flow.q_to_pu) * base)),
            Quantity::LoadingPercent => {
                column.extend(flows.enumerate().map(|(at, flow)| loading_percent(self.state, at, flow)));
            }
        }
    }

    /// What a bus draws is what its branches do not take.
    fn append_drawn(&self, powers: impl Fn(&BranchFlow) -> [f64; 2], column: &mut Vec<f64>) {
        let first = column.len();
        column
            .extend(self.voltages_pu.iter().map(|voltage| if voltage[0].is_nan() { f64::NAN } else { 0.0 }));
        for (flow, ends) in self.flows.iter().zip(self.ends) {
            for (power, end) in powers(flow).into_iter().zip(ends) {
                if power.is_finite() {
                    column[first + end] -= power * self.base_mva;
                }
            }
        }
    }
}

/// Flows by branch of the case; NaN where not solved or out of service.
fn flows_of(solutions: &Solutions, row: usize, ends: &[[usize; 2]], flows: &mut Vec<BranchFlow>) {
    let (state, voltages) = (&solutions.states[row], solutions.voltages_pu(row));
    let none = BranchFlow { p_from_pu: f64::NAN, q_from_pu: f64::NAN, p_to_pu: f64::NAN, q_to_pu: f64::NAN };
    flows.clear();
    flows.extend(ends.iter().enumerate().map(|(at, &[from, to])| {
        let branch = state.network.branch(at);
        branch.map_or(none, |(_, branch)| branch.flow_rectangular(voltages[from], voltages[to]))
    }));
}

/// Apparent power at the heavier end against the rating; NaN without one.
fn loading_percent(state: &State, branch: usize, flow: &BranchFlow) -> f64 {
    let rate_mva = state.network.case.branches[branch].rate_a_mva;
    let largest = flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu));
    if rate_mva > 0.0 { 100.0 * largest * state.network.grid.base_mva / rate_mva } else { f64::NAN }
}

/// Writes what is beyond its limits, and steps without a solution; returns how many violations there are.
fn write_violations(
    solutions: &Solutions,
    (ends, names): (&[[usize; 2]], &[ByteArray]),
    file: &mut RowsFile,
) -> anyhow::Result<usize> {
    let mut found = Found::default();
    let mut flows = Vec::new();
    for row in 0..solutions.rows {
        let state = &solutions.states[row];
        if !solutions.solved[row] {
            found.push(row, (ByteArray::from(""), "not_converged"), [f64::NAN; 2]);
            continue;
        }
        for (bus, [e, f]) in state.network.case.buses.iter().zip(solutions.voltages_pu(row)) {
            let value = (e * e + f * f).sqrt();
            // Cases without voltage limits hold zeros.
            let limit = if bus.vmax_pu > 0.0 && value > bus.vmax_pu + LIMIT_TOLERANCE {
                bus.vmax_pu
            } else if value < bus.vmin_pu - LIMIT_TOLERANCE {
                bus.vmin_pu
            } else {
                continue;
            };
            let name = format!("bus {}", bus.number);
            found.push(row, (ByteArray::from(name.as_str()), "vm_pu"), [value, limit]);
            found.violations += 1;
        }
        flows_of(solutions, row, ends, &mut flows);
        for (at, flow) in flows.iter().enumerate() {
            let value = loading_percent(state, at, flow);
            if value > 100.0 + LIMIT_TOLERANCE {
                found.push(row, (names[at].clone(), "loading_percent"), [value, 100.0]);
                found.violations += 1;
            }
        }
    }
    let label = LabelCells::chosen(&solutions.labels, &found.rows);
    file.write(vec![
        label.cells(),
        Cells::Text(&found.elements),
        Cells::Text(&found.quantities),
        Cells::Number(&found.values),
        Cells::Number(&found.limits),
    ])?;
    Ok(found.violations)
}

#[derive(Default)]
struct Found {
    rows: Vec<usize>,
    elements: Vec<ByteArray>,
    quantities: Vec<ByteArray>,
    values: Vec<f64>,
    limits: Vec<f64>,
    violations: usize,
}

impl Found {
    fn push(&mut self, row: usize, (element, quantity): (ByteArray, &str), [value, limit]: [f64; 2]) {
        self.rows.push(row);
        self.elements.push(element);
        self.quantities.push(ByteArray::from(quantity));
        self.values.push(value);
        self.limits.push(limit);
    }
}

/// Names of steps, one per row of results.
pub(in crate::study) enum LabelCells {
    Time(Vec<ByteArray>),
    Scenario(Vec<i64>),
}

impl LabelCells {
    /// Each name `times` times.
    pub(in crate::study) fn of(labels: &Labels, times: usize) -> Self {
        match labels {
            Labels::Time(labels) => {
                let repeated = labels.iter().map(|label| ByteArray::from(label.as_str()));
                Self::Time(repeated.flat_map(|label| std::iter::repeat_n(label, times)).collect())
            }
            Labels::Scenario(labels) => {
                Self::Scenario(labels.iter().flat_map(|&label| std::iter::repeat_n(label, times)).collect())
            }
        }
    }

    pub(in crate::study) fn chosen(labels: &Labels, rows: &[usize]) -> Self {
        match labels {
            Labels::Time(labels) => {
                Self::Time(rows.iter().map(|&row| ByteArray::from(labels[row].as_str())).collect())
            }
            Labels::Scenario(labels) => Self::Scenario(rows.iter().map(|&row| labels[row]).collect()),
        }
    }

    pub(in crate::study) fn cells(&self) -> Cells<'_> {
        match self {
            Self::Time(labels) => Cells::Text(labels),
            Self::Scenario(labels) => Cells::Integer(labels),
        }
    }
}
