//! `cargo xtask sbom`: the bill of materials of what is linked into the product, in CycloneDX 1.6 (ECMA-424) as JSON.
//!
//! Components are the packages of the resolved graph without those for tests; hashes are the registry's SHA-256 from
//! `Cargo.lock`, names are package URLs. The same sources give the same file: there is no time and no random number in it.

use crate::licences;
use crate::metadata::{Metadata, Package};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The program that is shipped.
const PRODUCT: &str = "tieline";

/// The document for the workspace at `root`.
pub(crate) fn document(root: &Path) -> Result<String> {
    let metadata = Metadata::resolved(root)?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock is not readable")?;
    Ok(serde_json::to_string_pretty(&bill(&metadata, &checksums(&lock)))?)
}

fn bill(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>) -> Value {
    let linked = licences::linked_into(metadata, PRODUCT);
    let mut packages: Vec<&Package> =
        metadata.packages.iter().filter(|package| linked.contains(package.id.as_str())).collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let reference: BTreeMap<&str, String> =
        packages.iter().map(|package| (package.id.as_str(), purl(package))).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let mut dependencies: Vec<(String, Vec<String>)> = nodes
        .filter_map(|node| {
            let on = node.deps.iter().filter_map(|edge| reference.get(edge.pkg.as_str()).cloned());
            let mut on: Vec<String> = on.collect();
            on.sort();
            Some((reference.get(node.id.as_str())?.clone(), on))
        })
        .collect();
    dependencies.sort();
    let dependencies = dependencies.into_iter().map(|(of, on)| json!({ "ref": of, "dependsOn": on }));
    let product = packages.iter().find(|package| package.name == PRODUCT);
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": product.map(|package| component(package, "application", checksums)) },
        "components": packages
            .iter()
            .filter(|package| package.name != PRODUCT)
            .map(|package| component(package, "library", checksums))
            .collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    })
}

fn component(package: &Package, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "purl": purl(package),
    });
    if let Some(licence) = &package.license {
        // Old manifests write a slash for OR, which is no SPDX expression.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(sum) = checksums.get(&(package.name.clone(), package.version.clone())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

/// The package URL (ECMA-427) of a crate.
fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.replace('+', "%2B"))
}

/// Checksums of the lock file by name and version; packages of ours have none.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")));
        line.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
    };
    let of =
        |block: &str| Some(((field(block, "name")?, field(block, "version")?), field(block, "checksum")?));
    lock.split("[[package]]").filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_linked_package_is_in_it_with_the_hash_of_the_registry() {
        let root = crate::root().unwrap();
        let metadata = Metadata::resolved(&root).unwrap();
        let bill: Value = serde_json::from_str(&document(&root).unwrap()).unwrap();
        let components = bill["components"].as_array().unwrap();
        assert_eq!(components.len() + 1, licences::linked_into(&metadata, PRODUCT).len());
        let tokio = components.iter().find(|component| component["name"] == "tokio").unwrap();
        assert_eq!(tokio["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert!(!components.iter().any(|component| component["name"] == "proptest"), "tests are not shipped");
        let of = |name: &str| {
            let entries = bill["dependencies"].as_array().unwrap().iter();
            let mut found = entries.filter(|entry| entry["ref"].as_str().unwrap().contains(name));
            found.next().unwrap()["dependsOn"].to_string()
        };
        assert!(of("/tieline@").contains("pkg:cargo/server@"));
    }

    #[test]
    fn the_lock_file_is_read() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"b\"\nversion = \"0.0.0\"\n";
        let sums = checksums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[&("a".to_owned(), "1.0.0".to_owned())], "ff");
    }
}
