//! Memtables, segments, and the thread that turns the former into the latter.

use crate::error::HistorianError;
use crate::files::{FileNo, number_in};
use crate::manifest::{Manifest, SegmentEntry};
use crate::memtable::Memtable;
use crate::open::{Historian, Shared, Stats, lock};
use crate::query::merged;
use crate::retention::Ledger;
use crate::row::Row;
use crate::segment::{Effort, Segment, SegmentWriter};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use timebase::Utc;

/// Pause before a failed flush is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Rows may arrive this late before their day counts as over.
const LATE: Duration = Duration::from_secs(2 * 3600);
const DAY_MICROS: i64 = 86_400_000_000;

/// A full memtable on its way to a segment.
#[derive(Clone)]
struct Frozen {
    table: Arc<Memtable>,
    /// Logs below this number hold nothing newer.
    wal_floor: FileNo,
    /// Number of the first row after it.
    next_row: u64,
}

struct State {
    active: Memtable,
    frozen: Option<Frozen>,
    /// Sorted by order. Queries see each row exactly once: tables and segments change under one lock.
    segments: Arc<Vec<Arc<Segment>>>,
    stop: bool,
}

pub(crate) struct Tables {
    state: Mutex<State>,
    changed: Condvar,
    /// Held while files change; its content is what the file MANIFEST says.
    pub(crate) manifest: Mutex<Manifest>,
}

/// What a query sees: a moment of the tables.
pub(crate) struct Snapshot {
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    pub(crate) tables: Vec<Vec<Row>>,
}

impl Tables {
    pub(crate) fn new(active: Memtable, segments: Vec<Arc<Segment>>, manifest: Manifest) -> Self {
        let state = State { active, frozen: None, segments: Arc::new(segments), stop: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), manifest: Mutex::new(manifest) }
    }

    pub(crate) fn insert(&self, batches: &[Vec<Row>]) {
        lock(&self.state).active.insert(batches);
    }

    pub(crate) fn active_rows(&self) -> usize {
        lock(&self.state).active.rows()
    }

    pub(crate) fn is_flushing(&self) -> bool {
        lock(&self.state).frozen.is_some()
    }

    pub(crate) fn wait_for_flush(&self) {
        let mut state = lock(&self.state);
        while state.frozen.is_some() && !state.stop {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn freeze(&self, wal_floor: FileNo, next_row: u64) {
        let mut state = lock(&self.state);
        let table = Arc::new(std::mem::take(&mut state.active));
        state.frozen = Some(Frozen { table, wal_floor, next_row });
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).stop = true;
        self.changed.notify_all();
    }

    pub(crate) fn count(&self, stats: &mut Stats) {
        let state = lock(&self.state);
        let frozen = state.frozen.as_ref().map_or(0, |frozen| frozen.table.rows());
        stats.memtable_rows = state.active.rows() + frozen;
        stats.segments = state.segments.len();
        stats.segment_rows = state.segments.iter().map(|segment| segment.entry.rows).sum();
    }

    /// The segments, and what `pick` takes of each memtable, older first.
    pub(crate) fn snapshot(&self, pick: impl Fn(&Memtable) -> Vec<Row>) -> Snapshot {
        let state = lock(&self.state);
        let frozen = state.frozen.clone();
        let active = pick(&state.active);
        let segments = Arc::clone(&state.segments);
        drop(state);
        let mut tables: Vec<Vec<Row>> = frozen.iter().map(|frozen| pick(&frozen.table)).collect();
        tables.push(active);
        Snapshot { segments, tables }
    }

    /// The next memtable to write; `None` to end.
    fn next_frozen(&self) -> Option<Frozen> {
        let mut state = lock(&self.state);
        loop {
            if state.stop {
                return None;
            }
            if let Some(frozen) = &state.frozen {
                return Some(frozen.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits before another try; says whether to go on.
    fn pause(&self) -> bool {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, RETRY, |state| !state.stop);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&lock(&self.state).segments)
    }
}

/// The flush thread.
pub(crate) struct Flusher {
    shared: Arc<Shared>,
}

impl Flusher {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn run(self) {
        while let Some(frozen) = self.shared.tables.next_frozen() {
            let done = self.step(&frozen);
            self.shared.set_fault(done.as_ref().err());
            if let Err(error) = done {
                tracing::error!(%error, "Segment not written, will be tried again");
                if !self.shared.tables.pause() {
                    break;
                }
            }
        }
    }
}

impl Flusher {
    fn step(&self, frozen: &Frozen) -> Result<(), HistorianError> {
        self.shared.write_segment(frozen)?;
        self.shared.merge_all(None).map(drop)
    }

    /// Writes a full memtable if there is one: a step of [`Self::run`].
    #[cfg(test)]
    pub(crate) fn step_if_full(&self) -> Result<(), HistorianError> {
        let frozen = lock(&self.shared.tables.state).frozen.clone();
        frozen.map_or(Ok(()), |frozen| self.step(&frozen))
    }
}

impl Shared {
    /// Memtable → segment → manifest → forget the memtable → remove its logs.
    fn write_segment(&self, frozen: &Frozen) -> Result<(), HistorianError> {
        let mut manifest = lock(&self.tables.manifest);
        let number = self.next_file();
        let mut writer = SegmentWriter::create(&self.folder, number, Effort::Fresh)?;
        for row in frozen.table.sorted() {
            writer.push(row)?;
        }
        writer.finish()?;
        let order = manifest.segments.last().map_or(0, |last| last.order + 1);
        let rows = frozen.table.rows() as u64;
        let entry = SegmentEntry { number, order, level: 0, rows, cleared: 0 };
        let segment = Arc::new(Segment::open(&self.folder, entry)?);
        let mut next = manifest.clone();
        next.segments.push(entry);
        (next.wal_floor, next.next_row) = (frozen.wal_floor, frozen.next_row);
        self.change(&mut manifest, next, Some(&segment))?;
        {
            let mut state = lock(&self.tables.state);
            Arc::make_mut(&mut state.segments).push(segment);
            state.frozen = None;
            self.tables.changed.notify_all();
        }
        for name in self.folder.names()? {
            if let Some(log) = number_in(&name, "wal-", ".log").filter(|log| *log < frozen.wal_floor) {
                self.folder.discard(&self.folder.wal(log));
            }
        }
        Ok(())
    }

    /// Merges until there is nothing more to merge; returns how many segments went into others.
    fn merge_all(&self, now: Option<Utc>) -> Result<usize, HistorianError> {
        let mut merged = 0;
        loop {
            let mut manifest = lock(&self.tables.manifest);
            let segments = self.tables.segments();
            let Some(run) = self.pick(&segments, now) else { return Ok(merged) };
            merged += run.len();
            self.merge(&mut manifest, &segments[run])?;
        }
    }

    /// Neighbours of one day: enough of one level, or all of a day that is over.
    fn pick(&self, segments: &[Arc<Segment>], now: Option<Utc>) -> Option<Range<usize>> {
        let enough = self.options.merge_segments.max(2);
        let over = now.map_or(i64::MIN, |now| day(now - LATE));
        let run = |same: &dyn Fn(&Segment, &Segment) -> bool, start: usize, most: usize| {
            let mut rows = 0;
            let fits = |segment: &&Arc<Segment>| {
                rows += segment.entry.rows;
                !segment.is_spoiled() && rows <= self.options.segment_rows && same(&segments[start], segment)
            };
            start..start + segments[start..].iter().take(most).take_while(fits).count()
        };
        let same_day = |a: &Segment, b: &Segment| day(a.index.latest()) == day(b.index.latest());
        let same_level = |a: &Segment, b: &Segment| same_day(a, b) && a.entry.level == b.entry.level;
        let levels = (0..segments.len()).map(|start| run(&same_level, start, enough));
        let days = (0..segments.len()).filter(|start| day(segments[*start].index.latest()) < over);
        let days = days.map(|start| run(&same_day, start, usize::MAX)).find(|run| run.len() > 1);
        levels.into_iter().find(|run| run.len() == enough).or(days)
    }

    fn merge(&self, manifest: &mut Manifest, run: &[Arc<Segment>]) -> Result<(), HistorianError> {
        let number = self.next_file();
        let mut writer = SegmentWriter::create(&self.folder, number, Effort::Merged)?;
        merged(run, |row| writer.push(row))?;
        writer.finish()?;
        let entry = SegmentEntry {
            number,
            order: run.iter().map(|segment| segment.entry.order).min().unwrap_or(0),
            level: run.iter().map(|segment| segment.entry.level).max().unwrap_or(0).saturating_add(1),
            rows: run.iter().map(|segment| segment.entry.rows).sum(),
            cleared: run
                .iter()
                .map(|segment| segment.cleared())
                .reduce(|a, b| if a == b { a } else { 0 })
                .unwrap_or(0),
        };
        let segment = Arc::new(Segment::open(&self.folder, entry)?);
        self.replace(manifest, run, Some(segment))
    }

    /// Puts one segment, or none, in the place of others.
    pub(crate) fn replace(
        &self,
        manifest: &mut Manifest,
        old: &[Arc<Segment>],
        new: Option<Arc<Segment>>,
    ) -> Result<(), HistorianError> {
        let is_old = |number: FileNo| old.iter().any(|segment| segment.entry.number == number);
        let mut next = manifest.clone();
        next.segments.retain(|entry| !is_old(entry.number));
        next.segments.extend(new.iter().map(|segment| segment.entry));
        next.segments.sort_by_key(|entry| entry.order);
        self.change(manifest, next, new.as_ref())?;
        let mut state = lock(&self.tables.state);
        let segments = Arc::make_mut(&mut state.segments);
        segments.retain(|segment| !is_old(segment.entry.number));
        segments.extend(new);
        segments.sort_by_key(|segment| segment.entry.order);
        drop(state);
        old.iter().for_each(|segment| segment.replaced());
        Ok(())
    }

    /// Makes `next` the manifest. If that fails, the new segment's files go, unless the file MANIFEST names them already.
    pub(crate) fn change(
        &self,
        manifest: &mut Manifest,
        next: Manifest,
        new: Option<&Arc<Segment>>,
    ) -> Result<(), HistorianError> {
        let written = next.write(&self.folder);
        if written.is_ok() {
            *manifest = next;
        } else if let (Some(new), Ok(Some(on_disk))) = (new, Manifest::read(&self.folder))
            && !on_disk.segments.contains(&new.entry)
        {
            new.replaced();
        }
        written
    }
}

impl Historian {
    /// Housekeeping, to be called now and then with the present time on a thread that may wait: merges the
    /// segments of days that are over, removes rows beyond their retention. Returns segments merged away and rows
    /// removed. A segment with a single row far in the future is kept as long as that row.
    pub fn maintain(&self, now: Utc, ledger: &mut dyn Ledger) -> Result<(usize, u64), HistorianError> {
        let merged = self.shared.merge_all(Some(now))?;
        Ok((merged, self.shared.retain(now, ledger)?))
    }
}

fn day(time: Utc) -> i64 {
    time.as_micros().div_euclid(DAY_MICROS)
}
