//! `tieline export`: history as Parquet or CSV, out of a data directory whose centre may be running. Nothing is changed
//! and nobody is held up: the owner goes on writing while one moment of the folder is read.
//!
//! - `span`: times and steps of the command line. `sink`: the files.

mod sink;
mod span;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use historian::{Archive, Description, Filling, HistorianError, Method, Reading, Row, Sample, Span};
use serde_json::json;
use signal::{Quality, Validity};
use timebase::Utc;
use transport::Clock;

use crate::files;
use crate::study::{Progress, interrupt, say};
use sink::{Label, Line, Sink, Target, iso_micros};

/// Instants whose values are looked up together.
const SAMPLES_AT_ONCE: usize = 65_536;
/// Rows between two looks for Ctrl-C.
const ROWS_AT_ONCE: usize = 4_096;

/// Arguments of `tieline export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Data directory of the centre, which may be running.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Names or mRIDs of points, * and ? stand for any characters; all points without.
    #[arg(value_name = "POINT")]
    points: Vec<String>,
    /// Begin: ISO 8601 with an offset, or a local time with --zone; the first row by default.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End, not included; now by default.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Time zone of --from and --to where they have no offset, e.g. Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Values at equal steps instead of rows, e.g. 500ms, 10s, 15min, 1h.
    #[arg(long, value_name = "LENGTH", value_parser = span::duration, requires = "from")]
    step: Option<Duration>,
    /// What holds between two rows.
    #[arg(long, value_enum, default_value = "step", requires = "step")]
    method: MethodArg,
    /// How long a value holds at most.
    #[arg(long, value_name = "LENGTH", value_parser = span::duration, requires = "step")]
    max_gap: Option<Duration>,
    /// Which rows count where somebody has corrected one.
    #[arg(long, value_enum, default_value = "corrected", conflicts_with = "step")]
    read: ReadArg,
    /// File; the ending .parquet or .csv says the format. CSV on standard output by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// List the points that there are instead.
    #[arg(long, conflicts_with_all = ["out", "step", "from", "to"])]
    list: bool,
    /// No progress on standard error.
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum MethodArg {
    Step,
    Linear,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum ReadArg {
    Corrected,
    Original,
    All,
}

/// Runs `tieline export`.
pub(crate) fn command(args: &ExportArgs) -> Result<ExitCode> {
    let span = asked_span(args)?;
    let parquet = is_parquet(args.out.as_deref())?;
    // A straight line to the next value needs the next value, wherever it is.
    let seen = if args.method == MethodArg::Linear { Span { to: Span::ALL.to, ..span } } else { span };
    let archive = open(&args.data, seen)?;
    let points = choose(&archive, &args.points)?;
    if args.list {
        return list(&points);
    }
    let filling = args.step.map(|step| {
        let method = if args.method == MethodArg::Linear { Method::Linear } else { Method::Step };
        (step, Filling { method, max_gap: args.max_gap })
    });
    interrupt::watch();
    let out = args.out.as_deref().filter(|out| *out != Path::new("-"));
    let sink = Sink::new(Target::new(out), parquet)?;
    let mut export = Export { archive, span, sink, rows: 0, damaged: 0 };
    let mut progress = Progress::new("points", points.len(), args.quiet);
    let mut done = Vec::with_capacity(points.len());
    for (number, point) in points.iter().enumerate() {
        progress.at(number);
        let before = export.rows;
        match filling {
            Some(filling) => export.samples(point, filling)?,
            None => export.rows(point, args.reading())?,
        }
        done.push((point, export.rows - before));
        if interrupt::cancelled() {
            break;
        }
    }
    finish(args, export, &done, points.len())
}

impl ExportArgs {
    const fn reading(&self) -> Reading {
        match self.read {
            ReadArg::Corrected => Reading::Corrected,
            ReadArg::Original => Reading::Original,
            ReadArg::All => Reading::All,
        }
    }
}

fn asked_span(args: &ExportArgs) -> Result<Span> {
    let zone = args.zone.as_deref();
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => span::instant(text, zone).with_context(|| name.to_owned()).map(Some),
    };
    let from = time("--from", &args.from)?.unwrap_or(Span::ALL.from);
    let to = time("--to", &args.to)?.unwrap_or_else(|| Clock::new().now().utc);
    if from >= to {
        bail!("--from {from} is not before --to {to} (hint: the end is not included)");
    }
    Ok(Span { from, to })
}

fn is_parquet(out: Option<&Path>) -> Result<bool> {
    let Some(out) = out.filter(|out| *out != Path::new("-")) else { return Ok(false) };
    match out.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => Ok(true),
        Some("csv") => Ok(false),
        _ => bail!("{}: the ending says the format (hint: FILE.parquet or FILE.csv)", out.display()),
    }
}

fn open(data: &Path, span: Span) -> Result<Archive> {
    let folder = data.join("history");
    if !folder.is_dir() {
        bail!("{}: there is no history (hint: the directory of [data] in the configuration)", data.display());
    }
    match Archive::open(&folder, span) {
        Err(error @ HistorianError::Io { .. }) => Err(anyhow::Error::new(error))
            .context("history cannot be read (hint: a narrower --from and --to opens fewer files)"),
        opened => Ok(opened?),
    }
}

/// The points that any of the patterns names, in the order of their numbers.
fn choose(archive: &Archive, patterns: &[String]) -> Result<Vec<Description>> {
    let all = archive.points();
    for pattern in patterns {
        if !all.iter().any(|point| is_named(point, pattern)) {
            bail!("no point is called {pattern:?} (hint: tieline export --list --data … shows them)");
        }
    }
    let wanted =
        |point: &&Description| patterns.is_empty() || patterns.iter().any(|pattern| is_named(point, pattern));
    Ok(all.iter().filter(wanted).cloned().collect())
}

fn is_named(point: &Description, pattern: &str) -> bool {
    server::pattern_matches(pattern, &point.name) || server::pattern_matches(pattern, &point.mrid)
}

fn list(points: &[Description]) -> Result<ExitCode> {
    let line = |point: &Description| {
        format!("{}\t{}\t{}\n", files::printable(&point.name), point.mrid, files::printable(&point.unit))
    };
    files::write(None, points.iter().map(line).collect::<String>().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// An export under way.
struct Export {
    archive: Archive,
    span: Span,
    sink: Sink,
    rows: u64,
    damaged: usize,
}

impl Export {
    fn rows(&mut self, point: &Description, reading: Reading) -> Result<()> {
        let label = Label::new(&point.name, &point.unit);
        let Self { archive, sink, rows, .. } = self;
        let mut fault = None;
        let mut taken = 0;
        self.damaged += archive.rows(point.series, (self.span, reading), |row| {
            taken += 1;
            if taken % ROWS_AT_ONCE == 0 && interrupt::cancelled() {
                return ControlFlow::Break(());
            }
            match sink.push(&label, line_of_row(&row, archive.note_text(row.note))) {
                Ok(()) => {
                    *rows += 1;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    fault = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        fault.map_or(Ok(()), Err)
    }

    fn samples(&mut self, point: &Description, (step, filling): (Duration, Filling)) -> Result<()> {
        let label = Label::new(&point.name, &point.unit);
        let mut steps = span::Steps::new(self.span.from, self.span.to, step)?;
        loop {
            let instants: Vec<Utc> = steps.by_ref().take(SAMPLES_AT_ONCE).collect();
            if instants.is_empty() || interrupt::cancelled() {
                return Ok(());
            }
            let (samples, damaged) = self.archive.sample(point.series, &instants, filling)?;
            self.damaged += damaged;
            for sample in &samples {
                self.sink.push(&label, line_of_sample(sample))?;
                self.rows += 1;
            }
        }
    }
}

fn line_of_row(row: &Row, correction: Option<String>) -> Line {
    Line {
        t: row.time,
        received: Some(row.received()),
        value: row.value.is_finite().then_some(row.value),
        quality: validity(row.quality),
        flags: row.quality,
        kind: Some(kind(row.kind)),
        correction,
    }
}

fn line_of_sample(sample: &Sample) -> Line {
    Line {
        t: sample.time,
        received: None,
        value: sample.value.is_finite().then_some(sample.value),
        quality: validity(sample.quality),
        flags: sample.quality,
        kind: None,
        correction: None,
    }
}

fn validity(bits: u16) -> &'static str {
    match Quality::from_bits(bits).validity {
        Validity::Good => "good",
        Validity::Questionable => "questionable",
        Validity::Invalid => "invalid",
    }
}

/// As the centre numbers them: `server::recorder`.
fn kind(number: u8) -> &'static str {
    let names = ["analog", "single", "double", "step", "counter", "bits"];
    names.get(usize::from(number)).copied().unwrap_or("unknown")
}

fn finish(args: &ExportArgs, export: Export, done: &[(&Description, u64)], asked: usize) -> Result<ExitCode> {
    let Export { archive, span, sink, rows, damaged } = export;
    let damaged = damaged + archive.damaged().len();
    let cancelled = interrupt::cancelled();
    let from = args.from.as_ref().map(|_| iso_micros(span.from));
    let about = json!({
        "from": from,
        "to": iso_micros(span.to),
        "step_s": args.step.map(|step| step.as_secs_f64()),
        "method": args.step.map(|_| format!("{:?}", args.method).to_lowercase()),
        "read": args.step.is_none().then(|| format!("{:?}", args.read).to_lowercase()),
        "complete": !cancelled && damaged == 0,
        "program": format!("tieline {}", server::VERSION),
    });
    let points: Vec<_> = done
        .iter()
        .map(|(point, rows)| json!({ "point": point.name, "mrid": point.mrid, "unit": point.unit, "rows": rows }))
        .collect();
    let notes = vec![
        ("tieline.export".into(), about.to_string()),
        ("tieline.points".into(), json!(points).to_string()),
    ];
    sink.finish(notes)?;
    let place = args.out.as_deref().map_or_else(|| "standard output".to_owned(), files::shown);
    if cancelled {
        say(&format!(
            "cancelled: {place} is whole and holds {rows} rows of {} of {asked} points",
            done.len()
        ));
        return Ok(ExitCode::FAILURE);
    }
    if damaged > 0 {
        say(&format!("{place}: {damaged} damaged parts of the history are missing in it"));
        return Ok(ExitCode::FAILURE);
    }
    if !args.quiet {
        say(&format!("{rows} rows of {} points in {place}", done.len()));
    }
    Ok(ExitCode::SUCCESS)
}
