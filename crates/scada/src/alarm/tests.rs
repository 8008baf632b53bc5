//! The list as a table of what goes in and what must come out, and what must hold whatever goes in.
#![allow(clippy::unwrap_used)]

use super::group::{MAX_LINES, fold};
use super::inhibit::{INHIBITION, InhibitRefusal};
use super::rule::{AlarmSettings, Rule, Suppression};
use super::*;
use crate::event::Severity;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use timebase::{Mono, Now, Utc};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    list: AlarmList,
    now: Now,
}

fn begin() -> Now {
    Now { mono: Mono::from_nanos(1), utc: Utc::from_micros(1_000_000_000_000) }
}

fn id(kind: AlarmKind, source: &str) -> AlarmId {
    AlarmId::new(kind, source)
}

impl Bench {
    fn new(settings: AlarmSettings) -> Self {
        let mut list = AlarmList::default();
        list.configure(settings, begin());
        Self { list, now: begin() }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.advanced(span);
        self.list.tick(self.now);
    }

    fn raise_at(&mut self, kind: AlarmKind, source: &str, priority: Severity, at: Utc) {
        let (text, value_text) = (format!("{source} is wrong"), String::new());
        let source = source.to_owned();
        self.list.raise(Raise { kind, source, point: None, priority, below: true, text, value_text }, at);
    }

    fn raise(&mut self, kind: AlarmKind, source: &str, priority: Severity) {
        self.raise_at(kind, source, priority, self.now.utc);
    }

    fn clear(&mut self, kind: AlarmKind, source: &str) {
        self.list.clear(kind, source, self.now.utc);
    }

    fn active(&self, kind: AlarmKind, source: &str) -> Option<bool> {
        self.list.get(&id(kind, source)).map(|alarm| alarm.active)
    }

    fn inhibit(&self, span: Duration, one_shot: bool) -> Inhibit {
        let (by, reason) = ("op".to_owned(), "sensor is being replaced".to_owned());
        Inhibit { by, at: self.now.utc, until: self.now.utc + span, reason, one_shot }
    }

    fn transitions(&mut self) -> Vec<Transition> {
        self.list.take_fresh().into_iter().map(|(transition, _)| transition).collect()
    }

    fn rate(&self) -> u64 {
        self.list.flood().0
    }
}

fn delayed(on: u64, off: u64) -> AlarmSettings {
    AlarmSettings {
        limit_on_delay: Duration::from_secs(on),
        limit_off_delay: Duration::from_secs(off),
        ..AlarmSettings::default()
    }
}

use AlarmKind::{Limit, State, System, Uncommanded};
use Severity::{Critical, High, Low, Medium};

#[test]
fn a_limit_must_be_exceeded_without_a_break() {
    let mut bench = Bench::new(delayed(5, 5));
    // Noise: beyond the limit every other second for a minute.
    for _ in 0..30 {
        bench.raise(Limit, "V", Medium);
        bench.pass(SECOND);
        bench.clear(Limit, "V");
        bench.pass(SECOND);
    }
    assert_eq!(bench.active(Limit, "V"), None);
    assert_eq!((bench.transitions(), bench.list.waiting()), (vec![], 0));
    let began = bench.now.utc;
    bench.raise(Limit, "V", Medium);
    bench.pass(4 * SECOND);
    assert_eq!(bench.active(Limit, "V"), None);
    bench.pass(SECOND);
    assert_eq!(bench.active(Limit, "V"), Some(true));
    assert_eq!(bench.list.get(&id(Limit, "V")).unwrap().raised_at, began + 5 * SECOND);
    // Back within the limits, but not for long enough.
    bench.clear(Limit, "V");
    bench.pass(4 * SECOND);
    bench.raise(Limit, "V", Medium);
    bench.pass(20 * SECOND);
    assert_eq!(bench.active(Limit, "V"), Some(true));
    bench.clear(Limit, "V");
    bench.pass(5 * SECOND);
    assert_eq!(bench.active(Limit, "V"), Some(false));
    assert_eq!(bench.transitions(), [Transition::Raised, Transition::Cleared]);
}

#[test]
fn a_higher_priority_waits_by_itself() {
    let mut bench = Bench::new(delayed(5, 0));
    let priority = |bench: &Bench| bench.list.get(&id(Limit, "V")).map(|alarm| alarm.priority);
    bench.raise(Limit, "V", Medium);
    bench.pass(3 * SECOND);
    bench.raise(Limit, "V", High);
    bench.pass(2 * SECOND);
    assert_eq!(priority(&bench), Some(Medium), "beyond the first limit for 5 s, beyond the second for 2 s");
    bench.pass(3 * SECOND);
    assert_eq!(priority(&bench), Some(High));
    // Less urgent is the same alarm: nobody is called again.
    assert!(bench.list.acknowledge(&id(Limit, "V"), "op", bench.now.utc));
    bench.raise(Limit, "V", Medium);
    assert_eq!(priority(&bench), Some(Medium));
    assert!(bench.list.get(&id(Limit, "V")).unwrap().acknowledged);
    // More urgent again for less than the delay: nothing.
    bench.raise(Limit, "V", High);
    bench.pass(4 * SECOND);
    bench.raise(Limit, "V", Medium);
    bench.pass(9 * SECOND);
    assert_eq!(priority(&bench), Some(Medium));
}

#[test]
fn shelving_has_a_reason_and_an_end() {
    let mut bench = Bench::new(AlarmSettings::default());
    let alarm = id(State, "CB");
    let refused = |bench: &mut Bench, inhibit| bench.list.shelve(&alarm, inhibit).unwrap_err();
    let hour = bench.inhibit(3_600 * SECOND, false);
    assert_eq!(refused(&mut bench, hour.clone()), InhibitRefusal::NotListed);
    bench.raise(State, "CB", High);
    let longest = 8 * 3_600 * SECOND;
    assert_eq!(refused(&mut bench, Inhibit { reason: " ".into(), ..hour.clone() }), InhibitRefusal::Reason);
    assert_eq!(refused(&mut bench, bench_until(&hour, longest + SECOND)), InhibitRefusal::End(longest));
    assert_eq!(refused(&mut bench, bench_until(&hour, Duration::ZERO)), InhibitRefusal::End(longest));
    bench.list.shelve(&alarm, hour).unwrap();
    let tally = bench.list.tally();
    assert_eq!((tally.shelved, tally.shown, tally.active, tally.unacknowledged()), (1, 0, 0, 0));
    // It comes and goes without calling anybody.
    let rate = bench.rate();
    bench.clear(State, "CB");
    bench.raise(State, "CB", High);
    assert_eq!(bench.rate(), rate);
    bench.pass(3_600 * SECOND);
    let back = bench.list.get(&alarm).unwrap();
    assert!(back.is_annunciated() && back.shelved.is_none(), "it still holds, so somebody is called");
    assert_eq!(bench.rate(), 1);
}

fn bench_until(inhibit: &Inhibit, span: Duration) -> Inhibit {
    Inhibit { until: inhibit.at + span, ..inhibit.clone() }
}

#[test]
fn one_shot_shelving_ends_when_the_condition_clears() {
    let mut bench = Bench::new(AlarmSettings::default());
    bench.raise(State, "CB", High);
    let inhibit = bench.inhibit(3_600 * SECOND, true);
    bench.list.shelve(&id(State, "CB"), inhibit).unwrap();
    bench.clear(State, "CB");
    assert_eq!(bench.active(State, "CB"), None, "cleared in the shelf: nobody needs to see it");
    bench.raise(State, "CB", High);
    assert!(bench.list.get(&id(State, "CB")).unwrap().is_annunciated());
    bench.pass(4_000 * SECOND);
    assert_eq!(bench.active(State, "CB"), Some(true));
}

#[test]
fn out_of_service_holds_for_what_is_not_listed_yet() {
    let mut bench = Bench::new(AlarmSettings::default());
    let alarm = id(Limit, "V");
    let inhibit = bench.inhibit(3_600 * SECOND, false);
    bench.list.take_out_of_service(&alarm, None, inhibit.clone()).unwrap();
    bench.raise(Limit, "V", High);
    assert_eq!(bench.list.get(&alarm).unwrap().place(), Place::OutOfService);
    assert_eq!(bench.rate(), 0);
    assert!(bench.list.return_to_service(&alarm, "op", bench.now.utc));
    assert_eq!(bench.rate(), 1);
    assert!(!bench.list.return_to_service(&alarm, "op", bench.now.utc));
    let wrong = AlarmId::from("nonsense".to_owned());
    let refusal = bench.list.take_out_of_service(&wrong, None, inhibit.clone()).unwrap_err();
    assert_eq!(refusal, InhibitRefusal::NoCondition("nonsense".into()));
    let own = bench.list.take_out_of_service(&id(System, "store"), None, inhibit).unwrap_err();
    assert_eq!(own, InhibitRefusal::Own);
}

#[test]
fn many_inhibitions_in_a_short_time_are_an_alarm_that_nobody_can_hide() {
    let mut bench = Bench::new(AlarmSettings { mass_change: 3, ..AlarmSettings::default() });
    let mass = id(System, INHIBITION);
    for at in 0..4 {
        assert!(bench.list.get(&mass).is_none());
        let inhibit = bench.inhibit(3_600 * SECOND, false);
        bench.list.take_out_of_service(&id(Limit, &format!("V{at}")), None, inhibit).unwrap();
    }
    assert!(bench.list.get(&mass).unwrap().is_annunciated());
    let inhibit = bench.inhibit(60 * SECOND, false);
    assert_eq!(bench.list.shelve(&mass, inhibit), Err(InhibitRefusal::Own));
    bench.pass(601 * SECOND);
    assert_eq!(bench.active(System, INHIBITION), Some(false));
    assert_eq!(bench.list.tally().out_of_service, 4);
}

fn feeder_rule() -> AlarmSettings {
    let rule = Suppression {
        when: id(State, "CB"),
        conditions: vec![id(State, "Recloser")],
        groups: vec!["F1".into()],
        kinds: vec![Limit],
    };
    let grouped = |source: &str| {
        let group = Some("F1".to_owned());
        (id(Limit, source), Rule { group, ..Rule::default() })
    };
    AlarmSettings {
        rules: ["V1", "V2"].into_iter().map(grouped).collect(),
        suppressions: vec![rule],
        ..AlarmSettings::default()
    }
}

#[test]
fn a_cause_hides_its_consequences_countably() {
    let mut bench = Bench::new(feeder_rule());
    bench.raise(Limit, "V1", High);
    bench.raise(State, "CB", Critical);
    bench.raise(Limit, "V2", High);
    bench.raise(State, "Recloser", High);
    bench.raise(State, "Other", High);
    let tally = bench.list.tally();
    assert_eq!((tally.suppressed, tally.shown, tally.listed()), (3, 2, 5));
    assert_eq!(bench.list.get(&id(Limit, "V2")).unwrap().suppressed_by.as_deref(), Some("state:CB"));
    // A cause that a person hides hides nothing itself: somebody must see something.
    let inhibit = bench.inhibit(60 * SECOND, false);
    bench.list.shelve(&id(State, "CB"), inhibit).unwrap();
    assert_eq!(bench.list.tally().suppressed, 0);
    bench.pass(60 * SECOND);
    assert_eq!(bench.list.tally().suppressed, 3);
    // What went while it was hidden needs nobody, what stayed calls when the cause is gone.
    bench.clear(Limit, "V1");
    bench.clear(State, "CB");
    assert_eq!(bench.active(Limit, "V1"), None);
    assert!(bench.list.get(&id(Limit, "V2")).unwrap().is_annunciated());
}

#[test]
fn where_the_voltage_is_gone_low_values_are_a_consequence() {
    let mut bench = Bench::new(feeder_rule());
    bench.raise(Limit, "V1", High);
    let above = Raise {
        kind: Limit,
        source: "V2".into(),
        point: None,
        priority: High,
        below: false,
        text: "above".into(),
        value_text: String::new(),
    };
    bench.list.raise(above, bench.now.utc);
    bench.raise(State, "X", High);
    bench.list.set_dead_groups(BTreeSet::from(["F1".to_owned()]), bench.now.utc);
    assert_eq!(bench.list.get(&id(Limit, "V1")).unwrap().suppressed_by.as_deref(), Some("dead:F1"));
    assert_eq!(
        bench.list.tally().suppressed,
        1,
        "a voltage above its limit on a dead feeder is no consequence"
    );
    bench.list.set_dead_groups(BTreeSet::new(), bench.now.utc);
    assert_eq!(bench.list.tally().suppressed, 0);
}

#[test]
fn a_latched_condition_stays_until_it_is_reset() {
    let rule = Rule { latching: true, ..Rule::default() };
    let rules = [(id(State, "Trip"), rule)].into();
    let mut bench = Bench::new(AlarmSettings { rules, ..AlarmSettings::default() });
    let trip = id(State, "Trip");
    bench.raise(State, "Trip", High);
    assert!(!bench.list.reset(&trip, "op", bench.now.utc));
    bench.clear(State, "Trip");
    assert!(bench.list.get(&trip).unwrap().latched);
    assert!(!bench.list.reset(&trip, "op", bench.now.utc), "first somebody must have seen it");
    assert!(bench.list.acknowledge(&trip, "op", bench.now.utc));
    assert!(bench.list.get(&trip).is_some());
    assert!(bench.list.reset(&trip, "op", bench.now.utc));
    assert_eq!(bench.list.get(&trip), None);
}

#[test]
fn first_out_is_what_happened_first_not_what_arrived_first() {
    let mut bench = Bench::new(AlarmSettings::default());
    bench.pass(100 * SECOND);
    let first = |bench: &Bench| bench.list.groups()[0].first_out.clone().unwrap().source;
    bench.raise(State, "late", High);
    assert_eq!(first(&bench), "late");
    bench.raise_at(State, "early", High, begin().utc + 50 * SECOND);
    bench.raise(State, "later", High);
    assert_eq!(first(&bench), "early");
    let marked = |bench: &Bench| bench.list.iter().filter(|alarm| alarm.first_out).count();
    assert_eq!(marked(&bench), 1);
    // Seen and gone, it is still what the burst began with.
    bench.clear(State, "early");
    bench.list.acknowledge(&id(State, "early"), "op", bench.now.utc);
    assert_eq!(first(&bench), "early");
    // Everything seen: the next alarm begins a new burst.
    for source in ["late", "later"] {
        bench.list.acknowledge(&id(State, source), "op", bench.now.utc);
    }
    bench.raise(State, "new", High);
    assert_eq!((first(&bench), marked(&bench)), ("new".into(), 1));
}

#[test]
fn a_flood_begins_above_ten_and_ends_below_five() {
    let mut bench = Bench::new(AlarmSettings::default());
    for at in 0..10 {
        bench.raise(State, &format!("A{at}"), High);
        bench.pass(SECOND);
    }
    assert_eq!(bench.list.flood(), (10, None));
    bench.raise(State, "A10", High);
    assert_eq!(bench.list.flood().1.map(|flood| (flood.alarms, flood.peak)), Some((11, 11)));
    // 595 s later six of the eleven have left the window: five are not fewer than five.
    bench.pass(595 * SECOND);
    assert!(bench.list.flood().1.is_some(), "{:?}", bench.list.flood());
    bench.pass(SECOND);
    assert_eq!(bench.list.flood(), (4, None));
    let figures = bench.list.figures();
    assert_eq!((figures.floods, figures.flood_list.len(), figures.annunciated), (1, 1, 11));
    assert!((figures.flood_percent - 100.0 * 596.0 / 606.0).abs() < 0.1, "{}", figures.flood_percent);
    let texts: Vec<String> = bench.list.take_events().into_iter().map(|event| event.text).collect();
    assert_eq!(texts.iter().filter(|text| text.contains("alarm flood")).count(), 2);
}

#[test]
fn chatter_is_three_raises_within_a_minute() {
    let check = |pause: u32, expected: bool| {
        let mut bench = Bench::new(AlarmSettings::default());
        for _ in 0..3 {
            bench.raise(State, "CB", Low);
            bench.clear(State, "CB");
            bench.pass(pause * SECOND);
        }
        assert_eq!(bench.list.get(&id(State, "CB")).unwrap().chattering, expected, "{pause}");
        bench.pass(601 * SECOND);
        assert!(!bench.list.get(&id(State, "CB")).unwrap().chattering);
        assert!(bench.list.figures().chattering.is_empty());
    };
    check(1, true);
    check(30, true);
    check(31, false);
}

#[test]
fn figures_count_what_called_somebody() {
    let mut bench = Bench::new(AlarmSettings::default());
    for _ in 0..9 {
        bench.raise(State, "often", Low);
        bench.clear(State, "often");
    }
    bench.raise(State, "once", Critical);
    bench.pass(1_200 * SECOND);
    let figures = bench.list.figures();
    assert_eq!((figures.annunciated, figures.by_priority), (10, [1, 0, 0, 9]));
    assert!((figures.average - 5.0).abs() < 1e-9, "{}", figures.average);
    assert_eq!((figures.top[0].id.as_str(), figures.top[0].count, figures.peak), ("state:often", 9, 10));
    assert_eq!(figures.stale, []);
    bench.pass(86_400 * SECOND);
    assert_eq!(bench.list.figures().stale, [id(State, "once")]);
}

#[test]
fn no_more_lines_than_ten_and_nothing_left_out() {
    let mut bench = Bench::new(AlarmSettings::default());
    for at in 0..25 {
        bench.raise(AlarmKind::Link, &format!("S{at:02}"), if at == 20 { Critical } else { Medium });
        bench.pass(SECOND);
    }
    let lines = fold(bench.list.groups(), MAX_LINES);
    assert_eq!((lines.len(), lines[0].groups[0].as_str()), (10, "S20"));
    assert_eq!(lines.iter().map(|line| line.tally.unacknowledged()).sum::<usize>(), 25);
    assert_eq!(lines[9].groups.len(), 16);
    assert_eq!(lines[9].first_out.as_ref().unwrap().source, "S08");
    assert_eq!(fold(bench.list.groups().split_off(15), MAX_LINES).len(), 10);
    assert!(fold(Vec::new(), MAX_LINES).is_empty());
}

/// B-14: ten thousand alarms, and a hundred thousand listed already.
#[test]
fn a_flood_of_ten_thousand_loses_nothing() {
    let mut bench = Bench::new(AlarmSettings::default());
    for at in 0..100_000 {
        bench.raise(Limit, &format!("old {at}"), Low);
    }
    bench.list.take_fresh();
    for at in 0..10_000 {
        bench.raise(State, &format!("new {at}"), High);
        if at % 50 == 0 {
            bench.pass(SECOND / 20);
        }
    }
    let fresh = bench.list.take_fresh();
    let raised = fresh.iter().filter(|(what, _)| *what == Transition::Raised).count();
    assert_eq!((raised, bench.list.tally().listed()), (10_000, 110_000));
    assert_eq!(bench.list.members("state").len(), 10_000);
    for member in bench.list.members("state") {
        assert!(bench.list.acknowledge(&member, "op", bench.now.utc));
    }
    let seen = bench.transitions().iter().filter(|what| **what == Transition::Acknowledged).count();
    assert_eq!(seen, 10_000);
}

#[derive(Clone, Debug)]
enum Step {
    Raise(u8, u8),
    Clear(u8),
    Acknowledge(u8),
    Shelve(u8, u16, bool),
    Unshelve(u8),
    OutOfService(u8, u16),
    InService(u8),
    Reset(u8),
    Dead(bool),
    Pass(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12_u8, 0..4_u8).prop_map(|(at, priority)| Step::Raise(at, priority)),
        4 => (0..12_u8).prop_map(Step::Clear),
        3 => (0..12_u8).prop_map(Step::Acknowledge),
        1 => (0..12_u8, 1..5_000_u16, any::<bool>()).prop_map(|(at, span, one)| Step::Shelve(at, span, one)),
        1 => (0..12_u8).prop_map(Step::Unshelve),
        1 => (0..12_u8, 1..5_000_u16).prop_map(|(at, span)| Step::OutOfService(at, span)),
        1 => (0..12_u8).prop_map(Step::InService),
        1 => (0..12_u8).prop_map(Step::Reset),
        1 => any::<bool>().prop_map(Step::Dead),
        3 => (0..800_u16).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..120)
}

fn condition(at: u8) -> (AlarmKind, String) {
    match at {
        0..4 => (Limit, format!("V{at}")),
        4 => (State, "CB".into()),
        5 => (State, "Recloser".into()),
        6..9 => (Uncommanded, format!("Q{at}")),
        _ => (State, format!("X{at}")),
    }
}

fn settings(delay: u64) -> AlarmSettings {
    let mut settings = AlarmSettings { mass_change: 4, ..feeder_rule() };
    settings.limit_on_delay = Duration::from_secs(delay);
    settings.limit_off_delay = Duration::from_secs(delay / 2);
    settings.rules.insert(id(State, "X9"), Rule { latching: true, ..Rule::default() });
    settings
}

fn walk(bench: &mut Bench, step: &Step) {
    let name = |at: u8| {
        let (kind, source) = condition(at);
        id(kind, &source)
    };
    let utc = bench.now.utc;
    match *step {
        Step::Raise(at, priority) => {
            let (kind, source) = condition(at);
            bench.raise(kind, &source, [Low, Medium, High, Critical][usize::from(priority)]);
        }
        Step::Clear(at) => {
            let (kind, source) = condition(at);
            bench.clear(kind, &source);
        }
        Step::Acknowledge(at) => drop(bench.list.acknowledge(&name(at), "op", utc)),
        Step::Shelve(at, span, one_shot) => {
            let inhibit = bench.inhibit(u32::from(span) * SECOND, one_shot);
            drop(bench.list.shelve(&name(at), inhibit));
        }
        Step::Unshelve(at) => drop(bench.list.unshelve(&name(at), "op", utc)),
        Step::OutOfService(at, span) => {
            let inhibit = bench.inhibit(u32::from(span) * SECOND, false);
            drop(bench.list.take_out_of_service(&name(at), None, inhibit));
        }
        Step::InService(at) => drop(bench.list.return_to_service(&name(at), "op", utc)),
        Step::Reset(at) => drop(bench.list.reset(&name(at), "op", utc)),
        Step::Dead(dead) => {
            let dead: BTreeSet<String> = dead.then(|| "F1".to_owned()).into_iter().collect();
            bench.list.set_dead_groups(dead, utc);
        }
        Step::Pass(seconds) => bench.pass(u32::from(seconds) * SECOND),
    }
}

/// Counts by walking through everything, as the list itself never does.
fn check_counts(list: &AlarmList) {
    let mut tally = super::index::Tally::default();
    list.iter().for_each(|alarm| tally.add(alarm));
    assert_eq!(list.tally(), tally);
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for alarm in list.iter() {
        *groups.entry(&alarm.group).or_default() += 1;
        assert!(alarm.is_retained(), "{alarm:?}");
        if alarm.kind == System || alarm.id == id(State, "CB") {
            assert_eq!(alarm.suppressed_by, None, "what must stay in sight is hidden");
        }
    }
    let lines = list.groups();
    let counted: BTreeMap<&str, usize> =
        lines.iter().map(|line| (line.groups[0].as_str(), line.tally.listed())).collect();
    assert_eq!(counted, groups);
    for line in &lines {
        let waits = line.tally.unacknowledged() > 0;
        assert!(!waits || line.first_out.is_some(), "{line:?}");
    }
}

proptest! {
    /// Who applies the transitions in order, as the store and the screens do, holds the list.
    #[test]
    fn transitions_tell_everything(steps in steps(), delay in 0..20_u64) {
        let mut bench = Bench::new(settings(delay));
        let mut mirror: BTreeMap<AlarmId, Alarm> = BTreeMap::new();
        let (mut listed, mut over) = (0, 0);
        for step in &steps {
            walk(&mut bench, step);
            for (_, alarm) in bench.list.take_fresh() {
                if alarm.is_retained() {
                    listed += usize::from(mirror.insert(alarm.id.clone(), alarm).is_none());
                } else {
                    over += usize::from(mirror.remove(&alarm.id).is_some());
                }
            }
            prop_assert!(bench.list.iter().eq(mirror.values()));
            prop_assert_eq!(listed, over + bench.list.tally().listed());
            check_counts(&bench.list);
        }
    }

    /// What the store holds makes the same list again.
    #[test]
    fn a_restored_list_is_the_same(steps in steps()) {
        let mut bench = Bench::new(settings(0));
        steps.iter().for_each(|step| walk(&mut bench, step));
        let mut again = AlarmList::restore(bench.list.iter().cloned().collect());
        again.configure(settings(0), bench.now);
        prop_assert!(again.take_fresh().is_empty());
        prop_assert!(again.iter().eq(bench.list.iter()));
        prop_assert_eq!(again.tally(), bench.list.tally());
        // And it goes on alike.
        let later = bench.now.advanced(9_000 * SECOND);
        again.tick(later);
        bench.list.tick(later);
        let states = |list: &AlarmList| list.iter().map(|alarm| (alarm.id.clone(), alarm.place())).collect::<Vec<_>>();
        let no_mass = |mut all: Vec<(AlarmId, Place)>| { all.retain(|(id, _)| id.as_str() != "system:alarm inhibition"); all };
        prop_assert_eq!(no_mass(states(&again)), no_mass(states(&bench.list)));
    }
}
