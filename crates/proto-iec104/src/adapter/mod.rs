//! The sessions behind the traits of `signal`: addresses as text, elements as values, QDS as quality.

mod address;
mod convert;
mod session;
mod station;

pub use address::{AddressError, PointAddress};
pub use session::ControllingSession;
pub use station::ControlledStation;
