//! Names in the folder, and replacing a file as a whole.

use crate::error::{HistorianError, at};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Number that makes a file's name unique in the folder.
pub(crate) type FileNo = u64;

pub(crate) fn wal_path(folder: &Path, number: FileNo) -> PathBuf {
    folder.join(format!("wal-{number}.log"))
}

pub(crate) fn segment_path(folder: &Path, number: FileNo) -> PathBuf {
    folder.join(format!("seg-{number}.parquet"))
}

pub(crate) fn index_path(folder: &Path, number: FileNo) -> PathBuf {
    folder.join(format!("seg-{number}.idx"))
}

/// The number in a name of the form `prefix`N`suffix`.
pub(crate) fn number_in(name: &str, prefix: &str, suffix: &str) -> Option<FileNo> {
    name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
}

/// Names of all files in the folder; those that are not UTF-8 are not ours.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, HistorianError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let name = entry.map_err(at(folder))?.file_name();
        names.extend(name.into_string());
    }
    Ok(names)
}

/// Makes creations, renames and deletions in the folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), HistorianError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// Replaces `path` by `bytes`: after a crash it holds the old content or the new one.
pub(crate) fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), HistorianError> {
    let new = path.with_extension("tmp");
    let mut file = File::create(&new).map_err(at(&new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&new))?;
    fs::rename(&new, path).map_err(at(path))?;
    sync_folder(folder)
}

/// Removes a file that may be gone already; a failure leaves garbage that the next opening removes.
pub(crate) fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "File not removed");
    }
}
