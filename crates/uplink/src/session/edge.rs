//! The gateway's side: live reports first, then the journal from where the centre wants it.

use super::pace::Pace;
use super::window::Window;
use super::{GREETING, SILENCE, SessionError, micros};
use crate::codec::{Entry, Frame, Hello, MAX_ENTRIES, Names, Reassembly, VERSION, Welcome};
use signal::{Refusal, Request};
use std::collections::VecDeque;
use std::time::Duration;
use timebase::Mono;

/// Octets that wait for the connection at most; a centre that takes nothing is let go, the journal keeps everything.
const MAX_WAITING: usize = 4 << 20;
/// Octets of names in one frame.
const NAMES_BYTES: usize = 16 * 1024;
/// Between pings when nothing waits, and while the record lane is behind.
const PING: Duration = Duration::from_secs(1);
const PING_BEHIND: Duration = Duration::from_millis(100);

/// What the session reports to its driver.
#[derive(Clone, PartialEq, Debug)]
pub enum EdgeEvent {
    /// The centre took the connection. The driver now sends the present picture on the live lane.
    Open {
        /// The journal has to go on from here: the centre has more of it than is left here.
        skip_to: Option<u64>,
    },
    /// Everything before this number is durable at the centre.
    Acked(u64),
    /// Something is asked of a link; in time, and on this connection.
    Request {
        /// Number of the link.
        link: u32,
        /// What; its point is a number of the names.
        request: Request,
    },
    /// The connection must be closed.
    Closed(SessionError),
}

/// What the journal holds from a number on.
#[derive(Clone, PartialEq, Debug)]
pub enum Journalled {
    /// Consecutive entries.
    Entries(Vec<Entry>),
    /// Nothing before this number.
    GapTo(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Greeting,
    Open { connection: u64 },
    Closed,
}

/// The gateway's side of one connection.
#[derive(Debug)]
pub struct EdgeSession {
    state: State,
    input: Reassembly,
    out: VecDeque<Vec<u8>>,
    waiting: usize,
    events: VecDeque<EdgeEvent>,
    /// Numbers that the journal holds durably.
    first: u64,
    next: u64,
    /// Next number to send; everything before `acked` is durable at the centre.
    cursor: u64,
    acked: u64,
    credit: u64,
    window: Window,
    pace: Pace,
    /// When the record lane may go on.
    pace_at: Option<Mono>,
    heard: Mono,
    began: Mono,
    ping_at: Mono,
    /// When the ping was sent that the centre's clock was read for, and that clock.
    centre_clock: Option<(u64, u64)>,
}

impl EdgeSession {
    /// A session on a fresh connection; `names` of points and links by their numbers.
    pub fn new(now: Mono, hello: Hello, names: (&[String], &[String])) -> Self {
        let (first, next) = (hello.first, hello.next);
        let mut session = Self {
            state: State::Greeting,
            input: Reassembly::default(),
            out: VecDeque::new(),
            waiting: 0,
            events: VecDeque::new(),
            first,
            next,
            cursor: first,
            acked: first,
            credit: 0,
            window: Window::new(0),
            pace: Pace::new(now),
            pace_at: None,
            heard: now,
            began: now,
            ping_at: now,
            centre_clock: None,
        };
        session.push(&Frame::Hello(hello));
        session.push_names(Names::Points, 0, names.0);
        session.push_names(Names::Links, 0, names.1);
        session
    }

    /// Names that came after the beginning.
    pub fn push_names(&mut self, of: Names, first: u32, names: &[String]) {
        let (mut number, mut rest) = (first, names);
        while !rest.is_empty() {
            let mut octets = 0;
            let fits = rest.iter().take(MAX_ENTRIES).take_while(|name| {
                octets += name.len() + 2;
                octets <= NAMES_BYTES
            });
            let (part, tail) = rest.split_at(fits.count().max(1));
            self.push(&Frame::Names { of, first: number, names: part.to_vec() });
            // At most MAX_ENTRIES.
            number = number.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
            rest = tail;
        }
    }

    /// Octets arrived. Never panics, whatever they are.
    pub fn handle_input(&mut self, now: Mono, octets: &[u8]) {
        self.input.push(octets);
        while self.state != State::Closed
            && let Some(frame) = self.input.next_frame()
        {
            self.heard = now;
            let taken = frame.map_err(SessionError::from).and_then(|frame| self.take(now, frame));
            if let Err(error) = taken {
                self.close(error);
            }
        }
    }

    fn take(&mut self, now: Mono, frame: Frame) -> Result<(), SessionError> {
        match (self.state, frame) {
            (State::Greeting, Frame::Welcome(welcome)) => self.welcome(&welcome),
            (_, Frame::Goodbye(why)) => Err(SessionError::Goodbye(why)),
            (State::Open { .. }, Frame::Ack(next)) => self.ack(next),
            (
                State::Open { connection: ours },
                Frame::Request { connection, made_us, window_us, link, request },
            ) => {
                let age = self.age_us(now, made_us).filter(|_| connection == ours);
                match age.and_then(|age| window_us.checked_sub(age)) {
                    None => self.push(&Frame::Refused { link, request, refusal: Refusal::TooLate }),
                    // What is left of the window bounds the wait for the device's link, too.
                    Some(left_us) => {
                        let request = request.due(now + Duration::from_micros(left_us));
                        self.events.push_back(EdgeEvent::Request { link, request });
                    }
                }
                Ok(())
            }
            (State::Open { .. }, Frame::Pong { asked_us, clock_us }) => {
                let trip = micros(now).saturating_sub(asked_us);
                self.window.answered(Duration::from_micros(trip));
                self.centre_clock = Some((asked_us, clock_us));
                Ok(())
            }
            (
                _,
                Frame::Hello(_)
                | Frame::Names { .. }
                | Frame::Welcome(_)
                | Frame::Picture(_)
                | Frame::Live(_)
                | Frame::Batch { .. }
                | Frame::Gap { .. }
                | Frame::Ack(_)
                | Frame::Request { .. }
                | Frame::Stage(..)
                | Frame::Refused { .. }
                | Frame::Fault { .. }
                | Frame::Ping(_)
                | Frame::Pong { .. },
            ) => Err(SessionError::Unexpected("a frame")),
        }
    }

    fn welcome(&mut self, welcome: &Welcome) -> Result<(), SessionError> {
        if welcome.version != VERSION {
            return Err(SessionError::Version(welcome.version));
        }
        let wanted = welcome.wanted.unwrap_or(self.first);
        let skip_to = (wanted > self.next).then_some(wanted);
        (self.cursor, self.acked, self.next) = (wanted, wanted, self.next.max(wanted));
        (self.credit, self.window) = (u64::from(welcome.credit), Window::new(welcome.credit));
        self.state = State::Open { connection: welcome.connection };
        self.events.push_back(EdgeEvent::Open { skip_to });
        self.events.push_back(EdgeEvent::Acked(wanted));
        Ok(())
    }

    fn ack(&mut self, next: u64) -> Result<(), SessionError> {
        if next < self.acked || next > self.cursor {
            return Err(SessionError::Sequence { expected: self.cursor, got: next });
        }
        self.acked = next;
        self.events.push_back(EdgeEvent::Acked(next));
        Ok(())
    }

    /// How old something can be at most that the centre made at this time of its clock. Its clock was not read before the
    /// ping left, so the time since then is more than has passed on it.
    fn age_us(&self, now: Mono, made_us: u64) -> Option<u64> {
        let (asked_us, clock_us) = self.centre_clock?;
        let latest = clock_us.saturating_add(micros(now).saturating_sub(asked_us));
        Some(latest.saturating_sub(made_us))
    }

    /// The time of [`Self::poll_timeout`] has come. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Mono) {
        let deaf = match self.state {
            State::Greeting => now.since(self.began) >= GREETING,
            State::Open { .. } => now.since(self.heard) >= SILENCE,
            State::Closed => false,
        };
        if deaf {
            return self.close(SessionError::Silence);
        }
        if matches!(self.state, State::Open { .. }) && now >= self.ping_at {
            self.push(&Frame::Ping(micros(now)));
            self.ping_at = now + if self.is_behind() { PING_BEHIND } else { PING };
        }
    }

    fn is_behind(&self) -> bool {
        self.next - self.acked > 2 * MAX_ENTRIES as u64
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match self.state {
            State::Greeting => Some(self.began + GREETING),
            State::Open { .. } => {
                [Some(self.ping_at), Some(self.heard + SILENCE), self.pace_at].into_iter().flatten().min()
            }
            State::Closed => None,
        }
    }

    /// Whether the centre has taken the connection.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Sends something on the live lane; nothing happens while the connection is not open.
    pub fn live(&mut self, frame: &Frame) {
        if self.is_open() {
            if let Frame::Live(entries) = frame {
                self.pace.live(entries.len());
            }
            self.push(frame);
        }
    }

    /// The journal holds these numbers durably.
    pub fn journalled(&mut self, first: u64, next: u64) {
        self.first = first;
        self.next = self.next.max(next);
    }

    /// Which entries are to be read from the journal now: from which number, how many at most. Only when everything
    /// else has left.
    pub fn wants(&mut self, now: Mono) -> Option<(u64, usize)> {
        self.pace_at = None;
        if !self.is_open() || !self.out.is_empty() || self.cursor >= self.next {
            return None;
        }
        let room = self.window.entries().min(self.credit).saturating_sub(self.cursor - self.acked);
        let most = room.min(self.next - self.cursor).min(MAX_ENTRIES as u64);
        if most == 0 {
            return None;
        }
        match self.pace.allows(now, most) {
            // At most MAX_ENTRIES.
            Ok(count) => Some((self.cursor, usize::try_from(count.min(most)).unwrap_or(MAX_ENTRIES))),
            Err(later) => {
                self.pace_at = Some(later);
                None
            }
        }
    }

    /// What the journal answered to [`Self::wants`].
    pub fn feed(&mut self, read: Journalled) {
        let from = self.cursor;
        match read {
            Journalled::Entries(entries) if entries.is_empty() => {}
            Journalled::Entries(entries) => {
                self.cursor += entries.len() as u64;
                self.pace.took(entries.len());
                self.push(&Frame::Batch { first: from, entries });
            }
            Journalled::GapTo(to) if to > from => {
                self.cursor = to;
                self.push(&Frame::Gap { from, to });
            }
            Journalled::GapTo(_) => {}
        }
    }

    /// Next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let octets = self.out.pop_front()?;
        self.waiting -= octets.len();
        Some(octets)
    }

    /// Next report.
    pub fn poll_event(&mut self) -> Option<EdgeEvent> {
        self.events.pop_front()
    }

    fn push(&mut self, frame: &Frame) {
        if self.state == State::Closed {
            return;
        }
        let octets = frame.encode();
        self.waiting += octets.len();
        self.out.push_back(octets);
        if self.waiting > MAX_WAITING {
            self.close(SessionError::Stuck);
        }
    }

    fn close(&mut self, error: SessionError) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.events.push_back(EdgeEvent::Closed(error));
        }
    }
}
