//! Checking the audit chain in the file against its head beside the file.

use crate::StoreError;
use crate::anchor::{beside, read_head};
use crate::open::connect_reader;
use rusqlite::{Connection, OptionalExtension};
use security::{AuditRecord, Broken, ChainHead, DecodeError, Verified, Verifier};
use std::path::Path;

/// What a check of the audit found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuditState {
    /// The part that was looked at holds.
    Whole(Verified),
    /// It does not.
    Broken(AuditFault),
}

/// What is wrong with the audit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuditFault {
    /// The chain does not hold.
    #[error("{0}")]
    Chain(Broken),
    /// A row is no record.
    #[error("audit record {seq}: {error}")]
    Record {
        /// Place of the row.
        seq: u64,
        /// What is wrong with its bytes.
        error: DecodeError,
    },
    /// The head beside the file is missing or unreadable although there are records.
    #[error("the audit head kept beside the store is missing or unreadable")]
    HeadLost,
}

/// Checks the whole audit chain of a store from its first record to its head, whether it is in use or not. Memory
/// does not grow with the chain.
pub fn verify_audit_file(path: &Path) -> Result<AuditState, StoreError> {
    visit_audit_file(path, |_| ())
}

/// Like [`verify_audit_file`], and calls `f` with every record that holds, in order.
pub fn visit_audit_file(path: &Path, mut f: impl FnMut(&AuditRecord)) -> Result<AuditState, StoreError> {
    // The head is read before the chain: the chain may only be longer than it.
    let head = read_head(&beside(path, ".head"));
    let connection = connect_reader(path)?;
    match head {
        Ok(head) => check_from(&connection, ChainHead::EMPTY, head, &mut f),
        Err(StoreError::HeadFile { .. }) => Ok(AuditState::Broken(AuditFault::HeadLost)),
        Err(error) => Err(error),
    }
}

/// Checks what was appended since the head was written, and that the head's record is there.
pub(crate) fn check_tail(connection: &Connection, head_path: &Path) -> Result<AuditState, StoreError> {
    match read_head(head_path) {
        Ok(Some(anchor)) if anchor.seq > 0 => {
            let at = i64::try_from(anchor.seq).unwrap_or(i64::MAX);
            let sql = "SELECT record FROM audit WHERE seq = ?1";
            let found: Option<Vec<u8>> = connection.query_row(sql, [at], |row| row.get(0)).optional()?;
            let start = match found.as_deref().map(AuditRecord::decode) {
                Some(Ok(record)) => ChainHead { seq: anchor.seq - 1, hash: record.prev_hash },
                Some(Err(error)) => {
                    return Ok(AuditState::Broken(AuditFault::Record { seq: anchor.seq, error }));
                }
                // Gone: checking everything says whether it was the tail that was cut.
                None => ChainHead::EMPTY,
            };
            check_from(connection, start, Some(anchor), &mut |_| ())
        }
        Ok(head) => check_from(connection, ChainHead::EMPTY, head, &mut |_| ()),
        Err(StoreError::HeadFile { .. }) => Ok(AuditState::Broken(AuditFault::HeadLost)),
        Err(error) => Err(error),
    }
}

pub(crate) fn check_from(
    connection: &Connection,
    start: ChainHead,
    anchor: Option<ChainHead>,
    f: &mut dyn FnMut(&AuditRecord),
) -> Result<AuditState, StoreError> {
    let mut verifier = Verifier::new(start, anchor);
    let mut statement = connection.prepare("SELECT seq, record FROM audit WHERE seq > ?1 ORDER BY seq")?;
    let after = i64::try_from(start.seq).unwrap_or(i64::MAX);
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        let record = match AuditRecord::decode(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?) {
            Ok(record) => record,
            Err(error) => return Ok(AuditState::Broken(AuditFault::Record { seq, error })),
        };
        if let Err(broken) = verifier.check(&record) {
            return Ok(AuditState::Broken(AuditFault::Chain(broken)));
        }
        f(&record);
    }
    Ok(match verifier.finish() {
        Ok(verified) if anchor.is_none() && verified.count > 0 => AuditState::Broken(AuditFault::HeadLost),
        Ok(verified) => AuditState::Whole(verified),
        Err(broken) => AuditState::Broken(AuditFault::Chain(broken)),
    })
}

/// The head that the last row claims, checked or not.
pub(crate) fn last_head(connection: &Connection) -> Result<ChainHead, StoreError> {
    let sql = "SELECT seq, record FROM audit ORDER BY seq DESC LIMIT 1";
    let found: Option<(i64, Vec<u8>)> =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        None => ChainHead::EMPTY,
        Some((seq, record)) => {
            let hash = AuditRecord::decode(&record).map_or([0; 32], |record| record.hash);
            ChainHead { seq: u64::try_from(seq).unwrap_or(0), hash }
        }
    })
}
