//! How long rows are kept: by class of series, with a proof of what was removed.
//!
//! A segment is touched when its last row is older than a class may get: then all of its rows of that class are too, and
//! the rest is written anew. A row is therefore never removed before its time, and gone at most as much later as its segment
//! is long, a day for most. Each segment is rewritten once per length of retention at most; the manifest remembers of
//! which classes it was cleared, so that it is not read again.
//!
//! What is removed is summed up before, row by row: SHA-256 over the rows of a class in the order of the segment, each as
//! `series (u32) · time in µs (i64) · lag_ms (i32) · bits of the value (u64) · quality (u16) · kind (u8) · note (u32)`,
//! little-endian. Whoever has a copy of the rows can show that they are those of the record.

use crate::error::{HistorianError, at};
use crate::manifest::SegmentEntry;
use crate::open::{Historian, Shared, lock};
use crate::query::merged;
use crate::row::{Row, SeriesId};
use crate::segment::{Effort, Segment, SegmentWriter};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use timebase::Utc;

const DAY: Duration = Duration::from_secs(86_400);
/// Name of the class of all series that are in no other.
pub const OTHER: &str = "other";
/// Stands for the class where a segment went that could not be read, all of which was too old. The digest is that of its file.
pub const DAMAGED: &str = "damaged";

/// Series that are kept equally long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Class {
    /// Its name, for the record.
    pub name: String,
    /// Days that rows are kept; `None` keeps them for ever.
    pub days: Option<u32>,
    /// Its members.
    pub series: Vec<SeriesId>,
}

/// Rows of a class that go, or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removal {
    /// Name of the class.
    pub class: String,
    /// Days that its rows are kept.
    pub days: u32,
    /// Number of the segment that held them.
    pub segment: u64,
    /// How many.
    pub rows: u64,
    /// Of how many series.
    pub series: u64,
    /// Earliest and latest of them.
    pub span: (Utc, Utc),
    /// SHA-256 of the rows.
    pub digest: [u8; 32],
}

impl Removal {
    /// The digest in hexadecimal.
    pub fn digest_hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Who writes down what is removed.
pub trait Ledger {
    /// Rows are about to go. Without a durable record they stay: `false`.
    fn announce(&mut self, removal: &Removal) -> bool;
    /// They are gone, also after a crash.
    fn done(&mut self, removal: &Removal);
}

/// Which class a series is in, and how long each is kept.
#[derive(Debug)]
pub(crate) struct Classes {
    /// The last one is that of all other series.
    classes: Vec<Known>,
    by_series: HashMap<SeriesId, usize>,
}

#[derive(Debug)]
struct Known {
    name: String,
    days: Option<u32>,
    /// Tells its set of series from others.
    mark: [u8; 32],
}

impl Classes {
    /// All series in one class.
    pub(crate) fn of_all(days: Option<u32>) -> Self {
        Self::new(&[], days)
    }

    /// A series that several classes name is in the first of them.
    fn new(classes: &[Class], days_of_others: Option<u32>) -> Self {
        let mut by_series = HashMap::new();
        for (at, class) in classes.iter().enumerate() {
            for series in &class.series {
                by_series.entry(*series).or_insert(at);
            }
        }
        let mark = |kind: u8, wanted: &dyn Fn(usize) -> bool| {
            let members = by_series.iter().filter(|(_, class)| wanted(**class)).map(|(series, _)| series.0);
            let mut members: Vec<u32> = members.collect();
            members.sort_unstable();
            let mut sum = Sha256::new();
            sum.update([kind]);
            members.iter().for_each(|series| sum.update(series.to_le_bytes()));
            sum.finalize().into()
        };
        let known = |(at, class): (usize, &Class)| Known {
            name: class.name.clone(),
            days: class.days,
            mark: mark(1, &|of| of == at),
        };
        let mut known: Vec<Known> = classes.iter().enumerate().map(known).collect();
        // The others are those that are named nowhere.
        known.push(Known { name: OTHER.to_owned(), days: days_of_others, mark: mark(0, &|_| true) });
        Self { classes: known, by_series }
    }

    fn of(&self, series: SeriesId) -> usize {
        self.by_series.get(&series).copied().unwrap_or(self.classes.len() - 1)
    }

    /// The classes of which all rows up to an instant may go.
    fn due(&self, latest: Utc, now: Utc) -> Due {
        let is_over = |class: &Known| class.days.is_some_and(|days| latest < now - DAY * days);
        let over: Vec<bool> = self.classes.iter().map(is_over).collect();
        let mut marks: Vec<[u8; 32]> =
            self.classes.iter().zip(&over).filter(|(_, over)| **over).map(|(class, _)| class.mark).collect();
        marks.sort_unstable();
        let mut sum = Sha256::new();
        marks.iter().for_each(|mark| sum.update(mark));
        let bytes: [u8; 32] = sum.finalize().into();
        let mark = bytes.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes)).max(1);
        Due { over, mark }
    }
}

/// Classes to clear a segment of.
struct Due {
    over: Vec<bool>,
    /// Tells this set of classes from others; never 0.
    mark: u64,
}

/// Rows of a class on their way out.
struct Tally {
    rows: u64,
    series: u64,
    last: Option<SeriesId>,
    span: (Utc, Utc),
    sum: Sha256,
    bytes: Vec<u8>,
}

impl Tally {
    fn new() -> Self {
        let span = (Utc::from_micros(i64::MAX), Utc::from_micros(i64::MIN));
        Self { rows: 0, series: 0, last: None, span, sum: Sha256::new(), bytes: Vec::new() }
    }

    fn take(&mut self, row: &Row) {
        self.rows += 1;
        self.series += u64::from(self.last != Some(row.series));
        self.last = Some(row.series);
        self.span = (self.span.0.min(row.time), self.span.1.max(row.time));
        self.bytes.clear();
        row.encode(&mut self.bytes);
        self.sum.update(&self.bytes);
    }
}

impl Historian {
    /// Says which series are kept how long; a series in no class is kept as [`crate::Options::retention_days`] says. One
    /// that several classes name is in the first of them.
    pub fn classify(&self, classes: &[Class]) {
        let classes = Classes::new(classes, self.shared.options.retention_days);
        *lock(&self.shared.classes) = Arc::new(classes);
    }
}

impl Shared {
    /// Clears segments of what is older than its class may get. Returns the rows removed.
    pub(crate) fn retain(&self, now: Utc, ledger: &mut dyn Ledger) -> Result<u64, HistorianError> {
        let classes = Arc::clone(&lock(&self.classes));
        let mut removed = 0;
        let mut fault = None;
        for segment in self.tables.segments().iter() {
            let due = classes.due(segment.index.latest(), now);
            if !due.over.contains(&true) || due.mark == segment.cleared() {
                continue;
            }
            // A segment that cannot be read is kept, and does not keep others from their end.
            match self.clear(segment, &classes, &due, ledger) {
                Ok(rows) => removed += rows,
                Err(error) => {
                    tracing::error!(%error, segment = segment.entry.number, "Rows beyond the retention not removed");
                    fault = Some(error);
                }
            }
        }
        fault.map_or(Ok(removed), Err)
    }

    fn clear(
        &self,
        segment: &Arc<Segment>,
        classes: &Classes,
        due: &Due,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, HistorianError> {
        let removals = match removals(segment, classes, due) {
            // Everything of it is too old, so that it may go unread.
            Err(HistorianError::Damaged { .. } | HistorianError::Parquet { .. })
                if !due.over.contains(&false) =>
            {
                vec![unread(segment)?]
            }
            found => found?,
        };
        let gone: u64 = removals.iter().map(|removal| removal.rows).sum();
        if gone == 0 {
            return self.mark_cleared(segment, due.mark).map(|()| 0);
        }
        if !removals.iter().all(|removal| ledger.announce(removal)) {
            return Ok(0);
        }
        let entry = SegmentEntry {
            number: self.next_file(),
            rows: segment.entry.rows - gone,
            cleared: due.mark,
            ..segment.entry
        };
        let stays = |series: SeriesId| !due.over[classes.of(series)];
        let rest = if entry.rows == 0 { None } else { Some(self.rewrite(segment, entry, stays)?) };
        if !self.put_rest(segment, rest)? {
            // Merged into another one meanwhile, which is looked at the next time.
            return Ok(0);
        }
        removals.iter().for_each(|removal| ledger.done(removal));
        Ok(gone)
    }

    /// Writes what stays of a segment. Nothing is locked: rows go on arriving.
    fn rewrite(
        &self,
        segment: &Arc<Segment>,
        entry: SegmentEntry,
        stays: impl Fn(SeriesId) -> bool,
    ) -> Result<Arc<Segment>, HistorianError> {
        let mut writer = SegmentWriter::create(&self.folder, entry.number, Effort::Merged)?;
        merged(
            std::slice::from_ref(segment),
            |row| {
                if stays(row.series) { writer.push(row) } else { Ok(()) }
            },
        )?;
        writer.finish()?;
        Segment::open(&self.folder, entry).map(Arc::new)
    }

    /// Puts what stays in the place of a segment, unless that is gone.
    fn put_rest(&self, segment: &Arc<Segment>, rest: Option<Arc<Segment>>) -> Result<bool, HistorianError> {
        let mut manifest = lock(&self.tables.manifest);
        if manifest.segments.iter().all(|entry| entry.number != segment.entry.number) {
            if let Some(rest) = rest {
                rest.replaced();
            }
            return Ok(false);
        }
        self.replace(&mut manifest, std::slice::from_ref(segment), rest).map(|()| true)
    }

    fn mark_cleared(&self, segment: &Segment, mark: u64) -> Result<(), HistorianError> {
        let mut manifest = lock(&self.tables.manifest);
        let mut next = manifest.clone();
        for entry in next.segments.iter_mut().filter(|entry| entry.number == segment.entry.number) {
            entry.cleared = mark;
        }
        self.change(&mut manifest, next, None)?;
        segment.set_cleared(mark);
        Ok(())
    }
}

/// A segment that goes unread: the digest is that of its file.
fn unread(segment: &Segment) -> Result<Removal, HistorianError> {
    let bytes = segment.folder.disk.read(&segment.path).map_err(at(&segment.path))?;
    Ok(Removal {
        class: DAMAGED.to_owned(),
        days: 0,
        segment: segment.entry.number,
        rows: segment.entry.rows,
        series: 0,
        span: (segment.index.earliest(), segment.index.latest()),
        digest: Sha256::digest(&bytes).into(),
    })
}

/// What a segment loses, class by class; classes without a row in it are left out.
fn removals(segment: &Arc<Segment>, classes: &Classes, due: &Due) -> Result<Vec<Removal>, HistorianError> {
    let mut tallies: Vec<Tally> = classes.classes.iter().map(|_| Tally::new()).collect();
    merged(std::slice::from_ref(segment), |row| {
        let class = classes.of(row.series);
        if due.over[class] {
            tallies[class].take(&row);
        }
        Ok(())
    })?;
    let tallies = classes.classes.iter().zip(tallies).filter(|(_, tally)| tally.rows > 0);
    let removal = |(class, tally): (&Known, Tally)| Removal {
        class: class.name.clone(),
        days: class.days.unwrap_or(u32::MAX),
        segment: segment.entry.number,
        rows: tally.rows,
        series: tally.series,
        span: tally.span,
        digest: tally.sum.finalize().into(),
    };
    Ok(tallies.map(removal).collect())
}
