//! One transport connection: moves bytes between a socket and the task that owns the session.

use crate::counters::{LinkCounters, add};
use signal::Channel;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Octets taken from a socket at once.
const READ_MAX: usize = 16 * 1024;
/// Batches of octets that wait for a socket. A session sends no more than its window, so only a peer that floods
/// with test frames and reads nothing gets this far; it is disconnected.
const WRITES_MAX: usize = 256;
/// Connection events that wait for the owner of the session.
pub(crate) const EVENTS_MAX: usize = 32;
/// A peer that takes no octets for this long is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Anything that carries octets both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where the owner of the session puts octets for one connection; dropping it closes the connection.
pub(crate) type Writes = mpsc::Sender<Vec<u8>>;

/// What a connection tells the owner of the session. In the order of its life: connected, data, disconnected.
#[derive(Debug)]
pub(crate) enum ChannelEvent {
    Connected(Channel, Writes),
    Data(Channel, Vec<u8>),
    Disconnected(Channel),
}

/// Serves a connection until it ends or the owner drops its end. Returns an error only for a failed socket.
pub(crate) async fn serve(
    stream: Box<dyn Stream>,
    channel: Channel,
    owner: mpsc::Sender<ChannelEvent>,
    counters: Arc<LinkCounters>,
) -> io::Result<()> {
    let (writes, queue) = mpsc::channel(WRITES_MAX);
    add(&counters.connections, 1);
    if owner.send(ChannelEvent::Connected(channel, writes)).await.is_err() {
        return Ok(());
    }
    let result = pump(stream, channel, queue, &owner, &counters).await;
    // The owner may be gone by now; then nobody needs to know.
    let _ = owner.send(ChannelEvent::Disconnected(channel)).await;
    result
}

async fn pump(
    stream: Box<dyn Stream>,
    channel: Channel,
    mut queue: mpsc::Receiver<Vec<u8>>,
    owner: &mpsc::Sender<ChannelEvent>,
    counters: &LinkCounters,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = vec![0; READ_MAX];
    loop {
        tokio::select! {
            read = reader.read(&mut buffer) => {
                let count = read?;
                if count == 0 {
                    return Ok(());
                }
                add(&counters.rx_bytes, count);
                let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                if owner.send(ChannelEvent::Data(channel, bytes)).await.is_err() {
                    return Ok(());
                }
            }
            queued = queue.recv() => {
                let Some(bytes) = queued else {
                    return writer.shutdown().await;
                };
                tokio::time::timeout(WRITE_TIMEOUT, async {
                    writer.write_all(&bytes).await?;
                    writer.flush().await
                })
                .await??;
                add(&counters.tx_bytes, bytes.len());
            }
        }
    }
}

/// Growing pauses between attempts, with jitter so that a thousand links do not come back in one instant.
#[derive(Debug)]
pub(crate) struct BackOff {
    next: Duration,
}

impl BackOff {
    const FIRST: Duration = Duration::from_millis(200);
    /// Longest pause before jitter; with jitter it stays within five seconds.
    const LONGEST: Duration = Duration::from_secs(4);
    /// A connection that held this long was a good one: the next attempt comes soon.
    pub(crate) const SETTLED: Duration = Duration::from_secs(5);

    pub(crate) const fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(crate) fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// The pause before the next attempt: 75 % to 125 % of the nominal one.
    pub(crate) fn pause(&mut self) -> Duration {
        let nominal = self.next;
        self.next = (nominal * 2).min(Self::LONGEST);
        // A fresh `RandomState` is seeded by the operating system; jitter needs no better randomness.
        let random = RandomState::new().build_hasher().finish() % 512;
        let percent = 75 + u32::try_from(random).unwrap_or(0) / 10;
        nominal * percent.min(125) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_below_five_seconds() {
        let mut back_off = BackOff::new();
        for _ in 0..100 {
            let nominal = back_off.next;
            let pause = back_off.pause();
            assert!(pause >= nominal * 3 / 4 && pause <= nominal * 5 / 4 && pause <= Duration::from_secs(5));
        }
        assert_eq!(back_off.next, BackOff::LONGEST);
        back_off.reset();
        assert!(back_off.pause() <= Duration::from_millis(250));
    }
}
