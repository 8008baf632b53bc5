//! Present states that one writer changes and anybody reads without a lock.
//!
//! A cell is one cache line with a version in front (a sequence lock; Boehm, "Can seqlocks get along with programming
//! language memory models?", MSPC 2012): odd while it is written, and a reader that meets an odd or a changed version
//! looks again. A reader never holds the writer up, and the writer never waits.

use super::PointState;
use signal::{DoublePoint, PointDef, PointKind, Quality, Value};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;
use timebase::{ClockQuality, Mono, Now, Utc, UtcStamp};

/// State of one point; see [`pack`] for its words. What the writer asks of every change stands in the same line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Cell {
    version: AtomicU64,
    words: [AtomicU64; WORDS],
    /// Longest age in milliseconds, 0 for any.
    stale_after_ms: u32,
    /// Whether the point waits for its age to pass.
    pub(super) waits: AtomicBool,
    pub(super) kind: PointKind,
}

const WORDS: usize = 5;

/// Bits of the first word above the 16 of the quality.
const KIND: u32 = 16;
const STALE: u64 = 1 << 20;
const HAS_SOURCE: u64 = 1 << 21;
const CLOCK: u32 = 22;
const HAS_RECEIVED: u64 = 1 << 24;
const REPLACED: u64 = 1 << 25;

impl Cell {
    /// A point of which nothing is known.
    pub(super) fn new(def: &PointDef) -> Self {
        let most = Duration::from_millis(u64::from(u32::MAX));
        // Rounded up: an age of a microsecond is no "any".
        let millis = |age: Duration| age.min(most).as_micros().div_ceil(1_000) as u32;
        let cell =
            Self { kind: def.kind, stale_after_ms: def.stale_after.map_or(0, millis), ..Self::default() };
        cell.write(&PointState::UNKNOWN);
        cell
    }

    /// Longest age, in steps of milliseconds and up to 49 days.
    pub(super) fn stale_after(&self) -> Option<Duration> {
        (self.stale_after_ms > 0).then(|| Duration::from_millis(u64::from(self.stale_after_ms)))
    }

    /// The only writer replaces the state.
    #[inline]
    pub(super) fn write(&self, state: &PointState) {
        let words = pack(state);
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (to, word) in self.words.iter().zip(words) {
            to.store(word, Ordering::Relaxed);
        }
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// A state that was written, whole.
    pub(super) fn read(&self) -> PointState {
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let words = self.own();
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return unpack(words);
                }
            }
            std::hint::spin_loop();
        }
    }

    /// What the writer itself reads: nobody else changes it.
    #[inline]
    pub(super) fn read_own(&self) -> PointState {
        unpack(self.own())
    }

    fn own(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        for (word, from) in words.iter_mut().zip(&self.words) {
            *word = from.load(Ordering::Relaxed);
        }
        words
    }
}

/// Quality, kind and flags; value; source time; receive time on both clocks.
fn pack(state: &PointState) -> [u64; WORDS] {
    let (kind, value) = match state.value {
        None => (0, 0),
        Some(Value::Analog(number)) => (1, number.to_bits()),
        Some(Value::Single(on)) => (2, u64::from(on)),
        Some(Value::Double(position)) => (3, double(position)),
        Some(Value::Step(step)) => (4, i64::from(step) as u64),
        Some(Value::Counter(count)) => (5, count as u64),
        Some(Value::Bits(bits)) => (6, u64::from(bits)),
    };
    let mut head = u64::from(state.quality.to_bits()) | kind << KIND;
    head |= if state.stale { STALE } else { 0 } | if state.replaced { REPLACED } else { 0 };
    let (mut source, mut received) = (0, [0; 2]);
    if let Some(stamp) = state.source_time {
        let clock = match stamp.quality {
            ClockQuality::Synchronised => 0,
            ClockQuality::Unsynchronised => 1,
            ClockQuality::Invalid => 2,
        };
        head |= HAS_SOURCE | clock << CLOCK;
        source = stamp.time.as_micros() as u64;
    }
    if let Some(now) = state.received {
        head |= HAS_RECEIVED;
        received = [now.utc.as_micros() as u64, now.mono.as_nanos()];
    }
    [head, value, source, received[0], received[1]]
}

fn unpack([head, value, source, utc, mono]: [u64; WORDS]) -> PointState {
    let value = match head >> KIND & 7 {
        1 => Some(Value::Analog(f64::from_bits(value))),
        2 => Some(Value::Single(value != 0)),
        3 => Some(Value::Double(position(value))),
        4 => Some(Value::Step(value as i16)),
        5 => Some(Value::Counter(value as i64)),
        6 => Some(Value::Bits(value as u32)),
        _ => None,
    };
    let quality = match head >> CLOCK & 3 {
        0 => ClockQuality::Synchronised,
        1 => ClockQuality::Unsynchronised,
        _ => ClockQuality::Invalid,
    };
    let stamp = UtcStamp { time: Utc::from_micros(source as i64), quality };
    let received = Now { mono: Mono::from_nanos(mono), utc: Utc::from_micros(utc as i64) };
    PointState {
        value,
        quality: Quality::from_bits(head as u16),
        source_time: (head & HAS_SOURCE != 0).then_some(stamp),
        received: (head & HAS_RECEIVED != 0).then_some(received),
        stale: head & STALE != 0,
        replaced: head & REPLACED != 0,
    }
}

const fn double(position: DoublePoint) -> u64 {
    match position {
        DoublePoint::Intermediate => 0,
        DoublePoint::Off => 1,
        DoublePoint::On => 2,
        DoublePoint::Bad => 3,
    }
}

const fn position(word: u64) -> DoublePoint {
    match word {
        0 => DoublePoint::Intermediate,
        1 => DoublePoint::Off,
        2 => DoublePoint::On,
        _ => DoublePoint::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Option<Value>> {
        let double = prop_oneof![
            Just(DoublePoint::Intermediate),
            Just(DoublePoint::Off),
            Just(DoublePoint::On),
            Just(DoublePoint::Bad)
        ];
        prop_oneof![
            Just(None),
            any::<f64>().prop_filter("equal to itself", |x| !x.is_nan()).prop_map(|x| Some(Value::Analog(x))),
            any::<bool>().prop_map(|on| Some(Value::Single(on))),
            double.prop_map(|position| Some(Value::Double(position))),
            any::<i16>().prop_map(|step| Some(Value::Step(step))),
            any::<i64>().prop_map(|count| Some(Value::Counter(count))),
            any::<u32>().prop_map(|bits| Some(Value::Bits(bits))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            value in values(),
            bits in any::<u16>(),
            source in prop::option::of((any::<i64>(), 0..3_u8)),
            received in prop::option::of((any::<u64>(), any::<i64>())),
            stale in any::<bool>(),
            replaced in any::<bool>(),
        ) {
            let source_time = source.map(|(micros, clock)| UtcStamp {
                time: Utc::from_micros(micros),
                quality: match clock {
                    0 => ClockQuality::Synchronised,
                    1 => ClockQuality::Unsynchronised,
                    _ => ClockQuality::Invalid,
                },
            });
            let received = received.map(|(nanos, micros)| Now {
                mono: Mono::from_nanos(nanos),
                utc: Utc::from_micros(micros),
            });
            let state =
                PointState { value, quality: Quality::from_bits(bits), source_time, received, stale, replaced };
            let cell = Cell::default();
            cell.write(&state);
            prop_assert_eq!(cell.read(), state);
            prop_assert_eq!(cell.read_own(), state);
        }
    }
}
