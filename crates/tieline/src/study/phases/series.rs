//! Time series and scenarios on an OpenDSS script: those of its load shapes, or of `--profiles`.
//!
//! - `targets`: names of columns → loads and converters. `powers`: a row or step → powers, a chunk at a time.
//! - `solve`: a chunk → voltages, in the lanes of [`powerflow::phases::batch`] where nothing is controlled, otherwise
//!   step after step with what the controls remember.
//! - `output`: what is written of it.

mod output;
mod powers;
mod solve;
mod targets;

use std::path::Path;
use std::process::ExitCode;

use exchange::opendss::DssStudy;
use powerflow::phases::PhaseOptions;
use topology::phases::PhaseGrid;

use crate::study::series::progress::Progress;
use crate::study::series::{self, SeriesArgs, Tally};
use crate::study::{OutputArgs, interrupt, say};
use output::{Output, Wanted};
use powers::Source;
use solve::{Model, Solutions};

/// Columns of a profile, for `--help`.
pub(in crate::study) const PROFILES: &str = "Of an OpenDSS script, columns set the power of load:NAME, \
pvsystem:NAME, generator:NAME or storage:NAME, as :p_kw, :q_kvar or :factor; NAME may be * for a factor on all.";

/// Most steps that wait for each other while controls act, so that a chunk does not take long.
const CONTROLLED_ROWS: usize = 256;

/// What all steps share.
pub(super) struct Series<'a> {
    pub(super) study: &'a DssStudy,
    pub(super) grid: PhaseGrid,
    pub(super) options: PhaseOptions,
    /// Most rounds of controls; 0 holds them.
    pub(super) rounds: u32,
}

/// Solves all steps.
pub(super) fn run(
    series: Series<'_>,
    profiles: Option<&Path>,
    args: &SeriesArgs,
    output: &OutputArgs,
) -> anyhow::Result<ExitCode> {
    let wanted = Wanted::of(args)?;
    let place = series::place(output)?;
    let several = wanted.needs_files();
    anyhow::ensure!(
        !several || place.path.is_some(),
        "results of buses and of branches need a file each (give one with --output)"
    );
    interrupt::watch();
    let mut source = Source::open(series.study, profiles)?;
    let model = Model::new(series, source.by_scenario());
    if let Some(warning) = model.by_the_hour().filter(|_| profiles.is_some()) {
        output.note(&warning);
    }
    let mut sink = Output::create(&model, source.label(), &wanted, place)?;
    let most_rows = (series::CHUNK_NUMBERS / (2 * model.nodes().max(1))).clamp(1, series::MOST_ROWS);
    let most_rows = if model.in_lanes() { most_rows } else { most_rows.min(CONTROLLED_ROWS) };
    let mut threads = model.memories(args.threads);
    let mut progress = Progress::new(output.quiet);
    let (mut tally, mut hunting) = (Tally::default(), 0);
    let model = &model;
    let mut next = || -> anyhow::Result<Option<Solutions>> {
        tally.cancelled = interrupt::cancelled();
        let chunk = source.next(if tally.cancelled { 0 } else { most_rows })?;
        if chunk.rows == 0 {
            return Ok(None);
        }
        let solutions = model.solve(chunk, &mut threads);
        tally.steps += solutions.rows;
        tally.unsolved += solutions.solved.iter().filter(|solved| !**solved).count();
        hunting += solutions.hunting;
        progress.tell(tally.steps, source.share());
        Ok(Some(solutions))
    };
    let violations = series::pipe(&mut next, move |solutions| {
        solutions.into_iter().try_for_each(|solutions| sink.take(model, &solutions))?;
        sink.finish(model)
    });
    progress.end();
    tally.violations = violations?;
    if hunting > 0 {
        say(&format!("controls: taps or capacitors still move in {hunting} of {} steps", tally.steps));
    }
    series::tell(tally, output);
    Ok(if hunting > 0 && !tally.cancelled {
        ExitCode::from(crate::study::NOT_SOLVED)
    } else {
        tally.exit_code()
    })
}
