//! Errors of the measuring chain.
//!
//! An instrument transformer of accuracy class 1 (IEC 61869-2 and -3) has a *limit* of error of ±1 % of the
//! reading. A limit is not a deviation: the error is drawn from a normal distribution with a deviation of a third
//! of the limit, truncated at the limit.

use crate::random::{Random, Stream};

/// The limit of error is this many standard deviations.
pub(crate) const LIMIT_SIGMAS: f64 = 3.0;

/// Draws errors of one accuracy class.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    random: Random,
    /// Standard deviation as a share of the reading.
    sigma: f64,
}

impl Noise {
    pub(crate) fn new(seed: u64, limit_percent: f64) -> Self {
        Self { random: Random::new(seed, Stream::Noise), sigma: limit_percent / 100.0 / LIMIT_SIGMAS }
    }

    /// Standard deviation of the error of a reading.
    pub(crate) fn sigma_of(&self, reading: f64) -> f64 {
        self.sigma * reading.abs()
    }

    /// The reading with an error. Nothing is drawn without noise, and a reading of zero has none.
    pub(crate) fn of(&mut self, reading: f64) -> f64 {
        if self.sigma == 0.0 {
            return reading;
        }
        reading + self.sigma_of(reading) * self.random.truncated_normal(LIMIT_SIGMAS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deviation of a normal distribution truncated at ±3σ: σ·√(1 - 2·3·φ(3)/(2Φ(3) - 1)) = 0.98658 σ
    /// (Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions, section 13.10.1).
    const TRUNCATED_DEVIATION: f64 = 0.986_578;

    #[test]
    fn errors_stay_within_the_class_and_have_its_spread() {
        let (reading, draws) = (-250.0, 100_000);
        let mut noise = Noise::new(7, 1.0);
        let errors: Vec<f64> = (0..draws).map(|_| noise.of(reading) - reading).collect();
        let count = f64::from(draws);
        let mean = errors.iter().sum::<f64>() / count;
        let deviation = (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / count).sqrt();
        let expected = 250.0 * 0.01 / 3.0 * TRUNCATED_DEVIATION;
        assert!(errors.iter().all(|e| e.abs() <= 2.5 + 1e-12), "an error beyond the limit of the class");
        assert!(mean.abs() < 5.0 * expected / count.sqrt(), "mean {mean}");
        assert!((deviation / expected - 1.0).abs() < 0.01, "deviation {deviation}, expected {expected}");
    }

    #[test]
    fn no_noise_and_no_reading_have_no_error() {
        assert_eq!(Noise::new(7, 0.0).of(12.5), 12.5);
        assert_eq!(Noise::new(7, 1.0).of(0.0), 0.0);
    }
}
