//! Passwords: what may be one, and how it is kept.
//!
//! A password is kept as the Argon2id hash (RFC 9106) with the parameters of its section 4, second choice: 64 MiB, three
//! passes, four lanes, a salt of 128 bits, 256 bits of output. Whoever calls keeps the number of calls at a time small, and
//! away from threads that must not wait.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;
use zeroize::Zeroizing;

/// Fewest characters of a password (S-25).
pub const MIN_CHARACTERS: usize = 12;
/// Most octets of a password: longer ones would only cost time.
pub const MAX_OCTETS: usize = 1_024;
/// Fewest different characters: twelve times the same letter is long and worthless.
const MIN_DIFFERENT: usize = 5;

/// RFC 9106 section 4, second recommended option: memory in KiB, passes, lanes.
const MEMORY_KIB: u32 = 64 * 1_024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const OUTPUT: usize = 32;
/// Dearer hashes than this are not computed, whatever the store says: they would be a way to stop the centre.
const MAX_MEMORY_KIB: u32 = 4 * MEMORY_KIB;

/// A password that somebody typed. Never printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why something is no password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnfitPassword {
    /// Too short.
    #[error("a password has at least {MIN_CHARACTERS} characters")]
    Short,
    /// Too long.
    #[error("a password has at most {MAX_OCTETS} octets")]
    Long,
    /// Few different characters.
    #[error("a password has at least {MIN_DIFFERENT} different characters")]
    Monotonous,
    /// Contains the name of its user.
    #[error("a password does not contain the name of its user")]
    ContainsName,
    /// Stands on the list of passwords that have been published.
    #[error("the password stands on a list of passwords that have leaked somewhere")]
    Breached,
}

impl Password {
    /// What somebody typed, checked or not.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Whether it may become the password of this user.
    pub fn check(&self, user: &str) -> Result<(), UnfitPassword> {
        let characters = self.0.chars().count();
        let different = self.0.chars().collect::<std::collections::BTreeSet<_>>().len();
        let (password, user) = (self.0.to_lowercase(), user.to_lowercase());
        match () {
            () if characters < MIN_CHARACTERS => Err(UnfitPassword::Short),
            () if self.0.len() > MAX_OCTETS => Err(UnfitPassword::Long),
            () if different < MIN_DIFFERENT => Err(UnfitPassword::Monotonous),
            () if user.len() > 2 && password.contains(&user) => Err(UnfitPassword::ContainsName),
            () => Ok(()),
        }
    }

    /// The octets, for the list of published passwords.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What is stored, as a PHC string. `None` if the hash cannot be computed, e.g. without memory for it.
    pub fn hash(&self, salt: &[u8; 16]) -> Option<String> {
        let hash = scheme()?.hash_password_with_salt(self.0.as_bytes(), salt).ok()?;
        Some(hash.to_string())
    }

    /// Whether it is the one that was stored. Takes as long for a wrong one as for the right one.
    pub fn matches(&self, stored: &str) -> bool {
        let Ok(hash) = PasswordHash::new(stored) else { return false };
        let affordable = Params::try_from(&hash).is_ok_and(|params| params.m_cost() <= MAX_MEMORY_KIB);
        let short = self.0.len() <= MAX_OCTETS;
        affordable
            && short
            && scheme().is_some_and(|scheme| scheme.verify_password(self.0.as_bytes(), &hash).is_ok())
    }
}

fn scheme() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT)).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hash_is_that_of_the_reference_implementation() {
        // argon2-cffi 25.1 (the C reference implementation of P-H-C):
        // PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY).hash(
        //     "correct horse battery", salt=b"0123456789abcdef")
        let stored = "$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$UiBIPUuhY3xdXfQ7N3p/au05phWWk9ACmj5PdtUGaas";
        let password = Password::new("correct horse battery");
        assert_eq!(password.hash(b"0123456789abcdef").unwrap(), stored);
        assert!(password.matches(stored));
        assert!(!Password::new("correct horse batterz").matches(stored));
    }

    #[test]
    fn unfit_passwords_are_told() {
        for (text, wanted) in [
            ("", Err(UnfitPassword::Short)),
            ("elevenchars", Err(UnfitPassword::Short)),
            ("ünicodé länge", Ok(())),
            ("aaaaaaaaaaaaaaaa", Err(UnfitPassword::Monotonous)),
            ("my name is Otto!", Err(UnfitPassword::ContainsName)),
            ("twelve chars", Ok(())),
        ] {
            assert_eq!(Password::new(text).check("otto"), wanted, "{text}");
        }
        assert_eq!(Password::new("abcdef".repeat(200)).check("otto"), Err(UnfitPassword::Long));
    }

    #[test]
    fn what_is_stored_badly_matches_nothing() {
        let huge = "$argon2id$v=19$m=4194304,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAA";
        for stored in ["", "plain", "$argon2id$", huge, "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(!Password::new("twelve chars").matches(stored), "{stored}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Password::new("twelve chars")), "Password(…)");
    }
}
