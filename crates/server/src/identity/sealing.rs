//! The key that seals secrets which must be read again, such as those of authenticators (S-24).
//!
//! AES-256-GCM with a random nonce before the text; the user's name is bound to it, so that nobody puts his own secret in
//! another one's row. The key lies in a file of its own, which only the owner of the process may read: whoever has the
//! database alone has no secret.

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use security::Token;
use std::fmt;
use std::io::Write as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Begins the file.
const HEAD: &str = "tieline-identity-key-1 ";
/// Name of the file in the data directory.
pub(crate) const FILE: &str = "identity.key";

/// The key.
pub(crate) struct SealingKey(RandomizedNonceKey);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl SealingKey {
    /// Reads the key, or makes one where nothing was sealed yet. Refuses a key that is missing, weak or readable by others
    /// (S-02).
    pub(crate) fn open(path: &Path, something_is_sealed: bool) -> Result<Self> {
        if !path.exists() {
            if something_is_sealed {
                bail!(
                    "{}: the key of the authenticators is missing (hint: put it back from a backup, or let everybody \
                     enrol anew with: tieline user forget-factors --data DIR)",
                    path.display()
                );
            }
            create(path)?;
        }
        check_mode(path)?;
        let text = Zeroizing::new(
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?,
        );
        let key = parse(&text).with_context(|| {
            format!(
                "{}: this is no key, or an example of one (hint: it is made at the first start)",
                path.display()
            )
        })?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map_err(|_| anyhow::anyhow!("the key is not taken"))?;
        Ok(Self(key))
    }

    /// Seals a secret of a user.
    pub(crate) fn seal(&self, user: &str, secret: &[u8]) -> Option<Vec<u8>> {
        let mut text = secret.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(user.as_bytes()), &mut text).ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Some(sealed)
    }

    /// The secret; `None` if it was sealed with another key, for another user, or altered.
    pub(crate) fn unseal(&self, user: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(user.as_bytes()), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

fn create(path: &Path) -> Result<()> {
    let secret = super::console::fresh_token()?;
    let digits = Zeroizing::new(secret.reveal());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("create {}", path.display()))?;
    let text = Zeroizing::new(format!("{HEAD}{}\n", digits.trim_start_matches("tl_")));
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("write {}", path.display()))
}

fn check_mode(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{}: others may read this key (hint: chmod 600)", path.display());
        }
    }
    Ok(())
}

/// The key in the text of the file; `None` for anything else and for bytes that no random source gives.
fn parse(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.strip_prefix(HEAD)?.trim_end();
    let octets = Zeroizing::new(crate::identity::unhex(digits)?);
    let array: [u8; 32] = octets.as_slice().try_into().ok()?;
    Token::from_random(array).ok()?;
    Some(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(text: &str, mode: u32) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        format!("{:#}", SealingKey::open(&path, true).unwrap_err())
    }

    #[test]
    fn what_was_sealed_opens_for_its_user_and_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let key = SealingKey::open(&path, false).unwrap();
        let sealed = key.seal("anna", b"secret").unwrap();
        assert_ne!(sealed, key.seal("anna", b"secret").unwrap(), "another nonce each time");
        let again = SealingKey::open(&path, true).unwrap();
        assert_eq!(again.unseal("anna", &sealed).unwrap().as_slice(), b"secret");
        assert!(again.unseal("ben", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(again.unseal("anna", &altered).is_none(), "{at}");
        }
        let other = SealingKey::open(&folder.path().join("other"), false).unwrap();
        assert!(other.unseal("anna", &sealed).is_none());
        assert!(other.unseal("anna", &[]).is_none());
    }

    #[test]
    fn a_key_that_is_missing_or_an_example_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let missing = SealingKey::open(&folder.path().join(FILE), true).unwrap_err();
        assert!(missing.to_string().contains("missing"), "{missing}");
        let zeros = format!("{HEAD}{}", "0".repeat(64));
        let counted = format!("{HEAD}{}", "0123456789abcdef".repeat(4));
        for text in ["", "changeme", "frangoteam751", HEAD, zeros.as_str(), counted.as_str()] {
            assert!(refused(text, 0o600).contains("no key, or an example"), "{text}");
        }
        assert!(refused("", 0o644).contains("chmod 600"));
    }
}
