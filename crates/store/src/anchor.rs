//! The audit head kept outside the database: `NAME.head`, one line `seq hash`, replaced by rename.

use crate::StoreError;
use security::ChainHead;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The head file is at most this much older than the last audit record.
pub const HEAD_PERIOD: Duration = Duration::from_secs(1);

/// Path beside the database with a suffix appended to its name.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a rename in the folder of `path` durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Reads the head; `None` if there is no file.
pub(crate) fn read_head(path: &Path) -> Result<Option<ChainHead>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    parse_head(&text).map(Some).ok_or_else(|| StoreError::HeadFile { path: path.to_owned() })
}

fn parse_head(text: &str) -> Option<ChainHead> {
    let (seq, hex) = text.strip_suffix('\n')?.split_once(' ')?;
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(ChainHead { seq: seq.parse().ok()?, hash })
}

pub(crate) fn write_head(path: &Path, head: ChainHead) -> std::io::Result<()> {
    let hex: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let new = beside(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(format!("{} {hex}\n", head.seq).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path)
}

/// Keeps the head file at most [`HEAD_PERIOD`] behind.
pub(crate) struct HeadFile {
    path: PathBuf,
    written: ChainHead,
    behind_since: Option<Instant>,
    /// Never written over the last good head of a chain that was found broken.
    frozen: bool,
}

impl HeadFile {
    pub(crate) fn new(path: PathBuf, written: ChainHead, frozen: bool) -> Self {
        Self { path, written, behind_since: None, frozen }
    }

    /// Writes the head at opening, so that from then on a missing file is a finding.
    pub(crate) fn write_first(&mut self, head: ChainHead) -> Result<(), StoreError> {
        if !self.frozen {
            write_head(&self.path, head).map_err(|error| StoreError::io(&self.path, error))?;
            self.written = head;
        }
        Ok(())
    }

    /// Takes note of the chain's head; returns how long the file may still stay behind.
    pub(crate) fn note(&mut self, head: ChainHead, now: Instant) -> Option<Duration> {
        if self.frozen || head == self.written {
            self.behind_since = None;
            return None;
        }
        let since = *self.behind_since.get_or_insert(now);
        Some(HEAD_PERIOD.saturating_sub(now.duration_since(since)))
    }

    /// Writes the head. A failure is logged and tried again: the chain itself is safe in the database.
    pub(crate) fn write(&mut self, head: ChainHead, now: Instant) {
        if self.frozen || head == self.written {
            return;
        }
        match write_head(&self.path, head) {
            Ok(()) => {
                self.written = head;
                self.behind_since = None;
            }
            Err(error) => {
                self.behind_since = Some(now);
                tracing::warn!(path = %self.path.display(), %error, "Audit head not written");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn head_survives_and_damage_is_told_from_absence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.head");
        assert_eq!(read_head(&path).unwrap(), None);
        let head = ChainHead { seq: 77, hash: std::array::from_fn(|at| u8::try_from(at * 7 % 256).unwrap()) };
        write_head(&path, head).unwrap();
        assert_eq!(read_head(&path).unwrap(), Some(head));
        let good = fs::read(&path).unwrap();
        for len in 0..good.len() {
            fs::write(&path, &good[..len]).unwrap();
            assert!(matches!(read_head(&path), Err(StoreError::HeadFile { .. })), "{len} bytes");
        }
        fs::write(&path, [0xff; 40]).unwrap();
        assert!(matches!(read_head(&path), Err(StoreError::HeadFile { .. })));
    }
}
