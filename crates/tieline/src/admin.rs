//! `tieline audit`: administration on the console of the machine that holds the data.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use security::AuditRecord;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::{AuditState, Store};

/// Audit records printed at most unless asked otherwise.
const LIST_DEFAULT: u64 = 50;
/// Audit records read at a time.
const AUDIT_PAGE: u64 = 10_000;

/// Where the data are.
#[derive(Args)]
pub(crate) struct Data {
    /// Data directory of the centre.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// Arguments of `tieline audit`.
#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    action: AuditAction,
}

#[derive(Subcommand)]
enum AuditAction {
    /// Verify the whole chain; the centre may be running.
    Verify {
        #[command(flatten)]
        data: Data,
    },
    /// Print the latest records.
    List {
        /// How many.
        #[arg(long, default_value_t = LIST_DEFAULT)]
        limit: u64,
        #[command(flatten)]
        data: Data,
    },
    /// Print what was removed from the history, and verify the chain that says so; the centre may be running.
    Removals {
        #[command(flatten)]
        data: Data,
    },
}

/// Runs `tieline audit`.
pub(crate) fn audit(args: AuditArgs) -> Result<ExitCode> {
    match args.action {
        AuditAction::Verify { data } => verify(&existing(&data.data)?),
        AuditAction::Removals { data } => crate::removals::command(&existing(&data.data)?),
        AuditAction::List { limit, data } => {
            with_store(&data.data, |store| {
                let records = latest_audit(store, limit)?;
                for record in records {
                    let entry = record.entry;
                    println!(
                        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                        record.seq,
                        entry.time,
                        entry.actor,
                        entry.source,
                        entry.action,
                        entry.target,
                        entry.outcome.name(),
                        entry.reason.escape_debug()
                    );
                }
                Ok(())
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The latest audit records, oldest first, read page by page.
fn latest_audit(store: &Store, limit: u64) -> Result<Vec<AuditRecord>> {
    let mut records: Vec<AuditRecord> = Vec::new();
    let mut before = u64::MAX >> 1;
    while let left @ 1.. = limit.saturating_sub(u64::try_from(records.len())?) {
        let page = store.audit_before(before, usize::try_from(left.min(AUDIT_PAGE))?)?;
        let Some(first) = page.iter().map(|record| record.seq).min() else { break };
        before = first;
        records.extend(page);
    }
    records.sort_by_key(|record| record.seq);
    Ok(records)
}

pub(crate) fn verify(path: &Path) -> Result<ExitCode> {
    match store::verify_audit_file(path)? {
        AuditState::Broken(broken) => bail!("{}: the audit chain is broken: {broken}", path.display()),
        AuditState::Whole(verified) => {
            println!("the audit chain is whole: {} records, head at {}", verified.count, verified.head.seq);
            Ok(ExitCode::SUCCESS)
        }
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

/// Opens the store for this process alone.
pub(crate) fn with_store<T>(directory: &Path, work: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
    let path = existing(directory)?;
    let _lock = server::lock_directory(directory)?;
    let (store, _) = Store::open(&path, &store::Options::default())?;
    work(&store)
}
