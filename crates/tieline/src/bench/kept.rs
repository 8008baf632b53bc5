//! Room for all results of a batch, made before the clock runs, and the memory of the threads.

use std::ops::Range;

use crate::pool;

/// Scenarios that `--sample` writes, spread over all.
pub(super) const MOST_SAMPLES: usize = 8;

/// Room for the results of a block.
pub(super) struct Rows<'a> {
    /// The first scenario of the block.
    pub(super) first: usize,
    /// Voltages, scenario by scenario.
    pub(super) voltages: &'a mut [[f64; 2]],
    /// Steps by scenario, `None` for one that was not solved.
    pub(super) steps: &'a mut [Option<u32>],
}

impl Rows<'_> {
    /// The scenarios.
    pub(super) fn range(&self) -> Range<usize> {
        self.first..self.first + self.steps.len()
    }

    /// Takes one result over.
    pub(super) fn take(&mut self, scenario: usize, steps: Option<u32>, voltages: &[[f64; 2]]) {
        let at = scenario - self.first;
        self.voltages[at * voltages.len()..][..voltages.len()].copy_from_slice(voltages);
        self.steps[at] = steps;
    }
}

/// Results and workers.
pub(super) struct Kept<W> {
    nodes: usize,
    block: usize,
    voltages: Vec<[f64; 2]>,
    /// Steps by scenario, `None` for one that was not solved.
    steps: Vec<Option<u32>>,
    workers: Vec<W>,
}

impl<W: Send> Kept<W> {
    /// `block` scenarios are solved side by side.
    pub(super) fn new(
        (nodes, block): (usize, usize),
        scenarios: usize,
        threads: usize,
        worker: impl Fn() -> W,
    ) -> Self {
        Self {
            nodes,
            block,
            voltages: vec![[f64::NAN; 2]; scenarios * nodes],
            steps: vec![None; scenarios],
            workers: (0..threads).map(|_| worker()).collect(),
        }
    }

    /// The same room with other workers.
    pub(super) fn set_threads(&mut self, threads: usize, worker: impl Fn() -> W) {
        self.workers = (0..threads).map(|_| worker()).collect();
    }

    /// Solves all scenarios, block by block on the threads.
    pub(super) fn solve(&mut self, work: impl Fn(&mut W, Rows<'_>) + Sync) {
        let Self { nodes, block, voltages, steps, workers } = self;
        let rows = voltages.chunks_mut(*block * (*nodes).max(1));
        let jobs = (0..).step_by(*block).zip(rows.zip(steps.chunks_mut(*block)));
        pool::run(workers, jobs, |worker, (first, (voltages, steps)): (usize, _)| {
            work(worker, Rows { first, voltages, steps });
        });
    }

    pub(super) fn count(&self) -> usize {
        self.steps.len()
    }

    /// Voltages of one scenario.
    pub(super) fn of(&self, scenario: usize) -> &[[f64; 2]] {
        &self.voltages[scenario * self.nodes..(scenario + 1) * self.nodes]
    }

    /// Scenarios that were solved.
    pub(super) fn solved(&self) -> usize {
        self.steps.iter().flatten().count()
    }

    pub(super) fn mean_steps(&self) -> f64 {
        let sum: f64 = self.steps.iter().flatten().copied().map(f64::from).sum();
        sum / self.solved() as f64
    }
}
