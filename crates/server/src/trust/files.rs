//! Files replaced as a whole, so that whoever reads them sees the former or the new ones.

use anyhow::{Context as _, Result};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file that everybody may read.
///
/// # Errors
/// Those of the file.
pub fn write(path: &Path, text: &str) -> Result<()> {
    replace(path, text, 0o644)
}

/// Writes a file for its owner only.
///
/// # Errors
/// Those of the file.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    replace(path, text, 0o600)
}

fn replace(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    // What a crash has left behind may have another mode.
    if new.exists() {
        fs::remove_file(new).with_context(|| new.display().to_string())?;
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(new)
        .with_context(|| format!("create {}", new.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| new.display().to_string())?;
    fs::rename(new, path).with_context(|| path.display().to_string())?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())
}
