//! What the centre's side of a protocol implements: one sans-I/O session per link.
//!
//! The driver feeds bytes, time and requests; after each call it drains `poll_transmit` and `poll_event` until
//! empty and then arms one timer for `poll_timeout`. A link may have several transport channels (a redundancy
//! group, IEC 60870-5-104 clause 10); channel 0 is the first.

use crate::function::{Direction, FunctionCode, FunctionPolicy};
use crate::{PointId, PointList, Sample, Value};
use std::fmt;
use timebase::{Mono, Now, Utc};

/// One transport connection of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Channel(pub u8);

/// Identity of a command, unique for the life of the event log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(pub u64);

/// A command on its way to the field. It has passed the gate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Command {
    /// Which command this is.
    pub id: CommandId,
    /// The monitored point that it operates; the binding knows the control address.
    pub point: PointId,
    /// The wanted value; its kind matches the point's.
    pub value: Value,
    /// From this instant of the sender's clock on it must not leave any more (S-18); `None` on the field's side.
    pub deadline: Option<Mono>,
}

/// What the centre asks of a link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Request {
    /// First step of select-before-operate.
    Select(Command),
    /// Execute: directly, or the second step after a confirmed select.
    Execute(Command),
    /// Give a select back.
    Deselect(Command),
    /// Read every monitored value now.
    Interrogate,
    /// Read every counter now.
    InterrogateCounters,
    /// Set the device's clock to the time of the call.
    SynchroniseClock,
}

impl Request {
    /// The command that it carries.
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Select(command) | Self::Execute(command) | Self::Deselect(command) => Some(command),
            Self::Interrogate | Self::InterrogateCounters | Self::SynchroniseClock => None,
        }
    }

    /// Whether it is too late for it to leave. A select that is given back is never too late: that is the safe side.
    pub fn is_late(&self, now: Mono) -> bool {
        match self {
            Self::Select(command) | Self::Execute(command) => {
                command.deadline.is_some_and(|deadline| deadline <= now)
            }
            Self::Deselect(_) | Self::Interrogate | Self::InterrogateCounters | Self::SynchroniseClock => {
                false
            }
        }
    }

    /// The same with another deadline, for whoever counts time with another clock.
    #[must_use]
    pub fn due(self, deadline: Mono) -> Self {
        let command = |command: Command| Command { deadline: Some(deadline), ..command };
        match self {
            Self::Select(asked) => Self::Select(command(asked)),
            Self::Execute(asked) => Self::Execute(command(asked)),
            Self::Deselect(asked) => Self::Deselect(command(asked)),
            Self::Interrogate | Self::InterrogateCounters | Self::SynchroniseClock => self,
        }
    }

    /// The same about a point as somebody else numbers it; `None` where they do not know it.
    pub fn translated(self, point: impl Fn(PointId) -> Option<PointId>) -> Option<Self> {
        let command = |command: Command| Some(Command { point: point(command.point)?, ..command });
        Some(match self {
            Self::Select(asked) => Self::Select(command(asked)?),
            Self::Execute(asked) => Self::Execute(command(asked)?),
            Self::Deselect(asked) => Self::Deselect(command(asked)?),
            Self::Interrogate | Self::InterrogateCounters | Self::SynchroniseClock => self,
        })
    }
}

/// Why a session did not take a request; nothing was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No channel of the link is active.
    NotConnected,
    /// The point has no control address on this link.
    NotControllable,
    /// The value cannot be carried by the command's type.
    WrongValue,
    /// The session's queue is full.
    Busy,
    /// It was under way for longer than it may be.
    TooLate,
    /// The link's conduit does not allow the message.
    NotAllowed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the link is down",
            Self::NotControllable => "the point has no control address",
            Self::WrongValue => "the value does not fit the command type",
            Self::Busy => "the link's queue is full",
            Self::TooLate => "the request was too long under way",
            Self::NotAllowed => "the conduit of the link does not allow it",
        })
    }
}

impl std::error::Error for Refusal {}

/// How far the device has taken a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandStage {
    /// The device holds the select.
    Selected,
    /// The device accepted the execute.
    Accepted,
    /// The device reports the end of the operation.
    Terminated,
    /// The device, or the protocol, said no; in the standard's words.
    Refused(String),
    /// The device did not answer in time.
    TimedOut,
}

/// State of a link as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LinkState {
    /// No channel is connected.
    #[default]
    Down,
    /// A channel is connected, data transfer has not begun.
    Connecting,
    /// Data flows; the first complete picture is still on its way.
    Synchronising,
    /// Data flows and the picture is complete.
    Up,
}

impl LinkState {
    /// The name in events and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Connecting => "connecting",
            Self::Synchronising => "synchronising",
            Self::Up => "up",
        }
    }
}

/// What kind of fault a peer caused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// Bytes that are no frame, or a frame that is no message.
    Malformed,
    /// A message against the rules of the session (sequence, state).
    Protocol,
    /// No answer within the protocol's time.
    Timeout,
    /// A well-formed message about something that is not configured here.
    Unknown,
}

/// A fault of the peer, for counters and log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// Details for people, lower case, no full stop.
    pub detail: String,
}

/// What a session reports.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionEvent {
    /// A reading.
    Sample(Sample),
    /// The link changed its state.
    Link(LinkState),
    /// A command went a step.
    Command(CommandId, CommandStage),
    /// The device's clock was set to this time.
    ClockSynchronised(Utc),
    /// The peer did something wrong; the session dealt with it.
    Fault(Fault),
    /// A message that the link's conduit does not allow; it was neither sent nor used.
    Forbidden(FunctionCode, Direction),
    /// The device says that a remote command, ours or another master's, is why this point changes.
    RemoteCommand(PointId),
    /// The driver must close this channel's transport (and may open it again after its back-off).
    Close(Channel),
}

/// Bytes to send on a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where.
    pub channel: Channel,
    /// What.
    pub bytes: Vec<u8>,
}

/// The centre's side of one link: controlling station, master, client.
pub trait PointSession: Send {
    /// The transport of a channel is established.
    fn connected(&mut self, now: Now, channel: Channel);
    /// The transport of a channel is gone.
    fn disconnected(&mut self, now: Now, channel: Channel);
    /// Bytes arrived. Never panics, whatever they are.
    fn handle_input(&mut self, now: Now, channel: Channel, bytes: &[u8]);
    /// The time of [`PointSession::poll_timeout`] has come. Calling it early is harmless.
    fn handle_timeout(&mut self, now: Now);
    /// Asks something of the link.
    fn request(&mut self, now: Now, request: Request) -> Result<(), Refusal>;
    /// The list of points has changed; ids of points that were known keep their meaning. Connections stay, and what is new is
    /// asked for. A list that does not fit is refused, and changes nothing.
    fn rebind(&mut self, now: Now, points: &PointList) -> Result<(), String>;
    /// Which messages the link's conduit allows from now on, in both directions.
    fn restrict(&mut self, policy: FunctionPolicy);
    /// Next bytes to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// Next report.
    fn poll_event(&mut self) -> Option<SessionEvent>;
    /// When [`PointSession::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Mono>;
}
