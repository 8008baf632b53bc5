//! On- and off-delays: a condition must hold without a break before it is an alarm, and be gone without a break before
//! it clears (OnDelay and OffDelay of OPC 10000-9).

use super::{AlarmId, Raise};
use crate::event::Severity;
use std::collections::{BTreeSet, HashMap};
use timebase::{Mono, Utc};

/// What was waited for.
#[derive(Debug)]
pub(super) enum Due {
    /// It held long enough; with the time when it began to.
    Raise(Raise, Utc),
    /// It was gone long enough; with the time when it went.
    Clear(AlarmId, Utc),
}

/// One priority that waits to be raised.
#[derive(Clone, Debug)]
struct Rising {
    due: Mono,
    at: Utc,
    raise: Raise,
}

#[derive(Clone, Debug, Default)]
struct Pending {
    /// Rising priorities: the condition has been at least that urgent since each of them.
    rising: Vec<Rising>,
    falling: Option<(Mono, Utc)>,
}

/// Everything that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays {
    pending: HashMap<AlarmId, Pending>,
    due: BTreeSet<(Mono, AlarmId)>,
}

impl Delays {
    /// The condition holds with this priority; it is due at `due` unless it was due earlier.
    pub(super) fn rise(&mut self, id: &AlarmId, due: Mono, at: Utc, raise: Raise) {
        self.keep_up_to(id, raise.priority);
        let pending = self.pending.entry(id.clone()).or_default();
        match pending.rising.last_mut() {
            Some(last) if last.raise.priority == raise.priority => last.raise = raise,
            Some(_) | None => {
                pending.rising.push(Rising { due, at, raise });
                self.due.insert((due, id.clone()));
            }
        }
    }

    /// The condition is no more urgent than this: what waits with a higher priority begins anew.
    pub(super) fn keep_up_to(&mut self, id: &AlarmId, priority: Severity) {
        let Some(pending) = self.pending.get_mut(id) else { return };
        while let Some(last) = pending.rising.pop_if(|last| last.raise.priority > priority) {
            self.due.remove(&(last.due, id.clone()));
        }
        self.forget_idle(id);
    }

    /// The condition is gone: nothing waits to be raised.
    pub(super) fn cancel_rise(&mut self, id: &AlarmId) {
        self.keep_up_to(id, Severity::Info);
    }

    /// The condition is gone; it clears at `due` unless it was due earlier.
    pub(super) fn fall(&mut self, id: &AlarmId, due: Mono, at: Utc) {
        let pending = self.pending.entry(id.clone()).or_default();
        if pending.falling.is_none() {
            pending.falling = Some((due, at));
            self.due.insert((due, id.clone()));
        }
    }

    /// The condition is back before it cleared.
    pub(super) fn cancel_fall(&mut self, id: &AlarmId) {
        let Some(pending) = self.pending.get_mut(id) else { return };
        if let Some((due, _)) = pending.falling.take() {
            self.due.remove(&(due, id.clone()));
        }
        self.forget_idle(id);
    }

    /// What has waited long enough, in order.
    pub(super) fn take_due(&mut self, now: Mono) -> Vec<Due> {
        let mut found = Vec::new();
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((due, id)) = self.due.pop_first() else { break };
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let held = |rising: &mut Rising| rising.due == due;
            found.extend(
                pending.rising.extract_if(.., held).map(|rising| Due::Raise(rising.raise, rising.at)),
            );
            if let Some((_, at)) = pending.falling.take_if(|(falls, _)| *falls == due) {
                found.push(Due::Clear(id.clone(), at));
            }
            self.forget_idle(&id);
        }
        found
    }

    /// Conditions that wait.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    fn forget_idle(&mut self, id: &AlarmId) {
        let idle = |pending: &Pending| pending.rising.is_empty() && pending.falling.is_none();
        if self.pending.get(id).is_some_and(idle) {
            self.pending.remove(id);
        }
    }
}
