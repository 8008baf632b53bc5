//! A secured connection that ends when its peer's certificate is no longer good: expired, revoked, or of an authority that
//! is trusted no more.
//!
//! Whoever reads from a connection waits in `poll_read` nearly always, so that no task of its own is needed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often the peer's certificate is looked at again. A revocation list counts within this and a second.
pub(super) const BEAT: Duration = Duration::from_secs(20);

type Check = Box<dyn Fn() -> Result<(), rustls::Error> + Send>;

pub(super) struct Guarded<S> {
    stream: S,
    check: Check,
    beat: Interval,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, check: Check) -> Self {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { stream, check, beat }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.beat.poll_tick(context).is_ready() {
            if let Err(error) = (self.check)() {
                tracing::warn!(%error, "Connection ended: its peer's certificate is good no more");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::PermissionDenied, error)));
            }
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, octets));
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
