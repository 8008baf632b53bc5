//! TLS after IEC 62351-3: mutual authentication, TLS 1.2 with AEAD suites and TLS 1.3, nothing older.
//!
//! The provider is named in every call, so that no process-wide default decides.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Files of a mutually authenticated TLS link, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// Certificate authorities that the peer's certificate must descend from.
    pub ca: PathBuf,
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds no PEM of the expected kind.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate, key and authorities do not make a configuration.
    #[error("{0}")]
    Config(String),
    /// The name to expect in the peer's certificate is none.
    #[error("{0:?} is no server name")]
    ServerName(String),
}

/// The centre's side.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

/// The field's side.
#[derive(Clone)]
pub struct TlsServer {
    acceptor: TlsAcceptor,
}

impl TlsClient {
    /// Reads the files; the peer's certificate must carry `server_name`.
    pub fn load(files: &TlsFiles, server_name: &str) -> Result<Self, TlsError> {
        let (chain, key) = identity(files)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(config_error)?
            .with_root_certificates(authorities(&files.ca)?)
            .with_client_auth_cert(chain, key)
            .map_err(config_error)?;
        let server_name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| TlsError::ServerName(server_name.into()))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server_name })
    }

    pub(crate) const fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }
}

impl TlsServer {
    /// Reads the files; a peer without a certificate of the authorities is refused.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let (chain, key) = identity(files)?;
        let roots = Arc::new(authorities(&files.ca)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| TlsError::Config(error.to_string()))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(config_error)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(config_error)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(crate) const fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// The certificate that a peer has proved to hold.
#[derive(Clone, Debug)]
pub struct PeerCertificate(CertificateDer<'static>);

impl PeerCertificate {
    /// The one of a client, after the handshake.
    pub(crate) fn of_client<S>(stream: &tokio_rustls::server::TlsStream<S>) -> Option<Self> {
        let chain = stream.get_ref().1.peer_certificates()?;
        chain.first().map(|certificate| Self(certificate.clone().into_owned()))
    }

    /// Whether it was issued for this name (subject alternative name, RFC 6125).
    pub fn carries(&self, name: &str) -> bool {
        let Ok(certificate) = rustls::server::ParsedCertificate::try_from(&self.0) else { return false };
        let Ok(name) = ServerName::try_from(name) else { return false };
        rustls::client::verify_server_name(&certificate, &name).is_ok()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn config_error(error: rustls::Error) -> TlsError {
    TlsError::Config(error.to_string())
}

fn file_error(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file_error(path, error))?;
    if chain.is_empty() { Err(file_error(path, "no certificate in it")) } else { Ok(chain) }
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| file_error(path, error))?;
    }
    Ok(roots)
}

fn identity(files: &TlsFiles) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| file_error(&files.key, error))?;
    Ok((chain, key))
}

impl std::fmt::Debug for TlsClient {
    /// Says which peer is expected; keys are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TlsServer {
    /// Says nothing; keys are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}
