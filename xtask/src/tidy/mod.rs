//! Style that a machine can hold: sizes, leftovers, module docs, white space, paths of a machine, names of
//! changelog fragments. What is over a size limit for a reason stands in `xtask/tidy-exceptions.txt`, which may
//! only shrink.

mod changelog;
mod exceptions;
mod rust;
mod text;

use crate::tree;
use anyhow::{Context, Result};
use std::path::Path;

/// Folders below the root that are looked at, besides the files at the root itself.
const FOLDERS: &[&str] = &[
    ".ci",
    "bench",
    "changelog.d",
    "config",
    "crates",
    "docs",
    "examples",
    "fuzz",
    "interop",
    "openapi",
    "testdata",
    "web",
    "xtask",
];

/// One offence against a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// Short name of the rule, used in the exception list.
    rule: &'static str,
    /// The file, and the function where a rule is about one: `path` or `path::function`.
    place: String,
    line: usize,
    text: String,
}

impl Finding {
    fn shown(&self) -> String {
        let (file, function) = self.place.split_once("::").unwrap_or((&self.place, ""));
        let function = if function.is_empty() { String::new() } else { format!(" fn {function}:") };
        format!("{file}:{}: {}:{function} {}", self.line, self.rule, self.text)
    }
}

/// Checks the tree at `root`; the answer is one line per offence.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut files = tree::files_except(root, &every_folder(root)?)?;
    for folder in FOLDERS {
        files.extend(tree::files(&root.join(folder))?);
    }
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| format!("{} is not readable", file.display()))?;
        // A file that is no text (an image, a capture) has no style.
        if let Ok(content) = String::from_utf8(bytes) {
            check_file(&tree::relative(&file, root), &content, &mut findings);
        }
    }
    let list = exceptions::List::read(root)?;
    let mut lines = list.apply(findings);
    lines.extend(list.growth(root)?);
    Ok(lines)
}

fn check_file(path: &str, content: &str, findings: &mut Vec<Finding>) {
    text::check(path, content, findings);
    if path.ends_with(".rs") {
        rust::check(path, content, findings);
    }
    if let Some(name) = path.strip_prefix("changelog.d/") {
        changelog::check(name, content, findings);
    }
}

/// Names of all folders at the root, so that only the files beside them are listed.
fn every_folder(root: &Path) -> Result<Vec<&'static str>> {
    let known: Vec<&'static str> = FOLDERS
        .iter()
        .copied()
        .chain(["target", ".git", ".cargo", "node_modules", ".pytest_cache"])
        .collect();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && !known.iter().any(|name| entry.file_name() == *name) {
            anyhow::bail!(
                "folder {} is not in the layout of the workspace (STYLE.md): list it in xtask/src/tidy/mod.rs",
                entry.file_name().to_string_lossy()
            );
        }
    }
    Ok(known)
}
