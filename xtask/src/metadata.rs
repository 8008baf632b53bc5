//! What `cargo metadata` says about the workspace, reduced to what the checks read.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The answer of `cargo metadata`.
#[derive(Deserialize, Debug)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
    /// The resolved graph; absent with `--no-deps`.
    pub(crate) resolve: Option<Resolve>,
}

/// One package, ours or from outside.
#[derive(Deserialize, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) id: String,
    pub(crate) license: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    /// Each feature with what it switches on.
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) metadata: Option<Tables>,
}

/// The `[package.metadata]` tables.
#[derive(Deserialize, Debug)]
pub(crate) struct Tables {
    #[serde(default)]
    pub(crate) tieline: Option<TielineTable>,
}

/// The `[package.metadata.tieline]` table.
#[derive(Deserialize, Debug)]
pub(crate) struct TielineTable {
    #[serde(default)]
    pub(crate) layer: Option<String>,
}

/// One declared dependency.
#[derive(Deserialize, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The name under which the package is used, where it has another one there.
    #[serde(default)]
    pub(crate) rename: Option<String>,
    #[serde(default)]
    pub(crate) optional: bool,
    #[serde(default)]
    pub(crate) kind: DependencyKind,
}

/// The section in which a dependency is declared. Cargo writes `null` for the normal one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum DependencyKind {
    #[default]
    Normal,
    Build,
    Dev,
}

impl<'de> Deserialize<'de> for DependencyKind {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(from)?.as_deref() {
            None | Some("normal") => Ok(Self::Normal),
            Some("build") => Ok(Self::Build),
            Some("dev") => Ok(Self::Dev),
            Some(other) => Err(serde::de::Error::custom(format!("unknown dependency kind {other}"))),
        }
    }
}

/// The resolved graph.
#[derive(Deserialize, Debug)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// One package in the resolved graph.
#[derive(Deserialize, Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<NodeEdge>,
    /// The features that are on.
    #[serde(default)]
    pub(crate) features: Vec<String>,
}

/// One edge of the resolved graph.
#[derive(Deserialize, Debug)]
pub(crate) struct NodeEdge {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<NodeEdgeKind>,
}

/// Why an edge of the resolved graph is there.
#[derive(Deserialize, Debug)]
pub(crate) struct NodeEdgeKind {
    pub(crate) kind: DependencyKind,
}

impl Metadata {
    /// The members of the workspace at `root`, with what they declare.
    pub(crate) fn members_only(root: &Path) -> Result<Self> {
        Self::ask(root, &["--no-deps"])
    }

    /// The whole resolved graph, after the committed lock file.
    pub(crate) fn resolved(root: &Path) -> Result<Self> {
        Self::ask(root, &["--locked"])
    }

    /// Reads the answer of `cargo metadata`.
    pub(crate) fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).context("cargo metadata: not the expected JSON")
    }

    fn ask(root: &Path, extra: &[&str]) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1"])
            .args(extra)
            .current_dir(root)
            .output()
            .context("cargo metadata could not be started")?;
        if !output.status.success() {
            bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Self::parse(&output.stdout)
    }

    /// The packages of the workspace itself.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

impl Package {
    /// The layer named in the manifest.
    pub(crate) fn layer_name(&self) -> Option<&str> {
        self.metadata.as_ref()?.tieline.as_ref()?.layer.as_deref()
    }

    /// Whether the package is used under `features` by the name `used`. Cargo also lists optional packages that
    /// only a weak feature (`used?/x`) names; those are not built.
    pub(crate) fn really_uses(&self, used: &str, features: &[String]) -> bool {
        let mut declared = self.dependencies.iter().filter(|dependency| dependency.name == used).peekable();
        if declared.peek().is_none() {
            return true;
        }
        declared.any(|dependency| {
            let name = dependency.rename.as_deref().unwrap_or(&dependency.name);
            let switched_on = |value: &String| {
                value.strip_prefix("dep:") == Some(name)
                    || value == name
                    || value.split_once('/').is_some_and(|(package, _)| package == name)
            };
            let active = features.iter().filter_map(|feature| self.features.get(feature));
            !dependency.optional || active.flatten().any(switched_on)
        })
    }

    /// The folder of the manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}
