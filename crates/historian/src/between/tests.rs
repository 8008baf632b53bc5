//! Integrals and values between rows, by hand.

use super::*;
use crate::{NoteId, SeriesId};

const SECOND: i64 = 1_000_000;
const INVALID: u16 = 2;

fn row((second, value, quality): (i64, f64, u16)) -> Row {
    let time = Utc::from_micros(second * SECOND);
    Row { series: SeriesId(0), time, lag_ms: 0, value, quality, kind: 0, note: NoteId::FIELD }
}

fn span(from: i64, to: i64) -> Span {
    Span { from: Utc::from_micros(from * SECOND), to: Utc::from_micros(to * SECOND) }
}

fn filling(method: Method, max_gap_s: Option<u64>) -> Filling {
    Filling { method, max_gap: max_gap_s.map(Duration::from_secs) }
}

/// Value·seconds, covered and missing seconds, gaps; by hand.
fn check(rows: &[(i64, f64, u16)], how: Filling, wanted: (f64, u64, u64, u64)) {
    let span = span(0, 100);
    let rows: Vec<Row> = rows.iter().copied().map(row).collect();
    let before = rows.iter().rfind(|row| row.time < span.from).copied();
    let mut integrator = Integrator::new(span, how, before);
    rows.iter().for_each(|row| integrator.push(*row));
    let found = integrator.finish(rows.iter().find(|row| row.time >= span.to).copied());
    let seconds = (found.value_seconds, found.covered.as_secs(), found.missing.as_secs(), found.gaps);
    assert_eq!(seconds, wanted, "{how:?} {rows:?}");
}

#[test]
fn integrals_by_hand() {
    let (step, line) = (filling(Method::Step, None), filling(Method::Linear, None));
    // 50 s of nothing, then 50 s at 4.
    check(&[(50, 4.0, 0)], step, (200.0, 50, 50, 1));
    check(&[(-10, 2.0, 0), (50, 4.0, 0)], step, (300.0, 100, 0, 0));
    // An invalid stretch from 20 to 60 is no energy and no zero either.
    check(&[(-10, 2.0, 0), (20, 9.0, INVALID), (60, 1.0, 0)], step, (80.0, 60, 40, 1));
    check(&[(0, 1.0, 0), (10, f64::NAN, 0), (20, 1.0, 0), (90, 7.0, INVALID)], step, (80.0, 80, 20, 2));
    // A row holds for 30 s at most: 0..30, then 40..70.
    check(&[(0, 1.0, 0), (40, 2.0, 0)], filling(Method::Step, Some(30)), (90.0, 60, 40, 2));
    check(&[(-50, 5.0, 0)], filling(Method::Step, Some(60)), (50.0, 10, 90, 1));
    // From 0 at 0 s to 10 at 100 s; then with the end beyond the span.
    check(&[(0, 0.0, 0), (100, 10.0, 0)], line, (500.0, 100, 0, 0));
    check(&[(-100, 0.0, 0), (300, 40.0, 0)], line, (1_500.0, 100, 0, 0));
    // No row to draw a line to: the last value holds.
    check(&[(0, 0.0, 0), (50, 10.0, 0)], line, (750.0, 100, 0, 0));
    check(&[], step, (0.0, 0, 100, 1));
}

#[test]
fn values_between_rows() {
    let (early, late) = (row((10, 1.0, 0)), row((20, 3.0, 1)));
    let at = |second: i64, how: Filling| how.at(Utc::from_micros(second * SECOND), Some(&early), Some(&late));
    let line = at(15, filling(Method::Linear, None));
    assert_eq!((line.value, line.quality), (2.0, 1));
    let step = at(15, filling(Method::Step, None));
    assert_eq!((step.value, step.quality), (1.0, 0));
    assert!(at(15, filling(Method::Step, Some(4))).value.is_nan());
    // Too far apart for a line, but the earlier one still holds.
    assert_eq!(at(12, filling(Method::Linear, Some(4))).value, 1.0);
    let invalid = row((10, 1.0, INVALID));
    let found = Filling::default().at(Utc::from_micros(15 * SECOND), Some(&invalid), Some(&late));
    assert!(found.value.is_nan() && found.quality == INVALID);
}
