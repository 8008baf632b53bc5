//! Backup archives: one file, encrypted, that Debian's `age` and `tar --zstd` open without us.
//!
//! ```text
//! files ─▶ tar ─▶ zstd ─▶ age ─▶ FILE.part ─▶ sync ─▶ rename to FILE
//! ```
//!
//! - [`Archive`]: writes one; nothing is at its place before it is whole and on the disk.
//! - [`Manifest`]: the archive's last member, `tieline-backup.json`: version, instant, state, SHA-256 of every file. An
//!   archive without it is cut.
//! - [`verify`], [`unpack`]: read one; every digest is compared, and nothing outside the folder is written.
//! - [`Staging`]: a folder beside the wanted one, which takes its place by a rename, or disappears.
//! - [`Lock`], [`Key`]: recipients and identities of age (X25519), or a passphrase (scrypt).
//!
//! This crate knows no store and no historian: what belongs into an archive is the caller's business. Formats: POSIX tar
//! with GNU long names, RFC 8878, C2SP `age-encryption.org/v1`.

mod error;
mod keys;
mod manifest;
mod pace;
mod place;
mod read;
mod write;

pub use error::BackupError;
pub use keys::{Key, Lock, generate_to};
pub use manifest::{Entry, MANIFEST, Manifest, Moved, Part, State};
pub use place::Staging;
pub use read::{unpack, verify};
pub use write::{Archive, Written};
