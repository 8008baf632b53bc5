//! Profiles in CSV: a header, then one row per step.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Chunk, Column, Labels};
use crate::files;

/// A CSV file that is being read, row by row.
pub(super) struct CsvProfile {
    file: PathBuf,
    names: Vec<String>,
    reader: csv::Reader<File>,
    bytes: u64,
    record: csv::StringRecord,
}

impl CsvProfile {
    /// Opens it; also gives the header.
    pub(super) fn open(file: &Path) -> anyhow::Result<(Vec<String>, Self)> {
        let unreadable = |error: &dyn std::fmt::Display| {
            anyhow::anyhow!("{}: cannot be read: {error}", files::shown(file))
        };
        let opened = File::open(file).map_err(|error| unreadable(&error))?;
        let bytes = opened.metadata().map_err(|error| unreadable(&error))?.len();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(opened);
        let header = reader.headers().map_err(|error| unreadable(&error))?;
        let names: Vec<String> = header.iter().map(str::to_owned).collect();
        let record = csv::StringRecord::new();
        Ok((names.clone(), Self { file: file.to_owned(), names, reader, bytes, record }))
    }

    pub(super) fn share(&self) -> f64 {
        self.reader.position().byte() as f64 / self.bytes.max(1) as f64
    }

    /// Up to `most` further rows.
    pub(super) fn read(
        &mut self,
        targets: &[impl Column],
        most: usize,
        chunk: &mut Chunk,
    ) -> anyhow::Result<()> {
        while chunk.rows < most {
            let more = self.reader.read_record(&mut self.record);
            let line = self.record.position().map_or(0, csv::Position::line);
            let shown = files::shown(&self.file);
            if !more.map_err(|error| anyhow::anyhow!("{shown}: not readable as CSV: {error}"))? {
                break;
            }
            let (cells, wanted) = (self.record.len(), self.names.len());
            if cells != wanted {
                anyhow::bail!(
                    "{shown}:{line}: {cells} cells, the header has {wanted} (add or remove commas)"
                );
            }
            self.row(targets, chunk).map_err(|fault| anyhow::anyhow!("{shown}:{line}: {fault}"))?;
            chunk.rows += 1;
        }
        Ok(())
    }

    fn row(&self, targets: &[impl Column], chunk: &mut Chunk) -> Result<(), String> {
        let label = self.record.get(0).unwrap_or_default();
        match &mut chunk.labels {
            Labels::Time(labels) => labels.push(label.to_owned()),
            Labels::Scenario(labels) => {
                let number = label.parse();
                labels.push(number.map_err(|_| {
                    format!("column 1 \"scenario\": {label:?} is no whole number (use `time` for text)")
                })?);
            }
        }
        for ((column, text), target) in (2_usize..).zip(self.record.iter().skip(1)).zip(targets) {
            let fault = |reason: &str| {
                let (name, text) = (&self.names[column - 1], files::printable(text));
                format!(
                    "column {column} {name:?}: {text:?} is {reason} (an empty cell is what the network has)"
                )
            };
            let value = match text {
                "" => f64::NAN,
                "true" | "True" => 1.0,
                "false" | "False" => 0.0,
                _ => text.parse().map_err(|_| fault("no number"))?,
            };
            if let Some(reason) = target.fault(value).filter(|_| !text.is_empty()) {
                return Err(fault(reason));
            }
            chunk.figures.push(value);
        }
        Ok(())
    }
}
