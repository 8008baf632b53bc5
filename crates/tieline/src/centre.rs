//! `tieline run`: the control centre alone.

use crate::confine::confine;
use anyhow::{Context as _, Result};
use clap::Args;
use server::config::Config;
use server::{Mode, Running, load};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `tieline run`.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// Configuration file of the centre; `config/tieline.toml` is a documented example.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
}

/// Runs the centre until it is told to stop.
pub(crate) fn command(args: &RunArgs) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let loaded = load::network(&config.network.file)?;
    for diagnostic in &loaded.diagnostics {
        eprintln!("note: {}: {diagnostic}", config.network.file.display());
    }
    let points = load::points(&config, &loaded.network)?;
    confine(&writable(&config))?;
    runtime()?.block_on(async {
        let running = server::start(config, Mode::Run, loaded.network, points).await?;
        announce(&running);
        until_told_to_stop().await?;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Folders that a centre writes to: its data, its backups, and the lists and certificates beside its configuration.
fn writable(config: &Config) -> Vec<&Path> {
    let beside = config.file.parent();
    let points = config.points.as_deref().and_then(Path::parent);
    let backup = config.backup.as_ref().map(|backup| backup.folder.as_path());
    [Some(config.data.directory.as_path()), beside, points, backup].into_iter().flatten().collect()
}

/// The runtime of long-running commands.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime could be started")
}

/// Prints the address of the page, with what signs the first administrator in until one has enrolled. The token stands behind
/// `#`, which browsers never send.
pub(crate) fn announce(running: &Running) {
    let scheme = if running.secure { "https" } else { "http" };
    match &running.token {
        Some(token) => println!("{scheme}://{}/#token={token}", running.address),
        None => println!("{scheme}://{}/", running.address),
    }
}

/// Waits for Ctrl-C or a request to terminate.
pub(crate) async fn until_told_to_stop() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.context("the interrupt signal cannot be awaited"),
        _ = terminate.recv() => Ok(()),
    }
}
