//! Hashes of files and of trees of files.

use crate::tree;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// SHA-256 over names and contents of `files`, independent of where the tree lies. Each part is preceded by its
/// length, so that no two trees run together.
pub(crate) fn of_files(root: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        let content = std::fs::read(file).with_context(|| format!("{} is not readable", file.display()))?;
        for part in [tree::relative(file, root).as_bytes(), &content] {
            hasher.update(u64::try_from(part.len())?.to_be_bytes());
            hasher.update(part);
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::of_files;

    #[test]
    fn names_and_contents_count_and_the_place_does_not() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let hash = |at: usize, name: &str, content: &str| {
            let file = folders[at].path().join(name);
            std::fs::write(&file, content).unwrap();
            of_files(folders[at].path(), &[file]).unwrap()
        };
        assert_eq!(hash(0, "a", "x"), hash(1, "a", "x"));
        assert_ne!(hash(0, "a", "x"), hash(0, "b", "x"));
        assert_ne!(hash(0, "a", "x"), hash(0, "a", "y"));
        assert_ne!(hash(0, "a", "bx"), hash(0, "ab", "x"));
        // SHA-256 of nothing, FIPS 180-4 example value.
        let empty = of_files(folders[0].path(), &[]).unwrap();
        assert_eq!(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
