//! How people sign in: the table `[identity]` of the configuration.

use super::oidc::OidcConfig;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a person needs before anything but enrolling is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enrolment {
    /// Nothing: a one-time link is enough. For demonstrations.
    None,
    /// A password.
    Password,
    /// A password and a second factor, or a passkey.
    SecondFactor,
}

impl Enrolment {
    /// The name in the configuration and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Password => "password",
            Self::SecondFactor => "second-factor",
        }
    }
}

/// How people sign in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// What a person needs before anything but enrolling is open. Without it `second-factor`, in demonstrations `none`.
    pub enrolment: Option<Enrolment>,
    /// Sessions of one user at the same time; the one that was not used for longest ends when another one begins.
    pub max_sessions: usize,
    /// How long a second factor counts as fresh.
    pub step_up_minutes: u32,
    /// Passwords that have leaked: SHA-1 in hexadecimal with `:COUNT`, sorted, in one file; or a folder with a file for each
    /// five first digits. The formats of Have I Been Pwned.
    pub breached_passwords: Option<PathBuf>,
    /// Key that seals the secrets of authenticators; without it `identity.key` in the data directory, made at the first start.
    pub key_file: Option<PathBuf>,
    /// How long a sealed account stays open that two custodians have opened.
    pub break_glass_minutes: u32,
    /// Address that browsers know the page by, for passkeys, e.g. `https://scada.example`; without it `http://localhost`.
    pub origin: Option<String>,
    /// OpenID Connect provider that one may sign in at.
    pub oidc: Option<OidcConfig>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            enrolment: None,
            max_sessions: 5,
            step_up_minutes: 5,
            breached_passwords: None,
            key_file: None,
            break_glass_minutes: 60,
            origin: None,
            oidc: None,
        }
    }
}

impl IdentityConfig {
    /// Lets relative paths start at the folder of the configuration.
    pub(crate) fn resolve(&mut self, base: &Path) {
        for path in [&mut self.breached_passwords, &mut self.key_file].into_iter().flatten() {
            *path = base.join(&*path);
        }
        if let Some(oidc) = &mut self.oidc {
            oidc.resolve(base);
        }
    }

    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=100).contains(&self.max_sessions) {
            return Err(format!("identity.max_sessions: {} is not between 1 and 100", self.max_sessions));
        }
        for (key, value) in
            [("step_up_minutes", self.step_up_minutes), ("break_glass_minutes", self.break_glass_minutes)]
        {
            if !(1..=720).contains(&value) {
                return Err(format!("identity.{key}: {value} is not between 1 and 720"));
            }
        }
        if let Some(oidc) = &self.oidc {
            oidc.check(self.origin.as_deref())?;
        }
        match &self.breached_passwords {
            Some(path) if !path.exists() => {
                Err(format!("identity.breached_passwords: {} does not exist", path.display()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What the configuration means for one centre.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// How long a session lasts.
    pub(crate) lifetime: Duration,
    /// How long an unused one lasts.
    pub(crate) idle: Duration,
    pub(crate) enrolment: Enrolment,
    pub(crate) max_sessions: usize,
    pub(crate) step_up: Duration,
    pub(crate) break_glass: Duration,
    pub(crate) breached: Option<PathBuf>,
    /// Address that browsers know the page by.
    pub(crate) origin: Option<String>,
    pub(crate) oidc: Option<OidcConfig>,
    /// Name of the centre, as authenticators show it.
    pub(crate) issuer: String,
}

impl Policy {
    pub(crate) fn new(config: &crate::config::Config, mode: crate::Mode) -> Self {
        let identity = &config.identity;
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
        let enrolment = match mode {
            crate::Mode::Demo => Enrolment::None,
            crate::Mode::Run => Enrolment::SecondFactor,
        };
        Self {
            lifetime: Duration::from_secs(u64::from(config.http.session_hours) * 3_600),
            idle: minutes(config.http.idle_minutes),
            enrolment: identity.enrolment.unwrap_or(enrolment),
            max_sessions: identity.max_sessions,
            step_up: minutes(identity.step_up_minutes),
            break_glass: minutes(identity.break_glass_minutes),
            breached: identity.breached_passwords.clone(),
            origin: identity.origin.clone(),
            oidc: identity.oidc.clone(),
            issuer: config.name.clone(),
        }
    }
}
