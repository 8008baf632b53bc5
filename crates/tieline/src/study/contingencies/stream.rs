//! All findings to a file as they come: one row per violation, and one for a contingency without any. Memory is that of
//! one row group, whatever is watched.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use contingency::Finding;

use super::subject::Subject;
use super::tables::{Row, rows, table};
use crate::study::{parquet, render};

/// Rows that are written together.
const GROUP: usize = 65_536;

/// A file that is being written.
pub(super) struct Stream {
    rows: Vec<Row>,
    sink: Sink,
    path: String,
    begun: bool,
}

enum Sink {
    Parquet(Option<BufWriter<File>>, Option<parquet::Stream<BufWriter<File>>>),
    Csv(BufWriter<File>),
    Json(BufWriter<File>),
}

impl Stream {
    /// Makes the file; its ending is the format.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        if !["parquet", "csv", "json"].contains(&ending) {
            anyhow::bail!("{shown}: the ending is no format (use .parquet, .csv or .json)");
        }
        let file = File::create(path).with_context(|| format!("{shown}: cannot be written"))?;
        let file = BufWriter::new(file);
        let sink = match ending {
            "parquet" => Sink::Parquet(Some(file), None),
            "csv" => Sink::Csv(file),
            _ => Sink::Json(file),
        };
        Ok(Self { rows: Vec::new(), sink, path: shown, begun: false })
    }

    pub(super) fn write(
        &mut self,
        subject: &Subject<'_>,
        name: &str,
        finding: &Finding,
    ) -> anyhow::Result<()> {
        self.rows.extend(rows(subject, name, finding));
        if self.rows.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let table = table("violation", &std::mem::take(&mut self.rows));
        let begun = std::mem::replace(&mut self.begun, true);
        let write = |sink: &mut Sink| -> anyhow::Result<()> {
            match sink {
                Sink::Parquet(file, stream) => {
                    if let Some(file) = file.take() {
                        *stream = Some(parquet::Stream::new(file, &table)?);
                    }
                    stream.as_mut().map_or(Ok(()), |stream| stream.write(&table))
                }
                Sink::Csv(file) => {
                    let bytes = render::csv(&table)?;
                    let header = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    Ok(file.write_all(&bytes[if begun { header } else { 0 }..])?)
                }
                Sink::Json(file) => {
                    let text = serde_json::to_string(&table)?;
                    let inner = text.trim_start_matches('[').trim_end_matches(']');
                    let before = if begun { "," } else { "{\"violation\":[" };
                    let before = if begun && inner.is_empty() { "" } else { before };
                    Ok(write!(file, "{before}{inner}")?)
                }
            }
        };
        write(&mut self.sink).with_context(|| format!("{}: cannot be written", self.path))
    }

    /// Writes what is left; a file that is not complete says so where its format can, and is all the same readable.
    pub(super) fn finish(mut self, complete: bool) -> anyhow::Result<()> {
        self.flush()?;
        let close = |sink: Sink| -> anyhow::Result<()> {
            match sink {
                Sink::Parquet(_, stream) => {
                    if let Some(stream) = stream {
                        stream.finish()?.flush()?;
                    }
                }
                Sink::Csv(mut file) => file.flush()?,
                Sink::Json(mut file) => {
                    writeln!(file, "],\"complete\":{complete}}}")?;
                    file.flush()?;
                }
            }
            Ok(())
        };
        close(self.sink).with_context(|| format!("{}: cannot be written", self.path))
    }
}
