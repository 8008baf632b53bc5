//! Rows are kept as long as their class says: not shorter, and what goes leaves a record that can be checked.
#![allow(clippy::unwrap_used)]

use historian::{Class, Historian, Ledger, NoteId, Options, Removal, Row, SeriesId, Span};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;
use timebase::Utc;

const DAY: i64 = 86_400_000_000;
const BEGIN: i64 = 20_000 * DAY;
const SERIES: u32 = 6;
const MEMTABLE: usize = 500;

/// Keeps every record; refuses while told to.
#[derive(Default)]
struct Book {
    refuses: bool,
    announced: Vec<Removal>,
    done: Vec<Removal>,
}

impl Ledger for Book {
    fn announce(&mut self, removal: &Removal) -> bool {
        self.announced.push(removal.clone());
        !self.refuses
    }

    fn done(&mut self, removal: &Removal) {
        assert!(self.announced.contains(removal), "gone without a record");
        self.done.push(removal.clone());
    }
}

fn open(folder: &Path) -> Historian {
    let options = Options {
        commit_window: Duration::from_millis(1),
        memtable_rows: MEMTABLE,
        retention_days: Some(30),
        ..Options::default()
    };
    Historian::open(folder, options).unwrap().0
}

fn class(name: &str, days: Option<u32>, series: &[u32]) -> Class {
    let series = series.iter().copied().map(SeriesId).collect();
    Class { name: name.to_owned(), days, series }
}

fn row(series: u32, micros: i64, value: f64) -> Row {
    let (time, series) = (Utc::from_micros(micros), SeriesId(series));
    Row { series, time, lag_ms: 5, value, quality: 1, kind: 2, note: NoteId::FIELD }
}

/// Rows of one day, all series in turn, in segments.
fn fill(historian: &Historian, day: i64) -> Vec<Row> {
    let made =
        |at: u32| row(at % SERIES, BEGIN + day * DAY + i64::from(at) * 60_000_000, f64::from(at) / 8.0);
    let rows: Vec<Row> = (0..u32::try_from(MEMTABLE).unwrap()).map(made).collect();
    historian.append(&rows).unwrap();
    historian.flush().unwrap();
    while historian.stats().memtable_rows >= MEMTABLE {
        std::thread::sleep(Duration::from_millis(2));
    }
    rows
}

fn all(historian: &Historian) -> Vec<Row> {
    let rows = |series| historian.range(SeriesId(series), Span::ALL, usize::MAX).unwrap().rows;
    (0..SERIES).flat_map(rows).collect()
}

/// The digest as the documentation says, by hand.
fn digest(rows: &[Row]) -> [u8; 32] {
    let mut sum = Sha256::new();
    for row in rows {
        sum.update(row.series.0.to_le_bytes());
        sum.update(row.time.as_micros().to_le_bytes());
        sum.update(row.lag_ms.to_le_bytes());
        sum.update(row.value.to_bits().to_le_bytes());
        sum.update(row.quality.to_le_bytes());
        sum.update([row.kind]);
        sum.update(row.note.0.to_le_bytes());
    }
    sum.finalize().into()
}

#[test]
fn a_class_goes_when_its_time_is_over_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let historian = open(folder.path());
    let classes = [class("phasor", Some(2), &[0, 1]), class("metering", None, &[2])];
    historian.classify(&classes);
    let mut rows = fill(&historian, 0);
    rows.sort_by_key(|row| (row.series, row.time));
    let mut book = Book::default();
    let at = |days: i64, hours: i64| Utc::from_micros(BEGIN + days * DAY + hours * DAY / 24);
    // The last row is from hour 8.3 of its day.
    assert_eq!(historian.maintain(at(2, 8), &mut book).unwrap().1, 0);
    assert_eq!((all(&historian), book.announced.len()), (rows.clone(), 0));
    let (phasor, rest): (Vec<Row>, Vec<Row>) = rows.iter().partition(|row| row.series.0 < 2);
    assert_eq!(historian.maintain(at(2, 9), &mut book).unwrap().1, phasor.len() as u64);
    assert_eq!(all(&historian), rest);
    let [removal] = book.done.as_slice() else { panic!("{:?}", book.done) };
    assert_eq!((removal.class.as_str(), removal.days, removal.series), ("phasor", 2, 2));
    assert_eq!((removal.rows, removal.digest), (phasor.len() as u64, digest(&phasor)));
    let times = || phasor.iter().map(|row| row.time);
    assert_eq!(removal.span, (times().min().unwrap(), times().max().unwrap()));
    // Looked at once: the manifest remembers, over a restart too.
    drop(historian);
    let historian = open(folder.path());
    historian.classify(&classes);
    assert_eq!(historian.maintain(at(2, 10), &mut book).unwrap().1, 0);
    assert_eq!(book.announced.len(), 1);
    // The others after their time, what is kept for ever not at all.
    let (metering, others): (Vec<Row>, Vec<Row>) = rest.iter().partition(|row| row.series.0 == 2);
    assert_eq!(historian.maintain(at(31, 0), &mut book).unwrap().1, others.len() as u64);
    assert_eq!((book.done[1].class.as_str(), book.done[1].digest), ("other", digest(&others)));
    assert_eq!(historian.maintain(at(9_999, 0), &mut book).unwrap().1, 0);
    assert_eq!(all(&historian), metering);
}

#[test]
fn without_a_record_nothing_goes() {
    let folder = tempfile::tempdir().unwrap();
    let historian = open(folder.path());
    let rows = fill(&historian, 0).len();
    let mut book = Book { refuses: true, ..Book::default() };
    let now = Utc::from_micros(BEGIN + 40 * DAY);
    assert_eq!(historian.maintain(now, &mut book).unwrap().1, 0);
    assert_eq!((all(&historian).len(), book.done.len(), book.announced.len()), (rows, 0, 1));
    book.refuses = false;
    assert_eq!(historian.maintain(now, &mut book).unwrap().1, rows as u64);
    assert_eq!((all(&historian).len(), book.done.len()), (0, 1));
    assert_eq!(historian.stats().segments, 0);
}

#[test]
fn a_point_that_changes_its_class_is_kept_as_the_new_one_says() {
    let folder = tempfile::tempdir().unwrap();
    let historian = open(folder.path());
    historian.classify(&[class("short", Some(1), &[0])]);
    let rows = fill(&historian, 0);
    let (mut book, now) = (Book::default(), Utc::from_micros(BEGIN + 3 * DAY));
    let of = |series: u32| rows.iter().filter(|row| row.series.0 == series).count() as u64;
    assert_eq!(historian.maintain(now, &mut book).unwrap().1, of(0));
    historian.classify(&[class("short", Some(1), &[0, 3])]);
    assert_eq!(historian.maintain(now, &mut book).unwrap().1, of(3));
    historian.classify(&[class("short", Some(1), &[0])]);
    assert_eq!(historian.maintain(now, &mut book).unwrap().1, 0);
}

#[test]
fn a_damaged_segment_goes_when_all_of_it_is_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let historian = open(folder.path());
    fill(&historian, 0);
    let segment = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    let path = segment.into_iter().next().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    historian.classify(&[class("short", Some(1), &[0])]);
    let mut book = Book::default();
    assert!(historian.maintain(Utc::from_micros(BEGIN + 3 * DAY), &mut book).is_err());
    assert_eq!((book.announced.len(), historian.stats().segments), (0, 1));
    assert_eq!(historian.maintain(Utc::from_micros(BEGIN + 40 * DAY), &mut book).unwrap().1, 500);
    assert_eq!(book.done[0].class, historian::DAMAGED);
    assert_eq!(book.done[0].digest, <[u8; 32]>::from(Sha256::digest(&bytes)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any classes, any days: what is younger than its class may get is there, nothing goes unrecorded, and after a
    /// reopening the same rows are there.
    #[test]
    fn nothing_goes_early_or_unrecorded(
        days in proptest::collection::vec(proptest::option::of(1_u32..5), 3),
        of in proptest::collection::vec(0_usize..4, SERIES as usize),
        looks in proptest::collection::vec(0_i64..10 * 24, 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let historian = open(folder.path());
        let members = |class: usize| -> Vec<u32> { (0..SERIES).filter(|at| of[*at as usize] == class).collect() };
        let classes: Vec<Class> =
            days.iter().enumerate().map(|(at, days)| class(&at.to_string(), *days, &members(at))).collect();
        historian.classify(&classes);
        let mut rows: Vec<Row> = (0..3).flat_map(|day| fill(&historian, day)).collect();
        rows.sort_by_key(|row| (row.series, row.time));
        let mut book = Book::default();
        let mut looks = looks;
        looks.sort_unstable();
        for look in looks {
            let now = Utc::from_micros(BEGIN + look * DAY / 24);
            historian.maintain(now, &mut book).unwrap();
            let found = all(&historian);
            let kept = |row: &Row| days.get(of[row.series.0 as usize]).copied().unwrap_or(Some(30));
            let young = |row: &&Row| kept(row).is_none_or(|days| row.time >= now - Duration::from_secs(86_400) * days);
            let missing = rows.iter().filter(young).find(|row| !found.contains(row));
            prop_assert!(missing.is_none(), "{missing:?} went early");
            let recorded: u64 = book.done.iter().map(|removal| removal.rows).sum();
            prop_assert_eq!(found.len() as u64 + recorded, rows.len() as u64);
            prop_assert!(found.iter().all(|row| rows.contains(row)));
        }
        let found = all(&historian);
        drop(historian);
        prop_assert_eq!(all(&open(folder.path())), found);
    }
}
