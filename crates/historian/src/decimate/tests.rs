//! Buckets against their definition.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::row::SeriesId;
use proptest::prelude::*;

fn row(time: i64, value: f64) -> Row {
    // The quality names the row, so that the union shows which rows a bucket saw.
    let quality = 1 << (2 + time.rem_euclid(14));
    Row {
        series: SeriesId(0),
        time: Utc::from_micros(time),
        value,
        quality,
        kind: 0,
        lag_ms: 0,
        note: crate::NoteId::FIELD,
    }
}

fn span(from: i64, to: i64) -> Span {
    Span { from: Utc::from_micros(from), to: Utc::from_micros(to) }
}

fn decimated(span: Span, parts: u32, before: Option<Row>, rows: &[Row]) -> Vec<Bucket> {
    let mut decimator = Decimator::new(span, parts, before);
    for row in rows {
        decimator.push(*row);
    }
    decimator.finish()
}

/// The definition, microsecond by microsecond.
fn by_definition(span: Span, parts: i64, before: Option<Row>, rows: &[Row]) -> Vec<Bucket> {
    let (from, to) = (span.from.as_micros(), span.to.as_micros());
    let in_force = |at: i64| rows.iter().rfind(|row| row.time.as_micros() <= at).copied().or(before);
    let mut buckets = Vec::new();
    for part in 0..parts {
        let (start, end) = (from + (to - from) * part / parts, from + (to - from) * (part + 1) / parts);
        let inside: Vec<Row> =
            rows.iter().filter(|row| (start..end).contains(&row.time.as_micros())).copied().collect();
        let steps: Vec<Row> = (start..end).filter_map(in_force).collect();
        let held = (start < end).then(|| in_force(start)).flatten();
        let seen: Vec<Row> = held.into_iter().chain(inside.iter().copied()).collect();
        let Some(last) = seen.last() else { continue };
        let fold = |pick: fn(f64, f64) -> f64| seen.iter().map(|row| row.value).fold(f64::NAN, pick);
        let numbers: Vec<f64> = steps.iter().map(|row| row.value).filter(|value| value.is_finite()).collect();
        let first_inside_at_start = inside.first().filter(|row| row.time.as_micros() == start);
        buckets.push(Bucket {
            start: Utc::from_micros(start),
            end: Utc::from_micros(end),
            min: fold(f64::min),
            max: fold(f64::max),
            mean: numbers.iter().sum::<f64>() / numbers.len() as f64,
            first: first_inside_at_start.or(held.as_ref()).or(inside.first()).unwrap().value,
            last: last.value,
            count: inside.len() as u64,
            quality: seen.iter().map(|row| row.quality).fold(0, worst_quality),
        });
    }
    buckets
}

fn same(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * (1.0 + b.abs())
}

proptest! {
    #[test]
    fn equals_the_definition(
        mut changes in proptest::collection::vec((0_i64..120, prop_oneof![-5.0..5.0, Just(f64::NAN)]), 0..40),
        before in proptest::option::of(-9.0..9.0),
        length in 1_i64..120,
        parts in 1_u32..30,
    ) {
        changes.sort_by_key(|(time, _)| *time);
        let rows: Vec<Row> = changes.iter().filter(|c| c.0 < length).map(|(time, value)| row(*time, *value)).collect();
        let before = before.map(|value| row(-1, value));
        let found = decimated(span(0, length), parts, before, &rows);
        let wanted = by_definition(span(0, length), i64::from(parts), before, &rows);
        prop_assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert_eq!((found.start, found.end), (wanted.start, wanted.end));
            prop_assert_eq!((found.count, found.quality), (wanted.count, wanted.quality));
            prop_assert!(same(found.mean, wanted.mean), "mean {} {}", found.mean, wanted.mean);
            for (a, b) in [(found.min, wanted.min), (found.max, wanted.max), (found.first, wanted.first), (found.last, wanted.last)] {
                prop_assert!(same(a, b), "{:?} {:?}", found, wanted);
            }
        }
        prop_assert_eq!(found.iter().map(|bucket| bucket.count).sum::<u64>(), rows.len() as u64);
    }
}

#[test]
fn a_spike_is_kept_and_weighs_by_its_time() {
    // 10 for 90 µs, 1000 for 10 µs: (900 + 10000) / 100.
    let buckets = decimated(span(0, 100), 1, Some(row(-1, 10.0)), &[row(50, 1000.0), row(60, 10.0)]);
    assert_eq!((buckets[0].min, buckets[0].max, buckets[0].mean, buckets[0].count), (10.0, 1000.0, 109.0, 2));
}

#[test]
fn nothing_known_gives_no_bucket() {
    assert!(decimated(span(0, 100), 10, None, &[]).is_empty());
    assert_eq!(decimated(span(0, 100), 10, None, &[row(55, 1.0)]).len(), 5);
    assert!(decimated(span(7, 7), 10, Some(row(0, 1.0)), &[]).is_empty());
    assert_eq!(decimated(Span::ALL, 4, Some(row(0, 1.0)), &[]).len(), 4);
}
