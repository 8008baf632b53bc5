//! Time as an argument: monotonic and UTC stamps that are passed in, never read from a clock here.
//!
//! - [`Mono`] orders and measures: timers, deadlines, ages. It never jumps.
//! - [`Utc`] names an instant in civil history, in microseconds since 1970-01-01T00:00:00Z.
//! - [`Now`] carries both; everything below layer 4 is handed one.
//! - [`Discipline`] keeps a clock beside the machine's civil one without jumps.
//! - [`UtcStamp`] adds what is known about the clock that made the stamp (IEC 61850-7-2 `TimeQuality`).

mod civil;
mod discipline;

pub use civil::{Civil, CivilError, Zone};
pub use discipline::{Discipline, Finding, Reading};

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant of a monotonic clock, in nanoseconds since an origin that only its owner knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(u64);

impl Mono {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time passed since `earlier`, zero if `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// An instant of civil history: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Utc(i64);

impl Utc {
    /// The instant `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Reads ISO 8601 with an offset or `Z`, e.g. `2026-11-23T04:05:06.789Z`.
    pub fn parse_iso_8601(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|stamp| Self(stamp.as_microsecond()))
    }

    /// The span from `earlier` to this instant, zero if `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Utc {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Utc {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Utc {
    /// ISO 8601 with milliseconds, e.g. `2026-11-23T04:05:06.789Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::from_utc(*self, &Zone::UTC);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second, civil.millisecond
        )
    }
}

/// What is known about the clock that made a stamp.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ClockQuality {
    /// Locked to a reference.
    #[default]
    Synchronised,
    /// Running free: the stamp orders events of one device but may be off against the others.
    Unsynchronised,
    /// The device itself says that the stamp is wrong.
    Invalid,
}

/// A UTC instant with the quality of the clock that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UtcStamp {
    /// The instant.
    pub time: Utc,
    /// What is known about the clock.
    pub quality: ClockQuality,
}

impl UtcStamp {
    /// A stamp of a synchronised clock.
    pub const fn synchronised(time: Utc) -> Self {
        Self { time, quality: ClockQuality::Synchronised }
    }
}

/// The present moment, as the caller's clocks tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For timers, deadlines and ages.
    pub mono: Mono,
    /// For stamps.
    pub utc: Utc,
}

impl Now {
    /// This moment moved by `span` on both clocks; for simulated time.
    pub fn advanced(self, span: Duration) -> Self {
        Self { mono: self.mono + span, utc: self.utc + span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_iso_8601() {
        assert_eq!(Utc::from_micros(0).to_string(), "1970-01-01T00:00:00.000Z");
        // 2024-02-29T12:34:56.789Z, by `date -d @1709210096`.
        assert_eq!(Utc::from_micros(1_709_210_096_789_000).to_string(), "2024-02-29T12:34:56.789Z");
        assert_eq!(Utc::from_micros(-1_000).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn iso_8601_is_read_with_its_offset() {
        let check = |text: &str, micros: Option<i64>| {
            assert_eq!(Utc::parse_iso_8601(text), micros.map(Utc::from_micros), "{text}");
        };
        check("2024-02-29T12:34:56.789Z", Some(1_709_210_096_789_000));
        check("2024-02-29T13:34:56.789+01:00", Some(1_709_210_096_789_000));
        check("2024-02-29T12:34:56", None);
        check("2024-02-30T12:34:56Z", None);
        check("", None);
    }

    #[test]
    fn spans_never_go_negative() {
        assert_eq!(Mono::ZERO.since(Mono::from_nanos(5)), Duration::ZERO);
        assert_eq!(Utc::from_micros(1).since(Utc::from_micros(9)), Duration::ZERO);
    }
}
