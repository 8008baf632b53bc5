//! The centre's end: one task per configured gateway serves one connection of it at a time.
//!
//! Live reports go where the centre's own links report to. Records go to the archive, one batch at a time, and are
//! acknowledged when they are durable there. A new connection of the gateway ends the one before it, and is not answered
//! until the last batch of that one is settled: then the position is the truth.

use crate::archive::{Archive, ArchiveError, LateChange, Record, RecordBatch};
use crate::blocking::Blocking;
use crate::duplex::{Duplex, Moved, Stream};
use signal::{
    Fault, FaultKind, LinkState, PointId, PointList, Refusal, Request, Sample, SessionEvent, Value,
};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Utc};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};
use transport::{Clock, IntakeSender, LinkCounters, LinkReport, LinkTag};
use uplink::{CentreEvent, CentreSession, Entry, Names};

/// Entries of a gateway that may be on their way without a receipt.
const CREDIT: u32 = 32_768;
/// Entries stored in one batch at most; the historian keeps a batch of this size whole.
const MAX_BATCH: usize = 16_384;
const _: () = assert!(MAX_BATCH < historian::WHOLE_BATCH, "a batch with its position stays whole");
/// How old a request may be when the gateway passes it on.
const REQUEST_WINDOW: Duration = Duration::from_secs(2);
/// Indications whose last live report is remembered.
const MAX_SEEN: usize = 1_000_000;

/// What people at the centre should know.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// A gateway has connected, and serves the points that the centre has for its links, or others.
    Connected {
        /// Whether they are the same.
        same_points: bool,
    },
    /// So many readings were removed at the gateway before the centre had them.
    Gap {
        /// Readings and changes of links that are missing.
        entries: u64,
    },
    /// Indications that changed while nobody could see it.
    Late(Vec<LateChange>),
    /// What the gateway says about itself.
    Fault(String),
    /// The history does not take what the gateway has kept.
    NotStored(String),
    /// Another connection under the gateway's name has taken over from one that was open.
    TakenOver {
        /// How long the former had said nothing.
        silent: Duration,
    },
}

/// A connection whose gateway has said its name.
pub struct Arrived<S> {
    /// The name, to be held against the certificate.
    pub gateway: String,
    epoch: u64,
    fingerprint: u64,
    duplex: Duplex<S>,
    session: CentreSession,
}

impl<S: Stream> Arrived<S> {
    /// Sends the gateway away with a reason.
    pub async fn refuse(mut self, why: &str) {
        self.session.goodbye(why);
        while let Some(octets) = self.session.poll_transmit() {
            self.duplex.write(&octets);
        }
        while !self.duplex.is_idle() && self.duplex.moved().await.is_ok() {}
    }
}

/// Waits for the name on a fresh connection. `connection` is a number that no other connection has.
///
/// # Errors
/// The peer does not speak the uplink, or not in time.
pub async fn greet<S: Stream>(stream: S, connection: u64, clock: Clock) -> io::Result<Arrived<S>> {
    let mut duplex = Duplex::new(stream);
    let mut session = CentreSession::new(clock.now().mono, connection, CREDIT);
    loop {
        tokio::select! {
            biased;
            moved = duplex.moved() => {
                if let Moved::Read(octets) = moved? {
                    session.handle_input(clock.now().mono, &octets);
                }
            }
            () = clock.sleep_until(session.poll_timeout()) => session.handle_timeout(clock.now().mono),
        }
        match session.poll_event() {
            Some(CentreEvent::Hello { gateway, epoch, fingerprint, next: _ }) => {
                return Ok(Arrived { gateway, epoch, fingerprint, duplex, session });
            }
            Some(CentreEvent::Closed(error)) => return Err(io::Error::other(error)),
            // Nothing else comes before the hello.
            Some(_) | None => {}
        }
    }
}

/// What comes to the task of a gateway.
pub struct Inputs<S> {
    /// Its connections.
    pub connections: mpsc::Receiver<Arrived<S>>,
    /// Requests for its links, by their place in the list.
    pub requests: mpsc::Receiver<(usize, Request)>,
}

/// A link of the centre that a gateway serves.
pub struct CentreLink {
    /// Its name.
    pub name: String,
    /// Its number.
    pub tag: LinkTag,
    /// Counted into.
    pub counters: Arc<LinkCounters>,
}

/// One configured gateway.
pub struct CentreSide<A, B> {
    /// Its name.
    pub name: String,
    /// Points of the centre; they may change while the gateway is connected.
    pub points: watch::Receiver<Arc<PointList>>,
    /// The link that stands for the gateway itself.
    pub own: CentreLink,
    /// Its links.
    pub links: Vec<CentreLink>,
    /// Where records go.
    pub archive: Arc<A>,
    /// How the archive is called.
    pub blocking: B,
    /// The centre's clock.
    pub clock: Clock,
    /// Where links report to.
    pub reports: IntakeSender,
    /// Where notices go.
    pub notices: mpsc::Sender<Notice>,
}

/// Nobody listens any more: the centre is ending.
struct Gone;

/// Indications by their numbers, and when the gateway received the last one that was reported live.
type Seen = HashMap<u32, Utc>;

/// What came of a batch: what nobody has seen of it.
type Outcome = Result<Vec<LateChange>, ArchiveError>;
/// That, with the number behind the batch.
type Stored = (u64, Outcome);
type Job = Pin<Box<dyn Future<Output = Stored> + Send>>;

/// A name of the gateway: an mRID, and the point here with its link if that is one of the gateway's.
type Named = (Arc<str>, Option<(PointId, LinkTag)>);

/// A connection that is served.
struct Serving<S> {
    duplex: Duplex<S>,
    session: CentreSession,
    epoch: u64,
    list: watch::Receiver<Arc<PointList>>,
    /// Names by number.
    points: Vec<Named>,
    /// Place of each link of the gateway in the list here.
    links: Vec<Option<usize>>,
    queue: VecDeque<(u64, Vec<Record>)>,
    job: Option<Job>,
    /// Seen live when the connection before this one ended.
    seen_before: Seen,
    picture_at: Utc,
    /// When the peer was last heard.
    heard: Mono,
    over: bool,
}

impl<A: Archive, B: Blocking> CentreSide<A, B> {
    /// Serves connections until the inputs close.
    pub async fn run<S: Stream>(self, mut inputs: Inputs<S>) {
        let mut seen = (0, Seen::new());
        let mut next: Option<Arrived<S>> = None;
        loop {
            let arrived = match next.take() {
                Some(arrived) => arrived,
                None => match self.wait(&mut inputs).await {
                    Ok(arrived) => arrived,
                    Err(Gone) => return,
                },
            };
            if seen.0 != arrived.epoch {
                seen = (arrived.epoch, Seen::new());
            }
            match self.serve(arrived, &mut inputs, &mut seen.1).await {
                Ok(newer) => next = newer,
                Err(Gone) => return,
            }
        }
    }

    /// While nobody is connected every request is refused at once: nothing waits for a gateway.
    async fn wait<S: Stream>(&self, inputs: &mut Inputs<S>) -> Result<Arrived<S>, Gone> {
        loop {
            tokio::select! {
                biased;
                arrived = inputs.connections.recv() => return arrived.ok_or(Gone),
                request = inputs.requests.recv() => {
                    let (link, request) = request.ok_or(Gone)?;
                    self.refuse(link, request, Refusal::NotConnected).await?;
                }
            }
        }
    }

    async fn refuse(&self, link: usize, request: Request, refusal: Refusal) -> Result<(), Gone> {
        let Some(link) = self.links.get(link) else { return Ok(()) };
        self.report(link.tag, LinkReport::Refused { request, refusal }).await
    }

    async fn report(&self, tag: LinkTag, report: LinkReport) -> Result<(), Gone> {
        self.reports.send(tag, report).await.map_err(|_| Gone)
    }

    async fn notice(&self, notice: Notice) -> Result<(), Gone> {
        self.notices.send(notice).await.map_err(|_| Gone)
    }

    /// Sum over the points of its links.
    fn fingerprint(&self) -> u64 {
        let points = self.points.borrow();
        let bound = self.links.iter().flat_map(|link| points.of_link(&link.name));
        uplink::fingerprint(bound.map(|point| points[*point].mrid.as_str()))
    }

    /// The point of an mRID with its link, if it is one of the gateway's.
    fn find(&self, points: &PointList, mrid: &str) -> Option<(PointId, LinkTag)> {
        let point = points.by_mrid(mrid)?;
        let binding = points[point].binding.as_ref()?;
        let link = self.links.iter().find(|link| *link.name == *binding.link)?;
        Some((point, link.tag))
    }

    async fn link(&self, tag: LinkTag, state: LinkState) -> Result<(), Gone> {
        let events = vec![SessionEvent::Link(state)];
        self.report(tag, LinkReport::Events { at: self.clock.now(), events }).await
    }

    /// Serves one connection to its end; returns a newer one that ended it.
    async fn serve<S: Stream>(
        &self,
        arrived: Arrived<S>,
        inputs: &mut Inputs<S>,
        seen: &mut Seen,
    ) -> Result<Option<Arrived<S>>, Gone> {
        let Arrived { gateway, epoch, fingerprint, duplex, mut session } = arrived;
        let (archive, name) = (Arc::clone(&self.archive), gateway.clone());
        let position = self.blocking.run(move || archive.position(&name, epoch)).await;
        match position {
            Ok(position) => session.welcome(position),
            Err(error) => {
                session.goodbye("the centre cannot read its history");
                self.notice(Notice::NotStored(error.to_string())).await?;
            }
        }
        info!(gateway, "Gateway connected");
        self.link(self.own.tag, LinkState::Up).await?;
        self.notice(Notice::Connected { same_points: fingerprint == self.fingerprint() }).await?;
        let mut serving = Serving {
            duplex,
            session,
            epoch,
            list: self.points.clone(),
            points: Vec::new(),
            links: Vec::new(),
            queue: VecDeque::new(),
            job: None,
            seen_before: seen.clone(),
            picture_at: Utc::from_micros(i64::MIN),
            heard: self.clock.now().mono,
            over: false,
        };
        let newer = self.serve_until_over(&mut serving, inputs, seen).await?;
        // Whatever is on its way to the disk decides the position of the next connection.
        if let Some(job) = serving.job.take() {
            let (_, result) = job.await;
            self.stored(result).await?;
        }
        info!(gateway, "Gateway gone");
        self.link(self.own.tag, LinkState::Down).await?;
        for link in &self.links {
            self.link(link.tag, LinkState::Down).await?;
        }
        Ok(newer)
    }

    async fn serve_until_over<S: Stream>(
        &self,
        serving: &mut Serving<S>,
        inputs: &mut Inputs<S>,
        seen: &mut Seen,
    ) -> Result<Option<Arrived<S>>, Gone> {
        loop {
            while let Some(event) = serving.session.poll_event() {
                self.event(serving, event, seen).await?;
            }
            serving.transmit();
            self.next_job(serving);
            if serving.over {
                return Ok(None);
            }
            let deadline = serving.session.poll_timeout();
            tokio::select! {
                biased;
                (next, result) = job_done(&mut serving.job) => {
                    serving.job = None;
                    if self.stored(result).await? {
                        serving.session.acked(next);
                    } else {
                        serving.over = true;
                    }
                }
                newer = inputs.connections.recv() => {
                    let newer = newer.ok_or(Gone)?;
                    let silent = self.clock.now().mono.since(serving.heard);
                    self.notice(Notice::TakenOver { silent }).await?;
                    return Ok(Some(newer));
                }
                request = inputs.requests.recv() => {
                    let (link, request) = request.ok_or(Gone)?;
                    self.request(serving, link, request).await?;
                }
                Ok(()) = serving.list.changed() => self.rebind(serving),
                () = self.clock.sleep_until(deadline) => serving.session.handle_timeout(self.clock.now().mono),
                moved = serving.duplex.moved() => match moved {
                    Ok(Moved::Read(octets)) => {
                        self.own.counters.add_received(octets.len());
                        serving.heard = self.clock.now().mono;
                        serving.session.handle_input(self.clock.now().mono, &octets);
                    }
                    Ok(Moved::Written) => {}
                    Err(error) => {
                        warn!(gateway = self.name, %error, "Connection of the gateway ended");
                        serving.over = true;
                    }
                },
            }
        }
    }

    /// The points of the centre have changed: the same names may mean others now.
    fn rebind<S>(&self, serving: &mut Serving<S>) {
        let points = Arc::clone(&serving.list.borrow_and_update());
        for (mrid, point) in &mut serving.points {
            *point = self.find(&points, mrid);
        }
    }

    /// Tells what came of a batch; whether it is durable.
    async fn stored(&self, result: Outcome) -> Result<bool, Gone> {
        match result {
            Ok(late) => {
                if !late.is_empty() {
                    self.notice(Notice::Late(late)).await?;
                }
                Ok(true)
            }
            Err(error) => {
                self.notice(Notice::NotStored(error.to_string())).await?;
                Ok(false)
            }
        }
    }

    async fn event<S: Stream>(
        &self,
        serving: &mut Serving<S>,
        event: CentreEvent,
        seen: &mut Seen,
    ) -> Result<(), Gone> {
        match event {
            CentreEvent::Names { of, first: _, names } => self.names(serving, of, names),
            CentreEvent::Picture(at) => serving.picture_at = at,
            CentreEvent::Live(entries) => self.live(serving, &entries, seen).await?,
            CentreEvent::Batch { first, entries } => {
                let next = first + entries.len() as u64;
                let records = entries.into_iter().map(|entry| serving.record(entry, seen)).collect();
                serving.queue.push_back((next, records));
            }
            CentreEvent::Gap { from, to } => {
                serving.queue.push_back((to, Vec::new()));
                self.notice(Notice::Gap { entries: to - from }).await?;
            }
            CentreEvent::Stage(id, stage) => {
                if let Some(link) = self.links.first() {
                    let events = vec![SessionEvent::Command(id, stage)];
                    self.report(link.tag, LinkReport::Events { at: self.clock.now(), events }).await?;
                }
            }
            CentreEvent::Refused { link, request, refusal } => {
                let here = request.translated(|number| serving.point(number.0).map(|(point, _)| point));
                if let (Some(link), Some(request)) = (serving.link(link), here) {
                    self.refuse(link, request, refusal).await?;
                }
            }
            CentreEvent::Fault { link, detail } => match link.and_then(|link| serving.link(link)) {
                Some(link) => {
                    let fault = Fault { kind: FaultKind::Protocol, detail };
                    let report =
                        LinkReport::Events { at: self.clock.now(), events: vec![SessionEvent::Fault(fault)] };
                    self.report(self.links[link].tag, report).await?;
                }
                None => self.notice(Notice::Fault(detail)).await?,
            },
            CentreEvent::Closed(error) => {
                warn!(gateway = self.name, %error, "Gateway disconnected");
                serving.over = true;
            }
            // A second hello is refused by the session.
            CentreEvent::Hello { .. } => {}
        }
        Ok(())
    }

    fn names<S>(&self, serving: &mut Serving<S>, of: Names, names: Vec<String>) {
        match of {
            Names::Points => {
                let points = Arc::clone(&serving.list.borrow());
                serving.points.extend(names.into_iter().map(|mrid| {
                    let point = self.find(&points, &mrid);
                    (Arc::from(mrid), point)
                }));
            }
            Names::Links => serving
                .links
                .extend(names.into_iter().map(|name| self.links.iter().position(|link| link.name == name))),
        }
    }

    /// Hands what happens now to the real-time database, by links in their order.
    async fn live<S>(
        &self,
        serving: &mut Serving<S>,
        entries: &[Entry],
        seen: &mut Seen,
    ) -> Result<(), Gone> {
        let now = self.clock.now();
        let mut batch: Option<(LinkTag, Vec<SessionEvent>)> = None;
        for entry in entries {
            let (tag, event) = match *entry {
                Entry::Link { link, state, .. } => {
                    let Some(link) = serving.link(link) else { continue };
                    (self.links[link].tag, SessionEvent::Link(state))
                }
                Entry::Sample { point: number, value, quality, source_time, received } => {
                    if is_indication(value) && seen.len() < MAX_SEEN {
                        seen.insert(number, received);
                    }
                    let Some((point, tag)) = serving.point(number) else { continue };
                    let sample = Sample { point, value, quality, source_time, received: now };
                    self.own.counters.add_samples(1);
                    (tag, SessionEvent::Sample(sample))
                }
            };
            match &mut batch {
                Some((last, events)) if *last == tag => events.push(event),
                Some(_) | None => {
                    if let Some((tag, events)) = batch.replace((tag, vec![event])) {
                        self.report(tag, LinkReport::Events { at: now, events }).await?;
                    }
                }
            }
        }
        match batch {
            Some((tag, events)) => self.report(tag, LinkReport::Events { at: now, events }).await,
            None => Ok(()),
        }
    }

    async fn request<S>(&self, serving: &mut Serving<S>, link: usize, request: Request) -> Result<(), Gone> {
        let number = serving.links.iter().position(|place| *place == Some(link));
        let there = request.translated(|point| serving.number(point));
        let sent = match (number.and_then(|number| u32::try_from(number).ok()), there) {
            (Some(number), Some(there)) => {
                let now = self.clock.now().mono;
                let left = there.command().and_then(|command| command.deadline).map(|until| until.since(now));
                if there.is_late(now) {
                    Err(Refusal::TooLate)
                } else {
                    let window = left.map_or(REQUEST_WINDOW, |left| left.min(REQUEST_WINDOW));
                    serving.session.request(now, (number, there), window)
                }
            }
            (None, _) | (_, None) => Err(Refusal::NotControllable),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(refusal) => self.refuse(link, request, refusal).await,
        }
    }

    /// Stores what waits, as much as one batch takes.
    fn next_job<S>(&self, serving: &mut Serving<S>) {
        if serving.job.is_some() || serving.queue.is_empty() {
            return;
        }
        let (mut next, mut records) = (0, Vec::new());
        while let Some((end, part)) = serving.queue.front()
            && (next == 0 || records.len() + part.len() <= MAX_BATCH)
        {
            next = *end;
            records.extend(serving.queue.pop_front().into_iter().flat_map(|(_, part)| part));
        }
        let batch = RecordBatch { gateway: self.name.clone(), epoch: serving.epoch, next, records };
        let archive = Arc::clone(&self.archive);
        let work = self.blocking.run(move || archive.store(&batch));
        serving.job = Some(Box::pin(async move { (next, work.await) }));
    }
}

impl<S> Serving<S> {
    fn point(&self, number: u32) -> Option<(PointId, LinkTag)> {
        self.points.get(usize::try_from(number).ok()?)?.1
    }

    fn number(&self, point: PointId) -> Option<PointId> {
        let at = self.points.iter().position(|(_, known)| known.is_some_and(|(known, _)| known == point))?;
        u32::try_from(at).ok().map(PointId)
    }

    fn link(&self, number: u32) -> Option<usize> {
        self.links.get(usize::try_from(number).ok()?).copied().flatten()
    }

    /// An entry for the archive. What happened before the picture and after the last live report was seen by nobody,
    /// unless it is the picture's own.
    fn record(&self, entry: Entry, seen: &Seen) -> Record {
        let Entry::Sample { point, value, received, .. } = entry else {
            return Record { mrid: None, entry, late: false };
        };
        let mrid =
            usize::try_from(point).ok().and_then(|at| self.points.get(at)).map(|(mrid, _)| Arc::clone(mrid));
        let late = is_indication(value)
            && received < self.picture_at
            && self.seen_before.get(&point).is_none_or(|last| received > *last)
            && seen.get(&point) != Some(&received);
        Record { mrid, entry, late }
    }
}

impl<S: Stream> Serving<S> {
    fn transmit(&mut self) {
        while let Some(octets) = self.session.poll_transmit() {
            self.duplex.write(&octets);
        }
    }
}

const fn is_indication(value: Value) -> bool {
    matches!(value, Value::Single(_) | Value::Double(_))
}

async fn job_done(job: &mut Option<Job>) -> Stored {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}
