//! Civil time of a place, for the wire formats and screens that speak it. Zones come from the bundled IANA
//! database, so the result does not depend on the machine.

use crate::Utc;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;

/// A named time zone of the IANA database.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone with an IANA name such as `Europe/Zurich`.
    pub fn named(name: &str) -> Result<Self, CivilError> {
        jiff::tz::TimeZoneDatabase::bundled()
            .get(name)
            .map(Self)
            .map_err(|_| CivilError::UnknownZone(name.to_owned()))
    }
}

/// A reading of a wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Civil {
    /// Year of the common era, 1..=9999.
    pub year: i16,
    /// Month, 1..=12.
    pub month: u8,
    /// Day of the month, 1..=31.
    pub day: u8,
    /// Day of the week, Monday = 1 … Sunday = 7 (ISO 8601).
    pub weekday: u8,
    /// Hour, 0..=23.
    pub hour: u8,
    /// Minute, 0..=59.
    pub minute: u8,
    /// Second, 0..=59.
    pub second: u8,
    /// Millisecond, 0..=999.
    pub millisecond: u16,
    /// Whether daylight saving time was in force.
    pub summer: bool,
}

impl Civil {
    /// What a wall clock in `zone` shows at `utc`. Instants outside the years 1 to 9999 show the nearest end.
    pub fn from_utc(utc: Utc, zone: &Zone) -> Self {
        let micros = utc.as_micros();
        let stamp = Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        let info = zone.0.to_offset_info(stamp);
        let at = info.offset().to_datetime(stamp);
        let narrow = |value: i8| u8::try_from(value).unwrap_or_default();
        Self {
            year: at.year(),
            month: narrow(at.month()),
            day: narrow(at.day()),
            weekday: narrow(at.weekday().to_monday_one_offset()),
            hour: narrow(at.hour()),
            minute: narrow(at.minute()),
            second: narrow(at.second()),
            millisecond: u16::try_from(at.millisecond()).unwrap_or_default(),
            summer: info.dst().is_dst(),
        }
    }

    /// The instant at which a wall clock in `zone` showed this. In the hour that the end of daylight saving
    /// repeats, `summer` decides; in the hour that its start skips, the offset before the gap is used.
    pub fn to_utc(self, zone: &Zone) -> Result<Utc, CivilError> {
        let signed = |value: u8| i8::try_from(value).map_err(|_| CivilError::NoSuchTime);
        let nanos = i32::from(self.millisecond) * 1_000_000;
        let at = DateTime::new(
            self.year,
            signed(self.month)?,
            signed(self.day)?,
            signed(self.hour)?,
            signed(self.minute)?,
            signed(self.second)?,
            nanos,
        )
        .map_err(|_| CivilError::NoSuchTime)?;
        let ambiguous = zone.0.to_ambiguous_timestamp(at);
        let stamp = if self.summer { ambiguous.earlier() } else { ambiguous.later() };
        stamp.map(|stamp| Utc::from_micros(stamp.as_microsecond())).map_err(|_| CivilError::NoSuchTime)
    }
}

/// Why a civil time could not be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CivilError {
    /// The name is not in the IANA database.
    UnknownZone(String),
    /// No calendar has such a day or clock such a time.
    NoSuchTime,
}

impl fmt::Display for CivilError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownZone(name) => write!(f, "no time zone named {name:?}"),
            Self::NoSuchTime => f.write_str("no such date or time"),
        }
    }
}

impl std::error::Error for CivilError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Summer time in Zurich ended on 2026-10-25 at 03:00 CEST = 01:00Z (Directive 2000/84/EC).
    #[test]
    fn the_repeated_hour_is_told_apart_by_the_summer_bit() {
        let zurich = Zone::named("Europe/Zurich").unwrap_or(Zone::UTC);
        for micros in [1_792_888_200_000_000, 1_792_891_800_000_000] {
            let utc = Utc::from_micros(micros);
            let civil = Civil::from_utc(utc, &zurich);
            assert_eq!((civil.hour, civil.minute, civil.weekday), (2, 30, 7));
            assert_eq!(civil.to_utc(&zurich), Ok(utc));
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        let mut civil = Civil::from_utc(Utc::from_micros(0), &Zone::UTC);
        civil.month = 2;
        civil.day = 30;
        assert_eq!(civil.to_utc(&Zone::UTC), Err(CivilError::NoSuchTime));
        assert!(Zone::named("Europe/Atlantis").is_err());
    }
}
