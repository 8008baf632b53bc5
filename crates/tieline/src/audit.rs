//! `tieline audit`: who did what, whether the record of it still is what it was, and files for other programs. All of it
//! reads beside a running centre.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use security::{AuditCopy, AuditRecord, Outcome, PublicKey};
use server::audit::export::Export;
use server::audit::find::Filter;
use server::audit::key::{public_file, public_keys};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::{AuditFault, Proof, prove_audit_file};
use timebase::Utc;

/// Audit records printed at most unless asked otherwise.
const LIST_DEFAULT: usize = 50;

/// Where the data are.
#[derive(Args)]
struct Data {
    /// Data directory of the centre.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Arguments of `tieline audit`.
#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    action: AuditAction,
}

#[derive(Subcommand)]
enum AuditAction {
    /// Verify the whole chain with its checkpoints; the centre may be running.
    Verify {
        #[command(flatten)]
        data: Data,
        /// Public key that signed the checkpoints, 64 hexadecimal digits or a file of such lines; may be repeated. Without it
        /// those of the data directory, which whoever rewrites the chain could have exchanged.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<String>,
        /// What a collector elsewhere has kept: lines of syslog with records in any of the forwarded formats.
        #[arg(long, value_name = "FILE")]
        copy: Option<PathBuf>,
    },
    /// Print the latest records.
    List {
        /// How many.
        #[arg(long, default_value_t = LIST_DEFAULT)]
        limit: usize,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        data: Data,
    },
    /// Write records as a file, oldest first, to stdout.
    Export {
        /// csv, json (one object per line) or cef.
        #[arg(long, default_value = "csv", value_parser = export)]
        format: Export,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        data: Data,
    },
    /// Print the public keys that have signed checkpoints, the present one last. Keep a copy elsewhere.
    Key {
        #[command(flatten)]
        data: Data,
    },
    /// Print what was removed from the history, and verify the chain that says so; the centre may be running.
    Removals {
        #[command(flatten)]
        data: Data,
    },
}

/// Which records.
#[derive(Args)]
struct Which {
    /// Part of the name of who did it.
    #[arg(long, value_name = "TEXT")]
    actor: Option<String>,
    /// Part of what was done.
    #[arg(long, value_name = "TEXT")]
    action: Option<String>,
    /// Part of what it was done to.
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// allowed, refused, done or failed.
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Not before, ISO 8601.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Utc>,
    /// Before, ISO 8601.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Utc>,
}

impl Which {
    fn filter(self) -> Filter {
        let Self { actor, action, target, outcome, from, to } = self;
        Filter { actor, action, target, outcome, from, to }
    }
}

fn export(text: &str) -> Result<Export, String> {
    Export::named(text).ok_or_else(|| format!("no format {text:?} (hint: csv, json or cef)"))
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::named(text)
        .ok_or_else(|| format!("no outcome {text:?} (hint: allowed, refused, done or failed)"))
}

fn time(text: &str) -> Result<Utc, String> {
    Utc::parse_iso_8601(text).ok_or_else(|| format!("{text:?} is no time (hint: 2026-11-28T12:00:00Z)"))
}

/// Runs `tieline audit`.
pub(crate) fn command(args: AuditArgs) -> Result<ExitCode> {
    match args.action {
        AuditAction::Verify { data, keys, copy } => verify(&data.data, &keys, copy.as_deref()),
        AuditAction::Removals { data } => crate::removals::command(&existing(&data.data)?),
        AuditAction::List { limit, which, data } => list(&existing(&data.data)?, limit, &which.filter()),
        AuditAction::Export { format, which, data } => {
            export_to_stdout(&existing(&data.data)?, format, &which.filter())
        }
        AuditAction::Key { data } => {
            existing(&data.data)?;
            for key in public_keys(&public_file(&data.data))? {
                println!("{key}");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify(directory: &Path, keys: &[String], copy: Option<&Path>) -> Result<ExitCode> {
    let path = existing(directory)?;
    let proof = Proof { keys: trusted(directory, keys)?, copy: copy.map(read_copy).transpose()? };
    let compared = proof.copy.as_ref().map_or(0, AuditCopy::len);
    let proved = prove_audit_file(&path, &proof, |_| ())?
        .map_err(|fault| anyhow::anyhow!("{}: the audit chain is broken: {fault}", path.display()))?;
    println!("the audit chain is whole: {} records, head at {}", proved.chain.count, proved.chain.head.seq);
    match proved.checkpoint {
        Some(last) => println!(
            "checkpoint {} of {} is signed up to record {} by {}",
            last.number, last.time, last.head.seq, last.key
        ),
        None => println!("no checkpoint is signed yet"),
    }
    if copy.is_some() {
        println!("{compared} records of the copy are the same");
    } else if keys.is_empty() {
        eprintln!("note: compared with keys of the same machine only (hint: --key, --copy)");
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys named, else those of the data directory.
fn trusted(directory: &Path, named: &[String]) -> Result<Vec<PublicKey>> {
    if named.is_empty() {
        let file = public_file(directory);
        return if file.exists() { public_keys(&file) } else { Ok(Vec::new()) };
    }
    let mut keys = Vec::new();
    for text in named {
        match PublicKey::from_hex(text) {
            Some(key) => keys.push(key),
            None => keys.extend(public_keys(Path::new(text)).with_context(|| {
                format!("--key {text}: neither 64 lower-case hexadecimal digits nor a file of them")
            })?),
        }
    }
    Ok(keys)
}

fn read_copy(path: &Path) -> Result<AuditCopy> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut copy = AuditCopy::default();
    for (number, line) in (1_u64..).zip(BufReader::new(file).split(b'\n')) {
        let line = line.with_context(|| path.display().to_string())?;
        copy.take(&String::from_utf8_lossy(&line)).with_context(|| format!("{}:{number}", path.display()))?;
    }
    copy.ended().with_context(|| path.display().to_string())
}

/// Goes through the chain and checks it on the way; what is printed before a break is what holds.
fn walk(path: &Path, mut f: impl FnMut(&AuditRecord)) -> Result<Option<AuditFault>> {
    Ok(prove_audit_file(path, &Proof::default(), &mut f)?.err())
}

fn list(path: &Path, limit: usize, filter: &Filter) -> Result<ExitCode> {
    let mut latest = VecDeque::new();
    let fault = walk(path, |record| {
        if filter.wants(record) {
            latest.push_back(record.clone());
            if latest.len() > limit {
                latest.pop_front();
            }
        }
    })?;
    for record in latest {
        let entry = record.entry;
        println!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            record.seq,
            entry.time,
            entry.actor.escape_debug(),
            entry.source.escape_debug(),
            entry.action.escape_debug(),
            entry.target.escape_debug(),
            entry.outcome.name(),
            entry.reason.escape_debug()
        );
    }
    ended(path, fault)
}

fn export_to_stdout(path: &Path, format: Export, filter: &Filter) -> Result<ExitCode> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = out.write_all(format.head().as_bytes());
    let fault = walk(path, |record| {
        if written.is_ok() && filter.wants(record) {
            written = out.write_all(format.line(record).as_bytes());
        }
    })?;
    written.and_then(|()| out.flush()).context("stdout")?;
    ended(path, fault)
}

fn ended(path: &Path, fault: Option<AuditFault>) -> Result<ExitCode> {
    match fault {
        None => Ok(ExitCode::SUCCESS),
        Some(fault) => bail!("{}: the audit chain is broken: {fault}", path.display()),
    }
}

fn existing(directory: &Path) -> Result<PathBuf> {
    let path = server::store_path(directory);
    if path.is_file() {
        return Ok(path);
    }
    bail!(
        "{}: there is no centre's data (hint: the directory of [data] in the configuration)",
        directory.display()
    )
}
