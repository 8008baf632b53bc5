//! What a collector off the machine has kept of the audit, read back from its lines.
//!
//! Forwarded messages carry place and hash of their record, or a whole checkpoint, in one of three spellings: the structured
//! data of RFC 5424 (`seq="7" hash="…"`), JSON (`"seq":7,"hash":"…"`) and CEF (`externalId=7 cs1=…`). Whatever
//! else a collector puts around them is skipped.

use crate::audit::ChainHead;
use crate::checkpoint::{Checkpoint, PublicKey, from_hex};
use std::collections::BTreeMap;

/// Places and hashes that are known from elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditCopy {
    records: BTreeMap<u64, [u8; 32]>,
    checkpoints: Vec<Checkpoint>,
}

/// What a copy says against a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CopyFault {
    /// The copy holds two different records of one place: one of them was made up, or the chain began anew from a backup.
    #[error("the copy holds two different records {0}")]
    Split(u64),
    /// Another record stands there now.
    #[error("record {0} is not the one that the copy has: the chain was rewritten")]
    Rewritten(u64),
    /// The chain ends before it.
    #[error("the copy reaches record {copy}, the chain ends at {chain}: its end was cut off")]
    Cut {
        /// Last place in the copy.
        copy: u64,
        /// Last place in the chain.
        chain: u64,
    },
    /// A checkpoint in the copy was not signed by a key that somebody vouches for.
    #[error("checkpoint {0} in the copy is not signed by a trusted key")]
    Signature(u64),
    /// Records are missing in the copy itself.
    #[error("the copy lacks record {0}")]
    Gap(u64),
    /// There is nothing of an audit in it.
    #[error("the copy holds no record and no checkpoint")]
    Empty,
}

impl AuditCopy {
    /// Reads lines; those without a record are skipped.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, CopyFault> {
        let mut copy = Self::default();
        for line in lines {
            copy.take(line)?;
        }
        copy.ended()
    }

    /// Reads one line.
    pub fn take(&mut self, line: &str) -> Result<(), CopyFault> {
        for key in ["checkpoint=\"", "\"checkpoint\":\"", " cs2="] {
            if let Some(found) = value(line, key).and_then(Checkpoint::from_hex) {
                self.checkpoints.push(found);
                return self.put(found.head);
            }
        }
        for (place, hash) in [("seq=\"", " hash=\""), ("\"seq\":", ",\"hash\":\""), ("externalId=", " cs1=")]
        {
            let seq = value(line, place).and_then(|text| text.parse().ok());
            let hash = value(line, hash).and_then(from_hex).and_then(|bytes| bytes.try_into().ok());
            if let (Some(seq), Some(hash)) = (seq, hash) {
                return self.put(ChainHead { seq, hash });
            }
        }
        Ok(())
    }

    /// There are no more lines. Records between the first and the last must all be there.
    pub fn ended(self) -> Result<Self, CopyFault> {
        if self.records.is_empty() && self.checkpoints.is_empty() {
            return Err(CopyFault::Empty);
        }
        Ok(self)
    }

    fn put(&mut self, head: ChainHead) -> Result<(), CopyFault> {
        if head.seq == 0 {
            return Ok(());
        }
        match self.records.insert(head.seq, head.hash) {
            Some(other) if other != head.hash => Err(CopyFault::Split(head.seq)),
            Some(_) | None => Ok(()),
        }
    }

    /// Places that the copy knows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Compares a record of the chain.
    pub fn check(&self, head: ChainHead) -> Result<(), CopyFault> {
        match self.records.get(&head.seq) {
            Some(hash) if *hash != head.hash => Err(CopyFault::Rewritten(head.seq)),
            Some(_) => Ok(()),
            None => match self.records.first_key_value() {
                Some((first, _)) if *first < head.seq && self.reaches(head.seq) => {
                    Err(CopyFault::Gap(head.seq))
                }
                _ => Ok(()),
            },
        }
    }

    fn reaches(&self, seq: u64) -> bool {
        self.records.last_key_value().is_some_and(|(last, _)| *last > seq)
    }

    /// Compares the end of the chain, and the signatures of the copy's own checkpoints.
    pub fn finish(&self, head: ChainHead, keys: &[PublicKey]) -> Result<(), CopyFault> {
        let trusted = |one: &Checkpoint| one.holds() && (keys.is_empty() || keys.contains(&one.key));
        if let Some(bad) = self.checkpoints.iter().find(|one| !trusted(one)) {
            return Err(CopyFault::Signature(bad.number));
        }
        match self.records.last_key_value() {
            Some((copy, _)) if *copy > head.seq => Err(CopyFault::Cut { copy: *copy, chain: head.seq }),
            _ => Ok(()),
        }
    }
}

/// The text behind the first `key` up to what cannot belong to a number or to hexadecimal digits.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = &line[line.find(key)? + key.len()..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checkpoint::{SigningKey, to_hex};
    use timebase::Utc;

    fn head(seq: u64) -> ChainHead {
        ChainHead { seq, hash: [u8::try_from(seq).unwrap(); 32] }
    }

    fn spelled(how: usize, head: ChainHead) -> String {
        let hash = to_hex(&head.hash);
        match how {
            0 => format!(
                "<110>1 - h tieline - AUDIT [tieline@32473 seq=\"{}\" hash=\"{hash}\" actor=\"x\"]",
                head.seq
            ),
            1 => format!("Nov 28 host tieline: {{\"seq\":{},\"hash\":\"{hash}\",\"actor\":\"x\"}}", head.seq),
            _ => format!("CEF:0|Tieline|Tieline|0|a|b|3|externalId={} cs1={hash} cs1Label=hash", head.seq),
        }
    }

    #[test]
    fn a_copy_is_read_in_every_spelling_and_finds_what_differs() {
        for how in 0..3 {
            let lines: Vec<String> = (5..=9).map(|seq| spelled(how, head(seq))).collect();
            let copy = AuditCopy::read(lines.iter().map(String::as_str)).unwrap();
            assert_eq!(copy.len(), 5, "spelling {how}");
            assert!((1..=12).all(|seq| copy.check(head(seq)).is_ok()));
            assert_eq!(copy.finish(head(9), &[]), Ok(()));
            assert_eq!(copy.finish(head(8), &[]), Err(CopyFault::Cut { copy: 9, chain: 8 }));
            assert_eq!(copy.check(ChainHead { seq: 7, hash: [0; 32] }), Err(CopyFault::Rewritten(7)));
            let without: Vec<&str> = lines.iter().map(String::as_str).filter(|l| **l != *lines[2]).collect();
            assert_eq!(AuditCopy::read(without).unwrap().check(head(7)), Err(CopyFault::Gap(7)));
            let two = [lines[0].clone(), spelled(how, ChainHead { seq: 5, hash: [0; 32] })];
            assert_eq!(AuditCopy::read(two.iter().map(String::as_str)), Err(CopyFault::Split(5)));
        }
        assert_eq!(AuditCopy::read(["nothing", "of an audit"]), Err(CopyFault::Empty));
    }

    #[test]
    fn checkpoints_of_a_copy_carry_a_trusted_signature() {
        let key = SigningKey::from_seed(&[3; 32]).unwrap();
        let good = Checkpoint::sign(&key, 1, head(4), Utc::from_micros(0));
        let read = |checkpoint: Checkpoint| {
            AuditCopy::read([format!("x checkpoint=\"{}\"]", checkpoint.to_hex()).as_str()]).unwrap()
        };
        assert_eq!(read(good).finish(head(4), &[key.public()]), Ok(()));
        let other = SigningKey::from_seed(&[4; 32]).unwrap().public();
        assert_eq!(read(good).finish(head(4), &[other]), Err(CopyFault::Signature(1)));
        let altered = Checkpoint { time: Utc::from_micros(1), ..good };
        assert_eq!(read(altered).finish(head(4), &[]), Err(CopyFault::Signature(1)));
        assert_eq!(read(good).check(ChainHead { seq: 4, hash: [0; 32] }), Err(CopyFault::Rewritten(4)));
    }
}
