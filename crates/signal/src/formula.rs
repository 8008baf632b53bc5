//! Formulas of calculated points: arithmetic over other points, e.g. `{S1/T1/P} + {S1/T2/P}`.
//!
//! ```text
//! sum     = product (("+" | "-") product)*
//! product = factor (("*" | "/") factor)*
//! factor  = "-" factor | number | "{" name "}" | function "(" sum ("," sum)* ")" | "(" sum ")"
//! ```
//!
//! Functions: `min`, `max`, `sum`, `mean` of one or more, `abs`, `sqrt` of one. The result inherits the quality of what it
//! was made of: see [`Formula::evaluate`].

mod parse;

use crate::{Detail, Quality, Source, Validity};
use std::fmt;

/// Most steps of one formula.
pub const MOST_STEPS: usize = 1_000;

/// A formula that was understood. Steps in postfix order.
#[derive(Clone, PartialEq, Debug)]
pub struct Formula {
    text: String,
    names: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Number(f64),
    /// Position in the names.
    Point(u32),
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
    Call(Function, u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Function {
    Min,
    Max,
    Sum,
    Mean,
    Abs,
    Sqrt,
}

/// Why a formula was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormulaError {
    /// Character from 1.
    pub at: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {}: {}", self.at, self.reason)
    }
}

impl std::error::Error for FormulaError {}

/// What a formula asks of a point: its number and quality, `None` without a value.
pub type Input = Option<(f64, Quality)>;

impl Formula {
    /// Understands a text.
    ///
    /// # Errors
    /// Place and reason.
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        parse::parse(text)
    }

    /// The text it was made of.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the points that it asks for, each once.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The result from the inputs in the order of [`Self::names`].
    ///
    /// Quality: the worst validity of all inputs with every reason, substituted or test if any input is (IEC 61850-7-3,
    /// clause 6.2). An input without a value, and a result that is no number (a division by zero), is invalid; the number
    /// then is that of the formula with zero in its place, for people to see and nothing to use.
    pub fn evaluate(&self, inputs: &[Input]) -> (f64, Quality) {
        let mut quality = Quality::GOOD;
        for input in inputs {
            quality = match input {
                Some((_, other)) => worst(quality, *other),
                None => worst(quality, Quality::invalid(Detail::OLD_DATA)),
            };
        }
        let mut stack: Vec<f64> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let value = step.apply(&mut stack, inputs);
            stack.push(value);
        }
        let value = stack.pop().unwrap_or(f64::NAN);
        if value.is_finite() {
            return (value, quality);
        }
        (0.0, worst(quality, Quality::invalid(Detail::OVERFLOW)))
    }
}

impl Step {
    fn apply(self, stack: &mut Vec<f64>, inputs: &[Input]) -> f64 {
        let mut pop = || stack.pop().unwrap_or(f64::NAN);
        match self {
            Self::Number(number) => number,
            Self::Point(at) => inputs.get(at as usize).copied().flatten().map_or(0.0, |(value, _)| value),
            Self::Negate => -pop(),
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide => {
                let (right, left) = (pop(), pop());
                match self {
                    Self::Add => left + right,
                    Self::Subtract => left - right,
                    Self::Multiply => left * right,
                    _ => left / right,
                }
            }
            Self::Call(function, count) => {
                let first = stack.len().saturating_sub(count as usize);
                let value = function.of(&stack[first..]);
                stack.truncate(first);
                value
            }
        }
    }
}

impl Function {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Min, "min"),
        (Self::Max, "max"),
        (Self::Sum, "sum"),
        (Self::Mean, "mean"),
        (Self::Abs, "abs"),
        (Self::Sqrt, "sqrt"),
    ];

    const fn takes_one(self) -> bool {
        matches!(self, Self::Abs | Self::Sqrt)
    }

    fn of(self, values: &[f64]) -> f64 {
        let sum = || values.iter().sum::<f64>();
        match self {
            Self::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Sum => sum(),
            Self::Mean => sum() / values.len() as f64,
            Self::Abs => values.first().map_or(f64::NAN, |value| value.abs()),
            Self::Sqrt => values.first().map_or(f64::NAN, |value| value.sqrt()),
        }
    }
}

/// The worse validity, every reason of both, and the marks of either.
pub fn worst(a: Quality, b: Quality) -> Quality {
    let substituted = a.source == Source::Substituted || b.source == Source::Substituted;
    Quality {
        validity: a.validity.max(b.validity),
        detail: a.detail | b.detail,
        source: if substituted { Source::Substituted } else { Source::Process },
        test: a.test || b.test,
        operator_blocked: a.operator_blocked || b.operator_blocked,
    }
}

const _: () = assert!((Validity::Good as u8) < (Validity::Invalid as u8), "the worse validity is the larger");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn good(value: f64) -> Input {
        Some((value, Quality::GOOD))
    }

    #[test]
    fn arithmetic_has_the_usual_order() {
        let check = |text: &str, inputs: &[Input], expected: f64| {
            let formula = Formula::parse(text).unwrap();
            let (value, quality) = formula.evaluate(inputs);
            assert_eq!((value, quality), (expected, Quality::GOOD), "{text}");
        };
        check("1 + 2 * 3", &[], 7.0);
        check("(1 + 2) * 3", &[], 9.0);
        check("8 - 2 - 1", &[], 5.0);
        check("8 / 2 / 2", &[], 2.0);
        check("-2 * -3", &[], 6.0);
        check("2 - -1.5e1", &[], 17.0);
        check("{a} + {b, with comma} * {a}", &[good(2.0), good(5.0)], 12.0);
        check("max({a}, 3, min(7, 4)) + mean(1, 2, 6) + sum(1)", &[good(1.0)], 8.0);
        check("sqrt(abs(-9))", &[], 3.0);
    }

    #[test]
    fn each_point_is_asked_for_once() {
        assert_eq!(Formula::parse("{a}*{b}+{a}").unwrap().names(), ["a", "b"]);
    }

    #[test]
    fn faults_have_their_place() {
        let check = |text: &str, at: usize, part: &str| {
            let error = Formula::parse(text).unwrap_err();
            assert!(error.at == at && error.reason.contains(part), "{text}: {error}");
        };
        check("", 1, "ends");
        check("1 +", 4, "ends");
        check("1 2", 3, "operator");
        check("(1", 3, "closed");
        check("{a", 1, "closed");
        check("{}", 1, "name");
        check("log(1)", 1, "no function");
        check("abs(1, 2)", 1, "one value");
        check("1 $ 2", 3, "operator");
        check("1..2", 1, "no number");
        check(&"(".repeat(300), 201, "deep");
        check(&"1+".repeat(2_000), 1002, "long");
    }

    #[test]
    fn the_result_is_as_good_as_the_worst_of_its_inputs() {
        let formula = Formula::parse("{a} + {b}").unwrap();
        let old = Quality::questionable(Detail::OLD_DATA);
        assert_eq!(formula.evaluate(&[good(1.0), Some((2.0, old))]), (3.0, old));
        let entered = Quality { source: Source::Substituted, ..Quality::GOOD };
        assert_eq!(formula.evaluate(&[Some((1.0, entered)), good(2.0)]).1.source, Source::Substituted);
        let (value, quality) = formula.evaluate(&[good(1.0), None]);
        assert_eq!((value, quality.validity), (1.0, Validity::Invalid));
        let (_, quality) = Formula::parse("1 / {a}").unwrap().evaluate(&[good(0.0)]);
        assert_eq!(quality, Quality::invalid(Detail::OVERFLOW));
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in ".{0,60}") {
            if let Ok(formula) = Formula::parse(&text) {
                let inputs = vec![good(1.0); formula.names().len()];
                prop_assert!(formula.evaluate(&inputs).0.is_finite());
            }
        }
    }
}
