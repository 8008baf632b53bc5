//! Opening is recovery: the same steps after a clean end, a crash, or for a new file.

use crate::anchor::{HeadFile, beside, read_head};
use crate::audit::{AuditState, check_tail, last_anchor};
use crate::error::StoreError;
use crate::schema::migrate;
use crate::sums;
use crate::writer::{Job, Writer};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Batches waiting for the writer at most.
const QUEUE_BATCHES: usize = 1024;
/// How long a connection waits for another one's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files larger than this are opened without SQLite's structural check, which reads all of them.
    pub check_up_to_bytes: u64,
    /// Append to an audit chain although it was found broken. The break stays visible to every verification; an
    /// administrator decides this, and the decision itself belongs into the audit.
    pub continue_broken_audit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { check_up_to_bytes: 1 << 30, continue_broken_audit: false }
    }
}

/// Whether SQLite's structural check was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Integrity {
    /// Made, and passed.
    Checked,
    /// Not made: the file is larger than [`Options::check_up_to_bytes`].
    TooLarge,
}

/// What the event log holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventLog {
    /// First event kept, 0 for an empty log.
    pub first: u64,
    /// Last event, 0 for an empty log.
    pub last: u64,
    /// Whether every event between them is there.
    pub gap_free: bool,
}

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Version of the tables found, 0 for a new file.
    pub found_version: usize,
    /// Whether the structure was checked.
    pub integrity: Integrity,
    /// The audit since its head was last written; `Store::verify_audit` looks at all of it.
    pub audit: AuditState,
    /// The event log.
    pub events: EventLog,
}

/// The open store. Dropping it writes what is queued, then the audit head, and closes the file.
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) reader: Mutex<Connection>,
    pub(crate) jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the file and recovers what is in it.
    pub fn open(path: &Path, options: &Options) -> Result<(Self, Recovery), StoreError> {
        let mut connection = connect_writer(path)?;
        let integrity = check_structure(&connection, path, options)?;
        sums::register(&connection)?;
        let found_version = migrate(&mut connection)?;
        sums::check(&connection, path)?;
        let head_path = beside(path, ".head");
        let audit = check_tail(&connection, &head_path)?;
        let events = check_events(&connection)?;
        let head = last_anchor(&connection)?;
        let broken = matches!(audit, AuditState::Broken(_)) && !options.continue_broken_audit;
        let up_to_date = read_head(&head_path).ok().flatten() == Some(head);
        let mut head_file = HeadFile::new(head_path, head, broken);
        if !up_to_date {
            head_file.write_first(head)?;
        }
        let (jobs, queue) = sync_channel(QUEUE_BATCHES);
        let writer = Writer::new(connection, events.last, head, head_file, broken);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(&queue))
            .map_err(|error| StoreError::io(path, error))?;
        let reader = Mutex::new(connect_reader(path)?);
        let store = Self { path: path.to_owned(), reader, jobs: Some(jobs), writer: Some(thread) };
        Ok((store, Recovery { found_version, integrity, audit, events }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "Store writer ended by a panic");
        }
    }
}

fn opened(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| StoreError::Open { path: path.to_owned(), source: Arc::new(error) }
}

fn connect_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(opened(path))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let set = |name: &str, value: &str| {
        connection.pragma_update_and_check(None, name, value, |_| Ok(())).map_err(opened(path))
    };
    set("journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(opened(path))?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(opened(path))?;
    connection.pragma_update(None, "cell_size_check", "ON").map_err(opened(path))?;
    keep_temporary_in_memory(&connection)?;
    Ok(connection)
}

/// A savepoint that grows would otherwise become a file in a folder of SQLite's choice, outside the data directory: a
/// confined process may not write there, and nobody looks after what a crash leaves.
fn keep_temporary_in_memory(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "temp_store", "MEMORY")?)
}

pub(crate) fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    // Not read-only in the sense of SQLite: a reader of a WAL file must be able to build the shared index.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(opened(path))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", "ON").map_err(opened(path))?;
    keep_temporary_in_memory(&connection)?;
    Ok(connection)
}

fn check_structure(connection: &Connection, path: &Path, options: &Options) -> Result<Integrity, StoreError> {
    let size = std::fs::metadata(path).map_err(|error| StoreError::io(path, error))?.len();
    if size > options.check_up_to_bytes {
        return Ok(Integrity::TooLarge);
    }
    let finding: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(opened(path))?;
    if finding == "ok" {
        return Ok(Integrity::Checked);
    }
    Err(StoreError::Corrupt { path: path.to_owned(), detail: finding })
}

fn check_events(connection: &Connection) -> Result<EventLog, StoreError> {
    let sql = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), count(*) FROM events";
    let (first, last, count): (i64, i64, i64) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let whole = if count == 0 { 0 } else { last.saturating_sub(first).saturating_add(1) };
    let place = |seq: i64| u64::try_from(seq).map_err(|_| StoreError::damaged("events", seq));
    Ok(EventLog { first: place(first)?, last: place(last)?, gap_free: count == whole })
}
