//! What commands on the console of the machine that holds the data have in common.

use anyhow::{Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use store::Store;

/// Where the data are.
#[derive(Args)]
pub(crate) struct Data {
    /// Data directory of the centre.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

pub(crate) fn existing(directory: &Path) -> Result<PathBuf> {
    let path = server::store_path(directory);
    if path.is_file() {
        return Ok(path);
    }
    bail!(
        "{}: there is no centre's data (hint: the directory of [data] in the configuration)",
        directory.display()
    )
}

/// Opens the store for this process alone.
pub(crate) fn with_store<T>(directory: &Path, work: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
    let path = existing(directory)?;
    let _lock = server::lock_directory(directory)?;
    let (store, _) = Store::open(&path, &store::Options::default())?;
    work(&store)
}
