//! `tieline bench pipeline`: from decoded frames to the durable archive, through the whole running centre: intake,
//! point table, limits, alarms, historian with its group commit, page and cycle, beside a reader that never pauses.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use historian::{Filling, Historian, Span};
use serde_json::{Value as Json, json};
use server::config::{Config, DataConfig, LinkConfig, NetworkConfig};
use server::{FedLink, Feed, Mode, Running};
use signal::{
    Binding, Limits, PointDef, PointId, PointKind, PointList, Quality, Sample, SessionEvent, Value,
};
use timebase::UtcStamp;
use transport::{Clock, IntakeSender, LinkReport, LinkTag};

use super::historian::fsync_us;
use super::measure;
use crate::files;

/// Samples of one report: what a frame of 16 KiB holds.
const REPORT: usize = 512;
/// Points of one link.
const PER_LINK: usize = 1_000;
/// Events that may wait before sources that go as fast as they can pause.
const MOST_WAITING: usize = 100_000;
/// Longest time that the archive may take to have everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Arguments of `tieline bench pipeline`.
#[derive(Args, Debug)]
pub(super) struct PipelineArgs {
    /// Folder on the disk to measure; it must be empty or new, and what is written is removed at the end.
    folder: PathBuf,
    /// Analogue points with limits in four levels and an age limit, a thousand per link.
    #[arg(long, default_value_t = 20_000, value_parser = super::count)]
    points: usize,
    /// Samples, each a change.
    #[arg(long, default_value_t = 10_000_000, value_parser = super::count)]
    samples: usize,
    /// Samples per second, whether the centre follows or not; without it as fast as it follows.
    #[arg(long, value_parser = super::count)]
    rate: Option<usize>,
    /// Events that may wait; values replace each other from half of it on.
    #[arg(long, default_value_t = 500_000, value_parser = super::count)]
    waiting_events: usize,
}

/// Measures and prints one line. Exit code 2 when a counter does not balance.
pub(super) fn run(args: &PipelineArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.folder).with_context(|| args.folder.display().to_string())?;
    if std::fs::read_dir(&args.folder)?.next().is_some() {
        bail!("{}: is not empty; give an empty or a new folder", args.folder.display());
    }
    let fsync = fsync_us(&args.folder.join("sync"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut line = runtime.block_on(measure(args))?;
    line["fsync_us"] = json!(fsync);
    line["peak_memory_mb"] = json!(measure::peak_memory_mb());
    line["cpu_model"] = json!(measure::cpu_model());
    std::fs::remove_dir_all(&args.folder)?;
    files::write(None, format!("{line}\n").as_bytes())?;
    let balanced = line["balanced"] == json!(true);
    Ok(ExitCode::from(if balanced { 0 } else { crate::study::NOT_SOLVED }))
}

async fn measure(args: &PipelineArgs) -> anyhow::Result<Json> {
    let list = PointList::new((0..args.points).map(point).collect()).context("points of the benchmark")?;
    let config = config(args);
    let network = crate::demo::network(None)?;
    let (running, feed) = server::start_fed(config, Mode::Run, network, list).await?;
    let (over, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reader = {
        let (over, read) = (Arc::clone(&over), Arc::clone(&read));
        let (historian, points) = (Arc::clone(&running.historian), args.points);
        std::thread::spawn(move || read_all_the_time(&historian, points, &over, &read))
    };
    let (wall, cpu) = (Instant::now(), measure::cpu_seconds().unwrap_or(f64::NAN));
    drive(args, feed).await?;
    let offered = wall.elapsed().as_secs_f64();
    let counters = settle(&running, args.samples as u64).await?;
    let seconds = wall.elapsed().as_secs_f64();
    let cpu = measure::cpu_seconds().unwrap_or(f64::NAN) - cpu;
    over.store(true, Ordering::Relaxed);
    let _joined = reader.join();
    let received_all = counters.received == args.samples as u64;
    let processed_all = counters.received == counters.processed + counters.coalesced + counters.shed;
    let stored_all = counters.changed == counters.stored + counters.changes_shed + counters.states_shed;
    running.stop().await;
    Ok(json!({
        "workload": "pipeline",
        "points": args.points,
        "samples": args.samples,
        "offered_per_s": args.samples as f64 / offered,
        "samples_per_s": args.samples as f64 / seconds,
        "cpu_us_per_sample": cpu * 1e6 / args.samples as f64,
        "rows_read_meanwhile": read.load(Ordering::Relaxed),
        "counters": BTreeMap::from([
            ("received", counters.received),
            ("coalesced", counters.coalesced),
            ("processed", counters.processed),
            ("changed", counters.changed),
            ("stored", counters.stored),
            ("shed", counters.shed + counters.changes_shed + counters.states_shed),
        ]),
        "balanced": received_all && processed_all && stored_all,
    }))
}

fn config(args: &PipelineArgs) -> Config {
    let link = |number: usize| LinkConfig {
        name: format!("L{number}"),
        policy: Default::default(),
        protocol: catalog::LinkProtocol::Iec104(proto_iec104::Config::default()),
    };
    Config {
        name: "Benchmark".to_owned(),
        network: NetworkConfig { file: PathBuf::new() },
        points: None,
        data: DataConfig { directory: args.folder.join("data"), retention_days: None, retention: Vec::new() },
        http: server::config::HttpConfig { listen: ([127, 0, 0, 1], 0).into(), ..Default::default() },
        identity: Default::default(),
        cycle: Default::default(),
        estimation: Default::default(),
        gate: Default::default(),
        study: Default::default(),
        zone: Vec::new(),
        conduit: Vec::new(),
        time: Default::default(),
        limits: server::config::LimitsConfig {
            crowded_events: args.waiting_events.div_ceil(2),
            waiting_events: args.waiting_events,
        },
        alarms: Default::default(),
        link: (0..args.points.div_ceil(PER_LINK)).map(link).collect(),
        uplink: None,
        gateway: Vec::new(),
        application: Default::default(),
        audit: server::config::AuditConfig::default(),
        certificates: server::config::CertificatesConfig::default(),
        backup: None,
        text: String::new(),
        file: PathBuf::new(),
    }
}

fn point(number: usize) -> PointDef {
    let link = number / PER_LINK;
    PointDef {
        name: format!("L{link}/P{number}"),
        mrid: mrid(number),
        substation: format!("L{link}"),
        kind: PointKind::Analog,
        unit: "MW".to_owned(),
        binding: Some(Binding {
            link: format!("L{link}").into(),
            address: format!("M_ME_TF_1@{}", number % PER_LINK + 1),
            control: None,
        }),
        limits: Limits {
            low_low: Some(-200.0),
            low: Some(-150.0),
            high: Some(150.0),
            high_high: Some(200.0),
            hysteresis: 1.0,
        },
        stale_after: Some(Duration::from_secs(600)),
        ..PointDef::default()
    }
}

fn mrid(number: usize) -> String {
    format!("_{number:032x}")
}

/// Reports from all links in turn until all samples are sent.
async fn drive(args: &PipelineArgs, feed: Feed) -> anyhow::Result<()> {
    let Feed { reports, links } = feed;
    let (clock, begin) = (Clock::new(), Instant::now());
    let (mut sent, mut round) = (0, 0_u32);
    while sent < args.samples {
        for (tag, link) in (0_u32..).zip(&links) {
            let first = tag as usize * PER_LINK;
            let points = PER_LINK.min(args.points - first);
            sent += send(&reports, (tag, link), (first, points, round), args.samples - sent, clock).await?;
        }
        round = round.wrapping_add(1);
        match args.rate {
            Some(rate) => {
                let due = Duration::from_secs_f64(sent as f64 / rate as f64);
                tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
            }
            None => {
                while reports.counts().waiting > MOST_WAITING {
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            }
        }
    }
    // The links stay open until everything has been taken.
    tokio::spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        drop((reports, links));
    });
    Ok(())
}

/// One value of every point of a link.
async fn send(
    reports: &IntakeSender,
    (tag, link): (u32, &FedLink),
    (first, points, round): (usize, usize, u32),
    most: usize,
    clock: Clock,
) -> anyhow::Result<usize> {
    let points = points.min(most);
    for part in (0..points).step_by(REPORT) {
        let now = clock.now();
        let events: Vec<SessionEvent> = (part..points.min(part + REPORT))
            .map(|offset| {
                let point = first + offset;
                // Steps of a tenth on a saw of every point's own: all within the limits, each a change.
                let step = (point as u32).wrapping_mul(2_654_435_761).wrapping_add(round) % 1_000;
                SessionEvent::Sample(Sample {
                    point: PointId(point as u32),
                    value: Value::Analog(f64::from(step) * 0.1 - 50.0),
                    quality: Quality::GOOD,
                    source_time: Some(UtcStamp::synchronised(now.utc)),
                    received: now,
                })
            })
            .collect();
        link.counters.add_samples(events.len());
        reports.send(LinkTag(tag), LinkReport::Events { at: now, events }).await?;
    }
    Ok(points)
}

/// Waits until everything received is processed and every change is durable.
async fn settle(running: &Running, samples: u64) -> anyhow::Result<api::Counters> {
    let begin = Instant::now();
    loop {
        let status = running.status().await.context("the centre stopped")?.counters;
        let done = status.processed + status.coalesced + status.shed >= samples
            && status.changed == status.stored + status.changes_shed + status.states_shed;
        if done || begin.elapsed() > PATIENCE {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn read_all_the_time(historian: &Historian, points: usize, over: &AtomicBool, read: &AtomicU64) {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number = (number + 7) % points;
        let Some(series) = historian.series(&mrid(number)) else { continue };
        if let Ok((integral, _)) = historian.integral(series, Span::ALL, Filling::default()) {
            read.fetch_add(integral.rows, Ordering::Relaxed);
        }
    }
}
