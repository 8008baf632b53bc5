//! How often one may ask (S-34): per signed-in caller, per address before that. Callers have accounts, which are bounded;
//! addresses are anybody's, so that they share a fixed number of buckets by a hash that nobody outside can foresee.

use super::ApiError;
use axum::http::StatusCode;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Refused attempts of one caller that are written down a minute; the rest stand in the log of the process only.
const NOTED_RATE: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");
/// Buckets of addresses: two that ask at the same time rarely share one.
const BUCKETS: u64 = 4_096;

/// The limits of one listener.
pub(crate) struct Limits {
    callers: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<u64>,
    hash: RandomState,
    noted: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    /// `rate` requests a second of one caller, or of one address without a sign-in, and twice as many at once.
    pub(crate) fn new(rate: NonZeroU32) -> Self {
        let quota = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST));
        Self {
            callers: RateLimiter::keyed(quota(rate)),
            addresses: RateLimiter::keyed(quota(rate)),
            hash: RandomState::new(),
            noted: RateLimiter::keyed(Quota::per_minute(NOTED_RATE)),
        }
    }

    /// Counts a request of somebody who has signed in.
    pub(crate) fn of_caller(&self, name: &str) -> Result<(), ApiError> {
        self.callers.check_key(&name.to_owned()).map_err(|_| too_many())
    }

    /// Counts a request of somebody who has not.
    pub(crate) fn of_address(&self, from: IpAddr) -> Result<(), ApiError> {
        let bucket = self.hash.hash_one(from) % BUCKETS;
        self.addresses.check_key(&bucket).map_err(|_| too_many())
    }

    /// Whether another refused attempt of a caller is written down: the audit must not be filled by it.
    pub(crate) fn may_note_refusal(&self, name: &str) -> bool {
        self.noted.check_key(&name.to_owned()).is_ok()
    }
}

/// So many seconds' worth may come at once.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

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
    fn however_many_addresses_ask_their_memory_is_bounded() {
        let limits = Limits::new(NonZeroU32::MAX);
        for n in 0..50_000_u32 {
            assert!(limits.of_address(IpAddr::from(n.to_be_bytes())).is_ok());
        }
        assert!(limits.addresses.len() <= 4_096, "{}", limits.addresses.len());
    }
}
