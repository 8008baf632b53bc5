//! Reading row groups of a segment: check the sum, then decode.

use super::{Group, Segment};
use crate::crc::crc32c;
use crate::disk::{DiskFile, Mode};
use crate::error::{HistorianError, at, parquet_at};
use crate::row::{NoteId, Row, SeriesId};
use bytes::{Buf, Bytes};
use parquet::column::reader::ColumnReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use parquet::file::serialized_reader::SerializedRowGroupReader;
use std::sync::Arc;
use timebase::Utc;

/// Length of Parquet's trailer: length of the metadata and magic.
const TRAILER: usize = 8;

/// An open file of a segment.
pub(crate) struct SegmentReader {
    file: Box<dyn DiskFile>,
    metadata: ParquetMetaData,
}

/// A part of a file, checked, at its place.
struct Window {
    offset: u64,
    bytes: Bytes,
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.offset + u64::try_from(self.bytes.len()).unwrap_or(0)
    }
}

impl ChunkReader for Window {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let at = self.place(start)?;
        Ok(self.bytes.slice(at..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let at = self.place(start)?;
        let end = at.checked_add(length).filter(|end| *end <= self.bytes.len());
        end.map(|end| self.bytes.slice(at..end)).ok_or_else(|| outside(start))
    }
}

impl Window {
    fn place(&self, start: u64) -> ParquetResult<usize> {
        let at = start.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        at.filter(|at| *at <= self.bytes.len()).ok_or_else(|| outside(start))
    }
}

fn outside(start: u64) -> ParquetError {
    ParquetError::General(format!("byte {start} is outside the row group"))
}

impl SegmentReader {
    /// Opens the file and checks its footer.
    pub(crate) fn open(segment: &Segment) -> Result<Self, HistorianError> {
        let path = &segment.path;
        let file = segment.folder.disk.open(path, Mode::Read).map_err(at(path))?;
        let index = &segment.index;
        let footer = Self::checked(
            segment,
            file.as_ref(),
            (index.footer, index.len.saturating_sub(index.footer)),
            index.footer_crc,
        )?;
        let damaged = || HistorianError::damaged(path, "footer");
        let (rest, trailer) = footer
            .len()
            .checked_sub(TRAILER)
            .and_then(|at| footer.split_at_checked(at))
            .ok_or_else(damaged)?;
        let len = trailer.first_chunk().map(|len| u32::from_le_bytes(*len)).ok_or_else(damaged)?;
        let start =
            usize::try_from(len).ok().and_then(|len| rest.len().checked_sub(len)).ok_or_else(damaged)?;
        let metadata = ParquetMetaDataReader::decode_metadata(&rest[start..]).map_err(parquet_at(path))?;
        if metadata.num_row_groups() != index.groups.len() {
            return Err(damaged());
        }
        Ok(Self { file, metadata })
    }

    fn checked(
        segment: &Segment,
        file: &dyn DiskFile,
        (offset, len): (u64, u64),
        crc: u32,
    ) -> Result<Vec<u8>, HistorianError> {
        let path = &segment.path;
        let end = offset.checked_add(len).filter(|end| *end <= segment.index.len);
        let len = end
            .and_then(|_| usize::try_from(len).ok())
            .ok_or_else(|| HistorianError::damaged(path, "index"))?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, offset).map_err(at(path))?;
        if crc32c(&[&bytes]) != crc {
            return Err(HistorianError::damaged(
                path,
                format!("check sum of {len} bytes from byte {offset}"),
            ));
        }
        Ok(bytes)
    }

    /// All rows of a row group of the segment that was opened.
    pub(crate) fn group(&self, segment: &Segment, number: usize) -> Result<Vec<Row>, HistorianError> {
        let path = &segment.path;
        let missing = || HistorianError::damaged(path, format!("row group {number}"));
        let group = segment.index.groups.get(number).ok_or_else(missing)?;
        let bytes = Self::checked(segment, self.file.as_ref(), (group.offset, group.len), group.crc)?;
        let window = Window { offset: group.offset, bytes: bytes.into() };
        self.decode(number, group, window).map_err(parquet_at(path))
    }

    fn decode(&self, number: usize, group: &Group, window: Window) -> ParquetResult<Vec<Row>> {
        let properties = Arc::new(ReaderProperties::builder().build());
        let metadata = self.metadata.row_group(number);
        let reader = SerializedRowGroupReader::new(Arc::new(window), metadata, None, properties)?;
        let rows = usize::try_from(group.rows).unwrap_or(0);
        let points = int32(&reader, 0, rows)?;
        let times = int64(&reader, 1, rows)?;
        let lags = int32(&reader, 2, rows)?;
        let values = double(&reader, 3, rows)?;
        let qualities = int32(&reader, 4, rows)?;
        let kinds = int32(&reader, 5, rows)?;
        let notes = int32(&reader, 6, rows)?;
        let lengths = [&points, &lags, &qualities, &kinds, &notes]
            .map(Vec::len)
            .into_iter()
            .chain([times.len(), values.len()]);
        if !lengths.clone().all(|len| len == rows) {
            let lengths: Vec<usize> = lengths.collect();
            return Err(ParquetError::General(format!("{lengths:?} rows instead of {rows}")));
        }
        let row = |at: usize| {
            Ok(Row {
                series: SeriesId(points[at].cast_unsigned()),
                time: Utc::from_micros(times[at]),
                lag_ms: lags[at],
                value: values[at],
                quality: u16::try_from(qualities[at]).map_err(|_| ParquetError::General("quality".into()))?,
                kind: u8::try_from(kinds[at]).map_err(|_| ParquetError::General("kind".into()))?,
                note: NoteId(notes[at].cast_unsigned()),
            })
        };
        (0..rows).map(row).collect()
    }
}

type GroupReader<'a> = SerializedRowGroupReader<'a, Window>;

fn int32(reader: &GroupReader<'_>, column: usize, rows: usize) -> ParquetResult<Vec<i32>> {
    let ColumnReader::Int32ColumnReader(mut column) = reader.get_column_reader(column)? else {
        return Err(ParquetError::General("type of a column".into()));
    };
    let mut values = Vec::with_capacity(rows);
    column.read_records(rows, None, None, &mut values)?;
    Ok(values)
}

fn int64(reader: &GroupReader<'_>, column: usize, rows: usize) -> ParquetResult<Vec<i64>> {
    let ColumnReader::Int64ColumnReader(mut column) = reader.get_column_reader(column)? else {
        return Err(ParquetError::General("type of a column".into()));
    };
    let mut values = Vec::with_capacity(rows);
    column.read_records(rows, None, None, &mut values)?;
    Ok(values)
}

fn double(reader: &GroupReader<'_>, column: usize, rows: usize) -> ParquetResult<Vec<f64>> {
    let ColumnReader::DoubleColumnReader(mut column) = reader.get_column_reader(column)? else {
        return Err(ParquetError::General("type of a column".into()));
    };
    let mut values = Vec::with_capacity(rows);
    column.read_records(rows, None, None, &mut values)?;
    Ok(values)
}
