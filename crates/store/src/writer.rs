//! The thread that owns the only writing connection, and its group commit.

use crate::anchor::{Anchor, HeadFile};
use crate::write::Applied;
use crate::{Record, Store, StoreError, TokenRecord};
use rusqlite::Connection;
use security::{ChainHead, TokenHash};
use security::{Checkpoint, SigningKey};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Instant;
use timebase::Utc;

/// Batches that share one commit at most.
const GROUP_BATCHES: usize = 256;
/// Records of one batch at most.
const BATCH_RECORDS: usize = 10_000;

/// Proof that a batch is on the disk.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Receipt {
    /// First and last number of the batch's events.
    pub events: Option<(u64, u64)>,
    /// The audit's head after the batch's last audit record.
    pub audit: Option<ChainHead>,
    /// The checkpoint that was signed.
    pub checkpoint: Option<Checkpoint>,
    pub(crate) redeemed: Option<TokenRecord>,
}

pub(crate) enum Work {
    Batch(Vec<Record>),
    Redeem { hash: TokenHash, now: Utc },
    Checkpoint { key: Arc<SigningKey>, now: Utc },
}

type Done = Box<dyn FnOnce(Result<Receipt, StoreError>) + Send>;

pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) done: Done,
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub struct Pending(Receiver<Result<Receipt, StoreError>>);

impl Pending {
    /// Waits until the batch is on the disk, or refused.
    pub fn wait(self) -> Result<Receipt, StoreError> {
        self.0.recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl Store {
    /// Writes a batch, all of it or nothing, and returns when it is on the disk. Waits while the queue is full.
    pub fn append(&self, batch: Vec<Record>) -> Result<Receipt, StoreError> {
        check_size(&batch)?;
        self.run(Work::Batch(batch))
    }

    /// Queues a batch; [`StoreError::Busy`] when the queue is full. Batches are written in the order queued.
    pub fn append_async(&self, batch: Vec<Record>) -> Result<Pending, StoreError> {
        let (sender, receiver) = sync_channel(1);
        self.append_with(batch, move |result| drop(sender.send(result)))?;
        Ok(Pending(receiver))
    }

    /// Like [`Store::append_async`], and calls `done` on the writer's thread when the batch is on the disk or refused.
    pub fn append_with(
        &self,
        batch: Vec<Record>,
        done: impl FnOnce(Result<Receipt, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        check_size(&batch)?;
        let job = Job { work: Work::Batch(batch), done: Box::new(done) };
        self.sender()?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Takes a token for a login: notes the use, so that a one-time token works once even if two try at the same
    /// moment. The token's user must exist and not be disabled.
    pub fn redeem_token(&self, hash: &TokenHash, now: Utc) -> Result<TokenRecord, StoreError> {
        let receipt = self.run(Work::Redeem { hash: *hash, now })?;
        receipt.redeemed.ok_or(StoreError::Closed)
    }

    /// Signs where the audit chain ends and keeps that beside the chain. [`StoreError::AuditBroken`] if the chain is known to
    /// be broken: nobody vouches for that.
    pub fn sign_audit(&self, key: &Arc<SigningKey>, now: Utc) -> Result<Checkpoint, StoreError> {
        let receipt = self.run(Work::Checkpoint { key: Arc::clone(key), now })?;
        receipt.checkpoint.ok_or(StoreError::Closed)
    }

    fn run(&self, work: Work) -> Result<Receipt, StoreError> {
        let (sender, receiver) = sync_channel(1);
        let done: Done = Box::new(move |result| drop(sender.send(result)));
        self.sender()?.send(Job { work, done }).map_err(|_| StoreError::Closed)?;
        Pending(receiver).wait()
    }

    fn sender(&self) -> Result<&SyncSender<Job>, StoreError> {
        self.jobs.as_ref().ok_or(StoreError::Closed)
    }
}

fn check_size(batch: &[Record]) -> Result<(), StoreError> {
    if batch.len() > BATCH_RECORDS {
        return Err(StoreError::BatchSize { got: batch.len(), most: BATCH_RECORDS });
    }
    Ok(())
}

pub(crate) struct Writer {
    connection: Connection,
    state: Applied,
    head_file: HeadFile,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        last_event: u64,
        audit: Anchor,
        head_file: HeadFile,
        audit_broken: bool,
    ) -> Self {
        Self {
            connection,
            state: Applied { last_event, audit: audit.chain, checkpoints: audit.checkpoints, audit_broken },
            head_file,
        }
    }

    /// Works until every sender is gone.
    pub(crate) fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let behind = self.head_file.note(self.state.anchor(), Instant::now());
            if behind.is_some_and(|left| left.is_zero()) {
                self.head_file.write(self.state.anchor(), Instant::now());
                continue;
            }
            let first = match behind {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(left) => queue.recv_timeout(left),
            };
            match first {
                Ok(first) => self.commit_group(first, queue),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.head_file.write(self.state.anchor(), Instant::now());
    }

    /// Writes what has queued up in one transaction, then answers each batch.
    fn commit_group(&mut self, first: Job, queue: &Receiver<Job>) {
        let jobs: Vec<Job> = std::iter::once(first).chain(queue.try_iter().take(GROUP_BATCHES - 1)).collect();
        let before = self.state;
        let (works, dones): (Vec<Work>, Vec<Done>) = jobs.into_iter().map(|job| (job.work, job.done)).unzip();
        match self.write_group(works) {
            Ok(results) => {
                for (done, result) in dones.into_iter().zip(results) {
                    done(result);
                }
            }
            Err(error) => {
                // Nothing is on the disk: the counters go back and everybody is told.
                self.state = before;
                if !self.connection.is_autocommit()
                    && let Err(error) = self.connection.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "Store rollback failed");
                }
                tracing::error!(%error, batches = dones.len(), "Store commit failed");
                for done in dones {
                    done(Err(error.clone()));
                }
            }
        }
    }

    /// `Err` means that the group as a whole failed; a batch that fails alone is an `Err` in the list.
    fn write_group(&mut self, works: Vec<Work>) -> Result<Vec<Result<Receipt, StoreError>>, StoreError> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut results = Vec::with_capacity(works.len());
        for work in works {
            let before = self.state;
            self.connection.execute_batch("SAVEPOINT batch")?;
            let result = self.state.apply(&self.connection, work);
            if let Err(error) = &result {
                self.state = before;
                if self.connection.is_autocommit() {
                    // SQLite has rolled back everything (disk full, input or output error).
                    return Err(error.clone());
                }
                self.connection.execute_batch("ROLLBACK TO batch")?;
            }
            self.connection.execute_batch("RELEASE batch")?;
            results.push(result);
        }
        self.connection.execute_batch("COMMIT")?;
        Ok(results)
    }
}
