//! A folder read beside its owner, who writes, merges and removes files meanwhile.
#![allow(clippy::unwrap_used)]

use historian::{
    AppendError, Archive, Description, Historian, NoteId, Options, Reading, Row, SeriesId, Span,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use timebase::Utc;

const SERIES: u32 = 5;
const BATCH: u32 = 400;

/// A row that follows from its number, which is its value.
fn row(number: u32) -> Row {
    Row {
        series: SeriesId(number % SERIES),
        time: Utc::from_micros(1_700_000_000_000_000 + i64::from(number) * 1_000_001),
        lag_ms: 3,
        value: f64::from(number),
        quality: u16::try_from(number % 3).unwrap(),
        kind: 0,
        note: NoteId::FIELD,
    }
}

fn rows(archive: &Archive) -> Vec<Row> {
    let mut found = Vec::new();
    for series in (0..SERIES).map(SeriesId) {
        let damaged = archive.rows(series, (Span::ALL, Reading::All), |row| {
            found.push(row);
            ControlFlow::Continue(())
        });
        assert_eq!(damaged.unwrap(), 0);
    }
    found.sort_by_key(|row| row.time);
    found
}

fn open(folder: &Path) -> Archive {
    let archive = Archive::open(folder, Span::ALL).unwrap();
    assert!(archive.damaged().is_empty(), "{:?}", archive.damaged());
    archive
}

fn options() -> Options {
    Options {
        commit_window: Duration::from_millis(1),
        memtable_rows: 2_000,
        merge_segments: 2,
        ..Options::default()
    }
}

#[test]
fn a_moment_is_whole_while_the_owner_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (historian, _) = Historian::open(folder.path(), options()).unwrap();
    let (durable, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..150 {
                let rows: Vec<Row> = (batch * BATCH..(batch + 1) * BATCH).map(row).collect();
                while matches!(historian.append(&rows), Err(AppendError::Full { .. })) {}
                historian.flush().unwrap();
                durable.store(u64::from((batch + 1) * BATCH), Ordering::SeqCst);
            }
            over.store(true, Ordering::SeqCst);
        });
        let mut moments = 0;
        while !over.load(Ordering::SeqCst) || moments < 3 {
            let least = usize::try_from(durable.load(Ordering::SeqCst)).unwrap();
            let archive = open(folder.path());
            // Files that the owner removes now stay readable.
            let found = rows(&archive);
            assert!(found.len() >= least, "{} of {least} rows", found.len());
            let wanted: Vec<Row> = (0..u32::try_from(found.len()).unwrap()).map(row).collect();
            assert!(found == wanted, "rows are missing, doubled or altered");
            moments += 1;
        }
    });
}

#[test]
fn names_units_and_corrections_are_read_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (historian, _) = Historian::open(folder.path(), options()).unwrap();
    historian.register(&["_a", "_b"]).unwrap();
    let known = Description {
        series: SeriesId(1),
        mrid: "_b".to_owned(),
        name: "S1/\"B\"".to_owned(),
        unit: "MW".to_owned(),
    };
    historian.describe(std::slice::from_ref(&known)).unwrap();
    let note = historian.note("somebody: a reason").unwrap();
    historian.append(&[row(1), Row { note, value: 7.0, ..row(1) }]).unwrap();
    historian.flush().unwrap();
    drop(historian);
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(folder.path());
    let archive = open(folder.path());
    let unnamed = Description {
        series: SeriesId(0),
        mrid: "_a".to_owned(),
        name: "_a".to_owned(),
        unit: String::new(),
    };
    assert_eq!(archive.points(), [unnamed, known]);
    assert_eq!(archive.extent(), Some((row(1).time, row(1).time)));
    let mut found = Vec::new();
    let read = archive.rows(SeriesId(1), (Span::ALL, Reading::Corrected), |row| {
        found.push((row.value, archive.note_text(row.note)));
        ControlFlow::Continue(())
    });
    assert_eq!(read.unwrap(), 0);
    assert_eq!(found, [(7.0, Some("somebody: a reason".to_owned()))]);
    assert_eq!(names(folder.path()), before);
}
