//! Everything that can go wrong.

use crate::TokenRefusal;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a call of the store could not do what was asked. Nothing of the batch was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A file beside the database could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The database could not be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// SQLite refused: disk full, input or output error, lock.
    #[error("store: {0}")]
    Sql(#[source] Arc<rusqlite::Error>),
    /// The tables are of a version that this program doesn't know.
    #[error("the store has version {found}, this program knows up to {known}")]
    Version {
        /// Version of the file.
        found: i64,
        /// Newest version known.
        known: usize,
    },
    /// The file is damaged; SQLite's own check says so.
    #[error("{} is damaged: {detail}", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// First finding of the check.
        detail: String,
    },
    /// A row doesn't match its check sum, is missing, or holds something that was never written.
    #[error("{table} {key} is damaged")]
    Damaged {
        /// Table.
        table: &'static str,
        /// Key of the row.
        key: String,
    },
    /// The file with the audit head is there, but holds no head.
    #[error("{} holds no audit head", path.display())]
    HeadFile {
        /// Which file.
        path: PathBuf,
    },
    /// The audit chain was found broken at opening, so nothing is appended to it.
    #[error("the audit chain is broken; nothing is appended to it")]
    AuditBroken,
    /// The caller's event number is not the next one.
    #[error("event {got} cannot follow event {last}")]
    EventGap {
        /// Last event of the log.
        last: u64,
        /// Number offered.
        got: u64,
    },
    /// A number is beyond what the tables hold.
    #[error("{0} is too large for the store")]
    Range(u64),
    /// More records at once than allowed.
    #[error("a batch of {got} records is larger than {most}")]
    BatchSize {
        /// Records offered.
        got: usize,
        /// Most records allowed.
        most: usize,
    },
    /// The token was not taken.
    #[error("{0}")]
    Token(TokenRefusal),
    /// The queue to the writer is full.
    #[error("the store's queue is full")]
    Busy,
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(table: &'static str, key: impl ToString) -> Self {
        Self::Damaged { table, key: key.to_string() }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(Arc::new(error))
    }
}
