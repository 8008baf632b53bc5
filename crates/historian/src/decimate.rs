//! Decimation: what a step function did in each of n equal parts of a span.
//!
//! A row holds until the next one of its series: `v(t) = value of the last row with time <= t`. For each bucket [a, b):
//! min and max over every row in it and the value in force at a; mean = 1/T ∫ v(t) dt over the part T of the bucket in
//! which v has a number; quality the worst of everything in force. A single spike is therefore never averaged away.

use crate::row::{Row, Span, worst_quality};
use timebase::Utc;

/// What happened in one part of a span. Numbers are NaN when nothing in it had one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    /// Its first instant.
    pub start: Utc,
    /// First instant after it.
    pub end: Utc,
    /// Smallest value in force or reported.
    pub min: f64,
    /// Largest value in force or reported.
    pub max: f64,
    /// Mean weighted by time.
    pub mean: f64,
    /// Value in force at the start, or the first one reported.
    pub first: f64,
    /// Value in force at the end.
    pub last: f64,
    /// Rows in it; 0 when the value before simply held.
    pub count: u64,
    /// Worst quality in force or reported, in the bits of `signal::Quality`.
    pub quality: u16,
}

/// Takes rows in order of time and yields buckets. Parts before the first known value are left out.
#[derive(Clone, Debug)]
pub struct Decimator {
    span: Span,
    parts: u32,
    part: u32,
    held: Option<Row>,
    /// Up to here the current bucket is integrated.
    at: Utc,
    open: Option<Bucket>,
    /// ∫ v dt and T of the current bucket, in value·µs and µs.
    integral: f64,
    weight: f64,
    done: Vec<Bucket>,
}

impl Decimator {
    /// Most parts of one span.
    pub const MAX_PARTS: u32 = 100_000;

    /// For a span cut into `parts` equal buckets; `before` is the value in force at its start.
    pub fn new(span: Span, parts: u32, before: Option<Row>) -> Self {
        Self {
            span,
            parts: parts.clamp(1, Self::MAX_PARTS),
            part: 0,
            held: before,
            at: span.from,
            open: None,
            integral: 0.0,
            weight: 0.0,
            done: Vec::new(),
        }
    }

    /// First instant of a part; that of part `parts` is the end of the span.
    fn start(&self, part: u32) -> Utc {
        let (from, to) = (i128::from(self.span.from.as_micros()), i128::from(self.span.to.as_micros()));
        let micros = from + (to - from) * i128::from(part) / i128::from(self.parts);
        // Between two i64.
        Utc::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Takes the next row. Rows outside the span are ignored.
    pub fn push(&mut self, row: Row) {
        if !self.span.contains(row.time) {
            return;
        }
        self.hold_until(row.time);
        self.observe(row);
        if let Some(open) = &mut self.open {
            open.count += 1;
        }
        self.held = Some(row);
    }

    /// The buckets, the value in force holding to the end of the span.
    pub fn finish(mut self) -> Vec<Bucket> {
        if self.span.from < self.span.to {
            self.hold_until(self.span.to);
        }
        self.done
    }

    /// Integrates the value in force up to `time`, closing the buckets that end on the way.
    fn hold_until(&mut self, time: Utc) {
        while self.part < self.parts {
            let end = self.start(self.part + 1);
            let until = end.min(time);
            if self.at < until {
                if let Some(held) = self.held {
                    self.observe(held);
                    if held.value.is_finite() {
                        let span = micros_between(self.at, until);
                        self.integral += held.value * span;
                        self.weight += span;
                    }
                }
                self.at = until;
            }
            if time < end {
                return;
            }
            self.close();
        }
    }

    fn observe(&mut self, row: Row) {
        let (start, end) = (self.start(self.part), self.start(self.part + 1));
        let open = self.open.get_or_insert(Bucket {
            start,
            end,
            min: f64::NAN,
            max: f64::NAN,
            mean: f64::NAN,
            first: row.value,
            last: row.value,
            count: 0,
            quality: row.quality,
        });
        // `min` and `max` of f64 prefer a number to NaN.
        open.min = open.min.min(row.value);
        open.max = open.max.max(row.value);
        open.last = row.value;
        open.quality = worst_quality(open.quality, row.quality);
    }

    fn close(&mut self) {
        if let Some(bucket) = self.open.take() {
            let mean = if self.weight > 0.0 { self.integral / self.weight } else { f64::NAN };
            self.done.push(Bucket { mean, ..bucket });
        }
        (self.integral, self.weight) = (0.0, 0.0);
        self.part += 1;
    }
}

/// Exact up to 285 years.
fn micros_between(from: Utc, to: Utc) -> f64 {
    i128::from(to.as_micros()).saturating_sub(i128::from(from.as_micros())) as f64
}

#[cfg(test)]
mod tests;
