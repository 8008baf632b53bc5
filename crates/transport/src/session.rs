//! The centre's side of a link: one task owns the session, one per endpoint keeps its connection.

use crate::channel::{BackOff, ChannelEvent, EVENTS_MAX, Stream, Writes, serve};
use crate::clock::Clock;
use crate::counters::{LinkCounters, LogLimit, add};
use crate::intake::IntakeSender;
use crate::tls::TlsClient;
use futures_util::FutureExt;
use signal::{Channel, FunctionPolicy, LinkState, PointList, PointSession, Refusal, Request, SessionEvent};
use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use timebase::Now;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// The caller's number of a link; it comes back with every report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkTag(pub u32);

/// Where one channel of a link connects to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// TLS, or plain TCP.
    pub tls: Option<TlsClient>,
}

impl Endpoint {
    /// Connects, with the handshake of TLS where it is asked for. Not bounded in time.
    ///
    /// # Errors
    /// Those of the socket and of TLS.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => tls.secure(stream).await,
        }
    }
}

/// Makes the session of a link for a list of points.
pub type MakeSession = Box<dyn Fn(&PointList) -> Box<dyn PointSession> + Send + Sync>;

/// Everything that the driver needs to know of a link.
pub struct SessionLink {
    /// Comes back with every report.
    pub tag: LinkTag,
    /// For the log.
    pub name: Arc<str>,
    /// The points; when they change, the session learns of it without losing its connections.
    pub points: watch::Receiver<Arc<PointList>>,
    /// Makes the session for the present points; again after a panic.
    pub make: MakeSession,
    /// Which messages its conduit allows.
    pub policy: FunctionPolicy,
    /// One channel each, channel 0 first.
    pub endpoints: Vec<Endpoint>,
    /// How long connection establishment may take.
    pub connect_timeout: Duration,
    /// Counted into.
    pub counters: Arc<LinkCounters>,
}

/// What a link reports.
#[derive(Clone, PartialEq, Debug)]
pub enum LinkReport {
    /// Events of the session, in order.
    Events {
        /// When the driver collected them.
        at: Now,
        /// At least one.
        events: Vec<SessionEvent>,
    },
    /// The session did not take a request; nothing was sent.
    Refused {
        /// The request.
        request: Request,
        /// Why.
        refusal: Refusal,
    },
    /// The session panicked. Its connections are closed; it is made anew after a pause.
    Panicked(String),
}

/// Drives a link until `requests` is closed. Several links share one intake.
pub fn spawn_session(
    link: SessionLink,
    clock: Clock,
    mut requests: mpsc::Receiver<Request>,
    reports: IntakeSender,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut back_off = BackOff::new();
        loop {
            let run = Driver::new(&link, clock, reports.clone()).run(&mut requests);
            match AssertUnwindSafe(run).catch_unwind().await {
                Ok(()) => return,
                Err(payload) => {
                    let message = panic_message(&*payload);
                    add(&link.counters.panics, 1);
                    tracing::error!(link = %link.name, message, "Session panicked");
                    let down = LinkReport::Events {
                        at: clock.now(),
                        events: vec![SessionEvent::Link(LinkState::Down)],
                    };
                    for report in [LinkReport::Panicked(message), down] {
                        if reports.send(link.tag, report).await.is_err() {
                            return;
                        }
                    }
                    tokio::time::sleep(back_off.pause()).await;
                }
            }
        }
    })
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

struct Driver<'a> {
    link: &'a SessionLink,
    session: Box<dyn PointSession>,
    clock: Clock,
    reports: IntakeSender,
    points: watch::Receiver<Arc<PointList>>,
    writes: BTreeMap<Channel, Writes>,
    log: LogLimit,
}

impl<'a> Driver<'a> {
    fn new(link: &'a SessionLink, clock: Clock, reports: IntakeSender) -> Self {
        let mut points = link.points.clone();
        let mut session = (link.make)(&points.borrow_and_update());
        session.restrict(link.policy);
        Self { link, session, clock, reports, points, writes: BTreeMap::new(), log: LogLimit::default() }
    }

    async fn run(mut self, requests: &mut mpsc::Receiver<Request>) {
        let (owner, mut channels) = mpsc::channel(EVENTS_MAX);
        // Dropped with this function, and with it every connection.
        let mut connectors = JoinSet::new();
        for (number, endpoint) in (0_u8..).zip(&self.link.endpoints) {
            let connector = Connector {
                link: Arc::clone(&self.link.name),
                channel: Channel(number),
                endpoint: endpoint.clone(),
                timeout: self.link.connect_timeout,
                owner: owner.clone(),
                counters: Arc::clone(&self.link.counters),
            };
            connectors.spawn(connector.run());
        }
        while self.settle().await {
            let deadline = self.session.poll_timeout().map(|deadline| self.clock.instant(deadline));
            tokio::select! {
                event = channels.recv() => match event {
                    Some(event) => self.channel_event(event),
                    None => return,
                },
                request = requests.recv() => match request {
                    Some(request) => {
                        if !self.request(request).await {
                            return;
                        }
                    }
                    None => return,
                },
                Ok(()) = self.points.changed() => self.rebind(),
                () = sleep_until(deadline) => self.session.handle_timeout(self.clock.now()),
            }
        }
    }

    fn rebind(&mut self) {
        let points = Arc::clone(&self.points.borrow_and_update());
        if let Err(reason) = self.session.rebind(self.clock.now(), &points) {
            // Whoever publishes a list has tried it on a session before.
            tracing::error!(link = %self.link.name, reason, "The new points do not fit; the link keeps the old ones");
        }
    }

    fn channel_event(&mut self, event: ChannelEvent) {
        let now = self.clock.now();
        match event {
            ChannelEvent::Connected(channel, writes) => {
                self.writes.insert(channel, writes);
                self.session.connected(now, channel);
            }
            ChannelEvent::Data(channel, bytes) => {
                if self.writes.contains_key(&channel) {
                    self.session.handle_input(now, channel, &bytes);
                }
            }
            ChannelEvent::Disconnected(channel) => {
                self.writes.remove(&channel);
                self.session.disconnected(now, channel);
            }
        }
    }

    /// Passes a request on; false when nobody wants reports any more.
    async fn request(&mut self, request: Request) -> bool {
        let now = self.clock.now();
        // What waited in the queue beyond its deadline is dropped here, where nothing has left yet.
        let passed = if request.is_late(now.mono) {
            Err(Refusal::TooLate)
        } else {
            self.session.request(now, request)
        };
        match passed {
            Ok(()) => true,
            Err(refusal) => {
                let report = LinkReport::Refused { request, refusal };
                self.reports.send(self.link.tag, report).await.is_ok()
            }
        }
    }

    /// Fetches everything that the session has to say; false when nobody wants reports any more.
    async fn settle(&mut self) -> bool {
        while !self.transmit() {}
        let mut events = Vec::new();
        while let Some(event) = self.session.poll_event() {
            self.note(&event);
            events.push(event);
        }
        if events.is_empty() {
            return true;
        }
        let samples = events.iter().filter(|event| matches!(event, SessionEvent::Sample(_))).count();
        add(&self.link.counters.samples, samples);
        let report = LinkReport::Events { at: self.clock.now(), events };
        self.reports.send(self.link.tag, report).await.is_ok()
    }

    /// Hands octets to the connections. False when one that takes nothing was cut off: the session may then have
    /// something to say on another.
    fn transmit(&mut self) -> bool {
        let mut batches: BTreeMap<Channel, Vec<u8>> = BTreeMap::new();
        while let Some(transmit) = self.session.poll_transmit() {
            batches.entry(transmit.channel).or_default().extend_from_slice(&transmit.bytes);
        }
        let mut all_taken = true;
        for (channel, bytes) in batches {
            let full = self.writes.get(&channel).is_some_and(|writes| writes.try_send(bytes).is_err());
            if full {
                self.writes.remove(&channel);
                self.session.disconnected(self.clock.now(), channel);
                all_taken = false;
            }
        }
        all_taken
    }

    fn note(&mut self, event: &SessionEvent) {
        let link = &self.link.name;
        match event {
            SessionEvent::Close(channel) => {
                self.writes.remove(channel);
            }
            SessionEvent::Fault(fault) => {
                add(&self.link.counters.faults, 1);
                if let Some(suppressed) = self.log.pass() {
                    warn!(%link, kind = ?fault.kind, detail = %fault.detail, suppressed, "Peer fault");
                }
            }
            SessionEvent::Forbidden(function, direction) => {
                add(&self.link.counters.forbidden, 1);
                if let Some(suppressed) = self.log.pass() {
                    warn!(%link, %function, direction = direction.name(), suppressed, "Message not allowed");
                }
            }
            SessionEvent::Link(state @ (LinkState::Up | LinkState::Down)) => {
                info!(%link, state = state.name(), "Link");
            }
            SessionEvent::Link(_)
            | SessionEvent::Sample(_)
            | SessionEvent::Command(..)
            | SessionEvent::ClockSynchronised(_)
            | SessionEvent::RemoteCommand(_) => {}
        }
    }
}

/// Sleeps until the deadline; without one, for ever.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Keeps one channel connected.
struct Connector {
    link: Arc<str>,
    channel: Channel,
    endpoint: Endpoint,
    timeout: Duration,
    owner: mpsc::Sender<ChannelEvent>,
    counters: Arc<LinkCounters>,
}

impl Connector {
    async fn run(self) {
        let mut back_off = BackOff::new();
        let mut log = LogLimit::default();
        while !self.owner.is_closed() {
            let begun = Instant::now();
            let connected = match tokio::time::timeout(self.timeout, self.endpoint.connect()).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
            };
            let served = match connected {
                Ok(stream) => {
                    debug!(link = %self.link, channel = self.channel.0, "Connected");
                    serve(stream, self.channel, self.owner.clone(), Arc::clone(&self.counters)).await
                }
                Err(error) => Err(error),
            };
            if let (Err(error), Some(suppressed)) = (served, log.pass()) {
                let endpoint = &self.endpoint.address;
                warn!(link = %self.link, %endpoint, %error, suppressed, "Connection failed");
            }
            if begun.elapsed() >= BackOff::SETTLED {
                back_off.reset();
            }
            tokio::time::sleep(back_off.pause()).await;
        }
    }
}
