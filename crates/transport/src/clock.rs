//! The machine's clocks as `timebase` speaks of them.
//!
//! Our civil time is the monotonic clock with an offset that moves slowly or on somebody's word
//! (`timebase::Discipline`): what happens to the machine's civil clock meanwhile moves no stamp and no deadline.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use timebase::{Mono, Now, Reading, Utc};
use tokio::time::Instant;

/// The machine's clocks. Copies share their origin and their offset, so that their readings can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Microseconds since 1970 at the origin.
    offset: &'static AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock whose monotonic side begins now and whose civil side is the machine's. Lives as long as the process: one
    /// is made per process, and copied.
    pub fn new() -> Self {
        Self::starting_at(system_utc())
    }

    /// The same with another civil time to begin with: for time that the runtime simulates.
    pub fn starting_at(utc: Utc) -> Self {
        Self { origin: Instant::now(), offset: Box::leak(Box::new(AtomicI64::new(utc.as_micros()))) }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let nanos = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let micros = i64::try_from(nanos / 1_000).unwrap_or(i64::MAX);
        let utc = self.offset.load(Ordering::Relaxed).saturating_add(micros);
        Now { mono: Mono::from_nanos(nanos), utc: Utc::from_micros(utc) }
    }

    /// This clock beside the machine's civil one.
    pub fn reading(&self) -> Reading {
        Reading { own: self.now(), system: system_utc(), slept: slept() }
    }

    /// Moves the civil side of every copy.
    pub fn shift(&self, micros: i64) {
        self.offset.fetch_add(micros, Ordering::Relaxed);
    }

    /// The instant at which this clock will read `deadline`; a day ahead at most, so that it always exists.
    pub(crate) fn instant(&self, deadline: Mono) -> Instant {
        const AHEAD_MAX: Duration = Duration::from_secs(86_400);
        let now = self.now().mono;
        Instant::now() + deadline.since(now).min(AHEAD_MAX)
    }

    /// Sleeps until this clock reads `deadline`, a day at most; without one, for ever.
    pub async fn sleep_until(&self, deadline: Option<Mono>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(self.instant(deadline)).await,
            None => std::future::pending().await,
        }
    }
}

fn system_utc() -> Utc {
    let now = SystemTime::now();
    let micros = match now.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    };
    Utc::from_micros(micros)
}

/// How long the machine has slept since it was started.
#[cfg(target_os = "linux")]
fn slept() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| {
        let time = clock_gettime(clock);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
    };
    // In this order the time between the two calls looks like less sleep, not like more.
    let since_boot = read(ClockId::Boottime);
    since_boot.saturating_sub(read(ClockId::Monotonic))
}

/// Elsewhere nobody tells; sleep then looks like a jump of the civil clock.
#[cfg(not(target_os = "linux"))]
fn slept() -> Duration {
    Duration::ZERO
}

/// What the operating system says of the machine's civil clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockSource {
    /// Whether something keeps it synchronised.
    pub synchronised: bool,
    /// How far it may be off at most, as whoever keeps it believes.
    pub max_error: Duration,
}

impl ClockSource {
    /// Asks; `None` where the system does not tell.
    #[cfg(target_os = "linux")]
    pub fn read() -> Option<Self> {
        kernel::read()
    }

    /// Asks; `None` where the system does not tell.
    #[cfg(not(target_os = "linux"))]
    pub fn read() -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no maintained crate reads the kernel's clock state (adjtimex)")]
mod kernel {
    use super::ClockSource;
    use std::time::Duration;

    pub(super) fn read() -> Option<ClockSource> {
        // SAFETY: `timex` is a C struct of integers, for which all bits zero is a value; mode 0 asks and changes nothing.
        let mut timex: libc::timex = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a `timex` of our own that lives through the call, and the kernel keeps no copy of it.
        let state = unsafe { libc::adjtimex(&raw mut timex) };
        if state < 0 {
            return None;
        }
        let max_error = Duration::from_micros(u64::try_from(timex.maxerror).unwrap_or(0));
        Some(ClockSource { synchronised: timex.status & libc::STA_UNSYNC == 0, max_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_move_together_and_only_on_the_civil_side() {
        let clock = Clock::new();
        let copy = clock;
        let before = copy.now();
        clock.shift(3_600_000_000);
        let after = copy.now();
        assert!(after.utc.since(before.utc) >= Duration::from_secs(3_600));
        assert!(after.mono.since(before.mono) < Duration::from_secs(3_600));
    }

    #[test]
    fn a_clock_begins_at_the_civil_time() {
        let reading = Clock::new().reading();
        let apart = reading.own.utc.as_micros() - reading.system.as_micros();
        assert!(apart.abs() < 60_000_000, "{apart}");
    }
}
