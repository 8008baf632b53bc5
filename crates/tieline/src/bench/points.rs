//! `tieline bench points`: what a change of a value costs in the point database, and what the database weighs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use scada::centre::{Centre, Restored};
use scada::gate::GateConfig;
use scada::table::Reader;
use serde_json::{Value as Json, json};
use signal::{Binding, Limits, PointDef, PointId, PointKind, PointList, Quality, Sample, Value};
use timebase::{Mono, Now, Utc, UtcStamp};

use super::measure;

/// Changes between two times that the changes are taken away, as the running centre does.
const BATCH: usize = 4_096;
/// Samples of one report of a link.
const REPORT: usize = 64;
/// Points of one link.
const PER_LINK: usize = 1_000;

/// Arguments of `tieline bench points`.
#[derive(Args, Debug)]
pub(super) struct PointsArgs {
    /// Analogue points with limits in four levels and an age limit.
    #[arg(long, default_value_t = 1_000_000, value_parser = super::count)]
    points: usize,
    /// Changes per run.
    #[arg(long, default_value_t = 10_000_000, value_parser = super::count)]
    updates: usize,
    /// Measured runs after the warm-up.
    #[arg(long, default_value_t = 5, value_parser = super::count)]
    runs: usize,
    /// A second thread reads all points round and round meanwhile.
    #[arg(long)]
    reader: bool,
}

/// Measures and returns the line.
pub(super) fn run(args: &PointsArgs) -> anyhow::Result<Json> {
    let list = PointList::new((0..args.points).map(point).collect()).context("points of the benchmark")?;
    let mut centre = Centre::new(Arc::new(list), GateConfig::default(), Restored::default());
    let stop = AtomicBool::new(false);
    let reader = centre.table().reader();
    let (spent, looks) = std::thread::scope(|scope| {
        let looks = args.reader.then(|| scope.spawn(|| look(&reader, &stop)));
        let mut stream = Stream { state: 1, now: Now { mono: Mono::ZERO, utc: Utc::default() } };
        let spent = measure::median_of(args.runs, || update(&mut centre, &mut stream, args.updates));
        stop.store(true, Ordering::Relaxed);
        (spent, looks.and_then(|handle| handle.join().ok()))
    });
    let per_update = spent.per(args.updates);
    Ok(json!({
        "workload": "points",
        "points": args.points,
        "items": args.updates,
        "changed": centre.counters().changed,
        "threads": 1,
        "cpu_us_per_item": per_update.cpu_us,
        "wall_us_per_item": per_update.wall_us,
        "updates_per_s": 1e6 / per_update.wall_us,
        "read_meanwhile": looks,
        "runs": args.runs,
        "peak_memory_mb": measure::peak_memory_mb(),
        "cpu_features": measure::cpu_features(),
        "cpu_model": measure::cpu_model(),
    }))
}

fn point(number: usize) -> PointDef {
    PointDef {
        name: format!("S{}/B{}/P{number}", number / PER_LINK, number / 10),
        mrid: format!("_{number:032x}"),
        equipment: format!("_{:032x}", number / 3),
        substation: format!("S{}", number / PER_LINK),
        kind: PointKind::Analog,
        unit: "MW".to_owned(),
        binding: Some(Binding {
            link: format!("S{}", number / PER_LINK).into(),
            address: format!("M_ME_TF_1@{}", number % PER_LINK),
            control: None,
        }),
        limits: Limits {
            low_low: Some(-200.0),
            low: Some(-150.0),
            high: Some(150.0),
            high_high: Some(200.0),
            hysteresis: 1.0,
        },
        stale_after: Some(Duration::from_secs(60)),
        ..PointDef::default()
    }
}

/// Changes in random order, all within their limits: alarms are another workload.
struct Stream {
    state: u64,
    now: Now,
}

impl Stream {
    fn next(&mut self, points: u64) -> Sample {
        // Knuth's MMIX generator: any spread-out numbers will do.
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (point, value) = (((self.state >> 32) * points) >> 32, f64::from(self.state as u8) - 128.0);
        self.now = self.now.advanced(Duration::from_micros(1));
        Sample {
            point: PointId(point as u32),
            value: Value::Analog(value * 0.5 + self.now.utc.as_micros() as f64 * 1e-9),
            quality: Quality::GOOD,
            source_time: Some(UtcStamp::synchronised(self.now.utc)),
            received: self.now,
        }
    }
}

fn update(centre: &mut Centre, stream: &mut Stream, updates: usize) {
    let points = centre.table().points().len() as u64;
    let mut report = Vec::with_capacity(REPORT);
    for first in (0..updates).step_by(REPORT) {
        report.extend((0..REPORT.min(updates - first)).map(|_| stream.next(points)));
        report.iter().for_each(|sample| centre.expect(sample.point));
        report.drain(..).for_each(|sample| centre.apply(&sample));
        if first % BATCH == 0 {
            centre.tick(stream.now);
            drop(centre.take_changes());
        }
    }
}

/// States read until told to stop.
fn look(reader: &Reader, stop: &AtomicBool) -> u64 {
    let (mut seen, mut good) = (0, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        for state in reader.states() {
            seen += 1;
            good += u64::from(state.good().is_some());
        }
    }
    std::hint::black_box(good);
    seen
}
