//! The twin on the IEEE 14-bus system (`examples/ieee14.m`, figures of the University of Washington's archive).
#![allow(clippy::unwrap_used)]

use super::*;
use crate::truth::{BranchTruth, InjectionKind, Truth};
use model::{ExpandOptions, expand};
use signal::CommandId;
use timebase::Mono;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Now {
    Now { mono: Mono::from_nanos(5_000_000_000), utc: Utc::from_micros(1_795_000_000_000_000) }
}

fn twin_with(options: TwinOptions) -> Twin {
    let case = exchange::matpower::read(include_bytes!("../../../../examples/ieee14.m")).unwrap().0;
    let network = expand(&case, ExpandOptions::default()).unwrap().network;
    let points = exchange::plan::plan(&network, exchange::plan::PlanOptions::default()).unwrap();
    Twin::new(network, Arc::new(points), options).unwrap()
}

/// A twin that has made its first step.
fn twin() -> (Twin, Now) {
    let mut twin = twin_with(TwinOptions { seed: 42, ..TwinOptions::default() });
    twin.step(start());
    (twin, start())
}

fn command(twin: &Twin, id: u64, point: &str, value: Value) -> Command {
    Command { id: CommandId(id), point: twin.points().named(point).unwrap(), value, deadline: None }
}

fn double(close: bool) -> Value {
    Value::Double(if close { DoublePoint::On } else { DoublePoint::Off })
}

fn execute(twin: &mut Twin, now: Now, point: &str, value: Value) -> CommandAnswer {
    let command = command(twin, 1, point, value);
    twin.command(now, command, CommandPhase::Execute)
}

/// Lets every movement end; returns everything that came of it and the time.
fn settle(twin: &mut Twin, mut now: Now) -> (StepOutcome, Now) {
    let mut all = StepOutcome::default();
    while let Some(due) = twin.poll_timeout() {
        now = now.advanced(due.since(now.mono));
        let outcome = twin.advance(now);
        all.samples.extend(outcome.samples);
        all.terminated.extend(outcome.terminated);
        all.reports.extend(outcome.reports);
    }
    (all, now)
}

/// Opens a switch and waits for it.
fn operate(twin: &mut Twin, now: Now, point: &str, close: bool) -> Now {
    assert_eq!(execute(twin, now, point, double(close)), CommandAnswer::Accept, "{point}");
    settle(twin, now).1
}

fn branch<'a>(truth: &'a Truth, name: &str) -> &'a BranchTruth {
    truth.branches.iter().find(|branch| branch.name == name).unwrap()
}

fn values_of(outcome: &StepOutcome, twin: &Twin, point: &str) -> Vec<Value> {
    let id = twin.points().named(point).unwrap();
    outcome.samples.iter().filter(|sample| sample.point == id).map(|sample| sample.value).collect()
}

fn analog_of(outcome: &StepOutcome, twin: &Twin, point: &str) -> f64 {
    values_of(outcome, twin, point).last().and_then(|value| value.as_number()).unwrap()
}

/// What flows into each substation must flow out again (Kirchhoff); returns the largest gap in MW and Mvar.
fn largest_gap(truth: &Truth) -> f64 {
    let gap = |name: &str| {
        let prefix = format!("{name}/");
        let mut sum = (0.0, 0.0);
        let mut add = |sign: f64, p_mw: f64, q_mvar: f64| {
            sum.0 += sign * p_mw;
            sum.1 += sign * q_mvar;
        };
        for branch in &truth.branches {
            if branch.from == name {
                add(1.0, branch.p_from_mw, branch.q_from_mvar);
            }
            if branch.to == name {
                add(1.0, branch.p_to_mw, branch.q_to_mvar);
            }
        }
        for injection in truth.injections.iter().filter(|injection| injection.name.starts_with(&prefix)) {
            let sign = if injection.kind == InjectionKind::Machine { -1.0 } else { 1.0 };
            add(sign, injection.p_mw, injection.q_mvar);
        }
        f64::max(sum.0.abs(), sum.1.abs())
    };
    truth.substations.iter().map(|place| gap(&place.name)).fold(0.0, f64::max)
}

#[test]
fn power_balances_at_every_substation_in_every_second() {
    let (mut twin, mut now) = twin();
    for (second, open) in (0..60).zip(["L1-5", "L9-14", "L6-12", "L2-3"].into_iter().cycle()) {
        now = twin_second(&mut twin, now);
        if second % 15 == 0 {
            now = operate(&mut twin, now, &format!("S{}/{open}/CB", &open[1..2]), false);
        }
        let gap = largest_gap(&twin.truth());
        assert!(gap < 1e-5, "second {second}: {gap} MW or Mvar");
    }
}

fn twin_second(twin: &mut Twin, now: Now) -> Now {
    let now = now.advanced(SECOND);
    twin.step(now);
    now
}

/// Flow of L1-2 from the truth's voltages by hand: S = V1 · conj((V1 - V2)/(r + jx) + V1 · jb/2), figures of the
/// archive: r 0.01938, x 0.05917, b 0.0528.
#[test]
fn flows_follow_from_the_voltages() {
    let (mut twin, now) = twin();
    twin_second(&mut twin, now);
    let truth = twin.truth();
    let phasor = |at: usize| {
        let place = &truth.substations[at];
        let (sin, cos) = place.va_degree.unwrap().to_radians().sin_cos();
        (place.vm_pu.unwrap() * cos, place.vm_pu.unwrap() * sin)
    };
    let ((v1, w1), (v2, w2)) = (phasor(0), phasor(1));
    let (r, x, b) = (0.01938, 0.05917, 0.0528);
    let (dv, dw, z2) = (v1 - v2, w1 - w2, r * r + x * x);
    let current = ((dv * r + dw * x) / z2 - w1 * b / 2.0, (dw * r - dv * x) / z2 + v1 * b / 2.0);
    let (p, q) = (v1 * current.0 + w1 * current.1, w1 * current.0 - v1 * current.1);
    let line = branch(&truth, "L1-2");
    assert!((line.p_from_mw - 100.0 * p).abs() < 1e-6, "{} {p}", line.p_from_mw);
    assert!((line.q_from_mvar - 100.0 * q).abs() < 1e-6, "{} {q}", line.q_from_mvar);
    assert_eq!(truth.substations[0].va_degree, Some(0.0));
    assert_eq!(truth.substations[0].vm_pu, Some(1.06));
}

#[test]
fn the_grid_moves_but_stays_healthy_through_a_day() {
    let options = TwinOptions { seed: 3, time_scale: 600.0, ..TwinOptions::default() };
    let (mut twin, mut now) = (twin_with(options), start());
    let mut totals = Vec::new();
    for _ in 0..144 {
        now = now.advanced(SECOND);
        let outcome = twin.step(now);
        assert_eq!(outcome.reports, []);
        let truth = twin.truth();
        totals.push(branch(&truth, "L1-2").p_from_mw);
        for place in &truth.substations {
            assert!((0.98..1.10).contains(&place.vm_pu.unwrap()), "{place:?}");
        }
    }
    let least = totals.iter().copied().fold(f64::INFINITY, f64::min);
    let most = totals.iter().copied().fold(0.0, f64::max);
    assert!(most - least > 15.0, "flow of L1-2 only moved from {least} to {most} MW");
}

#[test]
fn readings_lie_within_the_class_of_their_instruments() {
    let (mut twin, mut now) = (twin_with(TwinOptions { seed: 9, ..TwinOptions::default() }), start());
    let (mut count, mut squares, mut sum) = (0.0, 0.0, 0.0);
    for _ in 0..300 {
        now = now.advanced(SECOND);
        let outcome = twin.step(now);
        assert_eq!(outcome.samples.len(), twin.points().len());
        for sample in &outcome.samples {
            assert_eq!(sample.source_time, Some(UtcStamp::synchronised(now.utc)));
            assert_eq!(sample.quality, Quality::GOOD);
            let role = twin.bindings.role(sample.point).unwrap();
            if let (Value::Analog(value), true) = (sample.value, is_measured(role)) {
                let truth = twin.physics.reading(&twin.network, role);
                assert!((value - truth).abs() <= 0.06 * truth.abs() + 1e-12, "{value} {truth}");
                if truth.abs() > 1e-6 {
                    let error = (value - truth) / truth;
                    count += 1.0;
                    sum += error;
                    squares += error * error;
                }
            }
        }
    }
    let deviation: f64 = (squares / count).sqrt();
    assert!((deviation / 0.01 - 1.0).abs() < 0.02, "deviation {deviation}");
    assert!((sum / count).abs() < 0.01 * 5.0 / f64::sqrt(count), "mean {}", sum / count);
}

#[test]
fn the_same_seed_and_the_same_calls_make_the_same_history() {
    let history = |seed: u64| {
        let (mut twin, mut now) = (twin_with(TwinOptions { seed, ..TwinOptions::default() }), start());
        let mut log = Vec::new();
        for second in 0..30 {
            now = now.advanced(SECOND);
            log.push(twin.step(now));
            match second {
                3 => assert_eq!(execute(&mut twin, now, "S4/L4-5/CB", double(false)), CommandAnswer::Accept),
                7 => {
                    assert_eq!(execute(&mut twin, now, "S4/T4-7/Tap", Value::Step(1)), CommandAnswer::Accept)
                }
                11 => {
                    let fault = Fault::LineTrip { branch: "L9-14".into() };
                    twin.inject(now, fault, Some(Duration::from_secs(4))).unwrap();
                }
                _ => {}
            }
            let (outcome, later) = settle(&mut twin, now);
            log.push(outcome);
            now = later;
        }
        format!("{log:?} {:?}", twin.truth())
    };
    assert_eq!(history(5), history(5));
    assert_ne!(history(5), history(6));
}

#[test]
fn commands_are_accepted_or_refused() {
    use CommandAnswer::{Accept, Refuse};
    fn check(prepare: &[(&str, bool)], point: &str, value: Value, expected: CommandAnswer) {
        let (mut twin, mut now) = twin();
        for (switch, close) in prepare {
            now = operate(&mut twin, now, switch, *close);
        }
        for phase in [CommandPhase::Select, CommandPhase::Deselect, CommandPhase::Execute] {
            let command = command(&twin, 1, point, value);
            let answer = twin.command(now, command, phase);
            assert_eq!(answer, expected, "{prepare:?} {point} {value} {phase:?}");
        }
    }
    check(&[], "S4/L4-5/CB", double(false), Accept);
    check(&[], "S4/L4-5/CB", double(true), Accept);
    check(&[], "S4/L4-5/CB", Value::Single(false), Accept);
    check(&[], "S4/L4-5/CB", Value::Double(DoublePoint::Intermediate), Refuse);
    check(&[], "S4/L4-5/CB", Value::Double(DoublePoint::Bad), Refuse);
    check(&[], "S4/L4-5/CB", Value::Step(1), Refuse);
    check(&[], "S4/L4-5/P", Value::Analog(1.0), Refuse);
    // A disconnector carries no load current: its breaker must be open.
    check(&[], "S4/L4-5/DS", double(false), Refuse);
    check(&[("S4/L4-5/CB", false)], "S4/L4-5/DS", double(false), Accept);
    check(
        &[("S4/L4-5/CB", false), ("S4/L4-5/DS", false), ("S4/L4-5/CB", true)],
        "S4/L4-5/DS",
        double(true),
        Refuse,
    );
    check(&[], "S4/T4-7/Tap", Value::Step(1), Accept);
    check(&[], "S4/T4-7/Tap", Value::Step(-1), Accept);
    check(&[], "S4/T4-7/Tap", Value::Step(0), Refuse);
    check(&[], "S4/T4-7/Tap", Value::Step(2), Refuse);
    check(&[], "S4/T4-7/Tap", Value::Analog(1.0), Refuse);
}

#[test]
fn drives_take_their_time_and_report_both_ends() {
    fn check(point: &str, close: bool, prepare: &[(&str, bool)], range_ms: std::ops::RangeInclusive<u128>) {
        let (mut twin, mut now) = twin();
        for (switch, close) in prepare {
            now = operate(&mut twin, now, switch, *close);
        }
        let asked = command(&twin, 77, point, double(close));
        assert_eq!(twin.command(now, asked, CommandPhase::Execute), CommandAnswer::Accept);
        let first = twin.advance(now);
        assert_eq!(values_of(&first, &twin, point), [Value::Double(DoublePoint::Intermediate)]);
        assert_eq!(first.samples.len(), 1, "{point}: only the position is new");
        let again = command(&twin, 78, point, double(!close));
        assert_eq!(
            twin.command(now, again, CommandPhase::Execute),
            CommandAnswer::Refuse,
            "{point} on its way"
        );
        let (end, later) = settle(&mut twin, now);
        assert_eq!(values_of(&end, &twin, point)[0], double(close), "{point}");
        assert_eq!(end.terminated, [asked]);
        let took = later.mono.since(now.mono).as_millis();
        assert!(range_ms.contains(&took), "{point}: {took} ms");
        // The current paths changed, so every value of the field is read at the same instant.
        assert!(end.samples.len() > twin.points().len());
        assert!(end.samples.iter().all(|sample| sample.received == later));
    }
    check("S4/L4-5/CB", false, &[], 80..=150);
    check("S4/L4-5/CB", true, &[("S4/L4-5/CB", false)], 200..=400);
    check("S4/L4-5/DS", false, &[("S4/L4-5/CB", false)], 1_000..=3_000);
}

#[test]
fn taps_move_by_one_step_to_their_end() {
    let (mut twin, now) = twin();
    let position = |twin: &Twin| twin.truth().taps.iter().find(|tap| tap.name == "S4/T4-7/Tap").unwrap().step;
    // The archive's ratio is 0.978, (0.978 - 1) / 0.625 % = -3.52: step -4.
    assert_eq!(position(&twin), -4);
    let before = twin.truth().substations[8].vm_pu.unwrap();
    let mut at = now;
    for step in [-5, -6, -7, -8, -9, -10, -11, -12, -13, -14, -15, -16] {
        assert_eq!(execute(&mut twin, at, "S4/T4-7/Tap", Value::Step(-1)), CommandAnswer::Accept);
        assert_eq!(
            execute(&mut twin, at, "S4/T4-7/Tap", Value::Step(-1)),
            CommandAnswer::Refuse,
            "on its way"
        );
        let (end, later) = settle(&mut twin, at);
        let took = later.mono.since(at.mono).as_millis();
        assert!((1_000..=3_000).contains(&took), "{took} ms");
        assert_eq!(values_of(&end, &twin, "S4/T4-7/Tap")[0], Value::Step(step));
        at = later;
    }
    assert_eq!(execute(&mut twin, at, "S4/T4-7/Tap", Value::Step(-1)), CommandAnswer::Refuse, "at its end");
    let refused = twin.advance(at).reports;
    assert!(matches!(refused[..], [Report::CommandRefused { reason: "the tap changer is at its end", .. }]));
    // A lower ratio at the side of S4 raises the other side.
    assert!(twin.truth().substations[8].vm_pu.unwrap() > before + 0.01);
}

#[test]
fn an_opened_end_leaves_a_line_charging_from_the_other() {
    let (mut twin, now) = twin();
    let now = operate(&mut twin, now, "S2/L2-3/CB", false);
    let outcome = twin.step(now.advanced(SECOND));
    let truth = twin.truth();
    let line = branch(&truth, "L2-3");
    assert!(line.p_from_mw.abs() < 1e-5 && line.q_from_mvar.abs() < 1e-5, "{line:?}");
    // Charging of the archive: b = 0.0438 p.u. at 1.01 p.u. of S3, less a little along the line.
    let charging = -100.0 * 0.0438 * 1.01 * 1.01;
    assert!((line.q_to_mvar / charging - 1.0).abs() < 0.02, "{line:?} {charging}");
    assert!(line.p_to_mw > 0.0 && line.p_to_mw < 0.1, "{line:?}");
    assert!(analog_of(&outcome, &twin, "S2/L2-3/P").abs() < 1e-4);
    assert_eq!(values_of(&outcome, &twin, "S2/L2-3/CB"), [double(false)]);
}

#[test]
fn a_substation_without_feeders_is_dead_and_reads_zero() {
    let (mut twin, mut now) = twin();
    for switch in ["S14/L9-14/CB", "S14/L13-14/CB"] {
        now = operate(&mut twin, now, switch, false);
    }
    let outcome = twin.step(now.advanced(SECOND));
    let truth = twin.truth();
    assert_eq!(truth.substations[13].vm_pu, None);
    assert_eq!(truth.substations[13].va_degree, None);
    for point in ["S14/V", "S14/Load/V2", "S14/Load/P", "S14/Load/Q"] {
        assert_eq!(values_of(&outcome, &twin, point), [Value::Analog(0.0)], "{point}");
    }
    // The lines are still fed from their far ends; what flows at the open ones is the rounding of the power flow.
    for point in ["S14/L9-14/P", "S14/L13-14/Q"] {
        assert!(analog_of(&outcome, &twin, point).abs() < 1e-9, "{point}");
    }
    assert!(analog_of(&outcome, &twin, "S14/L9-14/V") > 30.0);
    assert!(analog_of(&outcome, &twin, "S13/V") > 30.0);
    assert!(largest_gap(&truth) < 1e-5);
    now = operate(&mut twin, now.advanced(SECOND), "S14/L9-14/CB", true);
    twin.step(now.advanced(SECOND));
    assert!(twin.truth().substations[13].vm_pu.is_some());
}

#[test]
fn an_island_without_solution_goes_dead_and_comes_back() {
    let (mut twin, now) = twin();
    let fault = Fault::LoadStep { substation: "S3".into(), factor: 30.0 };
    let id = twin.inject(now, fault, None).unwrap();
    let (outcome, now) = settle(&mut twin, now);
    let [Report::IslandCollapsed { substations, .. }] = &outcome.reports[..] else {
        panic!("{:?}", outcome.reports)
    };
    assert_eq!(substations.len(), 14);
    for sample in &outcome.samples {
        if let Value::Analog(value) = sample.value {
            assert_eq!(value, 0.0, "{}", twin.points()[sample.point].name);
        }
    }
    // Said once, not every second.
    assert_eq!(twin.step(now.advanced(SECOND)).reports, []);
    assert_eq!(twin.clear(now, id).map(|fault| fault.id), Some(id));
    assert_eq!(twin.clear(now, id), None);
    let outcome = settle(&mut twin, now.advanced(SECOND)).0;
    assert!(analog_of(&outcome, &twin, "S3/V") > 130.0);
}

#[test]
fn a_short_circuit_trips_both_ends_and_every_attempt_to_close() {
    let (mut twin, now) = twin();
    let id = twin.inject(now, Fault::LineTrip { branch: "L4-5".into() }, None).unwrap();
    let first = twin.advance(now);
    let names = ["S4/L4-5/CB", "S5/L4-5/CB"];
    assert_eq!(first.reports, names.map(|name| Report::Tripped { switch: name.into() }));
    for name in names {
        assert_eq!(values_of(&first, &twin, name)[0], Value::Double(DoublePoint::Intermediate));
    }
    let (end, later) = settle(&mut twin, now);
    assert_eq!(later.mono.since(now.mono), Duration::from_millis(100));
    assert_eq!(end.terminated, []);
    for name in names {
        assert_eq!(values_of(&end, &twin, name)[0], double(false), "{name}");
    }
    assert_eq!(branch(&twin.truth(), "L4-5").p_from_mw, 0.0);
    let now = operate(&mut twin, later, names[0], true);
    let open = |twin: &Twin| {
        let truth = twin.truth();
        names.map(|name| truth.switches.iter().find(|switch| switch.name == name).unwrap().state)
    };
    assert_eq!(open(&twin), [SwitchState::Open, SwitchState::Open], "closed onto the fault");
    twin.clear(now, id).unwrap();
    let now = settle(&mut twin, now).1;
    assert_eq!(open(&twin), [SwitchState::Open, SwitchState::Open], "removing the fault closes nothing");
    operate(&mut twin, now, names[0], true);
    assert_eq!(open(&twin), [SwitchState::Closed, SwitchState::Open]);
}

#[test]
fn a_stuck_breaker_accepts_and_does_not_move() {
    let (mut twin, now) = twin();
    twin.inject(now, Fault::StuckBreaker { point: "S4/L4-5/CB".into() }, None).unwrap();
    let now = settle(&mut twin, now).1;
    assert_eq!(execute(&mut twin, now, "S4/L4-5/CB", double(false)), CommandAnswer::Accept);
    let outcome = settle(&mut twin, now).0;
    assert_eq!(outcome, StepOutcome::default());
    let outcome = twin.step(now.advanced(SECOND));
    assert_eq!(values_of(&outcome, &twin, "S4/L4-5/CB"), [double(true)]);
    assert_eq!(outcome.terminated, []);
    // Protection fails at this end too, the other end trips.
    twin.inject(now.advanced(SECOND), Fault::LineTrip { branch: "L4-5".into() }, None).unwrap();
    let outcome = settle(&mut twin, now.advanced(SECOND)).0;
    assert_eq!(outcome.reports, [Report::Tripped { switch: "S5/L4-5/CB".into() }]);
}

#[test]
fn a_bad_measurement_is_off_by_what_was_asked_for() {
    fn check(error: GrossError, expected: fn(f64) -> f64) {
        let (mut twin, now) = twin();
        let truth = |twin: &Twin| branch(&twin.truth(), "L2-3").p_from_mw;
        twin.inject(now, Fault::BadMeasurement { point: "S2/L2-3/P".into(), error }, None).unwrap();
        let outcome = settle(&mut twin, now).0;
        let (found, wanted) = (analog_of(&outcome, &twin, "S2/L2-3/P"), expected(truth(&twin)));
        let normal = 0.05 * wanted.abs().max(truth(&twin).abs());
        assert!((found - wanted).abs() <= normal, "{error:?}: {found}, wanted {wanted}");
        let healthy = analog_of(&outcome, &twin, "S3/L2-3/P");
        assert!((healthy - branch(&twin.truth(), "L2-3").p_to_mw).abs() <= 0.05 * healthy.abs());
    }
    check(GrossError::Factor(1.5), |truth| 1.5 * truth);
    check(GrossError::Factor(-1.0), |truth| -truth);
    check(GrossError::Factor(0.0), |_| 0.0);
    // Twenty deviations of one percent of the reading.
    check(GrossError::Sigmas(20.0), |truth| truth * (1.0 + 20.0 * 0.01));
    check(GrossError::Sigmas(-20.0), |truth| truth * (1.0 - 20.0 * 0.01));
}

#[test]
fn a_load_step_moves_load_and_voltage_and_ends_in_time() {
    let (mut twin, now) = twin();
    let state = |twin: &Twin| {
        let truth = twin.truth();
        let load = truth.injections.iter().find(|injection| injection.name == "S14/Load").unwrap();
        (load.p_mw, load.q_mvar, truth.substations[13].vm_pu.unwrap())
    };
    let before = state(&twin);
    let fault = Fault::LoadStep { substation: "S14".into(), factor: 3.0 };
    twin.inject(now, fault.clone(), Some(Duration::from_secs(20))).unwrap();
    assert_eq!(twin.faults().map(|active| active.fault.clone()).collect::<Vec<_>>(), [fault]);
    twin.advance(now);
    let during = state(&twin);
    assert!((during.0 / before.0 - 3.0).abs() < 0.05 && (during.1 / before.1 - 3.0).abs() < 1e-9);
    assert!(during.2 < before.2 - 0.03, "voltage {} to {}", before.2, during.2);
    let end = twin.poll_timeout().unwrap();
    assert_eq!(end.since(now.mono), Duration::from_secs(20));
    assert_eq!(settle(&mut twin, now).0.reports, [Report::FaultEnded]);
    let after = state(&twin);
    assert!((after.0 - before.0).abs() < 1e-9 && (after.2 - before.2).abs() < 1e-6, "{before:?} {after:?}");
    assert_eq!(twin.faults().count(), 0);
}

#[test]
fn silence_is_told_by_substation() {
    let (mut twin, now) = twin();
    let at = |name: &str| SubstationIdx::all(14).find(|place| twin.network()[*place].name == name).unwrap();
    let (silent, other) = (at("S9"), at("S4"));
    twin.inject(now, Fault::RtuSilent { station: "S9".into() }, Some(SECOND)).unwrap();
    assert!(twin.is_silent(silent) && !twin.is_silent(other));
    twin.step(now.advanced(SECOND));
    assert!(!twin.is_silent(silent));
}

#[test]
fn impossible_faults_are_refused_with_a_reason() {
    fn check(fault: Fault, reason: &str) {
        let (mut twin, now) = twin();
        let error = twin.inject(now, fault, None).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(twin.faults().count(), 0);
    }
    let bad = |point: &str, error| Fault::BadMeasurement { point: point.into(), error };
    check(Fault::LineTrip { branch: "L4-99".into() }, "no line or transformer is named \"L4-99\"");
    check(Fault::LoadStep { substation: "S99".into(), factor: 2.0 }, "no substation is named \"S99\"");
    check(Fault::LoadStep { substation: "S7".into(), factor: 2.0 }, "has no load");
    check(Fault::LoadStep { substation: "S4".into(), factor: -2.0 }, "the factor is -2");
    check(Fault::LoadStep { substation: "S4".into(), factor: f64::NAN }, "the factor is NaN");
    check(Fault::RtuSilent { station: "X".into() }, "names look like \"S1\"");
    check(bad("S4/Nothing", GrossError::Factor(2.0)), "no point is named");
    check(bad("S4/L4-5/CB", GrossError::Factor(2.0)), "is not a measured value");
    check(bad("S4/V", GrossError::Sigmas(f64::INFINITY)), "sigma is inf");
    check(Fault::StuckBreaker { point: "S4/V".into() }, "is not the position of a switch");
}

#[test]
fn counters_count_the_energy_of_their_load() {
    let (mut twin, mut now) = twin();
    let point = "S3/Load/E";
    let mut expected_kwh = 0.0;
    let mut outcome = StepOutcome::default();
    for _ in 0..120 {
        let truth = twin.truth();
        expected_kwh += truth.injections.iter().find(|load| load.name == "S3/Load").unwrap().p_mw / 3.6;
        now = now.advanced(SECOND);
        outcome = twin.step(now);
    }
    assert!(expected_kwh > 2_000.0);
    assert_eq!(values_of(&outcome, &twin, point), [Value::Counter(expected_kwh.floor() as i64)]);
}

#[test]
fn options_and_points_are_checked() {
    fn check(change: fn(&mut TwinOptions, &mut signal::PointDef), reason: &str) {
        let base = twin_with(TwinOptions::default());
        let mut options = TwinOptions::default();
        let mut point = base.points()[PointId(0)].clone();
        change(&mut options, &mut point);
        let points = Arc::new(PointList::new(vec![point]).unwrap());
        let error = Twin::new(base.network().clone(), points, options).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    check(|options, _| options.noise_percent = -1.0, "noise_percent is -1");
    check(|options, _| options.noise_percent = f64::NAN, "noise_percent is NaN");
    check(|options, _| options.time_scale = 1e9, "time_scale");
    check(|_, point| point.mrid = "_other.S1.V".into(), "no measurement \"_other.S1.V\"");
    check(|_, point| point.kind = PointKind::Step, "kind \"step\" cannot carry");
}
