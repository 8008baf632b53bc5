//! Controlling station (control centre): IEC 60870-5-104 with a redundancy group after clause 10.
//!
//! Every connection is held open; one of them transfers data, the others are kept by TESTFR. When data transfer
//! begins, every station is synchronised and interrogated, one procedure at a time.

use super::fault::PeerFault;
use super::filter::TypeFilter;
use super::link::{Indication, Link, LinkParameters, LinkPhase, Role};
use super::{Outgoing, earlier};
use crate::codec::{
    Asdu, Cause, CommonAddress, Cp56Time2a, DoubleState, Element, Header, Ioa, Object, TypeId,
};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;
use timebase::{Mono, Now, Utc, UtcStamp, Zone};
use wire::TimerTable;

/// Commands that wait for their confirmation.
const COMMANDS_MAX: usize = 256;
/// Procedures that wait for one another.
const PROCEDURES_MAX: usize = 1024;
/// Events remembered in order to recognise a repetition after a connection was lost. A peer may repeat what it had
/// on its way: k frames (12 by default) of at most 22 time-tagged objects.
const REMEMBERED_EVENTS: usize = 4096;
/// Reports that the driver has not fetched; beyond it, faults are only counted.
const REPORTS_MAX: usize = 65_536;

/// How a controlling station behaves.
#[derive(Clone, Debug)]
pub struct ControllingSettings {
    /// APCI parameters.
    pub link: LinkParameters,
    /// Originator address; 0 when not used.
    pub originator: u8,
    /// The stations of this link.
    pub stations: Vec<CommonAddress>,
    /// Zone of the time tags.
    pub zone: Zone,
    /// Interval of the station interrogation; at the start it always runs.
    pub interrogate: Option<Duration>,
    /// Interval of the counter interrogation, which then also runs at the start.
    pub counters: Option<Duration>,
    /// Interval of clock synchronisation, which then also runs at the start.
    pub clock: Option<Duration>,
    /// How long a command waits for its confirmation.
    pub command_timeout: Duration,
    /// How long a procedure may stand still.
    pub procedure_timeout: Duration,
    /// Whether commands carry time tags (58 to 64).
    pub timed_commands: bool,
}

/// A procedure with a whole station.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Procedure {
    /// C_CS_NA_1.
    Clock,
    /// C_IC_NA_1, QOI 20.
    Interrogation,
    /// C_CI_NA_1, QCC 5.
    Counters,
}

impl Procedure {
    const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock synchronization",
            Self::Interrogation => "station interrogation",
            Self::Counters => "counter interrogation",
        }
    }

    const fn type_id(self) -> TypeId {
        match self {
            Self::Clock => TypeId::C_CS_NA_1,
            Self::Interrogation => TypeId::C_IC_NA_1,
            Self::Counters => TypeId::C_CI_NA_1,
        }
    }
}

/// Where a command goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandTarget {
    /// Type without time tag (45 to 51).
    pub type_id: TypeId,
    /// Station.
    pub common_address: CommonAddress,
    /// Object.
    pub address: Ioa,
}

/// Why nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendRefusal {
    /// No connection transfers data.
    #[error("data transfer is stopped")]
    NotStarted,
    /// The window is full, too many commands wait, or this object already has one.
    #[error("another command is under way")]
    Busy,
    /// The filter of the link does not let the type out.
    #[error("the type is not allowed on this link")]
    Forbidden,
    /// The element is not of the target's type.
    #[error("the value does not fit the type of the command")]
    WrongElement,
}

/// How far a command has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandOutcome {
    /// Positive confirmation of a select.
    Selected,
    /// Positive confirmation of an execute.
    Confirmed,
    /// Confirmation of a deactivation, or activation termination.
    Terminated,
    /// Negative confirmation, or one of the causes 44 to 47.
    Rejected(Cause),
    /// No confirmation in time, or the connection was lost. It is not sent again.
    TimedOut,
}

/// What a controlling station reports.
#[derive(Clone, PartialEq, Debug)]
pub enum ControllingEvent {
    /// Process information.
    Data(Asdu),
    /// A command went a step.
    Command(u64, CommandOutcome),
    /// A station confirmed this time.
    ClockSynchronised(CommonAddress, Utc),
    /// Phase of the active or else of the best connection; `None` when there is none.
    Phase(Option<LinkPhase>),
    /// Every station has answered its first interrogation.
    Complete,
    /// The peer did something wrong.
    Fault(PeerFault),
    /// A message that the filter did not let through, out of the centre if so; it was neither sent nor used.
    Forbidden(TypeId, bool),
    /// Close this connection.
    Close(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Timer {
    Interrogate,
    Counters,
    Clock,
    Running,
    /// Another try of first interrogations that failed.
    Retry,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Select,
    Execute,
    Deactivate,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    token: u64,
    target: CommandTarget,
    element: Element,
    step: Step,
    confirmed: bool,
    expires: Mono,
}

/// An event as it is recognised when it is repeated.
type EventKey = (CommonAddress, Ioa, Cp56Time2a, u64);

/// The controlling station.
#[derive(Debug)]
pub struct Controlling {
    settings: ControllingSettings,
    filter: TypeFilter,
    links: BTreeMap<u8, Link>,
    active: Option<u8>,
    /// Connection to start next; the lowest one if it is not connected.
    preferred: Option<u8>,
    queue: VecDeque<(Procedure, CommonAddress)>,
    running: Option<(Procedure, CommonAddress)>,
    /// Stations whose first interrogation has not ended.
    incomplete: BTreeSet<CommonAddress>,
    commands: Vec<Waiting>,
    recent: VecDeque<EventKey>,
    /// Events that came before the connection was lost and may come again.
    repeatable: HashSet<EventKey>,
    timers: TimerTable<Timer>,
    phase: Option<LinkPhase>,
    reports: VecDeque<ControllingEvent>,
    outbox: VecDeque<Outgoing>,
}

impl Controlling {
    /// A controlling station, not connected.
    pub fn new(settings: ControllingSettings) -> Self {
        Self {
            settings,
            filter: TypeFilter::OPEN,
            links: BTreeMap::new(),
            active: None,
            preferred: None,
            queue: VecDeque::new(),
            running: None,
            incomplete: BTreeSet::new(),
            commands: Vec::new(),
            recent: VecDeque::new(),
            repeatable: HashSet::new(),
            timers: TimerTable::default(),
            phase: None,
            reports: VecDeque::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Which types the link may carry from now on.
    pub fn restrict(&mut self, filter: TypeFilter) {
        self.filter = filter;
    }

    /// A transport connection is established.
    pub fn connected(&mut self, now: Now, channel: u8) {
        self.forget(channel);
        self.links.insert(channel, Link::new(Role::Controlling, self.settings.link, now.mono));
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
        }
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
        self.expire_commands(now);
        if self.timers.expired(Timer::Running, now.mono) {
            self.running_failed(now, "no answer in time");
        }
        self.start_due(now);
        self.settle(now);
    }

    /// Sends a command; its outcome comes under `token`. It is sent now or not at all.
    pub fn activate(
        &mut self,
        now: Now,
        token: u64,
        target: CommandTarget,
        element: Element,
    ) -> Result<(), SendRefusal> {
        let select = element.qualifier().is_some_and(|qualifier| qualifier.select);
        let step = if select { Step::Select } else { Step::Execute };
        self.send_command(now, token, target, element, step)
    }

    /// Gives a select back.
    pub fn deactivate(
        &mut self,
        now: Now,
        token: u64,
        target: CommandTarget,
        element: Element,
    ) -> Result<(), SendRefusal> {
        self.send_command(now, token, target, element.with_select(true), Step::Deactivate)
    }

    /// Begins a procedure with every station, after those under way.
    pub fn begin(&mut self, now: Now, procedure: Procedure) -> Result<(), SendRefusal> {
        if self.active.is_none() {
            return Err(SendRefusal::NotStarted);
        }
        self.enqueue(procedure);
        self.settle(now);
        Ok(())
    }

    /// The points of the link have changed, and with them the stations: what is new is interrogated; the link stays up.
    pub fn restation(&mut self, now: Now, stations: Vec<CommonAddress>) {
        self.settings.stations = stations;
        if self.active.is_some() {
            self.enqueue(Procedure::Interrogation);
            if self.settings.counters.is_some() {
                self.enqueue(Procedure::Counters);
            }
            self.settle(now);
        }
    }

    /// Next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.outbox.pop_front()
    }

    /// Next report.
    pub fn poll_event(&mut self) -> Option<ControllingEvent> {
        self.reports.pop_front()
    }

    /// Next deadline.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let links = self.links.values().filter_map(Link::poll_timeout).min();
        let commands = self.commands.iter().map(|waiting| waiting.expires).min();
        earlier(earlier(links, commands), self.timers.next())
    }

    fn indication(&mut self, now: Now, channel: u8, indication: Indication) {
        match indication {
            Indication::Started => self.started(now, channel),
            Indication::Stopped => self.lost(),
            Indication::Asdu(asdu) => self.asdu(now, asdu),
        }
    }

    fn started(&mut self, now: Now, channel: u8) {
        self.active = Some(channel);
        self.incomplete = self.settings.stations.iter().copied().collect();
        self.repeatable = self.recent.iter().copied().collect();
        let timers = [
            (Timer::Clock, Procedure::Clock, self.settings.clock),
            (Timer::Interrogate, Procedure::Interrogation, self.settings.interrogate),
            (Timer::Counters, Procedure::Counters, self.settings.counters),
        ];
        for (timer, procedure, every) in timers {
            if let Some(every) = every {
                self.timers.arm(timer, now.mono + every);
            }
            if every.is_some() || procedure == Procedure::Interrogation {
                self.enqueue(procedure);
            }
        }
    }

    /// The active connection no longer transfers data. Nothing is sent again: what a command did is not known.
    fn lost(&mut self) {
        self.active = None;
        self.queue.clear();
        self.running = None;
        self.incomplete.clear();
        self.timers.stop_all();
        for waiting in std::mem::take(&mut self.commands) {
            if !waiting.confirmed {
                self.report(ControllingEvent::Command(waiting.token, CommandOutcome::TimedOut));
            }
        }
    }

    fn forget(&mut self, channel: u8) {
        if self.active == Some(channel) {
            self.lost();
        }
        self.links.remove(&channel);
        self.outbox.retain(|outgoing| outgoing.channel != channel);
    }

    fn close(&mut self, channel: u8, fault: PeerFault) {
        self.report(ControllingEvent::Fault(fault));
        self.report(ControllingEvent::Close(channel));
        self.forget(channel);
    }

    fn report(&mut self, event: ControllingEvent) {
        if self.reports.len() < REPORTS_MAX
            || !matches!(event, ControllingEvent::Fault(_) | ControllingEvent::Forbidden(..))
        {
            self.reports.push_back(event);
        }
    }

    /// Starts a connection if none transfers data, drives procedures, moves frames to the outbox.
    fn settle(&mut self, now: Now) {
        let busy = |link: &Link| link.phase() != LinkPhase::Stopped;
        if self.active.is_none() && !self.links.values().any(busy) {
            // The lowest channel first: the configuration's order is the order of preference.
            let preferred = self.preferred.filter(|channel| self.links.contains_key(channel));
            let channel = preferred.or_else(|| self.links.keys().next().copied());
            if let Some(link) = channel.and_then(|channel| self.links.get_mut(&channel)) {
                link.start(now.mono);
            }
        }
        self.drive(now);
        for (&channel, link) in &mut self.links {
            while let Some(bytes) = link.poll_transmit() {
                self.outbox.push_back(Outgoing { channel, bytes });
            }
        }
        let phase = match self.active {
            Some(_) => Some(LinkPhase::Started),
            None => self
                .links
                .values()
                .map(Link::phase)
                .find(|phase| *phase != LinkPhase::Stopped)
                .or(if self.links.is_empty() { None } else { Some(LinkPhase::Stopped) }),
        };
        if phase != self.phase {
            self.phase = phase;
            self.report(ControllingEvent::Phase(phase));
        }
    }

    fn enqueue(&mut self, procedure: Procedure) {
        for &station in &self.settings.stations {
            let waits = self.queue.contains(&(procedure, station));
            if !waits && self.queue.len() < PROCEDURES_MAX {
                self.queue.push_back((procedure, station));
            }
        }
    }

    fn start_due(&mut self, now: Now) {
        if self.active.is_none() {
            return;
        }
        let due = [
            (Timer::Clock, Procedure::Clock, self.settings.clock),
            (Timer::Interrogate, Procedure::Interrogation, self.settings.interrogate),
            (Timer::Counters, Procedure::Counters, self.settings.counters),
        ];
        for (timer, procedure, every) in due {
            if self.timers.expired(timer, now.mono) {
                self.timers.stop(timer);
                if let Some(every) = every {
                    self.timers.arm(timer, now.mono + every);
                }
                self.enqueue(procedure);
            }
        }
        if self.timers.expired(Timer::Retry, now.mono) {
            self.timers.stop(Timer::Retry);
            self.enqueue(Procedure::Interrogation);
        }
    }

    /// Sends the next procedure when none runs and the window is open.
    fn drive(&mut self, now: Now) {
        let Some(channel) = self.active else { return };
        if self.running.is_some() {
            return;
        }
        let Some(link) = self.links.get_mut(&channel).filter(|link| link.can_send()) else { return };
        let Some((procedure, station)) = self.queue.pop_front() else { return };
        if !self.filter.lets_out(procedure.type_id()) {
            self.report(ControllingEvent::Forbidden(procedure.type_id(), true));
            return;
        }
        let clock = Cp56Time2a::from_utc(UtcStamp::synchronised(now.utc), &self.settings.zone);
        let (element, time) = match procedure {
            Procedure::Clock => (Element::ClockSynchronization, Some(clock)),
            Procedure::Interrogation => (Element::Interrogation(20), None),
            Procedure::Counters => (Element::CounterInterrogation(5), None),
        };
        let header =
            Header { originator: self.settings.originator, ..Header::new(Cause::Activation, station) };
        let object = Object { address: Ioa::IRRELEVANT, element, time };
        let Ok(bytes) = Asdu::single(procedure.type_id(), header, object).encode() else { return };
        link.send(now.mono, &bytes, 0);
        self.running = Some((procedure, station));
        self.timers.arm(Timer::Running, now.mono + self.settings.procedure_timeout);
    }

    fn running_done(&mut self, now: Now) {
        let done = self.running.take();
        self.timers.stop(Timer::Running);
        if let Some((Procedure::Interrogation, station)) = done
            && self.incomplete.remove(&station)
            && self.incomplete.is_empty()
        {
            self.report(ControllingEvent::Complete);
        }
        self.drive(now);
    }

    /// Reports the failure. A first interrogation is tried again: without it there is no complete picture.
    fn running_failed(&mut self, now: Now, problem: &'static str) {
        self.timers.stop(Timer::Running);
        let Some((procedure, common_address)) = self.running.take() else { return };
        let procedure_name = procedure.name();
        self.report(ControllingEvent::Fault(PeerFault::Procedure {
            procedure: procedure_name,
            common_address,
            problem,
        }));
        if procedure == Procedure::Interrogation && self.incomplete.contains(&common_address) {
            self.timers.arm(Timer::Retry, now.mono + self.settings.procedure_timeout);
            self.switch_over(now);
        }
    }

    /// Stops data transfer on the active connection in favour of the next connected one of the group, if any: a
    /// station that does not answer on one line may do so on another.
    fn switch_over(&mut self, now: Now) {
        let Some(active) = self.active else { return };
        let mut others = self.links.keys().copied().filter(|channel| *channel != active);
        let next = others.clone().find(|channel| *channel > active).or_else(|| others.next());
        if next.is_some()
            && let Some(link) = self.links.get_mut(&active)
        {
            self.preferred = next;
            link.stop(now.mono);
        }
    }

    fn asdu(&mut self, now: Now, asdu: Asdu) {
        if !self.filter.lets_in(asdu.type_id) {
            return self.report(ControllingEvent::Forbidden(asdu.type_id, false));
        }
        if asdu.type_id.is_process_command() {
            return self.command_answer(now, &asdu);
        }
        match asdu.type_id {
            TypeId::C_IC_NA_1 | TypeId::C_CI_NA_1 | TypeId::C_CS_NA_1 => self.procedure_answer(now, &asdu),
            TypeId::M_EI_NA_1 => {
                // The station began anew: what it had before is void (101 7.4.2).
                self.enqueue(Procedure::Interrogation);
            }
            TypeId::Other(_) | TypeId::C_RD_NA_1 | TypeId::C_RP_NA_1 | TypeId::C_TS_TA_1 => {
                self.unexpected(&asdu)
            }
            _ => self.data(now, asdu),
        }
    }

    fn unexpected(&mut self, asdu: &Asdu) {
        let fault = PeerFault::UnexpectedConfirmation { cause: asdu.header.cause, type_id: asdu.type_id };
        self.report(ControllingEvent::Fault(fault));
    }

    fn data(&mut self, now: Now, asdu: Asdu) {
        if self.running.is_some() && matches!(asdu.header.cause.code(), 20..=41) {
            self.timers.arm(Timer::Running, now.mono + self.settings.procedure_timeout);
        }
        let timed = asdu.type_id.layout().is_some_and(|(_, timed)| timed);
        let event =
            matches!(asdu.header.cause, Cause::Spontaneous | Cause::ReturnRemote | Cause::ReturnLocal);
        if !(timed && event) {
            return self.report(ControllingEvent::Data(asdu));
        }
        let fresh = self.without_repeated(asdu);
        if !fresh.objects().is_empty() {
            self.report(ControllingEvent::Data(fresh));
        }
    }

    /// Leaves out events that a peer repeats because it did not learn, before the connection was lost, that they
    /// had arrived. The time tag tells them from new ones.
    fn without_repeated(&mut self, mut asdu: Asdu) -> Asdu {
        let station = asdu.header.common_address;
        let crate::codec::Body::Objects(objects) = &mut asdu.body else { return asdu };
        objects.retain(|object| {
            let key =
                (station, object.address, object.time.unwrap_or_default(), fingerprint(&object.element));
            if !self.repeatable.is_empty() && self.repeatable.remove(&key) {
                return false;
            }
            if self.recent.len() >= REMEMBERED_EVENTS {
                self.recent.pop_front();
            }
            self.recent.push_back(key);
            true
        });
        asdu
    }

    fn procedure_answer(&mut self, now: Now, asdu: &Asdu) {
        let Header { cause, negative, common_address, .. } = asdu.header;
        let matching = self.running.is_some_and(|(procedure, station)| {
            procedure.type_id() == asdu.type_id && station == common_address
        });
        if !matching {
            return self.unexpected(asdu);
        }
        match cause {
            Cause::ActivationCon if negative => self.running_failed(now, "negative confirmation"),
            Cause::ActivationCon if asdu.type_id == TypeId::C_CS_NA_1 => {
                self.report(ControllingEvent::ClockSynchronised(common_address, now.utc));
                self.running_done(now);
            }
            Cause::ActivationCon => {
                self.timers.arm(Timer::Running, now.mono + self.settings.procedure_timeout);
            }
            Cause::ActivationTermination => self.running_done(now),
            Cause::UnknownType => self.running_failed(now, Cause::UnknownType.text()),
            Cause::UnknownCause => self.running_failed(now, Cause::UnknownCause.text()),
            Cause::UnknownCommonAddress => self.running_failed(now, Cause::UnknownCommonAddress.text()),
            Cause::UnknownObjectAddress => self.running_failed(now, Cause::UnknownObjectAddress.text()),
            _ => self.unexpected(asdu),
        }
    }

    fn send_command(
        &mut self,
        now: Now,
        token: u64,
        target: CommandTarget,
        element: Element,
        step: Step,
    ) -> Result<(), SendRefusal> {
        let channel = self.active.ok_or(SendRefusal::NotStarted)?;
        let link = self.links.get_mut(&channel).ok_or(SendRefusal::NotStarted)?;
        let same_object = |waiting: &Waiting| waiting.target == target && !waiting.confirmed;
        let full = self.commands.len() >= COMMANDS_MAX || self.commands.iter().any(same_object);
        if full || !link.can_send() {
            return Err(SendRefusal::Busy);
        }
        let timed = self.settings.timed_commands;
        let type_id = if timed { target.type_id.timed() } else { target.type_id };
        if !self.filter.lets_out(type_id) {
            self.report(ControllingEvent::Forbidden(type_id, true));
            return Err(SendRefusal::Forbidden);
        }
        let clock = Cp56Time2a::from_utc(UtcStamp::synchronised(now.utc), &self.settings.zone);
        let cause = if step == Step::Deactivate { Cause::Deactivation } else { Cause::Activation };
        let header =
            Header { originator: self.settings.originator, ..Header::new(cause, target.common_address) };
        let object = Object { address: target.address, element, time: timed.then_some(clock) };
        let bytes = Asdu::single(type_id, header, object).encode().map_err(|_| SendRefusal::WrongElement)?;
        link.send(now.mono, &bytes, 0);
        // A confirmed execute whose termination never came makes room for the next command of the object.
        self.commands.retain(|waiting| waiting.target != target);
        let expires = now.mono + self.settings.command_timeout;
        self.commands.push(Waiting { token, target, element, step, confirmed: false, expires });
        self.settle(now);
        Ok(())
    }

    fn command_answer(&mut self, now: Now, asdu: &Asdu) {
        let Some(object) = asdu.objects().first() else { return self.unexpected(asdu) };
        let target = CommandTarget {
            type_id: asdu.type_id.untimed(),
            common_address: asdu.header.common_address,
            address: object.address,
        };
        let found = self
            .commands
            .iter()
            .position(|waiting| waiting.target == target && same_command(waiting.element, object.element));
        let Some(at) = found else { return self.unexpected(asdu) };
        let Some(waiting) = self.commands.get(at).copied() else { return };
        let Some((outcome, over)) = outcome_of(waiting, &asdu.header) else { return self.unexpected(asdu) };
        if over {
            self.commands.swap_remove(at);
        } else if let Some(kept) = self.commands.get_mut(at) {
            kept.confirmed = true;
            kept.expires = now.mono + self.settings.command_timeout;
        }
        self.report(ControllingEvent::Command(waiting.token, outcome));
    }

    /// Commands without confirmation time out; a missing termination is not reported, since many devices send none
    /// and the returned measurement tells more.
    fn expire_commands(&mut self, now: Now) {
        let mut late = Vec::new();
        self.commands.retain(|waiting| {
            let expired = waiting.expires <= now.mono;
            if expired && !waiting.confirmed {
                late.push(waiting.token);
            }
            !expired
        });
        for token in late {
            self.report(ControllingEvent::Command(token, CommandOutcome::TimedOut));
        }
    }
}

/// What an answer means to a command, and whether the procedure is over.
fn outcome_of(waiting: Waiting, header: &Header) -> Option<(CommandOutcome, bool)> {
    match header.cause {
        Cause::ActivationCon | Cause::DeactivationCon if header.negative => {
            Some((CommandOutcome::Rejected(header.cause), true))
        }
        Cause::ActivationCon => match waiting.step {
            Step::Select => Some((CommandOutcome::Selected, true)),
            Step::Execute => Some((CommandOutcome::Confirmed, false)),
            Step::Deactivate => None,
        },
        Cause::DeactivationCon => {
            (waiting.step == Step::Deactivate).then_some((CommandOutcome::Terminated, true))
        }
        Cause::ActivationTermination => Some(if header.negative {
            (CommandOutcome::Rejected(header.cause), true)
        } else {
            (CommandOutcome::Terminated, true)
        }),
        Cause::UnknownType
        | Cause::UnknownCause
        | Cause::UnknownCommonAddress
        | Cause::UnknownObjectAddress => Some((CommandOutcome::Rejected(header.cause), true)),
        _ => None,
    }
}

/// Whether an answer mirrors this command. The S/E bit is left out: some devices clear it in a confirmation.
fn same_command(sent: Element, got: Element) -> bool {
    let value = |element: Element| element.with_select(false);
    match (value(sent), value(got)) {
        (Element::SetFloat(a, qa), Element::SetFloat(b, qb)) => a.to_bits() == b.to_bits() && qa == qb,
        (a, b) => a == b,
    }
}

/// A number that differs between the values of one object.
fn fingerprint(element: &Element) -> u64 {
    let pair = |value: u32, quality: u8| u64::from(value) << 8 | u64::from(quality);
    let signed = |value: i16| u32::from(u16::from_le_bytes(value.to_le_bytes()));
    match *element {
        Element::Single(on, qds) => pair(u32::from(on), qds.bits()),
        Element::Double(state, qds) => {
            let bits = match state {
                DoubleState::Intermediate => 0,
                DoubleState::Off => 1,
                DoubleState::On => 2,
                DoubleState::Indeterminate => 3,
            };
            pair(bits, qds.bits())
        }
        Element::Step(value, transient, qds) => {
            pair(signed(i16::from(value)) << 1 | u32::from(transient), qds.bits())
        }
        Element::Bits(bits, qds) => pair(bits, qds.bits()),
        Element::Normalized(value, qds) | Element::Scaled(value, qds) => pair(signed(value), qds.bits()),
        Element::Float(value, qds) => pair(value.to_bits(), qds.bits()),
        Element::Counter(reading) => pair(u32::from_le_bytes(reading.value.to_le_bytes()), reading.sequence),
        Element::ProtectionEvent(state, qdp, elapsed)
        | Element::ProtectionStart(state, qdp, elapsed)
        | Element::ProtectionTrip(state, qdp, elapsed) => {
            pair(u32::from(state) << 16 | u32::from(elapsed), qdp.bits())
        }
        _ => 0,
    }
}
