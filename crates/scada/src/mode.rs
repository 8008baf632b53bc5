//! What people have set about a point: scan inhibit, test, a value in place of the process's.

use signal::{PointId, PointKind, Value};
use std::collections::BTreeMap;
use timebase::Utc;

/// How a point is treated other than usual.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PointMode {
    /// What the link reports is not taken over; the last value stands, marked as blocked.
    pub inhibited: bool,
    /// What the link reports is marked as a test, so that no decision rests on it.
    pub test: bool,
    /// This value stands in place of what the link reports, marked as substituted. For a point without a link it is its
    /// manual entry.
    pub replaced: Option<Value>,
}

impl PointMode {
    /// Whether nothing is set.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A mode with who set it, when and why.
#[derive(Clone, PartialEq, Debug)]
pub struct SetMode {
    /// What is set.
    pub mode: PointMode,
    /// Who.
    pub by: String,
    /// When.
    pub at: Utc,
    /// Why.
    pub reason: String,
}

/// All points that are not treated as usual.
pub type PointModes = BTreeMap<PointId, SetMode>;

/// Why a mode was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ModeError {
    /// There is no such point.
    #[error("there is no such point")]
    Unknown,
    /// The value does not fit the kind of the point.
    #[error("the value does not fit the kind of the point")]
    WrongValue,
    /// A calculated point is what its formula says.
    #[error("a calculated point cannot be inhibited: inhibit what it is calculated from")]
    Calculated,
}

/// A number from a person as a value of a kind; `None` where it does not fit.
pub fn value_of(kind: PointKind, number: f64) -> Option<Value> {
    let whole = number.fract() == 0.0;
    match kind {
        PointKind::Analog => number.is_finite().then_some(Value::Analog(number)),
        PointKind::Single if number == 0.0 || number == 1.0 => Some(Value::Single(number == 1.0)),
        PointKind::Double if number == 0.0 => Some(Value::Double(signal::DoublePoint::Off)),
        PointKind::Double if number == 1.0 => Some(Value::Double(signal::DoublePoint::On)),
        PointKind::Step if whole && (-32_768.0..=32_767.0).contains(&number) => {
            Some(Value::Step(number as i16))
        }
        PointKind::Counter if whole && number.abs() <= 9_007_199_254_740_992.0 => {
            Some(Value::Counter(number as i64))
        }
        PointKind::Bits if whole && (0.0..=4_294_967_295.0).contains(&number) => {
            Some(Value::Bits(number as u32))
        }
        PointKind::Single | PointKind::Double | PointKind::Step | PointKind::Counter | PointKind::Bits => {
            None
        }
    }
}
