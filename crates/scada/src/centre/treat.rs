//! What is done to a sample before it counts: modes that people have set, counters that begin again.

use super::Centre;
use crate::mode::{ModeError, PointMode, PointModes, SetMode};
use signal::{Detail, PointId, Quality, Sample, Source, Validity, Value};
use std::collections::HashMap;
use timebase::Now;

/// Parts of a counter's range that its last reading must be above, and its next one below, to count as a turn and not as a
/// device that began at zero.
const TURN: (f64, f64) = (0.75, 0.25);

/// What [`Centre::apply`] keeps beside the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Treatment {
    modes: PointModes,
    /// What the process said last at points whose value is replaced.
    beneath: HashMap<PointId, Sample>,
    counters: HashMap<PointId, Reading>,
}

/// A counter that counts on when its device begins at zero again.
#[derive(Clone, Copy, Debug)]
struct Reading {
    last: i64,
    total: i64,
}

impl Treatment {
    pub(super) fn restored(modes: PointModes) -> Self {
        Self { modes, ..Self::default() }
    }

    /// Forgets what it knows of points that are not as they were.
    pub(super) fn keep(&mut self, stays: impl Fn(PointId) -> bool) {
        self.modes.retain(|id, _| stays(*id));
        self.beneath.retain(|id, _| stays(*id));
        self.counters.retain(|id, _| stays(*id));
    }

    /// Whether no point is set aside.
    pub(super) fn is_usual(&self) -> bool {
        self.modes.is_empty()
    }

    /// The sample as it counts; `None` where it does not.
    pub(super) fn treat(&mut self, sample: &Sample, counter_range: Option<u64>) -> Option<Sample> {
        let mut treated = *sample;
        if let (Some(range), Value::Counter(reading)) = (counter_range, sample.value) {
            let (total, is_sound) = self.count_on(sample, reading, range);
            treated.value = Value::Counter(total);
            if !is_sound && treated.quality.validity == Validity::Good {
                treated.quality.validity = Validity::Questionable;
                treated.quality.detail |= Detail::INCONSISTENT;
            }
        }
        if self.modes.is_empty() {
            return Some(treated);
        }
        let mode = self.modes.get(&sample.point).map(|set| set.mode).unwrap_or_default();
        if mode.replaced.is_some() || mode.inhibited {
            self.beneath.insert(sample.point, treated);
            return None;
        }
        treated.quality.test |= mode.test;
        Some(treated)
    }

    /// The total, and whether the step to it is beyond doubt. A reading that is not good is not counted.
    fn count_on(&mut self, sample: &Sample, reading: i64, range: u64) -> (i64, bool) {
        let Some(known) = self.counters.get_mut(&sample.point) else {
            if sample.quality.validity == Validity::Good {
                self.counters.insert(sample.point, Reading { last: reading, total: reading });
            }
            return (reading, true);
        };
        if sample.quality.validity != Validity::Good {
            return (known.total, true);
        }
        let range_f = range as f64;
        let turned = known.last as f64 > TURN.0 * range_f && (reading as f64) < TURN.1 * range_f;
        let (step, is_sound) = if reading >= known.last {
            (reading.saturating_sub(known.last), true)
        } else if turned {
            (reading.saturating_add_unsigned(range).saturating_sub(known.last), true)
        } else {
            (reading.max(0), false)
        };
        *known = Reading { last: reading, total: known.total.saturating_add(step) };
        (known.total, is_sound)
    }
}

impl Centre {
    /// Points that are not treated as usual.
    pub const fn modes(&self) -> &PointModes {
        &self.treatment.modes
    }

    /// Sets how a point is treated; the usual mode ends what was set. The values follow at once: a replaced one shows, an
    /// inhibited one is marked, and what the process said last comes back at the end.
    ///
    /// # Errors
    /// When the point or the value does not fit; nothing is changed then.
    pub fn set_mode(&mut self, point: PointId, set: SetMode, now: Now) -> Result<(), ModeError> {
        let points = std::sync::Arc::clone(self.table.points());
        let def = points.get(point).filter(|def| !def.retired).ok_or(ModeError::Unknown)?;
        let mode = set.mode;
        if mode.replaced.is_some_and(|value| !crate::table::fits(def.kind, value)) {
            return Err(ModeError::WrongValue);
        }
        if mode.inhibited && def.formula.is_some() {
            return Err(ModeError::Calculated);
        }
        let before = self.treatment.modes.get(&point).map(|set| set.mode).unwrap_or_default();
        if mode.is_usual() {
            self.treatment.modes.remove(&point);
        } else {
            self.treatment.modes.insert(point, set);
        }
        self.follow_mode(point, (before, mode), now);
        Ok(())
    }

    /// Shows again what people had set before a restart. To be called once, before the first sample.
    pub fn show_modes(&mut self, now: Now) {
        let set: Vec<(PointId, PointMode)> =
            self.treatment.modes.iter().map(|(point, set)| (*point, set.mode)).collect();
        for (point, mode) in set {
            self.follow_mode(point, (PointMode::default(), mode), now);
        }
    }

    fn follow_mode(&mut self, point: PointId, (before, mode): (PointMode, PointMode), now: Now) {
        let Some(present) = self.table.get(point) else { return };
        if let Some(value) = mode.replaced {
            let quality = Quality { source: Source::Substituted, test: mode.test, ..Quality::GOOD };
            // What the process said before it was replaced comes back if nothing newer does.
            if let (false, Some(value), Some(received)) = (present.replaced, present.value, present.received)
            {
                let (quality, source_time) = (present.quality, present.source_time);
                let said = Sample { point, value, quality, source_time, received };
                self.treatment.beneath.entry(point).or_insert(said);
            }
            let sample = Sample { point, value, quality, source_time: None, received: now };
            self.take_over(&sample, true);
            return;
        }
        if mode.inhibited {
            let mut said = self.said(point);
            if let Some(sample) = &mut said {
                sample.quality.operator_blocked = true;
                sample.quality.test = mode.test;
                self.take_over(sample, false);
            } else {
                self.release(point);
            }
            return;
        }
        if before.replaced.is_some() || before.inhibited || before.test != mode.test {
            match self.treatment.beneath.remove(&point).or_else(|| self.said(point)) {
                Some(mut sample) => {
                    sample.quality.operator_blocked = false;
                    sample.quality.test = mode.test;
                    self.take_over(&sample, false);
                }
                None => self.release(point),
            }
        }
    }

    /// Nothing is known in place of what a person had entered.
    fn release(&mut self, point: PointId) {
        let Some(before) = self.table.get(point) else { return };
        if let Some(state) = self.table.release(point) {
            self.note_change(point, (&before, state));
        }
    }

    /// What the process said last about a point, as far as it is known.
    fn said(&self, point: PointId) -> Option<Sample> {
        let beneath = self.treatment.beneath.get(&point).copied();
        beneath.or_else(|| {
            let state = self.table.get(point).filter(|state| !state.replaced)?;
            let (value, received) = state.value.zip(state.received)?;
            Some(Sample { point, value, quality: state.quality, source_time: state.source_time, received })
        })
    }
}
