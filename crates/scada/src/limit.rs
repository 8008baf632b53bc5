//! Limit supervision of analogue points with hysteresis.

use crate::event::Severity;
use signal::Limits;

/// Which limit a value is beyond.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Zone {
    /// Between low and high.
    #[default]
    Normal,
    /// Below low-low.
    LowLow,
    /// Below low.
    Low,
    /// Above high.
    High,
    /// Above high-high.
    HighHigh,
}

impl Zone {
    /// The priority of being there; `None` in the normal zone.
    pub const fn priority(self) -> Option<Severity> {
        match self {
            Self::Normal => None,
            Self::Low | Self::High => Some(Severity::Medium),
            Self::LowLow | Self::HighHigh => Some(Severity::High),
        }
    }

    /// What people call it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Normal => "within limits",
            Self::LowLow => "below low-low limit",
            Self::Low => "below low limit",
            Self::High => "above high limit",
            Self::HighHigh => "above high-high limit",
        }
    }
}

/// Limits in five numbers: one that is not given is not a number, and no value is beyond it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LimitLevels {
    low_low: f64,
    low: f64,
    high: f64,
    high_high: f64,
    hysteresis: f64,
}

impl LimitLevels {
    /// The limits of a point.
    pub fn new(limits: &Limits) -> Self {
        let level = |limit: Option<f64>| limit.unwrap_or(f64::NAN);
        Self {
            low_low: level(limits.low_low),
            low: level(limits.low),
            high: level(limits.high),
            high_high: level(limits.high_high),
            hysteresis: limits.hysteresis,
        }
    }

    /// The zone of `value` when it was in `before`: a limit once passed lets go only `hysteresis` on the safe side.
    pub fn zone(&self, before: Zone, value: f64) -> Zone {
        let held = |limit: f64, inside: bool, sign: f64| {
            (value - limit) * sign > if inside { -self.hysteresis } else { 0.0 }
        };
        let was_high = matches!(before, Zone::High | Zone::HighHigh);
        let was_low = matches!(before, Zone::Low | Zone::LowLow);
        if held(self.high_high, before == Zone::HighHigh, 1.0) {
            Zone::HighHigh
        } else if held(self.low_low, before == Zone::LowLow, -1.0) {
            Zone::LowLow
        } else if held(self.high, was_high, 1.0) {
            Zone::High
        } else if held(self.low, was_low, -1.0) {
            Zone::Low
        } else {
            Zone::Normal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        low_low: Some(80.0),
        low: Some(90.0),
        high: Some(110.0),
        high_high: Some(120.0),
        hysteresis: 1.0,
    };

    #[test]
    fn a_limit_lets_go_only_beyond_its_hysteresis() {
        let levels = LimitLevels::new(&LIMITS);
        let check = |before, value, expected| assert_eq!(levels.zone(before, value), expected, "{value}");
        check(Zone::Normal, 110.0, Zone::Normal);
        check(Zone::Normal, 110.1, Zone::High);
        check(Zone::High, 109.5, Zone::High);
        check(Zone::High, 108.9, Zone::Normal);
        check(Zone::High, 120.5, Zone::HighHigh);
        check(Zone::HighHigh, 119.5, Zone::HighHigh);
        check(Zone::HighHigh, 118.9, Zone::High);
        check(Zone::Normal, 89.9, Zone::Low);
        check(Zone::Low, 90.5, Zone::Low);
        check(Zone::Low, 91.1, Zone::Normal);
        check(Zone::Low, 79.0, Zone::LowLow);
        check(Zone::LowLow, 120.5, Zone::HighHigh);
    }

    #[test]
    fn without_limits_everything_is_normal() {
        assert_eq!(LimitLevels::new(&Limits::default()).zone(Zone::Normal, 1e12), Zone::Normal);
    }
}
