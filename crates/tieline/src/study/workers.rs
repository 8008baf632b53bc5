//! Threads for the solvers, a word now and then for the person who waits, and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sparse::pool::Pool;

use super::say;

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
        let next = AtomicUsize::new(0);
        let work = |worker: usize| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= jobs {
                    break;
                }
                job(worker, index);
            }
        };
        let more = self.workers.min(jobs).saturating_sub(1);
        std::thread::scope(|scope| {
            for worker in 1..=more {
                let work = &work;
                scope.spawn(move || work(worker));
            }
            work(0);
        });
    }
}

/// Set by the first Ctrl-C; the second one ends the program at once.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for Ctrl-C from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("the interrupt signal cannot be awaited")?;
        let seen = Arc::clone(&asked);
        std::thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while tokio::signal::ctrl_c().await.is_ok() {
                        if seen.swap(true, Ordering::Relaxed) {
                            std::process::exit(1);
                        }
                    }
                });
            })
            .context("the interrupt signal cannot be awaited")?;
        Ok(Self(asked))
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
