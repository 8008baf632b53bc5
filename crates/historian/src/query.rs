//! Ranges and trends: a merge of segments and memtables, one row group of each segment in memory at a time.

use crate::between::{Filling, Integral, Integrator, Sample};
use crate::decimate::{Bucket, Decimator};
use crate::error::HistorianError;
use crate::flush::Snapshot;
use crate::open::Historian;
use crate::row::{NoteId, Row, SeriesId, Span};
use crate::segment::{Segment, SegmentReader};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Duration;
use timebase::Utc;

/// Rows of a range.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// In order of time and, for equal times, of arrival.
    pub rows: Vec<Row>,
    /// Whether the range holds no more rows than these.
    pub complete: bool,
    /// Row groups that are damaged and were left out.
    pub damaged: usize,
}

/// A decimated range.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trend {
    /// The value in force at the start of the span.
    pub before: Option<Row>,
    /// Buckets in order; parts before the first known value are missing.
    pub buckets: Vec<Bucket>,
    /// Row groups that are damaged and were left out.
    pub damaged: usize,
}

/// Which of the rows of an instant count when somebody has corrected it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reading {
    /// The last correction of an instant in the place of everything else of that instant.
    #[default]
    Corrected,
    /// What came from the field.
    Original,
    /// Every row.
    All,
}

/// Hands rows on as a reading wants them. Rows of one instant come one after the other.
struct Sieve<F> {
    reading: Reading,
    /// The last correction of an instant that is not over.
    corrected: Option<Row>,
    /// Rows from the field of that instant.
    waiting: Vec<Row>,
    next: F,
}

impl<F: FnMut(Row) -> ControlFlow<()>> Sieve<F> {
    const fn new(reading: Reading, next: F) -> Self {
        Self { reading, corrected: None, waiting: Vec::new(), next }
    }

    fn push(&mut self, row: Row) -> ControlFlow<()> {
        match self.reading {
            Reading::All => return (self.next)(row),
            Reading::Original if row.note == NoteId::FIELD => return (self.next)(row),
            Reading::Original => return ControlFlow::Continue(()),
            Reading::Corrected => {}
        }
        let instant = self.corrected.as_ref().or(self.waiting.first()).map(|row| row.time);
        if instant.is_some_and(|instant| instant != row.time) {
            self.instant_over()?;
        }
        if row.note == NoteId::FIELD {
            self.waiting.push(row);
        } else {
            self.corrected = Some(row);
        }
        ControlFlow::Continue(())
    }

    fn instant_over(&mut self) -> ControlFlow<()> {
        let corrected = self.corrected.take();
        if let Some(row) = corrected {
            self.waiting.clear();
            return (self.next)(row);
        }
        for row in self.waiting.drain(..) {
            (self.next)(row)?;
        }
        ControlFlow::Continue(())
    }
}

impl Historian {
    /// The first `limit` rows of a series in a span.
    pub fn range(&self, series: SeriesId, span: Span, limit: usize) -> Result<Page, HistorianError> {
        self.read(series, span, (Reading::All, limit))
    }

    /// The first rows of a series in a span, as many as the limit, as a reading wants them.
    pub fn read(
        &self,
        series: SeriesId,
        span: Span,
        (reading, limit): (Reading, usize),
    ) -> Result<Page, HistorianError> {
        let mut page = Page { complete: true, ..Page::default() };
        page.damaged = self.sift(series, (span, reading), |row| {
            if page.rows.len() == limit {
                page.complete = false;
                return ControlFlow::Break(());
            }
            page.rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// Integral of a series over a span; corrections count. With what was left out for damage.
    pub fn integral(
        &self,
        series: SeriesId,
        span: Span,
        filling: Filling,
    ) -> Result<(Integral, usize), HistorianError> {
        let (before, damaged_before) = self.corrected_before(series, span.from)?;
        let mut integrator = Integrator::new(span, filling, before);
        let damaged = self.sift(series, (span, Reading::Corrected), |row| {
            integrator.push(row);
            ControlFlow::Continue(())
        })?;
        let after = self.first_from(series, span.to)?;
        Ok((integrator.finish(after), damaged + damaged_before))
    }

    /// Values of a series at instants in rising order; corrections count.
    pub fn sample(
        &self,
        series: SeriesId,
        instants: &[Utc],
        filling: Filling,
    ) -> Result<(Vec<Sample>, usize), HistorianError> {
        let (Some(first), Some(last)) = (instants.first(), instants.last()) else {
            return Ok((Vec::new(), 0));
        };
        let (mut held, damaged_before) = self.corrected_before(series, *first)?;
        let span = Span { from: *first, to: *last + Duration::from_micros(1) };
        let mut samples = Vec::with_capacity(instants.len());
        let damaged = self.sift(series, (span, Reading::Corrected), |row| {
            while let Some(time) = instants.get(samples.len()).filter(|time| **time < row.time) {
                samples.push(filling.at(*time, held.as_ref(), Some(&row)));
            }
            held = Some(row);
            ControlFlow::Continue(())
        })?;
        let after = self.first_from(series, span.to)?;
        let rest = instants.iter().skip(samples.len());
        let rest: Vec<Sample> = rest.map(|time| filling.at(*time, held.as_ref(), after.as_ref())).collect();
        samples.extend(rest);
        Ok((samples, damaged + damaged_before))
    }

    fn first_from(&self, series: SeriesId, from: Utc) -> Result<Option<Row>, HistorianError> {
        let span = Span { from, to: Span::ALL.to };
        Ok(self.read(series, span, (Reading::Corrected, 1))?.rows.pop())
    }

    /// The last row before an instant, or what corrects it.
    fn corrected_before(&self, series: SeriesId, time: Utc) -> Result<(Option<Row>, usize), HistorianError> {
        let (Some(last), damaged) = self.last_before(series, time)? else { return Ok((None, 0)) };
        let instant = Span { from: last.time, to: last.time + Duration::from_micros(1) };
        let page = self.read(series, instant, (Reading::Corrected, usize::MAX))?;
        Ok((page.rows.last().copied().or(Some(last)), damaged + page.damaged))
    }

    /// Like [`Self::visit`], for a reading.
    pub(crate) fn sift(
        &self,
        series: SeriesId,
        (span, reading): (Span, Reading),
        f: impl FnMut(Row) -> ControlFlow<()>,
    ) -> Result<usize, HistorianError> {
        let mut sieve = Sieve::new(reading, f);
        let damaged = self.visit(series, span, |row| sieve.push(row))?;
        // A break here ends what has ended anyway.
        let _ended = sieve.instant_over();
        Ok(damaged)
    }

    /// The last row of a series before an instant.
    pub fn before(&self, series: SeriesId, time: Utc) -> Result<Option<Row>, HistorianError> {
        self.last_before(series, time).map(|(row, _)| row)
    }

    /// What a series did in `max_points` equal parts of a span.
    pub fn decimate(&self, series: SeriesId, span: Span, max_points: u32) -> Result<Trend, HistorianError> {
        let (before, damaged_before) = self.corrected_before(series, span.from)?;
        let mut decimator = Decimator::new(span, max_points, before);
        let damaged = self.sift(series, (span, Reading::Corrected), |row| {
            decimator.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(Trend { before, buckets: decimator.finish(), damaged: damaged + damaged_before })
    }

    /// Calls `f` with every row in order; returns how many damaged row groups were left out.
    fn visit(
        &self,
        series: SeriesId,
        span: Span,
        mut f: impl FnMut(Row) -> ControlFlow<()>,
    ) -> Result<usize, HistorianError> {
        if span.from >= span.to {
            return Ok(0);
        }
        let Snapshot { segments, tables } = self.shared.tables.snapshot(|table| table.range(series, span));
        let mut damaged = 0;
        let mut heap = BinaryHeap::new();
        let mut cursors: Vec<Cursor> = Vec::new();
        for segment in segments.iter() {
            let groups = segment.groups(series, span);
            if !groups.is_empty() && segment.index.earliest() < span.to && segment.index.latest() >= span.from
            {
                // Not read until its first possible row is next.
                heap.push(Reverse((segment.index.earliest().max(span.from), cursors.len())));
                cursors.push(Cursor { keep: Some((series, span)), ..Cursor::new(segment, groups) });
            }
        }
        for rows in tables {
            if let Some(first) = rows.first() {
                heap.push(Reverse((first.time, cursors.len())));
                cursors.push(Cursor::loaded(rows));
            }
        }
        while let Some(Reverse((time, number))) = heap.pop() {
            let cursor = &mut cursors[number];
            let Some(next) = cursor.peek(&mut |_| damaged += 1) else { continue };
            if next.time > time {
                heap.push(Reverse((next.time, number)));
                continue;
            }
            // All rows up to the next cursor's first one; of equal times the cursor with the lower number is first.
            let border = heap.peek().map_or((Utc::from_micros(i64::MAX), usize::MAX), |Reverse(key)| *key);
            let run = cursor.rows[cursor.at..].iter().take_while(|row| (row.time, number) <= border);
            let mut taken = 0;
            for row in run {
                taken += 1;
                if f(*row).is_break() {
                    return Ok(damaged);
                }
            }
            cursor.at += taken;
            heap.push(Reverse((time.max(next.time), number)));
        }
        Ok(damaged)
    }

    fn last_before(&self, series: SeriesId, time: Utc) -> Result<(Option<Row>, usize), HistorianError> {
        let pick = |table: &crate::memtable::Memtable| table.before(series, time).into_iter().collect();
        let Snapshot { segments, tables } = self.shared.tables.snapshot(pick);
        // Of equal times the later source wins: memtables after segments, and each in its order.
        let in_memory = tables.into_iter().flatten().map(|row| (row, u64::MAX));
        let mut best: Option<(Row, u64)> = in_memory.max_by_key(|(row, _)| row.time);
        let mut damaged = 0;
        let mut newest_first: Vec<&Arc<Segment>> = segments.iter().collect();
        newest_first.sort_by_key(|segment| Reverse((segment.index.latest(), segment.entry.order)));
        for segment in newest_first {
            let order = segment.entry.order;
            let beats = |time: Utc| best.is_none_or(|(row, rank)| (row.time, rank) < (time, order));
            let Some(number) = segment.group_before(series, time).filter(|_| beats(segment.index.latest()))
            else {
                continue;
            };
            match segment.group(number, &mut None) {
                Ok(rows) => {
                    let end = rows.partition_point(|row| row.key() < (series, time));
                    let row = end.checked_sub(1).map(|last| rows[last]).filter(|row| row.series == series);
                    best = row.filter(|row| beats(row.time)).map(|row| (row, order)).or(best);
                }
                Err(error) => {
                    report(&error);
                    damaged += 1;
                }
            }
        }
        Ok((best.map(|(row, _)| row), damaged))
    }
}

fn report(error: &HistorianError) {
    tracing::error!(%error, "Row group not served");
}

/// A walk through row groups of one segment, or through rows that are in memory.
struct Cursor {
    segment: Option<Arc<Segment>>,
    reader: Option<SegmentReader>,
    groups: Range<usize>,
    /// Only these rows, if given.
    keep: Option<(SeriesId, Span)>,
    rows: Arc<Vec<Row>>,
    at: usize,
}

impl Cursor {
    fn new(segment: &Arc<Segment>, groups: Range<usize>) -> Self {
        let segment = Some(Arc::clone(segment));
        Self { segment, reader: None, groups, keep: None, rows: Arc::default(), at: 0 }
    }

    fn loaded(rows: Vec<Row>) -> Self {
        Self { segment: None, reader: None, groups: 0..0, keep: None, rows: Arc::new(rows), at: 0 }
    }

    /// The next row; reads the next row groups as needed and calls `damaged` for each that cannot be.
    fn peek(&mut self, damaged: &mut dyn FnMut(HistorianError)) -> Option<Row> {
        while self.at == self.rows.len() {
            let number = self.groups.next()?;
            match self.read(number) {
                Ok(rows) => self.rows = rows,
                Err(error) => {
                    report(&error);
                    if let Some(segment) = &self.segment {
                        segment.spoil();
                    }
                    damaged(error);
                    self.rows = Arc::default();
                }
            }
            self.at = 0;
            if let Some((series, span)) = self.keep {
                let start = self.rows.partition_point(|row| row.key() < (series, span.from));
                let end = self.rows.partition_point(|row| row.key() < (series, span.to)).max(start);
                if (start, end) != (0, self.rows.len()) {
                    self.rows = Arc::new(self.rows[start..end].to_vec());
                }
            }
        }
        self.rows.get(self.at).copied()
    }

    fn read(&mut self, number: usize) -> Result<Arc<Vec<Row>>, HistorianError> {
        self.segment
            .as_ref()
            .map_or_else(|| Ok(Arc::default()), |segment| segment.group(number, &mut self.reader))
    }
}

/// All rows of several segments in the order of a segment; equal keys in the order of the segments. Damage is an error:
/// a merge must not make it disappear.
pub(crate) fn merged(
    segments: &[Arc<Segment>],
    mut f: impl FnMut(Row) -> Result<(), HistorianError>,
) -> Result<(), HistorianError> {
    let all = |segment: &Arc<Segment>| Cursor::new(segment, 0..segment.index.groups.len());
    let mut cursors: Vec<Cursor> = segments.iter().map(all).collect();
    let mut fault = None;
    let mut heap = BinaryHeap::new();
    for (number, cursor) in cursors.iter_mut().enumerate() {
        let next = cursor.peek(&mut |error| fault = Some(error));
        heap.extend(next.map(|row| Reverse((row.key(), number))));
    }
    while let Some(Reverse((_, number))) = heap.pop() {
        let cursor = &mut cursors[number];
        let next = cursor.peek(&mut |error| fault = Some(error));
        if let Some(row) = next {
            f(row)?;
            cursor.at += 1;
        }
        let next = cursor.peek(&mut |error| fault = Some(error));
        if let Some(error) = fault.take() {
            return Err(error);
        }
        heap.extend(next.map(|row| Reverse((row.key(), number))));
    }
    match fault {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
