//! A file of the journal: frames, each a group of entries.
//!
//! Payload of a frame: number of the first entry (u64) · time of the commit (i64, µs UTC) · entries, each `length (u16) ·
//! bytes`. Little-endian.

use crate::disk::{DiskFile, Mode};
use crate::error::{HistorianError, at};
use crate::files::Folder;
use crate::frame::{Scan, write_frame};
use std::path::PathBuf;
use timebase::Utc;

/// Bytes of a group before its entries.
const HEAD: usize = 16;
/// Bytes of a group at most: what one read takes into memory at once stays small.
const GROUP_BYTES: usize = 256 << 10;

/// Where the entries from a number on are.
pub(super) fn path(folder: &Folder, first: u64) -> PathBuf {
    folder.file(&format!("seg-{first:020}.log"))
}

/// What is known of a file without reading it.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    /// Number after its last entry that counts.
    pub(super) next: u64,
    pub(super) bytes: u64,
    /// Time of its first commit.
    pub(super) begun: Utc,
    /// Time of its last commit.
    pub(super) latest: Utc,
}

impl Segment {
    /// `None` if nothing is in it.
    pub(super) fn of(first: u64, groups: &[Group], bytes: u64) -> Option<Self> {
        let (begun, last) = (groups.first()?, groups.last()?);
        Some(Self { first, next: last.end(), bytes, begun: begun.time, latest: last.time })
    }
}

/// Consecutive entries that were committed together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) first: u64,
    time: Utc,
    payload: Vec<u8>,
    /// Where each entry is in the payload.
    places: Vec<std::ops::Range<usize>>,
}

impl Group {
    /// As many of the entries as a group takes; at least one if there is one.
    pub(super) fn of<'a>(first: u64, time: Utc, entries: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut payload = first.to_le_bytes().to_vec();
        payload.extend(time.as_micros().to_le_bytes());
        let mut places = Vec::new();
        for entry in entries {
            if payload.len() >= GROUP_BYTES {
                break;
            }
            // Entries are bounded by MAX_ENTRY, which fits.
            payload.extend(u16::try_from(entry.len()).unwrap_or(u16::MAX).to_le_bytes());
            let start = payload.len();
            payload.extend(entry);
            places.push(start..payload.len());
        }
        Self { first, time, payload, places }
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let first = u64::from_le_bytes(*payload.first_chunk()?);
        let time = Utc::from_micros(i64::from_le_bytes(*payload.get(8..)?.first_chunk()?));
        let (mut places, mut at) = (Vec::new(), HEAD);
        while at < payload.len() {
            let length = usize::from(u16::from_le_bytes(*payload.get(at..)?.first_chunk()?));
            let place = at + 2..at + 2 + length;
            payload.get(place.clone())?;
            at = place.end;
            places.push(place);
        }
        Some(Self { first, time, payload: payload.to_vec(), places })
    }

    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.places.len() as u64)
    }

    /// Entries of the numbers from `from` up to but without `to`.
    pub(super) fn entries(&self, from: u64, to: u64) -> impl Iterator<Item = &[u8]> {
        let numbered = (self.first..).zip(&self.places);
        let wanted = numbered.filter(move |(number, _)| (from..to).contains(number));
        wanted.map(|(_, place)| &self.payload[place.clone()])
    }
}

/// The groups of a file in order; where a number is there twice the later one counts.
pub(super) fn groups(found: &Scan<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for group in found.frames.iter().filter_map(|(_, payload)| Group::parse(payload)) {
        while groups.last().is_some_and(|known| known.first >= group.first) {
            groups.pop();
        }
        groups.push(group);
    }
    groups
}

/// The file that is being written.
pub(super) struct SegmentWriter {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    folder: Option<Folder>,
}

impl SegmentWriter {
    /// A new file in the place of what a failed write may have left there.
    pub(super) fn create(folder: &Folder, first: u64, now: Utc) -> Result<(Self, Segment), HistorianError> {
        let path = path(folder, first);
        let file = folder.disk.open(&path, Mode::Replace).map_err(at(&path))?;
        let segment = Segment { first, next: first, bytes: 0, begun: now, latest: now };
        Ok((Self { path, file, folder: Some(folder.clone()) }, segment))
    }

    /// Writes a group and returns when it is on the disk, with its bytes. After an error the file must not be written again.
    pub(super) fn append(&mut self, group: &Group) -> Result<u64, HistorianError> {
        let mut bytes = Vec::with_capacity(group.payload.len() + 16);
        write_frame(&group.payload, &mut bytes);
        self.file.append(&bytes).and_then(|()| self.file.sync()).map_err(at(&self.path))?;
        // The first group makes the name durable as well.
        if let Some(folder) = self.folder.take() {
            folder.sync()?;
        }
        Ok(bytes.len() as u64)
    }
}
