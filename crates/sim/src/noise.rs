//! Errors of the measuring chain.
//!
//! Every reading of every device has an error of its own, drawn anew for each reading from a normal distribution
//! whose standard deviation is a share of the reading. Nothing is cut off, and no two errors are correlated.

use crate::random::{Random, Stream};

/// Draws errors.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    random: Random,
    /// Standard deviation as a share of the reading.
    sigma: f64,
}

impl Noise {
    pub(crate) fn new(seed: u64, percent: f64) -> Self {
        Self { random: Random::new(seed, Stream::Noise), sigma: percent / 100.0 }
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
        reading + self.sigma_of(reading) * self.random.normal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_normal_with_the_deviation_asked_for() {
        let (reading, draws) = (-250.0, 100_000);
        let mut noise = Noise::new(7, 1.0);
        let errors: Vec<f64> = (0..draws).map(|_| noise.of(reading) - reading).collect();
        let count = f64::from(draws);
        let mean = errors.iter().sum::<f64>() / count;
        let deviation = (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / count).sqrt();
        let expected = 2.5;
        assert!(mean.abs() < 5.0 * expected / count.sqrt(), "mean {mean}");
        assert!((deviation / expected - 1.0).abs() < 0.01, "deviation {deviation}, expected {expected}");
        // Shares beyond one, two and three deviations by the table of the normal distribution: nothing is cut off.
        for (deviations, share) in [(1.0, 0.317_311), (2.0, 0.045_500), (3.0, 0.002_700)] {
            let beyond = errors.iter().filter(|e| e.abs() > deviations * expected).count() as f64 / count;
            let scatter = (share * (1.0 - share) / count).sqrt();
            assert!((beyond - share).abs() < 5.0 * scatter, "{deviations}: {beyond}, expected {share}");
        }
    }

    #[test]
    fn no_noise_and_no_reading_have_no_error() {
        assert_eq!(Noise::new(7, 0.0).of(12.5), 12.5);
        assert_eq!(Noise::new(7, 1.0).of(0.0), 0.0);
    }
}
