//! The centre's side: takes both lanes, acknowledges what is durable, sends requests down.

use super::{GREETING, MAX_NAMES, SILENCE, SessionError, micros};
use crate::codec::{Entry, Frame, Hello, Names, Reassembly, VERSION, Welcome};
use signal::{CommandId, CommandStage, Refusal, Request};
use std::collections::VecDeque;
use std::time::Duration;
use timebase::{Mono, Utc};

/// Frames that wait for the connection at most. A gateway that asks and reads nothing gets this far; it is let go.
const MAX_WAITING: usize = 8_192;

/// What the session reports to its driver.
#[derive(Clone, PartialEq, Debug)]
pub enum CentreEvent {
    /// A gateway says who it is; to be answered with [`CentreSession::welcome`] or [`CentreSession::goodbye`].
    Hello {
        /// Its name, to be held against its certificate.
        gateway: String,
        /// Identity of its journal.
        epoch: u64,
        /// Number after the last entry that is durable there.
        next: u64,
        /// Sum over the points that it serves.
        fingerprint: u64,
    },
    /// Names by their numbers.
    Names {
        /// Of what.
        of: Names,
        /// Number of the first.
        first: u32,
        /// The names.
        names: Vec<String>,
    },
    /// The present picture follows; what was received before this time of the gateway's clock is not reported live.
    Picture(Utc),
    /// What happens now.
    Live(Vec<Entry>),
    /// Entries of the journal with consecutive numbers, in their order.
    Batch {
        /// Number of the first.
        first: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// Numbers that the journal has lost: from the first up to but without the last.
    Gap {
        /// First number missing.
        from: u64,
        /// First number there again.
        to: u64,
    },
    /// A command went a step.
    Stage(CommandId, CommandStage),
    /// A request was not carried out.
    Refused {
        /// Number of the link.
        link: u32,
        /// The request.
        request: Request,
        /// Why.
        refusal: Refusal,
    },
    /// Something for people.
    Fault {
        /// Number of the link, or the gateway itself.
        link: Option<u32>,
        /// What.
        detail: String,
    },
    /// The connection must be closed.
    Closed(SessionError),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting,
    Greeted { first: u64 },
    Open,
    Closed,
}

/// The centre's side of one connection.
#[derive(Debug)]
pub struct CentreSession {
    state: State,
    connection: u64,
    credit: u32,
    input: Reassembly,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<CentreEvent>,
    /// Number that must come next; everything before `acked` was acknowledged.
    expected: u64,
    acked: u64,
    names: [usize; 2],
    heard: Mono,
    began: Mono,
}

impl CentreSession {
    /// A session on a fresh connection with a number that no other has, and how many entries may be on their way.
    pub fn new(now: Mono, connection: u64, credit: u32) -> Self {
        Self {
            state: State::Waiting,
            connection,
            credit,
            input: Reassembly::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            expected: 0,
            acked: 0,
            names: [0; 2],
            heard: now,
            began: now,
        }
    }

    /// Takes the gateway in. `wanted` is the next number of its journal that is not durable here, `None` if nothing
    /// is known of that journal.
    pub fn welcome(&mut self, wanted: Option<u64>) {
        let State::Greeted { first } = self.state else { return };
        self.expected = wanted.unwrap_or(first);
        self.acked = self.expected;
        self.state = State::Open;
        let (connection, credit) = (self.connection, self.credit);
        self.push(&Frame::Welcome(Welcome { version: VERSION, connection, wanted, credit }));
    }

    /// Sends the gateway away.
    pub fn goodbye(&mut self, why: &str) {
        self.push(&Frame::Goodbye(why.to_owned()));
        self.state = State::Closed;
    }

    /// Everything before this number is durable.
    pub fn acked(&mut self, next: u64) {
        if self.state == State::Open && next > self.acked && next <= self.expected {
            self.acked = next;
            self.push(&Frame::Ack(next));
        }
    }

    /// Sends a request down this connection and no other; the gateway refuses it when it is older than the window.
    ///
    /// # Errors
    /// The gateway is not connected.
    pub fn request(
        &mut self,
        now: Mono,
        (link, request): (u32, Request),
        window: Duration,
    ) -> Result<(), Refusal> {
        if self.state != State::Open {
            return Err(Refusal::NotConnected);
        }
        let window_us = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let (connection, made_us) = (self.connection, micros(now));
        self.push(&Frame::Request { connection, made_us, window_us, link, request });
        Ok(())
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
            (State::Waiting, Frame::Hello(hello)) => {
                let Hello { version, gateway, epoch, first, next, fingerprint } = hello;
                if version != VERSION {
                    self.push(&Frame::Goodbye(SessionError::Version(version).to_string()));
                    return Err(SessionError::Version(version));
                }
                if first > next {
                    return Err(SessionError::Sequence { expected: first, got: next });
                }
                self.state = State::Greeted { first };
                let hello = CentreEvent::Hello { gateway, epoch, next, fingerprint };
                self.events.push_back(hello);
            }
            // Names follow the hello at once; they may come before the centre has answered it.
            (State::Greeted { .. } | State::Open, Frame::Names { of, first, names }) => {
                self.names(of, first, names)?;
            }
            (State::Open, Frame::Ping(asked_us)) => {
                self.push(&Frame::Pong { asked_us, clock_us: micros(now) });
            }
            (State::Open, Frame::Batch { first, entries }) => {
                self.advance(first, first.saturating_add(entries.len() as u64))?;
                self.events.push_back(CentreEvent::Batch { first, entries });
            }
            (State::Open, Frame::Gap { from, to }) => {
                if from != self.expected || to <= from {
                    return Err(SessionError::Sequence { expected: self.expected, got: from });
                }
                self.expected = to;
                self.events.push_back(CentreEvent::Gap { from, to });
            }
            (State::Open, frame) => self.take_live(frame)?,
            (State::Waiting | State::Greeted { .. } | State::Closed, _) => {
                return Err(SessionError::Unexpected("a frame"));
            }
        }
        Ok(())
    }

    fn take_live(&mut self, frame: Frame) -> Result<(), SessionError> {
        let event = match frame {
            Frame::Picture(at) => CentreEvent::Picture(at),
            Frame::Live(entries) => CentreEvent::Live(entries),
            Frame::Stage(id, stage) => CentreEvent::Stage(id, stage),
            Frame::Refused { link, request, refusal } => CentreEvent::Refused { link, request, refusal },
            Frame::Fault { link, detail } => CentreEvent::Fault { link, detail },
            Frame::Hello(_)
            | Frame::Names { .. }
            | Frame::Welcome(_)
            | Frame::Goodbye(_)
            | Frame::Batch { .. }
            | Frame::Gap { .. }
            | Frame::Ack(_)
            | Frame::Request { .. }
            | Frame::Ping(_)
            | Frame::Pong { .. } => return Err(SessionError::Unexpected("a frame of the centre")),
        };
        self.events.push_back(event);
        Ok(())
    }

    fn names(&mut self, of: Names, first: u32, names: Vec<String>) -> Result<(), SessionError> {
        let count = match of {
            Names::Points => &mut self.names[0],
            Names::Links => &mut self.names[1],
        };
        let known = *count as u64;
        if u64::from(first) != known || *count + names.len() > MAX_NAMES {
            return Err(SessionError::Sequence { expected: known, got: u64::from(first) });
        }
        *count += names.len();
        self.events.push_back(CentreEvent::Names { of, first, names });
        Ok(())
    }

    fn advance(&mut self, first: u64, next: u64) -> Result<(), SessionError> {
        if first != self.expected {
            return Err(SessionError::Sequence { expected: self.expected, got: first });
        }
        let waiting = next - self.acked;
        if waiting > u64::from(self.credit) {
            return Err(SessionError::Credit(waiting));
        }
        self.expected = next;
        Ok(())
    }

    /// The time of [`Self::poll_timeout`] has come. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Mono) {
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.close(SessionError::Silence);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match self.state {
            State::Waiting => Some(self.began + GREETING),
            State::Greeted { .. } | State::Open => Some(self.heard + SILENCE),
            State::Closed => None,
        }
    }

    /// Next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Next report.
    pub fn poll_event(&mut self) -> Option<CentreEvent> {
        self.events.pop_front()
    }

    fn push(&mut self, frame: &Frame) {
        if self.state == State::Closed {
            return;
        }
        self.out.push_back(frame.encode());
        if self.out.len() > MAX_WAITING {
            self.close(SessionError::Stuck);
        }
    }

    fn close(&mut self, error: SessionError) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.events.push_back(CentreEvent::Closed(error));
        }
    }
}
