//! Layers 0 to 3 are pure (STYLE.md, section 1): what their sources may not name. A second line of defence
//! beside clippy.toml, which cannot see types, and also the place where a protocol crate keeps the platform's
//! words out of its codec and session.

use crate::layers::Layer;
use crate::metadata::{Metadata, Package};
use crate::source::{Source, split_top_level};
use crate::tree;
use anyhow::Result;
use std::path::Path;

/// Paths and words that a pure layer may not name, with what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("std::net", "sockets belong to layer 4; address types are in core::net"),
    ("std::fs", "files belong to layer 4"),
    ("std::process", "processes belong to layer 5"),
    ("std::thread", "threads belong to layer 4"),
    ("tokio::", "tokio belongs to layer 4"),
    ("SystemTime::now", "time is an argument"),
    ("Instant::now", "time is an argument"),
    ("Mutex", "locks belong to layer 4; one owner holds the state"),
    ("RwLock", "locks belong to layer 4; one owner holds the state"),
    ("mpsc", "channels belong to layer 4"),
    ("async fn", "async belongs to layer 4"),
    (".await", "async belongs to layer 4"),
    ("thread_rng", "randomness is seeded and passed in"),
    ("from_os_rng", "randomness is seeded and passed in"),
    ("rand::rng", "randomness is seeded and passed in"),
];

/// What test code beside the sources may still name: cases and vectors are read from files.
const FREE_IN_TESTS: &str = "std::fs";

/// Checks the sources of all crates in the pure layers.
pub(crate) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let Some(layer) = package.layer_name().and_then(Layer::named).filter(|layer| layer.is_pure()) else {
            continue;
        };
        check_package(package, layer, &metadata.workspace_root, &mut findings)?;
    }
    Ok(findings)
}

fn check_package(package: &Package, layer: Layer, root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let sources = package.folder().join("src");
    for file in tree::files(&sources)? {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let inside = tree::relative(&file, &sources);
        let whole_file_is_test = tree::is_test_path(&inside);
        let source = Source::new(&std::fs::read_to_string(&file)?);
        let mut offences = impure(&source, whole_file_is_test);
        if layer == Layer::Protocol && !whole_file_is_test {
            offences.extend(platform_words(&source, &inside));
        }
        let shown = tree::relative(&file, root);
        findings.extend(offences.into_iter().map(|(line, text)| format!("{shown}:{line}: {text}")));
    }
    Ok(())
}

/// Lines that name what a pure layer may not have.
fn impure(source: &Source, whole_file_is_test: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (word, instead) in IMPURE {
        let positions = source.find_word(word).chain(grouped(source, word));
        for at in positions {
            let test = whole_file_is_test || source.is_test(at);
            if !(test && *word == FREE_IN_TESTS) {
                found.push((source.line_of(at), format!("`{word}` in a pure layer: {instead}")));
            }
        }
    }
    found
}

/// Positions at which `word` (such as `std::fs`) is imported through a group: `use std::{fmt, fs}`.
fn grouped<'a>(source: &'a Source, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let name = word.strip_prefix("std::");
    source.find_word("std::{").filter(move |at| {
        let inner = &source.code[at + "std::{".len()..];
        let end = group_end(inner);
        let firsts = split_top_level(&inner[..end]);
        firsts.iter().any(|part| name.is_some() && part.split("::").next().map(str::trim) == name)
    })
}

/// Length of the text before the brace that closes a group.
fn group_end(inner: &str) -> usize {
    let mut depth = 1_usize;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    inner.len()
}

/// A session speaks the protocol's own types: only `src/adapter` and the crate's map, which holds the constant
/// `PROTOCOL`, may name the crate `signal`.
fn platform_words(source: &Source, inside: &str) -> Vec<(usize, String)> {
    if inside == "lib.rs" || inside == "adapter.rs" || inside.starts_with("adapter/") {
        return Vec::new();
    }
    let words = source.find_word("signal::").filter(|at| !source.is_test(*at));
    let own = |at: &usize| source.code[..*at].ends_with("::");
    words
        .filter(|at| !own(at))
        .map(|at| (source.line_of(at), "`signal::` outside of src/adapter in a protocol crate".to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{impure, platform_words};
    use crate::source::Source;

    fn check(text: &str, expected: &[usize]) {
        let lines: Vec<_> = impure(&Source::new(text), false).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn impure_words_are_found_in_code_only() {
        check("use std::fs;\nfn a() {}", &[1]);
        check("\nuse std::{fmt, fs::{read, write}};", &[2]);
        check("use std::{fmt, sync::{Arc, Mutex}};", &[1]);
        check("use std::{fmt, collections::{BTreeMap, fs}};", &[]);
        check("let a = std::time::Instant::now();", &[1]);
        check("// std::fs\n/* tokio:: */ let a = \"std::net\";", &[]);
        check("use core::net::IpAddr;\nstruct MyMutexes;", &[]);
        check("async fn a() {\n b().await }", &[1, 2]);
    }

    #[test]
    fn test_code_may_read_cases_but_not_the_clock() {
        check("#[cfg(test)]\nmod tests {\n  fn a() { std::fs::read(b); }\n}", &[]);
        check("#[cfg(test)]\nmod tests {\n  fn a() { Instant::now(); }\n}", &[3]);
    }

    #[test]
    fn a_codec_does_not_know_the_platform() {
        let lines = |inside: &str| platform_words(&Source::new("use signal::Sample;\n"), inside).len();
        assert_eq!(lines("codec/apdu.rs"), 1);
        assert_eq!(lines("session/mod.rs"), 1);
        assert_eq!(lines("adapter/mod.rs"), 0);
        assert_eq!(lines("lib.rs"), 0);
    }
}
