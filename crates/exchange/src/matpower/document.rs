//! Tokens → assignments. Everything that would have to be computed is refused here.

use super::lex::{Kind, Lexer, Token};
use crate::ReadError;

const COMPUTED: &str = "only data are read: evaluate the case in MATLAB or Octave and save it with savecase";

/// Most fields of one case; files have a dozen.
const MAX_FIELDS: usize = 4_096;

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

/// `mpc.FIELD = …;`
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Assignment {
    pub(super) field: String,
    pub(super) line: u32,
    pub(super) value: Assigned,
}

/// A file: the name of its function and its assignments in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) assignments: Vec<Assignment>,
}

/// Reads a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, ReadError> {
    let mut parser =
        Parser { lexer: Lexer::new(bytes), document: Document::default(), variable: "mpc".into() };
    while let Some(token) = parser.statement_begin()? {
        parser.statement(token)?;
    }
    Ok(parser.document)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    document: Document,
    /// The variable that the function returns.
    variable: String,
}

fn refuse<T>(token: &Token, reason: impl Into<String>, hint: &str) -> Result<T, ReadError> {
    Err(ReadError::new(token.line, reason, hint).at_column(token.column))
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Name(name) => format!("{name:?}"),
        Kind::Number(number) => format!("the number {number}"),
        Kind::Text(text) => format!("the text {text:?}"),
        Kind::Sign(sign) => format!("{:?}", sign.to_string()),
        Kind::NewLine => "the end of the line".into(),
        Kind::End => "the end of the file".into(),
    }
}

impl Parser<'_> {
    /// The first token of the next statement, `None` at the end of the file.
    fn statement_begin(&mut self) -> Result<Option<Token>, ReadError> {
        loop {
            let token = self.lexer.next()?;
            match token.kind {
                Kind::End => return Ok(None),
                Kind::NewLine | Kind::Sign(';' | ',') => {}
                Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) => return Ok(Some(token)),
            }
        }
    }

    fn statement(&mut self, token: Token) -> Result<(), ReadError> {
        let Kind::Name(name) = &token.kind else {
            return refuse(&token, format!("{} begins no assignment", describe(&token.kind)), COMPUTED);
        };
        if name == "function" {
            return self.function();
        }
        if name == "end" || name == "return" || name == "endfunction" {
            return Ok(());
        }
        let field = match name.split_once('.') {
            Some((variable, field)) if variable == self.variable && !field.is_empty() => field.to_owned(),
            Some(_) | None => {
                return refuse(&token, format!("{name:?} is not a field of {:?}", self.variable), COMPUTED);
            }
        };
        let equals = self.lexer.next()?;
        if equals.kind != Kind::Sign('=') {
            return refuse(&equals, format!("{} where \"=\" was expected", describe(&equals.kind)), COMPUTED);
        }
        if self.document.assignments.len() >= MAX_FIELDS {
            return refuse(&token, format!("more than {MAX_FIELDS} fields"), "remove what is not the case");
        }
        let value = self.value()?;
        self.document.assignments.push(Assignment { field, line: token.line, value });
        let end = self.lexer.next()?;
        match end.kind {
            Kind::NewLine | Kind::End | Kind::Sign(';' | ',') => Ok(()),
            Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) => {
                refuse(&end, format!("{} after the value", describe(&end.kind)), COMPUTED)
            }
        }
    }

    /// `function mpc = NAME`, with or without `()`.
    fn function(&mut self) -> Result<(), ReadError> {
        let variable = self.lexer.next()?;
        let Kind::Name(name) = &variable.kind else {
            let hint = "only format version 2 is read (function mpc = NAME): load and save the case with MATPOWER 4 or later";
            return refuse(&variable, "the function does not return one struct", hint);
        };
        let equals = self.lexer.next()?;
        if equals.kind != Kind::Sign('=') {
            return refuse(
                &equals,
                "the function returns nothing",
                "begin the file with: function mpc = NAME",
            );
        }
        let title = self.lexer.next()?;
        let Kind::Name(case) = &title.kind else {
            return refuse(&title, "the function has no name", "begin the file with: function mpc = NAME");
        };
        (self.variable, self.document.name) = (name.clone(), case.clone());
        loop {
            let token = self.lexer.next()?;
            match token.kind {
                Kind::Sign('(' | ')') => {}
                Kind::NewLine | Kind::End | Kind::Sign(';' | ',') => return Ok(()),
                Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) => {
                    return refuse(&token, "a case function has no arguments", COMPUTED);
                }
            }
        }
    }

    fn value(&mut self) -> Result<Assigned, ReadError> {
        let token = self.lexer.next()?;
        match token.kind {
            Kind::Number(number) => Ok(Assigned::Scalar(number)),
            Kind::Text(text) => Ok(Assigned::Text(text)),
            Kind::Sign('[') => self.matrix(token.line).map(Assigned::Matrix),
            Kind::Sign('{') => self.cells(token.line).map(Assigned::Cells),
            Kind::Sign(sign @ ('+' | '-')) => {
                let number = self.lexer.next()?;
                match number.kind {
                    Kind::Number(number) => Ok(Assigned::Scalar(if sign == '-' { -number } else { number })),
                    other => refuse(&token, format!("{} after a sign", describe(&other)), COMPUTED),
                }
            }
            other => Err(ReadError::new(token.line, format!("{} is not data", describe(&other)), COMPUTED)
                .at_column(token.column)),
        }
    }

    /// The rest of a matrix after its bracket.
    fn matrix(&mut self, opened: u32) -> Result<Matrix, ReadError> {
        let mut rows = Rows { matrix: Matrix::default(), row: 0, line: opened, comma: None };
        let mut negative = None;
        loop {
            let token = self.lexer.next()?;
            if let Some(sign) = negative.take() {
                let Kind::Number(number) = token.kind else {
                    return refuse(&token, format!("{} after a sign", describe(&token.kind)), COMPUTED);
                };
                rows.push(if sign { -number } else { number }, &token)?;
                continue;
            }
            match token.kind {
                Kind::Number(number) if rows.row == 0 || token.spaced || rows.comma.is_some() => {
                    rows.push(number, &token)?;
                }
                Kind::Sign(sign @ ('+' | '-')) => {
                    let separated = rows.row == 0 || rows.comma.is_some() || token.spaced;
                    if !separated || token.spaced_after {
                        return refuse(&token, "arithmetic in a matrix", COMPUTED);
                    }
                    negative = Some(sign == '-');
                }
                Kind::Sign(',') => rows.comma(&token)?,
                Kind::Sign(';') | Kind::NewLine => rows.end_row()?,
                Kind::Sign(']') => {
                    rows.end_row()?;
                    return Ok(rows.matrix);
                }
                Kind::Sign(sign @ ('*' | '/' | '^' | '\\' | '(' | ')' | ':' | '\'' | '.')) => {
                    return refuse(&token, format!("arithmetic in a matrix: {sign:?}"), COMPUTED);
                }
                Kind::End => return Err(unclosed(opened, "matrix", "]")),
                other => {
                    return Err(ReadError::new(
                        token.line,
                        format!("{} in a matrix", describe(&other)),
                        COMPUTED,
                    )
                    .at_column(token.column));
                }
            }
        }
    }

    /// The rest of a cell array after its brace: texts and figures, rows do not matter.
    fn cells(&mut self, opened: u32) -> Result<Vec<String>, ReadError> {
        let mut texts = Vec::new();
        loop {
            let token = self.lexer.next()?;
            match token.kind {
                Kind::Text(text) => texts.push(text),
                Kind::Number(number) => texts.push(number.to_string()),
                Kind::Sign(';' | ',' | '-' | '+') | Kind::NewLine => {}
                Kind::Sign('}') => return Ok(texts),
                Kind::End => return Err(unclosed(opened, "cell array", "}")),
                other => {
                    return Err(ReadError::new(
                        token.line,
                        format!("{} in a cell array", describe(&other)),
                        "a cell array holds quoted texts and numbers",
                    )
                    .at_column(token.column));
                }
            }
        }
    }
}

fn unclosed(line: u32, what: &str, bracket: &str) -> ReadError {
    ReadError::new(
        line,
        format!("the {what} that begins here is not closed"),
        format!("end it with {bracket:?}"),
    )
}

/// A matrix while it is read.
struct Rows {
    matrix: Matrix,
    /// Figures in the row so far.
    row: usize,
    /// Line of the row's first figure.
    line: u32,
    /// A comma that waits for its figure.
    comma: Option<Token>,
}

impl Rows {
    fn push(&mut self, number: f64, token: &Token) -> Result<(), ReadError> {
        if self.row == 0 {
            self.line = token.line;
        }
        self.row += 1;
        self.comma = None;
        self.matrix.figures.push(number);
        Ok(())
    }

    fn comma(&mut self, token: &Token) -> Result<(), ReadError> {
        if self.row == 0 || self.comma.is_some() {
            return refuse(token, "a comma without a figure before it", "write 0 where there is no figure");
        }
        self.comma = Some(token.clone());
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), ReadError> {
        self.comma = None;
        if self.row == 0 {
            return Ok(());
        }
        if self.matrix.lines.is_empty() {
            self.matrix.columns = self.row;
        } else if self.matrix.columns != self.row {
            let reason =
                format!("the row has {} columns, the rows before have {}", self.row, self.matrix.columns);
            return Err(ReadError::new(self.line, reason, "every row of a matrix must have the same length"));
        }
        self.matrix.lines.push(self.line);
        self.row = 0;
        Ok(())
    }
}
