//! Which contingencies: kinds, lists, pairs.

use std::path::Path;

use contingency::{Contingency, DcNetwork, Kind, ListError, Outage, read_csv, read_toml};

use super::ContingenciesArgs;
use super::subject::Subject;
use crate::files;
use crate::study::workers::Threads;

/// Most pairs that are screened for.
const MAX_PAIRS: usize = 1_000_000;

/// All contingencies of a study, in the order in which they were asked for.
pub(super) fn list(args: &ContingenciesArgs, subject: &Subject<'_>) -> anyhow::Result<Vec<Contingency>> {
    let which = &args.which;
    let mut list = Vec::new();
    for kind in &which.outages {
        list.extend(subject.names.all(kind.kind()));
    }
    if let Some(file) = &which.list {
        list.extend(read(file, subject)?);
    }
    if let Some(pairs) = &which.n2 {
        match pairs.strip_prefix("screen:") {
            Some(count) => list.extend(screened(args, subject, count)?),
            None => list.extend(read(Path::new(pairs), subject)?),
        }
    }
    if which.outages.is_empty() && which.list.is_none() && which.n2.is_none() {
        list = subject.names.all(Kind::Branch);
    }
    if list.is_empty() {
        anyhow::bail!("there is nothing that could fail (look at --outages and --list)");
    }
    Ok(list)
}

fn read(file: &Path, subject: &Subject<'_>) -> anyhow::Result<Vec<Contingency>> {
    let bytes = files::read(file)?;
    let is_toml = file.extension().is_some_and(|ending| ending == "toml");
    let read =
        if is_toml { read_toml(&text(file, bytes)?, subject.names) } else { read_csv(&bytes, subject.names) };
    read.map_err(|fault| at(file, &fault))
}

/// The text of a file.
pub(super) fn text(file: &Path, bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("{}: not UTF-8 (save it as UTF-8)", files::shown(file)))
}

/// A fault with its file.
pub(super) fn at(file: &Path, fault: &ListError) -> anyhow::Error {
    let line = if fault.line > 0 { format!(":{}", fault.line) } else { String::new() };
    anyhow::anyhow!("{}{line}: {} ({})", files::shown(file), fault.reason, fault.hint)
}

fn screened(
    args: &ContingenciesArgs,
    subject: &Subject<'_>,
    count: &str,
) -> anyhow::Result<Vec<Contingency>> {
    let wanted = count.parse::<usize>().ok().filter(|wanted| (1..=MAX_PAIRS).contains(wanted));
    let Some(wanted) = wanted else {
        anyhow::bail!("--n2 screen:{count}: give a number of pairs from 1 to {MAX_PAIRS}");
    };
    let network = DcNetwork::new(&subject.system.grid, &[])
        .map_err(|fault| anyhow::anyhow!("pairs cannot be screened: {fault}"))?;
    let pairs = network.screen_pairs(wanted, &Threads::new(args.method.threads));
    let named = |pair: &contingency::Pair| {
        let [one, other] = pair.branches.map(|branch| subject.branch(branch));
        let outage = Outage { branches: pair.branches.to_vec(), ..Outage::default() };
        Contingency { name: format!("branch {one} + {other}"), outage }
    };
    Ok(pairs.iter().map(named).collect())
}
