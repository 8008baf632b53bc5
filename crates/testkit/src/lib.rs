//! What tests of protocols and of the platform share: a virtual wire with a virtual clock, and builders of points.
//!
//! Nothing here reads a clock or opens a socket: a test of hours runs in milliseconds and is the same every time.

mod points;
mod wire;

pub use points::{controlled, point};
pub use wire::VirtualWire;
