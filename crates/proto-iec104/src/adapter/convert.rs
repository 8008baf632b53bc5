//! Elements ↔ values, QDS ↔ quality (after IEC TS 61850-80-1, clause 7.2).

use crate::codec::{
    CounterReading, Cp56Time2a, DoubleState, Element, Layout, Qds, Qualifier, StepDirection, TypeId,
};
use signal::{Detail, DoublePoint, PointKind, Quality, Source, Validity, Value};
use std::time::Duration;
use timebase::{ClockQuality, Now, UtcStamp, Zone};

/// A source time further ahead of our clock than this is not believed.
const AHEAD_MAX: Duration = Duration::from_secs(3600);
/// 2^15: what NVA counts in.
const NORMALIZED_ONE: f64 = 32768.0;

/// Quality of a reading. Blocked and not topical values are questionable: they describe the past.
pub(super) fn quality_from(qds: Qds) -> Quality {
    let mut quality = Quality::GOOD;
    if qds.contains(Qds::BLOCKED) {
        quality.operator_blocked = true;
        quality.validity = Validity::Questionable;
    }
    if qds.contains(Qds::SUBSTITUTED) {
        quality.source = Source::Substituted;
    }
    if qds.contains(Qds::NOT_TOPICAL) {
        quality.validity = Validity::Questionable;
        quality.detail |= Detail::OLD_DATA;
    }
    if qds.contains(Qds::OVERFLOW) {
        quality.validity = Validity::Invalid;
        quality.detail |= Detail::OVERFLOW;
    }
    if qds.contains(Qds::INVALID) {
        quality.validity = Validity::Invalid;
    }
    quality
}

/// QDS of a quality. What QDS has no word for becomes "not topical", so that questionable never turns good.
pub(super) fn quality_to(quality: Quality) -> Qds {
    let mut qds = Qds::GOOD;
    let flags = [
        (quality.operator_blocked, Qds::BLOCKED),
        (quality.source == Source::Substituted, Qds::SUBSTITUTED),
        (quality.detail.contains(Detail::OLD_DATA), Qds::NOT_TOPICAL),
        (quality.detail.contains(Detail::OVERFLOW), Qds::OVERFLOW),
        (quality.validity == Validity::Invalid, Qds::INVALID),
    ];
    for (set, bit) in flags {
        if set {
            qds = qds | bit;
        }
    }
    let expressed = qds.contains(Qds::BLOCKED) || qds.contains(Qds::NOT_TOPICAL);
    if quality.validity == Validity::Questionable && !expressed {
        qds = qds | Qds::NOT_TOPICAL;
    }
    qds
}

/// The value and quality of a monitored element.
pub(super) fn reading(element: &Element) -> Option<(Value, Quality)> {
    let normalized = |value: i16| Value::Analog(f64::from(value) / NORMALIZED_ONE);
    Some(match *element {
        Element::Single(on, qds) => (Value::Single(on), quality_from(qds)),
        Element::Double(state, qds) => (Value::Double(double_from(state)), quality_from(qds)),
        Element::Step(position, transient, qds) => {
            let mut quality = quality_from(qds);
            if transient && quality.validity == Validity::Good {
                // The tap changer is moving: the position is about to be another one.
                quality.validity = Validity::Questionable;
                quality.detail |= Detail::INACCURATE;
            }
            (Value::Step(i16::from(position)), quality)
        }
        Element::Bits(bits, qds) => (Value::Bits(bits), quality_from(qds)),
        Element::Normalized(value, qds) => (normalized(value), quality_from(qds)),
        Element::NormalizedBare(value) => (normalized(value), Quality::GOOD),
        Element::Scaled(value, qds) => (Value::Analog(f64::from(value)), quality_from(qds)),
        Element::Float(value, qds) => {
            let mut quality = quality_from(qds);
            if !value.is_finite() {
                quality.validity = Validity::Invalid;
                quality.detail |= Detail::FAILURE;
            }
            (Value::Analog(f64::from(value)), quality)
        }
        Element::Counter(count) => {
            let quality = if count.invalid { Quality::invalid(Detail::NONE) } else { Quality::GOOD };
            (Value::Counter(i64::from(count.value)), quality)
        }
        _ => return None,
    })
}

/// Whether a value is of the kind that a point carries.
pub(super) const fn fits(value: Value, kind: PointKind) -> bool {
    matches!(
        (value, kind),
        (Value::Analog(_), PointKind::Analog)
            | (Value::Single(_), PointKind::Single)
            | (Value::Double(_), PointKind::Double)
            | (Value::Step(_), PointKind::Step)
            | (Value::Counter(_), PointKind::Counter)
            | (Value::Bits(_), PointKind::Bits)
    )
}

/// The element with which a type reports a value; `None` if it cannot carry it.
pub(super) fn report(type_id: TypeId, value: Value, quality: Quality) -> Option<Element> {
    let qds = quality_to(quality);
    let (layout, _) = type_id.layout()?;
    Some(match (layout, value) {
        (Layout::Single, Value::Single(on)) => Element::Single(on, qds),
        (Layout::Double, Value::Double(state)) => Element::Double(double_to(state), qds),
        (Layout::Step, Value::Step(position)) => {
            let held = position.clamp(-64, 63);
            let narrow = i8::try_from(held).unwrap_or_default();
            Element::Step(narrow, false, with_overflow(qds, held != position))
        }
        (Layout::Bits, Value::Bits(bits)) => Element::Bits(bits, qds),
        (Layout::Float, Value::Analog(value)) => {
            let narrow = narrow(value);
            Element::Float(narrow, with_overflow(qds, !narrow.is_finite()))
        }
        (Layout::Scaled, Value::Analog(value)) => {
            let (count, over) = whole(value);
            Element::Scaled(count, with_overflow(qds, over))
        }
        (Layout::Normalized, Value::Analog(value)) => {
            let (count, over) = whole(value * NORMALIZED_ONE);
            Element::Normalized(count, with_overflow(qds, over))
        }
        (Layout::NormalizedBare, Value::Analog(value)) => {
            Element::NormalizedBare(whole(value * NORMALIZED_ONE).0)
        }
        (Layout::Counter, Value::Counter(count)) => {
            // BCR has 32 bits; the count goes on modulo 2^32 as a device's register does.
            let [a, b, c, d, ..] = count.to_le_bytes();
            let invalid = quality.validity != Validity::Good;
            let value = i32::from_le_bytes([a, b, c, d]);
            Element::Counter(CounterReading { value, invalid, ..CounterReading::default() })
        }
        _ => return None,
    })
}

/// The element that commands a value; `None` if the type cannot carry it.
pub(super) fn command(type_id: TypeId, value: Value, select: bool) -> Option<Element> {
    let qualifier = Qualifier { code: 0, select };
    let exact = |value: f64| {
        let (count, over) = whole(value);
        (!over).then_some(count)
    };
    let (layout, _) = type_id.layout()?;
    match (layout, value) {
        (Layout::SingleCommand, value) => value.is_on().map(|on| Element::SingleCommand(on, qualifier)),
        (Layout::DoubleCommand, value) => value.is_on().map(|on| {
            let state = if on { DoubleState::On } else { DoubleState::Off };
            Element::DoubleCommand(state, qualifier)
        }),
        (Layout::StepCommand, Value::Step(1)) => Some(Element::StepCommand(StepDirection::Higher, qualifier)),
        (Layout::StepCommand, Value::Step(-1)) => Some(Element::StepCommand(StepDirection::Lower, qualifier)),
        (Layout::SetFloat, Value::Analog(value)) => {
            let value = narrow(value);
            value.is_finite().then_some(Element::SetFloat(value, qualifier))
        }
        (Layout::SetFloat, Value::Step(step)) => Some(Element::SetFloat(f32::from(step), qualifier)),
        (Layout::SetScaled, Value::Analog(value)) => {
            exact(value).map(|count| Element::SetScaled(count, qualifier))
        }
        (Layout::SetScaled, Value::Step(step)) => Some(Element::SetScaled(step, qualifier)),
        (Layout::SetNormalized, Value::Analog(value)) => {
            exact(value * NORMALIZED_ONE).map(|count| Element::SetNormalized(count, qualifier))
        }
        (Layout::BitsCommand, Value::Bits(bits)) => Some(Element::BitsCommand(bits)),
        _ => None,
    }
}

/// The value that a command asks of a point of this kind. A regulating step is `Step(1)` for higher and `Step(-1)`
/// for lower: it is a direction, not a position.
pub(super) fn commanded(element: &Element, kind: PointKind) -> Option<Value> {
    let state = |on: bool| match kind {
        PointKind::Single => Some(Value::Single(on)),
        PointKind::Double => Some(Value::Double(if on { DoublePoint::On } else { DoublePoint::Off })),
        PointKind::Analog | PointKind::Step | PointKind::Counter | PointKind::Bits => None,
    };
    let number = |value: f64| match kind {
        PointKind::Analog => Some(Value::Analog(value)),
        PointKind::Step => {
            let (position, over) = whole(value);
            (!over).then_some(Value::Step(position))
        }
        PointKind::Single | PointKind::Double | PointKind::Counter | PointKind::Bits => None,
    };
    match *element {
        Element::SingleCommand(on, _) => state(on),
        Element::DoubleCommand(DoubleState::On, _) => state(true),
        Element::DoubleCommand(DoubleState::Off, _) => state(false),
        Element::StepCommand(StepDirection::Higher, _) => Some(Value::Step(1)),
        Element::StepCommand(StepDirection::Lower, _) => Some(Value::Step(-1)),
        Element::SetNormalized(value, _) => number(f64::from(value) / NORMALIZED_ONE),
        Element::SetScaled(value, _) => number(f64::from(value)),
        Element::SetFloat(value, _) => number(f64::from(value)),
        Element::BitsCommand(bits) => Some(Value::Bits(bits)),
        _ => None,
    }
}

/// The stamp of a time tag. One that is far ahead of our clock is kept, but marked: it must not order anything.
pub(super) fn stamp(tag: Option<Cp56Time2a>, zone: &Zone, now: Now) -> Option<UtcStamp> {
    let mut stamp = tag?.to_utc(zone)?;
    if stamp.time.since(now.utc) > AHEAD_MAX {
        stamp.quality = ClockQuality::Invalid;
    }
    Some(stamp)
}

const fn double_from(state: DoubleState) -> DoublePoint {
    match state {
        DoubleState::Intermediate => DoublePoint::Intermediate,
        DoubleState::Off => DoublePoint::Off,
        DoubleState::On => DoublePoint::On,
        DoubleState::Indeterminate => DoublePoint::Bad,
    }
}

const fn double_to(state: DoublePoint) -> DoubleState {
    match state {
        DoublePoint::Intermediate => DoubleState::Intermediate,
        DoublePoint::Off => DoubleState::Off,
        DoublePoint::On => DoubleState::On,
        DoublePoint::Bad => DoubleState::Indeterminate,
    }
}

fn with_overflow(qds: Qds, over: bool) -> Qds {
    if over { qds | Qds::OVERFLOW | Qds::INVALID } else { qds }
}

/// The nearest 32-bit float; beyond its range infinite. Our own value, not wire data: the cast is the conversion.
fn narrow(value: f64) -> f32 {
    value as f32
}

/// The nearest 16-bit integer, and whether the value lies beyond it. The cast is of a value already within range.
fn whole(value: f64) -> (i16, bool) {
    let rounded = value.round();
    let held = rounded.clamp(f64::from(i16::MIN), f64::from(i16::MAX));
    (held as i16, rounded.is_nan() || held != rounded)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Every QDS survives the way in and out, but for overflow, which also becomes invalid; none turns good.
    #[test]
    fn quality_survives() {
        for bits in 0..=255_u8 {
            let qds = Qds::masked(bits, Qds::FULL);
            let back = quality_to(quality_from(qds));
            assert!(back.contains(qds), "{qds} became {back}");
            let doubtful = [Qds::OVERFLOW, Qds::BLOCKED, Qds::NOT_TOPICAL, Qds::INVALID];
            let bad = doubtful.iter().any(|bit| qds.contains(*bit));
            assert_eq!(quality_from(qds).is_good(), !bad, "{qds}");
        }
        assert_ne!(quality_to(Quality::questionable(Detail::OSCILLATORY)), Qds::GOOD);
    }

    fn check(type_id: TypeId, value: Value, expected: Option<Element>) {
        assert_eq!(report(type_id, value, Quality::GOOD), expected, "{type_id} {value:?}");
    }

    #[test]
    fn values_beyond_the_range_are_marked() {
        let over = Qds::OVERFLOW | Qds::INVALID;
        check(TypeId::M_ME_NB_1, Value::Analog(1.5), Some(Element::Scaled(2, Qds::GOOD)));
        check(TypeId::M_ME_NB_1, Value::Analog(40_000.0), Some(Element::Scaled(32_767, over)));
        check(TypeId::M_ME_NA_1, Value::Analog(-1.0), Some(Element::Normalized(-32_768, Qds::GOOD)));
        check(TypeId::M_ME_NA_1, Value::Analog(1.0), Some(Element::Normalized(32_767, over)));
        check(TypeId::M_ME_NC_1, Value::Analog(1e300), Some(Element::Float(f32::INFINITY, over)));
        check(TypeId::M_ST_NA_1, Value::Step(-64), Some(Element::Step(-64, false, Qds::GOOD)));
        check(TypeId::M_ST_NA_1, Value::Step(64), Some(Element::Step(63, false, over)));
        check(TypeId::M_SP_NA_1, Value::Analog(1.0), None);
        let wrapped = CounterReading { value: i32::MIN, ..CounterReading::default() };
        check(TypeId::M_IT_NA_1, Value::Counter(1 << 31), Some(Element::Counter(wrapped)));
    }
}
