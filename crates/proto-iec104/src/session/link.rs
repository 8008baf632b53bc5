//! APCI state of one transport connection, IEC 60870-5-104 clause 5. Both roles share it.

use super::fault::PeerFault;
use crate::codec::{APDU_MAX, Apci, Asdu, Sequence, Split, UFunction, split};
use std::collections::VecDeque;
use std::time::Duration;
use timebase::Mono;
use wire::TimerTable;

/// Parameters of IEC 60870-5-104 9.6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkParameters {
    /// k: most I format APDUs sent and not acknowledged.
    pub k: u16,
    /// w: latest acknowledgement after receiving this many I format APDUs.
    pub w: u16,
    /// t1: time-out of sent or test APDUs.
    pub t1: Duration,
    /// t2: time-out for acknowledgements when there is no data; below t1.
    pub t2: Duration,
    /// t3: time-out for test frames on an idle connection.
    pub t3: Duration,
}

impl Default for LinkParameters {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { k: 12, w: 8, t1: seconds(15), t2: seconds(10), t3: seconds(20) }
    }
}

/// Which side of the connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Controlling,
    Controlled,
}

/// State of data transfer on one connection, 5.3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkPhase {
    /// No data transfer.
    Stopped,
    /// STARTDT act was sent.
    Starting,
    /// Data transfer.
    Started,
    /// STOPDT act was sent or received; acknowledgements are awaited.
    Stopping,
}

/// What the users of a link are told.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Indication {
    /// An ASDU arrived.
    Asdu(Asdu),
    /// STARTDT con (controlling) or STARTDT act (controlled) arrived.
    Started,
    /// STOPDT con (controlling) or STOPDT act (controlled) arrived.
    Stopped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Timer {
    T1Information,
    T1StartStop,
    T1Test,
    T2,
    T3,
}

/// Events carried by a sent frame that is not acknowledged, and when it was sent.
#[derive(Clone, Copy, Debug)]
struct Unacknowledged {
    sent: Mono,
    events: usize,
}

/// APCI state of one connection.
#[derive(Debug)]
pub(super) struct Link {
    role: Role,
    parameters: LinkParameters,
    phase: LinkPhase,
    /// V(S): next N(S).
    send: Sequence,
    /// V(R): next N(S) expected of the peer.
    receive: Sequence,
    /// Lowest N(S) that the peer has not acknowledged.
    acknowledged: Sequence,
    /// Last N(R) that the peer was told.
    reported: Sequence,
    /// INVARIANT: at most k entries, `send - acknowledged` of them.
    unacknowledged: VecDeque<Unacknowledged>,
    /// Events whose frames were acknowledged since the owner last asked.
    delivered: usize,
    timers: TimerTable<Timer>,
    /// Front of an APDU whose rest has not come. INVARIANT: shorter than one APDU.
    partial: Vec<u8>,
    outbox: VecDeque<Vec<u8>>,
}

impl Link {
    pub(super) fn new(role: Role, parameters: LinkParameters, now: Mono) -> Self {
        let mut timers = TimerTable::default();
        timers.arm(Timer::T3, now + parameters.t3);
        Self {
            role,
            parameters,
            phase: LinkPhase::Stopped,
            send: Sequence::default(),
            receive: Sequence::default(),
            acknowledged: Sequence::default(),
            reported: Sequence::default(),
            unacknowledged: VecDeque::new(),
            delivered: 0,
            timers,
            partial: Vec::new(),
            outbox: VecDeque::new(),
        }
    }

    pub(super) const fn phase(&self) -> LinkPhase {
        self.phase
    }

    /// Whether an I format may be sent: started and fewer than k on their way.
    pub(super) fn can_send(&self) -> bool {
        self.phase == LinkPhase::Started && self.send.distance_from(self.acknowledged) < self.parameters.k
    }

    /// Sends STARTDT act.
    pub(super) fn start(&mut self, now: Mono) {
        self.phase = LinkPhase::Starting;
        self.transmit_u(UFunction::StartDtAct);
        self.timers.arm(Timer::T1StartStop, now + self.parameters.t1);
    }

    /// Sends STOPDT act, after acknowledging all that has come (5.3, figure 17).
    pub(super) fn stop(&mut self, now: Mono) {
        self.phase = LinkPhase::Stopping;
        self.acknowledge();
        self.transmit_u(UFunction::StopDtAct);
        self.timers.arm(Timer::T1StartStop, now + self.parameters.t1);
    }

    /// Treats the connection as stopped because another one of its redundancy group was started (clause 10).
    /// Events on their way are no longer counted on this connection: they go out again on the other.
    pub(super) fn supersede(&mut self) {
        self.phase = LinkPhase::Stopped;
        self.delivered = 0;
        self.timers.stop(Timer::T1Information);
        for frame in &mut self.unacknowledged {
            frame.events = 0;
        }
    }

    /// Sends an ASDU that carries `events` buffered events. Only when [`Link::can_send`].
    pub(super) fn send(&mut self, now: Mono, asdu: &[u8], events: usize) {
        assert!(self.can_send(), "the caller asks can_send first");
        let apci = Apci::I { send: self.send, receive: self.receive };
        self.outbox.push_back(apci.encode(asdu));
        self.send = self.send.next();
        self.unacknowledged.push_back(Unacknowledged { sent: now, events });
        self.timers.arm_if_stopped(Timer::T1Information, now + self.parameters.t1);
        self.note_reported();
    }

    /// Takes octets off the front of `input` up to the next indication or to its end.
    pub(super) fn receive(&mut self, now: Mono, input: &mut &[u8]) -> Result<Option<Indication>, PeerFault> {
        while !input.is_empty() {
            let indication = if self.partial.is_empty() {
                match split(input)? {
                    Split::Apdu(apci, asdu, length) => {
                        let indication = self.frame(now, apci, asdu)?;
                        *input = input.get(length..).unwrap_or_default();
                        indication
                    }
                    Split::Incomplete(_) => {
                        self.partial.extend_from_slice(input);
                        *input = &[];
                        None
                    }
                }
            } else {
                self.complete(now, input)?
            };
            if indication.is_some() {
                return Ok(indication);
            }
        }
        Ok(None)
    }

    /// Moves octets from `input` behind the partial frame until that is a whole one.
    fn complete(&mut self, now: Mono, input: &mut &[u8]) -> Result<Option<Indication>, PeerFault> {
        let mut frame = std::mem::take(&mut self.partial);
        loop {
            match split(&frame)? {
                Split::Apdu(apci, asdu, _) => return self.frame(now, apci, asdu),
                Split::Incomplete(total) => {
                    let missing = total.min(APDU_MAX).saturating_sub(frame.len()).clamp(1, APDU_MAX);
                    let (head, tail) = input.split_at(missing.min(input.len()));
                    frame.extend_from_slice(head);
                    *input = tail;
                    if head.is_empty() {
                        self.partial = frame;
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn frame(&mut self, now: Mono, apci: Apci, asdu: &[u8]) -> Result<Option<Indication>, PeerFault> {
        self.timers.arm(Timer::T3, now + self.parameters.t3);
        match apci {
            Apci::I { send, receive } => self.information(now, send, receive, asdu).map(Some),
            Apci::S { receive } => {
                self.acknowledged_by_peer(receive)?;
                Ok(None)
            }
            Apci::U(function) => self.control(function),
        }
    }

    fn information(
        &mut self,
        now: Mono,
        send: Sequence,
        receive: Sequence,
        asdu: &[u8],
    ) -> Result<Indication, PeerFault> {
        if send != self.receive {
            return Err(PeerFault::SequenceGap { expected: self.receive.value(), got: send.value() });
        }
        if matches!(self.phase, LinkPhase::Stopped | LinkPhase::Starting) {
            return Err(PeerFault::NotStarted);
        }
        self.acknowledged_by_peer(receive)?;
        let asdu = Asdu::decode(asdu)?;
        self.receive = self.receive.next();
        if self.receive.distance_from(self.reported) >= self.parameters.w {
            self.acknowledge();
        } else {
            self.timers.arm_if_stopped(Timer::T2, now + self.parameters.t2);
        }
        Ok(Indication::Asdu(asdu))
    }

    fn acknowledged_by_peer(&mut self, receive: Sequence) -> Result<(), PeerFault> {
        let count = receive.distance_from(self.acknowledged);
        if count > self.send.distance_from(self.acknowledged) {
            return Err(PeerFault::FalseAcknowledgement {
                acknowledged: self.acknowledged.value(),
                sent: self.send.value(),
                got: receive.value(),
            });
        }
        if count == 0 {
            return Ok(());
        }
        let frames = self.unacknowledged.drain(..usize::from(count).min(self.unacknowledged.len()));
        self.delivered += frames.map(|frame| frame.events).sum::<usize>();
        self.acknowledged = receive;
        self.timers.stop(Timer::T1Information);
        if let Some(oldest) = self.unacknowledged.front()
            && self.phase != LinkPhase::Stopped
        {
            self.timers.arm(Timer::T1Information, oldest.sent + self.parameters.t1);
        }
        self.confirm_stop();
        Ok(())
    }

    fn control(&mut self, function: UFunction) -> Result<Option<Indication>, PeerFault> {
        match (function, self.role) {
            (UFunction::TestFrAct, _) => self.transmit_u(UFunction::TestFrCon),
            (UFunction::TestFrCon, _) => self.timers.stop(Timer::T1Test),
            (UFunction::StartDtAct, Role::Controlled) => {
                self.phase = LinkPhase::Started;
                self.transmit_u(UFunction::StartDtCon);
                return Ok(Some(Indication::Started));
            }
            (UFunction::StopDtAct, Role::Controlled) => {
                self.phase = LinkPhase::Stopping;
                self.acknowledge();
                self.confirm_stop();
                return Ok(Some(Indication::Stopped));
            }
            (UFunction::StartDtCon, Role::Controlling) if self.phase == LinkPhase::Starting => {
                self.phase = LinkPhase::Started;
                self.timers.stop(Timer::T1StartStop);
                return Ok(Some(Indication::Started));
            }
            (UFunction::StopDtCon, Role::Controlling) if self.phase == LinkPhase::Stopping => {
                self.phase = LinkPhase::Stopped;
                self.timers.stop(Timer::T1StartStop);
                return Ok(Some(Indication::Stopped));
            }
            (UFunction::StartDtAct | UFunction::StopDtAct, Role::Controlling) => {
                return Err(PeerFault::WrongDirection(function.name()));
            }
            // A confirmation that nobody asked for changes nothing.
            (UFunction::StartDtCon | UFunction::StopDtCon, _) => {}
        }
        Ok(None)
    }

    /// The controlled station confirms STOPDT once every frame that it sent is acknowledged (5.3, figure 18).
    fn confirm_stop(&mut self) {
        if self.role == Role::Controlled
            && self.phase == LinkPhase::Stopping
            && self.send == self.acknowledged
        {
            self.phase = LinkPhase::Stopped;
            self.transmit_u(UFunction::StopDtCon);
        }
    }

    /// Tells the peer what has come, if it does not know yet.
    fn acknowledge(&mut self) {
        if self.reported != self.receive {
            self.outbox.push_back(Apci::S { receive: self.receive }.encode(&[]));
        }
        self.note_reported();
    }

    fn note_reported(&mut self) {
        self.reported = self.receive;
        self.timers.stop(Timer::T2);
    }

    fn transmit_u(&mut self, function: UFunction) {
        self.outbox.push_back(Apci::U(function).encode(&[]));
    }

    pub(super) fn handle_timeout(&mut self, now: Mono) -> Result<(), PeerFault> {
        for (timer, awaited) in [
            (Timer::T1Information, "acknowledgement"),
            (Timer::T1StartStop, "confirmation of STARTDT or STOPDT"),
            (Timer::T1Test, "TESTFR con"),
        ] {
            if self.timers.expired(timer, now) {
                return Err(PeerFault::NoAnswer(awaited));
            }
        }
        if self.timers.expired(Timer::T2, now) {
            self.acknowledge();
        }
        if self.timers.expired(Timer::T3, now) {
            self.timers.stop(Timer::T3);
            self.timers.arm_if_stopped(Timer::T1Test, now + self.parameters.t1);
            self.transmit_u(UFunction::TestFrAct);
        }
        Ok(())
    }

    /// Events whose delivery the peer has acknowledged since the last call.
    pub(super) fn take_delivered(&mut self) -> usize {
        std::mem::take(&mut self.delivered)
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }
}
