//! `tieline bench powerflow`: one solution of a network. `tieline bench powerflow-batch`: many load scenarios.

use std::path::Path;

use anyhow::Context as _;
use powerflow::batch::{Batch, Solved, Worker};
use powerflow::{Options, Outcome, Solution, Solver};
use serde_json::json;

use super::kept::{Kept, MOST_SAMPLES};
use super::measure;
use super::scenarios::LoadScenarios;
use super::{Begin, BenchArgs, Report};
use crate::files;
use crate::study::network::StudyNetwork;
use crate::study::series;

/// One warm solution (pattern and order kept, start values as given), and one from nothing.
pub(super) fn single(args: &BenchArgs) -> anyhow::Result<Report> {
    let network = StudyNetwork::read(&args.network, false)?;
    let (grid, options) = (&network.grid, options(args.start));
    let mut solver = Solver::new();
    let mut solution = solver.solve(grid, &options);
    let warm = measure::median_of(args.runs, || solution = solver.solve(grid, &options));
    let cold = measure::median_of(args.runs, || solution = Solver::new().solve(grid, &options));
    let iterations = solution.islands.iter().map(iterations).max().unwrap_or(0);
    let more = json!({
        "start": args.start.name(),
        "tolerance_pu": options.tolerance_pu,
        "iterations": iterations,
        "cold_cpu_us": cold.cpu_us,
        "cold_wall_us": cold.wall_us,
    });
    let converged = usize::from(!solution.islands.is_empty() && solution.converged());
    if let Some(path) = &args.sample {
        let (vm_pu, va_rad) = (&solution.voltages.vm_pu, &solution.voltages.va_rad);
        let rows = vm_pu.iter().zip(va_rad).map(|(vm, va)| [vm * va.cos(), vm * va.sin()]).collect();
        let bus = |bus: &topology::calc::Bus| [bus.p_pu, bus.q_pu];
        write_sample(path, &network, &[(0, grid.buses.iter().map(bus).collect(), rows)])?;
    }
    Ok(Report { buses: grid.buses.len(), items: 1, converged, threads: 1, lanes: 1, spent: warm, more })
}

/// Many scenarios; all voltages are kept.
pub(super) fn batch(args: &BenchArgs) -> anyhow::Result<Report> {
    let network = StudyNetwork::read(&args.network, false)?;
    let options = options(args.start);
    let scenarios = match &args.profiles {
        Some(profiles) => {
            LoadScenarios::given(network.grid.buses.len(), series::injections(&network, profiles)?)
        }
        None => {
            let draw = (args.spread, args.seed);
            LoadScenarios::draw(&network.grid, &loads_pu(&network), args.scenarios, draw)
        }
    };
    let mut grid = network.grid.clone();
    if args.profiles.is_some() {
        // As the study does: a case says little about the profiles of a year.
        scenarios.write_mean(&mut grid);
    }
    let mut batch = None;
    let setup = measure::time(|| batch = Some(Batch::new(grid.clone(), options)));
    let batch = batch.context("no batch")?.map_err(|base| unsolved(&network, &base))?;
    let mut kept = room(&batch, scenarios.count(), args.threads);
    let spent = measure::median_of(args.runs, || solve_all(&mut kept, &batch, &scenarios));
    if let Some(path) = &args.sample {
        let step = scenarios.count().div_ceil(MOST_SAMPLES).max(1);
        let samples: Vec<Sample> = (0..scenarios.count())
            .step_by(step)
            .map(|at| {
                let (p, q) = scenarios.injections(at);
                let powers = p.iter().zip(q).map(|(&p, &q)| [p, q]).collect();
                (at, powers, kept.of(at).to_vec())
            })
            .collect();
        write_sample(path, &network, &samples)?;
    }
    let items = scenarios.count();
    let more = json!({
        "start": args.start.name(),
        "tolerance_pu": options.tolerance_pu,
        "spread": args.profiles.is_none().then_some(args.spread),
        "seed": args.profiles.is_none().then_some(args.seed),
        "iterations_mean": kept.mean_steps(),
        "setup_cpu_us": setup.cpu_us,
    });
    let spent = spent.per(items);
    let (buses, lanes) = (network.grid.buses.len(), batch.block());
    Ok(Report { buses, items, converged: kept.solved(), threads: args.threads, lanes, spent, more })
}

/// Solves all scenarios and keeps their voltages.
pub(super) fn solve_all(kept: &mut Kept<Worker>, batch: &Batch, scenarios: &LoadScenarios) {
    kept.solve(|worker, mut rows| {
        batch.solve(worker, rows.range(), scenarios, &mut |solved: Solved<'_>| {
            let steps = match solved.outcome {
                Outcome::Converged { iterations, .. } => Some(iterations),
                Outcome::Stopped { .. } | Outcome::NotSolvable { .. } => None,
            };
            rows.take(solved.scenario, steps, solved.voltages_pu);
        });
    });
}

/// Room for the scenarios of a batch.
pub(super) fn room(batch: &Batch, scenarios: usize, threads: usize) -> Kept<Worker> {
    let buses = batch.base().voltages.vm_pu.len();
    Kept::new((buses, batch.chunk()), scenarios, threads, || batch.worker())
}

/// Options of all workloads: mismatch 1e-8 p.u., no reactive limits.
pub(super) fn options(start: Begin) -> Options {
    // Without the ways out of a hard start: peers have none, and a scenario without solution would take them all.
    Options { start: start.start(), rescue: false, ..Options::default() }
}

/// Active and reactive load by bus of the grid.
pub(super) fn loads_pu(network: &StudyNetwork) -> Vec<[f64; 2]> {
    let mut loads = vec![[0.0; 2]; network.grid.buses.len()];
    for (bus, mapped) in network.case.buses.iter().zip(&network.map.buses) {
        if let Some(load) = mapped.and_then(|bus| loads.get_mut(bus.at())) {
            load[0] += bus.pd_mw / network.grid.base_mva;
            load[1] += bus.qd_mvar / network.grid.base_mva;
        }
    }
    loads
}

fn iterations(outcome: &Outcome) -> u32 {
    match *outcome {
        Outcome::Converged { iterations, .. } | Outcome::Stopped { iterations, .. } => iterations,
        Outcome::NotSolvable { .. } => 0,
    }
}

fn unsolved(network: &StudyNetwork, base: &Solution) -> anyhow::Error {
    let stopped = base.islands.iter().find_map(|outcome| match outcome {
        Outcome::Converged { .. } => None,
        Outcome::Stopped { worst, mismatch_pu, .. } => {
            Some(format!("mismatch {mismatch_pu:.1e} p.u. at {}", network.bus_name(*worst)))
        }
        Outcome::NotSolvable { reason } => Some(reason.to_string()),
    });
    anyhow::anyhow!("the base case is not solved: {}", stopped.unwrap_or_default())
}

/// Number of a scenario, net injections and voltages by bus of the grid.
type Sample = (usize, Vec<[f64; 2]>, Vec<[f64; 2]>);

/// Inputs and results of some scenarios, for others to check: every figure to the last digit.
fn write_sample(path: &Path, network: &StudyNetwork, samples: &[Sample]) -> anyhow::Result<()> {
    let mut text = "scenario,bus,p_injection_mw,q_injection_mvar,e_pu,f_pu\n".to_owned();
    let base = network.grid.base_mva;
    for (scenario, powers, voltages) in samples {
        for (bus, mapped) in network.case.buses.iter().zip(&network.map.buses) {
            let Some(at) = mapped.map(|bus| bus.at()) else { continue };
            let ([p, q], [e, f]) = (powers[at], voltages[at]);
            text += &format!("{scenario},{},{:?},{:?},{e:?},{f:?}\n", bus.number, p * base, q * base);
        }
    }
    files::write(Some(path), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn network(name: &str) -> StudyNetwork {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        StudyNetwork::read(&path, false).expect("the example is readable")
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let network = network("ieee14.m");
        let loads = loads_pu(&network);
        let batch = Batch::new(network.grid.clone(), options(Begin::Flat)).expect("the base case is solved");
        let scenarios = LoadScenarios::draw(&network.grid, &loads, 101, (0.3, 7));
        let bits = |threads: usize| -> Vec<u64> {
            let mut kept = room(&batch, scenarios.count(), threads);
            solve_all(&mut kept, &batch, &scenarios);
            assert_eq!(kept.solved(), 101);
            (0..101).flat_map(|at| kept.of(at).as_flattened()).map(|part| part.to_bits()).collect()
        };
        let alone = bits(1);
        for threads in [2, 3, 5] {
            assert!(bits(threads) == alone, "{threads} threads");
        }
    }

    #[test]
    fn scenarios_are_those_of_the_seed_and_within_the_spread() {
        let network = network("ieee14.m");
        let loads = loads_pu(&network);
        let draw = |seed| LoadScenarios::draw(&network.grid, &loads, 50, (0.25, seed));
        let (first, again, other) = (draw(1), draw(1), draw(2));
        assert_eq!(first.injections(49), again.injections(49));
        assert_ne!(first.injections(49), other.injections(49));
        let mut largest: f64 = 0.0;
        for scenario in 0..50 {
            let (p, _) = first.injections(scenario);
            for ((bus, load), p) in network.grid.buses.iter().zip(&loads).zip(p) {
                if load[0] > 0.0 {
                    largest = largest.max(((bus.p_pu - p) / load[0]).abs());
                }
            }
        }
        assert!((0.24..=0.25 + 1e-12).contains(&largest), "largest change {largest}");
    }
}
