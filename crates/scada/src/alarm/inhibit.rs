//! What keeps a condition from being annunciated: shelving and out of service by people, suppression by design by rule.
//! Everything of it is counted, and much of it in a short time is an alarm that nobody can hide.

use super::list::Change;
use super::{AlarmId, AlarmKind, AlarmList, Inhibit, Raise, Transition};
use crate::event::Severity;
use signal::PointId;
use std::collections::BTreeSet;
use std::time::Duration;
use timebase::Utc;

/// Longest reason in octets.
pub const MAX_REASON: usize = 500;
/// Source of the alarm about a mass of inhibitions.
pub const INHIBITION: &str = "alarm inhibition";

/// Why a condition was not inhibited.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InhibitRefusal {
    /// It is not listed.
    #[error("no such alarm is listed")]
    NotListed,
    /// The text names no condition.
    #[error("{0:?} is not KIND:SOURCE")]
    NoCondition(String),
    /// It is about the platform itself.
    #[error("an alarm about the platform itself cannot be hidden")]
    Own,
    /// There is no reason, or too long a one.
    #[error("a reason of 1 to {MAX_REASON} octets is needed")]
    Reason,
    /// The end is not ahead, or too far.
    #[error("the end must be within {} minutes from now", .0.as_secs() / 60)]
    End(Duration),
}

impl AlarmList {
    /// Puts a listed condition aside until a time, or with `one_shot` until it clears if that is earlier
    /// (TimedShelve and OneShotShelve of OPC 10000-9). Shelving again replaces reason and end.
    pub fn shelve(&mut self, id: &AlarmId, inhibit: Inhibit) -> Result<(), InhibitRefusal> {
        let alarm = self.listed.get(id).ok_or(InhibitRefusal::NotListed)?;
        check(alarm.kind, &inhibit, self.settings.max_shelved)?;
        let before = alarm.shelved.as_ref().map(|before| before.until);
        self.begin(id, &inhibit, before, Transition::Shelved);
        Ok(())
    }

    /// Takes a condition back; `false` if it is not shelved.
    pub fn unshelve(&mut self, id: &AlarmId, by: &str, at: Utc) -> bool {
        self.end_shelving(id, Some(by), at)
    }

    /// Takes a condition out of service for work on it, whether it is listed or not. `point` is its point, if it is
    /// about one.
    pub fn take_out_of_service(
        &mut self,
        id: &AlarmId,
        point: Option<PointId>,
        inhibit: Inhibit,
    ) -> Result<(), InhibitRefusal> {
        let (kind, source) = id.parts().ok_or_else(|| InhibitRefusal::NoCondition(id.as_str().to_owned()))?;
        check(kind, &inhibit, self.settings.max_out_of_service)?;
        self.ensure(id, (kind, source), point, inhibit.at);
        let before =
            self.listed.get(id).and_then(|alarm| alarm.out_of_service.as_ref()).map(|before| before.until);
        self.begin(id, &inhibit, before, Transition::OutOfService);
        Ok(())
    }

    /// Takes a condition into service again; `false` if it is in service.
    pub fn return_to_service(&mut self, id: &AlarmId, by: &str, at: Utc) -> bool {
        self.end_out_of_service(id, Some(by), at)
    }

    /// Which groups have no voltage: there, values below their limits are a consequence and hidden.
    pub fn set_dead_groups(&mut self, dead: BTreeSet<String>, at: Utc) {
        for group in self.design.set_dead(dead) {
            for id in self.index.of_group(&group) {
                self.look_again(&id, at);
            }
        }
    }

    pub(super) fn end_shelving(&mut self, id: &AlarmId, by: Option<&str>, at: Utc) -> bool {
        let Some(shelved) = self.listed.get(id).and_then(|alarm| alarm.shelved.as_ref()) else {
            return false;
        };
        self.ends.remove(&(shelved.until, id.clone()));
        let change = Change { what: Some(Transition::Unshelved), by, at };
        self.change(id, &change, |alarm| alarm.shelved = None);
        true
    }

    /// Ends what is over by its time, and the alarm about a mass of inhibitions.
    pub(super) fn end_inhibitions(&mut self, now: Utc) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            let Some((until, id)) = self.ends.pop_first() else { break };
            let Some(alarm) = self.listed.get(&id) else { continue };
            let over =
                |inhibit: &Option<Inhibit>| inhibit.as_ref().is_some_and(|inhibit| inhibit.until <= until);
            let (shelved, out) = (over(&alarm.shelved), over(&alarm.out_of_service));
            if shelved {
                self.end_shelving(&id, None, until);
            }
            if out {
                self.end_out_of_service(&id, None, until);
            }
        }
        self.acts.advance(self.now.mono);
        if self.acts.sum() <= self.settings.mass_change {
            self.clear(AlarmKind::System, INHIBITION, now);
        }
    }

    fn end_out_of_service(&mut self, id: &AlarmId, by: Option<&str>, at: Utc) -> bool {
        let Some(out) = self.listed.get(id).and_then(|alarm| alarm.out_of_service.as_ref()) else {
            return false;
        };
        self.ends.remove(&(out.until, id.clone()));
        let change = Change { what: Some(Transition::InService), by, at };
        self.change(id, &change, |alarm| alarm.out_of_service = None);
        true
    }

    fn begin(&mut self, id: &AlarmId, inhibit: &Inhibit, before: Option<Utc>, what: Transition) {
        if let Some(before) = before {
            self.ends.remove(&(before, id.clone()));
        }
        self.ends.insert((inhibit.until, id.clone()));
        let change = Change { what: Some(what), by: Some(&inhibit.by), at: inhibit.at };
        self.change(id, &change, |alarm| match what {
            Transition::OutOfService => alarm.out_of_service = Some(inhibit.clone()),
            Transition::Shelved
            | Transition::Raised
            | Transition::Cleared
            | Transition::Acknowledged
            | Transition::Reset
            | Transition::Unshelved
            | Transition::Suppressed
            | Transition::Unsuppressed
            | Transition::InService
            | Transition::Changed => alarm.shelved = Some(inhibit.clone()),
        });
        self.count_set_aside(&inhibit.by, inhibit.at);
    }

    /// Counts something that a person set aside: a condition, or from outside a point. A mass of them is an alarm.
    pub fn count_set_aside(&mut self, by: &str, at: Utc) {
        self.acts.count(self.now.mono);
        if self.acts.sum() > self.settings.mass_change {
            self.raise_mass_change(by, at);
        }
    }

    /// Conditions and points that were set aside in the last ten minutes.
    pub const fn set_aside_lately(&self) -> u64 {
        self.acts.sum()
    }

    fn raise_mass_change(&mut self, by: &str, at: Utc) {
        let text = format!(
            "more than {} conditions or points were set aside within ten minutes, the last by {by}",
            self.settings.mass_change
        );
        let raise = Raise {
            kind: AlarmKind::System,
            source: INHIBITION.to_owned(),
            point: None,
            priority: Severity::High,
            below: false,
            text,
            value_text: String::new(),
        };
        self.raise(raise, at);
    }
}

fn check(kind: AlarmKind, inhibit: &Inhibit, longest: Duration) -> Result<(), InhibitRefusal> {
    if kind.is_own() {
        return Err(InhibitRefusal::Own);
    }
    if inhibit.reason.trim().is_empty() || inhibit.reason.len() > MAX_REASON {
        return Err(InhibitRefusal::Reason);
    }
    if inhibit.until <= inhibit.at || inhibit.until > inhibit.at + longest {
        return Err(InhibitRefusal::End(longest));
    }
    Ok(())
}
