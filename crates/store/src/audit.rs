//! Checking the audit chain in the file against its checkpoints, its head beside the file, and a copy kept elsewhere.

use crate::StoreError;
use crate::anchor::{Anchor, beside, read_head};
use crate::open::connect_reader;
use rusqlite::{Connection, OptionalExtension, Rows};
use security::{
    AuditCopy, AuditRecord, Broken, ChainHead, Checkpoint, CheckpointFault, CheckpointVerifier, CopyFault,
    DecodeError, PublicKey, Verified, Verifier,
};
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
    /// The checkpoints do not hold, or not with the chain.
    #[error("{0}")]
    Checkpoint(CheckpointFault),
    /// The copy kept elsewhere says something else.
    #[error("{0}")]
    Copy(CopyFault),
}

/// What a whole chain is compared with.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Keys that may have signed checkpoints; with none any key may, and a chain without checkpoints is taken.
    pub keys: Vec<PublicKey>,
    /// What a collector elsewhere has kept.
    pub copy: Option<AuditCopy>,
}

/// A chain that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proved {
    /// The chain.
    pub chain: Verified,
    /// The last checkpoint; records after it are held by the head beside the file alone.
    pub checkpoint: Option<Checkpoint>,
}

impl From<Result<Proved, AuditFault>> for AuditState {
    fn from(result: Result<Proved, AuditFault>) -> Self {
        match result {
            Ok(proved) => Self::Whole(proved.chain),
            Err(fault) => Self::Broken(fault),
        }
    }
}

/// Checks the whole audit chain of a store from its first record to its head, whether it is in use or not. Memory
/// does not grow with the chain.
pub fn verify_audit_file(path: &Path) -> Result<AuditState, StoreError> {
    visit_audit_file(path, |_| ())
}

/// Like [`verify_audit_file`], and calls `f` with every record that holds, in order.
pub fn visit_audit_file(path: &Path, f: impl FnMut(&AuditRecord)) -> Result<AuditState, StoreError> {
    Ok(prove_audit_file(path, &Proof::default(), f)?.into())
}

/// Checks the whole chain against everything that there is to compare it with, and calls `f` with every record that holds.
pub fn prove_audit_file(
    path: &Path,
    proof: &Proof,
    mut f: impl FnMut(&AuditRecord),
) -> Result<Result<Proved, AuditFault>, StoreError> {
    // The head is read before the chain: the chain may only be longer than it.
    let head = read_head(&beside(path, ".head"));
    let connection = connect_reader(path)?;
    // One instant for records and checkpoints.
    connection.execute_batch("BEGIN")?;
    match head {
        Ok(head) => prove(&connection, head, proof, &mut f),
        Err(StoreError::HeadFile { .. }) => Ok(Err(AuditFault::HeadLost)),
        Err(error) => Err(error),
    }
}

/// Checks everything; `head` is what was known to be there.
pub(crate) fn prove(
    connection: &Connection,
    head: Option<Anchor>,
    proof: &Proof,
    f: &mut dyn FnMut(&AuditRecord),
) -> Result<Result<Proved, AuditFault>, StoreError> {
    let mut statement = match has_checkpoints(connection)? {
        true => Some(connection.prepare("SELECT number, checkpoint FROM audit_checkpoints ORDER BY number")?),
        false => None,
    };
    let rows = statement.as_mut().map(|statement| statement.query([])).transpose()?;
    let mut signed =
        Signed { rows, verifier: CheckpointVerifier::new(proof.keys.clone()), next: None, last: None };
    if let Err(fault) = signed.advance()? {
        return Ok(Err(fault));
    }
    let mut faults = None;
    let mut check = |record: &AuditRecord| -> Result<bool, StoreError> {
        faults = signed.meet(record.head())?.err().or_else(|| {
            proof.copy.as_ref().and_then(|copy| copy.check(record.head()).err()).map(AuditFault::Copy)
        });
        f(record);
        Ok(faults.is_none())
    };
    let state = check_from(connection, ChainHead::EMPTY, head.map(|head| head.chain), &mut check)?;
    if let Some(fault) = faults {
        return Ok(Err(fault));
    }
    let chain = match state {
        AuditState::Whole(chain) => chain,
        AuditState::Broken(fault) => return Ok(Err(fault)),
    };
    let known =
        head.map_or(0, |head| head.checkpoints).max(u64::from(!proof.keys.is_empty() && chain.count > 0));
    if let Err(fault) = signed.finish(known) {
        return Ok(Err(fault));
    }
    if let Some(fault) = proof.copy.as_ref().and_then(|copy| copy.finish(chain.head, &proof.keys).err()) {
        return Ok(Err(AuditFault::Copy(fault)));
    }
    Ok(Ok(Proved { chain, checkpoint: signed.last }))
}

/// Checkpoints in their order, as the chain passes by.
struct Signed<'a> {
    rows: Option<Rows<'a>>,
    verifier: CheckpointVerifier,
    next: Option<Checkpoint>,
    last: Option<Checkpoint>,
}

type Checked = Result<(), AuditFault>;

impl Signed<'_> {
    /// Takes the next one; those of an empty chain have nothing to meet.
    fn advance(&mut self) -> Result<Checked, StoreError> {
        loop {
            self.next = None;
            let Some(row) = self.rows.as_mut().map(Rows::next).transpose()?.flatten() else {
                return Ok(Ok(()));
            };
            let (number, bytes): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let checkpoint = match self.verifier.check(&bytes) {
                Ok(checkpoint) => checkpoint,
                Err(fault) => return Ok(Err(AuditFault::Checkpoint(fault))),
            };
            let (expected, got) = (checkpoint.number, u64::try_from(number).unwrap_or(0));
            if expected != got {
                return Ok(Err(AuditFault::Checkpoint(CheckpointFault::Number { expected, got })));
            }
            self.last = Some(checkpoint);
            if checkpoint.head != ChainHead::EMPTY {
                self.next = Some(checkpoint);
                return Ok(Ok(()));
            }
        }
    }

    /// The chain has come to this record.
    fn meet(&mut self, head: ChainHead) -> Result<Checked, StoreError> {
        while let Some(next) = self.next.filter(|next| next.head.seq <= head.seq) {
            if next.head != head {
                let (number, seq) = (next.number, next.head.seq);
                return Ok(Err(AuditFault::Checkpoint(CheckpointFault::Rewritten { number, seq })));
            }
            if let Err(fault) = self.advance()? {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    /// The chain has ended; checkpoints up to this one must have been there.
    fn finish(&self, known: u64) -> Checked {
        if let Some(next) = self.next {
            let (number, seq) = (next.number, next.head.seq);
            return Err(AuditFault::Checkpoint(CheckpointFault::BeyondEnd { number, seq }));
        }
        let last = self.verifier.last();
        if last < known {
            return Err(AuditFault::Checkpoint(CheckpointFault::Missing { known, last }));
        }
        Ok(())
    }
}

fn has_checkpoints(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'audit_checkpoints'";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Checks what was appended since the head was written, that the head's record is there, and that the last checkpoint
/// holds and meets its record.
pub(crate) fn check_tail(connection: &Connection, head_path: &Path) -> Result<AuditState, StoreError> {
    let all = &mut |_: &AuditRecord| Ok(true);
    let (start, anchor) = match read_head(head_path) {
        Ok(Some(anchor)) => (start_before(connection, anchor.chain)?, Some(anchor)),
        Ok(None) => (Ok(ChainHead::EMPTY), None),
        Err(StoreError::HeadFile { .. }) => return Ok(AuditState::Broken(AuditFault::HeadLost)),
        Err(error) => return Err(error),
    };
    let start = match start {
        Ok(start) => start,
        Err(fault) => return Ok(AuditState::Broken(fault)),
    };
    let state = check_from(connection, start, anchor.map(|anchor| anchor.chain), all)?;
    Ok(match (state, last_checkpoint_meets(connection, anchor.map_or(0, |anchor| anchor.checkpoints))?) {
        (AuditState::Whole(_), Err(fault)) => AuditState::Broken(AuditFault::Checkpoint(fault)),
        (state, _) => state,
    })
}

/// Where a check that includes the head's own record begins.
fn start_before(
    connection: &Connection,
    anchor: ChainHead,
) -> Result<Result<ChainHead, AuditFault>, StoreError> {
    if anchor.seq == 0 {
        return Ok(Ok(ChainHead::EMPTY));
    }
    Ok(match record_at(connection, anchor.seq)? {
        Some(Ok(record)) => Ok(ChainHead { seq: anchor.seq - 1, hash: record.prev_hash }),
        Some(Err(error)) => Err(AuditFault::Record { seq: anchor.seq, error }),
        // Gone: checking everything says whether it was the tail that was cut.
        None => Ok(ChainHead::EMPTY),
    })
}

fn record_at(
    connection: &Connection,
    seq: u64,
) -> Result<Option<Result<AuditRecord, DecodeError>>, StoreError> {
    let at = i64::try_from(seq).unwrap_or(i64::MAX);
    let sql = "SELECT record FROM audit WHERE seq = ?1";
    let found: Option<Vec<u8>> = connection.query_row(sql, [at], |row| row.get(0)).optional()?;
    Ok(found.as_deref().map(AuditRecord::decode))
}

fn last_checkpoint_meets(
    connection: &Connection,
    known: u64,
) -> Result<Result<(), CheckpointFault>, StoreError> {
    let Some((number, bytes)) = last_row(connection)? else {
        return Ok(if known > 0 { Err(CheckpointFault::Missing { known, last: 0 }) } else { Ok(()) });
    };
    let Some(checkpoint) = Checkpoint::decode(&bytes) else {
        return Ok(Err(CheckpointFault::Damaged(number)));
    };
    if checkpoint.number != number {
        return Ok(Err(CheckpointFault::Number { expected: number, got: checkpoint.number }));
    }
    if !checkpoint.holds() {
        return Ok(Err(CheckpointFault::Signature(number)));
    }
    if number < known {
        return Ok(Err(CheckpointFault::Missing { known, last: number }));
    }
    let seq = checkpoint.head.seq;
    if seq == 0 {
        return Ok(Ok(()));
    }
    Ok(match record_at(connection, seq)? {
        None => Err(CheckpointFault::BeyondEnd { number, seq }),
        Some(Ok(record)) if record.hash == checkpoint.head.hash => Ok(()),
        Some(_) => Err(CheckpointFault::Rewritten { number, seq }),
    })
}

fn last_row(connection: &Connection) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    if !has_checkpoints(connection)? {
        return Ok(None);
    }
    let sql = "SELECT number, checkpoint FROM audit_checkpoints ORDER BY number DESC LIMIT 1";
    let found: Option<(i64, Vec<u8>)> =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(number, bytes)| (u64::try_from(number).unwrap_or(0), bytes)))
}

/// The last checkpoint, checked or not.
pub(crate) fn last_checkpoint(connection: &Connection) -> Result<Option<Checkpoint>, StoreError> {
    Ok(last_row(connection)?.and_then(|(_, bytes)| Checkpoint::decode(&bytes)))
}

/// Checks records after `start`; `f` says whether to go on.
pub(crate) fn check_from(
    connection: &Connection,
    start: ChainHead,
    anchor: Option<ChainHead>,
    f: &mut dyn FnMut(&AuditRecord) -> Result<bool, StoreError>,
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
        let moved = Broken { seq, what: security::Break::Sequence { expected: seq, got: record.seq } };
        let checked = if record.seq == seq { verifier.check(&record) } else { Err(moved) };
        if let Err(broken) = checked {
            return Ok(AuditState::Broken(AuditFault::Chain(broken)));
        }
        if !f(&record)? {
            break;
        }
    }
    Ok(match verifier.finish() {
        Ok(verified) if anchor.is_none() && verified.count > 0 => AuditState::Broken(AuditFault::HeadLost),
        Ok(verified) => AuditState::Whole(verified),
        Err(broken) => AuditState::Broken(AuditFault::Chain(broken)),
    })
}

/// What the last rows claim, checked or not.
pub(crate) fn last_anchor(connection: &Connection) -> Result<Anchor, StoreError> {
    let sql = "SELECT seq, record FROM audit ORDER BY seq DESC LIMIT 1";
    let found: Option<(i64, Vec<u8>)> =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let chain = match found {
        None => ChainHead::EMPTY,
        Some((seq, record)) => {
            let hash = AuditRecord::decode(&record).map_or([0; 32], |record| record.hash);
            ChainHead { seq: u64::try_from(seq).unwrap_or(0), hash }
        }
    };
    Ok(Anchor { chain, checkpoints: last_row(connection)?.map_or(0, |(number, _)| number) })
}
