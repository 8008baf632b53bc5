//! Commands on files, and how all commands read and write them.
//!
//! - `check`: is a network ready, and what would help. `convert`: one format to another. `points`: the point list
//!   by rule. `decode`: captures and hex, field by field.
//! - Every fault of a file reads `FILE:LINE: reason (hint)`; `-` is standard input or output.

mod check;
mod convert;
mod decode;
mod script;

pub(crate) use check::{CheckArgs, check};
pub(crate) use convert::{ConvertArgs, PointsArgs, convert, points};
pub(crate) use decode::{DecodeArgs, decode};
pub(crate) use script::{is_script, script};

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use exchange::{ReadError, matpower};
use model::Diagnostic;
use model::busbranch::BusBranchCase;

/// Largest file that a command reads.
const MAX_BYTES: u64 = 1 << 30;

/// The name of a file in messages.
pub(crate) fn shown(file: &Path) -> String {
    if is_standard(file) { "standard input".to_owned() } else { file.display().to_string() }
}

fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

/// The bytes of a file, or of standard input.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let taken = if is_standard(file) {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    taken.map_err(|error| anyhow::anyhow!("{}: cannot be read: {error}", shown(file)))?;
    if bytes.len() as u64 > MAX_BYTES {
        anyhow::bail!("{}: more than {MAX_BYTES} bytes", shown(file));
    }
    Ok(bytes)
}

/// Writes to a file, or to standard output if there is none. A reader of the output that has seen enough is no
/// fault.
pub(crate) fn write(file: Option<&Path>, bytes: &[u8]) -> anyhow::Result<()> {
    let Some(file) = file.filter(|file| !is_standard(file)) else {
        let mut output = std::io::stdout().lock();
        return match output.write_all(bytes).and_then(|()| output.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).context("standard output cannot be written")
            }
            Ok(()) | Err(_) => Ok(()),
        };
    };
    std::fs::write(file, bytes)
        .map_err(|error| anyhow::anyhow!("{}: cannot be written: {error}", file.display()))
}

/// Names come from files; control characters in them must not reach a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A reader's fault with its file.
pub(crate) fn at(file: &Path, error: &ReadError) -> anyhow::Error {
    let line = if error.line > 0 { format!(":{}", error.line) } else { String::new() };
    let hint = if error.hint.is_empty() { String::new() } else { format!(" ({})", error.hint) };
    anyhow::anyhow!("{}{line}: {}{hint}", shown(file), error.reason)
}

/// Reads a MATPOWER case.
pub(crate) fn case(file: &Path) -> anyhow::Result<(BusBranchCase, Vec<Diagnostic>)> {
    matpower::read(&read(file)?).map_err(|error| at(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_file_line_reason_and_hint() {
        let check = |file: &str, error: ReadError, expected: &str| {
            assert_eq!(at(Path::new(file), &error).to_string(), expected);
        };
        check("a.m", ReadError::new(3, "odd", "do this"), "a.m:3: odd (do this)");
        check("a.m", ReadError::new(3, "odd", "").at_column(7), "a.m:3: odd");
        check("-", ReadError::new(0, "empty", "fill it"), "standard input: empty (fill it)");
    }
}
