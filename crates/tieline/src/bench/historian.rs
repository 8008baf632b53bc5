//! `tieline bench historian`: what history costs on the disk of a folder: durable ingest beside a heavy reader, the range read of
//! one point, bytes per row for several shapes of telemetry, and what the disk itself takes for a sync.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use historian::{AppendError, Filling, Historian, Ledger, NoteId, Options, Removal, Row, SeriesId, Span};
use serde_json::{Value, json};
use timebase::Utc;

use super::{measure, replay};
use crate::files;

/// First instant of the made-up telemetry.
const BEGIN_MICROS: i64 = 1_700_000_000_000_000;
/// Rows of a point that is read as a whole.
const LONG_ROWS: usize = 4_000_000;
/// Rows per shape of which the bytes are counted.
const SHAPE_ROWS: usize = 1_600_000;
/// Writes and syncs whose median is the disk's own figure.
const SYNCS: usize = 100;

/// Arguments of `tieline bench historian`.
#[derive(Args, Debug)]
pub(super) struct HistorianArgs {
    /// Folder on the disk to measure; it must be empty or new, and what is written is removed at the end.
    folder: PathBuf,
    /// Points that all change in each tick.
    #[arg(long, default_value_t = 20_000, value_parser = super::count)]
    points: usize,
    /// Ticks.
    #[arg(long, default_value_t = 500, value_parser = super::count)]
    ticks: usize,
    /// Measure the bytes per row of this history too: data directories of a centre; may be repeated.
    #[arg(long, value_name = "DIR")]
    replay: Vec<PathBuf>,
    /// Measured reads.
    #[arg(long, default_value_t = 5, value_parser = super::count)]
    runs: usize,
}

/// What telemetry looks like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A random walk in steps of 0.01, stamps on the scan of a station.
    Walk,
    /// A slow drift with noise of 0.01 % in single precision, 50 per second, as a phasor unit sends it.
    Phasor,
    /// White noise of 1 % in single precision, stamps and delays with jitter: what our twin sends.
    Noise,
    /// A 16-bit transducer read once a second: a slow drift and noise of two counts, scaled to MW in single precision.
    Transducer,
    /// On and off, seldom.
    Status,
}

impl Shape {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Walk, "walk"),
        (Self::Phasor, "phasor"),
        (Self::Noise, "noise"),
        (Self::Transducer, "transducer"),
        (Self::Status, "status"),
    ];

    fn row(self, (tick, point): (usize, usize), state: &mut f64, random: &mut Random) -> Row {
        let (tick, point) = (tick as i64, u32::try_from(point).unwrap_or(u32::MAX));
        let (micros, lag_ms, value) = match self {
            Self::Walk => {
                *state += (random.unit() * 16.0).floor() - 8.0;
                (tick * 1_000_000 + i64::from(point % 100) * 1_000, 40, *state / 100.0)
            }
            Self::Phasor => {
                *state += random.bell() * 2e-6;
                (tick * 20_000, 20, f64::from((132_790.56 * (1.0 + *state + 1e-4 * random.bell())) as f32))
            }
            Self::Noise => {
                let jitter = (random.unit() * 4.0) as i64 * 1_000;
                let lag = (random.unit() * 8.0) as i32;
                (tick * 1_000_000 + jitter, lag, f64::from((50.0 * (1.0 + 0.01 * random.bell())) as f32))
            }
            Self::Transducer => {
                *state += random.bell() * 0.5;
                let counts = (12_000.0 + f64::from(point) + *state + 2.0 * random.bell()).round();
                let jitter = (random.unit() * 4.0) as i64 * 1_000;
                (tick * 1_000_000 + jitter, (random.unit() * 8.0) as i32, f64::from((counts * 0.0061) as f32))
            }
            Self::Status => {
                *state = if random.unit() < 0.5 { 1.0 } else { 0.0 };
                (tick * 60_000_000 + (random.unit() * 1e4) as i64 * 1_000, 15, *state)
            }
        };
        let time = Utc::from_micros(BEGIN_MICROS + micros);
        Row { series: SeriesId(point), time, lag_ms, value, quality: 0, kind: 0, note: NoteId::FIELD }
    }
}

/// A small generator: Knuth's linear congruence.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Telemetry of a shape, tick by tick.
struct Field {
    shape: Shape,
    states: Vec<f64>,
    random: Random,
    tick: usize,
}

impl Field {
    fn new(shape: Shape, points: usize) -> Self {
        Self { shape, states: vec![0.0; points], random: Random(1), tick: 0 }
    }

    fn next(&mut self) -> Vec<Row> {
        let (tick, shape, random) = (self.tick, self.shape, &mut self.random);
        self.tick += 1;
        let states = self.states.iter_mut().enumerate();
        states.map(|(point, state)| shape.row((tick, point), state, random)).collect()
    }
}

/// Runs the benchmark and prints one line.
pub(super) fn run(args: &HistorianArgs) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.folder).with_context(|| args.folder.display().to_string())?;
    if fs::read_dir(&args.folder)?.next().is_some() {
        bail!("{}: is not empty; give an empty or a new folder", args.folder.display());
    }
    let mut line = json!({
        "workload": "historian",
        "points": args.points,
        "fsync_us": fsync_us(&args.folder.join("sync"))?,
        "commit_window_ms": Options::default().commit_window.as_millis() as u64,
        "ingest": ingest(args)?,
        "read": long_read(&args.folder.join("long"), args.runs)?,
        "bytes_per_row": bytes_per_row(&args.folder)?,
        "replayed": replay::all(&args.folder, &args.replay)?,
        "peak_memory_mb": measure::peak_memory_mb(),
    });
    line["cpu_model"] = json!(measure::cpu_model());
    for entry in fs::read_dir(&args.folder)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    files::write(None, format!("{line}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Median time of a write of 4 KiB with its sync.
pub(super) fn fsync_us(path: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(measure::median(times.into_iter()))
}

/// Waits while the queue is full: the field waits here, nothing is shed.
fn append(historian: &Historian, rows: &[Row]) -> anyhow::Result<()> {
    loop {
        match historian.append(rows) {
            Ok(()) => return Ok(()),
            Err(AppendError::Full { .. }) => std::thread::sleep(Duration::from_millis(1)),
            Err(error @ AppendError::Closed { .. }) => return Err(error.into()),
        }
    }
}

/// Durable rows per second while another thread reads and integrates whole points without a pause. Ticks are made
/// beforehand; they go round.
fn ingest(args: &HistorianArgs) -> anyhow::Result<Value> {
    const MADE: usize = 25;
    let (historian, _) = Historian::open(&args.folder.join("ingest"), Options::default())?;
    let mut field = Field::new(Shape::Walk, args.points);
    let made: Vec<Vec<Row>> = (0..MADE).map(|_| field.next()).collect();
    let (over, read) = (AtomicBool::new(false), AtomicU64::new(0));
    let begin = Instant::now();
    let mut failed = Ok(());
    let spent = measure::time(|| {
        failed = std::thread::scope(|scope| {
            scope.spawn(|| read_all_the_time(&historian, args.points, &over, &read));
            let done = (0..args.ticks).try_for_each(|tick| {
                let mut rows = made[tick % MADE].clone();
                let shift = Duration::from_secs((tick / MADE * MADE) as u64);
                rows.iter_mut().for_each(|row| row.time = row.time + shift);
                append(&historian, &rows)
            });
            let done = done.and_then(|()| Ok(historian.flush()?));
            over.store(true, Ordering::Relaxed);
            done
        });
    });
    failed?;
    let seconds = begin.elapsed().as_secs_f64();
    let (stats, rows) = (historian.stats(), args.points * args.ticks);
    if stats.stored != rows as u64 {
        bail!("{rows} rows handed over, {} stored: {stats:?}", stats.stored);
    }
    Ok(json!({
        "rows": rows,
        "rows_per_s": rows as f64 / seconds,
        "cpu_us_per_row": spent.cpu_us / rows as f64,
        "rows_read_meanwhile": read.load(Ordering::Relaxed),
    }))
}

fn read_all_the_time(historian: &Historian, points: usize, over: &AtomicBool, read: &AtomicU64) {
    let mut point = 0;
    while !over.load(Ordering::Relaxed) {
        let series = SeriesId(u32::try_from(point % points).unwrap_or(0));
        point += 7;
        if let Ok((integral, _)) = historian.integral(series, Span::ALL, Filling::default()) {
            read.fetch_add(integral.rows, Ordering::Relaxed);
        }
    }
}

/// Rows per second of a range read of one point that has its rows in segments.
fn long_read(folder: &Path, runs: usize) -> anyhow::Result<Value> {
    let (historian, _) = Historian::open(folder, Options::default())?;
    let mut field = Field::new(Shape::Phasor, 1);
    let rows: Vec<Row> = (0..LONG_ROWS).flat_map(|_| field.next()).collect();
    for part in rows.chunks(100_000) {
        append(&historian, part)?;
        historian.flush()?;
        settle(&historian)?;
    }
    let mut found = 0;
    let spent = measure::median_of(runs, || {
        found = historian.range(SeriesId(0), Span::ALL, usize::MAX).map_or(0, |page| page.rows.len());
    });
    if found != LONG_ROWS {
        bail!("{found} rows instead of {LONG_ROWS}");
    }
    Ok(json!({ "rows": found, "rows_per_s": found as f64 / spent.wall_us * 1e6 }))
}

fn bytes_per_row(folder: &Path) -> anyhow::Result<Value> {
    let mut figures = serde_json::Map::new();
    for (shape, name) in Shape::ALL {
        let mut field = Field::new(shape, 1_000);
        let ticks = (0..SHAPE_ROWS / 1_000).map(|_| field.next());
        figures.insert(name.to_owned(), json!(merged_bytes_per_row(&folder.join(name), ticks)?));
    }
    Ok(Value::Object(figures))
}

/// Bytes per row, indexes included, of rows whose days are over: all of them in merged segments.
pub(super) fn merged_bytes_per_row(
    folder: &Path,
    batches: impl Iterator<Item = Vec<Row>>,
) -> anyhow::Result<f64> {
    let (historian, _) = Historian::open(folder, Options::default())?;
    let mut latest = Utc::default();
    for batch in batches {
        latest = batch.iter().map(|row| row.time).fold(latest, Utc::max);
        append(&historian, &batch)?;
        historian.flush()?;
        settle(&historian)?;
    }
    historian.maintain(latest + Duration::from_secs(10 * 86_400), &mut Keeps)?;
    let rows = historian.stats().segment_rows;
    drop(historian);
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("seg-") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes as f64 / rows as f64)
}

/// Removes nothing.
struct Keeps;

impl Ledger for Keeps {
    fn announce(&mut self, _: &Removal) -> bool {
        false
    }

    fn done(&mut self, _: &Removal) {}
}

/// Until everything that fills a memtable is in a segment. To be called after each batch: a memtable that fills while
/// another is written waits for the next batch.
fn settle(historian: &Historian) -> anyhow::Result<()> {
    loop {
        let stats = historian.stats();
        if let Some(fault) = stats.fault {
            bail!("{fault}");
        }
        if stats.memtable_rows < Options::default().memtable_rows {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
