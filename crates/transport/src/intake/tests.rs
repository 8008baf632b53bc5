//! Order, counts and fairness of the intake.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use signal::{LinkState, Quality};
use std::time::Duration;
use timebase::{Mono, Utc};

const LIMITS: IntakeLimits = IntakeLimits { crowded: 20, full: 80, floor: 4 };
const NOW: Now = Now { mono: Mono::ZERO, utc: Utc::from_micros(0) };

fn sample(point: u32, value: Value) -> SessionEvent {
    let (point, quality) = (PointId(point), Quality::GOOD);
    SessionEvent::Sample(Sample { point, value, quality, source_time: None, received: NOW })
}

/// A kind of event, made unique by a number.
fn event(kind: u8, point: u32, number: u32) -> SessionEvent {
    match kind {
        0..=5 => sample(point, Value::Analog(f64::from(number))),
        6..=7 => sample(100 + point, Value::Counter(i64::from(number))),
        8 => SessionEvent::ClockSynchronised(Utc::from_micros(i64::from(number))),
        _ => SessionEvent::Link(if number.is_multiple_of(2) { LinkState::Down } else { LinkState::Up }),
    }
}

fn analog(event: &SessionEvent) -> Option<(PointId, f64)> {
    match event {
        SessionEvent::Sample(Sample { point, value: Value::Analog(value), .. }) => Some((*point, *value)),
        _ => None,
    }
}

fn state() -> State {
    State {
        lanes: Vec::new(),
        listed: VecDeque::new(),
        waiting: 0,
        coalesced: 0,
        stalls: 0,
        senders: 1,
        taker_gone: false,
    }
}

/// What came out of one link is what went in, but for analogs that a newer one of their point stands for.
fn check(sent: &[SessionEvent], got: &[SessionEvent]) -> u64 {
    let kept = |events: &[SessionEvent]| -> Vec<SessionEvent> {
        events.iter().filter(|event| analog(event).is_none()).cloned().collect()
    };
    assert_eq!(kept(sent), kept(got), "what is no measured value comes out whole and in order");
    // Between two changes of the link's state, each point ends with the value with which it ended at the source.
    let stretches = |events: &[SessionEvent]| -> Vec<std::collections::BTreeMap<PointId, Vec<f64>>> {
        let split = events.split(|event| matches!(event, SessionEvent::Link(_)));
        let gather = |events: &[SessionEvent]| {
            let mut values = std::collections::BTreeMap::<PointId, Vec<f64>>::new();
            events.iter().filter_map(analog).for_each(|(point, value)| {
                values.entry(point).or_default().push(value);
            });
            values
        };
        split.map(gather).collect()
    };
    for (sent, got) in stretches(sent).iter().zip(&stretches(got)) {
        assert_eq!(sent.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>());
        for (point, values) in got {
            assert!(values.is_sorted(), "of one point nothing overtakes anything");
            assert_eq!(values.last(), sent[point].last(), "the newest stays");
        }
    }
    (sent.len() - got.len()) as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn only_older_values_are_left_out_and_each_is_counted(
        steps in prop::collection::vec(
            (0u32..4, prop::collection::vec((0u8..10, 0u32..6), 1..12), 0usize..8),
            1..80,
        )
    ) {
        let (mut state, mut number) = (state(), 0);
        let (mut sent, mut got) = (vec![Vec::new(); 4], vec![Vec::new(); 4]);
        for (link, kinds, takes) in steps {
            let tag = LinkTag(link);
            let events: Vec<_> = kinds.into_iter().map(|(kind, point)| { number += 1; event(kind, point, number) }).collect();
            if state.has_room(tag, LIMITS) {
                sent[link as usize].extend(events.clone());
                state.put(tag, LinkReport::Events { at: NOW, events }, LIMITS);
            }
            prop_assert!(state.waiting < LIMITS.full + 4 * LIMITS.floor + 12);
            for _ in 0..takes {
                take(&mut state, &mut got);
            }
        }
        while take(&mut state, &mut got) {}
        prop_assert_eq!(state.waiting, 0);
        let left_out: u64 = sent.iter().zip(&got).map(|(sent, got)| check(sent, got)).sum();
        prop_assert_eq!(left_out, state.coalesced);
    }
}

fn take(state: &mut State, got: &mut [Vec<SessionEvent>]) -> bool {
    match state.next() {
        Some((tag, LinkReport::Events { events, .. })) => {
            got[tag.0 as usize].extend(events);
            true
        }
        Some(other) => panic!("never sent: {other:?}"),
        None => false,
    }
}

fn report(events: Vec<SessionEvent>) -> LinkReport {
    LinkReport::Events { at: NOW, events }
}

#[test]
fn a_loud_link_does_not_keep_a_quiet_one_waiting() {
    let mut state = state();
    for number in 0..30 {
        let _loud = state.has_room(LinkTag(0), LIMITS);
        state.put(LinkTag(0), report(vec![event(6, 0, number)]), LIMITS);
    }
    state.put(LinkTag(1), report(vec![event(8, 0, 1)]), LIMITS);
    let first: Vec<LinkTag> = (0..2).map(|_| state.next().unwrap().0).collect();
    assert!(first.contains(&LinkTag(1)));
}

#[tokio::test]
async fn indications_that_find_no_room_wait_outside_and_are_not_lost() {
    let (sender, mut intake) = intake(LIMITS);
    let task = tokio::spawn(async move {
        for number in 0..500 {
            sender.send(LinkTag(0), report(vec![event(6, 0, number)])).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(intake.counts().waiting <= LIMITS.full && !task.is_finished());
    let (mut batch, mut got) = (Vec::new(), 0);
    while intake.take(&mut batch, 7).await {
        got += batch.drain(..).map(|(_, report)| events_of(&report)).sum::<usize>();
    }
    task.await.unwrap();
    assert_eq!((got, intake.counts().coalesced), (500, 0));
    assert!(intake.counts().stalls > 0);
}

#[tokio::test]
async fn a_taker_that_left_is_an_error_for_those_who_wait() {
    let (sender, intake) = intake(IntakeLimits { crowded: 1, full: 1, floor: 1 });
    sender.send(LinkTag(0), report(vec![event(8, 0, 1)])).await.unwrap();
    let waits = tokio::spawn(async move { sender.send(LinkTag(0), report(vec![event(8, 0, 2)])).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(intake);
    assert_eq!(waits.await.unwrap(), Err(IntakeClosed));
}
