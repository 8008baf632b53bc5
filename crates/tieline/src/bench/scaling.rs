//! `tieline bench scaling`: what a scenario of a batch costs against the size of the network.
//!
//! Radial networks are synthetic, from 1,000 nodes up; meshed ones are the cases given. The cost of a radial one should
//! grow with the nodes, of a meshed one with the blocks of its factor.

use std::path::PathBuf;
use std::process::ExitCode;

use ::powerflow::batch::Batch;
use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use sparse::block::BlockPattern;
use topology::calc::Grid;

use super::measure;
use super::powerflow::{loads_pu, options, room, solve_all};
use super::scenarios::LoadScenarios;
use super::{Begin, Report, feeder, plot};
use crate::files;
use crate::study::NOT_SOLVED;
use crate::study::network::StudyNetwork;

/// Sizes of the radial networks.
const SIZES: [usize; 7] = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
/// Node solutions of one run: fewer scenarios of larger networks.
const NODES_PER_RUN: usize = 4_000_000;
/// Fewest and most scenarios of one run; the fewest give two threads a block of eight each.
const SCENARIOS: [usize; 2] = [16, 1000];

/// Arguments of `tieline bench scaling`.
#[derive(Args, Debug)]
pub(super) struct ScalingArgs {
    /// Meshed MATPOWER cases `.m`.
    networks: Vec<PathBuf>,
    /// Write the curves as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Largest radial network.
    #[arg(long, default_value_t = 1_000_000, value_parser = super::count)]
    most_nodes: usize,
    /// Threads of the second measurement, whose time on the wall is compared with that of one thread.
    #[arg(long, default_value_t = 2, value_parser = super::threads)]
    threads: usize,
    /// Measured runs after the warm-up.
    #[arg(long, default_value_t = 3, value_parser = super::count)]
    runs: usize,
    /// Seed of networks and scenarios.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One network's figures.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) buses: usize,
    /// Blocks of the factor, 2×2 each.
    pub(super) blocks: usize,
    /// Per scenario, one thread.
    pub(super) cpu_us: f64,
}

/// Measures, prints one line each and plots.
pub(super) fn run(args: &ScalingArgs) -> anyhow::Result<ExitCode> {
    let (mut radial, mut meshed, mut all_solved) = (Vec::new(), Vec::new(), true);
    for nodes in SIZES.into_iter().filter(|&nodes| nodes <= args.most_nodes) {
        let (grid, loads) = feeder::radial(nodes, args.seed);
        let (point, solved) = point(args, &format!("radial-{nodes}"), (grid, loads), 0.3)?;
        all_solved &= solved;
        radial.push(point);
    }
    for file in &args.networks {
        let network = StudyNetwork::read(file, false)?;
        let loads = loads_pu(&network);
        let case = file.file_stem().unwrap_or_default().to_string_lossy();
        let (point, solved) = point(args, &case, (network.grid, loads), 0.05)?;
        all_solved &= solved;
        meshed.push(point);
    }
    if let Some(path) = &args.plot {
        let svg = plot::curves(&radial, &meshed)?;
        files::write(Some(path), svg.as_bytes())?;
    }
    Ok(if all_solved { ExitCode::SUCCESS } else { ExitCode::from(NOT_SOLVED) })
}

fn point(
    args: &ScalingArgs,
    case: &str,
    (grid, loads): (Grid, Vec<[f64; 2]>),
    spread: f64,
) -> anyhow::Result<(Point, bool)> {
    let buses = grid.buses.len();
    let [fewest, most] = SCENARIOS;
    let items = (NODES_PER_RUN / buses.max(1)).clamp(fewest, most);
    let scenarios = LoadScenarios::draw(&grid, &loads, items, (spread, args.seed));
    let ends: Vec<[u32; 2]> = grid.branches.iter().map(|branch| [branch.from.0, branch.to.0]).collect();
    let blocks = BlockPattern::new(buses, &ends).blocks();
    let batch = Batch::new(grid, options(Begin::Case));
    let batch = batch.ok().with_context(|| format!("{case}: the base case is not solved"))?;
    let mut kept = room(&batch, scenarios.count(), 1);
    let one = measure::median_of(args.runs, || solve_all(&mut kept, &batch, &scenarios));
    let converged = kept.solved();
    kept.set_threads(args.threads, || batch.worker());
    let several = measure::median_of(args.runs, || solve_all(&mut kept, &batch, &scenarios));
    let point = Point { buses, blocks, cpu_us: one.cpu_us / items as f64 };
    let more = json!({
        "factor_blocks": blocks,
        "ns_per_bus": 1e3 * point.cpu_us / buses as f64,
        "ns_per_block": 1e3 * point.cpu_us / blocks as f64,
        "threads_compared": args.threads,
        "speed_up": one.wall_us / several.wall_us,
        "cpu_of_one_by_cpu_of_all": one.cpu_us / several.cpu_us,
        "spread": spread,
        "seed": args.seed,
        "runs": args.runs,
    });
    let spent = one.per(items);
    let report = Report { buses, items, converged, threads: 1, lanes: batch.block(), spent, more };
    files::write(None, format!("{}\n", report.line("scaling", case)).as_bytes())?;
    Ok((point, converged == items))
}
