//! What the field's side of a protocol implements: controlled station, outstation, server. The twin plays it.

use crate::{Channel, Command, Fault, LinkState, Sample, Transmit};
use timebase::{Mono, Now, Utc};

/// Which step of an operation a controlling station asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CommandPhase {
    /// Select only.
    Select,
    /// Execute, after a valid select where the point requires one (the session checks that).
    Execute,
    /// Give the select back.
    Deselect,
}

/// What the process says to a command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CommandAnswer {
    /// Will be done (positive activation confirmation).
    Accept,
    /// Will not be done (negative activation confirmation).
    Refuse,
    /// Is done (activation termination).
    Terminate,
}

/// What a station session reports to the process behind it.
#[derive(Clone, PartialEq, Debug)]
pub enum StationEvent {
    /// A command arrived; answer it with [`PointStation::answer`].
    Command(Command, CommandPhase),
    /// The controlling station set the clock.
    ClockSet(Utc),
    /// State of the link.
    Link(LinkState),
    /// The peer did something wrong; the session dealt with it.
    Fault(Fault),
    /// The driver must close this channel's transport.
    Close(Channel),
}

/// The field's side of one link.
pub trait PointStation: Send {
    /// A transport was accepted on a free channel.
    fn connected(&mut self, now: Now, channel: Channel);
    /// The transport of a channel is gone.
    fn disconnected(&mut self, now: Now, channel: Channel);
    /// Bytes arrived. Never panics, whatever they are.
    fn handle_input(&mut self, now: Now, channel: Channel, bytes: &[u8]);
    /// The time of [`PointStation::poll_timeout`] has come. Calling it early is harmless.
    fn handle_timeout(&mut self, now: Now);
    /// A process value. The session reports it if it changed (deadband), buffers it while the link is down, and
    /// answers interrogations with it.
    fn update(&mut self, now: Now, sample: Sample);
    /// Says to a command what the process does with it.
    fn answer(&mut self, now: Now, command: Command, answer: CommandAnswer);
    /// Next bytes to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// Next report.
    fn poll_event(&mut self) -> Option<StationEvent>;
    /// When [`PointStation::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Mono>;
    /// How many channels may be connected at once; a further connection is refused.
    fn max_channels(&self) -> u8;
}
