//! The write-ahead log: rows since the last segment. Payload of a record: number of its first row (u64), then rows.

use crate::error::{HistorianError, at};
use crate::files::{FileNo, sync_folder, wal_path};
use crate::frame::{Damage, scan, write_frame};
use crate::row::Row;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Rows of one record at most.
const RECORD_ROWS: usize = 65_536;

/// The file that is being written.
pub(crate) struct WalWriter {
    pub(crate) number: FileNo,
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl WalWriter {
    /// Creates a new file; its name is durable when this returns.
    pub(crate) fn create(folder: &Path, number: FileNo) -> Result<Self, HistorianError> {
        let path = wal_path(folder, number);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(at(&path))?;
        sync_folder(folder)?;
        Ok(Self { number, path, file, buffer: Vec::new() })
    }

    /// Writes rows and returns when they are on the disk. After an error the file must not be written again.
    pub(crate) fn append(&mut self, first_row: u64, rows: &[Row]) -> Result<(), HistorianError> {
        self.buffer.clear();
        let mut number = first_row;
        let mut payload = Vec::with_capacity(8 + rows.len().min(RECORD_ROWS) * Row::BYTES);
        for part in rows.chunks(RECORD_ROWS) {
            payload.clear();
            payload.extend(number.to_le_bytes());
            for row in part {
                row.encode(&mut payload);
            }
            write_frame(&payload, &mut self.buffer);
            number += part.len() as u64;
        }
        self.file.write_all(&self.buffer).and_then(|()| self.file.sync_data()).map_err(at(&self.path))
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
    pub(crate) fn read(&mut self, folder: &Path, number: FileNo) -> Result<(), HistorianError> {
        let path = wal_path(folder, number);
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        let found = scan(&bytes);
        for frame in &found.frames {
            if !self.take(frame) {
                self.damaged.push(Damage { path: path.clone(), bytes: 0..wide(bytes.len()) });
            }
        }
        let damage = |range: &std::ops::Range<usize>| Damage {
            path: path.clone(),
            bytes: wide(range.start)..wide(range.end),
        };
        self.damaged.extend(found.damaged.iter().map(damage));
        if let Some(start) = found.torn {
            self.torn_bytes += wide(bytes.len() - start);
            let file = OpenOptions::new().write(true).open(&path).map_err(at(&path))?;
            file.set_len(wide(start)).and_then(|()| file.sync_all()).map_err(at(&path))?;
        }
        Ok(())
    }

    /// Takes the rows of a record. A write that failed and was repeated left some of them twice: numbers tell.
    fn take(&mut self, payload: &[u8]) -> bool {
        let Some((number, rows)) = payload.split_first_chunk::<8>() else { return false };
        let (rows, rest) = rows.as_chunks::<{ Row::BYTES }>();
        if !rest.is_empty() {
            return false;
        }
        let first = u64::from_le_bytes(*number);
        self.lost_rows += first.saturating_sub(self.next_row);
        let known = usize::try_from(self.next_row.saturating_sub(first)).unwrap_or(usize::MAX);
        self.rows.extend(rows.iter().skip(known).map(Row::decode));
        self.next_row = self.next_row.max(first.saturating_add(wide(rows.len())));
        true
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
