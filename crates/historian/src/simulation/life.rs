//! A run: several lives of one folder, and what must hold after each.

use super::disk::{Random, SimDisk};
use crate::commit::Committer;
use crate::files::Folder;
use crate::flush::Flusher;
use crate::{
    Class, Historian, HistorianError, Ledger, NoteId, Options, Recovery, Removal, Row, SeriesId, Span,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use timebase::Utc;

const HOUR: i64 = 3_600_000_000;
const BEGIN: i64 = 20_000 * 24 * HOUR;
const SERIES: u64 = 4;
/// Days that rows are kept: those of series 0, of 1 and 2, and of all others.
const RETENTION_DAYS: [u32; 3] = [1, 2, 3];
/// Rows of one group at most.
const MOST_ROWS: usize = 75;
/// Rows of a batch that stays whole in tests.
const WHOLE_ROWS: usize = 16;
/// Tries of a write that fails.
const TRIES: u32 = 4;

/// What happened in runs. The same seed gives the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Seen {
    lives: u64,
    acknowledged: u64,
    power_losses: u64,
    torn: u64,
    failed_writes: u64,
    failed_flushes: u64,
    segments: u64,
    merges: u64,
    removals: u64,
    rotten: u64,
    reported_rotten: u64,
    digest: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.acknowledged += other.acknowledged;
        self.power_losses += other.power_losses;
        self.torn += other.torn;
        self.failed_writes += other.failed_writes;
        self.failed_flushes += other.failed_flushes;
        self.segments += other.segments;
        self.merges += other.merges;
        self.removals += other.removals;
        self.rotten += other.rotten;
        self.reported_rotten += other.reported_rotten;
        self.digest ^= other.digest;
    }

    /// A simulation in which something never happens tests nothing of it.
    pub(super) fn check_everything_happened(&self) {
        let counts = [
            self.acknowledged,
            self.power_losses,
            self.torn,
            self.failed_writes,
            self.failed_flushes,
            self.segments,
            self.merges,
            self.removals,
            self.rotten,
            self.reported_rotten,
        ];
        assert!(counts.iter().all(|count| *count > 0), "{self:?}");
    }
}

/// What must be there.
struct Model {
    random: Random,
    /// Every row that was ever made; its value is its number.
    made: Vec<Row>,
    acknowledged: BTreeSet<usize>,
    /// Written to the disk without a receipt: may be there.
    doubtful: BTreeSet<usize>,
    /// Seen to be gone by retention: must not come back.
    gone: BTreeSet<usize>,
    /// Rows of a class before this may be gone.
    cutoffs: [Utc; 3],
    /// Removals announced and not done.
    announced: Vec<Removal>,
    /// Removals done since the last look.
    cleared: Vec<Removal>,
    /// Numbers of batches that a crash must not divide.
    whole: Vec<Range<usize>>,
    clock: i64,
    rotten: bool,
    /// The historian said that something is damaged or was cut.
    reported: bool,
    told: bool,
    seen: Seen,
}

/// An open historian without threads.
struct Open {
    historian: Historian,
    committer: Committer,
    flusher: Flusher,
}

struct Run {
    disk: SimDisk,
    folder: Folder,
    options: Options,
    model: Model,
}

/// Runs a seed; panics if anything does not hold.
pub(super) fn run(seed: u64, loud: bool) -> Seen {
    let mut random = Random::new(seed);
    let disk = SimDisk::new(seed);
    let folder = Folder { disk: Arc::new(disk.clone()), path: PathBuf::from("history") };
    let options = Options {
        commit_window: Duration::ZERO,
        memtable_rows: MOST_ROWS + random.index(100),
        merge_segments: 2 + random.index(3),
        segment_rows: 100 + random.below(2_000),
        retention_days: random.one_in(2).then_some(RETENTION_DAYS[2]),
        ..Options::default()
    };
    let model = Model::new(random, loud);
    let mut run = Run { disk, folder, options, model };
    run.all_lives();
    let (sum, operations) = run.disk.digest();
    run.model.seen.digest = operations << 32 | u64::from(sum);
    run.model.seen.acknowledged = run.model.acknowledged.len() as u64;
    run.model.seen
}

impl Run {
    fn all_lives(&mut self) {
        let lives = 2 + self.model.random.below(5);
        for life in 0..lives {
            self.model.seen.lives += 1;
            self.model.tell(|| format!("life {life}"));
            let dies = !self.model.random.one_in(4);
            let operations = dies.then(|| self.model.random.below(300));
            self.disk.lose_power_after(operations);
            if let Some(open) = self.open() {
                self.live(open);
            }
            if self.disk.is_off() {
                self.model.seen.power_losses += 1;
            }
            self.disk.restart();
            let rots = self.model.random.one_in(12) && life > 0;
            if let Some(place) = rots.then(|| self.disk.rot()).flatten() {
                self.model.seen.rotten += 1;
                self.model.rotten = true;
                self.model.tell(|| format!("rot in {place}"));
                break;
            }
        }
        let Some(open) = self.open() else { return };
        // What was there is there again.
        self.close(open);
        drop(self.open());
    }

    fn open(&mut self) -> Option<Open> {
        match Historian::recover(&self.folder, self.options.clone()) {
            Ok((historian, (committer, flusher), recovery)) => {
                self.model.judge(&recovery);
                let open = Open { historian, committer, flusher };
                self.check(&open);
                Some(open)
            }
            Err(error) => {
                let refused = self.model.rotten
                    && matches!(error, HistorianError::Damaged { .. } | HistorianError::Format { .. });
                self.model.seen.reported_rotten += u64::from(refused);
                assert!(refused || !self.disk.is_well(), "not opened: {error}");
                None
            }
        }
    }

    fn check(&mut self, open: &Open) {
        if self.disk.is_well() {
            self.disk.set_quiet(true);
            self.model.check(&open.historian);
            self.disk.set_quiet(false);
        }
    }

    fn live(&mut self, mut open: Open) {
        for _ in 0..self.model.random.below(60) {
            if self.disk.is_off() {
                return;
            }
            match self.model.random.below(12) {
                0..=5 => {
                    if !self.ingest(&mut open) {
                        break;
                    }
                }
                6 | 7 => self.flush(&open),
                8 => self.maintain(&open),
                9 => self.register(&open),
                10 => self.trouble(),
                _ => self.check(&open),
            }
        }
        self.close(open);
    }

    fn close(&mut self, mut open: Open) {
        if !self.model.random.one_in(3) {
            open.committer.mark_end();
            self.model.tell(|| "clean end".to_owned());
        }
    }

    fn trouble(&mut self) {
        let random = &mut self.model.random;
        match random.below(4) {
            0 => self.disk.set_full(true),
            1 => self.disk.set_failing(2 + random.below(20)),
            _ => {
                self.disk.set_full(false);
                self.disk.set_failing(0);
            }
        }
        self.model.tell(|| "trouble".to_owned());
    }

    /// Appends rows and commits them as the commit thread does; false if it gave up.
    fn ingest(&mut self, open: &mut Open) -> bool {
        if self.must_wait(open) {
            // Here the commit thread waits for the flush thread.
            self.flush(open);
            if self.must_wait(open) {
                self.disk.set_full(false);
                self.disk.set_failing(0);
                return true;
            }
        }
        let first = self.model.made.len();
        for _ in 0..1 + self.model.random.below(3) {
            let count = 1 + self.model.random.index(MOST_ROWS / 3);
            let start = self.model.made.len();
            let rows = self.model.rows(count);
            if count <= WHOLE_ROWS {
                self.model.whole.push(start..start + count);
            }
            open.historian.append(&rows).unwrap();
        }
        let numbers = first..self.model.made.len();
        self.model.tell(|| format!("ingest {numbers:?}"));
        let group = open.historian.shared.queue.take(Duration::ZERO, 1).unwrap();
        self.model.doubtful.extend(numbers.clone());
        for attempt in 0..TRIES {
            match open.committer.write(&group) {
                Ok(()) => {
                    open.committer.accept(&group);
                    self.model.doubtful.retain(|number| !numbers.contains(number));
                    self.model.acknowledged.extend(numbers);
                    open.committer.freeze_when_full();
                    return true;
                }
                Err(error) => {
                    self.model.seen.failed_writes += 1;
                    self.model.tell(|| format!("not written: {error}"));
                    if self.disk.is_off() {
                        return false;
                    }
                    if attempt > 1 {
                        self.disk.set_full(false);
                        self.disk.set_failing(0);
                    }
                }
            }
        }
        false
    }

    fn must_wait(&self, open: &Open) -> bool {
        let tables = &open.historian.shared.tables;
        tables.is_flushing() && tables.active_rows() + MOST_ROWS >= 2 * self.options.memtable_rows
    }

    fn flush(&mut self, open: &Open) {
        let before = open.historian.stats().segments;
        match open.flusher.step_if_full() {
            Ok(()) => self.model.seen.segments += u64::from(open.historian.stats().segments != before),
            Err(error) => {
                self.model.seen.failed_flushes += 1;
                self.model.tell(|| format!("not flushed: {error}"));
            }
        }
    }

    fn maintain(&mut self, open: &Open) {
        let now = Utc::from_micros(self.model.clock);
        if self.options.retention_days.is_some() {
            let classes = [vec![0], vec![1, 2]].into_iter().zip(RETENTION_DAYS);
            let class = |(series, days): (Vec<u32>, u32)| Class {
                name: days.to_string(),
                days: Some(days),
                series: series.into_iter().map(SeriesId).collect(),
            };
            open.historian.classify(&classes.map(class).collect::<Vec<_>>());
            for (cutoff, days) in self.model.cutoffs.iter_mut().zip(RETENTION_DAYS) {
                *cutoff = (*cutoff).max(now - Duration::from_secs(u64::from(days) * 86_400));
            }
        }
        let before = self.served_if_well(open);
        let done = open.historian.maintain(now, &mut self.model);
        let after = self.served_if_well(open);
        self.model.check_removed(before, after);
        match done {
            Ok((merged, removed)) => {
                self.model.seen.merges += merged as u64;
                self.model.tell(|| format!("merged {merged}, removed {removed}"));
            }
            Err(error) => self.model.tell(|| format!("not maintained: {error}")),
        }
    }

    /// Numbers of all rows, unless the disk is in trouble or has rotten.
    fn served_if_well(&mut self, open: &Open) -> Option<BTreeSet<usize>> {
        if !self.disk.is_well() || self.model.rotten {
            return None;
        }
        self.disk.set_quiet(true);
        let rows = |series| open.historian.range(SeriesId(series), Span::ALL, usize::MAX).unwrap().rows;
        let all = (0..u32::try_from(SERIES).unwrap()).flat_map(rows).map(|row| row.value as usize);
        let served = all.collect();
        self.disk.set_quiet(false);
        Some(served)
    }

    fn register(&mut self, open: &Open) {
        let count = 1 + self.model.random.index(30);
        let names: Vec<String> = (0..count).map(|number| format!("_a-rather-long-name-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if let Ok(ids) = open.historian.register(&names) {
            let wanted: Vec<SeriesId> = (0..count).map(|at| SeriesId(u32::try_from(at).unwrap())).collect();
            assert_eq!(ids, wanted);
        }
        drop(open.historian.note(&format!("somebody: reason {count}")));
    }
}

fn class(series: SeriesId) -> usize {
    match series.0 {
        0 => 0,
        1 | 2 => 1,
        _ => 2,
    }
}

impl Ledger for Model {
    fn announce(&mut self, removal: &Removal) -> bool {
        self.tell(|| format!("announced {removal:?}"));
        let goes = !self.random.one_in(10);
        self.announced.extend(goes.then(|| removal.clone()));
        goes
    }

    fn done(&mut self, removal: &Removal) {
        let known = self.announced.iter().position(|announced| announced == removal);
        self.announced.remove(known.expect("removed without a record"));
        self.cleared.push(removal.clone());
        self.seen.removals += 1;
    }
}

impl Model {
    /// What is missing now is what the records say, in number and, for each class that has one record, in content.
    fn check_removed(&mut self, before: Option<BTreeSet<usize>>, after: Option<BTreeSet<usize>>) {
        let cleared = std::mem::take(&mut self.cleared);
        let (Some(before), Some(after)) = (before, after) else { return };
        assert!(after.is_subset(&before));
        let gone: Vec<usize> = before.difference(&after).copied().collect();
        assert_eq!(gone.len() as u64, cleared.iter().map(|removal| removal.rows).sum::<u64>());
        for removal in &cleared {
            if cleared.iter().filter(|other| other.class == removal.class).count() == 1 {
                assert_eq!(removal.digest, self.digest(&gone, removal.days), "{removal:?}");
            }
        }
    }

    /// Digest of those of some rows that are kept so many days.
    fn digest(&self, numbers: &[usize], days: u32) -> [u8; 32] {
        let of_class = |row: &&Row| RETENTION_DAYS[class(row.series)] == days;
        let mut rows: Vec<&Row> = numbers.iter().map(|at| &self.made[*at]).filter(of_class).collect();
        rows.sort_by_key(|row| row.key());
        let mut bytes = Vec::new();
        rows.iter().for_each(|row| row.encode(&mut bytes));
        Sha256::digest(&bytes).into()
    }

    /// Rows before this may be gone, if they are of the series.
    fn cutoff(&self, series: SeriesId) -> Utc {
        self.cutoffs[class(series)]
    }

    fn new(random: Random, told: bool) -> Self {
        Self {
            random,
            made: Vec::new(),
            acknowledged: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            gone: BTreeSet::new(),
            cutoffs: [Utc::from_micros(i64::MIN); 3],
            announced: Vec::new(),
            cleared: Vec::new(),
            whole: Vec::new(),
            clock: BEGIN,
            rotten: false,
            reported: false,
            told,
            seen: Seen::default(),
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.told {
            eprintln!("{}", what());
        }
    }

    /// New rows: mostly in order of time, some late by up to three days, some of the same instant.
    fn rows(&mut self, count: usize) -> Vec<Row> {
        let first = self.made.len();
        for number in first..first + count {
            self.clock += i64::try_from(self.random.below(HOUR as u64 / 10)).unwrap();
            let late = if self.random.one_in(15) { self.random.below(72 * HOUR as u64) } else { 0 };
            let time = self.clock - i64::try_from(late).unwrap();
            let time = if self.random.one_in(8) { time / HOUR * HOUR } else { time };
            self.made.push(Row {
                series: SeriesId(u32::try_from(self.random.below(SERIES)).unwrap()),
                time: Utc::from_micros(time),
                lag_ms: i32::try_from(late / 1_000).unwrap_or(i32::MAX),
                value: number as f64,
                quality: u16::try_from(self.random.below(4)).unwrap(),
                kind: u8::try_from(self.random.below(6)).unwrap(),
                note: NoteId(u32::from(self.random.one_in(20))),
            });
        }
        self.made[first..].to_vec()
    }

    /// Without rot nothing may look damaged, whatever the crash tore.
    fn judge(&mut self, recovery: &Recovery) {
        self.seen.torn += u64::from(recovery.torn_bytes > 0);
        self.tell(|| format!("{recovery:?}"));
        if !self.rotten {
            assert!(recovery.damaged.is_empty() && recovery.lost_rows == 0, "{recovery:?}");
        }
        self.reported |= !recovery.damaged.is_empty() || recovery.lost_rows > 0 || recovery.torn_bytes > 0;
    }

    /// Every row is there once, as it was made and in its place.
    fn check(&mut self, historian: &Historian) {
        let mut served = BTreeSet::new();
        let mut damaged = 0;
        for series in (0..SERIES).map(|series| SeriesId(u32::try_from(series).unwrap())) {
            let Ok(page) = historian.range(series, Span::ALL, usize::MAX) else { continue };
            damaged += page.damaged;
            let numbers: Vec<usize> = page.rows.iter().map(|row| row.value as usize).collect();
            for (row, number) in page.rows.iter().zip(&numbers) {
                assert_eq!(Some(row), self.made.get(*number), "altered");
                assert!(row.series == series && served.insert(*number), "row {number} is there twice");
            }
            let places: Vec<(Utc, usize)> = page.rows.iter().map(|row| row.time).zip(numbers).collect();
            assert!(places.is_sorted(), "out of order: {places:?}");
        }
        self.reported |= damaged > 0;
        self.seen.reported_rotten += u64::from(self.rotten && self.reported);
        assert!(damaged == 0 || self.rotten);
        // Rows that a flipped bit costs are missed by somebody, and not in silence.
        if !(self.rotten && self.reported) {
            self.check_set(&served);
        }
    }

    fn may_be_gone(&self, at: usize) -> bool {
        self.made[at].time < self.cutoff(self.made[at].series)
    }

    fn check_set(&mut self, served: &BTreeSet<usize>) {
        let unknown: Vec<_> = served
            .iter()
            .filter(|at| !self.acknowledged.contains(at) && !self.doubtful.contains(at))
            .collect();
        assert!(unknown.is_empty(), "never handed over: {unknown:?}");
        let lost: BTreeMap<usize, Utc> = self
            .acknowledged
            .difference(served)
            .map(|at| (*at, self.made[*at].time))
            .filter(|(at, time)| *time >= self.cutoff(self.made[*at].series))
            .collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let part = |batch: &&Range<usize>| {
            // Rows beyond the retention say nothing of whether the batch was there.
            let kept: Vec<usize> = (*batch).clone().filter(|at| !self.may_be_gone(*at)).collect();
            let there = kept.iter().filter(|at| served.contains(at)).count();
            ![0, kept.len()].contains(&there)
        };
        assert_eq!(self.whole.iter().find(part), None, "a part of a batch");
        let back: Vec<_> = served.intersection(&self.gone).collect();
        assert!(back.is_empty(), "came back: {back:?}");
        self.gone.extend(self.acknowledged.difference(served));
        // What was served once must stay.
        self.acknowledged.extend(self.doubtful.intersection(served));
        self.doubtful.clear();
    }
}
