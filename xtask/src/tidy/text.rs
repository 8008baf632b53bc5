//! Rules for every text file: white space at line ends and paths of one machine.

use super::Finding;

/// Folders of a machine that no committed file may name. Written in two parts, so that this file passes.
const MACHINE_FOLDERS: &[&str] = &[concat!("/", "home/"), concat!("/", "root/"), concat!("/", "work/")];

/// Endings of files that we write by hand; data of others keeps its white space.
const HAND_WRITTEN: &[&str] =
    &[".rs", ".toml", ".md", ".py", ".ts", ".tsx", ".mjs", ".css", ".sh", ".yml", ".txt"];

/// Folders with data of others.
const FOREIGN: &[&str] = &["testdata/", "examples/"];

/// Checks one text file.
pub(super) fn check(path: &str, content: &str, findings: &mut Vec<Finding>) {
    let hand_written = HAND_WRITTEN.iter().any(|ending| path.ends_with(ending))
        && !FOREIGN.iter().any(|folder| path.starts_with(folder));
    for (at, line) in content.lines().enumerate() {
        let mut add = |rule, text: &str| {
            findings.push(Finding { rule, place: path.to_owned(), line: at + 1, text: text.to_owned() });
        };
        if hand_written && line.ends_with([' ', '\t', '\r']) {
            add("white-space", "white space at the end of the line");
        }
        if names_machine_folder(line) {
            add("machine-path", "a path of one machine");
        }
    }
    if hand_written && !content.is_empty() && (!content.ends_with('\n') || content.ends_with("\n\n")) {
        let line = content.lines().count();
        let text = "the file does not end with exactly one line end".to_owned();
        findings.push(Finding { rule: "white-space", place: path.to_owned(), line, text });
    }
}

/// Whether a line names one of the folders as the start of a path, not in its middle.
fn names_machine_folder(line: &str) -> bool {
    MACHINE_FOLDERS.iter().any(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{MACHINE_FOLDERS, check};

    fn check_rules(path: &str, content: &str, expected: &[(&str, usize)]) {
        let mut findings = Vec::new();
        check(path, content, &mut findings);
        let seen: Vec<_> = findings.iter().map(|finding| (finding.rule, finding.line)).collect();
        assert_eq!(seen, expected, "{path}: {content:?}");
    }

    #[test]
    fn white_space_at_ends_is_found() {
        check_rules("README.md", "a\nb \nc\n", &[("white-space", 2)]);
        check_rules("a.toml", "a\nb\t\n", &[("white-space", 2)]);
        check_rules("a.rs", "a\r\nb\n", &[]);
        check_rules("a.rs", "a", &[("white-space", 1)]);
        check_rules("a.rs", "a\n\n", &[("white-space", 2)]);
        check_rules("testdata/cases/a.txt", "a \n", &[]);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            check_rules("a.json", &format!("{{\"p\": \"{folder}x\"}}\n"), &[("machine-path", 1)]);
            check_rules("a.md", &format!("x\nsee {folder}x\n"), &[("machine-path", 2)]);
            check_rules("a.md", &format!("https://example.org{folder}x\n"), &[]);
            check_rules("a.md", &format!("crates/a{folder}x\n"), &[]);
        }
    }
}
