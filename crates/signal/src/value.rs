//! Values and samples.

use crate::{PointId, Quality};
use std::fmt;
use timebase::{Now, UtcStamp};

/// Position of a switching device reported by two contacts (IEC 60870-5-101 7.2.6.2 DPI, IEC 61850-7-3 DPC).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DoublePoint {
    /// Neither contact made: travelling or faulty (DPI 0).
    Intermediate,
    /// Off, open (DPI 1).
    Off,
    /// On, closed (DPI 2).
    On,
    /// Both contacts made: faulty (DPI 3).
    Bad,
}

/// The value of a point. Engineering units of the point's definition; small and `Copy`, so that arrays stay flat.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    /// A measured value or an analogue set point, in the point's unit.
    Analog(f64),
    /// A single indication or single command: `true` is on.
    Single(bool),
    /// A double indication or double command.
    Double(DoublePoint),
    /// A step position, e.g. of a tap changer.
    Step(i16),
    /// A counter reading.
    Counter(i64),
    /// A group of 32 independent bits.
    Bits(u32),
}

impl Value {
    /// The value as a number for arithmetic, limits and trends: off 0, on 1, intermediate and bad have none.
    pub fn as_number(self) -> Option<f64> {
        match self {
            Self::Analog(value) => value.is_finite().then_some(value),
            Self::Single(on) => Some(f64::from(u8::from(on))),
            Self::Double(DoublePoint::Off) => Some(0.0),
            Self::Double(DoublePoint::On) => Some(1.0),
            Self::Double(DoublePoint::Intermediate | DoublePoint::Bad) => None,
            Self::Step(step) => Some(f64::from(step)),
            // Exact up to 2^53; a counter of a device has at most 32 bits.
            Self::Counter(count) => Some(count as f64),
            Self::Bits(bits) => Some(f64::from(bits)),
        }
    }

    /// Whether this is a clear closed/on indication.
    pub const fn is_on(self) -> Option<bool> {
        match self {
            Self::Single(on) => Some(on),
            Self::Double(DoublePoint::On) => Some(true),
            Self::Double(DoublePoint::Off) => Some(false),
            Self::Double(DoublePoint::Intermediate | DoublePoint::Bad)
            | Self::Analog(_)
            | Self::Step(_)
            | Self::Counter(_)
            | Self::Bits(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Analog(value) => write!(f, "{value}"),
            Self::Single(true) | Self::Double(DoublePoint::On) => f.write_str("on"),
            Self::Single(false) | Self::Double(DoublePoint::Off) => f.write_str("off"),
            Self::Double(DoublePoint::Intermediate) => f.write_str("intermediate"),
            Self::Double(DoublePoint::Bad) => f.write_str("bad"),
            Self::Step(step) => write!(f, "{step}"),
            Self::Counter(count) => write!(f, "{count}"),
            Self::Bits(bits) => write!(f, "{bits:#010x}"),
        }
    }
}

/// One reading of one point.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The point.
    pub point: PointId,
    /// What was read. Present even when the quality is bad: the last thing the device said.
    pub value: Value,
    /// How far it may be trusted.
    pub quality: Quality,
    /// When the device says it happened; `None` when the protocol carried no stamp.
    pub source_time: Option<UtcStamp>,
    /// When it reached us.
    pub received: Now,
}
