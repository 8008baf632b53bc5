//! `tieline study …`: calculations on files, apart from any running centre.
//!
//! - `powerflow`, `estimate`, `contingencies`, `sensitivity`: one study each: read, solve, tell. `phases`: the power
//!   flow of OpenDSS scripts.
//! - `network`: a case, its calculation model, and the way between their rows. `results`: solutions → tables.
//! - `series`: many steps on one network. `slack`: who balances it.
//! - `workers`: threads for the solvers. `interrupt`: Ctrl-C.
//! - `table`: columns of results. `render`, `parquet`: what is written of them.

mod contingencies;
mod estimate;
pub(crate) mod interrupt;
pub(crate) mod network;
mod parquet;
mod phases;
mod powerflow;
mod render;
mod results;
mod sensitivity;
pub(crate) mod series;
mod slack;
mod table;
mod workers;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::files;
use table::Table;
pub(crate) use workers::{Progress, Threads};

/// Exit code of a study without a complete solution.
pub(crate) const NOT_SOLVED: u8 = 2;
/// Exit code of a solution beyond limits.
const LIMITS_VIOLATED: u8 = 3;

/// Arguments of `tieline study`.
#[derive(Args, Debug)]
pub(crate) struct StudyArgs {
    #[command(subcommand)]
    study: Study,
}

#[derive(Subcommand, Debug)]
enum Study {
    /// Power flow of a network: voltages, flows and losses.
    Powerflow(powerflow::PowerflowArgs),
    /// State estimation: the state that fits measurements best, without the bad ones.
    Estimate(estimate::EstimateArgs),
    /// Contingency analysis: what happens when something fails.
    Contingencies(Box<contingencies::ContingenciesArgs>),
    /// Distribution factors: which branch feels which injection or outage.
    Sensitivity(sensitivity::SensitivityArgs),
}

/// How results are written.
#[derive(Args, Debug)]
struct OutputArgs {
    /// Form of the results. Figures of csv, json and parquet are complete, those of table are rounded.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// File to write to instead of standard output. With several kinds of result in csv or parquet each has its
    /// own: PATH with `-KIND` before the ending.
    #[arg(long, short, visible_alias = "out", value_name = "PATH")]
    output: Option<PathBuf>,
    /// No messages on standard error, except errors and what could not be solved.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One object: `summary` and a list per kind of result.
    Json,
    /// With a header, one kind of result.
    Csv,
    /// Apache Parquet; needs --output.
    Parquet,
}

/// What a study found.
struct Findings {
    summary: serde_json::Value,
    tables: Vec<Table>,
}

/// Runs `tieline study`.
pub(crate) fn command(args: StudyArgs) -> anyhow::Result<ExitCode> {
    match args.study {
        Study::Powerflow(args) => powerflow::run(&args),
        Study::Estimate(args) => estimate::run(&args),
        Study::Contingencies(args) => contingencies::run(&args),
        Study::Sensitivity(args) => sensitivity::run(&args),
    }
}

impl OutputArgs {
    /// Finds before the work begins what would make its results unwritable.
    fn check(&self, all: bool) -> anyhow::Result<()> {
        let to_file = self.output.as_deref().is_some_and(|path| path != Path::new("-"));
        match self.format {
            Format::Parquet if !to_file => {
                anyhow::bail!("parquet is not written to standard output (give a file with --output)")
            }
            Format::Csv if all && !to_file => anyhow::bail!(
                "several kinds of result do not fit into one csv (name one with --result, or give --output)"
            ),
            Format::Table | Format::Json | Format::Csv | Format::Parquet => Ok(()),
        }
    }

    /// A message for people.
    fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Writes the tables of the kinds wanted; `None` is all.
    fn write(&self, findings: &Findings, kind: Option<&str>) -> anyhow::Result<()> {
        let tables: Vec<&Table> =
            findings.tables.iter().filter(|table| kind.is_none_or(|kind| table.kind == kind)).collect();
        let output = self.output.as_deref().filter(|path| *path != Path::new("-"));
        let bytes = match self.format {
            Format::Table => {
                let framed = output.is_none() && std::io::stdout().is_terminal();
                render::text(&tables, framed).into_bytes()
            }
            Format::Json => {
                // The summary is there in any case.
                let lists: Vec<&Table> =
                    tables.iter().copied().filter(|table| table.kind != "summary").collect();
                render::json(&findings.summary, &lists)?
            }
            Format::Csv => return write_each(&tables, output, render::csv),
            Format::Parquet => return write_each(&tables, output, parquet::encode),
        };
        files::write(output, &bytes)
    }
}

fn write_each(
    tables: &[&Table],
    output: Option<&Path>,
    encode: fn(&Table) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<()> {
    for table in tables {
        let bytes = encode(table).with_context(|| format!("{} results", table.kind))?;
        match output {
            Some(path) if tables.len() > 1 => files::write(Some(&path_of_kind(path, table.kind)), &bytes)?,
            Some(_) | None => files::write(output, &bytes)?,
        }
    }
    Ok(())
}

/// `out.csv` → `out-bus.csv`.
fn path_of_kind(path: &Path, kind: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{kind}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// A line on standard error. That nobody reads it is no reason to stop.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", files::printable(text));
}

/// A figure above zero, from the command line.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        Ok(_) | Err(_) => Err("give a number above 0, like 1e-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_file() {
        let check = |path: &str, expected: &str| {
            assert_eq!(path_of_kind(Path::new(path), "bus"), Path::new(expected));
        };
        check("out.csv", "out-bus.csv");
        check("results/a.b.parquet", "results/a.b-bus.parquet");
        check("results.d/out", "results.d/out-bus");
    }
}
