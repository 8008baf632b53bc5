//! The list of protocols and applications that the product is composed of; the only crate that knows them all.

mod applications;
mod protocols;

pub use applications::ApplicationConfig;
pub use protocols::{DecodedFrame, LinkProtocol, PROTOCOLS, ProtocolEntry, TlsFiles};
