//! Calculated points, modes, counters, deadband and rate of change.
#![allow(clippy::unwrap_used)]

use super::{Centre, Counters, Restored};
use crate::alarm::{AlarmId, AlarmKind};
use crate::gate::GateConfig;
use crate::mode::{ModeError, PointMode, PointModes, SetMode};
use crate::table::PointState;
use signal::formula::Formula;
use signal::{Detail, PointDef, PointId, PointKind, PointList, Quality, Sample, Source, Validity, Value};
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Now, Utc, UtcStamp};

const A: PointId = PointId(0);
const B: PointId = PointId(1);
const SUM: PointId = PointId(2);
const TWICE: PointId = PointId(3);
const METER: PointId = PointId(4);

fn def(name: &str, kind: PointKind) -> PointDef {
    PointDef { name: name.into(), mrid: name.into(), kind, unit: "MW".into(), ..PointDef::default() }
}

fn formula(name: &str, text: &str) -> PointDef {
    PointDef { formula: Some(Formula::parse(text).unwrap()), ..def(name, PointKind::Analog) }
}

struct Bench {
    centre: Centre,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        Self::restored(PointModes::new())
    }

    fn restored(modes: PointModes) -> Self {
        let stale_after = Some(Duration::from_secs(10));
        let points = PointList::new(vec![
            PointDef { stale_after, rate_limit: Some(5.0), ..def("a", PointKind::Analog) },
            PointDef { archive_deadband: 0.5, ..def("b", PointKind::Analog) },
            formula("sum", "{a} + {b}"),
            formula("twice", "2 * {sum}"),
            PointDef { counter_range: Some(1000), ..def("meter", PointKind::Counter) },
        ]);
        let restored = Restored { modes, ..Restored::default() };
        let mut centre = Centre::new(Arc::new(points.unwrap()), GateConfig::default(), restored);
        let now = Now { mono: Mono::ZERO, utc: Utc::default() };
        centre.show_modes(now);
        Self { centre, now }
    }

    fn say(&mut self, point: PointId, value: Value) {
        self.say_with(point, value, Quality::GOOD);
    }

    /// A second later.
    fn say_with(&mut self, point: PointId, value: Value, quality: Quality) {
        self.now = self.now.advanced(Duration::from_secs(1));
        let source_time = Some(UtcStamp::synchronised(self.now.utc));
        self.centre.apply(&Sample { point, value, quality, source_time, received: self.now });
        self.centre.calculate(self.now);
    }

    fn state(&self, point: PointId) -> PointState {
        self.centre.table().get(point).unwrap()
    }

    fn number(&self, point: PointId) -> f64 {
        self.state(point).value.unwrap().as_number().unwrap()
    }

    fn set(&mut self, point: PointId, mode: PointMode) -> Result<(), ModeError> {
        let set = SetMode { mode, by: "anna".into(), at: self.now.utc, reason: "test".into() };
        let done = self.centre.set_mode(point, set, self.now);
        self.centre.calculate(self.now);
        done
    }
}

#[test]
fn a_formula_follows_its_points_and_their_quality() {
    let mut bench = Bench::new();
    bench.centre.calculate(bench.now);
    assert_eq!(bench.state(TWICE).quality.validity, Validity::Invalid, "nothing is known yet");
    bench.say(A, Value::Analog(3.0));
    bench.say(B, Value::Analog(4.0));
    assert_eq!((bench.number(SUM), bench.number(TWICE)), (7.0, 14.0));
    assert_eq!(bench.state(TWICE).quality, Quality::GOOD);
    assert_eq!(bench.state(TWICE).source_time.unwrap().time, bench.now.utc, "as new as its newest part");
    bench.say_with(A, Value::Analog(5.0), Quality::questionable(Detail::INACCURATE));
    assert_eq!(bench.state(TWICE).quality, Quality::questionable(Detail::INACCURATE));
    bench.now = bench.now.advanced(Duration::from_secs(20));
    bench.centre.tick(bench.now);
    bench.centre.calculate(bench.now);
    assert!(bench.state(TWICE).quality.detail.contains(Detail::OLD_DATA), "a is stale");
    assert!(bench.state(TWICE).good().is_none());
}

#[test]
fn a_chain_of_formulas_is_calculated_once_per_flush() {
    let mut bench = Bench::new();
    bench.centre.calculate(bench.now);
    let before = bench.centre.counters().calculated;
    for n in 0..10 {
        let (value, now) = (Value::Analog(f64::from(n)), bench.now);
        for point in [A, B] {
            let sample = Sample { point, value, quality: Quality::GOOD, source_time: None, received: now };
            bench.centre.apply(&sample);
        }
    }
    bench.centre.calculate(bench.now);
    assert_eq!(bench.centre.counters().calculated - before, 2);
    assert_eq!(bench.number(TWICE), 36.0);
}

#[test]
fn a_replaced_value_stands_until_it_is_released() {
    let mut bench = Bench::new();
    bench.say(A, Value::Analog(3.0));
    bench.say(B, Value::Analog(1.0));
    let replaced = Some(Value::Analog(50.0));
    bench.set(A, PointMode { replaced, ..PointMode::default() }).unwrap();
    let state = bench.state(A);
    assert!(state.replaced && state.quality.source == Source::Substituted && state.good() == replaced);
    assert_eq!((bench.number(SUM), bench.state(SUM).quality.source), (51.0, Source::Substituted));
    bench.say(A, Value::Analog(4.0));
    assert_eq!(bench.number(A), 50.0, "the process does not show through");
    bench.now = bench.now.advanced(Duration::from_secs(100));
    bench.centre.tick(bench.now);
    assert!(!bench.state(A).stale, "what a person entered does not age");
    bench.set(A, PointMode::default()).unwrap();
    let state = bench.state(A);
    assert!(!state.replaced && state.value == Some(Value::Analog(4.0)) && state.quality == Quality::GOOD);
    assert_eq!(bench.number(SUM), 5.0);
    let Counters { processed, held, unknown, .. } = bench.centre.counters();
    assert_eq!((processed, held, unknown), (2, 1, 0));
}

#[test]
fn a_release_without_news_brings_back_what_was_said_before() {
    let mut bench = Bench::new();
    bench.say(A, Value::Analog(3.0));
    bench.set(A, PointMode { replaced: Some(Value::Analog(9.0)), ..PointMode::default() }).unwrap();
    bench.set(A, PointMode::default()).unwrap();
    assert_eq!((bench.number(A), bench.state(A).replaced), (3.0, false));
}

#[test]
fn an_entry_that_is_released_with_nothing_beneath_is_old() {
    let usual = PointMode::default();
    for then in [usual, PointMode { inhibited: true, ..usual }] {
        let mut bench = Bench::new();
        bench.set(B, PointMode { replaced: Some(Value::Analog(9.0)), ..usual }).unwrap();
        assert_eq!(bench.state(B).good(), Some(Value::Analog(9.0)));
        bench.set(B, then).unwrap();
        let state = bench.state(B);
        assert!(!state.replaced && state.stale && state.good().is_none(), "{state:?}");
    }
}

#[test]
fn an_inhibited_point_holds_and_a_test_decides_nothing() {
    let mut bench = Bench::new();
    bench.say(A, Value::Analog(3.0));
    bench.set(A, PointMode { inhibited: true, ..PointMode::default() }).unwrap();
    bench.say(A, Value::Analog(8.0));
    assert!(bench.number(A) == 3.0 && bench.state(A).quality.operator_blocked);
    bench.set(A, PointMode { test: true, ..PointMode::default() }).unwrap();
    assert!(bench.number(A) == 8.0 && bench.state(A).good().is_none());
    assert!(!bench.state(A).quality.operator_blocked);
    bench.say(A, Value::Analog(9.0));
    assert!(bench.state(A).quality.test);
    bench.set(A, PointMode::default()).unwrap();
    assert!(bench.number(A) == 9.0 && bench.state(A).quality == Quality::GOOD);
}

#[test]
fn a_mode_that_does_not_fit_is_refused() {
    let mut bench = Bench::new();
    let wrong = PointMode { replaced: Some(Value::Single(true)), ..PointMode::default() };
    assert_eq!(bench.set(A, wrong), Err(ModeError::WrongValue));
    let inhibited = PointMode { inhibited: true, ..PointMode::default() };
    assert_eq!(bench.set(SUM, inhibited), Err(ModeError::Calculated));
    assert_eq!(bench.set(PointId(99), inhibited), Err(ModeError::Unknown));
    assert!(bench.centre.modes().is_empty());
}

#[test]
fn modes_outlive_a_restart() {
    let mut bench = Bench::new();
    bench.set(A, PointMode { replaced: Some(Value::Analog(7.0)), ..PointMode::default() }).unwrap();
    let mut again = Bench::restored(bench.centre.modes().clone());
    again.say(A, Value::Analog(1.0));
    assert!(again.number(A) == 7.0 && again.state(A).replaced);
}

#[test]
fn small_changes_show_and_are_not_archived() {
    let mut bench = Bench::new();
    bench.say(B, Value::Analog(10.0));
    bench.centre.take_changes();
    bench.say(B, Value::Analog(10.4));
    let changes = bench.centre.take_changes();
    assert!(changes.points.contains(&B) && changes.history.iter().all(|(point, _)| *point != B));
    // Around the last one that counted: small steps do not add up unseen.
    bench.say(B, Value::Analog(10.7));
    let archived = bench.centre.take_changes().history;
    assert!(archived.iter().any(|(point, state)| *point == B && state.value == Some(Value::Analog(10.7))));
    bench.say_with(B, Value::Analog(10.7), Quality::questionable(Detail::INACCURATE));
    assert!(bench.centre.take_changes().history.iter().any(|(point, _)| *point == B), "quality counts");
    assert_eq!(bench.centre.counters().within_deadband, 1);
}

#[test]
fn a_counter_counts_on_over_its_range() {
    let mut bench = Bench::new();
    let mut totals = Vec::new();
    for reading in [900, 990, 20, 30, 5] {
        bench.say(METER, Value::Counter(reading));
        totals.push((bench.number(METER), bench.state(METER).quality.validity));
    }
    use Validity::{Good, Questionable};
    // 990 to 20 is a turn of 1000 readings; 30 to 5 is a device that began anew.
    assert_eq!(
        totals,
        [(900.0, Good), (990.0, Good), (1020.0, Good), (1030.0, Good), (1035.0, Questionable)]
    );
}

#[test]
fn a_fast_change_is_an_alarm_until_a_slow_one() {
    let mut bench = Bench::new();
    let id = AlarmId::new(AlarmKind::Rate, "a");
    let active = |bench: &Bench| bench.centre.alarms().get(&id).is_some_and(|alarm| alarm.active);
    bench.say(A, Value::Analog(0.0));
    bench.say(A, Value::Analog(4.9));
    assert!(!active(&bench));
    bench.say(A, Value::Analog(10.1));
    assert!(active(&bench));
    bench.say(A, Value::Analog(10.2));
    assert!(!active(&bench));
}
