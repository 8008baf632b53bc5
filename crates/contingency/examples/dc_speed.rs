//! CPU time per outage of the DC model with all branches watched: `dc_speed CASE.m [RUNS]`.
//!
//! One thread, so wall time is CPU time. Branches without a rating get 1.2 times their flow, that they are watched.
#![allow(clippy::disallowed_methods)]

use std::ops::ControlFlow;
use std::time::Instant;

use contingency::{Contingency, DcNetwork, DcSweep, Monitor, Outage, Ratings, Rules, System, Worst};
use sparse::pool::Inline;
use topology::calc::BranchIdx;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("give a MATPOWER case")?;
    let runs: usize = arguments.next().map_or(Ok(5), |runs| runs.parse())?;
    let (case, _) = exchange::matpower::read(&std::fs::read(file)?)?;
    let mut system = System::from_case(&case)?.system;
    let begin = Instant::now();
    let network = DcNetwork::new(&system.grid, &[])?;
    println!("model and factor {:.1} ms, fill {}", begin.elapsed().as_secs_f64() * 1e3, network.fill());
    for (ratings, flow) in system.ratings.iter_mut().zip(network.flows()) {
        if ratings.0[0] <= 0.0 {
            *ratings = Ratings([(1.2 * flow.abs()).max(0.5) * case.base_mva, 0.0, 0.0]);
        }
    }
    let list: Vec<Contingency> = (0_u32..)
        .take(system.grid.branches.len())
        .map(|at| Contingency { name: String::new(), outage: Outage::branch(BranchIdx(at)) })
        .collect();
    for _ in 0..runs {
        let begin = Instant::now();
        let sweep = DcSweep::new(&network, &system, &Monitor::default(), Rules::default());
        let (mut worst, mut violations) = (Worst::new(100), 0);
        sweep.run(&list, &Inline, &mut |finding| {
            violations += finding.violation_count;
            worst.offer(&finding);
            ControlFlow::Continue(())
        });
        let us = begin.elapsed().as_secs_f64() * 1e6 / list.len() as f64;
        println!("{} outages, {us:.2} us each, {violations} violations", list.len());
    }
    Ok(())
}
