//! The queue in front of the log and the thread that empties it in groups.

use crate::error::HistorianError;
use crate::open::{Historian, Shared, Stats, lock};
use crate::row::Row;
use crate::wal::WalWriter;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// Tries of a failing write after the historian was closed.
const LAST_TRIES: u32 = 5;

/// Why rows were not taken. They are counted as shed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The queue is full.
    #[error("the historian's queue is full: {shed} rows shed")]
    Full {
        /// Rows of this call, none of which was taken.
        shed: usize,
    },
    /// The historian is closing.
    #[error("the historian is closed: {shed} rows shed")]
    Closed {
        /// Rows of this call.
        shed: usize,
    },
}

#[derive(Default)]
struct QueueState {
    rows: Vec<Vec<Row>>,
    queued: usize,
    accepted: u64,
    stored: u64,
    shed: u64,
    /// Commit without waiting for the window until this many rows are stored.
    urgent: u64,
    closed: bool,
    /// The committer has ended.
    ended: bool,
}

/// The bounded queue.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    work: Condvar,
    progress: Condvar,
}

impl Queue {
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.work.notify_all();
    }

    pub(crate) fn count(&self, stats: &mut Stats) {
        let state = lock(&self.state);
        (stats.accepted, stats.stored, stats.shed) = (state.accepted, state.stored, state.shed);
        stats.queued = state.queued;
    }

    fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Waits for rows, then for the window or enough of them. `None` when closed and empty.
    pub(crate) fn take(&self, window: Duration, enough: usize) -> Option<Vec<Vec<Row>>> {
        let mut state = lock(&self.state);
        while state.queued == 0 {
            if state.closed {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let begin = Instant::now();
        while state.queued < enough && !state.closed && state.urgent <= state.stored {
            let left = window.saturating_sub(begin.elapsed());
            if left.is_zero() {
                break;
            }
            let waited = self.work.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(std::mem::take(&mut state.rows))
    }

    /// Rows are on the disk. They stay in the count of the queue until here, so that it bounds memory.
    fn stored(&self, rows: usize) {
        let mut state = lock(&self.state);
        state.queued -= rows;
        state.stored += rows as u64;
        self.progress.notify_all();
    }

    fn ended(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.ended = true;
        self.progress.notify_all();
    }
}

impl Historian {
    /// Queues rows; all of them or none. A crash, too, leaves all of them or none, if they are at most
    /// [`crate::WHOLE_BATCH`]. They are durable after the next commit, at most a commit window and an `fsync` later.
    pub fn append(&self, rows: &[Row]) -> Result<(), AppendError> {
        let queue = &self.shared.queue;
        let mut state = lock(&queue.state);
        let count = rows.len();
        let refusal = if state.closed {
            Some(AppendError::Closed { shed: count })
        } else if state.queued + count > self.shared.options.queue_rows {
            Some(AppendError::Full { shed: count })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            state.shed += count as u64;
            return Err(refusal);
        }
        if count > 0 {
            state.rows.push(rows.to_vec());
            state.queued += count;
            state.accepted += count as u64;
            queue.work.notify_all();
        }
        Ok(())
    }

    /// Rows taken over since opening: with [`Self::wait_stored`] a caller knows when its own are on the disk.
    pub fn accepted(&self) -> u64 {
        lock(&self.shared.queue.state).accepted
    }

    /// Returns when so many rows that were taken over since opening are on the disk. Does not hurry the commit: rows of
    /// others share it.
    ///
    /// # Errors
    /// The historian ended before.
    pub fn wait_stored(&self, rows: u64) -> Result<(), HistorianError> {
        let queue = &self.shared.queue;
        let mut state = lock(&queue.state);
        while state.stored < rows {
            if state.ended {
                return Err(HistorianError::Closed);
            }
            state = queue.progress.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Commits at once and returns when everything appended before is on the disk.
    pub fn flush(&self) -> Result<(), HistorianError> {
        let queue = &self.shared.queue;
        let mut state = lock(&queue.state);
        let wanted = state.accepted;
        state.urgent = state.urgent.max(wanted);
        queue.work.notify_all();
        while state.stored < wanted {
            if state.ended {
                return Err(HistorianError::Closed);
            }
            state = queue.progress.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// The commit thread.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    /// `None` after a failed write: the file's end is unknown, the next write goes to a new one.
    wal: Option<WalWriter>,
    next_row: u64,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, wal: WalWriter, next_row: u64) -> Self {
        Self { shared, wal: Some(wal), next_row }
    }

    pub(crate) fn run(mut self) {
        let Options { window, enough } = Options::of(&self.shared);
        while let Some(group) = self.shared.queue.take(window, enough) {
            if !self.write_until_done(&group) {
                break;
            }
            self.accept(&group);
            self.freeze_when_full();
        }
        self.mark_end();
        self.shared.queue.ended();
    }

    /// Makes rows visible that are on the disk.
    pub(crate) fn accept(&mut self, group: &[Vec<Row>]) {
        let rows = count(group);
        self.next_row += rows as u64;
        self.shared.tables.insert(group);
        self.shared.queue.stored(rows);
    }

    /// Says in the log that all of it was on the disk.
    pub(crate) fn mark_end(&mut self) {
        if let Some(mut wal) = self.wal.take()
            && let Err(error) = wal.append(self.next_row, &[])
        {
            tracing::warn!(%error, "End of the log not marked");
        }
    }

    /// Writes a group, again and again if need be. A repeated group carries the same row numbers, so that
    /// whatever the failed write left behind is not counted twice.
    fn write_until_done(&mut self, group: &[Vec<Row>]) -> bool {
        let mut tries_left = LAST_TRIES;
        loop {
            match self.write(group) {
                Ok(()) => {
                    if tries_left < LAST_TRIES {
                        self.shared.set_fault(None);
                    }
                    return true;
                }
                Err(error) => {
                    tracing::error!(%error, rows = count(group), "History not written, will be tried again");
                    self.shared.set_fault(Some(&error));
                    tries_left = if self.shared.queue.is_closed() { tries_left - 1 } else { LAST_TRIES - 1 };
                }
            }
            if tries_left == 0 {
                return false;
            }
            std::thread::sleep(RETRY);
        }
    }

    pub(crate) fn write(&mut self, group: &[Vec<Row>]) -> Result<(), HistorianError> {
        let mut wal = match self.wal.take() {
            Some(wal) => wal,
            None => WalWriter::create(&self.shared.folder, self.shared.next_file())?,
        };
        wal.append(self.next_row, group)?;
        self.wal = Some(wal);
        Ok(())
    }

    /// Hands a full memtable to the flush thread; the log goes on in a new file.
    pub(crate) fn freeze_when_full(&mut self) {
        let most = self.shared.options.memtable_rows;
        if self.shared.tables.active_rows() < most {
            return;
        }
        if self.shared.tables.active_rows() >= most.saturating_mul(2) {
            // The disk is slower than the field: the queue fills, and what doesn't fit is counted as shed.
            self.shared.tables.wait_for_flush();
        }
        if self.shared.tables.is_flushing() {
            return;
        }
        match WalWriter::create(&self.shared.folder, self.shared.next_file()) {
            Ok(wal) => {
                self.shared.tables.freeze(wal.number, self.next_row);
                self.wal = Some(wal);
            }
            Err(error) => {
                tracing::error!(%error, "New log not created, will be tried again");
                self.shared.set_fault(Some(&error));
            }
        }
    }
}

fn count(group: &[Vec<Row>]) -> usize {
    group.iter().map(Vec::len).sum()
}

/// What the committer needs of the options.
struct Options {
    window: Duration,
    enough: usize,
}

impl Options {
    fn of(shared: &Shared) -> Self {
        Self { window: shared.options.commit_window, enough: shared.options.commit_rows.max(1) }
    }
}
