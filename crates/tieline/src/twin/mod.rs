//! `tieline twin`: the simulated field on real sockets.
//!
//! - `config`: the TOML file. `host`: one IEC 60870-5-104 controlled station per substation and the second hand.
//! - `http`: the twin's own small API on the loopback interface. `views`: its JSON.
//! - `client`: `tieline twin inject …`, which speaks to that API.
//!
//! [`start`] is also how other commands run a field beside a control centre in the same process.

mod client;
mod config;
mod host;
mod http;
mod views;

pub(crate) use config::TwinConfig;
pub(crate) use host::{TwinHandle, start, start_with};

use anyhow::Context;
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::sync::watch;
use transport::Clock;

/// Arguments of `tieline twin`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct TwinArgs {
    /// Configuration file of the twin.
    #[arg(value_name = "CONFIG.toml")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Option<TwinAction>,
}

/// What can be done with a twin that runs.
#[derive(Subcommand, Debug)]
enum TwinAction {
    /// Let something go wrong in a running twin, list it, or put it right again.
    Inject(client::InjectArgs),
}

/// Runs `tieline twin`.
pub(crate) fn command(args: TwinArgs) -> anyhow::Result<ExitCode> {
    match (args.action, args.config) {
        (Some(TwinAction::Inject(inject)), _) => client::inject(&inject),
        (None, Some(config)) => run(&config),
        (None, None) => anyhow::bail!("no configuration file is given (hint: tieline twin CONFIG.toml)"),
    }
}

fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = TwinConfig::load(path)?;
    crate::confine::confine(&[])?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime could be started")?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let handle = start(config, Clock::new(), stopped).await?;
        announce(&handle, &mut std::io::stdout().lock()).context("stdout is closed")?;
        crate::centre::until_told_to_stop().await?;
        // The receiver lives in the handle's tasks; it can only be gone if they have ended already.
        let _ = stop.send(true);
        handle.stopped().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// One line with the URL, then the stations.
fn announce(handle: &TwinHandle, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "twin http://{}", handle.http)?;
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["station", "address", "common address"]);
    for (index, (name, address)) in (1..).zip(&handle.stations) {
        table.add_row([name.clone(), address.to_string(), index.to_string()]);
    }
    writeln!(out, "{table}")?;
    out.flush()
}

#[cfg(test)]
mod tests;
