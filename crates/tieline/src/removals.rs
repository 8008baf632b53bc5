//! `tieline audit removals`: what the retention removed from the history, out of the verified audit chain.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use security::{AuditRecord, Outcome};
use server::RemovalNote;
use store::AuditState;

use crate::files;

/// Prints one line per removal: number, time, class, `announced` or `done`, rows, points, first and last row, segment, SHA-256.
pub(crate) fn command(path: &Path) -> Result<ExitCode> {
    let mut text = String::new();
    let mut unreadable = 0_usize;
    let state = store::visit_audit_file(path, |record| {
        if record.entry.action == server::REMOVE_HISTORY {
            match line(record) {
                Some(line) => text.push_str(&line),
                None => unreadable += 1,
            }
        }
    })?;
    files::write(None, text.as_bytes())?;
    if let AuditState::Broken(broken) = state {
        bail!("{}: the audit chain is broken: {broken}", path.display());
    }
    if unreadable > 0 {
        bail!("{}: {unreadable} records of removals are from another version", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn line(record: &AuditRecord) -> Option<String> {
    let entry = &record.entry;
    let note: RemovalNote = serde_json::from_str(entry.new.as_deref()?).ok()?;
    let state = match entry.outcome {
        Outcome::Done => "done",
        Outcome::Allowed | Outcome::Refused | Outcome::Failed => "announced",
    };
    let RemovalNote { segment, days: _, rows, points, from, to, sha256 } = note;
    let (seq, time, class) = (record.seq, entry.time, files::printable(&entry.target));
    Some(format!("{seq}\t{time}\t{class}\t{state}\t{rows}\t{points}\t{from}\t{to}\t{segment}\t{sha256}\n"))
}
