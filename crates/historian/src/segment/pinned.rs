//! Segments that stay open, and the row groups of them that were read last: somebody who reads one point after the other
//! finds many of them in the same row group.

use super::{Segment, SegmentReader};
use crate::error::HistorianError;
use crate::files::FileNo;
use crate::open::lock;
use crate::row::Row;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Row groups that are kept at most: 1.3 MB each.
const KEPT_GROUPS: usize = 128;

type Kept = ((FileNo, usize), Arc<Vec<Row>>);

/// The row groups that were read last, of all segments that share it.
#[derive(Default)]
pub(crate) struct GroupCache {
    /// Least recently used first.
    groups: Mutex<VecDeque<Kept>>,
}

impl GroupCache {
    fn find(&self, key: (FileNo, usize)) -> Option<Arc<Vec<Row>>> {
        let mut groups = lock(&self.groups);
        let at = groups.iter().position(|(known, _)| *known == key)?;
        let kept = groups.remove(at)?;
        groups.push_back(kept.clone());
        Some(kept.1)
    }

    fn keep(&self, key: (FileNo, usize), rows: &Arc<Vec<Row>>) {
        let mut groups = lock(&self.groups);
        if groups.len() == KEPT_GROUPS {
            groups.pop_front();
        }
        groups.push_back((key, Arc::clone(rows)));
    }
}

/// An open file with its share of a cache.
pub(crate) struct Pinned {
    reader: SegmentReader,
    cache: Arc<GroupCache>,
}

impl Pinned {
    pub(crate) const fn new(reader: SegmentReader, cache: Arc<GroupCache>) -> Self {
        Self { reader, cache }
    }

    pub(crate) fn group(&self, segment: &Segment, number: usize) -> Result<Arc<Vec<Row>>, HistorianError> {
        let key = (segment.entry.number, number);
        if let Some(rows) = self.cache.find(key) {
            return Ok(rows);
        }
        let rows = Arc::new(self.reader.group(segment, number)?);
        self.cache.keep(key, &rows);
        Ok(rows)
    }
}
