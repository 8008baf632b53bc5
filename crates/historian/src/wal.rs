//! The write-ahead log: rows since the last segment.
//!
//! A group of rows is one write and one sync: one or more records of `number of the group's first row (u64) · number of
//! the record's first row (u64) · rows`. A file's last group may be cut, torn or out of order after a crash: nothing of
//! it behind the first gap is taken, for it was never acknowledged. Anything written behind a group shows that the group was
//! on the disk, so that the same gap is damage there and is counted as loss. A clean end writes an empty group for that purpose.

use crate::disk::{DiskFile, Mode};
use crate::error::{HistorianError, at};
use crate::files::{FileNo, Folder};
use crate::frame::{Damage, Scan, scan, write_frame};
use crate::row::Row;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Rows of one record at most, and of a batch that is never divided; few in tests, so that groups have several records there.
const RECORD_ROWS: usize = if cfg!(test) { 16 } else { WHOLE_BATCH };
/// Rows of a batch at most that a crash leaves as a whole or not at all.
pub const WHOLE_BATCH: usize = 65_536;
/// Bytes of a record before its rows.
const HEAD: usize = 16;

/// The file that is being written.
pub(crate) struct WalWriter {
    pub(crate) number: FileNo,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    payload: Vec<u8>,
}

impl WalWriter {
    /// Creates a new file; its name is durable when this returns.
    pub(crate) fn create(folder: &Folder, number: FileNo) -> Result<Self, HistorianError> {
        let path = folder.wal(number);
        let file = folder.disk.open(&path, Mode::New).map_err(at(&path))?;
        folder.sync()?;
        Ok(Self { number, path, file, buffer: Vec::new(), payload: Vec::new() })
    }

    /// Writes a group of batches and returns when it is on the disk. After an error the file must not be written again.
    pub(crate) fn append(&mut self, first_row: u64, group: &[Vec<Row>]) -> Result<(), HistorianError> {
        self.buffer.clear();
        self.begin(first_row, first_row);
        let mut number = first_row;
        for batch in group {
            // A batch that fits into a record is not divided: after a crash it is there as a whole or not at all.
            let rows = (self.payload.len() - HEAD) / Row::BYTES;
            let mut room = RECORD_ROWS - rows;
            if rows > 0 && batch.len() > room && batch.len() <= RECORD_ROWS {
                room = 0;
            }
            for row in batch {
                if room == 0 {
                    write_frame(&self.payload, &mut self.buffer);
                    self.begin(first_row, number);
                    room = RECORD_ROWS;
                }
                row.encode(&mut self.payload);
                (room, number) = (room - 1, number + 1);
            }
        }
        write_frame(&self.payload, &mut self.buffer);
        self.file.append(&self.buffer).and_then(|()| self.file.sync()).map_err(at(&self.path))
    }

    fn begin(&mut self, group: u64, record: u64) {
        self.payload.clear();
        self.payload.extend(group.to_le_bytes());
        self.payload.extend(record.to_le_bytes());
    }
}

/// What replaying the logs found.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// The rows in the order of their numbers.
    pub(crate) rows: Vec<Row>,
    /// Number of the next row.
    pub(crate) next_row: u64,
    /// Rows that are known to have been written and are not there.
    pub(crate) lost_rows: u64,
    /// Bytes of writes that were cut.
    pub(crate) torn_bytes: u64,
    /// Damaged parts.
    pub(crate) damaged: Vec<Damage>,
}

impl Replay {
    /// Reads one log. A torn tail is cut off, so that it is reported once; a damaged file stays as it is.
    pub(crate) fn read(&mut self, folder: &Folder, number: FileNo) -> Result<(), HistorianError> {
        let path = folder.wal(number);
        let bytes = folder.disk.read(&path).map_err(at(&path))?;
        let tail = self.take_file(&path, &bytes);
        if tail < bytes.len() {
            self.torn_bytes += wide(bytes.len() - tail);
            let mut file = folder.disk.open(&path, Mode::Edit).map_err(at(&path))?;
            file.set_len(wide(tail)).and_then(|()| file.sync()).map_err(at(&path))?;
        }
        Ok(())
    }

    /// Takes the content of one log; returns where its torn tail begins.
    pub(crate) fn take_file(&mut self, path: &Path, bytes: &[u8]) -> usize {
        let found = scan(bytes);
        let records: Option<Vec<Record<'_>>> = found.frames.iter().map(Record::parse).collect();
        let Some(records) = records else {
            // A record with a good check sum that is none of ours: nothing in this file can be trusted.
            self.damaged.push(damage(path, &(0..bytes.len())));
            return bytes.len();
        };
        let tail = torn_from(&found, &records, bytes.len());
        for record in records.iter().filter(|record| record.bytes.start < tail) {
            self.take(record);
        }
        let damaged = found.damaged.iter().filter(|range| range.start < tail);
        self.damaged.extend(damaged.map(|range| damage(path, range)));
        tail
    }

    /// Takes the rows of a record. A write that failed and was repeated left some of them twice: numbers tell.
    fn take(&mut self, record: &Record<'_>) {
        self.lost_rows += record.first.saturating_sub(self.next_row);
        let known = usize::try_from(self.next_row.saturating_sub(record.first)).unwrap_or(usize::MAX);
        self.rows.extend(record.rows.iter().skip(known).map(Row::decode));
        self.next_row = self.next_row.max(record.end());
    }
}

fn damage(path: &Path, range: &Range<usize>) -> Damage {
    Damage { path: path.to_owned(), bytes: wide(range.start)..wide(range.end) }
}

/// Number behind the last whole row of a log of which these bytes are the beginning; `None` if there is none.
pub(crate) fn end_of(bytes: &[u8]) -> Option<u64> {
    scan(bytes).frames.iter().filter_map(Record::parse).map(|record| record.end()).max()
}

/// A whole record.
struct Record<'a> {
    /// Its place in the file.
    bytes: Range<usize>,
    group: u64,
    first: u64,
    rows: &'a [[u8; Row::BYTES]],
}

impl<'a> Record<'a> {
    fn parse((bytes, payload): &(Range<usize>, &'a [u8])) -> Option<Self> {
        let (group, payload) = payload.split_first_chunk::<8>()?;
        let (first, payload) = payload.split_first_chunk::<8>()?;
        let (rows, []) = payload.as_chunks() else { return None };
        let (group, first) = (u64::from_le_bytes(*group), u64::from_le_bytes(*first));
        Some(Self { bytes: bytes.clone(), group, first, rows })
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(wide(self.rows.len()))
    }
}

/// Where the part begins that a crash in the last write of a file explains; the length of the file if there is none.
fn torn_from(found: &Scan<'_>, records: &[Record<'_>], len: usize) -> usize {
    let gaps = || found.damaged.iter().map(|range| range.start).chain(found.torn);
    let Some(last) = records.last() else { return gaps().next().unwrap_or(len) };
    let start = records.partition_point(|record| record.group < last.group);
    let whole_head = records[start].first == last.group;
    let before = start.checked_sub(1).map(|at| &records[at]);
    // Without its first record the group begins behind the one before it, if that one is whole: numbers tell.
    let begins_behind = before.is_none_or(|record| record.end() == last.group);
    let group_begin = match (whole_head, begins_behind, before) {
        (false, true, Some(record)) => record.bytes.end,
        (false, true, None) => 0,
        (true, ..) | (false, false, _) => records[start].bytes.start,
    };
    gaps().find(|gap| *gap >= group_begin).unwrap_or(len)
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
