//! `tieline backup` and `tieline restore`.

use ::backup::{Key, Lock, Manifest, Part};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use server::backup::{Order, Restored, restore as put_back, take};
use server::config::Config;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use transport::Clock;

/// Arguments of `tieline backup`.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["config", "verify", "keygen"])))]
pub(crate) struct BackupArgs {
    /// Configuration file of the centre to back up, which may be running.
    #[arg(value_name = "CONFIG.toml", requires = "to")]
    config: Option<PathBuf>,
    /// The archive to write; it must not be there.
    #[arg(long, value_name = "FILE", requires = "config")]
    to: Option<PathBuf>,
    /// Parts to back up.
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "data,config", value_parser = part)]
    only: Vec<Part>,
    /// Public key of somebody who can open the archive, age1…; may be repeated. Without it those of the table `[backup]`.
    #[arg(long = "recipient", value_name = "KEY", conflicts_with = "passphrase_file")]
    recipients: Vec<String>,
    /// File whose first line is the passphrase.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Restore the archive to a scratch folder and check what comes out.
    #[arg(long, requires = "config")]
    prove: bool,
    /// Decrypt an archive and compare the digest of every file in it.
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,
    /// File of a private key that opens the archive to verify.
    #[arg(long, value_name = "FILE", requires = "verify")]
    identity: Option<PathBuf>,
    /// Write a new private key to a file and print its public key.
    #[arg(long, value_name = "FILE")]
    keygen: Option<PathBuf>,
}

/// Arguments of `tieline restore`.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The archive.
    archive: PathBuf,
    /// Folder to restore to; new or empty.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// File of a private key that opens the archive.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "passphrase_file",
        required_unless_present = "passphrase_file"
    )]
    identity: Option<PathBuf>,
    /// File whose first line is the passphrase.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Take the place of a folder that is not empty; what is there is kept beside it.
    #[arg(long)]
    replace: bool,
}

fn part(text: &str) -> Result<Part, String> {
    let known = Part::ALL.map(|(_, name)| name).join(", ");
    Part::named(text).ok_or_else(|| format!("no part {text:?} (hint: one of {known})"))
}

/// Runs `tieline backup`.
pub(crate) fn backup(args: &BackupArgs) -> Result<ExitCode> {
    match (&args.verify, &args.keygen, &args.config, &args.to) {
        (Some(archive), ..) => verify(archive, args),
        (_, Some(file), ..) => keygen(file),
        (_, _, Some(config), Some(to)) => make(config, to, args),
        // The parser asks for one of them.
        _ => bail!("nothing to do (hint: tieline backup --help)"),
    }
}

fn make(config: &Path, to: &Path, args: &BackupArgs) -> Result<ExitCode> {
    let config = Config::load(config)?;
    let (lock, parts) = (lock(&config, args)?, &args.only);
    let now = Clock::new().now().utc;
    let written = take(Order { config: &config, parts, to, lock, prove: args.prove, now })?;
    let manifest = &written.manifest;
    let proved = if args.prove { ", restored for a test" } else { "" };
    println!(
        "{}: {} files, {} bytes, {} packed{proved}",
        to.display(),
        manifest.files.len(),
        manifest.bytes(),
        written.bytes
    );
    tell_state(manifest);
    Ok(ExitCode::SUCCESS)
}

fn lock(config: &Config, args: &BackupArgs) -> Result<Lock> {
    match (&args.passphrase_file, args.recipients.as_slice(), &config.backup) {
        (Some(file), ..) => Ok(Lock::passphrase_file(file)?),
        (None, [], Some(table)) => table.lock().map_err(anyhow::Error::msg),
        (None, [], None) => {
            bail!(
                "who may open the archive? (hint: --recipient age1…, --passphrase-file, or the table [backup])"
            )
        }
        (None, recipients, _) => Ok(Lock::recipients(recipients)?),
    }
}

fn key(identity: Option<&Path>, passphrase_file: Option<&Path>) -> Result<Key> {
    match (identity, passphrase_file) {
        (Some(file), _) => Ok(Key::identity_file(file)?),
        (None, Some(file)) => Ok(Key::passphrase_file(file)?),
        (None, None) => bail!("what opens the archive? (hint: --identity or --passphrase-file)"),
    }
}

fn verify(archive: &Path, args: &BackupArgs) -> Result<ExitCode> {
    let key = key(args.identity.as_deref(), args.passphrase_file.as_deref())?;
    let manifest = ::backup::verify(archive, &key)?;
    println!(
        "{} is whole: {} as of {}, {} files, {} bytes",
        archive.display(),
        manifest.centre,
        manifest.taken_at,
        manifest.files.len(),
        manifest.bytes()
    );
    tell_state(&manifest);
    Ok(ExitCode::SUCCESS)
}

fn keygen(file: &Path) -> Result<ExitCode> {
    let recipient = ::backup::generate_to(file)?;
    println!("{recipient}");
    eprintln!(
        "note: {} opens every archive made for this recipient: keep it off this machine",
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Runs `tieline restore`.
pub(crate) fn restore(args: &RestoreArgs) -> Result<ExitCode> {
    let key = key(args.identity.as_deref(), args.passphrase_file.as_deref())?;
    let now = Clock::new().now().utc;
    let Restored { manifest, kept } =
        put_back(&args.archive, &key, &args.to, args.replace, now).context("nothing was restored")?;
    println!(
        "{} restored to {} as of {}: {} files, {} bytes",
        manifest.centre,
        args.to.display(),
        manifest.taken_at,
        manifest.files.len(),
        manifest.bytes()
    );
    tell_state(&manifest);
    if let Some(kept) = kept {
        eprintln!("note: what was there before is in {}", kept.display());
    }
    for moved in &manifest.moved {
        eprintln!("note: the configuration says {}, which is now {}: adapt it", moved.from, moved.to);
    }
    if let Some(config) = &manifest.config {
        eprintln!("note: start it with tieline run {}", args.to.join(config).display());
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_state(manifest: &Manifest) {
    let Some(state) = &manifest.state else { return };
    println!(
        "up to event {}, audit record {}, row {} of history",
        state.last_event, state.last_audit, state.history_rows
    );
    if !state.audit_fault.is_empty() {
        eprintln!("warning: the audit chain was broken when this was made: {}", state.audit_fault);
    }
}
