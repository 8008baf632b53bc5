//! Values and the arithmetic between them. Arrays are stored row after row; MATLAB counts column after column, which
//! matters only where an array is indexed by one number.

use super::syntax::{Operator, Sign};

/// Most figures of one array that a statement makes.
pub(super) const MAX_FIGURES: usize = 1 << 24;

/// A matrix; a scalar has one row and one column.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Array {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) figures: Vec<f64>,
    /// Whether it holds truths, which choose places as an index.
    pub(super) logical: bool,
}

/// What a name stands for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Array(Array),
    Text(String),
    Cells(Vec<String>),
}

/// Why something cannot be computed, without its place.
pub(super) type Fault = String;

impl Array {
    pub(super) fn scalar(figure: f64) -> Self {
        Self { rows: 1, columns: 1, figures: vec![figure], logical: false }
    }

    pub(super) fn truth(truth: bool) -> Self {
        Self { logical: true, ..Self::scalar(f64::from(u8::from(truth))) }
    }

    pub(super) fn column(figures: Vec<f64>) -> Self {
        Self { rows: figures.len(), columns: 1, figures, logical: false }
    }

    pub(super) fn row(figures: Vec<f64>) -> Self {
        Self { rows: 1, columns: figures.len(), figures, logical: false }
    }

    pub(super) fn as_scalar(&self) -> Option<f64> {
        match self.figures.as_slice() {
            [figure] => Some(*figure),
            _ => None,
        }
    }

    pub(super) fn is_vector(&self) -> bool {
        self.rows == 1 || self.columns == 1
    }

    /// What an `if` makes of it: all entries are not 0, and there is one.
    pub(super) fn holds(&self) -> bool {
        !self.figures.is_empty() && self.figures.iter().all(|figure| *figure != 0.0)
    }

    /// The figure of a place counted column after column.
    pub(super) fn by_column(&self, at: usize) -> f64 {
        let (row, column) = (at % self.rows.max(1), at / self.rows.max(1));
        self.figures.get(row * self.columns + column).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn transposed(&self) -> Self {
        let figures = (0..self.figures.len()).map(|at| self.by_column(at)).collect();
        Self { rows: self.columns, columns: self.rows, figures, logical: self.logical }
    }

    pub(super) fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self { figures: self.figures.iter().map(|figure| function(*figure)).collect(), ..*self }
            .with_logical(false)
    }

    /// The same entries as truths.
    pub(super) fn test(&self, function: impl Fn(f64) -> bool) -> Self {
        self.map(|figure| f64::from(u8::from(function(figure)))).with_logical(true)
    }

    pub(super) fn with_logical(mut self, logical: bool) -> Self {
        self.logical = logical;
        self
    }

    fn size(&self) -> String {
        format!("{}x{}", self.rows, self.columns)
    }
}

/// `sign` before a value.
pub(super) fn signed(sign: Sign, value: &Array) -> Array {
    match sign {
        Sign::Minus => value.map(|figure| -figure),
        Sign::Not => value.test(|figure| figure == 0.0),
    }
}

/// `left operator right`.
pub(super) fn binary(operator: Operator, left: &Array, right: &Array) -> Result<Array, Fault> {
    let scalars = left.as_scalar().is_some() || right.as_scalar().is_some();
    let truth = |test: fn(f64, f64) -> bool| {
        let apply = |a, b| f64::from(u8::from(test(a, b)));
        each(left, right, apply).map(|array| array.with_logical(true))
    };
    match operator {
        Operator::Add => each(left, right, |a, b| a + b),
        Operator::Subtract => each(left, right, |a, b| a - b),
        Operator::Multiply if scalars => each(left, right, |a, b| a * b),
        Operator::Multiply => {
            Err("the product of two matrices is not computed; .* multiplies their entries".into())
        }
        Operator::MultiplyEach => each(left, right, |a, b| a * b),
        Operator::Divide if right.as_scalar().is_some() => each(left, right, |a, b| a / b),
        Operator::Divide => Err("division by a matrix is not computed; ./ divides entries".into()),
        Operator::DivideEach => each(left, right, |a, b| a / b),
        Operator::Power if left.as_scalar().is_some() && right.as_scalar().is_some() => {
            each(left, right, f64::powf)
        }
        Operator::Power => Err("the power of a matrix is not computed; .^ takes that of its entries".into()),
        Operator::PowerEach => each(left, right, f64::powf),
        Operator::Equal => truth(|a, b| a == b),
        Operator::NotEqual => truth(|a, b| a != b),
        Operator::Less => truth(|a, b| a < b),
        Operator::LessOrEqual => truth(|a, b| a <= b),
        Operator::Greater => truth(|a, b| a > b),
        Operator::GreaterOrEqual => truth(|a, b| a >= b),
        Operator::And => truth(|a, b| a != 0.0 && b != 0.0),
        Operator::Or => truth(|a, b| a != 0.0 || b != 0.0),
    }
}

/// Entry by entry; a dimension of 1 is repeated.
pub(super) fn each(left: &Array, right: &Array, apply: impl Fn(f64, f64) -> f64) -> Result<Array, Fault> {
    let common = |a: usize, b: usize| match (a, b) {
        (a, b) if a == b => Some(a),
        (1, other) | (other, 1) => Some(other),
        _ => None,
    };
    let (Some(rows), Some(columns)) = (common(left.rows, right.rows), common(left.columns, right.columns))
    else {
        return Err(format!("sizes {} and {} do not fit", left.size(), right.size()));
    };
    if rows.saturating_mul(columns) > MAX_FIGURES {
        return Err(format!("an array of {rows}x{columns}; at most {MAX_FIGURES} figures are computed"));
    }
    let pick = |array: &Array, row: usize, column: usize| {
        let row = if array.rows == 1 { 0 } else { row };
        let column = if array.columns == 1 { 0 } else { column };
        array.figures[row * array.columns + column]
    };
    let mut figures = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        figures.extend((0..columns).map(|column| apply(pick(left, row, column), pick(right, row, column))));
    }
    Ok(Array { rows, columns, figures, logical: false })
}

/// `from:step:to`.
pub(super) fn range(from: f64, step: f64, to: f64) -> Result<Array, Fault> {
    let count = ((to - from) / step * (1.0 + 1e-10)).floor();
    if step == 0.0 || count.is_nan() || count < 0.0 {
        return Ok(Array { rows: 1, ..Array::default() });
    }
    if count >= MAX_FIGURES as f64 {
        return Err(format!("a range of {count} figures; at most {MAX_FIGURES} are computed"));
    }
    // Exact: whole, and below the bound.
    Ok(Array::row((0..=count as usize).map(|at| from + step * at as f64).collect()))
}

/// Parts beside each other.
pub(super) fn beside(parts: &[Array]) -> Result<Array, Fault> {
    let parts: Vec<&Array> = parts.iter().filter(|part| !part.figures.is_empty()).collect();
    let Some(first) = parts.first() else { return Ok(Array::default()) };
    if let Some(other) = parts.iter().find(|part| part.rows != first.rows) {
        return Err(format!("{} beside {}", first.size(), other.size()));
    }
    let columns = parts.iter().map(|part| part.columns).sum();
    let mut figures = Vec::new();
    for row in 0..first.rows {
        for part in &parts {
            figures.extend_from_slice(&part.figures[row * part.columns..(row + 1) * part.columns]);
        }
    }
    Ok(Array { rows: first.rows, columns, figures, logical: parts.iter().all(|part| part.logical) })
}
