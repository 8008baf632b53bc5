//! How far the collector is: `audit.forward` in the data directory, replaced by rename.

use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// What the collector has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Position {
    /// Last record.
    pub(crate) seq: u64,
    /// Number of the last checkpoint.
    pub(crate) checkpoint: u64,
}

/// The file of a data directory.
pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join("audit.forward")
}

impl Position {
    /// Reads the file. Without one the copy begins with the first record; a damaged one says so and begins anew, since
    /// twice is better than never.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let parsed = text.strip_suffix('\n').and_then(|line| line.split_once(' '));
        let position = parsed.and_then(|(seq, number)| {
            Some(Self { seq: seq.parse().ok()?, checkpoint: number.parse().ok()? })
        });
        if position.is_none() {
            tracing::warn!(path = %path.display(), "Damaged: the audit is sent from its first record on");
        }
        Ok(position.unwrap_or_default())
    }

    /// Writes the file.
    pub(crate) fn save(self, path: &Path) -> Result<()> {
        let new = path.with_extension("forward.new");
        let mut to = File::create(&new).with_context(|| new.display().to_string())?;
        to.write_all(format!("{} {}\n", self.seq, self.checkpoint).as_bytes())?;
        to.sync_all()?;
        fs::rename(&new, path).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_damaged_place_is_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path());
        assert_eq!(Position::load(&path).unwrap(), Position::default());
        let place = Position { seq: 70_000, checkpoint: 12 };
        place.save(&path).unwrap();
        assert_eq!(Position::load(&path).unwrap(), place);
        fs::write(&path, [0xff, 0x00]).unwrap();
        assert_eq!(Position::load(&path).unwrap(), Position::default());
    }
}
