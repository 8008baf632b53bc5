//! All listed conditions: what raises, clears, acknowledges and resets them, and the one place where a state changes.

use super::chatter::Chatter;
use super::delay::{Delays, Due};
use super::figures::{Counts, Figures};
use super::flood::{Flood, FloodWatch};
use super::group::{FirstOut, GroupLine};
use super::index::{Index, Tally};
use super::rule::{AlarmSettings, Design};
use super::state::Place;
use super::window::Window;
use super::{Alarm, AlarmId, AlarmKind, Raise, Transition};
use crate::event::{EventKind, NewEvent, Severity};
use signal::PointId;
use std::collections::{BTreeMap, BTreeSet};
use timebase::{Mono, Now, Utc};

/// All listed conditions.
#[derive(Clone, Debug)]
pub struct AlarmList {
    pub(super) listed: BTreeMap<AlarmId, Alarm>,
    pub(super) index: Index,
    pub(super) settings: AlarmSettings,
    pub(super) design: Design,
    /// When inhibitions end by themselves.
    pub(super) ends: BTreeSet<(Utc, AlarmId)>,
    /// Inhibitions that people made in the last ten minutes.
    pub(super) acts: Window,
    pub(super) now: Now,
    delays: Delays,
    chatter: Chatter,
    flood: FloodWatch,
    counts: Counts,
    fresh: Vec<(Transition, Alarm)>,
    notes: Vec<NewEvent>,
}

/// What is to happen to a condition, and who does it.
pub(super) struct Change<'a> {
    /// `None` only looks anew whether a rule hides it.
    pub(super) what: Option<Transition>,
    pub(super) by: Option<&'a str>,
    pub(super) at: Utc,
}

impl Default for AlarmList {
    fn default() -> Self {
        Self::restore(Vec::new())
    }
}

impl AlarmList {
    /// A list that continues with what the store held.
    pub fn restore(alarms: Vec<Alarm>) -> Self {
        let mut list = Self {
            listed: alarms.into_iter().map(|alarm| (alarm.id.clone(), alarm)).collect(),
            index: Index::default(),
            settings: AlarmSettings::default(),
            design: Design::default(),
            ends: BTreeSet::new(),
            acts: Window::default(),
            now: Now { mono: Mono::from_nanos(0), utc: Utc::from_micros(0) },
            delays: Delays::default(),
            chatter: Chatter::default(),
            flood: FloodWatch::default(),
            counts: Counts::default(),
            fresh: Vec::new(),
            notes: Vec::new(),
        };
        list.build_index();
        list
    }

    /// Takes settings over; what they change of listed conditions is a transition. Counting begins.
    pub fn configure(&mut self, settings: AlarmSettings, now: Now) {
        self.now = now;
        self.counts.advance(now);
        self.design = Design::new(&settings.suppressions);
        for alarm in self.listed.values_mut() {
            alarm.group = settings.group(&alarm.id, alarm.kind, &alarm.source, alarm.point);
        }
        self.settings = settings;
        self.build_index();
        let ids: Vec<AlarmId> = self.listed.keys().cloned().collect();
        for id in ids {
            self.look_again(&id, now.utc);
        }
    }

    /// The settings in force.
    pub const fn settings(&self) -> &AlarmSettings {
        &self.settings
    }

    /// The listed conditions by identity.
    pub fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.listed.values()
    }

    /// One listed condition.
    pub fn get(&self, id: &AlarmId) -> Option<&Alarm> {
        self.listed.get(id)
    }

    /// Numbers of the listed conditions.
    pub const fn tally(&self) -> Tally {
        self.index.tally
    }

    /// The most urgent active condition of a point that is shown.
    pub fn of_point(&self, point: PointId) -> Option<Severity> {
        let alarms = self.index.of_point(point).filter_map(|id| self.listed.get(id));
        let shown = alarms.filter(|alarm| alarm.active && alarm.place() == Place::Shown);
        shown.map(|alarm| alarm.priority).max()
    }

    /// A line for every group.
    pub fn groups(&self) -> Vec<GroupLine> {
        self.index.lines()
    }

    /// A line for every group, of those conditions only that the caller may see. O(n).
    pub fn groups_of(&self, may_see: impl Fn(&Alarm) -> bool) -> Vec<GroupLine> {
        let mut lines: BTreeMap<&str, GroupLine> = BTreeMap::new();
        for alarm in self.iter().filter(|alarm| may_see(alarm)) {
            let line = lines.entry(&alarm.group).or_insert_with(|| GroupLine {
                groups: vec![alarm.group.clone()],
                first_out: self.index.groups.get(&alarm.group).and_then(|group| group.first_out.clone()),
                tally: Tally::default(),
            });
            line.tally.add(alarm);
        }
        lines.into_values().collect()
    }

    /// The conditions of a group.
    pub fn members(&self, group: &str) -> Vec<AlarmId> {
        self.index.of_group(group)
    }

    /// Alarms annunciated in the last ten minutes, and the flood that lasts.
    pub fn flood(&self) -> (u64, Option<Flood>) {
        (self.flood.rate(), self.flood.present())
    }

    /// How well the alarm system does. O(n).
    pub fn figures(&self) -> Figures {
        let (floods, flood_seconds) = self.flood.totals(self.now.mono);
        let began = self.counts.began().map_or(self.now.mono, |began| began.mono);
        let seconds = self.now.mono.since(began).as_secs_f64();
        let limit = self.settings.stale_after;
        let old = |alarm: &&Alarm| alarm.active && self.now.utc.since(alarm.raised_at) > limit;
        let mut stale: Vec<&Alarm> = self.iter().filter(old).filter(|a| a.place() == Place::Shown).collect();
        stale.sort_by_key(|alarm| alarm.raised_at);
        Figures {
            rate: self.flood.rate(),
            floods,
            flood_percent: if seconds > 0.0 { 100.0 * flood_seconds / seconds } else { 0.0 },
            flood_list: self.flood.all(),
            stale: stale.into_iter().map(|alarm| alarm.id.clone()).collect(),
            chattering: self.chatter.iter().cloned().collect(),
            ..self.counts.figures(self.now)
        }
    }

    /// Conditions that wait for their on- or off-delay.
    pub fn waiting(&self) -> usize {
        self.delays.len()
    }

    /// Looks at everything that depends on time. Delays are as exact as this is called often.
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        self.counts.advance(now);
        for due in self.delays.take_due(now.mono) {
            match due {
                Due::Raise(raise, began) => {
                    let id = AlarmId::new(raise.kind, &raise.source);
                    let delay = self.settings.on_delay(&id, raise.kind);
                    self.activate(raise, began + delay);
                }
                Due::Clear(id, began) => {
                    let at = self.listed.get(&id).map(|a| began + self.settings.off_delay(&id, a.kind));
                    self.deactivate(&id, at.unwrap_or(began));
                }
            }
        }
        self.end_inhibitions(now.utc);
        for id in self.chatter.rested(now.mono) {
            let change = Change { what: Some(Transition::Changed), by: None, at: now.utc };
            self.change(&id, &change, |alarm| alarm.chattering = false);
        }
        if let Some(flood) = self.flood.tick(now) {
            let text = format!(
                "alarm flood is over: {} alarms, {} in ten minutes at most",
                flood.alarms, flood.peak
            );
            self.note_flood(text, Severity::Info);
        }
    }

    /// A condition holds. The same condition at the same or a lower priority while it is active is no new alarm, unless
    /// its kind latches: then each raise counts. With an on-delay it must go on holding first.
    pub fn raise(&mut self, mut raise: Raise, at: Utc) {
        let id = AlarmId::new(raise.kind, &raise.source);
        if let Some(priority) = self.settings.rule(&id).and_then(|rule| rule.priority) {
            raise.priority = priority;
        }
        self.delays.cancel_fall(&id);
        let active = self.listed.get(&id).filter(|alarm| alarm.active).map(|alarm| alarm.priority);
        if active.is_some_and(|present| raise.priority <= present) && !raise.kind.latches() {
            self.delays.cancel_rise(&id);
            self.reword(&id, raise, at);
            return;
        }
        let delay = self.settings.on_delay(&id, raise.kind);
        if delay.is_zero() {
            self.activate(raise, at);
        } else {
            self.delays.rise(&id, self.now.mono + delay, at, raise);
        }
    }

    /// A condition is gone. With an off-delay it must stay away first.
    pub fn clear(&mut self, kind: AlarmKind, source: &str, at: Utc) {
        let id = AlarmId::new(kind, source);
        self.delays.cancel_rise(&id);
        if !self.listed.get(&id).is_some_and(|alarm| alarm.active) {
            return;
        }
        let delay = self.settings.off_delay(&id, kind);
        if delay.is_zero() {
            self.deactivate(&id, at);
        } else {
            self.delays.fall(&id, self.now.mono + delay, at);
        }
    }

    /// Notes that somebody has seen a condition; `false` if it is not listed or was acknowledged before.
    pub fn acknowledge(&mut self, id: &AlarmId, by: &str, at: Utc) -> bool {
        if self.listed.get(id).is_none_or(|alarm| alarm.acknowledged) {
            return false;
        }
        let change = Change { what: Some(Transition::Acknowledged), by: Some(by), at };
        self.change(id, &change, |alarm| {
            alarm.acknowledged = true;
            alarm.acknowledged_by = Some((by.to_owned(), at));
            if alarm.kind.latches() {
                alarm.active = false;
                alarm.cleared_at = Some(at);
            }
        });
        true
    }

    /// Lets a latched condition go that ended and was acknowledged; `false` if it is not like that.
    pub fn reset(&mut self, id: &AlarmId, by: &str, at: Utc) -> bool {
        let ready = |alarm: &Alarm| alarm.latched && !alarm.active && alarm.acknowledged;
        if !self.listed.get(id).is_some_and(ready) {
            return false;
        }
        let change = Change { what: Some(Transition::Reset), by: Some(by), at };
        self.change(id, &change, |alarm| alarm.latched = false);
        true
    }

    /// Whether something waits for the next call of `take_fresh`.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Transitions since the last call, for store and screens.
    pub fn take_fresh(&mut self) -> Vec<(Transition, Alarm)> {
        std::mem::take(&mut self.fresh)
    }

    /// Their events, and those of floods, since the last call.
    pub fn take_events(&mut self) -> Vec<NewEvent> {
        std::mem::take(&mut self.notes)
    }

    /// Changes a listed condition: the only way. Counts, groups, rules and the two outputs follow from here.
    pub(super) fn change(&mut self, id: &AlarmId, change: &Change<'_>, work: impl FnOnce(&mut Alarm)) {
        let Some(alarm) = self.listed.get_mut(id) else { return };
        let called = alarm.is_annunciated();
        self.index.discount(alarm);
        let hidden = alarm.suppressed_by.clone();
        work(alarm);
        alarm.suppressed_by = self.design.hides(&self.settings.suppressions, alarm);
        self.index.add(alarm);
        let turned = match (&hidden, &alarm.suppressed_by) {
            (None, Some(_)) => Some(Transition::Suppressed),
            (Some(_), None) => Some(Transition::Unsuppressed),
            // Another rule hides it now.
            (Some(before), Some(after)) => (before != after).then_some(Transition::Changed),
            (None, None) => None,
        };
        let calls = alarm.is_annunciated() && (!called || change.what == Some(Transition::Raised));
        let holds = alarm.can_hide_others();
        if calls {
            self.annunciate(id);
        }
        for what in [change.what, turned].into_iter().flatten() {
            self.put_out(id, what, change);
        }
        self.drop_if_over(id);
        self.follow_cause(id, holds, change.at);
    }

    /// Looks anew whether a rule hides a condition.
    pub(super) fn look_again(&mut self, id: &AlarmId, at: Utc) {
        self.change(id, &Change { what: None, by: None, at }, |_| ());
    }

    /// A condition to work on, listed for the moment as one that does not hold.
    pub(super) fn ensure(
        &mut self,
        id: &AlarmId,
        source: (AlarmKind, &str),
        point: Option<PointId>,
        at: Utc,
    ) {
        if self.listed.contains_key(id) {
            return;
        }
        let (kind, name) = source;
        let group = self.settings.group(id, kind, name, point);
        let mut alarm = Alarm::normal(id.clone(), kind, name.to_owned(), group, at);
        alarm.point = point;
        self.index.add(&alarm);
        self.listed.insert(id.clone(), alarm);
    }

    fn activate(&mut self, raise: Raise, at: Utc) {
        let id = AlarmId::new(raise.kind, &raise.source);
        let chattering = self.chatter.note(&id, self.now.mono);
        self.ensure(&id, (raise.kind, &raise.source), raise.point, at);
        let change = Change { what: Some(Transition::Raised), by: None, at };
        self.change(&id, &change, |alarm| {
            alarm.point = alarm.point.or(raise.point);
            alarm.priority = raise.priority;
            alarm.below = raise.below;
            alarm.active = true;
            alarm.acknowledged = false;
            alarm.latched = false;
            alarm.text = raise.text;
            alarm.value_text = raise.value_text;
            alarm.raised_at = at;
            alarm.cleared_at = None;
            alarm.acknowledged_by = None;
            alarm.count = alarm.count.saturating_add(1);
            alarm.chattering = chattering;
        });
    }

    fn deactivate(&mut self, id: &AlarmId, at: Utc) {
        let Some(alarm) = self.listed.get(id).filter(|alarm| alarm.active) else { return };
        let one_shot = alarm.shelved.as_ref().is_some_and(|shelved| shelved.one_shot);
        let latching = self.settings.rule(id).is_some_and(|rule| rule.latching);
        let change = Change { what: Some(Transition::Cleared), by: None, at };
        self.change(id, &change, |alarm| {
            alarm.active = false;
            alarm.latched = latching;
            alarm.cleared_at = Some(at);
            // What came and went while it was hidden asks for nobody; the events hold it.
            alarm.acknowledged |= alarm.place() != Place::Shown;
        });
        if one_shot {
            self.end_shelving(id, None, at);
        }
    }

    /// Still the same alarm, in other words or less urgent.
    fn reword(&mut self, id: &AlarmId, raise: Raise, at: Utc) {
        let same = |alarm: &Alarm| alarm.text == raise.text && alarm.priority == raise.priority;
        if self.listed.get(id).is_none_or(same) {
            return;
        }
        self.change(id, &Change { what: Some(Transition::Changed), by: None, at }, |alarm| {
            alarm.priority = raise.priority;
            alarm.below = raise.below;
            alarm.text = raise.text;
            alarm.value_text = raise.value_text;
        });
    }

    /// Somebody is called: rate, flood, figures, and which one of its group came first.
    fn annunciate(&mut self, id: &AlarmId) {
        let Some(alarm) = self.listed.get_mut(id) else { return };
        self.counts.count(id, alarm.priority, self.now);
        let began = self.flood.count(self.now);
        let Some(group) = self.index.groups.get_mut(&alarm.group) else { return };
        // Nothing else of the group waits for anybody: a new burst.
        let fresh = group.tally.unacknowledged() <= 1;
        let first = fresh || group.first_out.as_ref().is_none_or(|first| alarm.raised_at < first.at);
        if first {
            let Alarm { source, text, priority, raised_at, .. } = alarm.clone();
            let now_first = FirstOut { id: id.clone(), source, text, priority, at: raised_at };
            alarm.first_out = true;
            let before = group.first_out.replace(now_first).filter(|before| before.id != *id);
            if let Some(before) = before {
                let change = Change { what: Some(Transition::Changed), by: None, at: self.now.utc };
                self.change(&before.id, &change, |alarm| alarm.first_out = false);
            }
        }
        if began {
            self.note_flood("alarm flood: more than ten alarms in ten minutes".to_owned(), Severity::High);
        }
    }

    fn put_out(&mut self, id: &AlarmId, what: Transition, change: &Change<'_>) {
        let Some(alarm) = self.listed.get(id) else { return };
        self.notes.extend(event(what, alarm, change));
        self.fresh.push((what, alarm.clone()));
    }

    fn drop_if_over(&mut self, id: &AlarmId) {
        if let Some(alarm) = self.listed.get(id).filter(|alarm| !alarm.is_retained()) {
            self.index.discount(alarm);
            self.index.forget(alarm);
            self.listed.remove(id);
        }
    }

    /// When a cause began or ended to hold, what it hides is looked at again. A cause is never hidden itself, so this
    /// goes one step deep.
    fn follow_cause(&mut self, id: &AlarmId, holds: bool, at: Utc) {
        let Some(rules) = self.design.set_holding(id, holds) else { return };
        let rules = rules.iter().filter_map(|at| self.settings.suppressions.get(*at));
        let mut concerned: BTreeSet<AlarmId> = BTreeSet::new();
        for rule in rules {
            concerned.extend(rule.conditions.iter().cloned());
            concerned.extend(rule.groups.iter().flat_map(|group| self.index.of_group(group)));
        }
        for other in concerned.iter().filter(|other| *other != id) {
            self.look_again(other, at);
        }
    }

    fn build_index(&mut self) {
        self.index = Index::default();
        self.ends.clear();
        for alarm in self.listed.values() {
            self.index.add(alarm);
            for inhibit in [&alarm.shelved, &alarm.out_of_service].into_iter().flatten() {
                self.ends.insert((inhibit.until, alarm.id.clone()));
            }
            if let Some(group) = alarm.suppressed_by.as_ref().and_then(|by| by.strip_prefix("dead:")) {
                self.design.remember_dead(group);
            }
            self.design.set_holding(&alarm.id, alarm.can_hide_others());
        }
        // The mark is stored; a first-out that is no longer listed is followed by the earliest that still waits.
        for group in self.index.groups.values_mut() {
            let members = group.members.iter().filter_map(|id| self.listed.get(id));
            let shown = members
                .filter(|alarm| alarm.place() == Place::Shown && !alarm.acknowledged || alarm.first_out);
            let first = shown.min_by_key(|alarm| (!alarm.first_out, alarm.raised_at));
            group.first_out = first.map(|alarm| FirstOut {
                id: alarm.id.clone(),
                source: alarm.source.clone(),
                text: alarm.text.clone(),
                priority: alarm.priority,
                at: alarm.raised_at,
            });
        }
    }

    fn note_flood(&mut self, text: String, severity: Severity) {
        let (time, kind, source) = (self.now.utc, EventKind::Alarm, "alarm flood".to_owned());
        self.notes.push(NewEvent { time, kind, severity, source, point: None, text, actor: None });
    }
}

/// The event of a transition; marks have none.
fn event(what: Transition, alarm: &Alarm, change: &Change<'_>) -> Option<NewEvent> {
    let inhibit = |what: &str, inhibit: Option<&super::Inhibit>| {
        let until = inhibit
            .map_or_else(String::new, |inhibit| format!(" until {}: {}", inhibit.until, inhibit.reason));
        format!("{what}{until}")
    };
    let text = match what {
        Transition::Raised => alarm.text.clone(),
        Transition::Cleared => format!("cleared: {}", alarm.text),
        Transition::Acknowledged => format!("acknowledged: {}", alarm.text),
        Transition::Reset => format!("reset: {}", alarm.text),
        Transition::Shelved => inhibit("shelved", alarm.shelved.as_ref()),
        Transition::Unshelved => "no longer shelved".to_owned(),
        Transition::OutOfService => inhibit("out of service", alarm.out_of_service.as_ref()),
        Transition::InService => "in service again".to_owned(),
        Transition::Suppressed => format!("hidden by {}", alarm.suppressed_by.as_deref().unwrap_or_default()),
        Transition::Unsuppressed => "no longer hidden".to_owned(),
        Transition::Changed => return None,
    };
    let severity = if what == Transition::Raised { alarm.priority } else { Severity::Info };
    let (source, point, actor) = (alarm.source.clone(), alarm.point, change.by.map(str::to_owned));
    Some(NewEvent { time: change.at, kind: EventKind::Alarm, severity, source, point, text, actor })
}
