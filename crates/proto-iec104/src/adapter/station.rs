//! The controlled station as a [`PointStation`].

use super::address::{Bound, bind};
use super::convert;
use super::session::signal_fault;
use crate::codec::TypeId;
use crate::config::{Config, ConfigError};
use crate::session::{
    ActivationAnswer, ActivationPhase, Controlled, ControlledEvent, LinkPhase, StationControl, StationPoint,
};
use signal::{
    Channel, Command, CommandAnswer, CommandId, CommandPhase, ControlMode, LinkState, PointId, PointKind,
    PointList, PointStation, Sample, StationEvent, Transmit,
};
use std::collections::HashMap;
use timebase::{Mono, Now, UtcStamp};

/// The field's side of one IEC 60870-5-104 link.
#[derive(Debug)]
pub struct ControlledStation {
    session: Controlled,
    channels: u8,
    /// Position among the session's points, and the type that reports it.
    points: HashMap<PointId, (usize, TypeId)>,
    controls: Vec<(PointId, PointKind)>,
    /// When a command arrived that the session is being asked about.
    now: Now,
}

impl ControlledStation {
    /// A station with the points of `link`.
    pub fn new(config: &Config, points: &PointList, link: &str) -> Result<Self, ConfigError> {
        let bound = bind(config, points, link)?;
        let settings = config.controlled()?;
        let monitored: Vec<StationPoint> = bound.iter().map(station_point).collect();
        let mut controls = Vec::new();
        let mut targets = Vec::new();
        for (point, control) in bound.iter().filter_map(|point| Some((point, point.control?))) {
            targets.push((point.point, point.kind));
            controls.push(StationControl {
                type_id: control.type_id,
                common_address: control.common_address,
                address: control.address,
                select_required: control.mode == ControlMode::SelectBeforeOperate,
            });
        }
        let position = |(at, point): (usize, &Bound)| (point.point, (at, point.type_id));
        Ok(Self {
            channels: settings.channels,
            session: Controlled::new(settings, &monitored, controls),
            points: bound.iter().enumerate().map(position).collect(),
            controls: targets,
            now: Now { mono: Mono::ZERO, utc: timebase::Utc::from_micros(0) },
        })
    }

    fn event(&mut self, event: ControlledEvent) -> Option<StationEvent> {
        Some(match event {
            ControlledEvent::Command { id, control, element, phase } => {
                let wanted = self
                    .controls
                    .get(control)
                    .and_then(|(point, kind)| Some((*point, convert::commanded(&element, *kind)?)));
                let Some((point, value)) = wanted else {
                    self.session.answer(self.now, id, ActivationAnswer::Reject);
                    return None;
                };
                let command = Command { id: CommandId(id), point, value, deadline: None };
                StationEvent::Command(
                    command,
                    match phase {
                        ActivationPhase::Select => CommandPhase::Select,
                        ActivationPhase::Execute => CommandPhase::Execute,
                        ActivationPhase::Deactivate => CommandPhase::Deselect,
                    },
                )
            }
            ControlledEvent::ClockSet(stamp) => StationEvent::ClockSet(stamp.time),
            ControlledEvent::Phase(phase) => StationEvent::Link(match phase {
                None => LinkState::Down,
                Some(LinkPhase::Stopped | LinkPhase::Starting | LinkPhase::Stopping) => LinkState::Connecting,
                Some(LinkPhase::Started) => LinkState::Up,
            }),
            ControlledEvent::Fault(fault) => StationEvent::Fault(signal_fault(&fault)),
            ControlledEvent::Close(channel) => StationEvent::Close(Channel(channel)),
        })
    }
}

fn station_point(point: &Bound) -> StationPoint {
    StationPoint {
        type_id: point.type_id,
        common_address: point.common_address,
        address: point.address,
        group: 0,
        deadband: point.deadband,
    }
}

impl PointStation for ControlledStation {
    fn connected(&mut self, now: Now, channel: Channel) {
        self.session.connected(now, channel.0);
    }

    fn disconnected(&mut self, now: Now, channel: Channel) {
        self.session.disconnected(now, channel.0);
    }

    fn handle_input(&mut self, now: Now, channel: Channel, bytes: &[u8]) {
        self.now = now;
        self.session.handle_input(now, channel.0, bytes);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.session.handle_timeout(now);
    }

    fn update(&mut self, now: Now, sample: Sample) {
        let Some(&(at, type_id)) = self.points.get(&sample.point) else { return };
        let Some(element) = convert::report(type_id, sample.value, sample.quality) else { return };
        let stamp = sample.source_time.unwrap_or(UtcStamp::synchronised(sample.received.utc));
        self.session.update(now, at, element, stamp);
    }

    fn answer(&mut self, now: Now, command: Command, answer: CommandAnswer) {
        let answer = match answer {
            CommandAnswer::Accept => ActivationAnswer::Confirm,
            CommandAnswer::Refuse => ActivationAnswer::Reject,
            CommandAnswer::Terminate => ActivationAnswer::Terminate,
        };
        self.session.answer(now, command.id.0, answer);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let outgoing = self.session.poll_transmit()?;
        Some(Transmit { channel: Channel(outgoing.channel), bytes: outgoing.bytes })
    }

    fn poll_event(&mut self) -> Option<StationEvent> {
        loop {
            let event = self.session.poll_event()?;
            if let Some(event) = self.event(event) {
                return Some(event);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.session.poll_timeout()
    }

    fn max_channels(&self) -> u8 {
        self.channels
    }
}
