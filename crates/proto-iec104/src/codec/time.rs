//! Seven-octet binary time CP56Time2a, IEC 60870-5-101 7.2.6.18.

use std::fmt;
use timebase::{Civil, ClockQuality, Utc, UtcStamp, Zone};

/// CP56Time2a as it stands on the wire. Any seven octets are one; only [`Cp56Time2a::to_utc`] asks for sense.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cp56Time2a([u8; 7]);

impl Cp56Time2a {
    /// Octets on the wire.
    pub const OCTETS: usize = 7;
    /// Two-digit years below this are of the 21st century, the others of the 20th.
    const CENTURY_PIVOT: u8 = 70;

    /// The tag with these octets.
    pub const fn from_octets(octets: [u8; 7]) -> Self {
        Self(octets)
    }

    /// The octets.
    pub const fn octets(self) -> [u8; 7] {
        self.0
    }

    /// The tag of a stamp, as a clock in `zone` shows it.
    pub fn from_utc(stamp: UtcStamp, zone: &Zone) -> Self {
        let civil = Civil::from_utc(stamp.time, zone);
        let millis = u16::from(civil.second) * 1000 + civil.millisecond;
        let [low, high] = millis.to_le_bytes();
        let invalid = match stamp.quality {
            ClockQuality::Synchronised => 0,
            ClockQuality::Unsynchronised | ClockQuality::Invalid => 0x80,
        };
        let summer = if civil.summer { 0x80 } else { 0 };
        let year = u8::try_from(civil.year.rem_euclid(100)).unwrap_or_default();
        Self([
            low,
            high,
            civil.minute | invalid,
            civil.hour | summer,
            civil.day | civil.weekday << 5,
            civil.month,
            year,
        ])
    }

    /// The instant that a clock in `zone` showed as this tag; `None` where no calendar has it.
    pub fn to_utc(self, zone: &Zone) -> Option<UtcStamp> {
        let [low, high, minute, hour, day, month, year] = self.0;
        let millis = u16::from_le_bytes([low, high]);
        // Some stations count from 1900 (109 for 2009, as captures show); the standard ends at 99.
        let year = i16::from(year & 0x7F) % 100;
        let century = if year < i16::from(Self::CENTURY_PIVOT) { 2000 } else { 1900 };
        let civil = Civil {
            year: century + year,
            month: month & 0x0F,
            day: day & 0x1F,
            weekday: day >> 5,
            hour: hour & 0x1F,
            minute: minute & 0x3F,
            second: u8::try_from(millis / 1000).ok()?,
            millisecond: millis % 1000,
            summer: self.is_summer(),
        };
        let time: Utc = civil.to_utc(zone).ok()?;
        let quality = if self.is_invalid() { ClockQuality::Invalid } else { ClockQuality::Synchronised };
        Some(UtcStamp { time, quality })
    }

    /// IV: the device's clock is not to be trusted.
    pub const fn is_invalid(self) -> bool {
        self.0[2] & 0x80 != 0
    }

    /// SU: summer time.
    pub const fn is_summer(self) -> bool {
        self.0[3] & 0x80 != 0
    }
}

impl fmt::Display for Cp56Time2a {
    /// The clock's reading as it stands, with `invalid` and `summer` where set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high, minute, hour, day, month, year] = self.0;
        let millis = u16::from_le_bytes([low, high]);
        write!(
            f,
            "{:02}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
            year & 0x7F,
            month & 0x0F,
            day & 0x1F,
            hour & 0x1F,
            minute & 0x3F,
            millis / 1000,
            millis % 1000
        )?;
        if self.is_summer() {
            f.write_str(" summer")?;
        }
        if self.is_invalid() {
            f.write_str(" invalid")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn check(octets: [u8; 7], zone: &str, micros: Option<i64>) {
        let zone = Zone::named(zone).unwrap();
        let stamp = Cp56Time2a::from_octets(octets).to_utc(&zone);
        assert_eq!(stamp.map(|stamp| stamp.time.as_micros()), micros, "{octets:02x?}");
    }

    /// Seconds by `date -d "..." +%s`.
    #[test]
    fn readings() {
        // 2024-02-29 12:34:56.789, Thursday.
        check([0xD5, 0xDD, 34, 12, 29 | 4 << 5, 2, 24], "UTC", Some(1_709_210_096_789_000));
        check([0xD5, 0xDD, 34, 13, 29 | 4 << 5, 2, 24], "Europe/Zurich", Some(1_709_210_096_789_000));
        // The day of the week may be 0: not used.
        check([0, 0, 0, 0, 1, 1, 70], "UTC", Some(0));
        // The repeated hour 2026-10-25 02:30, once in summer time and once after it.
        check([0, 0, 30, 2 | 0x80, 25, 10, 26], "Europe/Zurich", Some(1_792_888_200_000_000));
        check([0, 0, 30, 2, 25, 10, 26], "Europe/Zurich", Some(1_792_891_800_000_000));
        check([0, 0, 0, 0, 30, 2, 24], "UTC", None);
        check([0, 0, 60, 0, 1, 1, 24], "UTC", None);
        check([0x60, 0xEA, 0, 0, 1, 1, 24], "UTC", None);
        check([0xFF; 7], "UTC", None);
        // A station that counts years from 1900: 0x6D is 2009.
        check([0, 0, 0, 0, 1, 1, 0x6D], "UTC", Some(1_230_768_000_000_000));
    }

    proptest! {
        #[test]
        fn any_millisecond_of_this_century_survives(millis in 0..2_208_988_800_000_i64) {
            let zone = Zone::named("Europe/Zurich").unwrap();
            let stamp = UtcStamp::synchronised(Utc::from_micros(millis * 1000));
            prop_assert_eq!(Cp56Time2a::from_utc(stamp, &zone).to_utc(&zone), Some(stamp));
        }
    }
}
