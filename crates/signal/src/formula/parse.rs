//! From text to steps: recursive descent, one function per rule of the grammar.

use super::{Formula, FormulaError, Function, MOST_STEPS, Step};

/// Most brackets within each other.
const DEEPEST: usize = 200;

struct Parser<'a> {
    text: &'a str,
    /// Octets that are done.
    at: usize,
    depth: usize,
    names: Vec<String>,
    steps: Vec<Step>,
}

pub(super) fn parse(text: &str) -> Result<Formula, FormulaError> {
    let mut parser = Parser { text, at: 0, depth: 0, names: Vec::new(), steps: Vec::new() };
    parser.sum()?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.refuse(parser.at, "an operator is wanted here"));
    }
    Ok(Formula { text: text.to_owned(), names: parser.names, steps: parser.steps })
}

impl Parser<'_> {
    fn sum(&mut self) -> Result<(), FormulaError> {
        self.product()?;
        while let Some(operator) = self.take_one_of(['+', '-']) {
            self.product()?;
            self.push(if operator == '+' { Step::Add } else { Step::Subtract })?;
        }
        Ok(())
    }

    fn product(&mut self) -> Result<(), FormulaError> {
        self.factor()?;
        while let Some(operator) = self.take_one_of(['*', '/']) {
            self.factor()?;
            self.push(if operator == '*' { Step::Multiply } else { Step::Divide })?;
        }
        Ok(())
    }

    fn factor(&mut self) -> Result<(), FormulaError> {
        self.skip_blanks();
        if self.depth == DEEPEST {
            return Err(self.refuse(self.at, "brackets are too deep"));
        }
        self.depth += 1;
        let start = self.at;
        match self.rest().chars().next() {
            None => return Err(self.refuse(start, "the formula ends where a value is wanted")),
            Some('-') => {
                self.at += 1;
                self.factor()?;
                self.push(Step::Negate)?;
            }
            Some('(') => {
                self.at += 1;
                self.sum()?;
                self.close()?;
            }
            Some('{') => self.point()?,
            Some(first) if first.is_ascii_alphabetic() => self.call()?,
            Some(_) => self.number()?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn point(&mut self) -> Result<(), FormulaError> {
        let start = self.at;
        let inside = &self.rest()[1..];
        let Some(end) = inside.find('}') else {
            return Err(self.refuse(start, "the brace of a name is not closed"));
        };
        let name = inside[..end].trim();
        if name.is_empty() {
            return Err(self.refuse(start, "braces hold the name of a point"));
        }
        let known = self.names.iter().position(|known| known == name).unwrap_or(self.names.len());
        if known == self.names.len() {
            self.names.push(name.to_owned());
        }
        self.at += end + 2;
        self.push(Step::Point(known as u32))
    }

    fn call(&mut self) -> Result<(), FormulaError> {
        let start = self.at;
        let length = self.rest().find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest().len());
        let word = self.text[start..start + length].to_owned();
        let function = Function::ALL.iter().find(|(_, name)| **name == word).map(|(function, _)| *function);
        let Some(function) = function else {
            let reason = format!("there is no function {word:?}; names of points stand in braces");
            return Err(self.refuse(start, &reason));
        };
        self.at += length;
        if self.take_one_of(['(']).is_none() {
            return Err(self.refuse(self.at, "values of a function stand in brackets"));
        }
        let mut count = 0;
        loop {
            self.sum()?;
            count += 1;
            if self.take_one_of([',']).is_none() {
                break;
            }
        }
        self.close()?;
        if function.takes_one() && count != 1 {
            return Err(self.refuse(start, &format!("{word} takes one value")));
        }
        self.push(Step::Call(function, count))
    }

    fn number(&mut self) -> Result<(), FormulaError> {
        let start = self.at;
        let bytes = self.rest().as_bytes();
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            let exponent = length > 0 && matches!(bytes[length - 1], b'e' | b'E');
            let inside = byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E');
            if !(inside || exponent && matches!(byte, b'+' | b'-')) {
                break;
            }
            length += 1;
        }
        let text = &self.rest()[..length];
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let Some(number) = number else {
            return Err(self.refuse(start, &format!("{text:?} is no number")));
        };
        self.at += length;
        self.push(Step::Number(number))
    }

    fn close(&mut self) -> Result<(), FormulaError> {
        match self.take_one_of([')']) {
            Some(_) => Ok(()),
            None => Err(self.refuse(self.at, "a bracket is not closed here")),
        }
    }

    fn push(&mut self, step: Step) -> Result<(), FormulaError> {
        if self.steps.len() == MOST_STEPS {
            return Err(self.refuse(self.at, "the formula is too long"));
        }
        self.steps.push(step);
        Ok(())
    }

    fn take_one_of<const N: usize>(&mut self, wanted: [char; N]) -> Option<char> {
        self.skip_blanks();
        let found = self.rest().chars().next().filter(|found| wanted.contains(found))?;
        self.at += found.len_utf8();
        Some(found)
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn refuse(&self, at: usize, reason: &str) -> FormulaError {
        let at = self.text[..at].chars().count() + 1;
        FormulaError { at, reason: reason.to_owned() }
    }
}
