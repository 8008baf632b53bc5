//! `tieline gateway`: links to devices at a substation, a journal, and one connection to the centre.

mod config;

use crate::centre::{runtime, until_told_to_stop};
use crate::confine::confine;
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use config::GatewayConfig;
use edge::{Clock, Dial, Gateway, GatewayLink, GatewayOptions, Shown, Threads};
use exchange::points_csv;
use historian::journal::{Journal, JournalOptions};
use server::load;
use signal::PointList;
use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use transport::{Endpoint, IntakeLimits, Stream, TlsClient, intake};

/// Reports of links that wait for the gateway. Readings never replace each other here: the journal takes each, and a
/// link with too many has to wait outside.
const INTAKE: IntakeLimits = IntakeLimits { crowded: usize::MAX, full: 100_000, floor: 256 };
/// How long a connection to the centre may take, with its handshake.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the state is written to `status.json`.
const STATUS_PERIOD: Duration = Duration::from_secs(1);

/// Arguments of `tieline gateway`.
#[derive(Args)]
pub(crate) struct GatewayArgs {
    /// Configuration file of the gateway; `config/gateway.toml` is a documented example.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
}

/// The way to the centre.
struct ToCentre(Endpoint);

impl Dial for ToCentre {
    type Stream = Box<dyn Stream>;

    fn dial(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let endpoint = self.0.clone();
        async move {
            tokio::time::timeout(DIAL_TIMEOUT, endpoint.connect()).await.map_err(io::Error::from).flatten()
        }
    }
}

/// Runs the gateway until it is told to stop.
pub(crate) fn command(args: &GatewayArgs) -> Result<ExitCode> {
    let config = GatewayConfig::load(&args.config)?;
    let points = Arc::new(points(&config)?);
    let fresh = getrandom::u64().map_err(|error| anyhow!("no random number for the journal: {error}"))?;
    let options = JournalOptions {
        keep: Duration::from_secs_f64(config.journal.keep_h * 3_600.0),
        // Checked to be above zero and below what fits.
        max_bytes: (config.journal.max_gib * f64::from(1 << 30)) as u64,
        ..JournalOptions::default()
    };
    let (journal, recovery) = Journal::open(&config.journal.directory, options, fresh)?;
    if recovery.damaged > 0 {
        eprintln!("note: {} damaged parts of the journal are left out", recovery.damaged);
    }
    confine(&[&config.journal.directory, args.config.parent().unwrap_or(Path::new("."))])?;
    runtime()?.block_on(run(config, points, journal))
}

/// The points of the list that are bound to links of this gateway: one list may serve a whole utility.
fn points(config: &GatewayConfig) -> Result<PointList> {
    let all =
        points_csv::read(&load::bytes(&config.points)?).map_err(|error| load::at(&config.points, &error))?;
    let links: HashSet<&str> = config.link.iter().map(|link| link.name.as_str()).collect();
    let bound = all
        .iter()
        .filter(|(_, def)| def.binding.as_ref().is_some_and(|binding| links.contains(&*binding.link)));
    let ours = bound.map(|(_, def)| def.clone()).collect();
    PointList::new(ours).map_err(|error| anyhow!("{}: {error}", config.points.display()))
}

async fn run(config: GatewayConfig, points: Arc<PointList>, journal: Journal) -> Result<ExitCode> {
    let clock = Clock::new();
    let (reports, field) = intake(INTAKE);
    let (feed, _) = watch::channel(Arc::clone(&points));
    let ports = server::spawn_links(&config.link, &feed, clock, reports)?;
    let names = config.link.iter().map(|link| link.name.clone());
    let links = names.zip(ports).map(|(name, port)| GatewayLink { name, requests: port.requests }).collect();
    let options = GatewayOptions {
        name: config.name.clone(),
        points,
        links,
        commit_window: Duration::from_secs_f64(config.journal.commit_ms / 1_000.0),
    };
    let gateway = Gateway::new(options, journal, (clock, ToCentre(endpoint(&config)?), Threads))?;
    let (stop, stopped) = watch::channel(false);
    let status =
        tokio::spawn(status(config.journal.directory.join("status.json"), gateway.view(), stop.subscribe()));
    let task = tokio::spawn(gateway.run(field, stopped));
    println!("gateway {} for {}", config.name, config.uplink.centre);
    until_told_to_stop().await?;
    stop.send_replace(true);
    task.await.context("the gateway ended badly")?;
    status.await.context("the status ended badly")?;
    Ok(ExitCode::SUCCESS)
}

fn endpoint(config: &GatewayConfig) -> Result<Endpoint> {
    let address = &config.uplink.centre;
    let tls = match &config.uplink.tls {
        None => None,
        Some(paths) => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let name = config.uplink.server_name.as_deref().unwrap_or(host);
            Some(TlsClient::load(&paths.files(), name).context("uplink.tls")?)
        }
    };
    Ok(Endpoint { address: address.clone(), tls })
}

/// Writes the state where monitoring finds it. A failure is no reason to stop: the centre learns of full disks another way.
async fn status(file: PathBuf, view: Arc<Mutex<Shown>>, mut stop: watch::Receiver<bool>) {
    let mut beat = tokio::time::interval(STATUS_PERIOD);
    loop {
        let last = tokio::select! {
            _ = beat.tick() => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        let shown = *view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_status(&file, &shown) {
            tracing::debug!(%error, "Status not written");
        }
        if last {
            return;
        }
    }
}

fn write_status(file: &Path, shown: &Shown) -> io::Result<()> {
    let json = serde_json::json!({
        "connected": shown.connected, "connections": shown.connections, "samples": shown.samples,
        "first": shown.first, "next": shown.next, "confirmed": shown.confirmed, "bytes": shown.bytes,
        "dropped": shown.dropped, "shed": shown.shed,
    });
    let new = file.with_extension("tmp");
    std::fs::write(&new, json.to_string())?;
    std::fs::rename(&new, file)
}
