//! Opening is recovery: the same steps after a clean end, a crash, or for a new folder.

use crate::commit::{Committer, Queue};
use crate::describe::{self, Description};
use crate::disk::{FolderLock, Mode, RealDisk};
use crate::error::{HistorianError, at};
use crate::files::{FileNo, Folder, number_in};
use crate::flush::{Flusher, Tables};
use crate::frame::Damage;
use crate::manifest::Manifest;
use crate::memtable::Memtable;
use crate::retention::Classes;
use crate::row::{NoteId, SeriesId};
use crate::segment::Segment;
use crate::series::SeriesMap;
use crate::wal::{Replay, WalWriter};
use std::fs::TryLockError;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How to keep history.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rows wait at most this long for others to share their `fsync` with.
    pub commit_window: Duration,
    /// A group is committed without waiting when it has this many rows.
    pub commit_rows: usize,
    /// Rows in the queue at most; a batch that doesn't fit is refused and counted as shed.
    pub queue_rows: usize,
    /// Rows in memory after which a segment is written. Twice as many are held at most while that lasts, about
    /// 40 bytes each.
    pub memtable_rows: usize,
    /// Segments of one level and day that are merged into one.
    pub merge_segments: usize,
    /// Rows of a merged segment at most.
    pub segment_rows: u64,
    /// Days that rows of series in no class are kept, see [`Historian::classify`]; `None` keeps them for ever.
    pub retention_days: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit_window: Duration::from_millis(20),
            commit_rows: 50_000,
            queue_rows: 1_000_000,
            memtable_rows: 400_000,
            merge_segments: 8,
            segment_rows: 16_000_000,
            retention_days: None,
        }
    }
}

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// Rows in segments.
    pub segment_rows: u64,
    /// Rows taken from the logs.
    pub replayed_rows: u64,
    /// Bytes of a last write that was cut; its rows were never acknowledged.
    pub torn_bytes: u64,
    /// Rows that were acknowledged and are lost to damage.
    pub lost_rows: u64,
    /// Damaged parts of files. They are not served; the files are kept under the name `….damaged`.
    pub damaged: Vec<Damage>,
}

/// Counters and sizes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Rows accepted into the queue since opening.
    pub accepted: u64,
    /// Rows of those on the disk.
    pub stored: u64,
    /// Rows refused since opening.
    pub shed: u64,
    /// Rows in the queue.
    pub queued: usize,
    /// Rows in memory that are in no segment yet.
    pub memtable_rows: usize,
    /// Segments.
    pub segments: usize,
    /// Rows in segments.
    pub segment_rows: u64,
    /// Names known.
    pub series: usize,
    /// Why writing does not succeed at the moment. It is tried again until it does.
    pub fault: Option<String>,
}

/// State that the threads and the callers share.
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) tables: Tables,
    pub(crate) series: Mutex<SeriesMap>,
    pub(crate) classes: Mutex<Arc<Classes>>,
    notes: Mutex<SeriesMap>,
    next_file: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl Shared {
    fn new(
        folder: &Folder,
        tables: Tables,
        next_file: FileNo,
        options: Options,
    ) -> Result<Self, HistorianError> {
        Ok(Self {
            folder: folder.clone(),
            queue: Queue::default(),
            tables,
            series: Mutex::new(SeriesMap::open(folder, "series.csv")?),
            classes: Mutex::new(Arc::new(Classes::of_all(options.retention_days))),
            notes: Mutex::new(SeriesMap::open(folder, "notes.csv")?),
            next_file: AtomicU64::new(next_file),
            fault: Mutex::new(None),
            options,
        })
    }

    pub(crate) fn next_file(&self) -> FileNo {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set_fault(&self, fault: Option<&HistorianError>) {
        *lock(&self.fault) = fault.map(ToString::to_string);
    }
}

/// A lock whose holder panicked is still consistent: every change under it is a single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open historian. Dropping it commits what is queued and ends the threads.
pub struct Historian {
    pub(crate) shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
    flusher: Option<JoinHandle<()>>,
    _lock: FolderLock,
}

impl std::fmt::Debug for Historian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Historian").field("folder", &self.shared.folder.path).finish_non_exhaustive()
    }
}

impl Historian {
    /// Opens or creates a folder and recovers what is in it.
    pub fn open(folder: &Path, options: Options) -> Result<(Self, Recovery), HistorianError> {
        let folder = Folder { disk: Arc::new(RealDisk), path: folder.to_owned() };
        let (mut historian, (committer, flusher), recovery) = Self::recover(&folder, options)?;
        historian.committer = Some(spawn(&folder, "historian-commit", move || committer.run())?);
        historian.flusher = Some(spawn(&folder, "historian-flush", move || flusher.run())?);
        Ok((historian, recovery))
    }

    /// Everything of [`Self::open`] but the threads: what they would run is returned.
    pub(crate) fn recover(
        folder: &Folder,
        options: Options,
    ) -> Result<(Self, (Committer, Flusher), Recovery), HistorianError> {
        folder.disk.create_folder(&folder.path).map_err(at(&folder.path))?;
        let lock_file = lock_folder(folder)?;
        let files = folder.names()?;
        let manifest = read_manifest(folder, &files)?;
        discard_orphans(folder, &files, &manifest);
        let mut recovery = Recovery::default();
        let segments = open_segments(folder, &manifest, &mut recovery);
        let replay = replay(folder, &files, &manifest)?;
        let numbers = files.iter().filter_map(|name| any_number(name));
        let next_file = numbers.max().map_or(1, |last| last + 1);
        let mut active = Memtable::default();
        active.insert(std::slice::from_ref(&replay.rows));
        recovery.replayed_rows = replay.rows.len() as u64;
        recovery.torn_bytes = replay.torn_bytes;
        recovery.lost_rows += replay.lost_rows;
        recovery.damaged.extend(replay.damaged);
        let wal = WalWriter::create(folder, next_file)?;
        let tables = Tables::new(active, segments, manifest);
        let shared = Arc::new(Shared::new(folder, tables, next_file + 1, options)?);
        let committer = Committer::new(Arc::clone(&shared), wal, replay.next_row);
        let flusher = Flusher::new(Arc::clone(&shared));
        let historian = Self { shared, committer: None, flusher: None, _lock: lock_file };
        Ok((historian, (committer, flusher), recovery))
    }

    /// A historian that takes no rows and changes no file: it has neither lock nor threads.
    pub(crate) fn that_only_reads(folder: &Folder, tables: Tables) -> Result<Self, HistorianError> {
        let shared = Shared::new(folder, tables, 0, Options::default())?;
        shared.queue.close();
        Ok(Self { shared: Arc::new(shared), committer: None, flusher: None, _lock: Box::new(()) })
    }

    /// The names of all series, by their numbers.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.shared.series).names()
    }

    /// Says what series are called, for readers of the folder; durable when this returns.
    pub fn describe(&self, points: &[Description]) -> Result<(), HistorianError> {
        let _one_at_a_time = lock(&self.shared.series);
        describe::write(&self.shared.folder, points)
    }

    /// The series of each name, in order; new ones are durable when this returns.
    pub fn register(&self, mrids: &[&str]) -> Result<Vec<SeriesId>, HistorianError> {
        lock(&self.shared.series).register(mrids)
    }

    /// The series of a name, if it was ever registered.
    pub fn series(&self, mrid: &str) -> Option<SeriesId> {
        lock(&self.shared.series).find(mrid)
    }

    /// The number of a note, for the rows that somebody wrote: who and why. It is durable when this returns; 256 bytes at most.
    pub fn note(&self, text: &str) -> Result<NoteId, HistorianError> {
        let ids = lock(&self.shared.notes).register(&[text])?;
        Ok(ids.first().map_or(NoteId::FIELD, |id| NoteId(id.0 + 1)))
    }

    /// The text of a note; `None` for rows from the field.
    pub fn note_text(&self, note: NoteId) -> Option<String> {
        let id = SeriesId(note.0.checked_sub(1)?);
        lock(&self.shared.notes).name(id).map(str::to_owned)
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { series: lock(&self.shared.series).len(), ..Stats::default() };
        self.shared.queue.count(&mut stats);
        self.shared.tables.count(&mut stats);
        stats.fault = lock(&self.shared.fault).clone();
        stats
    }

    /// Rows made durable since opening.
    pub fn stored(&self) -> u64 {
        self.stats().stored
    }
}

impl Drop for Historian {
    fn drop(&mut self) {
        self.shared.queue.close();
        // Also wakes the committer if it waits for the flusher: its rows are safe in the log.
        self.shared.tables.stop();
        for thread in [self.committer.take(), self.flusher.take()].into_iter().flatten() {
            if thread.join().is_err() {
                tracing::error!(folder = %self.shared.folder.path.display(), "Historian thread ended by a panic");
            }
        }
    }
}

fn spawn(
    folder: &Folder,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, HistorianError> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(at(&folder.path))
}

fn lock_folder(folder: &Folder) -> Result<FolderLock, HistorianError> {
    let path = folder.file("LOCK");
    folder.disk.lock(&path).map_err(|error| match error {
        TryLockError::WouldBlock => HistorianError::InUse { path: folder.path.clone() },
        TryLockError::Error(error) => at(&path)(error),
    })
}

fn any_number(name: &str) -> Option<FileNo> {
    number_in(name, "wal-", ".log")
        .or_else(|| number_in(name, "seg-", ".parquet"))
        .or_else(|| number_in(name, "seg-", ".idx"))
        .or_else(|| number_in(name, "wal-", ".damaged"))
}

/// A folder without a manifest is new: the manifest is written before the first segment counts.
fn read_manifest(folder: &Folder, files: &[String]) -> Result<Manifest, HistorianError> {
    if let Some(manifest) = Manifest::read(folder)? {
        return Ok(manifest);
    }
    if files.iter().any(|name| name.starts_with("wal-") || name.starts_with("seg-")) {
        return Err(HistorianError::damaged(&folder.file("MANIFEST"), "it is missing beside data"));
    }
    let manifest = Manifest::default();
    manifest.write(folder)?;
    Ok(manifest)
}

/// Removes what a crash left behind: files that never counted, logs that are in segments.
fn discard_orphans(folder: &Folder, files: &[String], manifest: &Manifest) {
    let counts = |number| manifest.segments.iter().any(|entry| entry.number == number);
    for name in files {
        let segment = number_in(name, "seg-", ".parquet").or_else(|| number_in(name, "seg-", ".idx"));
        let stale_segment = segment.is_some_and(|number| !counts(number));
        let stale_log = number_in(name, "wal-", ".log").is_some_and(|number| number < manifest.wal_floor);
        if stale_segment || stale_log || name.ends_with(".tmp") {
            folder.discard(&folder.file(name));
        }
    }
}

/// Opens the segments that can be opened; the others are reported and not served.
fn open_segments(folder: &Folder, manifest: &Manifest, recovery: &mut Recovery) -> Vec<Arc<Segment>> {
    let mut segments = Vec::with_capacity(manifest.segments.len());
    for entry in &manifest.segments {
        match Segment::open(folder, *entry) {
            Ok(segment) => {
                recovery.segment_rows += entry.rows;
                segments.push(Arc::new(segment));
            }
            Err(error) => {
                tracing::error!(%error, segment = entry.number, "Segment not served");
                recovery.lost_rows += entry.rows;
                let path = folder.segment(entry.number);
                recovery.damaged.push(Damage { path, bytes: 0..u64::MAX });
            }
        }
    }
    segments
}

fn replay(folder: &Folder, files: &[String], manifest: &Manifest) -> Result<Replay, HistorianError> {
    let logs = files.iter().filter_map(|name| number_in(name, "wal-", ".log"));
    let mut logs: Vec<FileNo> = logs.filter(|number| *number >= manifest.wal_floor).collect();
    logs.sort_unstable();
    let mut replay = Replay { next_row: manifest.next_row, ..Replay::default() };
    for number in logs {
        let known = replay.damaged.len();
        replay.read(folder, number)?;
        if replay.damaged.len() > known {
            let copy = folder.wal(number).with_extension("damaged");
            if let Err(error) = keep_copy(folder, number, &copy) {
                tracing::warn!(%error, path = %copy.display(), "Damaged log not kept");
            }
        }
    }
    Ok(replay)
}

fn keep_copy(folder: &Folder, number: FileNo, copy: &Path) -> Result<(), HistorianError> {
    let path = folder.wal(number);
    let bytes = folder.disk.read(&path).map_err(at(&path))?;
    let mut file = folder.disk.open(copy, Mode::Replace).map_err(at(copy))?;
    file.append(&bytes).and_then(|()| file.sync()).map_err(at(copy))
}
