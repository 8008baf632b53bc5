//! The durable map between mRID and series: `series.csv`, one line `id,CRC-32C of id and name,name` each, only appended to.

use crate::crc::crc32c;
use crate::error::{HistorianError, at};
use crate::files::sync_folder;
use crate::row::SeriesId;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Most series of a folder.
const MAX_SERIES: usize = 16_000_000;
/// Longest name in bytes.
const MAX_NAME: usize = 256;

pub(crate) struct SeriesMap {
    path: PathBuf,
    file: File,
    len: u64,
    ids: HashMap<Box<str>, SeriesId>,
}

impl SeriesMap {
    /// Reads the map. A last line without its end was never acknowledged and is cut off.
    pub(crate) fn open(folder: &Path) -> Result<Self, HistorianError> {
        let path = folder.join("series.csv");
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
        sync_folder(folder)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at(&path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let len = u64::try_from(whole).unwrap_or(u64::MAX);
        if whole < bytes.len() {
            file.set_len(len).and_then(|()| file.sync_all()).map_err(at(&path))?;
        }
        let mut ids = HashMap::new();
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let id = next_id(ids.len())?;
            let name = parse_line(line, id)
                .ok_or_else(|| HistorianError::damaged(&path, format!("line of series {}", id.0)))?;
            ids.insert(name.into(), id);
        }
        Ok(Self { path, file, len, ids })
    }

    pub(crate) fn find(&self, name: &str) -> Option<SeriesId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The series of each name; new ones are durable when this returns.
    pub(crate) fn register(&mut self, names: &[&str]) -> Result<Vec<SeriesId>, HistorianError> {
        let mut fresh: HashMap<&str, SeriesId> = HashMap::new();
        let mut lines = String::new();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            if let Some(id) = self.find(name).or_else(|| fresh.get(name).copied()) {
                found.push(id);
                continue;
            }
            if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
                return Err(HistorianError::Name((*name).to_owned()));
            }
            let id = next_id(self.ids.len() + fresh.len())?;
            lines.push_str(&line(id, name));
            fresh.insert(name, id);
            found.push(id);
        }
        if !fresh.is_empty() {
            self.append(&lines)?;
            self.ids.extend(fresh.into_iter().map(|(name, id)| (name.into(), id)));
        }
        Ok(found)
    }

    fn append(&mut self, lines: &str) -> Result<(), HistorianError> {
        // Always from the known end: an append that failed half-way is overwritten by the next one.
        let start = SeekFrom::Start(self.len);
        self.file
            .set_len(self.len)
            .and_then(|()| self.file.seek(start))
            .and_then(|_| self.file.write_all(lines.as_bytes()))
            .and_then(|()| self.file.sync_data())
            .map_err(at(&self.path))?;
        self.len += u64::try_from(lines.len()).unwrap_or(0);
        Ok(())
    }
}

fn next_id(count: usize) -> Result<SeriesId, HistorianError> {
    let full = HistorianError::TooManySeries(MAX_SERIES);
    if count >= MAX_SERIES {
        return Err(full);
    }
    u32::try_from(count).map(SeriesId).map_err(|_| full)
}

fn line(id: SeriesId, name: &str) -> String {
    let crc = crc32c(&[&id.0.to_le_bytes(), name.as_bytes()]);
    format!("{},{crc:08x},{name}\n", id.0)
}

fn parse_line(bytes: &[u8], id: SeriesId) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let name = text.splitn(3, ',').nth(2)?;
    (line(id, name).trim_end_matches('\n') == text).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn filled() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut map = SeriesMap::open(folder.path()).unwrap();
        let ids = map.register(&["_a", "_b", "_a", "with,comma"]).unwrap();
        assert_eq!(ids, [SeriesId(0), SeriesId(1), SeriesId(0), SeriesId(2)]);
        let path = folder.path().join("series.csv");
        (folder, path)
    }

    #[test]
    fn ids_stay_and_new_ones_follow() {
        let (folder, _) = filled();
        let mut map = SeriesMap::open(folder.path()).unwrap();
        assert_eq!(map.register(&["with,comma", "_c"]).unwrap(), [SeriesId(2), SeriesId(3)]);
        assert!(matches!(map.register(&["ok", "line\nbreak"]), Err(HistorianError::Name(_))));
        assert_eq!((map.find("ok"), map.len()), (None, 4));
    }

    #[test]
    fn a_torn_tail_is_cut_and_every_flipped_bit_is_found() {
        let (folder, path) = filled();
        let good = std::fs::read(&path).unwrap();
        for len in 0..good.len() {
            std::fs::write(&path, &good[..len]).unwrap();
            let lines = good[..len].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(SeriesMap::open(folder.path()).unwrap().len(), lines, "cut at {len}");
        }
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            let found = SeriesMap::open(folder.path());
            // Without its line end the last name looks like one that was being written.
            let last_end = bit / 8 == good.len() - 1;
            assert!(found.is_err() || (last_end && found.unwrap().len() == 2), "bit {bit}");
        }
    }
}
