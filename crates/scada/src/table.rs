//! The dense point table: the present value, quality and stamps of every point, as flat arrays by [`PointId`].
//!
//! [`Table`] is the one writer; a [`Reader`] sees the same states from any thread without a lock and without waiting.

mod ages;
mod cells;

use ages::Ages;
use cells::Cell;
use signal::{Detail, PointId, PointKind, PointList, Quality, Sample, Validity, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use timebase::{Mono, Now, Utc, UtcStamp};

/// How far into the future or past a source stamp may lie before it is taken for wrong (S-29): kept, but flagged.
const SANE_SOURCE_TIME: Duration = Duration::from_secs(24 * 3_600);

/// The present state of one point.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PointState {
    /// The last value, whatever its quality; `None` before the first.
    pub value: Option<Value>,
    /// How far it may be trusted, staleness included ([`Detail::OLD_DATA`]).
    pub quality: Quality,
    /// When the device says that it took the value.
    pub source_time: Option<UtcStamp>,
    /// When it reached us.
    pub received: Option<Now>,
    /// Older than its configured age, or its link is down.
    pub stale: bool,
    /// Entered by a person in place of what the process says.
    pub replaced: bool,
}

impl PointState {
    const UNKNOWN: Self = Self {
        value: None,
        quality: Quality::invalid(Detail::OLD_DATA),
        source_time: None,
        received: None,
        stale: true,
        replaced: false,
    };

    /// The value, if a decision may rest on it.
    pub fn good(&self) -> Option<Value> {
        if self.quality.is_good() && !self.stale { self.value } else { None }
    }

    /// The value as a number, if a decision may rest on it.
    pub fn good_number(&self) -> Option<f64> {
        self.good().and_then(Value::as_number)
    }

    /// The time to file the value under: the source's if it is sane, ours otherwise.
    pub fn time(&self) -> Option<Utc> {
        self.source_time.map(|stamp| stamp.time).or(self.received.map(|now| now.utc))
    }
}

/// What [`Table::apply`] made of a sample.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Applied {
    /// Value or quality is new.
    Changed {
        /// The state that was.
        before: PointState,
        /// The state that is.
        after: PointState,
    },
    /// The same again: only the stamps moved. The state that is.
    Refreshed(PointState),
    /// The point does not exist here.
    Unknown,
}

/// Counts of points by quality, for the status page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QualityCounts {
    /// All points.
    pub total: usize,
    /// Good and fresh.
    pub good: usize,
    /// Stale, whatever their quality was.
    pub stale: usize,
    /// Fresh but invalid or questionable.
    pub invalid: usize,
}

/// Present state of every point.
#[derive(Debug)]
pub struct Table {
    points: Arc<PointList>,
    cells: Arc<[Cell]>,
    ages: Ages,
    counts: QualityCounts,
}

/// Present states for everybody else; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    points: Arc<PointList>,
    cells: Arc<[Cell]>,
}

impl Reader {
    /// The state of a point of the list, whole as it was written. Never waits for the writer longer than a write takes.
    pub fn get(&self, id: PointId) -> Option<PointState> {
        self.cells.get(id.at()).map(Cell::read)
    }

    /// All states in the order of the ids; each is whole, but they need not be of one instant.
    pub fn states(&self) -> impl Iterator<Item = PointState> {
        self.cells.iter().map(Cell::read)
    }

    /// The definitions.
    pub fn points(&self) -> &Arc<PointList> {
        &self.points
    }
}

impl Table {
    /// A table in which nothing is known yet.
    pub fn new(points: Arc<PointList>) -> Self {
        let total = points.len();
        let cells: Arc<[Cell]> = points.iter().map(|(_, def)| Cell::new(def)).collect();
        let counts = QualityCounts { total, stale: total, ..QualityCounts::default() };
        Self { points, cells, ages: Ages::default(), counts }
    }

    /// Goes on with a changed list: states stay with their points, a point of another kind begins anew, and a retired one
    /// is unknown for good. O(points). Readers of before see the old cells and nothing new.
    pub fn revise(&mut self, points: Arc<PointList>) {
        let old = &self.cells;
        let cell = |(id, def): (PointId, &signal::PointDef)| {
            let cell = Cell::new(def);
            if let Some(known) = old.get(id.at()).filter(|known| known.kind == def.kind && !def.retired) {
                cell.write(&known.read_own());
                cell.waits.store(known.waits.load(Relaxed), Relaxed);
            }
            cell
        };
        self.cells = points.iter().map(cell).collect();
        let mut counts = QualityCounts::default();
        for (_, cell) in points.iter().zip(self.cells.iter()).filter(|((_, def), _)| !def.retired) {
            counts.total += 1;
            *counts.of(&cell.read_own()) += 1;
        }
        (self.points, self.counts) = (points, counts);
    }

    /// The way to the states for other threads.
    pub fn reader(&self) -> Reader {
        Reader { points: Arc::clone(&self.points), cells: Arc::clone(&self.cells) }
    }

    /// The state of a point of the list.
    pub fn get(&self, id: PointId) -> Option<PointState> {
        self.cells.get(id.at()).map(Cell::read_own)
    }

    /// All states in the order of the ids.
    pub fn states(&self) -> impl Iterator<Item = PointState> {
        self.cells.iter().map(Cell::read_own)
    }

    /// The definitions.
    pub fn points(&self) -> &Arc<PointList> {
        &self.points
    }

    /// Has the state of a point brought near.
    #[inline]
    pub(crate) fn expect(&self, id: PointId) {
        std::hint::black_box(self.cells.get(id.at()).map(|cell| cell.waits.load(Relaxed)));
    }

    /// Takes a sample over: O(1). A value of another kind than the point's is kept out and marks it invalid (S-30).
    pub fn apply(&mut self, sample: &Sample) -> Applied {
        self.put(sample, false)
    }

    /// The same for a value that a person has entered in place of the process's, if `replaced`.
    pub(crate) fn put(&mut self, sample: &Sample, replaced: bool) -> Applied {
        let Some(cell) = self.cells.get(sample.point.at()) else { return Applied::Unknown };
        let before = cell.read_own();
        let mut state = before;
        let mut quality = sample.quality;
        if fits(cell.kind, sample.value) {
            state.value = Some(sample.value);
        } else {
            quality.validity = Validity::Invalid;
            quality.detail |= Detail::INCONSISTENT;
        }
        state.source_time = sample.source_time;
        if let Some(stamp) = sample.source_time {
            let off = stamp.time.since(sample.received.utc).max(sample.received.utc.since(stamp.time));
            if off > SANE_SOURCE_TIME {
                state.source_time = None;
                quality.detail |= Detail::INACCURATE;
            }
        }
        state.quality = quality;
        state.received = Some(sample.received);
        state.stale = false;
        state.replaced = replaced;
        cell.write(&state);
        self.counts.replace(&before, &state);
        if let Some(limit) = cell.stale_after().filter(|_| !cell.waits.load(Relaxed)) {
            cell.waits.store(true, Relaxed);
            self.ages.wait(sample.point, sample.received.mono + limit);
        }
        let same = before.value == state.value
            && before.quality == state.quality
            && before.replaced == replaced
            && !before.stale;
        if same { Applied::Refreshed(state) } else { Applied::Changed { before, after: state } }
    }

    /// Marks a point stale and returns its state if that is new. The value stays: it holds, it does not guess.
    pub fn mark_stale(&mut self, id: PointId) -> Option<PointState> {
        // What a person has entered does not age.
        let before = self.get(id).filter(|state| !state.stale && !state.replaced)?;
        self.make_old(id, before)
    }

    /// Ends what a person has entered where nothing is known to come back: the value stands, and is old.
    pub(crate) fn release(&mut self, id: PointId) -> Option<PointState> {
        let before = self.get(id)?;
        self.make_old(id, before)
    }

    fn make_old(&mut self, id: PointId, before: PointState) -> Option<PointState> {
        let cell = self.cells.get(id.at())?;
        let mut state = before;
        (state.stale, state.replaced) = (true, false);
        state.quality.detail |= Detail::OLD_DATA;
        if state.quality.validity == Validity::Good {
            state.quality.validity = Validity::Questionable;
        }
        cell.write(&state);
        self.counts.replace(&before, &state);
        Some(state)
    }

    /// Points whose age has passed their limit since the last look, a tenth of a second late at most. O(points whose
    /// limit has passed since they were looked at).
    pub fn overdue(&mut self, now: Mono) -> Vec<PointId> {
        let mut overdue = Vec::new();
        while let Some(points) = self.ages.due(now) {
            for point in points {
                let cell = &self.cells[point.at()];
                cell.waits.store(false, Relaxed);
                let state = cell.read_own();
                let waiting = state.received.filter(|_| !state.stale).zip(cell.stale_after());
                let Some((received, limit)) = waiting else { continue };
                if state.replaced {
                    cell.waits.store(true, Relaxed);
                    self.ages.wait(point, now + limit);
                } else if now.since(received.mono) > limit {
                    overdue.push(point);
                } else {
                    cell.waits.store(true, Relaxed);
                    self.ages.wait(point, received.mono + limit);
                }
            }
        }
        overdue
    }

    /// How many points are good, stale and invalid.
    pub const fn count(&self) -> QualityCounts {
        self.counts
    }
}

impl QualityCounts {
    fn replace(&mut self, before: &PointState, after: &PointState) {
        *self.of(before) -= 1;
        *self.of(after) += 1;
    }

    fn of(&mut self, state: &PointState) -> &mut usize {
        if state.stale {
            &mut self.stale
        } else if state.quality.is_good() {
            &mut self.good
        } else {
            &mut self.invalid
        }
    }
}

/// Whether a value is of a kind and can be shown.
pub(crate) fn fits(kind: PointKind, value: Value) -> bool {
    match (kind, value) {
        (PointKind::Analog, Value::Analog(number)) => number.is_finite(),
        (PointKind::Single, Value::Single(_))
        | (PointKind::Double, Value::Double(_))
        | (PointKind::Step, Value::Step(_))
        | (PointKind::Counter, Value::Counter(_))
        | (PointKind::Bits, Value::Bits(_)) => true,
        (
            PointKind::Analog
            | PointKind::Single
            | PointKind::Double
            | PointKind::Step
            | PointKind::Counter
            | PointKind::Bits,
            _,
        ) => false,
    }
}
