//! Times as people write them on the command line.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use timebase::{Civil, Utc, Zone};

const FORMS: &str = "2026-03-29, 2026-03-29T10:00, 2026-03-29T10:00:00.5 with --zone, or with an offset at the end: +01:00 or Z";

/// An instant: ISO 8601 with an offset or `Z`, or a date and time of day in a zone.
pub(super) fn instant(text: &str, zone: Option<&str>) -> Result<Utc> {
    if let Some(utc) = Utc::parse_iso_8601(text) {
        return Ok(utc);
    }
    let Some(civil) = civil(text) else { bail!("{text:?} is no time (hint: {FORMS})") };
    let Some(zone) = zone else {
        bail!(
            "{text:?} does not say in which time zone (hint: +01:00 or Z at its end, or --zone Europe/Berlin)"
        )
    };
    let zone = self::zone(zone)?;
    let at = |summer| Civil { summer, ..civil }.to_utc(&zone);
    let (first, last) = (at(true), at(false));
    let (Ok(first), Ok(last)) = (first, last) else { bail!("{text:?} is no time (hint: {FORMS})") };
    if first == last {
        return Ok(first);
    }
    if shows(civil, first, &zone) {
        bail!("{text:?} comes twice, when the clocks go back (hint: give its offset, {first} is the first)");
    }
    bail!("{text:?} does not exist, the clocks go forward there (hint: an hour later)")
}

fn zone(name: &str) -> Result<Zone> {
    Zone::named(name).map_err(|_| {
        anyhow::anyhow!(
            "no time zone {name:?} (hint: a name of the IANA database, like Europe/Berlin or UTC)"
        )
    })
}

fn shows(civil: Civil, utc: Utc, zone: &Zone) -> bool {
    let seen = Civil::from_utc(utc, zone);
    (seen.hour, seen.minute) == (civil.hour, civil.minute)
}

fn civil(text: &str) -> Option<Civil> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next().unwrap_or("00"));
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
    if date.next().is_some() || clock.next().is_some() || year.len() != 4 {
        return None;
    }
    let digits = (1..=3).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    Some(Civil {
        year: year.parse().ok()?,
        month: two(month)?,
        day: two(day)?,
        weekday: 1,
        hour: two(hour)?,
        minute: two(minute)?,
        second: two(second)?,
        millisecond: digits.then(|| format!("{fraction:0<3}").parse().ok()).flatten()?,
        summer: false,
    })
}

/// A length of time: `500ms`, `10s`, `15min`, `1h`, `1d`; a bare number is in seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err("give a length of time like 500ms, 10s, 15min, 1h or 1d".to_owned()),
    };
    match number.parse::<f64>().map(|number| number * seconds) {
        Ok(seconds) if (1e-3..=3.2e8).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) | Err(_) => {
            Err("give a length of time of 1ms to 3650d, like 500ms, 10s, 15min or 1h".to_owned())
        }
    }
}

/// Equal steps from the begin up to but without the end.
pub(super) struct Steps {
    next: Utc,
    end: Utc,
    step: Duration,
}

impl Steps {
    pub(super) fn new(from: Utc, end: Utc, step: Duration) -> Result<Self> {
        let span = end.since(from).as_micros();
        let count = span / step.as_micros().max(1);
        u32::try_from(count).ok().context("more than four billion steps (hint: a longer --step)")?;
        Ok(Self { next: from, end, step })
    }
}

impl Iterator for Steps {
    type Item = Utc;

    fn next(&mut self) -> Option<Utc> {
        let now = Some(self.next).filter(|now| *now < self.end)?;
        self.next = now + self.step;
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, zone: Option<&str>, wanted: Result<&str, &str>) {
        match (instant(text, zone), wanted) {
            (Ok(found), Ok(wanted)) => assert_eq!(found.to_string(), wanted, "{text}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn times_are_read_in_their_zone() {
        let berlin = Some("Europe/Berlin");
        check("2026-03-28T12:00:00+01:00", None, Ok("2026-03-28T11:00:00.000Z"));
        check("2026-03-28T12:00:00Z", berlin, Ok("2026-03-28T12:00:00.000Z"));
        check("2026-03-28", berlin, Ok("2026-03-27T23:00:00.000Z"));
        check("2026-07-01 12:30", berlin, Ok("2026-07-01T10:30:00.000Z"));
        check("2026-07-01T12:30:10.25", berlin, Ok("2026-07-01T10:30:10.250Z"));
        check("2026-07-01", None, Err("which time zone"));
        check("2026-13-01", berlin, Err("is no time"));
        check("tomorrow", berlin, Err("is no time"));
        check("2026-07-01T1:00", berlin, Err("is no time"));
        check("2026-07-01", Some("Europe/Atlantis"), Err("no time zone"));
        check("2026-10-25T02:30", berlin, Err("comes twice"));
        check("2026-03-29T02:30", berlin, Err("does not exist"));
    }

    #[test]
    fn lengths_have_units() {
        assert_eq!(duration("15min"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "x", "5 weeks", "0s", "-1s", "inf", "NaNs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
