//! Unbalanced scenarios in lanes against one power flow after the other, which `opendss_feeders.rs` holds against OpenDSS.

#![allow(clippy::unwrap_used)]

use exchange::opendss;
use powerflow::phases::batch::{PhaseBatch, PhaseScenarios, PhaseSolved};
use powerflow::phases::{PhaseOptions, PhaseSolver, PhaseStart};
use sparse::complex::Complex;
use topology::phases::{PhaseGrid, ShuntBranch, build};

/// Everything that the lanes treat in a way of its own: transposed and other lines, one and two phases, a loop, a
/// neutral, a delta transformer, loads across phases, every response.
const FEEDER: &str = "
clear
new circuit.c basekv=12.47 pu=1.02 mvasc3=200 mvasc1=180
new line.a bus1=sourcebus bus2=a length=2 units=km r1=0.3 x1=0.4 r0=0.7 x0=1.5 c1=10 c0=4
new line.ab bus1=a bus2=b length=1 units=km r1=0.3 x1=0.4 r0=0.7 x0=1.5 c1=0 c0=0
new line.bc bus1=b bus2=c length=1 units=km r1=0.3 x1=0.4 r0=0.7 x0=1.5 c1=0 c0=0
new line.ca bus1=c bus2=a length=3 units=km r1=0.3 x1=0.4 r0=0.7 x0=1.5 c1=0 c0=0
new line.d phases=1 bus1=b.2 bus2=d.2 length=2 units=km r1=0.5 x1=0.5 r0=0.5 x0=0.5 c1=0 c0=0
new line.e phases=2 bus1=c.1.3 bus2=e.1.3 length=1 units=km r1=0.4 x1=0.5 r0=0.9 x0=1.4 c1=0 c0=0
new transformer.t windings=2 buses=(c f) conns=(delta wye) kvs=(12.47 0.4) kvas=(500 500) xhl=5 %r=0.5
new line.g phases=4 bus1=f.1.2.3.4 bus2=g.1.2.3.4 length=0.1 units=km rmatrix=(0.3|0.05 0.3|0.05 0.05 0.3|0.05 0.05 0.05 0.4) xmatrix=(0.3|0.1 0.3|0.1 0.1 0.3|0.1 0.1 0.1 0.35) cmatrix=(0|0 0|0 0 0|0 0 0 0)
new reactor.n phases=1 bus1=f.4 bus2=f.0 r=0.1 x=0
new load.b bus1=b kv=12.47 kw=600 kvar=200 model=1
new load.d phases=1 bus1=d.2 kv=7.2 kw=150 kvar=50 model=2
new load.e phases=1 bus1=e.1.3 kv=12.47 kw=120 kvar=40 model=5
new load.c bus1=c kv=12.47 kw=300 kvar=90 model=8 zipv=(0.3 0.3 0.4 0.3 0.3 0.4 0)
new load.g1 phases=1 bus1=g.1.4 kv=0.23 kw=30 kvar=9 model=1
new load.g2 phases=1 bus1=g.2.4 kv=0.23 kw=12 kvar=3 model=4
new load.g3 phases=1 bus1=g.3.4 kv=0.23 kw=18 kvar=5 model=1 vminpu=0.99
set voltagebases=(12.47 0.4)
calcvoltagebases
solve
";

fn grid() -> PhaseGrid {
    let (study, _) = opendss::read("feeder.dss", &mut |_| Ok(FEEDER.into())).unwrap();
    build(&study.network).unwrap()
}

/// Every branch scaled by a factor of its own, from a fixed stream.
struct Scaled {
    powers: Vec<Complex>,
    spread: f64,
}

impl Scaled {
    fn new(grid: &PhaseGrid, spread: f64) -> Self {
        Self { powers: grid.branches.iter().map(ShuntBranch::power_va).collect(), spread }
    }

    fn power(&self, scenario: usize, branch: usize) -> Complex {
        // Any spread-out numbers will do, they only have to be the same each time.
        let seed = (scenario as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (branch as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
        let unit = (seed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64;
        self.powers[branch] * (1.0 + self.spread * (2.0 * unit - 1.0))
    }
}

impl PhaseScenarios for Scaled {
    fn powers<'a>(&'a self, scenario: usize, [p_w, q_var]: [&'a mut [f64]; 2]) -> [&'a [f64]; 2] {
        for (branch, (p, q)) in p_w.iter_mut().zip(q_var.iter_mut()).enumerate() {
            let power = self.power(scenario, branch);
            (*p, *q) = (power.re, power.im);
        }
        [p_w, q_var]
    }
}

const TOLERANCE_PU: f64 = 1e-8;

fn options(tolerance_pu: f64) -> PhaseOptions {
    PhaseOptions { tolerance_pu, ..PhaseOptions::default() }
}

/// Voltages and outcomes of `count` scenarios, in blocks of `block`.
fn in_lanes(
    grid: &PhaseGrid,
    source: &Scaled,
    count: usize,
    block: usize,
) -> (Vec<PhaseSolved>, Vec<[f64; 2]>) {
    let batch = PhaseBatch::new(grid.clone(), options(TOLERANCE_PU)).unwrap();
    let (mut worker, n) = (batch.worker(), grid.nodes.len());
    let mut voltages_v = vec![[f64::NAN; 2]; count * n];
    let (mut outcomes, block) = (Vec::new(), block.min(batch.block()));
    for (first, rows) in (0..).step_by(block).zip(voltages_v.chunks_mut(block * n)) {
        let range = first..first + rows.len() / n;
        outcomes.extend(&batch.solve(&mut worker, range.clone(), source, rows)[..range.len()]);
    }
    (outcomes, voltages_v)
}

/// The tolerance is a promise on the error, not on the last step.
#[test]
fn scenarios_are_within_the_tolerance_of_the_full_solver() {
    for spread in [0.02, 0.3, 0.8] {
        let mut grid = grid();
        let source = Scaled::new(&grid, spread);
        let (outcomes, voltages_v) = in_lanes(&grid, &source, 60, usize::MAX);
        let base_v: Vec<f64> = (0u32..).zip(&grid.nodes).map(|(node, _)| grid.base_v(node)).collect();
        let (n, m) = (grid.nodes.len(), grid.branches.len());
        for (scenario, (outcome, row)) in outcomes.iter().zip(voltages_v.chunks(n)).enumerate() {
            assert!(outcome.solved, "scenario {scenario}");
            for branch in 0..m {
                grid.branches[branch].set_power(source.power(scenario, branch));
            }
            let full = PhaseSolver::new(&grid).solve(&grid, &options(1e-13), PhaseStart::NoLoad);
            assert!(full.solved());
            for ((have, want), base_v) in row.iter().zip(&full.v).zip(&base_v) {
                let off = (Complex::new(have[0], have[1]) - *want).abs() / base_v;
                assert!(off <= TOLERANCE_PU, "±{spread}, scenario {scenario}: {off:e} p.u.");
            }
        }
        let most = outcomes.iter().map(|outcome| outcome.iterations).max();
        assert!(most < Some(12), "in lanes, not by the full solver: {most:?}");
    }
}

#[test]
fn a_scenario_has_the_same_bits_in_any_block() {
    let grid = grid();
    let source = Scaled::new(&grid, 0.6);
    let bits = |(_, v): (Vec<PhaseSolved>, Vec<[f64; 2]>)| {
        v.into_iter().flatten().map(f64::to_bits).collect::<Vec<_>>()
    };
    let whole = bits(in_lanes(&grid, &source, 23, usize::MAX));
    for block in [1, 3, 5] {
        assert_eq!(bits(in_lanes(&grid, &source, 23, block)), whole, "blocks of {block}");
    }
}

#[test]
fn a_scenario_whose_powers_are_no_numbers_is_not_solved_and_leaves_its_neighbours_alone() {
    struct Spoilt(Scaled);
    impl PhaseScenarios for Spoilt {
        fn powers<'a>(&'a self, scenario: usize, room: [&'a mut [f64]; 2]) -> [&'a [f64]; 2] {
            let [p_w, q_var] = room;
            let _ = self.0.powers(scenario, [&mut *p_w, &mut *q_var]);
            if scenario == 1 {
                p_w[2] = f64::NAN;
            }
            [p_w, q_var]
        }
    }
    let grid = grid();
    let n = grid.nodes.len();
    let batch = PhaseBatch::new(grid.clone(), options(TOLERANCE_PU)).unwrap();
    let count = batch.block().min(3);
    let mut voltages_v = vec![[0.0; 2]; count * n];
    let source = Spoilt(Scaled::new(&grid, 0.3));
    let outcomes = batch.solve(&mut batch.worker(), 0..count, &source, &mut voltages_v);
    let sound = in_lanes(&grid, &source.0, count, usize::MAX).1;
    for (scenario, (row, sound)) in voltages_v.chunks(n).zip(sound.chunks(n)).enumerate() {
        assert_eq!(outcomes[scenario].solved, scenario != 1);
        if scenario == 1 {
            assert!(row.iter().all(|v| v[0].is_nan()));
        } else {
            assert_eq!(row, sound);
        }
    }
}
