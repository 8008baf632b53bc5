//! The running control centre.
//!
//! ```text
//! transport ──reports──▶ core (scada · gateway · gate · applications) ──records──▶ store
//!     ▲                    │        ▲                                 ──changes──▶ historian
//!     └────── requests ────┘        │ calls                           ──deltas───▶ hub ─▶ WebSockets
//!                          estimator   http
//! ```
//!
//! [`start`] opens the data directory, builds everything and returns when the page answers. Start-up is recovery:
//! the same steps after a clean end, a crash, or for an empty directory.

mod alarm_config;
mod approvals;
pub mod audit;
pub mod backup;
mod conduits;
pub mod config;
mod core;
mod diagram;
pub mod estimator;
mod forward;
mod gate_config;
mod http;
mod identity;
mod interlock;
mod lists;
mod live;
pub mod load;
mod modes;
mod overload;
mod persist;
mod proposals;
mod recorder;
mod retention;
mod status;
mod studies;
mod study;
mod switching;
mod territory;
mod time_keeper;
pub mod trust;
mod uplink;
mod views;

pub use http::openapi_json;
pub use identity::console::{
    MAX_TOKEN_DAYS, NewToken, create_token, enable_user, forget_factors, fresh_token, put_user, reset_user,
    revoke_token, seal_user, set_password,
};
pub use identity::public_id as token_id;
pub use retention::{REMOVE_HISTORY, RemovalNote, RetentionClass};
pub use signal::pattern_matches;
pub use status::VERSION;

use crate::config::{Config, Enrolment, LinkConfig};
pub use crate::core::LinkPort;
use crate::core::{Core, CoreHandle};
use anyhow::{Context as _, Result};
use gateway::Gateway;
use historian::Historian;
use model::Network;
use scada::alarm::AlarmKind;
use scada::centre::{Centre, Restored};
use scada::event::{EventKind, Severity};
use security::{Areas, Principal, PrincipalKind, Role};
use signal::{PointList, Request};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use timebase::{Now, Utc};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use transport::{
    Clock, Endpoint, IntakeProbe, IntakeSender, LinkCounters, LinkTag, SessionLink, TlsClient, TlsFiles,
    TlsServer, intake, spawn_session,
};

/// Requests that wait for a link.
const REQUEST_QUEUE: usize = 1_024;
/// Key of the configuration in the store.
const CONFIGURATION: &str = "configuration";
/// Changes of a point that are kept in memory on average before a segment is written.
const HISTORY_IN_MEMORY: usize = 200;
/// How often the historian's files are looked after.
const UPKEEP_PERIOD: Duration = Duration::from_secs(60);
/// How long the first sign-in link is good.
const FIRST_TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// Name of the user that a start on an empty store creates.
pub const FIRST_USER: &str = "first";

/// How the centre is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// With a simulated field in one process.
    Demo,
    /// Production.
    Run,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Run => "run",
        }
    }
}

/// A centre that answers.
pub struct Running {
    /// Where the page is.
    pub address: SocketAddr,
    /// One-time token of the first administrator; none once one has enrolled.
    pub token: Option<String>,
    /// Whether it speaks TLS.
    pub secure: bool,
    /// History as the centre writes it; to read from.
    pub historian: Arc<Historian>,
    core: CoreHandle,
    shutdown: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// The field's end of a centre whose links the caller drives instead of sockets.
pub struct Feed {
    /// Where reports go; tags are the positions of the links in the configuration.
    pub reports: IntakeSender,
    /// One per link of the configuration, in its order.
    pub links: Vec<FedLink>,
}

/// One link that the caller drives.
pub struct FedLink {
    /// What the gate has let through for it.
    pub requests: mpsc::Receiver<Request>,
    /// Samples are counted in here before they are reported.
    pub counters: Arc<LinkCounters>,
}

impl Running {
    /// The state of the platform at this moment; `None` while it is stopping.
    pub async fn status(&self) -> Option<api::StatusView> {
        self.core.ask(|core, now| status::view(core, now)).await.ok()
    }

    /// Stops: links close, the core flushes a last time, files are closed.
    pub async fn stop(self) {
        self.shutdown.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "A task of the centre ended by a panic");
            }
        }
    }
}

/// The files of a data directory.
pub fn store_path(directory: &Path) -> PathBuf {
    directory.join("centre.db")
}

/// Takes the data directory for this process; the lock lasts as long as the returned file is open.
pub fn lock_directory(directory: &Path) -> Result<std::fs::File> {
    std::fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let path = directory.join("LOCK");
    let file = std::fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.try_lock().map_err(|_| {
        anyhow::anyhow!("{} is in use by another process; stop the running centre first", directory.display())
    })?;
    Ok(file)
}

/// Starts a centre on the network and points given.
pub async fn start(config: Config, mode: Mode, network: Network, points: PointList) -> Result<Running> {
    let links = config.link.clone();
    start_driven(config, mode, (network, points), |feed, clock, reports| {
        spawn_links(&links, feed, clock, reports)
    })
    .await
}

/// Starts a centre whose links the caller drives: measurements of the platform itself, and fields without sockets.
pub async fn start_fed(
    config: Config,
    mode: Mode,
    network: Network,
    points: PointList,
) -> Result<(Running, Feed)> {
    let count = config.link.len();
    let mut feed = None;
    let running = start_driven(config, mode, (network, points), |_, _, reports| {
        let (ports, links) = (0..count).map(|_| fed_link()).unzip();
        feed = Some(Feed { reports, links });
        Ok(ports)
    })
    .await?;
    let feed = feed.context("the links were not asked for")?;
    Ok((running, feed))
}

fn fed_link() -> (LinkPort, FedLink) {
    let (sender, requests) = mpsc::channel(REQUEST_QUEUE);
    let counters = Arc::new(LinkCounters::default());
    (LinkPort { requests: sender, counters: Arc::clone(&counters) }, FedLink { requests, counters })
}

async fn start_driven(
    mut config: Config,
    mode: Mode,
    (network, points): (Network, PointList),
    drive: impl FnOnce(&watch::Sender<Arc<PointList>>, Clock, IntakeSender) -> Result<Vec<LinkPort>>,
) -> Result<Running> {
    let clock = Clock::new();
    let started = clock.now();
    let directory = config.data.directory.clone();
    let lock = lock_directory(&directory)?;
    let opened = open_stores(&directory, &config, points.len())?;
    let (network, points) = (Arc::new(network), Arc::new(points));
    let policy = identity::config::Policy::new(&config, mode);
    let token = first_token(&opened.store, &policy, started.utc)?;
    let key = config.identity.key_file.as_deref();
    let people = identity::Identity::open(Arc::clone(&opened.store), policy, key, &directory)?;
    let people = Arc::new(people);
    let listener = tokio::net::TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("listen on {}", config.http.listen))?;
    let address = listener.local_addr()?;
    // Port 0 was any: from here on it is the one that was given.
    config.http.listen = address;
    let tls = config.http.tls.as_ref().map(|tls| TlsServer::load_open(&tls.files())).transpose();
    let tls = tls.context("http.tls")?;
    let secure = tls.is_some();
    let (shutdown, stop) = watch::channel(false);
    let (reports, field) = intake(config.limits.intake());
    let (point_feed, _) = watch::channel(Arc::clone(&points));
    let (handle, calls) = core::calls();
    let mut links = drive(&point_feed, clock, reports.clone())?;
    let centre = uplink::Centre { points: &point_feed, clock, historian: &opened.historian, core: &handle };
    links.extend(uplink::start(&config, &centre, reports, shutdown.subscribe()).await?);
    let site = Site { config: &config, mode, network, points, clock, started };
    let core = build_core(&site, &opened, (links, point_feed), field.probe())?;
    let parts = audit::keeper::Parts { config: &config, store: &opened.store, clock, core: &handle };
    let (key, sight, mut tasks) = audit::keeper::start(&parts, &shutdown)?;
    let (desk, watch) = trust::watch::start(&parts, &shutdown)?;
    tasks.push(watch);
    let shared = share(&site, &opened, (handle.clone(), (sight, desk), Arc::clone(&people)), &core);
    let period = Duration::from_secs_f64(config.cycle.period_s);
    let store = Arc::clone(&opened.store);
    let core_task = tokio::spawn(async move {
        core.run(calls, field, period, stop).await;
        // Files are closed after the last record is signed.
        let last = move || audit::keeper::sign_last(&store, &key, clock.now().utc);
        drop(tokio::task::spawn_blocking(last).await);
        drop(lock);
    });
    let http_task = tokio::spawn(http::slots::serve(
        (listener, tls),
        http::router(shared, config.http.requests_per_s),
        handle.clone(),
        shutdown.subscribe(),
    ));
    let historian = Arc::clone(&opened.historian);
    let ledger = retention::AuditLedger { store: opened.store, clock };
    let upkeep_task = tokio::spawn(upkeep(opened.historian, handle.clone(), ledger, shutdown.subscribe()));
    let backups = backup::schedule::run(config.clone(), handle.clone(), clock, shutdown.subscribe());
    let backup_task = tokio::spawn(backups);
    let seals = tokio::spawn(identity::seals::run(people, handle.clone(), clock, shutdown.subscribe()));
    tasks.extend([core_task, http_task, backup_task, upkeep_task, seals]);
    Ok(Running { address, secure, token, historian, core: handle, shutdown, tasks })
}

/// What the centre is and when it began.
struct Site<'a> {
    config: &'a Config,
    mode: Mode,
    network: Arc<Network>,
    points: Arc<PointList>,
    clock: Clock,
    started: Now,
}

/// The open data directory.
struct Opened {
    store: Arc<Store>,
    recovery: store::Recovery,
    historian: Arc<Historian>,
    damaged: usize,
}

fn open_stores(directory: &Path, config: &Config, points: usize) -> Result<Opened> {
    let (store, recovery) = Store::open(&store_path(directory), &store::Options::default())?;
    let options = historian::Options {
        retention_days: config.data.retention_days,
        // A few minutes of every point: a small centre stays small, a large one writes large segments.
        memtable_rows: (points * HISTORY_IN_MEMORY).clamp(50_000, 400_000),
        ..historian::Options::default()
    };
    let (historian, found) = Historian::open(&directory.join("history"), options)?;
    let damaged = found.damaged.len();
    Ok(Opened { store: Arc::new(store), recovery, historian: Arc::new(historian), damaged })
}

/// A fresh one-time token for the first administrator, who is created on an empty store (S-01: no built-in account). Once an
/// administrator has enrolled there is none any more: whoever starts the process is not whoever administers.
fn first_token(store: &Store, policy: &identity::config::Policy, now: Utc) -> Result<Option<String>> {
    if store.users()?.is_empty() {
        let roles = [Role::Operator, Role::Engineer, Role::SecAdm, Role::SecAud].into_iter().collect();
        put_user(store, Principal::new(FIRST_USER, PrincipalKind::Human, roles, Areas::All), now)?;
    }
    let users = store.users()?;
    let administers = |user: &&store::UserRecord| {
        user.is_active(now) && !user.sealed && user.principal.roles.contains(&Role::SecAdm)
    };
    let administrators: Vec<&str> =
        users.iter().filter(administers).map(|user| user.principal.name.as_str()).collect();
    let has_password = |name: &&str| {
        store
            .credential(name)
            .is_ok_and(|credential| credential.is_some_and(|found| found.password.is_some()))
    };
    if policy.enrolment != Enrolment::None && administrators.iter().any(has_password) {
        return Ok(None);
    }
    let name = administrators.first().context("no enabled user with the role SECADM")?;
    let once = NewToken { one_time: true, life: Some(FIRST_TOKEN_LIFE), ..NewToken::default() };
    create_token(store, name, now, once).map(Some)
}

/// Starts the drivers of links; tags follow the order of the list. Each ends with its request queue.
///
/// # Errors
/// A link cannot be made of its configuration.
pub fn spawn_links(
    links: &[LinkConfig],
    feed: &watch::Sender<Arc<PointList>>,
    clock: Clock,
    reports: IntakeSender,
) -> Result<Vec<LinkPort>> {
    let mut ports = Vec::with_capacity(links.len());
    for (tag, link) in (0_u32..).zip(links) {
        // Made once here, so that a faulty configuration stops the start and not a task.
        link.protocol.session(&link.name, &feed.borrow()).map_err(anyhow::Error::msg)?;
        let endpoints = endpoints(link)?;
        let counters = Arc::new(LinkCounters::default());
        let (requests, queue) = mpsc::channel(REQUEST_QUEUE);
        let (protocol, name) = (link.protocol.clone(), link.name.clone());
        let session = SessionLink {
            tag: LinkTag(tag),
            name: Arc::from(link.name.as_str()),
            points: feed.subscribe(),
            make: Box::new(move |points| match protocol.session(&name, points) {
                Ok(session) => session,
                Err(error) => unreachable!("this list made a session before it was published: {error}"),
            }),
            endpoints,
            policy: link.policy,
            connect_timeout: link.protocol.connect_timeout(),
            counters: Arc::clone(&counters),
        };
        // The task ends with its request queue, which the core owns.
        drop(spawn_session(session, clock, queue, reports.clone()));
        ports.push(LinkPort { requests, counters });
    }
    Ok(ports)
}

fn endpoints(link: &LinkConfig) -> Result<Vec<Endpoint>> {
    let tls = link.protocol.tls();
    let endpoint = |address: &String| -> Result<Endpoint> {
        let tls = match &tls {
            None => None,
            Some(files) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                let name = files.server_name.as_deref().unwrap_or(host);
                let pem = TlsFiles {
                    ca: files.ca.clone(),
                    certificate: files.certificate.clone(),
                    key: files.key.clone(),
                    crl: files.crl.clone(),
                };
                Some(TlsClient::load(&pem, name).with_context(|| format!("TLS of link {}", link.name))?)
            }
        };
        Ok(Endpoint { address: address.clone(), tls })
    };
    link.protocol.endpoints().iter().map(endpoint).collect()
}

fn build_core(
    site: &Site<'_>,
    opened: &Opened,
    (links, point_feed): (Vec<LinkPort>, watch::Sender<Arc<PointList>>),
    intake: IntakeProbe,
) -> Result<Core> {
    let Site { config, mode, network, points, clock, started } = site;
    let restored: Restored = persist::restore(&opened.store, points)?;
    let link_list = uplink::all_links(config);
    let alarms = uplink::alarms(config, points)?;
    let applications = config.application.build(points).map_err(anyhow::Error::msg)?;
    let mut centre = Centre::new(Arc::clone(points), config.gate.to_gate(&config.study), restored);
    studies::set_policy(&mut centre, config, *mode, network, points)?;
    let (lists, _) = watch::channel(Arc::new(lists::Lists {
        revision: 1,
        points: Arc::clone(points),
        states: centre.table().reader(),
        network: Arc::new(diagram::view(network, points)),
    }));
    let mut core = Core {
        name: config.name.clone(),
        mode: mode.name(),
        started: *started,
        clock: *clock,
        centre,
        gateway: Gateway::new(points, link_list, started.utc)?,
        store: Arc::clone(&opened.store),
        recorder: recorder::Recorder::new(
            Arc::clone(&opened.historian),
            points,
            config.data.retention.clone(),
        )?,
        applications,
        proposals: proposals::ProposalLog::default(),
        estimate: Arc::default(),
        cycle: 0,
        links,
        hub: live::Hub::new(),
        estimator: Some(estimator::Estimator::new(Arc::clone(network), points, config.estimation.clone())),
        next_estimator: None,
        studies: studies::Studies::new(config, network),
        lists,
        point_feed,
        holding: HashMap::new(),
        cycles_without: 0,
        bad_cycles: HashMap::new(),
        store_down: false,
        history_down: false,
        audit_broken: matches!(opened.recovery.audit, store::AuditState::Broken(_)),
        backlog: VecDeque::new(),
        retry_at: started.mono,
        time: time_keeper::TimeKeeper::new(config.time.clone(), *started),
        intake,
        overload: overload::Overload::default(),
        switching: switching::restore(&opened.store, points)?,
        approvals: approvals::TwoPersons { above: config.alarms.two_person_above, ..Default::default() },
        backup: backup::schedule::Schedule::restore(config, &opened.store, started.utc)?,
    };
    core.recorder.leave_out(uplink::gateway_links(config), points);
    core.centre.alarms_mut().configure(alarms, *started);
    core.centre.set_link_incident(config.alarms.link_incident);
    core.centre.set_links_behind(uplink::behind(config));
    core.centre.show_modes(*started);
    report_start(&mut core, opened)?;
    backup::note_restore(&mut core, &config.data.directory)?;
    note_configuration(&mut core, &config.text)?;
    Ok(core)
}

fn report_start(core: &mut Core, opened: &Opened) -> Result<()> {
    let now = core.started;
    core.centre.record(now.utc, EventKind::System, Severity::Info, "centre", "started".to_owned());
    clear_own_alarms(core, now.utc);
    if let store::AuditState::Broken(what) = &opened.recovery.audit {
        let text = format!("audit chain is broken, commands are stopped: {what:?}");
        core.centre.raise_about(AlarmKind::System, "audit", Severity::Critical, &text, now.utc);
    }
    if !opened.recovery.events.gap_free {
        let text = "the event log has gaps, or its index is damaged: restore the store from a backup";
        core.centre.raise_about(AlarmKind::System, "events", Severity::High, text, now.utc);
    }
    if opened.damaged > 0 {
        let text = format!("{} damaged parts of the history were set aside", opened.damaged);
        core.centre.raise_about(AlarmKind::System, "historian", Severity::High, &text, now.utc);
    }
    let lost = opened.store.commands()?;
    core::report_lost_commands(core, &lost, now);
    opened.store.append(lost.iter().map(|command| store::Record::DropCommand(command.id)).collect())?;
    Ok(())
}

/// Keeps the configuration that is in force; a change since the last start is an event and an audit record.
fn note_configuration(core: &mut Core, text: &str) -> Result<()> {
    let json = serde_json::to_string(text)?;
    let before = core.store.config(CONFIGURATION)?;
    if text.is_empty() || before.as_ref() == Some(&json) {
        return Ok(());
    }
    let now = core.started.utc;
    let what = if before.is_some() { "changed" } else { "recorded for the first time" };
    let text = format!("configuration {what}");
    core.centre.record(now, EventKind::Configuration, Severity::Info, "centre", text);
    let record = store::ConfigRecord { key: CONFIGURATION.to_owned(), json };
    identity::console::note_on_console(&core.store, store::Record::PutConfig(record), now, what)
}

/// Conditions of the platform itself do not outlive it; what still holds is raised again.
fn clear_own_alarms(core: &mut Core, at: Utc) {
    let own = |alarm: &&scada::alarm::Alarm| matches!(alarm.kind, AlarmKind::Estimator | AlarmKind::System);
    let restored: Vec<(AlarmKind, String)> =
        core.centre.alarms().iter().filter(own).map(|alarm| (alarm.kind, alarm.source.clone())).collect();
    for (kind, source) in restored {
        core.centre.clear_about(kind, &source, at);
    }
}

fn share(
    site: &Site<'_>,
    opened: &Opened,
    (handle, (audit, certificates), identity): (
        CoreHandle,
        (audit::keeper::AuditSight, trust::desk::Desk),
        Arc<identity::Identity>,
    ),
    core: &Core,
) -> http::Shared {
    let Site { config, mode, network, clock, started, .. } = site;
    http::Shared {
        core: handle,
        identity,
        store: Arc::clone(&opened.store),
        historian: Arc::clone(&opened.historian),
        lists: core.lists.subscribe(),
        blueprint: Arc::new(lists::Blueprint { config: Config::clone(config), network: Arc::clone(network) }),
        hub: core.hub.clone(),
        clock: *clock,
        secure: config.http.tls.is_some(),
        server: api::ServerView {
            name: config.name.clone(),
            version: VERSION.to_owned(),
            mode: mode.name().to_owned(),
            started_at: views::stamp(started.utc),
        },
        audit,
        certificates,
    }
}

/// Lets the historian merge its files and drop what is too old; what was dropped is an event.
async fn upkeep(
    historian: Arc<Historian>,
    core: CoreHandle,
    ledger: retention::AuditLedger,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut beat = tokio::time::interval(UPKEEP_PERIOD);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = shutdown.changed() => return,
        }
        let historian = Arc::clone(&historian);
        let (store, clock) = (Arc::clone(&ledger.store), ledger.clock);
        let work = move || {
            let mut ledger = retention::AuditLedger { store, clock };
            historian.maintain(clock.now().utc, &mut ledger)
        };
        let done = tokio::task::spawn_blocking(work).await;
        match done {
            Ok(Ok((_, 0))) | Err(_) => {}
            Ok(Ok((_, removed))) => {
                let text = format!("{removed} rows of history beyond their retention were removed");
                // The centre may be ending: then the next start has nothing more to say either.
                drop(core.ask(move |core, now| note_removal(core, now, text)).await);
            }
            Ok(Err(error)) => tracing::error!(%error, "Upkeep of the history failed"),
        }
    }
}

fn note_removal(core: &mut Core, now: Now, text: String) {
    core.centre.record(now.utc, EventKind::System, Severity::Info, "historian", text);
}
