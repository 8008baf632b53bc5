//! `tieline user`, `tieline token`, `tieline audit`: administration on the console of the machine that holds the data.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use security::{Areas, AuditRecord, Principal, PrincipalKind, Role};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use store::{AuditState, Store};
use transport::Clock;

/// Audit records printed at most unless asked otherwise.
const LIST_DEFAULT: u64 = 50;
/// Audit records read at a time.
const AUDIT_PAGE: u64 = 10_000;

/// Where the data are.
#[derive(Args)]
struct Data {
    /// Data directory of the centre.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Arguments of `tieline user`.
#[derive(Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    action: UserAction,
}

#[derive(Subcommand)]
enum UserAction {
    /// Create a user, or replace roles and areas of one.
    Add {
        /// Name.
        name: String,
        /// Role after IEC 62351-8: VIEWER OPERATOR ENGINEER INSTALLER SECADM SECAUD RBACMNT; may be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// Area of responsibility, a substation's name or * for all; may be repeated.
        #[arg(long = "area", default_value = "*")]
        areas: Vec<String>,
        #[command(flatten)]
        data: Data,
    },
    /// List the users.
    List {
        #[command(flatten)]
        data: Data,
    },
}

/// Arguments of `tieline token`.
#[derive(Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    action: TokenAction,
}

#[derive(Subcommand)]
enum TokenAction {
    /// Create a token for a user and print it once.
    Create {
        /// The user.
        user: String,
        /// Good for one sign-in to the page; otherwise a bearer token for scripts.
        #[arg(long)]
        one_time: bool,
        /// Days until it is void.
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        data: Data,
    },
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

/// Runs `tieline user`.
pub(crate) fn user(args: UserArgs) -> Result<ExitCode> {
    match args.action {
        UserAction::Add { name, roles, areas, data } => {
            let role = |text: &String| {
                let known = Role::ALL.map(|(_, name)| name).join(" ");
                Role::named(text).with_context(|| format!("no role {text:?} (hint: one of {known})"))
            };
            let roles = roles.iter().map(role).collect::<Result<_>>()?;
            let principal = Principal {
                name: name.clone(),
                roles,
                areas: Areas::from_names(&areas),
                kind: PrincipalKind::Human,
            };
            with_store(&data.data, |store| server::put_user(store, principal, Clock::new().now().utc))?;
            eprintln!("user {name} is set; sign-in: tieline token create {name} --one-time --data …");
        }
        UserAction::List { data } => with_store(&data.data, |store| {
            for user in store.users()? {
                let roles: Vec<&str> = user.principal.roles.iter().map(|role| role.name()).collect();
                let state = if user.disabled { "disabled" } else { "enabled" };
                let areas = user.principal.areas.to_names().join(",");
                println!("{}\t{}\t{areas}\t{state}", user.principal.name, roles.join(","));
            }
            Ok(())
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `tieline token`.
pub(crate) fn token(args: TokenArgs) -> Result<ExitCode> {
    let TokenAction::Create { user, one_time, days, data } = args.action;
    let life = Duration::from_secs(u64::from(days) * 86_400);
    let now = Clock::new().now().utc;
    let text = with_store(&data.data, |store| server::create_token(store, &user, one_time, now, Some(life)))?;
    println!("{text}");
    Ok(ExitCode::SUCCESS)
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
fn with_store<T>(directory: &Path, work: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
    let path = existing(directory)?;
    let _lock = server::lock_directory(directory)?;
    let (store, _) = Store::open(&path, &store::Options::default())?;
    work(&store)
}
