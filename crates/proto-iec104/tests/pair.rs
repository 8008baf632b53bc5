//! Both roles on a virtual wire: flow control, buffers, redundancy, select-before-operate, times.
//!
//! Truth: IEC 60870-5-104 clauses 5, 7, 10 and IEC 60870-5-101 clause 7, as cited at each test.
#![allow(clippy::unwrap_used, missing_docs)]

use proto_iec104::{Config, ControlledStation, ControllingSession};
use signal::{
    Channel, Command, CommandAnswer, CommandId, CommandPhase, CommandStage, ControlMode, DoublePoint,
    FaultKind, LinkState, PointDef, PointId, PointKind, PointList, PointSession, PointStation, Quality,
    Refusal, Request, Sample, SessionEvent, StationEvent, Value,
};
use std::time::Duration;
use testkit::{VirtualWire, controlled, point};
use timebase::{Now, UtcStamp};

type Wire = VirtualWire<ControllingSession, ControlledStation>;

const A: Channel = Channel(0);
const B: Channel = Channel(1);
const BREAKER: PointId = PointId(1);
const TAP: PointId = PointId(2);
const SET_POINT: PointId = PointId(3);
const COUNTER: PointId = PointId(4);
const SECOND: Duration = Duration::from_secs(1);

fn small_list() -> Vec<PointDef> {
    use ControlMode::{Direct, SelectBeforeOperate};
    vec![
        point("V", PointKind::Analog, "S1", "M_ME_TF_1@1001"),
        controlled(
            point("CB", PointKind::Double, "S1", "M_DP_TB_1@101"),
            "C_DC_NA_1@5101",
            SelectBeforeOperate,
        ),
        controlled(point("Tap", PointKind::Step, "S1", "M_ST_TB_1@301"), "C_RC_NA_1@5301", Direct),
        controlled(point("Vset", PointKind::Analog, "S1", "M_ME_NC_1@2:1002"), "C_SE_NC_1@2:5302", Direct),
        point("E", PointKind::Counter, "S1", "M_IT_TB_1@401"),
    ]
}

fn config() -> Config {
    Config { endpoints: vec!["a:1".into(), "b:1".into()], ..Config::default() }
}

fn wire_with(config: &Config, station: &Config, points: Vec<PointDef>) -> Wire {
    let points = PointList::new(points).unwrap();
    let session = ControllingSession::new(config, &points, "S1").unwrap();
    let station = ControlledStation::new(station, &points, "S1").unwrap();
    VirtualWire::new(session, station, 2)
}

fn wire(config: &Config) -> Wire {
    wire_with(config, config, small_list())
}

fn sample(now: Now, point: PointId, value: Value) -> Sample {
    let source_time = Some(UtcStamp::synchronised(now.utc));
    Sample { point, value, quality: Quality::GOOD, source_time, received: now }
}

fn update(wire: &mut Wire, point: PointId, value: Value) {
    let now = wire.now();
    wire.station.update(now, sample(now, point, value));
}

fn samples(wire: &Wire) -> Vec<Sample> {
    let sample = |event: &SessionEvent| match event {
        SessionEvent::Sample(sample) => Some(*sample),
        _ => None,
    };
    wire.session_events.iter().filter_map(sample).collect()
}

fn states(wire: &Wire) -> Vec<LinkState> {
    let state = |event: &SessionEvent| match event {
        SessionEvent::Link(state) => Some(*state),
        _ => None,
    };
    wire.session_events.iter().filter_map(state).collect()
}

fn stages(wire: &Wire, id: u64) -> Vec<CommandStage> {
    let stage = |event: &SessionEvent| match event {
        SessionEvent::Command(command, stage) if *command == CommandId(id) => Some(stage.clone()),
        _ => None,
    };
    wire.session_events.iter().filter_map(stage).collect()
}

fn faults(wire: &Wire) -> Vec<FaultKind> {
    let session = wire.session_events.iter().filter_map(|event| match event {
        SessionEvent::Fault(fault) => Some(fault.kind),
        _ => None,
    });
    let station = wire.station_events.iter().filter_map(|event| match event {
        StationEvent::Fault(fault) => Some(fault.kind),
        _ => None,
    });
    session.chain(station).collect()
}

fn is_up(wire: &Wire) -> bool {
    states(wire).last() == Some(&LinkState::Up)
}

fn bring_up(wire: &mut Wire) {
    wire.connect(A);
    assert!(wire.run_until(30 * SECOND, is_up), "{:?}", states(wire));
}

/// Answers every command that the station was told of since the last call.
fn answer_all(wire: &mut Wire, answers: &[CommandAnswer]) {
    let now = wire.now();
    for event in std::mem::take(&mut wire.station_events) {
        if let StationEvent::Command(command, phase) = event {
            for &answer in answers {
                if phase == CommandPhase::Execute || answer != CommandAnswer::Terminate {
                    wire.station.answer(now, command, answer);
                }
            }
        }
    }
    wire.run_for(SECOND);
}

fn command(id: u64, point: PointId, value: Value) -> Command {
    Command { id: CommandId(id), point, value, deadline: None }
}

fn request(wire: &mut Wire, request: Request) -> Result<(), Refusal> {
    let now = wire.now();
    let result = wire.session.request(now, request);
    wire.run_for(SECOND);
    result
}

/// 104 5.3 and 101 7.4.1 to 7.4.5: STARTDT, M_EI, clock, interrogation of both stations.
#[test]
fn a_start_gives_the_whole_picture() {
    let mut wire = wire(&config());
    update(&mut wire, PointId(0), Value::Analog(132.5));
    update(&mut wire, BREAKER, Value::Double(DoublePoint::On));
    update(&mut wire, TAP, Value::Step(-3));
    update(&mut wire, SET_POINT, Value::Analog(1.02));
    wire.fragment = 1;
    bring_up(&mut wire);
    assert_eq!(states(&wire), [LinkState::Connecting, LinkState::Synchronising, LinkState::Up]);
    for (point, value) in [
        (PointId(0), Value::Analog(132.5)),
        (BREAKER, Value::Double(DoublePoint::On)),
        (TAP, Value::Step(-3)),
        (SET_POINT, Value::Analog(f64::from(1.02_f32))),
    ] {
        let last = samples(&wire).into_iter().rfind(|sample| sample.point == point).unwrap();
        assert_eq!((last.value, last.quality), (value, Quality::GOOD));
    }
    assert!(wire.station_events.iter().any(|event| matches!(event, StationEvent::ClockSet(_))));
    assert_eq!(faults(&wire), []);
}

/// A point that the process never gave is invalid, not zero.
#[test]
fn unknown_values_are_invalid() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    assert!(!samples(&wire).is_empty());
    assert!(samples(&wire).iter().all(|sample| !sample.quality.is_good()));
}

/// 104 5.1 (k, w): 100,000 points in one interrogation, complete and in order, in both ways of packing.
#[test]
fn an_interrogation_of_100_000_points_is_complete_and_in_order() {
    for stride in [1, 2] {
        let points: Vec<PointDef> = (1..=100_000_u32)
            .map(|n| {
                let address = format!("M_ME_TF_1@{}", n * stride);
                point(&format!("P{n}"), PointKind::Analog, "S1", &address)
            })
            .collect();
        let mut wire = wire_with(&config(), &config(), points);
        for n in 0..100_000_u32 {
            update(&mut wire, PointId(n), Value::Analog(f64::from(n)));
        }
        wire.fragment = 1448;
        wire.connect(A);
        assert!(wire.run_until(600 * SECOND, is_up));
        let interrogated = samples(&wire);
        let untimed: Vec<&Sample> = interrogated.iter().filter(|s| s.source_time.is_none()).collect();
        assert_eq!(untimed.len(), 100_000);
        for (n, sample) in (0_u32..).zip(untimed) {
            assert_eq!((sample.point, sample.value), (PointId(n), Value::Analog(f64::from(n))));
        }
    }
}

/// 104 clause 5.1: sequence numbers are modulo 2^15; 40,000 frames pass the wrap in the station's direction.
#[test]
fn sequence_numbers_wrap_without_a_gap() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    wire.session_events.clear();
    for n in 0..40_000_i32 {
        update(&mut wire, PointId(0), Value::Analog(f64::from(n + 1)));
        wire.run_for(Duration::from_millis(5));
    }
    wire.run_for(SECOND);
    let values: Vec<f64> = samples(&wire).iter().filter_map(|sample| sample.value.as_number()).collect();
    assert_eq!(values.len(), 40_000);
    assert!(values.iter().zip(1_i32..).all(|(value, n)| *value == f64::from(n)));
    assert!(is_connected_without_fault(&wire));
}

fn is_connected_without_fault(wire: &Wire) -> bool {
    wire.is_connected(A) && faults(wire).is_empty()
}

/// Events outlive a lost link: none missing, none twice, in order, although frames on their way are repeated.
#[test]
fn no_event_is_lost_or_doubled_by_lost_connections() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    wire.session_events.clear();
    wire.delay = Duration::from_millis(40);
    let mut n = 0_i32;
    for round in 0..50 {
        for _ in 0..37 {
            n += 1;
            update(&mut wire, PointId(0), Value::Analog(f64::from(n)));
            wire.run_for(Duration::from_millis(3 + round));
        }
        // Frames and acknowledgements are on their way at this very moment.
        wire.cut(A);
        for _ in 0..11 {
            n += 1;
            update(&mut wire, PointId(0), Value::Analog(f64::from(n)));
            wire.run_for(Duration::from_millis(10));
        }
        wire.connect(A);
    }
    wire.run_for(120 * SECOND);
    let events: Vec<f64> = samples(&wire)
        .iter()
        .filter(|sample| sample.source_time.is_some())
        .filter_map(|sample| sample.value.as_number())
        .collect();
    assert_eq!(events, (1..=n).map(f64::from).collect::<Vec<_>>());
}

/// A full event buffer drops its oldest events and says how many.
#[test]
fn a_full_event_buffer_drops_the_oldest_and_reports_it() {
    let station = Config { event_buffer: 100, ..config() };
    let mut wire = wire_with(&config(), &station, small_list());
    bring_up(&mut wire);
    wire.cut(A);
    wire.session_events.clear();
    for n in 1..=130 {
        update(&mut wire, PointId(0), Value::Analog(f64::from(n)));
        wire.run_for(Duration::from_millis(1));
    }
    let reported = wire.station_events.iter().filter(
        |event| matches!(event, StationEvent::Fault(fault) if fault.detail.contains("event buffer full")),
    );
    assert_eq!(reported.count(), 30);
    bring_up(&mut wire);
    wire.run_for(10 * SECOND);
    let timed: Vec<f64> = samples(&wire)
        .iter()
        .filter(|sample| sample.source_time.is_some())
        .filter_map(|sample| sample.value.as_number())
        .collect();
    assert_eq!(timed, (31..=130).map(f64::from).collect::<Vec<_>>());
}

/// 104 5.2 and 9.6: a peer that falls silent is noticed within t3 + t1; the channel is closed.
#[test]
fn silence_closes_the_channel() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    // Everything is acknowledged by now: only test frames can find out.
    wire.run_for(11 * SECOND);
    wire.swallow(A, true);
    wire.run_for(20 * SECOND);
    assert!(wire.is_connected(A));
    wire.run_for(15 * SECOND);
    assert!(!wire.is_connected(A));
    assert_eq!(states(&wire).last(), Some(&LinkState::Down));
    assert!(faults(&wire).contains(&FaultKind::Timeout));
}

/// 104 5.2: an I frame that is not acknowledged within t1 closes the channel, data or not.
#[test]
fn missing_acknowledgement_closes_the_channel_after_t1() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    wire.run_for(11 * SECOND);
    wire.swallow(A, true);
    update(&mut wire, PointId(0), Value::Analog(7.0));
    wire.run_for(14 * SECOND);
    assert!(wire.is_connected(A));
    wire.run_for(2 * SECOND);
    assert!(!wire.is_connected(A));
}

/// 104 5.1: with no acknowledgement no more than k frames are sent; w frames are acknowledged at once, fewer after t2.
#[test]
fn k_and_w_bound_what_is_on_its_way() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    wire.run_for(11 * SECOND);
    wire.session_events.clear();
    // The session's acknowledgements take longer than all the updates: only k frames may leave.
    wire.delay = 2 * SECOND;
    let before = wire.octets_to_session;
    for n in 1..=40 {
        // Alternating types: one frame per event.
        let now = wire.now();
        let (point, value) =
            if n % 2 == 0 { (PointId(0), Value::Analog(n.into())) } else { (TAP, Value::Step(n)) };
        wire.station.update(now, sample(now, point, value));
        wire.run_for(Duration::from_millis(1));
    }
    wire.run_for(Duration::from_millis(2_500));
    assert_eq!(samples(&wire).len(), 12);
    assert!(wire.octets_to_session > before);
    wire.run_for(60 * SECOND);
    assert_eq!(samples(&wire).len(), 40);
    assert!(is_connected_without_fault(&wire));
}

/// 104 clause 10: all channels are held open by TESTFR, one transfers data; its loss moves transfer to the other.
#[test]
fn a_redundancy_group_switches_over_without_loss() {
    let mut wire = wire(&config());
    wire.connect(A);
    wire.connect(B);
    assert!(wire.run_until(30 * SECOND, is_up));
    wire.run_for(100 * SECOND);
    assert!(wire.is_connected(B), "the idle channel is kept by test frames");
    wire.session_events.clear();
    wire.delay = Duration::from_millis(30);
    let mut n = 0;
    for round in 0..20 {
        for _ in 0..29 {
            n += 1;
            update(&mut wire, PointId(0), Value::Analog(f64::from(n)));
            wire.run_for(Duration::from_millis(2 + round));
        }
        let (lost, other) = if round % 2 == 0 { (A, B) } else { (B, A) };
        wire.cut(lost);
        assert!(wire.run_until(30 * SECOND, is_up), "round {round}");
        assert!(wire.is_connected(other));
        wire.connect(lost);
    }
    wire.run_for(60 * SECOND);
    let events: Vec<f64> = samples(&wire)
        .iter()
        .filter(|sample| sample.source_time.is_some())
        .filter_map(|sample| sample.value.as_number())
        .collect();
    assert_eq!(events, (1..=n).map(f64::from).collect::<Vec<_>>());
    assert!(!states(&wire).contains(&LinkState::Down), "one channel was always there");
}

/// 101 7.4.6: select, execute, termination; and everything that may not pass.
#[test]
fn select_before_operate() {
    use CommandAnswer::{Accept, Refuse, Terminate};
    let on = Value::Double(DoublePoint::On);
    let off = Value::Double(DoublePoint::Off);
    let mut wire = wire(&config());
    bring_up(&mut wire);
    wire.station_events.clear();
    // Select and execute.
    assert_eq!(request(&mut wire, Request::Select(command(1, BREAKER, on))), Ok(()));
    answer_all(&mut wire, &[Accept]);
    assert_eq!(request(&mut wire, Request::Execute(command(1, BREAKER, on))), Ok(()));
    answer_all(&mut wire, &[Accept, Terminate]);
    let whole = [CommandStage::Selected, CommandStage::Accepted, CommandStage::Terminated];
    assert_eq!(stages(&wire, 1), whole);
    // A select serves one execute only.
    assert_eq!(request(&mut wire, Request::Execute(command(2, BREAKER, on))), Ok(()));
    assert!(matches!(stages(&wire, 2)[..], [CommandStage::Refused(_)]));
    // The execute must repeat what was selected.
    assert_eq!(request(&mut wire, Request::Select(command(3, BREAKER, on))), Ok(()));
    answer_all(&mut wire, &[Accept]);
    assert_eq!(request(&mut wire, Request::Execute(command(3, BREAKER, off))), Ok(()));
    assert!(matches!(stages(&wire, 3)[..], [CommandStage::Selected, CommandStage::Refused(_)]));
    // A select runs out (30 s).
    assert_eq!(request(&mut wire, Request::Select(command(4, BREAKER, on))), Ok(()));
    answer_all(&mut wire, &[Accept]);
    wire.run_for(31 * SECOND);
    assert_eq!(request(&mut wire, Request::Execute(command(4, BREAKER, on))), Ok(()));
    assert!(matches!(stages(&wire, 4)[..], [CommandStage::Selected, CommandStage::Refused(_)]));
    // It can be given back.
    assert_eq!(request(&mut wire, Request::Select(command(5, BREAKER, on))), Ok(()));
    answer_all(&mut wire, &[Accept]);
    assert_eq!(request(&mut wire, Request::Deselect(command(5, BREAKER, on))), Ok(()));
    assert_eq!(stages(&wire, 5), [CommandStage::Selected, CommandStage::Terminated]);
    assert_eq!(request(&mut wire, Request::Execute(command(6, BREAKER, on))), Ok(()));
    assert!(matches!(stages(&wire, 6)[..], [CommandStage::Refused(_)]));
    // The process says no.
    assert_eq!(request(&mut wire, Request::Select(command(7, BREAKER, on))), Ok(()));
    answer_all(&mut wire, &[Refuse]);
    assert!(matches!(stages(&wire, 7)[..], [CommandStage::Refused(_)]));
}

/// 101 7.4.6, direct commands: step, set point; values that no command carries; no answer.
#[test]
fn direct_commands() {
    use CommandAnswer::{Accept, Terminate};
    for timed_commands in [false, true] {
        let mut wire = wire(&Config { timed_commands, ..config() });
        bring_up(&mut wire);
        for (id, point, value) in
            [(1, TAP, Value::Step(1)), (2, TAP, Value::Step(-1)), (3, SET_POINT, Value::Analog(1.5))]
        {
            wire.station_events.clear();
            assert_eq!(request(&mut wire, Request::Execute(command(id, point, value))), Ok(()));
            let told = wire.station_events.iter().find_map(|event| match event {
                StationEvent::Command(command, phase) => Some((command.point, command.value, *phase)),
                _ => None,
            });
            assert_eq!(told, Some((point, value, CommandPhase::Execute)));
            answer_all(&mut wire, &[Accept, Terminate]);
            assert_eq!(stages(&wire, id), [CommandStage::Accepted, CommandStage::Terminated]);
        }
        let none = Request::Execute(command(4, PointId(0), Value::Analog(1.0)));
        assert_eq!(request(&mut wire, none), Err(Refusal::NotControllable));
        let far = Request::Execute(command(5, TAP, Value::Step(2)));
        assert_eq!(request(&mut wire, far), Err(Refusal::WrongValue));
        // The process never answers.
        assert_eq!(request(&mut wire, Request::Execute(command(6, TAP, Value::Step(1)))), Ok(()));
        let again = Request::Execute(command(7, TAP, Value::Step(1)));
        assert_eq!(request(&mut wire, again), Err(Refusal::Busy));
        wire.run_for(10 * SECOND);
        assert_eq!(stages(&wire, 6), [CommandStage::TimedOut]);
        wire.cut(A);
        let down = Request::Execute(command(8, TAP, Value::Step(1)));
        assert_eq!(request(&mut wire, down), Err(Refusal::NotConnected));
    }
}

/// 104 clause 8: a command that was held up on its way does not move anything.
#[test]
fn stale_commands_are_refused() {
    for (delay_s, taken) in [(1, true), (4, true), (12, false)] {
        let patient = Config { timed_commands: true, command_timeout_s: 60.0, t1_s: 100.0, ..config() };
        let mut wire = wire(&patient);
        bring_up(&mut wire);
        wire.station_events.clear();
        wire.delay = Duration::from_secs(delay_s);
        let now = wire.now();
        wire.session.request(now, Request::Execute(command(1, TAP, Value::Step(1)))).unwrap();
        wire.run_for(30 * SECOND);
        let told = wire.station_events.iter().any(|event| matches!(event, StationEvent::Command(..)));
        assert_eq!(told, taken, "{delay_s} s");
        assert_eq!(matches!(stages(&wire, 1)[..], [CommandStage::Refused(_)]), !taken);
    }
}

/// A command whose connection is lost is never sent again.
#[test]
fn a_command_is_not_repeated_after_a_lost_connection() {
    let mut wire = wire(&config());
    bring_up(&mut wire);
    wire.station_events.clear();
    let now = wire.now();
    wire.session.request(now, Request::Execute(command(1, TAP, Value::Step(1)))).unwrap();
    wire.cut(A);
    bring_up(&mut wire);
    wire.run_for(60 * SECOND);
    assert_eq!(stages(&wire, 1), [CommandStage::TimedOut]);
    assert!(!wire.station_events.iter().any(|event| matches!(event, StationEvent::Command(..))));
}

/// 101 7.4.8: counters by counter interrogation, not by general interrogation.
#[test]
fn counters_are_interrogated_on_their_own() {
    let mut wire = wire(&Config { counters_every_s: 60.0, ..config() });
    update(&mut wire, COUNTER, Value::Counter(41));
    bring_up(&mut wire);
    wire.run_for(5 * SECOND);
    update(&mut wire, COUNTER, Value::Counter(42));
    wire.run_for(60 * SECOND);
    assert_eq!(request(&mut wire, Request::InterrogateCounters), Ok(()));
    let counts: Vec<Value> =
        samples(&wire).iter().filter(|sample| sample.point == COUNTER).map(|sample| sample.value).collect();
    assert_eq!(counts, [Value::Counter(41), Value::Counter(42), Value::Counter(42)]);
    let stamped = samples(&wire).iter().all(|sample| sample.point != COUNTER || sample.source_time.is_some());
    assert!(stamped, "M_IT_TB_1 carries its time");
}

/// 101 7.4.2: cyclic and background reports while nothing changes.
#[test]
fn cyclic_and_background_reports() {
    let station = Config { periodic_every_s: 2.0, background_every_s: 10.0, ..config() };
    let mut wire = wire_with(&config(), &station, small_list());
    for point in [PointId(0), BREAKER] {
        let value = if point == BREAKER { Value::Double(DoublePoint::Off) } else { Value::Analog(1.0) };
        update(&mut wire, point, value);
    }
    bring_up(&mut wire);
    wire.session_events.clear();
    wire.run_for(21 * SECOND);
    let count = |point| samples(&wire).iter().filter(|sample| sample.point == point).count();
    assert_eq!((count(PointId(0)), count(BREAKER)), (12, 2));
}

/// Deadband: a measured value is an event only when it moved; a change of quality always is.
#[test]
fn deadband_holds_back_noise_only() {
    let mut points = small_list();
    points[0].deadband = 0.5;
    let mut wire = wire_with(&config(), &config(), points);
    update(&mut wire, PointId(0), Value::Analog(10.0));
    bring_up(&mut wire);
    wire.session_events.clear();
    for value in [10.2, 10.5, 10.6, 10.4, 10.0] {
        update(&mut wire, PointId(0), Value::Analog(value));
        wire.run_for(SECOND);
    }
    let now = wire.now();
    let bad = Quality { operator_blocked: true, ..Quality::GOOD };
    wire.station.update(now, Sample { quality: bad, ..sample(now, PointId(0), Value::Analog(10.0)) });
    wire.run_for(SECOND);
    let seen: Vec<(f64, bool)> = samples(&wire)
        .iter()
        .map(|sample| (sample.value.as_number().unwrap(), sample.quality.operator_blocked))
        .collect();
    assert_eq!(seen, [(f64::from(10.6_f32), false), (10.0, false), (10.0, true)]);
}

/// A station that does not answer its interrogation keeps the link from being up, and is asked again.
#[test]
fn an_unanswered_interrogation_is_a_fault_and_is_tried_again() {
    let points = vec![
        point("here", PointKind::Single, "S1", "M_SP_TB_1@1:1"),
        point("gone", PointKind::Single, "S1", "M_SP_TB_1@9:1"),
    ];
    let served = vec![points[0].clone()];
    let list = PointList::new(points).unwrap();
    let session = ControllingSession::new(&config(), &list, "S1").unwrap();
    let station = ControlledStation::new(&config(), &PointList::new(served).unwrap(), "S1").unwrap();
    let mut wire: Wire = VirtualWire::new(session, station, 1);
    wire.connect(A);
    wire.run_for(100 * SECOND);
    assert_eq!(states(&wire).last(), Some(&LinkState::Synchronising));
    let asked = wire.session_events.iter().filter(|event| {
        matches!(event, SessionEvent::Fault(fault) if fault.detail.contains("station interrogation of common address 9"))
    });
    assert!(asked.count() >= 3);
}
