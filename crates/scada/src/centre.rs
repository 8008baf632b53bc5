//! The real-time database as one value: table, supervision, alarms, events and the command gate behind one door.
//!
//! It has one owner. Calls go in, then [`Centre::take_changes`] tells what became of them, in order, for the store,
//! the historian, the screens and the links. Nothing here reads a clock or does I/O.

mod calculated;
mod foreign;
mod links;
mod revise;
#[cfg(test)]
mod tests;
mod treat;

use crate::alarm::{AlarmId, AlarmKind, AlarmList, Raise, Transition};
use crate::event::{Event, EventKind, EventLog, NewEvent, Severity};
use crate::gate::{Gate, GateAlarm, GateConfig, GatePolicy, Interlock, Outgoing};
use crate::incident::LinkWatch;
use crate::limit::{LimitLevels, Zone};
use crate::mode::PointModes;
use crate::table::{Applied, PointState, Table};
use crate::tag::TagList;
use calculated::Due;
use foreign::Foreign;
use signal::{CommandId, LinkState, PointDef, PointId, PointList, Sample, Value};
use std::sync::Arc;
use timebase::{Now, Utc};
use treat::Treatment;

/// What the store held when the platform started.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Number of the last event, 0 for none.
    pub last_event: u64,
    /// Number of the last command, 0 for none.
    pub last_command: u64,
    /// Listed alarms.
    pub alarms: Vec<crate::alarm::Alarm>,
    /// Tags in force.
    pub tags: TagList,
    /// Points that are not treated as usual.
    pub modes: PointModes,
}

/// What became of the calls since the last [`Centre::take_changes`].
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Points whose value, quality or staleness changed, each at most once.
    pub points: Vec<PointId>,
    /// One entry per change of value or quality, in order: what the historian keeps.
    pub history: Vec<(PointId, PointState)>,
    /// New events, in order.
    pub events: Vec<Event>,
    /// Alarm transitions, in order.
    pub alarms: Vec<(Transition, crate::alarm::Alarm)>,
    /// Commands that went a step.
    pub commands: Vec<CommandId>,
    /// Audit records and requests to links, in the order in which they must happen: what stands before a send must
    /// be durable before it.
    pub outgoing: Vec<Outgoing>,
}

impl Changes {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
            && self.history.is_empty()
            && self.events.is_empty()
            && self.alarms.is_empty()
            && self.commands.is_empty()
            && self.outgoing.is_empty()
    }
}

/// Counters of samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Samples applied to the table.
    pub processed: u64,
    /// Samples for points that are not configured.
    pub unknown: u64,
    /// Samples that changed a value or a quality.
    pub changed: u64,
    /// Samples of points that people have set aside: kept for the end of that.
    pub held: u64,
    /// Results of formulas.
    pub calculated: u64,
    /// Changes within the archive deadband.
    pub within_deadband: u64,
}

/// What every change of a point is held against, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Watch {
    limits: LimitLevels,
    zone: Zone,
    /// A value was held against the limits since the start.
    is_judged: bool,
    /// Has a limit of its rate of change.
    has_rate: bool,
    /// A counter that counts on.
    is_counter: bool,
    /// A formula asks for it.
    is_asked_for: bool,
    archive_deadband: f64,
    /// The last value that counted.
    counted: f64,
    /// Stands in the list of changed points.
    is_dirty: bool,
}

impl Watch {
    fn new(def: &PointDef, is_asked_for: bool) -> Self {
        Self {
            limits: LimitLevels::new(&def.limits),
            zone: Zone::Normal,
            is_judged: false,
            has_rate: def.rate_limit.is_some(),
            is_counter: def.counter_range.is_some(),
            is_asked_for,
            archive_deadband: def.archive_deadband,
            counted: f64::NAN,
            is_dirty: false,
        }
    }
}

/// The centre's real-time database.
#[derive(Debug)]
pub struct Centre {
    table: Table,
    watches: Vec<Watch>,
    treatment: Treatment,
    due: Due,
    link_watch: LinkWatch,
    foreign: Foreign,
    alarms: AlarmList,
    events: EventLog,
    tags: TagList,
    gate: Gate,
    counters: Counters,
    changed: Vec<PointId>,
    history: Vec<(PointId, PointState)>,
}

impl Centre {
    /// An empty database that continues where the store ended.
    pub fn new(points: Arc<PointList>, gate: GateConfig, restored: Restored) -> Self {
        let watch = |(id, def)| Watch::new(def, !points.asked_by(id).is_empty());
        let watches = points.iter().map(watch).collect();
        // Formulas are worth something before the first change, even if it is only "unknown".
        let due = (0..).take(points.calculations().len()).collect();
        Self {
            table: Table::new(points),
            watches,
            treatment: Treatment::restored(restored.modes),
            due,
            link_watch: LinkWatch::default(),
            foreign: Foreign::default(),
            alarms: AlarmList::restore(restored.alarms),
            events: EventLog::after(restored.last_event),
            tags: restored.tags,
            gate: Gate::new(gate, restored.last_command),
            counters: Counters::default(),
            changed: Vec::new(),
            history: Vec::new(),
        }
    }

    /// Present values.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Listed alarms.
    pub const fn alarms(&self) -> &AlarmList {
        &self.alarms
    }

    /// Listed alarms, to work on.
    pub const fn alarms_mut(&mut self) -> &mut AlarmList {
        &mut self.alarms
    }

    /// The event log.
    pub const fn events(&self) -> &EventLog {
        &self.events
    }

    /// Tags in force.
    pub const fn tags(&self) -> &TagList {
        &self.tags
    }

    /// The command gate.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Sample counters.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes a sample from a link: table, change detection, limits, state alarms, returned measurement. O(1).
    ///
    /// `samples = processed + unknown + held` of the counters.
    pub fn apply(&mut self, sample: &Sample) {
        let Some(watch) = self.watches.get(sample.point.at()) else {
            self.counters.unknown += 1;
            return;
        };
        if !watch.is_counter && self.treatment.is_usual() {
            self.counters.processed += 1;
            self.take_over(sample, false);
            return;
        }
        let counter_range = self.table.points()[sample.point].counter_range;
        match self.treatment.treat(sample, counter_range) {
            Some(sample) => {
                self.counters.processed += 1;
                self.take_over(&sample, false);
            }
            None => self.counters.held += 1,
        }
    }

    /// Takes over what counts.
    fn take_over(&mut self, sample: &Sample, replaced: bool) {
        match self.table.put(sample, replaced) {
            Applied::Unknown => {}
            Applied::Refreshed(state) => {
                // A command to where the device already stands is confirmed by the next look at it.
                self.confirm(sample.point, &state, sample.received);
            }
            Applied::Changed { before, after } => {
                self.note_change(sample.point, (&before, after));
                self.supervise(sample.point, (&before, &after), sample.received);
            }
        }
    }

    /// Looks at a point whose sample is about to come: a processor that waits for the memory of many points at once waits
    /// once. Changes nothing.
    #[inline]
    pub fn expect(&self, point: PointId) {
        self.table.expect(point);
        std::hint::black_box(self.watches.get(point.at()).map(|watch| watch.zone));
    }

    /// A link changed its state. When it goes down its points are old at once, whatever their age.
    pub fn link_changed(&mut self, link: &str, state: LinkState, now: Now) {
        let severity = if state == LinkState::Down { Severity::High } else { Severity::Info };
        self.record(now.utc, EventKind::Link, severity, link, format!("link {}", state.name()));
        match state {
            LinkState::Down => {
                let points = Arc::clone(self.table.points());
                for &point in points.of_link(link) {
                    self.mark_stale(point);
                }
                self.link_lost(link, "link is down", now);
            }
            LinkState::Up => self.link_back(link, now),
            LinkState::Connecting | LinkState::Synchronising => {}
        }
    }

    /// Looks at everything that depends on time: stale points, expired selects, missing confirmations.
    pub fn tick(&mut self, now: Now) {
        for point in self.table.overdue(now.mono) {
            self.mark_stale(point);
        }
        self.gate.tick(now, &self.table);
        self.follow_gate(now.utc);
        self.alarms.tick(now);
    }

    /// Raises a condition that is not about a point (estimator, system).
    pub fn raise_about(&mut self, kind: AlarmKind, source: &str, priority: Severity, text: &str, at: Utc) {
        let (source, text) = (source.to_owned(), text.to_owned());
        let value_text = String::new();
        self.alarms.raise(Raise { kind, source, point: None, priority, below: false, text, value_text }, at);
    }

    /// Ends such a condition.
    pub fn clear_about(&mut self, kind: AlarmKind, source: &str, at: Utc) {
        self.alarms.clear(kind, source, at);
    }

    /// Acknowledges an alarm; `false` if it is not listed or was acknowledged before.
    pub fn acknowledge(&mut self, id: &AlarmId, by: &str, at: Utc) -> bool {
        self.alarms.acknowledge(id, by, at)
    }

    /// Stops or resumes the event log; see [`EventLog::pause`].
    pub fn pause_events(&mut self, paused: bool, at: Utc) {
        self.events.pause(paused, at);
    }

    /// Writes an event.
    pub fn record(&mut self, time: Utc, kind: EventKind, severity: Severity, source: &str, text: String) {
        self.record_by(NewEvent {
            time,
            kind,
            severity,
            source: source.to_owned(),
            point: None,
            text,
            actor: None,
        });
    }

    /// Writes an event with everything that is known about it.
    pub fn record_by(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    /// Works on the gate with the present table and tags, then turns what happened into events and alarms.
    pub fn with_gate<T>(&mut self, at: Utc, work: impl FnOnce(&mut Gate, &Table, &TagList) -> T) -> T {
        let result = work(&mut self.gate, &self.table, &self.tags);
        self.follow_gate(at);
        result
    }

    /// Sets what the gate asks for and the rules that follow from the network.
    pub fn set_gate_policy(&mut self, policy: GatePolicy, interlock: Arc<dyn Interlock>) {
        self.gate.configure(policy, interlock);
    }

    /// Changes the tags in force.
    pub const fn tags_mut(&mut self) -> &mut TagList {
        &mut self.tags
    }

    /// Whether something waits that people or devices should learn of at once: not only measurements.
    pub fn has_urgent(&self) -> bool {
        self.events.has_fresh() || self.alarms.has_fresh() || self.gate.has_fresh()
    }

    /// Everything that happened since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let alarms = self.alarms.take_fresh();
        for event in self.alarms.take_events() {
            self.events.push(event);
        }
        let points = fresh(&mut self.changed);
        for point in &points {
            self.watches[point.at()].is_dirty = false;
        }
        Changes {
            points,
            history: fresh(&mut self.history),
            events: self.events.take_fresh(),
            alarms,
            commands: self.gate.take_changed(),
            outgoing: self.gate.take_outgoing(),
        }
    }

    fn note_change(&mut self, point: PointId, (before, state): (&PointState, PointState)) {
        let watch = &mut self.watches[point.at()];
        if !std::mem::replace(&mut watch.is_dirty, true) {
            self.changed.push(point);
        }
        if watch.is_asked_for {
            self.note_due(point);
        }
        let is_analogue = matches!(state.value, Some(Value::Analog(_) | Value::Counter(_)));
        if !is_analogue || before.good().is_some() != state.good().is_some() {
            self.note_move(point, before, &state);
        }
        let watch = &mut self.watches[point.at()];
        if let Some(Value::Analog(number)) = state.value.filter(|_| watch.archive_deadband > 0.0) {
            let same = before.quality == state.quality && before.stale == state.stale;
            if same && (number - watch.counted).abs() <= watch.archive_deadband {
                self.counters.within_deadband += 1;
                return;
            }
            watch.counted = number;
        }
        self.counters.changed += 1;
        self.history.push((point, state));
    }

    /// What an operator could have seen of a point that can be operated is over.
    fn note_move(&mut self, point: PointId, before: &PointState, state: &PointState) {
        let is_other = before.value != state.value || before.good().is_some() != state.good().is_some();
        let operated = |def: &PointDef| def.binding.as_ref().is_some_and(|binding| binding.control.is_some());
        if is_other && self.table.points().get(point).is_some_and(operated) {
            self.gate.note_move(point, state.time().unwrap_or_default());
        }
    }

    fn mark_stale(&mut self, point: PointId) {
        let Some(before) = self.table.get(point) else { return };
        if let Some(state) = self.table.mark_stale(point) {
            self.note_change(point, (&before, state));
        }
    }

    fn supervise(&mut self, point: PointId, (before, state): (&PointState, &PointState), now: Now) {
        let Some(value) = state.good() else { return };
        self.confirm(point, state, now);
        match value {
            Value::Analog(number) => {
                self.check_limits(point, value, state);
                if self.watches[point.at()].has_rate {
                    self.check_rate(point, (before, number), state);
                }
            }
            Value::Single(_) | Value::Double(_) | Value::Step(_) => {
                self.check_state(point, before, value, state)
            }
            Value::Counter(_) | Value::Bits(_) => {}
        }
        self.follow_gate(now.utc);
    }

    fn confirm(&mut self, point: PointId, state: &PointState, now: Now) {
        // What a person has entered is no returned measurement.
        if let Some(value) = state.good().filter(|_| !state.replaced) {
            self.gate.observe(point, value, now);
        }
    }

    fn check_limits(&mut self, point: PointId, value: Value, state: &PointState) {
        let Some(number) = value.as_number() else { return };
        let watch = &mut self.watches[point.at()];
        let zone = watch.limits.zone(watch.zone, number);
        let before = std::mem::replace(&mut watch.zone, zone);
        // An alarm of before the start is looked at with the first value.
        let was_judged = std::mem::replace(&mut watch.is_judged, true);
        if was_judged && before == Zone::Normal && zone == Zone::Normal {
            return;
        }
        let def = &self.table.points()[point];
        let at = state.time().unwrap_or_default();
        match zone.priority() {
            None => self.alarms.clear(AlarmKind::Limit, &def.name, at),
            Some(priority) => {
                let raise = Raise {
                    kind: AlarmKind::Limit,
                    source: def.name.clone(),
                    point: Some(point),
                    priority,
                    below: matches!(zone, Zone::Low | Zone::LowLow),
                    text: zone.text().to_owned(),
                    value_text: format!("{number:.3} {}", def.unit),
                };
                self.alarms.raise(raise, at);
            }
        }
    }

    /// A change that is faster than its limit is an alarm until a slower one follows.
    fn check_rate(&mut self, point: PointId, (before, number): (&PointState, f64), state: &PointState) {
        let def = &self.table.points()[point];
        let (Some(limit), Some(old)) = (def.rate_limit, before.good_number()) else { return };
        let (Some(from), Some(at)) = (before.time(), state.time()) else { return };
        let seconds = at.since(from).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let rate = (number - old) / seconds;
        if rate.abs() > limit {
            let value = format!("{rate:+.3} {}/s", def.unit);
            let mut raise = point_raise(AlarmKind::Rate, point, def, Severity::Medium, &value);
            raise.text = format!("changes faster than {limit} {}/s", def.unit);
            self.alarms.raise(raise, at);
        } else {
            self.alarms.clear(AlarmKind::Rate, &def.name, at);
        }
    }

    /// An indication changed: event, off-normal alarm, and an alarm if nobody here asked for it.
    fn check_state(&mut self, point: PointId, before: &PointState, value: Value, state: &PointState) {
        if before.value == Some(value) {
            return;
        }
        let points = Arc::clone(self.table.points());
        let def = &points[point];
        let at = state.time().unwrap_or_default();
        let text = crate::wording::value_text(def, value);
        if let (Some(normal), Some(on)) = (def.normal, value.is_on()) {
            self.check_normal(point, (normal, on), value, at);
        }
        // The first value after a start or an outage of the link is news to us, not a movement.
        let Some(old) = before.value.filter(|_| !before.stale) else { return };
        let moving = matches!(value, Value::Double(_)) && value.is_on().is_none();
        let commanded = self.gate.is_moving(point);
        let change = format!("{} → {text}", crate::wording::value_text(def, old));
        let severity = if commanded || moving { Severity::Info } else { Severity::High };
        self.record_by(NewEvent {
            time: at,
            kind: EventKind::State,
            severity,
            source: def.name.clone(),
            point: Some(point),
            text: change,
            actor: None,
        });
        let controllable = def.binding.as_ref().is_some_and(|binding| binding.control.is_some());
        if controllable && !commanded && !moving {
            self.moved_by_others(point, &text, at);
        }
    }

    fn check_normal(&mut self, point: PointId, (normal, on): (bool, bool), value: Value, at: Utc) {
        let def = &self.table.points()[point];
        if on == normal {
            self.alarms.clear(AlarmKind::State, &def.name, at);
        } else {
            let text = crate::wording::value_text(def, value);
            self.alarms.raise(point_raise(AlarmKind::State, point, def, Severity::Medium, &text), at);
        }
    }

    fn follow_gate(&mut self, at: Utc) {
        for GateAlarm { source, priority, text } in self.gate.take_alarms() {
            // It has no end of its own: it stays listed until somebody has seen it.
            self.raise_about(AlarmKind::Command, &source, priority, &text, at);
            self.clear_about(AlarmKind::Command, &source, at);
        }
        for note in self.gate.take_notes() {
            if let Some(priority) = note.alarm {
                let points = Arc::clone(self.table.points());
                let def = &points[note.point];
                let mut raise = point_raise(AlarmKind::Command, note.point, def, priority, "");
                raise.text.clone_from(&note.text);
                self.alarms.raise(raise, at);
            }
            self.events.push(NewEvent {
                time: at,
                kind: EventKind::Command,
                severity: note.alarm.unwrap_or(Severity::Info),
                source: self.table.points()[note.point].name.clone(),
                point: Some(note.point),
                text: note.text,
                actor: Some(note.actor),
            });
        }
    }
}

/// Takes a list and leaves an empty one that need not grow again.
fn fresh<T>(list: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(list.len());
    std::mem::replace(list, room)
}

fn point_raise(
    kind: AlarmKind,
    point: PointId,
    def: &signal::PointDef,
    priority: Severity,
    value: &str,
) -> Raise {
    let text = match kind {
        AlarmKind::State => format!("is {value}, not in its normal state"),
        AlarmKind::Uncommanded => format!("moved to {value} without a command"),
        AlarmKind::Limit
        | AlarmKind::Link
        | AlarmKind::Estimator
        | AlarmKind::Command
        | AlarmKind::Rate
        | AlarmKind::System => String::new(),
    };
    let (source, value_text) = (def.name.clone(), value.to_owned());
    Raise { kind, source, point: Some(point), priority, below: false, text, value_text }
}
