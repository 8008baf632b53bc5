//! A controlled station with 200 measured values, a breaker, a tap changer, a set point and a counter.
//!
//! `cargo run -p transport --example iec104_station -- 127.0.0.1:2404 [CA.pem CERTIFICATE.pem KEY.pem]`
//! Measured values move every second; commands are done at once and reported back.

use proto_iec104::{Config, ControlledStation};
use signal::{
    Binding, CommandAnswer, CommandPhase, ControlMode, DoublePoint, Limits, PointDef, PointId, PointKind,
    PointList, PointListError, PointStation, Quality, Sample, StationEvent, Value,
};
use std::sync::Arc;
use std::time::Duration;
use timebase::{Now, UtcStamp};
use tokio::sync::mpsc;
use transport::{
    Clock, LinkCounters, LinkTag, StationInput, StationLink, StationReport, TlsFiles, TlsServer,
    spawn_station,
};

const MEASURED: u32 = 200;
const BREAKER: PointId = PointId(MEASURED);
const TAP: PointId = PointId(MEASURED + 1);
const SET_POINT: PointId = PointId(MEASURED + 2);
const COUNTER: PointId = PointId(MEASURED + 3);
const LAMP: PointId = PointId(MEASURED + 4);

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:2404".into());
    let files: Vec<String> = arguments.collect();
    let tls = match &files[..] {
        [ca, certificate, key] => {
            let files =
                TlsFiles { ca: ca.into(), certificate: certificate.into(), key: key.into(), crl: None };
            Some(TlsServer::load(&files)?)
        }
        _ => None,
    };
    let points = points()?;
    let config = Config { endpoints: vec![listen.clone()], ..Config::default() };
    ControlledStation::new(&config, &points, "S1")?;
    let make = move || -> Box<dyn PointStation> {
        match ControlledStation::new(&config, &points, "S1") {
            Ok(station) => Box::new(station),
            Err(error) => unreachable!("checked above: {error}"),
        }
    };
    let link = StationLink {
        tag: LinkTag(0),
        name: "S1".into(),
        make: Box::new(make),
        listen: listen.parse()?,
        tls,
        counters: Arc::new(LinkCounters::default()),
    };
    let (inputs, queue) = mpsc::channel(1024);
    let (reports, events) = mpsc::channel(1024);
    let clock = Clock::new();
    let (address, _task) = spawn_station(link, clock, queue, reports).await?;
    println!("listening on {address}");
    process(clock, inputs, events).await
}

fn point(number: usize, kind: PointKind, address: String, control: Option<(&str, ControlMode)>) -> PointDef {
    PointDef {
        name: format!("P{number}"),
        mrid: format!("P{number}"),
        equipment: String::new(),
        substation: "S1".into(),
        kind,
        unit: String::new(),
        binding: Some(Binding {
            link: "S1".into(),
            address,
            control: control.map(|(address, mode)| (address.to_owned(), mode)),
        }),
        limits: Limits::default(),
        normal: None,
        stale_after: None,
        deadband: 0.0,
        ..PointDef::default()
    }
}

fn points() -> Result<PointList, PointListError> {
    let mut points: Vec<PointDef> = (0..MEASURED)
        .map(|n| (points_at(n), format!("M_ME_TF_1@{}", 1001 + n)))
        .map(|(at, address)| point(at, PointKind::Analog, address, None))
        .collect();
    let others = [
        (PointKind::Double, "M_DP_TB_1@101", Some(("C_DC_NA_1@5101", ControlMode::SelectBeforeOperate))),
        (PointKind::Step, "M_ST_TB_1@301", Some(("C_RC_NA_1@5301", ControlMode::Direct))),
        (PointKind::Analog, "M_ME_TF_1@501", Some(("C_SE_NC_1@5501", ControlMode::Direct))),
        (PointKind::Counter, "M_IT_TB_1@401", None),
        (PointKind::Single, "M_SP_TB_1@201", Some(("C_SC_NA_1@5201", ControlMode::Direct))),
    ];
    for (kind, address, control) in others {
        points.push(point(points.len(), kind, address.to_owned(), control));
    }
    PointList::new(points)
}

fn points_at(number: u32) -> usize {
    PointId(number).at()
}

/// The process behind the station: values that move, commands that are obeyed.
async fn process(
    clock: Clock,
    inputs: mpsc::Sender<StationInput>,
    mut events: mpsc::Receiver<(LinkTag, StationReport)>,
) -> Result<(), Failure> {
    let mut tap = 0_i16;
    let initial = [
        (BREAKER, Value::Double(DoublePoint::Off)),
        (TAP, Value::Step(tap)),
        (SET_POINT, Value::Analog(1.0)),
        (LAMP, Value::Single(false)),
    ];
    for (point, value) in initial {
        inputs.send(update(clock.now(), point, value)).await?;
    }
    let mut seconds = 0_u32;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = tick.tick() => {
                seconds += 1;
                for n in 0..MEASURED {
                    let value = f64::from(n) + f64::from(seconds) / 1000.0;
                    inputs.send(update(clock.now(), PointId(n), Value::Analog(value))).await?;
                }
                inputs.send(update(clock.now(), COUNTER, Value::Counter(seconds.into()))).await?;
            }
            report = events.recv() => {
                let Some((_, report)) = report else { return Ok(()) };
                println!("{report:?}");
                let StationReport::Event(_, StationEvent::Command(command, phase)) = report else { continue };
                if phase == CommandPhase::Deselect {
                    continue;
                }
                inputs.send(StationInput::Answer(command, CommandAnswer::Accept)).await?;
                if phase == CommandPhase::Select {
                    continue;
                }
                let value = match command.value {
                    Value::Step(direction) => {
                        tap += direction;
                        Value::Step(tap)
                    }
                    other => other,
                };
                inputs.send(update(clock.now(), command.point, value)).await?;
                inputs.send(StationInput::Answer(command, CommandAnswer::Terminate)).await?;
            }
        }
    }
}

fn update(now: Now, point: PointId, value: Value) -> StationInput {
    let source_time = Some(UtcStamp::synchronised(now.utc));
    StationInput::Update(Sample { point, value, quality: Quality::GOOD, source_time, received: now })
}
