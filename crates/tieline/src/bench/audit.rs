//! `tieline bench audit`: how long it takes to write records of the audit, and to verify all of them (B-30).

use super::measure::{self, Spent};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use security::{AuditEntry, Outcome, SigningKey};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use store::{Options, Proof, Record, Store, prove_audit_file};
use timebase::Utc;

/// Records of one transaction.
const BATCH: usize = 5_000;

/// Arguments of the workload.
#[derive(Args, Debug)]
pub(crate) struct AuditBenchArgs {
    /// Folder to write to, new or empty, on the disk that is to be measured.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// Records.
    #[arg(long, default_value_t = 1_000_000, value_parser = super::count)]
    records: usize,
    /// Records between two signed checkpoints.
    #[arg(long, default_value_t = 1_000, value_parser = super::count)]
    checkpoint_every: usize,
    /// Verifications; the median counts.
    #[arg(long, default_value_t = 3, value_parser = super::count)]
    runs: usize,
}

/// Runs it.
pub(crate) fn run(args: &AuditBenchArgs) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.directory)?;
    let path = args.directory.join("centre.db");
    ensure!(!path.exists(), "{}: there is a store already (hint: a new folder)", path.display());
    let key = Arc::new(SigningKey::from_seed(&[1; 32]).context("no key")?);
    let (made, checkpoints) = spent(|| fill(&path, args, &key))?;
    let proof = Proof { keys: vec![key.public()], copy: None };
    let mut runs = Vec::new();
    for _ in 0..args.runs {
        let (run, proved) = spent(|| Ok(prove_audit_file(&path, &proof, |_| ())?))?;
        match proved {
            Ok(proved) if proved.chain.count == u64::try_from(args.records)? => runs.push(run),
            other => bail!("the chain that was just written does not hold: {other:?}"),
        }
    }
    let wall_s = measure::median(runs.iter().map(|run| run.wall_us)) / 1e6;
    let cpu_s = measure::median(runs.iter().map(|run| run.cpu_us)) / 1e6;
    let (records, bytes) = (args.records as f64, std::fs::metadata(&path)?.len() as f64);
    let line = json!({
        "workload": "audit", "items": args.records, "checkpoints": checkpoints, "runs": args.runs,
        "write_wall_s": made.wall_us / 1e6, "write_cpu_s": made.cpu_us / 1e6,
        "verify_wall_s": wall_s, "verify_cpu_s": cpu_s, "verify_wall_us_per_item": wall_s * 1e6 / records,
        "octets_per_item": bytes / records, "peak_memory_mb": measure::peak_memory_mb(),
        "cpu_model": measure::cpu_model(),
    });
    crate::files::write(None, format!("{line}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn spent<T>(work: impl FnOnce() -> Result<T>) -> Result<(Spent, T)> {
    let (mut work, mut result) = (Some(work), None);
    let spent = measure::time(|| result = work.take().map(|work| work()));
    Ok((spent, result.context("not run")??))
}

/// Writes the chain in large transactions, as no centre would, and signs it as often as asked.
fn fill(path: &Path, args: &AuditBenchArgs, key: &Arc<SigningKey>) -> Result<u64> {
    let (store, _) = Store::open(path, &Options::default())?;
    let mut checkpoints = 0;
    let batch = BATCH.min(args.checkpoint_every);
    for first in (0..args.records).step_by(batch) {
        let last = (first + batch).min(args.records);
        store.append((first..last).map(|number| Record::Audit(entry(number))).collect())?;
        if last % args.checkpoint_every < batch {
            checkpoints = store.sign_audit(key, time(last))?.number;
        }
    }
    Ok(checkpoints)
}

fn time(number: usize) -> Utc {
    Utc::from_micros(1_790_000_000_000_000 + i64::try_from(number).unwrap_or(0) * 1_000)
}

/// A record as a command leaves it.
fn entry(number: usize) -> AuditEntry {
    AuditEntry {
        time: time(number),
        actor: format!("operator {}", number % 20),
        source: "session 7f3a".to_owned(),
        action: "command.execute".to_owned(),
        target: format!("S{}/Line {}/CB", number % 300, number % 7),
        old: Some("closed".to_owned()),
        new: Some("open".to_owned()),
        outcome: if number.is_multiple_of(11) { Outcome::Refused } else { Outcome::Allowed },
        reason: format!("switching order {}, step {}", number / 12, number % 12),
    }
}
