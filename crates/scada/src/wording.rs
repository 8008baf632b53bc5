//! How values read for people: a breaker is open or closed, a tap has a position.

use signal::{DoublePoint, PointDef, PointKind, Value};

/// The value as an operator would say it, without the unit.
pub fn value_text(def: &PointDef, value: Value) -> String {
    match value {
        Value::Double(DoublePoint::On) => "closed".to_owned(),
        Value::Double(DoublePoint::Off) => "open".to_owned(),
        Value::Analog(number) => format!("{number:.*}", decimals(number)),
        Value::Step(_) | Value::Single(_) | Value::Counter(_) | Value::Bits(_) | Value::Double(_) => {
            debug_assert!(def.kind != PointKind::Analog || matches!(value, Value::Analog(_)));
            value.to_string()
        }
    }
}

/// The wanted value of a command as an operator would say it.
pub fn command_text(def: &PointDef, value: Value) -> String {
    match value {
        Value::Double(DoublePoint::On) | Value::Single(true) => "close".to_owned(),
        Value::Double(DoublePoint::Off) | Value::Single(false) => "open".to_owned(),
        Value::Step(step) if step > 0 => "raise".to_owned(),
        Value::Step(_) => "lower".to_owned(),
        Value::Analog(_) => format!("set to {} {}", value_text(def, value), def.unit),
        Value::Double(_) | Value::Counter(_) | Value::Bits(_) => format!("set to {value}"),
    }
}

/// Digits after the point so that about four figures show.
fn decimals(number: f64) -> usize {
    match number.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    }
}
