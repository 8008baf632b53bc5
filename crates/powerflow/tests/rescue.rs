//! Hard starts and impossible loads. Truth: the closed solution of two buses, and PYPOWER 5.1.21 where a case is read.
//!
//! Two buses, source of 1 p.u., reactance `x`, load of pure active power `p`:
//!
//! ```text
//! v² = 1/2 ± sqrt(1/4 - (x p)²)          p_max = 1 / (2 x)
//! ```
#![allow(clippy::unwrap_used)]

mod case_file;

use case_file::read;
use powerflow::{Doubt, Options, Outcome, Start, Way, solve};
use topology::calc::{Branch, Bus, BusIdx, BusKind, Grid, IslandIdx};

const X: f64 = 0.2;

fn bus(kind: BusKind, p_pu: f64, vm_pu: f64) -> Bus {
    Bus {
        name: String::new(),
        kind,
        island: IslandIdx(0),
        base_kv: 110.0,
        p_pu,
        q_pu: 0.0,
        q_gen_min_pu: 0.0,
        q_gen_max_pu: 0.0,
        q_load_pu: 0.0,
        g_shunt_pu: 0.0,
        b_shunt_pu: 0.0,
        vm_pu,
        va_rad: 0.0,
    }
}

/// The two buses, the second one starting at `vm_pu` and `va_rad`.
fn two(p_pu: f64, vm_pu: f64, va_rad: f64) -> Grid {
    let branch = Branch {
        name: String::new(),
        from: BusIdx(0),
        to: BusIdx(1),
        r_pu: 0.0,
        x_pu: X,
        g_pu: 0.0,
        b_pu: 0.0,
        ratio: 1.0,
        shift_rad: 0.0,
        rate_mva: 0.0,
    };
    let load = Bus { va_rad, ..bus(BusKind::Pq, -p_pu, vm_pu) };
    Grid {
        base_mva: 100.0,
        buses: vec![bus(BusKind::Slack, 0.0, 1.0), load],
        branches: vec![branch],
        islands: 1,
    }
}

/// Magnitude of the upper (`1.0`) or lower (`-1.0`) solution.
fn magnitude(p_pu: f64, sign: f64) -> f64 {
    (0.5 + sign * (0.25 - (X * p_pu).powi(2)).sqrt()).sqrt()
}

#[test]
fn the_lower_solution_is_not_taken_for_the_upper_one() {
    let p_pu = 0.6;
    let low = magnitude(p_pu, -1.0);
    let grid = two(p_pu, low + 0.01, -(X * p_pu / low).asin());
    let plain = solve(&grid, &Options { rescue: false, ..Options::default() });
    assert!(plain.converged() && (plain.voltages.vm_pu[1] - low).abs() < 1e-6);
    assert!(
        matches!(plain.efforts[0].doubt, Some(Doubt::LowVoltage(BusIdx(1), vm)) if (vm - low).abs() < 1e-6)
    );
    let found = solve(&grid, &Options::default());
    assert!(found.converged() && (found.voltages.vm_pu[1] - magnitude(p_pu, 1.0)).abs() < 1e-8);
    assert_eq!((found.efforts[0].doubt, found.efforts[0].way), (None, Way::DcStart));
}

#[test]
fn what_can_be_carried_is_told() {
    let most = 1.0 / (2.0 * X);
    for p_pu in [most * 1.01, most * 1.5, most * 4.0] {
        let solution = solve(&two(p_pu, 1.0, 0.0), &Options::default());
        assert!(matches!(solution.islands[0], Outcome::Stopped { worst: BusIdx(1), .. }), "{p_pu}");
        assert!(solution.voltages.vm_pu[1].is_nan());
        let (share, weakest) = solution.efforts[0].reached.unwrap();
        assert_eq!(weakest, BusIdx(1));
        assert!(share <= most / p_pu && share > most / p_pu - 2e-3, "{p_pu}: {share} of {}", most / p_pu);
    }
    // Just inside, from everywhere.
    for (start, vm_pu) in [(Start::Flat, 1.0), (Start::Dc, 1.0), (Start::FromGrid, 0.4)] {
        let p_pu = 0.999 * most;
        let solution = solve(&two(p_pu, vm_pu, 0.0), &Options { start, ..Options::default() });
        assert!(solution.converged(), "{start:?}: {:?}", solution.islands);
        assert!((solution.voltages.vm_pu[1] - magnitude(p_pu, 1.0)).abs() < 1e-6, "{start:?}");
    }
}

#[test]
fn starts_from_anywhere_end_at_the_same_state() {
    for name in ["case57.txt", "case118.txt", "case300.txt"] {
        let case = read(name);
        let mut ways = Vec::new();
        for seed in 0..6_u64 {
            let mut grid = case.grid.clone();
            let mut state = seed;
            for bus in grid.buses.iter_mut().filter(|bus| bus.kind != BusKind::Slack) {
                // A linear congruential generator is random enough to scatter starting voltages.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let part = (state >> 40) as f64 / (1_u64 << 24) as f64;
                bus.va_rad = 6.0 * (part - 0.5);
                if bus.kind == BusKind::Pq {
                    bus.vm_pu = 0.3 + part;
                }
            }
            let solution = solve(&grid, &Options { tolerance_pu: 1e-10, ..Options::default() });
            assert!(solution.converged(), "{name} {seed}: {:?}", solution.islands);
            assert_eq!(solution.efforts[0].doubt, None);
            for at in 0..grid.buses.len() {
                assert!((solution.voltages.vm_pu[at] - case.vm_pu[at]).abs() < 1e-8, "{name} {seed}: {at}");
            }
            ways.push(solution.efforts[0].way);
        }
        assert!(ways.iter().any(|way| *way != Way::Plain), "{name}: no start was hard");
    }
}

#[test]
fn reactive_limits_and_other_ways_go_together() {
    let case = read("case118_q_limits.txt");
    let mut grid = case.grid.clone();
    for bus in grid.buses.iter_mut().filter(|bus| bus.kind == BusKind::Pq) {
        (bus.vm_pu, bus.va_rad) = (0.2, 2.0);
    }
    let options = Options { tolerance_pu: 1e-10, enforce_q_limits: true, ..Options::default() };
    let solution = solve(&grid, &options);
    assert!(solution.converged() && solution.efforts[0].way != Way::Plain, "{:?}", solution.efforts);
    for at in 0..grid.buses.len() {
        assert!((solution.voltages.vm_pu[at] - case.vm_pu[at]).abs() < 1e-8, "{at}");
    }
}
