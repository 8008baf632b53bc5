//! IEC 60870-5-104 (edition 2, 2006, with A1:2016): controlling and controlled station, sans-I/O.
//!
//! - [`codec`]: bytes ↔ typed APDU and ASDU.
//! - [`session`]: one state machine per role; they speak the protocol's own types.
//! - [`ControllingSession`], [`ControlledStation`]: the sessions behind the traits of `signal`.
//! - [`Config`]: the table of a link in the configuration.
//! - [`decode_stream`]: a captured octet stream as frames, for people.

mod adapter;
pub mod codec;
mod config;
mod decode;
pub mod session;

pub use adapter::{
    AddressError, ControlledStation, ControllingSession, PointAddress, function_name, function_named,
};
pub use config::{Config, ConfigError, Tls};
pub use decode::{DecodeError, Frame, decode_stream};

/// What the catalogue tells about a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// Name in configuration, API and command line.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Registered TCP port.
    pub port: u16,
    /// Registered TCP port with TLS (IEC 62351-3).
    pub tls_port: u16,
}

/// This protocol.
pub const PROTOCOL: Protocol =
    Protocol { name: "iec104", title: "IEC 60870-5-104", port: 2404, tls_port: 19998 };
