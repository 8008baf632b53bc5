//! Values between rows, and integrals over them that know their gaps.
//!
//! With rows (t_i, v_i): *step* gives v(t) = v_i for t_i <= t < t_(i+1), which is what report by exception means; *linear*
//! gives v(t) = v_i + (v_(i+1) − v_i)(t − t_i)/(t_(i+1) − t_i), which suits values that are sampled. A row without a number or
//! with invalid quality covers nothing, and neither does what is farther than `max_gap` behind a row.
//! Integral: ∫ v dt over the covered part only, in value·seconds; nothing is guessed for the rest.

use crate::row::{Row, Span, worst_quality};
use std::time::Duration;
use timebase::Utc;

/// What holds between two rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// The earlier value.
    #[default]
    Step,
    /// The straight line between both.
    Linear,
}

/// How to fill the time between rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filling {
    /// What holds between two rows.
    pub method: Method,
    /// How long a row holds at most; for ever without it.
    pub max_gap: Option<Duration>,
}

/// A value at an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The instant.
    pub time: Utc,
    /// The value; NaN where nothing holds.
    pub value: f64,
    /// Of the rows that it follows from, the worse; in the bits of `signal::Quality`.
    pub quality: u16,
}

/// What an integral found. `covered + missing` is the length of the span, to a microsecond.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Integral {
    /// ∫ v dt over the covered part, in value·seconds.
    pub value_seconds: f64,
    /// Time in which a value held.
    pub covered: Duration,
    /// Time in which none did.
    pub missing: Duration,
    /// Stretches without a value.
    pub gaps: u64,
    /// Worst quality of what was integrated, in the bits of `signal::Quality`.
    pub quality: u16,
    /// Rows in the span.
    pub rows: u64,
}

impl Integral {
    /// Share of the span in which a value held, 0 to 1.
    pub fn coverage(&self) -> f64 {
        let whole = (self.covered + self.missing).as_secs_f64();
        if whole > 0.0 { self.covered.as_secs_f64() / whole } else { 0.0 }
    }
}

/// Bits of validity; 2 is invalid.
const VALIDITY: u16 = 3;

/// Whether a row says anything about its time.
fn holds(row: &Row) -> bool {
    row.value.is_finite() && row.quality & VALIDITY < 2
}

impl Filling {
    /// The value at an instant between the last row up to it and the first one behind it.
    pub fn at(&self, time: Utc, before: Option<&Row>, after: Option<&Row>) -> Sample {
        let nothing = Sample { time, value: f64::NAN, quality: before.map_or(0, |row| row.quality) };
        let Some(row) =
            before.filter(|row| holds(row) && time < self.end_of(row, Utc::from_micros(i64::MAX)))
        else {
            return nothing;
        };
        match (self.method, after.filter(|after| holds(after))) {
            (Method::Linear, Some(after)) if row.time < after.time && self.reaches(row, after) => Sample {
                time,
                value: line(row, after, time),
                quality: worst_quality(row.quality, after.quality),
            },
            (Method::Step | Method::Linear, _) => Sample { time, value: row.value, quality: row.quality },
        }
    }

    fn reaches(&self, row: &Row, after: &Row) -> bool {
        self.max_gap.is_none_or(|most| after.time.since(row.time) <= most)
    }

    /// Until when a row holds if the next one is at `next`.
    fn end_of(&self, row: &Row, next: Utc) -> Utc {
        match self.max_gap {
            Some(most) if most < next.since(row.time) => row.time + most,
            Some(_) | None => next,
        }
    }
}

fn line(row: &Row, after: &Row, time: Utc) -> f64 {
    let whole = after.time.since(row.time).as_secs_f64();
    let part = time.since(row.time).as_secs_f64() / whole;
    row.value + (after.value - row.value) * part
}

/// Takes rows in order of time and integrates.
#[derive(Clone, Debug)]
pub struct Integrator {
    span: Span,
    filling: Filling,
    held: Option<Row>,
    at: Utc,
    in_gap: bool,
    sum: Integral,
}

impl Integrator {
    /// For a span; `before` is the last row before it.
    pub fn new(span: Span, filling: Filling, before: Option<Row>) -> Self {
        Self { span, filling, held: before, at: span.from, in_gap: false, sum: Integral::default() }
    }

    /// Takes the next row. Rows outside the span are ignored.
    pub fn push(&mut self, row: Row) {
        if self.span.contains(row.time) {
            self.advance(row.time, Some(&row));
            self.held = Some(row);
            self.sum.rows += 1;
        }
    }

    /// The integral. `after` is the first row behind the span, which a straight line needs.
    pub fn finish(mut self, after: Option<Row>) -> Integral {
        if self.span.from < self.span.to {
            self.advance(self.span.to, after.as_ref());
        }
        self.sum
    }

    /// Integrates up to `until`, at or before the next row.
    fn advance(&mut self, until: Utc, next: Option<&Row>) {
        let (from, filling) = (self.at, self.filling);
        if until <= from {
            return;
        }
        self.at = until;
        let Some(row) = self.held.filter(holds) else { return self.miss(until.since(from)) };
        let next = next.filter(|next| filling.reaches(&row, next));
        let end = if next.is_some() { until } else { filling.end_of(&row, until).max(from).min(until) };
        let (first, last) = (filling.at(from, Some(&row), next), filling.at(end, Some(&row), next));
        if from < end {
            self.in_gap = false;
            let seconds = end.since(from).as_secs_f64();
            let mean = match self.filling.method {
                Method::Linear if next.is_some_and(holds) => {
                    let last = next.filter(|next| next.time == end).map_or(last.value, |next| next.value);
                    f64::midpoint(first.value, last)
                }
                Method::Step | Method::Linear => row.value,
            };
            self.sum.value_seconds += mean * seconds;
            self.sum.covered += end.since(from);
            self.sum.quality = worst_quality(self.sum.quality, first.quality);
        }
        if end < until {
            self.miss(until.since(end));
        }
    }

    fn miss(&mut self, time: Duration) {
        self.sum.missing += time;
        self.sum.gaps += u64::from(!self.in_gap);
        self.in_gap = true;
    }
}

#[cfg(test)]
mod tests;
