//! A line of a script → parameters with or without name, and texts → numbers, lists and matrices.
//!
//! Blanks, commas and `=` separate. Quotes are `"…"`, `'…'`, `(…)`, `[…]`, `{…}`; they do not nest in themselves, but
//! one kind may hold another. `!` and `//` outside of quotes begin a comment. A quoted number may be a calculation in
//! reverse Polish notation.

/// One parameter of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Param {
    /// What stands before `=`.
    pub(super) name: Option<String>,
    /// What stands after it, without its quotes.
    pub(super) value: String,
}

const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('(', ')'), ('[', ']'), ('{', '}')];

/// The line without its comment.
pub(super) fn without_comment(line: &str) -> &str {
    let mut closing = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match closing {
            Some(end) => {
                if c == end {
                    closing = None;
                }
            }
            None if c == '!' => return &line[..at],
            None if c == '/' && before == '/' => return &line[..at - 1],
            None => closing = QUOTES.iter().find(|(open, _)| *open == c).map(|&(_, close)| close),
        }
        before = c;
    }
    line
}

/// Reads parameters and values from the front of a text.
pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The next parameter; `None` at the end.
    pub(super) fn param(&mut self) -> Option<Param> {
        let first = self.token()?;
        self.skip(char::is_whitespace);
        match self.rest.strip_prefix('=') {
            Some(rest) => {
                self.rest = rest;
                self.skip(char::is_whitespace);
                // `name=,` and a name at the end of the line have an empty value.
                let value =
                    if self.rest.starts_with(',') { String::new() } else { self.token().unwrap_or_default() };
                self.comma();
                Some(Param { name: Some(first), value })
            }
            None => {
                self.comma();
                Some(Param { name: None, value: first })
            }
        }
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(what);
    }

    fn comma(&mut self) {
        self.skip(char::is_whitespace);
        self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
    }

    /// The next word or quoted text.
    fn token(&mut self) -> Option<String> {
        self.skip(char::is_whitespace);
        let first = self.rest.chars().next()?;
        if let Some(&(_, close)) = QUOTES.iter().find(|(open, _)| *open == first) {
            let inner = &self.rest[1..];
            let (value, rest) = inner.split_once(close).unwrap_or((inner, ""));
            self.rest = rest;
            return Some(value.trim().to_owned());
        }
        let end =
            self.rest.find(|c: char| c.is_whitespace() || c == ',' || c == '=').unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(value.to_owned())
    }
}

/// A number, or a calculation in reverse Polish notation.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|x: &f64| x.is_finite()).or_else(|| calculate(text))
}

/// Reverse Polish notation with angles in degrees.
fn calculate(text: &str) -> Option<f64> {
    let mut stack: Vec<f64> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        if let Ok(value) = word.parse() {
            stack.push(value);
            continue;
        }
        match word.as_str() {
            "pi" => stack.push(std::f64::consts::PI),
            "swap" => {
                let at = stack.len().checked_sub(2)?;
                stack.swap(at, at + 1);
            }
            "rollup" if !stack.is_empty() => stack.rotate_right(1),
            "rolldn" if !stack.is_empty() => stack.rotate_left(1),
            "+" | "-" | "*" | "/" | "^" | "atan2" => {
                let (b, a) = (stack.pop()?, stack.pop()?);
                stack.push(match word.as_str() {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "/" => a / b,
                    "^" => a.powf(b),
                    _ => a.atan2(b).to_degrees(),
                });
            }
            function => {
                let a = stack.pop()?;
                stack.push(apply(function, a)?);
            }
        }
    }
    stack.pop().filter(|x| x.is_finite())
}

fn apply(function: &str, a: f64) -> Option<f64> {
    Some(match function {
        "sqr" => a * a,
        "sqrt" => a.sqrt(),
        "sin" => a.to_radians().sin(),
        "cos" => a.to_radians().cos(),
        "tan" => a.to_radians().tan(),
        "asin" => a.asin().to_degrees(),
        "acos" => a.acos().to_degrees(),
        "atan" => a.atan().to_degrees(),
        "ln" => a.ln(),
        "log10" => a.log10(),
        "exp" => a.exp(),
        "inv" => a.recip(),
        _ => return None,
    })
}

/// The words of a list; a quoted one is one word.
pub(super) fn list(text: &str) -> Vec<String> {
    let mut scanner = Scanner::new(text);
    let mut words = Vec::new();
    while let Some(param) = scanner.param() {
        words.push(match param.name {
            Some(name) => format!("{name}={}", param.value),
            None => param.value,
        });
    }
    words
}

/// A file that stands in the place of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ListFile {
    pub(super) path: String,
    /// Octets of a number in a file without text.
    pub(super) binary: Option<usize>,
    /// Column of a text, from 1.
    pub(super) column: usize,
    /// Whether its first line has names.
    pub(super) header: bool,
}

/// The file of a list like `file=NAME column=2 header=yes`; `None` for a list of anything else.
pub(super) fn file_of(text: &str) -> Option<ListFile> {
    let mut found = ListFile { path: String::new(), binary: None, column: 1, header: false };
    let mut scanner = Scanner::new(text);
    while let Some(param) = scanner.param() {
        match param.name?.to_ascii_lowercase().as_str() {
            "file" | "csvfile" => found.path = param.value,
            "sngfile" => (found.path, found.binary) = (param.value, Some(4)),
            "dblfile" => (found.path, found.binary) = (param.value, Some(8)),
            "column" | "col" => found.column = param.value.parse().ok().filter(|column| *column > 0)?,
            "header" => found.header = flag(&param.value)?,
            _ => return None,
        }
    }
    (!found.path.is_empty()).then_some(found)
}

/// The numbers of a list; `None` if one of them is none.
pub(super) fn numbers(text: &str) -> Option<Vec<f64>> {
    list(text).iter().map(|word| number(word)).collect()
}

/// A square matrix whose rows are separated by `|`: complete, or its lower triangle. Row by row.
pub(super) fn matrix(text: &str) -> Option<Vec<f64>> {
    let rows: Vec<Vec<f64>> = text.split('|').map(numbers).collect::<Option<_>>()?;
    let n = rows.len();
    let full = rows.iter().all(|row| row.len() == n);
    let lower = rows.iter().enumerate().all(|(k, row)| row.len() == k + 1);
    if !full && !lower {
        return None;
    }
    let at = |i: usize, j: usize| if full || j <= i { rows[i][j] } else { rows[j][i] };
    Some((0..n * n).map(|k| at(k / n, k % n)).collect())
}

/// Yes or no.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().chars().next()? {
        'y' | 't' | '1' => Some(true),
        'n' | 'f' | '0' => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_become_parameters() {
        let check = |line: &str, expected: &[(&str, &str)]| {
            let mut scanner = Scanner::new(without_comment(line));
            let mut found = Vec::new();
            while let Some(param) = scanner.param() {
                found.push((param.name.unwrap_or_default(), param.value));
            }
            let expected: Vec<(String, String)> =
                expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(found, expected, "{line}");
        };
        check("New Line.l1 bus1 = a.1.2 ! b", &[("", "New"), ("", "Line.l1"), ("bus1", "a.1.2")]);
        check("~ kvs=(7.2, .12 .12) %r = .5// x", &[("", "~"), ("kvs", "7.2, .12 .12"), ("%r", ".5")]);
        check("a=\"[1 ! 2]\" b='', c", &[("a", "[1 ! 2]"), ("b", ""), ("", "c")]);
        check("mult=(file=a/b.txt) x=", &[("mult", "file=a/b.txt"), ("x", "")]);
        check("a=(unclosed", &[("a", "unclosed")]);
    }

    #[test]
    fn numbers_may_be_calculated() {
        let check = |text: &str, expected: Option<f64>| {
            let found = number(text);
            let same = match (found, expected) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            assert!(same, "{text} gives {found:?}");
        };
        check(" 12.5 ", Some(12.5));
        check("8 1000 /", Some(0.008));
        check("0.00625  12  * 1 +", Some(1.075));
        // From the 8500-node feeder.
        check(
            "1.051 0.88 0.001 3 * - - 115 12.47 / sqr *",
            Some((1.051 - (0.88 - 0.003)) * (115.0_f64 / 12.47).powi(2)),
        );
        check("30 sin inv", Some(2.0));
        check("1 2 swap -", Some(1.0));
        check("1 0 /", None);
        check("+", None);
        check("abc", None);
    }

    #[test]
    fn matrices_are_full_or_lower_triangles() {
        let check = |text: &str, expected: Option<&[f64]>| {
            assert_eq!(matrix(text).as_deref(), expected, "{text}");
        };
        check("1 | 2 3", Some(&[1.0, 2.0, 2.0, 3.0]));
        check("1 4 | 2 3", Some(&[1.0, 4.0, 2.0, 3.0]));
        check(" 7 ", Some(&[7.0]));
        check("1 2 | 3", None);
        check("", None);
    }
}
