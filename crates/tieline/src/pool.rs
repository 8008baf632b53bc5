//! Threads that share out independent jobs.
//!
//! A job brings its own place for results and each worker its own memory, so what a job computes depends neither on the
//! number of threads nor on their turns.

use std::sync::Mutex;

/// Runs every job, each worker on a thread of its own; a single worker runs on the calling thread.
///
/// # Panics
/// When a job panics, after the other threads have ended.
pub(crate) fn run<W, J>(
    workers: &mut [W],
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(&mut W, J) + Sync,
) where
    W: Send,
    J: Send,
{
    if let [worker] = workers {
        jobs.for_each(|job| work(worker, job));
        return;
    }
    let queue = Mutex::new(jobs);
    // A worker that panicked has left the queue whole: it is locked for the step to the next job only.
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| {
                while let Some(job) = next() {
                    work(worker, job);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_by_any_number_of_workers() {
        for threads in [1, 2, 3, 7] {
            let mut places = vec![0_u32; 100];
            let mut workers = vec![0_u32; threads];
            run(&mut workers, places.iter_mut().enumerate(), |done, (index, place)| {
                *done += 1;
                *place += index as u32;
            });
            assert_eq!(places, (0..100).collect::<Vec<u32>>(), "{threads} threads");
            assert_eq!(workers.iter().sum::<u32>(), 100);
        }
    }
}
