//! Every single bit of every file of a small folder is flipped (B-02): what is served is what was written, what is missing is
//! told, and mostly the folder is refused.
#![allow(clippy::unwrap_used)]

use historian::{
    Archive, Description, Historian, HistorianError, NoteId, Options, Reading, Row, SeriesId, Span,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use timebase::Utc;

const SERIES: u32 = 3;
const MEMTABLE: u32 = 90;
const ROWS: u32 = 150;

fn row(number: u32) -> Row {
    let time = Utc::from_micros(1_700_000_000_000_000 + i64::from(number) * 999_983);
    let (value, quality) = (f64::from(number) * 0.37, u16::try_from(number % 3).unwrap());
    let (series, note) = (SeriesId(number % SERIES), NoteId(u32::from(number == 77)));
    Row { series, time, lag_ms: i32::try_from(number % 7).unwrap(), value, quality, kind: 1, note }
}

/// A segment of 90 rows, a log of 60 with a clean end, names and a note.
fn fill(folder: &Path) {
    let options = Options {
        commit_window: Duration::from_millis(1),
        memtable_rows: MEMTABLE as usize,
        ..Options::default()
    };
    let (historian, _) = Historian::open(folder, options).unwrap();
    historian.register(&["_a", "_b", "_c"]).unwrap();
    let point = |series: u32, mrid: &str| Description {
        series: SeriesId(series),
        mrid: mrid.to_owned(),
        name: format!("name of {mrid}"),
        unit: "MW".to_owned(),
    };
    historian.describe(&[point(0, "_a"), point(1, "_b"), point(2, "_c")]).unwrap();
    historian.note("somebody: something").unwrap();
    for batch in [0..MEMTABLE, MEMTABLE..120, 120..ROWS] {
        historian.append(&batch.map(row).collect::<Vec<_>>()).unwrap();
        historian.flush().unwrap();
        while historian.stats().memtable_rows >= MEMTABLE as usize {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(historian.stats().segment_rows, u64::from(MEMTABLE));
}

/// Everything that is served, and whether something is said to be missing.
struct Served {
    rows: Vec<Row>,
    names: Vec<String>,
    notes: Vec<Option<String>>,
    told: bool,
}

fn served(folder: &Path) -> Result<Served, HistorianError> {
    let archive = Archive::open(folder, Span::ALL)?;
    let (mut rows, mut damaged) = (Vec::new(), archive.damaged().len());
    for series in (0..SERIES).map(SeriesId) {
        damaged += archive.rows(series, (Span::ALL, Reading::All), |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
    }
    rows.sort_by_key(|row| row.time);
    let names = archive.points().iter().map(|point| format!("{} {}", point.mrid, point.name)).collect();
    let notes = rows.iter().map(|row| archive.note_text(row.note)).collect();
    Ok(Served { rows, names, notes, told: damaged > 0 })
}

#[test]
fn no_flipped_bit_of_any_file_is_served_or_hidden() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let whole = served(folder.path()).unwrap();
    assert_eq!(whole.rows, (0..ROWS).map(row).collect::<Vec<_>>());
    assert!(!whole.told && whole.notes.iter().flatten().count() == 1);
    let mut refused: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let good = std::fs::read(&path).unwrap();
        let counts = refused.entry(path.extension().unwrap_or_default().to_str().unwrap().to_owned());
        let counts = counts.or_default();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            let place = || format!("bit {bit} of {}", path.display());
            let Ok(found) = served(folder.path()) else {
                counts[0] += 1;
                continue;
            };
            let known = |row: &Row| whole.rows.binary_search_by_key(&row.time, |row| row.time);
            let altered = found.rows.iter().find(|row| known(row).map(|at| whole.rows[at]) != Ok(**row));
            assert!(altered.is_none(), "{}: {altered:?} was never written", place());
            assert!(found.rows.windows(2).all(|pair| pair[0].time < pair[1].time), "{}: twice", place());
            assert_eq!(found.names, whole.names, "{}", place());
            assert!(found.notes.iter().all(|note| whole.notes.contains(note)), "{}", place());
            let missing = whole.rows.len() - found.rows.len();
            assert!(missing == 0 || found.told, "{}: {missing} rows are missing and nobody says so", place());
            counts[if missing > 0 { 1 } else { 2 }] += 1;
        }
        std::fs::write(&path, &good).unwrap();
    }
    println!("by kind of file: refused, told, harmless: {refused:?}");
    // Only the mark of a clean end may be lost without a loss, and stands at the end of the log.
    let harmless: usize =
        refused.iter().filter(|(kind, _)| *kind != "log").map(|(_, counts)| counts[2]).sum();
    assert_eq!(harmless, 0, "{refused:?}");
    assert!(refused["log"][2] <= 8 * 28 && refused["log"][1] > 8 * 1_800, "{refused:?}");
}

/// The owner, who cuts torn tails and sets damage aside, finds the same.
#[test]
fn the_owner_finds_flipped_bits_too() {
    let source = tempfile::tempdir().unwrap();
    fill(source.path());
    let names = ["parquet", "idx", "log"];
    let mut losses = 0;
    for step in 0..150_usize {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(source.path()).unwrap() {
            let entry = entry.unwrap();
            let mut bytes = std::fs::read(entry.path()).unwrap();
            let kind = entry.path().extension().and_then(|kind| kind.to_str()).unwrap_or_default().to_owned();
            if kind == names[step % 3] {
                let bit = step * 7_919 % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            std::fs::write(folder.path().join(entry.file_name()), bytes).unwrap();
        }
        let (historian, recovery) = Historian::open(folder.path(), Options::default()).unwrap();
        let mut told = recovery.lost_rows > 0 || !recovery.damaged.is_empty();
        let mut found = Vec::new();
        for series in (0..SERIES).map(SeriesId) {
            let page = historian.range(series, Span::ALL, usize::MAX).unwrap();
            told |= page.damaged > 0;
            found.extend(page.rows);
        }
        found.sort_by_key(|row| row.time);
        assert!(found.iter().all(|found| (0..ROWS).map(row).any(|row| row == *found)), "step {step}");
        assert!(found.len() == ROWS as usize || told, "step {step}: {recovery:?}");
        losses += usize::from(told);
    }
    assert!(losses > 120, "{losses}");
}
