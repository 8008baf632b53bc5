//! Records in a file: `MAGIC · length (u32) · CRC-32C (u32) over length and payload · payload`, little-endian.

use crate::crc::crc32c;
use std::ops::Range;
use std::path::PathBuf;

const MAGIC: [u8; 4] = *b"TLR\x02";
const HEADER: usize = 12;
/// Longest payload; a longer one is damage.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;

/// A part of a file that doesn't hold what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Which file.
    pub path: PathBuf,
    /// Which of its bytes.
    pub bytes: Range<u64>,
}

/// Appends a record.
pub(crate) fn write_frame(payload: &[u8], out: &mut Vec<u8>) {
    // Callers keep below MAX_PAYLOAD, which fits.
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(MAGIC);
    out.extend(len);
    out.extend(crc32c(&[&len, payload]).to_le_bytes());
    out.extend(payload);
}

/// What is in a file of records.
#[derive(Debug, Default)]
pub(crate) struct Scan<'a> {
    /// Places and payloads of whole records in order.
    pub(crate) frames: Vec<(Range<usize>, &'a [u8])>,
    /// Parts that are no record although a whole one follows.
    pub(crate) damaged: Vec<Range<usize>>,
    /// Begin of what is no record at the end.
    pub(crate) torn: Option<usize>,
}

/// Reads records until the end; steps over damage to the next whole record.
pub(crate) fn scan(bytes: &[u8]) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        if let Some((payload, next)) = frame_at(bytes, at) {
            scan.frames.push((at..next, payload));
            at = next;
        } else if let Some(next) = next_frame(bytes, at + 1) {
            scan.damaged.push(at..next);
            at = next;
        } else {
            scan.torn = Some(at);
            at = bytes.len();
        }
    }
    scan
}

fn length_at(bytes: &[u8]) -> Option<usize> {
    let len = bytes.get(4..8)?.try_into().map(u32::from_le_bytes).ok()?;
    usize::try_from(len).ok().filter(|len| *len <= MAX_PAYLOAD)
}

fn frame_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let bytes = bytes.get(at..)?;
    if !bytes.starts_with(&MAGIC) {
        return None;
    }
    let len = length_at(bytes)?;
    let crc = bytes.get(8..HEADER)?.try_into().map(u32::from_le_bytes).ok()?;
    let payload = bytes.get(HEADER..HEADER + len)?;
    (crc32c(&[&bytes[4..8], payload]) == crc).then_some((payload, at + HEADER + len))
}

fn next_frame(bytes: &[u8], from: usize) -> Option<usize> {
    let starts = bytes.get(from..)?.windows(MAGIC.len()).enumerate();
    let mut candidates = starts.filter(|(_, start)| **start == MAGIC).map(|(offset, _)| from + offset);
    candidates.find(|at| frame_at(bytes, *at).is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAYLOADS: [&[u8]; 4] = [b"one", b"", b"TLR\x02 inside", b"four"];

    fn file() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for payload in PAYLOADS {
            starts.push(bytes.len());
            write_frame(payload, &mut bytes);
        }
        (bytes, starts)
    }

    fn payloads<'a>(found: &Scan<'a>) -> Vec<&'a [u8]> {
        found.frames.iter().map(|(_, payload)| *payload).collect()
    }

    #[test]
    fn a_tail_cut_anywhere_is_torn() {
        let (bytes, starts) = file();
        for len in 0..=bytes.len() {
            let found = scan(&bytes[..len]);
            let whole = starts.iter().skip(1).chain([&bytes.len()]).filter(|end| **end <= len).count();
            assert_eq!(payloads(&found), PAYLOADS[..whole], "cut at {len}");
            let at_border = len == bytes.len() || starts.contains(&len);
            assert_eq!((found.torn.is_none(), found.damaged.len()), (at_border, 0), "cut at {len}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found_and_costs_one_record() {
        let (bytes, starts) = file();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let hit = starts.iter().rposition(|start| *start <= bit / 8).unwrap();
            let found = scan(&bytes);
            let mut wanted = PAYLOADS.to_vec();
            wanted.remove(hit);
            assert_eq!(payloads(&found), wanted, "bit {bit}");
            assert!(found.torn.is_some() != (found.damaged.len() == 1), "bit {bit}");
            assert_eq!(found.torn.is_some(), hit == PAYLOADS.len() - 1, "bit {bit}");
        }
    }

    #[test]
    fn any_bytes_are_taken() {
        for fill in [0, 0xff, b'T'] {
            assert!(scan(&[fill; 100]).frames.is_empty());
        }
        let mut huge = MAGIC.to_vec();
        huge.extend([0xff; 20]);
        assert_eq!(scan(&huge).torn, Some(0));
    }
}
