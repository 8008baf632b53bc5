//! Policy, studies, second persons and stale views at the gate.
#![allow(clippy::unwrap_used)]

use super::{
    Bar, CommandState, Gate, GateConfig, GatePolicy, Interlock, Order, Origin, Outgoing, PointClass,
    RateLimit, Seen, StudyOutcome, StudyReport, StudyRule, TwoPersons,
};
use crate::table::Table;
use crate::tag::TagList;
use security::{Areas, Principal, PrincipalKind, Role};
use signal::{
    Binding, CommandId, ControlMode, DoublePoint, PointDef, PointId, PointKind, PointList, Quality, Request,
    Sample, Value,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Now, Utc, UtcStamp};

const OPEN: Value = Value::Double(DoublePoint::Off);
const CLOSED: Value = Value::Double(DoublePoint::On);
const SET_POINT: PointId = PointId(8);

/// Eight breakers S1/CB0 to S1/CB7 and the set point S1/P.
struct Bench {
    gate: Gate,
    table: Table,
    tags: TagList,
    now: Now,
}

#[derive(Debug)]
struct Rules(Vec<Bar>);

impl Interlock for Rules {
    fn bars(&self, _: PointId, _: Value, _: &Table) -> Vec<Bar> {
        self.0.clone()
    }

    fn bars_among(&self, _: PointId, _: &BTreeMap<PointId, Value>, _: &Table) -> Vec<Bar> {
        Vec::new()
    }

    fn has_effect(&self, _: PointId, _: Value, _: &Table) -> bool {
        true
    }
}

fn def(name: String, kind: PointKind) -> PointDef {
    PointDef {
        mrid: format!("_{name}"),
        name,
        kind,
        substation: "S1".into(),
        binding: Some(Binding {
            link: "L1".into(),
            address: "x".into(),
            control: Some(("y".to_owned(), ControlMode::Direct)),
        }),
        ..PointDef::default()
    }
}

fn person(name: &str, roles: &[Role]) -> Principal {
    Principal::new(name, PrincipalKind::Human, roles.iter().copied().collect(), Areas::All)
}

fn anna() -> Principal {
    person("anna", &[Role::Operator])
}

impl Bench {
    fn new(policy: GatePolicy, bars: Vec<Bar>) -> Self {
        let mut points: Vec<PointDef> =
            (0..8).map(|at| def(format!("S1/CB{at}"), PointKind::Double)).collect();
        points.push(def("S1/P".into(), PointKind::Analog));
        let mut gate = Gate::new(GateConfig::default(), 0);
        gate.configure(policy, Arc::new(Rules(bars)));
        let now = Now { mono: Mono::from_nanos(1), utc: Utc::from_micros(1_000_000_000) };
        let table = Table::new(Arc::new(PointList::new(points).unwrap()));
        let mut bench = Self { gate, table, tags: TagList::default(), now };
        (0..8).for_each(|at| bench.measure(PointId(at), CLOSED));
        bench.measure(SET_POINT, Value::Analog(100.0));
        bench
    }

    fn measure(&mut self, point: PointId, value: Value) {
        let source_time = Some(UtcStamp::synchronised(self.now.utc));
        let before = self.table.get(point).unwrap().value;
        self.table.apply(&Sample { point, value, quality: Quality::GOOD, source_time, received: self.now });
        if before != Some(value) && !matches!(value, Value::Analog(_)) {
            self.gate.note_move(point, self.now.utc);
        }
    }

    fn pass(&mut self, seconds: f64) {
        self.now = self.now.advanced(Duration::from_secs_f64(seconds));
        self.gate.tick(self.now, &self.table);
    }

    fn select(&mut self, who: &Principal, order: Order) -> CommandId {
        self.gate.select(self.now, who, order, &self.table, &self.tags)
    }

    fn execute(&mut self, who: &Principal, id: CommandId) -> Result<(), &'static str> {
        let done = self.gate.execute(self.now, who, (id, "s"), (&self.table, &self.tags));
        done.map_err(|refusal| refusal.code)
    }

    /// The state, or the code of the refusal.
    fn outcome(&self, id: CommandId) -> &'static str {
        let record = self.gate.get(id).unwrap();
        record.refusal.as_ref().map_or(record.state.name(), |refusal| refusal.code)
    }

    fn actions(&mut self) -> Vec<(String, String, &'static str)> {
        let draft = |outgoing| match outgoing {
            Outgoing::Audit(draft) => Some((
                draft.actor,
                draft.action,
                match draft.result {
                    super::AuditResult::Allowed => "allowed",
                    super::AuditResult::Refused => "refused",
                    super::AuditResult::Done => "done",
                    super::AuditResult::Failed => "failed",
                },
            )),
            Outgoing::Send(_) => None,
        };
        self.gate.take_outgoing().into_iter().filter_map(draft).collect()
    }
}

fn order(point: u32) -> Order {
    Order::new(PointId(point), OPEN, "test", "s")
}

fn classed(class: PointClass) -> GatePolicy {
    GatePolicy { classes: vec![PointClass { name: "k".into(), ..class }], ..GatePolicy::default() }
}

fn bar(refuses: bool) -> Bar {
    Bar { code: "earthed", text: "S1/ES is closed".into(), hint: "open it", refuses }
}

#[test]
fn a_command_names_the_state_that_was_seen() {
    let check = |seen: Option<(Option<f64>, i64)>, point: u32, wanted: &str| {
        let mut bench = Bench::new(GatePolicy { seen_required: true, ..GatePolicy::default() }, Vec::new());
        bench.pass(10.0);
        bench.measure(PointId(1), OPEN);
        bench.pass(10.0);
        bench.measure(PointId(1), CLOSED);
        let at = |seconds| Some(Utc::from_micros(1_000_000_000 + seconds * 1_000_000));
        let value = if point == SET_POINT.0 { Value::Analog(50.0) } else { OPEN };
        let seen = seen.map(|(value, seconds)| Seen { value, at: at(seconds) });
        let id = bench.select(&anna(), Order { seen, value, ..order(point) });
        assert_eq!(bench.outcome(id), wanted, "{seen:?} of {point}");
    };
    check(Some((Some(1.0), 0)), 0, "selected");
    check(Some((Some(0.0), 0)), 0, "stale_view");
    check(Some((None, 0)), 0, "stale_view");
    check(None, 0, "stale_view");
    // It has opened and closed again since it was seen closed.
    check(Some((Some(1.0), 0)), 1, "stale_view");
    check(Some((Some(1.0), 20)), 1, "selected");
    // A measured value moves by itself; beyond the tolerance the wish was made for another state.
    check(Some((Some(104.0), 0)), SET_POINT.0, "selected");
    check(Some((Some(110.0), 0)), SET_POINT.0, "stale_view");
}

#[test]
fn an_execute_is_about_the_state_at_the_select() {
    let check = |moves: &[Value], wanted: Result<(), &str>| {
        let mut bench = Bench::new(GatePolicy::default(), Vec::new());
        let id = bench.select(&anna(), Order { value: CLOSED, ..order(0) });
        bench.pass(1.0);
        moves.iter().for_each(|value| bench.measure(PointId(0), *value));
        assert_eq!(bench.execute(&anna(), id), wanted, "{moves:?}");
    };
    check(&[], Ok(()));
    check(&[CLOSED], Ok(()));
    check(&[OPEN], Err("stale_view"));
    check(&[OPEN, CLOSED], Err("stale_view"));
}

#[test]
fn two_persons_of_whom_none_acts_twice() {
    let policy = classed(PointClass { two_persons: TwoPersons::Always, ..PointClass::default() });
    let mut bench = Bench::new(policy, Vec::new());
    let id = bench.select(&anna(), order(0));
    assert_eq!(bench.outcome(id), "waiting_approval");
    assert_eq!(bench.execute(&anna(), id), Err("wrong_state"));
    let approve = |bench: &mut Bench, who: &Principal| {
        let (now, table) = (bench.now, &bench.table);
        bench.gate.approve(now, who, id, table).map_err(|refusal| refusal.code)
    };
    assert_eq!(approve(&mut bench, &anna()), Err("same_person"));
    assert_eq!(approve(&mut bench, &person("vera", &[Role::Viewer])), Err("role"));
    bench.actions();
    assert_eq!(approve(&mut bench, &person("ben", &[Role::Operator])), Ok(()));
    assert_eq!(approve(&mut bench, &person("ben", &[Role::Operator])), Err("wrong_state"));
    let record = bench.gate.get(id).unwrap();
    assert_eq!((record.actor.as_str(), record.approved_by.as_deref()), ("anna", Some("ben")));
    assert_eq!(bench.actions(), [("ben".into(), "approve select open of anna".into(), "allowed")]);
    assert_eq!(bench.execute(&person("ben", &[Role::Operator]), id), Err("select_owner"));
    assert_eq!(bench.execute(&anna(), id), Ok(()));
}

#[test]
fn an_approval_is_not_waited_for_for_ever_and_can_be_denied() {
    let policy = classed(PointClass { two_persons: TwoPersons::Always, ..PointClass::default() });
    let mut bench = Bench::new(policy, Vec::new());
    let id = bench.select(&anna(), order(0));
    bench.pass(599.0);
    assert_eq!(bench.outcome(id), "waiting_approval");
    bench.pass(1.0);
    assert_eq!(bench.outcome(id), "expired");
    let id = bench.select(&anna(), order(0));
    let ben = person("ben", &[Role::Operator]);
    bench.gate.disapprove(bench.now, &ben, id, &bench.table).unwrap();
    assert_eq!(bench.outcome(id), "cancelled");
    assert!(bench.gate.take_outgoing().iter().all(|outgoing| !matches!(outgoing, Outgoing::Send(_))));
}

#[test]
fn a_fresh_second_factor_where_the_class_asks_for_it() {
    let check = |stepped_up: bool, origin: Origin, wanted: &str| {
        let mut bench =
            Bench::new(classed(PointClass { step_up: true, ..PointClass::default() }), Vec::new());
        let id = bench.select(&anna(), Order { stepped_up, origin, ..order(0) });
        assert_eq!(bench.outcome(id), wanted);
    };
    check(false, Origin::Operator, "step_up");
    check(true, Origin::Operator, "selected");
    check(false, Origin::Application("volt-var".into()), "executing");
}

#[test]
fn a_set_point_stays_in_its_band() {
    let check = |value: f64, wanted: &str| {
        let mut bench =
            Bench::new(classed(PointClass { band: Some((0.0, 80.0)), ..PointClass::default() }), Vec::new());
        let id = bench.select(&anna(), Order { value: Value::Analog(value), ..order(SET_POINT.0) });
        assert_eq!(bench.outcome(id), wanted, "{value}");
    };
    check(80.0, "selected");
    check(-0.1, "band");
    check(80.1, "band");
}

#[test]
fn a_device_gets_time_before_the_opposite() {
    let class = PointClass { opposite_after: Some(Duration::from_secs(30)), ..PointClass::default() };
    let mut bench = Bench::new(classed(class), Vec::new());
    let id = bench.select(&anna(), order(0));
    bench.execute(&anna(), id).unwrap();
    bench.measure(PointId(0), OPEN);
    bench.gate.observe(PointId(0), OPEN, bench.now);
    bench.pass(29.0);
    let early = bench.select(&anna(), Order { value: CLOSED, ..order(0) });
    assert_eq!(bench.outcome(early), "opposite");
    bench.pass(1.0);
    let later = bench.select(&anna(), Order { value: CLOSED, ..order(0) });
    assert_eq!(bench.outcome(later), "selected");
}

#[test]
fn commands_beyond_the_rate_are_refused_and_an_alarm() {
    let area = RateLimit { per_minute: 6.0, burst: 3.0 };
    let mut bench = Bench::new(GatePolicy { area, velocity: 3, ..GatePolicy::default() }, Vec::new());
    for point in 0..3 {
        let id = bench.select(&anna(), order(point));
        assert_eq!(bench.execute(&anna(), id), Ok(()));
    }
    let over = bench.select(&anna(), order(3));
    assert_eq!(bench.outcome(over), "rate");
    let alarms: Vec<String> = bench.gate.take_alarms().into_iter().map(|alarm| alarm.text).collect();
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    assert!(
        alarms[0].contains("3 points within a minute") && alarms[1].contains("substation S1"),
        "{alarms:?}"
    );
    bench.pass(10.0);
    let again = bench.select(&anna(), order(3));
    assert_eq!(bench.outcome(again), "selected");
}

#[test]
fn an_interlock_gives_way_to_right_and_reason_only() {
    let shift_lead = person("lea", &[Role::Operator, Role::Engineer]);
    let check = |who: &Principal, refuses: bool, reason: &str, wanted: &str, kept: (usize, usize)| {
        let mut bench =
            Bench::new(GatePolicy { study: StudyRule::Off, ..GatePolicy::default() }, vec![bar(refuses)]);
        let id = bench.select(who, Order { override_reason: reason.into(), ..order(0) });
        let record = bench.gate.get(id).unwrap();
        let found = (record.warnings.len(), record.overridden.len());
        assert_eq!((bench.outcome(id), found), (wanted, kept), "{} {refuses} {reason:?}", who.name);
        if wanted == "selected" {
            assert_eq!(bench.execute(who, id), Ok(()));
        }
        let audited = bench.actions().iter().any(|(_, action, _)| action.starts_with("override"));
        assert_eq!(audited, kept.1 > 0);
    };
    check(&anna(), true, "", "earthed", (0, 0));
    check(&anna(), true, "I must", "override", (0, 0));
    check(&shift_lead, true, " ", "earthed", (0, 0));
    check(&shift_lead, true, "earthed on purpose", "selected", (0, 1));
    check(&anna(), false, "", "selected", (1, 0));
}

#[test]
fn a_study_warns_or_stops() {
    let shift_lead = person("lea", &[Role::Operator, Role::Engineer]);
    let solved = StudyReport { outcome: StudyOutcome::Solved, ..StudyReport::impossible("") };
    let dark = StudyReport { de_energised: vec!["Load 3".into()], de_energised_mw: 12.0, ..solved.clone() };
    let lost = StudyReport { outcome: StudyOutcome::NotConverged, ..solved.clone() };
    let check = |rule: StudyRule, report: &StudyReport, (who, reason): (&Principal, &str), wanted: &str| {
        let mut bench =
            Bench::new(GatePolicy { study: rule, unstudied: rule, ..GatePolicy::default() }, Vec::new());
        let id = bench.select(who, Order { override_reason: reason.into(), ..order(0) });
        if rule != StudyRule::Off {
            assert_eq!(bench.outcome(id), "studying");
            assert_eq!(bench.gate.take_studies(), [id]);
            bench.gate.studied(bench.now, id, report.clone(), &bench.table);
        }
        assert_eq!(bench.outcome(id), wanted, "{rule:?} {report:?}");
    };
    check(StudyRule::Off, &dark, (&anna(), ""), "selected");
    check(StudyRule::Warn, &dark, (&anna(), ""), "selected");
    check(StudyRule::Warn, &lost, (&anna(), ""), "selected");
    check(StudyRule::Refuse, &solved, (&anna(), ""), "selected");
    for report in [&dark, &lost, &StudyReport::impossible("no estimate")] {
        check(StudyRule::Refuse, report, (&anna(), ""), "study");
        check(StudyRule::Refuse, report, (&anna(), "I must"), "study");
        check(StudyRule::Refuse, report, (&shift_lead, "agreed with the neighbour"), "selected");
    }
}

#[test]
fn a_study_that_does_not_end_counts_as_none() {
    for (rule, wanted) in [(StudyRule::Warn, "selected"), (StudyRule::Refuse, "study")] {
        let mut bench =
            Bench::new(GatePolicy { study: rule, unstudied: rule, ..GatePolicy::default() }, Vec::new());
        let id = bench.select(&anna(), order(0));
        bench.pass(5.0);
        assert_eq!(bench.outcome(id), wanted);
        // What comes late changes nothing.
        let state = bench.gate.get(id).unwrap().state;
        bench.gate.studied(bench.now, id, StudyReport::impossible("late"), &bench.table);
        assert_eq!(bench.gate.get(id).unwrap().state, state);
    }
}

#[test]
fn a_question_makes_no_command() {
    let bench = Bench::new(GatePolicy::default(), vec![bar(false)]);
    let ask = |order: &Order| {
        let asked = bench.gate.would_refuse(bench.now, &anna(), order, (&bench.table, &bench.tags));
        asked.map_err(|refusal| refusal.code)
    };
    assert_eq!(ask(&order(0)), Ok(vec!["S1/ES is closed".to_owned()]));
    assert_eq!(ask(&Order { reason: String::new(), ..order(0) }), Err("reason"));
    assert_eq!(bench.gate.iter().count(), 0);
}

#[test]
fn every_request_has_a_deadline() {
    let mut bench = Bench::new(GatePolicy::default(), Vec::new());
    let id = bench.select(&anna(), order(0));
    bench.execute(&anna(), id).unwrap();
    let sent: Vec<Request> = bench
        .gate
        .take_outgoing()
        .into_iter()
        .filter_map(|outgoing| if let Outgoing::Send(request) = outgoing { Some(request) } else { None })
        .collect();
    let [request @ Request::Execute(command)] = sent[..] else { panic!("{sent:?}") };
    assert_eq!(command.deadline, Some(bench.now.mono + Duration::from_secs(3)));
    assert!(!request.is_late(bench.now.mono) && request.is_late(bench.now.mono + Duration::from_secs(3)));
    assert!(bench.gate.get(id).unwrap().state == CommandState::Executing);
}
