//! Planted workspaces: each case is a list of crates and edges and the offences that it must give.

#![allow(clippy::unwrap_used)]

use super::{OUTSIDE_BELOW_COMPOSITION, check};
use crate::metadata::Metadata;
use serde_json::json;

/// A planted workspace: crates as (name, layer), edges as (user, kind, used).
struct Planted<'a> {
    crates: &'a [(&'a str, &'a str)],
    edges: &'a [(&'a str, &'a str, &'a str)],
}

impl Planted<'_> {
    fn findings(&self) -> Vec<String> {
        let packages: Vec<_> = self
            .crates
            .iter()
            .map(|(name, layer)| {
                let dependencies: Vec<_> = self
                    .edges
                    .iter()
                    .filter(|edge| edge.0 == *name)
                    .map(|(_, kind, used)| {
                        let kind = if *kind == "normal" { json!(null) } else { json!(kind) };
                        json!({ "name": used, "kind": kind })
                    })
                    .collect();
                json!({
                    "name": name, "version": "0.0.0", "id": name, "license": null,
                    "manifest_path": format!("/w/crates/{name}/Cargo.toml"),
                    "dependencies": dependencies,
                    "metadata": { "tieline": { "layer": layer } },
                })
            })
            .collect();
        let members: Vec<_> = self.crates.iter().map(|(name, _)| *name).collect();
        let whole = json!({
            "packages": packages, "workspace_members": members,
            "workspace_root": "/w", "target_directory": "/w/target", "resolve": null,
        });
        check(&Metadata::parse(whole.to_string().as_bytes()).unwrap())
    }
}

/// All the crates that the cases name, with their layers.
const CRATES: &[(&str, &str)] = &[
    ("quantity", "0"),
    ("timebase", "0"),
    ("model", "1"),
    ("signal", "1"),
    ("topology", "2a"),
    ("powerflow", "2a"),
    ("estimation", "2a"),
    ("opf", "2a"),
    ("exchange", "2a"),
    ("security", "2a"),
    ("scada", "2a"),
    ("proto-iec104", "2b"),
    ("proto-dnp3", "2b"),
    ("app-voltvar", "2c"),
    ("app-der", "2c"),
    ("catalog", "3"),
    ("gateway", "3"),
    ("sim", "3"),
    ("store", "4"),
    ("historian", "4"),
    ("server", "5"),
    ("tieline", "5"),
    ("testkit", "internal"),
];

fn check_case(user: &str, kind: &str, used: &str, expected: Option<&str>) {
    let findings = Planted { crates: CRATES, edges: &[(user, kind, used)] }.findings();
    let expected: Vec<_> = expected.iter().map(|reason| format!("{user} -> {used}: {reason}")).collect();
    assert_eq!(findings, expected, "{user} -> {used} ({kind})");
}

#[test]
fn planted_upward_edges_fail() {
    check_case("quantity", "normal", "signal", Some("upward edge from layer 0 to layer 1"));
    check_case("model", "normal", "topology", Some("upward edge from layer 1 to layer 2a"));
    check_case("topology", "normal", "catalog", Some("upward edge from layer 2a to layer 3"));
    check_case("topology", "build", "catalog", Some("upward edge from layer 2a to layer 3"));
    check_case("topology", "dev", "catalog", Some("upward edge from layer 2a to layer 3"));
    check_case("proto-iec104", "normal", "store", Some("upward edge from layer 2b to layer 4"));
    check_case("sim", "normal", "historian", Some("upward edge from layer 3 to layer 4"));
    check_case("store", "normal", "server", Some("upward edge from layer 4 to layer 5"));
}

#[test]
fn planted_sideways_edges_fail() {
    check_case("signal", "normal", "model", Some("sideways edge inside layer 1"));
    check_case("exchange", "normal", "topology", Some("sideways edge inside layer 2a"));
    check_case("topology", "normal", "powerflow", Some("sideways edge inside layer 2a"));
    check_case("security", "normal", "scada", Some("sideways edge inside layer 2a"));
    check_case("estimation", "normal", "powerflow", Some("sideways edge inside layer 2a"));
    check_case("powerflow", "dev", "estimation", Some("sideways edge inside layer 2a"));
    check_case("proto-iec104", "normal", "proto-dnp3", Some("sideways edge inside layer 2b"));
    check_case("app-voltvar", "normal", "app-der", Some("sideways edge inside layer 2c"));
    check_case("catalog", "normal", "gateway", Some("sideways edge inside layer 3"));
    check_case("sim", "normal", "gateway", Some("sideways edge inside layer 3"));
    check_case("store", "normal", "historian", Some("sideways edge inside layer 4"));
}

#[test]
fn protocols_and_applications_stay_apart() {
    check_case("proto-iec104", "normal", "scada", Some("layer 2b may not use layer 2a"));
    check_case("proto-iec104", "normal", "app-voltvar", Some("upward edge from layer 2b to layer 2c"));
    check_case("app-voltvar", "normal", "proto-iec104", Some("layer 2c may not use layer 2b"));
    check_case("gateway", "normal", "proto-iec104", Some("layer 3 may not use layer 2b"));
    check_case("gateway", "normal", "app-voltvar", Some("layer 3 may not use layer 2c"));
    check_case("gateway", "normal", "catalog", Some("sideways edge inside layer 3"));
}

#[test]
fn internal_crates_are_for_tests_only() {
    let reason = Some("an internal crate is for tests only (make it a dev-dependency)");
    check_case("signal", "normal", "testkit", reason);
    check_case("tieline", "build", "testkit", reason);
    check_case("quantity", "dev", "testkit", None);
    check_case("testkit", "normal", "server", None);
}

#[test]
fn the_table_allows_what_it_lists() {
    check_case("timebase", "normal", "quantity", None);
    check_case("signal", "normal", "timebase", None);
    check_case("powerflow", "normal", "topology", None);
    check_case("estimation", "normal", "topology", None);
    check_case("estimation", "dev", "powerflow", None);
    check_case("opf", "normal", "powerflow", None);
    check_case("scada", "normal", "security", None);
    check_case("app-voltvar", "normal", "scada", None);
    check_case("catalog", "normal", "proto-iec104", None);
    check_case("gateway", "normal", "scada", None);
    check_case("sim", "normal", "catalog", None);
    check_case("sim", "normal", "powerflow", None);
    check_case("store", "normal", "gateway", None);
    check_case("tieline", "normal", "server", None);
}

#[test]
fn outside_crates_below_composition_need_a_reason() {
    check_case("quantity", "normal", "amd", None);
    check_case("quantity", "normal", "thiserror", Some("layer 0 writes its errors by hand"));
    check_case("scada", "normal", "thiserror", None);
    check_case(
        "proto-iec104",
        "normal",
        "tokio",
        Some("layer 2b may not use this outside crate: it is not in ADR 0002"),
    );
    check_case("proto-iec104", "dev", "proptest", None);
    check_case("sim", "normal", "serde_json", None);
}

#[test]
fn a_crate_without_a_layer_fails() {
    for layer in ["", "2", "6"] {
        let findings = Planted { crates: &[("quantity", layer)], edges: &[] }.findings();
        assert_eq!(findings.len(), 1, "{layer:?}: {findings:?}");
    }
}

/// The list in the code and the reasons in the decision record name the same crates.
#[test]
fn the_decision_record_names_every_outside_crate() {
    let path = crate::root().unwrap().join("docs/adr/0002-outside-crates-below-composition.md");
    let text = std::fs::read_to_string(path).unwrap();
    let recorded: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`').map(|(name, _)| name))
        .collect();
    assert_eq!(recorded, OUTSIDE_BELOW_COMPOSITION);
}

/// A workspace on disk with one planted upward edge, read through the real cargo: `model` (layer 1) uses
/// `scada` (layer 2a), and a source of `scada` opens a file.
#[test]
fn a_planted_workspace_fails_as_a_whole() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let file = root.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    };
    let manifest = |name: &str, layer: &str, dependencies: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [package.metadata.tieline]\nlayer = \"{layer}\"\n[dependencies]\n{dependencies}\n"
        )
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    write("crates/scada/Cargo.toml", &manifest("scada", "2a", ""));
    write("crates/scada/src/lib.rs", "//! Planted.\npub fn f() {\n    let _ = std::fs::read(\"x\");\n}\n");
    write("crates/model/src/lib.rs", "//! Planted.\n");
    write("crates/model/Cargo.toml", &manifest("model", "1", ""));
    let read = || Metadata::members_only(root.path()).unwrap();
    assert_eq!(check(&read()), Vec::<String>::new());
    write("crates/model/Cargo.toml", &manifest("model", "1", "scada = { path = \"../scada\" }"));
    assert_eq!(check(&read()), ["model -> scada: upward edge from layer 1 to layer 2a"]);
    let impure = crate::purity::check(&read()).unwrap();
    assert_eq!(impure, ["crates/scada/src/lib.rs:3: `std::fs` in a pure layer: files belong to layer 4"]);
    assert!(crate::ci::check_layers(root.path()).is_err());
}
