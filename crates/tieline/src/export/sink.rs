//! Where exported rows go: Parquet or CSV. A file has its name when it is whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use timebase::{Civil, Utc, Zone};

/// Rows of a row group.
const GROUP_ROWS: usize = 131_072;
/// The one schema of all exports; the book describes it in `how-to/read-history.md`.
const SCHEMA: &str = "message history {
    required byte_array point (UTF8);
    required int64 t (TIMESTAMP(MICROS, true));
    optional int64 received (TIMESTAMP(MICROS, true));
    optional double value;
    required byte_array unit (UTF8);
    required byte_array quality (UTF8);
    required int32 flags;
    optional byte_array kind (UTF8);
    optional byte_array correction (UTF8);
}";
const COLUMNS: [&str; 9] =
    ["point", "t", "received", "value", "unit", "quality", "flags", "kind", "correction"];

/// One row of an export.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line {
    pub(super) t: Utc,
    pub(super) received: Option<Utc>,
    /// `None` where the point had no value.
    pub(super) value: Option<f64>,
    pub(super) quality: &'static str,
    pub(super) flags: u16,
    pub(super) kind: Option<&'static str>,
    pub(super) correction: Option<String>,
}

/// Texts that are the same for all rows of a point.
#[derive(Clone, Debug)]
pub(super) struct Label {
    name: ByteArray,
    unit: ByteArray,
}

impl Label {
    pub(super) fn new(name: &str, unit: &str) -> Self {
        Self { name: name.into(), unit: unit.into() }
    }
}

/// A file under another name until it is whole, or standard output.
pub(super) struct Target {
    path: Option<PathBuf>,
    part: PathBuf,
}

impl Target {
    pub(super) fn new(path: Option<&Path>) -> Self {
        let part = path.map(|path| {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(".part");
            path.with_file_name(name)
        });
        Self { path: path.map(Path::to_owned), part: part.unwrap_or_default() }
    }

    fn open(&self) -> Result<Box<dyn Write + Send>> {
        if self.path.is_none() {
            return Ok(Box::new(BufWriter::new(std::io::stdout())));
        }
        let file = File::create(&self.part);
        let file = file.with_context(|| format!("{}: cannot be written", self.part.display()))?;
        Ok(Box::new(BufWriter::new(file)))
    }

    fn complete(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        std::fs::rename(&self.part, path).with_context(|| format!("{}: cannot be written", path.display()))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.path.is_some() {
            // Gone if the file was completed; otherwise nobody wants half of it.
            let _gone = std::fs::remove_file(&self.part);
        }
    }
}

/// Takes rows.
pub(super) enum Sink {
    Parquet(Box<ParquetSink>),
    Csv(Target, Box<csv::Writer<Box<dyn Write + Send>>>),
}

impl Sink {
    pub(super) fn new(target: Target, parquet: bool) -> Result<Self> {
        let out = target.open()?;
        if parquet {
            return Ok(Self::Parquet(Box::new(ParquetSink::new(target, out)?)));
        }
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(COLUMNS)?;
        Ok(Self::Csv(target, Box::new(writer)))
    }

    pub(super) fn push(&mut self, label: &Label, line: Line) -> Result<()> {
        match self {
            Self::Parquet(sink) => sink.push(label, line),
            Self::Csv(_, writer) => {
                let time = |time: Utc| iso_micros(time);
                let value = line.value.map(|value| value.to_string()).unwrap_or_default();
                let (t, received) = (time(line.t), line.received.map(time).unwrap_or_default());
                writer.write_field(label.name.data())?;
                for field in [t.as_str(), &received, &value] {
                    writer.write_field(field)?;
                }
                writer.write_field(label.unit.data())?;
                let correction = line.correction.unwrap_or_default();
                let flags = line.flags.to_string();
                for field in [line.quality, &flags, line.kind.unwrap_or_default(), &correction] {
                    writer.write_field(field)?;
                }
                Ok(writer.write_record(None::<&[u8]>)?)
            }
        }
    }

    /// Completes the file; `notes` become its metadata where it can have some.
    pub(super) fn finish(self, notes: Vec<(String, String)>) -> Result<()> {
        match self {
            Self::Parquet(sink) => sink.finish(notes),
            Self::Csv(target, mut writer) => {
                writer.flush().context("the output cannot be written")?;
                target.complete()
            }
        }
    }
}

/// ISO 8601 with microseconds.
pub(super) fn iso_micros(time: Utc) -> String {
    let civil = Civil::from_utc(time, &Zone::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        civil.year,
        civil.month,
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        time.as_micros().rem_euclid(1_000_000)
    )
}

/// Collects rows into row groups.
pub(super) struct ParquetSink {
    target: Target,
    writer: SerializedFileWriter<Box<dyn Write + Send>>,
    labels: Vec<Label>,
    lines: Vec<Line>,
}

impl ParquetSink {
    fn new(target: Target, out: Box<dyn Write + Send>) -> Result<Self> {
        // Encodings that every reader has: Spark 4.1 refuses BYTE_STREAM_SPLIT, which would suit the values.
        let plain = |name: &str| ColumnPath::from(name);
        let properties = WriterProperties::builder()
            .set_created_by("tieline export".into())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_column_dictionary_enabled(plain("t"), false)
            .set_column_encoding(plain("t"), Encoding::DELTA_BINARY_PACKED)
            .set_column_dictionary_enabled(plain("received"), false)
            .set_column_encoding(plain("received"), Encoding::DELTA_BINARY_PACKED)
            .build();
        let schema = parse_message_type(SCHEMA).context("schema of the export")?;
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(Self { target, writer, labels: Vec::new(), lines: Vec::new() })
    }

    fn push(&mut self, label: &Label, line: Line) -> Result<()> {
        self.labels.push(label.clone());
        self.lines.push(line);
        if self.lines.len() == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        let mut place = 0;
        while let Some(mut column) = group.next_column()? {
            write_column(place, column.untyped(), &self.labels, &self.lines)?;
            column.close()?;
            place += 1;
        }
        group.close()?;
        self.labels.clear();
        self.lines.clear();
        Ok(())
    }

    fn finish(mut self, notes: Vec<(String, String)>) -> Result<()> {
        if !self.lines.is_empty() {
            self.write_group()?;
        }
        for (key, value) in notes {
            self.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
        let mut out = self.writer.into_inner()?;
        out.flush().context("the output cannot be written")?;
        drop(out);
        self.target.complete()
    }
}

fn write_column(at: usize, writer: &mut ColumnWriter<'_>, labels: &[Label], lines: &[Line]) -> Result<()> {
    let text = |text: &str| ByteArray::from(text);
    match (at, writer) {
        (0 | 4, ColumnWriter::ByteArrayColumnWriter(writer)) => {
            let pick = |label: &Label| if at == 0 { label.name.clone() } else { label.unit.clone() };
            let texts: Vec<ByteArray> = labels.iter().map(pick).collect();
            writer.write_batch(&texts, None, None)?;
        }
        (1, ColumnWriter::Int64ColumnWriter(writer)) => {
            let times: Vec<i64> = lines.iter().map(|line| line.t.as_micros()).collect();
            writer.write_batch(&times, None, None)?;
        }
        (2, ColumnWriter::Int64ColumnWriter(writer)) => {
            let times = lines.iter().filter_map(|line| line.received).map(Utc::as_micros);
            let there = levels(lines, |line| line.received.is_some());
            writer.write_batch(&times.collect::<Vec<i64>>(), Some(&there), None)?;
        }
        (3, ColumnWriter::DoubleColumnWriter(writer)) => {
            let values: Vec<f64> = lines.iter().filter_map(|line| line.value).collect();
            writer.write_batch(&values, Some(&levels(lines, |line| line.value.is_some())), None)?;
        }
        (5, ColumnWriter::ByteArrayColumnWriter(writer)) => {
            let texts: Vec<ByteArray> = lines.iter().map(|line| text(line.quality)).collect();
            writer.write_batch(&texts, None, None)?;
        }
        (6, ColumnWriter::Int32ColumnWriter(writer)) => {
            let flags: Vec<i32> = lines.iter().map(|line| i32::from(line.flags)).collect();
            writer.write_batch(&flags, None, None)?;
        }
        (7, ColumnWriter::ByteArrayColumnWriter(writer)) => {
            let texts: Vec<ByteArray> = lines.iter().filter_map(|line| line.kind).map(text).collect();
            writer.write_batch(&texts, Some(&levels(lines, |line| line.kind.is_some())), None)?;
        }
        (8, ColumnWriter::ByteArrayColumnWriter(writer)) => {
            let texts: Vec<ByteArray> =
                lines.iter().filter_map(|line| line.correction.as_deref()).map(text).collect();
            writer.write_batch(&texts, Some(&levels(lines, |line| line.correction.is_some())), None)?;
        }
        (at, _) => anyhow::bail!("column {at} is not of the schema"),
    }
    Ok(())
}

fn levels(lines: &[Line], there: impl Fn(&Line) -> bool) -> Vec<i16> {
    lines.iter().map(|line| i16::from(there(line))).collect()
}
