//! The durable map between mRID and series: `series.csv`, one line `id,CRC-32C of id and name,name` each. The file is
//! replaced as a whole: a tail that is missing or torn is damage, and never a name that is silently given away again.

use crate::crc::crc32c;
use crate::error::{HistorianError, at};
use crate::files::Folder;
use crate::row::SeriesId;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Most series of a folder.
const MAX_SERIES: usize = 16_000_000;
/// Longest name in bytes.
const MAX_NAME: usize = 256;

pub(crate) struct SeriesMap {
    folder: Folder,
    path: PathBuf,
    text: String,
    ids: HashMap<Box<str>, SeriesId>,
}

impl SeriesMap {
    /// Reads the map of a file; an empty one if there is none.
    pub(crate) fn open(folder: &Folder, name: &str) -> Result<Self, HistorianError> {
        let path = folder.file(name);
        let bytes = match folder.disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(at(&path)(error)),
        };
        let text = String::from_utf8(bytes).map_err(|_| HistorianError::damaged(&path, "it is no text"))?;
        let mut ids = HashMap::new();
        for line in text.split_inclusive('\n') {
            let id = next_id(ids.len())?;
            let name = parse_line(line, id)
                .ok_or_else(|| HistorianError::damaged(&path, format!("line of series {}", id.0)))?;
            ids.insert(name.into(), id);
        }
        Ok(Self { folder: folder.clone(), path, text, ids })
    }

    pub(crate) fn find(&self, name: &str) -> Option<SeriesId> {
        self.ids.get(name).copied()
    }

    /// The name of a number. O(names): for the few of notes.
    pub(crate) fn name(&self, id: SeriesId) -> Option<&str> {
        self.ids.iter().find(|(_, known)| **known == id).map(|(name, _)| &**name)
    }

    /// All names by their numbers.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<(SeriesId, &str)> = self.ids.iter().map(|(name, id)| (*id, &**name)).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name.to_owned()).collect()
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
            let text = [self.text.as_str(), &lines].concat();
            self.folder.replace(&self.path, text.as_bytes())?;
            self.text = text;
            self.ids.extend(fresh.into_iter().map(|(name, id)| (name.into(), id)));
        }
        Ok(found)
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

fn parse_line(text: &str, id: SeriesId) -> Option<&str> {
    let name = text.splitn(3, ',').nth(2)?.strip_suffix('\n')?;
    (line(id, name) == text).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn real(path: &std::path::Path) -> Folder {
        Folder { disk: std::sync::Arc::new(crate::disk::RealDisk), path: path.to_owned() }
    }

    fn filled() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut map = SeriesMap::open(&real(folder.path()), "series.csv").unwrap();
        let ids = map.register(&["_a", "_b", "_a", "with,comma"]).unwrap();
        assert_eq!(ids, [SeriesId(0), SeriesId(1), SeriesId(0), SeriesId(2)]);
        let path = folder.path().join("series.csv");
        (folder, path)
    }

    #[test]
    fn ids_stay_and_new_ones_follow() {
        let (folder, _) = filled();
        let mut map = SeriesMap::open(&real(folder.path()), "series.csv").unwrap();
        assert_eq!(map.register(&["with,comma", "_c"]).unwrap(), [SeriesId(2), SeriesId(3)]);
        assert!(matches!(map.register(&["ok", "line\nbreak"]), Err(HistorianError::Name(_))));
        assert_eq!((map.find("ok"), map.len()), (None, 4));
    }

    #[test]
    fn every_cut_within_a_line_and_every_flipped_bit_is_found() {
        let (folder, path) = filled();
        let good = std::fs::read(&path).unwrap();
        for len in 1..good.len() {
            std::fs::write(&path, &good[..len]).unwrap();
            let found = SeriesMap::open(&real(folder.path()), "series.csv");
            assert_eq!(found.is_ok(), good[len - 1] == b'\n', "cut at {len}");
        }
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert!(SeriesMap::open(&real(folder.path()), "series.csv").is_err(), "bit {bit}");
        }
    }
}
