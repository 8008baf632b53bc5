//! Names in the folder, and replacing a file as a whole.

use crate::disk::{Disk, Mode};
use crate::error::{HistorianError, at};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number that makes a file's name unique in the folder.
pub(crate) type FileNo = u64;

/// The folder of a historian on its disk.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn wal(&self, number: FileNo) -> PathBuf {
        self.path.join(format!("wal-{number}.log"))
    }

    pub(crate) fn segment(&self, number: FileNo) -> PathBuf {
        self.path.join(format!("seg-{number}.parquet"))
    }

    pub(crate) fn index(&self, number: FileNo) -> PathBuf {
        self.path.join(format!("seg-{number}.idx"))
    }

    /// Names of all files.
    pub(crate) fn names(&self) -> Result<Vec<String>, HistorianError> {
        self.disk.names(&self.path).map_err(at(&self.path))
    }

    /// Makes creations, renames and deletions durable.
    pub(crate) fn sync(&self) -> Result<(), HistorianError> {
        self.disk.sync_folder(&self.path).map_err(at(&self.path))
    }

    /// Replaces `path` by `bytes`: after a crash it holds the old content or the new one.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), HistorianError> {
        let new = path.with_extension("tmp");
        let mut file = self.disk.open(&new, Mode::Replace).map_err(at(&new))?;
        file.append(bytes).and_then(|()| file.sync()).map_err(at(&new))?;
        self.disk.rename(&new, path).map_err(at(path))?;
        self.sync()
    }

    /// Removes a file that may be gone already; a failure leaves garbage that the next opening removes.
    pub(crate) fn discard(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "File not removed");
        }
    }
}

/// The number in a name of the form `prefix`N`suffix`.
pub(crate) fn number_in(name: &str, prefix: &str, suffix: &str) -> Option<FileNo> {
    name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
}
