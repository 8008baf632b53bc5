//! Segments: rows sorted by series and time in a Parquet file, with an index beside it.
//!
//! The index holds, per row group, its place in the file, its CRC-32C and its first and last key: a query of one series
//! reads the one or two row groups that can hold it, checks their sums, and only then decodes them.

mod index;
mod pinned;
mod read;
mod write;

pub(crate) use index::{Group, Index};
pub(crate) use pinned::GroupCache;
pub(crate) use read::SegmentReader;
pub(crate) use write::{Effort, SegmentWriter};

use crate::error::HistorianError;
use crate::files::Folder;
use crate::manifest::SegmentEntry;
use crate::row::{Row, SeriesId, Span};
use pinned::Pinned;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use timebase::Utc;

/// Columns of the Parquet file. Most clocks of the field tick in milliseconds: the rest has a column of its own, which costs
/// nothing where it is zero.
const SCHEMA: &str = "message history {
    required int32 point;
    required int64 t (TIMESTAMP(MILLIS, true));
    required int32 t_us;
    required int32 lag_ms;
    required double v;
    required int32 q;
    required int32 k;
    required int32 note;
}";

/// A segment that counts. Its files are removed when it was replaced and nobody reads it any more.
pub(crate) struct Segment {
    pub(crate) entry: SegmentEntry,
    pub(crate) index: Index,
    pub(crate) path: PathBuf,
    index_path: PathBuf,
    pub(crate) folder: Folder,
    replaced: AtomicBool,
    spoiled: AtomicBool,
    pinned: OnceLock<Pinned>,
    /// As the manifest's entry says now.
    cleared: AtomicU64,
}

impl Segment {
    /// Reads the index of a segment.
    pub(crate) fn open(folder: &Folder, entry: SegmentEntry) -> Result<Self, HistorianError> {
        let index_path = folder.index(entry.number);
        let index = Index::read(folder, &index_path)?;
        if index.rows() != entry.rows {
            return Err(HistorianError::damaged(&index_path, "number of rows"));
        }
        let path = folder.segment(entry.number);
        Ok(Self {
            entry,
            index,
            path,
            index_path,
            folder: folder.clone(),
            replaced: AtomicBool::new(false),
            spoiled: AtomicBool::new(false),
            pinned: OnceLock::new(),
            cleared: AtomicU64::new(entry.cleared),
        })
    }

    /// Of which classes it was cleared.
    pub(crate) fn cleared(&self) -> u64 {
        self.cleared.load(Ordering::Acquire)
    }

    pub(crate) fn set_cleared(&self, mark: u64) {
        self.cleared.store(mark, Ordering::Release);
    }

    /// Keeps the file open, so that it can be read when somebody else has removed it.
    pub(crate) fn pin(&self, cache: &Arc<GroupCache>) -> Result<(), HistorianError> {
        let pinned = Pinned::new(SegmentReader::open(self)?, Arc::clone(cache));
        // Pinned twice is pinned.
        let _known = self.pinned.set(pinned);
        Ok(())
    }

    /// All rows of a row group; `reader` stays open for the next one where the segment is not pinned.
    pub(crate) fn group(
        &self,
        number: usize,
        reader: &mut Option<SegmentReader>,
    ) -> Result<Arc<Vec<Row>>, HistorianError> {
        if let Some(pinned) = self.pinned.get() {
            return pinned.group(self, number);
        }
        let open = match reader.take() {
            Some(open) => open,
            None => SegmentReader::open(self)?,
        };
        reader.insert(open).group(self, number).map(Arc::new)
    }

    /// Says that the manifest doesn't name this segment any more.
    pub(crate) fn replaced(&self) {
        self.replaced.store(true, Ordering::Release);
    }

    /// Says that a part of it cannot be read: it is not merged any more, so that what is left stays where it is.
    pub(crate) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Relaxed)
    }

    /// Row groups that can hold rows of a series in a span.
    pub(crate) fn groups(&self, series: SeriesId, span: Span) -> Range<usize> {
        let groups = &self.index.groups;
        let start = groups.partition_point(|group| group.last < (series, span.from));
        let end = groups.partition_point(|group| group.first < (series, span.to));
        start..end.max(start)
    }

    /// The row group that holds the last row of a series before an instant, if any of this segment does.
    pub(crate) fn group_before(&self, series: SeriesId, time: Utc) -> Option<usize> {
        let end = self.index.groups.partition_point(|group| group.first < (series, time));
        let last = end.checked_sub(1)?;
        (self.index.groups[last].last >= (series, Utc::from_micros(i64::MIN))).then_some(last)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Acquire) {
            self.folder.discard(&self.path);
            self.folder.discard(&self.index_path);
        }
    }
}
