//! What went through a link, and the log that does not flood.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counters of one link. They only rise; readers may see them a moment apart.
#[derive(Debug, Default)]
pub struct LinkCounters {
    pub(crate) rx_bytes: AtomicU64,
    pub(crate) tx_bytes: AtomicU64,
    pub(crate) samples: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) forbidden: AtomicU64,
}

/// A reading of [`LinkCounters`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkTotals {
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Samples that came out of the session, counted before they wait for whoever takes the reports.
    pub samples: u64,
    /// Connections established.
    pub connections: u64,
    /// Connections refused because all channels were taken.
    pub refused: u64,
    /// Faults of the peer.
    pub faults: u64,
    /// Panics of the session.
    pub panics: u64,
    /// Messages that the conduit did not allow, either way.
    pub forbidden: u64,
}

impl LinkCounters {
    /// Counts octets that another driver has received for the link.
    pub fn add_received(&self, octets: usize) {
        add(&self.rx_bytes, octets);
    }

    /// Counts samples that came out of a session.
    pub fn add_samples(&self, count: usize) {
        add(&self.samples, count);
    }

    /// The present totals.
    pub fn totals(&self) -> LinkTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkTotals {
            rx_bytes: read(&self.rx_bytes),
            tx_bytes: read(&self.tx_bytes),
            samples: read(&self.samples),
            connections: read(&self.connections),
            refused: read(&self.refused),
            faults: read(&self.faults),
            panics: read(&self.panics),
            forbidden: read(&self.forbidden),
        }
    }
}

/// Adds to a counter; a length always fits 64 bits.
pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Lets one message through per interval and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    const INTERVAL: Duration = Duration::from_secs(10);

    /// Whether to write a message now, and how many were kept back since the last one.
    pub(crate) fn pass(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < Self::INTERVAL) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.suppressed))
    }
}
