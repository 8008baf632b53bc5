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
    /// When it reached the platform: milliseconds after `time`, see [`lag_ms`]. Negative for a source whose clock is ahead.
    pub lag_ms: i32,
    /// The value; a discrete one as its number, NaN for one that has none.
    pub value: f64,
    /// Bits of `signal::Quality`.
    pub quality: u16,
    /// Kind of the point, as the caller numbers them.
    pub kind: u8,
    /// 0 for what came from the field, else the number of the note that says who corrected and why. A correction
    /// is a row of its own; the original stays.
    pub note: NoteId,
}

/// Who wrote a row that did not come from the field, and why: see [`crate::Historian::note`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NoteId(pub u32);

impl NoteId {
    /// The row came from the field.
    pub const FIELD: Self = Self(0);
}

/// Receive time minus time in milliseconds, rounded down; 24.8 days either way at most.
pub fn lag_ms(time: Utc, received: Utc) -> i32 {
    let micros = i128::from(received.as_micros()) - i128::from(time.as_micros());
    let millis = micros.div_euclid(1_000);
    i32::try_from(millis).unwrap_or(if millis < 0 { i32::MIN } else { i32::MAX })
}

impl Row {
    /// Bytes of a row in the WAL.
    pub(crate) const BYTES: usize = 4 + 8 + 4 + 8 + 2 + 1 + 4;

    /// When it reached the platform, to a millisecond.
    pub fn received(&self) -> Utc {
        Utc::from_micros(self.time.as_micros().saturating_add(i64::from(self.lag_ms) * 1_000))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.series.0.to_le_bytes());
        out.extend(self.time.as_micros().to_le_bytes());
        out.extend(self.lag_ms.to_le_bytes());
        out.extend(self.value.to_bits().to_le_bytes());
        out.extend(self.quality.to_le_bytes());
        out.push(self.kind);
        out.extend(self.note.0.to_le_bytes());
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            std::array::from_fn(|offset| bytes[at + offset])
        }
        Self {
            series: SeriesId(u32::from_le_bytes(part(bytes, 0))),
            time: Utc::from_micros(i64::from_le_bytes(part(bytes, 4))),
            lag_ms: i32::from_le_bytes(part(bytes, 12)),
            value: f64::from_bits(u64::from_le_bytes(part(bytes, 16))),
            quality: u16::from_le_bytes(part(bytes, 24)),
            kind: bytes[26],
            note: NoteId(u32::from_le_bytes(part(bytes, 27))),
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
            lag_ms: -77,
            value: -1.25e-300,
            quality: 0x8104,
            kind: 3,
            note: NoteId(0xfedc_ba98),
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
