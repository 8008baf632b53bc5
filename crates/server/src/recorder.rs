//! Changes on their way into the historian, and history on its way out.

use crate::views::{stamp, validity_name};
use anyhow::Result;
use api::{BucketView, SampleView};
use historian::{AppendError, Bucket, Historian, NoteId, Row, SeriesId, Span, lag_ms};
use scada::table::PointState;
use signal::{PointId, PointKind, PointList, Quality, Value};
use std::sync::Arc;
use timebase::{Now, Utc};

/// Rows that wait while the historian's queue is full; beyond that the oldest are shed and counted.
const MAX_WAITING: usize = 1_000_000;

/// The core's end of the historian. INVARIANT: `recorded = accepted by the historian + waiting + shed`.
pub(crate) struct Recorder {
    historian: Arc<Historian>,
    series: Vec<(SeriesId, u8)>,
    waiting: Vec<Row>,
    recorded: u64,
    shed: u64,
}

impl Recorder {
    /// Registers every point as a series.
    pub(crate) fn new(historian: Arc<Historian>, points: &PointList) -> Result<Self> {
        let mrids: Vec<&str> = points.iter().map(|(_, def)| def.mrid.as_str()).collect();
        let kinds = points.iter().map(|(_, def)| kind_number(def.kind));
        let series = historian.register(&mrids)?.into_iter().zip(kinds).collect();
        Ok(Self { historian, series, waiting: Vec::new(), recorded: 0, shed: 0 })
    }

    /// Changes taken over so far.
    pub(crate) const fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Changes that are durable.
    pub(crate) fn stored(&self) -> u64 {
        self.historian.stored()
    }

    /// Changes dropped because the historian could not follow.
    pub(crate) const fn shed(&self) -> u64 {
        self.shed
    }

    /// Why the historian cannot write at the moment.
    pub(crate) fn fault(&self) -> Option<String> {
        self.historian.stats().fault
    }

    /// Takes changes over.
    pub(crate) fn record(&mut self, changes: &[(PointId, PointState)], now: Now) {
        for (point, state) in changes {
            let Some((series, kind)) = self.series.get(point.at()).copied() else { continue };
            // A point that turned stale did so now, whatever the stamp of its last value.
            let time = if state.stale { now.utc } else { state.time().unwrap_or(now.utc) };
            let value = state.value.and_then(Value::as_number).unwrap_or(f64::NAN);
            let received = if state.stale { now } else { state.received.unwrap_or(now) };
            let (lag_ms, quality) = (lag_ms(time, received.utc), state.quality.to_bits());
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
            Err(error @ (AppendError::Full { .. } | AppendError::Closed { .. })) => {
                let excess = self.waiting.len().saturating_sub(MAX_WAITING);
                if excess > 0 {
                    self.waiting.drain(..excess);
                    self.shed += u64::try_from(excess).unwrap_or(u64::MAX);
                    tracing::error!(%error, excess, "Changes shed: the historian cannot follow");
                }
            }
        }
    }
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
