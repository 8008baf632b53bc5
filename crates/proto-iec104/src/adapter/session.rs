//! The controlling station as a [`PointSession`].

use super::address::{Bound, BoundControl, bind};
use super::{convert, filter};
use crate::codec::{Asdu, Cause, CommonAddress, Ioa, TypeId};
use crate::config::{Config, ConfigError};
use crate::session::{
    CommandOutcome, CommandTarget, Controlling, ControllingEvent, LinkPhase, PeerFault, Procedure,
    SendRefusal,
};
use signal::{
    Channel, Command, CommandId, CommandStage, Direction, Fault, FaultKind, FunctionPolicy, FunctionSets,
    LinkState, PointId, PointKind, PointList, PointSession, Refusal, Request, Sample, SessionEvent, Transmit,
};
use std::collections::{HashMap, VecDeque};
use timebase::{Mono, Now, Zone};

/// Which point stands at which address.
#[derive(Debug, Default)]
struct Map {
    monitored: HashMap<(CommonAddress, Ioa), (PointId, PointKind)>,
    controls: HashMap<PointId, BoundControl>,
    /// Types that the points are reported with.
    reported: Vec<TypeId>,
    /// Every common address that occurs, or that of the link.
    stations: Vec<CommonAddress>,
}

impl Map {
    fn new(config: &Config, points: &PointList, link: &str) -> Result<Self, ConfigError> {
        let bound = bind(config, points, link)?;
        let mut stations: Vec<CommonAddress> = bound.iter().map(|point| point.common_address).collect();
        stations.sort_unstable();
        stations.dedup();
        if stations.is_empty() {
            stations.push(CommonAddress(config.common_address));
        }
        let place = |point: &Bound| ((point.common_address, point.address), (point.point, point.kind));
        let control = |point: &Bound| point.control.map(|control| (point.point, control));
        Ok(Self {
            monitored: bound.iter().map(place).collect(),
            controls: bound.iter().filter_map(control).collect(),
            reported: bound.iter().map(|point| point.type_id).collect(),
            stations,
        })
    }
}

impl Map {
    fn types(&self) -> filter::Types {
        let controls = self.controls.values().map(|control| control.type_id).collect();
        filter::Types { controls, reported: self.reported.clone() }
    }
}

/// The centre's side of one IEC 60870-5-104 link.
#[derive(Debug)]
pub struct ControllingSession {
    session: Controlling,
    config: Config,
    link: String,
    zone: Zone,
    map: Map,
    policy: FunctionPolicy,
    /// When the octets arrived whose reports are being fetched.
    received: Now,
    events: VecDeque<SessionEvent>,
}

impl ControllingSession {
    /// A session for the points of `link`.
    pub fn new(config: &Config, points: &PointList, link: &str) -> Result<Self, ConfigError> {
        let map = Map::new(config, points, link)?;
        let settings = config.controlling(map.stations.clone())?;
        let settings_zone = settings.zone.clone();
        let mut session = Controlling::new(settings);
        let sets = filter::allowed(config, &map.types(), FunctionPolicy::default());
        session.restrict(filter::filter(sets));
        Ok(Self {
            zone: settings_zone,
            session,
            config: config.clone(),
            link: link.to_owned(),
            map,
            policy: FunctionPolicy::default(),
            received: Now { mono: Mono::ZERO, utc: timebase::Utc::from_micros(0) },
            events: VecDeque::new(),
        })
    }

    /// Which messages a link with these points may carry under a policy.
    ///
    /// # Errors
    /// The points do not fit the link.
    pub fn allowed(
        config: &Config,
        points: &PointList,
        link: &str,
        policy: FunctionPolicy,
    ) -> Result<FunctionSets, ConfigError> {
        Ok(filter::allowed(config, &Map::new(config, points, link)?.types(), policy))
    }

    fn command(&mut self, now: Now, command: Command, step: Step) -> Result<(), Refusal> {
        let control = *self.map.controls.get(&command.point).ok_or(Refusal::NotControllable)?;
        let select = step != Step::Execute;
        let element = convert::command(control.type_id, command.value, select).ok_or(Refusal::WrongValue)?;
        if select && element.qualifier().is_none() {
            // C_BO_NA_1 has no S/E bit: it cannot be selected.
            return Err(Refusal::WrongValue);
        }
        let target = CommandTarget {
            type_id: control.type_id,
            common_address: control.common_address,
            address: control.address,
        };
        let token = command.id.0;
        let sent = match step {
            Step::Select | Step::Execute => self.session.activate(now, token, target, element),
            Step::Deselect => self.session.deactivate(now, token, target, element),
        };
        sent.map_err(refusal)
    }

    fn take(&mut self, event: ControllingEvent) {
        let event = match event {
            ControllingEvent::Data(asdu) => return self.samples(&asdu),
            ControllingEvent::Command(token, outcome) => {
                SessionEvent::Command(CommandId(token), stage(outcome))
            }
            ControllingEvent::ClockSynchronised(_, time) => SessionEvent::ClockSynchronised(time),
            ControllingEvent::Phase(phase) => SessionEvent::Link(match phase {
                None => LinkState::Down,
                Some(LinkPhase::Stopped | LinkPhase::Starting | LinkPhase::Stopping) => LinkState::Connecting,
                Some(LinkPhase::Started) => LinkState::Synchronising,
            }),
            ControllingEvent::Complete => SessionEvent::Link(LinkState::Up),
            ControllingEvent::Fault(fault) => SessionEvent::Fault(signal_fault(&fault)),
            ControllingEvent::Forbidden(type_id, out) => {
                let direction = if out { Direction::ToField } else { Direction::FromField };
                SessionEvent::Forbidden(filter::function(type_id), direction)
            }
            ControllingEvent::Close(channel) => SessionEvent::Close(Channel(channel)),
        };
        self.events.push_back(event);
    }

    fn samples(&mut self, asdu: &Asdu) {
        let station = asdu.header.common_address;
        let mut unknown = None;
        for object in asdu.objects() {
            let bound = self.map.monitored.get(&(station, object.address));
            let reading = convert::reading(&object.element);
            let (Some(&(point, kind)), Some((value, mut quality))) = (bound, reading) else {
                unknown = unknown.or(Some(object.address));
                continue;
            };
            if !convert::fits(value, kind) {
                unknown = unknown.or(Some(object.address));
                continue;
            }
            if asdu.header.cause == Cause::ReturnRemote {
                self.events.push_back(SessionEvent::RemoteCommand(point));
            }
            quality.test |= asdu.header.test;
            let source_time = convert::stamp(object.time, &self.zone, self.received);
            let sample = Sample { point, value, quality, source_time, received: self.received };
            self.events.push_back(SessionEvent::Sample(sample));
        }
        if let Some(address) = unknown {
            let detail = format!("{} of {station}:{address} is not configured for this link", asdu.type_id);
            self.events.push_back(SessionEvent::Fault(Fault { kind: FaultKind::Unknown, detail }));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Select,
    Execute,
    Deselect,
}

impl PointSession for ControllingSession {
    fn connected(&mut self, now: Now, channel: Channel) {
        self.session.connected(now, channel.0);
    }

    fn disconnected(&mut self, now: Now, channel: Channel) {
        self.session.disconnected(now, channel.0);
    }

    fn handle_input(&mut self, now: Now, channel: Channel, bytes: &[u8]) {
        self.received = now;
        self.session.handle_input(now, channel.0, bytes);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.session.handle_timeout(now);
    }

    fn request(&mut self, now: Now, request: Request) -> Result<(), Refusal> {
        match request {
            Request::Select(command) => self.command(now, command, Step::Select),
            Request::Execute(command) => self.command(now, command, Step::Execute),
            Request::Deselect(command) => self.command(now, command, Step::Deselect),
            Request::Interrogate => self.session.begin(now, Procedure::Interrogation).map_err(refusal),
            Request::InterrogateCounters => self.session.begin(now, Procedure::Counters).map_err(refusal),
            Request::SynchroniseClock => self.session.begin(now, Procedure::Clock).map_err(refusal),
        }
    }

    fn rebind(&mut self, now: Now, points: &PointList) -> Result<(), String> {
        let map = Map::new(&self.config, points, &self.link).map_err(|error| error.to_string())?;
        let is_wider = map.monitored.iter().any(|(place, _)| !self.map.monitored.contains_key(place));
        let stations = map.stations.clone();
        self.map = map;
        self.restrict(self.policy);
        if is_wider {
            self.session.restation(now, stations);
        }
        Ok(())
    }

    fn restrict(&mut self, policy: FunctionPolicy) {
        self.policy = policy;
        let sets = filter::allowed(&self.config, &self.map.types(), policy);
        self.session.restrict(filter::filter(sets));
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let outgoing = self.session.poll_transmit()?;
        Some(Transmit { channel: Channel(outgoing.channel), bytes: outgoing.bytes })
    }

    fn poll_event(&mut self) -> Option<SessionEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let event = self.session.poll_event()?;
            self.take(event);
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.session.poll_timeout()
    }
}

fn refusal(refusal: SendRefusal) -> Refusal {
    match refusal {
        SendRefusal::NotStarted => Refusal::NotConnected,
        SendRefusal::Busy => Refusal::Busy,
        SendRefusal::Forbidden => Refusal::NotAllowed,
        SendRefusal::WrongElement => Refusal::WrongValue,
    }
}

fn stage(outcome: CommandOutcome) -> CommandStage {
    match outcome {
        CommandOutcome::Selected => CommandStage::Selected,
        CommandOutcome::Confirmed => CommandStage::Accepted,
        CommandOutcome::Terminated => CommandStage::Terminated,
        CommandOutcome::Rejected(cause @ (Cause::ActivationCon | Cause::DeactivationCon)) => {
            CommandStage::Refused(format!("negative {}", cause.text()))
        }
        CommandOutcome::Rejected(cause) => CommandStage::Refused(cause.text().into()),
        CommandOutcome::TimedOut => CommandStage::TimedOut,
    }
}

/// The kind of a fault for counters, its words for people.
pub(super) fn signal_fault(fault: &PeerFault) -> Fault {
    let kind = match fault {
        PeerFault::Apci(_) | PeerFault::Asdu(_) => FaultKind::Malformed,
        PeerFault::SequenceGap { .. }
        | PeerFault::FalseAcknowledgement { .. }
        | PeerFault::NotStarted
        | PeerFault::WrongDirection(_)
        | PeerFault::Flooding(_)
        | PeerFault::UnexpectedConfirmation { .. }
        | PeerFault::EventsDropped(_) => FaultKind::Protocol,
        PeerFault::NoAnswer(_) | PeerFault::Procedure { .. } => FaultKind::Timeout,
        PeerFault::Unknown { .. } => FaultKind::Unknown,
    };
    Fault { kind, detail: fault.to_string() }
}
