//! Writing without holding others up: a centre that runs syncs its own small writes on the same disk, and waits behind
//! everything that somebody else has left unwritten.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Bytes that are left unwritten at most.
const BURST: u64 = 2 << 20;
/// Bytes per second: ten gigabytes in less than three minutes.
const RATE: f64 = 64e6;

/// A file that is written in small synced bursts, no faster than [`RATE`].
pub(crate) struct Paced {
    file: File,
    began: Instant,
    written: u64,
    unsynced: u64,
    /// Without a pace it is a plain file.
    paced: bool,
}

impl Paced {
    pub(crate) fn new(file: File, paced: bool) -> Self {
        Self { file, began: Instant::now(), written: 0, unsynced: 0, paced }
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn rest(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.file.sync_data()?;
        // Exact below 2^53 bytes.
        let due = Duration::from_secs_f64(self.written as f64 / RATE);
        std::thread::sleep(due.saturating_sub(self.began.elapsed()));
        Ok(())
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        let wide = u64::try_from(count).unwrap_or(u64::MAX);
        self.written = self.written.saturating_add(wide);
        self.unsynced = self.unsynced.saturating_add(wide);
        if self.paced && self.unsynced >= BURST {
            self.rest()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
