//! How many entries of the record lane may be on their way, so that the live lane does not wait behind them.
//!
//! A scavenger after LEDBAT (RFC 6817): the shortest round trip is the path, what is above it is queue. While the queue is
//! shorter than the target the window grows, above it the window shrinks, both in proportion to the distance.

use std::collections::VecDeque;
use std::time::Duration;

/// Delay that the record lane may add.
const TARGET: Duration = Duration::from_millis(25);
/// Entries that may always be on their way: forwarding never stops.
const LEAST: f64 = 512.0;
/// Growth per answer with an empty queue.
const GAIN: f64 = 1_024.0;
/// Round trips of which the shortest is the path's: routes change, and the path with them.
const REMEMBERED: usize = 600;

#[derive(Debug)]
pub(super) struct Window {
    entries: f64,
    most: f64,
    trips: VecDeque<Duration>,
}

impl Window {
    pub(super) fn new(credit: u32) -> Self {
        Self { entries: LEAST, most: f64::from(credit).max(LEAST), trips: VecDeque::new() }
    }

    /// Entries that may be on their way.
    pub(super) fn entries(&self) -> u64 {
        // Between LEAST and a u32.
        self.entries as u64
    }

    /// A ping was answered after this time.
    pub(super) fn answered(&mut self, trip: Duration) {
        self.trips.push_back(trip);
        if self.trips.len() > REMEMBERED {
            self.trips.pop_front();
        }
        let path = self.trips.iter().min().copied().unwrap_or(trip);
        let queue = trip.saturating_sub(path).as_secs_f64();
        let off_target = (1.0 - queue / TARGET.as_secs_f64()).max(-1.0);
        let step = if off_target < 0.0 { self.entries / 2.0 } else { GAIN };
        self.entries = (self.entries + step * off_target).clamp(LEAST, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_on_an_empty_path_and_halves_on_a_full_one() {
        let mut window = Window::new(16_384);
        for _ in 0..100 {
            window.answered(Duration::from_millis(40));
        }
        assert_eq!(window.entries(), 16_384);
        window.answered(Duration::from_millis(40) + 2 * TARGET);
        assert_eq!(window.entries(), 8_192);
        for _ in 0..20 {
            window.answered(Duration::from_secs(1));
        }
        assert_eq!(window.entries(), 512);
    }
}
