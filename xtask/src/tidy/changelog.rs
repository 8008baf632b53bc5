//! Names and contents of changelog fragments: `changelog.d/<what-it-is-about>.<kind>.md`, one or two sentences
//! for a reader who uses the product.

use super::Finding;

/// The kinds of change, as in the sections of the changelog.
const KINDS: &[&str] = &["added", "changed", "fixed", "removed", "security"];

/// Checks one file of the folder `changelog.d`.
pub(super) fn check(name: &str, content: &str, findings: &mut Vec<Finding>) {
    if name == "README.md" {
        return;
    }
    let mut add = |text: String| {
        findings.push(Finding { rule: "changelog", place: format!("changelog.d/{name}"), line: 1, text });
    };
    if !is_fragment_name(name) {
        add(format!("not named `<words-with-hyphens>.<kind>.md` with a kind of {KINDS:?}"));
    }
    if content.trim().is_empty() || content.starts_with('#') {
        add("a fragment is one or two sentences without a heading".to_owned());
    }
}

fn is_fragment_name(name: &str) -> bool {
    let Some((slug, kind)) = name.strip_suffix(".md").and_then(|stem| stem.split_once('.')) else {
        return false;
    };
    let slug_is_good = !slug.is_empty()
        && slug.split('-').all(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        });
    slug_is_good && KINDS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::check;

    fn check_fragment(name: &str, content: &str, expected: usize) {
        let mut findings = Vec::new();
        check(name, content, &mut findings);
        assert_eq!(findings.len(), expected, "{name}: {findings:?}");
    }

    #[test]
    fn fragments_have_a_name_and_a_sentence() {
        check_fragment("iec104-both-roles.added.md", "Stations speak 104.\n", 0);
        check_fragment("README.md", "# Fragments\n", 0);
        check_fragment("iec104.new.md", "Stations speak 104.\n", 1);
        check_fragment("IEC104.added.md", "Stations speak 104.\n", 1);
        check_fragment("iec104--x.added.md", "Stations speak 104.\n", 1);
        check_fragment("notes.md", "Stations speak 104.\n", 1);
        check_fragment("iec104.added.md", " \n", 1);
        check_fragment("iec104.added.md", "# Stations\n", 1);
    }
}
