//! The dense point table: the present value, quality and stamps of every point, as flat arrays by [`PointId`].

use signal::{Detail, PointDef, PointId, PointKind, PointList, Quality, Sample, Validity, Value};
use std::sync::Arc;
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
}

impl PointState {
    const UNKNOWN: Self = Self {
        value: None,
        quality: Quality::invalid(Detail::OLD_DATA),
        source_time: None,
        received: None,
        stale: true,
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
    /// Value or quality is new; the state before is returned.
    Changed(PointState),
    /// The same again: only the stamps moved.
    Refreshed,
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
#[derive(Clone, Debug)]
pub struct Table {
    points: Arc<PointList>,
    states: Vec<PointState>,
}

impl Table {
    /// A table in which nothing is known yet.
    pub fn new(points: Arc<PointList>) -> Self {
        let states = vec![PointState::UNKNOWN; points.len()];
        Self { points, states }
    }

    /// The state of a point of the list.
    pub fn get(&self, id: PointId) -> Option<&PointState> {
        self.states.get(id.at())
    }

    /// All states in the order of the ids.
    pub fn states(&self) -> &[PointState] {
        &self.states
    }

    /// The definitions.
    pub fn points(&self) -> &Arc<PointList> {
        &self.points
    }

    /// Takes a sample over: O(1). A value of another kind than the point's is kept out and marks it invalid (S-30).
    pub fn apply(&mut self, sample: &Sample) -> Applied {
        let (Some(state), Some(def)) =
            (self.states.get_mut(sample.point.at()), self.points.get(sample.point))
        else {
            return Applied::Unknown;
        };
        let before = *state;
        let mut quality = sample.quality;
        if fits(def, sample.value) {
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
        let same = before.value == state.value && before.quality == state.quality && !before.stale;
        if same { Applied::Refreshed } else { Applied::Changed(before) }
    }

    /// Marks a point stale; `true` if that is new. The value stays: it holds, it does not guess.
    pub fn mark_stale(&mut self, id: PointId) -> bool {
        let Some(state) = self.states.get_mut(id.at()) else { return false };
        if state.stale {
            return false;
        }
        state.stale = true;
        state.quality.detail |= Detail::OLD_DATA;
        if state.quality.validity == Validity::Good {
            state.quality.validity = Validity::Questionable;
        }
        true
    }

    /// Points whose age has passed their limit since the last look. O(points).
    pub fn overdue(&self, now: Mono) -> Vec<PointId> {
        let overdue = |def: &PointDef, state: &PointState| {
            let (Some(limit), Some(received)) = (def.stale_after, state.received) else { return false };
            !state.stale && now.since(received.mono) > limit
        };
        self.points
            .iter()
            .zip(&self.states)
            .filter(|((_, def), state)| overdue(def, state))
            .map(|((id, _), _)| id)
            .collect()
    }

    /// How many points are good, stale and invalid. O(points).
    pub fn count(&self) -> QualityCounts {
        let mut counts = QualityCounts { total: self.states.len(), ..QualityCounts::default() };
        for state in &self.states {
            if state.stale {
                counts.stale += 1;
            } else if state.quality.is_good() {
                counts.good += 1;
            } else {
                counts.invalid += 1;
            }
        }
        counts
    }
}

fn fits(def: &PointDef, value: Value) -> bool {
    match (def.kind, value) {
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
