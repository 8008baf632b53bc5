//! Putting a restored folder in its place: all of it or nothing.

use crate::BackupError;
use crate::error::at;
use crate::write::sync_folder_of;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A folder beside the wanted one. Dropped before [`Staging::put_in_place`] it disappears.
pub struct Staging {
    target: PathBuf,
    folder: PathBuf,
}

impl Staging {
    /// Makes an empty folder beside `target`, on the same disk. A target that is not empty is refused unless it may be replaced.
    pub fn beside(target: &Path, replace: bool) -> Result<Self, BackupError> {
        if !replace && is_taken(target)? {
            return Err(BackupError::NotEmpty { path: target.to_owned() });
        }
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        let folder = beside(target, ".restoring");
        // Left by a restore that was killed; nothing else has that name.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(at(&folder))?;
        }
        fs::create_dir(&folder).map_err(at(&folder))?;
        Ok(Self { target: target.to_owned(), folder })
    }

    /// The folder to fill.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder the target. What was there is kept beside it; its new name is returned.
    pub fn put_in_place(self) -> Result<Option<PathBuf>, BackupError> {
        sync_folders(&self.folder)?;
        let kept = if is_taken(&self.target)? { Some(free_name(&self.target)) } else { None };
        match &kept {
            Some(kept) => fs::rename(&self.target, kept).map_err(at(kept))?,
            None if self.target.exists() => fs::remove_dir(&self.target).map_err(at(&self.target))?,
            None => {}
        }
        if let Err(source) = fs::rename(&self.folder, &self.target) {
            if let Some(kept) = &kept {
                fs::rename(kept, &self.target).map_err(at(kept))?;
            }
            return Err(at(&self.target)(source));
        }
        sync_folder_of(&self.target)?;
        Ok(kept)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone already after a success.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.components().as_path().as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn free_name(target: &Path) -> PathBuf {
    let names = (1_u32..).map(|number| beside(target, &format!(".replaced-{number}")));
    names.into_iter().find(|name| !name.exists()).unwrap_or_else(|| beside(target, ".replaced"))
}

/// Whether something is there that a restore would hide.
fn is_taken(target: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(target) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at(target)(error)),
    }
}

fn sync_folders(folder: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        if entry.file_type().map_err(at(folder))?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}
