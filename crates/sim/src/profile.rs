//! What customers and the sun do: a daily curve for all, a wandering part for each load, and solar plants behind
//! some of them.
//!
//! ```text
//! load(t)   = load(case) · (day(hour) · (1 + w(t)) · step - solar(t))      reactive power without the solar part
//! w(t + Δt) = w(t) · φ + σ · √(1 - φ²) · N(0,1),   φ = e^(-Δt/τ),   |w| ≤ 10 %
//! solar(t)  = share · max(0, sin(π · (hour - 6) / 12)) · clearness(t)
//! ```
//!
//! `step` is the factor of an injected load step. The clearness wanders like a load between 0.5 and 1.

use crate::random::{Random, Stream};
use std::time::Duration;

/// Demand by hour of the day as a share of the case's loads: a night valley and a higher evening peak.
const DAY: [f64; 24] = [
    0.87, 0.85, 0.84, 0.84, 0.85, 0.87, 0.91, 0.95, 0.98, 0.98, 0.97, 0.97, //
    0.96, 0.95, 0.95, 0.95, 0.96, 0.98, 1.00, 1.00, 0.98, 0.95, 0.92, 0.89,
];
/// How long the wandering part of a load remembers itself.
const MEMORY: Duration = Duration::from_secs(60);
/// Deviation of the wandering part.
const WANDER: f64 = 0.03;
/// It never goes further than this.
const MAX_WANDER: f64 = 0.10;
/// Every third load has a solar plant behind its meter.
const SOLAR_EVERY: usize = 3;
/// Peak of a solar plant as a share of its load.
const SOLAR_SHARE: f64 = 0.15;
const SUNRISE_HOUR: f64 = 6.0;
const DAYLIGHT_HOURS: f64 = 12.0;
const MEAN_CLEARNESS: f64 = 0.8;
/// Deviation of the clearness relative to the one of a load.
const CLEARNESS_SCALE: f64 = 2.0;
const CLEARNESS: std::ops::RangeInclusive<f64> = 0.5..=1.0;

/// What a load draws as shares of its active and reactive power in the case.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Share {
    pub(crate) p: f64,
    pub(crate) q: f64,
}

/// State of all loads.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    random: Random,
    wander: Vec<f64>,
    clearness: f64,
    hour: f64,
}

impl Profiles {
    /// Loads that start spread as after a long time, at an hour of the day in 0..24.
    pub(crate) fn new(loads: usize, seed: u64, hour: f64) -> Self {
        let mut random = Random::new(seed, Stream::Profiles);
        let wander = (0..loads).map(|_| bounded(WANDER * random.normal())).collect();
        Self { random, wander, clearness: MEAN_CLEARNESS, hour }
    }

    /// Moves on by `elapsed` to an hour of the day in 0..24.
    pub(crate) fn advance(&mut self, elapsed: Duration, hour: f64) {
        let keep = (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        let fresh = WANDER * (1.0 - keep * keep).sqrt();
        for wander in &mut self.wander {
            *wander = bounded(*wander * keep + fresh * self.random.normal());
        }
        let clouds =
            (self.clearness - MEAN_CLEARNESS) * keep + CLEARNESS_SCALE * fresh * self.random.normal();
        self.clearness = (MEAN_CLEARNESS + clouds).clamp(*CLEARNESS.start(), *CLEARNESS.end());
        self.hour = hour;
    }

    /// What a load draws now, with the factor of its load steps.
    pub(crate) fn share(&self, load: usize, step: f64) -> Share {
        let wander = self.wander.get(load).copied().unwrap_or(0.0);
        let demand = day(self.hour) * (1.0 + wander) * step;
        let plant = if load % SOLAR_EVERY == 1 { SOLAR_SHARE } else { 0.0 };
        Share { p: demand - plant * sun(self.hour) * self.clearness, q: demand }
    }
}

fn bounded(wander: f64) -> f64 {
    wander.clamp(-MAX_WANDER, MAX_WANDER)
}

/// The daily curve between the hours.
fn day(hour: f64) -> f64 {
    let hour = hour.rem_euclid(24.0);
    // An hour of the day is a small positive number; the remainder keeps rounding at midnight in the table.
    let at = (hour.floor() as usize) % DAY.len();
    let next = (at + 1) % DAY.len();
    DAY[at] + (DAY[next] - DAY[at]) * hour.fract()
}

/// Height of the sun as a share of the highest.
fn sun(hour: f64) -> f64 {
    ((hour - SUNRISE_HOUR) / DAYLIGHT_HOURS * std::f64::consts::PI).sin().max(0.0)
        * f64::from(u8::from((SUNRISE_HOUR..=SUNRISE_HOUR + DAYLIGHT_HOURS).contains(&hour)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_wander_within_their_band_and_forget() {
        let second = Duration::from_secs(1);
        let mut profiles = Profiles::new(4, 3, 3.0);
        let (mut squares, mut product, mut last, mut steps) = (0.0, 0.0, None, 0.0);
        for _ in 0..50_000 {
            profiles.advance(second, 3.0);
            let wander = profiles.share(0, 1.0).q / day(3.0) - 1.0;
            assert!(wander.abs() <= MAX_WANDER + 1e-12);
            squares += wander * wander;
            product += wander * last.unwrap_or(wander);
            last = Some(wander);
            steps += 1.0;
        }
        let deviation: f64 = (squares / steps).sqrt();
        // First-order autoregressive process: stationary deviation σ, correlation of neighbours e^(-Δt/τ).
        assert!((deviation / WANDER - 1.0).abs() < 0.15, "deviation {deviation}");
        assert!(
            (product / squares - (-1.0_f64 / 60.0).exp()).abs() < 0.005,
            "correlation {}",
            product / squares
        );
    }

    #[test]
    fn the_sun_shines_by_day_behind_every_third_load() {
        let check = |hour: f64, load: usize, shines: bool| {
            let share = Profiles::new(6, 1, hour).share(load, 1.0);
            assert_eq!(share.p < share.q, shines, "hour {hour} load {load}");
        };
        check(12.0, 1, true);
        check(12.0, 4, true);
        check(12.0, 0, false);
        check(5.9, 1, false);
        check(18.1, 1, false);
        check(0.0, 1, false);
    }

    #[test]
    fn the_daily_curve_has_no_jump() {
        for minute in 0..1440_u32 {
            let at = f64::from(minute) / 60.0;
            assert!((day(at + 1.0 / 60.0) - day(at)).abs() < 0.002, "jump at hour {at}");
        }
    }
}
