//! The gateway's end: one task takes reports, keeps them, and forwards both lanes over one connection at a time.
//!
//! A reading goes to the live lane at once and to the journal with the next group. Only what is durable in the journal
//! goes to the record lane, so that a number that the centre has seen never means anything else.

use crate::blocking::Blocking;
use crate::duplex::{Duplex, Moved, Stream};
use crate::picture::Picture;
use historian::HistorianError;
use historian::journal::{Journal, JournalRead};
use signal::{LinkState, PointId, PointList, Refusal, Request, SessionEvent};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use timebase::{Mono, Utc};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};
use transport::{Clock, Intake, LinkReport, LinkTag};
use uplink::codec::{MAX_ENTRIES, VERSION};
use uplink::{EdgeEvent, EdgeSession, Entry, Frame, Hello, Journalled, fingerprint};

/// Entries that wait for the journal in memory while its disk does not write.
const MAX_STAGED: usize = 65_536;
/// Pauses between attempts to reach the centre.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Events taken at once before the connection has its turn.
const EVENTS_AT_ONCE: usize = 1_024;
/// Pause after a commit that failed.
const RETRY: Duration = Duration::from_secs(1);

/// How the centre is reached.
pub trait Dial: Send + 'static {
    /// What carries the octets.
    type Stream: Stream;
    /// Connects; bounded in time.
    fn dial(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
}

/// One link to devices.
pub struct GatewayLink {
    /// Its name, as in the bindings of its points.
    pub name: String,
    /// Where its driver takes requests.
    pub requests: mpsc::Sender<Request>,
}

/// What a gateway is.
pub struct GatewayOptions {
    /// Name, as the centre knows it and the certificate says.
    pub name: String,
    /// Its points.
    pub points: Arc<PointList>,
    /// Its links, in the order of their tags.
    pub links: Vec<GatewayLink>,
    /// Readings wait at most this long for others to share their `fsync` with.
    pub commit_window: Duration,
}

/// State for whoever looks; all counts since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// The centre has taken the connection.
    pub connected: bool,
    /// Readings taken from links.
    pub samples: u64,
    /// First number in the journal.
    pub first: u64,
    /// Number after the last durable entry.
    pub next: u64,
    /// Everything before this is durable at the centre.
    pub confirmed: u64,
    /// Bytes of the journal.
    pub bytes: u64,
    /// Entries that were lost because the journal's disk did not write.
    pub shed: u64,
    /// Entries removed for the bounds before the centre had them.
    pub dropped: u64,
    /// Connections that the centre took.
    pub connections: u64,
}

type Job = Pin<Box<dyn Future<Output = (Journal, Done)> + Send>>;
type Dialing<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// What a piece of work on the journal has come to.
enum Done {
    Committed(Result<(), HistorianError>),
    Read(Result<JournalRead, HistorianError>),
}

struct Connection<S> {
    duplex: Duplex<S>,
    session: EdgeSession,
}

/// The task's state.
pub struct Gateway<D: Dial, B: Blocking> {
    options: GatewayOptions,
    clock: Clock,
    dial: D,
    blocking: B,
    /// `None` while a job has it.
    journal: Option<Journal>,
    epoch: u64,
    names: (Vec<String>, Vec<String>),
    link_numbers: Vec<u32>,
    points_by_number: HashMap<u32, PointId>,
    fingerprint: u64,
    picture: Picture,
    staged: Vec<Vec<u8>>,
    /// Entries that did not fit into `staged`.
    unstaged: u64,
    commit_at: Option<Mono>,
    commit_failed: bool,
    skip_to: Option<u64>,
    connection: Option<Connection<D::Stream>>,
    dial_at: Mono,
    pause: Duration,
    shown: Shown,
    view: Arc<Mutex<Shown>>,
}

impl<D: Dial, B: Blocking> Gateway<D, B> {
    /// A gateway on an open journal; new names get their numbers here.
    ///
    /// # Errors
    /// The journal cannot write the names.
    pub fn new(
        options: GatewayOptions,
        mut journal: Journal,
        (clock, dial, blocking): (Clock, D, B),
    ) -> Result<Self, HistorianError> {
        let points = Arc::clone(&options.points);
        let mrids: Vec<&str> = points.iter().map(|(_, def)| def.mrid.as_str()).collect();
        let numbers = journal.number(0, &mrids)?;
        let link_names: Vec<&str> = options.links.iter().map(|link| link.name.as_str()).collect();
        let link_numbers = journal.number(1, &link_names)?;
        let now = clock.now();
        let points_by_number = numbers.iter().copied().zip((0..).map(PointId)).collect();
        let links: Vec<String> = options.links.iter().map(|link| link.name.clone()).collect();
        let bound = points.iter().filter(|(_, def)| def.binding.is_some());
        Ok(Self {
            fingerprint: fingerprint(bound.map(|(_, def)| def.mrid.as_str())),
            picture: Picture::new(&points, numbers, &links, now.utc),
            epoch: journal.epoch(),
            names: (journal.names(0).to_vec(), journal.names(1).to_vec()),
            link_numbers,
            points_by_number,
            journal: Some(journal),
            options,
            clock,
            dial,
            blocking,
            staged: Vec::new(),
            unstaged: 0,
            commit_at: None,
            commit_failed: false,
            skip_to: None,
            connection: None,
            dial_at: now.mono,
            pause: FIRST_PAUSE,
            shown: Shown::default(),
            view: Arc::default(),
        })
    }

    /// The present state, for another task.
    pub fn view(&self) -> Arc<Mutex<Shown>> {
        Arc::clone(&self.view)
    }

    /// Works until shutdown, then makes durable what it has. A shutdown whose sender is gone is a shutdown, too.
    pub async fn run(mut self, mut field: Intake, mut shutdown: watch::Receiver<bool>) {
        let mut job: Option<Job> = None;
        let mut dialing: Option<Dialing<D::Stream>> = None;
        let mut turns = Turns { field_open: true, moved_first: false };
        loop {
            self.settle();
            if job.is_none() {
                job = self.next_job();
            }
            if self.connection.is_none() && dialing.is_none() && self.clock.now().mono >= self.dial_at {
                dialing = Some(Box::pin(self.dial.dial()));
            }
            self.show();
            let deadline = self.deadline(job.is_some(), dialing.is_some());
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                (journal, done) = wait_for(&mut job) => {
                    job = None;
                    self.journal = Some(journal);
                    self.done(done);
                }
                stream = wait_for(&mut dialing) => {
                    dialing = None;
                    self.dialled(stream);
                }
                () = self.clock.sleep_until(deadline) => self.timeout(),
                turn = turns.next(&mut field, &mut self.connection) => match turn {
                    Turn::Reports(reports) => {
                        for (tag, report) in reports {
                            self.report(tag, report);
                        }
                    }
                    Turn::Moved(moved) => self.moved(moved),
                },
            }
        }
        if let Some(job) = job {
            self.journal = Some(job.await.0);
        }
        if let Some(job) = self.commit_job()
            && let (_, Done::Committed(Err(error))) = job.await
        {
            warn!(%error, "The last entries were not written");
        }
    }

    fn deadline(&self, busy: bool, dialling: bool) -> Option<Mono> {
        let session = self.connection.as_ref().and_then(|connection| connection.session.poll_timeout());
        let commit = self.commit_at.filter(|_| !busy);
        let dial = (self.connection.is_none() && !dialling).then_some(self.dial_at);
        [session, commit, dial].into_iter().flatten().min()
    }

    fn timeout(&mut self) {
        let now = self.clock.now().mono;
        if let Some(connection) = &mut self.connection {
            connection.session.handle_timeout(now);
        }
    }

    fn dialled(&mut self, stream: io::Result<D::Stream>) {
        let now = self.clock.now().mono;
        match stream {
            Ok(stream) => {
                let hello = Hello {
                    version: VERSION,
                    gateway: self.options.name.clone(),
                    epoch: self.epoch,
                    first: self.shown.first,
                    next: self.shown.next,
                    fingerprint: self.fingerprint,
                };
                let session = EdgeSession::new(now, hello, (&self.names.0, &self.names.1));
                self.connection = Some(Connection { duplex: Duplex::new(stream), session });
            }
            Err(error) => self.wait_to_dial(&error.to_string()),
        }
    }

    fn wait_to_dial(&mut self, why: &str) {
        warn!(why, pause = ?self.pause, "No connection to the centre");
        self.dial_at = self.clock.now().mono + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn moved(&mut self, moved: io::Result<Moved>) {
        let now = self.clock.now().mono;
        let Some(connection) = &mut self.connection else { return };
        match moved {
            Ok(Moved::Read(octets)) => connection.session.handle_input(now, &octets),
            Ok(Moved::Written) => {}
            Err(error) => self.disconnect(&error.to_string()),
        }
    }

    fn disconnect(&mut self, why: &str) {
        self.connection = None;
        self.wait_to_dial(why);
    }

    /// Takes what the session has to say and gives it octets to send.
    fn settle(&mut self) {
        while let Some(event) =
            self.connection.as_mut().and_then(|connection| connection.session.poll_event())
        {
            match event {
                EdgeEvent::Open { skip_to } => self.opened(skip_to),
                EdgeEvent::Acked(next) => self.shown.confirmed = self.shown.confirmed.max(next),
                EdgeEvent::Request { link, request } => self.request(link, request),
                EdgeEvent::Closed(error) => self.disconnect(&error.to_string()),
            }
        }
        if let Some(Connection { duplex, session }) = &mut self.connection
            && duplex.is_idle()
        {
            // What was said meanwhile goes first; the record lane waits until all of it has left.
            while let Some(octets) = session.poll_transmit() {
                duplex.write(&octets);
            }
        }
    }

    fn opened(&mut self, skip_to: Option<u64>) {
        info!(centre_has_more = skip_to.is_some(), "The centre took the connection");
        self.pause = FIRST_PAUSE;
        self.shown.connections += 1;
        self.skip_to = skip_to;
        let picture = self.picture.all();
        self.live(&Frame::Picture(self.clock.now().utc));
        for entries in picture.chunks(MAX_ENTRIES) {
            self.live(&Frame::Live(entries.to_vec()));
        }
        if self.shown.shed > 0 {
            self.tell_shed();
        }
    }

    fn live(&mut self, frame: &Frame) {
        if let Some(connection) = &mut self.connection {
            connection.session.live(frame);
        }
    }

    fn tell_shed(&mut self) {
        let detail = format!("{} readings were not journalled: the disk does not write", self.shown.shed);
        self.live(&Frame::Fault { link: None, detail });
    }

    /// A request of the centre; the device's link refuses what it cannot do.
    fn request(&mut self, link: u32, request: Request) {
        let at = self.link_numbers.iter().position(|number| *number == link);
        let ours = request.translated(|number| self.points_by_number.get(&number.0).copied());
        let sent = match (at.and_then(|at| self.options.links.get(at)), ours) {
            (Some(link), Some(request)) => link.requests.try_send(request).map_err(|_| Refusal::Busy),
            (None, _) | (_, None) => Err(Refusal::NotControllable),
        };
        if let Err(refusal) = sent {
            self.live(&Frame::Refused { link, request, refusal });
        }
    }

    /// What a link reports.
    fn report(&mut self, tag: LinkTag, report: LinkReport) {
        let Some((at, &link)) =
            usize::try_from(tag.0).ok().and_then(|at| Some((at, self.link_numbers.get(at)?)))
        else {
            return;
        };
        match report {
            LinkReport::Events { at: now, events } => {
                let mut entries = Vec::new();
                for event in events {
                    self.event((at, link), event, now.utc, &mut entries);
                }
                for entries in entries.chunks(MAX_ENTRIES) {
                    self.live(&Frame::Live(entries.to_vec()));
                }
            }
            LinkReport::Refused { request, refusal } => {
                if let Some(request) = request.translated(|id| self.picture.number(id).map(PointId)) {
                    self.live(&Frame::Refused { link, request, refusal });
                }
            }
            LinkReport::Panicked(what) => {
                let detail = format!("the session failed and starts anew: {what}");
                self.live(&Frame::Fault { link: Some(link), detail });
            }
        }
    }

    fn event(&mut self, (at, link): (usize, u32), event: SessionEvent, now: Utc, live: &mut Vec<Entry>) {
        match event {
            SessionEvent::Sample(sample) => {
                self.shown.samples += 1;
                if let Some((entry, counts)) = self.picture.sample(&sample) {
                    live.push(entry);
                    if counts {
                        self.keep(entry);
                    }
                }
            }
            SessionEvent::Link(state) => {
                for old in self.picture.link(at, state, now) {
                    self.keep(old);
                }
                let entry = Entry::Link { link, state, at: now };
                live.push(entry);
                if matches!(state, LinkState::Up | LinkState::Down) {
                    self.keep(entry);
                }
            }
            SessionEvent::Command(id, stage) => self.live(&Frame::Stage(id, stage)),
            SessionEvent::Fault(fault) => self.live(&Frame::Fault { link: Some(link), detail: fault.detail }),
            SessionEvent::Forbidden(function, direction) => {
                let detail = format!("{function} {}: not allowed on this link", direction.name());
                self.live(&Frame::Fault { link: Some(link), detail });
            }
            // The change itself says enough where it is seen.
            SessionEvent::RemoteCommand(_) => {}
            // The driver has dealt with it.
            SessionEvent::ClockSynchronised(_) | SessionEvent::Close(_) => {}
        }
    }

    /// To the journal, with the next group.
    fn keep(&mut self, entry: Entry) {
        if self.staged.len() >= MAX_STAGED {
            self.unstaged += 1;
            if self.unstaged.is_power_of_two() {
                self.tell_shed();
            }
            return;
        }
        self.staged.push(entry.to_bytes());
        if self.commit_at.is_none() {
            self.commit_at = Some(self.clock.now().mono + self.options.commit_window);
        }
    }

    /// The next piece of work on the journal: writing when it is due, else reading what the connection can take.
    fn next_job(&mut self) -> Option<Job> {
        self.journal.as_ref()?;
        if self.skip_to.is_some() || self.commit_at.is_some_and(|at| self.clock.now().mono >= at) {
            return self.commit_job();
        }
        let now = self.clock.now().mono;
        let connection = self.connection.as_mut().filter(|connection| connection.duplex.is_idle())?;
        let (from, most) = connection.session.wants(now)?;
        let mut journal = self.journal.take()?;
        Some(Box::pin(self.blocking.run(move || {
            let read = journal.read(from, most);
            (journal, Done::Read(read))
        })))
    }

    fn commit_job(&mut self) -> Option<Job> {
        let mut journal = self.journal.take()?;
        let staged = std::mem::take(&mut self.staged);
        let (confirmed, skip_to, now) = (self.shown.confirmed, self.skip_to.take(), self.clock.now().utc);
        self.commit_at = None;
        Some(Box::pin(self.blocking.run(move || {
            let skipped = skip_to.map_or(Ok(()), |number| journal.skip_to(number, now));
            for entry in staged {
                // The bound of the journal is above ours; a refusal is counted there.
                let _counted = journal.push(entry);
            }
            journal.confirm(confirmed);
            let committed = skipped.and_then(|()| journal.commit(now).map(drop));
            (journal, Done::Committed(committed))
        })))
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Committed(result) => {
                let failed = result.is_err();
                if let Err(error) = result {
                    warn!(%error, "Journal not written, will be tried again");
                    self.commit_at = Some(self.clock.now().mono + RETRY);
                }
                if failed != self.commit_failed {
                    self.commit_failed = failed;
                    let what = if failed { "cannot be written" } else { "is written again" };
                    self.live(&Frame::Fault { link: None, detail: format!("the journal {what}") });
                }
                if !failed && !self.staged.is_empty() && self.commit_at.is_none() {
                    self.commit_at = Some(self.clock.now().mono + self.options.commit_window);
                }
                self.show();
                let Shown { first, next, .. } = self.shown;
                if let Some(connection) = &mut self.connection {
                    connection.session.journalled(first, next);
                }
            }
            Done::Read(read) => self.forward(read),
        }
    }

    fn forward(&mut self, read: Result<JournalRead, HistorianError>) {
        let read = match read {
            Ok(JournalRead::GapTo(number)) => Ok(Journalled::GapTo(number)),
            Ok(JournalRead::Entries(entries)) => {
                let decoded = entries.iter().map(|octets| Entry::from_bytes(octets));
                decoded
                    .collect::<Result<Vec<_>, _>>()
                    .map(Journalled::Entries)
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(read) => {
                if let Some(connection) = &mut self.connection {
                    connection.session.feed(read);
                }
            }
            Err(why) => self.disconnect(&format!("the journal cannot be read: {why}")),
        }
    }

    fn show(&mut self) {
        if let Some(journal) = &self.journal {
            let stats = journal.stats();
            let Shown { first, next, bytes, dropped, .. } = &mut self.shown;
            (*first, *next, *bytes, *dropped) = (stats.first, stats.next, stats.bytes, stats.dropped);
            self.shown.shed = self.unstaged + stats.refused;
        }
        self.shown.connected =
            self.connection.as_ref().is_some_and(|connection| connection.session.is_open());
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = self.shown;
    }
}

/// The result of a future that is there, or never.
async fn wait_for<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The field and the connection take turns, so that neither waits for long while the other is busy.
struct Turns {
    field_open: bool,
    moved_first: bool,
}

enum Turn {
    Reports(Vec<(LinkTag, LinkReport)>),
    Moved(io::Result<Moved>),
}

impl Turns {
    async fn next<S: Stream>(&mut self, field: &mut Intake, connection: &mut Option<Connection<S>>) -> Turn {
        self.moved_first = !self.moved_first;
        let mut reports = Vec::new();
        let field_open = self.field_open;
        let open = if self.moved_first {
            tokio::select! {
                biased;
                moved = moved(connection) => return Turn::Moved(moved),
                open = field.take(&mut reports, EVENTS_AT_ONCE), if field_open => open,
            }
        } else {
            tokio::select! {
                biased;
                open = field.take(&mut reports, EVENTS_AT_ONCE), if field_open => open,
                moved = moved(connection) => return Turn::Moved(moved),
            }
        };
        self.field_open = open;
        Turn::Reports(reports)
    }
}

async fn moved<S: Stream>(connection: &mut Option<Connection<S>>) -> io::Result<Moved> {
    match connection {
        Some(connection) => connection.duplex.moved().await,
        None => std::future::pending().await,
    }
}
