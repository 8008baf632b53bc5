//! Functions that a statement may use.

use super::value::{Array, Fault, MAX_FIGURES, each};

/// Names that are values without arguments.
pub(super) fn constant(name: &str) -> Option<Array> {
    match name {
        "pi" => Some(Array::scalar(std::f64::consts::PI)),
        "eps" => Some(Array::scalar(f64::EPSILON)),
        "true" => Some(Array::truth(true)),
        "false" => Some(Array::truth(false)),
        _ => None,
    }
}

/// The value of a function; `None` if the name is not known.
pub(super) fn call(name: &str, arguments: &[Array]) -> Option<Result<Array, Fault>> {
    match arguments {
        [value] => one(name, value),
        [left, right] => two(name, left, right),
        _ => None,
    }
}

fn one(name: &str, value: &Array) -> Option<Result<Array, Fault>> {
    let count = |count: usize| Array::scalar(count as f64);
    let found = match name {
        "abs" => value.map(f64::abs),
        "sqrt" => value.map(f64::sqrt),
        "exp" => value.map(f64::exp),
        "log" => value.map(f64::ln),
        "sin" => value.map(f64::sin),
        "cos" => value.map(f64::cos),
        "tan" => value.map(f64::tan),
        "asin" => value.map(f64::asin),
        "acos" => value.map(f64::acos),
        "atan" => value.map(f64::atan),
        "floor" => value.map(f64::floor),
        "ceil" => value.map(f64::ceil),
        "round" => value.map(f64::round),
        "fix" => value.map(f64::trunc),
        "deg2rad" => value.map(f64::to_radians),
        "rad2deg" => value.map(f64::to_degrees),
        "isinf" => value.test(f64::is_infinite),
        "isnan" => value.test(f64::is_nan),
        "isfinite" => value.test(f64::is_finite),
        "isempty" => Array::truth(value.figures.is_empty()),
        "length" if value.figures.is_empty() => count(0),
        "length" => count(value.rows.max(value.columns)),
        "numel" => count(value.figures.len()),
        "size" => Array::row(vec![value.rows as f64, value.columns as f64]),
        "find" => find(value),
        "sum" => per_column(value, |sum, figure| sum + figure, 0.0),
        "any" => per_column(value, |any, figure| f64::from(u8::from(any != 0.0 || figure != 0.0)), 0.0)
            .with_logical(true),
        "all" => per_column(value, |all, figure| f64::from(u8::from(all != 0.0 && figure != 0.0)), 1.0)
            .with_logical(true),
        "max" => per_column(value, f64::max, f64::NAN),
        "min" => per_column(value, f64::min, f64::NAN),
        "zeros" | "ones" => return Some(square(value).and_then(|n| filled(name, n, n))),
        _ => return None,
    };
    let complex = matches!(name, "sqrt" | "log" | "asin" | "acos")
        && found.figures.iter().zip(&value.figures).any(|(found, given)| found.is_nan() && !given.is_nan());
    Some(if complex { Err(format!("{name} of a figure that has no real one")) } else { Ok(found) })
}

fn two(name: &str, left: &Array, right: &Array) -> Option<Result<Array, Fault>> {
    match name {
        "max" => Some(each(left, right, f64::max)),
        "min" => Some(each(left, right, f64::min)),
        "atan2" => Some(each(left, right, f64::atan2)),
        "mod" => Some(each(left, right, |a, b| if b == 0.0 { a } else { a - (a / b).floor() * b })),
        "size" => Some(match right.as_scalar() {
            Some(1.0) => Ok(Array::scalar(left.rows as f64)),
            Some(2.0) => Ok(Array::scalar(left.columns as f64)),
            _ => Err("size knows the dimensions 1 and 2".into()),
        }),
        "zeros" | "ones" => {
            Some(square(left).and_then(|rows| square(right).and_then(|columns| filled(name, rows, columns))))
        }
        _ => None,
    }
}

/// Along each column, or along a vector.
fn per_column(value: &Array, apply: impl Fn(f64, f64) -> f64, begin: f64) -> Array {
    if value.is_vector() || value.figures.is_empty() {
        return Array::scalar(value.figures.iter().fold(begin, |sum, figure| apply(sum, *figure)));
    }
    let column = |column| (0..value.rows).map(move |row| value.figures[row * value.columns + column]);
    Array::row((0..value.columns).map(|at| column(at).fold(begin, &apply)).collect())
}

fn find(value: &Array) -> Array {
    let found = (0..value.figures.len()).filter(|at| value.by_column(*at) != 0.0);
    let places: Vec<f64> = found.map(|at| (at + 1) as f64).collect();
    if value.rows == 1 && value.columns > 1 { Array::row(places) } else { Array::column(places) }
}

fn square(value: &Array) -> Result<usize, Fault> {
    match value.as_scalar() {
        // Exact: whole, and below the bound.
        Some(size) if size.fract() == 0.0 && (0.0..=MAX_FIGURES as f64).contains(&size) => Ok(size as usize),
        _ => Err("a size is a whole number from 0".into()),
    }
}

fn filled(name: &str, rows: usize, columns: usize) -> Result<Array, Fault> {
    let figures = rows.saturating_mul(columns);
    if figures > MAX_FIGURES {
        return Err(format!("an array of {rows}x{columns}; at most {MAX_FIGURES} figures are computed"));
    }
    let figure = if name == "ones" { 1.0 } else { 0.0 };
    Ok(Array { rows, columns, figures: vec![figure; figures], logical: false })
}
