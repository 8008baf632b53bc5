//! The table of a link in the configuration, for either role.

use crate::codec::CommonAddress;
use crate::session::{ControlledSettings, ControllingSettings, LinkParameters};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use timebase::Zone;

/// Longest time that a key may hold, in seconds: a year.
const SECONDS_MAX: f64 = 31_536_000.0;
/// Most connections of a redundancy group.
const CHANNELS_MAX: usize = 16;

/// One IEC 60870-5-104 link. Both roles read the same table; keys of the other role are ignored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses `host:port` of the controlled station, several for a redundancy group in order of preference; the
    /// controlled station listens on the first.
    pub endpoints: Vec<String>,
    /// Common address of points whose address names none.
    pub common_address: u16,
    /// Originator address of the controlling station; 0 when not used.
    pub originator_address: u8,
    /// Most I format APDUs sent and not acknowledged, 1 to 32767.
    pub k: u16,
    /// Latest acknowledgement after this many I format APDUs; at most two thirds of k is recommended.
    pub w: u16,
    /// Time-out of connection establishment.
    pub t0_s: f64,
    /// Time-out of sent or test APDUs.
    pub t1_s: f64,
    /// Time-out for acknowledgements when there is no data; below t1.
    pub t2_s: f64,
    /// Idle time after which a test frame is sent.
    pub t3_s: f64,
    /// Interval of the station interrogation; 0 for only at the start.
    pub interrogate_every_s: f64,
    /// Interval of the counter interrogation; 0 for none.
    pub counters_every_s: f64,
    /// Interval of clock synchronisation; 0 for none.
    pub clock_sync_every_s: f64,
    /// How long a command waits for its confirmation.
    pub command_timeout_s: f64,
    /// How long an interrogation may stand still.
    pub interrogation_timeout_s: f64,
    /// Whether commands carry time tags (types 58 to 64).
    pub timed_commands: bool,
    /// IANA name of the zone of the time tags.
    pub time_zone: String,
    /// Controlled station: how long a select holds.
    pub select_timeout_s: f64,
    /// Controlled station: largest age of a command with time tag.
    pub command_age_max_s: f64,
    /// Controlled station: events kept while nobody fetches them.
    pub event_buffer: usize,
    /// Controlled station: interval of cyclic reports of measured values; 0 for none.
    pub periodic_every_s: f64,
    /// Controlled station: interval of the background scan of all points; 0 for none.
    pub background_every_s: f64,
    /// Controlled station: connections at once.
    pub connections: u8,
    /// TLS after IEC 62351-3; absent for plain TCP.
    pub tls: Option<Tls>,
}

/// Files of a mutually authenticated TLS link, PEM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate authorities that the peer's certificate must descend from.
    pub ca: PathBuf,
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// Name that the controlled station's certificate must carry; the host of the endpoint if absent.
    pub server_name: Option<String>,
    /// Revocation lists of all the authorities; without it nothing counts as revoked.
    pub crl: Option<PathBuf>,
}

impl Default for Config {
    /// The values that IEC 60870-5-104 9.6 proposes, and quiet defaults for the rest.
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            common_address: 1,
            originator_address: 0,
            k: 12,
            w: 8,
            t0_s: 30.0,
            t1_s: 15.0,
            t2_s: 10.0,
            t3_s: 20.0,
            interrogate_every_s: 600.0,
            counters_every_s: 0.0,
            clock_sync_every_s: 3600.0,
            command_timeout_s: 10.0,
            interrogation_timeout_s: 30.0,
            timed_commands: false,
            time_zone: "UTC".into(),
            select_timeout_s: 30.0,
            command_age_max_s: 10.0,
            event_buffer: 10_000,
            periodic_every_s: 0.0,
            background_every_s: 0.0,
            connections: 4,
            tls: None,
        }
    }
}

/// Why a link's configuration was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key has a value out of its range.
    #[error("{key}: {reason}")]
    Key {
        /// The key.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A point's address cannot be used.
    #[error("point {point:?}: {reason}")]
    Point {
        /// The point's name.
        point: String,
        /// What is wrong.
        reason: String,
    },
}

impl Config {
    /// Checks every key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason: &str| Err(ConfigError::Key { key, reason: reason.into() });
        if self.endpoints.is_empty() || self.endpoints.len() > CHANNELS_MAX {
            return refuse("endpoints", "give 1 to 16 addresses host:port");
        }
        if self.common_address == 0 || self.common_address == u16::MAX {
            return refuse("common_address", "must be 1 to 65534");
        }
        if !(1..=32_767).contains(&self.k) || !(1..=self.k).contains(&self.w) {
            return refuse("k", "k must be 1 to 32767 and w 1 to k");
        }
        if self.t2_s >= self.t1_s {
            return refuse("t2_s", "must be below t1_s");
        }
        if self.connections == 0 || usize::from(self.connections) > CHANNELS_MAX {
            return refuse("connections", "must be 1 to 16");
        }
        if self.event_buffer == 0 {
            return refuse("event_buffer", "must be at least 1");
        }
        self.validate_times()?;
        self.zone().map(|_| ())
    }

    fn validate_times(&self) -> Result<(), ConfigError> {
        let positive = [
            ("t0_s", self.t0_s),
            ("t1_s", self.t1_s),
            ("t2_s", self.t2_s),
            ("t3_s", self.t3_s),
            ("command_timeout_s", self.command_timeout_s),
            ("interrogation_timeout_s", self.interrogation_timeout_s),
            ("select_timeout_s", self.select_timeout_s),
            ("command_age_max_s", self.command_age_max_s),
        ];
        let optional = [
            ("interrogate_every_s", self.interrogate_every_s),
            ("counters_every_s", self.counters_every_s),
            ("clock_sync_every_s", self.clock_sync_every_s),
            ("periodic_every_s", self.periodic_every_s),
            ("background_every_s", self.background_every_s),
        ];
        for (key, seconds) in positive {
            if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
                return Err(ConfigError::Key { key, reason: "must be above 0 and at most a year".into() });
            }
        }
        for (key, seconds) in optional {
            if !(0.0..=SECONDS_MAX).contains(&seconds) {
                return Err(ConfigError::Key { key, reason: "must be 0 or up to a year".into() });
            }
        }
        Ok(())
    }

    /// Time-out of connection establishment.
    pub fn connect_timeout(&self) -> Duration {
        seconds(self.t0_s)
    }

    /// After this long without a sign of life a dead peer is noticed: t1 + t2.
    pub fn silence_bound(&self) -> Duration {
        seconds(self.t1_s) + seconds(self.t2_s)
    }

    fn zone(&self) -> Result<Zone, ConfigError> {
        Zone::named(&self.time_zone)
            .map_err(|error| ConfigError::Key { key: "time_zone", reason: error.to_string() })
    }

    fn link(&self) -> LinkParameters {
        LinkParameters {
            k: self.k,
            w: self.w,
            t1: seconds(self.t1_s),
            t2: seconds(self.t2_s),
            t3: seconds(self.t3_s),
        }
    }

    pub(crate) fn controlling(
        &self,
        stations: Vec<CommonAddress>,
    ) -> Result<ControllingSettings, ConfigError> {
        self.validate()?;
        Ok(ControllingSettings {
            link: self.link(),
            originator: self.originator_address,
            stations,
            zone: self.zone()?,
            interrogate: interval(self.interrogate_every_s),
            counters: interval(self.counters_every_s),
            clock: interval(self.clock_sync_every_s),
            command_timeout: seconds(self.command_timeout_s),
            procedure_timeout: seconds(self.interrogation_timeout_s),
            timed_commands: self.timed_commands,
        })
    }

    pub(crate) fn controlled(&self) -> Result<ControlledSettings, ConfigError> {
        self.validate()?;
        Ok(ControlledSettings {
            link: self.link(),
            channels: self.connections,
            common_addresses: vec![CommonAddress(self.common_address)],
            zone: self.zone()?,
            event_buffer: self.event_buffer,
            select_timeout: seconds(self.select_timeout_s),
            command_age_max: seconds(self.command_age_max_s),
            periodic: interval(self.periodic_every_s),
            background: interval(self.background_every_s),
        })
    }
}

/// A validated number of seconds; anything else counts as none.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

fn interval(value: f64) -> Option<Duration> {
    (value > 0.0).then(|| seconds(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let found = toml::from_str::<Config>(text)
            .map_err(|error| error.message().to_owned())
            .and_then(|config| config.validate().map_err(|error| error.to_string()));
        match expected {
            Ok(()) => assert_eq!(found, Ok(()), "{text}"),
            Err(part) => assert!(found.clone().is_err_and(|text| text.contains(part)), "{text}: {found:?}"),
        }
    }

    #[test]
    fn keys_are_checked() {
        check("endpoints = ['127.0.0.1:2404']", Ok(()));
        check("endpoints = ['a:1', 'b:1']\nk = 100\nw = 60\ntime_zone = 'Europe/Zurich'", Ok(()));
        check("", Err("endpoints"));
        check("endpoints = ['a:1']\nk = 0", Err("k must be"));
        check("endpoints = ['a:1']\nw = 13", Err("w 1 to k"));
        check("endpoints = ['a:1']\nt2_s = 15", Err("below t1_s"));
        check("endpoints = ['a:1']\nt3_s = -1", Err("t3_s"));
        check("endpoints = ['a:1']\nt1_s = nan", Err("t1_s"));
        check("endpoints = ['a:1']\nperiodic_every_s = -2", Err("periodic_every_s"));
        check("endpoints = ['a:1']\ntime_zone = 'Moon'", Err("time_zone"));
        check("endpoints = ['a:1']\ncommon_address = 0", Err("common_address"));
        check("endpoints = ['a:1']\nt4_s = 1", Err("unknown field"));
    }
}
