//! A table of cycles. The rule is the delay-and-deadband scheme of on-load tap changer control
//! (IEC 60214-1, annex on automatic voltage regulation practice): delay, one step, settle, next step.

use crate::config::{HigherStep, Regulator};
use crate::decide::{Decision, View, decide};
use crate::state::RegulatorState;
use timebase::Mono;

fn regulator(higher_step: HigherStep) -> Regulator {
    Regulator {
        substation: "S9".into(),
        tap: "S4/T4-9/Tap".into(),
        low_pu: 1.03,
        high_pu: 1.07,
        higher_step,
        min_step: -3,
        max_step: 3,
        delay_s: 2.0,
        settle_s: 3.0,
    }
}

/// Each row: second, voltage, tap position, expected decision.
fn check(regulator: &Regulator, rows: &[(u64, Option<f64>, Option<i16>, Decision)]) {
    let mut state = RegulatorState::default();
    for (second, vm_pu, step, expected) in rows {
        let now = Mono::from_nanos(second * 1_000_000_000);
        let view = View { now, vm_pu: *vm_pu, step: *step };
        assert_eq!(decide(&view, &mut state, regulator), *expected, "second {second}");
    }
}

#[test]
fn a_low_voltage_is_raised_step_by_step() {
    let rows = [
        (0, Some(1.05), Some(0), Decision::Rest),
        (1, Some(1.02), Some(0), Decision::Wait),
        (2, Some(1.02), Some(0), Decision::Wait),
        (3, Some(1.02), Some(0), Decision::Step(-1)),
        (4, Some(1.025), Some(-1), Decision::Wait),
        (5, Some(1.025), Some(-1), Decision::Wait),
        (6, Some(1.025), Some(-1), Decision::Step(-1)),
        (7, Some(1.035), Some(-2), Decision::Rest),
    ];
    check(&regulator(HigherStep::Lowers), &rows);
}

#[test]
fn the_direction_follows_the_side_and_the_effect_of_a_step() {
    for (effect, vm_pu, by) in [
        (HigherStep::Lowers, 1.02, -1),
        (HigherStep::Raises, 1.02, 1),
        (HigherStep::Lowers, 1.08, 1),
        (HigherStep::Raises, 1.08, -1),
    ] {
        let rows = [(0, Some(vm_pu), Some(0), Decision::Wait), (2, Some(vm_pu), Some(0), Decision::Step(by))];
        check(&regulator(effect), &rows);
    }
}

#[test]
fn it_holds_on_what_it_cannot_see_and_at_the_end_of_the_range() {
    let rows = [
        (0, Some(1.02), Some(0), Decision::Wait),
        (2, None, Some(0), Decision::Hold("no estimated voltage")),
        // The delay starts anew: the time without an estimate does not count.
        (3, Some(1.02), Some(0), Decision::Wait),
        (5, Some(1.02), None, Decision::Hold("tap position is not good")),
        (6, Some(1.02), Some(-3), Decision::Hold("tap is at the end of its range")),
        (7, Some(1.02), Some(-2), Decision::Step(-1)),
    ];
    check(&regulator(HigherStep::Lowers), &rows);
}

#[test]
fn a_change_of_side_starts_the_delay_anew() {
    let rows = [
        (0, Some(1.02), Some(0), Decision::Wait),
        (2, Some(1.08), Some(0), Decision::Wait),
        (4, Some(1.08), Some(0), Decision::Step(1)),
    ];
    check(&regulator(HigherStep::Lowers), &rows);
}
