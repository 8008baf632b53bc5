//! Network and points from files, each fault with file, line, reason and hint.

use crate::config::{Config, ConfigError};
use anyhow::{Context as _, Result};
use exchange::plan::{PlanOptions, plan};
use exchange::{ReadError, layout, matpower, points_csv};
use model::{Diagnostic, ExpandOptions, Network, expand};
use signal::PointList;
use std::path::Path;

/// A network with what its import lost.
#[derive(Debug)]
pub struct Loaded {
    /// The network, with places for its substations.
    pub network: Network,
    /// What was dropped, defaulted or substituted.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a network file.
pub fn network(file: &Path) -> Result<Loaded> {
    let (case, mut diagnostics) = case(file)?;
    let expansion = expand(&case, ExpandOptions::default())
        .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let mut network = expansion.network;
    layout::place(&mut network);
    diagnostics.extend(expansion.diagnostics);
    Ok(Loaded { network, diagnostics })
}

/// Reads a bus-branch case.
pub fn case(file: &Path) -> Result<(model::busbranch::BusBranchCase, Vec<Diagnostic>)> {
    let bytes = bytes(file)?;
    matpower::read(&bytes).map_err(|error| at(file, &error))
}

/// The points of a centre: the configured list, the one that was applied to it while it ran, or those that follow from the
/// network.
pub fn points(config: &Config, network: &Network) -> Result<PointList> {
    match &config.points {
        Some(file) => points_csv::read(&bytes(file)?).map_err(|error| at(file, &error)),
        None => points_by_rule(&config.data.directory, network),
    }
}

/// The points that follow from the network, unless another list was applied to the centre with this data directory.
pub fn points_by_rule(data: &Path, network: &Network) -> Result<PointList> {
    let applied = crate::lists::applied_file(data);
    if applied.exists() {
        return points_csv::read(&bytes(&applied)?).map_err(|error| at(&applied, &error));
    }
    plan(network, PlanOptions::default()).context("points by rule")
}

/// Reads a file; the error names it.
pub fn bytes(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        anyhow::Error::new(ConfigError { file: file.to_owned(), line: None, reason: error.to_string() })
    })
}

/// A reader's fault with the file's name in front.
pub fn at(file: &Path, error: &ReadError) -> anyhow::Error {
    let place = if error.line > 0 {
        format!("{}:{}", file.display(), error.line)
    } else {
        file.display().to_string()
    };
    let hint = if error.hint.is_empty() { String::new() } else { format!(" ({})", error.hint) };
    anyhow::anyhow!("{place}: {}{hint}", error.reason)
}
