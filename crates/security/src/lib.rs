//! Who may do what, and the record of who did: pure, no clock, no randomness, no file.
//!
//! - [`Role`], [`Right`]: the seven roles of IEC 62351-8 and what each may do, deny by default.
//! - [`Principal`]: somebody or something with an identity, roles and areas of responsibility;
//!   [`Principal::authorise`] is the only question that the rest of the system asks.
//! - [`Assurance`]: which second factor a session has shown, and when; the command gate asks for a fresh one.
//! - [`Catalogue`]: what custom roles and named areas mean at a centre.
//! - [`Password`], [`TotpSecret`], [`Pace`]: what people sign in with, and how often that may fail.
//! - [`steward`]: what one administrator may do to an account alone.
//! - [`Token`], [`TokenHash`]: bearer secrets made of 32 random bytes; only the hash is ever stored.
//! - [`AuditEntry`], [`AuditRecord`], [`ChainHead`], [`Verifier`]: what was done, in a chain of SHA-256 hashes in which
//!   an altered, missing, exchanged or added record is found.
//! - [`SigningKey`], [`Checkpoint`], [`CheckpointVerifier`]: signatures over the chain's head, without whose key it cannot be
//!   rewritten.

mod assurance;
mod audit;
pub mod catalogue;
mod checkpoint;
mod copy;
pub mod pace;
pub mod password;
mod principal;
mod role;
pub mod steward;
mod token;
pub mod totp;

pub use assurance::{Assurance, Factor};
pub use audit::{
    AuditEntry, AuditRecord, Break, Broken, ChainHead, DecodeError, Outcome, Verified, Verifier, verify,
};
pub use catalogue::Catalogue;
pub use checkpoint::{
    CHECKPOINT_BYTES, Checkpoint, CheckpointFault, CheckpointVerifier, PublicKey, SigningKey, from_hex,
    to_hex,
};
pub use copy::{AuditCopy, CopyFault};
pub use pace::Pace;
pub use password::Password;
pub use principal::{Areas, Denied, Principal, PrincipalKind};
pub use role::{Right, Role};
pub use token::{Token, TokenHash, WeakSecret};
pub use totp::TotpSecret;
