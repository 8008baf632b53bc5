//! One-time passwords that follow the time (RFC 6238 over RFC 4226), with SHA-1, six digits and steps of 30 s, which is what
//! every authenticator understands.
//!
//! `code(T) = Truncate(HMAC-SHA-1(K, T)) mod 10^6`, `T = floor(unix time / 30 s)`. A step that was used is never taken again
//! (RFC 6238 section 5.2); one step either side is accepted for clocks that differ.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use subtle::ConstantTimeEq;
use timebase::Utc;
use zeroize::Zeroizing;

/// Seconds of a step.
const STEP_S: i64 = 30;
/// Digits of a code.
const DIGITS: usize = 6;
/// Steps before and after the present one that are accepted.
const DRIFT: i64 = 1;
/// Octets of a secret: the length of the hash, as RFC 4226 section 4 recommends.
pub const SECRET_OCTETS: usize = 20;

/// The secret that an authenticator shares. Never printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// A secret from octets of a cryptographic random source.
    pub fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }

    /// The octets, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as people type it (RFC 4648 base 32 without padding).
    pub fn base32(&self) -> Zeroizing<String> {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut text = Zeroizing::new(String::new());
        let (mut bits, mut held) = (0_u32, 0_u32);
        for octet in self.0.iter() {
            bits = (bits << 8) | u32::from(*octet);
            held += 8;
            while held >= 5 {
                held -= 5;
                text.push(char::from(ALPHABET[usize::try_from(bits >> held & 31).unwrap_or(0)]));
            }
            bits &= (1 << held) - 1;
        }
        if held > 0 {
            text.push(char::from(ALPHABET[usize::try_from(bits << (5 - held) & 31).unwrap_or(0)]));
        }
        text
    }

    /// The address that authenticators read from a QR code (key URI format).
    pub fn uri(&self, issuer: &str, user: &str) -> Zeroizing<String> {
        let (issuer, user) = (escaped(issuer), escaped(user));
        let secret = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{user}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
            secret.as_str()
        ))
    }

    /// The step of a code that is right at `now` and later than `used`; `None` refuses the code.
    pub fn accept(&self, code: &str, now: Utc, used: i64) -> Option<i64> {
        let present = step_at(now);
        let mut found = None;
        for step in present - DRIFT..=present + DRIFT {
            // Every step is compared whatever came of the others, so that the time taken says nothing.
            let right = bool::from(self.code(step).as_bytes().ct_eq(code.as_bytes()));
            if right && step > used {
                found = Some(step);
            }
        }
        found
    }

    /// The code of a step; six zeros cannot be told from a code, so a key that no HMAC takes never gets here.
    fn code(&self, step: i64) -> String {
        let number = truncated(&self.0, step) % 10_u32.pow(6);
        format!("{number:0DIGITS$}")
    }
}

/// Dynamic truncation of RFC 4226 section 5.3: 31 bits.
fn truncated(key: &[u8], step: i64) -> u32 {
    // HMAC takes keys of any length; the empty one is the fallback that its signature asks for.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return 0 };
    mac.update(&step.to_be_bytes());
    let hash: [u8; 20] = mac.finalize().into_bytes().into();
    let at = usize::from(hash[19] & 0x0f);
    u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff
}

/// The step that an instant lies in.
fn step_at(now: Utc) -> i64 {
    now.as_micros().div_euclid(STEP_S * 1_000_000)
}

/// Percent-encoding of RFC 3986 for everything that is not unreserved.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, mode SHA1: the secret, and time with the last six of its eight digits.
    const SECRET: &[u8] = b"12345678901234567890";
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn at(seconds: i64) -> Utc {
        Utc::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = TotpSecret::new(SECRET);
        for (seconds, code) in VECTORS {
            assert_eq!(secret.accept(code, at(seconds), -1), Some(seconds / 30), "{seconds}");
            assert_eq!(secret.code(seconds / 30), code);
        }
    }

    #[test]
    fn truncation_is_that_of_rfc_4226() {
        // RFC 4226 appendix D: the truncated values in decimal for counts 0 to 4.
        let wanted = [1_284_755_224, 1_094_287_082, 137_359_152, 1_726_969_429, 1_640_338_314];
        for (count, wanted) in (0..).zip(wanted) {
            assert_eq!(truncated(SECRET, count), wanted, "{count}");
        }
    }

    #[test]
    fn a_step_is_good_once_and_for_a_minute_and_a_half() {
        let secret = TotpSecret::new(SECRET);
        let (seconds, code) = VECTORS[2];
        let step = seconds / 30;
        for (later, wanted) in [(-60, None), (-30, Some(step)), (0, Some(step)), (30, Some(step)), (90, None)]
        {
            assert_eq!(secret.accept(code, at(step * 30 + later), -1), wanted, "{later}");
        }
        assert_eq!(secret.accept(code, at(seconds), step - 1), Some(step));
        assert_eq!(secret.accept(code, at(seconds), step), None, "the same step again");
        assert_eq!(secret.accept(VECTORS[1].1, at(seconds), step), None, "an older step after a newer one");
        for wrong in ["", "05047", "0504711", "050472", "ü50471"] {
            assert_eq!(secret.accept(wrong, at(seconds), -1), None, "{wrong}");
        }
    }

    #[test]
    fn base_32_is_that_of_rfc_4648() {
        // RFC 4648 section 10, without the padding.
        let vectors = ["", "MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"];
        for (length, wanted) in vectors.into_iter().enumerate() {
            assert_eq!(TotpSecret::new(&b"foobar"[..length]).base32().as_str(), wanted);
        }
        assert_eq!(TotpSecret::new(SECRET).base32().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn the_address_carries_everything_escaped() {
        let uri = TotpSecret::new(SECRET).uri("North Grid", "anna/b");
        assert_eq!(
            uri.as_str(),
            "otpauth://totp/North%20Grid:anna%2Fb?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=North%20Grid\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
