//! What an archive says about itself: its last member.

use crate::BackupError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// Name of the manifest in the archive.
pub const MANIFEST: &str = "tieline-backup.json";
/// Version of what an archive holds.
const FORMAT: u32 = 1;
/// Longest manifest in bytes: a hundred thousand files.
pub(crate) const MAX_MANIFEST: u64 = 64 << 20;

/// Parts that can be backed up on their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Store with events, alarms, users and audit; history.
    Data,
    /// Configuration, network, point list, alarm rules, certificates.
    Config,
    /// Private keys of links.
    Keys,
}

impl Part {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Data, "data"), (Self::Config, "config"), (Self::Keys, "keys")];

    /// The part of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(part, _)| *part)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(part, _)| *part == self).map_or("", |(_, name)| name)
    }
}

/// Up to what the data reach.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Number of the last event.
    pub last_event: u64,
    /// Number of the last audit record.
    pub last_audit: u64,
    /// What is wrong with the audit chain; empty if it is whole.
    pub audit_fault: String,
    /// Rows of history, segments and logs together.
    pub history_rows: u64,
    /// Version of the store's tables.
    pub store_version: u64,
    /// Folder of the data inside the archive.
    pub folder: String,
}

/// A file in the archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Where it lies in the archive and, restored, in the folder; parts are separated by `/`.
    pub path: String,
    /// What it belongs to.
    pub part: Part,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content in hexadecimal.
    pub sha256: String,
}

/// A path of the configuration that leads out of its folder; its file lies elsewhere in the archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moved {
    /// As the configuration says it.
    pub from: String,
    /// Where it is in the archive.
    pub to: String,
}

/// The archive's table of contents.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the archive.
    pub format: u32,
    /// Version of the program that made it.
    pub program: String,
    /// Name of the centre.
    pub centre: String,
    /// Instant of the cut, RFC 3339: what was durable then is in.
    pub taken_at: String,
    /// Name of the configuration file in the archive, if it is in.
    pub config: Option<String>,
    /// What is in.
    pub parts: Vec<Part>,
    /// Up to what the data reach, if they are in.
    pub state: Option<State>,
    /// Paths of the configuration that have to be adapted after a restore elsewhere.
    pub moved: Vec<Moved>,
    /// Every other file of the archive.
    pub files: Vec<Entry>,
}

impl Manifest {
    /// An empty one of this version.
    pub fn new(program: &str, centre: &str, taken_at: &str) -> Self {
        Self {
            format: FORMAT,
            program: program.to_owned(),
            centre: centre.to_owned(),
            taken_at: taken_at.to_owned(),
            config: None,
            parts: Vec::new(),
            state: None,
            moved: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(crate) fn parse(archive: &Path, text: &[u8]) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            program: String,
        }
        let damaged =
            |error: serde_json::Error| BackupError::damaged(archive, Some(MANIFEST), error.to_string());
        let version: Version = serde_json::from_slice(text).map_err(damaged)?;
        if version.format != FORMAT {
            let Version { format: found, program } = version;
            return Err(BackupError::Format { found, known: FORMAT, program });
        }
        serde_json::from_slice(text).map_err(damaged)
    }

    /// Compares what the archive holds with what it says: nothing missing, nothing more, nothing else.
    pub(crate) fn compare(
        &self,
        archive: &Path,
        found: &BTreeMap<String, (u64, String)>,
    ) -> Result<(), BackupError> {
        for file in &self.files {
            let reason = match found.get(&file.path) {
                None => "the file is missing",
                Some((bytes, _)) if *bytes != file.bytes => "its length is another one",
                Some((_, sum)) if *sum != file.sha256 => "its digest is another one",
                Some(_) => continue,
            };
            return Err(BackupError::damaged(archive, Some(&file.path), reason));
        }
        if self.files.len() != found.len() {
            let known = |path: &&String| self.files.iter().any(|file| file.path == **path);
            let more = found.keys().find(|path| !known(path));
            return Err(BackupError::damaged(
                archive,
                more.map(String::as_str),
                "the manifest does not know it",
            ));
        }
        Ok(())
    }
}

/// Whether a name stays inside the folder it is restored to and is written in one way only.
pub(crate) fn is_inside(path: &str) -> bool {
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    let tidy = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    tidy && !path.contains(['\\', '\0']) && Path::new(path).components().all(normal)
}
