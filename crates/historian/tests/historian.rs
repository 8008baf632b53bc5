//! The historian as its users see it: what was appended comes back, from memory, log and segments alike, and damage
//! is found and never served.
#![allow(clippy::unwrap_used)]

use historian::{
    AppendError, Historian, HistorianError, Ledger, NoteId, Options, Removal, Row, SeriesId, Span,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use timebase::Utc;

const DAY: i64 = 86_400_000_000;
const BEGIN: i64 = 20_000 * DAY;
const SERIES: u32 = 7;
const MEMTABLE: usize = 1_000;

/// Whom nobody asks.
struct Trusting;

impl Ledger for Trusting {
    fn announce(&mut self, _: &Removal) -> bool {
        true
    }

    fn done(&mut self, _: &Removal) {}
}

/// A small generator (xorshift64*, Vigna 2016) so that every run sees the same rows.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}

/// Rows in order of arrival: mostly rising time, some late, some with equal times, over several days.
fn rows(count: usize, seed: u64) -> Vec<Row> {
    let mut random = Random(seed);
    let mut clock = BEGIN;
    let next = |_| {
        clock += i64::try_from(random.below(90_000_000)).unwrap();
        let late =
            if random.below(20) == 0 { i64::try_from(random.below(3_600_000_000)).unwrap() } else { 0 };
        let equal = random.below(10) == 0;
        Row {
            series: SeriesId(u32::try_from(random.below(u64::from(SERIES))).unwrap()),
            time: Utc::from_micros(if equal { clock / 60_000_000 * 60_000_000 } else { clock - late }),
            value: f64::from(u32::try_from(random.below(100_000)).unwrap()) / 100.0,
            quality: u16::try_from(random.below(3)).unwrap(),
            kind: u8::try_from(random.below(6)).unwrap(),
            note: NoteId::FIELD,
            lag_ms: 7,
        }
    };
    (0..count).map(next).collect()
}

/// What a range must give: filter and stable sort.
fn wanted(rows: &[Row], series: SeriesId, span: Span) -> Vec<Row> {
    let mut found: Vec<Row> =
        rows.iter().filter(|row| row.series == series && span.contains(row.time)).copied().collect();
    found.sort_by_key(|row| row.time);
    found
}

fn small() -> Options {
    Options {
        commit_window: Duration::from_millis(1),
        memtable_rows: MEMTABLE,
        merge_segments: 3,
        ..Options::default()
    }
}

fn open(folder: &Path) -> Historian {
    Historian::open(folder, small()).unwrap().0
}

fn check_all(historian: &Historian, rows: &[Row]) {
    for series in (0..SERIES).map(SeriesId) {
        let page = historian.range(series, Span::ALL, usize::MAX).unwrap();
        assert!(page.complete && page.damaged == 0);
        assert!(page.rows == wanted(rows, series, Span::ALL), "series {series:?}");
    }
}

/// Waits for the flush thread: no memtable is beyond its size.
fn settle(historian: &Historian) {
    let begin = Instant::now();
    while historian.stats().memtable_rows >= MEMTABLE && begin.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
    paths.sort();
    paths
}

#[test]
fn what_was_appended_comes_back_before_and_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(40_000, 1);
    let mut done = 0;
    for part in rows.chunks(9_973) {
        let (historian, recovery) = Historian::open(folder.path(), small()).unwrap();
        assert_eq!(recovery.segment_rows + recovery.replayed_rows, done as u64);
        assert_eq!((recovery.lost_rows, recovery.torn_bytes, recovery.damaged.len()), (0, 0, 0));
        for batch in part.chunks(997) {
            historian.append(batch).unwrap();
            historian.flush().unwrap();
        }
        done += part.len();
        assert_eq!(historian.stored(), part.len() as u64);
        check_all(&historian, &rows[..done]);
    }
    let historian = open(folder.path());
    check_all(&historian, &rows);
    let stats = historian.stats();
    assert!(stats.segments > 0 && stats.segment_rows + stats.memtable_rows as u64 == 40_000, "{stats:?}");
    // A day that is over becomes one segment per day in which data ended.
    let (merged, removed) = historian.maintain(Utc::from_micros(BEGIN + 400 * DAY), &mut Trusting).unwrap();
    assert!(merged > 0 && removed == 0);
    check_all(&historian, &rows);
    let kept = historian.stats();
    assert!(kept.segments < stats.segments && kept.segment_rows == stats.segment_rows);
    assert_eq!(files(folder.path(), ".parquet").len(), kept.segments, "replaced files are gone");
    drop(historian);
    check_all(&open(folder.path()), &rows);
}

#[test]
fn ranges_trends_and_values_in_force_equal_the_plain_answer() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(20_000, 2);
    let historian = open(folder.path());
    for batch in rows.chunks(1_500) {
        historian.append(batch).unwrap();
        historian.flush().unwrap();
    }
    settle(&historian);
    assert!(historian.stats().segments > 0);
    let mut random = Random(3);
    let end = rows.iter().map(|row| row.time.as_micros()).max().unwrap() + DAY;
    for _ in 0..120 {
        let series = SeriesId(u32::try_from(random.below(u64::from(SERIES) + 1)).unwrap());
        let mut instant = || {
            let offset = random.below(u64::try_from(end - BEGIN).unwrap() >> 10) << 10;
            Utc::from_micros(BEGIN - DAY / 2 + i64::try_from(offset).unwrap())
        };
        let (a, b) = (instant(), instant());
        let span = Span { from: a.min(b), to: a.max(b) };
        let limit = usize::try_from(random.below(5_000)).unwrap();
        let plain = wanted(&rows, series, span);
        let page = historian.range(series, span, limit).unwrap();
        assert_eq!(page.rows, plain[..limit.min(plain.len())]);
        assert_eq!(page.complete, plain.len() <= limit);
        let earlier = Span { from: Utc::from_micros(i64::MIN), to: span.from };
        let before = wanted(&rows, series, earlier).last().copied();
        assert_eq!(historian.before(series, span.from).unwrap(), before);
        let mut decimator = historian::Decimator::new(span, 50, before);
        plain.iter().for_each(|row| decimator.push(*row));
        let trend = historian.decimate(series, span, 50).unwrap();
        assert_eq!((trend.before, trend.damaged), (before, 0));
        assert_eq!(trend.buckets, decimator.finish());
    }
}

#[test]
fn rows_beyond_the_queue_are_counted_as_shed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { queue_rows: 100, commit_window: Duration::from_secs(60), ..Options::default() };
    let (historian, _) = Historian::open(folder.path(), options).unwrap();
    let rows = rows(101, 4);
    assert_eq!(historian.append(&rows), Err(AppendError::Full { shed: 101 }));
    historian.append(&rows[..60]).unwrap();
    assert_eq!(historian.append(&rows[..41]), Err(AppendError::Full { shed: 41 }));
    // Not durable yet, so not served.
    assert!(historian.range(rows[0].series, Span::ALL, 9).unwrap().rows.is_empty());
    historian.flush().unwrap();
    historian.append(&rows[..41]).unwrap();
    historian.flush().unwrap();
    let stats = historian.stats();
    assert_eq!((stats.accepted, stats.stored, stats.shed, stats.queued), (101, 101, 142, 0));
}

#[test]
fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let second = Historian::open(folder.path(), small()).unwrap_err();
    assert!(matches!(second, HistorianError::InUse { .. }));
}

#[test]
fn series_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let ids = open(folder.path()).register(&["_a", "_b"]).unwrap();
    let historian = open(folder.path());
    assert_eq!(historian.register(&["_c", "_b", "_a"]).unwrap(), [SeriesId(2), ids[1], ids[0]]);
    assert_eq!((historian.series("_b"), historian.series("_d")), (Some(ids[1]), None));
}

/// Rows of one commit in the tests of the log.
const COMMIT: usize = 4;
/// Bytes of the empty group that ends a log: head of a record, numbers of group and record.
const END: usize = 12 + 16;

/// A folder with three commits in its log; their rows and the log's path.
fn three_commits() -> (tempfile::TempDir, Vec<Row>, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(3 * COMMIT, 5);
    let historian = open(folder.path());
    for batch in rows.chunks(COMMIT) {
        historian.append(batch).unwrap();
        historian.flush().unwrap();
    }
    drop(historian);
    let log = files(folder.path(), ".log").pop().unwrap();
    (folder, rows, log)
}

#[test]
fn a_log_cut_at_any_byte_of_its_last_record_keeps_the_others() {
    let (folder, rows, log) = three_commits();
    let bytes = fs::read(&log).unwrap();
    let record = (bytes.len() - END) / 3;
    for len in 2 * record..3 * record {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join("MANIFEST"), copy.path().join("MANIFEST")).unwrap();
        fs::write(copy.path().join(log.file_name().unwrap()), &bytes[..len]).unwrap();
        let (historian, recovery) = Historian::open(copy.path(), small()).unwrap();
        assert_eq!(recovery.torn_bytes, (len - 2 * record) as u64);
        assert_eq!((recovery.replayed_rows, recovery.damaged.len()), (2 * COMMIT as u64, 0));
        check_all(&historian, &rows[..2 * COMMIT]);
        // The next run finds nothing left to report and appends behind.
        historian.append(&rows[2 * COMMIT..]).unwrap();
        drop(historian);
        let (historian, recovery) = Historian::open(copy.path(), small()).unwrap();
        assert_eq!((recovery.torn_bytes, recovery.lost_rows), (0, 0));
        check_all(&historian, &rows);
    }
}

#[test]
fn a_flipped_bit_in_the_log_is_reported_and_costs_one_record() {
    let (folder, rows, log) = three_commits();
    let bytes = fs::read(&log).unwrap();
    let record = (bytes.len() - END) / 3;
    for bit in (0..bytes.len() * 8).step_by(11) {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join("MANIFEST"), copy.path().join("MANIFEST")).unwrap();
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(copy.path().join(log.file_name().unwrap()), &altered).unwrap();
        let (historian, recovery) = Historian::open(copy.path(), small()).unwrap();
        let hit = (bit / 8 / record).min(3);
        let mut left = rows.clone();
        left.drain(hit * COMMIT..((hit + 1) * COMMIT).min(3 * COMMIT));
        // The mark of the end holds no rows; without it the end looks like one that a crash has cut.
        assert_eq!(recovery.torn_bytes, if hit < 3 { 0 } else { END as u64 }, "bit {bit}: {recovery:?}");
        assert_eq!(recovery.damaged.len(), usize::from(hit < 3), "bit {bit}: {recovery:?}");
        assert_eq!(recovery.lost_rows, (3 * COMMIT - left.len()) as u64, "bit {bit}");
        assert_eq!(recovery.replayed_rows, left.len() as u64, "bit {bit}");
        assert_eq!(files(copy.path(), ".damaged").len(), recovery.damaged.len());
        check_all(&historian, &left);
    }
}

#[test]
fn a_flipped_bit_in_a_segment_is_found_and_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(4_000, 6);
    let historian = open(folder.path());
    historian.append(&rows).unwrap();
    historian.flush().unwrap();
    settle(&historian);
    drop(historian);
    let path = files(folder.path(), ".parquet").pop().unwrap();
    let good = fs::read(&path).unwrap();
    for step in 0..300_usize {
        let bit = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (good.len() * 8);
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let (historian, _) = Historian::open(folder.path(), small()).unwrap();
        let page = historian.range(SeriesId(1), Span::ALL, usize::MAX).unwrap();
        // The first four bytes are Parquet's magic, which holds no data.
        assert!((page.rows.is_empty() && page.damaged == 1) || bit < 32, "bit {bit}");
        drop(historian);
    }
    fs::write(&path, &good).unwrap();
    check_all(&open(folder.path()), &rows);
    let index = files(folder.path(), ".idx").pop().unwrap();
    fs::write(&index, b"nothing").unwrap();
    let (_, recovery) = Historian::open(folder.path(), small()).unwrap();
    assert_eq!((recovery.damaged.len(), recovery.lost_rows), (1, 4_000));
}

#[test]
fn a_lost_or_altered_manifest_stops_the_start() {
    let (folder, ..) = three_commits();
    let path = folder.path().join("MANIFEST");
    fs::write(&path, "tieline-historian 1\nwal_floor 0\nnext_row 0\ncrc32c e003708c\n").unwrap();
    let refusal = Historian::open(folder.path(), small()).unwrap_err().to_string();
    assert!(refusal.contains("says format 1, this program keeps format 3"), "{refusal}");
    fs::write(&path, "tieline-historian 2\n").unwrap();
    assert!(matches!(Historian::open(folder.path(), small()), Err(HistorianError::Damaged { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Historian::open(folder.path(), small()), Err(HistorianError::Damaged { .. })));
}

#[test]
fn retention_removes_whole_segments() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { retention_days: Some(10), ..small() };
    let (historian, _) = Historian::open(folder.path(), options).unwrap();
    let row = |time: i64| Row {
        series: SeriesId(0),
        time: Utc::from_micros(time),
        value: 1.0,
        quality: 0,
        kind: 0,
        note: NoteId::FIELD,
        lag_ms: 7,
    };
    for day in [0, 1, 2] {
        let rows: Vec<Row> = (0..3_000).map(|at| row(BEGIN + day * DAY + at)).collect();
        historian.append(&rows).unwrap();
        historian.flush().unwrap();
        settle(&historian);
    }
    let check = |days: i64, removed: u64, left: usize| {
        let (_, found) = historian.maintain(Utc::from_micros(BEGIN + days * DAY), &mut Trusting).unwrap();
        assert_eq!(found, removed, "day {days}");
        assert_eq!(historian.range(SeriesId(0), Span::ALL, usize::MAX).unwrap().rows.len(), left);
        assert_eq!(files(folder.path(), ".parquet").len(), left / 3_000);
    };
    check(10, 0, 9_000);
    check(11, 3_000, 6_000);
    check(99, 6_000, 0);
}

#[test]
fn a_correction_keeps_the_original_and_says_who_and_why() {
    use historian::{Filling, Reading};
    let folder = tempfile::tempdir().unwrap();
    let historian = open(folder.path());
    let series = SeriesId(0);
    let row = |second: i64, value: f64, note: NoteId| Row {
        series,
        time: Utc::from_micros(BEGIN + second * 1_000_000),
        lag_ms: 5,
        value,
        quality: 0,
        kind: 0,
        note,
    };
    let field: Vec<Row> =
        [1.0, 50.0, 3.0].into_iter().zip(0..).map(|(v, at)| row(at, v, NoteId::FIELD)).collect();
    historian.append(&field).unwrap();
    historian.flush().unwrap();
    let note = historian.note("ann: the transducer was on test").unwrap();
    historian.append(&[row(1, 40.0, note), row(1, 2.0, note)]).unwrap();
    historian.flush().unwrap();
    drop(historian);
    let historian = open(folder.path());
    let values = |reading| -> Vec<f64> {
        let page = historian.read(series, Span::ALL, (reading, 10)).unwrap();
        page.rows.iter().map(|row| row.value).collect()
    };
    assert_eq!(values(Reading::Corrected), [1.0, 2.0, 3.0]);
    assert_eq!(values(Reading::Original), [1.0, 50.0, 3.0]);
    assert_eq!(values(Reading::All), [1.0, 50.0, 40.0, 2.0, 3.0]);
    let corrected = historian.read(series, Span::ALL, (Reading::Corrected, 10)).unwrap().rows[1];
    assert_eq!(historian.note_text(corrected.note).as_deref(), Some("ann: the transducer was on test"));
    assert_eq!(historian.note_text(NoteId::FIELD), None);
    let span = Span { from: field[1].time, to: row(4, 0.0, note).time };
    let (integral, _) = historian.integral(series, span, Filling::default()).unwrap();
    assert_eq!((integral.value_seconds, integral.rows, integral.gaps), (2.0 + 2.0 * 3.0, 2, 0));
    let instants: Vec<Utc> = [-1, 0, 1, 9].map(|second| row(second, 0.0, note).time).to_vec();
    let (samples, _) = historian.sample(series, &instants, Filling::default()).unwrap();
    let found: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    assert!(found[0].is_nan() && found[1..] == [1.0, 2.0, 3.0], "{found:?}");
}
