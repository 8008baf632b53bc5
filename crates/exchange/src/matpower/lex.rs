//! Bytes → tokens. Comments, continuations and blanks are gone afterwards, but each token knows whether a blank
//! stood before it, because inside brackets MATLAB reads `1 -2` as two figures and `1 - 2` as one.

use crate::ReadError;

/// Operators of two signs.
const PAIRS: [&str; 12] = ["==", "~=", "!=", "<=", ">=", "&&", "||", ".*", "./", ".^", ".'", ".\\"];

/// A token without its place.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    /// A name, with dots: `mpc.bus`.
    Name(String),
    /// A figure without sign; `Inf` and `NaN` included.
    Number(f64),
    /// A quoted text.
    Text(String),
    /// One of `= [ ] { } ( ) ; , + - * / ^ : < > & | ~ '` and whatever else stands alone.
    Sign(char),
    /// One of [`PAIRS`].
    Pair(&'static str),
    /// End of a line.
    NewLine,
    /// End of the file.
    End,
}

/// A token and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: u32,
    pub(super) column: u32,
    /// Whether a blank or a line's beginning stands before it.
    pub(super) spaced: bool,
    /// Whether a blank or a line's end stands after it.
    pub(super) spaced_after: bool,
}

/// The tokens of a file, one after the other.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    /// Whether only blanks stood on this line so far.
    fresh_line: bool,
    /// Whether the last token can be followed by a transpose, so that `'` would not begin a text.
    after_value: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { bytes, at: 0, line: 1, line_start: 0, fresh_line: true, after_value: false }
    }

    pub(super) fn next(&mut self) -> Result<Token, ReadError> {
        let spaced = self.skip_blanks()?;
        let (line, column) = (self.line, self.column());
        let kind = self.kind(spaced)?;
        self.after_value = match &kind {
            Kind::Name(_) | Kind::Number(_) | Kind::Text(_) => true,
            Kind::Sign(sign) => [']', '}', ')', '\''].contains(sign),
            Kind::NewLine | Kind::End | Kind::Pair(_) => false,
        };
        let spaced_after = self.peek(0).is_none_or(|byte| byte.is_ascii_whitespace());
        Ok(Token { kind, line, column, spaced, spaced_after })
    }

    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn new_line(&mut self) {
        self.line = self.line.saturating_add(1);
        self.line_start = self.at;
        self.fresh_line = true;
    }

    fn skip_to_line_end(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Skips blanks, comments and continuations; tells whether there was a blank or the line begins here.
    fn skip_blanks(&mut self) -> Result<bool, ReadError> {
        let mut spaced = self.fresh_line;
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\r' | 0x0b | 0x0c) => {
                    self.at += 1;
                    spaced = true;
                }
                Some(b'%' | b'#') if self.block_comment(b'{') => self.skip_block()?,
                Some(b'%' | b'#') => self.skip_to_line_end(),
                Some(b'.') if self.bytes[self.at..].starts_with(b"...") => {
                    self.skip_to_line_end();
                    if self.peek(0).is_some() {
                        self.at += 1;
                        self.new_line();
                    }
                    spaced = true;
                }
                Some(_) | None => return Ok(spaced),
            }
        }
    }

    /// Whether `%{` or `%}` stands alone on this line, which opens or closes a block comment.
    fn block_comment(&self, brace: u8) -> bool {
        let rest = self.bytes[self.at..].split(|byte| *byte == b'\n').next().unwrap_or(&[]);
        let before = &self.bytes[self.line_start..self.at];
        let alone = before.iter().all(u8::is_ascii_whitespace);
        alone
            && matches!(rest, [b'%' | b'#', second, tail @ ..] if *second == brace && tail.iter().all(u8::is_ascii_whitespace))
    }

    fn skip_block(&mut self) -> Result<(), ReadError> {
        let opened = self.line;
        let mut depth = 0_u32;
        loop {
            while self.peek(0).is_some_and(|byte| byte == b' ' || byte == b'\t') {
                self.at += 1;
            }
            if self.block_comment(b'{') {
                depth += 1;
            } else if self.block_comment(b'}') {
                depth -= 1;
            }
            self.skip_to_line_end();
            if depth == 0 {
                return Ok(());
            }
            if self.peek(0).is_none() {
                return Err(ReadError::new(
                    opened,
                    "the block comment is not closed",
                    "end it with a line \"%}\"",
                ));
            }
            self.at += 1;
            self.new_line();
        }
    }

    fn kind(&mut self, spaced: bool) -> Result<Kind, ReadError> {
        let Some(byte) = self.peek(0) else { return Ok(Kind::End) };
        if byte == b'\n' {
            self.at += 1;
            self.new_line();
            return Ok(Kind::NewLine);
        }
        self.fresh_line = false;
        if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_some_and(|next| next.is_ascii_digit())) {
            return self.number();
        }
        if byte.is_ascii_alphabetic() || byte == b'_' {
            return Ok(self.name());
        }
        if byte == b'"' || (byte == b'\'' && (spaced || !self.after_value)) {
            return self.text(byte);
        }
        let rest = &self.bytes[self.at..];
        if let Some(pair) = PAIRS.iter().find(|pair| rest.starts_with(pair.as_bytes())) {
            self.at += pair.len();
            return Ok(Kind::Pair(pair));
        }
        let sign = if byte.is_ascii_graphic() { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
        self.at += 1;
        Ok(Kind::Sign(sign))
    }

    fn name(&mut self) -> Kind {
        let start = self.at;
        let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        while self.peek(0).is_some_and(part)
            || (self.peek(0) == Some(b'.') && self.peek(1).is_some_and(begins))
        {
            self.at += 1;
        }
        let name = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        match &*name {
            "Inf" | "inf" => Kind::Number(f64::INFINITY),
            "NaN" | "nan" | "NA" => Kind::Number(f64::NAN),
            _ => Kind::Name(name),
        }
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Kind, ReadError> {
        let (start, column) = (self.at, self.column());
        self.digits();
        let elementwise = matches!(self.peek(1), Some(b'*' | b'/' | b'^' | b'\\' | b'\''));
        if self.peek(0) == Some(b'.') && !elementwise && !self.bytes[self.at..].starts_with(b"...") {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), Some(b'e' | b'E' | b'd' | b'D')) {
            let signed = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + signed).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1 + signed;
                self.digits();
            }
        }
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]).replace(['d', 'D'], "e");
        let clean = !self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match text.parse() {
            Ok(number) if clean => Ok(Kind::Number(number)),
            Ok(_) | Err(_) => Err(ReadError::new(
                self.line,
                format!("{text:?} and what follows is not a number"),
                "write numbers like 12, 0.5 or 1e-3",
            )
            .at_column(column)),
        }
    }

    fn text(&mut self, quote: u8) -> Result<Kind, ReadError> {
        let column = self.column();
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                Some(byte) if byte == quote && self.peek(1) == Some(quote) => {
                    text.push(quote);
                    self.at += 2;
                }
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(Kind::Text(String::from_utf8_lossy(&text).into_owned()));
                }
                Some(b'\n') | None => {
                    let error =
                        ReadError::new(self.line, "the text is not closed", "end it with the same quote");
                    return Err(error.at_column(column));
                }
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
    }
}
