//! The steps of continuous integration, in order. Every step runs even if one before it failed. What a machine
//! cannot have is skipped by name; with `CI=true` a skip is a failure.

use crate::metadata::Metadata;
use crate::outcome::{Outcome, Skip};
use crate::run::{cargo, run};
use crate::{layers, licences, peers, purity, tidy, tree, ui};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Seconds after which one interop test is stopped.
const INTEROP_TIMEOUT_S: u32 = 600;

/// One step: its name, what it does, the function.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    run: fn(&Path) -> Result<Outcome>,
}

/// All steps in order.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "format of all Rust files", run: fmt },
    Step { name: "clippy", about: "lints of all targets, warnings denied", run: clippy },
    Step { name: "layers", about: "edges between crates and purity of layers 0-3", run: check_layers },
    Step { name: "tidy", about: "sizes, leftovers, module docs, changelog fragments", run: check_tidy },
    Step { name: "licences", about: "licences and refused crates", run: check_licences },
    Step { name: "test", about: "all tests of the workspace", run: test },
    Step { name: "doc", about: "documentation, warnings denied", run: doc },
    Step { name: "peers", about: "foreign stacks, browser and Node packages are set up", run: peers::set_up },
    Step { name: "ui", about: "committed page equals a fresh build", run: ui::check },
    Step { name: "build", about: "the binary for the tests below", run: build },
    Step { name: "interop", about: "foreign stacks against the binary", run: interop },
    Step { name: "browser", about: "the page in a real browser", run: browser },
];

/// How a step ended.
struct Ended {
    name: &'static str,
    seconds: f64,
    result: Result<Outcome>,
}

/// Runs the steps of these names, or all; true if none failed. The last line is the count.
pub(crate) fn ci(root: &Path, only: &[String]) -> Result<bool> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        bail!("no step `{unknown}`; `cargo xtask ci --list` shows them");
    }
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let wanted = STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name));
    let ended: Vec<_> = wanted.map(|step| run_step(step, root)).collect();
    let (text, good) = summary(&ended, strict);
    print!("{text}");
    Ok(good)
}

fn run_step(step: &Step, root: &Path) -> Ended {
    println!("== {}: {}", step.name, step.about);
    let start = Instant::now();
    let result = (step.run)(root);
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(_) => println!("== {}: {seconds:.1} s", step.name),
        Err(fault) => println!("== {}: failed after {seconds:.1} s: {fault:#}", step.name),
    }
    Ended { name: step.name, seconds, result }
}

/// The list at the end, and whether all was good.
fn summary(ended: &[Ended], strict: bool) -> (String, bool) {
    let mut text = String::from("\n");
    let mut failed = 0;
    let mut skips: Vec<&Skip> = Vec::new();
    for step in ended {
        let own = step.result.as_ref().map(Outcome::skips).unwrap_or_default();
        skips.extend(own);
        let word = match (&step.result, own.is_empty()) {
            (Err(_), _) => "FAILED",
            (Ok(_), true) => "ok",
            (Ok(_), false) if strict => "FAILED (nothing may be skipped under CI=true)",
            (Ok(_), false) => "ok, with skips",
        };
        failed += usize::from(word.starts_with("FAILED"));
        text += &format!("{:>8.1} s  {:<9} {word}\n", step.seconds, step.name);
    }
    for skip in &skips {
        text += &format!("skipped: {}: {}\n", skip.what, skip.why);
    }
    text += &format!("{} skipped\n{} passed, {failed} failed\n", skips.len(), ended.len() - failed);
    (text, failed == 0)
}

fn fmt(root: &Path) -> Result<Outcome> {
    run(cargo(root).args(["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed)
}

fn clippy(root: &Path) -> Result<Outcome> {
    run(cargo(root).args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    Ok(Outcome::Passed)
}

fn test(root: &Path) -> Result<Outcome> {
    run(cargo(root).args(["test", "--workspace", "--locked"]))?;
    Ok(Outcome::Passed)
}

fn doc(root: &Path) -> Result<Outcome> {
    let arguments = ["doc", "--workspace", "--no-deps", "--locked"];
    run(cargo(root).args(arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Passed)
}

/// The step `layers`, also a command of its own.
pub(crate) fn check_layers(root: &Path) -> Result<Outcome> {
    let metadata = Metadata::members_only(root)?;
    let mut findings = layers::check(&metadata);
    findings.extend(purity::check(&metadata)?);
    report(&findings, &format!("{} crates in their layers", metadata.workspace_members.len()))
}

/// The step `tidy`, also a command of its own.
pub(crate) fn check_tidy(root: &Path) -> Result<Outcome> {
    report(&tidy::check(root)?, "tidy")
}

/// The step `licences`, also a command of its own. The own check always runs; `cargo deny` where it is installed.
pub(crate) fn check_licences(root: &Path) -> Result<Outcome> {
    let metadata = Metadata::resolved(root)?;
    let good = format!("{} packages with allowed licences", licences::linked(&metadata).len());
    report(&licences::check(&metadata), &good)?;
    if crate::run::find("cargo-deny").is_some() {
        run(cargo(root).args(["deny", "check", "bans", "licenses", "sources"]))?;
    }
    Ok(Outcome::Passed)
}

fn report(findings: &[String], good: &str) -> Result<Outcome> {
    for finding in findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} offences", findings.len());
    }
    println!("{good}");
    Ok(Outcome::Passed)
}

/// The program under test: that of `TIELINE_BIN`, or the one that the step `build` makes.
fn program(root: &Path) -> Result<PathBuf> {
    let program = match std::env::var_os("TIELINE_BIN") {
        Some(path) => std::path::absolute(PathBuf::from(path))?,
        None => Metadata::members_only(root)?.target_directory.join("debug/tieline"),
    };
    if !program.is_file() {
        bail!("{} is absent: run the step `build` first", program.display());
    }
    Ok(program)
}

fn build(root: &Path) -> Result<Outcome> {
    run(cargo(root).args(["build", "--package", "tieline", "--locked"]))?;
    Ok(Outcome::Passed)
}

fn interop(root: &Path) -> Result<Outcome> {
    let folder = root.join("interop");
    let is_test = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("test_") && name.ends_with(".py")
    };
    if !tree::files(&folder)?.iter().any(is_test) {
        return Ok(Outcome::skipped("interop tests", "no interop/test_*.py"));
    }
    let python = match peers::python(root) {
        Ok(python) => python,
        Err(fault) => return Ok(Outcome::skipped("interop tests", &format!("{fault:#}"))),
    };
    let program = program(root)?;
    let mut pytest = Command::new(&python);
    pytest.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "interop"]);
    pytest.arg(format!("--timeout={INTEROP_TIMEOUT_S}")).current_dir(root);
    run(pytest.env("TIELINE_BIN", program).env("PYTHONDONTWRITEBYTECODE", "1"))?;
    Ok(Outcome::Passed)
}

fn browser(root: &Path) -> Result<Outcome> {
    ui::browser_tests(root, &program(root)?)
}

#[cfg(test)]
mod tests {
    use super::{Ended, Outcome, STEPS, summary};

    fn check(results: Vec<anyhow::Result<Outcome>>, strict: bool, last: &str, good: bool) {
        let ended: Vec<_> =
            results.into_iter().map(|result| Ended { name: "step", seconds: 1.0, result }).collect();
        let (text, was_good) = summary(&ended, strict);
        assert_eq!((text.lines().last(), was_good), (Some(last), good), "{text}");
    }

    #[test]
    fn the_last_line_counts_the_steps() {
        let passed = || Ok(Outcome::Passed);
        let failed = || Err(anyhow::anyhow!("planted"));
        let skipped = || Ok(Outcome::skipped("browser tests", "no chromium on this machine"));
        check(vec![passed(), passed()], false, "2 passed, 0 failed", true);
        check(vec![passed(), failed()], false, "1 passed, 1 failed", false);
        check(vec![passed(), skipped()], false, "2 passed, 0 failed", true);
        check(vec![passed(), skipped()], true, "1 passed, 1 failed", false);
    }

    #[test]
    fn every_skip_is_named_and_counted() {
        let result = Ok(Outcome::skipped("browser tests", "no chromium on this machine"));
        let (text, _) = summary(&[Ended { name: "browser", seconds: 1.0, result }], false);
        assert!(text.contains("skipped: browser tests: no chromium on this machine\n1 skipped\n"), "{text}");
    }

    #[test]
    fn steps_have_names_of_their_own() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
