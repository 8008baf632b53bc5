//! The index beside a segment: one record (see `frame`) with the places, sums and keys of the row groups.

use crate::error::{HistorianError, at};
use crate::files::Folder;
use crate::frame::{scan, write_frame};
use crate::row::SeriesId;
use std::path::Path;
use timebase::Utc;

/// One row group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    /// First byte in the file.
    pub(crate) offset: u64,
    /// Number of bytes.
    pub(crate) len: u64,
    /// CRC-32C of these bytes.
    pub(crate) crc: u32,
    /// Number of rows.
    pub(crate) rows: u64,
    /// Key of the first row.
    pub(crate) first: (SeriesId, Utc),
    /// Key of the last row.
    pub(crate) last: (SeriesId, Utc),
    /// Earliest time.
    pub(crate) earliest: Utc,
    /// Latest time.
    pub(crate) latest: Utc,
}

/// All row groups of a segment, and what follows them in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Index {
    pub(crate) groups: Vec<Group>,
    /// First byte after the row groups: page indexes and Parquet's footer.
    pub(crate) footer: u64,
    /// Length of the file.
    pub(crate) len: u64,
    /// CRC-32C from `footer` to the end.
    pub(crate) footer_crc: u32,
}

impl Index {
    pub(crate) fn rows(&self) -> u64 {
        self.groups.iter().map(|group| group.rows).sum()
    }

    pub(crate) fn earliest(&self) -> Utc {
        self.groups.iter().map(|group| group.earliest).min().unwrap_or_default()
    }

    pub(crate) fn latest(&self) -> Utc {
        self.groups.iter().map(|group| group.latest).max().unwrap_or_default()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(32 + self.groups.len() * 80);
        for number in [self.footer, self.len, u64::from(self.footer_crc)] {
            payload.extend(number.to_le_bytes());
        }
        for group in &self.groups {
            for number in [group.offset, group.len, u64::from(group.crc), group.rows] {
                payload.extend(number.to_le_bytes());
            }
            for series in [group.first.0, group.last.0] {
                payload.extend(u64::from(series.0).to_le_bytes());
            }
            for time in [group.first.1, group.last.1, group.earliest, group.latest] {
                payload.extend(time.as_micros().to_le_bytes());
            }
        }
        let mut bytes = Vec::with_capacity(payload.len() + 16);
        write_frame(&payload, &mut bytes);
        bytes
    }

    pub(crate) fn read(folder: &Folder, path: &Path) -> Result<Self, HistorianError> {
        let bytes = folder.disk.read(path).map_err(at(path))?;
        Self::decode(&bytes).ok_or_else(|| HistorianError::damaged(path, "check sum or content"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let found = scan(bytes);
        let (1, 0, None) = (found.frames.len(), found.damaged.len(), found.torn) else { return None };
        let (words, []) = found.frames[0].1.as_chunks::<8>() else { return None };
        let mut words = words.iter().copied();
        let head = [words.next()?, words.next()?, words.next()?].map(u64::from_le_bytes);
        let mut groups = Vec::with_capacity(words.len() / 10);
        while words.len() > 0 {
            groups.push(decode_group(&mut words)?);
        }
        let [footer, len, crc] = head;
        Some(Self { groups, footer, len, footer_crc: u32::try_from(crc).ok()? })
    }
}

fn decode_group(words: &mut impl Iterator<Item = [u8; 8]>) -> Option<Group> {
    let mut number = || words.next().map(u64::from_le_bytes);
    let (offset, len, crc, rows) = (number()?, number()?, number()?, number()?);
    let mut series = || u32::try_from(number()?).ok().map(SeriesId);
    let (first, last) = (series()?, series()?);
    let mut time = || words.next().map(i64::from_le_bytes).map(Utc::from_micros);
    let (first, last) = ((first, time()?), (last, time()?));
    let (earliest, latest) = (time()?, time()?);
    Some(Group { offset, len, crc: u32::try_from(crc).ok()?, rows, first, last, earliest, latest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_back_and_every_flipped_bit_is_found() {
        let key = |series, micros| (SeriesId(series), Utc::from_micros(micros));
        let group = Group {
            offset: 4,
            len: 1_000,
            crc: 0xdead_beef,
            rows: 77,
            first: key(0, -9),
            last: key(u32::MAX, 12),
            earliest: Utc::from_micros(-9),
            latest: Utc::from_micros(99),
        };
        let index = Index { groups: vec![group; 2], footer: 2_004, len: 2_500, footer_crc: 3 };
        let bytes = index.encode();
        assert_eq!(Index::decode(&bytes), Some(index));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Index::decode(&bytes), None, "bit {bit}");
        }
    }
}
