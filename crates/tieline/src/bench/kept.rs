//! Room for all results of a batch, made before the clock runs, and the memory of the threads.

use std::ops::Range;

use crate::pool;

/// Scenarios that `--sample` writes, spread over all.
pub(super) const MOST_SAMPLES: usize = 8;

/// Takes one result: which scenario, its steps if it was solved, its voltages.
pub(super) type Take<'a> = &'a mut dyn FnMut(usize, Option<u32>, &[[f64; 2]]);

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
    pub(super) fn solve(&mut self, work: impl Fn(&mut W, Range<usize>, Take<'_>) + Sync) {
        let Self { nodes, block, voltages, steps, workers } = self;
        let nodes = *nodes;
        let rows = voltages.chunks_mut(*block * nodes.max(1));
        let jobs = (0..).step_by(*block).zip(rows.zip(steps.chunks_mut(*block)));
        pool::run(workers, jobs, |worker, (first, (voltages, steps)): (usize, _)| {
            let range = first..first + steps.len();
            work(worker, range, &mut |scenario, taken, result| {
                let at = scenario - first;
                voltages[at * nodes..(at + 1) * nodes].copy_from_slice(result);
                steps[at] = taken;
            });
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
