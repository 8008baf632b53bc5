//! Measures durable ingest and queries on the disk of a folder: `cargo run --release -p historian --example ingest -- FOLDER`.
//! Prints one JSON line per figure. The load: 20,000 points, one batch of all of them per tick, values as a random
//! walk in steps of 0.01, committed per tick.

use historian::{Historian, NoteId, Options, Row, SeriesId, Span};
use std::path::PathBuf;
use std::time::Instant;
use timebase::Utc;

const POINTS: u32 = 20_000;
const TICKS: i64 = 250;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: ingest FOLDER")?;
    let (historian, _) = Historian::open(&folder, Options::default())?;
    let mut walk = vec![0_i64; POINTS as usize];
    let mut seed = 1_u64;
    let begin = Instant::now();
    for tick in 0..TICKS {
        let rows: Vec<Row> = (0..POINTS)
            .zip(&mut walk)
            .map(|(point, walk)| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *walk += i64::try_from(seed >> 60).unwrap_or(0) - 8;
                let time =
                    Utc::from_micros(1_700_000_000_000_000 + tick * 1_000_000 + i64::from(point % 100));
                Row {
                    series: SeriesId(point),
                    time,
                    value: *walk as f64 / 100.0,
                    quality: 0,
                    kind: 0,
                    lag_ms: 7,
                    note: NoteId::FIELD,
                }
            })
            .collect();
        historian.append(&rows)?;
        historian.flush()?;
    }
    let rows = f64::from(POINTS) * TICKS as f64;
    println!("{{\"figure\":\"durable_rows_per_s\",\"value\":{:.0}}}", rows / begin.elapsed().as_secs_f64());
    while historian.stats().memtable_rows >= Options::default().memtable_rows {
        std::thread::yield_now();
    }
    let begin = Instant::now();
    let page = historian.range(SeriesId(POINTS / 2), Span::ALL, usize::MAX)?;
    let stats = historian.stats();
    println!(
        "{{\"figure\":\"one_point_ms\",\"value\":{:.2},\"rows\":{},\"segments\":{}}}",
        begin.elapsed().as_secs_f64() * 1e3,
        page.rows.len(),
        stats.segments
    );
    let mut bytes = 0;
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            bytes += entry.metadata()?.len();
        }
    }
    println!(
        "{{\"figure\":\"segment_bytes_per_row\",\"value\":{:.2}}}",
        bytes as f64 / stats.segment_rows as f64
    );
    Ok(())
}
