//! Profiles: one row per time step or scenario, from CSV or Parquet, a chunk of rows at a time.
//!
//! The first column is `time` (any text, ISO 8601 is best) or `scenario` (a whole number); the others are named as
//! in `targets`. An empty cell is what the network has.

mod csv_file;
mod parquet_file;

use std::path::Path;

use super::targets::NameFault;
use crate::files;
use csv_file::CsvProfile;
use parquet_file::ParquetProfile;

/// Names of the rows of a chunk.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::study) enum Labels {
    Time(Vec<String>),
    Scenario(Vec<i64>),
}

impl Labels {
    pub(in crate::study) const fn name(&self) -> &'static str {
        match self {
            Self::Time(_) => "time",
            Self::Scenario(_) => "scenario",
        }
    }

    /// Without rows.
    fn of(name: &str) -> Option<Self> {
        match name {
            "time" => Some(Self::Time(Vec::new())),
            "scenario" => Some(Self::Scenario(Vec::new())),
            _ => None,
        }
    }

    fn emptied(&self) -> Self {
        match self {
            Self::Time(_) => Self::Time(Vec::new()),
            Self::Scenario(_) => Self::Scenario(Vec::new()),
        }
    }
}

/// Some rows of a profile.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::study) struct Chunk {
    pub(in crate::study) labels: Labels,
    /// Figures by row and column; NaN is an empty cell. INVARIANT: `rows · columns` numbers.
    figures: Vec<f64>,
    columns: usize,
    pub(in crate::study) rows: usize,
}

impl Chunk {
    pub(in crate::study) fn figures(&self, row: usize) -> &[f64] {
        &self.figures[row * self.columns..(row + 1) * self.columns]
    }

    fn new(labels: Labels, columns: usize) -> Self {
        Self { labels, figures: Vec::new(), columns, rows: 0 }
    }
}

/// What a column of a profile sets.
pub(in crate::study) trait Column {
    /// Why a figure cannot stand in such a column, if it cannot.
    fn fault(&self, value: f64) -> Option<&'static str>;
}

/// A profile that is being read.
pub(in crate::study) struct Profile<T> {
    pub(in crate::study) targets: Vec<T>,
    pub(in crate::study) label: Labels,
    source: Source,
}

enum Source {
    Csv(Box<CsvProfile>),
    Parquet(Box<ParquetProfile>),
}

impl<T: Column> Profile<T> {
    /// Opens a file and looks its columns up in the network.
    pub(in crate::study) fn open(
        file: &Path,
        target: impl Fn(&str) -> Result<T, NameFault>,
    ) -> anyhow::Result<Self> {
        let parquet = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
        let (header, source) = if parquet {
            let (header, source) = ParquetProfile::open(file)?;
            (header, Source::Parquet(Box::new(source)))
        } else {
            let (header, source) = CsvProfile::open(file)?;
            (header, Source::Csv(Box::new(source)))
        };
        let (first, others) =
            header.split_first().map_or(("", &[][..]), |(first, others)| (first.as_str(), others));
        let label = Labels::of(first).ok_or_else(|| {
            let place = files::shown(file);
            let shown = files::printable(first);
            anyhow::anyhow!("{place}:1: the first column is {shown:?} (it must be `time` or `scenario`)")
        })?;
        let targets = targets(file, others, target)?;
        Ok(Self { targets, label, source })
    }

    /// Up to `most` further rows; none at the end.
    pub(in crate::study) fn next(&mut self, most: usize) -> anyhow::Result<Chunk> {
        let mut chunk = Chunk::new(self.label.emptied(), self.targets.len());
        match &mut self.source {
            Source::Csv(source) => source.read(&self.targets, most, &mut chunk)?,
            Source::Parquet(source) => source.read(&self.targets, most, &mut chunk)?,
        }
        Ok(chunk)
    }

    /// Share of the file that is read, from 0 to 1.
    pub(in crate::study) fn share(&self) -> f64 {
        match &self.source {
            Source::Csv(source) => source.share(),
            Source::Parquet(source) => source.share(),
        }
    }
}

fn targets<T>(
    file: &Path,
    names: &[String],
    target: impl Fn(&str) -> Result<T, NameFault>,
) -> anyhow::Result<Vec<T>> {
    let mut seen = std::collections::HashMap::new();
    let mut targets = Vec::with_capacity(names.len());
    for (column, name) in (2_usize..).zip(names) {
        let fault = |reason: &str, hint: &str| {
            let (place, name) = (files::shown(file), files::printable(name));
            anyhow::anyhow!("{place}:1: column {column} {name:?}: {reason} ({hint})")
        };
        if let Some(earlier) = seen.insert(name, column) {
            return Err(fault(&format!("also column {earlier}"), "keep one of them"));
        }
        targets.push(target(name).map_err(|found| fault(&found.reason, found.hint))?);
    }
    Ok(targets)
}
