//! The layer rules of STYLE.md, section 1: who may depend on whom. The whole table is in this file; an edge
//! that is not allowed here is added here or not at all.

use crate::metadata::{Dependency, DependencyKind, Metadata, Package};
use std::collections::BTreeMap;
use std::fmt;

/// Edges inside layer 2a: (user, used).
const DOMAIN_EDGES: &[(&str, &str)] = &[
    ("powerflow", "topology"),
    ("fault", "topology"),
    ("estimation", "topology"),
    ("opf", "powerflow"),
    ("opf", "fault"),
    ("opf", "estimation"),
    ("contingency", "topology"),
    ("contingency", "powerflow"),
    ("contingency", "fault"),
    ("contingency", "estimation"),
    ("scada", "security"),
];

/// Edges inside layer 2a that only tests may have: the truth for a measurement set is a solved power flow, and
/// foreign cases are read from files.
const DOMAIN_TEST_EDGES: &[(&str, &str)] = &[("estimation", "powerflow"), ("contingency", "exchange")];

/// The one crate of layer 3 that the others of layer 3 may use: the list of protocols and applications.
const CATALOG: &str = "catalog";

/// The crate of layer 3 that knows protocols and applications by their traits only.
const GATEWAY: &str = "gateway";

/// Crates from outside that layers 0 to 2 may use; ADR 0002 holds the reason of each.
pub(crate) const OUTSIDE_BELOW_COMPOSITION: &[&str] = &[
    "amd",
    "argon2",
    "aws-lc-rs",
    "csv",
    "hmac",
    "jiff",
    "pulp",
    "rand",
    "rand_chacha",
    "rand_distr",
    "serde",
    "sha1",
    "sha2",
    "subtle",
    "thiserror",
    "toml",
    "zeroize",
];

/// The crate for error enums, allowed from layer 2a upward only.
const THISERROR: &str = "thiserror";

/// A layer of the workspace, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Layer {
    Foundation,
    Vocabulary,
    Domain,
    Protocol,
    Application,
    Composition,
    Io,
    Product,
    Internal,
}

impl Layer {
    /// The layer of that name in `[package.metadata.tieline]`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "0" => Self::Foundation,
            "1" => Self::Vocabulary,
            "2a" => Self::Domain,
            "2b" => Self::Protocol,
            "2c" => Self::Application,
            "3" => Self::Composition,
            "4" => Self::Io,
            "5" => Self::Product,
            "internal" => Self::Internal,
            _ => return None,
        })
    }

    /// Whether the layer holds neither clock nor socket nor file: layers 0 to 3.
    pub(crate) fn is_pure(self) -> bool {
        self <= Self::Composition
    }

    /// Whether outside crates need a line in ADR 0002: layers 0 to 2.
    fn needs_reason_for_outside(self) -> bool {
        self <= Self::Application
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foundation => "layer 0",
            Self::Vocabulary => "layer 1",
            Self::Domain => "layer 2a",
            Self::Protocol => "layer 2b",
            Self::Application => "layer 2c",
            Self::Composition => "layer 3",
            Self::Io => "layer 4",
            Self::Product => "layer 5",
            Self::Internal => "internal",
        })
    }
}

/// Checks every declared edge of the workspace; the answer is one line per offence.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    let mut layers = BTreeMap::new();
    for package in metadata.members() {
        check_manifest(package, &mut findings);
        match package.layer_name().and_then(Layer::named) {
            Some(layer) => {
                layers.insert(package.name.as_str(), layer);
            }
            None => findings.push(format!(
                "{}: no known layer in [package.metadata.tieline] (0, 1, 2a, 2b, 2c, 3, 4, 5, internal)",
                package.name
            )),
        }
    }
    for package in metadata.members() {
        let Some(&layer) = layers.get(package.name.as_str()) else { continue };
        for dependency in &package.dependencies {
            let verdict = match layers.get(dependency.name.as_str()) {
                Some(&used) => check_edge((&package.name, layer), (&dependency.name, used), dependency.kind),
                None => check_outside(layer, dependency),
            };
            if let Err(reason) = verdict {
                findings.push(format!("{} -> {}: {reason}", package.name, dependency.name));
            }
        }
    }
    findings
}

fn check_manifest(package: &Package, findings: &mut Vec<String>) {
    if package.folder().file_name().is_none_or(|folder| folder != package.name.as_str()) {
        findings.push(format!("{}: the folder has another name", package.name));
    }
    if package.version != "0.0.0" {
        findings.push(format!("{}: version {} instead of 0.0.0", package.name, package.version));
    }
}

/// One edge between two crates of the workspace.
fn check_edge(user: (&str, Layer), used: (&str, Layer), kind: DependencyKind) -> Result<(), String> {
    if user.1 == Layer::Internal {
        return Ok(());
    }
    if used.1 == Layer::Internal {
        return if kind == DependencyKind::Dev {
            Ok(())
        } else {
            Err("an internal crate is for tests only (make it a dev-dependency)".to_owned())
        };
    }
    let test_only = kind == DependencyKind::Dev && DOMAIN_TEST_EDGES.contains(&(user.0, used.0));
    if test_only || may_use(user, used) {
        return Ok(());
    }
    Err(match used.1.cmp(&user.1) {
        std::cmp::Ordering::Greater => format!("upward edge from {} to {}", user.1, used.1),
        std::cmp::Ordering::Equal => format!("sideways edge inside {}", user.1),
        std::cmp::Ordering::Less => format!("{} may not use {}", user.1, used.1),
    })
}

/// The table of STYLE.md, section 1.
fn may_use(user: (&str, Layer), used: (&str, Layer)) -> bool {
    use Layer::{Application, Composition, Domain, Foundation, Io, Product, Protocol, Vocabulary};
    match user.1 {
        Foundation | Vocabulary => used.1 == Foundation,
        Domain => used.1 <= Vocabulary || DOMAIN_EDGES.contains(&(user.0, used.0)),
        Protocol => used.1 <= Vocabulary,
        Application => used.1 <= Domain,
        Composition if user.0 == GATEWAY => used.1 <= Domain,
        Composition if user.0 == CATALOG => used.1 < Composition,
        Composition => used.1 < Composition || used.0 == CATALOG,
        Io => used.1 < Io,
        Product | Layer::Internal => used.1 <= Product,
    }
}

/// One edge to a crate from outside.
fn check_outside(user: Layer, dependency: &Dependency) -> Result<(), String> {
    if dependency.kind == DependencyKind::Dev || !user.needs_reason_for_outside() {
        return Ok(());
    }
    if !OUTSIDE_BELOW_COMPOSITION.contains(&dependency.name.as_str()) {
        return Err(format!("{user} may not use this outside crate: it is not in ADR 0002"));
    }
    if dependency.name == THISERROR && user < Layer::Domain {
        return Err(format!("{user} writes its errors by hand"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
