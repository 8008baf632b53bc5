//! A consistent copy of a store that may be in use, by this process or another one.

use crate::StoreError;
use crate::anchor::{beside, read_head, write_head};
use crate::audit::{AuditFault, AuditState, Proof, last_anchor, prove};
use crate::open::connect_reader;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::path::Path;

/// Pages copied per step.
const STEP_PAGES: i32 = 4_096;

/// What a copy holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Number of the last event, 0 without any.
    pub last_event: u64,
    /// Place of the last audit record, 0 without any.
    pub last_audit: u64,
    /// Whether the whole chain holds against the head kept beside the original.
    pub audit: AuditState,
    /// Version of the tables.
    pub version: u64,
}

/// Copies the store at `from` to the new file `to`, with its audit head beside it, as it was at one instant. Writers are not
/// held up; SQLite's log grows while the copy lasts. A chain that is broken is copied as it is, and stays so.
pub fn snapshot(from: &Path, to: &Path) -> Result<Snapshot, StoreError> {
    // The head first: the chain may only be longer than it.
    let head = match read_head(&beside(from, ".head")) {
        Ok(head) => Some(head),
        Err(StoreError::HeadFile { .. }) => None,
        Err(error) => return Err(error),
    };
    copy(&connect_reader(from)?, to)?;
    let copied = connect_reader(to)?;
    let audit = match head {
        Some(head) => prove(&copied, head, &Proof::default(), &mut |_| ())?.into(),
        None => AuditState::Broken(AuditFault::HeadLost),
    };
    let last = last_anchor(&copied)?;
    let head_path = beside(to, ".head");
    match (&audit, head) {
        (AuditState::Whole(_), _) => write_head(&head_path, last),
        // The last good head goes along, so that the copy shows what the original shows.
        (AuditState::Broken(_), Some(Some(head))) => write_head(&head_path, head),
        (AuditState::Broken(_), Some(None) | None) => Ok(()),
    }
    .map_err(|error| StoreError::io(&head_path, error))?;
    let number = |sql: &str| -> Result<u64, StoreError> {
        let value: i64 = copied.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or(0))
    };
    let last_event = number("SELECT coalesce(max(seq), 0) FROM events")?;
    Ok(Snapshot { last_event, last_audit: last.chain.seq, audit, version: number("PRAGMA user_version")? })
}

fn copy(from: &Connection, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(StoreError::io(to, error));
    }
    let mut target = Connection::open(to)?;
    // Whoever uses the copy syncs it; a crash in between leaves nothing that anybody would use.
    target.pragma_update(None, "synchronous", "OFF")?;
    // An open read transaction is the instant: commits after it are not seen, and the copy never starts anew.
    from.execute_batch("BEGIN")?;
    let _pinned: i64 = from.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let backup = Backup::new(from, &mut target)?;
    loop {
        match backup.step(STEP_PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => std::thread::yield_now(),
        }
    }
}
