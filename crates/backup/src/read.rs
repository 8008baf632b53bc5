//! Reading an archive: every digest is compared before anybody uses what came out.

use crate::error::at;
use crate::manifest::{MANIFEST, MAX_MANIFEST, is_inside};
use crate::pace::Paced;
use crate::write::hex;
use crate::{BackupError, Key, Manifest};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;
/// Files of an archive at most.
const MAX_FILES: usize = 100_000;

/// Decrypts all of it and compares every digest; nothing is written.
pub fn verify(archive: &Path, key: &Key) -> Result<Manifest, BackupError> {
    walk(archive, key, |_| Ok(None))
}

/// Writes every file below a folder, each synced, and compares every digest. On an error the folder holds something
/// unfinished: use [`crate::Staging`]. `beside_others` leaves the disk to those who work on it.
pub fn unpack(archive: &Path, key: &Key, into: &Path, beside_others: bool) -> Result<Manifest, BackupError> {
    walk(archive, key, |name| {
        let path = into.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path).map_err(at(&path))?;
        Ok(Some((path, Paced::new(file, beside_others))))
    })
}

type Target = Option<(std::path::PathBuf, Paced)>;

fn walk(
    archive: &Path,
    key: &Key,
    mut target: impl FnMut(&str) -> Result<Target, BackupError>,
) -> Result<Manifest, BackupError> {
    let stream = decrypted(archive, key)?;
    let damaged = |error: std::io::Error| BackupError::damaged(archive, None, error.to_string());
    let unpacked = zstd::Decoder::new(stream).map_err(damaged)?;
    let mut tar = tar::Archive::new(unpacked);
    let mut found: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut manifest = None;
    for member in tar.entries().map_err(damaged)? {
        let mut member = member.map_err(damaged)?;
        let name = member.path().ok().and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_default();
        let refuse = |reason: &str| BackupError::damaged(archive, Some(&name), reason);
        if manifest.is_some() {
            return Err(refuse("something follows the manifest"));
        }
        if !is_inside(&name) || !member.header().entry_type().is_file() {
            return Err(refuse("it is no plain file inside the folder"));
        }
        if name == MANIFEST {
            manifest = Some(read_manifest(archive, &mut member)?);
            continue;
        }
        if found.len() >= MAX_FILES || found.contains_key(&name) {
            return Err(refuse("too many files, or one twice"));
        }
        let to = target(&name)?;
        let sum = copy(archive, &name, &mut member, to)?;
        found.insert(name, sum);
    }
    // The end of the stream carries the check sums of zstd and the last mark of age.
    let mut rest = tar.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(damaged)?;
    let manifest =
        manifest.ok_or_else(|| BackupError::damaged(archive, None, "there is no manifest at its end"))?;
    manifest.compare(archive, &found)?;
    Ok(manifest)
}

fn decrypted(archive: &Path, key: &Key) -> Result<age::stream::StreamReader<BufReader<File>>, BackupError> {
    let file = File::open(archive).map_err(at(archive))?;
    let path = archive.to_owned();
    let sealed =
        age::Decryptor::new_buffered(BufReader::with_capacity(BUFFER, file)).map_err(
            |error| match error {
                age::DecryptError::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                    at(archive)(source)
                }
                _ => BackupError::NotAge { path: path.clone() },
            },
        )?;
    let passphrase = sealed.is_scrypt();
    let identities = key.identities();
    sealed.decrypt(identities.iter().map(AsRef::as_ref)).map_err(|error| match error {
        age::DecryptError::InvalidMac | age::DecryptError::InvalidHeader => {
            BackupError::damaged(archive, None, "its head")
        }
        _ => BackupError::WrongKey { path, passphrase },
    })
}

fn read_manifest(archive: &Path, member: &mut impl Read) -> Result<Manifest, BackupError> {
    let mut text = Vec::new();
    let read = member.take(MAX_MANIFEST + 1).read_to_end(&mut text);
    read.map_err(|error| BackupError::damaged(archive, Some(MANIFEST), error.to_string()))?;
    Manifest::parse(archive, &text)
}

/// Copies and digests one file; what the archive gives wrongly is told from what the disk does not take.
fn copy(
    archive: &Path,
    name: &str,
    from: &mut impl Read,
    mut to: Target,
) -> Result<(u64, String), BackupError> {
    let mut buffer = vec![0; BUFFER];
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    loop {
        let count = from
            .read(&mut buffer)
            .map_err(|error| BackupError::damaged(archive, Some(name), error.to_string()))?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        bytes += u64::try_from(count).unwrap_or(u64::MAX);
        if let Some((path, file)) = &mut to {
            file.write_all(&buffer[..count]).map_err(at(path))?;
        }
    }
    if let Some((path, file)) = to {
        file.sync_all().map_err(at(&path))?;
    }
    Ok((bytes, hex(hash)))
}
