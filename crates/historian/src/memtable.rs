//! Rows that are durable in the log but in no segment yet, per series.

use crate::row::{NoteId, Row, SeriesId, Span};
use std::collections::HashMap;
use timebase::Utc;

#[derive(Clone, Copy, Debug)]
struct Entry {
    time: Utc,
    value: f64,
    lag_ms: i32,
    note: NoteId,
    quality: u16,
    kind: u8,
}

impl Entry {
    fn row(self, series: SeriesId) -> Row {
        let Self { time, value, lag_ms, note, quality, kind } = self;
        Row { series, time, lag_ms, value, quality, kind, note }
    }
}

#[derive(Debug, Default)]
struct Column {
    entries: Vec<Entry>,
    /// A late row came; the entries are in the order of arrival.
    unsorted: bool,
}

/// Memory is bounded by the number of rows, which the owner bounds.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    series: HashMap<SeriesId, Column>,
    rows: usize,
}

impl Memtable {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn insert(&mut self, batches: &[Vec<Row>]) {
        for row in batches.iter().flatten() {
            let column = self.series.entry(row.series).or_default();
            column.unsorted |= column.entries.last().is_some_and(|last| last.time > row.time);
            let Row { time, lag_ms, value, quality, kind, note, .. } = *row;
            column.entries.push(Entry { time, value, lag_ms, note, quality, kind });
        }
        self.rows += batches.iter().map(Vec::len).sum::<usize>();
    }

    /// Rows of a series in the span, in order of time and, for equal times, of arrival.
    pub(crate) fn range(&self, series: SeriesId, span: Span) -> Vec<Row> {
        let Some(column) = self.series.get(&series) else { return Vec::new() };
        let entries = &column.entries;
        if column.unsorted {
            let mut rows: Vec<Row> = entries.iter().map(|entry| entry.row(series)).collect();
            rows.retain(|row| span.contains(row.time));
            rows.sort_by_key(|row| row.time);
            return rows;
        }
        let start = entries.partition_point(|entry| entry.time < span.from);
        let end = entries.partition_point(|entry| entry.time < span.to).max(start);
        entries[start..end].iter().map(|entry| entry.row(series)).collect()
    }

    /// Last row of a series before an instant.
    pub(crate) fn before(&self, series: SeriesId, time: Utc) -> Option<Row> {
        let column = self.series.get(&series)?;
        let earlier = column.entries.iter().filter(|entry| entry.time < time);
        if column.unsorted {
            // `max_by_key` gives the last of equals: the one that arrived last.
            return earlier.max_by_key(|entry| entry.time).map(|entry| entry.row(series));
        }
        let end = column.entries.partition_point(|entry| entry.time < time);
        column.entries[..end].last().map(|entry| entry.row(series))
    }

    /// All rows in the order of a segment.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = Row> {
        let mut ids: Vec<SeriesId> = self.series.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().flat_map(|series| {
            let mut entries =
                self.series.get(&series).map(|column| column.entries.clone()).unwrap_or_default();
            entries.sort_by_key(|entry| entry.time);
            entries.into_iter().map(move |entry| entry.row(series))
        })
    }
}
