//! Sessions and stations over real sockets of the loopback interface: TCP, TLS, panics, silence, refusals.
#![allow(clippy::unwrap_used, missing_docs)]

use proto_iec104::{Config, ControlledStation, ControllingSession};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use signal::{
    Binding, Channel, Command, CommandAnswer, CommandId, CommandStage, ControlMode, FunctionPolicy, Limits,
    LinkState, PointDef, PointId, PointKind, PointList, PointSession, PointStation, Quality, Refusal,
    Request, Sample, SessionEvent, StationEvent, Transmit, Value,
};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Now, UtcStamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use transport::{
    Clock, Endpoint, Intake, IntakeLimits, LinkCounters, LinkReport, LinkTag, MakeSession, SessionLink,
    StationInput, StationLink, StationReport, TlsClient, TlsFiles, TlsServer, intake, spawn_session,
    spawn_station,
};

const LIMIT: Duration = Duration::from_secs(20);
const POINTS: u32 = 3_000;

fn config() -> Config {
    Config { endpoints: vec!["127.0.0.1:2404".into()], connections: 1, ..Config::default() }
}

fn points() -> PointList {
    let point = |n: u32| PointDef {
        name: format!("P{n}"),
        mrid: format!("P{n}"),
        equipment: String::new(),
        substation: String::new(),
        kind: PointKind::Analog,
        unit: String::new(),
        binding: Some(Binding {
            link: "S1".into(),
            address: format!("M_ME_TF_1@{}", n + 1),
            control: (n == 0).then(|| ("C_SE_NC_1@9000".into(), ControlMode::Direct)),
        }),
        limits: Limits::default(),
        normal: None,
        stale_after: None,
        deadband: 0.0,
        ..PointDef::default()
    };
    PointList::new((0..POINTS).map(point).collect()).unwrap()
}

fn sample(now: Now, point: u32, value: f64) -> StationInput {
    let source_time = Some(UtcStamp::synchronised(now.utc));
    let value = Value::Analog(value);
    StationInput::Update(Sample {
        point: PointId(point),
        value,
        quality: Quality::GOOD,
        source_time,
        received: now,
    })
}

struct Centre {
    requests: mpsc::Sender<Request>,
    reports: Intake,
    points: watch::Sender<Arc<PointList>>,
    counters: Arc<LinkCounters>,
    seen: Vec<SessionEvent>,
}

impl Centre {
    fn start(address: SocketAddr, tls: Option<TlsClient>) -> Self {
        let make = |points: &PointList| -> Box<dyn PointSession> {
            Box::new(ControllingSession::new(&config(), points, "S1").unwrap())
        };
        Self::start_with(address, tls, Box::new(make))
    }

    fn start_with(address: SocketAddr, tls: Option<TlsClient>, make: MakeSession) -> Self {
        let counters = Arc::new(LinkCounters::default());
        let (points, list) = watch::channel(Arc::new(points()));
        let link = SessionLink {
            tag: LinkTag(7),
            name: "S1".into(),
            points: list,
            make,
            endpoints: vec![Endpoint { address: address.to_string(), tls }],
            policy: FunctionPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            counters: Arc::clone(&counters),
        };
        let (requests, queue) = mpsc::channel(4);
        // As small as possible: the link must live with a slow reader.
        let (sender, reports) = intake(IntakeLimits { crowded: usize::MAX, full: 1, floor: 1 });
        spawn_session(link, Clock::new(), queue, sender);
        Self { requests, reports, points, counters, seen: Vec::new() }
    }

    /// Takes reports until an event is found; it is the last one kept.
    async fn until(&mut self, found: impl Fn(&SessionEvent) -> bool) {
        tokio::time::timeout(LIMIT, async {
            loop {
                let (tag, report) = self.reports.next().await.unwrap();
                assert_eq!(tag, LinkTag(7));
                if let LinkReport::Events { events, .. } = report {
                    let done = events.iter().any(&found);
                    self.seen.extend(events);
                    if done {
                        return;
                    }
                }
            }
        })
        .await
        .unwrap();
    }

    async fn until_up(&mut self) {
        self.until(|event| *event == SessionEvent::Link(LinkState::Up)).await;
    }
}

struct Field {
    address: SocketAddr,
    inputs: mpsc::Sender<StationInput>,
    reports: mpsc::Receiver<(LinkTag, StationReport)>,
    counters: Arc<LinkCounters>,
}

impl Field {
    async fn start(listen: SocketAddr, tls: Option<TlsServer>) -> Self {
        let make = || -> Box<dyn PointStation> {
            Box::new(ControlledStation::new(&config(), &points(), "S1").unwrap())
        };
        let counters = Arc::new(LinkCounters::default());
        let link = StationLink {
            tag: LinkTag(3),
            name: "S1".into(),
            make: Box::new(make),
            listen,
            tls,
            counters: Arc::clone(&counters),
        };
        let (inputs, queue) = mpsc::channel(16);
        let (sender, reports) = mpsc::channel(64);
        let (address, _task) = spawn_station(link, Clock::new(), queue, sender).await.unwrap();
        let clock = Clock::new();
        for n in 0..POINTS {
            inputs.send(sample(clock.now(), n, f64::from(n))).await.unwrap();
        }
        Self { address, inputs, reports, counters }
    }

    async fn free() -> Self {
        Self::start(([127, 0, 0, 1], 0).into(), None).await
    }

    async fn command(&mut self) -> Command {
        loop {
            let (_, report) = tokio::time::timeout(LIMIT, self.reports.recv()).await.unwrap().unwrap();
            if let StationReport::Event(_, StationEvent::Command(command, _)) = report {
                return command;
            }
        }
    }
}

#[tokio::test]
async fn values_and_commands_pass_and_the_link_comes_back() {
    let mut field = Field::free().await;
    let mut centre = Centre::start(field.address, None);
    centre.until_up().await;
    let mut last = vec![None; usize::try_from(POINTS).unwrap()];
    for event in &centre.seen {
        if let SessionEvent::Sample(sample) = event {
            last[sample.point.at()] = Some(sample.value);
        }
    }
    for (n, value) in (0..POINTS).zip(last) {
        assert_eq!(value, Some(Value::Analog(f64::from(n))));
    }
    let command = Command { id: CommandId(5), point: PointId(0), value: Value::Analog(2.5), deadline: None };
    centre.requests.send(Request::Execute(command)).await.unwrap();
    let asked = field.command().await;
    assert_eq!((asked.point, asked.value), (PointId(0), Value::Analog(2.5)));
    field.inputs.send(StationInput::Answer(asked, CommandAnswer::Accept)).await.unwrap();
    centre.until(|event| *event == SessionEvent::Command(CommandId(5), CommandStage::Accepted)).await;
    let totals = (centre.counters.totals(), field.counters.totals());
    assert!(totals.0.rx_bytes > 5 * u64::from(POINTS) && totals.0.connections == 1);
    assert_eq!((totals.0.faults, totals.1.faults), (0, 0));
    // The station goes and comes back at the same address.
    let address = field.address;
    drop(field);
    centre.until(|event| *event == SessionEvent::Link(LinkState::Down)).await;
    let refused = Request::Execute(command);
    centre.requests.send(refused).await.unwrap();
    let (_, report) = centre.reports.next().await.unwrap();
    assert_eq!(report, LinkReport::Refused { request: refused, refusal: Refusal::NotConnected });
    let _field = Field::start(address, None).await;
    centre.until_up().await;
}

/// S-18: what is past its deadline when its turn comes is dropped in the link's queue, and nothing of it reaches the device.
#[tokio::test]
async fn a_request_that_is_late_never_leaves() {
    let mut field = Field::free().await;
    let mut centre = Centre::start(field.address, None);
    centre.until_up().await;
    let command = |id, deadline| {
        Request::Execute(Command {
            id: CommandId(id),
            point: PointId(0),
            value: Value::Analog(1.5),
            deadline,
        })
    };
    let late = command(1, Some(timebase::Mono::ZERO));
    centre.requests.send(late).await.unwrap();
    let refused = LinkReport::Refused { request: late, refusal: Refusal::TooLate };
    tokio::time::timeout(LIMIT, async { while centre.reports.next().await.unwrap().1 != refused {} })
        .await
        .unwrap();
    // The next one in time is the first that the device learns of.
    centre.requests.send(command(2, None)).await.unwrap();
    let asked = field.command().await;
    field.inputs.send(StationInput::Answer(asked, CommandAnswer::Accept)).await.unwrap();
    centre.until(|event| *event == SessionEvent::Command(CommandId(2), CommandStage::Accepted)).await;
}

/// Nobody takes reports at first: what came out of the session is counted all the same, and later not once more.
#[tokio::test]
async fn samples_are_counted_at_the_session_before_anybody_takes_them() {
    let field = Field::free().await;
    let mut centre = Centre::start(field.address, None);
    tokio::time::timeout(LIMIT, async {
        while centre.counters.totals().samples == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert!(centre.seen.is_empty());
    centre.until_up().await;
    let taken = |centre: &Centre| {
        centre.seen.iter().filter(|event| matches!(event, SessionEvent::Sample(_))).count() as u64
    };
    // The rest of the answer to the interrogation is counted and waits, or is yet to come.
    assert!(centre.counters.totals().samples >= taken(&centre));
    while let Ok(Some((_, report))) =
        tokio::time::timeout(Duration::from_millis(500), centre.reports.next()).await
    {
        if let LinkReport::Events { events, .. } = report {
            centre.seen.extend(events);
        }
    }
    assert_eq!(centre.counters.totals().samples, taken(&centre));
    assert!(taken(&centre) >= u64::from(POINTS));
}

/// The list loses every point but one, and gets them back: one connection, no sample of the one that stays is lost, and what comes
/// back is asked for.
#[tokio::test]
async fn a_changed_list_of_points_keeps_the_connection() {
    let field = Field::free().await;
    let mut centre = Centre::start(field.address, None);
    centre.until_up().await;
    let whole = points();
    let one = PointList::new(vec![whole[PointId(0)].clone()]).unwrap();
    let revised = whole.revised(&one).unwrap();
    centre.points.send_replace(Arc::new(revised.clone()));
    let clock = Clock::new();
    let value = |point: u32, value: f64| {
        move |event: &SessionEvent| {
            matches!(event, SessionEvent::Sample(sample)
                if sample.point == PointId(point) && sample.value == Value::Analog(value))
        }
    };
    // What was under way when the list changed comes out first.
    for step in 1..=50_u32 {
        field.inputs.send(sample(clock.now(), 1, -1.0)).await.unwrap();
        field.inputs.send(sample(clock.now(), 0, -f64::from(step))).await.unwrap();
        tokio::time::timeout(LIMIT, centre.until(value(0, -f64::from(step)))).await.unwrap();
    }
    centre.points.send_replace(Arc::new(revised.revised(&whole).unwrap()));
    centre.until(value(1, -1.0)).await;
    centre.until(value(2_999, 2_999.0)).await;
    assert_eq!(centre.counters.totals().connections, 1);
}

#[tokio::test]
async fn a_silent_station_says_nothing_and_speaks_again_on_a_new_connection() {
    let field = Field::free().await;
    let mut centre = Centre::start(field.address, None);
    centre.until_up().await;
    field.inputs.send(StationInput::Silent(true)).await.unwrap();
    // What was said before is still on its way.
    while tokio::time::timeout(Duration::from_millis(300), centre.reports.next()).await.is_ok() {}
    let clock = Clock::new();
    field.inputs.send(sample(clock.now(), 1, -1.0)).await.unwrap();
    centre.requests.send(Request::Interrogate).await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(300), centre.reports.next()).await;
    assert!(quiet.is_err());
    field.inputs.send(StationInput::Silent(false)).await.unwrap();
    centre.until(|event| *event == SessionEvent::Link(LinkState::Down)).await;
    centre.until_up().await;
}

#[tokio::test]
async fn garbage_closes_its_connection_and_frees_its_channel() {
    let field = Field::free().await;
    for _ in 0..3 {
        let mut peer = TcpStream::connect(field.address).await.unwrap();
        peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // The close may come as an end or as a reset: octets of ours were not read.
        let _ = tokio::time::timeout(LIMIT, peer.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, Vec::<u8>::new());
    }
    assert_eq!(field.counters.totals().faults, 3);
    Centre::start(field.address, None).until_up().await;
}

#[tokio::test]
async fn connections_beyond_the_group_are_refused() {
    let field = Field::free().await;
    let mut centre = Centre::start(field.address, None);
    centre.until_up().await;
    let mut second = TcpStream::connect(field.address).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LIMIT, second.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, Vec::<u8>::new());
    assert_eq!(field.counters.totals().refused, 1);
}

/// A session that panics on its first octet.
struct Fragile;

impl PointSession for Fragile {
    fn rebind(&mut self, _: Now, _: &PointList) -> Result<(), String> {
        Ok(())
    }

    fn connected(&mut self, _: Now, _: Channel) {}
    fn disconnected(&mut self, _: Now, _: Channel) {}
    fn handle_input(&mut self, _: Now, _: Channel, bytes: &[u8]) {
        panic!("{} octets", bytes.len());
    }
    fn handle_timeout(&mut self, _: Now) {}
    fn request(&mut self, _: Now, _: Request) -> Result<(), Refusal> {
        Err(Refusal::Busy)
    }
    fn restrict(&mut self, _: FunctionPolicy) {}
    fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }
    fn poll_event(&mut self) -> Option<SessionEvent> {
        None
    }
    fn poll_timeout(&self) -> Option<Mono> {
        None
    }
}

#[tokio::test]
async fn a_panic_ends_its_session_only_and_the_link_begins_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut centre = Centre::start_with(address, None, Box::new(|_| Box::new(Fragile)));
    for round in 1..=2 {
        let (mut peer, _) = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
        peer.write_all(&[1, 2, 3]).await.unwrap();
        let (_, report) = tokio::time::timeout(LIMIT, centre.reports.next()).await.unwrap().unwrap();
        assert_eq!(report, LinkReport::Panicked("3 octets".into()));
        let (_, down) = centre.reports.next().await.unwrap();
        let is_down = matches!(&down, LinkReport::Events { events, .. }
            if *events == [SessionEvent::Link(LinkState::Down)]);
        assert!(is_down, "{down:?}");
        assert_eq!(centre.counters.totals().panics, round);
    }
}

/// Writes a CA and a certificate for each name; returns a function from name to files.
fn certificates(folder: &Path, names: &[&str]) -> impl Fn(&str) -> TlsFiles {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![(*name).to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let folder = folder.to_owned();
    move |name| TlsFiles {
        ca: folder.join("ca.pem"),
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
        crl: None,
    }
}

/// IEC 62351-3: both sides prove who they are; a stranger's certificate or a wrong name gets no data.
#[tokio::test]
async fn tls_is_mutual() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let own = certificates(ours.path(), &["station", "centre"]);
    let foreign = certificates(theirs.path(), &["centre"]);
    let server = TlsServer::load(&own("station")).unwrap();
    let field = Field::start(([127, 0, 0, 1], 0).into(), Some(server)).await;
    let stranger = TlsFiles { ca: own("centre").ca, ..foreign("centre") };
    let mut stranger = Centre::start(field.address, Some(TlsClient::load(&stranger, "station").unwrap()));
    let mut misled = Centre::start(field.address, Some(TlsClient::load(&own("centre"), "other").unwrap()));
    for centre in [&mut stranger, &mut misled] {
        let heard = tokio::time::timeout(Duration::from_secs(1), async {
            loop {
                let Some((_, LinkReport::Events { events, .. })) = centre.reports.next().await else {
                    return;
                };
                assert!(!events.iter().any(|event| matches!(event, SessionEvent::Sample(_))));
            }
        });
        assert!(heard.await.is_err());
    }
    drop((stranger, misled));
    let mut centre = Centre::start(field.address, Some(TlsClient::load(&own("centre"), "station").unwrap()));
    centre.until_up().await;
}

#[test]
fn tls_files_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let own = certificates(folder.path(), &["centre"]);
    let check = |files: TlsFiles, part: &str| {
        let error = TlsClient::load(&files, "station").unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(TlsFiles { ca: folder.path().join("none.pem"), ..own("centre") }, "none.pem");
    check(TlsFiles { certificate: own("centre").key, ..own("centre") }, "no certificate");
    check(TlsFiles { key: own("centre").ca, ..own("centre") }, "ca.pem");
    assert!(TlsClient::load(&own("centre"), "not a name").is_err());
}
