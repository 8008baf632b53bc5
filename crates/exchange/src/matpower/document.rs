//! A file as the assignments that are left when all of it has been executed.

use super::parser::Parser;
use super::run::Workspace;
use crate::ReadError;

/// A matrix with rows of equal length, row after row.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Matrix {
    /// Figures, row after row.
    pub(super) figures: Vec<f64>,
    /// Line of each row.
    pub(super) lines: Vec<u32>,
    /// Figures per row.
    pub(super) columns: usize,
}

impl Matrix {
    /// Rows with their lines.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &[f64])> {
        self.lines.iter().copied().zip(self.figures.chunks(self.columns.max(1)))
    }
}

/// What is assigned.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Assigned {
    Scalar(f64),
    Text(String),
    Matrix(Matrix),
    /// A cell array; only its texts matter.
    Cells(Vec<String>),
}

/// The value that `mpc.FIELD` has in the end.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Assignment {
    pub(super) field: String,
    pub(super) line: u32,
    pub(super) value: Assigned,
}

/// A file: the name of its function and its fields in the order of their first assignment.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) assignments: Vec<Assignment>,
}

/// Reads and executes a whole file, statement by statement.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, ReadError> {
    let mut parser = Parser::new(bytes);
    let mut workspace = Workspace::default();
    while let Some(statement) = parser.statement()? {
        if workspace.execute(statement)?.is_break() {
            break;
        }
    }
    Ok(workspace.into_document())
}
