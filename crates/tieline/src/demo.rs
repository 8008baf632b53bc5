//! `tieline demo`: a control centre and a simulated field in one process, joined by real sockets.

use crate::centre::{announce, runtime, until_told_to_stop};
use crate::confine::confine;
use crate::twin::{self, TwinConfig};
use anyhow::{Context as _, Result};
use catalog::{ApplicationConfig, LinkProtocol};
use clap::Args;
use model::{Equipment, ExpandOptions, Network, SubstationIdx, TransformerIdx};
use server::config::{Config, DataConfig, LinkConfig, NetworkConfig};
use server::{Mode, load};
use signal::PointList;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::sync::watch;
use transport::Clock;

/// The network of the demonstration, so that the program needs no file.
const IEEE_14: &str = include_str!("../../../examples/ieee14.m");
/// How far below the present voltage the band of a regulated bus begins, and above it ends, in p.u.
const BAND_PU: f64 = 0.015;
/// Middle of the band: what the IEEE 14-bus case has at bus 9.
const SET_POINT_PU: f64 = 1.055;

/// Arguments of `tieline demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Where the page listens; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Data directory to keep; without it a temporary one, removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seed of the simulated field; the same seed gives the same history.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Network file instead of the IEEE 14-bus grid.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
}

/// Runs the demonstration until it is told to stop.
pub(crate) fn command(args: DemoArgs) -> Result<ExitCode> {
    let network = network(args.network.as_deref())?;
    let (directory, temporary) = match args.data {
        Some(directory) => (directory, None),
        None => {
            let temporary = TemporaryDirectory::new()?;
            (temporary.0.clone(), Some(temporary))
        }
    };
    let points = load::points_by_rule(&directory, &network)?;
    confine(&[&directory])?;
    let result = runtime()?.block_on(run(args.listen, args.seed, directory, network, points));
    drop(temporary);
    result
}

async fn run(
    listen: SocketAddr,
    seed: u64,
    directory: PathBuf,
    network: Network,
    points: PointList,
) -> Result<ExitCode> {
    let (stop_field, stopped) = watch::channel(false);
    let field = twin::start_with(network.clone(), TwinConfig::ephemeral(seed), Clock::new(), stopped).await?;
    let mut config = Config {
        name: format!("Demonstration on {}", network.name()),
        network: NetworkConfig { file: PathBuf::new() },
        points: None,
        data: DataConfig { directory, retention_days: Some(7), retention: Vec::new() },
        http: server::config::HttpConfig { listen, ..Default::default() },
        identity: Default::default(),
        cycle: Default::default(),
        estimation: Default::default(),
        gate: Default::default(),
        study: Default::default(),
        zone: Vec::new(),
        conduit: Vec::new(),
        time: Default::default(),
        limits: Default::default(),
        alarms: Default::default(),
        link: links(&field.stations),
        uplink: None,
        gateway: Vec::new(),
        application: applications(&network, &points),
        audit: server::config::AuditConfig::default(),
        certificates: server::config::CertificatesConfig::default(),
        backup: None,
        text: String::new(),
        file: PathBuf::new(),
    };
    config.http.listen = listen;
    config.check().map_err(anyhow::Error::msg)?;
    let running = server::start(config, Mode::Demo, network, points)
        .await
        .context("the centre did not start (hint: --listen 127.0.0.1:0 takes a free port)")?;
    announce(&running);
    println!("twin http://{}", field.http);
    eprintln!("Open the first address in a browser; Ctrl-C stops everything.");
    until_told_to_stop().await?;
    running.stop().await;
    stop_field.send_replace(true);
    field.stopped().await;
    Ok(ExitCode::SUCCESS)
}

/// The network of a file, or the built-in one.
pub(crate) fn network(file: Option<&Path>) -> Result<Network> {
    if let Some(file) = file {
        return Ok(load::network(file)?.network);
    }
    let (network, _) = exchange::read_network(IEEE_14.as_bytes(), ExpandOptions::default())
        .map_err(|error| anyhow::anyhow!("the built-in network: {error}"))?;
    Ok(network)
}

/// One link per station; the n-th station has the common address n.
fn links(stations: &[(String, SocketAddr)]) -> Vec<LinkConfig> {
    (1..)
        .zip(stations)
        .map(|(common_address, (name, address))| LinkConfig {
            name: name.clone(),
            policy: Default::default(),
            protocol: LinkProtocol::Iec104(proto_iec104::Config {
                endpoints: vec![address.to_string()],
                common_address,
                counters_every_s: 60.0,
                ..proto_iec104::Config::default()
            }),
        })
        .collect()
}

/// Voltage control for every tap changer whose far side is not held by a machine.
fn applications(network: &Network, points: &PointList) -> ApplicationConfig {
    let regulators = TransformerIdx::all(network.transformers().len()).filter_map(|index| {
        let transformer = &network[index];
        let changer = &network[transformer.ends[0].ratio_tap_changer?];
        let far = network.substation_of(network.node_of(transformer.ends[1].terminal));
        let near = network.substation_of(network.node_of(transformer.ends[0].terminal));
        let regulated = if has_load(network, far) { far } else { loaded_neighbour(network, far, near)? };
        if has_machine(network, regulated) {
            return None;
        }
        let measured = network.measurements().iter().find(|measurement| {
            matches!(measurement.role, model::MeasurementRole::TapPosition(at) if Some(at) == transformer.ends[0].ratio_tap_changer)
        })?;
        let tap = points.by_mrid(measured.mrid.as_str()).map(|id| points[id].name.clone())?;
        Some(app_voltvar::Regulator {
            substation: network[regulated].name.clone(),
            tap,
            low_pu: SET_POINT_PU - BAND_PU,
            high_pu: SET_POINT_PU + BAND_PU,
            higher_step: app_voltvar::HigherStep::Lowers,
            min_step: changer.low_step,
            max_step: changer.high_step,
            delay_s: 5.0,
            settle_s: 4.0,
        })
    });
    let regulator: Vec<_> = regulators.collect();
    ApplicationConfig { volt_var: (!regulator.is_empty()).then_some(app_voltvar::Config { regulator }) }
}

fn place(network: &Network, equipment: Equipment) -> Option<SubstationIdx> {
    let terminal = *network.terminals_of(equipment).first()?;
    Some(network.substation_of(network.node_of(terminal)))
}

fn has_load(network: &Network, at: SubstationIdx) -> bool {
    model::LoadIdx::all(network.loads().len()).any(|load| place(network, Equipment::Load(load)) == Some(at))
}

fn has_machine(network: &Network, at: SubstationIdx) -> bool {
    model::MachineIdx::all(network.machines().len())
        .any(|m| place(network, Equipment::Machine(m)) == Some(at))
}

/// A substation with load and without machine next to one that has none, other than `near`: what lies beyond the star
/// point of a three-winding transformer.
fn loaded_neighbour(network: &Network, at: SubstationIdx, near: SubstationIdx) -> Option<SubstationIdx> {
    let lines = network.lines().iter().map(|line| line.terminals);
    let transformers = network.transformers().iter().map(|t| [t.ends[0].terminal, t.ends[1].terminal]);
    lines
        .chain(transformers)
        .filter_map(|ends| {
            let [one, other] = ends.map(|terminal| network.substation_of(network.node_of(terminal)));
            if one == at { Some(other) } else { (other == at).then_some(one) }
        })
        .find(|neighbour| {
            *neighbour != near && has_load(network, *neighbour) && !has_machine(network, *neighbour)
        })
}

/// A directory that goes with the demonstration.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tieline-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("note: {} could not be removed: {error}", self.0.display());
        }
    }
}
