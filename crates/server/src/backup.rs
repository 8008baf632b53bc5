//! Backups of a centre, running or not, and their restore.
//!
//! - [`take`] writes an archive: a cut of the history, a copy of the store, the configuration with the files it names.
//! - `prove` restores an archive to a scratch folder and looks whether a centre could start there.
//! - [`restore`] does the same for good: nothing is at its place before all of it is checked.
//! - `schedule` does the first two in the running centre and raises an alarm when they fail or are overdue.
//!
//! Cut and copy are instants of their own, milliseconds apart, as they are after a crash.

mod collect;
pub(crate) mod config;
mod note;
pub(crate) mod schedule;

use crate::VERSION;
use crate::config::Config;
use crate::views::stamp;
use ::backup::{Archive, Key, Lock, Manifest, Part, Staging, State, Written, unpack};
use anyhow::{Context as _, Result, bail};
use collect::{HISTORY, Wanted};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use store::AuditState;
use timebase::Utc;

pub(crate) use note::note_restore;

/// Folder inside the data directory where a backup works; it is empty between backups.
const WORK: &str = "backup-work";

/// What is to be backed up.
#[derive(Debug)]
pub struct Order<'a> {
    /// Configuration of the centre.
    pub config: &'a Config,
    /// Parts wanted.
    pub parts: &'a [Part],
    /// The archive; it must not be there.
    pub to: &'a Path,
    /// Who can open it.
    pub lock: Lock,
    /// Whether it is restored to a scratch folder afterwards.
    pub prove: bool,
    /// The present.
    pub now: Utc,
}

/// Makes an archive, of a centre that runs or not. Blocks on files.
pub fn take(order: Order<'_>) -> Result<Written> {
    let Order { config, parts, to, lock, prove: wanted, now } = order;
    let data = &config.data.directory;
    let work = Work::begin(data)?;
    let mut manifest = Manifest::new(VERSION, &config.name, &stamp(now));
    manifest.parts = parts.to_vec();
    let files = collect::files(config, &mut manifest);
    let mut archive = Archive::create(to, lock)?;
    if parts.contains(&Part::Data) {
        manifest.state = Some(add_data(&mut archive, data, &work.folder, &collect::data_folder(config))?);
    }
    for Wanted { part, name, from } in files.iter().filter(|file| parts.contains(&file.part)) {
        let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
        archive.add_bytes(*part, name, &content)?;
    }
    let written = archive.finish(manifest)?;
    if wanted {
        prove(&written, &work.folder).with_context(|| format!("{} cannot be restored", to.display()))?;
    }
    Ok(written)
}

/// Copies store and history at one instant each and adds them.
fn add_data(archive: &mut Archive, data: &Path, work: &Path, folder: &str) -> Result<State> {
    let database = crate::store_path(data);
    if !database.is_file() {
        bail!("{}: there is no centre's data (hint: the directory of [data])", data.display());
    }
    let cut = historian::cut(&data.join(HISTORY), &work.join(HISTORY))?;
    let copy = work.join("centre.db");
    let snapshot = store::snapshot(&database, &copy)?;
    for (name, from) in [("centre.db", copy.clone()), ("centre.db.head", work.join("centre.db.head"))] {
        // A broken chain whose head is lost has none in the copy either.
        if let Ok(found) = fs::metadata(&from) {
            archive.add_file(Part::Data, &format!("{folder}/{name}"), &from, found.len())?;
        }
    }
    let keys = crate::audit::key::public_file(data);
    if let (Ok(content), Some(name)) = (fs::read(&keys), keys.file_name()) {
        archive.add_bytes(Part::Data, &format!("{folder}/{}", name.to_string_lossy()), &content)?;
    }
    let applied = crate::lists::applied_file(data);
    if let (Ok(content), Some(name)) = (fs::read(&applied), applied.file_name()) {
        archive.add_bytes(Part::Data, &format!("{folder}/{}", name.to_string_lossy()), &content)?;
    }
    for file in &cut.files {
        archive.add_file(Part::Data, &format!("{folder}/{HISTORY}/{}", file.name), &file.path, file.bytes)?;
    }
    Ok(State {
        last_event: snapshot.last_event,
        last_audit: snapshot.last_audit,
        audit_fault: match snapshot.audit {
            AuditState::Whole(_) => String::new(),
            AuditState::Broken(fault) => fault.to_string(),
        },
        history_rows: cut.rows,
        store_version: snapshot.version,
        folder: folder.to_owned(),
    })
}

/// Restores an archive to a scratch folder and looks at what came out; the folder is gone afterwards.
fn prove(written: &Written, scratch: &Path) -> Result<()> {
    let staging = Staging::beside(&scratch.join("proof"), false)?;
    let manifest = unpack(&written.path, &written.key, staging.folder(), true)?;
    check_data(staging.folder(), &manifest)
}

/// A centre that was put in place.
#[derive(Debug)]
pub struct Restored {
    /// What the archive said.
    pub manifest: Manifest,
    /// Where what was there before is kept.
    pub kept: Option<PathBuf>,
}

/// Puts the content of an archive at `to`: after an error nothing is there that was not there before. Blocks on files.
pub fn restore(archive: &Path, key: &Key, to: &Path, replace: bool, now: Utc) -> Result<Restored> {
    let staging = Staging::beside(to, replace)?;
    let manifest = unpack(archive, key, staging.folder(), false)?;
    check_data(staging.folder(), &manifest)?;
    let mut locks = Vec::new();
    if let Some(state) = &manifest.state {
        note::leave(&staging.folder().join(&state.folder), archive, &manifest, now)?;
        let data = to.join(&state.folder);
        if data.is_dir() {
            locks.push(crate::lock_directory(&data)?);
        }
    }
    let kept = staging.put_in_place()?;
    drop(locks);
    Ok(Restored { manifest, kept })
}

/// Opens restored data as a start does: the audit chain holds, the store is whole, no row of history is lost.
fn check_data(folder: &Path, manifest: &Manifest) -> Result<()> {
    let Some(state) = &manifest.state else { return Ok(()) };
    let data = folder.join(&state.folder);
    let path = crate::store_path(&data);
    match store::verify_audit_file(&path)? {
        AuditState::Broken(fault) if state.audit_fault.is_empty() => {
            bail!("the audit chain is broken in the archive: {fault} (hint: use an older archive)")
        }
        AuditState::Broken(_) | AuditState::Whole(_) => {}
    }
    let (store, _) = store::Store::open(&path, &store::Options::default())?;
    let last = store.last_event()?;
    if last != state.last_event {
        bail!("the archive says {} events and holds {last} (hint: use an older archive)", state.last_event);
    }
    drop(store);
    let (_, found) = historian::Historian::open(&data.join(HISTORY), historian::Options::default())?;
    if !found.damaged.is_empty() || found.lost_rows > 0 {
        bail!("{} rows of history are lost in the archive (hint: use an older archive)", found.lost_rows);
    }
    Ok(())
}

/// The folder where a backup works. One at a time: the lock lasts as long as this.
struct Work {
    folder: PathBuf,
    _lock: File,
}

impl Work {
    fn begin(data: &Path) -> Result<Self> {
        let folder = data.join(WORK);
        if !data.is_dir() {
            bail!("{}: there is no centre's data (hint: the directory of [data])", data.display());
        }
        let lock = data.join("backup-work.lock");
        let file = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
        file.try_lock().map_err(|_| {
            anyhow::anyhow!("another backup of {} is under way (hint: wait for its end)", data.display())
        })?;
        // Left by a backup that was killed.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder, _lock: file })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "Folder of the backup not removed");
        }
    }
}
