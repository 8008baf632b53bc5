//! `tieline bench contingencies`: every branch outage, AC or DC, with all branches and voltages compared.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use contingency::{
    AcSweep, Bridges, Contingency, DcNetwork, DcSweep, Finding, Monitor, Outage, Ratings, Rules, System,
    Worst,
};
use serde_json::json;
use sparse::pool::Pool;
use topology::calc::BranchIdx;

use super::{Begin, LINE, Report, count, measure, powerflow, threads};
use crate::files;
use crate::study::Threads;

/// Rating of branches without one, so that all are compared.
const NO_LIMIT_MVA: f64 = 1e6;
/// How many of the worst outages are kept.
const KEPT: usize = 100;

/// Arguments of `tieline bench contingencies`.
#[derive(Args, Debug)]
#[command(after_help = LINE)]
pub(super) struct ContingencyArgs {
    /// MATPOWER case `.m`.
    pub(super) network: PathBuf,
    /// The linear (DC) model.
    #[arg(long)]
    dc: bool,
    /// Threads; results do not depend on it.
    #[arg(long, default_value_t = 1, value_parser = threads)]
    threads: usize,
    /// Measured runs after the warm-up.
    #[arg(long, default_value_t = 7, value_parser = count)]
    pub(super) runs: usize,
    /// Voltages that the solution of the base case starts from.
    #[arg(long, value_enum, default_value_t = Begin::Case)]
    start: Begin,
}

/// What a run found.
struct Tally {
    solved: usize,
    violations: u64,
    worst: Worst,
}

/// Every outage that leaves its island whole; the base state is solved anew in every run.
pub(super) fn run(args: &ContingencyArgs) -> anyhow::Result<Report> {
    let (case, _) = files::case(&args.network)?;
    let mut system = System::from_case(&case)?.system;
    for ratings in &mut system.ratings {
        if ratings.0[0] <= 0.0 {
            *ratings = Ratings([NO_LIMIT_MVA, 0.0, 0.0]);
        }
    }
    let bridges = Bridges::new(&system.grid);
    let all = (0_u32..).map(BranchIdx).take(system.grid.branches.len());
    let list: Vec<Contingency> = all
        .filter(|branch| !bridges.is_bridge(*branch))
        .map(|branch| Contingency {
            name: system.grid.branches[branch.at()].name.clone(),
            outage: Outage::branch(branch),
        })
        .collect();
    let pool = Threads::new(Some(args.threads));
    // Once to see that it can be done.
    let mut tally = sweep(args, &system, &list, &pool)?;
    let spent = measure::median_of(args.runs, || {
        if let Ok(found) = sweep(args, &system, &list, &pool) {
            tally = found;
        }
    });
    let more = json!({
        "model": if args.dc { "dc" } else { "ac" },
        "parting_outages": system.grid.branches.len() - list.len(),
        "watched_branches": system.ratings.len(),
        "violations": tally.violations,
        "severity_of_the_worst": tally.worst.found().first().map(|finding| finding.severity),
        "tolerance_pu": powerflow::options(args.start).tolerance_pu,
    });
    let items = list.len();
    Ok(Report {
        buses: system.grid.buses.len(),
        items,
        converged: tally.solved,
        threads: args.threads,
        lanes: if args.dc { contingency::LANES } else { sparse::lanes::width() },
        spent: spent.per(items.max(1)),
        more,
    })
}

fn sweep(
    args: &ContingencyArgs,
    system: &System,
    list: &[Contingency],
    pool: &dyn Pool,
) -> anyhow::Result<Tally> {
    let (monitor, rules) = (Monitor::default(), Rules::default());
    let mut tally = Tally { solved: 0, violations: 0, worst: Worst::new(KEPT) };
    let mut take = |finding: Finding| {
        tally.solved += usize::from(finding.solved());
        tally.violations += u64::from(finding.violation_count);
        tally.worst.offer(&finding);
        ControlFlow::Continue(())
    };
    if args.dc {
        let network = DcNetwork::new(&system.grid, &[])?;
        DcSweep::new(&network, system, &monitor, rules).run(list, pool, &mut take);
    } else {
        let sweep = AcSweep::new(system, &powerflow::options(args.start), &monitor, rules)
            .map_err(|_| anyhow::anyhow!("the base case is not solved"))?;
        sweep.run(list, pool, &mut take);
    }
    Ok(tally)
}
