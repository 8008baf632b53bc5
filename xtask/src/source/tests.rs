//! What the scanner must see and must not see.

#![allow(clippy::unwrap_used)]

use super::{Source, split_top_level};

fn check_blank(text: &str, expected: &str) {
    let source = Source::new(text);
    assert_eq!(source.code.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
    assert_eq!(source.code.len(), text.len(), "{text}");
}

#[test]
fn comments_and_literals_are_blanked() {
    check_blank("a // fn b() {\nc", "a c");
    check_blank("a /* x /* y */ { */ b", "a b");
    check_blank(r#"a("}\"{", b)"#, "a( , b)");
    check_blank(r###"a(r#"}"{"#, br"\", b)"###, "a( , b , b)");
    check_blank("a('{', '\\'', '\\u{7d}', 'é', b)", "a( , , , , b)");
    check_blank("fn a<'x>(b: &'x str) {}", "fn a<'x>(b: &'x str) {}");
    check_blank("r#fn(for_r, r)", "r#fn(for_r, r)");
    check_blank("a // no end", "a");
    check_blank("a \"no end", "a");
}

fn check_functions(text: &str, expected: &[(&str, usize, usize, &[&str])]) {
    let found = Source::new(text).functions();
    let seen: Vec<_> = found
        .iter()
        .map(|f| {
            (f.name.as_str(), f.line, f.lines, f.parameters.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(n, at, l, p)| (*n, *at, *l, p.to_vec())).collect();
    assert_eq!(seen, expected, "{text}");
}

#[test]
fn functions_are_found_with_their_size_and_parameters() {
    check_functions("fn a() {}", &[("a", 1, 1, &[])]);
    check_functions("fn a(\n  x: u8,\n) {\n  \"}\";\n}\n", &[("a", 1, 5, &["u8"])]);
    check_functions("trait T { fn a(&self); fn b(&mut self, x: u8) {} }", &[("b", 1, 1, &["u8"])]);
    check_functions("fn a(self: &Self, f: fn(u8, u8) -> u8) {}", &[("a", 1, 1, &["fn(u8, u8) -> u8"])]);
    check_functions(
        "fn a<F: Fn(u8) -> u8>(m: Map<u8, u8>, (x, y): (u8, u8)) -> [u8; 4] { }",
        &[("a", 1, 1, &["Map<u8, u8>", "(u8, u8)"])],
    );
    check_functions(
        "struct S { f: fn(u8) }\n\nfn a() {\n  fn b() {\n  }\n}",
        &[("a", 3, 4, &[]), ("b", 4, 2, &[])],
    );
    check_functions("fn a<T>() where T: Into<[u8; 2]> {\n}", &[("a", 1, 2, &[])]);
    check_functions("macro_rules! m { () => { fn $name() {} } }", &[]);
}

#[test]
fn test_code_is_recognised() {
    let source = Source::new(
        "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n  fn b() {}\n}\n#[test]\nfn c() {}\nfn d() {}",
    );
    let tests: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.is_test)).collect();
    let expected = [("a", false), ("b", true), ("c", true), ("d", false)];
    assert_eq!(tests, expected.map(|(name, is_test)| (name.to_owned(), is_test)));
    assert_eq!(Source::new("#[cfg(test)]\nmod tests;\nfn a() {}").counted_lines(), 1);
}

#[test]
fn constant_tables_do_not_count_for_the_size_of_a_file() {
    let check =
        |text: &str, expected: usize| assert_eq!(Source::new(text).counted_lines(), expected, "{text}");
    check("const A: [u8; 3] = [\n1,\n2,\n3,\n];\nfn a() {}\n", 1);
    check("pub const fn a() {\n}\n", 2);
    check("pub(crate) static A: &[(u8, u8)] = &[\n(1, 2),\n];\n\nfn b(x: *const u8) {}\n", 2);
}

#[test]
fn a_table_function_is_recognised() {
    let rows: String = (0..20).map(|row| format!("    {row} => Self::V{row},\n")).collect();
    let statements: String = (0..20).map(|row| format!("    call({row});\n")).collect();
    for (body, expected) in [(format!("match self {{\n{rows}}}"), true), (statements, false)] {
        let found = Source::new(&format!("fn a() {{\n{body}\n}}")).functions();
        assert_eq!(found.first().unwrap().is_table, expected, "{body}");
    }
}

#[test]
fn words_are_found_whole() {
    let source = Source::new("std::fs::read(); mystd::fs(); std::fsx; \"std::fs\"");
    assert_eq!(source.find_word("std::fs").collect::<Vec<_>>(), [0]);
    assert_eq!(split_top_level("a, b(c, d), e<f, g>, h -> i,"), ["a", "b(c, d)", "e<f, g>", "h -> i"]);
}
