//! Configuration of a gateway: one TOML file, unknown keys refused, checked once.

use serde::Deserialize;
use server::config::{ConfigError, LinkConfig, TlsPaths, parse_toml};
use std::path::{Path, PathBuf};

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayConfig {
    /// Name of the gateway, as the centre knows it and its certificate says.
    pub(crate) name: String,
    /// Point list as CSV; points of links that are not configured here are left out.
    pub(crate) points: PathBuf,
    /// What is kept until the centre has it.
    pub(crate) journal: JournalConfig,
    /// The way to the centre.
    pub(crate) uplink: UplinkConfig,
    /// Links to devices.
    #[serde(default)]
    pub(crate) link: Vec<LinkConfig>,
}

/// What is kept until the centre has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JournalConfig {
    /// Folder; created if it does not exist, taken by one process at a time.
    pub(crate) directory: PathBuf,
    /// How long readings are kept, in hours, 1 to 1000.
    #[serde(default = "default_keep_h")]
    pub(crate) keep_h: f64,
    /// Largest size, in GiB, 0.01 to 10000. The oldest readings go first.
    #[serde(default = "default_max_gib")]
    pub(crate) max_gib: f64,
    /// Readings wait at most this long for others to share a write with, in ms, 1 to 10000. A loss of power takes as much.
    #[serde(default = "default_commit_ms")]
    pub(crate) commit_ms: f64,
}

/// The way to the centre.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UplinkConfig {
    /// `host:port` of the centre's uplink.
    pub(crate) centre: String,
    /// Certificate of the gateway and authority of the centre; needed for hosts beyond loopback.
    pub(crate) tls: Option<TlsPaths>,
    /// Name that the centre's certificate must carry; the host of `centre` if absent.
    pub(crate) server_name: Option<String>,
}

const fn default_keep_h() -> f64 {
    72.0
}

const fn default_max_gib() -> f64 {
    4.0
}

const fn default_commit_ms() -> f64 {
    100.0
}

impl GatewayConfig {
    /// Reads and checks a file; relative paths in it start at its folder.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let fault = |reason: String| ConfigError { file: file.to_owned(), line: None, reason };
        let text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
        let mut config: Self = parse_toml(file, &text)?;
        let base = file.parent().unwrap_or_else(|| Path::new("."));
        config.points = base.join(&config.points);
        config.journal.directory = base.join(&config.journal.directory);
        if let Some(tls) = &mut config.uplink.tls {
            tls.start_at(base);
        }
        config.check().map_err(fault)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let ranges = [
            ("journal.keep_h", self.journal.keep_h, 1.0, 1_000.0),
            ("journal.max_gib", self.journal.max_gib, 0.01, 10_000.0),
            ("journal.commit_ms", self.journal.commit_ms, 1.0, 10_000.0),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(format!("{key}: {value} is not between {low} and {high}"));
            }
        }
        if self.name.is_empty() {
            return Err("name: a gateway needs one".to_owned());
        }
        if self.uplink.tls.is_none() && !is_loopback(&self.uplink.centre) {
            return Err(format!(
                "uplink.centre: {} is not on this machine and needs uplink.tls",
                self.uplink.centre
            ));
        }
        Ok(())
    }
}

/// Whether an address `host:port` stays on this machine: a loopback address, or the name that stands for it.
fn is_loopback(address: &str) -> bool {
    let socket = address.parse::<std::net::SocketAddr>();
    socket.is_ok_and(|socket| socket.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str =
        "name = 'g'\npoints = 'p.csv'\n[journal]\ndirectory = 'd'\n[uplink]\ncentre = '127.0.0.1:1'\n";

    fn check(text: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        match (GatewayConfig::load(&file), expected) {
            (Ok(config), "") => {
                assert_eq!(config.journal.directory, folder.path().join("d"));
                assert_eq!((config.journal.keep_h, config.journal.max_gib), (72.0, 4.0));
            }
            (Ok(_), expected) => panic!("{text}: not refused with {expected}"),
            (Err(error), expected) => {
                assert!(!expected.is_empty() && error.to_string().contains(expected), "{text}: {error}");
            }
        }
    }

    #[test]
    fn faults_are_named() {
        check(GOOD, "");
        check(
            &GOOD.replace("directory = 'd'", "directory = 'd'\nkeep_h = 0.0"),
            "journal.keep_h: 0 is not between",
        );
        check(&GOOD.replace("127.0.0.1:1", "centre.example:1"), "needs uplink.tls");
        check(&GOOD.replace("name = 'g'", "name = ''"), "name: a gateway needs one");
        check(&GOOD.replace("points", "poinst"), ":2: unknown field `poinst`");
    }

    #[test]
    fn the_example_is_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/gateway.toml");
        assert!(GatewayConfig::load(&file).is_ok());
    }
}
