//! Threads without threads: the pure layers describe independent jobs, the product runs them.

/// Runs independent jobs, perhaps at the same time.
pub trait Pool: Sync {
    /// How many workers there are; at least one.
    fn workers(&self) -> usize;

    /// Calls `job(worker, index)` once for every index below `jobs`, and returns when all are done. A worker's calls
    /// follow each other, so whatever belongs to one worker is used by one call at a time.
    fn run(&self, jobs: usize, job: &(dyn Fn(usize, usize) + Sync));
}

/// Everything on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Pool for Inline {
    fn workers(&self) -> usize {
        1
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize, usize) + Sync)) {
        for index in 0..jobs {
            job(0, index);
        }
    }
}
