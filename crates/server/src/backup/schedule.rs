//! Backups by the clock in the running centre: one after the other, on a thread that leaves the processor to others.

use super::config::BackupConfig;
use super::{Order, take};
use crate::config::Config;
use crate::core::{Core, CoreHandle};
use crate::views::stamp;
use ::backup::Written;
use anyhow::{Context as _, Result};
use scada::alarm::AlarmKind;
use scada::event::{EventKind, Severity};
use security::{AuditEntry, Outcome};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::Duration;
use store::{ConfigRecord, Record, Store};
use timebase::{Now, Utc};
use tokio::sync::{oneshot, watch};
use transport::Clock;

/// Key in the store.
const KEY: &str = "backup-state";
/// Source of alarms and events.
const SOURCE: &str = "backup";
/// How much less of the processor the thread gets than others (`nice`).
const NICE: i32 = 10;
/// Begin and end of the archives' names, so that nothing else is ever removed.
const NAME: (&str, &str) = ("tieline-", ".tar.zst.age");
/// Longest pause after a backup that failed.
const RETRY: Duration = Duration::from_secs(900);
/// How often the clock is looked at, at most and at least.
const BEAT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What became of the latest backups; kept in the store.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Kept {
    last_good_us: Option<i64>,
    file: String,
    bytes: u64,
    proved: bool,
    error: Option<String>,
}

/// The schedule as the core knows it.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    period: Duration,
    began: Utc,
    kept: Kept,
}

impl Schedule {
    /// What the store remembers; `None` without the table `[backup]`.
    pub(crate) fn restore(config: &Config, store: &Store, now: Utc) -> Result<Option<Self>> {
        let Some(table) = &config.backup else { return Ok(None) };
        let kept = match store.config(KEY)? {
            Some(json) => serde_json::from_str(&json).context("state of the backups")?,
            None => Kept::default(),
        };
        Ok(Some(Self { period: table.period(), began: now, kept }))
    }

    fn last_good(&self) -> Option<Utc> {
        self.kept.last_good_us.map(Utc::from_micros)
    }

    /// Without a good backup for two periods, counted from the start if there never was one.
    fn is_overdue(&self, now: Utc) -> bool {
        now.since(self.last_good().unwrap_or(self.began)) > self.period.saturating_mul(2)
    }

    pub(crate) fn view(&self, now: Utc) -> api::BackupView {
        api::BackupView {
            every_hours: self.period.as_secs_f64() / 3_600.0,
            last_good_at: self.last_good().map(stamp),
            age_s: self.last_good().map(|at| now.since(at).as_secs_f64()),
            overdue: self.is_overdue(now),
            file: self.kept.file.clone(),
            bytes: self.kept.bytes,
            proved: self.kept.proved,
            error: self.kept.error.clone(),
        }
    }
}

/// Makes backups until shutdown.
pub(crate) async fn run(config: Config, core: CoreHandle, clock: Clock, mut shutdown: watch::Receiver<bool>) {
    let Some(table) = config.backup.clone() else { return };
    let mut beat = tokio::time::interval((table.period() / 8).clamp(BEAT.0, BEAT.1));
    let mut tried: Option<timebase::Mono> = None;
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = shutdown.changed() => return,
        }
        let Ok(Some(last_good)) = core.ask(look).await else { return };
        let now = clock.now();
        let due = last_good.is_none_or(|at| now.utc.since(at) >= table.period() || at > now.utc);
        let paused = tried.is_some_and(|at| now.mono.since(at) < (table.period() / 4).min(RETRY));
        if !due || paused {
            continue;
        }
        tried = Some(now.mono);
        let made = tokio::select! {
            made = on_own_thread(config.clone(), table.clone(), now.utc) => made,
            // The thread ends with the process; what it had not finished leaves only a file that the next one replaces.
            _ = shutdown.changed() => return,
        };
        let proved = table.prove;
        // The centre may be ending: then the next start makes another one.
        drop(core.ask(move |core, _| note(core, now.utc, made, proved)).await);
    }
}

/// Raises the alarm when there was no good backup for too long; returns the instant of the last one.
fn look(core: &mut Core, now: Now) -> Option<Option<Utc>> {
    let schedule = core.backup.as_ref()?;
    let last_good = schedule.last_good();
    if schedule.is_overdue(now.utc) && schedule.kept.error.is_none() {
        let text = format!(
            "no good backup {}: older than twice the interval",
            last_good.map_or_else(|| "yet".to_owned(), |at| format!("since {}", stamp(at)))
        );
        core.centre.raise_about(AlarmKind::System, SOURCE, Severity::High, &text, now.utc);
    }
    Some(last_good)
}

async fn on_own_thread(config: Config, table: BackupConfig, now: Utc) -> Result<Written> {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // Other threads come first; where that is not allowed the backup runs as they do.
        let _nicer = rustix::process::nice(NICE);
        // Nobody listens when the centre is ending.
        drop(sender.send(make(&config, &table, now)));
    };
    std::thread::Builder::new().name(SOURCE.to_owned()).spawn(work)?;
    receiver.await.context("the thread of the backup ended")?
}

fn make(config: &Config, table: &BackupConfig, now: Utc) -> Result<Written> {
    fs::create_dir_all(&table.folder).with_context(|| format!("create {}", table.folder.display()))?;
    let to = table.folder.join(name(now));
    let lock = table.lock().map_err(anyhow::Error::msg)?;
    let written = take(Order { config, parts: &table.parts(), to: &to, lock, prove: table.prove, now })?;
    remove_old(&table.folder, table.keep);
    Ok(written)
}

/// A name that sorts by time.
fn name(now: Utc) -> String {
    let time: String = stamp(now).chars().filter(|sign| !matches!(sign, '-' | ':' | '.')).collect();
    format!("{}{time}{}", NAME.0, NAME.1)
}

fn remove_old(folder: &Path, keep: usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let ours = |name: &String| name.starts_with(NAME.0) && name.ends_with(NAME.1);
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).filter(ours).collect();
    names.sort_unstable();
    let excess = names.len().saturating_sub(keep);
    for name in names.drain(..excess) {
        if let Err(error) = fs::remove_file(folder.join(&name)) {
            tracing::warn!(name, %error, "Old backup not removed");
        }
    }
}

/// Event, audit record, alarm and state of a backup that was made or failed.
fn note(core: &mut Core, taken: Utc, made: Result<Written>, proved: bool) {
    let Some(schedule) = &mut core.backup else { return };
    let now = core.clock.now().utc;
    let (outcome, target, text) = match &made {
        Ok(written) => {
            let file = written.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let how = if proved { "made and restored for a test" } else { "made" };
            let text = format!(
                "backup {file} {how}: {} files, {} bytes",
                written.manifest.files.len(),
                written.bytes
            );
            let last_good_us = Some(taken.as_micros());
            schedule.kept =
                Kept { last_good_us, file: file.clone(), bytes: written.bytes, proved, error: None };
            (Outcome::Done, file, text)
        }
        Err(error) => {
            let text = format!("backup failed: {error:#}");
            schedule.kept.error = Some(format!("{error:#}"));
            (Outcome::Failed, name(taken), text)
        }
    };
    let json = serde_json::to_string(&schedule.kept);
    let severity = if made.is_ok() { Severity::Info } else { Severity::High };
    core.centre.record(now, EventKind::System, severity, SOURCE, text.clone());
    match made {
        Ok(_) => core.centre.clear_about(AlarmKind::System, SOURCE, now),
        Err(_) => core.centre.raise_about(AlarmKind::System, SOURCE, Severity::High, &text, now),
    }
    if let Ok(json) = json {
        core.backlog.push_back(Record::PutConfig(ConfigRecord { key: KEY.to_owned(), json }));
    }
    if !core.audit_broken {
        core.backlog.push_back(Record::Audit(AuditEntry {
            time: now,
            actor: "centre".to_owned(),
            source: "schedule".to_owned(),
            action: "backup".to_owned(),
            target,
            old: None,
            new: None,
            outcome,
            reason: text,
        }));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_oldest_archives_of_ours_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let times = [5, 1, 3, 2, 4].map(|day| name(Utc::from_micros(day * 86_400_000_000)));
        let others = ["tieline-notes.txt", "a.tar.zst.age"].map(str::to_owned);
        for file in times.iter().chain(&others) {
            fs::write(folder.path().join(file), b"").unwrap();
        }
        remove_old(folder.path(), 2);
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        let mut wanted = [&times[..1], &times[4..], &others].concat();
        wanted.sort_unstable();
        assert_eq!(left, wanted);
    }
}
