//! Writing a segment, row by row, in memory of one row group.

use super::{Group, Index, SCHEMA};
use crate::crc::crc32c;
use crate::disk::{DiskFile, Mode};
use crate::error::{HistorianError, at, parquet_at};
use crate::files::{FileNo, Folder};
use crate::row::{Row, SeriesId};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use timebase::Utc;

/// Rows of a row group: what a query of one series reads at least.
const GROUP_ROWS: usize = if cfg!(test) { 64 } else { 32_768 };
/// Level of zstd for a segment that is soon merged, and for one that stays.
const LEVELS: [i32; 2] = [3, 9];
/// Encodings that are tried for the first rows of a file, column by column, and the dictionary. Stamps that many points
/// share repeat as they are, others have small differences; values that share their leading bytes do well when all first
/// bytes, all second bytes and so on are put together; values of few levels in a dictionary.
const TRIED: [(Choice, Choice); 3] = [
    (Choice::Plain(Encoding::PLAIN), Choice::Plain(Encoding::PLAIN)),
    (Choice::Plain(Encoding::DELTA_BINARY_PACKED), Choice::Plain(Encoding::BYTE_STREAM_SPLIT)),
    (Choice::Dictionary, Choice::Dictionary),
];
/// Places of `t` and `v` in the schema.
const TIME: usize = 1;
const VALUE: usize = 4;

/// How hard to compress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// As fast as rows come.
    Fresh,
    /// For a segment that is read and kept long.
    Merged,
}

/// How a column is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Choice {
    Plain(Encoding),
    Dictionary,
}

/// Takes rows in the order of their keys.
pub(crate) struct SegmentWriter {
    folder: Folder,
    number: FileNo,
    effort: Effort,
    new_path: PathBuf,
    target: Target,
    rows: Vec<Row>,
    keys: Vec<Keys>,
    complete: bool,
}

/// The file, and the writer that encodes into it once the first rows say how.
enum Target {
    Waiting(Box<dyn DiskFile>),
    Writing(Box<SerializedFileWriter<Box<dyn DiskFile>>>),
    Gone,
}

/// What the index says about a row group besides its bytes.
struct Keys {
    first: (SeriesId, Utc),
    last: (SeriesId, Utc),
    earliest: Utc,
    latest: Utc,
}

impl SegmentWriter {
    pub(crate) fn create(folder: &Folder, number: FileNo, effort: Effort) -> Result<Self, HistorianError> {
        let new_path = folder.segment(number).with_extension("parquet.tmp");
        let file = folder.disk.open(&new_path, Mode::Replace).map_err(at(&new_path))?;
        let rows = Vec::with_capacity(GROUP_ROWS);
        Ok(Self {
            folder: folder.clone(),
            number,
            effort,
            new_path,
            target: Target::Waiting(file),
            rows,
            keys: Vec::new(),
            complete: false,
        })
    }

    /// Rows taken so far are in the file when a row group is full.
    pub(crate) fn push(&mut self, row: Row) -> Result<(), HistorianError> {
        self.rows.push(row);
        if self.rows.len() == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), HistorianError> {
        let (Some(first), Some(last)) = (self.rows.first(), self.rows.last()) else { return Ok(()) };
        let times = || self.rows.iter().map(|row| row.time);
        self.keys.push(Keys {
            first: first.key(),
            last: last.key(),
            earliest: times().min().unwrap_or_default(),
            latest: times().max().unwrap_or_default(),
        });
        let writer = self.target.writer(&self.rows, self.effort).map_err(parquet_at(&self.new_path))?;
        write_columns(writer, &self.rows).map_err(parquet_at(&self.new_path))?;
        self.rows.clear();
        Ok(())
    }

    /// Completes the files and makes them durable under their names. They count once the manifest names them.
    pub(crate) fn finish(mut self) -> Result<(), HistorianError> {
        self.write_group()?;
        let writer = self.target.writer(&self.rows, self.effort).map_err(parquet_at(&self.new_path))?;
        let metadata = writer.finish().map_err(parquet_at(&self.new_path))?;
        let disk = &self.folder.disk;
        let mut file = disk.open(&self.new_path, Mode::Edit).map_err(at(&self.new_path))?;
        let index =
            build_index(file.as_ref(), metadata.row_groups(), &self.keys).map_err(at(&self.new_path))?;
        let index_path = self.folder.index(self.number);
        let mut index_file = disk.open(&index_path, Mode::Replace).map_err(at(&index_path))?;
        index_file.append(&index.encode()).and_then(|()| index_file.sync()).map_err(at(&index_path))?;
        file.sync().map_err(at(&self.new_path))?;
        let path = self.folder.segment(self.number);
        disk.rename(&self.new_path, &path).map_err(at(&path))?;
        self.complete = true;
        self.folder.sync()
    }
}

impl Target {
    /// The writer; the first rows decide on the encodings of the file.
    fn writer(
        &mut self,
        rows: &[Row],
        effort: Effort,
    ) -> Result<&mut SerializedFileWriter<Box<dyn DiskFile>>, ParquetError> {
        if matches!(self, Self::Waiting(_))
            && let Self::Waiting(file) = std::mem::replace(self, Self::Gone)
        {
            let (schema, properties) = (parse_message_type(SCHEMA)?, best(rows, effort)?);
            let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
            *self = Self::Writing(Box::new(writer));
        }
        match self {
            Self::Writing(writer) => Ok(writer),
            Self::Waiting(_) | Self::Gone => Err(ParquetError::General("no writer".into())),
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        // A full disk must not fill up further with what could not be completed.
        if !self.complete {
            self.folder.discard(&self.new_path);
            self.folder.discard(&self.folder.index(self.number));
        }
    }
}

/// The properties that make the columns of some rows smallest.
fn best(rows: &[Row], effort: Effort) -> Result<WriterProperties, ParquetError> {
    let (mut time, mut value) = (TRIED[0].0, TRIED[0].1);
    let (mut least_time, mut least_value) = (i64::MAX, i64::MAX);
    for (time_choice, value_choice) in TRIED {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = Arc::new(properties(time_choice, value_choice, effort)?);
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
        write_columns(&mut writer, rows)?;
        let written = writer.finish()?;
        let size =
            |column| written.row_groups().first().map_or(0, |group| group.column(column).compressed_size());
        if size(TIME) < least_time {
            (time, least_time) = (time_choice, size(TIME));
        }
        if size(VALUE) < least_value {
            (value, least_value) = (value_choice, size(VALUE));
        }
    }
    properties(time, value, effort)
}

fn properties(time: Choice, value: Choice, effort: Effort) -> Result<WriterProperties, ParquetError> {
    let column = |name: &str| ColumnPath::from(name);
    let level = LEVELS[usize::from(effort == Effort::Merged)];
    let mut properties = WriterProperties::builder()
        .set_created_by("tieline historian".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        // A page is a row group: a row group is read as a whole, and repetition is found within a page only.
        .set_data_page_row_count_limit(GROUP_ROWS)
        // Bounds leave NaN out, and DuckDB 2.0 concludes from them that there is none: its `isnan` finds nothing then.
        .set_column_statistics_enabled(column("v"), EnabledStatistics::None);
    for (name, choice) in [("t", time), ("v", value)] {
        properties = match choice {
            Choice::Dictionary => properties.set_column_dictionary_enabled(column(name), true),
            Choice::Plain(encoding) => properties
                .set_column_dictionary_enabled(column(name), false)
                .set_column_encoding(column(name), encoding),
        };
    }
    Ok(properties.build())
}

fn write_columns<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    rows: &[Row],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut place = 0;
    while let Some(mut column) = group.next_column()? {
        let ints = |pick: fn(&Row) -> i32| rows.iter().map(pick).collect::<Vec<i32>>();
        match (place, column.untyped()) {
            (TIME, ColumnWriter::Int64ColumnWriter(column)) => {
                let times: Vec<i64> = rows.iter().map(|row| row.time.as_millis()).collect();
                column.write_batch(&times, None, None)?;
            }
            (VALUE, ColumnWriter::DoubleColumnWriter(column)) => {
                let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
                column.write_batch(&values, None, None)?;
            }
            (at, ColumnWriter::Int32ColumnWriter(column)) => {
                let numbers = match at {
                    // The wire has 32 signed bits; the pattern is kept, as Parquet does for its unsigned types.
                    0 => ints(|row| row.series.0.cast_signed()),
                    2 => ints(sub_millis),
                    3 => ints(|row| row.lag_ms),
                    5 => ints(|row| i32::from(row.quality)),
                    6 => ints(|row| i32::from(row.kind)),
                    7 => ints(|row| row.note.0.cast_signed()),
                    at => return Err(ParquetError::General(format!("column {at} is not of the schema"))),
                };
                column.write_batch(&numbers, None, None)?;
            }
            (at, _) => return Err(ParquetError::General(format!("column {at} is not of the schema"))),
        }
        column.close()?;
        place += 1;
    }
    group.close().map(drop)
}

/// Microseconds of a stamp beyond its millisecond.
fn sub_millis(row: &Row) -> i32 {
    i32::try_from(row.time.as_micros().rem_euclid(1_000)).unwrap_or(0)
}

/// Sums of the row groups and of the footer, from the file as it was written.
fn build_index(file: &dyn DiskFile, written: &[RowGroupMetaData], keys: &[Keys]) -> std::io::Result<Index> {
    let sum = |offset: u64, len: u64| {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(&mut bytes, offset).map(|()| crc32c(&[&bytes]))
    };
    let mut groups = Vec::with_capacity(keys.len());
    for (metadata, keys) in written.iter().zip(keys) {
        let chunks = || metadata.columns().iter().map(|column| column.byte_range());
        let offset = chunks().map(|(start, _)| start).min().unwrap_or(0);
        let len = chunks().map(|(start, len)| start + len).max().unwrap_or(0) - offset;
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let Keys { first, last, earliest, latest } = *keys;
        groups.push(Group { offset, len, crc: sum(offset, len)?, rows, first, last, earliest, latest });
    }
    let footer = groups.last().map_or(0, |group| group.offset + group.len);
    let len = file.len()?;
    Ok(Index { footer_crc: sum(footer, len - footer)?, groups, footer, len })
}
