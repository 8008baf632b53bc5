//! Controlled station (RTU, substation): IEC 60870-5-104 with a redundancy group after clause 10.
//!
//! Order of sending when the window is open: answers to commands, then events and scans in turn. A scan builds each
//! ASDU only when the window lets it out, so a station of any size needs no more memory than its points.

use super::database::{Database, StationPoint};
use super::events::{Event, EventBuffer};
use super::fault::PeerFault;
use super::link::{Indication, Link, LinkParameters, LinkPhase, Role};
use super::scan::{Scan, Selection};
use super::selection::Selects;
use super::{Outgoing, earlier};
use crate::codec::{
    Asdu, Body, Cause, CommonAddress, Cp56Time2a, DoubleState, Element, Header, Ioa, Object, StepDirection,
    TypeId,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use timebase::{Mono, Now, UtcStamp, Zone};
use wire::TimerTable;

/// Answers that wait for the window; a peer that asks on without acknowledging is disconnected.
const REPLIES_MAX: usize = 512;
/// Interrogations that wait for one another.
const SCANS_MAX: usize = 32;
/// Commands that the process has not answered.
const PENDING_MAX: usize = 256;
/// After this the process no longer owes an answer to a command.
const PENDING_TIMEOUT: Duration = Duration::from_secs(60);
/// Reports that the driver has not fetched; beyond it, faults are only counted.
const REPORTS_MAX: usize = 65_536;

/// How a controlled station behaves.
#[derive(Clone, Debug)]
pub struct ControlledSettings {
    /// APCI parameters.
    pub link: LinkParameters,
    /// Transport connections at once (the redundancy group).
    pub channels: u8,
    /// Stations without points that exist all the same.
    pub common_addresses: Vec<CommonAddress>,
    /// Zone of the time tags.
    pub zone: Zone,
    /// Events kept while nobody fetches them.
    pub event_buffer: usize,
    /// How long a select holds.
    pub select_timeout: Duration,
    /// Largest difference between the time tag of a command and our clock.
    pub command_age_max: Duration,
    /// Interval of cyclic reports of measured values.
    pub periodic: Option<Duration>,
    /// Interval of the background scan of all points.
    pub background: Option<Duration>,
}

/// A control point of a controlled station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StationControl {
    /// Type without time tag (45 to 51); its sibling with time tag is taken as well.
    pub type_id: TypeId,
    /// Station.
    pub common_address: CommonAddress,
    /// Object.
    pub address: Ioa,
    /// Whether an execute needs a select.
    pub select_required: bool,
}

/// Which step of a command procedure the process is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActivationPhase {
    /// Select.
    Select,
    /// Execute.
    Execute,
    /// Deactivation; needs no answer.
    Deactivate,
}

/// What the process says to a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActivationAnswer {
    /// Positive activation confirmation.
    Confirm,
    /// Negative activation confirmation.
    Reject,
    /// Activation termination.
    Terminate,
}

/// What a controlled station reports.
#[derive(Clone, PartialEq, Debug)]
pub enum ControlledEvent {
    /// A command for the process; answer it under its number.
    Command {
        /// Number for the answer.
        id: u64,
        /// Which of the caller's controls.
        control: usize,
        /// What is wanted.
        element: Element,
        /// Which step.
        phase: ActivationPhase,
    },
    /// The clock was set.
    ClockSet(UtcStamp),
    /// Phase of the best connection changed; `None` when there is none.
    Phase(Option<LinkPhase>),
    /// The peer did something wrong.
    Fault(PeerFault),
    /// Close this connection.
    Close(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Timer {
    Periodic,
    Background,
}

#[derive(Debug)]
struct Pending {
    request: Asdu,
    control: usize,
    phase: ActivationPhase,
    expires: Mono,
}

/// The controlled station.
#[derive(Debug)]
pub struct Controlled {
    settings: ControlledSettings,
    database: Database,
    controls: Vec<StationControl>,
    control_at: HashMap<(CommonAddress, Ioa), usize>,
    links: BTreeMap<u8, Link>,
    active: Option<u8>,
    events: EventBuffer,
    replies: VecDeque<Asdu>,
    scans: VecDeque<Scan>,
    events_turn: bool,
    initialized: bool,
    selects: Selects,
    pending: BTreeMap<u64, Pending>,
    next_id: u64,
    timers: TimerTable<Timer>,
    phase: Option<LinkPhase>,
    reports: VecDeque<ControlledEvent>,
    outbox: VecDeque<Outgoing>,
}

impl Controlled {
    /// A station with these points and controls, not connected.
    pub fn new(settings: ControlledSettings, points: &[StationPoint], controls: Vec<StationControl>) -> Self {
        let mut stations = settings.common_addresses.clone();
        stations.extend(controls.iter().map(|control| control.common_address));
        let place = |(at, control): (usize, &StationControl)| ((control.common_address, control.address), at);
        Self {
            database: Database::new(points, &stations),
            control_at: controls.iter().enumerate().map(place).collect(),
            controls,
            links: BTreeMap::new(),
            active: None,
            events: EventBuffer::new(settings.event_buffer),
            replies: VecDeque::new(),
            scans: VecDeque::new(),
            events_turn: true,
            initialized: false,
            selects: Selects::default(),
            pending: BTreeMap::new(),
            next_id: 0,
            timers: TimerTable::default(),
            phase: None,
            reports: VecDeque::new(),
            outbox: VecDeque::new(),
            settings,
        }
    }

    /// A transport connection was accepted.
    pub fn connected(&mut self, now: Now, channel: u8) {
        self.forget(channel);
        self.links.insert(channel, Link::new(Role::Controlled, self.settings.link, now.mono));
        self.settle(now);
    }

    /// A transport connection is gone.
    pub fn disconnected(&mut self, now: Now, channel: u8) {
        self.forget(channel);
        self.settle(now);
    }

    /// Octets arrived on a connection.
    pub fn handle_input(&mut self, now: Now, channel: u8, mut bytes: &[u8]) {
        while let Some(link) = self.links.get_mut(&channel) {
            match link.receive(now.mono, &mut bytes) {
                Ok(Some(indication)) => self.indication(now, channel, indication),
                Ok(None) => break,
                Err(fault) => self.close(channel, fault),
            }
            self.collect_delivered(channel);
            self.fill(now);
        }
        self.collect_delivered(channel);
        self.settle(now);
    }

    /// A deadline has come.
    pub fn handle_timeout(&mut self, now: Now) {
        let channels: Vec<u8> = self.links.keys().copied().collect();
        for channel in channels {
            if let Some(Err(fault)) = self.links.get_mut(&channel).map(|link| link.handle_timeout(now.mono)) {
                self.close(channel, fault);
            }
        }
        self.pending.retain(|_, pending| now.mono < pending.expires);
        self.start_reports(now);
        self.settle(now);
    }

    /// A value of the process; `point` counts the points given to [`Controlled::new`].
    pub fn update(&mut self, now: Now, point: usize, element: Element, stamp: UtcStamp) {
        let Some(slot) = self.database.update(point, element) else { return };
        let time = Cp56Time2a::from_utc(stamp, &self.settings.zone);
        let counter = self.database.slots().get(slot).is_some_and(super::database::Slot::is_counter);
        if !counter {
            self.events.push(Event { slot, element, time, cause: Cause::Spontaneous });
        }
        let dropped = self.events.take_dropped();
        if dropped > 0 {
            self.report(ControlledEvent::Fault(PeerFault::EventsDropped(dropped)));
        }
        self.fill(now);
        self.settle(now);
    }

    /// The answer of the process to a command.
    pub fn answer(&mut self, now: Now, id: u64, answer: ActivationAnswer) {
        let Some(pending) = self.pending.get(&id) else { return };
        let (control, phase) = (pending.control, pending.phase);
        let (cause, negative) = match answer {
            ActivationAnswer::Confirm => (Cause::ActivationCon, false),
            ActivationAnswer::Reject => (Cause::ActivationCon, true),
            ActivationAnswer::Terminate => (Cause::ActivationTermination, false),
        };
        let reply = mirror(&pending.request, cause, negative);
        let element = pending.request.objects().first().map(|object| object.element);
        if let (ActivationPhase::Select, ActivationAnswer::Confirm, Some(element), Some(channel)) =
            (phase, answer, element, self.active)
        {
            self.selects.hold(control, channel, element, now.mono + self.settings.select_timeout);
        }
        let last = phase != ActivationPhase::Execute || answer != ActivationAnswer::Confirm;
        if last {
            self.pending.remove(&id);
        }
        self.reply(reply);
        self.fill(now);
        self.settle(now);
    }

    /// Events that wait for acknowledgement.
    pub fn buffered_events(&self) -> usize {
        self.events.len()
    }

    /// Next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.outbox.pop_front()
    }

    /// Next report.
    pub fn poll_event(&mut self) -> Option<ControlledEvent> {
        self.reports.pop_front()
    }

    /// Next deadline.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let links = self.links.values().filter_map(Link::poll_timeout).min();
        let pending = self.pending.values().map(|pending| pending.expires).min();
        earlier(earlier(links, pending), self.timers.next())
    }

    fn indication(&mut self, now: Now, channel: u8, indication: Indication) {
        match indication {
            Indication::Started => self.started(now, channel),
            Indication::Stopped => {
                if self.active == Some(channel) {
                    self.deactivate();
                }
            }
            Indication::Asdu(asdu) if self.active == Some(channel) => self.asdu(now, channel, &asdu),
            // The peer stopped transfer and this is still on the way; without transfer there is no answer.
            Indication::Asdu(_) => {}
        }
    }

    /// STARTDT: the newest one wins, the others of the group count as stopped (clause 10.1).
    fn started(&mut self, now: Now, channel: u8) {
        if self.active == Some(channel) {
            return;
        }
        if let Some(old) = self.active.and_then(|old| self.links.get_mut(&old)) {
            old.supersede();
        }
        self.deactivate();
        self.active = Some(channel);
        if !self.initialized {
            self.initialized = true;
            self.announce_initialization(0);
        }
        let timers =
            [(Timer::Periodic, self.settings.periodic), (Timer::Background, self.settings.background)];
        for (timer, every) in timers {
            if let Some(every) = every {
                self.timers.arm(timer, now.mono + every);
            }
        }
    }

    /// M_EI_NA_1 for every station; 101 7.3.3.1.
    fn announce_initialization(&mut self, coi: u8) {
        for (station, _) in self.database.stations(CommonAddress::BROADCAST) {
            let header = Header::new(Cause::Initialized, station);
            let element = Element::EndOfInitialization(coi);
            let object = Object { address: Ioa::IRRELEVANT, element, time: None };
            self.reply(Asdu::single(TypeId::M_EI_NA_1, header, object));
        }
    }

    /// The active connection is no longer. What it owed dies with it; events go out again on the next one.
    fn deactivate(&mut self) {
        if let Some(channel) = self.active.take() {
            self.collect_delivered(channel);
            self.selects.drop_channel(channel);
        }
        self.events.rewind();
        self.replies.clear();
        self.scans.clear();
        self.pending.clear();
        self.timers.stop_all();
    }

    fn forget(&mut self, channel: u8) {
        if self.active == Some(channel) {
            self.deactivate();
        }
        self.links.remove(&channel);
        self.outbox.retain(|outgoing| outgoing.channel != channel);
    }

    fn close(&mut self, channel: u8, fault: PeerFault) {
        self.report(ControlledEvent::Fault(fault));
        self.report(ControlledEvent::Close(channel));
        self.forget(channel);
    }

    fn collect_delivered(&mut self, channel: u8) {
        if let Some(link) = self.links.get_mut(&channel) {
            let count = link.take_delivered();
            self.events.delivered(count);
        }
    }

    fn report(&mut self, event: ControlledEvent) {
        if self.reports.len() < REPORTS_MAX || !matches!(event, ControlledEvent::Fault(_)) {
            self.reports.push_back(event);
        }
    }

    fn reply(&mut self, asdu: Asdu) {
        self.replies.push_back(asdu);
    }

    /// Sends what the window allows.
    fn fill(&mut self, now: Now) {
        let Some(channel) = self.active else { return };
        if self.replies.len() > REPLIES_MAX {
            self.close(channel, PeerFault::Flooding(REPLIES_MAX));
            return;
        }
        while self.links.get(&channel).is_some_and(Link::can_send) {
            let Some((asdu, events)) = self.next_asdu(now) else { return };
            // Our own ASDUs fit by construction; one that does not is left out rather than sent wrong.
            let Ok(bytes) = asdu.encode() else { continue };
            if let Some(link) = self.links.get_mut(&channel) {
                link.send(now.mono, &bytes, events);
            }
        }
    }

    fn next_asdu(&mut self, now: Now) -> Option<(Asdu, usize)> {
        if let Some(reply) = self.replies.pop_front() {
            return Some((reply, 0));
        }
        self.events_turn = !self.events_turn;
        if self.events_turn {
            self.next_events().or_else(|| self.next_scanned(now))
        } else {
            self.next_scanned(now).or_else(|| self.next_events())
        }
    }

    fn next_events(&mut self) -> Option<(Asdu, usize)> {
        self.events.next_asdu(self.database.slots())
    }

    fn next_scanned(&mut self, now: Now) -> Option<(Asdu, usize)> {
        let time = Cp56Time2a::from_utc(UtcStamp::synchronised(now.utc), &self.settings.zone);
        loop {
            let scan = self.scans.front_mut()?;
            if let Some(asdu) = scan.next_asdu(self.database.slots(), time) {
                return Some((asdu, 0));
            }
            self.scans.pop_front();
        }
    }

    /// Begins the cyclic and background scans that are due. One that is still running is not begun again.
    fn start_reports(&mut self, now: Now) {
        let due = [
            (Timer::Periodic, self.settings.periodic, Cause::Periodic, Selection::Measured),
            (Timer::Background, self.settings.background, Cause::Background, Selection::Station),
        ];
        for (timer, every, cause, selection) in due {
            let Some(every) = every.filter(|_| self.timers.expired(timer, now.mono)) else { continue };
            self.timers.arm(timer, now.mono + every);
            if self.scans.iter().any(|scan| scan.header.cause == cause) {
                continue;
            }
            for (station, range) in self.database.stations(CommonAddress::BROADCAST) {
                let header = Header::new(cause, station);
                self.scans.push_back(Scan { selection, header, range, termination: None });
            }
        }
    }

    /// Moves frames to the outbox and reports a change of phase.
    fn settle(&mut self, now: Now) {
        self.fill(now);
        for (&channel, link) in &mut self.links {
            while let Some(bytes) = link.poll_transmit() {
                self.outbox.push_back(Outgoing { channel, bytes });
            }
        }
        let best = |phase: LinkPhase| match phase {
            LinkPhase::Stopped => 0,
            LinkPhase::Starting => 1,
            LinkPhase::Stopping => 2,
            LinkPhase::Started => 3,
        };
        let phase = self.links.values().map(Link::phase).max_by_key(|phase| best(*phase));
        if phase != self.phase {
            self.phase = phase;
            self.report(ControlledEvent::Phase(phase));
        }
    }

    fn asdu(&mut self, now: Now, channel: u8, asdu: &Asdu) {
        let Some(&object) = asdu.objects().first() else {
            return self.refuse(asdu, Cause::UnknownType);
        };
        let type_id = asdu.type_id;
        match type_id {
            TypeId::C_IC_NA_1 | TypeId::C_CI_NA_1 => self.interrogation(asdu, object),
            TypeId::C_RD_NA_1 => self.read(asdu, object),
            TypeId::C_CS_NA_1 => self.clock(asdu, object),
            TypeId::C_RP_NA_1 => self.reset(asdu, object),
            TypeId::C_TS_TA_1 => self.test(asdu),
            other if other.is_process_command() => self.command(now, channel, asdu, object),
            _ => self.refuse(asdu, Cause::UnknownType),
        }
    }

    /// Answers negatively with one of the causes 44 to 47 (101 7.2.3, table 14).
    fn refuse(&mut self, asdu: &Asdu, cause: Cause) {
        let address = asdu.objects().first().map_or(Ioa::IRRELEVANT, |object| object.address);
        self.report(ControlledEvent::Fault(PeerFault::Unknown {
            cause,
            type_id: asdu.type_id,
            common_address: asdu.header.common_address,
            address,
        }));
        self.reply(mirror(asdu, cause, true));
    }

    /// The stations that a system command addresses, if its cause and address are known; refuses it otherwise.
    fn addressed(&mut self, asdu: &Asdu, cause: Cause) -> Vec<(CommonAddress, std::ops::Range<usize>)> {
        if asdu.header.cause != cause {
            self.refuse(asdu, Cause::UnknownCause);
            return Vec::new();
        }
        let stations = self.database.stations(asdu.header.common_address);
        if stations.is_empty() {
            self.refuse(asdu, Cause::UnknownCommonAddress);
        }
        stations
    }

    /// C_IC_NA_1 and C_CI_NA_1, 101 7.4.5 and 7.4.8.
    fn interrogation(&mut self, asdu: &Asdu, object: Object) {
        let deactivation = asdu.header.cause == Cause::Deactivation;
        let cause = if deactivation { Cause::Deactivation } else { Cause::Activation };
        let stations = self.addressed(asdu, cause);
        if stations.is_empty() {
            return;
        }
        if object.address != Ioa::IRRELEVANT {
            return self.refuse(asdu, Cause::UnknownObjectAddress);
        }
        let (selection, freeze) = match object.element {
            Element::Interrogation(20) => (Some(Selection::Station), 0),
            Element::Interrogation(qoi @ 21..=36) => (Some(Selection::Group(qoi - 20)), 0),
            Element::CounterInterrogation(qcc) => (counter_selection(qcc & 0x3F), qcc >> 6),
            _ => (None, 0),
        };
        for (station, range) in stations {
            let mut own = asdu.clone();
            own.header.common_address = station;
            let Some(selection) = selection.filter(|_| self.scans.len() < SCANS_MAX) else {
                self.reply(mirror(&own, Cause::ActivationCon, true));
                continue;
            };
            if deactivation {
                let before = self.scans.len();
                self.scans.retain(|scan| scan.selection != selection || scan.termination.is_none());
                let negative = self.scans.len() == before;
                self.reply(mirror(&own, Cause::DeactivationCon, negative));
                continue;
            }
            self.reply(mirror(&own, Cause::ActivationCon, false));
            let group = if let Selection::CounterGroup(group) = selection { group } else { 0 };
            if freeze != 0 {
                self.database.count_command(range.clone(), group, freeze);
            }
            let termination = Some(mirror(&own, Cause::ActivationTermination, false));
            let header = Header { cause: Scan::cause_of(selection), negative: false, ..own.header };
            // Memorised values are fetched by a read (FRZ 0); a freeze or reset only confirms and ends.
            let range = if freeze == 0 { range } else { 0..0 };
            self.scans.push_back(Scan { selection, header, range, termination });
        }
    }

    /// C_RD_NA_1, 101 7.4.3.
    fn read(&mut self, asdu: &Asdu, object: Object) {
        if self.addressed(asdu, Cause::Request).is_empty() {
            return;
        }
        let Some(slot) = self.database.slot(asdu.header.common_address, object.address) else {
            return self.refuse(asdu, Cause::UnknownObjectAddress);
        };
        let type_id = slot.type_id.untimed();
        let answer = Object { address: slot.address, element: slot.answer(), time: None };
        self.reply(Asdu::single(type_id, Header { negative: false, ..asdu.header }, answer));
    }

    /// C_CS_NA_1, 101 7.4.4.
    fn clock(&mut self, asdu: &Asdu, object: Object) {
        let stations = self.addressed(asdu, Cause::Activation);
        if stations.is_empty() {
            return;
        }
        let stamp = object.time.and_then(|time| time.to_utc(&self.settings.zone));
        if let Some(stamp) = stamp {
            self.report(ControlledEvent::ClockSet(stamp));
        }
        for (station, _) in stations {
            let mut reply = mirror(asdu, Cause::ActivationCon, stamp.is_none());
            reply.header.common_address = station;
            self.reply(reply);
        }
    }

    /// C_RP_NA_1, 101 7.3.4.6. The process behind us goes on; only the reporting starts anew.
    fn reset(&mut self, asdu: &Asdu, object: Object) {
        let stations = self.addressed(asdu, Cause::Activation);
        if stations.is_empty() {
            return;
        }
        let Element::ResetProcess(qrp @ 1..=2) = object.element else {
            return self.reply(mirror(asdu, Cause::ActivationCon, true));
        };
        for (station, _) in stations {
            let mut reply = mirror(asdu, Cause::ActivationCon, false);
            reply.header.common_address = station;
            self.reply(reply);
        }
        if qrp == 2 {
            self.events.clear();
        } else {
            self.announce_initialization(2);
        }
    }

    /// C_TS_TA_1, 101 7.4.9 as adapted by 104 clause 8.8.
    fn test(&mut self, asdu: &Asdu) {
        if self.addressed(asdu, Cause::Activation).is_empty() {
            return;
        }
        self.reply(mirror(asdu, Cause::ActivationCon, false));
    }

    /// C_SC, C_DC, C_RC, C_SE, C_BO with and without time tag, 101 7.4.6 and 104 clause 8.
    fn command(&mut self, now: Now, channel: u8, asdu: &Asdu, object: Object) {
        let deactivation = match asdu.header.cause {
            Cause::Activation => false,
            Cause::Deactivation => true,
            _ => return self.refuse(asdu, Cause::UnknownCause),
        };
        let station = asdu.header.common_address;
        if station == CommonAddress::BROADCAST || self.database.stations(station).is_empty() {
            return self.refuse(asdu, Cause::UnknownCommonAddress);
        }
        let known = self.control_at.get(&(station, object.address)).copied();
        let known = known.and_then(|at| self.controls.get(at).map(|control| (at, *control)));
        let Some((at, control)) = known
            .filter(|(_, control)| control.type_id == asdu.type_id.untimed() && asdu.objects().len() == 1)
        else {
            return self.refuse(asdu, Cause::UnknownObjectAddress);
        };
        if deactivation {
            let held = self.selects.release(at, channel, now.mono);
            self.reply(mirror(asdu, Cause::DeactivationCon, !held));
            if held {
                self.command_for_process(now, asdu, at, ActivationPhase::Deactivate);
            }
            return;
        }
        let allowed = !asdu.header.test
            && self.is_fresh(now, object)
            && is_permitted(object.element)
            && self.pending.len() < PENDING_MAX;
        match allowed.then(|| self.phase_of(now, channel, at, control, object.element)).flatten() {
            Some(phase) => self.command_for_process(now, asdu, at, phase),
            None => self.reply(mirror(asdu, Cause::ActivationCon, true)),
        }
    }

    /// Which step this command is; `None` if select-before-operate forbids it.
    fn phase_of(
        &mut self,
        now: Now,
        channel: u8,
        at: usize,
        control: StationControl,
        element: Element,
    ) -> Option<ActivationPhase> {
        let select = element.qualifier().is_some_and(|qualifier| qualifier.select);
        if select {
            return self.selects.is_free(at, channel, now.mono).then_some(ActivationPhase::Select);
        }
        let selected = self.selects.consume(at, channel, element, now.mono);
        let free = self.selects.is_free(at, channel, now.mono);
        (selected || (!control.select_required && free)).then_some(ActivationPhase::Execute)
    }

    /// A command with a time tag is taken only while it is young (104 clause 8): one that was held up on its way
    /// must not move a breaker later.
    fn is_fresh(&self, now: Now, object: Object) -> bool {
        let Some(tag) = object.time else { return true };
        let Some(stamp) = tag.to_utc(&self.settings.zone) else { return false };
        let apart = now.utc.since(stamp.time).max(stamp.time.since(now.utc));
        !tag.is_invalid() && apart <= self.settings.command_age_max
    }

    fn command_for_process(&mut self, now: Now, asdu: &Asdu, control: usize, phase: ActivationPhase) {
        let Some(element) = asdu.objects().first().map(|object| object.element) else { return };
        self.next_id += 1;
        let id = self.next_id;
        if phase != ActivationPhase::Deactivate {
            let expires = now.mono + PENDING_TIMEOUT;
            self.pending.insert(id, Pending { request: asdu.clone(), control, phase, expires });
        }
        self.report(ControlledEvent::Command { id, control, element, phase });
    }
}

/// Command states that the standard does not permit are refused.
fn is_permitted(element: Element) -> bool {
    match element {
        Element::DoubleCommand(state, _) => matches!(state, DoubleState::Off | DoubleState::On),
        Element::StepCommand(direction, _) => !matches!(direction, StepDirection::NotPermitted(_)),
        Element::SetFloat(value, _) => value.is_finite(),
        _ => true,
    }
}

const fn counter_selection(request: u8) -> Option<Selection> {
    match request {
        5 => Some(Selection::Counters),
        group @ 1..=4 => Some(Selection::CounterGroup(group)),
        _ => None,
    }
}

/// The same ASDU back with another cause; originator address and test bit stay (101 7.2.3).
fn mirror(asdu: &Asdu, cause: Cause, negative: bool) -> Asdu {
    let header = Header { cause, negative, ..asdu.header };
    let body: Body = asdu.body.clone();
    Asdu { header, body, ..*asdu }
}
