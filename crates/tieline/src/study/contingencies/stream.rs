//! Results of all contingencies to files as they come: findings (one row per violation, and one for a contingency without
//! any), voltages, flows. Memory is that of one row group per file, whatever is watched.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use contingency::Finding;

use super::ContingenciesArgs;
use super::subject::Subject;
use super::tables::{Row, rows, table};
use crate::study::table::{Column, Table};
use crate::study::{parquet, render};

/// Endings of files that are written as results come.
pub(super) const ENDINGS: [&str; 3] = ["parquet", "csv", "json"];
/// Rows that are written together.
const GROUP: usize = 65_536;

/// The files that were asked for.
pub(super) struct Files {
    findings: Option<(Stream, Vec<Row>)>,
    voltages: Option<(Stream, Figures)>,
    flows: Option<(Stream, Figures)>,
}

/// Figures of elements, contingency by contingency.
#[derive(Default)]
struct Figures {
    contingency: Vec<Option<String>>,
    element: Vec<Option<String>>,
    figures: [Vec<f64>; 2],
}

impl Files {
    pub(super) fn create(args: &ContingenciesArgs) -> anyhow::Result<Self> {
        let create = |path: Option<&Path>| path.map(Stream::create).transpose();
        Ok(Self {
            findings: create(args.findings())?.map(|stream| (stream, Vec::new())),
            voltages: create(args.voltages.as_deref())?.map(|stream| (stream, Figures::default())),
            flows: create(args.flows.as_deref())?.map(|stream| (stream, Figures::default())),
        })
    }

    pub(super) fn write(
        &mut self,
        subject: &Subject<'_>,
        name: &str,
        finding: &Finding,
    ) -> anyhow::Result<()> {
        if let Some((stream, kept)) = &mut self.findings {
            kept.extend(rows(subject, name, finding));
            if kept.len() >= GROUP {
                stream.write(&table("violation", &std::mem::take(kept)))?;
            }
        }
        let Some(detail) = &finding.detail else { return Ok(()) };
        if let Some((stream, kept)) = &mut self.voltages {
            for (bus, [e, f]) in subject.buses.iter().zip(&detail.voltages_pu) {
                kept.push((name, bus), [e.hypot(*f), f.atan2(*e).to_degrees()]);
            }
            if kept.element.len() >= GROUP {
                stream.write(&std::mem::take(kept).voltages())?;
            }
        }
        if let Some((stream, kept)) = &mut self.flows {
            for (branch, p_pu) in subject.branches.iter().zip(&detail.p_from_pu) {
                kept.push((name, branch), [p_pu * subject.system.grid.base_mva, 0.0]);
            }
            if kept.element.len() >= GROUP {
                stream.write(&std::mem::take(kept).flows())?;
            }
        }
        Ok(())
    }

    /// Writes what is left. Files that are not complete are all the same readable.
    pub(super) fn finish(self, complete: bool) -> anyhow::Result<()> {
        let rest = [
            self.findings.map(|(stream, kept)| (stream, table("violation", &kept))),
            self.voltages.map(|(stream, kept)| (stream, kept.voltages())),
            self.flows.map(|(stream, kept)| (stream, kept.flows())),
        ];
        for (mut stream, table) in rest.into_iter().flatten() {
            stream.write(&table)?;
            stream.finish(complete)?;
        }
        Ok(())
    }
}

impl Figures {
    fn push(&mut self, (contingency, element): (&str, &str), figures: [f64; 2]) {
        self.contingency.push(Some(contingency.to_owned()));
        self.element.push(Some(element.to_owned()));
        self.figures.iter_mut().zip(figures).for_each(|(list, figure)| list.push(figure));
    }

    fn voltages(self) -> Table {
        let [vm_pu, va_degree] = self.figures;
        Table {
            kind: "voltage",
            columns: vec![
                Column::texts("contingency", self.contingency),
                Column::texts("bus", self.element),
                Column::numbers("vm_pu", vm_pu),
                Column::numbers("va_degree", va_degree),
            ],
        }
    }

    fn flows(self) -> Table {
        let [p_from_mw, _] = self.figures;
        Table {
            kind: "flow",
            columns: vec![
                Column::texts("contingency", self.contingency),
                Column::texts("branch", self.element),
                Column::numbers("p_from_mw", p_from_mw),
            ],
        }
    }
}

/// A file that is being written.
struct Stream {
    sink: Sink,
    path: String,
    begun: bool,
}

enum Sink {
    Parquet(Option<BufWriter<File>>, Option<Box<parquet::Stream<BufWriter<File>>>>),
    Csv(BufWriter<File>),
    Json(BufWriter<File>),
}

impl Stream {
    /// Makes the file; its ending is the format.
    fn create(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        if !ENDINGS.contains(&ending) {
            anyhow::bail!("{shown}: the ending is no format (use .parquet, .csv or .json)");
        }
        let file = File::create(path).with_context(|| format!("{shown}: cannot be written"))?;
        let file = BufWriter::new(file);
        let sink = match ending {
            "parquet" => Sink::Parquet(Some(file), None),
            "csv" => Sink::Csv(file),
            _ => Sink::Json(file),
        };
        Ok(Self { sink, path: shown, begun: false })
    }

    fn write(&mut self, table: &Table) -> anyhow::Result<()> {
        let begun = std::mem::replace(&mut self.begun, true);
        self.sink.write(table, begun).with_context(|| format!("{}: cannot be written", self.path))
    }

    fn finish(self, complete: bool) -> anyhow::Result<()> {
        self.sink.close(complete).with_context(|| format!("{}: cannot be written", self.path))
    }
}

impl Sink {
    fn write(&mut self, table: &Table, begun: bool) -> anyhow::Result<()> {
        match self {
            Self::Parquet(file, stream) => {
                if let Some(file) = file.take() {
                    *stream = Some(Box::new(parquet::Stream::new(file, table)?));
                }
                stream.as_mut().map_or(Ok(()), |stream| stream.write(table))
            }
            Self::Csv(file) => {
                let bytes = render::csv(table)?;
                let header = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                Ok(file.write_all(&bytes[if begun { header } else { 0 }..])?)
            }
            Self::Json(file) => {
                if !begun {
                    write!(file, "{{\"{}\":[", table.kind)?;
                }
                let text = serde_json::to_string(table)?;
                // The list without its brackets.
                let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
                let comma = if begun && !inner.is_empty() { "," } else { "" };
                Ok(write!(file, "{comma}{inner}")?)
            }
        }
    }

    /// Says where the format can whether the file is complete.
    fn close(self, complete: bool) -> anyhow::Result<()> {
        match self {
            Self::Parquet(_, stream) => {
                if let Some(stream) = stream {
                    stream.finish()?.flush()?;
                }
            }
            Self::Csv(mut file) => file.flush()?,
            Self::Json(mut file) => {
                writeln!(file, "],\"complete\":{complete}}}")?;
                file.flush()?;
            }
        }
        Ok(())
    }
}
