//! Controls against foreign software: pandapower 3.5.6 and powsybl's OpenLoadFlow (pypowsybl 1.16.1), results stored by
//! `interop/control_cases.py`; and what must hold whatever the numbers.
#![allow(clippy::unwrap_used)]

mod case_file;

use case_file::{Case, read};
use powerflow::control::{Controlled, Note, Which, solve};
use powerflow::{Options, Outcome, Solver, Start};
use topology::calc::{BranchIdx, BusIdx, BusKind};
use topology::control::{
    Controls, DcLineControl, Effect, Participant, RemoteVoltage, ShiftControl, ShuntControl, TapControl,
    VoltageDependentLoad,
};

/// Agreement where the foreign program is exact.
const AGREE: f64 = 1e-8;

/// Controls and expected settings behind the case.
#[derive(Default)]
struct Expected {
    controls: Controls,
    ratios: Vec<(usize, f64)>,
    shifts: Vec<(usize, f64)>,
    blocks: Vec<(usize, f64)>,
}

fn expected(case: &Case) -> Expected {
    let mut found = Expected::default();
    for text in &case.rest {
        let mut words = text.split(' ');
        let word = words.next().unwrap();
        let n: Vec<f64> = words.map(|figure| figure.parse().unwrap()).collect();
        let bus = |at: usize| BusIdx(n[at] as u32);
        let branch = || BranchIdx(n[0] as u32);
        let step = |at: usize| Some(n[at]).filter(|step| *step != 0.0);
        let controls = &mut found.controls;
        match word {
            "participant" => {
                let room_pu = [f64::NEG_INFINITY, f64::INFINITY];
                controls.participants.push(Participant { bus: bus(0), factor: n[1], room_pu });
            }
            "load" => controls.loads.push(VoltageDependentLoad {
                bus: bus(0),
                constant_current_pu: [n[1], n[2]],
                constant_impedance_pu: [n[3], n[4]],
            }),
            "tap" => controls.taps.push(TapControl {
                branch: branch(),
                bus: bus(1),
                effect: Effect::Lowers,
                band_pu: [n[2], n[3]],
                ratio: [n[4], n[5]],
                step: step(6),
            }),
            "shunt" => controls.shunts.push(ShuntControl {
                shunt: bus(0),
                bus: bus(1),
                band_pu: [n[2], n[3]],
                block_pu: n[4],
                blocks: n[5] as u32,
                most_blocks: n[6] as u32,
            }),
            "remote" => controls.remote_voltages.push(RemoteVoltage {
                bus: bus(0),
                v_set_pu: n[1],
                machines: (2..n.len()).step_by(2).map(|at| (bus(at), n[at + 1])).collect(),
            }),
            "shift" => controls.phase_shifters.push(ShiftControl {
                branch: branch(),
                band_pu: [n[1], n[2]],
                shift_rad: [n[3], n[4]],
                step_rad: step(5),
            }),
            "dc" => controls.dc_lines.push(DcLineControl {
                from: bus(0),
                to: bus(1),
                p_set_pu: n[2],
                droop_pu: n[3],
                p_pu: [n[4], n[5]],
                loss0_pu: n[6],
                loss1: n[7],
            }),
            "ratio" => found.ratios.push((n[0] as usize, n[1])),
            "angle" => found.shifts.push((n[0] as usize, n[1])),
            "blocks" => found.blocks.push((n[0] as usize, n[1])),
            other => panic!("unknown word {other}"),
        }
    }
    found
}

fn options() -> Options {
    Options { tolerance_pu: 1e-11, start: Start::Dc, ..Options::default() }
}

fn run(case: &Case, controls: &Controls) -> Controlled {
    let done = solve(&mut Solver::new(), &case.grid, controls, &options());
    assert!(done.solution.converged(), "{:?}", done.solution.islands);
    done
}

fn assert_state(name: &str, case: &Case, done: &Controlled, agree: f64) {
    for at in 0..case.vm_pu.len() {
        let (vm, va) = (done.solution.voltages.vm_pu[at], done.solution.voltages.va_rad[at]);
        assert!((vm - case.vm_pu[at]).abs() <= agree, "{name}: vm {at}: got {vm}, want {}", case.vm_pu[at]);
        assert!((va - case.va_rad[at]).abs() <= agree, "{name}: va {at}: got {va}, want {}", case.va_rad[at]);
    }
}

#[test]
fn states_and_settings_agree_with_foreign_software() {
    let check = |name: &str, agree: f64, notes: &[Note]| {
        let case = read(name);
        let expected = expected(&case);
        assert!(!expected.controls.is_empty());
        let done = run(&case, &expected.controls);
        assert_eq!(done.notes, notes, "{name}");
        for (branch, ratio) in &expected.ratios {
            let got = done.grid.branches[*branch].ratio;
            assert!((got - ratio).abs() <= agree, "{name}: ratio {got}, want {ratio}");
        }
        for (branch, shift) in &expected.shifts {
            let got = done.grid.branches[*branch].shift_rad;
            assert!((got - shift).abs() <= agree, "{name}: shift {got}, want {shift}");
        }
        for ((bus, blocks), shunt) in expected.blocks.iter().zip(&expected.controls.shunts) {
            let got = (done.grid.buses[*bus].b_shunt_pu - case.grid.buses[*bus].b_shunt_pu) / shunt.block_pu;
            assert!((got - blocks).abs() < 1e-9, "{name}: {got} blocks, want {blocks}");
        }
        assert_state(name, &case, &done, agree);
        // The control changes something: without it the state is another one.
        let free = run(&case, &Controls::default());
        let moved = case.vm_pu.iter().zip(&case.va_rad).enumerate().any(|(at, (vm, va))| {
            (free.solution.voltages.vm_pu[at] - vm).abs() > 1e-4
                || (free.solution.voltages.va_rad[at] - va).abs() > 1e-4
        });
        assert!(moved, "{name}: the case shows nothing");
    };
    check("control_slack.txt", AGREE, &[]);
    check("control_loads.txt", AGREE, &[]);
    check("control_taps.txt", AGREE, &[]);
    check("control_taps_continuous.txt", AGREE, &[]);
    check("control_shunts.txt", AGREE, &[Note::AtEnd(Which::Shunt(1))]);
    check("control_remote.txt", AGREE, &[]);
    check("control_shift.txt", AGREE, &[]);
    check("control_dc.txt", AGREE, &[]);
}

#[test]
fn a_full_participant_leaves_its_part_to_the_others() {
    let case = read("control_slack.txt");
    let mut controls = expected(&case).controls;
    let free = run(&case, &controls);
    let added = |done: &Controlled, at: usize| {
        let bus = controls.participants[at].bus.at();
        done.grid.buses[bus].p_pu - case.grid.buses[bus].p_pu
    };
    let total = |done: &Controlled| (0..controls.participants.len()).map(|at| added(done, at)).sum::<f64>();
    let limited = {
        let mut controls = controls.clone();
        let room = added(&free, 0) / 2.0;
        assert!(room > 1e-3);
        controls.participants[0].room_pu[1] = room;
        let done = run(&case, &controls);
        assert!((added(&done, 0) - room).abs() < 1e-12);
        done
    };
    assert!((total(&limited) - total(&free)).abs() < 0.02 * total(&free).abs());
    assert!(added(&limited, 1) / added(&free, 1) > 1.0);
    let slack = case.grid.buses.iter().position(|bus| bus.kind == BusKind::Slack).unwrap();
    let beyond = limited.solution.p_injection_pu[slack] - limited.grid.buses[slack].p_pu;
    assert!(beyond.abs() < 1e-8, "{beyond}");
    // Nobody has room: the slack delivers, and it is told.
    for participant in &mut controls.participants {
        participant.room_pu = [0.0, 0.0];
    }
    assert_eq!(run(&case, &controls).notes, [Note::AtEnd(Which::Slack(0))]);
}

#[test]
fn machines_at_a_limit_leave_the_voltage_to_the_others() {
    let mut case = read("control_remote.txt");
    let mut controls = expected(&case).controls;
    let free = run(&case, &controls);
    let q = |done: &Controlled, bus: usize| done.solution.machine_q_pu(&done.grid, BusIdx(bus as u32));
    assert!((q(&free, 1) - q(&free, 5)).abs() < 1e-9 && q(&free, 1) > 0.1, "{}", q(&free, 1));
    // The machine at bus 2 can only do half of its part.
    let half = q(&free, 1) / 2.0;
    case.grid.buses[1].q_gen_max_pu = half;
    let done = run(&case, &controls);
    assert!(done.notes.is_empty() && (q(&done, 1) - half).abs() < 1e-9, "{:?}", done.notes);
    assert!((done.solution.voltages.vm_pu[3] - 1.005).abs() < 1e-8 && q(&done, 5) > q(&free, 5));
    // Neither can do enough: both are at their limits, the voltage is lower, and it is told.
    case.grid.buses[5].q_gen_max_pu = half;
    let done = run(&case, &controls);
    assert_eq!(done.notes, [Note::AtEnd(Which::RemoteVoltage(0))]);
    assert!((q(&done, 1) - half).abs() < 1e-9 && (q(&done, 5) - half).abs() < 1e-9);
    assert!(done.solution.voltages.vm_pu[3] < 1.005);
    // A lower target brings them back from there.
    controls.remote_voltages[0].v_set_pu = done.solution.voltages.vm_pu[3] - 0.01;
    let done = run(&case, &controls);
    assert!(done.notes.is_empty() && q(&done, 1) < half);
}

#[test]
fn continuous_shifts_and_dc_lines_hold_what_they_are_set_to() {
    let case = read("control_shift.txt");
    let mut controls = expected(&case).controls;
    let shifter = &mut controls.phase_shifters[0];
    (shifter.step_rad, shifter.band_pu) = (None, [0.8, 0.8]);
    let branch = shifter.branch.at();
    controls.dc_lines.push(DcLineControl {
        from: BusIdx(0),
        to: BusIdx(4),
        p_set_pu: 0.5,
        droop_pu: 8.0,
        p_pu: [-2.0, 2.0],
        loss0_pu: 0.01,
        loss1: 0.02,
    });
    let done = run(&case, &controls);
    assert!(done.notes.is_empty() && (done.solution.flows[branch].p_from_pu - 0.8).abs() < 1e-8);
    let va = &done.solution.voltages.va_rad;
    let drawn = 0.5 + 8.0 * (va[0] - va[4]);
    let moved = |bus: usize| done.grid.buses[bus].p_pu - case.grid.buses[bus].p_pu;
    assert!((moved(0) + drawn).abs() < 1e-8 && (moved(4) - (drawn - 0.01 - 0.02 * drawn)).abs() < 1e-8);
    // Beyond its range it stays at the end and says so.
    controls.dc_lines[0].p_pu = [-0.2, 0.2];
    let done = run(&case, &controls);
    assert_eq!(done.notes, [Note::AtEnd(Which::DcLine(0))]);
    assert!((done.grid.buses[0].p_pu - case.grid.buses[0].p_pu + 0.2).abs() < 1e-12);
}

#[test]
fn a_hunting_tap_stops_and_says_so() {
    let case = read("control_taps.txt");
    let mut controls = expected(&case).controls;
    // A band narrower than a step can never be met.
    for tap in &mut controls.taps {
        tap.band_pu = [1.0131, 1.0132];
    }
    let notes = run(&case, &controls).notes;
    assert_eq!(notes, [Note::Hunting(Which::Tap(0)), Note::Hunting(Which::Tap(1))]);
    // A band that no tap reaches.
    for tap in &mut controls.taps {
        tap.band_pu = [1.4, 1.5];
    }
    let done = run(&case, &controls);
    assert_eq!(done.notes, [Note::AtEnd(Which::Tap(0)), Note::AtEnd(Which::Tap(1))]);
    let ratio = done.grid.branches[controls.taps[0].branch.at()].ratio;
    assert!((ratio - controls.taps[0].ratio[0]).abs() < 1e-9);
}

#[test]
fn without_a_solution_nothing_is_followed() {
    let mut case = read("control_loads.txt");
    let controls = expected(&case).controls;
    for bus in &mut case.grid.buses {
        bus.p_pu *= 40.0;
    }
    let done = solve(&mut Solver::new(), &case.grid, &controls, &options());
    assert!(matches!(done.solution.islands[0], Outcome::Stopped { .. }));
    assert!(done.solution.voltages.vm_pu.iter().all(|vm| vm.is_nan()) && done.rounds == 1);
}
