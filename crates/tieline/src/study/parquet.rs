//! Columns → Apache Parquet, without Arrow: a row group at a time, every column optional.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::table::{Table, Values};

/// Figures hardly repeat: more work makes a file hardly smaller.
const COMPRESSION: i32 = 1;

/// What the entries of a column are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
}

/// Entries of a column. A number that is not finite is a missing one.
pub(crate) enum Cells<'a> {
    Text(&'a [ByteArray]),
    Integer(&'a [i64]),
    Number(&'a [f64]),
    /// Those of a table, which may be missing whatever they are.
    Sparse(&'a Values),
}

impl Cells<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Integer(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
            Self::Sparse(Values::Integer(cells)) => cells.len(),
            Self::Sparse(Values::Number(cells)) => cells.len(),
            Self::Sparse(Values::Text(cells)) => cells.len(),
        }
    }
}

/// A file that is written one row group at a time.
pub(crate) struct Groups<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> Groups<W> {
    /// A file with these columns; `name` is that of a row.
    pub(crate) fn new<'a>(
        sink: W,
        name: &str,
        columns: impl Iterator<Item = (&'a str, Kind)>,
    ) -> anyhow::Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_created_by("tieline".into())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(COMPRESSION)?));
        let mut schema = String::new();
        for (name, kind) in columns {
            schema += &match kind {
                Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
                Kind::Integer => format!("OPTIONAL INT64 {name};"),
                Kind::Number => format!("OPTIONAL DOUBLE {name};"),
            };
            if kind == Kind::Number {
                properties = place_by_place(properties, name);
            }
        }
        let schema =
            parse_message_type(&format!("message {name} {{ {schema} }}")).context("parquet schema")?;
        let writer = SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties.build()))?;
        Ok(Self { writer })
    }

    /// Appends rows as one row group; all columns have the same length.
    pub(crate) fn write<'a>(&mut self, cells: impl Iterator<Item = Cells<'a>>) -> anyhow::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for cells in cells {
            let mut place = group.next_column()?.context("parquet schema has too few columns")?;
            write_column(&cells, place.untyped())?;
            place.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Closes the file and gives the sink back.
    pub(crate) fn finish(self) -> anyhow::Result<W> {
        Ok(self.writer.into_inner()?)
    }
}

/// Hardly two figures are equal; their bytes are, place by place.
fn place_by_place(properties: WriterPropertiesBuilder, name: &str) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(name);
    properties
        .set_column_dictionary_enabled(path.clone(), false)
        .set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT)
}

fn write_column(cells: &Cells<'_>, writer: &mut ColumnWriter<'_>) -> anyhow::Result<()> {
    match (cells, writer) {
        (Cells::Text(cells), ColumnWriter::ByteArrayColumnWriter(writer)) => {
            writer.write_batch(cells, Some(&vec![1; cells.len()]), None)?;
        }
        (Cells::Integer(cells), ColumnWriter::Int64ColumnWriter(writer)) => {
            writer.write_batch(cells, Some(&vec![1; cells.len()]), None)?;
        }
        (Cells::Number(cells), ColumnWriter::DoubleColumnWriter(writer)) => {
            let present: Vec<f64> = cells.iter().copied().filter(|cell| cell.is_finite()).collect();
            writer.write_batch(&present, Some(&levels(cells, |cell| cell.is_finite())), None)?;
        }
        (Cells::Sparse(Values::Integer(cells)), ColumnWriter::Int64ColumnWriter(writer)) => {
            let present: Vec<i64> = cells.iter().flatten().copied().collect();
            writer.write_batch(&present, Some(&levels(cells, Option::is_some)), None)?;
        }
        (Cells::Sparse(Values::Number(cells)), ColumnWriter::DoubleColumnWriter(writer)) => {
            let present: Vec<f64> = cells.iter().flatten().copied().collect();
            writer.write_batch(&present, Some(&levels(cells, Option::is_some)), None)?;
        }
        (Cells::Sparse(Values::Text(cells)), ColumnWriter::ByteArrayColumnWriter(writer)) => {
            let present: Vec<ByteArray> =
                cells.iter().flatten().map(|text| ByteArray::from(text.as_str())).collect();
            writer.write_batch(&present, Some(&levels(cells, Option::is_some)), None)?;
        }
        (Cells::Text(_) | Cells::Integer(_) | Cells::Number(_) | Cells::Sparse(_), _) => {
            anyhow::bail!("a column has another type in the parquet schema")
        }
    }
    Ok(())
}

/// Definition levels: 1 for an entry that is there.
fn levels<T>(cells: &[T], present: impl Fn(&T) -> bool) -> Vec<i16> {
    cells.iter().map(|cell| i16::from(present(cell))).collect()
}

/// The bytes of a file of one row group.
pub(crate) fn encode(table: &Table) -> anyhow::Result<Vec<u8>> {
    let mut stream = Stream::new(Vec::new(), table)?;
    stream.write(table)?;
    stream.finish()
}

/// A file of tables, a row group each.
pub(crate) struct Stream<W: Write + Send>(Groups<W>);

impl<W: Write + Send> Stream<W> {
    /// A file for tables with the columns of this one.
    pub(crate) fn new(sink: W, table: &Table) -> anyhow::Result<Self> {
        let columns = table.columns.iter().map(|column| {
            let kind = match column.values {
                Values::Integer(_) => Kind::Integer,
                Values::Number(_) => Kind::Number,
                Values::Text(_) => Kind::Text,
            };
            (column.name, kind)
        });
        Groups::new(sink, table.kind, columns).map(Self)
    }

    /// Appends the rows of a table as one row group.
    pub(crate) fn write(&mut self, table: &Table) -> anyhow::Result<()> {
        self.0.write(table.columns.iter().map(|column| Cells::Sparse(&column.values)))
    }

    /// Closes the file and gives the sink back.
    pub(crate) fn finish(self) -> anyhow::Result<W> {
        self.0.finish()
    }
}
