//! Everything that can go wrong.

use std::io;
use std::path::{Path, PathBuf};

/// Why a call of the historian could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HistorianError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A Parquet file could not be written or decoded.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What the library said.
        source: parquet::errors::ParquetError,
    },
    /// A file doesn't match its check sum or its own structure.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What shows it.
        what: String,
    },
    /// The folder was written by another version of the program.
    #[error(
        "{} says format {found}, this program keeps format {known}: move the folder away and start anew; its \
         segments stay readable as Parquet", path.display()
    )]
    Format {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        found: u64,
        /// What this program reads and writes.
        known: u64,
    },
    /// Another process has the folder open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The name of a series is empty, too long or holds control characters.
    #[error("{0:?} cannot be the name of a series")]
    Name(String),
    /// There are as many series as there can be.
    #[error("more than {0} series")]
    TooManySeries(usize),
    /// The commit thread has ended, or could not write before the historian was closed.
    #[error("the historian is closed")]
    Closed,
}

impl HistorianError {
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Adds the path to an error of the system.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> HistorianError {
    move |source| HistorianError::Io { path: path.to_owned(), source }
}

/// Adds the path to an error of the Parquet library.
pub(crate) fn parquet_at(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> HistorianError {
    move |source| HistorianError::Parquet { path: path.to_owned(), source }
}
