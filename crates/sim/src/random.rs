//! Seeded randomness: one stream per purpose, so that a further breaker operation does not change the weather.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::time::Duration;

/// What a stream is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stream {
    /// Loads and weather.
    Profiles,
    /// Errors of instruments.
    Noise,
    /// Travel times of drives.
    Drives,
}

/// A reproducible stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64, stream: Stream) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(match stream {
            Stream::Profiles => 1,
            Stream::Noise => 2,
            Stream::Drives => 3,
        });
        Self(generator)
    }

    /// Normally distributed with mean 0 and deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// Evenly distributed between two spans, in whole milliseconds as drives are specified.
    pub(crate) fn duration_ms(&mut self, range: std::ops::RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.0.random_range(range))
    }
}
