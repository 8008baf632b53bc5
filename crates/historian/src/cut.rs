//! A consistent cut of a folder that may be in use, by this process or another one, without opening it.

use crate::disk::RealDisk;
use crate::error::{HistorianError, at};
use crate::files::{Folder, number_in};
use crate::manifest::Manifest;
use crate::wal;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tries until the manifest stands still; a segment is written once in minutes.
const TRIES: u32 = 20;

/// A file of a cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CutFile {
    /// Its name in the folder.
    pub name: String,
    /// Where it can be read, whatever happens to the original.
    pub path: PathBuf,
    /// How many of its bytes belong to the cut.
    pub bytes: u64,
}

/// Everything that was durable at one instant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cut {
    /// The files; opened together in a new folder they are the history.
    pub files: Vec<CutFile>,
    /// Rows since the beginning, in segments and logs.
    pub rows: u64,
}

/// Links the files of `folder` into the empty folder `into` on the same disk, where they stay when the original merges or
/// removes them. Segments never change; a log grows, so that its length belongs to the cut. `folder` need not be open
/// and is not held up.
pub fn cut(folder: &Path, into: &Path) -> Result<Cut, HistorianError> {
    let from = Folder { disk: Arc::new(RealDisk), path: folder.to_owned() };
    let mut tries = TRIES;
    loop {
        fs::create_dir_all(into).map_err(at(into))?;
        match attempt(&from, into) {
            Ok(Some(cut)) => return Ok(cut),
            Ok(None) if tries > 0 => {}
            Ok(None) => return Err(HistorianError::damaged(folder, "its manifest never stands still")),
            Err(HistorianError::Io { source, .. }) if source.kind() == ErrorKind::NotFound && tries > 0 => {}
            Err(error) => return Err(error),
        }
        tries -= 1;
        fs::remove_dir_all(into).map_err(at(into))?;
    }
}

/// `None` if the manifest changed meanwhile.
fn attempt(from: &Folder, into: &Path) -> Result<Option<Cut>, HistorianError> {
    let Some(manifest) = Manifest::read(from)? else { return Ok(Some(Cut::default())) };
    let names = from.names()?;
    let counts = |name: &str| {
        let segment = number_in(name, "seg-", ".parquet").or_else(|| number_in(name, "seg-", ".idx"));
        let log = number_in(name, "wal-", ".log").is_some_and(|number| number >= manifest.wal_floor);
        log || segment.is_some_and(|number| manifest.segments.iter().any(|entry| entry.number == number))
    };
    let mut cut = Cut { files: Vec::new(), rows: manifest.next_row };
    for name in names.iter().filter(|name| counts(name)) {
        let path = link(&from.file(name), &into.join(name))?;
        let bytes = if name.ends_with(".log") {
            let content = fs::read(&path).map_err(at(&path))?;
            cut.rows = cut.rows.max(wal::end_of(&content).unwrap_or(0));
            u64::try_from(content.len()).unwrap_or(u64::MAX)
        } else {
            fs::metadata(&path).map_err(at(&path))?.len()
        };
        cut.files.push(CutFile { name: name.clone(), path, bytes });
    }
    // Names and the manifest are replaced as a whole. Names come after the rows that use them, so that none is missing.
    for name in ["series.csv", "notes.csv", "MANIFEST"] {
        let original = from.file(name);
        let path = into.join(name);
        match fs::copy(&original, &path) {
            Ok(bytes) => cut.files.push(CutFile { name: name.to_owned(), path, bytes }),
            Err(error) if error.kind() == ErrorKind::NotFound && name != "MANIFEST" => {}
            Err(error) => return Err(at(&original)(error)),
        }
    }
    let copied = Folder { disk: Arc::clone(&from.disk), path: into.to_owned() };
    Ok((Manifest::read(&copied)?.as_ref() == Some(&manifest)).then_some(cut))
}

/// A second name of the same file; a copy where the disk has no such thing.
fn link(from: &Path, to: &Path) -> Result<PathBuf, HistorianError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(to.to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(at(from)(error)),
        Err(_) => fs::copy(from, to).map(|_| to.to_owned()).map_err(at(from)),
    }
}
