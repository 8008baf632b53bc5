//! `tieline study powerflow` of an OpenDSS script: conductor by conductor. `series`: step by step.

mod series;

pub(super) use series::PROFILES;

use std::path::Path;
use std::process::ExitCode;

use exchange::opendss::DssStudy;
use powerflow::phases::{
    ControlOutcome, EndFlow, Method, PhaseOptions, PhaseOutcome, PhaseReason, PhaseSolution, PhaseSolver,
    PhaseStart, element_flow, source_power,
};
use serde_json::json;
use topology::phases::{ElementKind, GROUND, Owner, PhaseGrid};

use self::series::Series;
use super::series::SeriesArgs;
use super::table::{Column, Table};
use super::{Findings, NOT_SOLVED, OutputArgs, say};
use crate::files;

/// What the options of the command line say.
pub(super) struct Wanted {
    pub(super) tolerance: f64,
    pub(super) max_iterations: u32,
    /// Whether Newton's method is not to take over.
    pub(super) fixed_point: bool,
    /// Whether taps and capacitors stay.
    pub(super) no_controls: bool,
}

/// What is written: a table, `None` for all, or the figures of a series.
#[derive(Clone, Copy)]
pub(super) struct Results<'a> {
    pub(super) kind: Option<&'a str>,
    /// Whether a table was asked for.
    pub(super) kind_given: bool,
    pub(super) series: &'a SeriesArgs,
}

/// Reads, solves and writes: the moment at the end of the script, or the steps of a profile or its load shapes.
pub(super) fn run(
    file: &Path,
    wanted: &Wanted,
    output: &OutputArgs,
    results: Results<'_>,
) -> anyhow::Result<ExitCode> {
    let (study, diagnostics) = files::script(file)?;
    for diagnostic in &diagnostics {
        output.note(&diagnostic.to_string());
    }
    let mut grid = topology::phases::build(&study.network)
        .map_err(|fault| anyhow::anyhow!("{}: {fault}", files::shown(file)))?;
    grid.hour = study.hour.rem_euclid(24.0);
    let options = PhaseOptions {
        tolerance_pu: wanted.tolerance,
        max_iterations: wanted.max_iterations as usize,
        method: if wanted.fixed_point { Method::FixedPoint } else { Method::Automatic },
    };
    let rounds = if wanted.no_controls || study.controls_off { 0 } else { study.max_control_rounds };
    let profiles = results.series.profiles.as_deref();
    if profiles.is_some() || study.schedule.is_some() {
        anyhow::ensure!(
            !results.kind_given,
            "the script solves a series, which has no --result (take --columns, or `set mode=snap` in the script)"
        );
        let series = Series { study: &study, grid, options, rounds };
        return series::run(series, profiles, results.series, output);
    }
    results.series.check_single()?;
    output.check(results.kind.is_none())?;
    let mut solver = PhaseSolver::new(&grid);
    let (solution, controls) = solve(&mut solver, &mut grid, &options, rounds);
    tell(output, &grid, &solution, controls);
    let solved = solution.solved()
        && !solution.outcomes.is_empty()
        && !matches!(controls, Some(ControlOutcome::Hunting { .. } | ControlOutcome::Unsolved { .. }));
    let found = Found { study: &study, grid: &grid, solution: &solution };
    let islands = found.islands();
    let summary = json!({
        "study": "powerflow",
        "network": study.network.name,
        "converged": solved,
        "islands": serde_json::to_value(&islands)?,
        "control_rounds": controls.map(rounds_of),
        "losses_of_import": diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let tables = vec![found.buses(), found.branches(), found.generators(), found.controls(), islands];
    output.write(&Findings { summary, tables }, results.kind)?;
    Ok(ExitCode::from(if solved { 0 } else { NOT_SOLVED }))
}

fn solve(
    solver: &mut PhaseSolver,
    grid: &mut PhaseGrid,
    options: &PhaseOptions,
    rounds: u32,
) -> (PhaseSolution, Option<ControlOutcome>) {
    if rounds == 0 {
        return (solver.solve(grid, options, PhaseStart::NoLoad), None);
    }
    let (solution, outcome) =
        powerflow::phases::solve_controlled(solver, grid, options, PhaseStart::NoLoad, rounds);
    (solution, Some(outcome))
}

const fn rounds_of(outcome: ControlOutcome) -> u32 {
    match outcome {
        ControlOutcome::Settled { rounds }
        | ControlOutcome::Hunting { rounds }
        | ControlOutcome::Unsolved { rounds } => rounds,
    }
}

fn tell(output: &OutputArgs, grid: &PhaseGrid, solution: &PhaseSolution, controls: Option<ControlOutcome>) {
    if solution.outcomes.is_empty() {
        say("not solved: no source is in service");
    }
    for (number, outcome) in (1..).zip(&solution.outcomes) {
        match *outcome {
            PhaseOutcome::Solved { iterations, worst, mismatch_va } => output.note(&format!(
                "island {number}: converged in {iterations} iterations, largest mismatch {mismatch_va:.1e} VA at {}",
                node_name(grid, worst)
            )),
            PhaseOutcome::Stopped { reason: PhaseReason::Iterations, iterations, worst, change_pu } => {
                say(&format!(
                    "island {number}: not converged after {iterations} iterations: the voltage of {} still changes by \
                     {change_pu:.1e} p.u.",
                    node_name(grid, worst)
                ));
            }
            PhaseOutcome::Stopped { reason: PhaseReason::Floating, worst, .. } => say(&format!(
                "island {number}: not solvable: {} has no reference to ground, or impedances there are not usable",
                node_name(grid, worst)
            )),
        }
    }
    match controls {
        Some(ControlOutcome::Settled { rounds }) => {
            output.note(&format!("controls: settled after {rounds} solutions"));
        }
        Some(ControlOutcome::Hunting { rounds }) => {
            say(&format!("controls: taps or capacitors still move after {rounds} solutions"));
        }
        Some(ControlOutcome::Unsolved { .. }) | None => {}
    }
}

fn node_name(grid: &PhaseGrid, node: u32) -> String {
    grid.nodes.get(node as usize).map_or_else(String::new, |place| {
        format!("{}.{}", grid.buses[place.bus as usize].name, place.conductor)
    })
}

struct Found<'a> {
    study: &'a DssStudy,
    grid: &'a PhaseGrid,
    solution: &'a PhaseSolution,
}

impl Found<'_> {
    fn buses(&self) -> Table {
        let grid = self.grid;
        let v = &self.solution.v;
        let per_unit = |node: usize| v[node].abs() / grid.buses[grid.nodes[node].bus as usize].base_v;
        let nodes = 0..grid.nodes.len();
        Table {
            kind: "bus",
            columns: vec![
                Column::texts(
                    "bus",
                    grid.nodes.iter().map(|node| Some(grid.buses[node.bus as usize].name.clone())),
                ),
                Column::integers("phase", grid.nodes.iter().map(|node| Some(node.conductor.into()))),
                Column::numbers("vm_pu", nodes.map(per_unit)),
                Column::numbers("va_degree", v.iter().map(|v| v.arg().to_degrees())),
                Column::numbers("vm_v", v.iter().map(|v| v.abs())),
            ],
        }
    }

    /// Name of an element's equipment, as a script would say it.
    fn name(&self, kind: ElementKind) -> String {
        let network = &self.study.network;
        match kind {
            ElementKind::Source(at) => format!("vsource.{}", network.sources[at as usize].name),
            ElementKind::Line(at) => format!("line.{}", network.lines[at as usize].name),
            ElementKind::Transformer(at) => format!("transformer.{}", network.transformers[at as usize].name),
            ElementKind::Capacitor(at) => format!("capacitor.{}", network.capacitors[at as usize].name),
            ElementKind::Reactor(at) => format!("reactor.{}", network.reactors[at as usize].name),
            ElementKind::LoadGrounding(at) => format!("load.{}", network.loads[at as usize].name),
        }
    }

    fn branches(&self) -> Table {
        let mut rows: Vec<(String, u32, EndFlow)> = Vec::new();
        for (at, element) in self.grid.elements.iter().enumerate() {
            if matches!(element.kind, ElementKind::Source(_)) {
                continue;
            }
            let name = self.name(element.kind);
            for (position, flow) in (0_u32..).zip(element_flow(self.grid, at, &self.solution.v)) {
                if flow.node != GROUND {
                    rows.push((name.clone(), position / element.per_end + 1, flow));
                }
            }
        }
        let place = |flow: &EndFlow| self.grid.nodes[flow.node as usize];
        let numbers = |name, figure: fn(&EndFlow) -> f64| {
            Column::numbers(name, rows.iter().map(|(.., flow)| figure(flow)))
        };
        Table {
            kind: "branch",
            columns: vec![
                Column::texts("branch", rows.iter().map(|(name, ..)| Some(name.clone()))),
                Column::integers("end", rows.iter().map(|(_, end, _)| Some((*end).into()))),
                Column::texts(
                    "bus",
                    rows.iter()
                        .map(|(.., flow)| Some(self.grid.buses[place(flow).bus as usize].name.clone())),
                ),
                Column::integers("phase", rows.iter().map(|(.., flow)| Some(place(flow).conductor.into()))),
                numbers("p_kw", |flow| flow.power_va.re / 1000.0),
                numbers("q_kvar", |flow| flow.power_va.im / 1000.0),
                numbers("i_a", |flow| flow.current_a.abs()),
                numbers("i_degree", |flow| flow.current_a.arg().to_degrees()),
            ],
        }
    }

    /// What sources and converters deliver.
    fn generators(&self) -> Table {
        let network = &self.study.network;
        let mut rows: Vec<(String, f64, f64)> = Vec::new();
        for (at, source) in network.sources.iter().enumerate().filter(|(_, source)| source.in_service) {
            let power = source_power(self.grid, at, &self.solution.v);
            rows.push((format!("vsource.{}", source.name), power.re, power.im));
        }
        let mut delivered = vec![[0.0; 2]; network.converters.len()];
        self.each_branch(|owner, p, q| {
            if let Owner::Converter(at) = owner {
                delivered[at as usize][0] -= p;
                delivered[at as usize][1] -= q;
            }
        });
        for (converter, [p, q]) in network.converters.iter().zip(delivered).filter(|(c, _)| c.in_service) {
            rows.push((converter.name.clone(), p, q));
        }
        Table {
            kind: "generator",
            columns: vec![
                Column::texts("generator", rows.iter().map(|(name, ..)| Some(name.clone()))),
                Column::numbers("p_kw", rows.iter().map(|(_, p, _)| p / 1000.0)),
                Column::numbers("q_kvar", rows.iter().map(|(.., q)| q / 1000.0)),
            ],
        }
    }

    /// Power that each phase of loads and converters draws, in watt and var.
    fn each_branch(&self, mut take: impl FnMut(Owner, f64, f64)) {
        let voltage = |node: u32| match node {
            GROUND => Default::default(),
            node => self.solution.v[node as usize],
        };
        for branch in &self.grid.branches {
            let across = voltage(branch.from) - voltage(branch.to);
            let power = across * branch.current(across).conj();
            take(branch.owner, power.re, power.im);
        }
    }

    /// Positions of taps that have steps, and steps of capacitors.
    fn controls(&self) -> Table {
        let network = &self.study.network;
        let mut rows: Vec<(String, Option<i64>, f64, Option<i64>)> = Vec::new();
        for (transformer, windings) in network.transformers.iter().zip(&self.grid.transformers) {
            for (number, winding) in (1..).zip(&windings.windings) {
                let neutral = 0.5 * (winding.min_tap_pu + winding.max_tap_pu);
                let step = ((winding.tap_pu - neutral) / winding.step_pu).round();
                let name = format!("transformer.{}", transformer.name);
                let step = step.is_finite().then_some(step as i64);
                rows.push((name, Some(number), winding.tap_pu, step));
            }
        }
        for (capacitor, steps) in network.capacitors.iter().zip(&self.grid.capacitors) {
            let name = format!("capacitor.{}", capacitor.name);
            rows.push((name, None, f64::NAN, Some(steps.steps_on.into())));
        }
        Table {
            kind: "control",
            columns: vec![
                Column::texts("equipment", rows.iter().map(|(name, ..)| Some(name.clone()))),
                Column::integers("winding", rows.iter().map(|(_, winding, ..)| *winding)),
                Column::numbers("tap_pu", rows.iter().map(|(_, _, tap, _)| *tap)),
                Column::integers("step", rows.iter().map(|(.., step)| *step)),
            ],
        }
    }

    /// One row per island: how it was solved, and its balance: generation = load + losses.
    fn islands(&self) -> Table {
        let (grid, solution) = (self.grid, self.solution);
        let count = solution.outcomes.len();
        let mut nodes = vec![0_i64; count];
        let mut sums = vec![[0.0_f64; 2]; count];
        let island = |node: u32| {
            (node != GROUND).then(|| solution.island[node as usize]).flatten().map(|island| island as usize)
        };
        solution.island.iter().flatten().for_each(|island| nodes[*island as usize] += 1);
        for (at, source) in grid.sources.iter().enumerate() {
            let first = grid.nodes_of(&grid.elements[source.element as usize])[0];
            if let Some(island) = island(first) {
                sums[island][0] += source_power(grid, at, &solution.v).re;
            }
        }
        let owners = grid.branches.iter().map(|branch| island(branch.from).or_else(|| island(branch.to)));
        let owners: Vec<Option<usize>> = owners.collect();
        let mut at = 0;
        self.each_branch(|_, p, _| {
            if let Some(island) = owners[at] {
                sums[island][usize::from(p > 0.0)] += p.abs();
            }
            at += 1;
        });
        let told: Vec<_> = solution.outcomes.iter().map(|outcome| told(grid, outcome)).collect();
        let kilowatts = |at: usize| sums.iter().map(move |sums| sums[at] / 1000.0);
        Table {
            kind: "summary",
            columns: vec![
                Column::integers("island", (1..).zip(&told).map(|(number, _)| Some(number))),
                Column::integers("nodes", nodes.into_iter().map(Some)),
                Column::texts("state", told.iter().map(|told| Some(told.0.to_owned()))),
                Column::integers("iterations", told.iter().map(|told| i64::try_from(told.1).ok())),
                Column::texts("worst", told.iter().map(|told| Some(told.2.clone()))),
                Column::numbers("generation_kw", kilowatts(0)),
                Column::numbers("load_kw", kilowatts(1)),
                Column::numbers("loss_kw", sums.iter().map(|sums| (sums[0] - sums[1]) / 1000.0)),
            ],
        }
    }
}

fn told(grid: &PhaseGrid, outcome: &PhaseOutcome) -> (&'static str, usize, String) {
    match *outcome {
        PhaseOutcome::Solved { iterations, worst, .. } => ("converged", iterations, node_name(grid, worst)),
        PhaseOutcome::Stopped { reason, iterations, worst, .. } => {
            let state = match reason {
                PhaseReason::Iterations => "not_converged",
                PhaseReason::Floating => "not_solvable",
            };
            (state, iterations, node_name(grid, worst))
        }
    }
}
