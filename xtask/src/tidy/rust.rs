//! Rules for Rust files: sizes, parameters, leftovers, module docs.

use super::Finding;
use crate::source::{Function, Source};
use crate::tree;

/// A file has at most this many lines, test code and constant tables not counted.
const FILE_LINES_MAX: usize = 1000;
/// A function has at most this many lines.
const FUNCTION_LINES_MAX: usize = 70;
/// A function has at most this many parameters, `self` not counted.
const PARAMETERS_MAX: usize = 5;
/// Macros that mark unfinished work.
const LEFTOVERS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// Where the HTTP interface lives, and its one file that registers routes: `Routes::add` there wants a declaration.
const HTTP: &str = "crates/server/src/http";
const REGISTRY: &str = "crates/server/src/http/guard.rs";
/// Calls that would register a route without saying who may use it.
const UNDECLARED: &[&str] = &["route", "routes", "route_service", "nest", "nest_service", "fallback_service"];
/// The word that marks a generated file, in one of its first lines.
const GENERATED: &str = "@generated";
/// Lines in which the mark of a generated file is looked for.
const HEAD_LINES: usize = 5;

/// Checks one Rust file.
pub(super) fn check(path: &str, content: &str, findings: &mut Vec<Finding>) {
    let mut add = |rule, place: String, line, text| findings.push(Finding { rule, place, line, text });
    let source = Source::new(content);
    for leftover in LEFTOVERS {
        for at in source.find_word(leftover) {
            add("leftover", path.to_owned(), source.line_of(at), format!("`{leftover}` is unfinished work"));
        }
    }
    if path.starts_with(HTTP) && path != REGISTRY {
        for call in UNDECLARED {
            let calls = source.find_word(call).filter(|at| is_method_call(content, *at, call));
            for at in calls {
                let text =
                    format!("`.{call}(` registers a route that declares no permission, use `Routes::add`");
                add("undeclared-route", path.to_owned(), source.line_of(at), text);
            }
        }
    }
    if content.lines().take(HEAD_LINES).any(|line| line.contains(GENERATED)) {
        return;
    }
    if !has_module_doc(content) {
        add("module-doc", path.to_owned(), 1, "the file does not open with a `//!` doc".to_owned());
    }
    if tree::is_test_path(path) {
        return;
    }
    let lines = source.counted_lines();
    if lines > FILE_LINES_MAX {
        let text = format!("{lines} lines without tests and tables, at most {FILE_LINES_MAX}");
        add("file-lines", path.to_owned(), 1, text);
    }
    for function in source.functions().into_iter().filter(|function| !function.is_test) {
        for (rule, text) in function_offences(&function) {
            add(rule, format!("{path}::{}", function.name), function.line, text);
        }
    }
}

fn function_offences(function: &Function) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if function.lines > FUNCTION_LINES_MAX && !function.is_table {
        found.push(("function-lines", format!("{} lines, at most {FUNCTION_LINES_MAX}", function.lines)));
    }
    let parameters = function.parameters.len();
    if parameters > PARAMETERS_MAX {
        found.push(("parameters", format!("{parameters} parameters, at most {PARAMETERS_MAX}")));
    }
    found
}

/// Whether the word at `at` is called on something.
fn is_method_call(content: &str, at: usize, word: &str) -> bool {
    let (before, rest) = content.split_at(at);
    before.trim_end().ends_with('.') && rest[word.len()..].trim_start().starts_with('(')
}

/// The first line that is neither empty nor an attribute is a module doc.
fn has_module_doc(content: &str) -> bool {
    content
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("#!["))
        .is_none_or(|line| line.starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::check;

    fn check_rules(path: &str, content: &str, expected: &[&str]) {
        let mut findings = Vec::new();
        check(path, content, &mut findings);
        let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, expected, "{path}");
    }

    #[test]
    fn a_route_without_a_declaration_fails() {
        let planted = "//! Doc.\nfn a() { router\n    .route(\"/planted\", get(b)); }";
        check_rules("crates/server/src/http.rs", planted, &["undeclared-route"]);
        check_rules("crates/server/src/http/alarms.rs", planted, &["undeclared-route"]);
        check_rules("crates/server/src/http/guard.rs", planted, &[]);
        let declared = "//! Doc.\nfn a() { Routes::default().add(Need::Open, routes!(b)); }";
        check_rules("crates/server/src/http.rs", declared, &[]);
    }

    fn function(lines: usize) -> String {
        format!("//! Doc.\nfn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2))
    }

    #[test]
    fn long_functions_fail_at_the_limit() {
        check_rules("crates/a/src/lib.rs", &function(70), &[]);
        check_rules("crates/a/src/lib.rs", &function(71), &["function-lines"]);
        check_rules("crates/a/tests/vectors.rs", &function(71), &[]);
        check_rules("crates/a/src/session/tests.rs", &function(71), &[]);
        let in_tests =
            format!("//! Doc.\n#[cfg(test)]\nmod tests {{\nfn a() {{\n{}}}\n}}\n", "b();\n".repeat(90));
        check_rules("crates/a/src/lib.rs", &in_tests, &[]);
    }

    #[test]
    fn long_files_fail_at_the_limit() {
        check_rules("crates/a/src/lib.rs", &format!("//! Doc.\n{}", "use a::b;\n".repeat(999)), &[]);
        check_rules(
            "crates/a/src/lib.rs",
            &format!("//! Doc.\n{}", "use a::b;\n".repeat(1000)),
            &["file-lines"],
        );
        let table = format!("//! Doc.\nconst A: &[u8] = &[\n{}];\n", "1,\n".repeat(2000));
        check_rules("crates/a/src/lib.rs", &table, &[]);
        let generated = format!("// @generated by x\n{}", "use a::b;\n".repeat(2000));
        check_rules("crates/a/src/lib.rs", &generated, &[]);
    }

    #[test]
    fn parameters_are_counted_without_self() {
        check_rules("a.rs", "//! Doc.\nfn a(&self, b: u8, c: u16, d: u8, e: u16, f: u8) {}", &[]);
        check_rules(
            "a.rs",
            "//! Doc.\nfn a(b: u8, c: u16, d: u8, e: u16, f: u8, g: u16) {}",
            &["parameters"],
        );
    }

    #[test]
    fn leftovers_and_missing_docs_fail() {
        check_rules("a.rs", "//! Doc.\nfn a() { todo!() }", &["leftover"]);
        check_rules("a.rs", "//! Doc.\nfn a() { let s = \"todo!\"; } // dbg!", &[]);
        check_rules("crates/a/tests/b.rs", "//! Doc.\nfn a() { dbg!(1); }", &["leftover"]);
        check_rules("a.rs", "use b::c;\n//! Doc.", &["module-doc"]);
        check_rules("a.rs", "#![allow(x)]\n\n//! Doc.", &[]);
    }
}
