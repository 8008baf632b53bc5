//! Orders from draft to end, and what their check finds.
#![allow(clippy::unwrap_used)]

use super::*;
use signal::DoublePoint;
use timebase::Utc;

const BREAKER: PointId = PointId(1);
const DISCONNECTOR: PointId = PointId(2);
const OPEN: Value = Value::Double(DoublePoint::Off);
const CLOSED: Value = Value::Double(DoublePoint::On);
const NOW: Utc = Utc::from_micros(1_000);

fn operate(point: PointId, value: Value) -> Action {
    Action::Operate { point, value }
}

fn tag(point: PointId, document: Option<usize>) -> Action {
    Action::PlaceTag { point, kind: TagKind::Hold, text: "work".into(), document }
}

fn order(kind: OrderKind, actions: Vec<Action>) -> SwitchingOrder {
    let document = Document {
        kind: DocumentKind::PermitToWork,
        holder: "crew 3".into(),
        text: "bay".into(),
        state: DocumentState::Prepared,
    };
    SwitchingOrder {
        id: 0,
        title: "isolate".into(),
        kind,
        state: OrderState::Draft,
        reason: "maintenance".into(),
        author: "anna".into(),
        created: NOW,
        approver: None,
        steps: actions.into_iter().map(Step::new).collect(),
        documents: vec![document],
        check: None,
        end_reason: None,
    }
}

/// Isolation with a permit and back again, as the rules of a utility want it.
fn isolation() -> Vec<Action> {
    vec![
        operate(BREAKER, OPEN),
        operate(DISCONNECTOR, OPEN),
        Action::Verify { point: DISCONNECTOR, value: OPEN },
        tag(DISCONNECTOR, Some(0)),
        Action::Instruct { text: "hang the earth".into() },
        Action::Issue { document: 0 },
        Action::Clear { document: 0 },
        Action::RemoveTags { point: DISCONNECTOR },
        operate(DISCONNECTOR, CLOSED),
        operate(BREAKER, CLOSED),
    ]
}

fn closed(_: PointId) -> Present {
    Present { controllable: true, value: Some(CLOSED), held: false }
}

/// Steps with a fault, from 1.
fn check_faults(actions: Vec<Action>, expected: &[usize]) {
    let findings = simulate(&order(OrderKind::Planned, actions), closed, |_, _| Ok(Vec::new()));
    let faults: Vec<usize> =
        findings.iter().filter(|finding| finding.is_fault).map(|finding| finding.step + 1).collect();
    assert_eq!(faults, expected, "{findings:?}");
}

#[test]
fn the_check_plays_the_steps_on_the_network_as_it_will_be() {
    check_faults(isolation(), &[]);
    // Verified before it is opened.
    check_faults(vec![Action::Verify { point: BREAKER, value: OPEN }, operate(BREAKER, OPEN)], &[1]);
    check_faults(vec![operate(BREAKER, OPEN), Action::Verify { point: BREAKER, value: OPEN }], &[]);
    // Operated under a tag of the same order.
    check_faults(vec![tag(BREAKER, None), operate(BREAKER, OPEN)], &[2]);
    // A permit without a tag that protects it, one that nobody has issued, one that does not exist.
    check_faults(vec![Action::Issue { document: 0 }], &[1]);
    check_faults(vec![Action::Clear { document: 0 }], &[1]);
    check_faults(vec![tag(BREAKER, Some(4))], &[1]);
    // A tag taken off while its permit is in somebody's hands.
    let early =
        vec![tag(BREAKER, Some(0)), Action::Issue { document: 0 }, Action::RemoveTags { point: BREAKER }];
    check_faults(early, &[3]);
    check_faults(vec![Action::RemoveTags { point: BREAKER }], &[1]);
}

#[test]
fn the_network_is_asked_about_the_positions_after_each_step() {
    let mut asked = Vec::new();
    let found = simulate(&order(OrderKind::Planned, isolation()), closed, |positions, point| {
        asked.push((point, positions.get(&BREAKER).copied(), positions.get(&DISCONNECTOR).copied()));
        if asked.len() == 2 { Err(vec!["opens under load".into()]) } else { Ok(vec!["dead: S4".into()]) }
    });
    let wanted = [
        (BREAKER, Some(OPEN), None),
        (DISCONNECTOR, Some(OPEN), Some(OPEN)),
        (DISCONNECTOR, Some(OPEN), Some(CLOSED)),
        (BREAKER, Some(CLOSED), Some(CLOSED)),
    ];
    assert_eq!(asked, wanted);
    let texts: Vec<(usize, bool, &str)> =
        found.iter().map(|finding| (finding.step, finding.is_fault, finding.text.as_str())).collect();
    let expected = [
        (0, false, "dead: S4"),
        (1, true, "opens under load"),
        (8, false, "dead: S4"),
        (9, false, "dead: S4"),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_tap_changer_is_played_by_its_steps() {
    let present = |_| Present { controllable: true, value: Some(Value::Step(3)), held: false };
    let steps = vec![
        operate(BREAKER, Value::Step(1)),
        operate(BREAKER, Value::Step(1)),
        Action::Verify { point: BREAKER, value: Value::Step(5) },
    ];
    assert_eq!(simulate(&order(OrderKind::Planned, steps), present, |_, _| Ok(Vec::new())), []);
}

fn begun(list: &mut Switching, actions: Vec<Action>) -> u64 {
    let (id, _) = list.add(order(OrderKind::Planned, actions)).unwrap();
    list.checked(id, Check { at: NOW, by: "anna".into(), findings: Vec::new() }).unwrap();
    list.approve(id, "ben").unwrap();
    list.begin(id).unwrap();
    id
}

#[test]
fn a_planned_order_is_checked_then_approved_by_another_person_then_begun() {
    let mut list = Switching::default();
    let (id, _) = list.add(order(OrderKind::Planned, isolation())).unwrap();
    assert_eq!(list.begin(id), Err(SwitchingRefusal::NotChecked));
    assert_eq!(list.approve(id, "ben"), Err(SwitchingRefusal::NotChecked));
    let fault = Finding { step: 0, is_fault: true, text: "x".into() };
    list.checked(id, Check { at: NOW, by: "anna".into(), findings: vec![fault] }).unwrap();
    assert_eq!(list.approve(id, "ben"), Err(SwitchingRefusal::NotChecked));
    list.checked(id, Check { at: NOW, by: "anna".into(), findings: Vec::new() }).unwrap();
    assert_eq!(list.approve(id, "anna"), Err(SwitchingRefusal::SamePerson("anna".into())));
    assert_eq!(list.begin(id), Err(SwitchingRefusal::State(OrderState::Checked)));
    // Who changes it is its author: it is no way round the second person.
    list.edit(id, SwitchingOrder { author: "ben".into(), ..order(OrderKind::Planned, isolation()) }).unwrap();
    list.checked(id, Check { at: NOW, by: "ben".into(), findings: Vec::new() }).unwrap();
    assert_eq!(list.approve(id, "ben"), Err(SwitchingRefusal::SamePerson("ben".into())));
    // A change after the check wants another check.
    list.edit(id, order(OrderKind::Planned, isolation())).unwrap();
    assert_eq!(list.approve(id, "ben"), Err(SwitchingRefusal::NotChecked));
    list.checked(id, Check { at: NOW, by: "anna".into(), findings: Vec::new() }).unwrap();
    list.approve(id, "ben").unwrap();
    assert!(list.edit(id, order(OrderKind::Planned, isolation())).is_err());
    list.begin(id).unwrap();
    assert_eq!(list.get(id).unwrap().state, OrderState::InProgress);
}

#[test]
fn an_emergency_begins_at_once_and_a_template_never() {
    let mut list = Switching::default();
    let (emergency, _) = list.add(order(OrderKind::Emergency, isolation())).unwrap();
    list.begin(emergency).unwrap();
    let (template, _) = list.add(order(OrderKind::Template, isolation())).unwrap();
    list.checked(template, Check { at: NOW, by: "anna".into(), findings: Vec::new() }).unwrap();
    assert!(list.begin(template).is_err());
    let copy = list.get(template).unwrap().copy(OrderKind::Planned, "carl", NOW);
    let (copy, _) = list.add(copy).unwrap();
    assert_eq!((list.get(copy).unwrap().state, copy), (OrderState::Draft, template + 1));
}

#[test]
fn steps_are_done_in_their_order_and_documents_hold_their_tags() {
    let mut list = Switching::default();
    let id = begun(&mut list, isolation()[2..8].to_vec());
    let measured = |_| Some(OPEN);
    assert_eq!(list.act((id, 1), "anna", NOW, measured), Err(SwitchingRefusal::NotNext(1)));
    assert!(matches!(list.act((id, 0), "anna", NOW, |_| Some(CLOSED)), Err(SwitchingRefusal::Verify(_))));
    assert!(matches!(list.act((id, 0), "anna", NOW, |_| None), Err(SwitchingRefusal::Verify(_))));
    assert_eq!(list.act((id, 0), "anna", NOW, measured), Ok(Effect::Done));
    assert!(matches!(list.act((id, 1), "anna", NOW, measured), Ok(Effect::PlaceTag { .. })));
    list.tagged((id, 1), 77, "anna", NOW);
    list.may_remove(77).unwrap();
    assert_eq!(list.act((id, 2), "anna", NOW, measured), Ok(Effect::Done));
    assert_eq!(list.act((id, 3), "anna", NOW, measured), Ok(Effect::Done));
    // Issued: neither the tag nor the order can go.
    assert!(matches!(list.may_remove(77), Err(SwitchingRefusal::Issued { document: 1, .. })));
    assert!(matches!(list.cancel(id, "late"), Err(SwitchingRefusal::Issued { .. })));
    assert_eq!(list.act((id, 4), "anna", NOW, measured), Ok(Effect::Done));
    list.may_remove(77).unwrap();
    assert_eq!(list.act((id, 5), "anna", NOW, measured), Ok(Effect::RemoveTags(vec![77])));
    assert_eq!(list.get(id).unwrap().state, OrderState::Completed);
    assert!(list.cancel(id, "late").is_err());
}

#[test]
fn a_skipped_tag_keeps_its_document_back() {
    let mut list = Switching::default();
    let id = begun(&mut list, vec![tag(BREAKER, Some(0)), Action::Issue { document: 0 }]);
    list.skip((id, 0), ("anna", "no need"), NOW).unwrap();
    assert_eq!(list.act((id, 1), "anna", NOW, |_| None), Err(SwitchingRefusal::TagsMissing(1)));
}

#[test]
fn a_command_that_was_under_way_is_open_again_after_a_restart() {
    let mut list = Switching::default();
    let id = begun(&mut list, vec![operate(BREAKER, OPEN)]);
    let effect = list.act((id, 0), "anna", NOW, |_| None).unwrap();
    assert!(matches!(effect, Effect::Operate { point: BREAKER, value: OPEN, .. }));
    list.attach((id, 0), CommandId(9));
    assert_eq!(list.act((id, 0), "anna", NOW, |_| None), Err(SwitchingRefusal::StepState("running")));
    let after = Switching::restore(list.iter().cloned().collect());
    assert_eq!(after.get(id).unwrap().steps[0].state, StepState::Open);
    assert!(after.get(id).unwrap().steps[0].note.contains("stopped"));
}

#[test]
fn the_list_is_bounded_and_what_has_ended_makes_room() {
    let mut list = Switching::default();
    for _ in 0..MAX_ORDERS {
        list.add(order(OrderKind::Planned, isolation())).unwrap();
    }
    let full = list.add(order(OrderKind::Planned, isolation()));
    assert_eq!(full, Err(SwitchingRefusal::TooMany(MAX_ORDERS)));
    list.cancel(5, "not needed").unwrap();
    assert_eq!(list.add(order(OrderKind::Planned, isolation())).unwrap().1, Some(5));
    let many = vec![Action::Instruct { text: "x".into() }; MAX_STEPS + 1];
    assert_eq!(list.add(order(OrderKind::Planned, many)), Err(SwitchingRefusal::TooMany(MAX_STEPS)));
}
