//! The machine's clocks as `timebase` speaks of them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use timebase::{Mono, Now, Utc};

/// The machine's clocks. Copies share their origin, so that their readings can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock whose monotonic side begins now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        let nanos = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { mono: Mono::from_nanos(nanos), utc: Utc::from_micros(micros) }
    }

    /// The instant at which this clock will read `deadline`; a day ahead at most, so that it always exists.
    pub(crate) fn instant(&self, deadline: Mono) -> tokio::time::Instant {
        const AHEAD_MAX: std::time::Duration = std::time::Duration::from_secs(86_400);
        let now = self.now().mono;
        tokio::time::Instant::now() + deadline.since(now).min(AHEAD_MAX)
    }
}
