//! Points that are calculated from others: each once per flush, in an order in which what it asks for comes first.

use super::Centre;
use crate::table::PointState;
use signal::formula::Input;
use signal::{Detail, PointId, Quality, Sample, Validity, Value};
use std::collections::BTreeSet;
use timebase::Now;

/// Positions of the calculations whose inputs changed.
pub(super) type Due = BTreeSet<u32>;

impl Centre {
    /// Calculates what depends on points that changed since the last call; O(changed formulas · log).
    pub fn calculate(&mut self, now: Now) {
        while let Some(position) = self.due.pop_first() {
            let points = std::sync::Arc::clone(self.table.points());
            let Some(calculation) = points.calculations().get(position as usize) else { continue };
            let Some(formula) = &points[calculation.point].formula else { continue };
            let states: Vec<Option<PointState>> =
                calculation.inputs.iter().map(|input| self.table.get(*input)).collect();
            let inputs: Vec<Input> = states.iter().map(|state| state.as_ref().and_then(input)).collect();
            let (value, quality) = formula.evaluate(&inputs);
            // The result is as old as its newest part.
            let newest = states.iter().flatten().filter_map(|state| state.source_time);
            let source_time = newest.max_by_key(|stamp| stamp.time);
            self.counters.calculated += 1;
            let sample = Sample {
                point: calculation.point,
                value: Value::Analog(value),
                quality,
                source_time,
                received: now,
            };
            if let Some(sample) = self.treatment.treat(&sample, None) {
                self.take_over(&sample, false);
            }
        }
    }

    /// Notes the calculations that ask for a point.
    pub(super) fn note_due(&mut self, point: PointId) {
        let asked_by = self.table.points().asked_by(point);
        self.due.extend(asked_by);
    }
}

fn input(state: &PointState) -> Input {
    let number = state.value?.as_number()?;
    let mut quality = Quality { operator_blocked: false, ..state.quality };
    if state.stale && quality.validity == Validity::Good {
        quality.validity = Validity::Questionable;
        quality.detail |= Detail::OLD_DATA;
    }
    Some((number, quality))
}
