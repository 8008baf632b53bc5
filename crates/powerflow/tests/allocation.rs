//! The numeric phase allocates nothing once it has run.
#![allow(clippy::unwrap_used)]

mod case_file;

use allocation_counter::measure;
use case_file::read;
use powerflow::batch::{Batch, Scenarios};
use powerflow::{Options, Outcome};

/// A little more of everything than the scenario before.
struct Growing;

impl Scenarios for Growing {
    fn write(&self, _: usize, p_pu: &mut [f64], q_pu: &mut [f64]) {
        p_pu.iter_mut().chain(q_pu).for_each(|power| *power *= 1.01);
    }
}

#[test]
fn a_block_of_scenarios_allocates_nothing() {
    for name in ["case14.txt", "case118.txt", "case300.txt"] {
        let batch = Batch::new(read(name).grid, Options::default()).unwrap();
        let mut worker = batch.worker();
        let mut solved = 0;
        let mut run = |solved: &mut usize| {
            batch.solve(&mut worker, 0..batch.block(), &Growing, &mut |scenario| {
                let stepped = matches!(scenario.outcome, Outcome::Converged { iterations: 1.., .. });
                *solved += usize::from(stepped);
            });
        };
        run(&mut solved);
        let counted = measure(|| run(&mut solved));
        assert_eq!(solved, 2 * batch.block());
        assert_eq!(counted.count_total, 0, "{name}");
    }
}
