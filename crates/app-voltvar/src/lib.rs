//! Voltage control: holds chosen bus voltages in a band by the taps of chosen transformers.
//!
//! Cyclic. Inputs: the estimated magnitude of the regulated bus, the position of the tap. Output: one step at a time.
//! A voltage must stay outside its band for `delay_s` before a step is proposed, and `settle_s` must pass after a
//! step before the next one; that is the inverse of hunting. Without a good voltage or tap position it holds.
//! Safe state: no proposals; a tap stays where it is.

mod config;
mod decide;
mod state;

pub use config::{Config, ConfigError, HigherStep, Regulator};
pub use decide::VoltVar;

#[cfg(test)]
mod tests;

/// Name of the application in configuration, proposals and audit.
pub const APPLICATION: &str = "volt-var";
