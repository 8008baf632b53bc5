//! What a certificate says.

use super::{TlsError, certificates, file_error};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use timebase::Utc;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What people want to know of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// Whom it names.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number, hexadecimal.
    pub serial: String,
    /// DNS names and addresses among its subject alternative names.
    pub names: Vec<String>,
    /// Whether it may be presented by whoever is connected to.
    pub server: bool,
    /// Whether it may be presented by whoever connects.
    pub client: bool,
    /// Good from.
    pub from: Utc,
    /// Good until.
    pub until: Utc,
}

impl CertificateFacts {
    /// The first certificate of a PEM file.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let chain = certificates(path)?;
        let first = chain.first().and_then(Self::of);
        first.ok_or_else(|| file_error(path, "its certificate cannot be understood"))
    }

    /// What these bytes say; `None` if they are no certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok()?.map_or_else(Vec::new, |extension| {
            extension.value.general_names.iter().filter_map(name).collect()
        });
        let usage = parsed.extended_key_usage().ok()?.map(|extension| extension.value);
        // Without the extension a certificate may be used for both.
        let may =
            |which: fn(&ExtendedKeyUsage<'_>) -> bool| usage.is_none_or(|usage| usage.any || which(usage));
        let at = |seconds: i64| Utc::from_micros(seconds.saturating_mul(1_000_000));
        let validity = parsed.validity();
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            serial: parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            names,
            server: may(|usage| usage.server_auth),
            client: may(|usage| usage.client_auth),
            from: at(validity.not_before.timestamp()),
            until: at(validity.not_after.timestamp()),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match **octets {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*octets).ok().map(|all| std::net::Ipv6Addr::from(all).to_string()),
        },
        _ => None,
    }
}
