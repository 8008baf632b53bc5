//! TLS after IEC 62351-3: mutual authentication, TLS 1.2 with AEAD suites and TLS 1.3, nothing older.
//!
//! The provider is named in every call, so that no process-wide default decides. Certificates, keys, authorities and revocation
//! lists are read anew when their files change; connections live on unless their peer's certificate is no longer good, which is
//! asked again every [`guarded::BEAT`].

mod facts;
mod guarded;
mod live;

pub use facts::CertificateFacts;

use crate::channel::Stream;
use ::aws_lc_rs::digest as aws_lc_rs_digest;
use guarded::Guarded;
use live::{Live, Sources};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Files of a mutually authenticated TLS link, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// Certificate authorities that the peer's certificate must descend from; two while one follows the other.
    pub ca: PathBuf,
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// Revocation lists of all the authorities; without it nothing counts as revoked.
    pub crl: Option<PathBuf>,
}

/// Files of a server for people and programs, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerFiles {
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// Authorities of clients that may prove who they are by a certificate; without it none is asked for one.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of all these authorities; without it nothing counts as revoked.
    pub crl: Option<PathBuf>,
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

/// The side that connects.
#[derive(Clone)]
pub struct TlsClient {
    live: Arc<Live<ClientSide>>,
    server_name: ServerName<'static>,
}

/// The side that listens.
#[derive(Clone)]
pub struct TlsServer {
    live: Arc<Live<ServerSide>>,
}

struct ClientSide {
    connector: TlsConnector,
    verifier: Arc<WebPkiServerVerifier>,
}

struct ServerSide {
    acceptor: TlsAcceptor,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl TlsClient {
    /// Reads the files; the peer's certificate must carry `server_name`.
    pub fn load(files: &TlsFiles, server_name: &str) -> Result<Self, TlsError> {
        let server_name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| TlsError::ServerName(server_name.into()))?;
        Ok(Self { live: Arc::new(Live::new(files.into(), ClientSide::make)?), server_name })
    }

    /// The secured form of a connection, after the handshake. Not bounded in time. It ends when the peer's certificate
    /// expires or is revoked.
    ///
    /// # Errors
    /// Those of the socket, and what is wrong with the peer's certificate.
    pub async fn secure(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let connector = self.live.now().connector.clone();
        let stream = connector.connect(self.server_name.clone(), stream).await?;
        let chain = chain_of(stream.get_ref().1.peer_certificates());
        let (live, name) = (Arc::clone(&self.live), self.server_name.clone());
        let check = move || live.now().check(&chain, &name);
        Ok(Box::new(Guarded::new(stream, Box::new(check))))
    }
}

impl ClientSide {
    fn make(sources: &Sources) -> Result<Self, TlsError> {
        let (chain, key) = identity(sources)?;
        let roots = Arc::new(authorities(sources.ca.as_deref())?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .with_crls(revocations(sources.crl.as_deref())?)
            .build()
            .map_err(|error| TlsError::Config(error.to_string()))?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(config_error)?
            .with_webpki_verifier(Arc::clone(&verifier))
            .with_client_auth_cert(chain, key)
            .map_err(config_error)?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), verifier })
    }

    fn check(&self, chain: &[CertificateDer<'static>], name: &ServerName<'_>) -> Result<(), rustls::Error> {
        let (own, between) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier.verify_server_cert(own, between, name, &[], UnixTime::now()).map(drop)
    }
}

impl TlsServer {
    /// Reads the files; a peer without a certificate of the authorities is refused.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { live: Arc::new(Live::new(files.into(), |sources| ServerSide::make(sources, true))?) })
    }

    /// Reads the files; a peer may come without a certificate, but not with a bad one.
    pub fn load_open(files: &ServerFiles) -> Result<Self, TlsError> {
        Ok(Self { live: Arc::new(Live::new(files.into(), |sources| ServerSide::make(sources, false))?) })
    }

    /// The secured form of an accepted connection, after the handshake, and the certificate that the client has proved to
    /// hold. Not bounded in time. It ends when that certificate expires or is revoked.
    ///
    /// # Errors
    /// Those of the socket, and what is wrong with the peer's certificate.
    pub async fn secure(&self, stream: TcpStream) -> io::Result<(Box<dyn Stream>, Option<PeerCertificate>)> {
        let acceptor = self.live.now().acceptor.clone();
        let stream = acceptor.accept(stream).await?;
        let chain = chain_of(stream.get_ref().1.peer_certificates());
        let Some(own) = chain.first().cloned() else { return Ok((Box::new(stream), None)) };
        let live = Arc::clone(&self.live);
        let check = move || live.now().check(&chain);
        Ok((Box::new(Guarded::new(stream, Box::new(check))), Some(PeerCertificate(own))))
    }
}

impl ServerSide {
    fn make(sources: &Sources, needed: bool) -> Result<Self, TlsError> {
        let (chain, key) = identity(sources)?;
        let verifier = sources.ca.as_deref().map(|ca| client_verifier(ca, sources, needed)).transpose()?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(config_error)?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(chain, key).map_err(config_error)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), verifier })
    }

    fn check(&self, chain: &[CertificateDer<'static>]) -> Result<(), rustls::Error> {
        let (own, between) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        match &self.verifier {
            Some(verifier) => verifier.verify_client_cert(own, between, UnixTime::now()).map(drop),
            None => Ok(()),
        }
    }
}

fn client_verifier(
    ca: &Path,
    sources: &Sources,
    needed: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(authorities(Some(ca))?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .with_crls(revocations(sources.crl.as_deref())?);
    let builder = if needed { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| TlsError::Config(error.to_string()))
}

fn chain_of(peer: Option<&[CertificateDer<'_>]>) -> Vec<CertificateDer<'static>> {
    peer.unwrap_or_default().iter().map(|one| one.clone().into_owned()).collect()
}

/// The certificate that a peer has proved to hold.
#[derive(Clone, Debug)]
pub struct PeerCertificate(CertificateDer<'static>);

impl PeerCertificate {
    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut fingerprint = [0; 32];
        let digest = aws_lc_rs_digest::digest(&aws_lc_rs_digest::SHA256, &self.0);
        // SHA-256 has 32 bytes.
        fingerprint.copy_from_slice(digest.as_ref());
        fingerprint
    }

    /// Whether it was issued for exactly this name (a DNS name among its subject alternative names, RFC 6125). Wildcards
    /// are for servers: here they would let one certificate speak for many.
    pub fn carries(&self, name: &str) -> bool {
        CertificateFacts::of(&self.0)
            .is_some_and(|facts| facts.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
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

fn authorities(path: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let path = path.ok_or_else(|| TlsError::Config("no authority is named".to_owned()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| file_error(path, error))?;
    }
    Ok(roots)
}

fn revocations(path: Option<&Path>) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file_error(path, error))?;
    if lists.is_empty() { Err(file_error(path, "no revocation list in it")) } else { Ok(lists) }
}

fn identity(sources: &Sources) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&sources.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&sources.key).map_err(|error| file_error(&sources.key, error))?;
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
