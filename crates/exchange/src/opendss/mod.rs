//! OpenDSS scripts: the network that a tree of files describes, as a snapshot (Dugan and Montenegro, *Reference Guide:
//! The Open Distribution System Simulator*, EPRI).
//!
//! The state of the network at the end of the script counts; what shows results is passed over, and `solve` counts the
//! steps of a [`Schedule`]. Elements
//! that have no part in a power flow, properties that are unknown, and what is taken otherwise than written come back
//! as [`FileDiagnostic`]s.
//!
//! - `lex`: lines → parameters; numbers, lists, matrices, calculations.
//! - `class`: the classes and the order of their properties. `pattern`: names by pattern.
//! - `script`: commands, files in files, objects as lists of assignments.
//! - `schedule`: load shapes and what follows them over time.
//! - `convert`: objects → [`DistributionNetwork`].

mod class;
mod convert;
mod lex;
mod pattern;
mod schedule;
mod script;
#[cfg(test)]
mod tests;

pub use schedule::{Course, Injection, Schedule, Setting};

use std::fmt;

use model::Diagnostic;
use model::distribution::DistributionNetwork;

use crate::ReadError;

/// A network and what its script says about the study.
#[derive(Clone, PartialEq, Debug)]
pub struct DssStudy {
    /// The network.
    pub network: DistributionNetwork,
    /// Whether `set controlmode=off` holds taps and capacitors.
    pub controls_off: bool,
    /// `set maxcontroliter`: rounds of controls before the study gives up.
    pub max_control_rounds: u32,
    /// `set hour` or `set time`: hours since the begin of the first day.
    pub hour: f64,
    /// The time series that it asks for by `set mode=daily`, `yearly` or `duty`.
    pub schedule: Option<Schedule>,
}

/// A diagnostic of one of the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileDiagnostic {
    /// The file, as it was asked for.
    pub file: String,
    /// What happened.
    pub diagnostic: Diagnostic,
}

/// Why a script could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DssError {
    /// The file.
    pub file: String,
    /// Where and why.
    pub error: ReadError,
}

/// Reads a script and all that it includes.
///
/// `files` gives the bytes of a file by its path: `path` itself first, then paths relative to the folder of the file
/// that includes them. Scripts are often written where names of files do not depend on case; finding them is up to
/// `files`. Memory stays within a small multiple of what it gives.
///
/// # Errors
/// With file, line, reason and hint.
pub fn read(
    path: &str,
    files: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<(DssStudy, Vec<FileDiagnostic>), DssError> {
    let mut script = script::Script::default();
    script.run(path, files)?;
    let study = convert::study(&mut script)?;
    Ok((study, script.diagnostics))
}

impl fmt::Display for FileDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.diagnostic)
    }
}

impl fmt::Display for DssError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.error)
    }
}

impl std::error::Error for DssError {}
