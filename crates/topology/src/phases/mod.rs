//! The calculation model of unbalanced studies: phases, neutrals and their primitive admittances in plain arrays.
//!
//! A node is one conductor of one bus; ground is no node. Linear equipment is an [`Element`]: a square block of the
//! admittance matrix over a list of nodes,
//!
//! ```text
//! i = Y_e · v        currents into the element at its conductors, voltages of its nodes to ground
//! ```
//!
//! Voltage sources add constant currents (Norton), loads and converters are [`ShuntBranch`]es whose current depends on
//! the voltage across them. Figures are volts, amperes, siemens and volt-amperes: per unit would only scale rows.
//!
//! What changes between two solutions changes numbers and no pattern: taps ([`PhaseGrid::set_tap`]), capacitor steps
//! ([`PhaseGrid::set_steps`]), powers, and whether equipment is in service.
//!
//! - [`build`]: a [`model::distribution::DistributionNetwork`] → [`PhaseGrid`].
//! - `stamp`: the admittance of lines, capacitors, reactors and sources. `transformer`: that of transformers.
//! - `branch`: the current of loads. `control`: what controls measure. `nominal`: nominal voltages where the model has none.

mod branch;
mod build;
mod control;
mod grid;
mod nominal;
mod stamp;
#[cfg(test)]
mod tests;
mod transformer;

pub use branch::{Owner, Response, ShuntBranch};
pub use build::{PhaseGridError, build};
pub use control::{BankControl, TapControl};
pub use grid::{
    CapacitorSteps, ControlledConverter, Element, ElementKind, GROUND, PhaseBus, PhaseGrid, PhaseNode, Source,
};
pub use transformer::{TransformerWindings, Winding};
