//! The table `[audit]` of the configuration.

use crate::uplink::TlsPaths;
use serde::Deserialize;
use std::path::Path;

/// How the audit is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Seconds between two signed checkpoints, 1 to 60.
    pub checkpoint_s: f64,
    /// Where a copy goes to; none without this table.
    pub forward: Option<ForwardConfig>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { checkpoint_s: 30.0, forward: None }
    }
}

/// A collector on another machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardConfig {
    /// Host and port of its syslog listener.
    pub to: String,
    /// How a record is written.
    #[serde(default)]
    pub format: Format,
    /// Mutual TLS after RFC 5425; needed for addresses beyond loopback.
    pub tls: Option<TlsPaths>,
    /// Name that the collector's certificate must carry; without it the host.
    pub server_name: Option<String>,
}

/// How a record is written in a syslog message. Place and hash are in each, so that each can be verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Structured data of RFC 5424, and a sentence.
    #[default]
    Structured,
    /// ArcSight's Common Event Format.
    Cef,
    /// One JSON object.
    Json,
}

impl Format {
    /// Every format with its name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Structured, "structured"), (Self::Cef, "cef"), (Self::Json, "json")];

    /// The format of that name.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(format, _)| *format)
    }
}

impl AuditConfig {
    /// Relative paths start at this folder.
    pub(crate) fn start_at(&mut self, base: &Path) {
        if let Some(tls) = self.forward.as_mut().and_then(|forward| forward.tls.as_mut()) {
            tls.start_at(base);
        }
    }

    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1.0..=60.0).contains(&self.checkpoint_s) {
            return Err(format!("audit.checkpoint_s: {} is not between 1 and 60", self.checkpoint_s));
        }
        let Some(forward) = &self.forward else { return Ok(()) };
        let Some((host, port)) = forward.to.rsplit_once(':') else {
            return Err(format!("audit.forward.to: {:?} is no host:port", forward.to));
        };
        if host.is_empty() || !matches!(port.parse(), Ok(1..=65_535_u16)) {
            return Err(format!("audit.forward.to: {:?} is no host:port", forward.to));
        }
        if forward.tls.is_none() && !is_loopback(host) {
            return Err(format!(
                "audit.forward.to: {host} is not a loopback address and needs audit.forward.tls"
            ));
        }
        Ok(())
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_leaves_the_machine_only_by_tls() {
        let check = |text: &str| toml::from_str::<AuditConfig>(text).unwrap().check();
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("forward = { to = '127.0.0.1:514' }"), Ok(()));
        assert_eq!(check("forward = { to = '[::1]:514', format = 'cef' }"), Ok(()));
        let tls = "tls = { ca = 'a', certificate = 'b', key = 'c' }";
        assert_eq!(check(&format!("forward = {{ to = 'logs.example:6514', {tls} }}")), Ok(()));
        assert!(
            check("forward = { to = 'logs.example:6514' }").unwrap_err().contains("needs audit.forward.tls")
        );
        assert!(check("forward = { to = 'logs' }").unwrap_err().contains("no host:port"));
        assert!(check("forward = { to = '127.0.0.1:0' }").unwrap_err().contains("no host:port"));
        assert!(check("checkpoint_s = 61").unwrap_err().contains("not between 1 and 60"));
        assert!(toml::from_str::<AuditConfig>("forward = { to = 'x', format = 'xml' }").is_err());
    }
}
