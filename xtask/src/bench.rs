//! `cargo xtask bench-peers`: runs the scripts of `bench/peers`, the program and a peer in turns, and prints a table.

use crate::peers;
use crate::run::{cargo, run};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The scripts, and whether each needs the folder of the IEEE test feeders in OpenDSS.
const SCRIPTS: &[(&str, bool)] = &[
    ("powerflow", false),
    ("batch", false),
    ("unbalanced", false),
    ("contingencies", false),
    ("year", false),
    ("opendss", true),
];
/// Packages of the peers.
const REQUIREMENTS: &str = "bench/peers/requirements.txt";
/// An interpreter that has them, instead of an environment of our own.
const PYTHON: &str = "TIELINE_BENCH_PYTHON";

/// Runs the named scripts, all without names. The lines go to `target/peers/bench.jsonl`, the table to standard output.
pub(crate) fn peers(root: &Path, wanted: &[&str]) -> Result<()> {
    if let Some(unknown) = wanted.iter().find(|name| !SCRIPTS.iter().any(|(known, _)| known == *name)) {
        bail!(
            "no script {unknown}; there are {}",
            SCRIPTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        );
    }
    run(cargo(root).args(["build", "--release", "-p", "tieline"]))?;
    let python = match std::env::var_os(PYTHON) {
        Some(python) => PathBuf::from(python),
        None => peers::environment(root, "bench-venv", REQUIREMENTS)?,
    };
    let mut text = String::new();
    for (name, needs_feeders) in SCRIPTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
    {
        let mut command = Command::new(&python);
        command.current_dir(root.join("bench/peers")).args(["-W", "ignore", &format!("{name}.py")]);
        if *needs_feeders {
            let shared = std::env::var_os("TIELINE_SHARED_DATA");
            let feeders = shared.map_or_else(|| root.join("../shared/data"), PathBuf::from).join("opendss");
            if !feeders.is_dir() {
                println!("skipped: {name}: the IEEE test feeders are not here (TIELINE_SHARED_DATA)");
                continue;
            }
            command.arg(feeders);
        }
        eprintln!("{name} …");
        let output = command.output().with_context(|| format!("{name}.py could not be started"))?;
        text += &String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            // What the others find is worth having.
            println!("failed: {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let path = peers::folder(root)?.join("bench.jsonl");
    std::fs::write(&path, &text).with_context(|| format!("{} is not writable", path.display()))?;
    print!("{}", table(&lines));
    Ok(())
}

/// The lines as a table in Markdown.
fn table(lines: &[Value]) -> String {
    let mut table =
        "| workload | case | Tieline | peer | ratio | at least |\n|---|---|---|---|---|---|\n".to_owned();
    for line in lines {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
        let case = match line["spread"].as_f64() {
            Some(spread) => format!("{} ±{:.0} %", text("case"), 100.0 * spread),
            None => text("case"),
        };
        table += &format!(
            "| {} | {case} | {} | {} {} | {:.1} × | {} × |\n",
            text("workload"),
            time(number("tieline_us")),
            text("peer"),
            time(number("peer_us")),
            number("ratio"),
            number("bar"),
        );
    }
    table
}

/// A time of some µs with three digits.
fn time(us: f64) -> String {
    let (value, unit) = if us < 1e3 { (us, "µs") } else { (us / 1e3, "ms") };
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_row() {
        let line = serde_json::json!({
            "workload": "batch", "case": "case118", "spread": 0.3, "tieline_us": 2.755, "peer": "other", "peer_us": 4308.6,
            "ratio": 15.64, "bar": 10,
        });
        let table = table(&[line]);
        assert!(
            table.ends_with("| batch | case118 ±30 % | 2.75 µs | other 4.31 ms | 15.6 × | 10 × |\n"),
            "{table}"
        );
    }

    #[test]
    fn times_have_three_digits() {
        let check = |us: f64, expected: &str| assert_eq!(time(us), expected);
        check(1.234, "1.23 µs");
        check(31.68, "31.7 µs");
        check(415.4, "415 µs");
        check(12_861.0, "12.9 ms");
    }
}
