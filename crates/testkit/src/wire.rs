//! A session and a station, connected by channels that delay, cut, swallow and fragment.

use signal::{Channel, PointSession, PointStation, SessionEvent, StationEvent};
use std::collections::VecDeque;
use std::time::Duration;
use timebase::{Mono, Now, Utc};

/// Octets on their way, with the moment of their arrival.
type Flight = VecDeque<(Mono, Vec<u8>)>;

#[derive(Debug, Default)]
struct Line {
    connected: bool,
    swallowing: bool,
    to_station: Flight,
    to_session: Flight,
}

/// Both ends of one link, driven by a virtual clock.
#[derive(Debug)]
pub struct VirtualWire<S, T> {
    /// The centre's side.
    pub session: S,
    /// The field's side.
    pub station: T,
    /// What the session reported.
    pub session_events: Vec<SessionEvent>,
    /// What the station reported.
    pub station_events: Vec<StationEvent>,
    /// Delay of each direction.
    pub delay: Duration,
    /// Most octets delivered at once; the rest follows at the same moment.
    pub fragment: usize,
    /// Octets that have gone towards the session.
    pub octets_to_session: u64,
    lines: Vec<Line>,
    now: Now,
}

impl<S: PointSession, T: PointStation> VirtualWire<S, T> {
    /// A wire with this many channels, none connected, at 2026-01-01T00:00:00Z.
    pub fn new(session: S, station: T, channels: u8) -> Self {
        Self {
            session,
            station,
            session_events: Vec::new(),
            station_events: Vec::new(),
            delay: Duration::from_millis(1),
            fragment: usize::MAX,
            octets_to_session: 0,
            lines: (0..channels).map(|_| Line::default()).collect(),
            now: Now { mono: Mono::ZERO, utc: Utc::from_micros(1_767_225_600_000_000) },
        }
    }

    /// The virtual present.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Establishes a channel.
    pub fn connect(&mut self, channel: Channel) {
        self.cut(channel);
        if let Some(line) = self.line(channel) {
            *line = Line { connected: true, ..Line::default() };
            self.station.connected(self.now, channel);
            self.session.connected(self.now, channel);
        }
        self.collect();
    }

    /// Breaks a channel: octets on their way are lost, both ends learn of it.
    pub fn cut(&mut self, channel: Channel) {
        let Some(line) = self.line(channel).filter(|line| line.connected) else { return };
        *line = Line::default();
        self.station.disconnected(self.now, channel);
        self.session.disconnected(self.now, channel);
        self.collect();
    }

    /// From now on a channel swallows everything, or no longer; neither end learns of it.
    pub fn swallow(&mut self, channel: Channel, swallowing: bool) {
        if let Some(line) = self.line(channel) {
            line.swallowing = swallowing;
        }
    }

    /// Whether a channel is connected.
    pub fn is_connected(&self, channel: Channel) -> bool {
        self.lines.get(usize::from(channel.0)).is_some_and(|line| line.connected)
    }

    /// Lets `span` pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now.mono + span;
        self.run_while(end, |_| true);
        let rest = end.since(self.now.mono);
        self.now = self.now.advanced(rest);
    }

    /// Lets time pass until `done`, at most `limit`; whether it was done.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.mono + limit;
        let mut reached = false;
        self.run_while(end, |wire| {
            reached = done(wire);
            !reached
        });
        reached || done(self)
    }

    fn run_while(&mut self, end: Mono, mut go_on: impl FnMut(&Self) -> bool) {
        self.collect();
        while go_on(self) {
            let Some(at) = self.next_moment().filter(|at| *at <= end) else { return };
            self.now = self.now.advanced(at.since(self.now.mono));
            self.deliver();
            for timeout in [self.session.poll_timeout(), self.station.poll_timeout()] {
                if timeout.is_some_and(|timeout| timeout <= self.now.mono) {
                    self.session.handle_timeout(self.now);
                    self.station.handle_timeout(self.now);
                }
            }
            self.collect();
        }
    }

    fn next_moment(&self) -> Option<Mono> {
        let arrivals = self
            .lines
            .iter()
            .flat_map(|line| [line.to_station.front(), line.to_session.front()])
            .flatten()
            .map(|(at, _)| *at);
        let timeouts = [self.session.poll_timeout(), self.station.poll_timeout()].into_iter().flatten();
        arrivals.chain(timeouts).min()
    }

    fn line(&mut self, channel: Channel) -> Option<&mut Line> {
        self.lines.get_mut(usize::from(channel.0))
    }

    fn deliver(&mut self) {
        let due = |flight: &mut Flight, now: Mono| {
            let ready = flight.front().is_some_and(|(at, _)| *at <= now);
            if ready { flight.pop_front().map(|(_, octets)| octets) } else { None }
        };
        for number in 0..self.lines.len() {
            let Ok(channel) = u8::try_from(number).map(Channel) else { continue };
            let Some(line) = self.lines.get_mut(number) else { continue };
            let to_station = due(&mut line.to_station, self.now.mono);
            let to_session = due(&mut line.to_session, self.now.mono);
            for piece in to_station.iter().flat_map(|octets| octets.chunks(self.fragment)) {
                self.station.handle_input(self.now, channel, piece);
            }
            for piece in to_session.iter().flat_map(|octets| octets.chunks(self.fragment)) {
                self.octets_to_session += u64::try_from(piece.len()).unwrap_or(0);
                self.session.handle_input(self.now, channel, piece);
            }
        }
    }

    /// Puts what both ends want to send on its way and takes their reports, as a driver does.
    fn collect(&mut self) {
        let arrival = self.now.mono + self.delay;
        while let Some(transmit) = self.session.poll_transmit() {
            if let Some(line) = self.line(transmit.channel).filter(|line| line.connected && !line.swallowing)
            {
                line.to_station.push_back((arrival, transmit.bytes));
            }
        }
        while let Some(transmit) = self.station.poll_transmit() {
            if let Some(line) = self.line(transmit.channel).filter(|line| line.connected && !line.swallowing)
            {
                line.to_session.push_back((arrival, transmit.bytes));
            }
        }
        let mut closing = Vec::new();
        while let Some(event) = self.session.poll_event() {
            if let SessionEvent::Close(channel) = event {
                closing.push(channel);
            }
            self.session_events.push(event);
        }
        while let Some(event) = self.station.poll_event() {
            if let StationEvent::Close(channel) = event {
                closing.push(channel);
            }
            self.station_events.push(event);
        }
        for channel in closing {
            self.cut(channel);
        }
    }
}
