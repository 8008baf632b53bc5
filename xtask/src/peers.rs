//! Sets up what the interop and browser tests need: a Python environment with foreign stacks under
//! `target/peers`, Debian packages, a Node. Everything is pinned; a second run finds it done.

use crate::hash;
use crate::metadata::Metadata;
use crate::outcome::{Outcome, Skip};
use crate::run::{self, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Python packages of the peers.
const REQUIREMENTS: &str = "interop/requirements.txt";
/// Node and npm as a Python package, for machines without a Node that is new enough.
const NODE_REQUIREMENTS: &str = "interop/requirements-node.txt";
/// Programs that the tests start, with the Debian package of each.
const DEBIAN: &[(&str, &str)] = &[
    ("age", "age"),
    ("chromium", "chromium"),
    ("faketime", "faketime"),
    ("java", "default-jre-headless"),
    ("openssl", "openssl"),
    ("rsyslogd", "rsyslog"),
    ("rsyslogd", "rsyslog-openssl"),
    ("tshark", "tshark"),
    ("zstd", "zstd"),
];
/// What `python3 -m venv` needs beside the interpreter on Debian.
const DEBIAN_VENV: &str = "python3-venv";
/// The first version of Node that can build the page: major and minor number.
const NODE_MIN: (u32, u32) = (20, 19);

/// Sets up everything and says what this machine cannot have.
pub(crate) fn set_up(root: &Path) -> Result<Outcome> {
    let mut skips = Vec::new();
    let mut add = |what: &str, why: String| skips.push(Skip { what: what.to_owned(), why });
    let missing: Vec<_> = DEBIAN.iter().filter(|(program, _)| run::find(program).is_none()).collect();
    if !missing.is_empty() {
        let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
        if let Err(why) = apt_install(&packages) {
            missing.iter().for_each(|(program, _)| add(program, why.clone()));
        }
    }
    if let Err(fault) = python(root) {
        add("Python peers", format!("{fault:#}"));
    }
    match npm(root) {
        Ok(Some(npm)) => {
            for folder in ["web", "web/e2e"].map(|folder| root.join(folder)) {
                install_node_packages(&npm, &folder)?;
            }
        }
        Ok(None) => add("Node packages", "no npm on this machine".to_owned()),
        Err(fault) => add("Node packages", format!("{fault:#}")),
    }
    Ok(Outcome::from_skips(skips))
}

/// The folder for everything that is set up.
pub(crate) fn folder(root: &Path) -> Result<PathBuf> {
    let folder = Metadata::members_only(root)?.target_directory.join("peers");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The interpreter of the environment with the peers of the tests, which is made at the first call.
pub(crate) fn python(root: &Path) -> Result<PathBuf> {
    environment(root, "venv", REQUIREMENTS)
}

/// The interpreter of a Python environment with the packages of a file, which is made at the first call.
pub(crate) fn environment(root: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    let environment = folder(root)?.join(name);
    let python = environment.join("bin/python");
    let requirements = root.join(requirements);
    once(&environment, "requirements", std::slice::from_ref(&requirements), || {
        make_environment(&environment)?;
        pip_install(&python, &requirements)
    })?;
    Ok(python)
}

fn make_environment(environment: &Path) -> Result<()> {
    let make = || run(Command::new("python3").args(["-m", "venv"]).arg(environment));
    if environment.join("bin/pip").is_file() || make().is_ok() {
        return Ok(());
    }
    apt_install(&[DEBIAN_VENV]).map_err(anyhow::Error::msg)?;
    make()
}

fn pip_install(python: &Path, requirements: &Path) -> Result<()> {
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(python).args(quiet).arg(requirements))
}

/// An npm with a Node that can build the page: that of the machine, or one from the Python environment.
pub(crate) fn npm(root: &Path) -> Result<Option<PathBuf>> {
    if !root.join("web/package.json").is_file() {
        return Ok(None);
    }
    let version = run::find("node").and_then(|node| run::first_line(&node, "--version"));
    if let (Some(npm), true) = (run::find("npm"), version.as_deref().is_some_and(node_is_new_enough)) {
        return Ok(Some(npm));
    }
    if run::find("python3").is_none() {
        return Ok(None);
    }
    let python = python(root)?;
    let folder = python.parent().context("the environment has no folder of programs")?;
    let requirements = root.join(NODE_REQUIREMENTS);
    once(folder, "requirements-node", std::slice::from_ref(&requirements), || {
        pip_install(&python, &requirements)
    })?;
    Ok(Some(folder.join("npm")).filter(|npm| npm.is_file()))
}

/// `v20.19.2` and later; of the odd and unsupported lines none.
fn node_is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    found >= NODE_MIN && found.0 % 2 == 0
}

/// A call of npm in `folder`, with the Node that belongs to it in front of the search path.
pub(crate) fn npm_command(npm: &Path, folder: &Path) -> Result<Command> {
    let programs = npm.parent().context("npm has no folder")?;
    let mut command = Command::new(npm);
    command.current_dir(folder).env("PATH", run::path_with(programs)?).env("NO_UPDATE_NOTIFIER", "1");
    Ok(command)
}

/// Installs the locked packages of a folder; nothing where no package file is or where they are installed.
pub(crate) fn install_node_packages(npm: &Path, folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let files = [folder.join("package.json"), lock];
    let packages = folder.join("node_modules");
    once(&packages, "lock", &files, || {
        run(npm_command(npm, folder)?.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
    })
}

/// Runs `work` unless it was done for the same `inputs`. The mark is written into `folder` at the end, so that
/// an interrupted run is repeated.
fn once(folder: &Path, name: &str, inputs: &[PathBuf], work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = folder.join(format!(".tieline-{name}"));
    let hash = hash::of_files(folder, inputs)?;
    if std::fs::read_to_string(&mark).is_ok_and(|done| done == hash) {
        return Ok(());
    }
    work()?;
    std::fs::write(&mark, hash).with_context(|| format!("{} is not writable", mark.display()))
}

/// Installs Debian packages where that is allowed; the reason where it is not.
fn apt_install(packages: &[&str]) -> Result<(), String> {
    if run::find("apt-get").is_none() {
        return Err("not installed, and this is no Debian".to_owned());
    }
    if run::first_line(Path::new("id"), "-u").as_deref() != Some("0") {
        return Err(format!("not installed, and only root may run `apt-get install {}`", packages.join(" ")));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet=2");
        command
    };
    run(apt().arg("update"))
        .and_then(|()| run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages)))
        .map_err(|fault| format!("{fault:#}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{node_is_new_enough, once};
    use std::cell::Cell;

    #[test]
    fn old_and_odd_nodes_are_refused() {
        let cases = [
            ("v20.19.0", true),
            ("v22.20.0", true),
            ("v24.1.0", true),
            ("v20.18.3", false),
            ("v18.20.4", false),
            ("v21.7.0", false),
            ("", false),
        ];
        for (version, expected) in cases {
            assert_eq!(node_is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn work_is_repeated_after_a_change_or_a_fault_only() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input");
        let runs = Cell::new(0);
        let call = |content: &str, good: bool| {
            std::fs::write(&input, content).unwrap();
            let answer = once(folder.path(), "x", std::slice::from_ref(&input), || {
                runs.set(runs.get() + 1);
                if good { Ok(()) } else { anyhow::bail!("planted") }
            });
            assert_eq!(answer.is_ok(), good, "{content}");
            runs.get()
        };
        assert_eq!(call("a", false), 1);
        assert_eq!(call("a", true), 2);
        assert_eq!(call("a", true), 2);
        assert_eq!(call("b", true), 3);
    }
}
