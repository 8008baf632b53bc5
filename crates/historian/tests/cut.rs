//! Cuts of a folder in use: each is a history of its own, with every row that was durable before it and nothing broken.
#![allow(clippy::unwrap_used)]

use historian::{Cut, Historian, NoteId, Options, Row, SeriesId, Span, cut};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use timebase::Utc;

const SERIES: SeriesId = SeriesId(0);
const BATCH: i64 = 37;
const CUTS: usize = 40;

/// Small memtables and early merges, so that files come and go under the cut.
fn options() -> Options {
    Options {
        commit_window: Duration::from_millis(1),
        memtable_rows: 300,
        merge_segments: 2,
        ..Options::default()
    }
}

fn row(number: i64) -> Row {
    Row {
        series: SERIES,
        time: Utc::from_micros(1_700_000_000_000_000 + number),
        lag_ms: 0,
        value: 0.5,
        quality: 0,
        kind: 0,
        note: NoteId::FIELD,
    }
}

/// What a restore does: only the bytes of the cut, in a new folder.
fn restore(cut: &Cut, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in &cut.files {
        let bytes = fs::read(&file.path).unwrap();
        fs::write(to.join(&file.name), &bytes[..usize::try_from(file.bytes).unwrap()]).unwrap();
    }
}

/// The rows of a restored cut, which must be the first ones that were appended.
fn check(cut: &Cut, to: &Path) -> usize {
    restore(cut, to);
    let (historian, found) = Historian::open(to, options()).unwrap();
    assert_eq!((found.lost_rows, found.damaged.len()), (0, 0), "{found:?}");
    let rows = historian.range(SERIES, Span::ALL, usize::MAX).unwrap().rows;
    let wanted: Vec<Row> = (0..i64::try_from(rows.len()).unwrap()).map(row).collect();
    assert!(rows == wanted, "{} rows are not the first ones", rows.len());
    assert_eq!(cut.rows, u64::try_from(rows.len()).unwrap());
    rows.len()
}

#[test]
fn a_cut_under_load_holds_what_was_durable_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("history");
    let historian = Historian::open(&original, options()).unwrap().0;
    historian.register(&["a"]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while !stop.load(Ordering::Relaxed) {
                let batch: Vec<Row> = (next..next + BATCH).map(row).collect();
                historian.append(&batch).unwrap();
                historian.flush().unwrap();
                next += BATCH;
            }
        });
        let mut grown = 0;
        for number in 0..CUTS {
            let before = usize::try_from(historian.stored()).unwrap();
            let links = folder.path().join(format!("links{number}"));
            let cut = cut(&original, &links).unwrap();
            let held = check(&cut, &folder.path().join(format!("copy{number}")));
            assert!(held >= before, "{held} rows of {before}");
            grown = grown.max(held);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(grown > 5 * options().memtable_rows, "too little load: {grown} rows");
    });
}

#[test]
fn a_cut_needs_no_running_historian_and_outlives_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("history");
    let historian = Historian::open(&original, options()).unwrap().0;
    historian.register(&["a"]).unwrap();
    historian.append(&(0..1_000).map(row).collect::<Vec<_>>()).unwrap();
    drop(historian);
    let cut = cut(&original, &folder.path().join("links")).unwrap();
    fs::remove_dir_all(&original).unwrap();
    assert_eq!(check(&cut, &folder.path().join("copy")), 1_000);
}

#[test]
fn a_folder_without_history_is_an_empty_cut() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("history");
    fs::create_dir(&original).unwrap();
    assert_eq!(cut(&original, &folder.path().join("links")).unwrap(), Cut::default());
}
