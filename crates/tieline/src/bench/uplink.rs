//! `tieline bench uplink`: how fast a gateway's backlog reaches the history over a socket of this machine, and what the live
//! lane feels of it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::uplink::Entry;
use anyhow::{Context as _, bail};
use clap::Args;
use edge::{
    CentreLink, CentreSide, Clock, Dial, Gateway, GatewayLink, GatewayOptions, HistorianArchive, Inputs,
    Shown, Threads, greet,
};
use historian::Historian;
use historian::journal::{Journal, JournalOptions};
use serde_json::json;
use signal::{Binding, LinkState, PointDef, PointId, PointList, Quality, Sample, SessionEvent, Value};
use timebase::UtcStamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use transport::{IntakeLimits, IntakeSender, LinkReport, LinkTag, intake};

/// How often the device of the bench reports.
const TICK: Duration = Duration::from_millis(20);
/// Time between two readings of a point.
const PERIOD: Duration = Duration::from_secs(2);

/// Arguments of `tieline bench uplink`.
#[derive(Args, Debug)]
pub(super) struct UplinkArgs {
    /// Folder for journal and history; it must be empty or new, and what is written is removed at the end.
    folder: PathBuf,
    /// Points, each read every two seconds.
    #[arg(long, default_value_t = 500, value_parser = super::count)]
    points: usize,
    /// Hours of backlog.
    #[arg(long, default_value_t = 2.0)]
    hours: f64,
    /// Seconds of measuring without a backlog.
    #[arg(long, default_value_t = 20, value_parser = super::count)]
    seconds: usize,
}

/// Ages of live readings at the centre, in seconds.
type Ages = Arc<Mutex<Vec<f64>>>;

struct ToSocket(SocketAddr);

impl Dial for ToSocket {
    type Stream = TcpStream;
    fn dial(&mut self) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        let address = self.0;
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
    }
}

pub(super) fn run(args: &UplinkArgs) -> anyhow::Result<ExitCode> {
    if args.folder.exists() && std::fs::read_dir(&args.folder)?.next().is_some() {
        bail!("{} is not empty", args.folder.display());
    }
    let measured = crate::centre::runtime()?.block_on(measure(args));
    std::fs::remove_dir_all(&args.folder).with_context(|| format!("remove {}", args.folder.display()))?;
    println!("{}", measured?);
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &UplinkArgs) -> anyhow::Result<serde_json::Value> {
    let clock = Clock::new();
    let points = Arc::new(points(args.points)?);
    let (historian, _) = Historian::open(&args.folder.join("history"), historian::Options::default())?;
    let historian = Arc::new(historian);
    let ages: Ages = Arc::default();
    let address = centre(&points, &historian, clock, Arc::clone(&ages)).await?;
    let journal = args.folder.join("journal");

    let normal = Side::start(&journal, &points, clock, address)?;
    normal.until(|shown| shown.connected).await;
    // The first picture is no reading of its time.
    tokio::time::sleep(Duration::from_secs(1)).await;
    taken(&ages);
    tokio::time::sleep(Duration::from_secs(args.seconds as u64)).await;
    let p99_normal = p99(taken(&ages));
    normal.stop().await?;

    let backlog = fill(&journal, (args.points, args.hours), clock)?;
    let behind = Side::start(&journal, &points, clock, address)?;
    behind.until(|shown| shown.connected).await;
    let (began, cpu) = (Instant::now(), super::measure::cpu());
    taken(&ages);
    behind.until(|shown| shown.confirmed >= backlog).await;
    let seconds = began.elapsed().as_secs_f64();
    let p99_behind = p99(taken(&ages));
    let cpu_us = cpu.zip(super::measure::cpu()).map(|(before, after)| (after - before) * 1e6);
    behind.stop().await?;
    Ok(json!({
        "workload": "uplink", "points": args.points, "entries": backlog, "backlog_hours": args.hours,
        "seconds": seconds, "entries_per_s": backlog as f64 / seconds,
        "times_real_time": args.hours * 3_600.0 / seconds,
        "cpu_us_per_entry": cpu_us.map(|cpu_us| cpu_us / backlog as f64),
        "live_p99_ms": p99_normal * 1e3, "live_p99_ms_behind": p99_behind * 1e3, "live_ratio": p99_behind / p99_normal,
    }))
}

fn points(count: usize) -> anyhow::Result<PointList> {
    let point = |number: usize| PointDef {
        name: format!("P{number}"),
        mrid: format!("_P{number}"),
        binding: Some(Binding { link: "L".into(), address: String::new(), control: None }),
        ..PointDef::default()
    };
    Ok(PointList::new((0..count).map(point).collect())?)
}

/// A centre that takes one gateway; ages of live readings are gathered.
async fn centre(
    points: &Arc<PointList>,
    historian: &Arc<Historian>,
    clock: Clock,
    ages: Ages,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (door, connections) = mpsc::channel(4);
    let (requests_open, requests) = mpsc::channel(1);
    let (reports, mut reported) = intake(IntakeLimits::default());
    let (notices, mut noticed) = mpsc::channel(64);
    let link =
        |tag: u32, name: &str| CentreLink { name: name.into(), tag: LinkTag(tag), counters: Arc::default() };
    let side = CentreSide {
        name: "bench".into(),
        points: watch::channel(Arc::clone(points)).1,
        own: link(0, "bench"),
        links: vec![link(1, "L")],
        archive: Arc::new(HistorianArchive::new(Arc::clone(historian))),
        blocking: Threads,
        clock,
        reports,
        notices,
    };
    tokio::spawn(side.run(Inputs { connections, requests }));
    tokio::spawn(async move { while noticed.recv().await.is_some() {} });
    tokio::spawn(async move {
        while let Some((_, report)) = reported.next().await {
            let LinkReport::Events { events, .. } = report else { continue };
            let now = clock.now().utc;
            let mut ages = ages.lock().unwrap_or_else(PoisonError::into_inner);
            ages.extend(events.iter().filter_map(|event| match event {
                SessionEvent::Sample(sample) => Some(now.since(sample.source_time?.time).as_secs_f64()),
                _ => None,
            }));
        }
    });
    tokio::spawn(async move {
        let _open = requests_open;
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            number += 1;
            if stream.set_nodelay(true).is_ok()
                && let Ok(arrived) = greet(stream, number, clock).await
                && door.send(arrived).await.is_err()
            {
                return;
            }
        }
    });
    Ok(address)
}

/// A gateway with a device that reports without a pause.
struct Side {
    stop: watch::Sender<bool>,
    view: Arc<Mutex<Shown>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Side {
    fn start(
        folder: &Path,
        points: &Arc<PointList>,
        clock: Clock,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let (journal, _) = Journal::open(folder, JournalOptions::default(), 1)?;
        let (requests, _unasked) = mpsc::channel(1);
        let options = GatewayOptions {
            name: "bench".into(),
            points: Arc::clone(points),
            links: vec![GatewayLink { name: "L".into(), requests }],
            commit_window: Duration::from_millis(100),
        };
        let gateway = Gateway::new(options, journal, (clock, ToSocket(address), Threads))?;
        let view = gateway.view();
        let (stop, stopped) = watch::channel(false);
        let (reports, field) = intake(IntakeLimits::default());
        let device = tokio::spawn(device(points.len(), clock, reports, stop.subscribe()));
        Ok(Self { stop, view, tasks: vec![tokio::spawn(gateway.run(field, stopped)), device] })
    }

    async fn until(&self, reached: impl Fn(&Shown) -> bool) {
        while !reached(&self.view.lock().unwrap_or_else(PoisonError::into_inner)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await?;
        }
        Ok(())
    }
}

fn sample(point: usize, value: f64, clock: Clock) -> Sample {
    let received = clock.now();
    let source_time = Some(UtcStamp::synchronised(received.utc));
    // As many as a list has.
    let point = PointId(u32::try_from(point).unwrap_or(u32::MAX));
    Sample { point, value: Value::Analog(value), quality: Quality::GOOD, source_time, received }
}

async fn device(points: usize, clock: Clock, reports: IntakeSender, mut stop: watch::Receiver<bool>) {
    let mut beat = tokio::time::interval(TICK);
    let per_tick = (points as f64 * TICK.as_secs_f64() / PERIOD.as_secs_f64()).ceil() as usize;
    let (mut next, mut events) = (0, vec![SessionEvent::Link(LinkState::Up)]);
    while !*stop.borrow_and_update() {
        beat.tick().await;
        for _ in 0..per_tick {
            events.push(SessionEvent::Sample(sample(next % points, next as f64, clock)));
            next += 1;
        }
        let report = LinkReport::Events { at: clock.now(), events: std::mem::take(&mut events) };
        if reports.send(LinkTag(0), report).await.is_err() {
            return;
        }
    }
}

/// Puts a backlog into the journal, as if the centre had been away; returns the number behind it.
fn fill(folder: &Path, (points, hours): (usize, f64), clock: Clock) -> anyhow::Result<u64> {
    let (mut journal, _) = Journal::open(folder, JournalOptions::default(), 1)?;
    let periods = (hours * 3_600.0 / PERIOD.as_secs_f64()) as usize;
    let now = clock.now().utc;
    for period in 0..periods {
        let at = now - PERIOD * u32::try_from(periods - period)?;
        for point in 0..points {
            let entry = Entry::Sample {
                point: u32::try_from(point)?,
                value: Value::Analog(period as f64),
                quality: Quality::GOOD,
                source_time: Some(UtcStamp::synchronised(at)),
                received: at,
            };
            journal.push(entry.to_bytes())?;
        }
        if period % 16 == 15 {
            journal.commit(now)?;
        }
    }
    Ok(journal.commit(now)?)
}

fn taken(ages: &Ages) -> Vec<f64> {
    std::mem::take(&mut ages.lock().unwrap_or_else(PoisonError::into_inner))
}

fn p99(mut ages: Vec<f64>) -> f64 {
    ages.sort_by(f64::total_cmp);
    let at = (ages.len() as f64 * 0.99).ceil() as usize;
    ages.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
