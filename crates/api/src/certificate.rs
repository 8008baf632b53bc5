//! Certificates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The certificates that a centre uses, and those that its authority has issued.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CertificatesView {
    /// Those that the configuration names.
    pub used: Vec<UsedCertificateView>,
    /// Those that the authority on this machine has issued; null without one.
    pub issued: Option<Vec<IssuedCertificateView>>,
}

/// A certificate that the configuration names.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct UsedCertificateView {
    /// For what: `http`, `uplink`, `audit copy`, `link NAME`.
    pub used_by: String,
    /// Whom it names; null when it cannot be read.
    pub subject: Option<String>,
    /// Who issued it.
    pub issuer: Option<String>,
    /// Number, hexadecimal.
    pub serial: Option<String>,
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// Good from, ISO 8601 UTC.
    pub from: Option<String>,
    /// Good until, ISO 8601 UTC.
    pub until: Option<String>,
    /// Days until then; 0 when it is over.
    pub days_left: Option<f64>,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// A certificate that was issued here.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct IssuedCertificateView {
    /// Number, hexadecimal.
    pub serial: String,
    /// Whom it names.
    pub name: String,
    /// Good until, ISO 8601 UTC.
    pub until: String,
    /// When it was revoked; null for a good one.
    pub revoked_at: Option<String>,
    /// Why it was revoked.
    pub reason: Option<String>,
}

/// Asks to revoke a certificate.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeCertificate {
    /// Number, hexadecimal.
    pub serial: String,
    /// `unspecified`, `key_compromise`, `affiliation_changed`, `superseded`, `cessation_of_operation` or
    /// `privilege_withdrawn`.
    pub reason: String,
}

/// Asks for a token with which somebody can have a certificate.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectEnrolment {
    /// Name of whom it is for.
    pub name: String,
    /// Further DNS names and addresses.
    #[serde(default)]
    pub names: Vec<String>,
    /// `server`, `client` or `both`.
    pub usage: String,
    /// Days that the certificate will be good, 1 to 7300.
    pub days: u32,
}

/// A token for one enrolment.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EnrolmentView {
    /// Shown once.
    pub token: String,
    /// Void from then on, ISO 8601 UTC.
    pub expires_at: String,
}

/// A request for a certificate.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The token.
    pub token: String,
    /// Request (PKCS #10) as PEM; its names do not count, those of the token do.
    pub request: String,
}

/// What came of a request.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EnrolledCertificateView {
    /// The certificate, PEM.
    pub certificate: String,
    /// The authorities, PEM.
    pub ca: String,
}
