//! Rust source seen through a small scanner: comments and literals blanked, functions and test code found.
//! It knows as much of the language as the size rules need and never rejects a file.

use std::ops::Range;

/// One Rust file.
pub(crate) struct Source {
    /// The text with the bytes of comments, strings and character literals replaced by spaces. Line and byte
    /// positions are those of the original.
    pub(crate) code: String,
    /// Byte position at which each line starts.
    line_starts: Vec<usize>,
    /// Byte ranges of items that are compiled for tests only.
    tests: Vec<Range<usize>>,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Line of the word `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace, both included.
    pub(crate) lines: usize,
    /// Types of the parameters in order, without `self`.
    pub(crate) parameters: Vec<String>,
    /// Most of the body are the rows of a `match` or of an array.
    pub(crate) is_table: bool,
    pub(crate) is_test: bool,
}

impl Source {
    /// Scans a file.
    pub(crate) fn new(text: &str) -> Self {
        let code = blank(text);
        let line_starts = std::iter::once(0).chain(code.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let tests = test_items(&code);
        Self { code, line_starts, tests }
    }

    /// The line of a byte position, from 1.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// Whether a byte position is inside an item that is compiled for tests only.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Positions at which `word` stands as a whole path or identifier.
    pub(crate) fn find_word<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        find_word(&self.code, word)
    }

    /// Lines of the file that count for its size: neither test code nor rows of constant tables.
    pub(crate) fn counted_lines(&self) -> usize {
        let total = self.code.lines().count();
        let exempt = self.tests.iter().cloned().chain(constants(&self.code));
        let mut counted = vec![true; total];
        for range in exempt {
            let last = self.line_of(range.end.saturating_sub(1));
            for line in self.line_of(range.start)..=last.min(total) {
                counted[line - 1] = false;
            }
        }
        counted.iter().filter(|line| **line).count()
    }

    /// All functions that have a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        self.find_word("fn").filter_map(|at| self.function_at(at)).collect()
    }

    fn function_at(&self, at: usize) -> Option<Function> {
        let code = self.code.as_str();
        let name_at = skip_space(code, at + 2);
        let name: String = code[name_at..].chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() {
            return None;
        }
        let open = parameters_open(code, name_at + name.len())?;
        let close = matching(code, open)?;
        let body = body_open(code, close)?;
        let end = matching(code, body)?;
        Some(Function {
            line: self.line_of(at),
            lines: self.line_of(end) - self.line_of(at) + 1,
            parameters: parameter_types(&code[open + 1..close - 1]),
            is_table: is_table(&code[body + 1..end - 1]),
            is_test: self.is_test(at),
            name,
        })
    }
}

/// Positions at which `word` stands in `code` as a whole path or identifier.
fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let open_end = !word.ends_with(is_word);
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && (open_end || !after.is_some_and(is_word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn skip_space(code: &str, from: usize) -> usize {
    code[from..].find(|c: char| !c.is_whitespace()).map_or(code.len(), |offset| from + offset)
}

/// The text with comments and literals replaced by spaces.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at).unwrap_or(at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that starts at `at` ends; none if none starts here.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let to_end = |offset: Option<usize>| at + offset.unwrap_or(rest.len());
    match rest[0] {
        b'/' if rest.starts_with(b"//") => Some(to_end(rest.iter().position(|byte| *byte == b'\n'))),
        b'/' if rest.starts_with(b"/*") => Some(at + block_comment_length(rest)),
        b'"' => Some(at + quoted_length(rest, b'"')),
        b'\'' => char_length(rest).map(|length| at + length),
        b'r' if !inside_word(bytes, at) => raw_string_length(rest).map(|length| at + length),
        _ => None,
    }
}

/// Whether the letter at `at` continues a word; the prefixes of byte and C strings do not count.
fn inside_word(bytes: &[u8], at: usize) -> bool {
    let is_word_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => at >= 2 && is_word_byte(bytes[at - 2]),
        Some(byte) => is_word_byte(byte),
        None => false,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal; none for a lifetime or a label.
fn char_length(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'\\' => Some(quoted_length(rest, b'\'')),
        first => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
        }
    }
}

/// Length of a raw string; none for a raw identifier or any other word with r.
fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &rest[hashes + 2..];
    let end = body.windows(closing.len()).position(|window| window == closing.as_slice());
    Some(end.map_or(rest.len(), |end| hashes + 2 + end + closing.len()))
}

/// The position after the bracket that closes the one at `open`.
fn matching(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(open + offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The opening parenthesis after a function's name and generic parameters.
fn parameters_open(code: &str, from: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut depth = 0_i32;
    for at in from..bytes.len() {
        match bytes[at] {
            b'<' => depth += 1,
            b'>' if bytes[at - 1] != b'-' => depth -= 1,
            b'(' if depth == 0 => return Some(at),
            b'{' | b'}' | b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The opening brace of a body; none if a semicolon comes first, as in a trait.
fn body_open(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.as_bytes()[from..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(from + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The types in a parameter list, without `self`.
fn parameter_types(list: &str) -> Vec<String> {
    split_top_level(list)
        .into_iter()
        .filter_map(|parameter| {
            let (_, kind) = parameter.split_once(':')?;
            let is_self = find_word(&parameter[..parameter.len() - kind.len()], "self").next().is_some();
            (!is_self).then(|| kind.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// Splits at commas outside of all brackets.
pub(crate) fn split_top_level(list: &str) -> Vec<&str> {
    let bytes = list.as_bytes();
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for at in 0..bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b')' | b']' | b'}' | b'>' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// At least four of five lines are rows: `pattern => value,` or `element,`.
fn is_table(body: &str) -> bool {
    let lines: Vec<_> = body.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let rows = lines.iter().filter(|line| line.ends_with(',') && !line.ends_with("},")).count();
    lines.len() > 10 && rows * 5 >= lines.len() * 4
}

/// Byte ranges of items under `#[cfg(test)]` or `#[test]`; the whole file for `#![cfg(test)]`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let compact_inner = ["#![cfg(test)]"];
    if compact_inner.iter().any(|attribute| code.contains(attribute)) {
        return std::iter::once(0..code.len()).collect();
    }
    ["#[cfg(test)]", "#[cfg(all(test", "#[test]"]
        .iter()
        .flat_map(|attribute| code.match_indices(attribute))
        .filter_map(|(at, _)| Some(at..item_end(code, matching(code, at + 1)?)))
        .collect()
}

/// The end of the item that starts at `from`: its closing brace or semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(offset) = code[at..].find(['{', '(', '[', ';']) {
        let found = at + offset;
        let Some(end) = (match code.as_bytes()[found] {
            b';' => return found + 1,
            b'{' => return matching(code, found).unwrap_or(code.len()),
            _ => matching(code, found),
        }) else {
            break;
        };
        at = end;
    }
    code.len()
}

/// Byte ranges of `const` and `static` items.
fn constants(code: &str) -> Vec<Range<usize>> {
    let words = find_word(code, "const ").chain(find_word(code, "static "));
    words
        .filter(|at| {
            let line_start = code[..*at].rfind('\n').map_or(0, |newline| newline + 1);
            let before = code[line_start..*at].trim();
            let after = code[*at..].split_whitespace().nth(1).unwrap_or_default();
            (before.is_empty() || before.starts_with("pub")) && !matches!(after, "fn" | "unsafe" | "{")
        })
        .map(|at| at..constant_end(code, at))
        .collect()
}

/// The end of a constant: the semicolon outside of all brackets.
fn constant_end(code: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(offset) = code[at..].find(['{', '(', '[', ';']) {
        let found = at + offset;
        if code.as_bytes()[found] == b';' {
            return found + 1;
        }
        match matching(code, found) {
            Some(end) => at = end,
            None => break,
        }
    }
    code.len()
}

#[cfg(test)]
mod tests;
