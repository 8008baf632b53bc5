//! Bearer secrets. The secret itself exists in the caller's hands only; the system keeps its SHA-256.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Marks our tokens for secret scanners.
const PREFIX: &str = "tl_";
const SECRET_BYTES: usize = 32;

/// A bearer secret of 256 random bits. Never printed by `Debug`, wiped when dropped.
pub struct Token([u8; SECRET_BYTES]);

/// The bytes offered as random are not: too few different values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes for a secret are not random")]
pub struct WeakSecret;

impl Token {
    /// Fewer different byte values than this among 32 do not come from a random source, where about 30 are expected.
    const MIN_DISTINCT: usize = 9;

    /// A token from 32 bytes of a cryptographic random source.
    pub fn from_random(bytes: [u8; SECRET_BYTES]) -> Result<Self, WeakSecret> {
        let mut seen = [false; 256];
        for byte in bytes {
            seen[usize::from(byte)] = true;
        }
        if seen.iter().filter(|seen| **seen).count() < Self::MIN_DISTINCT {
            return Err(WeakSecret);
        }
        Ok(Self(bytes))
    }

    /// The text that people and scripts handle: `tl_` and 64 hexadecimal digits.
    pub fn reveal(&self) -> String {
        let mut text = PREFIX.to_owned();
        text.push_str(&hex(&self.0));
        text
    }

    /// Reads the text of [`Token::reveal`]; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(PREFIX).and_then(unhex).map(Self)
    }

    /// What is stored and looked up.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 of a [`Token`]. Comparison takes the same time wherever the first difference is.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash to be stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    if text.len() != 2 * SECRET_BYTES {
        return None;
    }
    let mut bytes = [0; SECRET_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counted() -> [u8; 32] {
        std::array::from_fn(|at| u8::try_from(at).unwrap())
    }

    #[test]
    fn hash_is_sha_256_of_the_bytes() {
        // printf of the bytes 00 to 1f into `sha256sum` (GNU coreutils).
        let wanted = "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd";
        let token = Token::from_random(counted()).unwrap();
        assert_eq!(hex(token.hash().as_bytes()), wanted);
        assert_eq!(Token::parse(&token.reveal()).unwrap().hash(), token.hash());
    }

    #[test]
    fn other_text_is_no_token() {
        let good = Token::from_random(counted()).unwrap().reveal();
        let long = format!("{good}0");
        for text in ["", "tl_", &good[1..], &good[..good.len() - 1], &long, &good.replace("1f", "1g"), "tl_ü"]
        {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn constant_and_repeated_bytes_are_refused() {
        assert_eq!(Token::from_random([0; 32]).unwrap_err(), WeakSecret);
        assert_eq!(Token::from_random([0xa5; 32]).unwrap_err(), WeakSecret);
        assert_eq!(
            Token::from_random(std::array::from_fn(|at| b"changeme"[at % 8])).unwrap_err(),
            WeakSecret
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Token::from_random(counted()).unwrap()), "Token(…)");
    }
}
