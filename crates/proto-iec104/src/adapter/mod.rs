//! The sessions behind the traits of `signal`: addresses as text, elements as values, QDS as quality.

mod address;
mod convert;
mod filter;
mod session;
mod station;

pub use address::{AddressError, PointAddress};
pub use filter::{function_name, function_named};
pub use session::ControllingSession;
pub use station::ControlledStation;
