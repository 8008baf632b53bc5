//! The task that sends the chain to the collector.

use super::CopyState;
use super::format::Writer;
use super::position::Position;
use crate::audit::config::ForwardConfig;
use crate::audit::keeper::Kept;
use crate::audit::{COPY_SOURCE, stopped};
use crate::core::CoreHandle;
use anyhow::{Context as _, Result, bail};
use scada::alarm::AlarmKind;
use scada::event::Severity;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use timebase::{Mono, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use transport::{Clock, Stream, TlsClient};

/// A message whose connection has lived for so long counts as taken.
pub(crate) const SETTLED: Duration = Duration::from_secs(10);
/// Octets that the collector's machine has not acknowledged for so long end the connection; shorter than [`SETTLED`].
const UNACKNOWLEDGED: Duration = Duration::from_secs(6);
/// How long connecting may take, with the handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// Pauses between tries: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// Records read at a time.
const PAGE: usize = 500;
/// How often the store is asked for more.
const BEAT: Duration = Duration::from_millis(500);
/// Batches that have not settled at most; the sender waits beyond that.
const MAX_UNSETTLED: usize = 256;
/// The copy may be this old before it is an alarm (B-30).
const LATE: Duration = Duration::from_secs(60);

/// The task.
pub(crate) struct Sender {
    pub(crate) config: ForwardConfig,
    pub(crate) centre: String,
    pub(crate) store: Arc<Store>,
    pub(crate) file: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) core: CoreHandle,
    pub(crate) kept: watch::Sender<Kept>,
}

/// What one run of the task carries on.
struct Progress {
    taken: Position,
    late: bool,
    error: Option<String>,
}

impl Sender {
    /// Sends until shutdown.
    pub(crate) async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let taken = Position::load(&self.file).unwrap_or_else(|error| {
            tracing::error!(error = %format!("{error:#}"), "Place of the audit copy not read");
            Position::default()
        });
        let mut progress = Progress { taken, late: false, error: None };
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = tokio::select! {
                () = stopped(&mut shutdown) => return,
                ended = self.connection(&mut progress, &mut pause) => ended,
            };
            if let Err(error) = ended {
                let text = format!("{error:#}");
                tracing::warn!(to = self.config.to, error = text, "Audit copy interrupted");
                progress.error = Some(text);
            }
            self.note(&mut progress, None).await;
            tokio::select! {
                () = stopped(&mut shutdown) => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// One connection, until it fails.
    async fn connection(&self, progress: &mut Progress, pause: &mut Duration) -> Result<()> {
        let connecting = tokio::time::timeout(CONNECT, self.connect());
        let stream = connecting.await.context("no answer")??;
        progress.error = None;
        let connected_at = self.clock.now().utc;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let messages = Writer::new(&self.centre, self.config.format);
        let mut sent = progress.taken;
        let mut unsettled: VecDeque<(Mono, Position)> = VecDeque::new();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut scrap = [0; 256];
        loop {
            tokio::select! {
                read = reader.read(&mut scrap) => match read.context("read")? {
                    0 => bail!("the collector has closed the connection"),
                    // RFC 5425 and RFC 6587 know no answers.
                    _ => continue,
                },
                _ = beat.tick() => {}
            }
            while unsettled.len() < MAX_UNSETTLED {
                let (octets, now_sent) = self.page(&messages, sent).await?;
                if octets.is_empty() {
                    break;
                }
                let writing = async {
                    writer.write_all(&octets).await?;
                    writer.flush().await
                };
                tokio::time::timeout(SETTLED, writing).await.context("the collector takes nothing")??;
                sent = now_sent;
                unsettled.push_back((self.clock.now().mono, sent));
            }
            let settled = self.settle(&mut unsettled);
            if let Some(taken) = settled {
                progress.taken = taken;
                *pause = FIRST_PAUSE;
                let file = self.file.clone();
                tokio::task::spawn_blocking(move || taken.save(&file)).await??;
            }
            self.note(progress, Some(connected_at)).await;
        }
    }

    fn settle(&self, unsettled: &mut VecDeque<(Mono, Position)>) -> Option<Position> {
        let now = self.clock.now().mono;
        let mut settled = None;
        while let Some((at, place)) = unsettled.front()
            && now.since(*at) >= SETTLED
        {
            settled = Some(*place);
            unsettled.pop_front();
        }
        settled
    }

    async fn connect(&self) -> Result<Box<dyn Stream>> {
        // Read anew for each connection: certificates are renewed while the centre runs.
        let host = self.config.to.rsplit_once(':').map_or(self.config.to.as_str(), |(host, _)| host);
        let name = self.config.server_name.as_deref().unwrap_or(host);
        let tls = match &self.config.tls {
            None => None,
            Some(paths) => Some(TlsClient::load(&paths.files(), name).context("audit.forward.tls")?),
        };
        let stream = TcpStream::connect(&self.config.to).await.context("connect")?;
        stream.set_nodelay(true)?;
        socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        Ok(match tls {
            None => Box::new(stream),
            Some(tls) => tls.secure(stream).await.context("TLS")?,
        })
    }

    /// The next messages in frames of RFC 6587, 3.4.1 (the same as RFC 5425, 4.3), and where they lead to.
    async fn page(&self, messages: &Writer, from: Position) -> Result<(Vec<u8>, Position)> {
        let store = Arc::clone(&self.store);
        let read = move || {
            let records = store.audit_after(from.seq, PAGE)?;
            let checkpoints = store.checkpoints_after(from.checkpoint, PAGE)?;
            Ok::<_, store::StoreError>((records, checkpoints))
        };
        let (records, checkpoints) = tokio::task::spawn_blocking(read).await??;
        let (mut octets, mut to) = (Vec::new(), from);
        let mut frame = |message: String| {
            octets.extend(format!("{} ", message.len()).as_bytes());
            octets.extend(message.as_bytes());
        };
        for record in &records {
            frame(messages.record(record));
            to.seq = record.seq;
        }
        // A checkpoint follows the record that it is about.
        for checkpoint in checkpoints.iter().filter(|checkpoint| checkpoint.head.seq <= to.seq) {
            frame(messages.checkpoint(checkpoint));
            to.checkpoint = checkpoint.number;
        }
        Ok((octets, to))
    }

    /// Tells people how far the copy is.
    async fn note(&self, progress: &mut Progress, connected_at: Option<Utc>) {
        let (store, taken) = (Arc::clone(&self.store), progress.taken);
        let oldest = move || {
            let record = store.audit_after(taken.seq, 1).ok()?.pop().map(|record| record.entry.time);
            let checkpoint = store.checkpoints_after(taken.checkpoint, 1).ok()?.pop().map(|one| one.time);
            record.into_iter().chain(checkpoint).min()
        };
        // A store that cannot be read has an alarm of its own.
        let waits_since = tokio::task::spawn_blocking(oldest).await.ok().flatten();
        let now = self.clock.now().utc;
        let late = waits_since.is_some_and(|since| now.since(since) > LATE);
        let (to, error) = (self.config.to.clone(), progress.error.clone());
        if late != progress.late {
            progress.late = late;
            let text = format!(
                "the copy of the audit at {to} is more than a minute behind: {}",
                error.as_deref().unwrap_or("it does not keep up")
            );
            let told = self.core.ask(move |core, now| match late {
                true => {
                    core.centre.raise_about(AlarmKind::System, COPY_SOURCE, Severity::High, &text, now.utc)
                }
                false => core.centre.clear_about(AlarmKind::System, COPY_SOURCE, now.utc),
            });
            // The centre may be ending.
            drop(told.await);
        }
        let state = CopyState { to, connected_at, taken: taken.seq, waits_since, error };
        self.kept.send_if_modified(|kept| {
            let changed = kept.copy.as_ref() != Some(&state);
            kept.copy = Some(state);
            changed
        });
    }
}
