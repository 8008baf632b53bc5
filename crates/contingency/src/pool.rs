//! Workers that are passed in: the product has threads, this crate has none.

/// A piece of work; it owns or borrows all that it needs and writes its result where it was told.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Runs pieces of work, in any order and side by side.
pub trait Pool {
    /// How many pieces run at the same time.
    fn width(&self) -> usize;

    /// Runs all and returns when the last one is done.
    fn run(&self, jobs: Vec<Job<'_>>);
}

/// No workers: everything runs on the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Pool for Serial {
    fn width(&self) -> usize {
        1
    }

    fn run(&self, jobs: Vec<Job<'_>>) {
        for job in jobs {
            job();
        }
    }
}
