//! Everything that can go wrong, each with what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why an archive could not be written, read or put in place.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name of an archive or a key is taken.
    #[error("{} is there already (hint: nothing is written over, choose another name)", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A recipient, an identity or a passphrase cannot be used.
    #[error("{origin}: {reason} (hint: {hint})")]
    KeyText {
        /// Where it comes from; never the secret itself.
        origin: String,
        /// What is wrong.
        reason: &'static str,
        /// What is wanted.
        hint: &'static str,
    },
    /// The file is no archive of ours.
    #[error("{} is no age file (hint: archives begin with the line age-encryption.org/v1)", path.display())]
    NotAge {
        /// The file.
        path: PathBuf,
    },
    /// The key does not open the archive.
    #[error("{}: the key does not open this archive (hint: {})", path.display(), key_hint(*passphrase))]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// Whether it was made with a passphrase.
        passphrase: bool,
    },
    /// The archive is cut, or a bit of it was changed.
    #[error("{} is cut or changed{}: {reason} (hint: use another copy, nothing was put in place)",
        path.display(), within(member))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The file inside at which it shows.
        member: Option<String>,
        /// What shows it.
        reason: String,
    },
    /// The archive was written by a newer program.
    #[error(
        "the archive has format {found}, this program knows {known} (hint: restore with the program of {program})"
    )]
    Format {
        /// Version of the archive.
        found: u32,
        /// Version known here.
        known: u32,
        /// Version of the program that made it.
        program: String,
    },
    /// A file changed its size while it was read.
    #[error("{path} was {got} bytes long instead of {want} while it was read (hint: try again)")]
    Moving {
        /// Its name in the archive.
        path: String,
        /// Bytes announced.
        want: u64,
        /// Bytes read.
        got: u64,
    },
    /// The place to restore to is taken.
    #[error("{} is not empty (hint: choose a new folder, or --replace, which keeps the old one beside it)",
        path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

impl BackupError {
    pub(crate) fn damaged(path: &Path, member: Option<&str>, reason: impl Into<String>) -> Self {
        let member = member.map(str::to_owned);
        Self::Damaged { path: path.to_owned(), member, reason: reason.into() }
    }
}

/// Adds the path to an error of the system.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |source| BackupError::Io { path: path.to_owned(), source }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            " (hint: make room there or choose another disk, nothing was put in place)"
        }
        ErrorKind::PermissionDenied => " (hint: run as the user of the centre)",
        ErrorKind::NotFound => " (hint: check the name)",
        _ => "",
    }
}

fn key_hint(passphrase: bool) -> &'static str {
    if passphrase {
        "it was made with a passphrase: --passphrase-file, and check the file for a mistake"
    } else {
        "it was made for recipients: --identity with the file of one of their private keys"
    }
}

fn within(member: &Option<String>) -> String {
    member.as_ref().map(|member| format!(" at {member}")).unwrap_or_default()
}
