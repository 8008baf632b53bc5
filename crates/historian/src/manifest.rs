//! The manifest: which segments count and from which log on rows are not in one yet. Replaced as a whole.

use crate::crc::crc32c;
use crate::error::{HistorianError, at};
use crate::files::{FileNo, Folder};
use std::io::ErrorKind;

const TITLE: &str = "tieline-historian";
/// Version of everything in the folder.
pub(crate) const FORMAT: u64 = 3;
/// The version before: its segments have stamps in one column and were never cleared. They become new ones by merging.
const FORMAT_BEFORE: u64 = 2;

/// A segment as the manifest knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentEntry {
    /// Number in its file name.
    pub(crate) number: FileNo,
    /// Place among the segments: rows of equal time are served in this order.
    pub(crate) order: u64,
    /// How often its rows were merged.
    pub(crate) level: u32,
    /// Number of rows.
    pub(crate) rows: u64,
    /// Tells of which classes it was cleared, see `retention`; 0 for none.
    pub(crate) cleared: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Manifest {
    /// Logs with lower numbers are in segments.
    pub(crate) wal_floor: FileNo,
    /// Number of the first row that is in no segment.
    pub(crate) next_row: u64,
    /// Sorted by order.
    pub(crate) segments: Vec<SegmentEntry>,
}

impl Manifest {
    /// Reads the manifest of the folder; `None` if there is none.
    pub(crate) fn read(folder: &Folder) -> Result<Option<Self>, HistorianError> {
        let path = folder.file("MANIFEST");
        let text = match folder.disk.read(&path) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        if let Some(found) = whole_version(&text).filter(|found| ![FORMAT, FORMAT_BEFORE].contains(found)) {
            return Err(HistorianError::Format { path, found, known: FORMAT });
        }
        Self::parse(&text).map(Some).ok_or_else(|| HistorianError::damaged(&path, "check sum or content"))
    }

    pub(crate) fn write(&self, folder: &Folder) -> Result<(), HistorianError> {
        folder.replace(&folder.file("MANIFEST"), self.to_text().as_bytes())
    }

    fn to_text(&self) -> String {
        self.text_of(FORMAT)
    }

    fn text_of(&self, version: u64) -> String {
        let mut text =
            format!("{TITLE} {version}\nwal_floor {}\nnext_row {}\n", self.wal_floor, self.next_row);
        for segment in &self.segments {
            let SegmentEntry { number, order, level, rows, cleared } = segment;
            text.push_str(&format!("segment {number} {order} {level} {rows}"));
            if version == FORMAT {
                text.push_str(&format!(" {cleared}"));
            }
            text.push('\n');
        }
        let crc = crc32c(&[text.as_bytes()]);
        text.push_str(&format!("crc32c {crc:08x}\n"));
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok();
        let version = value(TITLE).filter(|version| [FORMAT, FORMAT_BEFORE].contains(version))?;
        let (wal_floor, next_row) = (value("wal_floor")?, value("next_row")?);
        let segments = lines.map_while(|line| line.strip_prefix("segment ")).map(parse_segment);
        let manifest = Self { wal_floor, next_row, segments: segments.collect::<Option<_>>()? };
        // Only the text that this manifest gives is whole: that covers the check sum too.
        (manifest.text_of(version) == text).then_some(manifest)
    }
}

/// The version that a manifest with a good check sum names, whatever else is in it.
fn whole_version(text: &str) -> Option<u64> {
    let at = text.rfind("crc32c ")?;
    let (body, sum) = text.split_at(at);
    let sum = u32::from_str_radix(sum.strip_prefix("crc32c ")?.trim_end(), 16).ok()?;
    let version = body.lines().next()?.strip_prefix(TITLE)?.trim().parse().ok()?;
    (crc32c(&[body.as_bytes()]) == sum).then_some(version)
}

fn parse_segment(line: &str) -> Option<SegmentEntry> {
    let mut parts = line.split(' ').map(|part| part.parse::<u64>().ok());
    let mut next = || parts.next().flatten();
    let (number, order, level, rows) = (next()?, next()?, next()?, next()?);
    let cleared = next().unwrap_or(0);
    Some(SegmentEntry { number, order, level: u32::try_from(level).ok()?, rows, cleared })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest_of(version: u64, lines: &str) -> String {
        let body = format!("tieline-historian {version}\nwal_floor 0\nnext_row 0\n{lines}");
        let sum = crc32c(&[body.as_bytes()]);
        format!("{body}crc32c {sum:08x}\n")
    }

    #[test]
    fn text_is_read_back_and_every_flipped_bit_is_found() {
        let entry =
            |number| SegmentEntry { number, order: number * 2, level: 1, rows: 1_000, cleared: number };
        let manifest = Manifest { wal_floor: 7, next_row: 99, segments: vec![entry(3), entry(5)] };
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text), Some(manifest));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = String::from_utf8(bytes).ok().and_then(|text| Manifest::parse(&text));
            assert_eq!(found, None, "bit {bit}");
        }
        assert_eq!(whole_version(&text), Some(FORMAT));
        let before = Manifest::parse(&manifest_of(2, "segment 3 6 1 1000\n")).map(|found| found.segments);
        assert_eq!(before, Some(vec![SegmentEntry { cleared: 0, ..entry(3) }]));
        assert_eq!(whole_version(&manifest_of(1, "")), Some(1));
        assert_eq!(Manifest::parse(""), None);
        assert_eq!(Manifest::parse(&text[..text.len() - 1]), None);
    }
}
