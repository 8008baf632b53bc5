//! The protocols that a link can speak. Adding one is a variant, its arm in each method and a line in [`PROTOCOLS`].

use proto_iec104::{ControlledStation, ControllingSession};
use serde::{Deserialize, Serialize};
use signal::{FunctionPolicy, FunctionSets, PointList, PointSession, PointStation};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a link speaks, with its configuration: `iec104 = { endpoints = ["10.1.2.3:2404"] }`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkProtocol {
    /// IEC 60870-5-104.
    Iec104(proto_iec104::Config),
}

/// Files of a mutually authenticated TLS link, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// Certificate authorities that the peer's certificate must descend from.
    pub ca: PathBuf,
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// Name that the server's certificate must carry; the host of the endpoint if absent.
    pub server_name: Option<String>,
    /// Revocation lists of all the authorities.
    pub crl: Option<PathBuf>,
}

impl LinkProtocol {
    /// The centre's side, for the points of `link`.
    pub fn session(&self, link: &str, points: &PointList) -> Result<Box<dyn PointSession>, String> {
        match self {
            Self::Iec104(config) => ControllingSession::new(config, points, link)
                .map(|session| Box::new(session) as Box<dyn PointSession>)
                .map_err(|error| format!("link {link:?}: {error}")),
        }
    }

    /// The field's side, for the points of `link`.
    pub fn station(&self, link: &str, points: &PointList) -> Result<Box<dyn PointStation>, String> {
        match self {
            Self::Iec104(config) => ControlledStation::new(config, points, link)
                .map(|station| Box::new(station) as Box<dyn PointStation>)
                .map_err(|error| format!("link {link:?}: {error}")),
        }
    }

    /// Addresses `host:port`: one transport channel each, in order of preference. The field's side listens on the
    /// first.
    pub fn endpoints(&self) -> &[String] {
        match self {
            Self::Iec104(config) => &config.endpoints,
        }
    }

    /// Lets relative paths start at a folder.
    pub fn resolve(&mut self, base: &Path) {
        match self {
            Self::Iec104(config) => {
                if let Some(tls) = &mut config.tls {
                    let needed = [&mut tls.ca, &mut tls.certificate, &mut tls.key];
                    for file in needed.into_iter().chain(tls.crl.as_mut()) {
                        *file = base.join(&*file);
                    }
                }
            }
        }
    }

    /// TLS of the link; `None` for plain TCP.
    pub fn tls(&self) -> Option<TlsFiles> {
        match self {
            Self::Iec104(config) => config.tls.as_ref().map(|tls| TlsFiles {
                ca: tls.ca.clone(),
                certificate: tls.certificate.clone(),
                key: tls.key.clone(),
                server_name: tls.server_name.clone(),
                crl: tls.crl.clone(),
            }),
        }
    }

    /// The protocol's name in configuration, API and command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Iec104(_) => proto_iec104::PROTOCOL.name,
        }
    }

    /// Which messages a link with these points may carry under a policy; nothing where the points do not fit.
    pub fn allowed(&self, link: &str, points: &PointList, policy: FunctionPolicy) -> FunctionSets {
        match self {
            Self::Iec104(config) => {
                ControllingSession::allowed(config, points, link, policy).unwrap_or_default()
            }
        }
    }

    /// The function code with that name or number.
    pub fn function_named(&self, text: &str) -> Option<u8> {
        match self {
            Self::Iec104(_) => proto_iec104::function_named(text),
        }
    }

    /// The name of a function code; empty where the protocol has none.
    pub fn function_name(&self, code: u8) -> &'static str {
        match self {
            Self::Iec104(_) => proto_iec104::function_name(code),
        }
    }

    /// How long connection establishment may take.
    pub fn connect_timeout(&self) -> Duration {
        match self {
            Self::Iec104(config) => config.connect_timeout(),
        }
    }

    /// After this long without a sign of life a dead peer is noticed at the latest, when data was expected.
    pub fn silence_bound(&self) -> Duration {
        match self {
            Self::Iec104(config) => config.silence_bound(),
        }
    }
}

/// What the command line and the documentation know of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct ProtocolEntry {
    /// Name in configuration, API and command line.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Registered TCP ports: plain, TLS.
    pub ports: (u16, u16),
    /// Decodes a captured octet stream for people, frame by frame.
    pub decode: fn(&[u8]) -> Vec<DecodedFrame>,
}

/// One frame, or a fault, of a captured stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodedFrame {
    /// Offset of its first octet.
    pub offset: usize,
    /// Its fields, one per line, or what is wrong.
    pub text: Result<String, String>,
}

/// Every protocol.
pub const PROTOCOLS: &[ProtocolEntry] = &[ProtocolEntry {
    name: proto_iec104::PROTOCOL.name,
    title: proto_iec104::PROTOCOL.title,
    ports: (proto_iec104::PROTOCOL.port, proto_iec104::PROTOCOL.tls_port),
    decode: decode_iec104,
}];

fn decode_iec104(bytes: &[u8]) -> Vec<DecodedFrame> {
    proto_iec104::decode_stream(bytes)
        .map(|(offset, frame)| DecodedFrame {
            offset,
            text: frame.map(|frame| frame.to_string()).map_err(|fault| fault.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Link {
        protocol: LinkProtocol,
    }

    fn check(text: &str, expected: Result<&[&str], &str>) {
        match (toml::from_str::<Link>(text), expected) {
            (Ok(link), Ok(endpoints)) => assert_eq!(link.protocol.endpoints(), endpoints, "{text}"),
            (Err(error), Err(part)) => assert!(error.message().contains(part), "{text}: {error}"),
            (found, _) => panic!("{text}: {:?}", found.map(|link| link.protocol)),
        }
    }

    #[test]
    fn a_link_names_its_protocol() {
        check("protocol = { iec104 = { endpoints = ['a:1', 'b:2'] } }", Ok(&["a:1", "b:2"]));
        check("[protocol.iec104]\nendpoints = ['a:1']", Ok(&["a:1"]));
        check("[protocol.iec103]\nendpoints = ['a:1']", Err("unknown variant"));
        check("[protocol.iec104]\nendpoint = 'a:1'", Err("unknown field"));
    }

    #[test]
    fn roles_are_built_from_the_same_table() {
        let link: Link = toml::from_str("protocol = { iec104 = { endpoints = ['a:1'] } }").unwrap();
        let points = PointList::default();
        assert!(link.protocol.session("S1", &points).is_ok());
        assert!(link.protocol.station("S1", &points).is_ok());
        let faulty: Link = toml::from_str("protocol = { iec104 = { endpoints = [] } }").unwrap();
        assert!(faulty.protocol.session("S1", &points).is_err_and(|error| error.contains("\"S1\"")));
    }

    #[test]
    fn every_protocol_decodes_for_people() {
        for entry in PROTOCOLS {
            assert!((entry.decode)(&[]).is_empty(), "{}", entry.name);
        }
        let frames = (PROTOCOLS[0].decode)(&[0x68, 4, 0x43, 0, 0, 0]);
        assert_eq!(frames, [DecodedFrame { offset: 0, text: Ok("U TESTFR act".into()) }]);
    }
}
