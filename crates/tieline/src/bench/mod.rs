//! `tieline bench …`: what the engines cost on this machine, as lines that programs read.
//!
//! - `measure`: clocks, memory, the processor. `scenarios`: inputs from a seed. `kept`: room for results.
//! - `powerflow`: one solution, and many scenarios; `unbalanced`: these conductor by conductor.
//! - `contingencies`: every branch outage. `points`: the point database. `historian`: rows to the disk and back.
//!   `pipeline`: both and everything between them. `uplink`: a gateway's backlog into the history.
//! - `audit`: a chain of records, written and verified.
//! - `feeder`: synthetic radial networks. `scaling`: cost against
//!   size, with a plot.

mod audit;
mod contingencies;
mod feeder;
mod historian;
mod kept;
mod measure;
mod pipeline;
mod plot;
mod points;
mod powerflow;
mod replay;
mod scaling;
mod scenarios;
mod unbalanced;
mod uplink;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::powerflow::Start;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::files;
use crate::study::NOT_SOLVED;
use measure::Spent;

/// What the figures mean, for `--help`.
const LINE: &str = "Prints one JSON line: workload, case, buses, items (what is counted), converged (how many were \
solved), threads, lanes (scenarios side by side), cpu_us_per_item (processor time of all threads), wall_us_per_item, \
peak_memory_mb, cpu_features, and figures of the workload; times are medians over the runs after a warm-up, without \
reading the file and preparing the inputs.\n\nExit code: 0 all solved, 1 error, 2 something was not solved.";

/// Arguments of `tieline bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchCommand {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Subcommand, Debug)]
enum Workload {
    /// One Newton power flow: warm (pattern and order kept) and cold (everything anew).
    Powerflow(BenchArgs),
    /// Many load scenarios on one topology, all node voltages kept.
    PowerflowBatch(BenchArgs),
    /// Every branch outage, AC or DC.
    Contingencies(contingencies::ContingencyArgs),
    /// The point database: changes of values taken over in random order, with limits, staleness and history, while a
    /// reader looks at all points.
    Points(points::PointsArgs),
    /// Cost against size: synthetic radial networks and the given meshed cases; one JSON line each.
    Scaling(scaling::ScalingArgs),
    /// The whole centre: from decoded frames to the durable archive, with a reader beside.
    Pipeline(pipeline::PipelineArgs),
    /// The historian: durable ingest beside a heavy reader, the read of one point, bytes per row.
    Historian(historian::HistorianArgs),
    /// A gateway's backlog over a socket into the history, and what the live lane feels of it.
    Uplink(uplink::UplinkArgs),
    /// The audit: a chain written, and verified as a whole with its signed checkpoints.
    Audit(audit::AuditBenchArgs),
}

/// Arguments of a workload.
#[derive(Args, Debug)]
#[command(after_help = LINE)]
struct BenchArgs {
    /// MATPOWER case `.m`; with --unbalanced also an OpenDSS script `.dss`.
    network: PathBuf,
    /// Model the network conductor by conductor (powerflow-batch). Buses of a case get three phases, its lines a
    /// zero-sequence impedance of four times the positive one.
    #[arg(long)]
    unbalanced: bool,
    /// How many scenarios.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    scenarios: usize,
    /// Each load has its own factor between 1 - SPREAD and 1 + SPREAD in every scenario.
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    spread: f64,
    /// Seed of the factors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows of a profile as scenarios (powerflow-batch), as `tieline study powerflow --profiles` takes it, without
    /// columns of branches.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenarios", "spread", "seed", "unbalanced"])]
    profiles: Option<PathBuf>,
    /// Threads; results do not depend on it.
    #[arg(long, default_value_t = 1, value_parser = threads)]
    threads: usize,
    /// Measured runs after the warm-up.
    #[arg(long, default_value_t = 7, value_parser = count)]
    runs: usize,
    /// Voltages that the solution of the base case starts from.
    #[arg(long, value_enum, default_value_t = Begin::Case)]
    start: Begin,
    /// Write inputs and voltages of some scenarios as CSV, for a check by another program.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Begin {
    /// Those of the case.
    Case,
    /// 1 p.u. and the angle of the reference.
    Flat,
    /// 1 p.u. and the angles of the DC power flow.
    Dc,
}

/// What was measured.
struct Report {
    buses: usize,
    items: usize,
    converged: usize,
    threads: usize,
    lanes: usize,
    /// Per item.
    spent: Spent,
    /// Figures of the workload.
    more: Value,
}

/// Runs `tieline bench`.
pub(crate) fn command(command: &BenchCommand) -> anyhow::Result<ExitCode> {
    match &command.workload {
        Workload::Powerflow(args) if args.unbalanced => {
            anyhow::bail!("--unbalanced is for powerflow-batch")
        }
        Workload::Powerflow(args) => tell("powerflow", (&args.network, args.runs), powerflow::single(args)?),
        Workload::PowerflowBatch(args) if args.unbalanced => {
            tell("powerflow-batch-unbalanced", (&args.network, args.runs), unbalanced::batch(args)?)
        }
        Workload::PowerflowBatch(args) => {
            tell("powerflow-batch", (&args.network, args.runs), powerflow::batch(args)?)
        }
        Workload::Contingencies(args) => {
            tell("contingencies", (&args.network, args.runs), contingencies::run(args)?)
        }
        Workload::Points(args) => {
            let line = points::run(args)?;
            files::write(None, format!("{line}\n").as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Workload::Scaling(args) => scaling::run(args),
        Workload::Pipeline(args) => pipeline::run(args),
        Workload::Historian(args) => historian::run(args),
        Workload::Uplink(args) => uplink::run(args),
        Workload::Audit(args) => audit::run(args),
    }
}

fn tell(workload: &str, (network, runs): (&Path, usize), report: Report) -> anyhow::Result<ExitCode> {
    let case = network.file_stem().unwrap_or_default().to_string_lossy();
    let solved = report.converged == report.items;
    let mut line = report.line(workload, &case);
    line["runs"] = json!(runs);
    files::write(None, format!("{line}\n").as_bytes())?;
    Ok(if solved { ExitCode::SUCCESS } else { ExitCode::from(NOT_SOLVED) })
}

impl Report {
    fn line(self, workload: &str, case: &str) -> Value {
        let mut line = json!({
            "workload": workload,
            "case": case,
            "buses": self.buses,
            "items": self.items,
            "converged": self.converged,
            "threads": self.threads,
            "lanes": self.lanes,
            "cpu_us_per_item": self.spent.cpu_us,
            "wall_us_per_item": self.spent.wall_us,
            "peak_memory_mb": measure::peak_memory_mb(),
            "cpu_features": measure::cpu_features(),
            "instruction_set": sparse::lanes::instruction_set(),
            "cpu_model": measure::cpu_model(),
        });
        if let (Some(line), Value::Object(more)) = (line.as_object_mut(), self.more) {
            line.extend(more);
        }
        line
    }
}

impl Begin {
    const fn name(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Flat => "flat",
            Self::Dc => "dc",
        }
    }

    const fn start(self) -> Start {
        match self {
            Self::Case => Start::FromGrid,
            Self::Flat => Start::Flat,
            Self::Dc => Start::Dc,
        }
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if 0 < count && count <= 100_000_000 => Ok(count),
        Ok(_) | Err(_) => Err("give a whole number from 1 to 100000000".to_owned()),
    }
}

/// A number of threads, from the command line.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if 0 < count && count <= 1024 => Ok(count),
        Ok(_) | Err(_) => Err("give a whole number from 1 to 1024".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        Ok(_) | Err(_) => Err("give a number from 0 to below 1, like 0.3".to_owned()),
    }
}
