//! What readers say about a faulty file: where, why, and what to do.

use std::fmt;

/// Why a file could not be read. The caller knows the file's name and puts it in front.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadError {
    /// Line, counted from 1; 0 if the fault is the absence of something.
    pub line: u32,
    /// Column in bytes, counted from 1, where it is known.
    pub column: Option<u32>,
    /// What is wrong, lower case, no full stop.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl ReadError {
    /// A fault of a line.
    pub fn new(line: u32, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line, column: None, reason: reason.into(), hint: hint.into() }
    }

    /// The same fault at a column.
    pub fn at_column(mut self, column: u32) -> Self {
        self.column = Some(column);
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}", self.line)?;
            if let Some(column) = self.column {
                write!(f, ", column {column}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.reason)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " (hint: {})", self.hint) }
    }
}

impl std::error::Error for ReadError {}
