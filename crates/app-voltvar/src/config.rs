//! Configuration of the voltage control.

use serde::Deserialize;
use std::fmt;

/// All regulators.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// One entry per regulated bus.
    #[serde(default)]
    pub regulator: Vec<Regulator>,
}

/// One bus held in a band by one tap.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulator {
    /// Substation whose bus is held.
    pub substation: String,
    /// Name of the tap position point that is operated.
    pub tap: String,
    /// Lower end of the band in p.u.
    pub low_pu: f64,
    /// Upper end of the band in p.u.
    pub high_pu: f64,
    /// What a higher step does to the regulated voltage.
    #[serde(default)]
    pub higher_step: HigherStep,
    /// Lowest position that may be used.
    #[serde(default = "lowest_step")]
    pub min_step: i16,
    /// Highest position that may be used.
    #[serde(default = "highest_step")]
    pub max_step: i16,
    /// How long the voltage must be outside before a step is proposed, in seconds.
    #[serde(default = "delay")]
    pub delay_s: f64,
    /// How long to wait after a step, in seconds.
    #[serde(default = "settle")]
    pub settle_s: f64,
}

/// Effect of a higher tap step on the regulated voltage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HigherStep {
    /// The regulated bus is at the far end from the tap: a higher ratio lowers its voltage.
    #[default]
    Lowers,
    /// The regulated bus is at the end of the tap.
    Raises,
}

const fn lowest_step() -> i16 {
    -16
}

const fn highest_step() -> i16 {
    16
}

const fn delay() -> f64 {
    5.0
}

const fn settle() -> f64 {
    4.0
}

/// Why a configuration was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Regulator {
    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |text: &str| Err(ConfigError(format!("regulator of {}: {text}", self.substation)));
        if !(self.low_pu > 0.5 && self.low_pu < self.high_pu && self.high_pu < 1.5) {
            return refuse("0.5 < low_pu < high_pu < 1.5 must hold");
        }
        if self.min_step >= self.max_step {
            return refuse("min_step must be below max_step");
        }
        if !((0.0..=3_600.0).contains(&self.delay_s) && (0.0..=3_600.0).contains(&self.settle_s)) {
            return refuse("delay_s and settle_s must be between 0 and 3600");
        }
        Ok(())
    }
}
