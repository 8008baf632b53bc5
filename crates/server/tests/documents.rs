//! What is checked in beside the code says what the code does.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_openapi_document_is_current() {
    let stored = std::fs::read_to_string(root().join("openapi/openapi.json")).unwrap();
    let fresh = server::openapi_json();
    assert!(stored.trim() == fresh.trim(), "run: cargo run -- openapi > openapi/openapi.json");
}

#[test]
fn the_example_configuration_is_complete_and_valid() {
    let config = server::config::Config::load(&root().join("config/tieline.toml")).unwrap();
    let loaded = server::load::network(&config.network.file).unwrap();
    let points = server::load::points(&config, &loaded.network).unwrap();
    assert_eq!(config.link.len(), loaded.network.substations().len());
    for (_, point) in points.iter() {
        let link = &point.binding.as_ref().unwrap().link;
        assert!(config.link.iter().any(|configured| *configured.name == **link), "{link}");
    }
    config.application.build(&points).unwrap();
}

#[test]
fn faults_of_a_configuration_name_their_line() {
    let check = |text: &str, line: Option<usize>, part: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("centre.toml");
        std::fs::write(&file, text).unwrap();
        let error = server::config::Config::load(&file).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.reason.contains(part), "{error}");
    };
    let whole = "[network]\nfile = \"a.m\"\n[data]\ndirectory = \"d\"\n";
    check("[network\n", Some(1), "");
    check(&format!("{whole}[http]\nlissten = \"127.0.0.1:1\"\n"), Some(6), "unknown field `lissten`");
    check(&format!("{whole}[http]\nlisten = \"0.0.0.0:80\"\n"), None, "not a loopback address");
    check(&format!("{whole}[cycle]\nperiod_s = 0.0\n"), None, "cycle.period_s");
    check(
        &format!("{whole}[[link]]\nname = \"S1\"\nprotocol.iec104 = {{ endpointz = [] }}\n"),
        Some(7),
        "endpointz",
    );
    check("[data]\ndirectory = \"d\"\n", Some(1), "network");
}
