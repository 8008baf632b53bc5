//! Licences of everything that is linked into the product or runs while it is built, and crates that are
//! refused whatever their licence says.

use crate::metadata::{DependencyKind, Metadata};
use std::collections::{BTreeMap, BTreeSet};

/// Licences that allow every use of the product; deny.toml holds the same list.
pub(crate) const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are refused, tests included, with the reason; deny.toml holds the same list.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("dnp3", "its licence forbids commercial use"),
    ("iec60870-5", "its licence forbids commercial use"),
    ("rodbus", "its licence forbids commercial use"),
];

/// The second cryptographic provider. It may stand in the lock file as an unused choice of another crate, never
/// in the resolved graph.
const SECOND_PROVIDER: &str = "ring";

/// Checks the resolved graph; the answer is one line per offence.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    let linked = linked(metadata);
    let members = metadata.workspace_members.iter().map(String::as_str);
    let all = reached(metadata, members, |_| true);
    for package in &metadata.packages {
        let shown = format!("{} {}", package.name, package.version);
        if let Some((_, reason)) = REFUSED.iter().find(|(name, _)| *name == package.name) {
            findings.push(format!("{shown}: refused, {reason}"));
        }
        if package.name == SECOND_PROVIDER && all.contains(package.id.as_str()) {
            findings.push(format!("{shown}: refused, aws-lc-rs is the one cryptographic provider"));
        }
        if linked.contains(package.id.as_str()) {
            match package.license.as_deref().map(is_allowed) {
                Some(Ok(true)) => {}
                Some(Ok(false)) => findings.push(format!(
                    "{shown}: licence {} is not on the list",
                    package.license.as_deref().unwrap_or_default()
                )),
                Some(Err(reason)) => findings.push(format!("{shown}: licence not readable: {reason}")),
                None => findings.push(format!("{shown}: no licence expression in its manifest")),
            }
        }
    }
    findings
}

/// The packages that are linked into the product or run while it is built, by their ids.
pub(crate) fn linked(metadata: &Metadata) -> BTreeSet<&str> {
    let members = metadata.workspace_members.iter().map(String::as_str);
    reached(metadata, members, |kind| kind != DependencyKind::Dev)
}

/// The same of one program of ours.
pub(crate) fn linked_into<'a>(metadata: &'a Metadata, program: &str) -> BTreeSet<&'a str> {
    let root =
        metadata.members().filter(|package| package.name == program).map(|package| package.id.as_str());
    reached(metadata, root, |kind| kind != DependencyKind::Dev)
}

/// Packages reached from some along edges of the wanted kinds.
fn reached<'a>(
    metadata: &'a Metadata,
    roots: impl Iterator<Item = &'a str>,
    wanted: impl Fn(DependencyKind) -> bool,
) -> BTreeSet<&'a str> {
    let by_id: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: BTreeMap<_, _> = nodes.map(|node| (node.id.as_str(), node)).collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = roots.collect();
    while let Some(id) = open.pop() {
        let (true, Some(node), Some(user)) = (seen.insert(id), nodes.get(id), by_id.get(id)) else {
            continue;
        };
        let edges = node.deps.iter().filter(|edge| edge.dep_kinds.iter().any(|why| wanted(why.kind)));
        let used = edges.filter(|edge| {
            let name = by_id.get(edge.pkg.as_str()).map(|package| package.name.as_str());
            name.is_none_or(|name| user.really_uses(name, &node.features))
        });
        open.extend(used.map(|edge| edge.pkg.as_str()));
    }
    seen
}

/// Whether a licence expression (SPDX 2.3, annex D; also the old slash for OR) can be met by allowed licences.
fn is_allowed(expression: &str) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<_> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let value = parser.any()?;
    match parser.peek() {
        None => Ok(value),
        Some(token) => Err(format!("`{token}` was not expected in `{expression}`")),
    }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn take_if(&mut self, token: &str) -> bool {
        let here = self.peek() == Some(token);
        self.at += usize::from(here);
        here
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut value = self.all()?;
        while self.take_if("OR") {
            value |= self.all()?;
        }
        Ok(value)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut value = self.one()?;
        while self.take_if("AND") {
            value &= self.one()?;
        }
        Ok(value)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take_if("(") {
            let value = self.any()?;
            return if self.take_if(")") { Ok(value) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        let Some(name) = self.peek() else { return Err("the expression ends too early".to_owned()) };
        self.at += 1;
        if self.take_if("WITH") {
            // An exception gives more rights than the licence alone.
            self.at += 1;
        }
        Ok(ALLOWED.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{ALLOWED, REFUSED, SECOND_PROVIDER, check, is_allowed};
    use crate::metadata::{Metadata, Package};
    use serde_json::json;

    fn check_expression(expression: &str, expected: Option<bool>) {
        assert_eq!(is_allowed(expression).ok(), expected, "{expression}");
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        check_expression("MIT", Some(true));
        check_expression("MIT/Apache-2.0", Some(true));
        check_expression("Unlicense OR MIT", Some(true));
        check_expression("GPL-3.0-only", Some(false));
        check_expression("MIT AND GPL-3.0-only", Some(false));
        check_expression("MIT OR GPL-3.0-only AND LGPL-2.1-only", Some(true));
        check_expression("(MIT OR GPL-3.0-only) AND LGPL-2.1-only", Some(false));
        check_expression("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true));
        check_expression("Apache-2.0 WITH LLVM-exception", Some(true));
        check_expression("GPL-2.0-only WITH Classpath-exception-2.0", Some(false));
        check_expression("(MIT", None);
        check_expression("MIT MIT", None);
        check_expression("", None);
    }

    /// One member with one edge of `kind` to one outside package.
    fn findings(kind: Option<&str>, name: &str, license: Option<&str>) -> usize {
        let package = |name: &str, license: Option<&str>| {
            json!({ "name": name, "version": "1.0.0", "id": name, "license": license,
                    "manifest_path": "/w/Cargo.toml", "dependencies": [], "metadata": null })
        };
        let whole = json!({
            "packages": [package("ours", Some("MIT")), package(name, license)],
            "workspace_members": ["ours"], "workspace_root": "/w", "target_directory": "/w/target",
            "resolve": { "nodes": [
                { "id": "ours", "deps": [{ "pkg": name, "dep_kinds": [{ "kind": kind }] }] },
                { "id": name, "deps": [] },
            ] },
        });
        check(&Metadata::parse(whole.to_string().as_bytes()).unwrap()).len()
    }

    #[test]
    fn planted_packages_are_judged() {
        assert_eq!(findings(None, "other", Some("MIT")), 0);
        assert_eq!(findings(None, "other", Some("GPL-3.0-only")), 1);
        assert_eq!(findings(Some("build"), "other", Some("GPL-3.0-only")), 1);
        assert_eq!(findings(Some("dev"), "other", Some("GPL-3.0-only")), 0);
        assert_eq!(findings(None, "other", None), 1);
        assert_eq!(findings(None, "ring", Some("MIT")), 1);
        assert_eq!(findings(Some("dev"), "dnp3", Some("MIT")), 1);
    }

    /// A package with the optional dependency `ring` and one active feature that holds `value`.
    fn check_optional(value: &str, expected: bool) {
        let package = json!({
            "name": "user", "version": "1.0.0", "id": "user", "license": "MIT", "metadata": null,
            "manifest_path": "/w/Cargo.toml", "features": { "on": [value], "off": ["dep:ring"] },
            "dependencies": [{ "name": "ring", "kind": null, "optional": true }],
        });
        let package: Package = serde_json::from_value(package).unwrap();
        assert_eq!(package.really_uses("ring", &["on".to_owned()]), expected, "{value}");
    }

    #[test]
    fn an_optional_package_counts_when_a_feature_switches_it_on() {
        check_optional("dep:ring", true);
        check_optional("ring", true);
        check_optional("ring/alloc", true);
        check_optional("ring?/alloc", false);
        check_optional("other", false);
    }

    #[test]
    fn the_configuration_of_cargo_deny_holds_the_same_lists() {
        let text = std::fs::read_to_string(crate::root().unwrap().join("deny.toml")).unwrap();
        let section = |from: &str| {
            let start = text.find(from).unwrap() + from.len();
            let end = text[start..].find("\n]").unwrap();
            let quoted = text[start..start + end].split('"').skip(1).step_by(2).map(str::to_owned);
            quoted.collect::<Vec<_>>()
        };
        assert_eq!(section("\nallow = ["), ALLOWED);
        let refused: Vec<_> = REFUSED.iter().map(|(name, _)| *name).chain([SECOND_PROVIDER]).collect();
        let listed: Vec<_> = section("\ndeny = [").into_iter().step_by(2).collect();
        assert_eq!(listed, refused);
    }
}
