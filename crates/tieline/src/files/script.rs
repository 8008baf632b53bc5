//! OpenDSS scripts and the files that they include.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use exchange::opendss::{self, DssStudy, FileDiagnostic};

/// Whether a file is an OpenDSS script, by its name.
pub(crate) fn is_script(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("dss"))
}

/// A script, and what of it is not as written.
pub(crate) fn script(file: &Path) -> anyhow::Result<(DssStudy, Vec<FileDiagnostic>)> {
    let mut open = |path: &str| {
        let found = in_any_case(Path::new(path));
        super::read(&found).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix(&format!("{}: ", super::shown(&found))).unwrap_or(&text).to_owned()
        })
    };
    opendss::read(&file.to_string_lossy(), &mut open).map_err(|fault| {
        let place = if fault.file.is_empty() { file.as_os_str() } else { OsStr::new(&fault.file) };
        super::at(Path::new(place), &fault.error)
    })
}

/// Scripts are written where names of files and folders do not depend on case: the file of that name, or one that
/// differs in case.
fn in_any_case(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.exists() || path.file_name().is_none() {
        return path.to_owned();
    }
    let folder = if parent.is_dir() { parent.to_owned() } else { in_any_case(parent) };
    let wanted = path.file_name().unwrap_or_default();
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let same = entries.map(|entry| entry.file_name()).find(|name| name.eq_ignore_ascii_case(wanted));
    // What is not there keeps the name that was asked for.
    same.map_or_else(|| path.to_owned(), |name| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_files_are_found_in_any_case() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("Sub");
        std::fs::create_dir(&inner).expect("made");
        std::fs::write(inner.join("Lines.DSS"), "").expect("written");
        assert_eq!(in_any_case(&folder.path().join("sub/lines.dss")), inner.join("Lines.DSS"));
        let missing = folder.path().join("sub/none.dss");
        assert_eq!(in_any_case(&missing), missing);
    }
}
