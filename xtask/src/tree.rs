//! Files of the workspace in a stable order, and what their paths say about them.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Folders that hold no source of ours: build output, packages from outside, version control.
const NOT_OURS: &[&str] =
    &["target", "node_modules", ".git", "dist", "test-results", "__pycache__", ".pytest_cache"];

/// All files below `folder`, sorted by path; none if the folder is absent.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    files_except(folder, NOT_OURS)
}

/// All files below `folder` without the folders of these names, sorted by path.
pub(crate) fn files_except(folder: &Path, skip: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("{} is not readable", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            // In a linked worktree `.git` is a file.
            if kind.is_file() && name != ".git" {
                found.push(entry.path());
            } else if kind.is_dir() && !skip.iter().any(|skipped| name == *skipped) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `path` below `root`, with forward slashes.
pub(crate) fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Whether a path names test code by its folder or file name.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
        || path.ends_with("_tests.rs")
        || path.starts_with("crates/testsuite/")
}
