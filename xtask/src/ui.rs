//! Builds the page: `web/` (sources) into `crates/web/dist` (committed output), so that a cargo build needs no
//! Node. The manifest beside the output holds the hashes of sources, of the API description and of the output.

use crate::outcome::Outcome;
use crate::run::{self, run};
use crate::{peers, tree};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources.
const SOURCES: &str = "web";
/// The committed output.
const OUTPUT: &str = "crates/web/dist";
/// The description of the HTTP interface, of which the page's types are made.
const INTERFACE: &str = "openapi";
/// The file in the output that holds the hashes.
const MANIFEST: &str = "manifest.json";
/// Folders in `web/` that have no influence on the output.
const NO_INFLUENCE: &[&str] = &["node_modules", "dist", "e2e", "test-results", "coverage"];

/// Builds the page into the committed folder.
pub(crate) fn build(root: &Path) -> Result<Outcome> {
    let Some(npm) = Npm::ready(root)? else { return Ok(no_npm()) };
    npm.verify()?;
    let output = root.join(OUTPUT);
    npm.build(&output)?;
    write_manifest(root, &output)?;
    Ok(Outcome::Passed)
}

/// Compares the committed output with its manifest and with a fresh build.
pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let committed = root.join(OUTPUT);
    check_manifest(root, &committed)?;
    let Some(npm) = Npm::ready(root)? else { return Ok(no_npm()) };
    npm.verify()?;
    let fresh = peers::folder(root)?.join("ui-check");
    npm.build(&fresh)?;
    write_manifest(root, &fresh)?;
    let different = differences(&committed, &fresh)?;
    if !different.is_empty() {
        bail!("{OUTPUT} is not what {SOURCES} builds to (run `cargo xtask ui`): {}", different.join(", "));
    }
    Ok(Outcome::Passed)
}

fn no_npm() -> Outcome {
    Outcome::skipped("fresh build of the page", "no npm on this machine")
}

/// A Node package manager with the packages of `web/` installed.
struct Npm {
    program: PathBuf,
    sources: PathBuf,
}

impl Npm {
    /// Installs the locked packages; none where there is no npm.
    fn ready(root: &Path) -> Result<Option<Self>> {
        let sources = root.join(SOURCES);
        let Some(program) = peers::npm(root)? else { return Ok(None) };
        peers::install_node_packages(&program, &sources)?;
        Ok(Some(Self { program, sources }))
    }

    /// Type check and unit tests.
    fn verify(&self) -> Result<()> {
        run(self.command()?.args(["run", "check"]))?;
        run(self.command()?.args(["run", "test"]))
    }

    fn build(&self, output: &Path) -> Result<()> {
        run(self.command()?.args(["run", "build", "--", "--emptyOutDir", "--outDir"]).arg(output))
    }

    fn command(&self) -> Result<Command> {
        peers::npm_command(&self.program, &self.sources)
    }
}

fn write_manifest(root: &Path, output: &Path) -> Result<()> {
    std::fs::write(output.join(MANIFEST), manifest(root, output)?)?;
    Ok(())
}

/// The text of the manifest for the sources of `root` and the files of `output`.
fn manifest(root: &Path, output: &Path) -> Result<String> {
    let sources = root.join(SOURCES);
    let built: Vec<_> = tree::files(output)?
        .into_iter()
        .filter(|file| file.file_name().is_none_or(|name| name != MANIFEST))
        .collect();
    let hashes = serde_json::json!({
        "sources": crate::hash::of_files(&sources, &tree::files_except(&sources, NO_INFLUENCE)?)?,
        "interface": crate::hash::of_files(root, &tree::files(&root.join(INTERFACE))?)?,
        "output": crate::hash::of_files(output, &built)?,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&hashes)?))
}

/// The manifest is that of the present sources and of the present output. Needs no Node.
fn check_manifest(root: &Path, output: &Path) -> Result<()> {
    let path = output.join(MANIFEST);
    let committed = std::fs::read_to_string(&path)
        .with_context(|| format!("{OUTPUT}/{MANIFEST} is absent (run `cargo xtask ui`)"))?;
    let present = manifest(root, output)?;
    let (committed, present): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&committed)?, serde_json::from_str(&present)?);
    for part in ["sources", "interface", "output"] {
        if committed.get(part) != present.get(part) {
            bail!("{OUTPUT}/{MANIFEST}: {part} changed since the page was built (run `cargo xtask ui`)");
        }
    }
    Ok(())
}

/// Names of files that are in one folder only or differ.
fn differences(left: &Path, right: &Path) -> Result<Vec<String>> {
    let names = |folder: &Path| -> Result<Vec<String>> {
        Ok(tree::files(folder)?.iter().map(|file| tree::relative(file, folder)).collect())
    };
    let mut all: Vec<_> = names(left)?.into_iter().chain(names(right)?).collect();
    all.sort();
    all.dedup();
    all.retain(|name| std::fs::read(left.join(name)).ok() != std::fs::read(right.join(name)).ok());
    Ok(all)
}

/// Runs the browser tests against the built program.
pub(crate) fn browser_tests(root: &Path, program: &Path) -> Result<Outcome> {
    let Some(npm) = Npm::ready(root)? else {
        return Ok(Outcome::skipped("browser tests", "no npm on this machine"));
    };
    let Some(browser) = ["chromium", "chromium-browser"].iter().find_map(|name| run::find(name)) else {
        return Ok(Outcome::skipped("browser tests", "no chromium on this machine"));
    };
    run(npm.command()?.args(["run", "e2e"]).env("TIELINE_BIN", program).env("CHROMIUM", browser))?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{check_manifest, differences, write_manifest};
    use std::path::Path;

    fn planted() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("web/src/app.ts", "a"),
            ("web/e2e/page.mjs", "b"),
            ("web/node_modules/x/index.js", "c"),
            ("openapi/tieline.json", "{}"),
            ("crates/web/dist/app.js", "d"),
        ] {
            write(root.path(), path, content);
        }
        write_manifest(root.path(), &root.path().join("crates/web/dist")).unwrap();
        root
    }

    fn write(root: &Path, path: &str, content: &str) {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    fn check_change(path: &str, expected: Option<&str>) {
        let root = planted();
        write(root.path(), path, "changed");
        let answer = check_manifest(root.path(), &root.path().join("crates/web/dist")).err();
        let said = answer.map(|fault| fault.to_string()).unwrap_or_default();
        match expected {
            Some(part) => assert!(said.contains(&format!("{part} changed")), "{path}: {said}"),
            None => assert_eq!(said, "", "{path}"),
        }
    }

    #[test]
    fn the_manifest_sees_every_change_with_influence() {
        check_change("web/src/app.ts", Some("sources"));
        check_change("web/src/new.ts", Some("sources"));
        check_change("openapi/tieline.json", Some("interface"));
        check_change("crates/web/dist/app.js", Some("output"));
        check_change("crates/web/dist/new.js", Some("output"));
        check_change("web/e2e/page.mjs", None);
        check_change("web/node_modules/x/index.js", None);
    }

    #[test]
    fn differences_are_named() {
        let [left, right] = [planted(), planted()];
        assert_eq!(differences(left.path(), right.path()).unwrap(), Vec::<String>::new());
        write(left.path(), "one.js", "x");
        write(right.path(), "web/src/app.ts", "y");
        assert_eq!(differences(left.path(), right.path()).unwrap(), ["one.js", "web/src/app.ts"]);
    }
}
