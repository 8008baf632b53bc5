//! Gateways at the centre: where they connect to, which links they bring, what people learn of them.
//!
//! Each gateway stands in the list of links as itself, behind it stand its own links. Live reports take the way of every
//! link; records go into the history beside the core, so that a backlog of days holds nobody up.

use crate::core::{Core, CoreHandle, LinkPort};
use anyhow::{Context as _, Result};
use edge::{Arrived, CentreLink, CentreSide, HistorianArchive, Inputs, Notice, Threads, greet};
use historian::Historian;
use scada::alarm::rule::{AlarmSettings, Suppression};
use scada::alarm::{AlarmId, AlarmKind};
use scada::event::{EventKind, NewEvent, Severity};
use serde::Deserialize;
use signal::{PointList, Request};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use timebase::Now;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use transport::{Clock, IntakeSender, LinkTag, PeerCertificate, Stream, TlsFiles, TlsServer, accept};

/// Name of the protocol in the list of links.
const PROTOCOL: &str = "uplink";
/// A peer that has not finished its handshake by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that have not said their name yet at most.
const MAX_GREETING: usize = 64;
/// Requests for links of a gateway, connections, notices that wait.
const REQUEST_QUEUE: usize = 1_024;
const CONNECTION_QUEUE: usize = 4;
const NOTICE_QUEUE: usize = 64;
/// A connection that was heard so recently is alive.
const ALIVE: Duration = Duration::from_secs(3);
/// Late changes that are events of their own at once; what goes beyond is one event with their number.
const MAX_LATE: usize = 1_000;

/// Where gateways connect to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UplinkConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate of the centre and authority of the gateways; needed for addresses beyond loopback.
    pub tls: Option<TlsPaths>,
}

/// Files of mutual TLS, PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPaths {
    /// Certificate authorities that the peer's certificate must descend from.
    pub ca: PathBuf,
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// Revocation lists of all the authorities; without it nothing counts as revoked.
    pub crl: Option<PathBuf>,
}

/// One gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Its name; its certificate must carry it.
    pub name: String,
    /// Its links to devices, as in the bindings of their points.
    pub links: Vec<String>,
}

impl TlsPaths {
    /// Relative paths start at this folder.
    pub fn start_at(&mut self, base: &Path) {
        let needed = [&mut self.ca, &mut self.certificate, &mut self.key];
        for path in needed.into_iter().chain(self.crl.as_mut()) {
            *path = base.join(&*path);
        }
    }

    /// As the drivers take them.
    pub fn files(&self) -> TlsFiles {
        let Self { ca, certificate, key, crl } = self.clone();
        TlsFiles { ca, certificate, key, crl }
    }
}

/// Checks what the types cannot say.
pub(crate) fn check(config: &crate::config::Config) -> Result<(), String> {
    if let Some(uplink) = &config.uplink
        && uplink.tls.is_none()
        && !uplink.listen.ip().is_loopback()
    {
        return Err(format!(
            "uplink.listen: {} is not a loopback address and needs uplink.tls",
            uplink.listen
        ));
    }
    if !config.gateway.is_empty() && config.uplink.is_none() {
        return Err("[[gateway]] needs [uplink] with the address that gateways connect to".to_owned());
    }
    let mut names: HashSet<&str> = config.link.iter().map(|link| link.name.as_str()).collect();
    for gateway in &config.gateway {
        for name in std::iter::once(&gateway.name).chain(&gateway.links) {
            if name.is_empty() || !names.insert(name) {
                return Err(format!("gateway {:?}: the name {name:?} is empty or used twice", gateway.name));
            }
        }
    }
    Ok(())
}

/// What the list of links has for gateways: each itself, then its links.
pub(crate) fn links(
    config: &crate::config::Config,
) -> impl Iterator<Item = (Arc<str>, &'static str, String)> {
    let listen = config.uplink.as_ref().map_or_else(String::new, |uplink| uplink.listen.to_string());
    config.gateway.iter().flat_map(move |gateway| {
        let own = (Arc::from(gateway.name.as_str()), PROTOCOL, listen.clone());
        let behind = format!("gateway {}", gateway.name);
        let links =
            gateway.links.iter().map(move |link| (Arc::from(link.as_str()), PROTOCOL, behind.clone()));
        std::iter::once(own).chain(links)
    })
}

/// All links of the centre: its own with where they connect to, then those for gateways.
pub(crate) fn all_links(config: &crate::config::Config) -> Vec<(Arc<str>, &'static str, String)> {
    let own = config.link.iter().map(|link| {
        (Arc::from(link.name.as_str()), link.protocol.name(), link.protocol.endpoints().join(", "))
    });
    own.chain(links(config)).collect()
}

/// Names of all links of the centre, in their order.
pub(crate) fn link_names(config: &crate::config::Config) -> Vec<String> {
    all_links(config).into_iter().map(|(name, _, _)| name.to_string()).collect()
}

/// Names of the links that gateways bring.
pub(crate) fn gateway_links(config: &crate::config::Config) -> Vec<String> {
    config.gateway.iter().flat_map(|gateway| &gateway.links).cloned().collect()
}

/// The links that gateways bring, each with its gateway.
pub(crate) fn behind(config: &crate::config::Config) -> Vec<(String, String)> {
    let pairs = |gateway: &GatewayConfig| {
        let name = gateway.name.clone();
        gateway.links.clone().into_iter().map(move |link| (link, name.clone()))
    };
    config.gateway.iter().flat_map(pairs).collect()
}

/// How alarms are managed. A gateway that is gone is one alarm; those of its links are its consequence.
pub(crate) fn alarms(config: &crate::config::Config, points: &PointList) -> Result<AlarmSettings> {
    let mut settings = config.alarms.settings(&link_names(config), points)?;
    settings.suppressions.extend(config.gateway.iter().map(|gateway| Suppression {
        when: AlarmId::new(AlarmKind::Link, &gateway.name),
        conditions: gateway.links.iter().map(|link| AlarmId::new(AlarmKind::Link, link)).collect(),
        groups: Vec::new(),
        kinds: Vec::new(),
    }));
    Ok(settings)
}

/// What gateways are joined to.
pub(crate) struct Centre<'a> {
    pub(crate) points: &'a watch::Sender<Arc<PointList>>,
    pub(crate) clock: Clock,
    pub(crate) historian: &'a Arc<Historian>,
    pub(crate) core: &'a CoreHandle,
}

type Connection = Arrived<Box<dyn Stream>>;
type Doors = HashMap<String, mpsc::Sender<Connection>>;

/// Listens, and starts a task per gateway. Returns the ports of [`links`] in their order.
pub(crate) async fn start(
    config: &crate::config::Config,
    centre: &Centre<'_>,
    reports: IntakeSender,
    shutdown: watch::Receiver<bool>,
) -> Result<Vec<LinkPort>> {
    let Some(uplink) = &config.uplink else { return Ok(Vec::new()) };
    let tls =
        uplink.tls.as_ref().map(|tls| TlsServer::load(&tls.files())).transpose().context("uplink.tls")?;
    let listener =
        TcpListener::bind(uplink.listen).await.with_context(|| format!("uplink.listen {}", uplink.listen))?;
    let archive = Arc::new(HistorianArchive::new(Arc::clone(centre.historian)));
    let (mut ports, mut doors) = (Vec::new(), Doors::new());
    let mut tag = u32::try_from(config.link.len())?;
    for gateway in &config.gateway {
        let count = u32::try_from(gateway.links.len() + 1)?;
        let (door, own_ports) = join(gateway, tag, centre, (&archive, &reports));
        tag += count;
        ports.extend(own_ports);
        doors.insert(gateway.name.clone(), door);
    }
    tokio::spawn(listen(listener, tls, doors, centre.clock, shutdown));
    Ok(ports)
}

fn join(
    gateway: &GatewayConfig,
    first_tag: u32,
    centre: &Centre<'_>,
    (archive, reports): (&Arc<HistorianArchive>, &IntakeSender),
) -> (mpsc::Sender<Connection>, Vec<LinkPort>) {
    let (door, connections) = mpsc::channel(CONNECTION_QUEUE);
    let (all_requests, requests) = mpsc::channel(REQUEST_QUEUE);
    let (notices, noticed) = mpsc::channel(NOTICE_QUEUE);
    let mut ports = Vec::new();
    let mut links = Vec::new();
    for (tag, name) in (first_tag..).zip(std::iter::once(&gateway.name).chain(&gateway.links)) {
        let counters = Arc::default();
        let (port, queue) = mpsc::channel(REQUEST_QUEUE);
        // The first is the gateway itself, of which nothing can be asked.
        if let Some(place) = links.len().checked_sub(1) {
            tokio::spawn(pass_on(place, queue, all_requests.clone()));
        }
        ports.push(LinkPort { requests: port, counters: Arc::clone(&counters) });
        links.push(CentreLink { name: name.clone(), tag: LinkTag(tag), counters });
    }
    let own = links.remove(0);
    let side = CentreSide {
        name: gateway.name.clone(),
        points: centre.points.subscribe(),
        own,
        links,
        archive: Arc::clone(archive),
        blocking: Threads,
        clock: centre.clock,
        reports: reports.clone(),
        notices,
    };
    tokio::spawn(side.run(Inputs { connections, requests }));
    tokio::spawn(tell(gateway.name.clone(), noticed, centre.core.clone()));
    (door, ports)
}

/// Brings the requests of one link to the task of its gateway; ends with the port.
async fn pass_on(place: usize, mut queue: mpsc::Receiver<Request>, to: mpsc::Sender<(usize, Request)>) {
    while let Some(request) = queue.recv().await {
        if to.send((place, request)).await.is_err() {
            return;
        }
    }
}

async fn listen(
    listener: TcpListener,
    tls: Option<TlsServer>,
    doors: Doors,
    clock: Clock,
    mut shutdown: watch::Receiver<bool>,
) {
    let doors = Arc::new(doors);
    let greeting = Arc::new(tokio::sync::Semaphore::new(MAX_GREETING));
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            // A shutdown whose sender is gone is a shutdown, too.
            _ = shutdown.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "Uplink accepts nothing");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        number += 1;
        let Ok(permit) = Arc::clone(&greeting).try_acquire_owned() else { continue };
        let (tls, doors) = (tls.clone(), Arc::clone(&doors));
        tokio::spawn(async move {
            let welcomed =
                tokio::time::timeout(HANDSHAKE, welcome(stream, tls, (number, clock), &doors)).await;
            if let Err(why) = welcomed.map_err(anyhow::Error::from).flatten() {
                tracing::warn!(%peer, why = %format!("{why:#}"), "Gateway refused");
            }
            drop(permit);
        });
    }
}

async fn welcome(
    stream: TcpStream,
    tls: Option<TlsServer>,
    (number, clock): (u64, Clock),
    doors: &Doors,
) -> Result<()> {
    let secured = tls.is_some();
    let (stream, certificate) = accept(stream, tls.as_ref()).await.context("handshake")?;
    let arrived = greet(stream, number, clock).await?;
    let name = arrived.gateway.clone();
    let Some(door) = doors.get(&name) else {
        arrived.refuse("no gateway of that name is configured at the centre").await;
        anyhow::bail!("gateway {name:?} is not configured");
    };
    let proved = |certificate: &PeerCertificate| certificate.carries(&name);
    if secured && !certificate.as_ref().is_some_and(proved) {
        arrived.refuse("the certificate was issued for another name").await;
        anyhow::bail!("the certificate of gateway {name:?} was issued for another name");
    }
    door.send(arrived).await.map_err(|_| anyhow::anyhow!("the centre is ending"))
}

/// Tells people what the task of a gateway has to say.
async fn tell(gateway: String, mut notices: mpsc::Receiver<Notice>, core: CoreHandle) {
    while let Some(notice) = notices.recv().await {
        let gateway = gateway.clone();
        if core.ask(move |core, now| note(core, now, &gateway, notice)).await.is_err() {
            return;
        }
    }
}

fn note(core: &mut Core, now: Now, gateway: &str, notice: Notice) {
    let points = Arc::clone(core.centre.table().points());
    let mut once = |severity: Severity, text: &str| {
        // It has no end of its own: it stays listed until somebody has seen it.
        core.centre.raise_about(AlarmKind::System, gateway, severity, text, now.utc);
        core.centre.clear_about(AlarmKind::System, gateway, now.utc);
    };
    match notice {
        Notice::Connected { same_points: false } => {
            once(
                Severity::Medium,
                "its point list and the centre's differ; what only one of them has stays out",
            );
        }
        Notice::Connected { same_points: true } => {}
        Notice::Gap { entries } => {
            once(
                Severity::High,
                &format!("{entries} readings were removed from its journal before they came"),
            );
        }
        // Whoever lost a connection comes back after it has fallen silent: then it is no more than an event.
        Notice::TakenOver { silent } if silent >= ALIVE => {
            let text =
                format!("connected anew; the former connection had been silent for {} s", silent.as_secs());
            core.centre.record(now.utc, EventKind::System, Severity::Info, gateway, text);
        }
        Notice::TakenOver { .. } => once(
            Severity::High,
            "a second connection under its name has taken over from one that was alive: who else holds its certificate?",
        ),
        Notice::Fault(detail) => once(Severity::Medium, &detail),
        Notice::NotStored(why) => once(Severity::High, &format!("what it has kept is not stored: {why}")),
        Notice::Late(changes) => {
            for change in changes.iter().take(MAX_LATE) {
                let Some(point) = points.by_mrid(&change.mrid) else { continue };
                let def = &points[point];
                let text = format!("{} (late)", scada::wording::value_text(def, change.value));
                let (kind, severity, source) = (EventKind::State, Severity::Info, def.name.clone());
                let event = NewEvent {
                    time: change.at,
                    kind,
                    severity,
                    source,
                    point: Some(point),
                    text,
                    actor: None,
                };
                core.centre.record_by(event);
            }
            let more = changes.len().saturating_sub(MAX_LATE);
            if more > 0 {
                let text = format!("{more} more indications changed late; the history has them");
                core.centre.record(now.utc, EventKind::State, Severity::Info, gateway, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::config::{Config, parse_toml};
    use std::path::Path;

    fn check(text: &str, expected: Result<(), &str>) {
        let head = "network = { file = 'n.m' }\ndata = { directory = 'd' }\n";
        let links = "[[link]]\nname = 'S1'\nprotocol.iec104 = { endpoints = ['127.0.0.1:1'] }\n";
        let config: Config = parse_toml(Path::new("c.toml"), &format!("{head}{text}{links}")).unwrap();
        match (config.check(), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn gateways_have_an_address_a_certificate_and_links_of_their_own() {
        let gateway = "[[gateway]]\nname = 'north'\nlinks = ['S2', 'S3']\n";
        let with = |listen: &str, gateway: &str| format!("[uplink]\nlisten = '{listen}'\n{gateway}");
        check(&with("127.0.0.1:0", gateway), Ok(()));
        check(gateway, Err("needs [uplink]"));
        check(
            &with("0.0.0.0:19000", gateway),
            Err("0.0.0.0:19000 is not a loopback address and needs uplink.tls"),
        );
        check(
            &with("127.0.0.1:0", &gateway.replace("S2", "S1")),
            Err("the name \"S1\" is empty or used twice"),
        );
        check(&with("127.0.0.1:0", &gateway.replace("S2", "north")), Err("\"north\" is empty or used twice"));
    }
}
