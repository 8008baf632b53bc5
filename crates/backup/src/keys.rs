//! Who can open an archive. Secrets come from files only, never from a command line, and are not printed.

use crate::BackupError;
use crate::error::at;
use age::secrecy::{ExposeSecret, SecretString};
use age::x25519::{Identity, Recipient};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Shortest passphrase, in characters.
const MIN_PASSPHRASE: usize = 12;
/// Work of scrypt, as a power of two, that is accepted when a file asks for it: about a minute.
const MAX_WORK: u8 = 22;

/// What closes an archive.
#[derive(Clone)]
pub struct Lock(pub(crate) LockKind);

#[derive(Clone)]
pub(crate) enum LockKind {
    Recipients(Vec<Recipient>),
    Passphrase(SecretString),
}

/// What opens an archive.
#[derive(Clone)]
pub struct Key(pub(crate) KeyKind);

#[derive(Clone)]
pub(crate) enum KeyKind {
    Identities(Vec<Identity>),
    Passphrase(SecretString),
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            LockKind::Recipients(_) => "Lock(recipients)",
            LockKind::Passphrase(_) => "Lock(passphrase)",
        })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Lock {
    /// For the owners of these public keys, `age1…` each; any one of them opens the archive.
    pub fn recipients<T: AsRef<str>>(texts: &[T]) -> Result<Self, BackupError> {
        let parse = |text: &T| {
            text.as_ref().trim().parse::<Recipient>().map_err(|_| BackupError::KeyText {
                origin: text.as_ref().to_owned(),
                reason: "no recipient of age",
                hint: "a recipient begins with age1; tieline backup --keygen and age-keygen make them",
            })
        };
        let recipients = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            return Err(BackupError::KeyText {
                origin: "recipients".to_owned(),
                reason: "there is none",
                hint: "name at least one",
            });
        }
        Ok(Self(LockKind::Recipients(recipients)))
    }

    /// For whoever knows the passphrase in the first line of a file; 12 characters at least.
    pub fn passphrase_file(file: &Path) -> Result<Self, BackupError> {
        passphrase(file).map(|secret| Self(LockKind::Passphrase(secret)))
    }

    /// The lock with a key of its own that nobody else has, to read back what was just written. A passphrase is its own key.
    pub(crate) fn with_own_key(self) -> (Self, Key) {
        match self.0 {
            LockKind::Passphrase(secret) => {
                (Self(LockKind::Passphrase(secret.clone())), Key(KeyKind::Passphrase(secret)))
            }
            LockKind::Recipients(mut recipients) => {
                let own = Identity::generate();
                recipients.push(own.to_public());
                (Self(LockKind::Recipients(recipients)), Key(KeyKind::Identities(vec![own])))
            }
        }
    }

    pub(crate) fn encryptor(&self) -> Result<age::Encryptor, age::EncryptError> {
        match &self.0 {
            LockKind::Recipients(recipients) => {
                age::Encryptor::with_recipients(recipients.iter().map(|one| one as &dyn age::Recipient))
            }
            LockKind::Passphrase(secret) => Ok(age::Encryptor::with_user_passphrase(secret.clone())),
        }
    }
}

impl Key {
    /// The private keys in a file as `age-keygen` and [`generate_to`] write it: one per line, `#` begins a comment.
    pub fn identity_file(file: &Path) -> Result<Self, BackupError> {
        let text = fs::read_to_string(file).map_err(at(file))?;
        let mut identities = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            identities.push(line.parse::<Identity>().map_err(|_| BackupError::KeyText {
                origin: format!("{}:{number}", file.display()),
                reason: "no private key of age",
                hint: "a private key is a line that begins with AGE-SECRET-KEY-1; plugins and SSH keys are not taken",
            })?);
        }
        if identities.is_empty() {
            return Err(BackupError::KeyText {
                origin: file.display().to_string(),
                reason: "there is no private key in it",
                hint: "a private key is a line that begins with AGE-SECRET-KEY-1",
            });
        }
        Ok(Self(KeyKind::Identities(identities)))
    }

    /// The passphrase in the first line of a file.
    pub fn passphrase_file(file: &Path) -> Result<Self, BackupError> {
        passphrase(file).map(|secret| Self(KeyKind::Passphrase(secret)))
    }

    pub(crate) fn identities(&self) -> Vec<Box<dyn age::Identity>> {
        match &self.0 {
            KeyKind::Identities(all) => {
                all.iter().map(|one| Box::new(one.clone()) as Box<dyn age::Identity>).collect()
            }
            KeyKind::Passphrase(secret) => {
                let mut identity = age::scrypt::Identity::new(secret.clone());
                identity.set_max_work_factor(MAX_WORK);
                vec![Box::new(identity)]
            }
        }
    }
}

/// Writes a new private key to a file that must not be there, readable for this user only, and returns its public key.
pub fn generate_to(file: &Path) -> Result<String, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists { path: file.to_owned() });
    }
    let identity = Identity::generate();
    let recipient = identity.to_public().to_string();
    let text =
        SecretString::from(format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret()));
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(0o600).open(file).map_err(at(file))?;
    to.write_all(text.expose_secret().as_bytes()).and_then(|()| to.sync_all()).map_err(at(file))?;
    Ok(recipient)
}

fn passphrase(file: &Path) -> Result<SecretString, BackupError> {
    let text = fs::read_to_string(file).map_err(at(file))?;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() < MIN_PASSPHRASE {
        return Err(BackupError::KeyText {
            origin: file.display().to_string(),
            reason: "the passphrase in the first line is too short",
            hint: "12 characters at least, better 20 at random",
        });
    }
    Ok(SecretString::from(line.to_owned()))
}
