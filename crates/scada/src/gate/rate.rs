//! How many commands may leave, and how fast one actor moves (S-13, A-05). Token buckets on the monotonic clock.
//!
//! ```text
//! tokens(t) = min(burst, tokens(t₀) + rate · (t − t₀))        a command takes one, and is refused where there is none
//! ```

use signal::PointId;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use timebase::Mono;

/// Buckets and actors that are remembered at most; the oldest give way.
const MAX_KEPT: usize = 10_000;
/// Span in which the points of an actor are counted.
const VELOCITY_SPAN: Duration = Duration::from_secs(60);
/// Commands of one actor that are remembered.
const MAX_RECENT: usize = 1_000;

/// How many commands may leave.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RateLimit {
    /// In the long run.
    pub per_minute: f64,
    /// At once; above zero.
    pub burst: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Mono,
}

impl Bucket {
    fn filled(self, limit: RateLimit, now: Mono) -> f64 {
        let gained = now.since(self.at).as_secs_f64() * limit.per_minute / 60.0;
        (self.tokens + gained).min(limit.burst)
    }
}

/// What has left lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    buckets: HashMap<String, Bucket>,
    recent: HashMap<String, VecDeque<(Mono, PointId)>>,
}

impl Rates {
    /// Whether one more may leave.
    pub(super) fn has_room(&self, key: &str, limit: RateLimit, now: Mono) -> bool {
        self.buckets.get(key).is_none_or(|bucket| bucket.filled(limit, now) >= 1.0)
    }

    /// Counts one that leaves.
    pub(super) fn take(&mut self, key: &str, limit: RateLimit, now: Mono) {
        if self.buckets.len() >= MAX_KEPT && !self.buckets.contains_key(key) {
            // A bucket that is full again says nothing.
            self.buckets.retain(|_, bucket| bucket.filled(limit, now) < limit.burst);
        }
        let bucket = self.buckets.entry(key.to_owned()).or_insert(Bucket { tokens: limit.burst, at: now });
        *bucket = Bucket { tokens: bucket.filled(limit, now) - 1.0, at: now };
    }

    /// Counts a command of an actor; returns how many different points they have commanded within a minute.
    pub(super) fn moved(&mut self, actor: &str, point: PointId, now: Mono) -> usize {
        if self.recent.len() >= MAX_KEPT {
            self.recent.retain(|_, list| list.back().is_some_and(|(at, _)| now.since(*at) < VELOCITY_SPAN));
        }
        let list = self.recent.entry(actor.to_owned()).or_default();
        while list.front().is_some_and(|(at, _)| now.since(*at) >= VELOCITY_SPAN) || list.len() >= MAX_RECENT
        {
            list.pop_front();
        }
        list.push_back((now, point));
        list.iter().map(|(_, point)| *point).collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Mono {
        Mono::ZERO + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_bucket_lets_its_burst_go_and_then_its_rate() {
        let limit = RateLimit { per_minute: 6.0, burst: 3.0 };
        let mut rates = Rates::default();
        let mut left = Vec::new();
        for tenth in 0..600 {
            let now = at(f64::from(tenth) / 10.0);
            if rates.has_room("S1", limit, now) {
                rates.take("S1", limit, now);
                left.push(tenth / 10);
            }
        }
        // Three at once, then one every ten seconds: never more than burst + rate · t.
        assert_eq!(left[..3], [0, 0, 0]);
        assert_eq!(left.len(), 8, "{left:?}");
        assert!(rates.has_room("S2", limit, at(60.0)), "another area has its own");
    }

    #[test]
    fn an_actor_is_counted_by_points_within_a_minute() {
        let mut rates = Rates::default();
        for second in 0..5_u32 {
            assert_eq!(
                rates.moved("anna", PointId(second % 3), at(f64::from(second))),
                3.min(second as usize + 1)
            );
        }
        assert_eq!(rates.moved("ben", PointId(9), at(5.0)), 1);
        assert_eq!(rates.moved("anna", PointId(9), at(64.5)), 1);
    }
}
