//! Where the record lane ends: rows of the history, and the position behind them.
//!
//! The position is a row like the others, of a series of its own, in the same batch as the entries before it; a batch
//! survives a crash as a whole or not at all ([`historian::WHOLE_BATCH`]). So there is one durable truth: what the history
//! has, and nothing beside it that could say otherwise.

use historian::{AppendError, Historian, HistorianError, NoteId, Row, SeriesId, lag_ms};
use signal::{Detail, Quality, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use timebase::{Utc, UtcStamp};
use uplink::Entry;

/// How far a source stamp may lie from the receive time before it is taken for wrong (S-29), as in the table.
const SANE_SOURCE_TIME: Duration = Duration::from_secs(24 * 3_600);
/// Tries of a full queue, and the pause between them.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// Whole numbers up to here are exact in the historian's values.
const EXACT: u64 = 1 << 53;

/// One entry on its way into the history.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// mRID of its point; `None` for an entry that is not about a known point.
    pub mrid: Option<Arc<str>>,
    /// What it says.
    pub entry: Entry,
    /// It is an indication that nobody has seen live.
    pub late: bool,
}

/// Consecutive entries.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordBatch {
    /// Name of the gateway.
    pub gateway: String,
    /// Its journal.
    pub epoch: u64,
    /// Number after the last entry.
    pub next: u64,
    /// The entries; fewer than [`historian::WHOLE_BATCH`].
    pub records: Vec<Record>,
}

/// An indication that changed while nobody could see it.
#[derive(Clone, PartialEq, Debug)]
pub struct LateChange {
    /// mRID of its point.
    pub mrid: Arc<str>,
    /// The new value.
    pub value: Value,
    /// When it changed.
    pub at: Utc,
}

/// Why entries could not be stored; none of them was, as far as is known.
#[derive(Debug, thiserror::Error)]
#[error("the history takes no entries: {0}")]
pub struct ArchiveError(pub String);

impl From<HistorianError> for ArchiveError {
    fn from(error: HistorianError) -> Self {
        Self(error.to_string())
    }
}

/// Where entries become durable. Calls may wait for a disk.
pub trait Archive: Send + Sync + 'static {
    /// The number behind the last entry of a journal that is durable; `None` if nothing is known of it.
    ///
    /// # Errors
    /// It cannot be read.
    fn position(&self, gateway: &str, epoch: u64) -> Result<Option<u64>, ArchiveError>;

    /// Stores a batch and the position behind it; both are durable when it returns. Returns what nobody has seen.
    ///
    /// # Errors
    /// Nothing of the batch, or all of it, may have been stored: the position tells.
    fn store(&self, batch: &RecordBatch) -> Result<Vec<LateChange>, ArchiveError>;
}

/// The historian as an archive.
pub struct HistorianArchive {
    historian: Arc<Historian>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    series: HashMap<Arc<str>, SeriesId>,
    /// Time of the last position of each series of positions: a clock that is set back must not put a later position
    /// before an earlier one.
    positions: HashMap<SeriesId, Utc>,
    /// Last number of each indication that came late.
    indications: HashMap<SeriesId, f64>,
}

impl HistorianArchive {
    /// An archive in front of a historian.
    pub fn new(historian: Arc<Historian>) -> Self {
        Self { historian, state: Mutex::default() }
    }

    fn series(&self, state: &mut State, mrid: &Arc<str>) -> Result<SeriesId, ArchiveError> {
        if let Some(series) = state.series.get(mrid) {
            return Ok(*series);
        }
        let series = self.historian.register(&[mrid])?.first().copied();
        let series = series.ok_or_else(|| ArchiveError(format!("no series for {mrid}")))?;
        state.series.insert(Arc::clone(mrid), series);
        Ok(series)
    }

    fn append(&self, rows: &[Row]) -> Result<(), ArchiveError> {
        for _ in 0..TRIES {
            match self.historian.append(rows) {
                Ok(()) => return Ok(self.historian.wait_stored(self.historian.accepted())?),
                Err(AppendError::Full { .. }) => std::thread::sleep(PAUSE),
                Err(error @ AppendError::Closed { .. }) => return Err(ArchiveError(error.to_string())),
            }
        }
        Err(ArchiveError("its queue stays full".to_owned()))
    }

    /// Whether an indication that came late is another one than before it.
    fn changed(&self, state: &mut State, row: &Row) -> Result<bool, ArchiveError> {
        let before = match state.indications.get(&row.series) {
            Some(before) => Some(*before),
            None => self.historian.before(row.series, row.time)?.map(|row| row.value),
        };
        state.indications.insert(row.series, row.value);
        Ok(before.is_some_and(|before| before.to_bits() != row.value.to_bits()))
    }
}

impl Archive for HistorianArchive {
    fn position(&self, gateway: &str, epoch: u64) -> Result<Option<u64>, ArchiveError> {
        let Some(series) = self.historian.series(&position_name(gateway, epoch)) else { return Ok(None) };
        let Some(row) = self.historian.before(series, Utc::from_micros(i64::MAX))? else { return Ok(None) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.positions.insert(series, row.time);
        // What came live meanwhile is in the table, not here.
        state.indications.clear();
        // Written as a whole number below EXACT.
        Ok(Some(row.value as u64))
    }

    fn store(&self, batch: &RecordBatch) -> Result<Vec<LateChange>, ArchiveError> {
        if batch.next >= EXACT {
            return Err(ArchiveError(format!("number {} is beyond 2^53", batch.next)));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rows, mut late) = (Vec::with_capacity(batch.records.len() + 1), Vec::new());
        let mut newest = Utc::from_micros(i64::MIN);
        for record in &batch.records {
            let (Some(mrid), Entry::Sample { value, .. }) = (&record.mrid, record.entry) else { continue };
            let series = self.series(&mut state, mrid)?;
            let Some((row, received)) = row(series, &record.entry) else { continue };
            newest = newest.max(received);
            if record.late && self.changed(&mut state, &row)? {
                late.push(LateChange { mrid: Arc::clone(mrid), value, at: row.time });
            }
            rows.push(row);
        }
        let name = Arc::from(position_name(&batch.gateway, batch.epoch));
        let series = self.series(&mut state, &name)?;
        let after = state.positions.get(&series).map(|last| *last + Duration::from_micros(1));
        let time = after.map_or(newest, |after| after.max(newest)).max(Utc::from_micros(0));
        state.positions.insert(series, time);
        let value = batch.next as f64;
        let quality = Quality::GOOD.to_bits();
        rows.push(Row { series, time, lag_ms: 0, value, quality, kind: COUNTER, note: NoteId::FIELD });
        drop(state);
        self.append(&rows)?;
        Ok(late)
    }
}

/// Kind of a counter in the historian.
const COUNTER: u8 = 4;

/// The series of positions of a journal.
fn position_name(gateway: &str, epoch: u64) -> String {
    format!("tieline:uplink/{gateway}/{epoch:016x}")
}

/// The row of a sample, and when the gateway received it; as the centre's own recorder would write it.
fn row(series: SeriesId, entry: &Entry) -> Option<(Row, Utc)> {
    let Entry::Sample { value, quality, source_time, received, .. } = *entry else { return None };
    let mut quality = quality;
    let sane =
        |stamp: &UtcStamp| stamp.time.since(received).max(received.since(stamp.time)) <= SANE_SOURCE_TIME;
    let stamp = source_time.filter(sane);
    if stamp != source_time {
        quality.detail |= Detail::INACCURATE;
    }
    let time = stamp.map_or(received, |stamp| stamp.time);
    let kind = match value {
        Value::Analog(_) => 0,
        Value::Single(_) => 1,
        Value::Double(_) => 2,
        Value::Step(_) => 3,
        Value::Counter(_) => COUNTER,
        Value::Bits(_) => 5,
    };
    let value = value.as_number().unwrap_or(f64::NAN);
    let quality = quality.to_bits();
    let row = Row { series, time, lag_ms: lag_ms(time, received), value, quality, kind, note: NoteId::FIELD };
    Some((row, received))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use historian::{Options, Span};

    fn sample(on: bool, second: i64) -> Entry {
        let at = Utc::from_micros(1_800_000_000_000_000 + second * 1_000_000);
        let (value, quality) = (Value::Single(on), Quality::GOOD);
        Entry::Sample {
            point: 0,
            value,
            quality,
            source_time: Some(UtcStamp::synchronised(at)),
            received: at,
        }
    }

    #[test]
    fn the_position_is_what_the_history_holds() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let (historian, _) = Historian::open(folder.path(), Options::default()).unwrap();
            HistorianArchive::new(Arc::new(historian))
        };
        let batch = |next: u64, entries: &[Entry]| RecordBatch {
            gateway: "g".into(),
            epoch: 7,
            next,
            records: entries
                .iter()
                .map(|entry| Record { mrid: Some("_a".into()), entry: *entry, late: true })
                .collect(),
        };
        let archive = open();
        assert_eq!(archive.position("g", 7).unwrap(), None);
        assert_eq!(archive.store(&batch(3, &[sample(false, 0), sample(true, 1)])).unwrap().len(), 1);
        // A clock of the gateway that was set back does not put the position back.
        assert_eq!(archive.store(&batch(4, &[sample(true, -90)])).unwrap(), []);
        drop(archive);
        let archive = open();
        assert_eq!(archive.position("g", 7).unwrap(), Some(4));
        assert_eq!(archive.position("g", 8).unwrap(), None);
        let late = archive.store(&batch(5, &[sample(false, 2)])).unwrap();
        assert_eq!((late.len(), late[0].value), (1, Value::Single(false)));
        let series = archive.historian.series("_a").unwrap();
        let rows = archive.historian.range(series, Span::ALL, 99).unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.value).collect::<Vec<_>>(), [1.0, 0.0, 1.0, 0.0]);
    }
}
