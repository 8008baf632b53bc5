//! The field's side of a link: one task owns the station and its listener, one per connection moves bytes.

use crate::channel::{BackOff, ChannelEvent, EVENTS_MAX, Stream, Writes, serve};
use crate::clock::Clock;
use crate::counters::{LinkCounters, LogLimit, add};
use crate::session::{LinkTag, panic_message, sleep_until};
use crate::tls::{PeerCertificate, TlsServer};
use futures_util::FutureExt;
use signal::{Channel, Command, CommandAnswer, LinkState, PointStation, Sample, StationEvent};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use timebase::Now;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

/// Inputs taken at once before the sockets have their turn.
const INPUTS_AT_ONCE: usize = 1024;
/// A peer that has not finished its TLS handshake by then gives its channel back.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that the driver needs to know of a station.
pub struct StationLink {
    /// Comes back with every report.
    pub tag: LinkTag,
    /// For the log.
    pub name: Arc<str>,
    /// Makes the station; again after a panic.
    pub make: Box<dyn Fn() -> Box<dyn PointStation> + Send + Sync>,
    /// Where to listen; port 0 for any free one.
    pub listen: SocketAddr,
    /// TLS, or plain TCP.
    pub tls: Option<TlsServer>,
    /// Counted into.
    pub counters: Arc<LinkCounters>,
}

/// What the process tells its station.
#[derive(Clone, PartialEq, Debug)]
pub enum StationInput {
    /// A process value.
    Update(Sample),
    /// What the process does with a command.
    Answer(Command, CommandAnswer),
    /// Falls silent: connections stay open, nothing is read, nothing is sent. Speaking again begins with closed
    /// connections, as after a restart of the device.
    Silent(bool),
}

/// What a station reports.
#[derive(Clone, PartialEq, Debug)]
pub enum StationReport {
    /// An event of the session.
    Event(Now, StationEvent),
    /// The session panicked. Its connections are closed; it is made anew after a pause and knows no values.
    Panicked(String),
}

/// Listens, then drives the station until `inputs` is closed. Returns the address it listens on.
pub async fn spawn_station(
    link: StationLink,
    clock: Clock,
    mut inputs: mpsc::Receiver<StationInput>,
    reports: mpsc::Sender<(LinkTag, StationReport)>,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(link.listen).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut back_off = BackOff::new();
        loop {
            let run = Driver::new(&link, clock, reports.clone()).run(&listener, &mut inputs);
            match AssertUnwindSafe(run).catch_unwind().await {
                Ok(()) => return,
                Err(payload) => {
                    let message = panic_message(&*payload);
                    add(&link.counters.panics, 1);
                    tracing::error!(link = %link.name, message, "Station panicked");
                    if reports.send((link.tag, StationReport::Panicked(message))).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(back_off.pause()).await;
                }
            }
        }
    });
    Ok((address, task))
}

struct Driver<'a> {
    link: &'a StationLink,
    station: Box<dyn PointStation>,
    clock: Clock,
    reports: mpsc::Sender<(LinkTag, StationReport)>,
    writes: BTreeMap<Channel, Writes>,
    /// Channels whose connection task has not ended.
    taken: Vec<Channel>,
    connections: JoinSet<io::Result<()>>,
    silent: bool,
    log: LogLimit,
}

impl<'a> Driver<'a> {
    fn new(link: &'a StationLink, clock: Clock, reports: mpsc::Sender<(LinkTag, StationReport)>) -> Self {
        Self {
            link,
            station: (link.make)(),
            clock,
            reports,
            writes: BTreeMap::new(),
            taken: Vec::new(),
            connections: JoinSet::new(),
            silent: false,
            log: LogLimit::default(),
        }
    }

    async fn run(mut self, listener: &TcpListener, inputs: &mut mpsc::Receiver<StationInput>) {
        let (owner, mut channels) = mpsc::channel(EVENTS_MAX);
        let mut batch = Vec::with_capacity(INPUTS_AT_ONCE);
        while self.settle().await {
            let timeout = self.station.poll_timeout().filter(|_| !self.silent);
            let deadline = timeout.map(|deadline| self.clock.instant(deadline));
            tokio::select! {
                Some(event) = channels.recv() => self.channel_event(event),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer, &owner),
                    // Out of descriptors, for example: give others time to free some.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = self.connections.join_next() => {}
                count = inputs.recv_many(&mut batch, INPUTS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    for input in batch.drain(..) {
                        self.input(input);
                    }
                }
                () = sleep_until(deadline) => self.station.handle_timeout(self.clock.now()),
            }
        }
    }

    fn accept(&mut self, stream: TcpStream, peer: SocketAddr, owner: &mpsc::Sender<ChannelEvent>) {
        let free =
            (0..self.station.max_channels()).map(Channel).find(|channel| !self.taken.contains(channel));
        let Some(channel) = free else {
            add(&self.link.counters.refused, 1);
            if let Some(suppressed) = self.log.pass() {
                warn!(link = %self.link.name, %peer, suppressed, "Connection refused: all channels taken");
            }
            return;
        };
        self.taken.push(channel);
        let (tls, owner) = (self.link.tls.clone(), owner.clone());
        let counters = Arc::clone(&self.link.counters);
        let name = Arc::clone(&self.link.name);
        self.connections.spawn(async move {
            let secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, secure(stream, tls)).await;
            match secured.map_err(io::Error::from).flatten() {
                Ok(stream) => serve(stream, channel, owner, counters).await,
                Err(error) => {
                    warn!(link = %name, %peer, %error, "Handshake failed");
                    // The owner may be gone by now; then no channel needs to be given back.
                    let _ = owner.send(ChannelEvent::Disconnected(channel)).await;
                    Err(error)
                }
            }
        });
    }

    fn channel_event(&mut self, event: ChannelEvent) {
        let now = self.clock.now();
        match event {
            ChannelEvent::Connected(channel, writes) => {
                self.writes.insert(channel, writes);
                self.station.connected(now, channel);
            }
            ChannelEvent::Data(channel, bytes) => {
                if !self.silent && self.writes.contains_key(&channel) {
                    self.station.handle_input(now, channel, &bytes);
                }
            }
            ChannelEvent::Disconnected(channel) => {
                self.writes.remove(&channel);
                self.taken.retain(|taken| *taken != channel);
                self.station.disconnected(now, channel);
            }
        }
    }

    fn input(&mut self, input: StationInput) {
        let now = self.clock.now();
        match input {
            StationInput::Update(sample) => self.station.update(now, sample),
            StationInput::Answer(command, answer) => self.station.answer(now, command, answer),
            StationInput::Silent(silent) => {
                if self.silent && !silent {
                    for channel in std::mem::take(&mut self.writes).into_keys() {
                        self.station.disconnected(now, channel);
                    }
                }
                self.silent = silent;
            }
        }
    }

    /// Fetches everything that the station has to say; false when nobody wants reports any more.
    async fn settle(&mut self) -> bool {
        let mut batches: BTreeMap<Channel, Vec<u8>> = BTreeMap::new();
        while let Some(transmit) = self.station.poll_transmit() {
            batches.entry(transmit.channel).or_default().extend_from_slice(&transmit.bytes);
        }
        for (channel, bytes) in batches {
            let full = !self.silent
                && self.writes.get(&channel).is_some_and(|writes| writes.try_send(bytes).is_err());
            if full {
                self.writes.remove(&channel);
                self.station.disconnected(self.clock.now(), channel);
            }
        }
        while let Some(event) = self.station.poll_event() {
            self.note(&event);
            let report = StationReport::Event(self.clock.now(), event);
            if self.reports.send((self.link.tag, report)).await.is_err() {
                return false;
            }
        }
        true
    }

    fn note(&mut self, event: &StationEvent) {
        let link = &self.link.name;
        match event {
            StationEvent::Close(channel) => {
                self.writes.remove(channel);
            }
            StationEvent::Fault(fault) => {
                add(&self.link.counters.faults, 1);
                if let Some(suppressed) = self.log.pass() {
                    warn!(%link, kind = ?fault.kind, detail = %fault.detail, suppressed, "Peer fault");
                }
            }
            StationEvent::Link(state @ (LinkState::Up | LinkState::Down)) => {
                info!(%link, state = state.name(), "Station link");
            }
            StationEvent::Link(_) | StationEvent::Command(..) | StationEvent::ClockSet(_) => {}
        }
    }
}

async fn secure(stream: TcpStream, tls: Option<TlsServer>) -> io::Result<Box<dyn Stream>> {
    accept(stream, tls.as_ref()).await.map(|(stream, _)| stream)
}

/// The serving side of an accepted connection, with the handshake of TLS where it is asked for and the certificate that the
/// client has proved to hold. Not bounded in time.
///
/// # Errors
/// Those of the socket and of TLS.
pub async fn accept(
    stream: TcpStream,
    tls: Option<&TlsServer>,
) -> io::Result<(Box<dyn Stream>, Option<PeerCertificate>)> {
    stream.set_nodelay(true)?;
    match tls {
        None => Ok((Box::new(stream), None)),
        Some(tls) => tls.secure(stream).await,
    }
}
