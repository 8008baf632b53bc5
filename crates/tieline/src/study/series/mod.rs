//! `tieline study powerflow NET --profiles P`: a time series or scenarios on one network.
//!
//! - `profile`: rows of input, from CSV or Parquet; `targets`: what its columns set.
//! - `states`: switch and tap positions, one calculation model each; `injections`: the rest of a row.
//! - `solve`: a chunk of rows on the threads, in the lanes of [`powerflow::batch`].
//! - `output`, `statistics`, `rows_file`: what is written of it. `progress`: how far it is.
//!
//! Rows are read, solved and written in chunks: memory does not grow with their number.

mod injections;
pub(in crate::study) mod output;
pub(in crate::study) mod profile;
pub(in crate::study) mod progress;
pub(in crate::study) mod rows_file;
mod solve;
mod states;
pub(in crate::study) mod statistics;
pub(in crate::study) mod targets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use clap::Args;
use powerflow::Options;

use super::interrupt;
use super::network::StudyNetwork;
use super::{Format, LIMITS_VIOLATED, NOT_SOLVED, OutputArgs, say};
use crate::files;
use injections::Injections;
use output::{Output, Place, Quantity, Wanted};
use profile::Profile;
use progress::Progress;
use solve::{Memory, Solutions};
use states::States;
use targets::{Names, Target};

/// Voltages of one chunk, in numbers of 8 octets.
pub(super) const CHUNK_NUMBERS: usize = 8 << 20;
/// Most rows of a chunk.
pub(super) const MOST_ROWS: usize = 4096;
/// Chunks that wait to be written.
const WAITING: usize = 1;

/// Columns of a profile, for `--help`.
pub(super) const PROFILES: &str = "Profiles are CSV, or Parquet by the ending .parquet: one row per step. The first \
column is `time` (any text) or `scenario` (a whole number), the others set something for that step:\n\
\x20 load:BUS:p_mw, load:BUS:q_mvar      demand of a bus\n\
\x20 load:BUS:factor, load:*:factor      factor on the demand of the case; zone:N:factor and area:N:factor likewise\n\
\x20 generator:ROW:p_mw, generator:ROW:factor\n\
\x20 branch:FROM-TO:in_service           0 or 1; FROM-TO#2 is the second of parallel branches\n\
\x20 branch:FROM-TO:tap_ratio, branch:FROM-TO:shift_degree\n\
An empty cell is what the case has. Results have one row per step and bus or branch.";

/// Arguments of a study over many steps.
#[derive(Args, Debug)]
pub(super) struct SeriesArgs {
    /// Time series or scenarios to solve, CSV or Parquet; see below.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["breakers", "enforce_q_limits", "result"])]
    pub(super) profiles: Option<PathBuf>,
    /// Results of every step, separated by commas, without it vm_pu,va_degree; with those of buses and of branches each kind has its own file.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub(super) columns: Vec<Quantity>,
    /// Only least, mean, largest and percentiles over the steps, per bus and branch.
    #[arg(long, conflicts_with_all = ["violations", "columns"])]
    pub(super) statistics: bool,
    /// Only what is beyond its limits, and steps that are not solved.
    #[arg(long, conflicts_with = "columns")]
    pub(super) violations: bool,
    /// Threads that solve; results do not depend on it.
    #[arg(long, default_value_t = 1, value_parser = crate::bench::threads)]
    pub(super) threads: usize,
}

impl SeriesArgs {
    /// Refuses what is for many steps where there is one.
    pub(super) fn check_single(&self) -> anyhow::Result<()> {
        let of_many = !self.columns.is_empty() || self.statistics || self.violations;
        anyhow::ensure!(
            !of_many,
            "--columns, --statistics and --violations are for many steps (give --profiles)"
        );
        Ok(())
    }
}

/// What became of the steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub(super) steps: usize,
    pub(super) unsolved: usize,
    pub(super) violations: usize,
    pub(super) cancelled: bool,
}

/// Net injections of every row of a profile that moves no switch and no tap: active and reactive power by row and bus of
/// the grid.
pub(crate) fn injections(network: &StudyNetwork, profiles: &Path) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let mut profile = open(profiles, network)?;
    if profile.targets.iter().any(Target::switches) {
        anyhow::bail!("{}: switches or taps move (leave these columns out)", files::shown(profiles));
    }
    let injections = Injections::new(network, &profile.targets);
    let buses = network.grid.buses.len();
    let (mut p_pu, mut q_pu) = (Vec::new(), Vec::new());
    loop {
        let chunk = profile.next(MOST_ROWS)?;
        if chunk.rows == 0 {
            return Ok((p_pu, q_pu));
        }
        for row in 0..chunk.rows {
            let at = p_pu.len();
            p_pu.resize(at + buses, 0.0);
            q_pu.resize(at + buses, 0.0);
            injections.write(chunk.figures(row), &mut p_pu[at..], &mut q_pu[at..]);
        }
    }
}

fn open(profiles: &Path, network: &StudyNetwork) -> anyhow::Result<Profile<Target>> {
    let names = Names::new(network);
    Profile::open(profiles, |name| names.target(name))
}

/// Solves the steps of `profiles` on `network`.
pub(super) fn run(
    args: &SeriesArgs,
    (network, profiles): (&StudyNetwork, &Path),
    options: Options,
    output: &OutputArgs,
) -> anyhow::Result<ExitCode> {
    let place = place(output)?;
    let wanted = match (args.statistics, args.violations) {
        (true, _) => Wanted::Statistics,
        (_, true) => Wanted::Violations,
        (false, false) if args.columns.is_empty() => Wanted::Rows(vec![Quantity::VmPu, Quantity::VaDegree]),
        (false, false) => Wanted::Rows(args.columns.clone()),
    };
    let several = match &wanted {
        Wanted::Statistics => true,
        Wanted::Violations => false,
        Wanted::Rows(columns) => {
            columns.iter().any(|one| one.of_bus()) && columns.iter().any(|one| !one.of_bus())
        }
    };
    if several && place.path.is_none() {
        anyhow::bail!("results of buses and of branches need a file each (give one with --output)");
    }
    interrupt::watch();
    let mut profile = open(profiles, network)?;
    let sink = Output::create(network, &profile.label, &wanted, place)?;
    let tally = stream(args.threads, (network, &mut profile), (options, output.quiet), sink)?;
    tell(tally, output);
    Ok(tally.exit_code())
}

impl Tally {
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self { cancelled: true, .. } => 1,
            Self { unsolved, .. } if unsolved > 0 => NOT_SOLVED,
            Self { violations, .. } if violations > 0 => LIMITS_VIOLATED,
            Self { .. } => 0,
        })
    }
}

/// Reads and solves on this thread and those of the pool, writes on another.
fn stream(
    threads: usize,
    (network, profile): (&StudyNetwork, &mut Profile<Target>),
    (options, quiet): (Options, bool),
    mut sink: Output,
) -> anyhow::Result<Tally> {
    let targets = profile.targets.clone();
    let mut states = States::new(network, &targets, options);
    let buses = network.case.buses.len();
    let most_rows = (CHUNK_NUMBERS / (2 * buses.max(1))).clamp(1, MOST_ROWS);
    let mut memories: Vec<Memory> = (0..threads).map(|_| Memory::default()).collect();
    let mut progress = Progress::new(quiet);
    let mut tally = Tally::default();
    let mut next = || -> anyhow::Result<Option<Solutions>> {
        tally.cancelled = interrupt::cancelled();
        let chunk = profile.next(if tally.cancelled { 0 } else { most_rows })?;
        if chunk.rows == 0 {
            return Ok(None);
        }
        let solutions = solve::solve(&mut states, chunk, buses, &mut memories)?;
        tally.steps += solutions.rows;
        tally.unsolved += solutions.solved.iter().filter(|solved| !**solved).count();
        progress.tell(tally.steps, profile.share());
        Ok(Some(solutions))
    };
    let violations = pipe(&mut next, move |solutions| {
        solutions.into_iter().try_for_each(|solutions| sink.take(&solutions))?;
        let violations = sink.violations;
        sink.finish().map(|()| violations)
    });
    progress.end();
    tally.violations = violations?;
    Ok(tally)
}

/// Makes parts of a result on this thread and writes them on another, until there are no more.
pub(super) fn pipe<S: Send, R: Send>(
    next: &mut dyn FnMut() -> anyhow::Result<Option<S>>,
    write: impl FnOnce(mpsc::Receiver<S>) -> anyhow::Result<R> + Send,
) -> anyhow::Result<R> {
    let (send, receive) = mpsc::sync_channel::<S>(WAITING);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write(receive));
        let mut make_all = || -> anyhow::Result<()> {
            while let Some(part) = next()? {
                // A writer that is gone has the reason.
                if send.send(part).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let made = make_all();
        drop(send);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        made.map(|()| written)
    })
}

/// File and form of the results.
pub(super) fn place(output: &OutputArgs) -> anyhow::Result<Place<'_>> {
    let path = output.output.as_deref().filter(|path| *path != Path::new("-"));
    let by_ending =
        path.and_then(Path::extension).is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    let parquet = match output.format {
        Format::Table => by_ending,
        Format::Parquet => true,
        Format::Csv => false,
        Format::Json => anyhow::bail!("results of many steps are csv or parquet, not json"),
    };
    if parquet && path.is_none() {
        anyhow::bail!("parquet is not written to standard output (give a file with --output)");
    }
    Ok(Place { path, parquet })
}

pub(super) fn tell(tally: Tally, output: &OutputArgs) {
    let Tally { steps, unsolved, violations, cancelled } = tally;
    if cancelled {
        say(&format!("cancelled after {steps} steps, which are in the results"));
    }
    if unsolved > 0 {
        say(&format!("{unsolved} of {steps} steps not solved: their results are empty"));
    } else {
        output.note(&format!("{steps} steps solved"));
    }
    if violations > 0 {
        output.note(&format!("{violations} figures beyond their limits"));
    }
}

#[cfg(test)]
mod tests;
