//! Tieline, the open control platform of the smart grid, as one program.
//!
//! Data go to stdout, messages to stderr. Exit codes: 0 done, 1 error, 2 not converged or infeasible, 3 limits
//! violated.

mod admin;
mod audit;
mod backup;
mod bench;
mod centre;
mod cert;
mod confine;
mod demo;
mod dumps;
mod export;
mod files;
mod gateway;
mod people;
mod pool;
mod reload;
mod removals;
mod study;
mod twin;

use clap::{Parser, Subcommand};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// The open control platform of the smart grid.
#[derive(Parser)]
#[command(name = "tieline", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a control centre with a simulated grid beside it; prints the URL of the page.
    Demo(demo::DemoArgs),
    /// Start a control centre.
    Run(centre::RunArgs),
    /// Start a gateway at a substation: it keeps what its links report and forwards it to a centre.
    Gateway(gateway::GatewayArgs),
    /// Start a simulated field, or let something go wrong in a running one.
    Twin(twin::TwinArgs),
    /// Calculate on files: power flow, state estimation.
    Study(study::StudyArgs),
    /// Measure what the engines cost on this machine; one JSON line each.
    Bench(bench::BenchCommand),
    /// Tell whether a network is ready for studies and for a centre, and what would help.
    Check(files::CheckArgs),
    /// Read a network in one format and write it in another, with a loss report.
    Convert(files::ConvertArgs),
    /// Write the points that a network has by rule.
    Points(files::PointsArgs),
    /// Tell what a capture or a piece of hex says, frame by frame.
    Decode(files::DecodeArgs),
    /// Compare a point list with that of a running centre, and put it into force without a restart.
    Reload(reload::ReloadArgs),
    /// Users of a centre that is not running.
    User(people::UserArgs),
    /// Tokens of a centre that is not running.
    Token(people::TokenArgs),
    /// The audit of a centre.
    Audit(audit::AuditArgs),
    /// Certificates of our own: an authority in a folder, and what it issues.
    Cert(cert::CertArgs),
    /// Write history as Parquet or CSV; the centre may be running.
    Export(export::ExportArgs),
    /// Back a centre up while it runs; check an archive; make a key for archives.
    Backup(backup::BackupArgs),
    /// Put the content of an archive back.
    Restore(backup::RestoreArgs),
    /// Write the OpenAPI document of the HTTP interface.
    Openapi,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Help is no error; a usage error is 1 like any other, because 2 says that a study found no solution.
            let _printed = answer.print();
            return ExitCode::from(u8::from(answer.use_stderr()));
        }
    };
    let filter = EnvFilter::try_from_env("TIELINE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .init();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::command(args),
        Command::Run(args) => centre::command(&args),
        Command::Gateway(args) => gateway::command(&args),
        Command::Twin(args) => twin::command(args),
        Command::Study(args) => study::command(args),
        Command::Bench(args) => bench::command(&args),
        Command::Check(args) => files::check(&args),
        Command::Convert(args) => files::convert(&args),
        Command::Points(args) => files::points(&args),
        Command::Decode(args) => files::decode(&args),
        Command::Reload(args) => reload::command(&args),
        Command::User(args) => people::user(args),
        Command::Token(args) => people::token(args),
        Command::Audit(args) => audit::command(args),
        Command::Cert(args) => cert::command(args),
        Command::Export(args) => export::command(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Openapi => {
            println!("{}", server::openapi_json());
            Ok(ExitCode::SUCCESS)
        }
    }
}
