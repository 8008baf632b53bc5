//! Threads for the solvers, and a word now and then for the person who waits.

use std::time::{Duration, Instant};

use sparse::pool::Pool;

use super::say;
use crate::pool;

/// Time without a word after which progress is told.
const PATIENCE: Duration = Duration::from_secs(3);

/// Worker threads that live as long as one call.
pub(crate) struct Threads {
    workers: usize,
}

impl Threads {
    /// As many workers as asked for, or as the machine has processors.
    pub(crate) fn new(asked: Option<usize>) -> Self {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers: asked.unwrap_or_else(available).max(1) }
    }
}

impl Pool for Threads {
    fn workers(&self) -> usize {
        self.workers
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize, usize) + Sync)) {
        let mut workers: Vec<usize> = (0..self.workers.min(jobs.max(1))).collect();
        pool::run(&mut workers, 0..jobs, |worker, index| job(*worker, index));
    }
}

/// Tells now and then how far it is.
pub(crate) struct Progress {
    what: &'static str,
    total: usize,
    told: Instant,
    quiet: bool,
}

impl Progress {
    /// Of that many things.
    pub(crate) fn new(what: &'static str, total: usize, quiet: bool) -> Self {
        Self { what, total, told: Instant::now(), quiet }
    }

    /// That many are done.
    pub(crate) fn at(&mut self, done: usize) {
        if !self.quiet && self.told.elapsed() >= PATIENCE {
            self.told = Instant::now();
            say(&format!("{}: {done} of {}", self.what, self.total));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_job_runs_once_whatever_the_threads() {
        for workers in [1, 2, 5] {
            let threads = Threads::new(Some(workers));
            let ran: Vec<AtomicUsize> = (0..23).map(|_| AtomicUsize::new(0)).collect();
            threads.run(ran.len(), &|worker, job| {
                assert!(worker < workers);
                ran[job].fetch_add(1, Ordering::Relaxed);
            });
            assert!(ran.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}
