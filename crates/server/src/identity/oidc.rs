//! Sign-in with OpenID Connect: code flow with PKCE (RFC 7636), state and nonce, bound to the browser that began it.
//!
//! The provider says who somebody is; roles, areas and validity stay those of the account of that name, which must exist.
//! An administrator of the provider cannot make himself an operator. Only the configured issuer is ever asked, and
//! only addresses on its host (S-32); nothing a browser sends becomes an address.

use super::{Began, Identity, SignInError, console, hex, locked};
use anyhow::{Context as _, Result, bail};
use core::net::IpAddr;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _,
};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use timebase::{Mono, Now};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use url::Url;

/// Where the provider sends the browser back to.
pub(crate) const CALLBACK: &str = "/api/v1/session/oidc/callback";
/// How long an exchange may take, with the second factor at the provider.
const EXCHANGE: Duration = Duration::from_secs(600);
/// Exchanges under way at the same time.
const MAX_EXCHANGES: usize = 1_000;
/// How long what the provider says about itself is believed: its keys change rarely.
const METADATA_LIFE: Duration = Duration::from_secs(600);
/// How long one request to the provider may take.
const REQUEST: Duration = Duration::from_secs(10);
/// Longest answer of the provider.
const MAX_ANSWER: u64 = 1 << 20;

/// Which claim names the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserClaim {
    /// `preferred_username`.
    #[default]
    PreferredUsername,
    /// `email`, if the provider says that it is verified.
    Email,
    /// `sub`.
    Sub,
}

/// The provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Issuer, as its discovery document names it. `https`, or `http` on a loopback address.
    pub issuer: String,
    /// Name of this centre at the provider.
    pub client_id: String,
    /// File with the secret of this centre at the provider; without it the centre is a public client.
    pub client_secret_file: Option<PathBuf>,
    /// File with the authorities of the provider's certificate, PEM; needed for `https`.
    pub ca: Option<PathBuf>,
    /// Which claim names the account.
    #[serde(default)]
    pub user_claim: UserClaim,
    /// What the page calls this way to sign in.
    #[serde(default = "default_name")]
    pub name: String,
}

fn default_name() -> String {
    "Single sign-on".to_owned()
}

impl OidcConfig {
    /// Lets relative paths start at the folder of the configuration.
    pub(crate) fn resolve(&mut self, base: &Path) {
        for path in [&mut self.client_secret_file, &mut self.ca].into_iter().flatten() {
            *path = base.join(&*path);
        }
    }

    /// Checks what the types cannot say.
    pub(crate) fn check(&self, origin: Option<&str>) -> Result<(), String> {
        if origin.is_none() {
            return Err("identity.oidc: identity.origin must say where the page is".to_owned());
        }
        let issuer = Url::parse(&self.issuer).map_err(|error| format!("identity.oidc.issuer: {error}"))?;
        let local = matches!(issuer.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match issuer.scheme() {
            "https" if self.ca.is_some() => Ok(()),
            "https" => {
                Err("identity.oidc.ca: the file with the provider's authorities is missing".to_owned())
            }
            "http" if local => Ok(()),
            _ => Err(format!("identity.oidc.issuer: {} is neither https nor on this machine", self.issuer)),
        }
    }
}

/// What must be there when the browser comes back.
struct Exchange {
    verifier: PkceCodeVerifier,
    nonce: Nonce,
    /// Secret that the browser carries in a cookie.
    browser: String,
    since: Mono,
}

/// The provider, and the exchanges under way.
pub(crate) struct Oidc {
    issuer: IssuerUrl,
    host: String,
    client: ClientId,
    secret: Option<ClientSecret>,
    claim: UserClaim,
    redirect: RedirectUrl,
    agent: Agent,
    metadata: Mutex<Option<(CoreProviderMetadata, Mono)>>,
    exchanges: Mutex<HashMap<String, Exchange>>,
    pub(crate) name: String,
}

/// A request to the provider that was not made, or not answered.
#[derive(Debug, thiserror::Error)]
enum Asking {
    #[error("{0} is not an address of the provider")]
    Foreign(String),
    #[error(transparent)]
    Ureq(#[from] ureq::Error),
}

impl Oidc {
    pub(crate) fn new(config: &OidcConfig, origin: &str) -> Result<Self> {
        let issuer = Url::parse(&config.issuer).context("identity.oidc.issuer")?;
        let host = issuer.host_str().context("identity.oidc.issuer names no host")?.to_owned();
        let secret = match &config.client_secret_file {
            None => None,
            Some(file) => {
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
                if text.trim().len() < 16 {
                    bail!("{}: a client secret of fewer than 16 characters is none", file.display());
                }
                Some(ClientSecret::new(text.trim().to_owned()))
            }
        };
        Ok(Self {
            // As it is written: the provider's own words must be the same, to the last slash.
            issuer: IssuerUrl::new(config.issuer.clone())?,
            host,
            client: ClientId::new(config.client_id.clone()),
            secret,
            claim: config.user_claim,
            redirect: RedirectUrl::new(format!("{}{CALLBACK}", origin.trim_end_matches('/')))?,
            agent: agent(config.ca.as_deref())?,
            metadata: Mutex::default(),
            exchanges: Mutex::default(),
            name: config.name.clone(),
        })
    }

    fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Asking> {
        let own = request.uri().host() == Some(&self.host);
        if !own {
            return Err(Asking::Foreign(request.uri().to_string()));
        }
        let mut answer = self.agent.run(request)?;
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    fn metadata(&self, now: Mono) -> Result<CoreProviderMetadata> {
        if let Some((metadata, since)) = &*locked(&self.metadata)
            && now.since(*since) < METADATA_LIFE
        {
            return Ok(metadata.clone());
        }
        let ask = |request: HttpRequest| self.ask(request);
        let metadata = CoreProviderMetadata::discover(&self.issuer, &ask)
            .map_err(|error| anyhow::anyhow!("the provider's discovery: {}", chain(&error)))?;
        *locked(&self.metadata) = Some((metadata.clone(), now));
        Ok(metadata)
    }

    /// Begins an exchange: where the browser goes, and the secret that it carries meanwhile.
    pub(crate) fn begin(&self, now: Now) -> Result<(Url, String)> {
        let metadata = self.metadata(now.mono)?;
        let client = CoreClient::from_provider_metadata(metadata, self.client.clone(), self.secret.clone())
            .set_redirect_uri(self.redirect.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let fresh = || console::random::<32>().map(|octets| hex(&octets));
        let (state, nonce, browser) = (fresh()?, fresh()?, fresh()?);
        let (kept_state, kept_nonce) = (state.clone(), nonce.clone());
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let (address, ..) = client
            .authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce))
            .add_scope(Scope::new("profile".to_owned()))
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let mut exchanges = locked(&self.exchanges);
        exchanges.retain(|_, exchange| now.mono.since(exchange.since) < EXCHANGE);
        if exchanges.len() >= MAX_EXCHANGES {
            bail!("too many sign-ins are under way");
        }
        let (nonce, browser_kept) = (Nonce::new(kept_nonce), browser.clone());
        exchanges.insert(kept_state, Exchange { verifier, nonce, browser: browser_kept, since: now.mono });
        Ok((address, browser))
    }

    /// Finishes an exchange; the name of the account that the provider vouches for.
    fn finish(&self, code: &str, state: &str, browser: &str, now: Now) -> Result<String> {
        let exchange = locked(&self.exchanges).remove(state).context("no such sign-in is under way")?;
        if now.mono.since(exchange.since) >= EXCHANGE {
            bail!("the sign-in took too long");
        }
        if !bool::from(exchange.browser.as_bytes().ct_eq(browser.as_bytes())) {
            bail!("the sign-in was begun by another browser");
        }
        let metadata = self.metadata(now.mono)?;
        let client = CoreClient::from_provider_metadata(metadata, self.client.clone(), self.secret.clone())
            .set_redirect_uri(self.redirect.clone());
        let ask = |request: HttpRequest| self.ask(request);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))?
            .set_pkce_verifier(exchange.verifier)
            .request(&ask)
            .map_err(|error| anyhow::anyhow!("the code: {}", chain(&error)))?;
        let token = answer.id_token().context("the provider gave no identity")?;
        let claims = token
            .claims(&client.id_token_verifier(), &exchange.nonce)
            .map_err(|error| anyhow::anyhow!("the identity: {}", chain(&error)))?;
        self.account(claims)
    }

    fn account(&self, claims: &CoreIdTokenClaims) -> Result<String> {
        let name = match self.claim {
            UserClaim::PreferredUsername => claims.preferred_username().map(|name| name.as_str().to_owned()),
            UserClaim::Email if claims.email_verified() == Some(true) => {
                claims.email().map(|email| email.as_str().to_owned())
            }
            UserClaim::Email => None,
            UserClaim::Sub => Some(claims.subject().as_str().to_owned()),
        };
        name.filter(|name| !name.is_empty()).context("the identity names no account")
    }
}

/// An error with its causes: the libraries put the reason at the end of the chain.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}

/// The one way to the provider: no redirects, bounded in time, TLS by our provider with the configured authorities.
fn agent(ca: Option<&Path>) -> Result<Agent> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    if let Some(file) = ca {
        let pem = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        for item in ureq::tls::parse_pem(&pem) {
            let item = item.with_context(|| format!("{} is no PEM", file.display()))?;
            if let ureq::tls::PemItem::Certificate(certificate) = item {
                roots.push(certificate);
            }
        }
        if roots.is_empty() {
            bail!("{}: no certificate in it", file.display());
        }
    }
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(REQUEST))
        .proxy(None)
        .build();
    Ok(config.into())
}

impl Identity {
    /// Begins a sign-in at the provider; `None` when none is configured.
    pub(crate) fn begin_oidc(&self, now: Now) -> Option<Result<(Url, String)>> {
        self.oidc.as_ref().map(|oidc| oidc.begin(now))
    }

    /// What the page calls the provider, if there is one.
    pub(crate) fn oidc_name(&self) -> Option<&str> {
        self.oidc.as_ref().map(|oidc| oidc.name.as_str())
    }

    /// Finishes it; returns the session's secret.
    pub(crate) fn finish_oidc(
        &self,
        (code, state, browser): (&str, &str, &str),
        from: IpAddr,
        now: Now,
    ) -> Result<String, SignInError> {
        self.check_pace("", from, now.mono)?;
        let finished = match &self.oidc {
            Some(oidc) => oidc.finish(code, state, browser, now),
            None => Err(anyhow::anyhow!("no provider is configured")),
        };
        let name = match finished {
            Ok(name) => name,
            Err(error) => {
                tracing::warn!(%error, %from, "Sign-in at the provider failed");
                return Err(self.failed("", from, now, "the provider's answer is not valid"));
            }
        };
        let user = self.store.user(&name).map_err(|_| SignInError::Store)?;
        let active = user.is_some_and(|user| user.is_active(now.utc) && !user.sealed);
        if !active {
            return Err(self.failed(&name, from, now, "the provider vouches for a name without an account"));
        }
        self.begin(&name, from, Began::Oidc, now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(issuer: &str, ca: Option<&str>) -> OidcConfig {
        OidcConfig {
            issuer: issuer.to_owned(),
            client_id: "tieline".to_owned(),
            client_secret_file: None,
            ca: ca.map(PathBuf::from),
            user_claim: UserClaim::default(),
            name: default_name(),
        }
    }

    #[test]
    fn only_an_issuer_that_can_be_believed_is_taken() {
        let origin = Some("https://scada.example");
        assert!(config("https://idp.example", Some("ca.pem")).check(origin).is_ok());
        assert!(config("https://idp.example", None).check(origin).is_err());
        assert!(config("http://idp.example", Some("ca.pem")).check(origin).is_err());
        assert!(config("http://localhost:9400", None).check(origin).is_ok());
        assert!(config("http://localhost:9400", None).check(None).is_err());
        assert!(config("file:///etc/passwd", None).check(origin).is_err());
    }

    #[test]
    fn no_other_host_is_asked() {
        let oidc = Oidc::new(&config("http://localhost:1", None), "http://localhost").unwrap();
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = "http://169.254.169.254/latest/meta-data".parse().unwrap();
        assert!(matches!(oidc.ask(request), Err(Asking::Foreign(_))));
    }
}
