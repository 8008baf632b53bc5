//! The audit head kept outside the database: `NAME.head`, one line, replaced by rename.

use crate::StoreError;
use security::{ChainHead, from_hex, to_hex};
use sha2::{Digest, Sha256};
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

/// What is kept beside the file: how far the chain and its checkpoints are known to reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Anchor {
    pub(crate) chain: ChainHead,
    /// Number of the last checkpoint, 0 without any.
    pub(crate) checkpoints: u64,
}

/// Reads the head; `None` if there is no file.
pub(crate) fn read_head(path: &Path) -> Result<Option<Anchor>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    parse_head(&text).map(Some).ok_or_else(|| StoreError::HeadFile { path: path.to_owned() })
}

/// `seq hash checkpoints sum`; before there were checkpoints it was `seq hash`. There is one way to write each, so that no
/// flipped bit reads as the same or as an older head.
fn parse_head(text: &str) -> Option<Anchor> {
    let line = text.strip_suffix('\n')?;
    let mut words = line.split(' ');
    let seq = number(words.next()?)?;
    let hash = from_hex(words.next()?)?.try_into().ok()?;
    let checkpoints = match (words.next(), words.next(), words.next()) {
        (None, ..) => 0,
        (Some(count), Some(sum), None) => {
            let covered = line.strip_suffix(sum)?;
            if sum != check_sum(covered) {
                return None;
            }
            number(count)?
        }
        _ => return None,
    };
    let chain = ChainHead { seq, hash };
    // Place 0 is the empty chain and nothing else.
    ((seq == 0) == (chain == ChainHead::EMPTY)).then_some(Anchor { chain, checkpoints })
}

fn number(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

fn check_sum(text: &str) -> String {
    to_hex(&Sha256::digest(text)[..8])
}

pub(crate) fn write_head(path: &Path, head: Anchor) -> std::io::Result<()> {
    let covered = format!("{} {} {} ", head.chain.seq, to_hex(&head.chain.hash), head.checkpoints);
    let new = beside(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(format!("{covered}{}\n", check_sum(&covered)).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path)
}

/// Keeps the head file at most [`HEAD_PERIOD`] behind.
pub(crate) struct HeadFile {
    path: PathBuf,
    written: Anchor,
    behind_since: Option<Instant>,
    /// Never written over the last good head of a chain that was found broken.
    frozen: bool,
}

impl HeadFile {
    pub(crate) fn new(path: PathBuf, written: Anchor, frozen: bool) -> Self {
        Self { path, written, behind_since: None, frozen }
    }

    /// Writes the head at opening, so that from then on a missing file is a finding.
    pub(crate) fn write_first(&mut self, head: Anchor) -> Result<(), StoreError> {
        if !self.frozen {
            write_head(&self.path, head).map_err(|error| StoreError::io(&self.path, error))?;
            self.written = head;
        }
        Ok(())
    }

    /// Takes note of the chain's head; returns how long the file may still stay behind.
    pub(crate) fn note(&mut self, head: Anchor, now: Instant) -> Option<Duration> {
        if self.frozen || head == self.written {
            self.behind_since = None;
            return None;
        }
        let since = *self.behind_since.get_or_insert(now);
        Some(HEAD_PERIOD.saturating_sub(now.duration_since(since)))
    }

    /// Writes the head. A failure is logged and tried again: the chain itself is safe in the database.
    pub(crate) fn write(&mut self, head: Anchor, now: Instant) {
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
        let chain =
            ChainHead { seq: 77, hash: std::array::from_fn(|at| u8::try_from(at * 7 % 256).unwrap()) };
        let head = Anchor { chain, checkpoints: 12 };
        write_head(&path, head).unwrap();
        assert_eq!(read_head(&path).unwrap(), Some(head));
        let good = fs::read(&path).unwrap();
        for len in 0..good.len() {
            fs::write(&path, &good[..len]).unwrap();
            assert!(matches!(read_head(&path), Err(StoreError::HeadFile { .. })), "{len} bytes");
        }
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(matches!(read_head(&path), Err(StoreError::HeadFile { .. })), "bit {bit}");
        }
        let old = format!("{} {}\n", chain.seq, to_hex(&chain.hash));
        assert_eq!(parse_head(&old), Some(Anchor { chain, checkpoints: 0 }), "as it was before checkpoints");
        fs::write(&path, [0xff; 40]).unwrap();
        assert!(matches!(read_head(&path), Err(StoreError::HeadFile { .. })));
    }
}
