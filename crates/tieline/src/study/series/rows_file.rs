//! Rows of results → a file, some at a time: Parquet with one row group each time, or CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use crate::files;

/// What the entries of a column are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
}

/// Entries of a column. A number that is not finite is a missing one.
pub(super) enum Cells<'a> {
    Text(&'a [ByteArray]),
    Integer(&'a [i64]),
    Number(&'a [f64]),
}

/// A file that results are written to.
pub(super) struct RowsFile {
    form: Form,
    shown: String,
}

enum Form {
    Parquet(Box<SerializedFileWriter<BufWriter<File>>>),
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
}

impl RowsFile {
    /// Makes a file, or writes to standard output without one (CSV only).
    pub(super) fn create(
        path: Option<&Path>,
        parquet: bool,
        columns: Vec<(String, Kind)>,
    ) -> anyhow::Result<Self> {
        let shown = path.map_or_else(|| "standard output".to_owned(), files::shown);
        let make = |path: &Path| {
            File::create(path).map_err(|error| anyhow::anyhow!("{shown}: cannot be written: {error}"))
        };
        let form = match (path, parquet) {
            (Some(path), true) => {
                Form::Parquet(Box::new(parquet_writer(BufWriter::new(make(path)?), &columns)?))
            }
            (path, _) => {
                let output: Box<dyn Write + Send> = match path {
                    Some(path) => Box::new(BufWriter::new(make(path)?)),
                    None => Box::new(std::io::stdout()),
                };
                let mut writer = csv::Writer::from_writer(output);
                writer.write_record(columns.iter().map(|(name, _)| name))?;
                Form::Csv(Box::new(writer))
            }
        };
        Ok(Self { form, shown })
    }

    /// Writes rows; all columns have the same length.
    pub(super) fn write(&mut self, cells: &[Cells<'_>]) -> anyhow::Result<()> {
        let rows = cells.first().map_or(0, Cells::len);
        if rows == 0 {
            return Ok(());
        }
        let written = match &mut self.form {
            Form::Parquet(writer) => write_group(writer, cells),
            Form::Csv(writer) => write_lines(writer, cells, rows),
        };
        written.with_context(|| format!("{}: cannot be written", self.shown))
    }

    /// Ends the file, after which it is readable.
    pub(super) fn close(self) -> anyhow::Result<()> {
        let closed = match self.form {
            Form::Parquet(writer) => {
                writer.into_inner().map_err(anyhow::Error::from).and_then(|mut file| Ok(file.flush()?))
            }
            Form::Csv(mut writer) => writer.flush().map_err(anyhow::Error::from),
        };
        closed.with_context(|| format!("{}: cannot be written", self.shown))
    }
}

impl Cells<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Integer(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
        }
    }
}

fn parquet_writer(
    file: BufWriter<File>,
    columns: &[(String, Kind)],
) -> anyhow::Result<SerializedFileWriter<BufWriter<File>>> {
    let mut properties = WriterProperties::builder()
        .set_created_by("tieline".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?));
    let mut schema = String::new();
    for (name, kind) in columns {
        schema += &match kind {
            Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
            Kind::Integer => format!("OPTIONAL INT64 {name};"),
            Kind::Number => format!("OPTIONAL DOUBLE {name};"),
        };
        if *kind == Kind::Number {
            // Hardly two figures are equal; their bytes are, place by place.
            let path = ColumnPath::from(name.as_str());
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT);
        }
    }
    let schema = parse_message_type(&format!("message results {{ {schema} }}")).context("parquet schema")?;
    Ok(SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build()))?)
}

fn write_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    cells: &[Cells<'_>],
) -> anyhow::Result<()> {
    let mut group = writer.next_row_group()?;
    let mut present = Vec::new();
    for cells in cells {
        let mut place = group.next_column()?.context("parquet schema has too few columns")?;
        let mut levels = vec![1_i16; cells.len()];
        match (cells, place.untyped()) {
            (Cells::Text(cells), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(cells, Some(&levels), None)?;
            }
            (Cells::Integer(cells), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(cells, Some(&levels), None)?;
            }
            (Cells::Number(cells), ColumnWriter::DoubleColumnWriter(writer)) => {
                present.clear();
                for (level, cell) in levels.iter_mut().zip(*cells) {
                    *level = i16::from(cell.is_finite());
                    if cell.is_finite() {
                        present.push(*cell);
                    }
                }
                writer.write_batch(&present, Some(&levels), None)?;
            }
            (Cells::Text(_) | Cells::Integer(_) | Cells::Number(_), _) => {
                anyhow::bail!("a column has another type in the parquet schema")
            }
        }
        place.close()?;
    }
    group.close()?;
    Ok(())
}

fn write_lines(
    writer: &mut csv::Writer<Box<dyn Write + Send>>,
    cells: &[Cells<'_>],
    rows: usize,
) -> anyhow::Result<()> {
    for row in 0..rows {
        for cells in cells {
            match cells {
                Cells::Text(cells) => writer.write_field(cells[row].data())?,
                Cells::Integer(cells) => writer.write_field(cells[row].to_string())?,
                Cells::Number(cells) if cells[row].is_finite() => {
                    writer.write_field(cells[row].to_string())?
                }
                Cells::Number(_) => writer.write_field("")?,
            }
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}
