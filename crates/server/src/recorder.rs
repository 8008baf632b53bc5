//! Changes on their way into the historian, and history on its way out.

use crate::retention::{self, RetentionClass};
use crate::views::{stamp, validity_name};
use anyhow::Result;
use api::{BucketView, SampleView};
use historian::{AppendError, Bucket, Description, Historian, NoteId, Row, SeriesId, Span, lag_ms};
use scada::table::PointState;
use signal::{PointId, PointKind, PointList, Quality, Value};
use std::collections::HashSet;
use std::sync::Arc;
use timebase::{ClockQuality, Now, Utc};

/// Rows of measured values that wait for a historian that cannot write; beyond that the oldest are shed and counted.
const MAX_WAITING: usize = 1_000_000;
/// Rows of indications and counters that wait then. At a hundred a second, a disk may be away for three hours.
const MAX_STATES_WAITING: usize = 1_000_000;
/// Rows that wait while the historian writes, but slower than changes come: the field waits, nothing is shed.
const BEHIND: usize = 100_000;

/// The core's end of the historian. INVARIANT: `recorded = accepted by the historian + waiting + shed`.
pub(crate) struct Recorder {
    historian: Arc<Historian>,
    series: Vec<(SeriesId, u8)>,
    /// Links whose readings come into the history another way, and their points.
    links_elsewhere: Vec<String>,
    elsewhere: HashSet<PointId>,
    classes: Vec<RetentionClass>,
    waiting: Vec<Row>,
    recorded: u64,
    shed: Shed,
}

/// Changes that were dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shed {
    /// Of measured values.
    pub(crate) analogs: u64,
    /// Of everything else.
    pub(crate) states: u64,
}

impl Recorder {
    /// Registers every point as a series, which is kept as long as its class says.
    pub(crate) fn new(
        historian: Arc<Historian>,
        points: &PointList,
        classes: Vec<RetentionClass>,
    ) -> Result<Self> {
        let series = series_of(&historian, points, &classes)?;
        let (links_elsewhere, elsewhere) = (Vec::new(), HashSet::new());
        let (waiting, shed) = (Vec::new(), Shed::default());
        Ok(Self { historian, series, links_elsewhere, elsewhere, classes, waiting, recorded: 0, shed })
    }

    /// Goes on with a changed list: new points become series, old ones keep theirs.
    pub(crate) fn revise(&mut self, points: &PointList) -> Result<()> {
        self.series = series_of(&self.historian, points, &self.classes)?;
        let links = std::mem::take(&mut self.links_elsewhere);
        self.leave_out(links, points);
        Ok(())
    }

    /// Leaves the readings of these links out: gateways bring them, with what was read while they were away. What a
    /// person enters is recorded all the same.
    pub(crate) fn leave_out(&mut self, links: Vec<String>, points: &PointList) {
        self.elsewhere = links.iter().flat_map(|link| points.of_link(link)).copied().collect();
        self.links_elsewhere = links;
    }

    /// Changes taken over so far.
    pub(crate) const fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Changes that are durable.
    pub(crate) fn stored(&self) -> u64 {
        self.historian.stored()
    }

    /// Changes dropped because the historian could not write for too long.
    pub(crate) const fn shed(&self) -> Shed {
        self.shed
    }

    /// Whether the historian writes, but cannot follow. One that cannot write at all keeps nobody waiting: the view
    /// of the present stays.
    pub(crate) fn is_behind(&self) -> bool {
        self.waiting.len() >= BEHIND && self.fault().is_none()
    }

    /// Why the historian cannot write at the moment.
    pub(crate) fn fault(&self) -> Option<String> {
        self.historian.stats().fault
    }

    /// Takes changes over; stamps of ours are marked unless our clock is trusted.
    pub(crate) fn record(&mut self, changes: &[(PointId, PointState)], now: Now, clock_trusted: bool) {
        for (point, state) in changes {
            if !state.replaced && self.elsewhere.contains(point) {
                continue;
            }
            let Some((series, kind)) = self.series.get(point.at()).copied() else { continue };
            // A point that turned stale did so now, whatever the stamp of its last value.
            let time = if state.stale { now.utc } else { state.time().unwrap_or(now.utc) };
            let value = state.value.and_then(Value::as_number).unwrap_or(f64::NAN);
            let received = if state.stale { now } else { state.received.unwrap_or(now) };
            let lag_ms = lag_ms(time, received.utc);
            let is_synchronised = match state.source_time.filter(|_| !state.stale) {
                Some(stamp) => stamp.quality == ClockQuality::Synchronised,
                None => clock_trusted,
            };
            let mark = if is_synchronised { 0 } else { Quality::CLOCK_NOT_SYNCHRONISED };
            let quality = state.quality.to_bits() | mark;
            self.recorded += 1;
            self.waiting.push(Row { series, time, lag_ms, value, quality, kind, note: NoteId::FIELD });
        }
    }

    /// Hands waiting changes to the historian; what it does not take waits on.
    pub(crate) fn push(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        match self.historian.append(&self.waiting) {
            Ok(()) => self.waiting.clear(),
            Err(error @ (AppendError::Full { .. } | AppendError::Closed { .. })) => self.thin_out(&error),
        }
    }

    /// Sheds the oldest of what waits for too long: measured values before everything else, and a share at once, so
    /// that the walk through all of them is rare.
    fn thin_out(&mut self, error: &AppendError) {
        let analog = |row: &Row| row.kind == kind_number(PointKind::Analog);
        if self.waiting.len() <= MAX_WAITING {
            return;
        }
        let analogs = self.waiting.iter().filter(|row| analog(row)).count();
        let states = self.waiting.len() - analogs;
        let mut drop_analogs = if analogs > MAX_WAITING { analogs - MAX_WAITING / 8 * 7 } else { 0 };
        let mut drop_states =
            if states > MAX_STATES_WAITING { states - MAX_STATES_WAITING / 8 * 7 } else { 0 };
        let (before, dropped) = (self.shed, drop_analogs + drop_states);
        self.waiting.retain(|row| {
            let (left, count) = if analog(row) {
                (&mut drop_analogs, &mut self.shed.analogs)
            } else {
                (&mut drop_states, &mut self.shed.states)
            };
            if *left == 0 {
                return true;
            }
            *left -= 1;
            *count += 1;
            false
        });
        if before != self.shed {
            tracing::error!(%error, dropped, "Changes shed: the historian cannot write");
        }
    }
}

fn series_of(
    historian: &Historian,
    points: &PointList,
    classes: &[RetentionClass],
) -> Result<Vec<(SeriesId, u8)>> {
    let mrids: Vec<&str> = points.iter().map(|(_, def)| def.mrid.as_str()).collect();
    let kinds = points.iter().map(|(_, def)| kind_number(def.kind));
    let series: Vec<(SeriesId, u8)> = historian.register(&mrids)?.into_iter().zip(kinds).collect();
    let described = series.iter().zip(points.iter()).map(|((series, _), (_, def))| Description {
        series: *series,
        mrid: def.mrid.clone(),
        name: def.name.clone(),
        unit: def.unit.clone(),
    });
    historian.describe(&described.collect::<Vec<_>>())?;
    retention::classify(historian, classes, points);
    Ok(series)
}

pub(crate) const fn kind_number(kind: PointKind) -> u8 {
    match kind {
        PointKind::Analog => 0,
        PointKind::Single => 1,
        PointKind::Double => 2,
        PointKind::Step => 3,
        PointKind::Counter => 4,
        PointKind::Bits => 5,
    }
}

/// A stretch of history as the API shows it.
pub(crate) struct Stretch {
    pub(crate) before: Option<SampleView>,
    pub(crate) buckets: Vec<BucketView>,
}

/// Reads a stretch: single changes if they are few enough, buckets otherwise. Blocks on files.
pub(crate) fn read(
    historian: &Historian,
    mrid: &str,
    (from, to): (Utc, Utc),
    most: usize,
) -> Result<Stretch> {
    let Some(series) = historian.series(mrid) else {
        return Ok(Stretch { before: None, buckets: Vec::new() });
    };
    let span = Span { from, to };
    let page = historian.range(series, span, most)?;
    if page.complete {
        let before = historian.before(series, from)?;
        return Ok(Stretch { before: before.map(sample), buckets: singles(&page.rows, to) });
    }
    let trend = historian.decimate(series, span, u32::try_from(most).unwrap_or(u32::MAX))?;
    Ok(Stretch { before: trend.before.map(sample), buckets: trend.buckets.iter().map(bucket).collect() })
}

fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn validity(bits: u16) -> String {
    validity_name(Quality::from_bits(bits).validity).to_owned()
}

fn sample(row: Row) -> SampleView {
    SampleView { t: stamp(row.time), value: number(row.value), quality: validity(row.quality) }
}

fn singles(rows: &[Row], to: Utc) -> Vec<BucketView> {
    let ends = rows.iter().skip(1).map(|row| row.time).chain([to]);
    rows.iter()
        .zip(ends)
        .map(|(row, end)| {
            let value = number(row.value);
            BucketView {
                t: stamp(row.time),
                t_end: stamp(end),
                min: value,
                max: value,
                mean: value,
                last: value,
                count: 1,
                quality: validity(row.quality),
            }
        })
        .collect()
}

fn bucket(bucket: &Bucket) -> BucketView {
    BucketView {
        t: stamp(bucket.start),
        t_end: stamp(bucket.end),
        min: number(bucket.min),
        max: number(bucket.max),
        mean: number(bucket.mean),
        last: number(bucket.last),
        count: bucket.count,
        quality: validity(bucket.quality),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(number: usize, kind: PointKind) -> Row {
        Row {
            series: SeriesId(0),
            time: Utc::from_micros(number as i64),
            lag_ms: 0,
            value: 0.0,
            quality: 0,
            kind: kind_number(kind),
            note: NoteId::FIELD,
        }
    }

    #[test]
    fn measured_values_go_before_indications_and_each_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (historian, _) = Historian::open(folder.path(), historian::Options::default()).unwrap();
        let points = PointList::new(Vec::new()).unwrap();
        let mut recorder = Recorder::new(Arc::new(historian), &points, Vec::new()).unwrap();
        // Every tenth is an indication: fewer than may wait, while the measured values are more.
        let total = MAX_WAITING + MAX_WAITING / 4;
        let kind = |number| if number % 10 == 0 { PointKind::Single } else { PointKind::Analog };
        recorder.waiting = (0..total).map(|number| row(number, kind(number))).collect();
        recorder.thin_out(&AppendError::Full { shed: 0 });
        let analogs = recorder.waiting.iter().filter(|row| row.kind == 0).count();
        assert_eq!(recorder.waiting.len() - analogs, total / 10, "no indication is dropped");
        assert_eq!(analogs, MAX_WAITING / 8 * 7);
        let shed = recorder.shed();
        assert_eq!((shed.states, shed.analogs), (0, (total / 10 * 9 - analogs) as u64));
        assert!(recorder.waiting.windows(2).all(|pair| pair[0].time < pair[1].time), "the order stays");
        let last = recorder.waiting.last().map(|row| row.time);
        assert_eq!(last, Some(Utc::from_micros(total as i64 - 1)), "the newest stay");
    }
}
