//! File operations behind a small trait: the machine's own, and in tests a simulated disk that tears, reorders and fails.
//!
//! What the historian relies on, and no more:
//! - [`DiskFile::sync`] makes the content of the file durable; before that any part of what was written may survive a
//!   crash, in blocks and in any order.
//! - [`Disk::sync_folder`] makes names durable: creations, renames and removals. A rename is seen whole or not at all.
//! - After a failed write or sync the content of the file behind the last successful sync is unknown.

use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// It must exist and is only read.
    Read,
    /// It must not exist.
    New,
    /// It is emptied if it exists.
    Replace,
    /// It is created if it does not exist, and read and written.
    Edit,
}

/// Holds a folder for this process until dropped.
pub type FolderLock = Box<dyn Any + Send + Sync>;

/// A place with folders and files.
pub trait Disk: Send + Sync {
    /// Creates a folder and those above it, if they do not exist.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Takes the folder of this path for the process.
    fn lock(&self, path: &Path) -> Result<FolderLock, TryLockError>;
    /// Names of all files in the folder; those that are not UTF-8 are not ours.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in the place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// The whole content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, Mode::Read)?;
        let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// An open file.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length of a file is asked of the system; nobody asks for none"
)]
pub trait DiskFile: Send + Sync {
    /// Bytes of the file.
    fn len(&self) -> io::Result<u64>;
    /// Reads from a place; fewer bytes are an error.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes behind the last byte. After an error some of the bytes may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes the content durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Write for Box<dyn DiskFile> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file system of the machine.
#[derive(Debug)]
pub struct RealDisk;

struct RealFile {
    file: File,
    end: u64,
}

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)
    }

    fn lock(&self, path: &Path) -> Result<FolderLock, TryLockError> {
        let file = File::create(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Box::new(file))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match mode {
            Mode::Read => options.read(true),
            Mode::New => options.read(true).write(true).create_new(true),
            Mode::Replace => options.read(true).write(true).create(true).truncate(true),
            Mode::Edit => options.read(true).write(true).create(true).truncate(false),
        };
        let file = options.open(path)?;
        let end = file.metadata()?.len();
        Ok(Box::new(RealFile { file, end }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.end = len;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        // Times of access are not of interest; length and content are made durable.
        self.file.sync_data()
    }
}
