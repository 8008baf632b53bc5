//! The list of tolerated offences. One line is `rule place # reason`. An entry without an offence fails, and so
//! does a list with more entries than it had in the version before: it may only shrink.

use super::Finding;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Where the list is.
const PATH: &str = "xtask/tidy-exceptions.txt";

/// The tolerated offences.
pub(super) struct List(Vec<Entry>);

struct Entry {
    rule: String,
    place: String,
}

impl List {
    /// Reads the list of the workspace; an absent file is an empty list.
    pub(super) fn read(root: &Path) -> Result<Self> {
        match std::fs::read_to_string(root.join(PATH)) {
            Ok(text) => Self::parse(&text),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Self(Vec::new())),
            Err(fault) => Err(fault.into()),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let words = line.split_once(" # ").map(|(entry, _)| entry.split_whitespace().collect::<Vec<_>>());
            let Some(&[rule, place]) = words.as_deref() else {
                bail!("{PATH}:{}: not `rule place # reason`", at + 1);
            };
            entries.push(Entry { rule: rule.to_owned(), place: place.to_owned() });
        }
        Ok(Self(entries))
    }

    /// The offences that are not tolerated, and the entries that tolerate nothing.
    pub(super) fn apply(&self, findings: Vec<Finding>) -> Vec<String> {
        let tolerates =
            |entry: &Entry, finding: &Finding| entry.rule == finding.rule && entry.place == finding.place;
        let idle = self.0.iter().filter(|entry| !findings.iter().any(|finding| tolerates(entry, finding)));
        let idle: Vec<_> = idle
            .map(|entry| format!("{PATH}: `{} {}` is no longer needed: remove it", entry.rule, entry.place))
            .collect();
        let left = findings.iter().filter(|finding| !self.0.iter().any(|entry| tolerates(entry, finding)));
        left.map(Finding::shown).chain(idle).collect()
    }

    /// A complaint if the list grew: against the last committed version, or, where that is this one, against the
    /// version before it. Without history there is nothing to compare with.
    pub(super) fn growth(&self, root: &Path) -> Result<Option<String>> {
        let Some(commits) = git(root, &["log", "--format=%H", "--max-count=2", "--", PATH]) else {
            return Ok(None);
        };
        let mut sizes = vec![self.0.len()];
        for commit in commits.lines() {
            let Some(text) = git(root, &["show", &format!("{commit}:{PATH}")]) else { continue };
            sizes.push(Self::parse(&text)?.0.len());
        }
        Ok(growth_of(&sizes))
    }
}

/// `sizes` from the newest version to the oldest.
fn growth_of(sizes: &[usize]) -> Option<String> {
    sizes
        .windows(2)
        .any(|pair| pair[0] > pair[1])
        .then(|| format!("{PATH}: the list grew ({sizes:?} entries, newest first); it may only shrink"))
}

/// What git answers; none without git, without a repository or on any refusal.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Finding, List, growth_of};

    fn finding(rule: &'static str, place: &str) -> Finding {
        Finding { rule, place: place.to_owned(), line: 1, text: String::new() }
    }

    fn check_list(list: &str, findings: Vec<Finding>, expected: usize) {
        assert_eq!(List::parse(list).unwrap().apply(findings).len(), expected, "{list:?}");
    }

    #[test]
    fn entries_tolerate_their_own_offence_only() {
        let entry = "# Head.\n\nfile-lines a.rs # one kernel\n";
        check_list(entry, vec![finding("file-lines", "a.rs")], 0);
        check_list(entry, vec![finding("file-lines", "b.rs")], 2);
        check_list(entry, vec![finding("parameters", "a.rs")], 2);
        check_list("", vec![finding("file-lines", "a.rs")], 1);
    }

    #[test]
    fn an_entry_that_is_no_longer_needed_fails() {
        check_list("file-lines a.rs # one kernel\n", vec![], 1);
    }

    #[test]
    fn an_entry_needs_a_reason() {
        assert!(List::parse("file-lines a.rs\n").is_err());
        assert!(List::parse("file-lines # why\n").is_err());
    }

    #[test]
    fn the_list_may_only_shrink() {
        assert_eq!(growth_of(&[0]), None);
        assert_eq!(growth_of(&[1, 1, 2]), None);
        assert!(growth_of(&[2, 1]).is_some());
        assert!(growth_of(&[2, 2, 1]).is_some());
    }
}
