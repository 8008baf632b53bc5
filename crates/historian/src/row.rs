//! What is kept.

use timebase::Utc;

/// One series: one point by its mRID. Dense, and stable for the life of the folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeriesId(pub u32);

/// One change of one series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    /// The series.
    pub series: SeriesId,
    /// When: source time if it is valid, else receive time.
    pub time: Utc,
    /// The value; a discrete one as its number, NaN for one that has none.
    pub value: f64,
    /// Bits of `signal::Quality`.
    pub quality: u16,
    /// Kind of the point, as the caller numbers them.
    pub kind: u8,
}

impl Row {
    /// Bytes of a row in the WAL.
    pub(crate) const BYTES: usize = 4 + 8 + 8 + 2 + 1;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.series.0.to_le_bytes());
        out.extend(self.time.as_micros().to_le_bytes());
        out.extend(self.value.to_bits().to_le_bytes());
        out.extend(self.quality.to_le_bytes());
        out.push(self.kind);
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            std::array::from_fn(|offset| bytes[at + offset])
        }
        Self {
            series: SeriesId(u32::from_le_bytes(part(bytes, 0))),
            time: Utc::from_micros(i64::from_le_bytes(part(bytes, 4))),
            value: f64::from_bits(u64::from_le_bytes(part(bytes, 12))),
            quality: u16::from_le_bytes(part(bytes, 20)),
            kind: bytes[22],
        }
    }

    /// Order of rows in a segment.
    pub(crate) fn key(&self) -> (SeriesId, Utc) {
        (self.series, self.time)
    }
}

/// A span of time, from its start up to but without its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First instant.
    pub from: Utc,
    /// First instant after it.
    pub to: Utc,
}

impl Span {
    /// Everything except the very last microsecond that can be written.
    pub const ALL: Self = Self { from: Utc::from_micros(i64::MIN), to: Utc::from_micros(i64::MAX) };

    /// Whether the instant lies in it.
    pub fn contains(self, time: Utc) -> bool {
        self.from <= time && time < self.to
    }
}

/// The worse validity of both and every flag of either, in the bits of `signal::Quality`.
pub fn worst_quality(a: u16, b: u16) -> u16 {
    const VALIDITY: u16 = 3;
    (a & VALIDITY).max(b & VALIDITY) | ((a | b) & !VALIDITY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use signal::{Detail, Quality, Source, Validity};

    #[test]
    fn encoding_is_read_back() {
        let row = Row {
            series: SeriesId(0x0102_0304),
            time: Utc::from_micros(-5),
            value: -1.25e-300,
            quality: 0x8104,
            kind: 3,
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert_eq!(Row::decode(bytes.as_slice().try_into().unwrap()), row);
    }

    #[test]
    fn the_worst_of_two_qualities() {
        let old = Quality::questionable(Detail::OLD_DATA);
        let substituted = Quality { source: Source::Substituted, ..Quality::GOOD };
        let worst = Quality::from_bits(worst_quality(old.to_bits(), substituted.to_bits()));
        assert_eq!(worst, Quality { source: Source::Substituted, ..old });
        let invalid = Quality::invalid(Detail::FAILURE);
        let worst = Quality::from_bits(worst_quality(invalid.to_bits(), old.to_bits()));
        assert_eq!((worst.validity, worst.detail), (Validity::Invalid, Detail::FAILURE | Detail::OLD_DATA));
    }
}
