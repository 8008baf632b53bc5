//! File formats: bytes in, model and loss report out. Opening files is the caller's.
//!
//! - [`read_network`]: a file as a network with places, ready to run.
//! - [`matpower`]: MATPOWER cases `.m`, read and written.
//! - [`opendss`]: distribution networks as OpenDSS scripts.
//! - [`mod@plan`]: the points that a network has by rule; [`points_csv`]: a point list as CSV.
//! - [`alarms_csv`]: what is decided of alarms as CSV.
//! - [`measurements_csv`]: measurements for an estimation study.
//! - [`layout`]: places for substations in a picture of the grid.

pub mod alarms_csv;
mod error;
pub mod layout;
pub mod matpower;
pub mod measurements_csv;
pub mod opendss;
pub mod plan;
pub mod points_csv;
mod table;

pub use error::ReadError;

use model::{Diagnostic, ExpandOptions, Network, expand};

/// Reads a MATPOWER case, expands it into a node-breaker network and places its substations.
pub fn read_network(bytes: &[u8], options: ExpandOptions) -> Result<(Network, Vec<Diagnostic>), ReadError> {
    let (case, mut diagnostics) = matpower::read(bytes)?;
    let expansion = expand(&case, options).map_err(|error| {
        ReadError::new(0, error.to_string(), "names of the case may clash: remove mpc.bus_name")
    })?;
    diagnostics.extend(expansion.diagnostics);
    let mut network = expansion.network;
    layout::place(&mut network);
    Ok((network, diagnostics))
}
