//! Scenarios of a batch: every load has its own factor `1 ± spread`, uniform, from a seed.

use powerflow::batch::Scenarios;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use topology::calc::Grid;

/// Net injections of all scenarios, ready before the clock runs. INVARIANT: each array has `count · buses` numbers.
pub(super) struct LoadScenarios {
    buses: usize,
    count: usize,
    p_pu: Vec<f64>,
    q_pu: Vec<f64>,
}

impl LoadScenarios {
    /// Draws them: scenario by scenario, one number per bus. `loads_pu` is active and reactive load by bus of the
    /// grid.
    pub(super) fn draw(grid: &Grid, loads_pu: &[[f64; 2]], count: usize, (spread, seed): (f64, u64)) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let buses = grid.buses.len();
        let (mut p_pu, mut q_pu) = (Vec::with_capacity(buses * count), Vec::with_capacity(buses * count));
        for _ in 0..count {
            for (bus, load) in grid.buses.iter().zip(loads_pu) {
                let change = spread * random.random_range(-1.0..=1.0);
                p_pu.push(bus.p_pu - change * load[0]);
                q_pu.push(bus.q_pu - change * load[1]);
            }
        }
        Self { buses, count, p_pu, q_pu }
    }

    /// Those of `buses` buses that are given, row by row.
    pub(super) fn given(buses: usize, (p_pu, q_pu): (Vec<f64>, Vec<f64>)) -> Self {
        Self { buses, count: p_pu.len() / buses.max(1), p_pu, q_pu }
    }

    /// The grid with the mean injections of all scenarios.
    pub(super) fn write_mean(&self, grid: &mut Grid) {
        for (at, bus) in grid.buses.iter_mut().enumerate() {
            let mean =
                |powers: &[f64]| powers.iter().skip(at).step_by(self.buses).sum::<f64>() / self.count as f64;
            (bus.p_pu, bus.q_pu) = (mean(&self.p_pu), mean(&self.q_pu));
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Net injections of one scenario, by bus of the grid.
    pub(super) fn injections(&self, scenario: usize) -> (&[f64], &[f64]) {
        let row = scenario * self.buses..(scenario + 1) * self.buses;
        (&self.p_pu[row.clone()], &self.q_pu[row])
    }
}

impl Scenarios for LoadScenarios {
    fn write(&self, scenario: usize, p_pu: &mut [f64], q_pu: &mut [f64]) {
        let (p, q) = self.injections(scenario);
        p_pu.copy_from_slice(p);
        q_pu.copy_from_slice(q);
    }

    fn writes_all(&self) -> bool {
        true
    }
}
