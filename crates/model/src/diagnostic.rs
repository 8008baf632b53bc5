//! What an import or a derivation changed on the way: never silent, never an error.

use std::fmt;

/// What happened to a piece of input.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DiagnosticKind {
    /// Present in the input, not in the result.
    Dropped,
    /// Missing in the input, a default stands in the result.
    Defaulted,
    /// Present in the input, something else stands in the result.
    Substituted,
}

/// One line of a loss report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// What happened.
    pub kind: DiagnosticKind,
    /// The element or field, in the words of the input.
    pub element: String,
    /// Line of the input, counted from 1; `None` where it has no lines.
    pub line: Option<u32>,
    /// What and why, lower case, no full stop.
    pub text: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DiagnosticKind::Dropped => "dropped",
            DiagnosticKind::Defaulted => "defaulted",
            DiagnosticKind::Substituted => "substituted",
        };
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{kind} {}: {}", self.element, self.text)
    }
}
