//! The note that a restore leaves for the next start, which writes it into events and audit.

use crate::core::Core;
use crate::views::stamp;
use ::backup::Manifest;
use anyhow::{Context as _, Result};
use scada::event::{EventKind, Severity};
use security::{AuditEntry, Outcome};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use store::Record;
use timebase::Utc;

/// Name of the note in the data directory.
const NOTE: &str = "RESTORED.json";

#[derive(Serialize, Deserialize)]
struct Note {
    archive: String,
    taken_at: String,
    restored_at: String,
    last_event: u64,
    last_audit: u64,
}

/// Leaves the note in a data directory.
pub(super) fn leave(data: &Path, archive: &Path, manifest: &Manifest, now: Utc) -> Result<()> {
    let state = manifest.state.clone().unwrap_or_default();
    let note = Note {
        archive: archive.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        taken_at: manifest.taken_at.clone(),
        restored_at: stamp(now),
        last_event: state.last_event,
        last_audit: state.last_audit,
    };
    let path = data.join(NOTE);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(serde_json::to_string(&note)?.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Writes a restore into events and audit, and ends the sign-ins that came out of the archive: somebody may have ended them
/// since. The note goes when all of that is on the disk.
pub(crate) fn note_restore(core: &mut Core, data: &Path) -> Result<()> {
    let path = data.join(NOTE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let note: Note = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    let Note { archive, taken_at, restored_at, last_event, last_audit } = note;
    let now = core.started.utc;
    let text = format!(
        "restored at {restored_at} from {archive} of {taken_at}: what came after event {last_event} and audit record \
         {last_audit} is not here; all sign-ins were ended, tokens made void since then are good again"
    );
    let mut records: Vec<Record> =
        core.store.sessions()?.into_iter().map(|session| Record::DropSession(session.hash)).collect();
    if !core.audit_broken {
        records.push(Record::Audit(AuditEntry {
            time: now,
            actor: "console".to_owned(),
            source: "console".to_owned(),
            action: "restore".to_owned(),
            target: archive,
            old: None,
            new: Some(taken_at),
            outcome: Outcome::Done,
            reason: text.clone(),
        }));
    }
    core.store.append(records)?;
    core.centre.record(now, EventKind::System, Severity::High, "centre", text);
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
}
