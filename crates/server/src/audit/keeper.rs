//! Signs checkpoints and looks whether the audit still is what it was (S-20, A-27).
//!
//! What the process has seen stays in its memory, where nobody who writes the file reaches it: the last head and the last
//! checkpoint. Every [`LOOK`] the file must still hold both, with everything after them whole, and a stretch of older records is
//! checked again, so that a chain of [`STRETCH`] records is looked at as a whole each time and longer ones in turns.

use super::{SOURCE, stopped};
use crate::config::Config;
use crate::core::{Core, CoreHandle};
use crate::forward::sender::Sender;
use anyhow::Result;
use scada::alarm::AlarmKind;
use scada::event::Severity;
use security::{AuditEntry, ChainHead, Checkpoint, Outcome, PublicKey, SigningKey};
use std::sync::Arc;
use std::time::Duration;
use store::{AuditFault, AuditWatch, Record, Store, StoreError};
use timebase::{Mono, Now, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::Clock;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Older records checked each time.
const STRETCH: u64 = 20_000;
/// Older checkpoints checked each time.
const SIGNED_STRETCH: usize = 2_000;
/// No checkpoint for so long is an alarm.
const OVERDUE: Duration = Duration::from_secs(60);
/// Source of the alarm about missing checkpoints.
const CHECKPOINTS: &str = "audit checkpoints";

/// What is known about the audit of this centre.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// The last checkpoint.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Last record found whole, and when.
    pub(crate) seen: Option<(ChainHead, Utc)>,
    /// When the last round over all records came to its end.
    pub(crate) whole_at: Option<Utc>,
    /// What is wrong.
    pub(crate) fault: Option<String>,
    /// The copy on another machine.
    pub(crate) copy: Option<crate::forward::CopyState>,
}

/// What others see of the audit.
#[derive(Clone, Debug)]
pub(crate) struct AuditSight {
    pub(crate) kept: watch::Receiver<Kept>,
    pub(crate) key: PublicKey,
}

/// The task.
pub(crate) struct Keeper {
    pub(crate) store: Arc<Store>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) clock: Clock,
    pub(crate) core: CoreHandle,
    pub(crate) period: Duration,
    pub(crate) kept: watch::Sender<Kept>,
}

struct Watched {
    watch: AuditWatch,
    known: ChainHead,
    cursor: ChainHead,
    /// Number of the last checkpoint looked at in this round.
    signed: u64,
}

enum Seen {
    /// Holds up to here; whether the round over old records is at its end.
    Whole {
        head: ChainHead,
        round: bool,
    },
    Broken(AuditFault),
}

impl Watched {
    fn look(&mut self, checkpoint: Option<&Checkpoint>) -> Result<Seen, store::StoreError> {
        let head = match self.watch.tail(self.known)? {
            Ok(head) => head,
            Err(fault) => return Ok(Seen::Broken(fault)),
        };
        self.known = head;
        if let Some(checkpoint) = checkpoint {
            // The writer signs what it remembers: a record that went before anybody looked is missed here.
            let stands = self.watch.stands(checkpoint)?.and(self.watch.tail(checkpoint.head)?);
            if let Err(fault) = stands {
                return Ok(Seen::Broken(fault));
            }
            self.signed = match self.watch.signed_after(self.signed, SIGNED_STRETCH, checkpoint.number)? {
                Ok(signed) => signed,
                Err(fault) => return Ok(Seen::Broken(fault)),
            };
        }
        let reached = match self.watch.part(self.cursor, STRETCH)? {
            Ok(reached) => reached,
            Err(fault) => return Ok(Seen::Broken(fault)),
        };
        let round = reached.seq >= head.seq;
        self.cursor = if round { ChainHead::EMPTY } else { reached };
        Ok(Seen::Whole { head, round })
    }
}

impl Keeper {
    /// Works until shutdown. The last checkpoint is made by [`sign_last`], after the core has written its last record.
    pub(crate) async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut watched = match AuditWatch::new(&self.store) {
            Ok(watch) => {
                Some(Watched { watch, known: ChainHead::EMPTY, cursor: ChainHead::EMPTY, signed: 0 })
            }
            Err(error) => {
                tracing::error!(%error, "The audit is not watched");
                None
            }
        };
        let mut beat = tokio::time::interval(self.period);
        let mut look = tokio::time::interval(LOOK);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut signed_at = self.clock.now().mono;
        let mut overdue = false;
        loop {
            tokio::select! {
                () = stopped(&mut shutdown) => return,
                _ = beat.tick() => self.sign(&mut signed_at).await,
                _ = look.tick() => watched = self.look(watched).await,
            }
            overdue = self.note_overdue(signed_at, overdue).await;
        }
    }

    async fn sign(&self, signed_at: &mut Mono) {
        let (store, key, clock) = (Arc::clone(&self.store), Arc::clone(&self.key), self.clock);
        let signed = tokio::task::spawn_blocking(move || store.sign_audit(&key, clock.now().utc)).await;
        match signed {
            Ok(Ok(checkpoint)) => {
                *signed_at = self.clock.now().mono;
                self.kept.send_modify(|kept| kept.checkpoint = Some(checkpoint));
            }
            Ok(Err(error)) => tracing::warn!(%error, "No checkpoint of the audit"),
            Err(error) => tracing::error!(%error, "The signer of the audit panicked"),
        }
    }

    async fn note_overdue(&self, signed_at: Mono, was: bool) -> bool {
        let is = self.clock.now().mono.since(signed_at) > OVERDUE;
        if is != was {
            let told = self.core.ask(move |core, now| match is {
                true => {
                    let text = "no checkpoint of the audit could be signed for a minute";
                    core.centre.raise_about(AlarmKind::System, CHECKPOINTS, Severity::High, text, now.utc);
                }
                false => core.centre.clear_about(AlarmKind::System, CHECKPOINTS, now.utc),
            });
            // The centre may be ending.
            drop(told.await);
        }
        is
    }

    async fn look(&self, watched: Option<Watched>) -> Option<Watched> {
        let mut watched = watched?;
        if self.kept.borrow().fault.is_some() {
            // Said once: what is broken does not heal.
            return Some(watched);
        }
        let checkpoint = self.kept.borrow().checkpoint;
        let work = move || (watched.look(checkpoint.as_ref()), watched);
        let (seen, watched) = match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "The watch of the audit panicked");
                return None;
            }
        };
        let now = self.clock.now().utc;
        match seen {
            Ok(Seen::Whole { head, round }) => self.kept.send_modify(|kept| {
                kept.seen = Some((head, now));
                kept.whole_at = if round { Some(now) } else { kept.whole_at };
            }),
            Ok(Seen::Broken(fault)) => self.broken(fault.to_string()).await,
            // A disk that cannot be read says nothing about the chain; the store's own alarm tells of it.
            Err(error) => tracing::warn!(%error, "The audit could not be looked at"),
        }
        Some(watched)
    }

    /// Somebody has changed what was written: from now on no command leaves, as after a start that finds it (S-21).
    async fn broken(&self, fault: String) {
        tracing::error!(fault, "The audit was altered");
        self.kept.send_modify(|kept| kept.fault = Some(fault.clone()));
        drop(self.core.ask(move |core, now| note_broken(core, now, &fault)).await);
    }
}

fn note_broken(core: &mut Core, now: Now, fault: &str) {
    core.audit_broken = true;
    let text = format!("the audit was altered while the centre ran, commands are stopped: {fault}");
    core.centre.raise_about(AlarmKind::System, SOURCE, Severity::Critical, &text, now.utc);
}

/// What the audit of a centre needs from it.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) core: &'a CoreHandle,
}

/// Loads the key and starts the tasks that sign, watch and forward. Tasks are told to end by `shutdown`.
pub(crate) fn start(
    parts: &Parts<'_>,
    shutdown: &watch::Sender<bool>,
) -> Result<(Arc<SigningKey>, AuditSight, Vec<JoinHandle<()>>)> {
    let Parts { config, store, clock, core } = parts;
    let directory = &config.data.directory;
    let key = Arc::new(super::key::load_or_make(directory)?);
    note_other_key(store, key.public(), clock.now().utc)?;
    let (kept, sight) = watch::channel(Kept::default());
    let keeper = Keeper {
        store: Arc::clone(store),
        key: Arc::clone(&key),
        clock: *clock,
        core: CoreHandle::clone(core),
        period: Duration::from_secs_f64(config.audit.checkpoint_s),
        kept: kept.clone(),
    };
    let mut tasks = vec![tokio::spawn(keeper.run(shutdown.subscribe()))];
    if let Some(forward) = &config.audit.forward {
        let sender = Sender {
            config: forward.clone(),
            centre: config.name.clone(),
            store: Arc::clone(store),
            file: crate::forward::position::file(directory),
            clock: *clock,
            core: CoreHandle::clone(core),
            kept,
        };
        tasks.push(tokio::spawn(sender.run(shutdown.subscribe())));
    }
    Ok((key.clone(), AuditSight { kept: sight, key: key.public() }, tasks))
}

/// Another key than that of the last checkpoint is a deed: it stands in the chain that both have signed.
fn note_other_key(store: &Store, key: PublicKey, now: Utc) -> Result<()> {
    let Some(last) = store.last_checkpoint()?.filter(|last| last.key != key) else { return Ok(()) };
    let entry = AuditEntry {
        time: now,
        actor: "centre".to_owned(),
        source: "start".to_owned(),
        action: "audit.key".to_owned(),
        target: "checkpoints of the audit".to_owned(),
        old: Some(last.key.to_string()),
        new: Some(key.to_string()),
        outcome: Outcome::Done,
        reason: "the data directory holds another key".to_owned(),
    };
    match store.append(vec![Record::Audit(entry)]) {
        // The start tells of that by itself.
        Ok(_) | Err(StoreError::AuditBroken) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The checkpoint at the end of a run, over its last record.
pub(crate) fn sign_last(store: &Store, key: &Arc<SigningKey>, now: Utc) {
    if let Err(error) = store.sign_audit(key, now) {
        tracing::warn!(%error, "No last checkpoint of the audit");
    }
}
