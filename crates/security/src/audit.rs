//! The audit record and its hash chain.
//!
//! `hash(n) = SHA-256(TAG ‖ prev_hash ‖ seq ‖ time ‖ outcome ‖ texts)` with `prev_hash = hash(n - 1)`, and 32 zero bytes
//! before the first record. Numbers are big-endian, a text is its length (u32) and its UTF-8 bytes, an optional
//! text is a byte 0 or 1 and, for 1, the text. A chain alone cannot show that its end was cut off or that it was
//! rewritten as a whole: for that a [`ChainHead`] kept elsewhere is given to the [`Verifier`].

use sha2::{Digest, Sha256};
use timebase::Utc;

/// Separates these hashes from any other use of SHA-256, and names the version of the layout.
const TAG: &[u8; 16] = b"tieline-audit-01";
/// Longest text of one field in bytes; longer ones are cut with a mark.
const MAX_TEXT: usize = 16 * 1024;

/// How an action ended, as far as the record knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Was permitted and is being done.
    Allowed,
    /// Was refused; nothing was done.
    Refused,
    /// Was done.
    Done,
    /// Was tried and failed.
    Failed,
}

impl Outcome {
    const ALL: [(Self, u8, &'static str); 4] = [
        (Self::Allowed, 0, "allowed"),
        (Self::Refused, 1, "refused"),
        (Self::Done, 2, "done"),
        (Self::Failed, 3, "failed"),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(outcome, ..)| *outcome == self).map_or("failed", |(_, _, name)| name)
    }

    /// The outcome of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(.., known)| *known == name).map(|(outcome, ..)| *outcome)
    }

    fn code(self) -> u8 {
        Self::ALL.iter().find(|(outcome, ..)| *outcome == self).map_or(3, |(_, code, _)| *code)
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == code).map(|(outcome, ..)| *outcome)
    }
}

/// What happened: who did what to what, from where, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// When.
    pub time: Utc,
    /// Name of the principal.
    pub actor: String,
    /// Address or channel that it came from.
    pub source: String,
    /// What was done, e.g. `command.execute`.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// State before.
    pub old: Option<String>,
    /// State after, or wanted.
    pub new: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why: the reason given by the actor, or the reason of the refusal.
    pub reason: String,
}

/// An entry in its place in the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRecord {
    /// Place in the chain, from 1, without gaps.
    pub seq: u64,
    /// What happened.
    pub entry: AuditEntry,
    /// Hash of the record before.
    pub prev_hash: [u8; 32],
    /// Hash of this record, over everything above.
    pub hash: [u8; 32],
}

/// End of a chain: what the next record follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainHead {
    /// Place of the last record, 0 for an empty chain.
    pub seq: u64,
    /// Its hash, zero for an empty chain.
    pub hash: [u8; 32],
}

impl ChainHead {
    /// The empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: [0; 32] };

    /// The record that continues the chain with this entry. Texts beyond 16 KiB are cut.
    pub fn append(self, mut entry: AuditEntry) -> AuditRecord {
        entry.cut();
        let seq = self.seq.saturating_add(1);
        let hash = hash_of(seq, &entry, &self.hash);
        AuditRecord { seq, entry, prev_hash: self.hash, hash }
    }
}

impl AuditEntry {
    fn cut(&mut self) {
        let texts = [&mut self.actor, &mut self.source, &mut self.action, &mut self.target, &mut self.reason];
        for text in texts.into_iter().chain(self.old.as_mut()).chain(self.new.as_mut()) {
            if text.len() > MAX_TEXT {
                let mark = "…";
                text.truncate(text.floor_char_boundary(MAX_TEXT - mark.len()));
                text.push_str(mark);
            }
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.time.as_micros().to_be_bytes());
        out.push(self.outcome.code());
        for text in [&self.actor, &self.source, &self.action, &self.target, &self.reason] {
            encode_text(text, out);
        }
        for text in [&self.old, &self.new] {
            out.push(u8::from(text.is_some()));
            if let Some(text) = text {
                encode_text(text, out);
            }
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    // `cut` bounds every text; a longer one could not have been appended.
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend(len.to_be_bytes());
    out.extend(text.as_bytes());
}

fn hash_of(seq: u64, entry: &AuditEntry, prev_hash: &[u8; 32]) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend(TAG);
    bytes.extend(prev_hash);
    bytes.extend(seq.to_be_bytes());
    entry.encode(&mut bytes);
    Sha256::digest(bytes).into()
}

impl AuditRecord {
    /// The chain's end if this is the last record.
    pub fn head(&self) -> ChainHead {
        ChainHead { seq: self.seq, hash: self.hash }
    }

    /// The canonical bytes: what the hash is over, without the tag, and then the hash.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend(self.prev_hash);
        out.extend(self.seq.to_be_bytes());
        self.entry.encode(&mut out);
        out.extend(self.hash);
        out
    }

    /// Reads what [`AuditRecord::encode`] wrote. Says nothing about the hash: [`Verifier`] does.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        let prev_hash = reader.array()?;
        let seq = u64::from_be_bytes(reader.array()?);
        let entry = reader.entry()?;
        let hash = reader.array()?;
        if !reader.0.is_empty() {
            return Err(DecodeError::Trailing(reader.0.len()));
        }
        Ok(Self { seq, entry, prev_hash, hash })
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("audit record is cut: {need} more bytes needed, {have} there")]
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// A text is longer than any that can be written.
    #[error("audit record holds a text of {0} bytes")]
    TooLong(usize),
    /// A text is not UTF-8.
    #[error("audit record holds a text that is not UTF-8")]
    NotUtf8,
    /// A code without a meaning.
    #[error("audit record holds the unknown code {0}")]
    UnknownCode(u8),
    /// Bytes are left over.
    #[error("audit record has {0} bytes too many")]
    Trailing(usize),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, need: usize) -> Result<&'a [u8], DecodeError> {
        let have = self.0.len();
        let (taken, rest) = self.0.split_at_checked(need).ok_or(DecodeError::Truncated { need, have })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let have = self.0.len();
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated { need: N, have })
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let len = usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX);
        if len > MAX_TEXT {
            return Err(DecodeError::TooLong(len));
        }
        String::from_utf8(self.take(len)?.to_vec()).map_err(|_| DecodeError::NotUtf8)
    }

    fn optional(&mut self) -> Result<Option<String>, DecodeError> {
        match self.array()? {
            [0] => Ok(None),
            [1] => self.text().map(Some),
            [code] => Err(DecodeError::UnknownCode(code)),
        }
    }

    fn entry(&mut self) -> Result<AuditEntry, DecodeError> {
        let time = Utc::from_micros(i64::from_be_bytes(self.array()?));
        let [code] = self.array()?;
        let outcome = Outcome::from_code(code).ok_or(DecodeError::UnknownCode(code))?;
        let (actor, source, action, target, reason) =
            (self.text()?, self.text()?, self.text()?, self.text()?, self.text()?);
        let (old, new) = (self.optional()?, self.optional()?);
        Ok(AuditEntry { time, actor, source, action, target, old, new, outcome, reason })
    }
}

/// A chain, or a part of it, that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Records looked at.
    pub count: u64,
    /// Where the chain ends.
    pub head: ChainHead,
}

/// Where a chain is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("audit record {seq}: {what}")]
pub struct Broken {
    /// The record at which it shows.
    pub seq: u64,
    /// What is wrong there.
    pub what: Break,
}

/// What can be wrong with a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Break {
    /// A record is missing, doubled or out of place.
    #[error("place {got} where {expected} was expected")]
    Sequence {
        /// Place that must come next.
        expected: u64,
        /// Place found.
        got: u64,
    },
    /// The record does not follow the one before it.
    #[error("does not follow the record before it")]
    Previous,
    /// The record was altered after it was written.
    #[error("content does not match its hash")]
    Hash,
    /// The record is whole, but it is not the one that was known to stand here.
    #[error("another record was known to stand here")]
    Fork,
    /// The chain is known to have been longer.
    #[error("the chain was known to reach record {known}")]
    Truncated {
        /// Place known to have existed.
        known: u64,
    },
}

/// Checks a chain record by record, in memory of constant size.
#[derive(Clone, Debug)]
pub struct Verifier {
    head: ChainHead,
    anchor: Option<ChainHead>,
    count: u64,
}

impl Verifier {
    /// For a chain that continues `start` ([`ChainHead::EMPTY`] for a whole one) and is known, from a copy kept elsewhere,
    /// to contain or to start at `anchor`.
    pub fn new(start: ChainHead, anchor: Option<ChainHead>) -> Self {
        Self { head: start, anchor, count: 0 }
    }

    /// Checks the next record.
    pub fn check(&mut self, record: &AuditRecord) -> Result<(), Broken> {
        let expected = self.head.seq.saturating_add(1);
        let broken = |what| Err(Broken { seq: expected, what });
        if record.seq != expected {
            return broken(Break::Sequence { expected, got: record.seq });
        }
        if record.prev_hash != self.head.hash {
            return broken(Break::Previous);
        }
        if record.hash != hash_of(record.seq, &record.entry, &record.prev_hash) {
            return broken(Break::Hash);
        }
        if self.anchor.is_some_and(|anchor| anchor.seq == record.seq && anchor.hash != record.hash) {
            return broken(Break::Fork);
        }
        self.head = record.head();
        self.count += 1;
        Ok(())
    }

    /// Says that there are no more records.
    pub fn finish(self) -> Result<Verified, Broken> {
        match self.anchor {
            Some(anchor) if anchor.seq > self.head.seq => Err(Broken {
                seq: self.head.seq.saturating_add(1),
                what: Break::Truncated { known: anchor.seq },
            }),
            Some(anchor) if anchor.seq == self.head.seq && anchor.hash != self.head.hash => {
                Err(Broken { seq: anchor.seq, what: Break::Fork })
            }
            Some(_) | None => Ok(Verified { count: self.count, head: self.head }),
        }
    }
}

/// Checks a whole chain from its first record against a head known from elsewhere.
pub fn verify<'a>(
    records: impl IntoIterator<Item = &'a AuditRecord>,
    anchor: Option<ChainHead>,
) -> Result<Verified, Broken> {
    let mut verifier = Verifier::new(ChainHead::EMPTY, anchor);
    for record in records {
        verifier.check(record)?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests;
