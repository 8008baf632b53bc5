//! How long unbalanced power flows take: `cargo run --release -p testsuite --example phases_speed SCRIPT…`.
//!
//! One JSON line per script. `warm` solves again after every load has moved by a seeded factor of at most the spread,
//! from the voltages of the solution before, with taps as their controls left them; `cold` orders, factorises and solves.
//! `wall` are medians; `cpu` is the mean of the process's time on a processor, which others on the machine do not
//! lengthen as much (Linux; zero elsewhere).

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::path::Path;
use std::time::Instant;

use powerflow::phases::{PhaseOptions, PhaseSolver, PhaseStart, solve_controlled};
use sparse::complex::Complex;

const RUNS: usize = 1000;
const SPREAD: f64 = 0.05;

fn open(path: &str) -> Result<Vec<u8>, String> {
    let path = Path::new(path);
    let wanted = path.file_name().unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let found = entries.flatten().find(|entry| entry.file_name().eq_ignore_ascii_case(wanted));
    found.map_or_else(
        || Err("no such file".to_owned()),
        |entry| std::fs::read(entry.path()).map_err(|error| error.to_string()),
    )
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A number from -1 to 1 (Knuth's constants of a 64-bit linear congruential generator).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Microseconds that this process has been on a processor.
fn cpu_us() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
}

fn main() {
    for script in std::env::args().skip(1) {
        let study = match exchange::opendss::read(&script, &mut open) {
            Ok((study, _)) => study,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let mut grid = match topology::phases::build(&study.network) {
            Ok(grid) => grid,
            Err(error) => {
                eprintln!("{script}: {error}");
                continue;
            }
        };
        let tolerance_pu = std::env::var("TOLERANCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1e-8);
        let options = PhaseOptions { tolerance_pu, ..PhaseOptions::default() };
        let mut solver = PhaseSolver::new(&grid);
        solve_controlled(&mut solver, &mut grid, &options, PhaseStart::NoLoad, 300);
        let mut solver = PhaseSolver::new(&grid);
        solver.run(&grid, &options, PhaseStart::NoLoad);
        let powers: Vec<Complex> = grid.branches.iter().map(|branch| branch.power_va()).collect();
        let (mut seed, mut warm, mut iterations) = (7, Vec::new(), 0);
        let begin = cpu_us();
        for _ in 0..RUNS {
            for (branch, power) in grid.branches.iter_mut().zip(&powers) {
                branch.set_power(*power * (1.0 + SPREAD * random(&mut seed)));
            }
            let start = Instant::now();
            assert!(solver.run(&grid, &options, PhaseStart::Last));
            warm.push(start.elapsed().as_secs_f64() * 1e6);
            iterations += solver.iterations();
        }
        let warm_cpu = (cpu_us() - begin) / RUNS as f64;
        let mut cold = Vec::new();
        for _ in 0..RUNS.min(40) {
            let start = Instant::now();
            assert!(PhaseSolver::new(&grid).run(&grid, &options, PhaseStart::NoLoad));
            cold.push(start.elapsed().as_secs_f64() * 1e6);
        }
        println!(
            "{{\"workload\":\"powerflow-unbalanced\",\"case\":\"{}\",\"nodes\":{},\"loads\":{},\"fill\":{},\"tolerance_pu\":{},\
             \"spread\":{},\"iterations\":{:.2},\"warm_cpu_us\":{:.1},\"warm_wall_us\":{:.1},\"cold_wall_us\":{:.1}}}",
            study.network.name,
            grid.nodes.len(),
            grid.branches.len(),
            solver.fill(),
            tolerance_pu,
            SPREAD,
            iterations as f64 / RUNS as f64,
            warm_cpu,
            median(warm),
            median(cold),
        );
    }
}
