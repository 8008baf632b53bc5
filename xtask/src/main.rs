//! Chores of the workspace: `cargo xtask <command>`. `cargo xtask ci` is the whole of continuous integration.
//!
//! Map: `ci` the steps in order · `layers` and `purity` who may use what · `tidy` sizes and leftovers ·
//! `licences` · `sbom` · `advisories` what is linked · `ui` build of the page · `peers` foreign stacks for the tests · `bench` the program beside its peers. Below them `metadata` reads what
//! cargo says, `source` scans Rust, `tree`, `hash`, `run` and `outcome` are small tools.

mod advisories;
mod bench;
mod ci;
mod hash;
mod layers;
mod licences;
mod metadata;
mod outcome;
mod peers;
mod purity;
mod run;
mod sbom;
mod source;
mod tidy;
mod tree;
mod ui;

use anyhow::{Context, Result, bail};
use outcome::Outcome;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  ci [--only STEP,STEP] [--list]  all steps of continuous integration
  layers                          edges between crates and purity of layers 0-3
  tidy                            sizes, leftovers, module docs, changelog fragments
  licences                        licences and refused crates
  sbom [FILE]                     bill of materials of what is linked, CycloneDX 1.6 as JSON
  advisories FOLDER               known weaknesses of what is linked, from a checkout of rustsec/advisory-db
  ui [--check]                    builds web/ into crates/web/dist; --check compares with a fresh build
  bench-peers [SCRIPT…]           the program and its peers in turns: a table of times and ratios
  soak [SEEDS]                    disks and networks simulated: history, journal, uplink; 10,000 seeds
  peers                           sets up foreign stacks, browser and Node packages for the tests
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("error: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command; true if all was good.
fn command(arguments: &[&str]) -> Result<bool> {
    let root = root()?;
    match arguments {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(true)
        }
        ["ci"] => ci::ci(&root, &[]),
        ["ci", "--list"] => {
            ci::STEPS.iter().for_each(|step| println!("{:<9} {}", step.name, step.about));
            Ok(true)
        }
        ["ci", "--only", steps] => {
            ci::ci(&root, &steps.split(',').map(|step| step.trim().to_owned()).collect::<Vec<_>>())
        }
        ["layers"] => ended(ci::check_layers(&root)?),
        ["tidy"] => ended(ci::check_tidy(&root)?),
        ["licences"] => ended(ci::check_licences(&root)?),
        ["sbom"] => {
            println!("{}", sbom::document(&root)?);
            Ok(true)
        }
        ["sbom", file] => {
            std::fs::write(file, sbom::document(&root)? + "\n").with_context(|| format!("write {file}"))?;
            Ok(true)
        }
        ["advisories", folder] => advisories(&root, Path::new(folder)),
        ["ui"] => ended(ui::build(&root)?),
        ["ui", "--check"] => ended(ui::check(&root)?),
        ["bench-peers", scripts @ ..] => bench::peers(&root, scripts).map(|()| true),
        ["soak"] => soak(&root, "10000"),
        ["soak", seeds] => soak(&root, seeds),
        ["peers"] => ended(peers::set_up(&root)?),
        _ => bail!("unknown command `{}`; `cargo xtask help` lists them", arguments.join(" ")),
    }
}

/// Many more seeds of the simulation than a test run has.
fn soak(root: &Path, seeds: &str) -> Result<bool> {
    for what in [
        ["-p", "historian", "--lib", "simulation"].as_slice(),
        ["-p", "historian", "--lib", "journal"].as_slice(),
        ["-p", "edge", "--test", "network"].as_slice(),
    ] {
        let mut test = run::cargo(root);
        test.env("TIELINE_SEEDS", seeds).arg("test").args(what).args(["--", "--nocapture"]);
        run::run(&mut test)?;
    }
    Ok(true)
}

/// Shows what was skipped; under `CI=true` a skip is not good.
fn ended(outcome: Outcome) -> Result<bool> {
    for skip in outcome.skips() {
        println!("skipped: {}: {}", skip.what, skip.why);
    }
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    Ok(outcome.skips().is_empty() || !strict)
}

/// The folder of the workspace, from cargo's word on where this package is.
fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("start this as `cargo xtask`")?;
    let root = PathBuf::from(own).parent().map(PathBuf::from);
    root.context("the package has no folder above it")
}

fn advisories(root: &Path, database: &Path) -> Result<bool> {
    let (findings, seen) = advisories::check(root, database)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("{seen} advisories about packages that are linked, {} apply", findings.len());
    Ok(findings.is_empty())
}
