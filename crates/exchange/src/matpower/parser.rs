//! Tokens → statements. What MATLAB knows and this does not is refused with its place.

use super::lex::{Kind, Lexer, Token};
use super::syntax::{Expression, Place, Statement};
use crate::ReadError;

pub(super) const COMPUTED: &str =
    "this statement is not understood: evaluate the case in MATLAB or Octave and save it with savecase";

/// Most statements within `if` and `for`, each inside the other.
const MAX_DEPTH: u32 = 16;
/// Most statements of one block, and of a file.
const MAX_BLOCK: usize = 10_000;

/// Reads one statement after the other; the expressions are in [`super::expression`].
pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<Token>,
    /// Statements that this one is inside of.
    depth: u32,
    /// Expressions that this one is inside of, and how many operators lead there.
    pub(super) nested: u32,
    /// Entries of brackets that have to be computed, in the whole file.
    pub(super) computed: usize,
    /// Whether blanks separate, as within `[ ]`.
    pub(super) in_bracket: bool,
}

pub(super) fn refuse<T>(token: &Token, reason: impl Into<String>, hint: &str) -> Result<T, ReadError> {
    Err(ReadError::new(token.line, reason, hint).at_column(token.column))
}

pub(super) fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Name(name) => format!("{name:?}"),
        Kind::Number(number) => format!("the number {number}"),
        Kind::Text(text) => format!("the text {text:?}"),
        Kind::Sign(sign) => format!("{:?}", sign.to_string()),
        Kind::Pair(pair) => format!("{pair:?}"),
        Kind::NewLine => "the end of the line".into(),
        Kind::End => "the end of the file".into(),
    }
}

pub(super) const fn place(token: &Token) -> Place {
    Place { line: token.line, column: token.column }
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { lexer: Lexer::new(bytes), ahead: None, depth: 0, nested: 0, computed: 0, in_bracket: false }
    }

    pub(super) fn next(&mut self) -> Result<Token, ReadError> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.lexer.next(),
        }
    }

    pub(super) fn peek(&mut self) -> Result<&Token, ReadError> {
        if self.ahead.is_none() {
            self.ahead = Some(self.lexer.next()?);
        }
        match &self.ahead {
            Some(token) => Ok(token),
            None => Err(ReadError::new(0, "the file cannot be read", COMPUTED)),
        }
    }

    pub(super) fn next_is(&mut self, sign: char) -> Result<bool, ReadError> {
        Ok(self.peek()?.kind == Kind::Sign(sign))
    }

    pub(super) fn expect(&mut self, sign: char) -> Result<(), ReadError> {
        let token = self.next()?;
        if token.kind == Kind::Sign(sign) {
            return Ok(());
        }
        let reason = format!("{} where {:?} was expected", describe(&token.kind), sign.to_string());
        refuse(&token, reason, COMPUTED)
    }

    /// The next statement, `None` at the end of the file.
    pub(super) fn statement(&mut self) -> Result<Option<Statement>, ReadError> {
        loop {
            let token = self.next()?;
            match &token.kind {
                Kind::End => return Ok(None),
                Kind::NewLine | Kind::Sign(';' | ',') => {}
                // The end of the function.
                Kind::Name(name) if name == "end" || name == "endfunction" => {}
                Kind::Name(name) => {
                    let name = name.clone();
                    return self.named(name, &token).map(Some);
                }
                Kind::Sign('[') => return self.columns(&token).map(Some),
                Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) | Kind::Pair(_) => {
                    let reason = format!("{} begins no assignment", describe(&token.kind));
                    return refuse(&token, reason, COMPUTED);
                }
            }
        }
    }

    fn named(&mut self, name: String, token: &Token) -> Result<Statement, ReadError> {
        match name.as_str() {
            "function" => return self.function(token),
            "return" => return Ok(Statement::Return),
            "if" => return self.conditional(token),
            "for" => return self.counted(token),
            "else" | "elseif" | "while" | "switch" | "try" | "global" | "persistent" | "break"
            | "continue" => {
                return refuse(token, format!("{name:?} is not understood here"), COMPUTED);
            }
            _ => {}
        }
        let following = self.peek()?;
        if matches!(following.kind, Kind::NewLine | Kind::End | Kind::Sign(';' | ',')) {
            return Ok(Statement::Command(name, place(token)));
        }
        let indices = if self.next_is('(')? { Some(self.arguments()?) } else { None };
        self.expect('=')?;
        let value = self.expression()?;
        self.end_of_statement("the value")?;
        Ok(Statement::Assign { name, indices, value, place: place(token) })
    }

    fn end_of_statement(&mut self, after: &str) -> Result<(), ReadError> {
        let end = self.next()?;
        match end.kind {
            Kind::NewLine | Kind::End | Kind::Sign(';' | ',') => Ok(()),
            Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) | Kind::Pair(_) => {
                refuse(&end, format!("{} after {after}", describe(&end.kind)), COMPUTED)
            }
        }
    }

    /// `[NAME, NAME, …] = FUNCTION`.
    fn columns(&mut self, begin: &Token) -> Result<Statement, ReadError> {
        let mut names = Vec::new();
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::Name(name) if names.len() < MAX_BLOCK => names.push(name),
                Kind::Sign(',') => {}
                Kind::Sign(']') => break,
                other => {
                    let reason = format!("{} in a list of names", describe(&other));
                    return Err(ReadError::new(token.line, reason, COMPUTED).at_column(token.column));
                }
            }
        }
        self.expect('=')?;
        let token = self.next()?;
        let Kind::Name(function) = &token.kind else {
            return refuse(&token, "several values can only come from idx_bus and its like", COMPUTED);
        };
        let function = function.clone();
        self.end_of_statement("the function")?;
        Ok(Statement::Columns { names, function, place: place(begin) })
    }

    /// `function VARIABLE = NAME`, with or without `()`.
    fn function(&mut self, begin: &Token) -> Result<Statement, ReadError> {
        let variable = self.next()?;
        let Kind::Name(result) = &variable.kind else {
            let hint = "only format version 2 is read (function mpc = NAME): load and save the case with MATPOWER 4 or later";
            return refuse(&variable, "the function does not return one struct", hint);
        };
        let equals = self.next()?;
        if equals.kind != Kind::Sign('=') {
            return refuse(
                &equals,
                "the function returns nothing",
                "begin the file with: function mpc = NAME",
            );
        }
        let title = self.next()?;
        let Kind::Name(case) = &title.kind else {
            return refuse(&title, "the function has no name", "begin the file with: function mpc = NAME");
        };
        let (result, case) = (result.clone(), case.clone());
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::Sign('(' | ')') => {}
                Kind::NewLine | Kind::End | Kind::Sign(';' | ',') => break,
                Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) | Kind::Pair(_) => {
                    return refuse(&token, "a case function has no arguments", COMPUTED);
                }
            }
        }
        Ok(Statement::Function { variable: result, name: case, place: place(begin) })
    }

    fn conditional(&mut self, begin: &Token) -> Result<Statement, ReadError> {
        let mut arms = Vec::new();
        let mut condition = self.expression()?;
        let mut last = false;
        loop {
            let (body, end) = self.block(begin, &["end", "endif", "else", "elseif"])?;
            arms.push((condition, body));
            condition = match end.as_str() {
                "elseif" if !last => self.expression()?,
                "else" if !last => {
                    last = true;
                    Expression::Number(1.0)
                }
                "else" | "elseif" => {
                    return refuse(begin, "nothing may follow \"else\" but \"end\"", COMPUTED);
                }
                _ => return Ok(Statement::If(arms, place(begin))),
            };
        }
    }

    fn counted(&mut self, begin: &Token) -> Result<Statement, ReadError> {
        let token = self.next()?;
        let Kind::Name(name) = &token.kind else {
            return refuse(&token, "\"for\" without the name of its variable", COMPUTED);
        };
        let name = name.clone();
        self.expect('=')?;
        let over = self.expression()?;
        let (body, _) = self.block(begin, &["end", "endfor"])?;
        Ok(Statement::For { name, over, body, place: place(begin) })
    }

    /// Statements up to one of the words, which is returned.
    fn block(&mut self, begin: &Token, ends: &[&str]) -> Result<(Vec<Statement>, String), ReadError> {
        if self.depth >= MAX_DEPTH {
            return refuse(begin, format!("more than {MAX_DEPTH} blocks within each other"), COMPUTED);
        }
        self.depth += 1;
        let mut body = Vec::new();
        loop {
            let token = self.peek()?.clone();
            match &token.kind {
                Kind::End => {
                    return refuse(
                        begin,
                        "the block that begins here is not closed",
                        "close it with \"end\"",
                    );
                }
                Kind::NewLine | Kind::Sign(';' | ',') => {
                    self.next()?;
                }
                Kind::Name(name) if ends.contains(&name.as_str()) => {
                    self.next()?;
                    self.depth -= 1;
                    return Ok((body, name.clone()));
                }
                Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) | Kind::Pair(_) => {
                    if body.len() >= MAX_BLOCK {
                        return refuse(&token, format!("more than {MAX_BLOCK} statements"), COMPUTED);
                    }
                    body.extend(self.statement()?);
                }
            }
        }
    }
}
