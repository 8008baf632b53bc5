//! Tables → Apache Parquet, without Arrow: one row group, every column optional.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::table::{Table, Values};

/// Definition level of an entry that is there.
const PRESENT: i16 = 1;

/// The bytes of a file.
pub(crate) fn encode(table: &Table) -> anyhow::Result<Vec<u8>> {
    let mut stream = Stream::new(Vec::new(), table)?;
    stream.write(table)?;
    stream.finish()
}

/// A file that is written one row group at a time.
pub(crate) struct Stream<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> Stream<W> {
    /// A file for tables with the columns of this one.
    pub(crate) fn new(sink: W, table: &Table) -> anyhow::Result<Self> {
        let schema = parse_message_type(&schema(table)).context("parquet schema")?;
        let properties = WriterProperties::builder()
            .set_created_by("tieline".into())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        let writer = SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties))?;
        Ok(Self { writer })
    }

    /// Appends the rows of a table as one row group.
    pub(crate) fn write(&mut self, table: &Table) -> anyhow::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for column in &table.columns {
            let mut place = group.next_column()?.context("parquet schema has too few columns")?;
            match (&column.values, place.untyped()) {
                (Values::Integer(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                    let present: Vec<i64> = values.iter().flatten().copied().collect();
                    writer.write_batch(&present, Some(&levels(values)), None)?;
                }
                (Values::Number(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                    let present: Vec<f64> = values.iter().flatten().copied().collect();
                    writer.write_batch(&present, Some(&levels(values)), None)?;
                }
                (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                    let present: Vec<ByteArray> =
                        values.iter().flatten().map(|text| ByteArray::from(text.as_str())).collect();
                    writer.write_batch(&present, Some(&levels(values)), None)?;
                }
                (Values::Integer(_) | Values::Number(_) | Values::Text(_), _) => {
                    anyhow::bail!("column {} has another type in the parquet schema", column.name)
                }
            }
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

fn schema(table: &Table) -> String {
    let columns = table.columns.iter().map(|column| {
        let (kind, annotation) = match column.values {
            Values::Integer(_) => ("INT64", ""),
            Values::Number(_) => ("DOUBLE", ""),
            Values::Text(_) => ("BYTE_ARRAY", " (UTF8)"),
        };
        format!("OPTIONAL {kind} {}{annotation};", column.name)
    });
    format!("message {} {{ {} }}", table.kind, columns.collect::<String>())
}

fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| if value.is_some() { PRESENT } else { 0 }).collect()
}
