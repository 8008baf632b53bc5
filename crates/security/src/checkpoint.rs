//! Signed checkpoints of the audit chain.
//!
//! A hash chain can be rewritten from any record on by whoever can write the file. A checkpoint is an Ed25519 signature
//! (RFC 8032) over place, hash and time of the chain's head; rewriting a record before it needs the private key.
//!
//! `signature = Sign(TAG ‖ key ‖ number ‖ seq ‖ hash ‖ time)`, numbers big-endian. Checkpoints are numbered from 1
//! without gaps, so that a missing one is seen, too.

use crate::audit::ChainHead;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;
use timebase::Utc;

/// Separates these signatures from any other use of the key, and names the version of the layout.
const TAG: &[u8; 16] = b"tieline-check-01";
/// Bytes of an encoded checkpoint: key, number, place, hash, time, signature.
pub const CHECKPOINT_BYTES: usize = 32 + 8 + 8 + 32 + 8 + 64;

/// The public half of a key that signs: what verifiers know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes; any 32 bytes are taken, wrong ones verify nothing.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key written as 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }

    /// Whether the private half of this key signed the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A private key that signs. It is never printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

impl SigningKey {
    /// The key that follows from 32 secret random bytes (the private key of RFC 8032, 5.1.5); `None` if they make no key.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public })
    }

    /// The public half.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // A signature of Ed25519 has 64 bytes, RFC 8032, 5.1.6.
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

/// A signed statement: at this time the chain ended here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Whose signature it is.
    pub key: PublicKey,
    /// Place among the checkpoints, from 1, without gaps.
    pub number: u64,
    /// Where the chain ended.
    pub head: ChainHead,
    /// When it was signed.
    pub time: Utc,
    /// Over all of the above.
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// Signs a chain's head.
    pub fn sign(key: &SigningKey, number: u64, head: ChainHead, time: Utc) -> Self {
        let signature = key.sign(&message(key.public, number, head, time));
        Self { key: key.public, number, head, time, signature }
    }

    /// Whether the key that it names signed it.
    pub fn holds(&self) -> bool {
        self.key.verifies(&message(self.key, self.number, self.head, self.time), &self.signature)
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; CHECKPOINT_BYTES] {
        let mut out = [0; CHECKPOINT_BYTES];
        let signed = message(self.key, self.number, self.head, self.time);
        let (body, signature) = out.split_at_mut(CHECKPOINT_BYTES - 64);
        body.copy_from_slice(&signed[TAG.len()..]);
        signature.copy_from_slice(&self.signature);
        out
    }

    /// Reads what [`Checkpoint::encode`] wrote; `None` for another length. Says nothing about the signature.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk::<32>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            key: PublicKey(*key),
            number: u64::from_be_bytes(*number),
            head: ChainHead { seq: u64::from_be_bytes(*seq), hash: *hash },
            time: Utc::from_micros(i64::from_be_bytes(*time)),
            signature: rest.try_into().ok()?,
        })
    }

    /// Its bytes as hexadecimal digits, as copies off the machine carry them.
    pub fn to_hex(&self) -> String {
        to_hex(&self.encode())
    }

    /// Reads [`Checkpoint::to_hex`].
    pub fn from_hex(text: &str) -> Option<Self> {
        Self::decode(&from_hex(text)?)
    }
}

fn message(key: PublicKey, number: u64, head: ChainHead, time: Utc) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TAG.len() + CHECKPOINT_BYTES);
    bytes.extend(TAG);
    bytes.extend(key.0);
    bytes.extend(number.to_be_bytes());
    bytes.extend(head.seq.to_be_bytes());
    bytes.extend(head.hash);
    bytes.extend(time.as_micros().to_be_bytes());
    bytes
}

/// What is wrong with the checkpoints of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointFault {
    /// One is missing, doubled or out of place.
    #[error("checkpoint {got} where {expected} was expected")]
    Number {
        /// Number that must come next.
        expected: u64,
        /// Number found.
        got: u64,
    },
    /// Bytes that are no checkpoint.
    #[error("checkpoint {0} is no checkpoint")]
    Damaged(u64),
    /// Not signed by the key that it names.
    #[error("checkpoint {0} was altered: its signature does not fit")]
    Signature(u64),
    /// Signed by a key that nobody vouches for.
    #[error("checkpoint {number} was signed by the unknown key {key}")]
    UnknownKey {
        /// Its number.
        number: u64,
        /// The key.
        key: PublicKey,
    },
    /// Says less than the one before it.
    #[error("checkpoint {0} lies before its predecessor in the chain")]
    Backward(u64),
    /// The chain holds another record at that place: it was rewritten.
    #[error("checkpoint {number} was signed for another record {seq}: the chain was rewritten")]
    Rewritten {
        /// Its number.
        number: u64,
        /// Place in the chain.
        seq: u64,
    },
    /// The chain does not reach it any more.
    #[error("checkpoint {number} was signed for record {seq}, which is gone")]
    BeyondEnd {
        /// Its number.
        number: u64,
        /// Place in the chain.
        seq: u64,
    },
    /// There were more.
    #[error("checkpoints up to {known} were known, the last one is {last}")]
    Missing {
        /// Number known to have existed.
        known: u64,
        /// Last number found.
        last: u64,
    },
}

/// Checks the order and the signatures of checkpoints one by one; the place in the chain is compared by the caller.
#[derive(Clone, Debug, Default)]
pub struct CheckpointVerifier {
    last: u64,
    seq: u64,
    trusted: Vec<PublicKey>,
}

impl CheckpointVerifier {
    /// For the keys that somebody vouches for; with none every key is taken.
    pub fn new(trusted: Vec<PublicKey>) -> Self {
        Self { last: 0, seq: 0, trusted }
    }

    /// Checks the next one.
    pub fn check(&mut self, bytes: &[u8]) -> Result<Checkpoint, CheckpointFault> {
        let expected = self.last.saturating_add(1);
        let found = Checkpoint::decode(bytes).ok_or(CheckpointFault::Damaged(expected))?;
        if found.number != expected {
            return Err(CheckpointFault::Number { expected, got: found.number });
        }
        if !found.holds() {
            return Err(CheckpointFault::Signature(expected));
        }
        if !self.trusted.is_empty() && !self.trusted.contains(&found.key) {
            return Err(CheckpointFault::UnknownKey { number: expected, key: found.key });
        }
        if found.head.seq < self.seq {
            return Err(CheckpointFault::Backward(expected));
        }
        (self.last, self.seq) = (expected, found.head.seq);
        Ok(found)
    }

    /// Number of the last one.
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// The bytes of lower-case hexadecimal digits; `None` for anything else, capitals included, so that there is one way to write
/// them and no flipped bit is overlooked.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_seed(&[byte; 32]).unwrap()
    }

    fn head(seq: u64) -> ChainHead {
        ChainHead { seq, hash: [u8::try_from(seq % 251).unwrap(); 32] }
    }

    /// RFC 8032, 7.1, TEST 2: a key and a signature that are not ours.
    #[test]
    fn keys_and_signatures_are_those_of_rfc_8032() {
        let seed = from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap()).unwrap();
        assert_eq!(
            key.public().to_string(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let wanted = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                      085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(to_hex(&key.sign(&[0x72])), wanted);
        assert_eq!(PublicKey::from_hex(&key.public().to_string()), Some(key.public()));
    }

    #[test]
    fn every_flipped_bit_of_a_checkpoint_is_found() {
        let good = Checkpoint::sign(&key(1), 1, head(77), Utc::from_micros(1_700_000_000_000_000));
        assert_eq!(Checkpoint::from_hex(&good.to_hex()), Some(good));
        let bytes = good.encode();
        let verifier = || CheckpointVerifier::new(vec![key(1).public()]);
        assert_eq!(verifier().check(&bytes), Ok(good));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verifier().check(&flipped).is_err(), "bit {bit}");
            assert!(CheckpointVerifier::new(Vec::new()).check(&flipped).is_err(), "bit {bit}, any key");
        }
        for len in 0..bytes.len() {
            assert_eq!(verifier().check(&bytes[..len]), Err(CheckpointFault::Damaged(1)));
        }
    }

    #[test]
    fn order_and_keys_are_checked() {
        let at = Utc::from_micros(0);
        let [first, second, foreign, back] = [(1, 1, 5), (1, 2, 9), (2, 2, 9), (1, 2, 4)]
            .map(|(who, number, seq)| Checkpoint::sign(&key(who), number, head(seq), at).encode());
        let after = |next: &[u8]| {
            let mut verifier = CheckpointVerifier::new(vec![key(1).public()]);
            verifier.check(&first).unwrap();
            verifier.check(next).map(|_| ())
        };
        assert_eq!(after(&second), Ok(()));
        assert_eq!(after(&first), Err(CheckpointFault::Number { expected: 2, got: 1 }));
        assert_eq!(after(&foreign), Err(CheckpointFault::UnknownKey { number: 2, key: key(2).public() }));
        assert_eq!(after(&back), Err(CheckpointFault::Backward(2)));
    }
}
