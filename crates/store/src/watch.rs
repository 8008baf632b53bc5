//! Looking at parts of the audit of a running centre: does what was there still stand there?

use crate::audit::{AuditFault, AuditState, check_from};
use crate::open::connect_reader;
use crate::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension};
use security::{AuditRecord, Break, Broken, ChainHead, Checkpoint, CheckpointFault};

/// Reads the audit on a connection of its own, so that nobody waits for it.
#[derive(Debug)]
pub struct AuditWatch {
    connection: Connection,
}

impl AuditWatch {
    /// For the store's file.
    pub fn new(store: &Store) -> Result<Self, StoreError> {
        Ok(Self { connection: connect_reader(store.path())? })
    }

    /// Whether `known` still stands where it was, and everything after it holds; returns where the chain ends now.
    pub fn tail(&self, known: ChainHead) -> Result<Result<ChainHead, AuditFault>, StoreError> {
        if known == ChainHead::EMPTY {
            return self.part(known, u64::MAX);
        }
        let at = i64::try_from(known.seq).unwrap_or(i64::MAX);
        let sql = "SELECT record FROM audit WHERE seq = ?1";
        let found: Option<Vec<u8>> = self.connection.query_row(sql, [at], |row| row.get(0)).optional()?;
        let broken = |what| Ok(Err(AuditFault::Chain(Broken { seq: known.seq, what })));
        match found.as_deref().map(AuditRecord::decode) {
            None => broken(Break::Truncated { known: known.seq }),
            Some(Err(error)) => Ok(Err(AuditFault::Record { seq: known.seq, error })),
            Some(Ok(record)) if record.head() != known => broken(Break::Fork),
            Some(Ok(_)) => self.part(known, u64::MAX),
        }
    }

    /// Checks at most `count` records after `start`; returns the last one that holds.
    pub fn part(&self, start: ChainHead, count: u64) -> Result<Result<ChainHead, AuditFault>, StoreError> {
        let (mut seen, mut last) = (0, start);
        let mut note = |record: &AuditRecord| {
            (seen, last) = (seen + 1, record.head());
            Ok(seen < count)
        };
        // The start is known to be there: it serves as its own anchor, and an empty part is no lost head.
        Ok(match check_from(&self.connection, start, Some(start), &mut note)? {
            AuditState::Whole(_) => Ok(last),
            AuditState::Broken(fault) => Err(fault),
        })
    }

    /// Whether the next checkpoints after a number follow each other, are what their key signed, and are there up to `known`.
    /// Returns the last one looked at, or 0 at the end.
    pub fn signed_after(
        &self,
        number: u64,
        count: usize,
        known: u64,
    ) -> Result<Result<u64, AuditFault>, StoreError> {
        let sql = "SELECT checkpoint FROM audit_checkpoints WHERE number > ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limits = (i64::try_from(number).unwrap_or(i64::MAX), i64::try_from(count).unwrap_or(i64::MAX));
        let mut rows = statement.query(limits)?;
        let (mut last, mut seen) = (number, 0);
        while let Some(row) = rows.next()? {
            let expected = last.saturating_add(1);
            let bytes: Vec<u8> = row.get(0)?;
            let fault = match Checkpoint::decode(&bytes) {
                None => CheckpointFault::Damaged(expected),
                Some(found) if found.number != expected => {
                    CheckpointFault::Number { expected, got: found.number }
                }
                Some(found) if !found.holds() => CheckpointFault::Signature(expected),
                Some(_) => {
                    (last, seen) = (expected, seen + 1);
                    continue;
                }
            };
            return Ok(Err(AuditFault::Checkpoint(fault)));
        }
        if seen == count {
            return Ok(Ok(last));
        }
        let missing = CheckpointFault::Missing { known, last };
        Ok(if last < known { Err(AuditFault::Checkpoint(missing)) } else { Ok(0) })
    }

    /// Whether this checkpoint still stands in its place.
    pub fn stands(&self, checkpoint: &Checkpoint) -> Result<Result<(), AuditFault>, StoreError> {
        let number = checkpoint.number;
        let at = i64::try_from(number).unwrap_or(i64::MAX);
        let sql = "SELECT checkpoint FROM audit_checkpoints WHERE number = ?1";
        let found: Option<Vec<u8>> = self.connection.query_row(sql, [at], |row| row.get(0)).optional()?;
        let fault = match found {
            Some(bytes) if bytes == checkpoint.encode() => return Ok(Ok(())),
            Some(_) => CheckpointFault::Signature(number),
            None => CheckpointFault::Missing { known: number, last: number.saturating_sub(1) },
        };
        Ok(Err(AuditFault::Checkpoint(fault)))
    }
}
