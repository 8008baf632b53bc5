//! `tieline convert` and `tieline points`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use exchange::plan::{PlanOptions, plan};
use exchange::{matpower, points_csv};
use model::{Diagnostic, ExpandOptions};

/// Arguments of `tieline convert`.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// Network to read: a MATPOWER case `.m`; `-` reads standard input.
    input: PathBuf,
    /// File to write, a MATPOWER case `.m` of format version 2; `-` writes to standard output.
    output: PathBuf,
    /// No loss report on standard error.
    #[arg(long, short)]
    quiet: bool,
}

/// Arguments of `tieline points`.
#[derive(Args, Debug)]
pub(crate) struct PointsArgs {
    /// Network: a MATPOWER case `.m`; `-` reads standard input.
    network: PathBuf,
    /// File to write instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Tie everything to the busbars instead of a breaker and a disconnector per bay.
    #[arg(long)]
    without_breakers: bool,
    /// No loss report on standard error.
    #[arg(long, short)]
    quiet: bool,
}

/// Reads a network in one format and writes it in another, with a loss report.
pub(crate) fn convert(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    for file in [&args.input, &args.output] {
        known_format(file)?;
    }
    let (case, losses) = super::case(&args.input)?;
    super::write(Some(&args.output), matpower::write(&case).as_bytes())?;
    if !args.quiet {
        report(&losses);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the points that a network has by rule, as the point list of a control centre.
pub(crate) fn points(args: &PointsArgs) -> anyhow::Result<ExitCode> {
    let bytes = super::read(&args.network)?;
    let options = ExpandOptions { breakers: !args.without_breakers, ..ExpandOptions::default() };
    let (network, losses) =
        exchange::read_network(&bytes, options).map_err(|error| super::at(&args.network, &error))?;
    let points = plan(&network, PlanOptions::default())
        .map_err(|error| anyhow::anyhow!("{}: {error}", super::shown(&args.network)))?;
    super::write(args.output.as_deref(), points_csv::write(&points).as_bytes())?;
    if !args.quiet {
        report(&losses);
    }
    Ok(ExitCode::SUCCESS)
}

/// The loss report; that nobody reads it is no reason to stop.
fn report(losses: &[Diagnostic]) {
    let mut out = std::io::stderr().lock();
    for loss in losses {
        let _ = writeln!(out, "{}", super::printable(&loss.to_string()));
    }
    let word = if losses.len() == 1 { "entry" } else { "entries" };
    let _ = writeln!(out, "loss report: {} {word}", losses.len());
}

fn known_format(file: &Path) -> anyhow::Result<()> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    if super::is_standard(file) || ending.eq_ignore_ascii_case("m") {
        return Ok(());
    }
    anyhow::bail!("{}: the format is not known by its ending (known: .m MATPOWER case)", file.display())
}
