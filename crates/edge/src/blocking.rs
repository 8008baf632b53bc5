//! How work that waits for a disk is called: on threads of the runtime, or in simulated time.

use std::future::Future;

/// The way to call what blocks.
pub trait Blocking: Clone + Send + Sync + 'static {
    /// Does the work and returns its result.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;
}

/// Threads of the runtime.
#[derive(Clone, Copy, Debug)]
pub struct Threads;

impl Blocking for Threads {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let task = tokio::task::spawn_blocking(work);
        async {
            match task.await {
                Ok(result) => result,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime ends, and everything that waits with it.
                Err(_) => std::future::pending().await,
            }
        }
    }
}
