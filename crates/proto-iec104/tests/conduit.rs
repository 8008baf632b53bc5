//! Policy and packets (S-12): whatever a conduit lists, nothing else goes out, nothing else comes in, and each that did not pass
//! is told once.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use proto_iec104::{Config, ControllingSession};
use signal::{
    Channel, CodeSet, Command, CommandId, ControlMode, Direction, DoublePoint, FunctionPolicy, FunctionSets,
    PointId, PointKind, PointList, PointSession, Request, SessionEvent, Value,
};
use testkit::{controlled, point};
use timebase::{Mono, Now, Utc};

/// Each type with an object as the station sends it, and the point that it is a reading of.
const REPORTS: [(u8, &[u8], Option<u32>); 8] = [
    (1, &[1, 0, 0, 1], Some(0)),
    (3, &[2, 0, 0, 2], Some(1)),
    (5, &[3, 0, 0, 3, 0], Some(2)),
    (13, &[4, 0, 0, 0, 0, 128, 63, 0], Some(3)),
    (70, &[0, 0, 0, 0], None),
    (105, &[0, 0, 0, 1], None),
    (120, &[0, 0, 0, 9, 9], None),
    (250, &[0, 0, 0, 7], None),
];
/// Types that the requests of this test need.
const REQUESTS: [(Request, u8); 5] = [
    (Request::Interrogate, 100),
    (Request::InterrogateCounters, 101),
    (Request::SynchroniseClock, 103),
    (execute(0, Value::Single(true)), 45),
    (execute(1, Value::Double(DoublePoint::Off)), 46),
];

const fn execute(point: u32, value: Value) -> Request {
    Request::Execute(Command { id: CommandId(7), point: PointId(point), value, deadline: None })
}

fn points() -> PointList {
    let direct = ControlMode::Direct;
    PointList::new(vec![
        controlled(point("A", PointKind::Single, "S1", "M_SP_NA_1@1"), "C_SC_NA_1@11", direct),
        controlled(point("B", PointKind::Double, "S1", "M_DP_NA_1@2"), "C_DC_NA_1@12", direct),
        point("C", PointKind::Step, "S1", "M_ST_NA_1@3"),
        point("D", PointKind::Analog, "S1", "M_ME_NC_1@4"),
    ])
    .unwrap()
}

fn now() -> Now {
    Now { mono: Mono::from_nanos(1), utc: Utc::from_micros(1_767_225_600_000_000) }
}

fn sets() -> impl Strategy<Value = FunctionSets> {
    let codes = || {
        let known: Vec<u8> = REPORTS.iter().map(|report| report.0).chain([45, 46, 100, 101, 103]).collect();
        prop::sample::subsequence(known.clone(), 0..=known.len())
            .prop_map(|codes| codes.into_iter().collect::<CodeSet>())
    };
    (codes(), codes()).prop_map(|(to_field, from_field)| FunctionSets { to_field, from_field })
}

/// Types of the I formats among some octets.
fn types(bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 6 {
        let length = usize::from(rest[1]) + 2;
        if rest[2] & 1 == 0 {
            found.push(rest[6]);
        }
        rest = &rest[length..];
    }
    found
}

fn session(policy: FunctionPolicy) -> ControllingSession {
    let config = Config { endpoints: vec!["a:1".into()], clock_sync_every_s: 0.0, ..Config::default() };
    let mut session = ControllingSession::new(&config, &points(), "S1").unwrap();
    session.restrict(policy);
    session.connected(now(), Channel(0));
    session.handle_input(now(), Channel(0), &[0x68, 4, 0x0B, 0, 0, 0]);
    session
}

proptest! {
    #[test]
    fn what_comes_in_is_listed(sets in sets(), order in prop::collection::vec(0..REPORTS.len(), 1..30)) {
        let policy = FunctionPolicy { to_field: Some(sets.to_field), from_field: Some(sets.from_field) };
        let mut session = session(policy);
        while session.poll_event().is_some() {}
        for (number, at) in (0_u16..).zip(order) {
            let (kind, object, reading) = REPORTS[at];
            let mut body = vec![kind, 1, 3, 0, 1, 0];
            body.extend_from_slice(object);
            let [low, high] = (number << 1).to_le_bytes();
            let mut frame = vec![0x68, u8::try_from(body.len() + 4).unwrap(), low, high, 0, 0];
            frame.extend(body);
            session.handle_input(now(), Channel(0), &frame);
            let events: Vec<SessionEvent> = std::iter::from_fn(|| session.poll_event()).collect();
            let told = events.iter().filter(|event| matches!(event,
                SessionEvent::Forbidden(code, Direction::FromField) if code.code == kind)).count();
            let samples: Vec<u32> = events.iter().filter_map(|event| match event {
                SessionEvent::Sample(sample) => Some(sample.point.0),
                _ => None,
            }).collect();
            let listed = sets.from_field.contains(kind);
            prop_assert_eq!(told, usize::from(!listed), "{} {:?}", kind, events);
            let wanted: Vec<u32> = reading.into_iter().filter(|_| listed).collect();
            prop_assert_eq!(samples, wanted, "{}", kind);
        }
    }

    #[test]
    fn what_goes_out_is_listed(sets in sets(), order in prop::collection::vec(0..REQUESTS.len(), 1..6)) {
        let policy = FunctionPolicy { to_field: Some(sets.to_field), from_field: Some(sets.from_field) };
        let mut session = session(policy);
        let mut asked: Vec<u8> = Vec::new();
        for at in order {
            let (request, kind) = REQUESTS[at];
            let taken = session.request(now(), request);
            if request.command().is_some() && !sets.to_field.contains(kind) {
                prop_assert_eq!(taken, Err(signal::Refusal::NotAllowed));
            }
            asked.push(kind);
        }
        let sent: Vec<u8> = std::iter::from_fn(|| session.poll_transmit()).flat_map(|out| types(&out.bytes)).collect();
        prop_assert!(sent.iter().all(|kind| sets.to_field.contains(*kind)), "{:?} of {:?}", sent, sets);
        // The first interrogation is made by itself.
        let refused = |code: u8| asked.contains(&code) && !sets.to_field.contains(code);
        let told: Vec<u8> = std::iter::from_fn(|| session.poll_event()).filter_map(|event| match event {
            SessionEvent::Forbidden(code, Direction::ToField) => Some(code.code),
            _ => None,
        }).collect();
        prop_assert!(told.iter().all(|code| !sets.to_field.contains(*code)), "{told:?}");
        for command in [45, 46] {
            prop_assert_eq!(told.contains(&command), refused(command), "{:?}", told);
        }
    }
}

#[test]
fn points_list_themselves() {
    let mut session = session(FunctionPolicy::default());
    assert_eq!(session.request(now(), execute(1, Value::Double(DoublePoint::Off))), Ok(()));
    let sent: Vec<u8> =
        std::iter::from_fn(|| session.poll_transmit()).flat_map(|out| types(&out.bytes)).collect();
    assert!(sent.contains(&46) && sent.contains(&100), "{sent:?}");
}
