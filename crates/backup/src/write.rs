//! Writing an archive.

use crate::error::at;
use crate::manifest::{Entry, MANIFEST, is_inside};
use crate::pace::Paced;
use crate::{BackupError, Key, Lock, Manifest, Part};
use age::stream::StreamWriter;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Level of zstd: segments of history are compressed already, so that more costs time and gains nothing.
const LEVEL: i32 = 1;
/// Bytes in front of the file.
const BUFFER: usize = 1 << 20;

type Sealed = StreamWriter<BufWriter<Paced>>;

/// An archive that is being written. Dropped before [`Archive::finish`] it leaves nothing behind.
pub struct Archive {
    to: PathBuf,
    part: PathBuf,
    tar: Option<tar::Builder<zstd::Encoder<'static, Sealed>>>,
    files: Vec<Entry>,
    key: Key,
}

/// An archive that is whole and on the disk.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Opens this one archive, so that it can be proved without anybody's private key.
    pub key: Key,
}

impl Archive {
    /// Begins one; the file must not be there. It is readable for this user only.
    pub fn create(to: &Path, lock: Lock) -> Result<Self, BackupError> {
        if to.exists() {
            return Err(BackupError::Exists { path: to.to_owned() });
        }
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let (lock, key) = lock.with_own_key();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .map_err(at(&part))?;
        let mut archive = Self { to: to.to_owned(), part, tar: None, files: Vec::new(), key };
        archive.tar = Some(archive.layers(&lock, file)?);
        Ok(archive)
    }

    fn layers(
        &self,
        lock: &Lock,
        file: File,
    ) -> Result<tar::Builder<zstd::Encoder<'static, Sealed>>, BackupError> {
        let sealed = lock.encryptor().map_err(|error| BackupError::KeyText {
            origin: error.to_string(),
            reason: "the archive cannot be encrypted",
            hint: "recipients or a passphrase, not both",
        })?;
        let sealed = sealed
            .wrap_output(BufWriter::with_capacity(BUFFER, Paced::new(file, true)))
            .map_err(at(&self.part))?;
        let mut packed = zstd::Encoder::new(sealed, LEVEL).map_err(at(&self.part))?;
        packed.include_checksum(true).map_err(at(&self.part))?;
        Ok(tar::Builder::new(packed))
    }

    /// Adds `bytes` of a file under a name inside the archive.
    pub fn add_file(&mut self, part: Part, name: &str, from: &Path, bytes: u64) -> Result<(), BackupError> {
        let file = File::open(from).map_err(at(from))?;
        self.add(part, name, Source { inner: file.take(bytes), from: Some(from) }, bytes)
    }

    /// Adds content that is in memory.
    pub fn add_bytes(&mut self, part: Part, name: &str, content: &[u8]) -> Result<(), BackupError> {
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.add(part, name, Source { inner: content.take(bytes), from: None }, bytes)
    }

    fn add<R: Read>(
        &mut self,
        part: Part,
        name: &str,
        source: Source<'_, R>,
        bytes: u64,
    ) -> Result<(), BackupError> {
        let mut content = Digesting { source, hash: Sha256::new(), got: 0, failed: None };
        let written = self.append(name, bytes, &mut content);
        if let Some((path, source)) = content.failed {
            return Err(BackupError::Io { path, source });
        }
        written?;
        if content.got != bytes {
            return Err(BackupError::Moving { path: name.to_owned(), want: bytes, got: content.got });
        }
        self.files.push(Entry { path: name.to_owned(), part, bytes, sha256: hex(content.hash) });
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: u64, content: &mut dyn Read) -> Result<(), BackupError> {
        let invalid =
            || io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name in an archive"));
        let tar = match &mut self.tar {
            Some(tar) if is_inside(name) => tar,
            _ => return Err(at(&self.part)(invalid())),
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, name, content).map_err(at(&self.part))
    }

    /// Writes the manifest, syncs and gives the file its name.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<Written, BackupError> {
        manifest.files = std::mem::take(&mut self.files);
        let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other).map_err(at(&self.part))?;
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.append(MANIFEST, length, &mut text.as_slice())?;
        let failed = at(&self.part);
        if let Some(tar) = self.tar.take() {
            let packed = tar.into_inner().map_err(&failed)?;
            let sealed = packed.finish().map_err(&failed)?;
            let mut file = sealed.finish().map_err(&failed)?;
            file.flush().map_err(&failed)?;
            file.get_ref().sync_all().map_err(&failed)?;
        }
        let bytes = fs::metadata(&self.part).map_err(&failed)?.len();
        // A hard link does not replace what came to be there meanwhile, as a rename would.
        fs::hard_link(&self.part, &self.to)
            .or_else(|_| link_by_rename(&self.part, &self.to))
            .map_err(at(&self.to))?;
        sync_folder_of(&self.to)?;
        Ok(Written { path: self.to.clone(), bytes, manifest, key: self.key.clone() })
    }
}

/// For file systems without hard links.
fn link_by_rename(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    fs::rename(from, to)
}

impl Drop for Archive {
    fn drop(&mut self) {
        // Closes the file first; a half-written archive is of no use to anybody.
        self.tar = None;
        drop(fs::remove_file(&self.part));
    }
}

pub(crate) fn sync_folder_of(path: &Path) -> Result<(), BackupError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// What is read, and where it comes from.
struct Source<'a, R> {
    inner: io::Take<R>,
    from: Option<&'a Path>,
}

/// Reads, counts and digests; keeps a fault of the source apart from one of the archive.
struct Digesting<'a, R> {
    source: Source<'a, R>,
    hash: Sha256,
    got: u64,
    failed: Option<(PathBuf, io::Error)>,
}

impl<R: Read> Read for Digesting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.inner.read(buffer) {
            Ok(count) => {
                self.hash.update(&buffer[..count]);
                self.got += u64::try_from(count).unwrap_or(u64::MAX);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                let path = self.source.from.unwrap_or(Path::new("memory")).to_owned();
                self.failed = Some((path, error));
                Err(io::Error::from(kind))
            }
        }
    }
}

pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
