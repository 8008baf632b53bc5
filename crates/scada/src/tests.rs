//! The gate and the supervision as tables: what goes in, what must come out.
#![allow(clippy::unwrap_used)]

use crate::alarm::{AlarmId, AlarmKind};
use crate::centre::{Centre, Restored};
use crate::gate::{CommandState, GateConfig, Order, Origin, Outgoing};
use crate::tag::{Tag, TagKind};
use security::{Areas, Principal, PrincipalKind, Role};
use signal::{
    Binding, CommandId, CommandStage, ControlMode, DoublePoint, Limits, LinkState, PointDef, PointId,
    PointKind, PointList, Quality, Request, Sample, Value,
};
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Now, Utc, UtcStamp};

const BREAKER: PointId = PointId(0);
const VOLTAGE: PointId = PointId(1);
const TAP: PointId = PointId(2);
const OPEN: Value = Value::Double(DoublePoint::Off);
const CLOSED: Value = Value::Double(DoublePoint::On);

fn def(name: &str, kind: PointKind, control: Option<ControlMode>) -> PointDef {
    PointDef {
        name: name.into(),
        mrid: format!("_{name}"),
        equipment: String::new(),
        substation: "S1".into(),
        kind,
        unit: String::new(),
        binding: Some(Binding {
            link: "S1".into(),
            address: "x".into(),
            control: control.map(|mode| ("y".to_owned(), mode)),
        }),
        limits: Limits::default(),
        normal: None,
        stale_after: Some(Duration::from_secs(10)),
        deadband: 0.0,
        ..PointDef::default()
    }
}

struct Bench {
    centre: Centre,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        let mut voltage = def("V", PointKind::Analog, None);
        voltage.limits = Limits { high: Some(110.0), hysteresis: 1.0, ..Limits::default() };
        let points = PointList::new(vec![
            def("CB", PointKind::Double, Some(ControlMode::SelectBeforeOperate)),
            voltage,
            def("Tap", PointKind::Step, Some(ControlMode::Direct)),
        ])
        .unwrap();
        let centre = Centre::new(Arc::new(points), GateConfig::default(), Restored::default());
        let now = Now { mono: Mono::from_nanos(1), utc: Utc::from_micros(1_000_000) };
        let mut bench = Self { centre, now };
        bench.sample(BREAKER, CLOSED, Quality::GOOD);
        bench.sample(VOLTAGE, Value::Analog(100.0), Quality::GOOD);
        bench.sample(TAP, Value::Step(3), Quality::GOOD);
        bench.centre.take_changes();
        bench
    }

    fn sample(&mut self, point: PointId, value: Value, quality: Quality) {
        let source_time = Some(UtcStamp::synchronised(self.now.utc));
        self.centre.apply(&Sample { point, value, quality, source_time, received: self.now });
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.advanced(Duration::from_secs(seconds));
        self.centre.tick(self.now);
    }

    fn select(&mut self, who: &Principal, point: PointId, value: Value) -> CommandId {
        let order = Order::new(point, value, "test", "a");
        let now = self.now;
        self.centre.with_gate(now.utc, |gate, table, tags| gate.select(now, who, order, table, tags))
    }

    fn execute(&mut self, who: &Principal, id: CommandId, session: &str) -> Result<(), &'static str> {
        let now = self.now;
        let result = self
            .centre
            .with_gate(now.utc, |gate, table, tags| gate.execute(now, who, (id, session), (table, tags)));
        result.map_err(|refusal| refusal.code)
    }

    fn answer(&mut self, id: CommandId, stage: CommandStage) {
        let now = self.now;
        self.centre.with_gate(now.utc, |gate, table, _| gate.device_answered(now, id, stage, table));
    }

    fn state(&self, id: CommandId) -> CommandState {
        self.centre.gate().get(id).unwrap().state
    }

    fn refusal(&self, id: CommandId) -> &'static str {
        self.centre.gate().get(id).unwrap().refusal.as_ref().unwrap().code
    }

    fn alarm(&self, kind: AlarmKind, source: &str) -> Option<bool> {
        self.centre.alarms().get(&AlarmId::new(kind, source)).map(|alarm| alarm.active)
    }
}

fn who(name: &str, role: Role, areas: &[&str]) -> Principal {
    Principal::new(name, PrincipalKind::Human, [role].into_iter().collect(), Areas::from_names(areas))
}

fn operator() -> Principal {
    who("op", Role::Operator, &["*"])
}

fn sends(outgoing: &[Outgoing]) -> Vec<&'static str> {
    outgoing
        .iter()
        .map(|entry| match entry {
            Outgoing::Audit(_) => "audit",
            Outgoing::Send(Request::Select(_)) => "select",
            Outgoing::Send(Request::Execute(_)) => "execute",
            Outgoing::Send(Request::Deselect(_)) => "deselect",
            Outgoing::Send(
                Request::Interrogate | Request::InterrogateCounters | Request::SynchroniseClock,
            ) => "other",
        })
        .collect()
}

#[test]
fn a_command_is_confirmed_only_by_its_returned_measurement() {
    let mut bench = Bench::new();
    let id = bench.select(&operator(), BREAKER, OPEN);
    assert_eq!(bench.state(id), CommandState::Selecting);
    bench.answer(id, CommandStage::Selected);
    assert_eq!(bench.execute(&operator(), id, "a"), Ok(()));
    bench.answer(id, CommandStage::Accepted);
    bench.answer(id, CommandStage::Terminated);
    assert_eq!(bench.state(id), CommandState::AwaitingReturn);
    bench.sample(BREAKER, Value::Double(DoublePoint::Intermediate), Quality::GOOD);
    assert_eq!(bench.state(id), CommandState::AwaitingReturn);
    bench.sample(BREAKER, OPEN, Quality::GOOD);
    assert_eq!(bench.state(id), CommandState::Confirmed);
    assert_eq!(bench.alarm(AlarmKind::Uncommanded, "CB"), None);
    let changes = bench.centre.take_changes();
    assert_eq!(sends(&changes.outgoing), ["audit", "select", "audit", "execute", "audit"]);
}

#[test]
fn refused_attempts_leave_an_audit_record_and_nothing_else() {
    let check = |prepare: fn(&mut Bench), principal: Principal, point, value, code| {
        let mut bench = Bench::new();
        prepare(&mut bench);
        bench.centre.take_changes();
        let id = bench.select(&principal, point, value);
        assert_eq!((bench.state(id), bench.refusal(id)), (CommandState::Refused, code));
        assert_eq!(sends(&bench.centre.take_changes().outgoing), ["audit"], "{code}");
    };
    let nothing = |_: &mut Bench| {};
    check(nothing, who("v", Role::Viewer, &["*"]), BREAKER, OPEN, "role");
    check(nothing, who("o", Role::Operator, &["S2"]), BREAKER, OPEN, "area");
    check(nothing, operator(), VOLTAGE, Value::Analog(1.0), "not_controllable");
    check(nothing, operator(), BREAKER, Value::Analog(1.0), "value");
    check(nothing, operator(), TAP, Value::Step(2), "value");
    check(nothing, operator(), BREAKER, Value::Double(DoublePoint::Bad), "value");
    check(|bench| bench.pass(11), operator(), BREAKER, OPEN, "measurement");
    let hold = |bench: &mut Bench| {
        let (text, by, at) = ("men at work".into(), "chief".into(), bench.now.utc);
        bench.centre.tags_mut().place(Tag { id: 0, point: BREAKER, kind: TagKind::Hold, text, by, at });
    };
    check(hold, operator(), BREAKER, OPEN, "tag_hold");
    let other = |bench: &mut Bench| {
        bench.select(&who("b", Role::Operator, &["*"]), BREAKER, OPEN);
    };
    check(other, operator(), BREAKER, OPEN, "open_command");
}

#[test]
fn a_tag_placed_after_the_select_stops_the_execute() {
    let mut bench = Bench::new();
    let id = bench.select(&operator(), BREAKER, OPEN);
    bench.answer(id, CommandStage::Selected);
    let (text, by, at) = ("men at work".into(), "chief".into(), bench.now.utc);
    bench.centre.tags_mut().place(Tag { id: 0, point: BREAKER, kind: TagKind::Hold, text, by, at });
    assert_eq!(bench.execute(&operator(), id, "a"), Err("tag_hold"));
}

#[test]
fn a_select_is_bound_to_user_session_and_time() {
    let mut bench = Bench::new();
    let id = bench.select(&operator(), BREAKER, OPEN);
    assert_eq!(bench.execute(&operator(), id, "a"), Err("wrong_state"));
    bench.answer(id, CommandStage::Selected);
    assert_eq!(bench.execute(&who("b", Role::Operator, &["*"]), id, "a"), Err("select_owner"));
    assert_eq!(bench.execute(&operator(), id, "b"), Err("select_owner"));
    // Keep the measurement fresh, so that only the select's age counts.
    for _ in 0..30 {
        bench.sample(BREAKER, CLOSED, Quality::GOOD);
        bench.pass(1);
    }
    assert_eq!(bench.state(id), CommandState::Expired);
    assert_eq!(bench.execute(&operator(), id, "a"), Err("wrong_state"));
    assert!(sends(&bench.centre.take_changes().outgoing).contains(&"deselect"));
}

#[test]
fn executing_twice_sends_once() {
    let mut bench = Bench::new();
    let id = bench.select(&operator(), BREAKER, OPEN);
    bench.answer(id, CommandStage::Selected);
    assert_eq!(bench.execute(&operator(), id, "a"), Ok(()));
    assert_eq!(bench.execute(&operator(), id, "a"), Err("wrong_state"));
    let outgoing = bench.centre.take_changes().outgoing;
    assert_eq!(sends(&outgoing).iter().filter(|what| **what == "execute").count(), 1);
}

#[test]
fn silence_is_an_alarm() {
    let check = |answers: &[CommandStage], seconds, text: &str| {
        let mut bench = Bench::new();
        let id = bench.select(&operator(), BREAKER, OPEN);
        for (at, answer) in answers.iter().enumerate() {
            bench.answer(id, answer.clone());
            if at == 0 {
                bench.execute(&operator(), id, "a").unwrap();
            }
        }
        bench.pass(seconds);
        assert_eq!(bench.state(id), CommandState::TimedOut);
        let alarm = bench.centre.alarms().get(&AlarmId::new(AlarmKind::Command, "CB")).unwrap();
        assert!(alarm.text.contains(text), "{}", alarm.text);
    };
    check(&[], 5, "did not answer");
    check(&[CommandStage::Selected], 5, "did not answer");
    check(&[CommandStage::Selected, CommandStage::Accepted], 15, "no returned measurement");
}

#[test]
fn an_applications_direct_command_executes_at_once() {
    let mut bench = Bench::new();
    let app = Principal { kind: PrincipalKind::Application, ..operator() };
    let origin = Origin::Application("volt-var".into());
    let order = Order { origin, ..Order::new(TAP, Value::Step(-1), "low", "app") };
    let now = bench.now;
    let id = bench.centre.with_gate(now.utc, |gate, table, tags| gate.select(now, &app, order, table, tags));
    assert_eq!(bench.state(id), CommandState::Executing);
    bench.answer(id, CommandStage::Accepted);
    bench.sample(TAP, Value::Step(2), Quality::GOOD);
    assert_eq!(bench.state(id), CommandState::Confirmed);
    let outgoing = bench.centre.take_changes().outgoing;
    assert_eq!(sends(&outgoing), ["audit", "audit", "execute", "audit"]);
}

#[test]
fn a_switch_that_moves_by_itself_raises_an_alarm_until_it_is_seen() {
    let mut bench = Bench::new();
    bench.sample(BREAKER, OPEN, Quality::GOOD);
    assert_eq!(bench.alarm(AlarmKind::Uncommanded, "CB"), Some(true));
    let id = AlarmId::new(AlarmKind::Uncommanded, "CB");
    let at = bench.now.utc;
    assert!(bench.centre.acknowledge(&id, "op", at));
    assert_eq!(bench.alarm(AlarmKind::Uncommanded, "CB"), None);
    assert!(!bench.centre.acknowledge(&id, "op", at));
}

#[test]
fn limits_raise_and_clear_and_bad_values_hold() {
    let mut bench = Bench::new();
    bench.sample(VOLTAGE, Value::Analog(111.0), Quality::GOOD);
    assert_eq!(bench.alarm(AlarmKind::Limit, "V"), Some(true));
    bench.sample(VOLTAGE, Value::Analog(50.0), Quality::invalid(signal::Detail::FAILURE));
    assert_eq!(bench.alarm(AlarmKind::Limit, "V"), Some(true));
    bench.sample(VOLTAGE, Value::Analog(100.0), Quality::GOOD);
    // Cleared but not seen: still listed.
    assert_eq!(bench.alarm(AlarmKind::Limit, "V"), Some(false));
}

#[test]
fn a_lost_link_makes_its_points_stale_at_once_and_back_is_no_movement() {
    let mut bench = Bench::new();
    let now = bench.now;
    bench.centre.link_changed("S1", LinkState::Down, now);
    assert_eq!(bench.centre.table().count().stale, 3);
    assert_eq!(bench.alarm(AlarmKind::Link, "S1"), Some(true));
    assert_eq!(bench.centre.take_changes().history.len(), 3);
    bench.centre.link_changed("S1", LinkState::Up, now);
    bench.sample(BREAKER, OPEN, Quality::GOOD);
    assert_eq!(bench.alarm(AlarmKind::Uncommanded, "CB"), None);
    assert_eq!(bench.alarm(AlarmKind::Link, "S1"), Some(false));
}

#[test]
fn events_are_numbered_without_gaps_and_history_holds_every_change() {
    let mut bench = Bench::new();
    for value in [101.0, 101.0, 102.0, 103.0] {
        bench.sample(VOLTAGE, Value::Analog(value), Quality::GOOD);
    }
    bench.sample(BREAKER, OPEN, Quality::GOOD);
    let changes = bench.centre.take_changes();
    assert_eq!(changes.history.len(), 4);
    assert_eq!(changes.points.len(), 2);
    let seqs: Vec<u64> = changes.events.iter().map(|event| event.seq).collect();
    let first = seqs[0];
    assert_eq!(seqs, (first..first + u64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(bench.centre.events().last_seq(), *seqs.last().unwrap());
}

#[test]
fn a_paused_log_counts_and_keeps_its_numbers_without_gaps() {
    let mut bench = Bench::new();
    let at = bench.now.utc;
    let last = bench.centre.events().last_seq();
    bench.centre.pause_events(true, at);
    bench.sample(BREAKER, OPEN, Quality::GOOD);
    assert_eq!(bench.centre.events().last_seq(), last);
    // The alarm itself stands: only the log is thinner.
    assert_eq!(bench.alarm(AlarmKind::Uncommanded, "CB"), Some(true));
    bench.centre.take_changes();
    bench.centre.pause_events(false, at);
    let events = bench.centre.take_changes().events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].seq, last + 1);
    assert!(events[0].text.contains("2 events were not recorded"), "{}", events[0].text);
}

#[test]
fn a_value_of_the_wrong_kind_is_kept_out() {
    let mut bench = Bench::new();
    bench.sample(VOLTAGE, Value::Single(true), Quality::GOOD);
    let state = bench.centre.table().get(VOLTAGE).unwrap();
    assert_eq!(state.value, Some(Value::Analog(100.0)));
    assert!(state.good().is_none());
}
