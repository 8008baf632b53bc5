//! What happens when something fails: distribution factors, DC and AC contingency analysis, remedial actions.
//!
//! - [`System`]: calculation model, its parts that can fail, and limits. [`Outage`]: what fails together;
//!   [`remainder`]: the model that it leaves.
//! - [`Switching`]: what is lost with a fault in a node-breaker network, busbars and substations included.
//! - [`DcNetwork`]: the linear model and its PTDF, LODF, OTDF. [`DcSweep`]: every outage in lanes of eight.
//! - [`AcSweep`]: every outage a power flow, in lanes where that applies.
//! - [`Rule`], [`remedy`]: what is done after an outage, and whether it helps.
//! - [`Finding`]: what is said about a contingency; [`Worst`]: the worst of many.
//!
//! Workers are passed in as [`sparse::pool::Pool`]; findings come in the order of the list and are the same to the
//! bit whatever their number.

mod ac;
mod bridges;
mod dc;
mod finding;
mod list;
mod names;
mod outage;
mod remedy;
mod rule_file;
mod switching;
mod system;

pub use ac::{AcState, AcSweep, BaseFault};
pub use bridges::Bridges;
pub use dc::{Balance, DcFault, DcNetwork, DcSweep, LANES, Pair, Rules};
pub use finding::{Detail, Finding, Heaviest, Monitor, Status, Violation, Worst};
pub use list::{ListError, read_csv, read_toml};
pub use names::{CaseNames, Kind, Names, NetworkNames};
pub use outage::{Contingency, Lost, Outage, Parts, Remainder, Split, Zone, remainder};
pub use remedy::{Action, ActionFault, Plant, Remedy, Rule, after_actions, remedy};
pub use rule_file::read_rules;
pub use switching::{Failing, Switching};
pub use system::{Band, CaseSystem, Load, Machine, NetworkSystem, Rating, Ratings, Shunt, System};
