//! How fast the record lane may go, so that neither processors nor path are busy with the past when something happens.
//!
//! A token bucket. Its rate is a multiple of what comes live, and never less than a floor: a backlog is worked off many times
//! faster than it came about, and a reading that comes meanwhile meets a short batch at most.

use std::time::Duration;
use timebase::Mono;

/// Entries per second at least.
const FLOOR: f64 = 10_000.0;
/// Entries per live entry.
const TIMES_LIVE: f64 = 20.0;
/// Entries that may leave at once after a pause.
const BURST: f64 = 1_024.0;
/// Entries of a batch at least, if there are as many, and the share of a second that a batch may be.
const BATCH: f64 = 128.0;
const BATCH_S: f64 = 0.0125;
/// What comes live is measured over this time.
const MEASURED: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pace {
    tokens: f64,
    at: Mono,
    rate: f64,
    live: u64,
    live_since: Mono,
}

impl Pace {
    pub(super) fn new(now: Mono) -> Self {
        Self { tokens: BURST, at: now, rate: FLOOR, live: 0, live_since: now }
    }

    /// Entries left on the live lane.
    pub(super) fn live(&mut self, entries: usize) {
        self.live += entries as u64;
    }

    /// Entries left on the record lane.
    pub(super) fn took(&mut self, entries: usize) {
        self.tokens -= entries as f64;
    }

    /// How many of `most` may leave now, and if none when to ask again.
    pub(super) fn allows(&mut self, now: Mono, most: u64) -> Result<u64, Mono> {
        let measured = now.since(self.live_since);
        if measured >= MEASURED {
            let live_rate = self.live as f64 / measured.as_secs_f64();
            self.rate = (live_rate * TIMES_LIVE).max(FLOOR);
            (self.live, self.live_since) = (0, now);
        }
        self.tokens =
            (self.tokens + self.rate * now.since(self.at).as_secs_f64()).min(BURST.max(self.batch()));
        self.at = now;
        let wanted = (most as f64).min(self.batch());
        if self.tokens >= wanted {
            // At most a batch.
            return Ok(wanted as u64);
        }
        let wait = (wanted - self.tokens) / self.rate;
        Err(now + Duration::from_secs_f64(wait) + Duration::from_micros(100))
    }

    fn batch(&self) -> f64 {
        (self.rate * BATCH_S).max(BATCH).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_rate_and_follows_what_comes_live() {
        let mut now = Mono::ZERO;
        let mut pace = Pace::new(now);
        let mut work_off = |pace: &mut Pace, seconds: u64, live: usize| {
            let (end, mut sent) = (now + Duration::from_secs(seconds), 0);
            while now < end {
                match pace.allows(now, u64::MAX) {
                    Ok(count) => {
                        // At most a batch.
                        pace.took(usize::try_from(count).unwrap_or(0));
                        sent += count;
                    }
                    Err(later) => now = later,
                }
                pace.live(0);
            }
            pace.live(live);
            sent
        };
        let sent = work_off(&mut pace, 10, 0);
        assert!((99_000..=102_000).contains(&sent), "{sent}");
        work_off(&mut pace, 1, 5_000);
        let sent = work_off(&mut pace, 1, 0);
        assert!((90_000..=102_000).contains(&sent), "{sent}");
    }
}
