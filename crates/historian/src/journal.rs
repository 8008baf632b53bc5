//! A durable, ordered, bounded log of opaque entries with consecutive numbers: what a gateway keeps until the centre has it.
//!
//! ```text
//! push ─▶ pending ─commit─▶ segment file, one frame per group, fsync ─▶ read ─▶ confirmed ─▶ removed
//! ```
//!
//! - An entry is durable, and readable, when the [`Journal::commit`] behind it has returned; a crash before that takes it
//!   and leaves its number to the next entry.
//! - A group is one frame with a check sum: it is there after a crash as a whole or not at all.
//! - After a write that failed the file is not touched again; the group goes to the next one under the same numbers,
//!   and where two files hold one number the later file counts.
//! - Files are removed from the oldest on: when everything in them is confirmed, or beyond the bounds in time and bytes.
//!   Numbers are never given twice, so that what was removed unconfirmed is known to the entry.
//!
//! The owner calls it from one thread and brings the time. Files: `epoch` (identity of the log), `names.log` (the numbers
//! of points and links that entries speak of), `seg-N.log` (entries from number N on).

mod names;
mod segment;

use crate::disk::{Disk, FolderLock, Mode, RealDisk};
use crate::error::{HistorianError, at};
use crate::files::{Folder, number_in};
use crate::frame::{scan, write_frame};
use names::NamesFile;
use segment::{Group, Segment, SegmentWriter};
use std::collections::VecDeque;
use std::fs::TryLockError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use timebase::Utc;

/// Most bytes of an entry.
pub const MAX_ENTRY: usize = 1_024;

/// Bounds of a journal.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Entries are kept at least this long if the bytes suffice, and not much longer.
    pub keep: Duration,
    /// Bytes of all files at most.
    pub max_bytes: u64,
    /// Bytes of a file after which a new one begins.
    pub segment_bytes: u64,
    /// Entries that wait for a commit at most.
    pub max_pending: usize,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(72 * 3_600),
            max_bytes: 4 << 30,
            segment_bytes: 4 << 20,
            max_pending: 65_536,
        }
    }
}

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalRecovery {
    /// Bytes of writes that a crash cut; nothing of them was ever read.
    pub torn_bytes: u64,
    /// Damaged parts in files. Their entries are missing, and named as a gap where they are read.
    pub damaged: usize,
}

/// What is there from a number on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JournalRead {
    /// Consecutive entries from the number asked for; none when it is the next one to be given.
    Entries(Vec<Vec<u8>>),
    /// Nothing before this number.
    GapTo(u64),
}

/// Counts of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JournalStats {
    /// First number held.
    pub first: u64,
    /// Number after the last durable entry.
    pub next: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries that wait for a commit.
    pub pending: usize,
    /// Entries that were refused because too many waited.
    pub refused: u64,
    /// Unconfirmed entries that were removed for the bounds since the opening.
    pub dropped: u64,
}

/// The log. INVARIANT: numbers `first..next` are durable, `next..next + pending.len()` wait.
pub struct Journal {
    folder: Folder,
    options: JournalOptions,
    epoch: u64,
    names: NamesFile,
    segments: VecDeque<Segment>,
    /// `None` before the first commit and after a failed one.
    writer: Option<SegmentWriter>,
    pending: VecDeque<Vec<u8>>,
    next: u64,
    confirmed: u64,
    stats: JournalStats,
    cache: Option<(u64, Arc<Vec<Group>>)>,
    _lock: FolderLock,
}

/// The refused entry: too many wait for a disk that does not write, or it is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the journal takes no more until its disk writes")]
pub struct JournalFull;

impl Journal {
    /// Opens or creates the folder. `fresh` is the identity that a new journal gets: a random number.
    ///
    /// # Errors
    /// The folder is in use or cannot be read or written, or the file of names or of the identity is damaged.
    pub fn open(
        folder: &Path,
        options: JournalOptions,
        fresh: u64,
    ) -> Result<(Self, JournalRecovery), HistorianError> {
        Self::open_on(Arc::new(RealDisk), folder, options, fresh)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        options: JournalOptions,
        fresh: u64,
    ) -> Result<(Self, JournalRecovery), HistorianError> {
        let folder = Folder { disk, path: path.to_owned() };
        folder.disk.create_folder(path).map_err(at(path))?;
        let lock_path = folder.file("LOCK");
        let lock = folder.disk.lock(&lock_path).map_err(|error| match error {
            TryLockError::WouldBlock => HistorianError::InUse { path: path.to_owned() },
            TryLockError::Error(error) => at(&lock_path)(error),
        })?;
        let epoch = read_epoch(&folder, fresh)?;
        let names = NamesFile::open(&folder)?;
        let (segments, recovery) = read_segments(&folder)?;
        let next = segments.back().map_or(1, |segment| segment.next);
        let journal = Self {
            folder,
            options,
            epoch,
            names,
            segments,
            writer: None,
            pending: VecDeque::new(),
            next,
            confirmed: 0,
            stats: JournalStats::default(),
            cache: None,
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    /// Identity of the log.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Names of a kind, in the order of their numbers.
    pub fn names(&self, kind: u8) -> &[String] {
        self.names.of(kind)
    }

    /// The numbers of names, new ones being given and made durable. Kinds: 0 and 1.
    ///
    /// # Errors
    /// The file cannot be written; then nothing was given.
    pub fn number(&mut self, kind: u8, names: &[&str]) -> Result<Vec<u32>, HistorianError> {
        self.names.number(&self.folder, kind, names)
    }

    /// First number held, or the next one to be given.
    pub fn first(&self) -> u64 {
        self.segments.front().map_or(self.next, |segment| segment.first)
    }

    /// Number after the last durable entry.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Counts.
    pub fn stats(&self) -> JournalStats {
        JournalStats {
            first: self.first(),
            next: self.next,
            bytes: self.segments.iter().map(|segment| segment.bytes).sum(),
            pending: self.pending.len(),
            ..self.stats
        }
    }

    /// Takes an entry; durable after the next commit.
    ///
    /// # Errors
    /// Too many wait. The entry is counted as refused.
    pub fn push(&mut self, entry: Vec<u8>) -> Result<(), JournalFull> {
        if self.pending.len() >= self.options.max_pending || entry.len() > MAX_ENTRY {
            self.stats.refused += 1;
            return Err(JournalFull);
        }
        self.pending.push_back(entry);
        Ok(())
    }

    /// Whether something waits for a commit.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes everything durable that waits, and keeps the bounds. Returns the number after the last durable entry.
    ///
    /// # Errors
    /// Nothing of what waits counts as durable; it waits on for the next call.
    pub fn commit(&mut self, now: Utc) -> Result<u64, HistorianError> {
        while !self.pending.is_empty() {
            let group = Group::of(self.next, now, self.pending.iter().map(Vec::as_slice));
            let count = group.count();
            self.write(group, now)?;
            self.pending.drain(..count);
            self.next += count as u64;
        }
        self.keep_bounds(now);
        Ok(self.next)
    }

    fn write(&mut self, group: Group, now: Utc) -> Result<(), HistorianError> {
        let full = self.writer.is_some()
            && self.segments.back().is_some_and(|last| {
                last.bytes >= self.options.segment_bytes || now.since(last.begun) >= self.span()
            });
        // Taken out and put back only after a success: the end of a file after a failure is unknown.
        let (mut writer, fresh) = match self.writer.take().filter(|_| !full) {
            Some(writer) => (writer, None),
            None => {
                let (writer, segment) = SegmentWriter::create(&self.folder, self.next, now)?;
                (writer, Some(segment))
            }
        };
        let written = writer.append(&group)?;
        // Not before it is on the disk: the last file of the list is never removed, and tells the next number.
        if let Some(segment) = fresh {
            self.list(segment);
        }
        if let Some(last) = self.segments.back_mut() {
            (last.next, last.latest, last.bytes) = (group.end(), now, last.bytes + written);
            match &mut self.cache {
                // Whoever has caught up reads from memory.
                Some((first, groups)) if *first == last.first => Arc::make_mut(groups).push(group),
                Some(_) | None => {}
            }
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// A new file, possibly in the place of one that had nothing but its number.
    fn list(&mut self, segment: Segment) {
        self.segments.retain(|known| known.first != segment.first);
        self.cache = self.cache.take().filter(|(first, _)| *first != segment.first);
        self.segments.push_back(segment);
    }

    /// A file spans no more than this, so that the bound in time is kept to a part of it.
    fn span(&self) -> Duration {
        self.options.keep / 36
    }

    /// Removes the oldest files while they are beyond a bound; never the one that is written.
    fn keep_bounds(&mut self, now: Utc) {
        let mut bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        while self.segments.len() > 1
            && let Some(oldest) = self.segments.front()
            && (bytes > self.options.max_bytes || now.since(oldest.latest) > self.options.keep)
        {
            bytes -= oldest.bytes;
            self.stats.dropped += oldest.next.saturating_sub(oldest.first.max(self.confirmed));
            self.remove_oldest();
        }
    }

    /// Everything before this number need not be kept.
    pub fn confirm(&mut self, number: u64) {
        self.confirmed = self.confirmed.max(number.min(self.next));
        while self.segments.len() > 1
            && self.segments.front().is_some_and(|oldest| oldest.next <= self.confirmed)
        {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.folder.discard(&segment::path(&self.folder, segment.first));
        }
    }

    /// Goes on with this number, if it is larger than the next one: whoever reads has more than is left here. What is
    /// held stays until it is removed for the bounds.
    ///
    /// # Errors
    /// The new file cannot be written.
    pub fn skip_to(&mut self, number: u64, now: Utc) -> Result<(), HistorianError> {
        if number > self.next {
            self.writer = None;
            let (mut writer, segment) = SegmentWriter::create(&self.folder, number, now)?;
            // An empty group makes the number durable.
            writer.append(&Group::of(number, now, std::iter::empty()))?;
            self.next = number;
            self.list(segment);
            self.writer = Some(writer);
        }
        Ok(())
    }

    /// Durable entries from a number on, at most so many.
    ///
    /// # Errors
    /// The file cannot be read. Damage is no error but a gap.
    pub fn read(&mut self, from: u64, most: usize) -> Result<JournalRead, HistorianError> {
        if from >= self.next {
            return Ok(JournalRead::Entries(Vec::new()));
        }
        let at = self.segments.partition_point(|segment| segment.next <= from);
        let Some(segment) = self.segments.get(at) else {
            return Ok(JournalRead::GapTo(self.next));
        };
        let (first, end) = (segment.first, segment.next);
        let groups = self.groups(first)?;
        let at = groups.partition_point(|group| group.end() <= from);
        let mut entries = Vec::new();
        let mut wanted = from;
        for group in &groups[at..] {
            if group.first > wanted || entries.len() >= most || group.first >= end {
                break;
            }
            // Behind a failed write the next file holds the same numbers again, and counts.
            let last = end.min(group.end());
            let part = group.entries(wanted, last).take(most - entries.len());
            let before = entries.len();
            entries.extend(part.map(<[u8]>::to_vec));
            wanted += (entries.len() - before) as u64;
        }
        if entries.is_empty() {
            let there = groups.get(at).map_or(end, |group| group.first.clamp(from + 1, end));
            return Ok(JournalRead::GapTo(there));
        }
        Ok(JournalRead::Entries(entries))
    }

    /// The groups of a file, kept for the next call: reading goes through a file in small steps.
    fn groups(&mut self, first: u64) -> Result<Arc<Vec<Group>>, HistorianError> {
        if let Some((known, groups)) = &self.cache
            && *known == first
        {
            return Ok(Arc::clone(groups));
        }
        let path = segment::path(&self.folder, first);
        let bytes = self.folder.disk.read(&path).map_err(at(&path))?;
        let groups = Arc::new(segment::groups(&scan(&bytes)));
        self.cache = Some((first, Arc::clone(&groups)));
        Ok(groups)
    }
}

/// The identity of the log, made if there is none.
fn read_epoch(folder: &Folder, fresh: u64) -> Result<u64, HistorianError> {
    let path = folder.file("epoch");
    let names = folder.names()?;
    if names.iter().any(|name| name == "epoch") {
        let bytes = folder.disk.read(&path).map_err(at(&path))?;
        let found = scan(&bytes).frames.first().and_then(|(_, payload)| payload.first_chunk::<8>().copied());
        let reason = "the identity of the journal; move the folder away to begin a new one";
        let octets = found.ok_or_else(|| HistorianError::damaged(&path, reason))?;
        return Ok(u64::from_le_bytes(octets));
    }
    let mut bytes = Vec::new();
    write_frame(&fresh.to_le_bytes(), &mut bytes);
    folder.replace(&path, &bytes)?;
    Ok(fresh)
}

/// Reads every file once; empty ones of a crash go, torn ends are cut off.
fn read_segments(folder: &Folder) -> Result<(VecDeque<Segment>, JournalRecovery), HistorianError> {
    let mut recovery = JournalRecovery::default();
    let mut numbers: Vec<u64> =
        folder.names()?.iter().filter_map(|name| number_in(name, "seg-", ".log")).collect();
    numbers.sort_unstable();
    let mut segments: VecDeque<Segment> = VecDeque::new();
    for first in numbers {
        let path = segment::path(folder, first);
        let bytes = folder.disk.read(&path).map_err(at(&path))?;
        let found = scan(&bytes);
        recovery.damaged += found.damaged.len();
        if let Some(torn) = found.torn {
            recovery.torn_bytes += (bytes.len() - torn) as u64;
            let mut file = folder.disk.open(&path, Mode::Edit).map_err(at(&path))?;
            file.set_len(torn as u64).and_then(|()| file.sync()).map_err(at(&path))?;
        }
        match Segment::of(first, &segment::groups(&found), bytes.len() as u64) {
            Some(segment) => {
                // Where a write failed the next file begins with the numbers that the one before may hold, too.
                while segments.back().is_some_and(|before| before.first >= segment.first) {
                    segments.pop_back();
                }
                if let Some(before) = segments.back_mut() {
                    before.next = before.next.min(segment.first);
                }
                segments.push_back(segment);
            }
            None => folder.discard(&path),
        }
    }
    Ok((segments, recovery))
}

#[cfg(test)]
mod tests;
