//! The configuration of a twin.

use anyhow::{Context, anyhow, bail};
use model::Network;
use proto_iec104::Config as Iec104;
use serde::{Deserialize, Serialize};
use sim::TwinOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use timebase::{Civil, Utc, Zone};

/// Port of the first station unless configured.
const FIRST_PORT: u16 = 12_404;
/// Port of the twin's own API unless configured.
const HTTP_PORT: u16 = 8_090;
/// How often a station reports all measured values unless configured.
const PERIODIC_EVERY_S: f64 = 4.0;
/// How often a station reports everything unless configured.
const BACKGROUND_EVERY_S: f64 = 10.0;

/// A simulated field: its network, its behaviour and where it listens.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TwinConfig {
    /// MATPOWER case `.m` of the network, relative to the configuration file.
    pub(crate) network: PathBuf,
    /// Seed of everything random; the same seed gives the same history.
    #[serde(default = "default_seed")]
    pub(crate) seed: u64,
    /// Standard deviation of every reading, in percent of the value.
    #[serde(default = "default_noise")]
    pub(crate) noise_percent: f64,
    /// How much faster than the clock the simulated day goes.
    #[serde(default = "default_time_scale")]
    pub(crate) time_scale: f64,
    /// Hour of the day, 0 to 24, at which the simulated day begins; absent: the hour that it is.
    #[serde(default)]
    pub(crate) start_hour: Option<f64>,
    /// IANA name of the zone whose wall clock customers and sun follow.
    #[serde(default = "default_zone")]
    pub(crate) time_zone: String,
    /// Where the stations listen.
    #[serde(default)]
    pub(crate) stations: Stations,
    /// The twin's own API.
    #[serde(default)]
    pub(crate) http: Http,
    /// Parameters of all stations. `endpoints` and `common_address` are the twin's to give: substation `i`, counted
    /// from 0, has the common address `i + 1`. An interval of 0 for cyclic reports stands for 4 s, of the background
    /// scan for 10 s.
    #[serde(default)]
    pub(crate) iec104: Iec104,
}

/// Where the stations listen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stations {
    /// Address of the network interface.
    pub(crate) listen: IpAddr,
    /// Port of the first substation, the others follow; 0 for any free ports.
    pub(crate) first_port: u16,
}

/// The twin's own API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// Address and port; only a loopback address, because whoever reaches it may break things.
    pub(crate) listen: SocketAddr,
}

impl Default for Stations {
    fn default() -> Self {
        Self { listen: IpAddr::V4(Ipv4Addr::LOCALHOST), first_port: FIRST_PORT }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), HTTP_PORT) }
    }
}

const fn default_seed() -> u64 {
    1
}

const fn default_noise() -> f64 {
    1.0
}

const fn default_time_scale() -> f64 {
    1.0
}

fn default_zone() -> String {
    "UTC".into()
}

impl TwinConfig {
    /// Everything by default for a network; the ports are free ones.
    pub(crate) fn ephemeral(seed: u64) -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            network: PathBuf::new(),
            seed,
            noise_percent: default_noise(),
            time_scale: default_time_scale(),
            start_hour: None,
            time_zone: default_zone(),
            stations: Stations { first_port: 0, ..Stations::default() },
            http: Http { listen: any },
            iec104: Iec104::default(),
        }
    }

    /// Reads and checks a file; an error names it, the line and the reason.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let mut config = Self::parse(path, &text)?;
        config.network = path.parent().unwrap_or(Path::new("")).join(&config.network);
        Ok(config)
    }

    /// Reads and checks a text; an error names the file, and the line where there is one.
    pub(crate) fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let config: Self = server::config::parse_toml(path, text)?;
        config.check().map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if !self.http.listen.ip().is_loopback() {
            return Err(format!("http.listen: {} is not a loopback address", self.http.listen));
        }
        if self.start_hour.is_some_and(|hour| !(0.0..24.0).contains(&hour)) {
            return Err("start_hour: must be 0 or more and below 24".into());
        }
        let own = Iec104::default();
        if self.iec104.endpoints != own.endpoints || self.iec104.common_address != own.common_address {
            return Err("iec104: endpoints and common_address are given by the twin".into());
        }
        self.zone()?;
        self.station(0)?.validate().map_err(|error| format!("iec104.{error}"))
    }

    fn zone(&self) -> Result<Zone, String> {
        Zone::named(&self.time_zone).map_err(|error| format!("time_zone: {error}"))
    }

    /// The case behind `network`, expanded with breakers.
    pub(crate) fn read_network(&self) -> anyhow::Result<Network> {
        Ok(server::load::network(&self.network)?.network)
    }

    /// How the twin behaves when it starts at `now`.
    pub(crate) fn options(&self, now: Utc) -> anyhow::Result<TwinOptions> {
        let zone = self.zone().map_err(anyhow::Error::msg)?;
        let start = match self.start_hour {
            None => now,
            Some(hour) => {
                let midnight =
                    Civil { hour: 0, minute: 0, second: 0, millisecond: 0, ..Civil::from_utc(now, &zone) };
                let since = std::time::Duration::try_from_secs_f64(hour * 3_600.0).unwrap_or_default();
                midnight.to_utc(&zone).map_err(|error| anyhow!("start_hour: {error}"))? + since
            }
        };
        let (seed, noise_percent, time_scale) = (self.seed, self.noise_percent, self.time_scale);
        Ok(TwinOptions { seed, noise_percent, start, time_scale, zone })
    }

    /// Address of the station of a substation, counted from 0.
    pub(crate) fn listen(&self, substation: usize) -> anyhow::Result<SocketAddr> {
        let first = self.stations.first_port;
        if first == 0 {
            return Ok(SocketAddr::new(self.stations.listen, 0));
        }
        match u16::try_from(substation).ok().and_then(|offset| first.checked_add(offset)) {
            Some(port) => Ok(SocketAddr::new(self.stations.listen, port)),
            None => bail!(
                "stations.first_port: there is no port {first} + {substation} (hint: 0 takes any free ports)"
            ),
        }
    }

    /// Parameters of the station of a substation, counted from 0.
    pub(crate) fn station(&self, substation: usize) -> Result<Iec104, String> {
        let common_address = u16::try_from(substation + 1)
            .ok()
            .filter(|address| *address < u16::MAX)
            .ok_or_else(|| format!("substation {substation} has no common address left"))?;
        let interval = |given: f64, own: f64| if given == 0.0 { own } else { given };
        Ok(Iec104 {
            endpoints: vec![SocketAddr::new(self.stations.listen, self.stations.first_port).to_string()],
            common_address,
            periodic_every_s: interval(self.iec104.periodic_every_s, PERIODIC_EVERY_S),
            background_every_s: interval(self.iec104.background_every_s, BACKGROUND_EVERY_S),
            ..self.iec104.clone()
        })
    }
}
