//! `cargo xtask advisories FOLDER`: known weaknesses of what is linked, from a checkout of the RustSec advisory database.
//!
//! `cargo deny check advisories` says the same where it can reach that database; this needs only a folder, so that it also
//! runs where nothing can be reached. What is accepted stands with its reason in deny.toml, which both read.

use crate::licences;
use crate::metadata::Metadata;
use anyhow::{Context, Result, bail};
use semver::{Version, VersionReq};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The head of an advisory file.
#[derive(Deserialize)]
struct File {
    advisory: Advisory,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    #[serde(default)]
    withdrawn: Option<String>,
    /// `unmaintained`, `unsound` or `notice`; a weakness has none.
    #[serde(default)]
    informational: Option<String>,
}

#[derive(Deserialize, Default)]
struct Versions {
    #[serde(default)]
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
}

/// The part of deny.toml that is read.
#[derive(Deserialize, Default)]
struct Deny {
    #[serde(default)]
    advisories: Accepted,
}

#[derive(Deserialize, Default)]
struct Accepted {
    #[serde(default)]
    ignore: Vec<Ignored>,
}

#[derive(Deserialize)]
struct Ignored {
    id: String,
    reason: String,
}

/// Findings, one line each, and how many advisories about our packages were looked at.
pub(crate) fn check(root: &Path, database: &Path) -> Result<(Vec<String>, usize)> {
    let metadata = Metadata::resolved(root)?;
    let linked = licences::linked(&metadata);
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let foreign =
        |id: &str| linked.contains(id) && !metadata.workspace_members.iter().any(|member| member == id);
    for package in metadata.packages.iter().filter(|package| foreign(&package.id)) {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let deny: Deny = toml::from_str(&std::fs::read_to_string(root.join("deny.toml"))?)?;
    let (mut findings, mut seen) = (Vec::new(), 0);
    for (name, versions) in versions {
        let folder = database.join("crates").join(name);
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            let file = parse(&text).with_context(|| format!("{} is no advisory", path.display()))?;
            seen += 1;
            for version in &versions {
                let version = Version::parse(version)?;
                findings.extend(judge(&file, &version, &deny.advisories.ignore));
            }
        }
    }
    if seen == 0 {
        bail!(
            "{}: no advisory about any of our packages (hint: a checkout of rustsec/advisory-db)",
            database.display()
        );
    }
    findings.sort();
    Ok((findings, seen))
}

fn parse(text: &str) -> Result<File> {
    let head = text.split("```").nth(1).and_then(|block| block.strip_prefix("toml"));
    Ok(toml::from_str(head.context("it does not open with a block of TOML")?)?)
}

/// What an advisory means for a version; `None` if nothing.
fn judge(file: &File, version: &Version, accepted: &[Ignored]) -> Option<String> {
    let File { advisory, versions } = file;
    let safe = versions.patched.iter().chain(&versions.unaffected).any(|wanted| wanted.matches(version));
    if safe || advisory.withdrawn.is_some() {
        return None;
    }
    let shown = format!("{} {version}: {}", advisory.package, advisory.id);
    match (accepted.iter().find(|ignored| ignored.id == advisory.id), &advisory.informational) {
        (Some(ignored), _) if !ignored.reason.trim().is_empty() => None,
        (_, Some(kind)) => Some(format!("{shown} ({kind})")),
        (_, None) => Some(shown),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2023-0001\"\npackage = \"a\"\ndate = \"2023-01-01\"\n\
        [versions]\npatched = [\">= 1.2.3\"]\nunaffected = [\"< 1.0.0\"]\n```\n\n# a: falls over\n";

    fn check_version(version: &str, accepted: &[Ignored], expected: bool) {
        let found = judge(&parse(TEXT).unwrap(), &Version::parse(version).unwrap(), accepted);
        assert_eq!(found.is_some(), expected, "{version}");
    }

    #[test]
    fn versions_between_unaffected_and_patched_are_found() {
        check_version("0.9.0", &[], false);
        check_version("1.0.0", &[], true);
        check_version("1.2.2", &[], true);
        check_version("1.2.3", &[], false);
    }

    #[test]
    fn what_is_accepted_needs_a_reason() {
        let ignored = |reason: &str| [Ignored { id: "RUSTSEC-2023-0001".into(), reason: reason.into() }];
        check_version("1.0.0", &ignored("only verified with"), false);
        check_version("1.0.0", &ignored(" "), true);
    }

    #[test]
    fn a_withdrawn_one_says_nothing_any_more() {
        let text = TEXT.replace("date =", "withdrawn = \"2023-02-01\"\ndate =");
        assert_eq!(judge(&parse(&text).unwrap(), &Version::new(1, 0, 0), &[]), None);
    }

    #[test]
    fn an_empty_folder_is_no_database() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(&crate::root().unwrap(), folder.path()).is_err());
    }
}
