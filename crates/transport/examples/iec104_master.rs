//! A controlling station that prints what it hears; commands come from standard input.
//!
//! `cargo run -p transport --example iec104_master -- POINTS ENDPOINT [CA.pem CERTIFICATE.pem KEY.pem NAME]`
//! POINTS is a comma-separated list of `KIND=ADDRESS[>CONTROL]`, e.g. `double=M_DP_TB_1@101>C_DC_NA_1@5101`.
//! Lines: `select N VALUE`, `execute N VALUE`, `interrogate`, `counters`, `clock` with N the number of the point.

use proto_iec104::{Config, ControllingSession};
use signal::{
    Binding, Command, CommandId, ControlMode, DoublePoint, Limits, PointDef, PointId, PointKind, PointList,
    PointSession, Request, Value,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, watch};
use transport::{
    Clock, Endpoint, IntakeLimits, LinkCounters, LinkReport, LinkTag, SessionLink, TlsClient, TlsFiles,
    intake, spawn_session,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [points, address, files @ ..] = &arguments[..] else {
        return Err("usage: iec104_master POINTS ENDPOINT [CA CERTIFICATE KEY NAME]".into());
    };
    let tls = match files {
        [ca, certificate, key, name] => {
            let files =
                TlsFiles { ca: ca.into(), certificate: certificate.into(), key: key.into(), crl: None };
            Some(TlsClient::load(&files, name)?)
        }
        _ => None,
    };
    let points = PointList::new(points.split(',').enumerate().filter_map(point).collect())?;
    let config =
        Config { endpoints: vec![address.clone()], counters_every_s: 60.0, t3_s: 5.0, ..Config::default() };
    ControllingSession::new(&config, &points, "S1")?;
    let kinds: Vec<PointKind> = points.iter().map(|(_, def)| def.kind).collect();
    let (_points, list) = watch::channel(Arc::new(points));
    let make = move |points: &PointList| -> Box<dyn PointSession> {
        match ControllingSession::new(&config, points, "S1") {
            Ok(session) => Box::new(session),
            Err(error) => unreachable!("checked above: {error}"),
        }
    };
    let link = SessionLink {
        tag: LinkTag(0),
        name: "S1".into(),
        points: list,
        make: Box::new(make),
        endpoints: vec![Endpoint { address: address.clone(), tls }],
        policy: signal::FunctionPolicy::default(),
        connect_timeout: Duration::from_secs(5),
        counters: Arc::new(LinkCounters::default()),
    };
    let (requests, queue) = mpsc::channel(16);
    let (reports, mut events) = intake(IntakeLimits::default());
    let _task = spawn_session(link, Clock::new(), queue, reports);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut number = 0;
    loop {
        tokio::select! {
            report = events.next() => match report {
                Some((_, LinkReport::Events { events, .. })) => {
                    for event in events {
                        println!("{event:?}");
                    }
                }
                Some((_, report)) => println!("{report:?}"),
                None => return Ok(()),
            },
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                number += 1;
                match request(number, &line, &kinds) {
                    Some(request) => requests.send(request).await?,
                    None => println!("not understood: {line}"),
                }
            }
        }
    }
}

fn point((number, text): (usize, &str)) -> Option<PointDef> {
    let (kind, place) = text.split_once('=')?;
    let (address, control) = match place.split_once('>') {
        Some((address, control)) => (address, Some((control.to_owned(), ControlMode::Direct))),
        None => (place, None),
    };
    Some(PointDef {
        name: format!("P{number}"),
        mrid: format!("P{number}"),
        equipment: String::new(),
        substation: String::new(),
        kind: PointKind::named(kind)?,
        unit: String::new(),
        binding: Some(Binding { link: "S1".into(), address: address.to_owned(), control }),
        limits: Limits::default(),
        normal: None,
        stale_after: None,
        deadband: 0.0,
        ..PointDef::default()
    })
}

fn request(number: u64, line: &str, kinds: &[PointKind]) -> Option<Request> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["interrogate"] => Some(Request::Interrogate),
        ["counters"] => Some(Request::InterrogateCounters),
        ["clock"] => Some(Request::SynchroniseClock),
        [step, point, value] => {
            let point = PointId(point.parse().ok()?);
            let value = match kinds.get(point.at())? {
                PointKind::Analog => Value::Analog(value.parse().ok()?),
                PointKind::Single => Value::Single(value == "on"),
                PointKind::Double => {
                    Value::Double(if value == "on" { DoublePoint::On } else { DoublePoint::Off })
                }
                PointKind::Step => Value::Step(value.parse().ok()?),
                PointKind::Counter => return None,
                PointKind::Bits => Value::Bits(value.parse().ok()?),
            };
            let command = Command { id: CommandId(number), point, value, deadline: None };
            match step {
                "select" => Some(Request::Select(command)),
                "execute" => Some(Request::Execute(command)),
                "deselect" => Some(Request::Deselect(command)),
                _ => None,
            }
        }
        _ => None,
    }
}
