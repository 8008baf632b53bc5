//! How often one may ask (S-34): per signed-in caller, per address before that. Memory is bounded by forgetting those who
//! have been quiet long enough to have their whole burst again.

use super::ApiError;
use axum::http::StatusCode;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Refused attempts of one caller that are written down a minute; the rest stand in the log of the process only.
const NOTED_RATE: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");
/// Callers and addresses remembered before the quiet ones are forgotten.
const MAX_KEYS: usize = 4_096;

/// The limits of one listener.
pub(crate) struct Limits {
    callers: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    noted: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    /// `rate` requests a second of one caller, or of one address without a sign-in, and twice as many at once.
    pub(crate) fn new(rate: NonZeroU32) -> Self {
        let quota = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST));
        Self {
            callers: RateLimiter::keyed(quota(rate)),
            addresses: RateLimiter::keyed(quota(rate)),
            noted: RateLimiter::keyed(Quota::per_minute(NOTED_RATE)),
        }
    }

    /// Counts a request of somebody who has signed in.
    pub(crate) fn of_caller(&self, name: &str) -> Result<(), ApiError> {
        if is_within(&self.callers, &name.to_owned()) { Ok(()) } else { Err(too_many()) }
    }

    /// Counts a request of somebody who has not.
    pub(crate) fn of_address(&self, from: IpAddr) -> Result<(), ApiError> {
        if is_within(&self.addresses, &from) { Ok(()) } else { Err(too_many()) }
    }

    /// Whether another refused attempt of a caller is written down: the audit must not be filled by it.
    pub(crate) fn may_note_refusal(&self, name: &str) -> bool {
        is_within(&self.noted, &name.to_owned())
    }
}

/// So many seconds' worth may come at once.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

fn is_within<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> bool {
    if limiter.len() > MAX_KEYS {
        limiter.retain_recent();
    }
    limiter.check_key(key).is_ok()
}

fn too_many() -> ApiError {
    let hint = "wait a second; live data come over /api/v1/live without asking";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "too many requests", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_asks_too_often_is_refused_and_others_are_not() {
        let limits = Limits::new(NonZeroU32::MIN);
        let taken = (0..100).filter(|_| limits.of_caller("anna").is_ok()).count();
        assert!((2..10).contains(&taken), "a burst of two, and what a slow machine refills: {taken}");
        assert!(limits.of_caller("ben").is_ok());
    }

    #[test]
    fn addresses_are_forgotten_when_they_are_many() {
        let limits = Limits::new(NonZeroU32::MIN);
        for n in 0..20_000_u32 {
            assert!(limits.of_address(IpAddr::from(n.to_be_bytes())).is_ok());
        }
        assert!(limits.addresses.len() <= 20_000);
    }
}
