//! The table `[backup]`.

use ::backup::{Lock, Part};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Backups that the running centre makes by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
    /// Folder for the archives, best on another disk; created if it does not exist.
    pub folder: PathBuf,
    /// Hours between two backups; a quarter of an hour is 0.25.
    #[serde(default = "daily")]
    pub every_hours: f64,
    /// Archives that are kept; older ones are removed after a good backup.
    #[serde(default = "a_fortnight")]
    pub keep: usize,
    /// Who can open the archives: public keys of age.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// File whose first line is a passphrase, instead of recipients.
    pub passphrase_file: Option<PathBuf>,
    /// Whether private keys of links are in the archives.
    #[serde(default)]
    pub keys: bool,
    /// Whether each archive is restored to a scratch folder and checked.
    #[serde(default = "yes")]
    pub prove: bool,
}

const fn daily() -> f64 {
    24.0
}

const fn a_fortnight() -> usize {
    14
}

const fn yes() -> bool {
    true
}

impl BackupConfig {
    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.001..=8_760.0).contains(&self.every_hours) {
            return Err(format!("backup.every_hours: {} is not between 0.001 and 8760", self.every_hours));
        }
        if !(1..=10_000).contains(&self.keep) {
            return Err(format!("backup.keep: {} is not between 1 and 10000", self.keep));
        }
        if self.recipients.is_empty() == self.passphrase_file.is_none() {
            return Err("backup: either recipients or passphrase_file is wanted".to_owned());
        }
        // The file of a passphrase is read for each backup: it may come with a disk that is mounted later.
        if self.recipients.is_empty() { Ok(()) } else { self.lock().map(drop) }
    }

    /// Paths start at the folder of the configuration.
    pub(crate) fn resolve(&mut self, base: &Path) {
        self.folder = base.join(&self.folder);
        self.passphrase_file = self.passphrase_file.take().map(|file| base.join(file));
    }

    /// Who can open the archives.
    pub fn lock(&self) -> Result<Lock, String> {
        let lock = match &self.passphrase_file {
            Some(file) => Lock::passphrase_file(file),
            None => Lock::recipients(&self.recipients),
        };
        lock.map_err(|error| format!("backup: {error}"))
    }

    /// What is in.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let wanted = |part: &Part| *part != Part::Keys || self.keys;
        Part::ALL.map(|(part, _)| part).into_iter().filter(wanted).collect()
    }

    /// Time between two backups.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs_f64(self.every_hours * 3_600.0)
    }
}
