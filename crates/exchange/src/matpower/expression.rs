//! Tokens → expressions, in MATLAB's order of precedence:
//!
//! ```text
//! ||   &&   |   &   comparison   :   + -   * / .* ./   unary - ~   ^ .^ '
//! ```

use super::lex::{Kind, Token};
use super::parser::{COMPUTED, Parser, describe, place, refuse};
use super::syntax::{Bracket, Expression, Operator, Sign};
use crate::ReadError;

/// Most operators on the way to the innermost expression; a bracket or a sign counts as [`LEVEL`] of them.
const MAX_NESTED: u32 = 256;
const LEVEL: u32 = 4;
/// Most entries of brackets that are not figures, per file.
const MAX_COMPUTED: usize = 1 << 20;
/// Weight of the range operator, which stands between comparisons and sums.
const RANGE: u8 = 6;

/// Operators that associate to the left, with their weight.
fn binary(kind: &Kind) -> Option<(Operator, u8)> {
    let found = match kind {
        Kind::Pair("||") => (Operator::Or, 1),
        Kind::Pair("&&") => (Operator::And, 2),
        Kind::Sign('|') => (Operator::Or, 3),
        Kind::Sign('&') => (Operator::And, 4),
        Kind::Pair("==") => (Operator::Equal, 5),
        Kind::Pair("~=" | "!=") => (Operator::NotEqual, 5),
        Kind::Sign('<') => (Operator::Less, 5),
        Kind::Pair("<=") => (Operator::LessOrEqual, 5),
        Kind::Sign('>') => (Operator::Greater, 5),
        Kind::Pair(">=") => (Operator::GreaterOrEqual, 5),
        Kind::Sign('+') => (Operator::Add, 7),
        Kind::Sign('-') => (Operator::Subtract, 7),
        Kind::Sign('*') => (Operator::Multiply, 8),
        Kind::Sign('/') => (Operator::Divide, 8),
        Kind::Pair(".*") => (Operator::MultiplyEach, 8),
        Kind::Pair("./") => (Operator::DivideEach, 8),
        Kind::Name(_)
        | Kind::Number(_)
        | Kind::Text(_)
        | Kind::Sign(_)
        | Kind::Pair(_)
        | Kind::NewLine
        | Kind::End => return None,
    };
    Some(found)
}

fn unclosed(line: u32, what: &str, bracket: &str) -> ReadError {
    ReadError::new(
        line,
        format!("the {what} that begins here is not closed"),
        format!("end it with {bracket:?}"),
    )
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expression, ReadError> {
        let before = self.nested;
        self.deeper(LEVEL)?;
        let found = self.weighted(1)?;
        self.nested = before;
        Ok(found)
    }

    fn deeper(&mut self, steps: u32) -> Result<(), ReadError> {
        self.nested += steps;
        if self.nested <= MAX_NESTED {
            return Ok(());
        }
        let token = self.peek()?.clone();
        refuse(&token, format!("an expression of more than {MAX_NESTED} parts"), "split it up")
    }

    fn weighted(&mut self, least: u8) -> Result<Expression, ReadError> {
        let mut left = self.signed()?;
        loop {
            let in_bracket = self.in_bracket;
            let token = self.peek()?;
            // Within brackets a sign that clings to what follows begins the next entry.
            let separate = in_bracket && token.spaced && !token.spaced_after;
            if matches!(token.kind, Kind::Sign('+' | '-')) && separate {
                return Ok(left);
            }
            let at = place(token);
            if token.kind == Kind::Sign(':') && least <= RANGE {
                self.deeper(1)?;
                left = self.range(left)?;
                continue;
            }
            let Some((operator, weight)) = binary(&token.kind).filter(|(_, weight)| *weight >= least) else {
                return Ok(left);
            };
            self.next()?;
            self.deeper(1)?;
            let right = self.weighted(weight + 1)?;
            left = Expression::Binary(operator, Box::new([left, right]), at);
        }
    }

    fn range(&mut self, from: Expression) -> Result<Expression, ReadError> {
        let colon = self.next()?;
        let second = self.weighted(RANGE + 1)?;
        let (step, to) = if self.next_is(':')? {
            self.next()?;
            (second, self.weighted(RANGE + 1)?)
        } else {
            (Expression::Number(1.0), second)
        };
        Ok(Expression::Range(Box::new([from, step, to]), place(&colon)))
    }

    fn signed(&mut self) -> Result<Expression, ReadError> {
        let token = self.peek()?;
        let sign = match token.kind {
            Kind::Sign('-') => Some(Sign::Minus),
            Kind::Sign('~' | '!') => Some(Sign::Not),
            Kind::Sign('+') => None,
            _ => return self.power(),
        };
        self.next()?;
        self.deeper(LEVEL)?;
        let following = self.peek()?.clone();
        if !matches!(
            following.kind,
            Kind::Number(_) | Kind::Name(_) | Kind::Sign('-' | '+' | '~' | '!' | '(' | '[')
        ) {
            return refuse(&following, format!("{} after a sign", describe(&following.kind)), COMPUTED);
        }
        let value = self.signed()?;
        Ok(match (sign, value) {
            (None, value) => value,
            (Some(Sign::Minus), Expression::Number(number)) => Expression::Number(-number),
            (Some(sign), value) => Expression::Signed(sign, Box::new(value)),
        })
    }

    fn power(&mut self) -> Result<Expression, ReadError> {
        let mut base = self.primary()?;
        loop {
            let in_bracket = self.in_bracket;
            let token = self.peek()?;
            let operator = match token.kind {
                Kind::Sign('^') => Operator::Power,
                Kind::Pair(".^") => Operator::PowerEach,
                Kind::Sign('\'') | Kind::Pair(".'") if !(in_bracket && token.spaced) => {
                    self.next()?;
                    self.deeper(1)?;
                    base = Expression::Transposed(Box::new(base));
                    continue;
                }
                _ => return Ok(base),
            };
            let at = place(token);
            self.next()?;
            self.deeper(1)?;
            // The exponent takes a sign: 2^-1.
            let exponent = match self.peek()?.kind {
                Kind::Sign('-' | '+') => self.signed_exponent()?,
                _ => self.primary()?,
            };
            base = Expression::Binary(operator, Box::new([base, exponent]), at);
        }
    }

    fn signed_exponent(&mut self) -> Result<Expression, ReadError> {
        let minus = self.next()?.kind == Kind::Sign('-');
        let value = self.primary()?;
        Ok(if minus { Expression::Signed(Sign::Minus, Box::new(value)) } else { value })
    }

    fn primary(&mut self) -> Result<Expression, ReadError> {
        let token = self.next()?;
        let at = place(&token);
        match token.kind {
            Kind::Number(number) => Ok(Expression::Number(number)),
            Kind::Text(text) => Ok(Expression::Text(text)),
            Kind::Name(name) if name == "end" => Ok(Expression::Last(at)),
            Kind::Name(name) => {
                let in_bracket = self.in_bracket;
                let following = self.peek()?;
                if following.kind == Kind::Sign('(') && !(in_bracket && following.spaced) {
                    let arguments = self.arguments()?;
                    return Ok(Expression::Indexed(name, arguments, at));
                }
                Ok(Expression::Name(name, at))
            }
            Kind::Sign('(') => {
                let outer = std::mem::replace(&mut self.in_bracket, false);
                let value = self.expression()?;
                self.expect(')')?;
                self.in_bracket = outer;
                Ok(value)
            }
            Kind::Sign('[') => {
                let outer = std::mem::replace(&mut self.in_bracket, true);
                let bracket = self.bracket(token.line)?;
                self.in_bracket = outer;
                Ok(Expression::Bracket(bracket))
            }
            Kind::Sign('{') => self.cells(token.line).map(Expression::Cells),
            other => Err(ReadError::new(token.line, format!("{} is not data", describe(&other)), COMPUTED)
                .at_column(token.column)),
        }
    }

    /// `(…, …)`: indices or arguments.
    pub(super) fn arguments(&mut self) -> Result<Vec<Expression>, ReadError> {
        self.expect('(')?;
        let outer = std::mem::replace(&mut self.in_bracket, false);
        let mut arguments = Vec::new();
        if self.next_is(')')? {
            self.next()?;
        } else {
            loop {
                arguments.push(self.argument()?);
                let token = self.next()?;
                match token.kind {
                    Kind::Sign(',') if arguments.len() < 4 => {}
                    Kind::Sign(')') => break,
                    other => {
                        let reason = format!("{} in an index or argument list", describe(&other));
                        return Err(ReadError::new(token.line, reason, COMPUTED).at_column(token.column));
                    }
                }
            }
        }
        self.in_bracket = outer;
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Expression, ReadError> {
        if !self.next_is(':')? {
            return self.expression();
        }
        let colon = self.next()?;
        if matches!(self.peek()?.kind, Kind::Sign(',' | ')')) {
            return Ok(Expression::All);
        }
        refuse(&colon, "a range without a beginning", COMPUTED)
    }

    /// The rest of a matrix after its bracket.
    fn bracket(&mut self, opened: u32) -> Result<Bracket, ReadError> {
        let mut bracket = Bracket::default();
        let mut row = Row { begin: 0, line: opened, comma: None };
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Sign(',') => {
                    let token = self.next()?;
                    row.comma(token, bracket.figures.len())?;
                }
                Kind::Sign(';') | Kind::NewLine => {
                    self.next()?;
                    row.end(&mut bracket);
                }
                Kind::Sign(']') => {
                    self.next()?;
                    row.end(&mut bracket);
                    return Ok(bracket);
                }
                Kind::End => return Err(unclosed(opened, "matrix", "]")),
                Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::Sign(_) | Kind::Pair(_) => {
                    let begin = token.clone();
                    row.entry(&begin, bracket.figures.len())?;
                    self.entry(&begin, &mut bracket)?;
                }
            }
        }
    }

    fn entry(&mut self, begin: &Token, bracket: &mut Bracket) -> Result<(), ReadError> {
        match self.expression()? {
            Expression::Number(number) => bracket.figures.push(number),
            computed => {
                self.computed += 1;
                if self.computed > MAX_COMPUTED {
                    let reason = format!("more than {MAX_COMPUTED} entries that are not figures");
                    return refuse(begin, reason, COMPUTED);
                }
                bracket.computed.push((bracket.figures.len(), computed));
                bracket.figures.push(0.0);
            }
        }
        Ok(())
    }

    /// The rest of a cell array after its brace: texts and figures, rows do not matter.
    fn cells(&mut self, opened: u32) -> Result<Vec<String>, ReadError> {
        let mut texts = Vec::new();
        loop {
            let token = self.next()?;
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

/// A row of a bracket while it is read.
struct Row {
    /// Entries before it.
    begin: usize,
    /// Line of its first entry.
    line: u32,
    /// A comma that waits for its entry.
    comma: Option<Token>,
}

impl Row {
    /// `entries`: how many the bracket has so far.
    fn entry(&mut self, begin: &Token, entries: usize) -> Result<(), ReadError> {
        if entries == self.begin {
            self.line = begin.line;
        } else if self.comma.is_none() && !begin.spaced {
            return refuse(begin, format!("{} in a matrix", describe(&begin.kind)), COMPUTED);
        }
        self.comma = None;
        Ok(())
    }

    fn comma(&mut self, token: Token, entries: usize) -> Result<(), ReadError> {
        if entries == self.begin || self.comma.is_some() {
            return refuse(&token, "a comma without a figure before it", "write 0 where there is no figure");
        }
        self.comma = Some(token);
        Ok(())
    }

    fn end(&mut self, bracket: &mut Bracket) {
        self.comma = None;
        let entries = bracket.figures.len();
        if entries > self.begin {
            bracket.row_ends.push(entries);
            bracket.lines.push(self.line);
            self.begin = entries;
        }
    }
}
