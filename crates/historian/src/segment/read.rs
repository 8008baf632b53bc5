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

/// A file begins with it; the check sums cover what follows.
const MAGIC: [u8; 4] = *b"PAR1";
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
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(at(path))?;
        if magic != MAGIC {
            return Err(HistorianError::damaged(path, "first bytes"));
        }
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
        let (columns, fraction) = match metadata.num_columns() {
            8 => ([0, 1, 3, 4, 5, 6, 7], Some(2)),
            // Format 2 has the whole stamp in one column.
            7 => ([0, 1, 2, 3, 4, 5, 6], None),
            found => return Err(ParquetError::General(format!("{found} columns"))),
        };
        let points = int32(&reader, columns[0], rows)?;
        let mut times = int64(&reader, columns[1], rows)?;
        let lags = int32(&reader, columns[2], rows)?;
        let values = double(&reader, columns[3], rows)?;
        let qualities = int32(&reader, columns[4], rows)?;
        let kinds = int32(&reader, columns[5], rows)?;
        let notes = int32(&reader, columns[6], rows)?;
        if let Some(fraction) = fraction {
            let fractions = int32(&reader, fraction, rows)?;
            if fractions.len() != times.len() {
                return Err(ParquetError::General("stamps without their microseconds".into()));
            }
            for (time, micros) in times.iter_mut().zip(fractions) {
                *time = time.saturating_mul(1_000).saturating_add(i64::from(micros));
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::{Disk, FolderLock, RealDisk};
    use crate::files::Folder;
    use crate::manifest::SegmentEntry;
    use crate::row::Span;
    use crate::segment::{Effort, SegmentWriter};
    use std::fs::TryLockError;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    /// One file whose bits can be flipped while it is open.
    #[derive(Clone)]
    struct Flipping(Arc<Mutex<Vec<u8>>>);

    impl Disk for Flipping {
        fn create_folder(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
        fn lock(&self, _: &Path) -> Result<FolderLock, TryLockError> {
            Ok(Box::new(()))
        }
        fn names(&self, _: &Path) -> io::Result<Vec<String>> {
            Ok(Vec::new())
        }
        fn open(&self, _: &Path, _: Mode) -> io::Result<Box<dyn DiskFile>> {
            Ok(Box::new(self.clone()))
        }
        fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
            Ok(())
        }
        fn remove(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
        fn sync_folder(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    impl DiskFile for Flipping {
        fn len(&self) -> io::Result<u64> {
            Ok(self.0.lock().unwrap().len() as u64)
        }
        fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
            let from = usize::try_from(offset).unwrap();
            let content = self.0.lock().unwrap();
            let part = content.get(from..from + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes.copy_from_slice(part);
            Ok(())
        }
        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// B-02 on a large segment: a hundred thousand bits of its rows and some of its ends, each found by whoever reads the
    /// part that it is in.
    #[test]
    fn flipped_bits_anywhere_in_a_large_segment_are_found() {
        let temporary = tempfile::tempdir().unwrap();
        let real = Folder { disk: Arc::new(RealDisk), path: temporary.path().to_owned() };
        let mut writer = SegmentWriter::create(&real, 1, Effort::Merged).unwrap();
        let count = 20_000_u32;
        for number in 0..count {
            let time = Utc::from_micros(i64::from(number) * 1_000_003);
            let value = f64::from((f64::from(number) * 0.7).sin() as f32);
            let (series, note) = (SeriesId(number / 1_000), NoteId::FIELD);
            writer.push(Row { series, time, lag_ms: 3, value, quality: 0, kind: 0, note }).unwrap();
        }
        writer.finish().unwrap();
        let entry = SegmentEntry { number: 1, order: 1, level: 0, rows: u64::from(count), cleared: 0 };
        let mut segment = Segment::open(&real, entry).unwrap();
        let content = Arc::new(Mutex::new(std::fs::read(&segment.path).unwrap()));
        let disk = Flipping(Arc::clone(&content));
        segment.folder = Folder { disk: Arc::new(disk), path: PathBuf::from("memory") };
        let reader = SegmentReader::open(&segment).unwrap();
        assert!(segment.groups(SeriesId(5), Span::ALL).count() >= 1_000 / 64);
        let flip = |bit: u64| content.lock().unwrap()[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        let mut state = 1_u64;
        for number in 0..101_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = if number < 100_000 { segment.index.footer * 8 } else { segment.index.len * 8 };
            let bit = (state >> 16) % bits;
            flip(bit);
            let holds = |group: &Group| (group.offset..group.offset + group.len).contains(&(bit / 8));
            let found = match segment.index.groups.iter().position(holds) {
                Some(group) => reader.group(&segment, group).is_err(),
                None => SegmentReader::open(&segment).is_err(),
            };
            assert!(found, "bit {bit}");
            flip(bit);
        }
        assert!(reader.group(&segment, 0).is_ok());
    }
}
