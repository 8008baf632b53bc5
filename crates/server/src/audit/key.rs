//! The key that signs checkpoints, and the keys that have signed any.
//!
//! `audit.key` in the data directory holds the 32 secret bytes as hexadecimal digits and is readable for the centre's user only.
//! `audit.pub` lists the public keys, the present one last; auditors keep a copy of it elsewhere.

use anyhow::{Context as _, Result, bail};
use security::{PublicKey, SigningKey, from_hex, to_hex};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The private key of a data directory.
pub fn private_file(directory: &Path) -> PathBuf {
    directory.join("audit.key")
}

/// The public keys of a data directory.
pub fn public_file(directory: &Path) -> PathBuf {
    directory.join("audit.pub")
}

/// The key of this centre; made at the first start.
pub(crate) fn load_or_make(directory: &Path) -> Result<SigningKey> {
    let path = private_file(directory);
    let key = match fs::metadata(&path) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            bail!(
                "{}: others can read the key (hint: chmod 600; tieline audit key tells how to replace it)",
                path.display()
            )
        }
        Ok(_) => read(&path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path)?,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    publish(directory, key.public())?;
    Ok(key)
}

fn read(path: &Path) -> Result<SigningKey> {
    let text = Zeroizing::new(fs::read_to_string(path).with_context(|| path.display().to_string())?);
    let bytes = from_hex(text.trim_end()).map(Zeroizing::new);
    let seed = bytes.and_then(|bytes| bytes.as_slice().try_into().ok().map(Zeroizing::<[u8; 32]>::new));
    seed.and_then(|seed| SigningKey::from_seed(&seed))
        .with_context(|| format!("{}: no key of 64 hexadecimal digits", path.display()))
}

fn make(path: &Path) -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    let key = SigningKey::from_seed(&seed).context("the random source gave no key")?;
    let text = Zeroizing::new(format!("{}\n", to_hex(seed.as_slice())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| path.display().to_string())?;
    Ok(key)
}

/// Puts a public key at the end of the list if it is not there.
fn publish(directory: &Path, key: PublicKey) -> Result<()> {
    let path = public_file(directory);
    let known = if path.exists() { public_keys(&path)? } else { Vec::new() };
    if known.last() == Some(&key) {
        return Ok(());
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| format!("write {}", path.display()))?;
    file.write_all(format!("{key}\n").as_bytes()).and_then(|()| file.sync_all())?;
    Ok(())
}

/// The public keys of a file: one per line, `#` begins a comment.
pub fn public_keys(path: &Path) -> Result<Vec<PublicKey>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            PublicKey::from_hex(line).with_context(|| {
                format!("{}:{number}: no public key of 64 hexadecimal digits", path.display())
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_make(folder.path()).unwrap().public();
        assert_eq!(load_or_make(folder.path()).unwrap().public(), first);
        let path = private_file(folder.path());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(public_keys(&public_file(folder.path())).unwrap(), [first]);
        fs::remove_file(&path).unwrap();
        let second = load_or_make(folder.path()).unwrap().public();
        assert_eq!(public_keys(&public_file(folder.path())).unwrap(), [first, second]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load_or_make(folder.path()).unwrap_err().to_string().contains("others can read the key"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "not a key\n").unwrap();
        assert!(load_or_make(folder.path()).is_err());
    }
}
