//! What holds for every grid: power balances at each bus, numbers of buses mean nothing, nor does the base power, and all
//! methods that arrive arrive at the same state.
#![allow(clippy::unwrap_used)]

use powerflow::{Method, Options, Solution, Start, Variant, solve};
use proptest::prelude::*;
use topology::calc::{Branch, Bus, BusIdx, BusKind, Grid, IslandIdx};

/// Parts of a random grid: for each bus what it draws and is, and what joins it to an earlier one; further branches.
#[derive(Clone, Debug)]
struct Parts {
    buses: Vec<(f64, f64, f64, u8)>,
    branches: Vec<(usize, usize, f64, f64, f64, f64)>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let bus = (-0.3..0.5_f64, -0.1..0.2_f64, -0.1..0.1_f64, 0..6_u8);
    let branch = (0..1000_usize, 0..1000_usize, 0.0..0.05_f64, 0.01..0.2_f64, 0.0..0.1_f64, 0.95..1.05_f64);
    (proptest::collection::vec(bus, 2..25), proptest::collection::vec(branch, 25..40))
        .prop_map(|(buses, branches)| Parts { buses, branches })
}

fn grid(parts: &Parts) -> Grid {
    let n = parts.buses.len();
    let bus = |(at, &(p_pu, q_pu, b_shunt_pu, kind)): (usize, &(f64, f64, f64, u8))| Bus {
        name: at.to_string(),
        kind: match (at, kind) {
            (0, _) => BusKind::Slack,
            (_, 0) => BusKind::Pv,
            _ => BusKind::Pq,
        },
        island: IslandIdx(0),
        base_kv: 110.0,
        p_pu: -p_pu,
        q_pu: -q_pu,
        q_gen_min_pu: -1.0,
        q_gen_max_pu: 1.0,
        q_load_pu: q_pu,
        g_shunt_pu: 0.0,
        b_shunt_pu,
        vm_pu: 1.0 + 0.01 * f64::from(kind),
        va_rad: 0.0,
    };
    // The first n - 1 branches make a tree, some more make meshes.
    let branch = |(nth, &(a, b, r_pu, x_pu, b_pu, ratio)): (usize, &(usize, usize, f64, f64, f64, f64))| {
        let (from, to) = if nth + 1 < n { (nth + 1, a % (nth + 1)) } else { (a % n, b % n) };
        let ratio = if nth % 3 == 0 { ratio } else { 1.0 };
        let ends = [from, to].map(|end| BusIdx(end as u32));
        let (r_pu, shift_rad) = (r_pu, if nth % 7 == 3 { ratio - 1.0 } else { 0.0 });
        Branch {
            name: String::new(),
            from: ends[0],
            to: ends[1],
            r_pu,
            x_pu,
            g_pu: 0.0,
            b_pu,
            ratio,
            shift_rad,
            rate_mva: 0.0,
        }
    };
    let branches = parts.branches.iter().take(n + n / 3).enumerate().map(branch);
    Grid {
        base_mva: 100.0,
        buses: parts.buses.iter().enumerate().map(bus).collect(),
        branches: branches.filter(|branch| branch.from != branch.to).collect(),
        islands: 1,
    }
}

fn options() -> Options {
    Options { tolerance_pu: 1e-11, start: Start::Flat, ..Options::default() }
}

/// The solution, if there is one.
fn solved(grid: &Grid) -> Option<Solution> {
    let solution = solve(grid, &options());
    solution.converged().then_some(solution)
}

fn largest_apart(a: &Solution, b: &Solution, place: impl Fn(usize) -> usize) -> f64 {
    let v = (&a.voltages, &b.voltages);
    let apart = |at: usize| {
        let other = place(at);
        (v.0.vm_pu[at] - v.1.vm_pu[other]).abs().max((v.0.va_rad[at] - v.1.va_rad[other]).abs())
    };
    (0..v.0.vm_pu.len()).map(apart).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn power_balances_at_every_bus(parts in parts()) {
        let grid = grid(&parts);
        let solution = solved(&grid);
        prop_assume!(solution.is_some());
        let solution = solution.unwrap();
        for (at, bus) in grid.buses.iter().enumerate() {
            let v = solution.voltages.vm_pu[at];
            let mut left = [
                solution.p_injection_pu[at] - bus.g_shunt_pu * v * v,
                solution.q_injection_pu[at] + bus.b_shunt_pu * v * v,
            ];
            for (branch, flow) in grid.branches.iter().zip(&solution.flows) {
                if branch.from.at() == at {
                    left = [left[0] - flow.p_from_pu, left[1] - flow.q_from_pu];
                }
                if branch.to.at() == at {
                    left = [left[0] - flow.p_to_pu, left[1] - flow.q_to_pu];
                }
            }
            prop_assert!(left[0].abs() < 1e-9 && left[1].abs() < 1e-9, "bus {}: {:?}", at, left);
            if bus.kind != BusKind::Slack {
                prop_assert!((solution.p_injection_pu[at] - bus.p_pu).abs() <= 1e-10);
            }
            match bus.kind {
                BusKind::Pq => prop_assert!((solution.q_injection_pu[at] - bus.q_pu).abs() <= 1e-10),
                BusKind::Pv | BusKind::Slack => prop_assert!((v - bus.vm_pu).abs() <= 1e-12),
            }
        }
        // What the branches lose is what is injected beyond the shunts, and never negative without negative resistances.
        let loss: f64 = solution.flows.iter().map(|flow| flow.p_from_pu + flow.p_to_pu).sum();
        let injected: f64 = solution.p_injection_pu.iter().sum();
        prop_assert!((loss - injected).abs() < 1e-8 && loss >= -1e-9);
    }

    #[test]
    fn numbers_of_buses_and_branches_mean_nothing(parts in parts(), seed in 0..1000_usize) {
        let grid = grid(&parts);
        let before = solved(&grid);
        prop_assume!(before.is_some());
        let before = before.unwrap();
        let n = grid.buses.len();
        let step = (1..n).filter(|step| gcd(*step, n) == 1).nth(seed % 3).unwrap_or(1);
        let place = |at: usize| (at * step + seed) % n;
        let mut other = grid.clone();
        for (at, bus) in grid.buses.iter().enumerate() {
            other.buses[place(at)] = bus.clone();
        }
        for branch in &mut other.branches {
            (branch.from, branch.to) = (BusIdx(place(branch.from.at()) as u32), BusIdx(place(branch.to.at()) as u32));
        }
        other.branches.reverse();
        let after = solved(&other).unwrap();
        prop_assert!(largest_apart(&before, &after, place) < 1e-8);
        let flows = before.flows.iter().zip(after.flows.iter().rev());
        for (a, b) in flows {
            prop_assert!((a.p_from_pu - b.p_from_pu).abs() < 1e-8 && (a.q_to_pu - b.q_to_pu).abs() < 1e-8);
        }
    }

    #[test]
    fn the_base_power_means_nothing(parts in parts(), base_mva in 1.0..1000.0_f64) {
        let grid = grid(&parts);
        let before = solved(&grid);
        prop_assume!(before.is_some());
        let before = before.unwrap();
        let k = grid.base_mva / base_mva;
        let mut other = Grid { base_mva, ..grid };
        for bus in &mut other.buses {
            for power in [&mut bus.p_pu, &mut bus.q_pu, &mut bus.q_load_pu, &mut bus.g_shunt_pu, &mut bus.b_shunt_pu] {
                *power *= k;
            }
        }
        for branch in &mut other.branches {
            (branch.r_pu, branch.x_pu) = (branch.r_pu / k, branch.x_pu / k);
            (branch.g_pu, branch.b_pu) = (branch.g_pu * k, branch.b_pu * k);
        }
        let after = solve(&other, &Options { tolerance_pu: 1e-11 * k, ..options() });
        prop_assert!(after.converged());
        prop_assert!(largest_apart(&before, &after, |at| at) < 1e-8);
        for (a, b) in before.p_injection_pu.iter().zip(&after.p_injection_pu) {
            prop_assert!((a * 100.0 - b * base_mva).abs() < 1e-6);
        }
    }

    #[test]
    fn methods_that_arrive_agree(parts in parts()) {
        let grid = grid(&parts);
        let newton = solved(&grid);
        prop_assume!(newton.is_some());
        let newton = newton.unwrap();
        // Near the nose of the curve of load against voltage a second solution is as near as the first, and a method may
        // arrive there as well (Van Cutsem and Vournas, *Voltage Stability of Electric Power Systems*, chapter 2).
        prop_assume!(newton.voltages.vm_pu.iter().all(|vm| *vm > 0.85));
        for method in [
            Method::CurrentInjection,
            Method::Decoupled(Variant::Xb),
            Method::Decoupled(Variant::Bx),
            Method::FixedPoint,
        ] {
            let other = solve(&grid, &Options { method, max_iterations: 300, ..options() });
            if other.converged() && other.efforts[0].doubt.is_none() {
                prop_assert!(largest_apart(&newton, &other, |at| at) < 1e-7, "{:?}", method);
            }
        }
    }

    #[test]
    fn a_part_of_an_impossible_load_is_what_is_told(parts in parts(), factor in 20.0..60.0_f64) {
        let mut grid = grid(&parts);
        for bus in &mut grid.buses {
            (bus.p_pu, bus.q_pu) = (-factor * bus.p_pu.abs() - factor * 0.2, bus.q_pu);
        }
        let solution = solve(&grid, &options());
        prop_assume!(!solution.converged());
        prop_assert!(solution.voltages.vm_pu.iter().all(|vm| vm.is_nan()));
        prop_assume!(solution.efforts[0].reached.is_some());
        let (share, _) = solution.efforts[0].reached.unwrap();
        // What it says can be carried can be carried.
        for bus in &mut grid.buses {
            (bus.p_pu, bus.q_pu) = (bus.p_pu * share * 0.99, bus.q_pu * share * 0.99);
        }
        prop_assert!(solve(&grid, &options()).converged(), "{} of the load", share);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
