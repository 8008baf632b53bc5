//! Configuration of the control centre: one TOML file, unknown keys refused, checked once.

pub use crate::alarm_config::{AlarmConfig, SuppressConfig};
pub use crate::audit::config::{AuditConfig, ForwardConfig};
pub use crate::backup::config::BackupConfig;
pub use crate::conduits::{ConduitConfig, ZoneConfig};
pub use crate::gate_config::{GateTimes, StudyConfig};
pub use crate::identity::config::{Enrolment, IdentityConfig};
pub use crate::retention::RetentionClass;
pub use crate::uplink::{GatewayConfig, TlsPaths, UplinkConfig};
use catalog::LinkProtocol;
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// Default of [`HttpConfig::requests_per_s`].
const REQUESTS_PER_S: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the centre, for people.
    #[serde(default = "default_name")]
    pub name: String,
    /// The grid.
    pub network: NetworkConfig,
    /// Point list as CSV; without it the points follow from the network by rule (`tieline points`).
    pub points: Option<PathBuf>,
    /// Where data are kept.
    pub data: DataConfig,
    /// Page and API.
    #[serde(default)]
    pub http: HttpConfig,
    /// How people sign in.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// The cycle.
    #[serde(default)]
    pub cycle: CycleConfig,
    /// The state estimator.
    #[serde(default)]
    pub estimation: EstimationConfig,
    /// The command gate.
    #[serde(default)]
    pub gate: GateTimes,
    /// The study before a command.
    #[serde(default)]
    pub study: StudyConfig,
    /// Zones of the installation.
    #[serde(default)]
    pub zone: Vec<ZoneConfig>,
    /// Conduits between zones, with what may pass.
    #[serde(default)]
    pub conduit: Vec<ConduitConfig>,
    /// How far the machine's clock is believed.
    #[serde(default)]
    pub time: TimeConfig,
    /// How much may wait.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How alarms are managed.
    #[serde(default)]
    pub alarms: AlarmConfig,
    /// How the audit is kept.
    #[serde(default)]
    pub audit: AuditConfig,
    /// Certificates of our own.
    #[serde(default)]
    pub certificates: CertificatesConfig,
    /// Backups that the centre makes by itself; none without this table.
    pub backup: Option<BackupConfig>,
    /// Links to the field.
    #[serde(default)]
    pub link: Vec<LinkConfig>,
    /// Where gateways connect to.
    pub uplink: Option<UplinkConfig>,
    /// Gateways, each with links of its own.
    #[serde(default)]
    pub gateway: Vec<GatewayConfig>,
    /// Applications.
    #[serde(default)]
    pub application: catalog::ApplicationConfig,
    /// The file's text, for the record of changes; empty when there was no file.
    #[serde(skip)]
    pub text: String,
    /// The file; empty when there was none.
    #[serde(skip)]
    pub file: PathBuf,
}

/// The grid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Network file; relative paths start at the configuration file.
    pub file: PathBuf,
}

/// Where data are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Data directory; created if it does not exist.
    pub directory: PathBuf,
    /// Days that measurements are kept; without it for ever.
    pub retention_days: Option<u32>,
    /// Classes of points that are kept for another time.
    #[serde(default)]
    pub retention: Vec<RetentionClass>,
}

/// Page and API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port. Addresses beyond loopback need `tls`.
    pub listen: SocketAddr,
    /// Certificate of the page and the API; without it plain HTTP.
    pub tls: Option<HttpTls>,
    /// How long a sign-in lasts.
    pub session_hours: u32,
    /// How long an unused sign-in lasts.
    pub idle_minutes: u32,
    /// Requests of one signed-in caller a second; twice as many may come at once.
    pub requests_per_s: NonZeroU32,
}

/// Certificate of the page and the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTls {
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// Authorities of services that prove who they are by a certificate; without it none is asked for one.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of all these authorities; without it nothing counts as revoked.
    pub crl: Option<PathBuf>,
}

impl HttpTls {
    fn start_at(&mut self, base: &Path) {
        let needed = [&mut self.certificate, &mut self.key];
        for path in needed.into_iter().chain(self.client_ca.as_mut()).chain(self.crl.as_mut()) {
            *path = base.join(&*path);
        }
    }

    /// As the listener takes them.
    pub(crate) fn files(&self) -> transport::ServerFiles {
        let Self { certificate, key, client_ca, crl } = self.clone();
        transport::ServerFiles { certificate, key, client_ca, crl }
    }
}

/// Certificates of our own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CertificatesConfig {
    /// Folder of an authority on this machine (`tieline cert ca`): what it has issued is renewed by itself, and certificates
    /// can be asked for and revoked by the API. Below the folder of this file, since the centre writes to it.
    pub authority: Option<PathBuf>,
}

/// How far the machine's clock is believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeConfig {
    /// How long after the start jumps of the machine's clock are followed: its time source may need that long.
    pub settle_s: f64,
    /// The clock counts as synchronised while it may be off by this at most, as whoever keeps it believes.
    pub max_error_ms: f64,
    /// A clock that nothing keeps is an alarm from the start on, not only when it was kept before.
    pub source_required: bool,
}

/// How much may wait between the links and the point table, in events of about a hundred octets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// From this many on, measured values of one point replace each other, newest wins.
    pub crowded_events: usize,
    /// At this many, links wait: their sockets are read no more until there is room.
    pub waiting_events: usize,
}

/// The cycle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CycleConfig {
    /// Seconds between two process images, 0.1 to 60.
    pub period_s: f64,
}

/// The state estimator: standard deviations that weigh the measurements.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimationConfig {
    /// Of a voltage, in percent of the reading.
    pub voltage_sigma_percent: f64,
    /// Of a power, in percent of the reading.
    pub power_sigma_percent: f64,
    /// Least standard deviation of a power, in MW or Mvar.
    pub power_sigma_floor_mw: f64,
    /// Measurements removed as bad in one cycle at most.
    pub max_removals: usize,
}

/// One link to the field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// Name, as in the bindings of its points.
    pub name: String,
    /// Protocol with its parameters, e.g. `protocol.iec104.endpoints = ["127.0.0.1:2404"]`.
    pub protocol: LinkProtocol,
    /// What its conduit allows; found out when the file is read.
    #[serde(skip)]
    pub policy: signal::FunctionPolicy,
}

fn default_name() -> String {
    "Tieline".to_owned()
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            session_hours: 12,
            idle_minutes: 60,
            requests_per_s: REQUESTS_PER_S,
        }
    }
}

impl Default for TimeConfig {
    fn default() -> Self {
        Self { settle_s: 300.0, max_error_ms: 1_000.0, source_required: false }
    }
}

impl TimeConfig {
    fn check(&self) -> Result<(), String> {
        if !(0.0..=86_400.0).contains(&self.settle_s) {
            return Err(format!("time.settle_s: {} is not between 0 and 86400", self.settle_s));
        }
        if !(self.max_error_ms > 0.0 && self.max_error_ms <= 60_000.0) {
            return Err(format!("time.max_error_ms: {} is not between 0 and 60000", self.max_error_ms));
        }
        Ok(())
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let transport::IntakeLimits { crowded, full, .. } = transport::IntakeLimits::default();
        Self { crowded_events: crowded, waiting_events: full }
    }
}

impl LimitsConfig {
    pub(crate) fn intake(&self) -> transport::IntakeLimits {
        transport::IntakeLimits {
            crowded: self.crowded_events,
            full: self.waiting_events,
            ..transport::IntakeLimits::default()
        }
    }

    fn check(&self) -> Result<(), String> {
        let (crowded, waiting) = (self.crowded_events, self.waiting_events);
        if (1..=waiting).contains(&crowded) && waiting <= 10_000_000 {
            return Ok(());
        }
        Err(format!(
            "limits: crowded_events {crowded} must be 1 to waiting_events {waiting}, and that 10,000,000 at most"
        ))
    }
}

impl Default for CycleConfig {
    fn default() -> Self {
        Self { period_s: 1.0 }
    }
}

impl Default for EstimationConfig {
    fn default() -> Self {
        Self {
            voltage_sigma_percent: 1.0,
            power_sigma_percent: 1.0,
            power_sigma_floor_mw: 0.02,
            max_removals: 10,
        }
    }
}

/// Why a configuration was refused: file, line, reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Line from 1, if the fault has one.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.reason),
            None => write!(f, "{}: {}", self.file.display(), self.reason),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks a file; relative paths in it start at its folder.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
            file: file.to_owned(),
            line: None,
            reason: error.to_string(),
        })?;
        let mut config: Self = parse_toml(file, &text)?;
        config.text = text;
        config.file = file.to_owned();
        let base = file.parent().unwrap_or_else(|| Path::new("."));
        config.network.file = base.join(&config.network.file);
        config.data.directory = base.join(&config.data.directory);
        config.points = config.points.map(|points| base.join(points));
        if let Some(tls) = config.uplink.as_mut().and_then(|uplink| uplink.tls.as_mut()) {
            tls.start_at(base);
        }
        config.identity.resolve(base);
        config.alarms.rules = config.alarms.rules.map(|rules| base.join(rules));
        config.audit.start_at(base);
        config.certificates.authority = config.certificates.authority.map(|folder| base.join(folder));
        if let Some(tls) = &mut config.http.tls {
            tls.start_at(base);
        }
        if let Some(backup) = &mut config.backup {
            backup.resolve(base);
        }
        for link in &mut config.link {
            link.protocol.resolve(base);
        }
        config.check().map_err(|reason| ConfigError { file: file.to_owned(), line: None, reason })?;
        crate::conduits::check(&config)?;
        crate::conduits::apply(&mut config);
        Ok(config)
    }

    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), String> {
        if !self.http.listen.ip().is_loopback() && self.http.tls.is_none() {
            return Err(format!(
                "http.listen: {} is not a loopback address and needs http.tls (hint: tieline cert)",
                self.http.listen
            ));
        }
        let positive = [
            ("estimation.voltage_sigma_percent", self.estimation.voltage_sigma_percent),
            ("estimation.power_sigma_percent", self.estimation.power_sigma_percent),
            ("estimation.power_sigma_floor_mw", self.estimation.power_sigma_floor_mw),
        ];
        for (key, value) in positive {
            if !(value > 0.0 && value <= 3_600.0) {
                return Err(format!("{key}: {value} is not between 0 and 3600"));
            }
        }
        if !(0.1..=60.0).contains(&self.cycle.period_s) {
            return Err(format!("cycle.period_s: {} is not between 0.1 and 60", self.cycle.period_s));
        }
        self.time.check()?;
        self.limits.check()?;
        crate::gate_config::check(&self.gate, &self.study)?;
        self.identity.check()?;
        crate::retention::check(self.data.retention_days, &self.data.retention)?;
        self.backup.as_ref().map_or(Ok(()), BackupConfig::check)?;
        self.audit.check()?;
        crate::uplink::check(self)?;
        self.alarms.check()
    }
}

/// Parses TOML; an error names the line.
pub fn parse_toml<T: serde::de::DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError {
        file: file.to_owned(),
        line: error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        reason: error.message().to_owned(),
    })
}
