//! A connection as the loops of both ends use it: one read and one write at a time, both safe to give up.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// Octets taken from a stream at once.
const READ_MAX: usize = 64 * 1024;

/// Something that carries octets both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A stream with what waits to be written.
pub(crate) struct Duplex<S> {
    reader: ReadHalf<S>,
    writer: Outlet<S>,
    buffer: Vec<u8>,
    /// Whose turn it is: neither a peer that sends much nor one that takes much holds up the other direction. Taken in turn
    /// and not at random, so that a simulated run repeats.
    write_first: bool,
}

struct Outlet<S> {
    half: WriteHalf<S>,
    waiting: Vec<u8>,
    at: usize,
    /// Written, but perhaps held in a buffer of the stream.
    unflushed: bool,
}

/// What happened on a connection.
pub(crate) enum Moved {
    /// Octets arrived.
    Read(Vec<u8>),
    /// Octets left.
    Written,
}

impl<S: Stream> Duplex<S> {
    pub(crate) fn new(stream: S) -> Self {
        let (reader, half) = tokio::io::split(stream);
        let writer = Outlet { half, waiting: Vec::new(), at: 0, unflushed: false };
        Self { reader, writer, buffer: vec![0; READ_MAX], write_first: false }
    }

    /// Whether everything given to [`Self::write`] has left.
    pub(crate) fn is_idle(&self) -> bool {
        self.writer.at == self.writer.waiting.len()
    }

    /// Octets to be written.
    pub(crate) fn write(&mut self, octets: &[u8]) {
        if self.is_idle() {
            self.writer.waiting.clear();
            self.writer.at = 0;
        }
        self.writer.waiting.extend_from_slice(octets);
    }

    /// Waits for the next movement. An end of the stream is an error. May be dropped and called again.
    pub(crate) async fn moved(&mut self) -> io::Result<Moved> {
        let Self { reader, writer, buffer, write_first } = self;
        *write_first = !*write_first;
        let (read, write) = (reader.read(buffer), writer.push());
        let count = if *write_first {
            tokio::select! { biased; written = write => return written.map(|()| Moved::Written), count = read => count? }
        } else {
            tokio::select! { biased; count = read => count?, written = write => return written.map(|()| Moved::Written) }
        };
        match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(Moved::Read(buffer.get(..count).unwrap_or_default().to_vec())),
        }
    }
}

impl<S: Stream> Outlet<S> {
    async fn push(&mut self) -> io::Result<()> {
        if self.at < self.waiting.len() {
            let count = self.half.write(&self.waiting[self.at..]).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.at += count;
            self.unflushed = true;
            return Ok(());
        }
        if self.unflushed {
            self.half.flush().await?;
            self.unflushed = false;
        }
        std::future::pending().await
    }
}
