//! A changed list of points under a running centre: what stays the same goes on, the rest begins anew.

use super::{Centre, Watch};
use crate::alarm::AlarmKind;
use signal::{PointDef, PointId, PointList, Value};
use std::sync::Arc;
use timebase::{Now, Utc};

/// Kinds of conditions that a point of the list can have.
const OF_POINTS: [AlarmKind; 5] =
    [AlarmKind::Limit, AlarmKind::Rate, AlarmKind::State, AlarmKind::Uncommanded, AlarmKind::Command];

impl Centre {
    /// Goes on with a list that `PointList::revised` made of the present one. States, modes, tags and commands stay with
    /// their points; new limits are held against the present values at once; conditions that no longer have a reason end.
    /// O(points).
    pub fn revise(&mut self, points: Arc<PointList>, now: Now) {
        let before = Arc::clone(self.table.points());
        let changed: Vec<PointId> =
            points.iter().filter(|(id, def)| before.get(*id) != Some(*def)).map(|(id, _)| id).collect();
        for id in &changed {
            if let Some(old) = before.get(*id) {
                self.end_conditions(old, &points[*id], now.utc);
            }
        }
        self.table.revise(Arc::clone(&points));
        let old = std::mem::take(&mut self.watches);
        let watch = |(id, def): (PointId, &PointDef)| {
            let is_asked_for = !points.asked_by(id).is_empty();
            let same = old.get(id.at()).filter(|_| before.get(id) == Some(def));
            same.map_or_else(|| Watch::new(def, is_asked_for), |watch| Watch { is_asked_for, ..*watch })
        };
        self.watches = points.iter().map(watch).collect();
        self.treatment
            .keep(|id| before.get(id).map(|def| def.kind) == Some(points[id].kind) && !points[id].retired);
        self.due = (0..).take(points.calculations().len()).collect();
        // What waits to be told of stands in the list of changed points already.
        for id in &self.changed {
            self.watches[id.at()].is_dirty = true;
        }
        for id in changed {
            self.judge_anew(id, now.utc);
        }
    }

    /// Ends the conditions that the new definition gives no reason for. They are named after the point, so that those of
    /// another name are others.
    fn end_conditions(&mut self, old: &PointDef, new: &PointDef, at: Utc) {
        let is_another = new.retired || new.name != old.name || new.kind != old.kind;
        let gone = |kind: &&AlarmKind| match kind {
            AlarmKind::Rate => new.rate_limit.is_none(),
            AlarmKind::State => new.normal.is_none(),
            AlarmKind::Limit
            | AlarmKind::Uncommanded
            | AlarmKind::Command
            | AlarmKind::Link
            | AlarmKind::Estimator
            | AlarmKind::System => false,
        };
        for kind in OF_POINTS.iter().filter(|kind| is_another || gone(kind)) {
            self.alarms.clear(*kind, &old.name, at);
        }
    }

    /// Holds the present value against the new definition.
    fn judge_anew(&mut self, id: PointId, at: Utc) {
        let Some(state) = self.table.get(id) else { return };
        let points = Arc::clone(self.table.points());
        let def = &points[id];
        match state.good() {
            Some(value @ Value::Analog(_)) => self.check_limits(id, value, &state),
            Some(value @ (Value::Single(_) | Value::Double(_) | Value::Step(_))) => {
                if let (Some(normal), Some(on)) = (def.normal, value.is_on()) {
                    self.check_normal(id, (normal, on), value, at);
                }
            }
            Some(Value::Counter(_) | Value::Bits(_)) | None => {}
        }
    }
}
