//! Scenarios and outages in lanes against one power flow after the other.
//!
//! Foreign truth: the full solver, which `cases.rs` holds against PYPOWER, and in `scenarios_agree_with_pypower` the
//! stored PYPOWER results themselves. The interop tests compare with lightsim2grid and power-grid-model.
#![allow(clippy::unwrap_used)]

mod case_file;

use case_file::{AGREE, close, read};
use powerflow::batch::{AfterOutage, Batch, Loss, Outages, Scenarios, Watch};
use powerflow::{Options, Outcome, Solution, Start, solve};
use topology::calc::{Branch, BranchIdx, Bus, BusIdx, BusKind, Grid, IslandIdx};

/// Every load bus scaled by a factor of its own, from a fixed stream.
struct Scaled<'a> {
    grid: &'a Grid,
    spread: f64,
}

impl Scaled<'_> {
    fn factor(&self, scenario: usize, bus: usize) -> f64 {
        // A congruential stream: any spread-out numbers will do, they only have to be the same each time.
        let seed = (scenario as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (bus as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
        let unit = (seed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64;
        1.0 + self.spread * (2.0 * unit - 1.0)
    }
}

impl Scenarios for Scaled<'_> {
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]) {
        for (at, bus) in self.grid.buses.iter().enumerate().filter(|(_, bus)| bus.kind == BusKind::Pq) {
            let factor = self.factor(scenario, at);
            (p_pu[at], q_pu[at]) = (bus.p_pu * factor, bus.q_pu * factor);
        }
    }
}

fn options() -> Options {
    Options { tolerance_pu: 1e-9, start: Start::FromGrid, ..Options::default() }
}

/// Voltages and outcomes of `count` scenarios, `block` a call.
fn in_lanes(
    grid: &Grid,
    source: &dyn Scenarios,
    count: usize,
    block: usize,
) -> Vec<(Outcome, Vec<[f64; 2]>)> {
    let batch = Batch::new(grid.clone(), options()).unwrap();
    let mut worker = batch.worker();
    let mut results = vec![None; count];
    for first in (0..count).step_by(block) {
        batch.solve(&mut worker, first..count.min(first + block), source, &mut |solved| {
            let result = (solved.outcome, solved.voltages_pu.to_vec());
            assert!(results[solved.scenario].replace(result).is_none(), "{} came twice", solved.scenario);
        });
    }
    results.into_iter().map(Option::unwrap).collect()
}

fn assert_same(got: &[[f64; 2]], want: &Solution, what: &str) {
    for (at, v) in got.iter().enumerate() {
        let (vm, va) = (want.voltages.vm_pu[at], want.voltages.va_rad[at]);
        let (e, f) = (vm * va.cos(), vm * va.sin());
        assert!((v[0] - e).hypot(v[1] - f) <= AGREE, "{what}, bus {at}: got {v:?}, want {e} {f}");
    }
}

/// A feeder of `n` nodes with branches of three lengths, 8 % drop at its end.
fn feeder(n: u32) -> Grid {
    let bus = |at: u32| Bus {
        name: at.to_string(),
        kind: if at == 0 { BusKind::Slack } else { BusKind::Pq },
        island: IslandIdx(0),
        base_kv: 10.0,
        p_pu: if at == 0 { 0.0 } else { -4.0 / f64::from(n) },
        q_pu: if at == 0 { 0.0 } else { -1.5 / f64::from(n) },
        q_gen_min_pu: f64::NEG_INFINITY,
        q_gen_max_pu: f64::INFINITY,
        q_load_pu: 0.0,
        g_shunt_pu: 0.0,
        b_shunt_pu: if at % 17 == 5 { 0.01 } else { 0.0 },
        vm_pu: 1.02,
        va_rad: 0.0,
    };
    let branch = |at: u32| Branch {
        name: at.to_string(),
        from: BusIdx(if at % 7 == 3 { at.saturating_sub(5) } else { at - 1 }),
        to: BusIdx(at),
        r_pu: 0.03 / f64::from(n) * f64::from(1 + at % 3),
        x_pu: 0.025 / f64::from(n) * f64::from(1 + at % 3),
        g_pu: 0.0,
        b_pu: 1e-4,
        ratio: if at == 1 { 0.98 } else { 1.0 },
        shift_rad: if at == 1 { 0.1 } else { 0.0 },
        rate_mva: 0.0,
    };
    Grid {
        base_mva: 1.0,
        buses: (0..n).map(bus).collect(),
        branches: (1..n).map(branch).collect(),
        islands: 1,
    }
}

#[test]
fn scenarios_agree_with_one_after_the_other() {
    let check = |name: &str, grid: &Grid, spread: f64| {
        let source = Scaled { grid, spread };
        for (scenario, (outcome, voltages)) in in_lanes(grid, &source, 21, 8).into_iter().enumerate() {
            let what = format!("{name}, scenario {scenario}");
            assert!(matches!(outcome, Outcome::Converged { .. }), "{what}: {outcome:?}");
            let mut alone = grid.clone();
            for (at, bus) in alone.buses.iter_mut().enumerate().filter(|(_, bus)| bus.kind == BusKind::Pq) {
                let factor = source.factor(scenario, at);
                (bus.p_pu, bus.q_pu) = (bus.p_pu * factor, bus.q_pu * factor);
            }
            assert_same(&voltages, &solve(&alone, &Options { tolerance_pu: 1e-11, ..options() }), &what);
        }
    };
    for name in ["case9.txt", "case14.txt", "case30.txt", "case57.txt", "case118.txt", "case300.txt"] {
        check(name, &read(name).grid, 0.2);
    }
    check("feeder", &feeder(200), 0.5);
    let mut controlled = feeder(50);
    controlled.buses[30].kind = BusKind::Pv;
    check("feeder with a machine", &controlled, 0.3);
}

#[test]
fn scenarios_agree_with_pypower() {
    let case = read("case118.txt");
    let unchanged = Scaled { grid: &case.grid, spread: 0.0 };
    for (_, voltages) in in_lanes(&case.grid, &unchanged, 3, 8) {
        for (at, v) in voltages.iter().enumerate() {
            close(v[0].hypot(v[1]), case.vm_pu[at], "vm", at);
            close(v[1].atan2(v[0]), case.va_rad[at], "va", at);
        }
    }
}

#[test]
fn a_scenario_is_the_same_to_the_bit_in_any_block() {
    for grid in [read("case118.txt").grid, feeder(100)] {
        let source = Scaled { grid: &grid, spread: 0.3 };
        let together = in_lanes(&grid, &source, 19, 8);
        assert!(together == in_lanes(&grid, &source, 19, 1));
        assert!(together == in_lanes(&grid, &source, 19, 3));
        assert!(together == in_lanes(&grid, &source, 19, 19));
    }
}

/// Loads grow with the number of the scenario, up to where the factors of the base solution do not serve.
struct Growing<'a>(&'a Grid);

impl Growing<'_> {
    fn factor(scenario: usize) -> f64 {
        1.0 + 0.045 * (scenario % 17) as f64
    }
}

impl Scenarios for Growing<'_> {
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]) {
        for (at, bus) in self.0.buses.iter().enumerate().filter(|(_, bus)| bus.kind == BusKind::Pq) {
            p_pu[at] = bus.p_pu * Self::factor(scenario);
            q_pu[at] = bus.q_pu * Self::factor(scenario);
        }
    }
}

#[test]
fn what_needs_factors_of_its_own_is_put_aside_and_comes_back() {
    let grid = read("case57.txt").grid;
    let source = Growing(&grid);
    let results = in_lanes(&grid, &source, 51, 51);
    let mut many = 0;
    for (scenario, (outcome, voltages)) in results.iter().enumerate() {
        let mut alone = grid.clone();
        for bus in alone.buses.iter_mut().filter(|bus| bus.kind == BusKind::Pq) {
            (bus.p_pu, bus.q_pu) =
                (bus.p_pu * Growing::factor(scenario), bus.q_pu * Growing::factor(scenario));
        }
        let want = solve(&alone, &Options { tolerance_pu: 1e-11, ..options() });
        let solved = matches!(outcome, Outcome::Converged { .. });
        assert_eq!(solved, want.converged(), "scenario {scenario}: {outcome:?}");
        if solved {
            assert_same(voltages, &want, &format!("scenario {scenario}"));
        }
        // The steps of the chord grow with the load; who took fewer, or more than the chord may, had other factors.
        let [steps, before] = [scenario, scenario.saturating_sub(1)].map(|at| match results[at].0 {
            Outcome::Converged { iterations, .. } => iterations,
            _ => 0,
        });
        many += usize::from(steps > 25 || (scenario % 17 > 0 && steps < before));
    }
    assert!(many >= 6, "{many} scenarios had factors of their own");
    assert!(results == in_lanes(&grid, &source, 51, 1));
    assert!(results == in_lanes(&grid, &source, 51, 24));
}

/// Writes one bus and leaves the others as it finds them.
struct OneBus<'a>(&'a Grid);

impl Scenarios for OneBus<'_> {
    fn write(&self, scenario: usize, p_pu: &mut [f64], _: &mut [f64]) {
        let at = scenario % self.0.buses.len();
        assert!(p_pu.iter().zip(&self.0.buses).all(|(p, bus)| *p == bus.p_pu), "not the base case");
        p_pu[at] -= 0.01;
    }
}

#[test]
fn every_scenario_is_written_over_the_base_case() {
    for grid in [read("case14.txt").grid, feeder(30)] {
        assert_eq!(in_lanes(&grid, &OneBus(&grid), 40, 40).len(), 40);
    }
}

/// One scenario beyond the nose among good ones.
struct Overloaded<'a>(Scaled<'a>);

impl Scenarios for Overloaded<'_> {
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]) {
        self.0.write(scenario, p_pu, q_pu);
        if scenario == 4 {
            p_pu.iter_mut().for_each(|p| *p *= 40.0);
        }
    }
}

#[test]
fn what_has_no_solution_shows_no_number() {
    for grid in [read("case118.txt").grid, feeder(100)] {
        let source = Overloaded(Scaled { grid: &grid, spread: 0.1 });
        for (scenario, (outcome, voltages)) in in_lanes(&grid, &source, 8, 8).into_iter().enumerate() {
            let solved = matches!(outcome, Outcome::Converged { .. });
            assert_eq!(solved, scenario != 4, "scenario {scenario}: {outcome:?}");
            assert!(voltages.iter().all(|v| v[0].is_finite() == solved), "scenario {scenario}");
        }
    }
}

/// Everything watched, with 150 MVA as the full load of every branch.
fn watch(grid: &Grid) -> Watch {
    let branches = (0..grid.branches.len() as u32).map(|at| (BranchIdx(at), 150.0 / grid.base_mva)).collect();
    let buses = (0..grid.buses.len() as u32).map(|at| (BusIdx(at), [0.98, 1.03])).collect();
    Watch { branches, most_loading: 0.5, buses }
}

/// Hands all losses over once, those that the lanes cannot solve by the full solver.
fn solve_all(outages: &Outages<'_>, losses: &[Loss], sink: &mut dyn FnMut(AfterOutage<'_>)) -> usize {
    let mut worker = outages.worker();
    let rest = outages.solve(&mut worker, losses, sink);
    for &index in &rest {
        outages.solve_alone(&mut worker, (index, losses[index]), sink);
    }
    rest.len()
}

/// The comparison against what the solution without lanes has.
fn assert_seen(after: &AfterOutage<'_>, watch: &Watch, want: &Solution, loading: &[f64], what: &str) {
    let seen = after.seen;
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-7;
    let heaviest = loading.iter().copied().fold(0.0, f64::max);
    assert!(
        seen.heaviest.is_some_and(|(at, x)| close(x, heaviest) && close(loading[at as usize], x)),
        "{what}"
    );
    let vm = &want.voltages.vm_pu;
    let (low, high) = (vm.iter().copied().fold(9.0, f64::min), vm.iter().copied().fold(0.0, f64::max));
    assert!(seen.lowest.is_some_and(|(at, x)| close(x, low) && close(vm[at as usize], x)), "{what}");
    assert!(seen.highest.is_some_and(|(at, x)| close(x, high) && close(vm[at as usize], x)), "{what}");
    // What lies on a limit may be met or not.
    for (at, &loading) in loading.iter().enumerate() {
        let met = seen.loaded.iter().find(|(place, _)| *place as usize == at);
        if !close(loading, watch.most_loading) {
            assert_eq!(met.is_some(), loading > watch.most_loading, "{what}, branch {at}");
        }
        assert!(met.is_none_or(|(_, x)| close(*x, loading)), "{what}, branch {at}");
    }
    for (at, &vm) in vm.iter().enumerate() {
        let met = seen.outside.iter().find(|(place, _)| *place as usize == at);
        let [low, high] = watch.buses[at].1;
        if !close(vm, low) && !close(vm, high) {
            assert_eq!(met.is_some(), vm < low || high < vm, "{what}, bus {at}");
        }
        assert!(met.is_none_or(|(_, x)| close(*x, vm)), "{what}, bus {at}");
    }
}

fn check_losses(name: &str, grid: &Grid, losses: &[Loss], without: impl Fn(Loss) -> Grid) {
    let batch = Batch::new(grid.clone(), options()).unwrap();
    let watch = watch(grid);
    let outages = Outages::new(&batch, &watch);
    let mut seen = vec![0; losses.len()];
    let rest = solve_all(&outages, losses, &mut |after| {
        seen[after.index] += 1;
        let loss = losses[after.index];
        let what = format!("{name}, {loss:?}");
        let without = without(loss);
        let want = solve(&without, &Options { tolerance_pu: 1e-11, rescue: false, ..options() });
        let voltages: Vec<[f64; 2]> =
            (0..grid.buses.len() as u32).map(|bus| after.voltage_pu(BusIdx(bus))).collect();
        if !want.converged() {
            assert!(!matches!(after.outcome, Outcome::Converged { .. }), "{what}: {:?}", after.outcome);
            assert!(voltages.iter().all(|v| v[0].is_nan()), "{what}");
            return;
        }
        assert!(matches!(after.outcome, Outcome::Converged { .. }), "{what}: {:?}", after.outcome);
        assert_same(&voltages, &want, &what);
        let mut flows = want.flows.iter();
        let loading: Vec<f64> = (0..grid.branches.len() as u32)
            .map(|at| {
                if loss == Loss::Branch(BranchIdx(at)) {
                    return 0.0;
                }
                let flow = flows.next().unwrap();
                flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu))
            })
            .collect();
        for (at, want) in (0..).zip(&loading) {
            assert!((after.apparent_pu(BranchIdx(at)) - want).abs() <= 1e-7, "{what}, flow of {at}");
        }
        let loading: Vec<f64> = loading.iter().map(|flow| flow * grid.base_mva / 150.0).collect();
        assert_seen(&after, &watch, &want, &loading, &what);
    });
    assert!(seen.iter().all(|&times| times == 1), "{name}: {seen:?}");
    // Else this test would say nothing about the lanes.
    assert!(rest < losses.len().div_ceil(2), "{name}: {rest} of {} not by the lanes", losses.len());
}

#[test]
fn outages_agree_with_the_grid_without_the_branch() {
    for name in ["case9.txt", "case14.txt", "case30.txt", "case57.txt", "case118.txt", "case300.txt"] {
        let grid = read(name).grid;
        let losses: Vec<Loss> =
            (0..grid.branches.len() as u32).map(|at| Loss::Branch(BranchIdx(at))).collect();
        check_losses(name, &grid, &losses, |loss| {
            let mut without = grid.clone();
            if let Loss::Branch(out) = loss {
                without.branches.remove(out.at());
            }
            without
        });
    }
}

#[test]
fn losses_of_power_agree_with_the_grid_without_it() {
    for name in ["case9.txt", "case14.txt", "case30.txt", "case57.txt", "case118.txt", "case300.txt"] {
        let grid = read(name).grid;
        let mut losses = Vec::new();
        for (bus, data) in (0..).map(BusIdx).zip(&grid.buses).filter(|(_, data)| data.kind != BusKind::Slack)
        {
            // Half of what comes from there, or the load there with some of its reactive power.
            let s_pu = [-0.5 * data.p_pu, if data.kind == BusKind::Pq { -0.3 * data.q_pu } else { 0.0 }];
            losses.push(Loss::Power { bus, s_pu, released: false });
            if data.kind == BusKind::Pv {
                losses.push(Loss::Power { bus, s_pu: [-0.5 * data.p_pu, 0.01], released: true });
            }
        }
        check_losses(name, &grid, &losses, |loss| {
            let mut without = grid.clone();
            if let Loss::Power { bus, s_pu: [p, q], released } = loss {
                let data = &mut without.buses[bus.at()];
                (data.p_pu, data.q_pu) = (data.p_pu + p, data.q_pu + q);
                if released {
                    data.kind = BusKind::Pq;
                }
            }
            without
        });
    }
}

#[test]
fn an_outage_is_the_same_to_the_bit_in_any_list() {
    let grid = read("case118.txt").grid;
    let batch = Batch::new(grid.clone(), options()).unwrap();
    let watch = watch(&grid);
    let outages = Outages::new(&batch, &watch);
    let machine = |at| Loss::Power { bus: BusIdx(at), s_pu: [-0.1, 0.0], released: at % 2 == 0 };
    let mut all: Vec<Loss> = (0..50).map(|at| Loss::Branch(BranchIdx(at))).collect();
    all.extend((0..10).map(machine));
    let results = |chunk: usize| {
        let mut worker = outages.worker();
        let mut found = vec![Vec::new(); all.len()];
        for (part, losses) in all.chunks(chunk).enumerate() {
            let _rest = outages.solve(&mut worker, losses, &mut |after| {
                let voltages = (0..118).flat_map(|bus| after.voltage_pu(BusIdx(bus)));
                let heaviest = after.seen.heaviest.map_or(0.0, |(_, loading)| loading);
                let bits = voltages.chain([heaviest]).map(f64::to_bits);
                found[part * chunk + after.index] = bits.collect();
            });
        }
        found
    };
    let together = results(60);
    assert!(together == results(1));
    assert!(together == results(7));
}
